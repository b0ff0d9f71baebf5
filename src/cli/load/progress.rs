//! The bar that shows how far a run is.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use crate::load::output::units::{count, rate, time};
use crate::load::plan::{End, Pace, Plan};
use crate::load::progress::{Phase, Progress};

/// The bar's own text takes what is left of the line.
const TEMPLATE: &str = "{bar:10} {wide_msg}";
/// The bar's length, in parts.
const PARTS: u64 = 1_000;

/// A bar on standard error while a run goes on; nothing where that is no terminal. The cursor is not hidden, so that there
/// is nothing to restore whatever ends the run.
pub(super) struct Bar {
    bar: ProgressBar,
    expected: Expected,
    /// What was shown last.
    before: Option<(Phase, Duration)>,
}

/// What a plan says of how far a run will go.
#[derive(Clone, Copy, Debug)]
struct Expected {
    end: End,
    warm_up: Duration,
    is_open: bool,
}

impl Bar {
    /// A bar that shows nothing yet, and never anything if `quiet`.
    pub(super) fn new(plan: &Plan, quiet: bool) -> Bar {
        let is_shown = !quiet && io::stderr().is_terminal();
        let target = if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        // What a run leaves on the terminal is its summary, even if it fails.
        let bar = ProgressBar::with_draw_target(Some(PARTS), target).with_finish(ProgressFinish::AndClear);
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        let is_open = matches!(plan.pace, Pace::Open { .. });
        Bar { bar, expected: Expected { end: plan.end, warm_up: plan.warm_up, is_open }, before: None }
    }

    /// Shows how far the run is.
    pub(super) fn show(&mut self, progress: &Progress) {
        let since = match self.before {
            Some((phase, elapsed)) if phase == progress.phase => progress.elapsed.saturating_sub(elapsed),
            _ => progress.elapsed,
        };
        self.before = Some((progress.phase, progress.elapsed));
        self.bar.set_position((self.expected.part_done(progress) * PARTS as f64) as u64);
        self.bar.set_message(self.expected.message(progress, since));
    }

    /// Takes the bar off the terminal.
    pub(super) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

impl Expected {
    /// How much of the phase is done, 0 to 1.
    fn part_done(&self, progress: &Progress) -> f64 {
        let part = |done: f64, all: f64| if all > 0.0 { (done / all).clamp(0.0, 1.0) } else { 1.0 };
        match (progress.phase, self.end) {
            (Phase::Connecting, _) => 0.0,
            (Phase::WarmingUp, _) => part(progress.elapsed.as_secs_f64(), self.warm_up.as_secs_f64()),
            (Phase::Measuring, End::After(all)) => part(progress.elapsed.as_secs_f64(), all.as_secs_f64()),
            (Phase::Measuring, End::Requests(all)) => part(done(progress) as f64, all as f64),
            (Phase::Finishing, _) => 1.0,
        }
    }

    /// How far it is in words; `since` the last report.
    fn message(&self, progress: &Progress, since: Duration) -> String {
        let mut words = vec![self.stage(progress)];
        let recent = &progress.recent;
        if !recent.is_empty() && !since.is_zero() {
            words.push(format!("{}/s", rate(recent.count() as f64 / since.as_secs_f64())));
        }
        // Before what a narrow terminal cuts off.
        words.push(format!("{} errors", count(progress.refused + progress.failed)));
        if !recent.is_empty() {
            let (p50, p99) = (time(recent.percentile(50.0)), time(recent.percentile(99.0)));
            words.push(format!("p50 {p50}  p99 {p99}"));
        }
        words.push(format!("{} open", count(progress.connected)));
        if self.is_open {
            words.push(format!("{} overdue", count(progress.overdue)));
        }
        words.join("  ")
    }

    fn stage(&self, progress: &Progress) -> String {
        let of =
            |all: Duration| format!("{:.1} of {:.1} s", progress.elapsed.as_secs_f64(), all.as_secs_f64());
        match (progress.phase, self.end) {
            (Phase::Connecting, _) => "connecting".to_owned(),
            (Phase::WarmingUp, _) => format!("warm-up {}", of(self.warm_up)),
            (Phase::Measuring, End::After(all)) => of(all),
            (Phase::Measuring, End::Requests(all)) => format!("{} of {}", count(done(progress)), count(all)),
            (Phase::Finishing, _) => "last answers".to_owned(),
        }
    }
}

/// Requests that came to an end.
fn done(progress: &Progress) -> u64 {
    progress.answered + progress.refused + progress.failed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(end: End) -> Expected {
        Expected { end, warm_up: Duration::from_secs(2), is_open: false }
    }

    fn progress(phase: Phase, elapsed_ms: u64) -> Progress {
        let elapsed = Duration::from_millis(elapsed_ms);
        Progress { phase, elapsed, connected: 50, answered: 600, refused: 150, ..Progress::default() }
    }

    #[test]
    fn the_bar_is_as_long_as_the_part_of_the_phase_that_is_done() {
        let seconds = |seconds| End::After(Duration::from_secs(seconds));
        for (end, phase, elapsed_ms, part, stage) in [
            (seconds(10), Phase::Connecting, 400, 0.0, "connecting"),
            (seconds(10), Phase::WarmingUp, 500, 0.25, "warm-up 0.5 of 2.0 s"),
            (seconds(10), Phase::Measuring, 7_500, 0.75, "7.5 of 10.0 s"),
            (seconds(10), Phase::Measuring, 11_000, 1.0, "11.0 of 10.0 s"),
            (seconds(0), Phase::Measuring, 0, 1.0, "0.0 of 0.0 s"),
            (End::Requests(3_000), Phase::Measuring, 100, 0.25, "750 of 3,000"),
            (End::Requests(3_000), Phase::Finishing, 100, 1.0, "last answers"),
        ] {
            let (expected, progress) = (expected(end), progress(phase, elapsed_ms));
            assert_eq!((expected.part_done(&progress), &*expected.stage(&progress)), (part, stage));
        }
    }

    #[test]
    fn the_message_tells_of_the_time_since_the_last_one() {
        let mut expected = expected(End::After(Duration::from_secs(10)));
        let mut progress = progress(Phase::Measuring, 4_000);
        let half = Duration::from_millis(500);
        assert_eq!(expected.message(&progress, half), "4.0 of 10.0 s  150 errors  50 open");
        (0..617).for_each(|_| progress.recent.record(Duration::from_micros(100)));
        expected.is_open = true;
        progress.overdue = 3;
        assert_eq!(
            expected.message(&progress, half),
            "4.0 of 10.0 s  1,234/s  150 errors  p50 100 µs  p99 100 µs  50 open  3 overdue"
        );
    }
}
