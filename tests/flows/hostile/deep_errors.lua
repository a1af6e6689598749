-- expect: killed
-- Lua walks the whole stack after each error that is caught.
return function(call)
  local function deep(n)
    if n == 0 then
      while true do pcall(error) end
    end
    return 1 + deep(n - 1)
  end
  deep(20000)
end
