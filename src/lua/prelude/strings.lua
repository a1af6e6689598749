-- The string and utf8 libraries: patterns run in Rust with a step budget, and whatever touches
-- many bytes is charged for them.
local host, raw, globals, shared = ...
local complain, pay, text = shared.complain, shared.pay, shared.text
local type, select, tonumber = raw.type, raw.select, raw.tonumber
local sub, concat, pack, unpack = raw.string.sub, raw.table.concat, raw.table.pack, raw.table.unpack
local seek, expand = host.seek, host.expand

local RESULTS_MAX = 10000
local lib = { char = raw.string.char, len = raw.string.len, pack = raw.string.pack, packsize = raw.string.packsize }

local function weight(value) return type(value) == "string" and #value or 32 end

for _, name in raw.ipairs { "upper", "lower", "reverse", "sub", "unpack" } do
  local stock = raw.string[name]
  lib[name] = function(s, ...)
    pay(weight(s) // 16)
    return stock(s, ...)
  end
end

function lib.byte(s, first, last)
  first = tonumber(first or 1)
  last = last == nil and first or tonumber(last)
  if type(s) == "string" and first and last then
    local from, to = first < 0 and #s + first + 1 or first, last < 0 and #s + last + 1 or last
    if from < 1 then from = 1 end
    if to > #s then to = #s end
    if to - from >= RESULTS_MAX then complain("string.byte: too many results") end
  end
  return raw.string.byte(s, first, last)
end

function lib.rep(s, n, between)
  local count = tonumber(n)
  local size = weight(s) + (between == nil and 0 or weight(between))
  if count and count > 0 then
    if size == 0 then return "" end
    if size * count > host.string_max then complain("string.rep: the result is too long") end
    pay(size * count // 16)
  end
  return raw.string.rep(s, n, between)
end

-- Values become text as `tostring` does it: no addresses.
function lib.format(form, ...)
  local args, i, size = pack(...), 0, 0
  if type(form) == "string" then
    size = #form
    for verb in raw.string.gmatch(form, "%%[^%a%%]*([%a%%])") do
      if verb == "p" then complain("string.format: %p is not allowed") end
      if verb ~= "%" then
        i = i + 1
        local arg = args[i]
        if verb == "s" and i <= args.n then
          arg = text(arg)
          args[i] = arg
        end
        size = size + weight(arg)
      end
    end
    if size > host.string_max then complain("string.format: the result is too long") end
    pay(size // 16)
  end
  return raw.string.format(form, unpack(args, 1, args.n))
end

-- Patterns -------------------------------------------------------------------------------------

local function subject(value, name)
  if type(value) == "string" then return value end
  if type(value) == "number" then return raw.tostring(value) end
  complain(name .. ": a string is needed, not a " .. type(value))
end

-- Where to begin, from 1; nil when that lies behind the end.
local function beginning(init, length, name)
  if init == nil then return 1 end
  local number = tonumber(init)
  local at = number and raw.math.tointeger(number)
  if not at then complain(name .. ": the position must be a whole number, not " .. host.show(init)) end
  if at < 0 then at = at < -length and 1 or length + at + 1 end
  if at == 0 then at = 1 end
  if at > length + 1 then return nil end
  return at
end

local function anchored(pattern)
  if sub(pattern, 1, 1) == "^" then return true, sub(pattern, 2) end
  return false, pattern
end

function lib.find(s, pattern, init, plain)
  s, pattern = subject(s, "string.find"), subject(pattern, "string.find")
  local at = beginning(init, #s, "string.find")
  pay(1)
  if not at then return nil end
  if plain then return host.find_plain(s, pattern, at) end
  local fixed, rest = anchored(pattern)
  return host.find(s, rest, at, fixed)
end

function lib.match(s, pattern, init)
  s, pattern = subject(s, "string.match"), subject(pattern, "string.match")
  local at = beginning(init, #s, "string.match")
  pay(1)
  if not at then return nil end
  local fixed, rest = anchored(pattern)
  return host.match(s, rest, at, fixed)
end

function lib.gmatch(s, pattern, init)
  s, pattern = subject(s, "string.gmatch"), subject(pattern, "string.gmatch")
  local at, last = beginning(init, #s, "string.gmatch"), 0
  local function captures(start, stop, ...)
    if not start then
      at = nil
      return nil
    end
    at, last = stop, stop
    return ...
  end
  return function()
    if not at then return nil end
    pay(1)
    return captures(seek(s, pattern, at, last, false, false))
  end
end

-- What stands for a match: nil or false keeps it.
local function replacement(kind, by, s, start, stop, ...)
  if kind == "string" then return expand(by, s, start, stop, ...) end
  local value
  if kind == "function" then
    value = by(...)
  else
    local key = (...)
    if key == false then complain("unfinished capture") end
    value = by[key]
  end
  if not value then return sub(s, start, stop - 1) end
  if type(value) ~= "string" and type(value) ~= "number" then
    complain("string.gsub: invalid replacement value (a " .. type(value) .. ")")
  end
  return value
end

function lib.gsub(s, pattern, by, max)
  s, pattern = subject(s, "string.gsub"), subject(pattern, "string.gsub")
  local kind = type(by)
  if kind == "number" then by, kind = raw.tostring(by), "string" end
  if kind ~= "string" and kind ~= "table" and kind ~= "function" then
    complain("string.gsub: the replacement must be a string, table or function, not a " .. kind)
  end
  local limit = max == nil and #s + 1 or raw.math.tointeger(tonumber(max) or "")
  if not limit then complain("string.gsub: the limit must be a whole number, not " .. host.show(max)) end
  pay(1)
  local fixed, rest = anchored(pattern)
  local lazy = kind ~= "function"
  local parts, n, at, last, count, size = {}, 0, 1, 0, 0, #s
  local function put(part)
    n = n + 1
    parts[n] = part
    size = size + weight(part)
    if size > host.string_max then complain("string.gsub: the result is too long") end
  end
  local function take(start, stop, ...)
    if not start then return false end
    pay(1)
    put(sub(s, at, start - 1))
    put(replacement(kind, by, s, start, stop, ...))
    count, at, last = count + 1, stop, stop
    return true
  end
  while count < limit and take(seek(s, rest, at, last, fixed, lazy)) and not fixed do end
  put(sub(s, at))
  pay(size // 16)
  return concat(parts), count
end

-- Methods of strings; nobody gets at this table.
local meta = raw.getmetatable("")
meta.__index = lib
meta.__metatable = "locked"
globals.string = shared.freeze("string", lib)

local unicode = { char = raw.utf8.char, charpattern = raw.utf8.charpattern, offset = raw.utf8.offset }
function unicode.len(s, ...)
  pay(weight(s) // 4)
  return raw.utf8.len(s, ...)
end
function unicode.codepoint(s, first, last, lax)
  if type(s) == "string" and #s > RESULTS_MAX and last ~= nil then complain("utf8.codepoint: the string is too long") end
  return raw.utf8.codepoint(s, first, last, lax)
end
function unicode.codes(s, lax)
  return raw.utf8.codes(s, lax)
end
globals.utf8 = shared.freeze("utf8", unicode)
