-- Requests for random keys: METHOD, NAMESPACE, KEYS and BYTES from the environment, a fixed seed.
local method = os.getenv("METHOD") or "GET"
local prefix = "/v1/cache/" .. (os.getenv("NAMESPACE") or "bench") .. "/key"
local keys = tonumber(os.getenv("KEYS") or "100")
local body = method == "PUT" and string.rep("v", tonumber(os.getenv("BYTES") or "256")) or nil
local headers = { ["Content-Type"] = "text/plain" }

init = function() math.randomseed(20240607) end

request = function()
  return wrk.format(method, prefix .. math.random(0, keys - 1), headers, body)
end
