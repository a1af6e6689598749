-- expect: killed
return function(call)
  while true do pcall(print, ("x"):rep(100000)) end
end
