//! The charts of one run: from what was measured to what is shown.

use std::fmt::Write as _;
use std::time::Duration;

use super::chart::number::short;
use super::chart::{Axis, Bar, BarChart, BarGroup, Chart, LineChart, Scale, Series};
use super::latency::Latencies;
use super::output::units::count;
use super::plan::{Arrivals, Pace, Plan};
use super::record::Record;
use super::timeline::Interval;

/// Where the largest value is more than so many times the smallest, equal ratios are shown as equal distances.
const LINEAR_RATIO_MAX: f64 = 30.0;
/// Points for each of the nines.
const POINTS_PER_NINE: u32 = 30;
/// More intervals than this are joined: more cannot be told apart in a picture.
const INTERVALS_MAX: usize = 240;
/// More replicas than this are sorted by their answers: their names cannot be read anyway.
const REPLICAS_BY_NAME_MAX: usize = 60;

/// All charts of a run that have something to show, each with the stem of its file's name.
pub fn charts(plan: &Plan, record: &Record) -> Vec<(&'static str, Chart)> {
    let circumstances = circumstances(plan, record);
    let charts = of_run(plan.pace, record).into_iter();
    charts.map(|(stem, chart)| (stem, under(chart, &circumstances))).collect()
}

fn of_run(pace: Pace, record: &Record) -> Vec<(&'static str, Chart)> {
    [
        ("latency-percentiles", latency_by_percentile(pace, record).map(Chart::Lines)),
        ("latency-over-time", latency_over_time(record).map(Chart::Lines)),
        ("throughput", answers_over_time(record).map(Chart::Lines)),
        ("replicas", answers_by_replica(record).map(Chart::Bars)),
    ]
    .into_iter()
    .filter_map(|(stem, chart)| Some((stem, chart?)))
    .collect()
}

fn under(chart: Chart, circumstances: &str) -> Chart {
    let subtitle = circumstances.to_owned();
    match chart {
        Chart::Lines(chart) => Chart::Lines(LineChart { subtitle, ..chart }),
        Chart::Bars(chart) => Chart::Bars(BarChart { subtitle, ..chart }),
    }
}

/// One line for under the title: where, how, for how long, and what became of it.
fn circumstances(plan: &Plan, record: &Record) -> String {
    let mut line = format!("{} · {} connections · ", plan.address, plan.connections);
    // Writing to a string does not fail.
    let _ = match plan.pace {
        Pace::Closed => write!(line, "closed loop"),
        Pace::Open { per_second, arrivals: Arrivals::Even } => {
            write!(line, "{} requests/s", short(per_second))
        }
        Pace::Open { per_second, arrivals: Arrivals::Poisson } => {
            write!(line, "{} requests/s (Poisson)", short(per_second))
        }
    };
    let _ = write!(line, " · {:.1} s · {} answers", record.elapsed.as_secs_f64(), count(record.answered()));
    for (number, what) in [(record.refused(), "refused"), (record.failed(), "failed")] {
        if number > 0 {
            let _ = write!(line, ", {} {what}", count(number));
        }
    }
    line
}

fn latency_by_percentile(pace: Pace, record: &Record) -> Option<LineChart> {
    let series: Vec<Series> = latency_lines(pace, record)
        .into_iter()
        .filter(|(_, latencies)| !latencies.is_empty())
        .map(|(name, latencies)| Series { name, points: curve(latencies), is_dashed: false })
        .collect();
    let y = latency_axis(&series);
    (!series.is_empty()).then(|| LineChart {
        title: "Latency by percentile".to_owned(),
        x: Axis { label: "Percentile of the answers".to_owned(), scale: Scale::Percentiles },
        y,
        series,
        ..LineChart::default()
    })
}

/// Each line's name and its distribution.
fn latency_lines(pace: Pace, record: &Record) -> Vec<(String, &Latencies)> {
    let is_open = pace != Pace::Closed;
    let since = if is_open { ", since due" } else { "" };
    let mut lines = match (record.reads.is_empty(), record.writes.is_empty()) {
        (false, false) => {
            vec![(format!("reads{since}"), &record.reads), (format!("writes{since}"), &record.writes)]
        }
        (true, false) => vec![(format!("writes{since}"), &record.writes)],
        _ => vec![(format!("reads{since}"), &record.reads)],
    };
    if is_open {
        lines.push(("all, since sent (service time)".to_owned(), &record.service));
    }
    lines
}

/// Points from 0 to the last percentile that is another answer's than the slowest.
fn curve(latencies: &Latencies) -> Vec<(f64, f64)> {
    let nines = (latencies.count() as f64).log10();
    let last = (nines * f64::from(POINTS_PER_NINE)).floor() as u32;
    let percent = |point: u32| 100.0 * (1.0 - 10f64.powf(-f64::from(point) / f64::from(POINTS_PER_NINE)));
    (0..=last).map(percent).map(|percent| (percent, millis(latencies.percentile(percent)))).collect()
}

fn latency_over_time(record: &Record) -> Option<LineChart> {
    let (width, intervals) = joined(record);
    if intervals.iter().all(|interval| interval.latency.is_empty()) {
        return None;
    }
    let line = |name: &str, of: fn(&Latencies) -> Duration| {
        // An interval without answers has no latency: the line is interrupted there.
        let height = |latency: &Latencies| if latency.is_empty() { f64::NAN } else { millis(of(latency)) };
        let points = intervals.iter().enumerate();
        let points = points.map(|(index, interval)| (middle(width, index), height(&interval.latency)));
        Series { name: name.to_owned(), points: points.collect(), is_dashed: false }
    };
    let series = vec![
        line("p50", |latency| latency.percentile(50.0)),
        line("p99", |latency| latency.percentile(99.0)),
        line("maximum", Latencies::max),
    ];
    Some(LineChart {
        title: format!("Latency over time, in intervals of {}", length(width)),
        x: time_axis(),
        y: latency_axis(&series),
        series,
        ..LineChart::default()
    })
}

fn answers_over_time(record: &Record) -> Option<LineChart> {
    let (width, intervals) = joined(record);
    let line = |name: &str, of: fn(&Interval) -> u64| {
        let points = intervals.iter().enumerate().map(|(index, interval)| {
            // The last interval may have been cut short by the end of the run.
            let end = record.elapsed.min(width * (index as u32 + 1));
            let length = end.saturating_sub(width * index as u32);
            let length = if length < width / 2 { width } else { length };
            (middle(width, index), of(interval) as f64 / length.as_secs_f64())
        });
        Series { name: name.to_owned(), points: points.collect(), is_dashed: false }
    };
    let mut series = vec![line("answers", |interval| interval.answers)];
    if record.refused() > 0 {
        series.push(line("refusals (4xx, 5xx)", |interval| interval.refusals));
    }
    if record.failed() > 0 {
        series.push(line("failures", |interval| interval.failures));
    }
    (!intervals.is_empty()).then(|| LineChart {
        title: "Answers per second over time".to_owned(),
        x: time_axis(),
        y: Axis { label: "Per second [1/s]".to_owned(), scale: Scale::Linear },
        series,
        ..LineChart::default()
    })
}

fn answers_by_replica(record: &Record) -> Option<BarChart> {
    let mut replicas: Vec<(String, u64)> =
        record.replicas().map(|(name, answers)| (replica_name(name), answers)).collect();
    let sorted_by = if replicas.len() > REPLICAS_BY_NAME_MAX {
        replicas.sort_by_key(|(_, answers)| std::cmp::Reverse(*answers));
        format!("{} replicas, by answers", replicas.len())
    } else {
        replicas.sort_by(|a, b| name_order(&a.0).cmp(&name_order(&b.0)));
        "Replica".to_owned()
    };
    let mean =
        replicas.iter().map(|(_, answers)| *answers as f64).sum::<f64>() / replicas.len().max(1) as f64;
    let group = |(label, answers): (String, u64)| BarGroup {
        label,
        bars: vec![Bar { value: answers as f64, spread: None }],
    };
    (!replicas.is_empty()).then(|| BarChart {
        title: "Answers per replica".to_owned(),
        x_label: sorted_by,
        y: Axis { label: "Answers of any status".to_owned(), scale: Scale::Linear },
        legend: vec!["answers".to_owned()],
        groups: replicas.into_iter().map(group).collect(),
        reference: Some((mean, format!("mean: {}", short(mean)))),
        ..BarChart::default()
    })
}

fn replica_name(name: &[u8]) -> String {
    if name.is_empty() { "all others".to_owned() } else { String::from_utf8_lossy(name).into_owned() }
}

/// So that `replica-10` comes after `replica-9`: the name without the digits at its end, then how many there are, then they.
fn name_order(name: &str) -> (&str, usize, &str) {
    let stem = name.trim_end_matches(|char: char| char.is_ascii_digit());
    let digits = &name[stem.len()..];
    (stem, digits.len(), digits)
}

fn time_axis() -> Axis {
    Axis { label: "Time since the start of the measurement [s]".to_owned(), scale: Scale::Linear }
}

fn latency_axis(series: &[Series]) -> Axis {
    let heights = series.iter().flat_map(|series| &series.points).map(|point| point.1);
    let heights = heights.filter(|height| *height > 0.0);
    let range =
        heights.fold((f64::INFINITY, 0.0f64), |(low, high), height| (low.min(height), high.max(height)));
    let scale = if range.1 > LINEAR_RATIO_MAX * range.0 { Scale::Logarithmic } else { Scale::Linear };
    Axis { label: "Latency [ms]".to_owned(), scale }
}

/// The run's intervals, joined in pairs until a picture can show them, and how long each is. Those that begin after the
/// end, where the last answers were waited for, are left out.
fn joined(record: &Record) -> (Duration, Vec<Interval>) {
    let mut timeline = record.timeline.clone();
    let is_over = |width: Duration, index: usize| width * index as u32 >= record.elapsed;
    while timeline.intervals().len() > INTERVALS_MAX {
        timeline.widen(timeline.width() * 2);
    }
    let width = timeline.width();
    let intervals = timeline.intervals().iter().enumerate();
    let intervals = intervals.take_while(|(index, _)| *index == 0 || !is_over(width, *index));
    (width, intervals.map(|(_, interval)| interval.clone()).collect())
}

fn middle(width: Duration, index: usize) -> f64 {
    width.as_secs_f64() * (index as f64 + 0.5)
}

fn length(width: Duration) -> String {
    let seconds = width.as_secs_f64();
    if seconds < 1.0 { format!("{} ms", width.as_millis()) } else { format!("{seconds} s") }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::failure::{Failure, FailureKind};
    use crate::load::record::Answered;
    use crate::load::requests::Class;

    const OPEN: Pace = Pace::Open { per_second: 1_000.0, arrivals: Arrivals::Even };

    fn millis_of(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// An answer each millisecond for so many seconds, each latency that of `latency`.
    fn answered(seconds: u64, class: Class, latency: impl Fn(u64) -> Duration) -> Record {
        let mut record = Record::default();
        record.elapsed = Duration::from_secs(seconds);
        for at in 0..seconds * 1_000 {
            record.answer(&Answered {
                class,
                status: 200,
                replica: None,
                latency: latency(at),
                service: None,
                at: millis_of(at),
            });
        }
        record
    }

    fn chart(pace: Pace, record: &Record, stem: &str) -> Option<Chart> {
        of_run(pace, record).into_iter().find(|(other, _)| *other == stem).map(|(_, chart)| chart)
    }

    fn line_chart(pace: Pace, record: &Record, stem: &str) -> LineChart {
        match chart(pace, record, stem) {
            Some(Chart::Lines(chart)) => chart,
            other => panic!("{stem}: {other:?}"),
        }
    }

    fn names(chart: &LineChart) -> Vec<&str> {
        chart.series.iter().map(|series| series.name.as_str()).collect()
    }

    #[test]
    fn a_run_without_answers_has_no_charts() {
        assert_eq!(charts_count(&Record::default()), 0);
        let mut failed = answered(0, Class::Read, |_| millis_of(1));
        failed.elapsed = Duration::from_secs(1);
        let failure = Failure { kind: FailureKind::Reset, detail: String::new() };
        failed.fail(failure, millis_of(5));
        assert_eq!(charts_count(&failed), 1);
        assert_eq!(names(&line_chart(Pace::Closed, &failed, "throughput")), ["answers", "failures"]);
    }

    fn charts_count(record: &Record) -> usize {
        of_run(Pace::Closed, record).len()
    }

    #[test]
    fn a_closed_loop_has_one_line_and_an_open_one_has_service_times_too() {
        let mut record = answered(1, Class::Read, |at| millis_of(at + 1));
        let stem = "latency-percentiles";
        assert_eq!(names(&line_chart(Pace::Closed, &record, stem)), ["reads"]);
        record.merge(answered(1, Class::Write, |_| millis_of(3)));
        assert_eq!(names(&line_chart(Pace::Closed, &record, stem)), ["reads", "writes"]);
        record.service.record(millis_of(1));
        let open = line_chart(OPEN, &record, stem);
        assert_eq!(names(&open), ["reads, since due", "writes, since due", "all, since sent (service time)"]);
    }

    #[test]
    fn the_percentile_line_ends_where_the_slowest_answer_begins() {
        let record = answered(1, Class::Read, |at| millis_of(at + 1));
        let chart = line_chart(Pace::Closed, &record, "latency-percentiles");
        assert_eq!((chart.x.scale, chart.y.scale), (Scale::Percentiles, Scale::Logarithmic));
        let points = &chart.series[0].points;
        let at =
            |percent: f64| points.iter().find(|point| (point.0 - percent).abs() < 1e-6).map(|point| point.1);
        assert!(at(90.0).is_some_and(|height| (height - 900.0).abs() < 2.0), "{:?}", at(90.0));
        assert!(at(99.0).is_some_and(|height| (height - 990.0).abs() < 2.0), "{:?}", at(99.0));
        assert!(points.last().is_some_and(|point| (point.0 - 99.9).abs() < 1e-6), "{:?}", points.last());
    }

    #[test]
    fn over_time_a_stall_is_a_gap_and_a_wide_range_is_logarithmic() {
        let mut record = answered(1, Class::Read, |at| millis_of(if at % 100 == 99 { 50 } else { 1 }));
        record.merge(answered(0, Class::Read, |_| millis_of(1)));
        record.timeline.at(millis_of(1_500)).answers += 0;
        record.elapsed = Duration::from_secs(2);
        let chart = line_chart(Pace::Closed, &record, "latency-over-time");
        assert_eq!(names(&chart), ["p50", "p99", "maximum"]);
        assert_eq!(chart.y.scale, Scale::Logarithmic);
        assert_eq!(chart.title, "Latency over time, in intervals of 10 ms");
        let heights: Vec<f64> = chart.series[0].points.iter().map(|point| point.1).collect();
        assert_eq!(heights.len(), 151);
        assert!(heights[..100].iter().all(|height| (height - 1.0).abs() < 0.02), "{heights:?}");
        assert!(heights[100..].iter().all(|height| height.is_nan()), "{heights:?}");
        let steady = answered(1, Class::Read, |_| millis_of(1));
        assert_eq!(line_chart(Pace::Closed, &steady, "latency-over-time").y.scale, Scale::Linear);
    }

    #[test]
    fn answers_per_second_do_not_depend_on_how_long_the_intervals_are() {
        for seconds in [1, 7, 61] {
            let record = answered(seconds, Class::Read, |_| millis_of(1));
            let chart = line_chart(Pace::Closed, &record, "throughput");
            assert_eq!(names(&chart), ["answers"]);
            let points = &chart.series[0].points;
            assert!(points.len() <= INTERVALS_MAX, "{}", points.len());
            // Of the last interval, the end may fall between two answers.
            let is_right = |point: &(f64, f64)| (point.1 - 1_000.0).abs() < 10.0;
            assert!(points.iter().all(is_right), "{points:?}");
            assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
    }

    #[test]
    fn what_is_answered_after_the_end_is_in_no_line() {
        let mut record = answered(2, Class::Read, |_| millis_of(1));
        record.elapsed = Duration::from_secs(1);
        let chart = line_chart(Pace::Closed, &record, "throughput");
        assert!(chart.series[0].points.iter().all(|point| point.0 < 1.0));
    }

    #[test]
    fn replicas_stand_in_the_order_of_their_numbers_beside_their_mean() {
        let mut record = Record::default();
        for (name, answers) in [("replica-10", 3), ("replica-2", 9), ("replica-1", 6)] {
            for _ in 0..answers {
                record.answer(&Answered {
                    class: Class::Read,
                    status: 200,
                    replica: Some(name.as_bytes()),
                    latency: millis_of(1),
                    service: None,
                    at: Duration::ZERO,
                });
            }
        }
        let Some(Chart::Bars(bars)) = chart(Pace::Closed, &record, "replicas") else { panic!("no bars") };
        let groups: Vec<(&str, f64)> =
            bars.groups.iter().map(|group| (group.label.as_str(), group.bars[0].value)).collect();
        assert_eq!(groups, [("replica-1", 6.0), ("replica-2", 9.0), ("replica-10", 3.0)]);
        assert_eq!(bars.reference, Some((6.0, "mean: 6".to_owned())));
        let unnamed = answered(1, Class::Read, |_| millis_of(1));
        assert_eq!(chart(Pace::Closed, &unnamed, "replicas"), None);
    }
}
