//! `ringway status [--watch]`.

use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::Args;
use hyper::Method;
use hyper::body::Bytes;
use tokio::time::MissedTickBehavior;

use super::options::{JsonOption, OperatorOptions, parse, print_json};
use super::table::{Table, cut};
use super::{CommandError, block_on, output};
use crate::admin::status::{Replica, Service, Status};
use crate::base::printable::printable;
use crate::cli::tell;

/// Between two pictures of `--watch`.
const INTERVAL: Duration = Duration::from_secs(1);
/// To the top left corner.
const HOME: &str = "\x1b[H";
/// Clears what is right of the cursor, then goes to the next line.
const END_OF_LINE: &str = "\x1b[K\n";
/// Clears what is below the cursor.
const CLEAR_BELOW: &str = "\x1b[J";

#[derive(Debug, Args)]
pub(in crate::cli) struct Watch {
    /// Show it anew each second, until Ctrl-C.
    #[arg(long, short)]
    watch: bool,
    #[command(flatten)]
    json: JsonOption,
    #[command(flatten)]
    options: OperatorOptions,
}

impl Watch {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        block_on(async {
            if self.watch {
                self.watch().await
            } else {
                let body = self.body().await?;
                if self.json.json { print_json(&body) } else { output::print(page(&body)?.printed(screen())) }
            }
        })
    }

    async fn body(&self) -> Result<String, CommandError> {
        self.options.ask(Method::GET, "/status", Bytes::new(), self.options.default_timeout()).await
    }

    /// The screen is neither switched nor the cursor hidden, so that there is nothing to restore whatever ends this.
    async fn watch(&self) -> Result<(), CommandError> {
        let mut interval = tokio::time::interval(INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let interrupted = tokio::signal::ctrl_c();
        tokio::pin!(interrupted);
        loop {
            tokio::select! {
                _ = &mut interrupted => return Ok(()),
                shown = async {
                    interval.tick().await;
                    self.show().await
                } => shown?,
            }
        }
    }

    /// One picture; of what went wrong, if there is no status.
    async fn show(&self) -> Result<(), CommandError> {
        let body = self.body().await;
        if self.json.json {
            return match body.and_then(|body| print_json(&body)) {
                Err(CommandError::OutputClosed) => Err(CommandError::OutputClosed),
                Err(error) => {
                    tell(format_args!("ringway: {}", output::one_line(&error.to_string())));
                    Ok(())
                }
                Ok(()) => Ok(()),
            };
        }
        let page = body.and_then(|body| page(&body));
        let page = page.unwrap_or_else(|error| Page { lines: vec![printable(&error.to_string())] });
        output::print(match screen() {
            Some(screen) => page.redrawn(screen),
            None => page.printed(None) + "\n",
        })
    }
}

/// The size of the terminal that standard output is, if it is one.
fn screen() -> Option<Screen> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    // A terminal that does not know its size says 0.
    let or = |size: u16, default: usize| if size == 0 { default } else { usize::from(size) };
    Some(Screen { columns: or(size.ws_col, 80), rows: or(size.ws_row, 24) })
}

#[derive(Clone, Copy, Debug)]
struct Screen {
    columns: usize,
    rows: usize,
}

/// Lines of printable ASCII.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    lines: Vec<String>,
}

impl Page {
    /// All lines, cut to the width of the screen.
    fn printed(&self, screen: Option<Screen>) -> String {
        let width = screen.map_or(usize::MAX, |screen| screen.columns);
        self.lines.iter().map(|line| cut(line, width) + "\n").collect()
    }

    /// As many lines as fit the screen, over what was there before.
    fn redrawn(&self, screen: Screen) -> String {
        let room = screen.rows.saturating_sub(2);
        let shown = self.lines.iter().take(room).map(|line| cut(line, screen.columns));
        let mut text = HOME.to_owned();
        text.extend(shown.map(|line| line + END_OF_LINE));
        if let Some(left) = self.lines.len().checked_sub(room).filter(|&left| left > 0) {
            text = text + &cut(&format!("({left} more lines)"), screen.columns) + END_OF_LINE;
        }
        text + CLEAR_BELOW
    }
}

fn page(body: &str) -> Result<Page, CommandError> {
    Ok(Page { lines: lines(&parse(body)?) })
}

fn lines(status: &Status) -> Vec<String> {
    let requests: u64 = status.cores.iter().map(|core| core.requests).fold(0, u64::saturating_add);
    let open: u64 = status.cores.iter().map(|core| core.connections_open).fold(0, u64::saturating_add);
    let lag = status.cores.iter().map(|core| core.generation_lag).max().unwrap_or(0);
    let latency = status.latency_ms;
    let listen: Vec<String> = status.listen.iter().map(ToString::to_string).collect();
    let mut lines = vec![
        format!(
            "ringway {} ({}, {} cores) is {} on {}",
            status.version,
            status.engine,
            status.cores.len(),
            status.readiness,
            listen.join(", ")
        ),
        format!(
            "requests {requests}   connections {open} of {}   p50 {:.1} ms  p99 {:.1} ms  p99.9 {:.1} ms   \
             generation {} (lag {lag})",
            status.connections_max, latency.p50, latency.p99, latency.p999, status.generation
        ),
    ];
    if let Some(fault) = &status.storage_fault {
        lines.push(format!("THE STATE CANNOT BE STORED: {fault}"));
    }
    let faults = status.container_engines.iter().filter_map(|engine| engine.fault.as_ref());
    lines.extend(faults.map(|fault| format!("CONTAINERS: {fault}")));
    let mut lines: Vec<String> = lines.iter().map(|line| printable(line)).collect();
    for service in &status.services {
        lines.push(String::new());
        lines.extend(service_lines(service));
    }
    lines
}

fn service_lines(service: &Service) -> Vec<String> {
    let up = service.replicas.iter().filter(|replica| replica.up).count();
    let members = service.replicas.iter().filter(|replica| replica.member).count();
    let title = format!(
        "{}: {up} of {members} up   provider {}   algorithm {}",
        service.name, service.provider, service.algorithm
    );
    let mut lines = vec![printable(&title)];
    if !service.replicas.is_empty() {
        lines.extend(replicas(&service.replicas).lines());
    }
    lines
}

fn replicas(replicas: &[Replica]) -> Table {
    let mut table = Table::headed([
        "REPLICA", "STATE", "UP", "ADDRESS", "PID", "OPEN", "ATTEMPTS", "FAILED", "RESTARTS", "NOTE",
    ]);
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    for replica in replicas {
        table.row(vec![
            replica.name.clone(),
            replica.state.clone(),
            if replica.up { "yes" } else { "no" }.to_owned(),
            or_dash(replica.address.map(|address| address.to_string())),
            or_dash(replica.pid.map(|pid| pid.to_string()).or_else(|| replica.container.clone())),
            replica.in_flight.to_string(),
            replica.attempts.to_string(),
            replica.failures.to_string(),
            replica.restarts.to_string(),
            note(replica),
        ]);
    }
    table
}

/// What an operator should know beside the figures.
fn note(replica: &Replica) -> String {
    let mut notes = Vec::new();
    if !replica.member {
        notes.push("leaving".to_owned());
    }
    if replica.missed_heartbeats > 0 {
        notes.push(format!("{} heartbeats missed", replica.missed_heartbeats));
    }
    if let Some(millis) = replica.next_start_ms {
        notes.push(format!("starts in {:.1} s", millis as f64 / 1e3));
    }
    if let Some(failure) = &replica.last_failure {
        let last = failure.log.last().map(|line| format!(" ({line})")).unwrap_or_default();
        notes.push(format!("last: {}{last}", failure.reason));
    }
    notes.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = r#"{
        "version": "0.1.0", "engine": "epoll", "readiness": "ready", "generation": 7, "connections_max": 448,
        "listen": ["127.0.0.1:8080", "[::1]:8080"], "storage_fault": "disk\u001b full",
        "latency_ms": { "p50": 0.25, "p99": 1.5, "p999": 12 }, "more": [1],
        "cores": [{ "requests": 2, "connections_open": 1 }, { "requests": 3, "generation_lag": 1 }],
        "services": [
            { "name": "web", "provider": "process", "algorithm": "rendezvous", "replicas": [
                { "name": "a", "state": "active", "member": true, "up": true, "address": "127.0.0.1:20000",
                  "pid": 77, "in_flight": 1, "attempts": 12, "failures": 0 },
                { "name": "b", "state": "waiting", "member": false, "restarts": 3, "missed_heartbeats": 2,
                  "next_start_ms": 1500, "last_failure": { "reason": "exited with 1", "log": ["x", "no\u009b port"] } }
            ] },
            { "name": "none", "provider": "static", "algorithm": "maglev", "replicas": [] }
        ] }"#;

    const PAGE: &[&str] = &[
        "ringway 0.1.0 (epoll, 2 cores) is ready on 127.0.0.1:8080, [::1]:8080",
        "requests 5   connections 1 of 448   p50 0.2 ms  p99 1.5 ms  p99.9 12.0 ms   generation 7 (lag 1)",
        "THE STATE CANNOT BE STORED: disk\\u{1b} full",
        "",
        "web: 1 of 1 up   provider process   algorithm rendezvous",
        "  REPLICA  STATE    UP   ADDRESS          PID  OPEN  ATTEMPTS  FAILED  RESTARTS  NOTE",
        "  a        active   yes  127.0.0.1:20000  77   1     12        0       0",
        "  b        waiting  no   -                -    0     0         0       3         \
         leaving, 2 heartbeats missed, starts in 1.5 s, last: exited with 1 (no\\u{9b} port)",
        "",
        "none: 0 of 0 up   provider static   algorithm maglev",
    ];

    #[test]
    fn a_status_is_shown_with_what_an_operator_should_know() {
        assert_eq!(page(STATUS).unwrap().lines, PAGE);
    }

    #[test]
    fn an_answer_of_another_version_is_shown_as_far_as_it_goes() {
        let page = page("{\"version\":\"9\"}").unwrap();
        assert_eq!(page.lines[0], "ringway 9 (, 0 cores) is  on ");
        for other in ["", "[1", "3", "{\"cores\":1}"] {
            assert!(super::page(other).unwrap_err().to_string().contains("is not Ringway's"), "{other}");
        }
    }

    #[test]
    fn a_picture_fits_the_screen_and_overwrites_the_one_before() {
        let page = page(STATUS).unwrap();
        let drawn = page.redrawn(Screen { columns: 20, rows: 6 });
        assert!(drawn.starts_with("\x1b[Hringway 0.1.0 (epo..\x1b[K\n"), "{drawn:?}");
        assert!(drawn.ends_with("\x1b[K\n(6 more lines)\x1b[K\n\x1b[J"), "{drawn:?}");
        assert_eq!(drawn.lines().count(), 6, "{drawn:?}");
        assert!(!page.printed(None).contains('\x1b'));
    }
}
