-- expect: returned
-- log: computed for too long
return function(call)
  for _ = 1, 64 do
    call:defer(function() while true do pcall(function() while true do end end) end end)
  end
  if pcall(call.defer, call, print) then error("too many") end
end
