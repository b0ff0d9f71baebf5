//! A scene as a vector picture.

use std::fmt::Write as _;

use plotters::prelude::{DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontFamily, FontStyle, FontTransform, IntoFont, RGBColor, TextStyle};

use super::ChartError;
use super::font::Weight;
use super::paint::{self, Units};
use super::scene::{Anchor, SIZE, Scene, Text};

/// Lengths are whole numbers of quarters, so that curves are smooth.
const UNITS: Units = Units(4.0);
/// Where DejaVu is missing, the fonts that take its place are narrower, so that what was measured with it holds.
const FAMILY: &str = "DejaVu Sans, Arial, Helvetica, sans-serif";
/// What the library divides a font's size by before it writes it.
const SIZE_FACTOR: f64 = 1.24;
/// How far below its place the library puts the base line of a text that hangs from it, as a share of the size.
const HANGING: f64 = 0.76;

/// The document.
pub(super) fn document(scene: &Scene, title: &str) -> Result<String, ChartError> {
    let mut body = String::new();
    let mut backend = SVGBackend::with_string(&mut body, (UNITS.of(SIZE.0.into()), UNITS.of(SIZE.1.into())));
    paint::shapes(&mut backend, scene, UNITS, paint::Paths::Whole)?;
    for text in &scene.texts {
        draw_text(&mut backend, text)?;
    }
    backend.present().map_err(|_| ChartError::Drawing)?;
    drop(backend);
    Ok(with_own_head(&body, title))
}

fn draw_text(backend: &mut SVGBackend<'_>, text: &Text) -> Result<(), ChartError> {
    let weight = match text.weight {
        Weight::Regular => FontStyle::Normal,
        Weight::Bold => FontStyle::Bold,
    };
    let size = text.size * UNITS.0;
    let (x, y) = text.at;
    let hanging = text.size * HANGING;
    let place = if text.is_upward { (x - hanging, y) } else { (x, y - hanging) };
    let transform = if text.is_upward { FontTransform::Rotate270 } else { FontTransform::None };
    let anchor = match text.anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    let font = (FontFamily::Name(FAMILY), size * SIZE_FACTOR, weight).into_font().transform(transform);
    let color = RGBColor(text.color.0, text.color.1, text.color.2).to_rgba();
    let style = TextStyle::from(font).color(&color).pos(Pos::new(anchor, VPos::Top));
    backend.draw_text(&text.text, &style, UNITS.point(place)).map_err(|_| ChartError::Drawing)
}

/// The library's head says that a unit is a pixel; this one gives the picture its size, smooth corners and a name.
fn with_own_head(document: &str, title: &str) -> String {
    let body = document.split_once(">\n").map_or(document, |(_, body)| body);
    let (width, height) = SIZE;
    let (columns, rows) = (UNITS.of(width.into()), UNITS.of(height.into()));
    let mut out = String::with_capacity(document.len() + 300);
    // Writing to a string does not fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {columns} {rows}\" \
         stroke-linejoin=\"round\" role=\"img\">\n<title>{}</title>\n",
        escaped(title)
    );
    out.push_str(body);
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
