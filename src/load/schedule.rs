//! Which request comes next, and when: pure.

use std::time::Duration;

use super::plan::{Arrivals, End, Pace, Plan};
use crate::base::random::{Random, mix};
use crate::base::time::Moment;

/// Requests of the warm-up are numbered from here on, so that the counted ones are the same whatever the warm-up did.
const FIRST_OF_WARM_UP: u64 = 1 << 63;

/// One thread's part of the requests: of all those that count it has every `threads`-th.
#[derive(Debug)]
pub struct Schedule {
    thread: u64,
    threads: u64,
    pace: Pacer,
    counts_from: Moment,
    /// No request that is due then or later is begun.
    until: Moment,
    /// After this no request is sent any more that has been due for `patience`.
    gives_up: Moment,
    patience: Duration,
    /// How many requests count, on all threads together.
    requests: u64,
    counted: u64,
    uncounted: u64,
    next_due: Moment,
}

#[derive(Debug)]
enum Pacer {
    Closed,
    Even { start: Moment, per_second: f64, number: u64 },
    Poisson { mean_gap: f64, random: Random },
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send this.
    Now(Ticket),
    /// Nothing before then.
    At(Moment),
    /// Nothing more.
    Over,
}

/// The right to send one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The request's number.
    pub index: u64,
    /// When it was due, in an open loop.
    pub due: Option<Moment>,
    /// Whether it is part of the measurement.
    pub counted: bool,
}

impl Schedule {
    /// The part of thread number `thread`, for a run that begins at `start`.
    pub fn new(plan: &Plan, thread: usize, start: Moment) -> Self {
        let threads = plan.threads.get() as u64;
        let thread = thread as u64;
        let counts_from = start + plan.warm_up;
        let (until, requests) = match plan.end {
            End::After(duration) => (counts_from + duration, u64::MAX),
            End::Requests(requests) => (Moment::NEVER, requests),
        };
        let pace = match plan.pace {
            Pace::Closed => Pacer::Closed,
            Pace::Open { per_second, arrivals: Arrivals::Even } => {
                Pacer::Even { start, per_second, number: thread }
            }
            Pace::Open { per_second, arrivals: Arrivals::Poisson } => Pacer::Poisson {
                mean_gap: threads as f64 / per_second,
                random: Random::new(mix(plan.seed ^ thread)),
            },
        };
        let mut schedule = Schedule {
            thread,
            threads,
            pace,
            counts_from,
            until,
            gives_up: planned_end(plan, counts_from) + plan.timeout,
            patience: plan.timeout,
            requests,
            counted: 0,
            uncounted: 0,
            next_due: start,
        };
        schedule.next_due = schedule.first_due(start);
        schedule
    }

    /// From when on requests count.
    pub fn counts_from(&self) -> Moment {
        self.counts_from
    }

    /// From when on none is begun; never, where a number of requests is the end.
    pub fn until(&self) -> Moment {
        self.until
    }

    /// What to do at `now`. A ticket is handed out once.
    pub fn next(&mut self, now: Moment) -> Next {
        let due = if self.is_closed() { now } else { self.next_due };
        if due >= self.until {
            return Next::Over;
        }
        let counted = due >= self.counts_from;
        let index = if counted {
            self.counted * self.threads + self.thread
        } else {
            self.uncounted | FIRST_OF_WARM_UP
        };
        if counted && index >= self.requests {
            return Next::Over;
        }
        if due > now {
            return Next::At(due);
        }
        if now >= self.gives_up && now.since(due) >= self.patience {
            return Next::Over;
        }
        if counted {
            self.counted += 1
        } else {
            self.uncounted += 1
        }
        let ticket = Ticket { index, due: (!self.is_closed()).then_some(due), counted };
        self.advance();
        Next::Now(ticket)
    }

    /// How many requests were due before `now` and are not handed out, those of the warm-up among them.
    pub fn overdue(&self, now: Moment) -> u64 {
        self.waiting(now.min(self.counts_from)) + self.overdue_counted(now)
    }

    /// How many requests that count were due before `now` and are not handed out.
    pub fn overdue_counted(&self, now: Moment) -> u64 {
        (self.waiting(now) - self.waiting(now.min(self.counts_from))).min(self.left())
    }

    /// How many requests that count are not handed out, due or not; of a run that time ends, a number without meaning.
    pub fn left(&self) -> u64 {
        self.requests.saturating_sub(self.counted * self.threads + self.thread).div_ceil(self.threads)
    }

    /// How many moments of requests lie before `now` and were not handed out. Of random arrivals it is the expected
    /// number.
    fn waiting(&self, now: Moment) -> u64 {
        let now = now.min(self.until);
        let gap = match &self.pace {
            Pacer::Closed => return 0,
            Pacer::Even { per_second, .. } => self.threads as f64 / per_second,
            Pacer::Poisson { mean_gap, .. } => *mean_gap,
        };
        if self.next_due >= now {
            return 0;
        }
        // One that is due at `now` is not among them, whatever the division rounds.
        (now.since(self.next_due).as_secs_f64() / gap - 1e-6).ceil() as u64
    }

    fn is_closed(&self) -> bool {
        matches!(self.pace, Pacer::Closed)
    }

    fn first_due(&mut self, start: Moment) -> Moment {
        match &mut self.pace {
            Pacer::Closed => start,
            Pacer::Even { start, per_second, number } => even(*start, *number, *per_second),
            Pacer::Poisson { mean_gap, random } => start + exponential(*mean_gap, random),
        }
    }

    fn advance(&mut self) {
        match &mut self.pace {
            Pacer::Closed => {}
            Pacer::Even { start, per_second, number } => {
                *number += self.threads;
                self.next_due = even(*start, *number, *per_second);
            }
            Pacer::Poisson { mean_gap, random } => {
                self.next_due = self.next_due + exponential(*mean_gap, random);
            }
        }
    }
}

/// When the last request is due, or the run is over; never where the server decides that.
fn planned_end(plan: &Plan, counts_from: Moment) -> Moment {
    match (plan.end, plan.pace) {
        (End::After(duration), _) => counts_from + duration,
        (End::Requests(_), Pace::Closed) => Moment::NEVER,
        (End::Requests(requests), Pace::Open { per_second, arrivals }) => {
            let requests = requests as f64;
            // The last of n random arrivals is later than n gaps by six standard deviations once in a thousand million
            // runs, if n is not small.
            let spread = if arrivals == Arrivals::Poisson { 6.0 * requests.sqrt() } else { 0.0 };
            counts_from + seconds((requests + spread) / per_second)
        }
    }
}

/// Computed from the beginning each time, so that no rounding adds up.
fn even(start: Moment, number: u64, per_second: f64) -> Moment {
    start + seconds(number as f64 / per_second)
}

/// The gap between two arrivals of a Poisson process.
fn exponential(mean: f64, random: &mut Random) -> Duration {
    // Of 0 to below 1, so that the logarithm is finite.
    let uniform = (random.next() >> 11) as f64 / (1u64 << 53) as f64;
    seconds(-mean * (1.0 - uniform).ln())
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};

    use super::*;
    use crate::load::requests::{Distribution, Keys, MethodToken, RequestSpec, Requests, Template};

    fn plan(pace: Pace, end: End, warm_up_ms: u64) -> Plan {
        Plan {
            address: "127.0.0.1:1".parse().unwrap(),
            requests: requests(),
            threads: NonZeroUsize::MIN,
            connections: NonZeroU32::MIN,
            pace,
            end,
            warm_up: millis(warm_up_ms),
            timeout: millis(1_000),
            keep_alive: true,
            seed: 7,
            replica_field: "x".into(),
        }
    }

    fn requests() -> Requests {
        let spec = RequestSpec {
            target: "http://127.0.0.1:1/".parse().unwrap(),
            method: MethodToken::get(),
            fields: Vec::new(),
            body: Template::verbatim(*b""),
            keys: Keys { count: NonZeroU64::MIN, first: 0, distribution: Distribution::Sequential },
            seed: 1,
            paths: None,
            writes: None,
            keep_alive: true,
        };
        Requests::new(spec).unwrap()
    }

    fn open(per_second: f64, arrivals: Arrivals) -> Pace {
        Pace::Open { per_second, arrivals }
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn at(time: u64) -> Moment {
        Moment::ORIGIN + millis(time)
    }

    /// All tickets that are handed out by somebody who takes each at once.
    fn all(schedule: &mut Schedule, end: Moment) -> Vec<Ticket> {
        let mut now = Moment::ORIGIN;
        let mut tickets = Vec::new();
        while now <= end {
            match schedule.next(now) {
                Next::Now(ticket) => tickets.push(ticket),
                Next::At(due) => now = due,
                Next::Over => break,
            }
        }
        tickets
    }

    #[test]
    fn a_closed_loop_always_has_a_request_until_its_time_is_over() {
        let plan = plan(Pace::Closed, End::After(millis(50)), 10);
        let mut schedule = Schedule::new(&plan, 0, Moment::ORIGIN);
        for (time, index, counted) in
            [(0, 1 << 63, false), (9, 1 << 63 | 1, false), (10, 0, true), (10, 1, true), (59, 2, true)]
        {
            assert_eq!(
                schedule.next(at(time)),
                Next::Now(Ticket { index, due: None, counted }),
                "at {time} ms"
            );
        }
        assert_eq!(schedule.next(at(60)), Next::Over);
        assert_eq!(schedule.overdue(at(60)), 0);
    }

    #[test]
    fn a_number_of_requests_is_shared_by_the_threads_without_gap_or_twin() {
        let plan =
            Plan { threads: NonZeroUsize::new(3).unwrap(), ..plan(Pace::Closed, End::Requests(100), 0) };
        let mut indexes = Vec::new();
        for thread in 0..3 {
            let mut schedule = Schedule::new(&plan, thread, Moment::ORIGIN);
            indexes.extend(all(&mut schedule, at(0)).iter().map(|ticket| ticket.index));
        }
        indexes.sort_unstable();
        assert_eq!(indexes, (0..100).collect::<Vec<u64>>());
    }

    #[test]
    fn an_open_loop_is_due_at_equal_distances_over_all_threads() {
        let even = open(1_000.0, Arrivals::Even);
        let plan = Plan { threads: NonZeroUsize::new(2).unwrap(), ..plan(even, End::After(millis(10)), 2) };
        let due: Vec<Vec<_>> = (0..2)
            .map(|thread| all(&mut Schedule::new(&plan, thread, Moment::ORIGIN), at(20)))
            .map(|tickets| tickets.iter().map(|ticket| (ticket.due.unwrap(), ticket.counted)).collect())
            .collect();
        assert_eq!(
            due[0],
            [(at(0), false), (at(2), true), (at(4), true), (at(6), true), (at(8), true), (at(10), true)]
        );
        assert_eq!(
            due[1],
            [(at(1), false), (at(3), true), (at(5), true), (at(7), true), (at(9), true), (at(11), true)]
        );
    }

    #[test]
    fn what_is_due_while_nobody_asks_is_handed_out_later_with_its_own_moment() {
        let plan = plan(open(1_000.0, Arrivals::Even), End::After(millis(100)), 0);
        let mut schedule = Schedule::new(&plan, 0, Moment::ORIGIN);
        assert_eq!(schedule.overdue(at(50)), 50);
        for number in 0..50 {
            let expected = Ticket { index: number, due: Some(at(number)), counted: true };
            assert_eq!(schedule.next(at(50)), Next::Now(expected));
        }
        assert_eq!(schedule.overdue(at(50)), 0);
        assert_eq!(schedule.overdue(at(1_000)), 50, "none is due after the end");
    }

    #[test]
    fn no_more_are_overdue_than_there_are() {
        let plan = plan(open(1_000.0, Arrivals::Even), End::Requests(20), 0);
        let mut schedule = Schedule::new(&plan, 0, Moment::ORIGIN);
        assert_eq!(schedule.overdue(at(5_000)), 20);
        assert_eq!(all(&mut schedule, at(5_000)).len(), 20);
        assert_eq!(schedule.overdue(at(5_000)), 0);
    }

    #[test]
    fn what_is_overdue_for_longer_than_an_answer_may_take_is_given_up_after_the_end() {
        let plan = plan(open(1_000.0, Arrivals::Even), End::After(millis(100)), 0);
        let mut schedule = Schedule::new(&plan, 0, Moment::ORIGIN);
        assert!(matches!(schedule.next(at(1_099)), Next::Now(_)));
        assert_eq!(schedule.next(at(1_100)), Next::Over);
        assert_eq!(schedule.overdue_counted(at(1_100)), 99);
    }

    #[test]
    fn random_arrivals_that_come_later_than_expected_are_not_given_up() {
        let poisson = open(1.0, Arrivals::Poisson);
        for seed in 0..500 {
            let plan = Plan { seed, timeout: millis(1), ..plan(poisson, End::Requests(5), 0) };
            let mut schedule = Schedule::new(&plan, 0, Moment::ORIGIN);
            assert_eq!(all(&mut schedule, Moment::NEVER).len(), 5, "seed {seed}");
        }
    }

    #[test]
    fn requests_of_the_warm_up_that_are_overdue_do_not_count() {
        let plan = plan(open(1_000.0, Arrivals::Even), End::After(millis(100)), 50);
        let schedule = Schedule::new(&plan, 0, Moment::ORIGIN);
        for (time, overdue, counted) in [(0, 0, 0), (50, 50, 0), (60, 60, 10), (500, 150, 100)] {
            assert_eq!((schedule.overdue(at(time)), schedule.overdue_counted(at(time))), (overdue, counted));
        }
    }

    #[test]
    fn random_arrivals_have_the_rate_and_the_spread_of_a_poisson_process() {
        let plan = plan(open(1_000.0, Arrivals::Poisson), End::After(millis(20_000)), 0);
        let tickets = all(&mut Schedule::new(&plan, 0, Moment::ORIGIN), at(30_000));
        assert!((19_400..20_600).contains(&tickets.len()), "{}", tickets.len());
        let due: Vec<Moment> = tickets.iter().map(|ticket| ticket.due.unwrap()).collect();
        // Of exponential gaps a share of 1/e is longer than the mean.
        let long = due.windows(2).filter(|pair| pair[1] - pair[0] > millis(1)).count();
        let share = long as f64 / due.len() as f64;
        assert!((share - 0.368).abs() < 0.02, "{share}");
    }
}
