-- expect: killed
-- A closer's own error takes the place of the fatal one; the flow must not survive that.
return function(call)
  while true do
    pcall(function()
      local x <close> = setmetatable({}, { __close = function() error("mine") end })
      while true do end
    end)
  end
end
