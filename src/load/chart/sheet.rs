//! The paper: what every picture has, from the outside inward. What is left in the middle is the plot.

use super::Axis;
use super::font::{Fonts, Give, Weight};
use super::ruler::{Ruler, Tick};
use super::scene::{Anchor, Area, FINE_GRID, GREY, GRID, INK, Point, Scene, Text};

/// The size of texts.
pub(super) const TEXT_SIZE: f64 = 15.0;
/// Between the picture's edge and everything.
const MARGIN: f64 = 18.0;
/// Sizes for the title, the first one where it fits.
const TITLE_SIZES: [f64; 3] = [22.0, 19.0, 17.0];
/// The same for the subtitle.
const SUBTITLE_SIZES: [f64; 2] = [15.0, 13.0];
/// Below the headings.
const HEADING_GAP: f64 = 14.0;
/// Between an axis and its numbers.
pub(super) const TICK_GAP: f64 = 9.0;
/// Between numbers and the axis' label.
const LABEL_GAP: f64 = 10.0;
/// Between two numbers of the horizontal axis, at least.
const BETWEEN_NUMBERS: f64 = 14.0;
/// Of a label's height, how much is below the middle of its digits.
const DIGITS_MIDDLE: f64 = 0.36;

/// A picture while it is laid out.
pub(super) struct Sheet<'f> {
    /// The font that measures it.
    pub(super) fonts: &'f Fonts,
    /// What is in its place already.
    pub(super) scene: Scene,
    /// Where nothing is yet.
    pub(super) free: Area,
}

impl<'f> Sheet<'f> {
    /// An empty picture.
    pub(super) fn new(fonts: &'f Fonts) -> Sheet<'f> {
        let Area { left, top, right, bottom } = Area::whole();
        let free =
            Area { left: left + MARGIN, top: top + MARGIN, right: right - MARGIN, bottom: bottom - MARGIN };
        Sheet { fonts, scene: Scene::default(), free }
    }

    /// How wide `text` is in the usual size.
    pub(super) fn width(&self, text: &str) -> f64 {
        self.fonts.width(text, TEXT_SIZE, Weight::Regular)
    }

    /// Writes the headings and takes their height from the top.
    pub(super) fn heading(&mut self, title: &str, subtitle: &str) {
        self.heading_line(title, &TITLE_SIZES, Weight::Bold);
        self.heading_line(subtitle, &SUBTITLE_SIZES, Weight::Regular);
        self.free.top += HEADING_GAP;
    }

    fn heading_line(&mut self, text: &str, sizes: &[f64], weight: Weight) {
        let text = self.fonts.clean(text);
        if text.is_empty() {
            return;
        }
        let width = self.free.width();
        let fits = |size: &&f64| self.fonts.width(&text, **size, weight) <= width;
        let smallest = sizes.last().copied().unwrap_or(TEXT_SIZE);
        let size = sizes.iter().find(fits).copied().unwrap_or(smallest);
        let text = self.fonts.fit(&text, size, weight, width, Give::End);
        let at = (self.free.left, self.free.top + size * 0.8);
        let color = if weight == Weight::Bold { INK } else { GREY };
        self.scene.texts.push(Text { weight, ..Text::new(text, at, size).colored(color) });
        self.free.top += size * 1.3;
    }

    /// Takes the place of the vertical axis' label and numbers from the left.
    pub(super) fn reserve_y(&mut self, axis: &Axis, ruler: &Ruler) {
        if !axis.label.is_empty() {
            self.free.left += TEXT_SIZE + LABEL_GAP;
        }
        let widths = ruler.ticks.iter().map(|tick| self.width(&tick.label));
        self.free.left += widths.fold(0.0, f64::max) + TICK_GAP;
    }

    /// Takes the place of the horizontal axis' label, and of numbers or names that are so high, from the bottom.
    pub(super) fn reserve_x(&mut self, label: &str, height: f64) {
        if !label.is_empty() {
            self.free.bottom -= TEXT_SIZE + LABEL_GAP;
        }
        self.free.bottom -= height + TICK_GAP;
    }

    /// The grid of the vertical axis, its numbers and its label, left of `plot`.
    pub(super) fn draw_y(&mut self, axis: &Axis, ruler: &Ruler, plot: Area) {
        for &at in &ruler.minor {
            self.scene.line(plot.at(0.0, at), plot.at(1.0, at), 1.0, FINE_GRID);
        }
        let mut free_below = f64::INFINITY;
        for Tick { at, label } in &ruler.ticks {
            let (x, y) = plot.at(0.0, *at);
            self.scene.line((x, y), plot.at(1.0, *at), 1.0, GRID);
            if y + TEXT_SIZE * 0.6 <= free_below {
                let at = (x - TICK_GAP, y + TEXT_SIZE * DIGITS_MIDDLE);
                self.scene.texts.push(Text::new(label.clone(), at, TEXT_SIZE).anchored(Anchor::End));
                free_below = y - TEXT_SIZE * 0.6;
            }
        }
        let label = self.label(&axis.label, plot.height() + MARGIN);
        let at = (MARGIN + TEXT_SIZE * 0.8, plot.center().1);
        self.scene.texts.extend(label.map(|label| label_at(label, at).upward()));
    }

    /// The grid of the horizontal axis, its numbers and its label, below `plot`.
    pub(super) fn draw_x(&mut self, axis: &Axis, ruler: &Ruler, plot: Area) {
        for &at in &ruler.minor {
            self.scene.line(plot.at(at, 0.0), plot.at(at, 1.0), 1.0, FINE_GRID);
        }
        let mut free_from = f64::NEG_INFINITY;
        for Tick { at, label } in &ruler.ticks {
            let (x, y) = plot.at(*at, 0.0);
            self.scene.line((x, y), plot.at(*at, 1.0), 1.0, GRID);
            self.scene.line((x, y), (x, y + TICK_GAP * 0.5), 1.0, INK);
            let half = self.width(label) / 2.0;
            let center = x.min(Area::whole().right - half - 4.0);
            if center - half >= free_from {
                let at = (center, y + TICK_GAP + TEXT_SIZE * 0.8);
                self.scene.texts.push(Text::new(label.clone(), at, TEXT_SIZE).anchored(Anchor::Middle));
                free_from = center + half + BETWEEN_NUMBERS;
            }
        }
        self.draw_x_label(&axis.label, plot, TEXT_SIZE);
    }

    /// The label of the horizontal axis, below numbers or names that are so high.
    pub(super) fn draw_x_label(&mut self, label: &str, plot: Area, height: f64) {
        let label = self.label(label, plot.width());
        let at = (plot.center().0, plot.bottom + TICK_GAP + height + LABEL_GAP + TEXT_SIZE * 0.75);
        self.scene.texts.extend(label.map(|label| label_at(label, at)));
    }

    /// The line on which everything stands.
    pub(super) fn draw_base(&mut self, plot: Area) {
        self.scene.line(plot.at(0.0, 0.0), plot.at(1.0, 0.0), 1.25, INK);
    }

    /// Says that there is nothing, where something was expected.
    pub(super) fn draw_nothing(&mut self, plot: Area) {
        let (x, y) = plot.center();
        let text = Text::new("no data".to_owned(), (x, y), TEXT_SIZE + 2.0);
        self.scene.texts.push(text.anchored(Anchor::Middle).colored(GREY));
    }

    /// The horizontal axis with as many numbers as have room in `width`.
    pub(super) fn ruler_x(&self, ruler: impl Fn(usize) -> Ruler, width: f64) -> Ruler {
        let fits = |ruler: &Ruler| {
            let ends = ruler.ticks.iter().map(|tick| {
                let half = self.width(&tick.label) / 2.0;
                (tick.at * width - half, tick.at * width + half)
            });
            let ends: Vec<_> = ends.collect();
            ends.windows(2).all(|pair| pair[1].0 - pair[0].1 >= BETWEEN_NUMBERS)
        };
        (2..=10).rev().map(&ruler).find(fits).unwrap_or_else(|| ruler(2))
    }

    fn label(&self, label: &str, width: f64) -> Option<String> {
        let label = self.fonts.clean(label);
        let label = self.fonts.fit(&label, TEXT_SIZE, Weight::Regular, width, Give::End);
        (!label.is_empty()).then_some(label)
    }
}

fn label_at(label: String, at: Point) -> Text {
    Text::new(label, at, TEXT_SIZE).anchored(Anchor::Middle)
}
