-- expect: returned
-- log: the cleanup took too long
return function(call)
  for _ = 1, 60 do
    call:defer(function() while true do pcall(call.sleep, call, "1h") end end)
  end
  call:defer(function() while true do call:sleep(0.01) end end)
end
