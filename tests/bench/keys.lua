-- Requests for random keys: METHOD, NAMESPACE, KEYS, BYTES and SEED from the environment. The bytes
-- of a value are random, so that nothing compresses them.
local method = os.getenv("METHOD")
local prefix = "/v1/cache/" .. os.getenv("NAMESPACE") .. "/key"
local keys = tonumber(os.getenv("KEYS"))
local headers = { ["Content-Type"] = "text/plain" }
local body

init = function()
  math.randomseed(tonumber(os.getenv("SEED")))
  if method == "PUT" then
    local bytes = {}
    for n = 1, tonumber(os.getenv("BYTES")) do bytes[n] = string.char(math.random(0, 255)) end
    body = table.concat(bytes)
  end
end

request = function()
  return wrk.format(method, prefix .. math.random(0, keys - 1), headers, body)
end

-- One line of figures: microseconds, and counts.
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    "figures %d %d %d %d %d %d\n",
    summary.requests, summary.duration, errors.status,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
  local lost = errors.connect + errors.read + errors.write
  if lost > 0 then io.write(string.format("lost %d\n", lost)) end
end
