//! The font that the pictures carry with them: how wide a text is, and its pixels.

use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont as _, point};

use super::ChartError;

/// Names longer than this are cut before anything else is done with them.
const TEXT_CHARS_MAX: usize = 300;
/// What stands for a character that the font lacks, or that must not be in a document.
const REPLACEMENT: char = '\u{fffd}';
/// What stands for what was cut.
const ELLIPSIS: &str = "…";

/// The font's two weights.
pub(super) struct Fonts {
    regular: FontRef<'static>,
    bold: FontRef<'static>,
}

/// How heavy a text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Weight {
    /// For everything but titles.
    #[default]
    Regular,
    /// For titles.
    Bold,
}

/// Which part of a text is given up when it is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Give {
    /// The end: of sentences.
    End,
    /// The middle: of names, which often differ at their ends only.
    Middle,
}

impl Fonts {
    /// The embedded font.
    pub(super) fn embedded() -> Result<Fonts, ChartError> {
        let read = |bytes| FontRef::try_from_slice(bytes).map_err(|_| ChartError::Font);
        Ok(Fonts {
            regular: read(include_bytes!("font/DejaVuSans.ttf"))?,
            bold: read(include_bytes!("font/DejaVuSans-Bold.ttf"))?,
        })
    }

    /// How wide `text` is at `size`, the height of an em, in the same unit.
    pub(super) fn width(&self, text: &str, size: f64, weight: Weight) -> f64 {
        let font = self.of(weight);
        let units = font.units_per_em().unwrap_or(2048.0);
        let advance: f32 = text.chars().map(|char| font.h_advance_unscaled(font.glyph_id(char))).sum();
        f64::from(advance / units) * size
    }

    /// `text` without what cannot be drawn or would break the document: texts come from anywhere, also from the servers.
    pub(super) fn clean(&self, text: &str) -> String {
        let shown = |char: char| match char {
            char if char.is_whitespace() => ' ',
            char if self.regular.glyph_id(char).0 == 0 => REPLACEMENT,
            char => char,
        };
        text.trim().chars().take(TEXT_CHARS_MAX).map(shown).collect()
    }

    /// `text`, already clean, as much of it as fits into `width`; nothing if not even the ellipsis does.
    pub(super) fn fit(&self, text: &str, size: f64, weight: Weight, width: f64, give: Give) -> String {
        if self.width(text, size, weight) <= width {
            return text.to_owned();
        }
        let chars: Vec<char> = text.chars().collect();
        let shortened = |kept: usize| {
            let tail = if give == Give::Middle { kept / 2 } else { 0 };
            let head: String = chars[..kept - tail].iter().collect();
            let tail: String = chars[chars.len() - tail..].iter().collect();
            format!("{}{ELLIPSIS}{}", head.trim_end(), tail.trim_start())
        };
        let fits = |kept: &usize| self.width(&shortened(*kept), size, weight) <= width;
        (0..chars.len()).rev().find(fits).map(shortened).unwrap_or_default()
    }

    /// Gives `pixel` the pixels that `text` covers, counted from the beginning of its base line, and how much of each.
    /// `shift` is how far right of a pixel's edge the text begins.
    pub(super) fn draw(
        &self,
        text: &str,
        (size, weight): (f64, Weight),
        shift: f64,
        mut pixel: impl FnMut(i32, i32, f32),
    ) {
        let font = self.of(weight);
        let scale = font.height_unscaled() / font.units_per_em().unwrap_or(2048.0);
        let scaled = font.as_scaled(PxScale::from(size as f32 * scale));
        let mut x = shift as f32;
        for char in text.chars() {
            let mut glyph = scaled.scaled_glyph(char);
            glyph.position = point(x, 0.0);
            x += scaled.h_advance(glyph.id);
            let Some(outline) = scaled.outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            outline.draw(|column, row, coverage| {
                pixel(corner.x as i32 + column as i32, corner.y as i32 + row as i32, coverage);
            });
        }
    }

    fn of(&self, weight: Weight) -> &FontRef<'static> {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_characters_of_measurements_are_in_both_weights() {
        let fonts = Fonts::embedded().unwrap();
        for char in ('!'..='~').chain('¡'..='ÿ').chain("µμσ×±≤≥–—…·°²³%‰→−≈∞\u{fffd}".chars())
        {
            assert!(fonts.regular.glyph_id(char).0 != 0 && fonts.bold.glyph_id(char).0 != 0, "{char}");
        }
    }

    #[test]
    fn texts_are_cleaned_of_what_cannot_be_shown() {
        let fonts = Fonts::embedded().unwrap();
        for (text, expected) in [
            ("plain", "plain"),
            (" a\tb\n", "a b"),
            ("a\u{0}b\u{1b}[31m", "a\u{fffd}b\u{fffd}[31m"),
            ("\u{202e}<&>\u{200b}", "\u{fffd}<&>\u{fffd}"),
            ("漢字", "\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(fonts.clean(text), expected);
        }
        assert_eq!(fonts.clean(&"x".repeat(100_000)).len(), TEXT_CHARS_MAX);
    }

    #[test]
    fn what_does_not_fit_gives_up_its_end_or_its_middle() {
        let fonts = Fonts::embedded().unwrap();
        let name = "shortener-replica-of-the-north-17";
        let fit = |width, give| fonts.fit(name, 10.0, Weight::Regular, width, give);
        assert_eq!(fit(1_000.0, Give::End), name);
        let (end, middle) = (fit(100.0, Give::End), fit(100.0, Give::Middle));
        assert!(end.starts_with("shortener-") && end.ends_with(ELLIPSIS), "{end}");
        assert!(middle.starts_with("shorte") && middle.ends_with("th-17"), "{middle}");
        assert!(fonts.width(&middle, 10.0, Weight::Regular) <= 100.0);
        assert_eq!(fit(1.0, Give::End), "");
    }
}
