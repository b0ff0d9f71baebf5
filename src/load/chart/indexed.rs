//! A bitmap with few colours: half the size of one with all of them, and nobody sees the difference.

use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What an index of one byte can name.
const COLORS_MAX: usize = 256;

/// Red, green and blue.
pub(super) type Rgb = [u8; 3];

/// A picture as indices into a list of colours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Indexed {
    /// The most frequent colours, at most 256.
    pub(super) palette: Vec<Rgb>,
    /// Each pixel's colour, or the nearest one to it: only the rare mixtures at the edges of shapes have none of their own.
    pub(super) pixels: Vec<u8>,
}

impl Indexed {
    /// From all pixels in order.
    pub(super) fn new(pixels: &[Rgb]) -> Indexed {
        let mut counts: BTreeMap<Rgb, usize> = BTreeMap::new();
        // Rows of one colour are most of a chart: they are counted at once.
        for run in pixels.chunk_by(|a, b| a == b) {
            *counts.entry(run[0]).or_default() += run.len();
        }
        let mut colors: Vec<Rgb> = counts.keys().copied().collect();
        // The sort is stable and the map ordered: the same picture gives the same palette.
        colors.sort_by_key(|color| Reverse(counts[color]));
        let palette = colors[..colors.len().min(COLORS_MAX)].to_vec();
        let nearest: BTreeMap<Rgb, u8> =
            colors.into_iter().map(|color| (color, nearest(&palette, color))).collect();
        let pixels = pixels
            .chunk_by(|a, b| a == b)
            .flat_map(|run| std::iter::repeat_n(nearest[&run[0]], run.len()))
            .collect();
        Indexed { palette, pixels }
    }
}

fn nearest(palette: &[Rgb], color: Rgb) -> u8 {
    let distance =
        |other: &Rgb| -> u32 { other.iter().zip(color).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum() };
    let nearest = palette.iter().enumerate().min_by_key(|(_, other)| distance(other));
    nearest.map_or(0, |(index, _)| index as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_colours_stay_and_rare_ones_become_the_nearest() {
        let frequent = (0..=255u8).flat_map(|level| [[level, 0, 0]; 2]);
        let rare = [[7, 1, 0], [200, 0, 2]];
        let pixels: Vec<Rgb> = frequent.chain(rare).collect();
        let indexed = Indexed::new(&pixels);
        let shown: Vec<Rgb> =
            indexed.pixels.iter().map(|&index| indexed.palette[usize::from(index)]).collect();
        assert_eq!(indexed.palette.len(), 256);
        assert_eq!(shown[..512], pixels[..512]);
        assert_eq!(shown[512..], [[7, 0, 0], [200, 0, 0]]);
    }
}
