-- expect: returned
return function(call)
  for _, name in ipairs {
    "coroutine", "debug", "io", "os", "package", "dofile", "loadfile", "collectgarbage", "rawset", "rawget", "warn",
  } do
    if pcall(function() return _G[name] end) then error(name .. " is there") end
    for key in pairs(_G) do
      if key == name then error(name .. " is there") end
    end
  end
end
