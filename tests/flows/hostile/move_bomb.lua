-- expect: killed
return function(call)
  pcall(table.move, {}, 1, 1e15, 2)
  pcall(table.insert, setmetatable({}, { __len = function() return 1e15 end, __index = function() end, __newindex = function() end }), 1, 0)
end
