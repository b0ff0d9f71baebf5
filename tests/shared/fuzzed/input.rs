//! An input: what is parsed, and behind it a few bytes that choose how.

/// The last `COUNT` bytes of an input choose; what stands before them is what is parsed. At the end, because what a fuzzer
/// inserts or removes in a message then moves none of them. Choices that are missing are zero.
pub(super) fn split<const COUNT: usize>(input: &[u8]) -> (&[u8], [u8; COUNT]) {
    let (bytes, choices) = input.split_at(input.len().saturating_sub(COUNT));
    let mut chosen = [0; COUNT];
    chosen[..choices.len()].copy_from_slice(choices);
    (bytes, chosen)
}

/// Two places of `0..=length` in order, where `choices` cut it: the first bytes are reached one by one, since starts of
/// heads are short, and further places in proportion.
pub(super) fn cuts(choices: [u8; 2], length: usize) -> [usize; 2] {
    let mut cuts = choices.map(|choice| match choice {
        0..=127 => usize::from(choice).min(length),
        128.. => length * usize::from(choice - 128) / 127,
    });
    cuts.sort_unstable();
    cuts
}
