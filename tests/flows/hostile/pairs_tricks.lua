-- expect: returned
return function(call)
  local function refused(f, ...) if pcall(f, ...) then error("it was allowed", 2) end end
  refused(pairs, { [{}] = 1 })
  refused(next, { [print] = 1 })
  refused(pairs, nil)
  refused(ipairs, nil)
  for _ in pairs(setmetatable({}, { __pairs = function() return function() end end })) do end
  local t = { a = 1, b = 2, c = 3 }
  for key in pairs(t) do t[key] = nil t[key .. "x"] = 1 end
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  if table.concat(keys, " ") ~= "ax bx cx" then error(table.concat(keys, " ")) end
  for i, key in ipairs { next({ b = 1, a = 2 }) } do if i == 1 and key ~= "a" then error("order") end end
end
