-- expect: returned
local first
return function(call)
  if pcall(call.answer) or pcall(call.answer, {}) or pcall(call.answer, pbx) then error("whose call?") end
  if pcall(call.dial, call, "x", { [{}] = 1 }) or pcall(call.dial, call, "x", setmetatable({}, { __index = error, a = 1 }), 1) then
    error("odd options")
  end
  local headers = call.headers
  if pcall(function() headers.x = 1 end) then error("frozen") end
end
