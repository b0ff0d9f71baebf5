//! `heartbeat` of a service: how its replicas are asked whether they live.

use std::time::Duration;

use crate::base::supervision::HeartbeatPolicy;

use super::error::Fault;
use super::section::{MILLIS_MAX, Section};

const EXAMPLE: &str = "{ path = \"/heartbeat\", interval_ms = 1000 }";
/// The longest path.
const PATH_BYTES_MAX: usize = 1_024;
/// The shortest time between two heartbeats: below it they would be a load of their own.
const INTERVAL_MILLIS_MIN: u64 = 10;
/// The longest time that an answer may take.
const TIMEOUT_MILLIS_MAX: u64 = 60_000;
/// The most failures in a row that may be waited for.
const FAILURES_MAX: u32 = 100;

/// Reads the table; `None` if it is not written.
pub(super) fn read(service: &mut Section<'_>) -> Option<HeartbeatPolicy> {
    Some(service.value("heartbeat")?.section(EXAMPLE, policy))
}

fn policy(section: &mut Section<'_>) -> HeartbeatPolicy {
    let default = HeartbeatPolicy::default();
    let failures = "write after how many failures in a row a replica counts as dead";
    HeartbeatPolicy {
        path: path(section).unwrap_or(default.path),
        interval: interval(section, default.interval),
        timeout: section.millis_within(
            "timeout_ms",
            1..=TIMEOUT_MILLIS_MAX,
            default.timeout,
            "write how long an answer may take, in milliseconds",
        ),
        failures: section.number("failures", 1..=FAILURES_MAX, default.failures, failures),
    }
}

fn interval(section: &mut Section<'_>, default: Duration) -> Duration {
    let advice = "write the time from one heartbeat to the next, in milliseconds";
    section.millis_within("interval_ms", INTERVAL_MILLIS_MIN..=MILLIS_MAX, default, advice)
}

fn path(section: &mut Section<'_>) -> Option<Box<str>> {
    let value = section.value("path")?;
    let written = value.text("\"/heartbeat\"")?;
    let proper = written.starts_with('/')
        && written.len() <= PATH_BYTES_MAX
        && written.bytes().all(|byte| byte.is_ascii_graphic());
    let path =
        if proper { Ok(written.into()) } else { Err(Fault::HeartbeatPath { bytes_max: PATH_BYTES_MAX }) };
    value.check(path)
}
