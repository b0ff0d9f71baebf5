//! How evenly requests came to the servers.

use std::collections::HashMap;

use serde::Serialize;

use super::steps::Case;
use super::variant::Variant;
use crate::load::record::Record;

/// One measurement: how many requests each server answered.
#[derive(Clone, Debug, Serialize)]
pub struct Counted {
    /// The placement.
    pub variant: Variant,
    /// The number of servers.
    pub servers: u32,
    /// Whether loads were bounded.
    pub bounded: bool,
    /// What each server answered, in the order in which the servers came.
    pub answers: Vec<ServerCount>,
    /// Figures of that.
    pub balance: Balance,
    /// Requests that were sent.
    pub requests: u64,
    /// Answers of 4xx and 5xx, and requests without an answer.
    pub unserved: u64,
    /// Attempts of the proxy on another server, or once more on the same.
    pub retries: u64,
    /// Of the requests, in milliseconds.
    pub p50_ms: f64,
    /// The same.
    pub p99_ms: f64,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// One server's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerCount {
    /// Its name.
    pub name: String,
    /// The number by which the ring knows it.
    pub ordinal: u32,
    /// Requests that it answered.
    pub requests: u64,
}

/// A server of the measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// The number by which the ring knows it.
    pub ordinal: u32,
}

/// How even counts are. All figures are zero for no server and for no request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Balance {
    /// Requests per server.
    pub mean: f64,
    /// Of the servers' requests from the mean; over all servers, so that it is divided by their number.
    pub standard_deviation: f64,
    /// What keys would have that each server gets with the same probability: `sqrt(n * p * (1 - p))` with p = 1 / N.
    pub random_deviation: f64,
    /// The most loaded server's requests, by the mean.
    pub largest_over_fair: f64,
}

impl Balance {
    /// Of these counts.
    pub fn of(counts: impl IntoIterator<Item = u64>) -> Balance {
        let counts: Vec<f64> = counts.into_iter().map(|count| count as f64).collect();
        let total: f64 = counts.iter().sum();
        if total == 0.0 {
            return Balance::default();
        }
        let part = 1.0 / counts.len() as f64;
        let mean = total * part;
        let squares: f64 = counts.iter().map(|count| (count - mean).powi(2)).sum();
        Balance {
            mean,
            standard_deviation: (squares * part).sqrt(),
            random_deviation: (total * part * (1.0 - part)).sqrt(),
            largest_over_fair: counts.iter().copied().fold(0.0, f64::max) / mean,
        }
    }

    /// The standard deviation by that of keys at random; `None` with a single server, where both are zero.
    pub fn over_random(&self) -> Option<f64> {
        (self.random_deviation > 0.0).then(|| self.standard_deviation / self.random_deviation)
    }
}

impl Counted {
    /// Evaluates a measurement. `servers` are those that there are, so that one without any request is among them.
    pub fn of(case: Case, servers: &[Server], record: &Record, retries: u64) -> Counted {
        let by_name: HashMap<&[u8], u64> = record.replicas().collect();
        let answers: Vec<ServerCount> = servers
            .iter()
            .map(|server| ServerCount {
                name: server.name.clone(),
                ordinal: server.ordinal,
                requests: by_name.get(server.name.as_bytes()).copied().unwrap_or(0),
            })
            .collect();
        let latency = record.latency();
        let millis = |percent| latency.percentile(percent).as_secs_f64() * 1e3;
        Counted {
            variant: *case.variant,
            servers: case.servers,
            bounded: case.bounded,
            balance: Balance::of(answers.iter().map(|server| server.requests)),
            answers,
            requests: record.begun,
            unserved: record.refused() + record.failed(),
            retries,
            p50_ms: millis(50.0),
            p99_ms: millis(99.0),
            seconds: record.elapsed.as_secs_f64(),
        }
    }

    /// The server with the most requests, if there is any server; of equals the first.
    pub fn busiest(&self) -> Option<&ServerCount> {
        self.answers.iter().rev().max_by_key(|server| server.requests)
    }

    /// A server's part of what was answered, in percent.
    pub fn percent(&self, server: &ServerCount) -> f64 {
        percent(server.requests, self.answers.iter().map(|server| server.requests).sum())
    }

    /// At least so many percent of the requests came to another server than in `other`, by the counts alone.
    pub fn diverted_percent(&self, other: &Counted) -> f64 {
        let pairs = self.answers.iter().zip(&other.answers);
        let less = pairs.map(|(now, then)| then.requests.saturating_sub(now.requests)).sum();
        percent(less, other.answers.iter().map(|server| server.requests).sum())
    }
}

/// `part` of `whole` in percent; 0 of nothing.
pub fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::load::analysis::variant::GIVEN;
    use crate::load::record::Answered;
    use crate::load::requests::Class;

    /// A measurement with these counts of Server-1 and so on.
    pub(crate) fn counted(variant: &'static Variant, bounded: bool, counts: &[u64]) -> Counted {
        let mut record = Record::default();
        record.begun = counts.iter().sum();
        let servers: Vec<Server> = (1..)
            .take(counts.len())
            .map(|ordinal| Server { name: format!("Server-{ordinal}"), ordinal })
            .collect();
        for (server, &count) in servers.iter().zip(counts).rev() {
            (0..count).for_each(|_| record.answer(&answered(&server.name)));
        }
        let case = Case { variant, servers: u32::try_from(counts.len()).unwrap(), bounded };
        Counted::of(case, &servers, &record, 0)
    }

    pub(crate) fn answered(name: &str) -> Answered<'_> {
        Answered {
            class: Class::Read,
            status: 200,
            replica: Some(name.as_bytes()),
            latency: Duration::from_millis(1),
            service: None,
            at: Duration::ZERO,
        }
    }

    #[test]
    fn figures_are_those_of_the_counts() {
        // counts, mean, standard deviation, that of keys at random, largest by fair
        let cases: [(&[u64], f64, f64, f64, f64); 5] = [
            (&[10, 10], 10.0, 0.0, 5.0_f64.sqrt(), 1.0),
            (&[6, 0, 0], 2.0, 8.0_f64.sqrt(), (4.0_f64 / 3.0).sqrt(), 3.0),
            (&[2, 4, 4, 4, 5, 5, 7, 9], 5.0, 2.0, (40.0_f64 * 7.0 / 64.0).sqrt(), 1.8),
            (&[7], 7.0, 0.0, 0.0, 1.0),
            (&[0, 0], 0.0, 0.0, 0.0, 0.0),
        ];
        for (counts, mean, deviation, random, largest) in cases {
            let balance = Balance::of(counts.iter().copied());
            let found = [
                balance.mean,
                balance.standard_deviation,
                balance.random_deviation,
                balance.largest_over_fair,
            ];
            for (found, expected) in found.into_iter().zip([mean, deviation, random, largest]) {
                assert!((found - expected).abs() < 1e-9, "{counts:?}: {balance:?}");
            }
        }
    }

    #[test]
    fn keys_drawn_at_random_have_the_deviation_that_theory_says() {
        let mut state = 1_u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % 3
        };
        let rounds = 300;
        let squares: f64 = (0..rounds)
            .map(|_| {
                let mut counts = [0_u64; 3];
                (0..1_000).for_each(|_| counts[draw()] += 1);
                Balance::of(counts).over_random().unwrap().powi(2)
            })
            .sum();
        let ratio = (squares / f64::from(rounds)).sqrt();
        assert!((0.9..1.1).contains(&ratio), "{ratio}");
    }

    #[test]
    fn a_server_that_got_nothing_counts_and_the_order_is_that_of_the_servers() {
        let counted = counted(GIVEN, false, &[3, 0, 9]);
        let requests: Vec<u64> = counted.answers.iter().map(|server| server.requests).collect();
        assert_eq!(requests, [3, 0, 9]);
        assert_eq!(counted.busiest().map(|server| server.name.as_str()), Some("Server-3"));
        assert_eq!((counted.requests, counted.unserved, counted.balance.mean), (12, 0, 4.0));
    }

    #[test]
    fn what_a_bound_diverts_is_what_servers_have_less() {
        let (free, bound) = (counted(GIVEN, false, &[80, 10, 10]), counted(GIVEN, true, &[40, 35, 25]));
        assert_eq!(bound.diverted_percent(&free), 40.0);
        assert_eq!(free.diverted_percent(&free), 0.0);
    }
}
