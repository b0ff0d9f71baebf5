//! Charts as values: what they show; and drawn, as vector pictures and as bitmaps.
//!
//! The way of a chart: `lines` or `bars` lay it out on a `sheet` and give a `scene`, shapes and texts in their places,
//! from which `svg` and `png` draw the same picture. The font is embedded, so that the same chart gives the
//! same bytes on every machine.

mod bars;
mod font;
mod indexed;
mod legend;
mod lines;
mod marks;
pub(super) mod number;
mod paint;
mod png;
mod ruler;
mod scene;
mod sheet;
mod svg;
#[cfg(test)]
mod tests;

use font::Fonts;
use scene::Scene;

/// A picture with axes.
#[derive(Clone, Debug, PartialEq)]
pub enum Chart {
    /// Values over a continuous axis.
    Lines(LineChart),
    /// Values of things that have names.
    Bars(BarChart),
}

/// Why a chart could not be drawn. No value of a chart is a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChartError {
    /// The embedded font cannot be read.
    #[error("the font of the charts is damaged")]
    Font,
    /// The library that draws refused.
    #[error("the chart could not be drawn")]
    Drawing,
    /// The bitmap could not be compressed.
    #[error("the chart could not be written as PNG")]
    Encoding,
}

impl Chart {
    /// The chart as an SVG document of 960 x 540.
    ///
    /// # Errors
    /// None that depends on the chart.
    pub fn svg(&self) -> Result<String, ChartError> {
        let fonts = Fonts::embedded()?;
        svg::document(&self.scene(&fonts), &fonts.clean(self.title()))
    }

    /// The chart as a PNG file of 1,920 x 1,080 pixels.
    ///
    /// # Errors
    /// None that depends on the chart.
    pub fn png(&self) -> Result<Vec<u8>, ChartError> {
        let fonts = Fonts::embedded()?;
        png::file(&self.scene(&fonts), &fonts)
    }

    fn title(&self) -> &str {
        match self {
            Chart::Lines(chart) => &chart.title,
            Chart::Bars(chart) => &chart.title,
        }
    }

    fn scene(&self, fonts: &Fonts) -> Scene {
        match self {
            Chart::Lines(chart) => lines::scene(chart, fonts),
            Chart::Bars(chart) => bars::scene(chart, fonts),
        }
    }
}

/// Values over a continuous axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LineChart {
    /// What is shown.
    pub title: String,
    /// Under what circumstances; one line.
    pub subtitle: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The lines.
    pub series: Vec<Series>,
    /// Moments on the horizontal axis that are marked with a vertical line and a text.
    pub marks: Vec<Mark>,
}

/// Values of things that have names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BarChart {
    /// What is shown.
    pub title: String,
    /// Under what circumstances; one line.
    pub subtitle: String,
    /// What the groups are; the label of the horizontal axis.
    pub x_label: String,
    /// The vertical axis; it begins at zero.
    pub y: Axis,
    /// What the bars of each group are, in order. One name: no legend is needed.
    pub legend: Vec<String>,
    /// The groups, from left to right.
    pub groups: Vec<BarGroup>,
    /// A height to compare with, drawn across, and what it is.
    pub reference: Option<(f64, String)>,
}

/// An axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axis {
    /// What it measures, with its unit: `Latency [ms]`.
    pub label: String,
    /// How values are spread along it.
    pub scale: Scale,
}

/// How values are spread along an axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Equal distances for equal differences.
    #[default]
    Linear,
    /// Equal distances for equal ratios.
    Logarithmic,
    /// For percentiles, 0 to below 100: equal distances for 90, 99, 99.9 and so on.
    Percentiles,
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// What it is, for the legend.
    pub name: String,
    /// Its points, in order of x. One that has no place on the axes (not a number, infinite, not above zero on a
    /// logarithmic axis) interrupts the line.
    pub points: Vec<(f64, f64)>,
    /// Whether it is drawn in dashes, above those that are not: where it has the same points as another, both are seen.
    pub is_dashed: bool,
}

/// A marked moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mark {
    /// Where on the horizontal axis.
    pub x: f64,
    /// What happened there; a few words.
    pub text: String,
}

/// Bars that belong together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BarGroup {
    /// The name under them.
    pub label: String,
    /// As many as the legend has names.
    pub bars: Vec<Bar>,
}

/// A bar.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bar {
    /// Its height.
    pub value: f64,
    /// A standard deviation or the like, drawn as a whisker up and down, with its figure above it in place of the bar's
    /// height. What it is belongs into the subtitle.
    pub spread: Option<f64>,
}
