//! Short waits that end in time: those of epoll itself end at the next millisecond, and `epoll_pwait2`, which knows
//! nanoseconds, came only with Linux 5.11.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

/// Longer waits are left to epoll: the deadlines of a proxy are seconds away, and a millisecond more is nothing to them,
/// while setting the alarm is a system call.
const WAIT_MAX: Duration = Duration::from_millis(4);

/// A timer that an epoll instance watches.
#[derive(Debug)]
pub(super) struct Alarm(OwnedFd);

impl Alarm {
    /// One whose events have this key. An event says nothing but that the wait is over, and is never read: setting the
    /// alarm anew is what arms the edge again.
    pub(super) fn watched(epoll: &OwnedFd, key: u64) -> io::Result<Self> {
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        epoll::add(epoll, &timer, EventData::new_u64(key), EventFlags::IN | EventFlags::ET)?;
        Ok(Alarm(timer))
    }

    /// Ends a wait that begins now after `wait`, if that is short.
    pub(super) fn set(&self, wait: Duration) {
        if wait.is_zero() || wait > WAIT_MAX {
            return;
        }
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_nanos()) },
        };
        // Fails only for what is no timer or no time; then the wait ends at the next millisecond.
        let _ = timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::engine::epoll::Epoll;

    /// Of many short sleeps one at least is not held up by others that want the CPU. By milliseconds, none would be short.
    #[test]
    fn a_short_sleep_ends_before_the_next_millisecond() {
        let engine = Epoll::new().unwrap();
        let handle = engine.handle().clone();
        let shortest = engine.run(async move {
            let mut timer = handle.timer();
            let mut shortest = Duration::MAX;
            for _ in 0..200 {
                let began = handle.read_clock();
                timer.sleep_until(began + Duration::from_micros(100)).await;
                shortest = shortest.min(handle.read_clock() - began);
            }
            shortest
        });
        assert!((Duration::from_micros(100)..Duration::from_micros(900)).contains(&shortest), "{shortest:?}");
    }
}
