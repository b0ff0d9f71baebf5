//! Messages by seed: valid ones, the same with mistakes, and noise.

use ringway::base::random::Random;

const NOISE_BYTES_MAX: u64 = 2_000;
const BODY_BYTES_MAX: u64 = 20_000;
const PIPELINE_MAX: u64 = 6;

/// What a hostile client sends: requests to paths that begin with one of `prefixes`, most of them with mistakes.
pub(crate) fn assault(random: &mut Random, prefixes: &[&str]) -> Vec<u8> {
    match random.below(10) {
        0 => noise(random),
        1..=4 => {
            let request = request(random, prefixes);
            mutated(random, request)
        }
        5..=6 => request(random, prefixes),
        _ => {
            let length = 1 + random.up_to(PIPELINE_MAX - 1);
            let pipeline = (0..length).flat_map(|_| request(random, prefixes)).collect();
            if random.chance(0.5) { mutated(random, pipeline) } else { pipeline }
        }
    }
}

/// A request without a fault, unless it is meant to be chunked badly.
pub(crate) fn request(random: &mut Random, prefixes: &[&str]) -> Vec<u8> {
    let method = ["GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"][random.below(7) as usize];
    let prefix = prefixes[random.below(prefixes.len() as u64) as usize];
    let mut bytes = format!("{method} {prefix}{:x} HTTP/1.1\r\nHost: siege\r\n", random.next()).into_bytes();
    for _ in 0..random.below(4) {
        bytes.extend_from_slice(field(random).as_bytes());
    }
    if matches!(method, "POST" | "PUT") {
        append_body(random, &mut bytes);
    } else {
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn field(random: &mut Random) -> String {
    match random.below(8) {
        0 => "Connection: keep-alive\r\n".to_owned(),
        1 => "Connection: close\r\n".to_owned(),
        2 => "Connection: upgrade\r\nUpgrade: websocket\r\n".to_owned(),
        3 => "Expect: 100-continue\r\n".to_owned(),
        4 => "TE: trailers\r\n".to_owned(),
        5 => format!("X-Long: {}\r\n", "v".repeat(random.up_to(3_000) as usize)),
        6 => format!("Cookie: a={:x}; b={:x}\r\n", random.next(), random.next()),
        _ => format!("X-{:x}: {:x}\r\n", random.below(100), random.next()),
    }
}

/// An answer without a fault, as a server sends it.
pub(crate) fn answer(random: &mut Random) -> Vec<u8> {
    let status = ["200 OK", "200 OK", "200 OK", "204 No Content", "304 Not Modified", "404 Not Found"];
    let status = status[random.below(status.len() as u64) as usize];
    let mut bytes = format!("HTTP/1.1 {status}\r\nX-Answer: {:x}\r\n", random.next()).into_bytes();
    if status.starts_with('2') && !status.starts_with("204") {
        append_body(random, &mut bytes);
    } else if status.starts_with("404") {
        bytes.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    } else {
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// The field that frames a body, the end of the head, and the body; one in ten that is chunked is chunked badly.
fn append_body(random: &mut Random, bytes: &mut Vec<u8>) {
    let body = random_bytes(random, BODY_BYTES_MAX);
    if random.chance(0.5) {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(&body);
        return;
    }
    bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
    let mut rest = body.as_slice();
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at((random.up_to(4_000) as usize).min(rest.len()));
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
        rest = after;
    }
    match random.below(10) {
        0 => bytes.extend_from_slice(chunk_garbage(random).as_bytes()),
        1 => bytes.extend_from_slice(b"0;ext=\"q\"\r\nTrailer: t\r\n\r\n"),
        _ => bytes.extend_from_slice(b"0\r\n\r\n"),
    }
}

fn chunk_garbage(random: &mut Random) -> &'static str {
    let all = [
        "-1\r\n\r\n",
        "0x5\r\nhello\r\n",
        "fffffffffffffffff\r\n",
        "5\nhello\n",
        "\r\n\r\n",
        "g\r\n",
        "3\r\nabcdef\r\n",
    ];
    all[random.below(all.len() as u64) as usize]
}

/// `bytes` with one to eight mistakes: changed, lost, repeated, put in.
pub(crate) fn mutated(random: &mut Random, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..random.up_to(8) {
        let at = place(random, &bytes);
        let end = (at + random.up_to(40) as usize).min(bytes.len());
        match random.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = telling(random),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let repeated = bytes[at..end].to_vec();
                bytes.splice(at..at, repeated);
            }
            4 => bytes.insert(at, telling(random)),
            _ => {
                let line: &[u8] = match random.below(4) {
                    0 => b"\r\nContent-Length: 7\r\n",
                    1 => b"\r\nTransfer-Encoding: chunked\r\n",
                    2 => b"\r\n\r\n",
                    _ => b"\r\nConnection: close, x\r\n",
                };
                bytes.splice(at..at, line.iter().copied());
            }
        }
    }
    bytes
}

/// Mistakes in heads are worth more than those in bodies.
fn place(random: &mut Random, bytes: &[u8]) -> usize {
    let bound = if random.chance(0.7) { bytes.len().min(200) } else { bytes.len() };
    random.below(bound as u64 + 1) as usize
}

/// A byte that means something to a parser.
fn telling(random: &mut Random) -> u8 {
    let all = b"\r\n \t:;,=\"\0\x7f\x80\xff0aF/-";
    all[random.below(all.len() as u64) as usize]
}

/// Bytes that mean nothing.
pub(crate) fn noise(random: &mut Random) -> Vec<u8> {
    random_bytes(random, NOISE_BYTES_MAX)
}

fn random_bytes(random: &mut Random, most: u64) -> Vec<u8> {
    // Mostly short: the length's logarithm is even.
    let shift = random.below(u64::from(most.ilog2()) + 1);
    let length = random.up_to(most >> shift) as usize;
    bytes_from(random, length)
}

/// `length` bytes of chance.
pub(crate) fn bytes_from(random: &mut Random, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIXES: &[&str] = &["/good/", "/bad/"];

    #[test]
    fn the_seed_decides_every_byte() {
        let all = |seed| -> Vec<_> {
            let mut random = Random::new(seed);
            (0..100).map(|_| assault(&mut random, PREFIXES)).collect()
        };
        assert_eq!(all(5), all(5));
        assert_ne!(all(5), all(6));
    }

    #[test]
    fn heads_of_requests_and_answers_are_valid_before_they_are_mutated() {
        let mut random = Random::new(1);
        for _ in 0..2_000 {
            let mut fields = [httparse::EMPTY_HEADER; 16];
            let bytes = request(&mut random, PREFIXES);
            let mut parsed = httparse::Request::new(&mut fields);
            assert!(parsed.parse(&bytes).is_ok_and(|status| status.is_complete()));
            let mut fields = [httparse::EMPTY_HEADER; 16];
            let bytes = answer(&mut random);
            assert!(
                httparse::Response::new(&mut fields).parse(&bytes).is_ok_and(|status| status.is_complete())
            );
        }
    }

    #[test]
    fn mistakes_are_made_in_any_message_even_an_empty_one() {
        let mut random = Random::new(2);
        let original = request(&mut random, PREFIXES);
        let changed = (0..1_000).filter(|_| mutated(&mut random, original.clone()) != original).count();
        assert!(changed > 900, "{changed}");
        (0..1_000).for_each(|_| drop(mutated(&mut random, Vec::new())));
    }
}
