//! The machine, as a reader has to know it to judge figures.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::base::calendar::calendar_day;
use crate::cli::cores::{self, EngineKind};
use crate::load::analysis::Circumstances;

/// What can be said before anything is measured.
pub(super) fn circumstances(engine: EngineKind, command: String) -> Circumstances {
    let build = if cfg!(debug_assertions) { "debug build" } else { "release build" };
    Circumstances {
        version: format!("Ringway {} ({build})", env!("CARGO_PKG_VERSION")),
        command,
        date: date(days_since_1970()),
        machine: format!("{}, {} cores, {}", processor(), cores::available(), memory()),
        system: format!("Linux {}", kernel()),
        proxy_engine: engine.name().to_owned(),
        load_engine: engine.name().to_owned(),
        seconds: 0.0,
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the edge: a report says when it was made")]
fn days_since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()) / 86_400
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    value(&text, "model name").map_or_else(|| std::env::consts::ARCH.to_owned(), str::to_owned)
}

fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.trim().to_owned()
}

fn memory() -> String {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kibibytes =
        value(&text, "MemTotal").and_then(|value| value.trim_end_matches(" kB").parse::<f64>().ok());
    kibibytes.map_or_else(
        || "memory unknown".to_owned(),
        |kibibytes| format!("{:.1} GiB", kibibytes / 1_048_576.0),
    )
}

/// The value of the first line `name : value`.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| found.trim() == name).map(|(_, value)| value.trim())
}

/// The day so many days after 1970-01-01, in UTC.
fn date(days: u64) -> String {
    let (year, month, day) = calendar_day(days);
    format!("{year:04}-{:02}-{day:02}", month + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (789, "1972-02-29"),
            (11_016, "2000-02-29"),
            (20_088, "2024-12-31"),
            (20_089, "2025-01-01"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ] {
            assert_eq!(date(days), expected);
        }
    }

    #[test]
    fn a_value_is_what_follows_its_name() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC: 9\nmodel name\t: other\n";
        assert_eq!(value(text, "model name"), Some("AMD EPYC: 9"));
        assert_eq!(value(text, "MemTotal"), None);
    }
}
