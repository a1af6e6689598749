-- expect: killed
return function(call)
  local loop = setmetatable({}, { __tostring = function(it) while true do pcall(tostring, it) end end, __name = "x" })
  if tostring({}) ~= "table" or tostring(print) ~= "function" then error("an address") end
  if pcall(tostring, setmetatable({}, { __tostring = function() return 5 end })) then error("no text") end
  if pcall(string.format, "%p", {}) then error("an address") end
  print(loop)
end
