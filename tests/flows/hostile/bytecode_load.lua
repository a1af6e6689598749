-- expect: returned
return function(call)
  if load("\27Lua\x54\0\x19\x93\r\n\x1a\n") then error("bytecode") end
  if pcall(load, "\27Lua", "x", "b") or pcall(load, "\27Lua", "x", "bt") then error("bytecode") end
  if pcall(load, function() return nil end) then error("reader") end
  if pcall(load, ("x = 1 "):rep(20000)) then error("long") end
  if load(("("):rep(10000)) then error("deep") end
  local f = load("return _G.coroutine")
  if pcall(f) then error("another world") end
  local escaped = load("return rawset, io", "x", "t", {})
  if escaped() ~= nil then error("not the environment asked for") end
  if string.dump ~= nil then error("dump") end
end
