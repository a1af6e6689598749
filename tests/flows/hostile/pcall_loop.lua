-- expect: killed
return function(call)
  while true do pcall(function() while true do end end) end
end
