-- expect: killed
-- A wait that takes no time is none.
return function(call)
  while true do pcall(call.sleep, call, 0) end
end
