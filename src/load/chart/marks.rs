//! Marked moments: a dashed line each, and its text in rows above the plot.

use super::font::{Give, Weight};
use super::scene::{Anchor, Area, GREY, Text};
use super::sheet::Sheet;

/// The size of the texts.
const SIZE: f64 = 13.5;
/// The height of a row.
const ROW: f64 = 19.0;
/// More rows than this would leave little of the plot: texts are shortened, then left out.
const ROWS_MAX: usize = 5;
/// Between a line and its text, and between a text and the next line.
const GAP: f64 = 5.0;
/// More marks than this are drawn without a text from here on.
const TEXTS_MAX: usize = 40;

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
        let mut text_max = (right - left) * 0.6;
        while text_max > 3.0 * SIZE {
            let rows = self.place(&mut marks, (left, right), text_max);
            if rows <= ROWS_MAX {
                break;
            }
            text_max *= 0.8;
        }
        let is_shown = |row: &usize| *row < ROWS_MAX;
        marks.iter_mut().for_each(|mark| mark.row = mark.row.filter(is_shown));
        let rows = marks.iter().filter_map(|mark| mark.row).max().map_or(0, |row| row + 1);
        self.free.top += rows as f64 * ROW;
        for mark in &mut marks {
            mark.text = self.fonts.fit(&mark.text, SIZE, Weight::Regular, text_max, Give::End);
        }
        marks
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
        for (index, mark) in marks.iter_mut().enumerate() {
            mark.row = (!mark.text.is_empty() && index < TEXTS_MAX).then_some(0);
        }
        // A text is above all lines that stand below it. Each round settles at least one row.
        for _ in 0..=ROWS_MAX {
            let before: Vec<Placed> = marks.to_vec();
            for (index, mark) in marks.iter_mut().enumerate() {
                let (from, to) = mark.span(widths[index]);
                let below = before.iter().enumerate().filter(|(other, placed)| {
                    let is_within = (from..=to).contains(&placed.x);
                    // Of two in the same place the one further right is below.
                    *other != index && is_within && (placed.x != mark.x || *other > index)
                });
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
            self.scene.dashed((mark.x, plot.bottom), (mark.x, top), 1.5, GREY);
            if let Some(row) = mark.row {
                let y = plot.top - row as f64 * ROW - 6.0;
                let (x, anchor) =
                    if mark.is_left { (mark.x - GAP, Anchor::End) } else { (mark.x + GAP, Anchor::Start) };
                self.scene.texts.push(Text::new(mark.text, (x, y), SIZE).anchored(anchor).colored(GREY));
            }
        }
    }
}
