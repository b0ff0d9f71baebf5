-- Prints wrk's figures as one line of JSON.
function done(summary, latency)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status
    io.write(string.format(
        'FIGURES {"requests": %d, "seconds": %f, "errors": %d, "p50": %f, "p90": %f, "p99": %f, "p99.9": %f, "max_us": %f}\n',
        summary.requests, summary.duration / 1e6, failed, latency:percentile(50), latency:percentile(90),
        latency:percentile(99), latency:percentile(99.9), latency.max))
end
