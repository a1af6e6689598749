-- The table and math libraries, in Lua: so they can be sliced, may wait in a callback, and count
-- what they cost by themselves.
local host, raw, globals, shared = ...
local complain, pay = shared.complain, shared.pay
local type, getmetatable, select = raw.type, raw.getmetatable, raw.select
local math_type, concat, unpack = raw.math.type, raw.table.concat, raw.table.unpack

local UNPACK_MAX = 10000
local lib = {}

local function check_table(value, name)
  if type(value) ~= "table" then complain(name .. ": a table is needed, not a " .. type(value)) end
end

local function check_integer(value, name)
  local number = raw.tonumber(value)
  local integer = number and raw.math.tointeger(number)
  if not integer then complain(name .. ": a whole number is needed, not " .. host.show(value)) end
  return integer
end

-- Sorting: stable, and the same for the same input whatever the comparator does.
function shared.merge_sort(list, n, before)
  local from, to, width = list, {}, 1
  while width < n do
    local low = 1
    while low <= n do
      local middle, high = low + width, low + 2 * width
      if middle > n + 1 then middle = n + 1 end
      if high > n + 1 then high = n + 1 end
      local a, b = low, middle
      for k = low, high - 1 do
        if a < middle and (b >= high or not before(from[b], from[a])) then
          to[k] = from[a]
          a = a + 1
        else
          to[k] = from[b]
          b = b + 1
        end
      end
      low = low + 2 * width
    end
    from, to, width = to, from, 2 * width
  end
  if from ~= list then
    for i = 1, n do list[i] = from[i] end
  end
end

local function smaller(a, b) return a < b end

function lib.sort(list, before)
  check_table(list, "table.sort")
  if before ~= nil and type(before) ~= "function" then complain("table.sort: the comparator must be a function") end
  local n, copy = #list, {}
  for i = 1, n do copy[i] = list[i] end
  shared.merge_sort(copy, n, before or smaller)
  for i = 1, n do list[i] = copy[i] end
end

function lib.insert(list, ...)
  check_table(list, "table.insert")
  local given, n = select("#", ...), #list + 1
  if given == 1 then
    list[n] = (...)
    return
  end
  if given ~= 2 then complain("table.insert: wrong number of arguments") end
  local at, value = ...
  at = check_integer(at, "table.insert")
  if at < 1 or at > n then complain("table.insert: position out of bounds") end
  for i = n, at + 1, -1 do list[i] = list[i - 1] end
  list[at] = value
end

function lib.remove(list, at)
  check_table(list, "table.remove")
  local n = #list
  if at == nil then
    if n == 0 then return nil end
    at = n
  end
  at = check_integer(at, "table.remove")
  if n + 1 ~= at and (at < 1 or at > n + 1) and not (n == 0 and at == 0) then
    complain("table.remove: position out of bounds")
  end
  local value = list[at]
  for i = at, n - 1 do list[i] = list[i + 1] end
  if at <= n then list[n] = nil else list[at] = nil end
  return value
end

function lib.concat(list, between, first, last)
  check_table(list, "table.concat")
  between = between == nil and "" or between
  if type(between) ~= "string" and type(between) ~= "number" then complain("table.concat: the separator must be a string") end
  first = first == nil and 1 or check_integer(first, "table.concat")
  last = last == nil and #list or check_integer(last, "table.concat")
  local parts, n, size = {}, 0, 0
  for i = first, last do
    local part = list[i]
    if type(part) ~= "string" and type(part) ~= "number" then
      complain("table.concat: item " .. i .. " is a " .. type(part) .. ", not a string")
    end
    n = n + 1
    parts[n] = part
    size = size + (type(part) == "string" and #part or 24) + #(between .. "")
    if size > host.string_max then complain("table.concat: the result is too long") end
  end
  pay(size // 16)
  return concat(parts, between)
end

function lib.move(from, first, last, at, to)
  check_table(from, "table.move")
  to = to == nil and from or to
  check_table(to, "table.move")
  first, last = check_integer(first, "table.move"), check_integer(last, "table.move")
  at = check_integer(at, "table.move")
  if last < first then return to end
  if first <= 0 and last >= raw.math.maxinteger + first then complain("table.move: too many items to move") end
  if at > raw.math.maxinteger - (last - first) then complain("table.move: the destination wraps around") end
  if at > last or at <= first or to ~= from then
    for i = 0, last - first do to[at + i] = from[first + i] end
  else
    for i = last - first, 0, -1 do to[at + i] = from[first + i] end
  end
  return to
end

function lib.unpack(list, first, last)
  first = first == nil and 1 or check_integer(first, "table.unpack")
  last = last == nil and #list or check_integer(last, "table.unpack")
  if last < first then return end
  if last - first >= UNPACK_MAX or last - first < 0 then complain("table.unpack: too many results") end
  if type(list) == "table" and getmetatable(list) == nil then
    pay(last - first)
    return unpack(list, first, last)
  end
  local copy = {}
  for i = first, last do copy[i - first + 1] = list[i] end
  return unpack(copy, 1, last - first + 1)
end

lib.pack = raw.table.pack
globals.table = shared.freeze("table", lib)

local numbers = {}
for _, name in raw.ipairs {
  "abs", "ceil", "cos", "deg", "exp", "floor", "fmod", "huge", "log", "max", "maxinteger", "min", "mininteger",
  "modf", "pi", "rad", "sin", "sqrt", "tan", "tointeger", "type", "ult", "acos", "asin", "atan",
} do
  numbers[name] = raw.math[name]
end

-- Random as the call's seed tells it.
function numbers.random(low, high)
  if low == nil then return host.random_float() end
  low = check_integer(low, "math.random")
  if high == nil then low, high = 1, low else high = check_integer(high, "math.random") end
  if low > high then complain("math.random: the interval is empty") end
  return host.random_integer(low, high)
end
globals.math = shared.freeze("math", numbers)
