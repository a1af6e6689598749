-- expect: returned
return function(call)
  local function refused(f, ...) if pcall(f, ...) then error("it was allowed", 2) end end
  if getmetatable("") ~= "locked" then error("open") end
  refused(function() getmetatable("").__index = {} end)
  for _, it in ipairs { pbx, pbx.log, _G, string, table, math, utf8, call, call.from, call.headers } do
    if getmetatable(it) ~= "locked" then error("open") end
    refused(setmetatable, it, {})
    refused(function() it.answer = 1 end)
    refused(function() it.pcall = 1 end)
    refused(table.insert, it, 1)
  end
  refused(function() _G.pcall = print end)
  refused(setmetatable, {}, { __gc = function() end })
  refused(setmetatable, {}, { __mode = "k" })
  refused(setmetatable, {}, {})
  -- Added later, the metamethod is not the real one's.
  local meta = { __index = {} }
  local weak = setmetatable({}, meta)
  meta.__mode, meta.__gc = "kv", function() while true do end end
  weak[1] = {}
  if weak[1] == nil then error("weak") end
  local tags = setmetatable(call.tags, { __newindex = function() while false do end end })
  tags.x = 1
end
