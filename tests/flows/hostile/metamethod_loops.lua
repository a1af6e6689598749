-- expect: killed
return function(call)
  local function forever() while true do pcall(error) end end
  local it = setmetatable({}, { __index = forever, __lt = forever, __concat = forever, __len = forever, __pairs = forever })
  pcall(pairs, it)
  return it.x .. it
end
