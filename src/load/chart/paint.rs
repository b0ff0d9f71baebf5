//! What both kinds of files have in common: shapes on a backend.

use plotters::prelude::DrawingBackend;
use plotters::style::{Color as _, RGBColor, ShapeStyle};

use super::ChartError;
use super::scene::{Area, Color, Point, Scene, Shape, WHITE};

/// How many of a backend's units are one of the scene's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Units(pub(super) f64);

/// How a backend draws lines of many points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paths {
    /// As one: the viewer joins the pieces.
    Whole,
    /// Piece by piece, with discs as joints: the bitmap's outline of a whole path is wrong where the path turns back.
    Pieces,
}

impl Units {
    /// A length.
    pub(super) fn of(self, length: f64) -> u32 {
        (length * self.0).round() as u32
    }

    /// A place.
    pub(super) fn point(self, (x, y): Point) -> (i32, i32) {
        ((x * self.0).round() as i32, (y * self.0).round() as i32)
    }
}

/// Draws the paper and all shapes.
pub(super) fn shapes<B: DrawingBackend>(
    backend: &mut B,
    scene: &Scene,
    units: Units,
    paths: Paths,
) -> Result<(), ChartError> {
    let paper = Shape::Rectangle(Area::whole(), WHITE);
    for shape in std::iter::once(&paper).chain(&scene.shapes) {
        draw(backend, shape, units, paths)?;
    }
    Ok(())
}

fn draw<B: DrawingBackend>(
    backend: &mut B,
    shape: &Shape,
    units: Units,
    paths: Paths,
) -> Result<(), ChartError> {
    let drawn = match shape {
        Shape::Rectangle(area, color) => {
            let from = units.point((area.left, area.top));
            let to = units.point((area.right, area.bottom));
            backend.draw_rect(from, to, &style(*color, 1), true)
        }
        Shape::Disc { center, radius, color } => {
            backend.draw_circle(units.point(*center), units.of(*radius), &style(*color, 1), true)
        }
        Shape::Path { points, width, color } => {
            let style = style(*color, units.of(*width).max(1));
            let points = points.iter().map(|point| units.point(*point));
            match paths {
                Paths::Whole => backend.draw_path(points, &style),
                Paths::Pieces => return pieces(backend, &points.collect::<Vec<_>>(), &style),
            }
        }
    };
    drawn.map_err(|_| ChartError::Drawing)
}

fn pieces<B: DrawingBackend>(
    backend: &mut B,
    points: &[(i32, i32)],
    style: &ShapeStyle,
) -> Result<(), ChartError> {
    for piece in points.windows(2) {
        backend.draw_line(piece[0], piece[1], style).map_err(|_| ChartError::Drawing)?;
    }
    for joint in points.get(1..points.len().saturating_sub(1)).unwrap_or_default() {
        let radius = style.stroke_width / 2;
        backend.draw_circle(*joint, radius, style, true).map_err(|_| ChartError::Drawing)?;
    }
    Ok(())
}

fn style(color: Color, stroke_width: u32) -> ShapeStyle {
    ShapeStyle { color: RGBColor(color.0, color.1, color.2).to_rgba(), filled: true, stroke_width }
}
