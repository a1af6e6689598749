-- expect: killed
-- What is held across waits counts too.
return function(call)
  local kept = {}
  while true do
    for i = 1, 500 do kept[#kept + 1] = ("x"):rep(10000) .. #kept end
    call:sleep(1)
  end
end
