//! `/metrics`: the cores' counters, added up, and what control knows of the replicas, in Prometheus' text format (version 0.0.4).

mod replicas;

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::Operator;
use crate::base::core_counters::{ConnectionLimit, Counts, Phase};
use crate::base::counter::HistogramSum;
use crate::control::Shared;

/// The upper bounds of the latency histogram's buckets, in microseconds.
const LATENCY_BOUNDS_MICROS: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000,
    30_000_000,
];

pub(super) async fn metrics(State(operator): State<Arc<Operator>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], render(&operator.shared))
}

fn render(shared: &Shared) -> String {
    let mut page = Page { text: String::new(), shared };
    page.totals();
    page.refused_connections();
    page.gauges();
    page.answers();
    page.timeouts();
    page.latency();
    page.placed_replicas();
    page.viewed_replicas();
    page.container_engines();
    page.text
}

struct Page<'a> {
    text: String,
    shared: &'a Shared,
}

impl Page<'_> {
    fn totals(&mut self) {
        self.total("requests_total", "Requests whose head was read.", |c| c.requests.value());
        self.total("client_bytes_in_total", "Bytes received from clients.", |c| c.client_bytes_in.value());
        self.total("client_bytes_out_total", "Bytes sent to clients.", |c| c.client_bytes_out.value());
        self.total("connections_accepted_total", "Client connections accepted, also to refuse them.", |c| {
            c.connections_accepted.value()
        });
        self.total(
            "connections_handed_over_total",
            "Client connections accepted on one core and handed to another, which had fewer or more room.",
            |c| c.connections_handed_over.value(),
        );
        self.total("accept_failures_total", "Failures to accept a connection.", |c| {
            c.accept_failures.value()
        });
        self.total("upstream_connects_total", "Upstream connections begun.", |c| c.upstream_connects.value());
        self.total("upstream_connect_failures_total", "Upstream connections that failed.", |c| {
            c.upstream_connect_failures.value()
        });
        self.total("upstream_reuses_total", "Exchanges on a pooled connection.", |c| {
            c.upstream_reuses.value()
        });
        self.total("retries_total", "Attempts after the first.", |c| c.retries.value());
        self.total("retries_refused_total", "Retries that the budget refused.", |c| {
            c.retries_refused.value()
        });
        self.total("aborted_after_head_total", "Answers cut after their head was sent.", |c| {
            c.aborted_after_head.value()
        });
        self.total("client_aborts_total", "Exchanges that the client left.", |c| c.client_aborts.value());
        self.total("bad_requests_total", "Requests that broke the protocol.", |c| c.bad_requests.value());
        self.total("tunnels_total", "Connections that became tunnels.", |c| c.tunnels.value());
        self.total("observations_dropped_total", "Observations that the control thread missed.", |c| {
            c.observations_dropped.value()
        });
    }

    fn gauges(&mut self) {
        self.per_core("connections_open", "Client connections open now that are served.", |c| {
            c.connections_open.value()
        });
        self.per_core("exchanges_open", "Exchanges under way now.", |c| c.exchanges_open.value());
        self.per_core("upstream_open", "Upstream connections open now.", |c| c.upstream_open.value());
        self.per_core("generation", "Newest snapshot generation in use.", |c| c.generation.value());
        let published = self.shared.snapshots.current().generation;
        self.per_core("generation_lag", "Generations published that the core has not taken up.", |c| {
            published.saturating_sub(c.generation.value())
        });
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(self.text, "# HELP ringway_{name} {help}\n# TYPE ringway_{name} {kind}");
    }

    fn sum(&self, count: impl Fn(&Counts) -> u64) -> u64 {
        self.shared.cores.iter().map(|core| count(&core.counters)).sum()
    }

    fn total(&mut self, name: &str, help: &str, count: impl Fn(&Counts) -> u64) {
        self.head(name, "counter", help);
        let sum = self.sum(count);
        let _ = writeln!(self.text, "ringway_{name} {sum}");
    }

    fn per_core(&mut self, name: &str, help: &str, value: impl Fn(&Counts) -> u64) {
        self.head(name, "gauge", help);
        for (index, core) in self.shared.cores.iter().enumerate() {
            let _ = writeln!(self.text, "ringway_{name}{{core=\"{index}\"}} {}", value(&core.counters));
        }
    }

    fn answers(&mut self) {
        self.head("answers_total", "counter", "Final answers by class of status code.");
        for class in 0..5 {
            let sum = self.sum(|counts| counts.answers[class].value());
            let _ = writeln!(self.text, "ringway_answers_total{{class=\"{}xx\"}} {sum}", class + 1);
        }
    }

    fn refused_connections(&mut self) {
        let help =
            "Client connections beyond a limit (a core's part of it), by its key: told 503, or closed.";
        self.head("connections_refused_total", "counter", help);
        for limit in ConnectionLimit::ALL {
            let sum = self.sum(|counts| counts.connections_refused[limit as usize].value());
            let name = limit.name();
            let _ = writeln!(self.text, "ringway_connections_refused_total{{limit=\"{name}\"}} {sum}");
        }
    }

    fn timeouts(&mut self) {
        self.head("timeouts_total", "counter", "Deadlines that passed, by phase.");
        for phase in Phase::ALL {
            let sum = self.sum(|counts| counts.timeouts[phase as usize].value());
            let _ = writeln!(self.text, "ringway_timeouts_total{{phase=\"{}\"}} {sum}", phase.name());
        }
    }

    fn latency(&mut self) {
        let sum = latency(self.shared);
        self.head("request_seconds", "histogram", "From a request's first byte to its answer's last.");
        for micros in LATENCY_BOUNDS_MICROS {
            let count = sum.count_up_to(Duration::from_micros(micros));
            let bound = micros as f64 / 1e6;
            let _ = writeln!(self.text, "ringway_request_seconds_bucket{{le=\"{bound}\"}} {count}");
        }
        let (count, total) = (sum.count(), sum.total().as_secs_f64());
        let _ = writeln!(
            self.text,
            "ringway_request_seconds_bucket{{le=\"+Inf\"}} {count}\n\
             ringway_request_seconds_sum {total}\nringway_request_seconds_count {count}"
        );
    }
}

/// The latency histograms of all cores, added up.
pub(super) fn latency(shared: &Shared) -> HistogramSum {
    let mut sum = HistogramSum::default();
    for core in &shared.cores {
        sum.add(&core.counters.latency);
    }
    sum
}
