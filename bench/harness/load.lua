-- wrk's script: asks for /BODY/key-N with N in turn, and prints the figures of the run as one line of JSON.
-- The requests are formatted before the run; during it a request costs one call and one table look-up.

local requests = {}
local nextRequest = 0

function init(arguments)
    local body, keys = arguments[1], tonumber(arguments[2])
    for number = 1, keys do
        requests[number] = wrk.format("GET", "/" .. body .. "/key-" .. number)
    end
end

function request()
    nextRequest = nextRequest % #requests + 1
    return requests[nextRequest]
end

function done(summary, latency)
    io.write(string.format(
        '\nFIGURES {"requests": %d, "duration_us": %d, "connect_errors": %d, "read_errors": %d, '
            .. '"write_errors": %d, "timeouts": %d, "status_errors": %d, "p50_us": %d, "p99_us": %d, "max_us": %d}\n',
        summary.requests, summary.duration, summary.errors.connect, summary.errors.read,
        summary.errors.write, summary.errors.timeout, summary.errors.status,
        latency:percentile(50), latency:percentile(99), latency.max))
end
