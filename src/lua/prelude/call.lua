-- What a dial plan works with: `pbx` and the call. Operations check their arguments in Rust, then
-- yield; this file holds the only `yield` there is.
local host, raw, globals, shared = ...
local complain, error, type = shared.complain, raw.error, raw.type
local setmetatable, yield = raw.setmetatable, raw.coroutine.yield

-- The first value that comes back is an error to raise here, if it is not nil.
local function outcome(err, ...)
  if err ~= nil then error(err, 0) end
  return ...
end

local data = setmetatable({}, { __mode = "k" }) -- a call object -> its fields
local methods = {}

local function fields(call, method)
  return data[call] or complain("call:" .. method .. " needs the call: write it with a colon")
end

for name, ask in raw.pairs(host.ops) do
  methods[name] = function(call, ...)
    ask(fields(call, name).key, ...)
    return outcome(yield(true))
  end
end

function methods.defer(call, f)
  host.defer(fields(call, "defer").key, f)
end

local meta = { __metatable = "locked" }

function meta.__index(call, name)
  if methods[name] then return methods[name] end
  local it = data[call]
  if name == "state" then return host.state(it.key) end
  local value = it.fields[name]
  if value == nil and not it.optional[name] then
    complain("unknown field '" .. host.show(name) .. "' of call" .. host.hint(name, it.fields, methods, it.optional))
  end
  return value
end

function meta.__newindex(call, name)
  local it = data[call]
  if it.fields[name] ~= nil or methods[name] or it.optional[name] then
    complain("call." .. name .. " cannot be changed")
  end
  complain("unknown field '" .. host.show(name) .. "' of call" .. host.hint(name, it.fields, methods, it.optional))
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

function shared.new_call(key, view)
  local call = {}
  view.from, view.to = party("call.from", view.from), party("call.to", view.to)
  view.headers, view.tags, view.state = shared.freeze("call.headers", view.headers), {}, "ringing"
  data[call] = { key = key, fields = view, optional = { extension = true } }
  return setmetatable(call, meta)
end

function shared.handle(handler, key, view, captures) return handler(shared.new_call(key, view), captures) end

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

pbx.log = {}
for _, level in raw.ipairs { "info", "warn" } do
  pbx.log[level] = function(message) host.log(level, shared.text(message)) end
end
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
