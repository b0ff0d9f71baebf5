//! Time-outs and bounds: of clients, services, the drain, and what is logged.

use std::num::NonZeroUsize;

use crate::base::policy::{
    BodyRate, ClientLimits, DrainPolicy, IDLE_LIMIT, PoolLimits, RetryPolicy, Timeouts,
};
use crate::base::policy::{RETRIES_MAX, RETRY_BODY_BYTES_MAX};

use super::section::Section;
use super::{LogConfig, LogFormat, LogLevel};

/// The most connections of any kind that may be written.
const CONNECTIONS_MAX: usize = 1_000_000;
/// The smallest and largest bound of a request head.
const HEAD_BYTES: std::ops::RangeInclusive<usize> = 1_024..=1_048_576;
/// The highest rate that a body may be asked for, in bytes per second: a gigabyte.
const BODY_RATE_MAX: u64 = 1_000_000_000;
/// The most retries that a budget may grant without requests.
const RETRY_BURST_MAX: u32 = 10_000;

/// `timeouts` of a service.
pub(super) fn timeouts(section: &mut Section<'_>) -> Timeouts {
    let default = Timeouts::default();
    Timeouts {
        connect: section.millis("connect_ms", default.connect),
        first_byte: section.millis("first_byte_ms", default.first_byte),
        between_bytes: section.millis("between_bytes_ms", default.between_bytes),
        queue: section.millis("queue_ms", default.queue),
        tunnel: section.millis("tunnel_ms", default.tunnel),
    }
}

/// `pool` of a service.
pub(super) fn pool(section: &mut Section<'_>) -> PoolLimits {
    let default = PoolLimits::default();
    let connections_max =
        count(section, "connections_max", "write how many connections a replica takes, over all cores")
            .unwrap_or(default.connections_max);
    let idle_advice = "write how many of connections_max are kept open without a request; 0 keeps none";
    let idle_millis_max = IDLE_LIMIT.as_millis() as u64 - 1;
    PoolLimits {
        connections_max,
        queue_max: section.number(
            "queue_max",
            0..=CONNECTIONS_MAX,
            default.queue_max,
            "write how many requests may wait for a replica's connection; 0 lets none wait",
        ),
        idle_max: section.number(
            "idle_max",
            0..=connections_max.get(),
            default.idle_max.min(connections_max.get()),
            idle_advice,
        ),
        idle: section.millis_within(
            "idle_ms",
            1..=idle_millis_max,
            default.idle,
            "write milliseconds below 5000, since common servers close idle connections after 5 s",
        ),
    }
}

/// `retries` of a service.
pub(super) fn retries(section: &mut Section<'_>) -> RetryPolicy {
    let default = RetryPolicy::default();
    let retries = "write how often a request may be repeated; 0 switches retries off";
    let bytes = "write how many bytes of a body are kept for a retry";
    let percent = "write the retries that are granted, in percent of the requests";
    let burst = "write the retries that are granted however few the requests are";
    RetryPolicy {
        retries_max: section.number("retries_max", 0..=RETRIES_MAX, default.retries_max, retries),
        body_bytes_max: section.number(
            "body_bytes_max",
            0..=RETRY_BODY_BYTES_MAX,
            default.body_bytes_max,
            bytes,
        ),
        budget_percent: section.number("budget_percent", 0..=100, default.budget_percent, percent),
        budget_burst: section.number("budget_burst", 0..=RETRY_BURST_MAX, default.budget_burst, burst),
    }
}

/// `[client]`.
pub(super) fn client(section: &mut Section<'_>) -> ClientLimits {
    let default = ClientLimits::default();
    ClientLimits {
        header: section.millis("header_ms", default.header),
        keep_alive: section.millis("keep_alive_ms", default.keep_alive),
        body: section.millis("body_ms", default.body),
        body_rate: BodyRate {
            bytes_per_second_min: section.number(
                "body_rate_min",
                0..=BODY_RATE_MAX,
                default.body_rate.bytes_per_second_min,
                "write how many bytes per second a request body has to bring; 0 lets it come as slowly as it likes",
            ),
            window: section.millis("body_rate_window_ms", default.body_rate.window),
        },
        write: section.millis("write_ms", default.write),
        head_bytes_max: section.number(
            "head_bytes_max",
            HEAD_BYTES,
            default.head_bytes_max,
            "write the size of the largest request head in bytes",
        ),
        connections_max: count(section, "connections_max", "write how many clients may be connected at once"),
        connections_per_address: count(
            section,
            "connections_per_address",
            "write how many connections one client address may have at once; leave it out for no limit",
        ),
    }
}

/// `[drain]`.
pub(super) fn drain(section: &mut Section<'_>) -> DrainPolicy {
    let default = DrainPolicy::default();
    DrainPolicy {
        lame_duck: section.millis_or_zero("lame_duck_ms", default.lame_duck),
        timeout: section.millis("timeout_ms", default.timeout),
    }
}

/// `[log]`.
pub(super) fn log(section: &mut Section<'_>) -> LogConfig {
    let levels = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ];
    LogConfig {
        level: section.word("level", &levels, &[], LogLevel::default()),
        format: section.word("format", &[("text", LogFormat::Text)], &["json"], LogFormat::default()),
    }
}

fn count(section: &mut Section<'_>, key: &'static str, advice: &'static str) -> Option<NonZeroUsize> {
    section.value(key)?.number(1..=CONNECTIONS_MAX, advice).and_then(NonZeroUsize::new)
}
