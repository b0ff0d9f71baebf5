//! Every chart, however odd, is a picture in which all can be read.
//!
//! With `RINGWAY_CHARTS=folder` the pictures are written there, to be looked at.

use super::*;

/// Texts may touch, because no glyph fills its whole height.
const TOUCH: f64 = 1.0;

fn axis(label: &str, scale: Scale) -> Axis {
    Axis { label: label.to_owned(), scale }
}

fn series(name: &str, points: impl Iterator<Item = (f64, f64)>) -> Series {
    Series { name: name.to_owned(), points: points.collect(), is_dashed: false }
}

/// Numbers that look like measurements and are the same in each run.
fn noise(index: usize) -> f64 {
    let mixed = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)) % 10_000) as f64 / 10_000.0
}

fn lines(title: &str, x: Axis, y: Axis, series: Vec<Series>) -> LineChart {
    let subtitle = "GET http://127.0.0.1:8080/ · 64 connections · 30 s · closed loop".to_owned();
    LineChart { title: title.to_owned(), subtitle, x, y, series, marks: Vec::new() }
}

fn marked(chart: LineChart, marks: &[(f64, &str)]) -> Chart {
    let marks = marks.iter().map(|(x, text)| Mark { x: *x, text: (*text).to_owned() }).collect();
    Chart::Lines(LineChart { marks, ..chart })
}

fn bars(groups: usize, name: impl Fn(usize) -> String, legend: &[&str], spread: f64) -> BarChart {
    let bar = |group: usize, bar: usize| {
        let value = 3_000.0 + 900.0 * noise(group * 7 + bar);
        Bar { value, spread: (spread > 0.0).then_some(spread) }
    };
    let group = |group: usize| BarGroup {
        label: name(group),
        bars: (0..legend.len().max(1)).map(|index| bar(group, index)).collect(),
    };
    BarChart {
        title: "Answers per replica".to_owned(),
        subtitle: "ring hash, 100,000 requests in 60 s · whiskers: standard deviation".to_owned(),
        x_label: "Replica".to_owned(),
        y: axis("Answers", Scale::Linear),
        legend: legend.iter().map(|name| (*name).to_owned()).collect(),
        groups: (0..groups).map(group).collect(),
        reference: None,
    }
}

fn percentiles() -> LineChart {
    let percents = (0..200).map(|step| 100.0 - 100.0 * 10f64.powf(-f64::from(step) / 50.0));
    let curve = |base: f64, steep: f64| {
        let latency = move |percent: f64| (percent, base * (1.0 - percent / 100.0).powf(-steep));
        percents.clone().map(latency)
    };
    lines(
        "Latency by percentile",
        axis("Percentile", Scale::Percentiles),
        axis("Latency [ms]", Scale::Logarithmic),
        vec![
            series("from the moment it was due", curve(1.3, 0.7)),
            series("from the moment it was sent", curve(1.2, 0.3)),
        ],
    )
}

fn over_time(count: usize, lines_count: usize, scale: Scale) -> LineChart {
    let wave = |line: usize| {
        (0..count).map(move |index| {
            let stall = if (index * 10 / count.max(1)) == 4 { 30.0 } else { 1.0 };
            let height = (1.0 + line as f64 * 1.7) * (1.0 + noise(index * 3 + line)) * stall;
            (index as f64 * 60.0 / count as f64, height)
        })
    };
    let names = ["p50", "p99", "max"];
    let name =
        |line: usize| names.get(line).map_or_else(|| format!("replica-{line}"), |name| (*name).to_owned());
    lines(
        "Latency over time",
        axis("Time since the start [s]", Scale::Linear),
        axis("Latency [ms]", scale),
        (0..lines_count).map(|line| series(&name(line), wave(line))).collect(),
    )
}

const HOSTILE: &str = "</text><script>alert('x')</script>&amp;\"]]>\u{0}\u{1b}[2J\u{202e}\u{fffe}\n漢字 é µ";

type Named = Vec<(&'static str, Chart)>;

const LONG: &str = "a-replica-whose-name-somebody-generated-from-everything-that-is-known-of-it-";

/// Charts by name.
fn odd_charts() -> Named {
    [marks_and_many_lines(), odd_ranges(), odd_texts_and_points(), odd_bars()].concat()
}

fn marks_and_many_lines() -> Named {
    let recovery = [
        (12.0, "replica-2 killed"),
        (13.2, "found dead"),
        (13.9, "started again"),
        (20.5, "routed again"),
        (58.9, "the end is near the edge"),
    ];
    let crowded: Vec<(f64, &str)> = (0..30).map(|index| (f64::from(index) * 2.0, "again")).collect();
    vec![
        ("percentiles", Chart::Lines(percentiles())),
        ("over_time", Chart::Lines(over_time(600, 3, Scale::Logarithmic))),
        ("recovery", marked(over_time(120, 2, Scale::Linear), &recovery)),
        ("crowded_marks", marked(over_time(60, 1, Scale::Linear), &crowded)),
        (
            "same_marks",
            marked(over_time(60, 1, Scale::Linear), &[(60.0, "one"), (60.0, "two"), (60.0, "three")]),
        ),
        (
            "hostile_marks",
            marked(over_time(60, 1, Scale::Linear), &[(3.0, HOSTILE), (f64::NAN, "x"), (9.0, "")]),
        ),
        ("twelve_lines", Chart::Lines(over_time(40, 12, Scale::Linear))),
        ("many_lines", Chart::Lines(over_time(100, 70, Scale::Linear))),
        ("many_points", Chart::Lines(over_time(50_000, 2, Scale::Linear))),
    ]
}

fn odd_ranges() -> Named {
    let seconds = || axis("Time [s]", Scale::Linear);
    let latency = || axis("Latency [ms]", Scale::Linear);
    let one = |points: &[(f64, f64)]| vec![series("line", points.iter().copied())];
    vec![
        (
            "whole_numbers",
            Chart::Lines(lines(
                "Spread of the answers",
                axis("Replicas", Scale::Linear),
                axis("Standard deviation [answers]", Scale::Linear),
                vec![series("ring hash", (2..=6).map(|n| (f64::from(n), 900.0 / f64::from(n))))],
            )),
        ),
        ("one_point", Chart::Lines(lines("One point", seconds(), latency(), one(&[(3.0, 7.0)])))),
        ("no_points", Chart::Lines(lines("No points", seconds(), latency(), one(&[])))),
        ("no_lines", Chart::Lines(lines("No lines", seconds(), latency(), Vec::new()))),
        ("nothing", Chart::Lines(LineChart::default())),
        ("zeros", Chart::Lines(lines("All zero", seconds(), latency(), one(&[(0.0, 0.0), (1.0, 0.0)])))),
        (
            "zeros_on_log",
            Chart::Lines(lines("Zero", seconds(), axis("Latency", Scale::Logarithmic), one(&[(0.0, 0.0)]))),
        ),
        (
            "extremes",
            Chart::Lines(lines("Extremes", seconds(), latency(), one(&[(0.0, -1e300), (1e300, 1e300)]))),
        ),
        (
            "extremes_on_log",
            Chart::Lines(lines(
                "Extremes",
                seconds(),
                axis("Latency", Scale::Logarithmic),
                one(&[(0.0, 1e-300), (1e-300, 1e300)]),
            )),
        ),
        (
            "large",
            Chart::Lines(lines(
                "Large",
                seconds(),
                axis("Bytes", Scale::Linear),
                one(&[(0.0, 1.2e9), (86_400.0, 7.7e9), (172_800.0, 3e9)]),
            )),
        ),
    ]
}

fn odd_texts_and_points() -> Named {
    let mut odd_points = over_time(120, 3, Scale::Linear);
    odd_points.series[0].points.iter_mut().skip(5).step_by(9).for_each(|point| point.1 = f64::NAN);
    odd_points.series[1].points.iter_mut().skip(5).step_by(2).for_each(|point| point.1 = f64::INFINITY);
    odd_points.series[2].points.iter_mut().for_each(|point| point.0 = f64::NEG_INFINITY);
    let mut hostile = over_time(30, 3, Scale::Linear);
    hostile.title = HOSTILE.to_owned();
    hostile.subtitle = HOSTILE.to_owned();
    hostile.x.label = HOSTILE.to_owned();
    hostile.y.label = HOSTILE.to_owned();
    hostile.series.iter_mut().for_each(|series| series.name = HOSTILE.to_owned());
    let mut long_texts = over_time(30, 5, Scale::Linear);
    long_texts.title = LONG.repeat(4);
    long_texts.subtitle = LONG.repeat(4);
    long_texts.x.label = LONG.repeat(4);
    long_texts.y.label = LONG.repeat(4);
    long_texts
        .series
        .iter_mut()
        .enumerate()
        .for_each(|(index, series)| series.name = format!("{LONG}{index}"));
    vec![
        ("odd_points", Chart::Lines(odd_points)),
        ("hostile", Chart::Lines(hostile)),
        ("long_texts", Chart::Lines(long_texts)),
    ]
}

fn odd_bars() -> Named {
    let reference =
        |chart: BarChart| BarChart { reference: Some((3_400.0, "mean: 3,400".to_owned())), ..chart };
    let plain = |number: usize| format!("replica-{number}");
    let mut zeros = bars(4, plain, &[], 0.0);
    zeros.groups.iter_mut().for_each(|group| group.bars[0].value = 0.0);
    let mut broken = bars(5, plain, &[], 0.0);
    broken.groups[1].bars[0].value = f64::NAN;
    broken.groups[2].bars[0].value = f64::INFINITY;
    broken.groups[3].bars[0].value = -5.0;
    broken.groups[4].bars[0].spread = Some(f64::INFINITY);
    vec![
        ("bars", Chart::Bars(reference(bars(5, plain, &[], 150.0)))),
        ("bars_reference", Chart::Bars(reference(bars(12, plain, &[], 0.0)))),
        (
            "bars_grouped",
            Chart::Bars(bars(5, |n| format!("N = {}", n + 2), &["ring", "maglev", "rendezvous"], 200.0)),
        ),
        ("bars_many_grouped", Chart::Bars(bars(20, plain, &["reads", "writes", "both"], 0.0))),
        ("bars_1", Chart::Bars(reference(bars(1, plain, &[], 0.0)))),
        ("bars_24", Chart::Bars(reference(bars(24, plain, &[], 0.0)))),
        ("bars_60", Chart::Bars(reference(bars(60, plain, &[], 0.0)))),
        ("bars_4000", Chart::Bars(reference(bars(4_000, plain, &[], 0.0)))),
        ("bars_0", Chart::Bars(bars(0, plain, &[], 0.0))),
        ("bars_zero", Chart::Bars(zeros)),
        ("bars_broken", Chart::Bars(broken)),
        ("bars_long", Chart::Bars(reference(bars(9, |n| format!("{LONG}{n}"), &[], 0.0)))),
        ("bars_long_few", Chart::Bars(reference(bars(3, |n| format!("{LONG}{n}"), &[LONG, HOSTILE], 0.0)))),
        ("bars_hostile", Chart::Bars(reference(bars(9, |_| HOSTILE.to_owned(), &[HOSTILE, HOSTILE], 50.0)))),
        ("bars_many_names", Chart::Bars(bars(2, plain, &[LONG; 30], 0.0))),
        ("bars_default", Chart::Bars(BarChart::default())),
    ]
}

/// Whether tags are balanced, and nothing stands in it that XML does not allow.
fn assert_well_formed(document: &str, name: &str) {
    let mut open = Vec::new();
    let mut rest = document;
    while let Some((text, after)) = rest.split_once('<') {
        let entity =
            |tail: &str| ["amp;", "lt;", "gt;", "quot;", "apos;"].iter().any(|known| tail.starts_with(known));
        assert!(text.split('&').skip(1).all(entity) && !text.contains("]]>"), "{name}: {text}");
        let (tag, after) = after.split_once('>').unwrap();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{name}");
        } else if !tag.ends_with('/') {
            open.push(tag.split_once(' ').map_or(tag, |(element, _)| element));
        }
        rest = after;
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{name}: {open:?}");
    let is_allowed = |char: char| char == '\n' || (!char.is_control() && char != '\u{fffe}');
    assert!(document.chars().all(is_allowed), "{name}");
}

fn write_for_looking(name: &str, svg: &str, png: &[u8]) {
    if let Some(folder) = std::env::var_os("RINGWAY_CHARTS").map(std::path::PathBuf::from) {
        std::fs::write(folder.join(format!("{name}.svg")), svg).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
    }
}

#[test]
fn all_texts_are_within_the_picture_and_none_covers_another() {
    let fonts = Fonts::embedded().unwrap();
    for (name, chart) in odd_charts() {
        let scene = chart.scene(&fonts);
        let areas: Vec<_> = scene.texts.iter().map(|text| (text.area(&fonts), &text.text)).collect();
        for (index, (area, text)) in areas.iter().enumerate() {
            let whole = scene::Area::whole();
            let is_within = area.left >= 0.0
                && area.top >= 0.0
                && area.right <= whole.right
                && area.bottom <= whole.bottom;
            assert!(is_within, "{name}: {text} at {area:?}");
            for (other, other_text) in &areas[..index] {
                let is_apart = area.left >= other.right - TOUCH
                    || area.right <= other.left + TOUCH
                    || area.top >= other.bottom - TOUCH
                    || area.bottom <= other.top + TOUCH;
                assert!(is_apart, "{name}: {text} at {area:?} and {other_text} at {other:?}");
            }
        }
    }
}

#[test]
fn every_chart_is_a_well_formed_document_with_all_its_texts_and_a_bitmap_of_the_right_size() {
    let fonts = Fonts::embedded().unwrap();
    for (name, chart) in odd_charts() {
        let (svg, png) = (chart.svg().unwrap(), chart.png().unwrap());
        write_for_looking(name, &svg, &png);
        assert_well_formed(&svg, name);
        assert_eq!(svg.matches("<text ").count(), chart.scene(&fonts).texts.len(), "{name}");
        assert_eq!(svg.matches("sans-serif\"").count(), svg.matches("<text ").count(), "{name}");
        let reader = ::png::Decoder::new(std::io::Cursor::new(&png)).read_info().unwrap();
        assert_eq!((reader.info().width, reader.info().height), (1_920, 1_080), "{name}");
        assert!(png.len() < 160 * 1024, "{name}: {} bytes", png.len());
    }
}

#[test]
fn the_usual_texts_are_all_there_unshortened() {
    let fonts = Fonts::embedded().unwrap();
    let charts = odd_charts();
    let texts = |name: &str| -> Vec<String> {
        let (_, chart) = charts.iter().find(|(other, _)| *other == name).unwrap();
        chart.scene(&fonts).texts.into_iter().map(|text| text.text).collect()
    };
    for (name, expected) in [
        (
            "percentiles",
            &["Latency by percentile", "Percentile", "Latency [ms]", "99.9", "from the moment it was due"][..],
        ),
        (
            "recovery",
            &["replica-2 killed", "found dead", "started again", "routed again", "the end is near the edge"],
        ),
        ("crowded_marks", &["again"]),
        ("bars", &["Answers per replica", "Replica", "replica-4", "mean: 3,400", "4,000"]),
        ("bars_24", &["replica-0", "replica-23"]),
        ("whole_numbers", &["2", "3", "4", "5", "6", "ring hash", "Standard deviation [answers]"]),
        ("many_lines", &["p50", "replica-10", "59 more"]),
        ("no_points", &["no data"]),
        ("bars_default", &["no data"]),
    ] {
        let texts = texts(name);
        for text in expected {
            assert!(texts.iter().any(|shown| shown == text), "{name}: {text} is not among {texts:?}");
        }
    }
}

#[test]
fn the_same_chart_gives_the_same_bytes() {
    let (first, second) = (Chart::Lines(percentiles()), Chart::Lines(percentiles()));
    assert_eq!(first.svg(), second.svg());
    assert_eq!(first.png(), second.png());
}
