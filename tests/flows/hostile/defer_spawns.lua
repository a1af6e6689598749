-- expect: returned
return function(call)
  local function again()
    pcall(call.defer, call, again)
    pcall(pbx.spawn, again)
    pcall(pbx.all, { again, again })
  end
  call:defer(again)
  call:sleep("1h")
end
