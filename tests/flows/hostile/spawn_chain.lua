-- expect: returned
-- Each link would have a budget of its own, if its ancestors did not pay for it.
return function(call)
  local function link() for _ = 1, 1000 do end pbx.spawn(link) end
  pbx.spawn(link)
end
