-- The ground scripts stand on: errors that cannot be caught, frozen tables, metatables without
-- holes, iteration in a fixed order. `raw` is stock Lua, `globals` is what scripts will see.
local host, raw, globals, shared = ...
local error, type, getmetatable, setmetatable = raw.error, raw.type, raw.getmetatable, raw.setmetatable
local next, rawget, pcall, xpcall, sort = raw.next, raw.rawget, raw.pcall, raw.xpcall, raw.table.sort

local function complain(message) error(host.at(message), 0) end
shared.complain = complain

-- Pays for work that no hook sees. When the slice is used up others run first: a yield without a
-- value is a slice.
local yield, charge = raw.coroutine.yield, host.charge
local function pay(units)
  if charge(units) then yield() end
end
shared.pay = pay

-- Errors ---------------------------------------------------------------------------------------

-- Whatever the error says: a doomed flow goes on unwinding.
local function caught(ok, ...)
  if ok then return true, ... end
  local fatal, plain, is_spent = host.caught((...))
  if is_spent then yield() end
  if fatal ~= nil then error(fatal, 0) end
  return false, plain
end

local function handled(handler, ok, ...)
  if ok then return true, ... end
  return false, handler((...))
end

function globals.pcall(f, ...) return caught(pcall(f, ...)) end

-- The handler runs after unwinding: a handler below a hook's error would run without hooks.
function globals.xpcall(f, handler, ...) return handled(handler, caught(pcall(f, ...))) end

-- The body of every coroutine.
function shared.start(f, ...) return xpcall(f, host.trace, ...) end

-- Frozen tables --------------------------------------------------------------------------------

local source = setmetatable({}, { __mode = "k" })

local function freeze(table, refuse)
  local proxy = {}
  source[proxy] = table
  return setmetatable(proxy, { __index = table, __newindex = refuse, __metatable = "locked" })
end

function shared.freeze(name, table)
  return freeze(table, function(_, key)
    complain(name .. " cannot be changed (in '" .. host.show(key) .. "')")
  end)
end

-- A frozen table in which an unknown name is an error.
function shared.strict(name, table)
  setmetatable(table, { __index = function(_, key)
    complain("unknown field '" .. host.show(key) .. "' of " .. name .. host.hint(key, table))
  end })
  return shared.freeze(name, table)
end

function shared.environment()
  setmetatable(globals, { __index = function(_, key)
    complain("undeclared global '" .. host.show(key) .. "'" .. host.hint(key, globals))
  end })
  local env = freeze(globals, function(_, key)
    complain("assignment to undeclared global '" .. host.show(key) .. "' (use local)")
  end)
  globals._G = env
  return env
end

-- Metatables -----------------------------------------------------------------------------------

local EVENTS = {
  "__index", "__newindex", "__call", "__close", "__tostring", "__pairs", "__metatable", "__len", "__eq",
  "__lt", "__le", "__concat", "__unm", "__add", "__sub", "__mul", "__div", "__mod", "__pow", "__idiv",
  "__band", "__bor", "__bxor", "__bnot", "__shl", "__shr",
}
local latest = setmetatable({}, { __mode = "k" }) -- a script's metatable -> our copy of it
local origin = setmetatable({}, { __mode = "k" }) -- our copy -> the script's metatable

local function is_copy(copy, meta)
  for i = 1, #EVENTS do
    if rawget(copy, EVENTS[i]) ~= rawget(meta, EVENTS[i]) then return false end
  end
  return true
end

-- The real metatable is a copy that no script can reach, so `__mode` and `__gc` cannot be added
-- to it later. The price: metamethods are read when the metatable is set.
local function copy_of(meta)
  local copy = latest[meta]
  if copy and is_copy(copy, meta) then return copy end
  copy = {}
  for i = 1, #EVENTS do copy[EVENTS[i]] = rawget(meta, EVENTS[i]) end
  if next(copy) == nil then complain("setmetatable: the metatable has no metamethod yet (they are read now)") end
  latest[meta], origin[copy] = copy, meta
  return copy
end

function globals.setmetatable(table, meta)
  if type(table) ~= "table" then complain("setmetatable: the first argument must be a table") end
  if meta == nil then return setmetatable(table, nil) end
  if type(meta) ~= "table" then complain("setmetatable: the metatable must be a table or nil") end
  if rawget(meta, "__gc") ~= nil then complain("setmetatable: __gc is not allowed") end
  if rawget(meta, "__mode") ~= nil then complain("setmetatable: __mode is not allowed (no weak tables)") end
  if source[table] then complain("setmetatable: this table is locked") end
  return setmetatable(table, copy_of(meta))
end

function globals.getmetatable(value)
  local meta = getmetatable(value)
  return type(meta) == "table" and origin[meta] or meta
end

local function metamethod(value, event)
  local meta = getmetatable(value)
  return type(meta) == "table" and rawget(meta, event) or nil
end

-- Iteration ------------------------------------------------------------------------------------

local RANK = { number = 1, string = 2, boolean = 3 }

local function before(a, b)
  local ra, rb = RANK[type(a)], RANK[type(b)]
  if ra ~= rb then return ra < rb end
  if ra == 3 then return not a and b end
  return a < b
end
shared.before = before

local function check_key(key)
  if not RANK[type(key)] then complain("only numbers, strings and booleans have an order as keys, not a " .. type(key)) end
end

-- The keys that follow the sequence part, sorted.
local function other_keys(table, length)
  local keys, n, kind = {}, 0, nil
  for key in next, table do
    if not (raw.math.type(key) == "integer" and key >= 1 and key <= length) then
      check_key(key)
      n = n + 1
      keys[n] = key
      kind = (n == 1 or kind == type(key)) and type(key) or "mixed"
    end
  end
  if n > 1 then
    if n <= 1000 and (kind == "string" or kind == "number") then
      pay(n * 16)
      sort(keys)
    else
      shared.merge_sort(keys, n, before)
    end
  end
  return keys, n
end

function globals.pairs(table)
  local own = metamethod(table, "__pairs")
  if own then return own(table) end
  local from = source[table] or table
  if type(from) ~= "table" then complain("pairs: a table is needed, not a " .. type(table)) end
  local length, i = raw.rawlen(from), 0
  local keys, n
  local function walk()
    while i < length do
      i = i + 1
      local value = rawget(from, i)
      if value ~= nil then return i, value end
    end
    while i - length < n do
      i = i + 1
      local key = keys[i - length]
      local value = rawget(from, key)
      if value ~= nil then return key, value end
    end
  end
  keys, n = other_keys(from, length)
  return walk, table, nil
end

function globals.next(table, after)
  local from = source[table] or table
  if type(from) ~= "table" then complain("next: a table is needed, not a " .. type(table)) end
  local best
  for key in next, from do
    check_key(key)
    if (after == nil or before(after, key)) and (best == nil or before(key, best)) then best = key end
  end
  if best ~= nil then return best, rawget(from, best) end
  return nil
end

local function step(table, i)
  local value = table[i + 1]
  if value ~= nil then return i + 1, value end
end

function globals.ipairs(table)
  if table == nil then complain("ipairs: a table is needed, not nil") end
  return step, table, 0
end

-- Plain functions ------------------------------------------------------------------------------

local function text(value)
  local kind = type(value)
  if kind == "string" then return value end
  if kind == "number" or kind == "boolean" or kind == "nil" then return raw.tostring(value) end
  local own = metamethod(value, "__tostring")
  if own then
    local said = own(value)
    if type(said) ~= "string" then complain("'__tostring' must return a string") end
    return said
  end
  return kind == "userdata" and host.plain(value) or kind
end
shared.text = text
globals.tostring = text

function globals.print(...)
  local line = {}
  for i = 1, raw.select("#", ...) do line[i] = text((raw.select(i, ...))) end
  host.log("info", raw.table.concat(line, " "))
end

function globals.load(chunk, _, mode, env)
  if mode ~= nil and mode ~= "t" then complain("load: only text can be loaded") end
  return host.compile(chunk, env == nil and shared.env or env)
end

for _, name in raw.ipairs { "error", "assert", "type", "tonumber", "select", "rawequal", "rawlen", "_VERSION" } do
  globals[name] = raw[name]
end
