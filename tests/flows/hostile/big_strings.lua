-- expect: killed
return function(call)
  local s = ("x"):rep(1000000)
  local kept = {}
  for i = 1, 1e9 do kept[i] = s .. i end
end
