-- expect: killed
local function closing(f) return setmetatable({}, { __close = f }) end
return function(call)
  local a <close> = closing(function() while true do end end)
  local b <close> = closing(function() while true do pcall(error) end end)
  while true do
    local c <close> = closing(function() error("mine") end)
  end
end
