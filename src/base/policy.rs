//! The limits a request lives under: time-outs, pools, retries, drain. Values only; who enforces them is elsewhere.
//!
//! What binds a client before its service is known ([`ClientLimits`]) is global; the rest belongs to a service.

use std::num::NonZeroUsize;
use std::time::Duration;

/// Idle upstream connections are closed before this age: common servers close theirs after 5 s, and a request that
/// meets such a close fails.
pub const IDLE_LIMIT: Duration = Duration::from_secs(5);
/// The most retries a service may ask for.
pub const RETRIES_MAX: u32 = 2;
/// The most bytes of a request body that may be kept for a retry.
pub const RETRY_BODY_BYTES_MAX: usize = 64 * 1024;

/// How long a service's upstream side may take; none is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first packet to an established connection.
    pub connect: Duration,
    /// From the request's last byte to the response's first.
    pub first_byte: Duration,
    /// Between two bytes of progress on the upstream connection, in either direction.
    pub between_bytes: Duration,
    /// In the queue for a connection of the picked replica, before 503.
    pub queue: Duration,
    /// Without a byte in either direction, once a connection has become a tunnel (101).
    pub tunnel: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_millis(2_500),
            first_byte: Duration::from_secs(30),
            between_bytes: Duration::from_secs(30),
            queue: Duration::from_secs(1),
            tunnel: Duration::from_secs(3_600),
        }
    }
}

/// What any client is allowed, whichever service it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// From a request's first byte (on a new connection: from accept) to the end of its head.
    pub header: Duration,
    /// Between an answer and the next request's first byte.
    pub keep_alive: Duration,
    /// Between two bytes of a request body.
    pub body: Duration,
    /// How fast a request body has to come in the long run.
    pub body_rate: BodyRate,
    /// For a client to take what is queued for it: of an answer's body at most a block of 32 KiB at a time.
    pub write: Duration,
    /// The largest request head, in bytes.
    pub head_bytes_max: usize,
    /// The most client connections of all cores together; `None`: as many as there are descriptors.
    pub connections_max: Option<NonZeroUsize>,
    /// The most connections of one client address, over all cores; `None`: no other limit than on all connections. All
    /// addresses of an IPv6 network of 64 bits are one. Trusted peers are exempt: they are proxies, behind which any number
    /// of clients may be.
    pub connections_per_address: Option<NonZeroUsize>,
}

impl Default for ClientLimits {
    fn default() -> Self {
        ClientLimits {
            header: Duration::from_secs(10),
            keep_alive: Duration::from_secs(60),
            body: Duration::from_secs(30),
            body_rate: BodyRate::default(),
            write: Duration::from_secs(30),
            head_bytes_max: 32 * 1024,
            connections_max: None,
            connections_per_address: None,
        }
    }
}

/// The least rate of a request body, measured over one window after the other. The time in which the replica holds the
/// client back does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyRate {
    /// Bytes per second; 0: a body may come as slowly as it likes.
    pub bytes_per_second_min: u64,
    /// How long a window is: the first one begins with the body's first bytes.
    pub window: Duration,
}

impl BodyRate {
    /// The bytes that a window has to bring; `None`: there is no least rate.
    pub fn window_bytes_min(&self) -> Option<u64> {
        let millis = u64::try_from(self.window.as_millis()).unwrap_or(u64::MAX);
        let bytes = self.bytes_per_second_min.saturating_mul(millis).div_ceil(1_000);
        (bytes > 0).then_some(bytes)
    }
}

impl Default for BodyRate {
    /// The rate of IIS and Kestrel. The window is as long as a body may pause, so that a pause which is allowed costs no
    /// client its request.
    fn default() -> Self {
        BodyRate { bytes_per_second_min: 240, window: Duration::from_secs(30) }
    }
}

/// The bounds of one replica's upstream connections; totals over all cores unless [`of_core`](PoolLimits::of_core)
/// made them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Connections to one replica, busy and idle together.
    pub connections_max: NonZeroUsize,
    /// Requests that wait, first come first served, for a connection to one replica; 0: none waits.
    pub queue_max: usize,
    /// Idle connections kept to one replica; at most `connections_max`; 0: every request connects anew.
    pub idle_max: usize,
    /// How long an idle connection is kept; below [`IDLE_LIMIT`].
    pub idle: Duration,
}

impl PoolLimits {
    const CONNECTIONS_MAX: NonZeroUsize = NonZeroUsize::new(1_024).expect("not zero");

    /// The part of one core out of `cores`, `core` counted from 0. The parts add up to the totals, but every core gets
    /// at least one connection: a core without one could serve nothing.
    pub fn of_core(&self, core: usize, cores: NonZeroUsize) -> PoolLimits {
        PoolLimits {
            connections_max: share_of_at_least_one(self.connections_max, core, cores),
            queue_max: share_of(self.queue_max, core, cores),
            idle_max: share_of(self.idle_max, core, cores),
            idle: self.idle,
        }
    }
}

impl Default for PoolLimits {
    /// The queue takes 10,000 clients and more even if all of them ask one replica.
    fn default() -> Self {
        PoolLimits {
            connections_max: Self::CONNECTIONS_MAX,
            queue_max: 16_384,
            idle_max: Self::CONNECTIONS_MAX.get(),
            idle: Duration::from_secs(4),
        }
    }
}

/// When a failed attempt may be repeated, beside what the exchange itself knows to be safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts after the first; at most [`RETRIES_MAX`].
    pub retries_max: u32,
    /// A request body up to this size is kept to be sent again; at most [`RETRY_BODY_BYTES_MAX`].
    pub body_bytes_max: usize,
    /// Retries that the budget grants, in percent of the requests.
    pub budget_percent: u32,
    /// Retries that the budget grants however few the requests are.
    pub budget_burst: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            retries_max: RETRIES_MAX,
            body_bytes_max: RETRY_BODY_BYTES_MAX,
            budget_percent: 20,
            budget_burst: 10,
        }
    }
}

/// How the program stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainPolicy {
    /// Between failing readiness and closing the listeners, for load balancers in front to notice.
    pub lame_duck: Duration,
    /// How long open exchanges may take to finish.
    pub timeout: Duration,
}

impl Default for DrainPolicy {
    fn default() -> Self {
        DrainPolicy { lame_duck: Duration::ZERO, timeout: Duration::from_secs(30) }
    }
}

/// The part of one core, counted from 0: `total` split evenly over `cores`, the first ones taking what is left over.
pub fn share_of(total: usize, core: usize, cores: NonZeroUsize) -> usize {
    total / cores + usize::from(core < total % cores)
}

/// [`share_of`], but never nothing.
fn share_of_at_least_one(total: NonZeroUsize, core: usize, cores: NonZeroUsize) -> NonZeroUsize {
    NonZeroUsize::new(share_of(total.get(), core, cores)).unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_the_cores_add_up_to_the_pool() {
        let total = PoolLimits { queue_max: 5, idle_max: 2, ..PoolLimits::default() };
        for cores in [1, 2, 3, 7, 64].map(|cores| NonZeroUsize::new(cores).unwrap()) {
            let parts: Vec<_> = (0..cores.get()).map(|core| total.of_core(core, cores)).collect();
            let sum = |field: fn(&PoolLimits) -> usize| parts.iter().map(field).sum::<usize>();
            assert_eq!(sum(|part| part.connections_max.get()), total.connections_max.get(), "{cores}");
            assert_eq!(sum(|part| part.queue_max), 5, "{cores}");
            assert_eq!(sum(|part| part.idle_max), 2, "{cores}");
        }
    }

    #[test]
    fn a_core_never_goes_without_a_connection() {
        let cores = NonZeroUsize::new(4).unwrap();
        let total = PoolLimits { connections_max: NonZeroUsize::MIN, ..PoolLimits::default() };
        for core in 0..4 {
            assert_eq!(total.of_core(core, cores).connections_max.get(), 1);
        }
    }

    #[test]
    fn a_window_has_to_bring_its_part_of_a_second_and_never_nothing() {
        let cases = [
            (240, 30_000, Some(7_200)),
            (1, 10, Some(1)),
            (0, 30_000, None),
            (u64::MAX, 2, Some(u64::MAX / 1_000 + 1)),
        ];
        for (bytes_per_second_min, window_ms, expected) in cases {
            let rate = BodyRate { bytes_per_second_min, window: Duration::from_millis(window_ms) };
            assert_eq!(rate.window_bytes_min(), expected, "{rate:?}");
        }
    }

    #[test]
    fn the_defaults_keep_the_bounds_that_the_fields_state() {
        let pool = PoolLimits::default();
        assert!(pool.idle < IDLE_LIMIT && pool.idle_max <= pool.connections_max.get());
        assert!(pool.queue_max >= 10_000, "a load test of 10,000 connections must not meet a full queue");
    }
}
