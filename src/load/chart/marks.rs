//! Marked moments: a dashed line each, and its text in rows above the plot.

use super::font::{Give, Weight};
use super::scene::{Anchor, Area, Dashes, GREY, Text};
use super::sheet::Sheet;

/// The size of the texts.
const SIZE: f64 = 13.5;
/// The height of a row.
const ROW: f64 = 19.0;
/// More rows than this would leave little of the plot: texts are shortened, then some are left out.
const ROWS_MAX: usize = 5;
/// Between a line and its text, and between a text and the next line.
const GAP: f64 = 5.0;
/// Texts are not shortened to less than this.
const SHORTEST: f64 = 90.0;

/// A mark whose place is known.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    /// Where its line stands.
    pub(super) x: f64,
    /// What it says.
    pub(super) text: String,
    /// In which row above the plot, from below; none if there is no room for its text.
    row: Option<usize>,
    /// Whether the text stands left of the line.
    is_left: bool,
}

impl Placed {
    /// What text and line occupy of the rows.
    fn span(&self, width: f64) -> (f64, f64) {
        let reach = width + 2.0 * GAP;
        if self.is_left { (self.x - reach, self.x) } else { (self.x, self.x + reach) }
    }
}

impl Sheet<'_> {
    /// Puts marks at `marks`' places, in any order, into rows within `left` and `right`, so that no text covers another
    /// or is crossed by a line, and takes the rows' height from the top.
    pub(super) fn reserve_marks(
        &mut self,
        marks: impl Iterator<Item = (f64, String)>,
        (left, right): (f64, f64),
    ) -> Vec<Placed> {
        let placed = |(x, text): (f64, String)| Placed { x, text, row: None, is_left: false };
        let mut marks: Vec<Placed> = marks.map(placed).collect();
        marks.sort_by(|a, b| a.x.total_cmp(&b.x));
        let mut text_max = self.place_all(&mut marks, (left, right));
        // Where even short texts have no room, every second one is given up, and so on.
        while text_max.is_none() {
            let mut with_text = marks.iter_mut().filter(|mark| !mark.text.is_empty());
            while let (Some(_), Some(mark)) = (with_text.next(), with_text.next()) {
                mark.text.clear();
            }
            text_max = self.place_all(&mut marks, (left, right));
        }
        let rows = marks.iter().filter_map(|mark| mark.row).max().map_or(0, |row| row + 1);
        self.free.top += rows as f64 * ROW;
        for mark in &mut marks {
            let width = text_max.unwrap_or_default();
            mark.text = self.fonts.fit(&mark.text, SIZE, Weight::Regular, width, Give::End);
        }
        marks
    }

    /// Gives each mark with a text a row; how wide the texts may be, or `None` if there are too many.
    fn place_all(&self, marks: &mut [Placed], (left, right): (f64, f64)) -> Option<f64> {
        let widest = (right - left) * 0.6;
        if marks.iter().filter(|mark| !mark.text.is_empty()).count() <= 1 {
            self.place(marks, (left, right), widest);
            return Some(widest);
        }
        let widths = std::iter::successors(Some(widest), |width| Some(width * 0.8));
        widths
            .take_while(|width| *width >= SHORTEST)
            .find(|width| self.place(marks, (left, right), *width) <= ROWS_MAX)
    }

    /// Gives each mark a row; how many rows there are.
    fn place(&self, marks: &mut [Placed], (left, right): (f64, f64), text_max: f64) -> usize {
        let widths: Vec<f64> = marks
            .iter()
            .map(|mark| self.fonts.fit(&mark.text, SIZE, Weight::Regular, text_max, Give::End))
            .map(|text| self.fonts.width(&text, SIZE, Weight::Regular))
            .collect();
        // From the right: the first whose text has no room there stands left of its line, and so do those that it reaches.
        let mut limit = right;
        for (mark, &width) in marks.iter_mut().zip(&widths).rev() {
            let reach = width + 2.0 * GAP;
            mark.is_left = mark.x + reach > limit && mark.x - reach >= left;
            if mark.is_left {
                limit = limit.min(mark.x - reach);
            }
        }
        for mark in marks.iter_mut() {
            mark.row = (!mark.text.is_empty()).then_some(0);
        }
        // A text is above all lines that stand below it. Each round settles at least one row.
        for _ in 0..=ROWS_MAX {
            let before: Vec<Placed> = marks.to_vec();
            for (index, mark) in marks.iter_mut().enumerate() {
                let (from, to) = mark.span(widths[index]);
                let (x, is_left) = (mark.x, mark.is_left);
                let is_below = |other: usize, placed: &Placed| {
                    // Of two in the same place the one further right is below.
                    let is_crossing = (from..=to).contains(&placed.x) && (placed.x != x || other > index);
                    // Texts that face each other may meet between their lines.
                    let is_facing =
                        !is_left && placed.is_left && placed.x > x && placed.span(widths[other]).0 < to;
                    other != index && (is_crossing || is_facing)
                };
                let below = before.iter().enumerate().filter(|(other, placed)| is_below(*other, placed));
                let lowest = below.filter_map(|(_, placed)| placed.row).max().map_or(0, |row| row + 1);
                mark.row = mark.row.map(|row| row.max(lowest));
            }
        }
        marks.iter().filter_map(|mark| mark.row).max().map_or(0, |row| row + 1)
    }

    /// Draws the lines from the bottom of `plot` up to their texts.
    pub(super) fn draw_marks(&mut self, marks: Vec<Placed>, plot: Area) {
        for mark in marks {
            let top = plot.top - mark.row.map_or(0.0, |row| (row + 1) as f64 * ROW - 3.0);
            self.scene.dashed(&[(mark.x, plot.bottom), (mark.x, top)], Dashes::FINE, 1.5, GREY);
            if let Some(row) = mark.row {
                let y = plot.top - row as f64 * ROW - 6.0;
                let (x, anchor) =
                    if mark.is_left { (mark.x - GAP, Anchor::End) } else { (mark.x + GAP, Anchor::Start) };
                self.scene.texts.push(Text::new(mark.text, (x, y), SIZE).anchored(anchor).colored(GREY));
            }
        }
    }
}
