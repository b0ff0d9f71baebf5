-- wrk: every answer is the whole file, byte by byte.
local threads = {}
local expected = {}
for index = 0, 9999 do expected[#expected + 1] = string.char((index % 65521) % 251) end
expected = table.concat(expected)

function setup(thread) threads[#threads + 1] = thread end
function init() wrong = 0; right = 0 end
function response(status, _, body)
  if status == 200 and body == expected then right = right + 1 else wrong = wrong + 1 end
end
function done(summary)
  local wrong, right = 0, 0
  for _, thread in ipairs(threads) do wrong = wrong + thread:get("wrong"); right = right + thread:get("right") end
  local errors = summary.errors
  print(string.format("right %d wrong %d", right, wrong + errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
