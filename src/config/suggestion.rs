//! What an unknown key may have been meant to be.

/// The nearest known key if a typing error lies between, or all of them.
pub(super) fn for_key(key: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|known| (distance(key, known), known)).min();
    match nearest {
        Some((distance, nearest)) if distance <= (nearest.len() / 3).clamp(1, 2) => {
            format!("did you mean '{nearest}'?")
        }
        _ => format!("known here: {}; correct it or remove it", known.join(", ")),
    }
}

/// How many bytes must be inserted, removed or replaced to turn one word into the other (Levenshtein); words whose
/// lengths differ by more than a typing error count as far apart.
fn distance(written: &str, known: &str) -> usize {
    if written.len().abs_diff(known.len()) > 2 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=known.len()).collect();
    for (index, byte) in written.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, other) in known.bytes().enumerate() {
            let replaced = diagonal + usize::from(byte != other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[known.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_of_words_is_the_number_of_typing_errors() {
        let cases = [
            ("listen", "listen", 0),
            ("listne", "listen", 2),
            ("lsten", "listen", 1),
            ("service", "services", 1),
            ("key", "keys", 1),
            ("", "ab", 2),
            ("abc", "listen", usize::MAX),
            ("abcdef", "listen", 5),
        ];
        for (written, known, expected) in cases {
            assert_eq!(distance(written, known), expected, "{written} {known}");
        }
    }
}
