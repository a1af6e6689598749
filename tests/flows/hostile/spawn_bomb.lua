-- expect: killed
return function(call)
  local function bomb() while true do pcall(pbx.spawn, bomb) end end
  bomb()
end
