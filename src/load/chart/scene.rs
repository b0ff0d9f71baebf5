//! A picture laid out: shapes and texts in their places. Both kinds of files are drawn from it, so they show the same.

use super::font::{Fonts, Weight};

/// The size of every picture, in the unit of all lengths here: a pixel of the vector picture.
pub(super) const SIZE: (u32, u32) = (960, 540);
/// How far a text reaches above its base line and below it, as shares of its size.
const ASCENT: f64 = 0.76;
const DESCENT: f64 = 0.24;

/// A place, from the upper left corner.
pub(super) type Point = (f64, f64);

/// A colour: red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Color(pub(super) u8, pub(super) u8, pub(super) u8);

/// The paper.
pub(super) const WHITE: Color = Color(255, 255, 255);
/// Texts and axes.
pub(super) const INK: Color = Color(0x22, 0x22, 0x22);
/// What is less important: subtitles, marks, what has no colour of its own.
pub(super) const GREY: Color = Color(0x5a, 0x5a, 0x5a);
/// The grid, at ticks and between them.
pub(super) const GRID: Color = Color(0xdd, 0xdd, 0xdd);
/// The grid between ticks.
pub(super) const FINE_GRID: Color = Color(0xef, 0xef, 0xef);
/// Colours that people with any kind of colour blindness can tell apart: Okabe and Ito's (2008) without yellow, which is
/// lost on white, then five of Tol's (2021), for those who draw so many.
pub(super) const PALETTE: [Color; 12] = [
    Color(0x00, 0x72, 0xb2),
    Color(0xd5, 0x5e, 0x00),
    Color(0x00, 0x9e, 0x73),
    Color(0xcc, 0x79, 0xa7),
    Color(0xe6, 0x9f, 0x00),
    Color(0x56, 0xb4, 0xe9),
    Color(0x00, 0x00, 0x00),
    Color(0x88, 0x22, 0x55),
    Color(0x99, 0x99, 0x33),
    Color(0x33, 0x22, 0x88),
    Color(0x88, 0x88, 0x88),
    Color(0x44, 0xaa, 0x99),
];

/// A picture laid out.
#[derive(Clone, Debug, Default)]
pub(super) struct Scene {
    /// From the lowest to the topmost.
    pub(super) shapes: Vec<Shape>,
    /// Above all shapes.
    pub(super) texts: Vec<Text>,
}

/// What is drawn.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// A line along at least two points.
    Path {
        /// Its way.
        points: Vec<Point>,
        /// How thick it is.
        width: f64,
        /// Its colour.
        color: Color,
    },
    /// A filled rectangle.
    Rectangle(Area, Color),
    /// A filled circle.
    Disc {
        /// Where its centre is.
        center: Point,
        /// How large it is.
        radius: f64,
        /// Its colour.
        color: Color,
    },
}

/// A rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    /// Its smallest x.
    pub(super) left: f64,
    /// Its smallest y.
    pub(super) top: f64,
    /// Its largest x.
    pub(super) right: f64,
    /// Its largest y.
    pub(super) bottom: f64,
}

/// How dashes and gaps follow each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dashes {
    dash: f64,
    period: f64,
}

impl Dashes {
    /// Of what is no line of the chart: marks, and heights to compare with.
    pub(super) const FINE: Dashes = Dashes { dash: 6.0, period: 10.0 };
    /// Of the chart's lines: another line shows in the gaps.
    pub(super) const COARSE: Dashes = Dashes { dash: 9.0, period: 17.0 };
}

/// One line of text.
#[derive(Clone, Debug)]
pub(super) struct Text {
    /// Clean, see [`Fonts::clean`].
    pub(super) text: String,
    /// A place on the base line.
    pub(super) at: Point,
    /// Which part of the text is there.
    pub(super) anchor: Anchor,
    /// The height of an em.
    pub(super) size: f64,
    /// How heavy it is.
    pub(super) weight: Weight,
    /// Its colour.
    pub(super) color: Color,
    /// Whether it is read from below upward.
    pub(super) is_upward: bool,
}

/// Which part of a text is at its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Anchor {
    /// Its beginning.
    #[default]
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

impl Scene {
    /// Adds a straight line.
    pub(super) fn line(&mut self, from: Point, to: Point, width: f64, color: Color) {
        self.shapes.push(Shape::Path { points: vec![from, to], width, color });
    }

    /// Adds a line of dashes along `points`.
    pub(super) fn dashed(&mut self, points: &[Point], dashes: Dashes, width: f64, color: Color) {
        let mut dash: Vec<Point> = points.first().copied().into_iter().collect();
        // How far behind the beginning of the last dash.
        let mut way = 0.0;
        for pair in points.windows(2) {
            let (from, (dx, dy)) = (pair[0], (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1));
            let length = dx.hypot(dy);
            let mut gone = 0.0;
            while gone < length {
                let is_dash = way < dashes.dash;
                let end = if is_dash { dashes.dash } else { dashes.period };
                let has_room = end - way <= length - gone;
                (gone, way) = if has_room { (gone + end - way, end) } else { (length, way + length - gone) };
                let point = (from.0 + dx * gone / length, from.1 + dy * gone / length);
                if is_dash {
                    dash.push(point);
                }
                if is_dash && has_room {
                    self.shapes.push(Shape::Path { points: std::mem::take(&mut dash), width, color });
                } else if has_room {
                    (dash, way) = (vec![point], 0.0);
                }
            }
        }
        if dash.len() > 1 {
            self.shapes.push(Shape::Path { points: dash, width, color });
        }
    }
}

impl Area {
    /// The whole picture.
    pub(super) fn whole() -> Area {
        Area { left: 0.0, top: 0.0, right: f64::from(SIZE.0), bottom: f64::from(SIZE.1) }
    }

    /// How wide it is.
    pub(super) fn width(&self) -> f64 {
        self.right - self.left
    }

    /// How high it is.
    pub(super) fn height(&self) -> f64 {
        self.bottom - self.top
    }

    /// The place `x` of its width from the left and `y` of its height from the bottom.
    pub(super) fn at(&self, x: f64, y: f64) -> Point {
        (self.left + x * self.width(), self.bottom - y * self.height())
    }

    /// Its centre.
    pub(super) fn center(&self) -> Point {
        self.at(0.5, 0.5)
    }
}

impl Text {
    /// A regular text in ink, from `at` on.
    pub(super) fn new(text: String, at: Point, size: f64) -> Text {
        let (anchor, weight) = (Anchor::Start, Weight::Regular);
        Text { text, at, anchor, size, weight, color: INK, is_upward: false }
    }

    /// The same with another part at its place.
    pub(super) fn anchored(self, anchor: Anchor) -> Text {
        Text { anchor, ..self }
    }

    /// The same in another colour.
    pub(super) fn colored(self, color: Color) -> Text {
        Text { color, ..self }
    }

    /// The same, read upward.
    pub(super) fn upward(self) -> Text {
        Text { is_upward: true, ..self }
    }

    /// How far its beginning is from its place, along the base line.
    pub(super) fn begin(&self, fonts: &Fonts) -> f64 {
        let width = fonts.width(&self.text, self.size, self.weight);
        match self.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -width / 2.0,
            Anchor::End => -width,
        }
    }

    /// What it covers.
    pub(super) fn area(&self, fonts: &Fonts) -> Area {
        let begin = self.begin(fonts);
        let end = begin + fonts.width(&self.text, self.size, self.weight);
        let (x, y) = self.at;
        let (above, below) = (self.size * ASCENT, self.size * DESCENT);
        if self.is_upward {
            Area { left: x - above, top: y - end, right: x + below, bottom: y - begin }
        } else {
            Area { left: x + begin, top: y - above, right: x + end, bottom: y + below }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_follow_a_bent_line_and_leave_gaps() {
        let mut scene = Scene::default();
        scene.dashed(&[(0.0, 0.0), (20.0, 0.0), (20.0, 20.0)], Dashes { dash: 6.0, period: 16.0 }, 1.0, INK);
        let dashes: Vec<&[Point]> = scene
            .shapes
            .iter()
            .filter_map(|shape| match shape {
                Shape::Path { points, .. } => Some(points.as_slice()),
                _ => None,
            })
            .collect();
        let expected: [&[Point]; 3] = [
            &[(0.0, 0.0), (6.0, 0.0)],
            &[(16.0, 0.0), (20.0, 0.0), (20.0, 2.0)],
            &[(20.0, 12.0), (20.0, 18.0)],
        ];
        assert_eq!(dashes, expected);
    }
}
