-- The dial plan that ships. A route of your own with the same pattern takes its place.

-- Hear yourself: is the line good, and how late is it?
pbx.internal("*43", function(call)
  call:answer()
  call:echo()
end)

-- Any other number rings for half a minute; whoever does not answer is the reason to refuse.
pbx.internal("{number}", function(call, m)
  local leg, cause = call:dial(m.number, { timeout = 30 })
  if not leg then call:reject(cause) end
end)
