-- expect: returned
return function(call)
  for _, name in ipairs { "../x", "/etc/passwd", "a..b", "", ".", "x/y", "main", "a\0b", ("x"):rep(1e6), "moonswitch/main", 5, {} } do
    if pcall(require, name) then error("it loaded") end
  end
  if pcall(require) then error("it loaded") end
end
