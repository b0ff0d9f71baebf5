//! Charts as values: what they show, apart from how it is drawn.

/// A picture with axes.
#[derive(Clone, Debug, PartialEq)]
pub enum Chart {
    /// Values over a continuous axis.
    Lines(LineChart),
    /// Values of things that have names.
    Bars(BarChart),
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
    /// Its points, in order of x.
    pub points: Vec<(f64, f64)>,
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
    /// A standard deviation or the like, drawn as a whisker up and down.
    pub spread: Option<f64>,
}
