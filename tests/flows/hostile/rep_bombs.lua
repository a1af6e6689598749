-- expect: returned
return function(call)
  for _, n in ipairs { 1e7, 1e12, math.maxinteger, 1e300 } do
    if pcall(string.rep, "x", n) or pcall(string.rep, "", n, "y") then error("it fitted") end
  end
  if ("").rep("", 1e12) ~= "" then error("nothing is nothing") end
  if pcall(string.format, "%99.99f" .. ("%s"):rep(20), table.unpack({ 1, ("x"):rep(1e6), ("x"):rep(1e6) }, 1, 21)) then
    error("it fitted")
  end
  local piece = ("x"):rep(10000)
  local t = setmetatable({}, { __len = function() return 1e12 end, __index = function() return piece end })
  if pcall(table.concat, t) or pcall(table.unpack, t) then error("it fitted") end
end
