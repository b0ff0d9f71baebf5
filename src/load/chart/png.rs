//! A scene as a bitmap.

use plotters::prelude::BitMapBackend;

use super::ChartError;
use super::font::Fonts;
use super::indexed::Indexed;
use super::paint::{self, Paths, Units};
use super::scene::{SIZE, Scene, Text};

/// Pixels for each unit of the scene: sharp on dense screens and in print.
const SCALE: u32 = 2;
/// Shapes are drawn so many times larger and then averaged, which makes their edges smooth.
const OVERSAMPLING: u32 = 2;
/// Red, green and blue.
const CHANNELS: usize = 3;

/// The file.
pub(super) fn file(scene: &Scene, fonts: &Fonts) -> Result<Vec<u8>, ChartError> {
    let mut pixels = Pixels { width: SIZE.0 * SCALE, height: SIZE.1 * SCALE, rgb: shapes(scene)? };
    scene.texts.iter().for_each(|text| pixels.write(text, fonts));
    pixels.encoded()
}

/// All shapes, in the picture's size.
fn shapes(scene: &Scene) -> Result<Vec<u8>, ChartError> {
    let factor = SCALE * OVERSAMPLING;
    let (width, height) = (SIZE.0 * factor, SIZE.1 * factor);
    let mut large = vec![0; (width * height) as usize * CHANNELS];
    let mut backend = BitMapBackend::with_buffer(&mut large, (width, height));
    paint::shapes(&mut backend, scene, Units(factor.into()), Paths::Pieces)?;
    drop(backend);
    Ok(averaged(&large, width as usize))
}

/// A picture of `width` pixels at half of its size: each pixel is the mean of four.
fn averaged(large: &[u8], width: usize) -> Vec<u8> {
    let row_len = width * CHANNELS;
    let mut small = Vec::with_capacity(large.len() / 4);
    for pair in large.chunks_exact(2 * row_len) {
        let (upper, lower) = pair.split_at(row_len);
        for (above, below) in upper.chunks_exact(2 * CHANNELS).zip(lower.chunks_exact(2 * CHANNELS)) {
            for channel in 0..CHANNELS {
                let four =
                    [above[channel], above[channel + CHANNELS], below[channel], below[channel + CHANNELS]];
                let sum: u16 = four.into_iter().map(u16::from).sum();
                small.push(((sum + 2) / 4) as u8);
            }
        }
    }
    small
}

/// The picture in its size.
struct Pixels {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Pixels {
    /// Writes a text. Its base line is on a whole pixel, which keeps it sharp.
    fn write(&mut self, text: &Text, fonts: &Fonts) {
        let scale = f64::from(SCALE);
        let begin = text.begin(fonts) * scale;
        let (x, y) = (text.at.0 * scale, text.at.1 * scale);
        let color = [text.color.0, text.color.1, text.color.2];
        let along = if text.is_upward { begin - y } else { x + begin };
        let (first, shift) = (along.floor(), along - along.floor());
        let across = if text.is_upward { x } else { y }.round() as i32;
        fonts.draw(&text.text, (text.size * scale, text.weight), shift, |column, row, coverage| {
            let along = first as i32 + column;
            let (x, y) = if text.is_upward { (across + row, -along - 1) } else { (along, across + row) };
            self.blend(x, y, color, coverage);
        });
    }

    fn blend(&mut self, x: i32, y: i32, color: [u8; CHANNELS], coverage: f32) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
        if x >= self.width || y >= self.height {
            return;
        }
        let at = (y * self.width + x) as usize * CHANNELS;
        for (under, over) in self.rgb[at..at + CHANNELS].iter_mut().zip(color) {
            let share = coverage.clamp(0.0, 1.0);
            *under = (f32::from(*under) * (1.0 - share) + f32::from(over) * share).round() as u8;
        }
    }

    fn encoded(&self) -> Result<Vec<u8>, ChartError> {
        let (pixels, _) = self.rgb.as_chunks::<CHANNELS>();
        let Indexed { palette, pixels } = Indexed::new(pixels);
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, self.width, self.height);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_palette(palette.concat());
        encoder.set_compression(png::Compression::High);
        // Differences of indices mean nothing.
        encoder.set_filter(png::Filter::NoFilter);
        let mut writer = encoder.write_header().map_err(|_| ChartError::Encoding)?;
        writer.write_image_data(&pixels).map_err(|_| ChartError::Encoding)?;
        writer.finish().map_err(|_| ChartError::Encoding)?;
        Ok(out)
    }
}
