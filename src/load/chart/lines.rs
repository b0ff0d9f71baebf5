//! Lines laid out.

use super::font::Fonts;
use super::legend::{Entry, LINE_WIDTH, Sample};
use super::ruler::{Ends, Ruler};
use super::scene::{Area, Color, Dashes, GREY, PALETTE, Point, Scene, Shape};
use super::sheet::{Sheet, TEXT_SIZE};
use super::{LineChart, Series};

/// So many lines have a colour of their own; all others share one.
const COLORED_MAX: usize = PALETTE.len();
/// A line of fewer points shows where they are.
const POINTS_WITH_DISCS: usize = 40;
/// A line of more points than twice this is drawn by the highest and the lowest of each of so many parts: more cannot be
/// seen at this width.
const PARTS: usize = 800;
/// About so many numbers along the vertical axis.
const TICKS_Y: usize = 7;

/// Lays a chart out.
pub(super) fn scene(chart: &LineChart, fonts: &Fonts) -> Scene {
    let mut sheet = Sheet::new(fonts);
    sheet.heading(&chart.title, &chart.subtitle);
    sheet.legend(entries(&chart.series));
    let points = || chart.series.iter().flat_map(|series| &series.points);
    let y = Ruler::new(chart.y.scale, points().map(|point| point.1), Ends::Round, TICKS_Y);
    sheet.reserve_y(&chart.y, &y);
    sheet.reserve_x(&chart.x.label, TEXT_SIZE);
    let xs = || points().map(|point| point.0).chain(chart.marks.iter().map(|mark| mark.x));
    let ends = Ends::Tight { is_whole: xs().all(|x| x.fract() == 0.0) };
    // Half of the last number is right of the plot.
    sheet.free.right -= TEXT_SIZE;
    let (left, width) = (sheet.free.left, sheet.free.width());
    let x = sheet.ruler_x(|ticks_max| Ruler::new(chart.x.scale, xs(), ends, ticks_max), width);
    let marks =
        chart.marks.iter().filter_map(|mark| Some((left + x.at(mark.x)? * width, fonts.clean(&mark.text))));
    let marks = sheet.reserve_marks(marks, (left, sheet.free.right));

    let plot = sheet.free;
    sheet.draw_x(&chart.x, &x, plot);
    sheet.draw_y(&chart.y, &y, plot);
    sheet.draw_base(plot);
    sheet.draw_marks(marks, plot);
    let mut is_empty = true;
    // The first is the most important: it is drawn last, above the others; and dashes above all that have none.
    let mut order: Vec<(usize, &Series)> = chart.series.iter().enumerate().rev().collect();
    order.sort_by_key(|(_, series)| series.is_dashed);
    for (index, series) in order {
        for run in runs(series, &x, &y, plot) {
            is_empty = false;
            draw(&mut sheet.scene, run, series, color(index, chart.series.len()));
        }
    }
    if is_empty {
        sheet.draw_nothing(plot);
    }
    sheet.scene
}

/// Lines beyond the palette are joined under one name.
fn entries(series: &[Series]) -> Vec<Entry> {
    let own = if series.len() > COLORED_MAX { COLORED_MAX - 1 } else { series.len() };
    let entry = |(index, series): (usize, &Series)| Entry {
        sample: if series.is_dashed { Sample::DashedLine } else { Sample::Line }(color(index, own)),
        name: series.name.clone(),
    };
    let mut entries: Vec<Entry> = series[..own].iter().enumerate().map(entry).collect();
    if own < series.len() {
        let name = format!("{} more", series.len() - own);
        entries.push(Entry { sample: Sample::Line(GREY), name });
    }
    entries
}

fn color(index: usize, count: usize) -> Color {
    let own = if count > COLORED_MAX { COLORED_MAX - 1 } else { COLORED_MAX };
    if index < own { PALETTE[index] } else { GREY }
}

/// The places of a line's points, without those that have none: they interrupt the line.
fn runs(series: &Series, x: &Ruler, y: &Ruler, plot: Area) -> Vec<Vec<Point>> {
    let places: Vec<Option<Point>> =
        series.points.iter().map(|point| Some(plot.at(x.at(point.0)?, y.at(point.1)?))).collect();
    places
        .split(Option::is_none)
        .map(|run| run.iter().flatten().copied().collect::<Vec<_>>())
        .filter(|run| !run.is_empty())
        .map(thinned)
        .collect()
}

/// As many points as can be told apart, peaks and troughs among them.
fn thinned(run: Vec<Point>) -> Vec<Point> {
    if run.len() <= 2 * PARTS {
        return run;
    }
    let part_len = run.len().div_ceil(PARTS);
    let extremes = |part: &[Point]| {
        let highest = part.iter().enumerate().min_by(|a, b| a.1.1.total_cmp(&b.1.1));
        let lowest = part.iter().enumerate().max_by(|a, b| a.1.1.total_cmp(&b.1.1));
        let mut both: Vec<(usize, Point)> =
            highest.into_iter().chain(lowest).map(|(index, point)| (index, *point)).collect();
        both.sort_by_key(|(index, _)| *index);
        both.into_iter().map(|(_, point)| point)
    };
    run.chunks(part_len).flat_map(extremes).collect()
}

fn draw(scene: &mut Scene, run: Vec<Point>, series: &Series, color: Color) {
    if run.len() == 1 || series.points.len() <= POINTS_WITH_DISCS {
        // A smaller disc on another one leaves a ring of it.
        let radius = if series.is_dashed { 2.5 } else { 4.5 };
        let disc = |center: &Point| Shape::Disc { center: *center, radius, color };
        scene.shapes.extend(run.iter().map(disc));
    }
    if run.len() > 1 && series.is_dashed {
        scene.dashed(&run, Dashes::COARSE, LINE_WIDTH, color);
    } else if run.len() > 1 {
        scene.shapes.push(Shape::Path { points: run, width: LINE_WIDTH, color });
    }
}
