//! Tokens and the content that they stand for: whoever knows a request's token knows every byte of its bodies.

use ringway::engine::simulated::Random;

/// The digits of a token as it is written.
pub(crate) const TOKEN_DIGITS: usize = 16;

/// The path of a request, which begins with its token.
pub(crate) fn path_of(token: u64) -> String {
    format!("/t/{token:016x}")
}

/// The token in a path, if it holds a whole one.
pub(crate) fn token_in(path: &str) -> Option<u64> {
    let digits = path.strip_prefix("/t/")?.get(..TOKEN_DIGITS)?;
    u64::from_str_radix(digits, 16).ok()
}

/// The first `length` bytes of the request body of `token`: of some the beginning of a JSON object, whose member `id` ends
/// soon, or not within the body.
pub(crate) fn request_body(token: u64, length: usize) -> Vec<u8> {
    let mut bytes = stream(token.wrapping_mul(2), length.max(20));
    match token % 3 {
        0 => {}
        1 => bytes[..7].copy_from_slice(b"{\"id\":\""),
        _ => {
            bytes[..7].copy_from_slice(b"{\"id\":\"");
            bytes[12..14].copy_from_slice(b"\",");
        }
    }
    bytes.truncate(length);
    bytes
}

/// The first `length` bytes of an answer's body to the request of `token`.
pub(crate) fn answer_body(token: u64, length: usize) -> Vec<u8> {
    stream(token.wrapping_mul(2).wrapping_add(1), length)
}

/// Letters only: no part of a body can pass for a head.
fn stream(seed: u64, length: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = Vec::with_capacity(length + 16);
    while bytes.len() < length {
        let word = random.next();
        bytes.extend((0..16).map(|nibble| b'a' + ((word >> (nibble * 4)) & 15) as u8));
    }
    bytes.truncate(length);
    bytes
}

/// Where two bodies first differ, for a report.
pub(crate) fn difference(seen: &[u8], expected: &[u8]) -> String {
    let at = seen.iter().zip(expected).position(|(one, other)| one != other);
    let at = at.unwrap_or(seen.len().min(expected.len()));
    let end = (at + 24).min(seen.len());
    format!(
        "{} bytes where {} were expected, first difference at {at}: {:?}",
        seen.len(),
        expected.len(),
        String::from_utf8_lossy(&seen[at..end])
    )
}
