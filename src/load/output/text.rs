//! A summary for people.

use std::fmt::Display;

use super::units::{bytes, count, rate, time};
use crate::base::printable::printable;
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
    lines.extend(summary.failures.iter().flat_map(failure));
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
    let mut lines = vec![format!("{} {}", foreign(&summary.method), printable(&summary.url))];
    let how = format!(
        "{}, {}{}, {}, {}",
        pace(summary.pace),
        number(summary.connections.into(), "connection"),
        if summary.keep_alive { "" } else { " (not kept alive)" },
        number(summary.threads as u64, "thread"),
        summary.engine,
    );
    lines.extend(paragraph("loop", &how));
    lines.push(labelled("time", duration(summary)));
    lines
}

fn pace(pace: Pacing) -> String {
    match pace {
        Pacing::Closed => "closed".to_owned(),
        Pacing::Open { asked_per_second, reached_per_second, arrivals } => format!(
            "open ({arrivals}), {}/s asked, {}/s sent",
            rate(asked_per_second),
            rate(reached_per_second)
        ),
    }
}

fn duration(summary: &Summary) -> String {
    let elapsed = time(summary.elapsed);
    let mut text = match (summary.interrupted, summary.planned) {
        (false, Planned::Duration(_)) => elapsed,
        (false, Planned::Requests(_)) => format!("{elapsed} to the last answer"),
        (true, Planned::Duration(planned)) => {
            format!("{elapsed}, INTERRUPTED, planned were {}", time(planned))
        }
        (true, Planned::Requests(planned)) => {
            format!("{elapsed}, INTERRUPTED, planned were {}", number(planned, "request"))
        }
    };
    if !summary.warm_up.is_zero() {
        text += &format!(", after {} of warm-up", time(summary.warm_up));
    }
    text
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

fn failure(failures: &Failures) -> Vec<String> {
    let (kind, example) = (failures.kind.to_string(), foreign(&failures.example));
    let first =
        if example.is_empty() || example == kind { String::new() } else { format!(" (first: {example})") };
    paragraph("failed", &format!("{} {kind}{first}", count(failures.count)))
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
    lines.extend(missing(summary).map(|text| labelled("", text)));
    lines
}

/// What no percentile holds: a server that refuses or fails quickly is not fast.
fn missing(summary: &Summary) -> Option<String> {
    let (refused, failed) = (summary.requests.refused, summary.requests.failed);
    let what = match (refused, failed) {
        (0, 0) => return None,
        (0, failed) => format!("{} failed", number(failed, "request")),
        (refused, 0) => format!("{} refused", number(refused, "request")),
        (refused, failed) => format!("{} refused, {} failed", number(refused, "request"), count(failed)),
    };
    Some(format!("({what}: in no percentile)"))
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
    // Of one there is nothing to compare.
    lines.extend(evenness.filter(|evenness| evenness.replicas > 1).map(|evenness| {
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

/// So many things.
fn number(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::load::failure::{Failure, FailureKind};
    use crate::load::plan::{Arrivals, End, Pace};
    use crate::load::record::Record;
    use crate::load::summary::Subject;
    use crate::load::summary::tests::{answered, lasting, record, subject};

    fn shown(subject: &Subject<'_>, record: &Record) -> String {
        text(&Summary::of(subject, record))
    }

    fn line<'a>(text: &'a str, label: &str) -> &'a str {
        text.lines().find(|line| line.starts_with(label)).unwrap_or_else(|| panic!("no {label} in\n{text}"))
    }

    const WHOLE: &str = "\
GET http://127.0.0.1:5000/home
loop       closed, 10 connections, 2 threads, epoll
time       1.00 s, after 250 ms of warm-up

answers    200/s   received 205 KiB/s   sent 41.0 KiB/s
requests   213 begun   200 answered   10 refused (4xx, 5xx)   3 failed
status     200: 200, 503: 10
failed     3 connection reset (first: read: connection reset by peer)

               mean std dev     min     p50     p75     p90     p95     p99   p99.9  p99.99     max
latency      101 ms 57.7 ms 1.00 ms  100 ms  150 ms  180 ms  190 ms  198 ms       -       -  200 ms
connecting   150 µs    0 µs  150 µs       -       -       -       -       -       -       -  150 µs
           (10 requests refused, 3 failed: in no percentile)
           ≤  3.86 ms   1.50 % █
           ≤  7.44 ms   2.00 % ██
           ≤  14.3 ms   3.50 % ███
           ≤  27.6 ms   6.50 % █████
           ≤  53.3 ms  13.00 % ███████████
           ≤   103 ms  24.50 % ████████████████████
           ≤   198 ms  48.00 % ████████████████████████████████████████
           ≤   200 ms   1.00 % █

replica    Server-1            100   50.00 %
replica    Server-2            100   50.00 %
           2 replicas: mean 100, standard deviation 0.0

client     its threads ran 30 % and waited for a CPU 2 % of the time
";

    #[test]
    fn a_run_is_shown_whole() {
        assert_eq!(shown(&subject(), &record()), WHOLE);
    }

    /// An open loop that asked for too much, in which much went wrong.
    fn troubled() -> (Subject<'static>, Record) {
        let mut record = record();
        for index in 0..100_000 {
            let mut answer = answered(200, Some(b"Server-3"), index / 100);
            answer.latency = Duration::from_micros(100_000 + index);
            answer.service = Some(Duration::from_micros(900 + index));
            record.answer(&answer);
            record.lateness.record(Duration::from_micros(2_000));
        }
        record.fail_unsent(1_234, Duration::from_secs(1), |_| 0);
        (record.interrupted, record.unfinished) = (true, 50);
        let pace = Pace::Open { per_second: 250_000.0, arrivals: Arrivals::Poisson };
        let end = End::Requests(1_000_000);
        (Subject { pace, end, connections: 10_000, keep_alive: false, ..subject() }, record)
    }

    #[test]
    fn whatever_happens_no_line_is_longer_than_a_hundred_columns() {
        let (subject, record) = troubled();
        let text = shown(&subject, &record);
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        for part in [
            "open (poisson), 250,000/s asked, 100,263/s sent, 10,000 connections (not kept alive)",
            "1.00 s, INTERRUPTED, planned were 1,000,000 requests, after 250 ms of warm-up",
            "   50 unfinished",
            "(10 requests refused, 1,237 failed: in no percentile)",
            "\nservice ",
            "\nlateness ",
            "\nNOTE       The client itself sent 1 % of the requests more than 2.00 ms late",
            "\nNOTE       All 10,000 connections were busy when requests were due",
        ] {
            assert!(text.contains(part), "no {part} in\n{text}");
        }
    }

    #[test]
    fn one_is_a_singular() {
        let mut record = lasting(Duration::from_secs(1));
        record.answer(&answered(503, Some(b"only"), 0));
        let text = shown(&Subject { connections: 1, threads: 1, ..subject() }, &record);
        assert!(text.contains("closed, 1 connection, 1 thread, epoll"), "{text}");
        assert!(text.contains("(1 request refused: in no percentile)"), "{text}");
        assert!(!text.contains("standard deviation"), "{text}");
    }

    #[test]
    fn a_percentile_of_too_few_answers_is_a_dash() {
        let text = shown(&subject(), &record());
        let figures: Vec<&str> = line(&text, "latency").split_whitespace().collect();
        assert_eq!(figures[figures.len() - 4..], ["-", "-", "200", "ms"]);
    }

    #[test]
    fn what_servers_write_cannot_steer_the_terminal_and_is_not_endless() {
        let mut record = lasting(Duration::from_secs(1));
        record.answer(&answered(200, Some(b"\x1b[2J\r\nlatency 1 ns"), 0));
        record.answer(&answered(200, Some("x".repeat(100_000).as_bytes()), 0));
        let detail = format!("\x1b]0;title\x07{}", "\u{202e}".repeat(500));
        record.fail(Failure { kind: FailureKind::Malformed, detail }, Duration::ZERO);
        let text = shown(&subject(), &record);
        assert!(text.chars().all(|character| matches!(character, '\n' | ' '..='~' | 'µ' | '≤' | '█')));
        assert!(text.contains("replica    \\u{1b}[2J\\r\\nlatency 1 ns"));
        assert!(text.lines().all(|line| line.len() < 140), "{text}");
    }

    #[test]
    fn of_many_replicas_the_first_are_shown_and_the_rest_counted() {
        let mut record = lasting(Duration::from_secs(1));
        for index in 0..20 {
            record.answer(&answered(200, Some(format!("r{index:02}").as_bytes()), 0));
        }
        let text = shown(&subject(), &record);
        assert_eq!(text.matches("replica    r").count(), REPLICAS_MAX);
        assert!(
            text.contains("and 12 more") && text.contains("20 replicas: mean 1.0, standard deviation 0.0")
        );
    }

    #[test]
    fn nothing_measured_is_said_in_few_lines() {
        let text = shown(&subject(), &Record::default());
        assert_eq!(line(&text, "answers"), "answers    0.0/s   received 0 B/s   sent 0 B/s");
        assert!(!text.contains("latency") && text.lines().count() < 10, "{text}");
    }
}
