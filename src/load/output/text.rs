//! A summary for people.

use std::fmt::Display;

use super::printable;
use super::units::{bytes, count, rate, time};
use crate::load::summary::replicas::{Evenness, Replica};
use crate::load::summary::times::{Bin, Times};
use crate::load::summary::{Failures, Pacing, Planned, Summary};

/// Lines are not longer, but for what others wrote.
const WIDTH: usize = 100;
/// What a line is about stands in so many columns at its beginning.
const LABEL: usize = 11;
/// A figure of a table, the gap before it included.
const CELL: usize = 8;
/// The longest bar.
const BAR: usize = 40;
/// That many replicas are shown.
const REPLICAS_MAX: usize = 8;
/// Of what others wrote that many columns are shown.
const FOREIGN_MAX: usize = 60;

/// All of it, as lines that each end with a line feed.
pub fn text(summary: &Summary) -> String {
    let mut lines = title(summary);
    lines.push(String::new());
    lines.push(labelled("answers", rates(summary)));
    lines.push(labelled("requests", requests(summary)));
    lines.extend(statuses(summary));
    lines.extend(summary.failures.iter().map(failure));
    lines.push(String::new());
    lines.extend(tables(summary));
    lines.extend(bars(&summary.histogram));
    if !summary.replicas.is_empty() {
        lines.push(String::new());
        lines.extend(replicas(&summary.replicas, summary.evenness.as_ref()));
    }
    lines.push(String::new());
    lines.extend(client(summary));
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn title(summary: &Summary) -> Vec<String> {
    let planned = match summary.planned {
        Planned::Duration(duration) => time(duration),
        Planned::Requests(requests) => format!("{} requests", count(requests)),
    };
    let measured = match (summary.interrupted, summary.planned) {
        (true, _) => format!("INTERRUPTED after {} of {planned}", time(summary.elapsed)),
        (false, Planned::Duration(_)) => planned,
        (false, Planned::Requests(_)) => format!("{planned} in {}", time(summary.elapsed)),
    };
    let warm_up = if summary.warm_up.is_zero() {
        String::new()
    } else {
        format!(" after {} of warm-up", time(summary.warm_up))
    };
    let keep_alive = if summary.keep_alive { "" } else { ", each for one request" };
    vec![
        format!("{} {}", foreign(&summary.method), printable(&summary.url)),
        format!(
            "{} connections{keep_alive}, {} threads, {}; {}; {measured}{warm_up}",
            count(summary.connections.into()),
            summary.threads,
            summary.engine,
            pace(summary.pace),
        ),
    ]
}

fn pace(pace: Pacing) -> String {
    match pace {
        Pacing::Closed => "closed loop".to_owned(),
        Pacing::Open { asked_per_second, reached_per_second, arrivals } => format!(
            "open loop ({arrivals}): {}/s asked, {}/s sent",
            rate(asked_per_second),
            rate(reached_per_second)
        ),
    }
}

fn rates(summary: &Summary) -> String {
    format!(
        "{}/s   received {}/s   sent {}/s",
        rate(summary.rates.answers_per_second),
        bytes(summary.rates.received_bytes_per_second),
        bytes(summary.rates.sent_bytes_per_second)
    )
}

fn requests(summary: &Summary) -> String {
    let requests = &summary.requests;
    let mut text = format!(
        "{} begun   {} answered   {} refused (4xx, 5xx)   {} failed",
        count(requests.begun),
        count(requests.answered),
        count(requests.refused),
        count(requests.failed)
    );
    if requests.unfinished > 0 {
        text += &format!("   {} unfinished", count(requests.unfinished));
    }
    text
}

fn statuses(summary: &Summary) -> Vec<String> {
    let statuses: Vec<String> =
        summary.statuses.iter().map(|(status, answers)| format!("{status}: {}", count(*answers))).collect();
    if statuses.is_empty() { Vec::new() } else { paragraph("status", &statuses.join(", ")) }
}

fn failure(failures: &Failures) -> String {
    let kind = failures.kind.to_string();
    let example = foreign(&failures.example);
    let example =
        if example.is_empty() || example == kind { example } else { format!(" (first: {example})") };
    labelled("failed", format!("{} {kind}{example}", count(failures.count)))
}

/// The times, a row for each kind of them.
fn tables(summary: &Summary) -> Vec<String> {
    let rows: Vec<(&str, &Times)> = [
        ("latency", &summary.latency),
        ("  reads", &summary.reads),
        ("  writes", &summary.writes),
        ("service", &summary.service),
        ("lateness", &summary.lateness),
        ("connecting", &summary.connects),
    ]
    .into_iter()
    .filter_map(|(label, times)| times.as_ref().map(|times| (label, times)))
    .collect();
    let mut lines = Vec::new();
    if let Some((_, times)) = rows.first() {
        lines.push(labelled("", head(times)));
    }
    lines.extend(rows.iter().map(|(label, times)| labelled(label, figures(times))));
    let others = summary.requests.failed + summary.requests.refused;
    if others > 0 {
        let counted =
            format!("{} refused, {} failed", count(summary.requests.refused), count(summary.requests.failed));
        lines.push(labelled("", format!("(of answered requests: {counted} and are in no percentile)")));
    }
    lines
}

fn head(times: &Times) -> String {
    let mut cells = vec!["mean".to_owned(), "std dev".to_owned(), "min".to_owned()];
    cells.extend(times.percentiles.0.iter().map(|(percent, _)| format!("p{percent}")));
    cells.push("max".to_owned());
    aligned(&cells)
}

fn figures(times: &Times) -> String {
    let mut cells = vec![time(times.mean), time(times.standard_deviation), time(times.min)];
    // A dash where there are too few times to know it.
    cells.extend(times.percentiles.0.iter().map(|(_, value)| value.map_or("-".to_owned(), time)));
    cells.push(time(times.max));
    aligned(&cells)
}

fn aligned(cells: &[String]) -> String {
    cells.iter().map(|cell| format!("{cell:>CELL$}")).collect()
}

/// The histogram, each bar as long as its part of the longest.
fn bars(bins: &[Bin]) -> Vec<String> {
    let all: u64 = bins.iter().map(|bin| bin.count).sum();
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(0).max(1);
    let line = |bin: &Bin| {
        let length = (bin.count as f64 / most as f64 * BAR as f64).round() as usize;
        // What there is shows, however little it is.
        let bar = "█".repeat(length.max(usize::from(bin.count > 0)));
        let percent = bin.count as f64 / all.max(1) as f64 * 100.0;
        labelled("", format!("≤ {:>CELL$} {percent:>6.2} % {bar}", time(bin.up_to)))
    };
    bins.iter().map(line).collect()
}

fn replicas(replicas: &[Replica], evenness: Option<&Evenness>) -> Vec<String> {
    let shown = &replicas[..replicas.len().min(REPLICAS_MAX)];
    let name = |replica: &Replica| replica.name.as_deref().map_or("(others)".to_owned(), foreign);
    let width = shown.iter().map(|replica| name(replica).len()).max().unwrap_or(0);
    let line = |replica: &Replica| {
        let (answers, percent) = (count(replica.answers), replica.share * 100.0);
        labelled("replica", format!("{:width$} {answers:>14} {percent:>7.2} %", name(replica)))
    };
    let mut lines: Vec<String> = shown.iter().map(line).collect();
    let hidden = replicas.len() - shown.len();
    if hidden > 0 {
        lines.push(labelled("", format!("and {} more", count(hidden as u64))));
    }
    lines.extend(evenness.map(|evenness| {
        labelled(
            "",
            format!(
                "{} replicas: mean {}, standard deviation {}",
                evenness.replicas,
                rate(evenness.mean),
                rate(evenness.standard_deviation)
            ),
        )
    }));
    lines
}

fn client(summary: &Summary) -> Vec<String> {
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let mut lines = Vec::new();
    if let Some(client) = summary.client {
        let (running, waiting) = (percent(client.running_share), percent(client.waiting_share));
        let text = format!("its threads ran {running} and waited for a CPU {waiting} of the time");
        lines.push(labelled("client", text));
    }
    lines.extend(summary.verdicts.iter().flat_map(|verdict| paragraph("NOTE", &verdict.to_string())));
    lines
}

fn labelled(label: &str, text: impl Display) -> String {
    format!("{label:LABEL$}{text}")
}

/// Text that is broken between words where it is too long.
fn paragraph(label: &str, text: &str) -> Vec<String> {
    let mut lines = vec![labelled(label, "")];
    for word in text.split(' ') {
        let line = lines.last_mut().map_or(0, |line| line.chars().count());
        if line > LABEL && line + word.chars().count() >= WIDTH {
            lines.push(labelled("", ""));
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(word);
            line.push(' ');
        }
    }
    lines
}

/// What others wrote, in a bearable length.
fn foreign(text: &str) -> String {
    let text = printable(text);
    // All of it is ASCII.
    if text.len() <= FOREIGN_MAX { text } else { format!("{:.*}..", FOREIGN_MAX - 2, text) }
}
