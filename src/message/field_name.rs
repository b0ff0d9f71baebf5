//! Field names that the proxy acts upon, recognised once per field line.

use super::is_token;

/// Defines the fields, their canonical spelling and `ALL`.
macro_rules! known_fields {
    ($($variant:ident = $name:literal,)+) => {
        /// A field that the proxy recognises by name; `Unknown` is every other.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum KnownField {
            /// A field that nothing here acts upon.
            Unknown,
            $(#[doc = concat!("`", $name, "`")] $variant,)+
        }

        impl KnownField {
            /// Every field but `Unknown`, in the order of their numbers, which count from 1.
            pub const ALL: &[KnownField] = &[$(KnownField::$variant,)+];

            /// The usual spelling; empty for `Unknown`.
            pub const fn name(self) -> &'static str {
                match self {
                    KnownField::Unknown => "",
                    $(KnownField::$variant => $name,)+
                }
            }
        }
    };
}

known_fields! {
    Host = "Host",
    Connection = "Connection",
    KeepAlive = "Keep-Alive",
    ProxyConnection = "Proxy-Connection",
    TransferEncoding = "Transfer-Encoding",
    ContentLength = "Content-Length",
    Te = "TE",
    Trailer = "Trailer",
    Upgrade = "Upgrade",
    Expect = "Expect",
    Via = "Via",
    Forwarded = "Forwarded",
    XForwardedFor = "X-Forwarded-For",
    XForwardedProto = "X-Forwarded-Proto",
    XForwardedHost = "X-Forwarded-Host",
    XForwardedPort = "X-Forwarded-Port",
    XRealIp = "X-Real-IP",
    XRequestId = "X-Request-ID",
    Date = "Date",
    Server = "Server",
    Cookie = "Cookie",
    SetCookie = "Set-Cookie",
    Authorization = "Authorization",
    WwwAuthenticate = "WWW-Authenticate",
    ProxyAuthenticate = "Proxy-Authenticate",
    ProxyAuthorization = "Proxy-Authorization",
    Accept = "Accept",
    AcceptEncoding = "Accept-Encoding",
    AcceptLanguage = "Accept-Language",
    UserAgent = "User-Agent",
    Origin = "Origin",
    Referer = "Referer",
    ContentType = "Content-Type",
    ContentEncoding = "Content-Encoding",
    ContentRange = "Content-Range",
    Range = "Range",
    CacheControl = "Cache-Control",
    Pragma = "Pragma",
    Expires = "Expires",
    Vary = "Vary",
    Age = "Age",
    ETag = "ETag",
    LastModified = "Last-Modified",
    IfMatch = "If-Match",
    IfNoneMatch = "If-None-Match",
    IfModifiedSince = "If-Modified-Since",
    IfUnmodifiedSince = "If-Unmodified-Since",
    IfRange = "If-Range",
    Location = "Location",
    Allow = "Allow",
    RetryAfter = "Retry-After",
    MaxForwards = "Max-Forwards",
    SecWebSocketKey = "Sec-WebSocket-Key",
    SecWebSocketAccept = "Sec-WebSocket-Accept",
    SecWebSocketVersion = "Sec-WebSocket-Version",
    SecWebSocketProtocol = "Sec-WebSocket-Protocol",
    SecWebSocketExtensions = "Sec-WebSocket-Extensions",
}

impl KnownField {
    /// The field that `name` names, in any case; `name` may be any bytes.
    pub fn from_name(name: &[u8]) -> KnownField {
        if is_token(name) { KnownField::from_token(name) } else { KnownField::Unknown }
    }

    /// The field that `name`, a valid field name, names in any case. Of other bytes it makes a wrong field, never more.
    ///
    /// One probe of a perfect hash over the name's ends and length: the cost does not grow with the number of known
    /// fields and no branch depends on which one it is.
    #[inline(always)]
    pub fn from_token(name: &[u8]) -> KnownField {
        let ends = NameEnds::of(name);
        let number = usize::from(SLOTS[ends.slot(SEED)]);
        let Some(entry) = ENTRIES.get(number) else { return KnownField::Unknown };
        let same = entry.ends.first == ends.first
            && entry.ends.last == ends.last
            && entry.ends.length == ends.length;
        // The ends cover names of up to 16 bytes; of longer ones the middle is still to be compared.
        if same && (name.len() <= 16 || name.eq_ignore_ascii_case(entry.field.name().as_bytes())) {
            entry.field
        } else {
            KnownField::Unknown
        }
    }
}

/// The first and last up to 8 bytes of a name in lower case (they overlap in short names), and its length.
#[derive(Clone, Copy)]
struct NameEnds {
    first: u64,
    last: u64,
    length: u64,
}

impl NameEnds {
    #[inline]
    const fn of(name: &[u8]) -> NameEnds {
        let (first, last) = if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
            (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
        } else if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
            (u32::from_le_bytes(*first) as u64, u32::from_le_bytes(*last) as u64)
        } else {
            match *name {
                [] => (0, 0),
                [one] => (one as u64, 0),
                [one, two] => (one as u64 | (two as u64) << 8, 0),
                [one, two, three, ..] => (one as u64 | (two as u64) << 8 | (three as u64) << 16, 0),
            }
        };
        NameEnds { first: lower_case(first), last: lower_case(last), length: name.len() as u64 }
    }

    #[inline]
    const fn slot(self, seed: u64) -> usize {
        let mixed = self.first ^ self.last.rotate_left(23) ^ self.length;
        (mixed.wrapping_mul(seed) >> (64 - SLOT_BITS)) as usize
    }
}

/// Eight bytes of a token in lower case. Setting one bit does more than that, but no two tchars of which one occurs in
/// a known name (letters, digits, "-") become alike except the two cases of a letter.
#[inline]
const fn lower_case(word: u64) -> u64 {
    word | 0x2020_2020_2020_2020
}

struct Entry {
    field: KnownField,
    ends: NameEnds,
}

const SLOT_BITS: u32 = 9;
const COUNT: usize = KnownField::ALL.len();

static ENTRIES: [Entry; COUNT] = ENTRY_VALUES;
const ENTRY_VALUES: [Entry; COUNT] = entries();

/// A multiplier under which no two known names share a slot; found by the compiler.
const SEED: u64 = seed();

/// The index into `ENTRIES` of the name in each slot; `u8::MAX` where there is none.
static SLOTS: [u8; 1 << SLOT_BITS] = match slots(SEED) {
    Some(slots) => slots,
    None => panic!("the seed was chosen to place all names"),
};

const fn entries() -> [Entry; COUNT] {
    let mut entries = [const { Entry { field: KnownField::Unknown, ends: NameEnds::of(b"") } }; COUNT];
    let mut index = 0;
    while index < COUNT {
        let field = KnownField::ALL[index];
        entries[index] = Entry { field, ends: NameEnds::of(field.name().as_bytes()) };
        index += 1;
    }
    entries
}

const fn seed() -> u64 {
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    while slots(seed).is_none() {
        seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f) | 1;
    }
    seed
}

/// Places all names; none if two meet in one slot.
const fn slots(seed: u64) -> Option<[u8; 1 << SLOT_BITS]> {
    let mut slots = [u8::MAX; 1 << SLOT_BITS];
    let mut index = 0;
    while index < COUNT {
        let slot = ENTRY_VALUES[index].ends.slot(seed);
        if slots[slot] != u8::MAX {
            return None;
        }
        slots[slot] = index as u8;
        index += 1;
    }
    Some(slots)
}

#[cfg(test)]
mod tests {
    use super::super::is_token_byte;
    use super::*;

    #[test]
    fn every_known_name_is_recognised_in_any_case() {
        for &field in KnownField::ALL {
            let name = field.name();
            for spelling in [name.to_owned(), name.to_ascii_lowercase(), name.to_ascii_uppercase()] {
                assert_eq!(KnownField::from_name(spelling.as_bytes()), field, "{spelling}");
            }
        }
    }

    #[test]
    fn a_name_that_differs_in_one_byte_is_unknown() {
        for &field in KnownField::ALL {
            let name = field.name().as_bytes();
            for index in 0..name.len() {
                for byte in 0..=255u8 {
                    let mut other = name.to_vec();
                    other[index] = byte;
                    let same = other.eq_ignore_ascii_case(name);
                    let found = KnownField::from_name(&other);
                    assert_eq!(found == field, same, "{}", other.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn longer_shorter_and_foreign_names_are_unknown() {
        for &field in KnownField::ALL {
            let name = field.name().as_bytes();
            assert_ne!(KnownField::from_name(&name[1..]), field);
            assert_ne!(KnownField::from_name(&name[..name.len() - 1]), field);
            assert_ne!(KnownField::from_name(&[name, b"x"].concat()), field);
        }
        for name in ["", "x", "DNT", "Sec-Fetch-Mode", "Upgrade-Insecure-Requests", "Transfer_Encoding"] {
            assert_eq!(KnownField::from_name(name.as_bytes()), KnownField::Unknown, "{name}");
        }
    }

    #[test]
    fn lower_case_confuses_no_tchar_with_one_of_a_known_name() {
        for known in (0..=255u8).filter(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') {
            for other in (0..=255u8).filter(|&byte| is_token_byte(byte)) {
                let alike = lower_case(u64::from(known)) == lower_case(u64::from(other));
                assert_eq!(alike, known.eq_ignore_ascii_case(&other), "{known:#04x} and {other:#04x}");
            }
        }
    }
}
