//! The connection's own fields (RFC 9110 7.6.1): what the Connection field says, and which fields a proxy keeps to
//! its side of the connection.

use std::fmt;

use super::{Fields, KnownField, KnownSet};

/// How many names one head may nominate; a head that nominates more is refused rather than half obeyed.
pub const NOMINATIONS_MAX: usize = 8;

/// What the Connection fields of one head say.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectionOptions<'a> {
    /// "close": the connection ends after this message.
    pub close: bool,
    /// "keep-alive": HTTP/1.0's wish to persist.
    pub keep_alive: bool,
    /// "upgrade": the Upgrade field is meant.
    pub upgrade: bool,
    nominations: Option<Nominations<'a>>,
}

/// Kept apart, so that a head without nominations, which is nearly every one, does not pay for clearing them.
#[derive(Clone, Copy, Debug)]
struct Nominations<'a> {
    names: [&'a [u8]; NOMINATIONS_MAX],
    count: usize,
}

/// A head nominates more than [`NOMINATIONS_MAX`] names: 400 for a request, 502 for a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyNominations;

/// Reads the Connection fields; constant time where there is none.
///
/// A nomination of a field that the proxy knows is ignored, as is one of a name that begins as theirs do (`GUARDED`): a
/// peer can make us forget what is its own, but not what is meant for every recipient (RFC 9110 7.6.1 forbids to
/// nominate such: Host, Content-Length, Cookie, Authorization, Forwarded, Cache-Control, ...). Known fields that are
/// hop-by-hop are removed anyway.
#[inline]
pub fn connection_options<'a>(fields: &Fields<'a>) -> Result<ConnectionOptions<'a>, TooManyNominations> {
    let mut options = ConnectionOptions::default();
    if fields.contains(KnownField::Connection) {
        for value in fields.all(KnownField::Connection) {
            options.add_value(value)?;
        }
    }
    Ok(options)
}

impl<'a> ConnectionOptions<'a> {
    /// The nominated names that are obeyed.
    pub fn nominated(&self) -> &[&'a [u8]] {
        match &self.nominations {
            Some(nominations) => &nominations.names[..nominations.count],
            None => &[],
        }
    }

    fn add_value(&mut self, value: &'a [u8]) -> Result<(), TooManyNominations> {
        // What nearly every client sends, without splitting it.
        if value.eq_ignore_ascii_case(b"keep-alive") {
            self.keep_alive = true;
            return Ok(());
        }
        super::list_members(value).try_for_each(|member| self.add_member(member))
    }

    fn add_member(&mut self, member: &'a [u8]) -> Result<(), TooManyNominations> {
        if member.eq_ignore_ascii_case(b"close") {
            self.close = true;
        } else if member.eq_ignore_ascii_case(b"keep-alive") {
            self.keep_alive = true;
        } else if member.eq_ignore_ascii_case(b"upgrade") {
            self.upgrade = true;
        } else if may_be_nominated(member) && !self.nominates(member) {
            let none = Nominations { names: [b""; NOMINATIONS_MAX], count: 0 };
            let nominations = self.nominations.get_or_insert(none);
            *nominations.names.get_mut(nominations.count).ok_or(TooManyNominations)? = member;
            nominations.count += 1;
        }
        Ok(())
    }

    /// Whether a field of this name, which is none that the proxy knows, is nominated.
    #[inline]
    pub fn nominates(&self, name: &[u8]) -> bool {
        self.nominated().iter().any(|nominated| nominated.eq_ignore_ascii_case(name))
    }
}

/// What names begin with that are not known one by one and still concern more than the connection: what the content is,
/// what proxies say of a request, what browsers say of its sender, and what Ringway's own parts tell each other.
const GUARDED: [&[u8]; 5] = [b"content-", b"x-forwarded-", b"sec-", b"access-control-", b"ringway-"];

fn may_be_nominated(name: &[u8]) -> bool {
    let begins =
        |prefix: &&[u8]| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    KnownField::from_name(name) == KnownField::Unknown && !GUARDED.iter().any(begins)
}

/// The fields that a proxy must not forward (RFC 9110 7.6.1), beside those that a Connection field nominates.
///
/// TE and Trailer too, since trailer sections are discarded (RFC 9110 6.5.1): who forwards `TE: trailers` promises that
/// they come through. Proxy-Authenticate and Proxy-Authorization too, since as a gateway we ask for no proxy credentials
/// and those meant for another proxy are not the replica's to see (RFC 9110 11.7).
pub const HOP_BY_HOP: KnownSet = KnownSet::of(&[
    KnownField::Connection,
    KnownField::KeepAlive,
    KnownField::ProxyConnection,
    KnownField::Te,
    KnownField::Trailer,
    KnownField::TransferEncoding,
    KnownField::Upgrade,
    KnownField::ProxyAuthenticate,
    KnownField::ProxyAuthorization,
]);

/// Whether a proxy must not forward this field: one of [`HOP_BY_HOP`], or one that `options` nominates.
#[inline]
pub fn is_hop_by_hop(known: KnownField, name: &[u8], options: &ConnectionOptions<'_>) -> bool {
    match known {
        KnownField::Unknown => options.nominates(name),
        known => HOP_BY_HOP.contains(known),
    }
}

impl fmt::Display for TooManyNominations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the Connection field nominates more than {NOMINATIONS_MAX} names")
    }
}

impl std::error::Error for TooManyNominations {}

#[cfg(test)]
mod tests {
    use super::super::{FieldLine, FieldTable, Span};
    use super::*;

    fn with_options<R>(
        values: &[&str],
        then: impl FnOnce(Result<ConnectionOptions, TooManyNominations>) -> R,
    ) -> R {
        let bytes = values.concat();
        let mut table = FieldTable::new();
        let mut start = 0;
        for value in values {
            let end = start + value.len() as u32;
            let line = FieldLine {
                name: Span::default(),
                value: Span { start, end },
                known: KnownField::Connection,
            };
            table.push(line);
            start = end;
        }
        then(connection_options(&table.fields(bytes.as_bytes())))
    }

    #[test]
    fn options_are_read_from_all_lines_in_any_case() {
        let table: [(&[&str], [bool; 3]); 8] = [
            (&[], [false, false, false]),
            (&["close"], [true, false, false]),
            (&["Keep-Alive"], [false, true, false]),
            (&["keep-alive, Upgrade"], [false, true, true]),
            (&["keep-alive", "CLOSE"], [true, true, false]),
            (&["x-own,close"], [true, false, false]),
            (&["not close"], [false, false, false]),
            (&[""], [false, false, false]),
        ];
        for (values, expected) in table {
            with_options(values, |options| {
                let options = options.expect("few nominations");
                assert_eq!([options.close, options.keep_alive, options.upgrade], expected, "{values:?}");
            });
        }
    }

    /// Whether a field is kept on its connection while a Connection field nominates it, and while none does.
    fn stays(name: &str) -> (bool, bool) {
        let is = |options: &ConnectionOptions<'_>| {
            is_hop_by_hop(KnownField::from_name(name.as_bytes()), name.as_bytes(), options)
        };
        let spelled = name.to_ascii_uppercase();
        let nominated = with_options(&["close", &spelled], |options| is(&options.expect("one nomination")));
        (nominated, is(&ConnectionOptions::default()))
    }

    #[test]
    fn fields_of_the_connection_stay_on_it_whatever_is_nominated() {
        let names = [
            // RFC 9110 7.6.1
            "Connection",
            "Proxy-Connection",
            "Keep-Alive",
            "TE",
            "Transfer-Encoding",
            "Upgrade",
            // RFC 9110 6.6.2, 11.7
            "Trailer",
            "Proxy-Authenticate",
            "Proxy-Authorization",
        ];
        for name in names {
            assert_eq!(stays(name), (true, true), "{name}");
        }
    }

    #[test]
    fn fields_for_every_recipient_are_forwarded_whatever_is_nominated() {
        let names = [
            "Host",
            "Content-Length",
            "Content-Type",
            "Content-Disposition",
            "Cookie",
            "Set-Cookie",
            "Authorization",
            "Cache-Control",
            "Forwarded",
            "Via",
            "X-Forwarded-For",
            "X-Forwarded-Proto",
            "X-Forwarded-Host",
            "X-Forwarded-User",
            "X-Real-IP",
            "X-Request-ID",
            "Max-Forwards",
            "Expect",
            "Date",
            "Vary",
            "Range",
            "If-Match",
            "Origin",
            "Sec-Fetch-Site",
            "Access-Control-Request-Method",
            "Ringway-Key",
        ];
        for name in names {
            assert_eq!(stays(name), (false, false), "{name}");
        }
    }

    #[test]
    fn a_peers_own_fields_stay_where_they_are_nominated() {
        for name in ["X-Own", "HTTP2-Settings", "X-Hop", "Content", "Second"] {
            assert_eq!(stays(name), (true, false), "{name}");
        }
        with_options(&["close, X-Own, host, x-own", "TE, a b, \"quoted\""], |options| {
            let options = options.expect("few nominations");
            assert_eq!(
                options.nominated(),
                [&b"X-Own"[..], b"a b", b"\"quoted\""],
                "what is no name fits none"
            );
            assert!(options.nominates(b"X-OWN") && !options.nominates(b"host"));
        });
    }

    #[test]
    fn nominations_are_bounded_and_repetitions_count_once() {
        let names: Vec<String> = (0..=NOMINATIONS_MAX).map(|index| format!("x-{index},x-{index}")).collect();
        with_options(&[&names[..NOMINATIONS_MAX].join(",")], |options| {
            assert_eq!(options.expect("as many as allowed").nominated().len(), NOMINATIONS_MAX);
        });
        with_options(&[&names.join(",")], |options| {
            assert_eq!(options.err(), Some(TooManyNominations));
        });
    }
}
