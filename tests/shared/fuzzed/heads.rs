//! What heads of both kinds promise, however they come.

use ringway::h1::{HeadError, HeadLimits, HeadProgress, Parse};
use ringway::message::Fields;

use super::framing::Pair;

/// What a parse saw of a whole head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) length: usize,
    pub(super) start_line: Vec<Vec<u8>>,
    pub(super) fields: Vec<Pair>,
}

/// A parse's result: a head, the beginning of one, or an error.
pub(super) type Outcome = Result<Option<Seen>, HeadError>;

/// Limits, mostly the ones that a program has by default.
pub(super) fn limits(choice: u8) -> HeadLimits {
    let default = HeadLimits::default();
    match choice {
        0..=127 => default,
        128..=191 => HeadLimits { head_bytes_max: usize::from(choice - 128) * 4, ..default },
        192..=223 => HeadLimits { target_bytes_max: usize::from(choice - 192), ..default },
        224.. => HeadLimits { fields_max: usize::from(choice - 224) / 4, ..default },
    }
}

pub(super) fn pairs(fields: &Fields<'_>) -> Vec<Pair> {
    fields.iter().map(|field| (field.name.to_vec(), field.value.to_vec())).collect()
}

/// Parses `bytes` whole, cut at `cuts` and among other bytes, and returns what came of them whole.
///
/// Every beginning is the beginning of a head, until it holds the whole head or what breaks it. A head that comes in
/// pieces is found as one that comes at once. What stands before and behind the bytes changes nothing.
pub(super) fn parse_in_all_ways(
    bytes: &[u8],
    limits: &HeadLimits,
    cuts: [usize; 2],
    parse: impl Fn(&[u8]) -> Outcome,
) -> Outcome {
    // In memory of exactly their length, beyond which a sanitizer lets nobody read.
    let whole = parse(&Box::<[u8]>::from(bytes));
    let mut sooner = Ok(None);
    for end in cuts {
        let cut = parse(&Box::<[u8]>::from(&bytes[..end]));
        match &whole {
            Ok(Some(seen)) if end >= seen.length => assert_eq!(cut, whole, "cut at {end}, behind the head"),
            Err(error) if cut.is_err() => assert_eq!(cut, Err(*error), "cut at {end}"),
            _ => assert_eq!(cut, Ok(None), "cut at {end}"),
        }
        assert!(sooner == Ok(None) || sooner == cut, "what was found is found with more bytes, at {end}");
        sooner = cut;
    }
    check_progress(bytes, limits, cuts, &parse, &whole);
    check_surroundings(bytes, cuts[0], &parse, &whole);
    whole
}

/// As the data plane reads a head that comes in three pieces.
fn check_progress(
    bytes: &[u8],
    limits: &HeadLimits,
    cuts: [usize; 2],
    parse: &impl Fn(&[u8]) -> Outcome,
    whole: &Outcome,
) {
    let drive = || -> Outcome {
        let mut progress = HeadProgress::default();
        for end in [cuts[0], cuts[1], bytes.len()] {
            let so_far = &bytes[..end];
            if !progress.is_worth_parsing(so_far, limits)? {
                continue;
            }
            let parsed = match parse(so_far)? {
                Some(head) => Parse::Complete { length: head.length, head },
                None => Parse::Partial,
            };
            if let Some((head, _)) = progress.take(parsed, so_far, limits)? {
                return Ok(Some(head));
            }
        }
        Ok(None)
    };
    let driven = drive();
    match whole {
        // The end of a head that is broken may be waited for.
        Err(_) => assert!(!matches!(driven, Ok(Some(_))), "broken, but read in pieces: {driven:?}"),
        whole => assert_eq!(driven, *whole, "in pieces"),
    }
}

/// With bytes around that would end a line, at a place that scans of many bytes at a time are not aligned to.
fn check_surroundings(bytes: &[u8], offset: usize, parse: &impl Fn(&[u8]) -> Outcome, whole: &Outcome) {
    let (before, behind) = (vec![b'\n'; offset % 67], b"\r\n\r\nA: b\r\n\r\n");
    let among = [&before, bytes, behind].concat();
    let parsed = parse(&among[before.len()..before.len() + bytes.len()]);
    assert_eq!(parsed, *whole, "among other bytes");
}
