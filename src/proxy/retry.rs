//! Whether a failed attempt is repeated: only where that is safe, and not more than the budget allows.

use super::fault::UpstreamFault;
use crate::base::policy::RetryPolicy;
use crate::message::Method;

/// What is known of a failed attempt.
#[derive(Clone, Copy, Debug)]
pub struct FailedAttempt {
    /// Why it failed.
    pub fault: UpstreamFault,
    /// Whether the kernel took any byte of the request: then the replica may have acted on it.
    pub sent_any: bool,
    /// Whether any byte of an answer came back.
    pub answered_any: bool,
    /// Whether the connection had served an exchange before: then its replica may have closed it while idle.
    pub reused: bool,
    /// Whether all of the request that was taken from the client can be sent again: its body is kept, or none of it was
    /// taken. What was taken need not have been sent.
    pub replayable: bool,
}

/// Where the next attempt goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same replica, on a new connection: what failed was probably the connection.
    SameReplica,
    /// The next replica in the key's order.
    NextReplica,
    /// None: the client gets the fault's status.
    GiveUp,
    /// None, though it would have been safe: the budget is spent.
    OverBudget,
}

/// The attempts of one exchange.
#[derive(Debug)]
pub struct Attempts {
    retries_left: u32,
    idempotent: bool,
    free_retry: bool,
}

impl Attempts {
    /// No attempt made yet.
    pub fn new(method: Method, policy: &RetryPolicy) -> Self {
        Attempts { retries_left: policy.retries_max, idempotent: method.is_idempotent(), free_retry: true }
    }

    /// Decides after a failed attempt, and counts the next one if there is one.
    ///
    /// A request is repeated only if all of it is still there, and if none of its bytes were sent or its method is
    /// idempotent (RFC 9110 9.2.2). The repetition after a pooled connection ended before any byte of an answer is free,
    /// and so is the first one after a failed connect or such an end of a new connection; others spend the budget.
    pub fn judge(&mut self, failed: &FailedAttempt, budget: &mut RetryBudget) -> Verdict {
        let safe = failed.replayable && (self.idempotent || !failed.sent_any);
        if !safe || !failed.fault.may_pass() || self.retries_left == 0 {
            return Verdict::GiveUp;
        }
        // A pooled connection's end says nothing of its replica yet: the retry, on a new one, will tell.
        let stale = failed.reused && failed.fault == UpstreamFault::Closed;
        let free = (stale || self.free_retry) && !failed.answered_any;
        if !free && !budget.spend() {
            return Verdict::OverBudget;
        }
        self.retries_left -= 1;
        if stale {
            return Verdict::SameReplica;
        }
        self.free_retry = false;
        Verdict::NextReplica
    }
}

/// Hundredths of a retry: so that a budget in percent is whole numbers.
const RETRY_COST: u32 = 100;

/// How many retries one core may make: each request earns a share of one, up to a burst.
///
/// It keeps a failing service from getting twice or three times the load that it could not bear.
#[derive(Debug)]
pub struct RetryBudget {
    hundredths: u32,
    earned: u32,
    burst: u32,
}

impl RetryBudget {
    /// A full budget.
    pub fn new(policy: &RetryPolicy) -> Self {
        let burst = policy.budget_burst.saturating_mul(RETRY_COST);
        RetryBudget { hundredths: burst, earned: policy.budget_percent, burst }
    }

    /// Counts a request.
    pub fn earn(&mut self) {
        self.hundredths = self.hundredths.saturating_add(self.earned).min(self.burst);
    }

    fn spend(&mut self) -> bool {
        let left = self.hundredths.checked_sub(RETRY_COST);
        self.hundredths = left.unwrap_or(self.hundredths);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(fault: UpstreamFault, sent_any: bool) -> FailedAttempt {
        FailedAttempt { fault, sent_any, answered_any: false, reused: false, replayable: true }
    }

    fn verdicts(method: Method, failures: &[FailedAttempt]) -> Vec<Verdict> {
        let policy = RetryPolicy::default();
        let mut budget = RetryBudget::new(&policy);
        let mut attempts = Attempts::new(method, &policy);
        failures.iter().map(|failed| attempts.judge(failed, &mut budget)).collect()
    }

    #[test]
    fn a_method_that_is_not_idempotent_is_repeated_only_if_no_byte_was_sent() {
        use UpstreamFault::*;
        for method in [Method::Post, Method::Patch, Method::Other] {
            assert_eq!(verdicts(method, &[failed(Closed, true)]), [Verdict::GiveUp]);
            assert_eq!(verdicts(method, &[failed(ConnectFailed, false)]), [Verdict::NextReplica]);
        }
        for method in [Method::Get, Method::Head, Method::Put, Method::Delete, Method::Options] {
            assert_eq!(verdicts(method, &[failed(Closed, true)]), [Verdict::NextReplica]);
        }
    }

    #[test]
    fn a_body_that_was_not_kept_is_not_repeated() {
        for (method, sent_any) in [(Method::Put, true), (Method::Put, false), (Method::Post, false)] {
            let lost = FailedAttempt { replayable: false, ..failed(UpstreamFault::Closed, sent_any) };
            assert_eq!(verdicts(method, &[lost]), [Verdict::GiveUp], "{method:?}, {sent_any}");
        }
    }

    #[test]
    fn a_stale_connection_is_repeated_on_its_replica_and_a_fresh_one_on_the_next() {
        let stale = FailedAttempt { reused: true, ..failed(UpstreamFault::Closed, true) };
        let refused = failed(UpstreamFault::ConnectFailed, false);
        assert_eq!(
            verdicts(Method::Get, &[stale, refused, refused]),
            [Verdict::SameReplica, Verdict::NextReplica, Verdict::GiveUp]
        );
    }

    #[test]
    fn capacity_and_slowness_are_not_answered_with_more_attempts() {
        use UpstreamFault::*;
        for fault in [QueueFull, QueueTimedOut, FirstByteTimedOut, Exhausted, NoneUp] {
            assert_eq!(verdicts(Method::Get, &[failed(fault, false)]), [Verdict::GiveUp], "{fault}");
        }
    }

    #[test]
    fn a_replica_that_dies_under_its_pool_spends_no_budget() {
        let policy = RetryPolicy { budget_percent: 0, budget_burst: 0, ..RetryPolicy::default() };
        let mut budget = RetryBudget::new(&policy);
        let mut attempts = Attempts::new(Method::Get, &policy);
        let stale = FailedAttempt { reused: true, ..failed(UpstreamFault::Closed, true) };
        assert_eq!(attempts.judge(&stale, &mut budget), Verdict::SameReplica);
        let refused = failed(UpstreamFault::ConnectFailed, false);
        assert_eq!(attempts.judge(&refused, &mut budget), Verdict::NextReplica);
        assert_eq!(attempts.judge(&refused, &mut budget), Verdict::GiveUp, "two retries at most");
    }

    #[test]
    fn the_budget_refuses_what_is_not_free_and_requests_fill_it_again() {
        let policy = RetryPolicy { budget_percent: 50, budget_burst: 1, ..RetryPolicy::default() };
        let mut budget = RetryBudget::new(&policy);
        let refused = failed(UpstreamFault::ConnectFailed, false);
        let second_retry = |budget: &mut RetryBudget| {
            let mut attempts = Attempts::new(Method::Get, &policy);
            assert_eq!(attempts.judge(&refused, budget), Verdict::NextReplica, "the first is free");
            attempts.judge(&refused, budget)
        };
        assert_eq!(second_retry(&mut budget), Verdict::NextReplica);
        assert_eq!(second_retry(&mut budget), Verdict::OverBudget);
        budget.earn();
        assert_eq!(second_retry(&mut budget), Verdict::OverBudget);
        budget.earn();
        assert_eq!(second_retry(&mut budget), Verdict::NextReplica);
    }
}
