//! Bars laid out.

use super::font::{Fonts, Give, Weight};
use super::legend::{Entry, Sample};
use super::number;
use super::ruler::{Ends, Ruler};
use super::scene::{Anchor, Area, Color, Dashes, INK, PALETTE, Scene, Shape, Text, WHITE};
use super::sheet::{Sheet, TICK_GAP};
use super::{Bar, BarChart};

/// Of a group's width, the share that its bars fill.
const FILLED: f64 = 0.72;
/// No bar is wider than this.
const BAR_WIDTH_MAX: f64 = 90.0;
/// Names under the bars and values above them have the first size in which they fit.
const SIZES: [f64; 3] = [15.0, 13.0, 11.5];
/// Names that are written upward are not longer than this.
const UPWARD_MAX: f64 = 130.0;
/// Between two texts beside each other.
const GAP: f64 = 6.0;
/// Between a bar or its whisker and its value.
const VALUE_GAP: f64 = 5.0;
/// The height of a line of text, as a share of its size.
const LINE: f64 = 1.1;
/// About so many numbers along the vertical axis.
const TICKS_Y: usize = 6;
/// Above this height of the plot there is nothing but values.
const PLOT_HEIGHT_MIN: f64 = 120.0;

/// How texts stand that belong to bars.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fit {
    /// Beside each other.
    Level(f64),
    /// Read upward.
    Upward(f64),
    /// Read upward, one for so many.
    Thinned(f64, usize),
}

/// Lays a chart out.
pub(super) fn scene(chart: &BarChart, fonts: &Fonts) -> Scene {
    let mut sheet = Sheet::new(fonts);
    sheet.heading(&chart.title, &chart.subtitle);
    sheet.legend(entries(chart));
    let y = ruler(chart);
    sheet.reserve_y(&chart.y, &y);
    let names: Vec<String> = chart.groups.iter().map(|group| fonts.clean(&group.label)).collect();
    let width = sheet.free.width();
    let slot = width / names.len().max(1) as f64;
    let fit = fit(fonts, &names, slot);
    let names_height = fit.height(fonts, &names);
    sheet.reserve_x(&chart.x_label, names_height);
    let values = Values::new(chart, fonts, bar_width(chart, width), slot);
    let highest = bars(chart).filter_map(|bar| y.at(reach(bar).1)).fold(0.0, f64::max);
    sheet.free.top += values.needed(highest, sheet.free.height());

    let plot = sheet.free;
    sheet.draw_y(&chart.y, &y, plot);
    draw_bars(&mut sheet, chart, (&y, plot), &values);
    sheet.draw_base(plot);
    draw_names(&mut sheet, &names, fit, plot);
    sheet.draw_x_label(&chart.x_label, plot, names_height);
    draw_reference(&mut sheet, chart, &y, plot);
    if !bars(chart).any(|bar| y.at(bar.value).is_some()) {
        sheet.draw_nothing(plot);
    }
    sheet.scene
}

fn bars(chart: &BarChart) -> impl Iterator<Item = &Bar> {
    chart.groups.iter().flat_map(|group| &group.bars)
}

fn ruler(chart: &BarChart) -> Ruler {
    let tops = bars(chart).flat_map(|bar| [bar.value, reach(bar).1]);
    let reference = chart.reference.iter().map(|(height, _)| *height);
    // Infinite and missing heights are for the ruler to drop.
    let heights = tops.chain(reference).map(|height| if height < 0.0 { 0.0 } else { height });
    Ruler::new(chart.y.scale, heights, Ends::Round, TICKS_Y)
}

/// The line across, behind the values: each stands on a piece of paper of its own.
fn draw_reference(sheet: &mut Sheet<'_>, chart: &BarChart, y: &Ruler, plot: Area) {
    let Some(at) = chart.reference.as_ref().and_then(|(height, _)| y.at(*height)) else { return };
    sheet.scene.dashed(&[plot.at(0.0, at), plot.at(1.0, at)], Dashes::FINE, 1.75, INK);
    let line = plot.at(0.0, at).1;
    for text in &sheet.scene.texts {
        let area = text.area(sheet.fonts);
        let is_crossed = area.left >= plot.left && area.top <= line && area.bottom >= line;
        if is_crossed {
            sheet.scene.shapes.push(Shape::Rectangle(area, WHITE));
        }
    }
}

/// What the colours of a group are, if there are several, and what the line across is.
fn entries(chart: &BarChart) -> Vec<Entry> {
    let bars = chart.legend.iter().enumerate().filter(|_| chart.legend.len() > 1);
    let bars = bars.map(|(index, name)| Entry { sample: Sample::Bar(color(index)), name: name.clone() });
    let reference =
        chart.reference.iter().map(|(_, name)| Entry { sample: Sample::Dashes(INK), name: name.clone() });
    bars.chain(reference).collect()
}

fn color(index: usize) -> Color {
    PALETTE[index % PALETTE.len()]
}

/// The ends of a bar's whisker, or twice its height.
fn reach(bar: &Bar) -> (f64, f64) {
    let spread = bar.spread.filter(|spread| spread.is_finite()).unwrap_or(0.0).abs();
    (bar.value - spread, bar.value + spread)
}

fn bars_per_group(chart: &BarChart) -> usize {
    chart.groups.iter().map(|group| group.bars.len()).max().unwrap_or(0).max(1)
}

fn bar_width(chart: &BarChart, width: f64) -> f64 {
    let slot = width / chart.groups.len().max(1) as f64;
    (slot * FILLED / bars_per_group(chart) as f64).min(BAR_WIDTH_MAX)
}

/// How names stand under groups that are `slot` wide.
fn fit(fonts: &Fonts, names: &[String], slot: f64) -> Fit {
    /// Names that have so much room are shortened rather than turned: there they would have no more.
    const LEVEL_FROM: f64 = 110.0;
    let is_level = |size: &f64| widest(fonts, names, *size) + GAP <= slot;
    let smallest = SIZES[SIZES.len() - 1];
    if let Some(size) = SIZES.into_iter().find(is_level) {
        Fit::Level(size)
    } else if slot >= LEVEL_FROM {
        Fit::Level(SIZES[1])
    } else if let Some(size) = SIZES.into_iter().find(|size| size * LINE <= slot) {
        Fit::Upward(size)
    } else {
        Fit::Thinned(smallest, (smallest * LINE / slot).ceil() as usize)
    }
}

fn widest(fonts: &Fonts, texts: &[String], size: f64) -> f64 {
    texts.iter().map(|text| fonts.width(text, size, Weight::Regular)).fold(0.0, f64::max)
}

impl Fit {
    /// The height that names take below the plot.
    fn height(self, fonts: &Fonts, names: &[String]) -> f64 {
        match self {
            Fit::Level(size) => size,
            Fit::Upward(size) | Fit::Thinned(size, _) => widest(fonts, names, size).min(UPWARD_MAX),
        }
    }
}

fn draw_names(sheet: &mut Sheet<'_>, names: &[String], fit: Fit, plot: Area) {
    let slot = plot.width() / names.len().max(1) as f64;
    let (size, every, room, is_upward) = match fit {
        Fit::Level(size) => (size, 1, slot - GAP, false),
        Fit::Upward(size) => (size, 1, UPWARD_MAX, true),
        Fit::Thinned(size, every) => (size, every, UPWARD_MAX, true),
    };
    for (index, name) in names.iter().enumerate().step_by(every) {
        let x = plot.left + (index as f64 + 0.5) * slot;
        let y = plot.bottom + TICK_GAP;
        let name = sheet.fonts.fit(name, size, Weight::Regular, room, Give::Middle);
        let text = if is_upward {
            Text::new(name, (x + size * 0.36, y), size).anchored(Anchor::End).upward()
        } else {
            Text::new(name, (x, y + size * 0.8), size).anchored(Anchor::Middle)
        };
        sheet.scene.texts.push(text);
    }
}

/// How values stand above the bars.
struct Values {
    /// `None`: there is no room for them.
    fit: Option<Fit>,
    /// How high they are.
    height: f64,
}

impl Values {
    fn new(chart: &BarChart, fonts: &Fonts, width: f64, slot: f64) -> Values {
        let texts: Vec<String> = bars(chart).map(value).collect();
        let room = if bars_per_group(chart) == 1 { slot } else { width };
        let level = SIZES.into_iter().find(|size| widest(fonts, &texts, *size) + GAP <= room);
        let upward = || SIZES.into_iter().find(|size| size * LINE <= room);
        let fit = level.map(Fit::Level).or_else(|| upward().map(Fit::Upward));
        let height = match fit {
            Some(Fit::Level(size)) => size + VALUE_GAP,
            Some(Fit::Upward(size) | Fit::Thinned(size, _)) => widest(fonts, &texts, size) + VALUE_GAP,
            None => 0.0,
        };
        Values { fit, height }
    }

    /// How much lower than `height` a plot must begin so that values have room above bars that fill the share `highest`.
    fn needed(&self, highest: f64, height: f64) -> f64 {
        ((self.height - (1.0 - highest) * height) / highest.max(0.1))
            .clamp(0.0, (height - PLOT_HEIGHT_MIN).max(0.0))
    }

    fn text(&self, text: String, (x, y): (f64, f64)) -> Option<Text> {
        Some(match self.fit? {
            Fit::Level(size) => Text::new(text, (x, y - VALUE_GAP), size).anchored(Anchor::Middle),
            Fit::Upward(size) | Fit::Thinned(size, _) => {
                Text::new(text, (x + size * 0.36, y - VALUE_GAP), size).upward()
            }
        })
    }
}

/// What stands above a bar: its height, or above a whisker its length, since that is where it ends.
fn value(bar: &Bar) -> String {
    match bar.spread.filter(|spread| spread.is_finite()) {
        Some(spread) => format!("± {}", number::short(spread)),
        None => number::short(bar.value),
    }
}

fn draw_bars(sheet: &mut Sheet<'_>, chart: &BarChart, (y, plot): (&Ruler, Area), values: &Values) {
    let slot = plot.width() / chart.groups.len().max(1) as f64;
    let width = bar_width(chart, plot.width());
    for (number, group) in chart.groups.iter().enumerate() {
        let center = plot.left + (number as f64 + 0.5) * slot;
        let begin = center - width * group.bars.len() as f64 / 2.0;
        for (index, bar) in group.bars.iter().enumerate().filter(|(_, bar)| bar.value.is_finite()) {
            let left = begin + index as f64 * width;
            // Neighbours keep a fine line of paper between them, unless that would be most of them.
            let inset = (width * 0.06).min(1.0);
            let top = |value: f64| y.at(value.max(0.0)).map_or(plot.bottom, |at| plot.at(0.0, at).1);
            let area = Area {
                left: left + inset,
                top: top(bar.value),
                right: left + width - inset,
                bottom: plot.bottom,
            };
            sheet.scene.shapes.push(Shape::Rectangle(area, color(index)));
            let (low, high) = reach(bar);
            if high > bar.value {
                whisker(&mut sheet.scene, left + width / 2.0, (top(high), top(low)), (width * 0.25).min(7.0));
            }
            let text = values.text(value(bar), (left + width / 2.0, top(high)));
            sheet.scene.texts.extend(text);
        }
    }
}

/// A vertical line with feet that reach so far to both sides.
fn whisker(scene: &mut Scene, x: f64, (top, bottom): (f64, f64), foot: f64) {
    scene.line((x, top), (x, bottom), 1.5, INK);
    for y in [top, bottom] {
        scene.line((x - foot, y), (x + foot, y), 1.5, INK);
    }
}
