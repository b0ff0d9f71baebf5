//! What the colours mean, below the plot: there it cannot cover anything.

use super::font::{Give, Weight};
use super::scene::{Area, Color, Dashes, Point, Shape, Text};
use super::sheet::{Sheet, TEXT_SIZE};

/// Of the picture's height, not more than so many rows.
const ROWS_MAX: usize = 4;
/// The height of a row.
const ROW: f64 = 24.0;
/// Between the legend and what is above it.
const GAP: f64 = 10.0;
/// The width of a sample of line or bar.
const SAMPLE: f64 = 26.0;
/// Between the sample and its name.
const NAME_GAP: f64 = 8.0;
/// Between a name and the next sample.
const ENTRY_GAP: f64 = 26.0;
/// The thickness of a line in the plot, and so in the legend.
pub(super) const LINE_WIDTH: f64 = 2.25;

/// One line of the legend.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// How it looks.
    pub(super) sample: Sample,
    /// What it is.
    pub(super) name: String,
}

/// How something looks in the plot.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sample {
    /// A line.
    Line(Color),
    /// A line that is drawn in dashes.
    DashedLine(Color),
    /// A bar.
    Bar(Color),
    /// A height to compare with.
    Dashes(Color),
}

impl Sheet<'_> {
    /// Draws the legend and takes its height from the bottom.
    pub(super) fn legend(&mut self, mut entries: Vec<Entry>) {
        entries.iter_mut().for_each(|entry| entry.name = self.fonts.clean(&entry.name));
        entries.retain(|entry| !entry.name.is_empty());
        let rows = self.rows(entries);
        if rows.is_empty() {
            return;
        }
        self.free.bottom -= rows.len() as f64 * ROW;
        let (left, mut y) = (self.free.left, self.free.bottom + ROW / 2.0 + 3.0);
        for row in rows {
            let mut x = left;
            for entry in row {
                x += self.entry(entry, (x, y)) + ENTRY_GAP;
            }
            y += ROW;
        }
        self.free.bottom -= GAP;
    }

    /// The entries in rows, shortened where there would be too many rows.
    fn rows(&self, entries: Vec<Entry>) -> Vec<Vec<Entry>> {
        let width = self.free.width();
        let mut name_max = width - SAMPLE - NAME_GAP;
        loop {
            let mut rows: Vec<Vec<Entry>> = Vec::new();
            let mut used = f64::INFINITY;
            for entry in &entries {
                let name = self.fonts.fit(&entry.name, TEXT_SIZE, Weight::Regular, name_max, Give::Middle);
                let entry_width = SAMPLE + NAME_GAP + self.width(&name);
                if used + ENTRY_GAP + entry_width > width {
                    rows.push(Vec::new());
                    used = -ENTRY_GAP;
                }
                used += ENTRY_GAP + entry_width;
                rows.iter_mut().next_back().into_iter().for_each(|row| {
                    row.push(Entry { sample: entry.sample, name: name.clone() });
                });
            }
            // Names of a few characters are short enough for any number of entries that the pictures have.
            if rows.len() <= ROWS_MAX || name_max < 3.0 * TEXT_SIZE {
                rows.truncate(ROWS_MAX);
                return rows;
            }
            name_max *= 0.85;
        }
    }

    /// Draws one entry whose sample's middle is at the height of `at`; how wide it is.
    fn entry(&mut self, entry: Entry, (x, y): Point) -> f64 {
        let end = x + SAMPLE;
        match entry.sample {
            Sample::Line(color) => self.scene.line((x, y), (end, y), LINE_WIDTH + 0.75, color),
            Sample::DashedLine(color) => {
                self.scene.dashed(&[(x, y), (end, y)], Dashes::COARSE, LINE_WIDTH + 0.75, color);
            }
            Sample::Dashes(color) => self.scene.dashed(&[(x, y), (end, y)], Dashes::FINE, 1.75, color),
            Sample::Bar(color) => {
                let area = Area { left: x + 6.0, top: y - 7.0, right: end, bottom: y + 7.0 };
                self.scene.shapes.push(Shape::Rectangle(area, color));
            }
        }
        let width = SAMPLE + NAME_GAP + self.width(&entry.name);
        let at = (end + NAME_GAP, y + TEXT_SIZE * 0.36);
        self.scene.texts.push(Text::new(entry.name, at, TEXT_SIZE));
        width
    }
}
