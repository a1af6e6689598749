-- expect: killed
return function(call)
  local function bomb() pcall(pbx.all, { bomb, bomb, bomb }) end
  while true do bomb() end
end
