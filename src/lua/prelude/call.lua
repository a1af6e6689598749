-- What a dial plan works with: `pbx` and the call. Operations check their arguments in Rust, then
-- yield; this file holds the only `yield` there is.
local host, raw, globals, shared = ...
local complain, error, type = shared.complain, raw.error, raw.type
local setmetatable, rawget, rawset = raw.setmetatable, raw.rawget, raw.rawset
local yield = raw.coroutine.yield

-- The first value that comes back is an error to raise here, if it is not nil.
local function outcome(err, ...)
  if err ~= nil then error(err, 0) end
  return ...
end

-- A call object holds its key and, once a script has looked at one, its fields: under keys that
-- only this file has.
local KEY, FIELDS = {}, {}
local methods = {}

local function key_of(call, method)
  return type(call) == "table" and rawget(call, KEY)
    or complain("call:" .. method .. " needs the call: write it with a colon")
end

for name, ask in raw.pairs(host.ops) do
  methods[name] = function(call, ...)
    ask(key_of(call, name), ...)
    return outcome(yield(true))
  end
end

function methods.defer(call, f)
  host.defer(key_of(call, "defer"), f)
end

-- A party: its name may be missing, other fields not.
local function party(name, table)
  local optional = { name = true }
  setmetatable(table, { __index = function(_, key)
    if not optional[key] then
      complain("unknown field '" .. host.show(key) .. "' of " .. name .. host.hint(key, table, optional))
    end
  end })
  return shared.freeze(name, table)
end

-- Fields are made when the first is looked at: most calls never are, and there are many.
local function fields_of(call)
  local fields = rawget(call, FIELDS)
  if fields then return fields end
  fields = host.view(rawget(call, KEY))
  fields.from, fields.to = party("call.from", fields.from), party("call.to", fields.to)
  fields.headers = shared.freeze("call.headers", fields.headers)
  rawset(call, FIELDS, fields)
  return fields
end

local OPTIONAL = host.optional
local meta = { __metatable = "locked" }

function meta.__index(call, name)
  if methods[name] then return methods[name] end
  if name == "state" then return host.state(rawget(call, KEY)) end
  local fields = fields_of(call)
  local value = fields[name]
  if value == nil and not OPTIONAL[name] then
    complain("unknown field '" .. host.show(name) .. "' of call" .. host.hint(name, fields, methods, OPTIONAL))
  end
  return value
end

function meta.__newindex(call, name)
  local fields = fields_of(call)
  if fields[name] ~= nil or methods[name] or OPTIONAL[name] then
    complain("call." .. name .. " cannot be changed")
  end
  complain("unknown field '" .. host.show(name) .. "' of call" .. host.hint(name, fields, methods, OPTIONAL))
end

function meta.__pairs() complain("pairs: a call is no list; name the field") end

function shared.handle(handler, key, captures)
  return handler(setmetatable({ [KEY] = key }, meta), captures)
end

-- Every function of a list, checked and copied.
local function functions(list, name)
  if type(list) ~= "table" then complain(name .. ": a list of functions is needed, not a " .. type(list)) end
  local copy, n = {}, #list
  if n > host.flows_max then complain(name .. ": more than " .. host.flows_max .. " functions") end
  for i = 1, n do
    if type(list[i]) ~= "function" then complain(name .. ": item " .. i .. " is a " .. type(list[i]) .. ", not a function") end
    copy[i] = list[i]
  end
  return copy
end

local pbx = {}

function pbx.all(list)
  host.all(functions(list, "pbx.all"))
  return outcome(yield(true))
end

function pbx.race(list)
  local copy = functions(list, "pbx.race")
  if #copy == 0 then complain("pbx.race: nobody runs") end
  host.race(copy)
  return outcome(yield(true))
end

function pbx.spawn(f)
  host.spawn(f)
end

function pbx.internal(pattern, f)
  host.internal(pattern, f)
end

function pbx.inbound(pattern, f)
  host.inbound(pattern, f)
end

pbx.log = {}
for _, level in raw.ipairs { "info", "warn" } do
  pbx.log[level] = function(message) host.log(level, shared.text(message)) end
end
-- Names that are not in the table of names would be unknown to those who check scripts.
host.declared("pbx.log", pbx.log)
host.declared("pbx", pbx)
pbx.log = shared.strict("pbx.log", pbx.log)
globals.pbx = shared.strict("pbx", pbx)

-- `require` over the files of this generation; `loaded` remembers what each returned.
local loaded, loading = {}, {}
function globals.require(name)
  local id, chunk = host.module(name)
  if loaded[id] ~= nil then return loaded[id] end
  if loading[id] then complain("require: '" .. name .. "' is being loaded: it requires itself, perhaps by way of another file") end
  if not host.is_loading() then complain("require: '" .. name .. "' was not required while loading: require it at the top of a file") end
  loading[id] = true
  local value = chunk()
  if value == nil then value = true end
  loaded[id], loading[id] = value, nil
  return value
end
