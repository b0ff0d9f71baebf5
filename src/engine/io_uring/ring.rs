//! The submission and completion queues of one thread: setting them up, handing entries over, waiting.

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::time::Duration;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{Builder, EnterFlags, IoUring, cqueue, squeue};

use super::probe::{ENTER, REGISTER, SETUP, Unavailable};

/// Submission entries. A round of tasks that fills them costs one more system call, and all of it counts as locked memory.
const SUBMISSIONS: u32 = 512;
/// Completion entries: with more at once the kernel keeps the rest in a list of its own until the next look.
const COMPLETIONS: u32 = 4096;

/// How long to wait for a completion.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wait {
    /// Not at all.
    Not,
    /// At most this long.
    AtMost(Duration),
    /// Until there is one.
    Forever,
}

/// One thread's submission and completion queues.
pub(super) struct Ring {
    uring: IoUring,
    /// What found no room in the submission queue; in the steady state there is nothing.
    backlog: VecDeque<squeue::Entry>,
}

impl Ring {
    /// The best queues that this kernel offers. What a kernel does not know it refuses with `EINVAL`.
    pub(super) fn new() -> Result<Self, Unavailable> {
        let mut refused = Unavailable::TooOld { call: SETUP };
        for mode in MODES {
            match Self::with(mode) {
                Err(error @ Unavailable::TooOld { .. }) => refused = error,
                other => return other,
            }
        }
        Err(refused)
    }

    fn with(mode: Mode) -> Result<Self, Unavailable> {
        let mut builder = IoUring::builder();
        builder.setup_cqsize(COMPLETIONS).setup_submit_all();
        mode(&mut builder);
        let uring = builder.build(SUBMISSIONS).map_err(|error| Unavailable::from_call(SETUP, &error))?;
        Ok(Ring { uring, backlog: VecDeque::new() })
    }

    /// Queues an entry; the next [`Ring::enter`] submits it.
    ///
    /// # Safety
    /// What the entry points to stays in place, and is written by nobody else, until its last completion was taken.
    pub(super) unsafe fn push(&mut self, entry: squeue::Entry) {
        if self.backlog.is_empty() {
            // SAFETY: the caller keeps the memory.
            if unsafe { self.uring.submission().push(&entry) }.is_ok() {
                return;
            }
            // The kernel takes the queue's content, unless it is out of memory: then the entry waits for the next look.
            let _ = self.submit();
        }
        self.backlog.push_back(entry);
        self.queue_backlog();
    }

    /// Hands over what is queued without waiting.
    pub(super) fn submit(&mut self) -> Result<(), Unavailable> {
        self.uring.submit().map(drop).map_err(|error| Unavailable::from_call(ENTER, &error))
    }

    /// Hands over what is queued, lets the kernel complete what it can, and waits: one system call.
    pub(super) fn enter(&mut self, wait: Wait) {
        self.queue_backlog();
        let timeout;
        let mut arguments = SubmitArgs::new();
        if let Wait::AtMost(duration) = wait {
            timeout = Timespec::from(duration);
            arguments = arguments.timespec(&timeout);
        }
        let completions = u32::from(self.backlog.is_empty() && !matches!(wait, Wait::Not));
        let submissions = self.uring.submission().len() as u32;
        let flags = EnterFlags::GETEVENTS | EnterFlags::EXT_ARG;
        // SAFETY: `EXT_ARG` announces the arguments, which this frame owns for the length of the call.
        let entered =
            unsafe { self.uring.submitter().enter(submissions, completions, flags.bits(), Some(&arguments)) };
        // A time-out (ETIME), a signal (EINTR), or a shortage of memory (EAGAIN, EBUSY, EBADR), after which the next
        // look tries again what is still queued.
        drop(entered);
    }

    /// Takes completions into `space`; fewer than it holds means that the queue is empty.
    pub(super) fn completions<'a>(
        &mut self,
        space: &'a mut [MaybeUninit<cqueue::Entry>],
    ) -> &'a [cqueue::Entry] {
        self.uring.completion().fill(space)
    }

    /// Makes `entries` buffers of a shared table the group `group`.
    ///
    /// # Safety
    /// `address` is the start of a page, and of a table of `entries` entries, which stays in place until
    /// [`Ring::unregister_buffers`] or the end of this ring.
    pub(super) unsafe fn register_buffers(
        &self,
        address: u64,
        entries: u16,
        group: u16,
    ) -> Result<(), Unavailable> {
        let submitter = self.uring.submitter();
        // SAFETY: the caller keeps the table.
        let registered = unsafe { submitter.register_buf_ring_with_flags(address, entries, group, 0) };
        registered.map_err(|error| Unavailable::from_call(REGISTER, &error))
    }

    /// Ends what [`Ring::register_buffers`] began.
    pub(super) fn unregister_buffers(&self, group: u16) {
        // There is no such group if registering it failed.
        let _ = self.uring.submitter().unregister_buf_ring(group);
    }

    fn queue_backlog(&mut self) {
        while let Some(entry) = self.backlog.front() {
            // SAFETY: whoever pushed the entry keeps the memory.
            if unsafe { self.uring.submission().push(entry) }.is_err() {
                return;
            }
            self.backlog.pop_front();
        }
    }
}

type Mode = fn(&mut Builder);

/// Ways in which the kernel runs completions, the cheapest first. One thread enters a ring, so that from Linux 6.1 on all
/// of its completions can run when that thread looks; without that they interrupt it, or wait for its next system call.
const MODES: [Mode; 3] = [deferred, single_issuer, cooperative];

/// Linux 6.1.
fn deferred(builder: &mut Builder) {
    builder.setup_single_issuer().setup_defer_taskrun();
}

/// Linux 6.0.
fn single_issuer(builder: &mut Builder) {
    builder.setup_single_issuer().setup_coop_taskrun();
}

/// Linux 5.19, which provided buffers need in any case.
fn cooperative(builder: &mut Builder) {
    builder.setup_coop_taskrun();
}

#[cfg(test)]
mod tests {
    use super::*;
    use io_uring::opcode::Nop;

    fn nops(ring: &mut Ring, count: u64) {
        for user_data in 0..count {
            // SAFETY: the operation points to nothing.
            unsafe { ring.push(Nop::new().build().user_data(user_data)) };
        }
    }

    fn taken(ring: &mut Ring) -> Vec<u64> {
        let mut all = Vec::new();
        let mut space = [const { MaybeUninit::uninit() }; 64];
        loop {
            let completions = ring.completions(&mut space);
            all.extend(completions.iter().map(cqueue::Entry::user_data));
            if completions.len() < 64 {
                return all;
            }
        }
    }

    #[test]
    fn every_mode_that_the_kernel_offers_completes_operations() {
        let rings: Vec<Ring> = MODES.into_iter().filter_map(|mode| Ring::with(mode).ok()).collect();
        assert!(!rings.is_empty());
        for mut ring in rings {
            nops(&mut ring, 3);
            ring.enter(Wait::Forever);
            assert_eq!(taken(&mut ring), [0, 1, 2]);
        }
    }

    #[test]
    fn more_than_both_queues_hold_is_neither_lost_nor_reordered() {
        let mut ring = Ring::new().unwrap();
        let count = u64::from(COMPLETIONS) * 3 + 7;
        nops(&mut ring, count);
        let mut all = Vec::new();
        while all.len() < count as usize {
            ring.enter(Wait::AtMost(Duration::from_secs(5)));
            let more = taken(&mut ring);
            assert!(!more.is_empty(), "{} of {count} completed", all.len());
            all.extend(more);
        }
        assert!(all.into_iter().eq(0..count));
    }

    #[test]
    fn a_wait_without_completions_ends_in_time() {
        let mut ring = Ring::new().unwrap();
        ring.enter(Wait::Not);
        ring.enter(Wait::AtMost(Duration::from_millis(5)));
        assert!(taken(&mut ring).is_empty());
    }
}
