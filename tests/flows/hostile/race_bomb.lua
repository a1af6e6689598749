-- expect: killed
return function(call)
  local function bomb() return pbx.race { bomb, bomb } end
  while true do pcall(bomb) end
end
