-- expect: killed
return function(call)
  local s = ("a"):rep(3000)
  while true do
    pcall(string.find, s, ".-.-.-b")
    pcall(string.match, s, "a-a-a-a-b")
    pcall(string.gsub, s, "(.-)(.-)(.-)(.-)x", "")
    pcall(string.find, ("("):rep(10000), "%b()")
  end
end
