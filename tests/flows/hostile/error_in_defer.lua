-- expect: returned
-- log: error in a deferred function
-- log: the other one
return function(call)
  call:defer(function() print("the other one") end)
  call:defer(function() error({ code = 1 }) end)
  call:defer(function() local x <close> = setmetatable({}, { __close = error }) error("again") end)
end
