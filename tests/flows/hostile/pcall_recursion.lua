-- expect: killed
return function(call)
  local function deep() pcall(deep) pcall(deep) end
  deep()
end
