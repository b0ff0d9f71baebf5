//! Request methods (RFC 9110 9, RFC 5789).

/// A request's method; methods are case-sensitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
    /// CONNECT
    Connect,
    /// OPTIONS
    Options,
    /// TRACE
    Trace,
    /// PATCH (RFC 5789)
    Patch,
    /// Any other token; `RequestHead::method_token` has its bytes. Counts as neither safe nor idempotent.
    Other,
}

impl Method {
    /// The method that `token` names.
    #[inline]
    pub fn from_token(token: &[u8]) -> Method {
        // The frequent ones first; a match on the bytes would compare them one by one.
        const TOKENS: [(&[u8], Method); 9] = [
            (b"GET", Method::Get),
            (b"POST", Method::Post),
            (b"HEAD", Method::Head),
            (b"PUT", Method::Put),
            (b"DELETE", Method::Delete),
            (b"OPTIONS", Method::Options),
            (b"PATCH", Method::Patch),
            (b"CONNECT", Method::Connect),
            (b"TRACE", Method::Trace),
        ];
        TOKENS.iter().find(|(name, _)| *name == token).map_or(Method::Other, |&(_, method)| method)
    }

    /// Whether the method asks for nothing but information (RFC 9110 9.2.1).
    pub const fn is_safe(self) -> bool {
        matches!(self, Method::Get | Method::Head | Method::Options | Method::Trace)
    }

    /// Whether sending it twice has the effect of sending it once (RFC 9110 9.2.2).
    pub const fn is_idempotent(self) -> bool {
        self.is_safe() || matches!(self, Method::Put | Method::Delete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_has_its_token_safety_and_idempotence() {
        let table: [(&[u8], Method, bool, bool); 12] = [
            (b"GET", Method::Get, true, true),
            (b"HEAD", Method::Head, true, true),
            (b"POST", Method::Post, false, false),
            (b"PUT", Method::Put, false, true),
            (b"DELETE", Method::Delete, false, true),
            (b"CONNECT", Method::Connect, false, false),
            (b"OPTIONS", Method::Options, true, true),
            (b"TRACE", Method::Trace, true, true),
            (b"PATCH", Method::Patch, false, false),
            (b"PROPFIND", Method::Other, false, false),
            (b"get", Method::Other, false, false),
            (b"GETS", Method::Other, false, false),
        ];
        for (token, method, safe, idempotent) in table {
            assert_eq!(Method::from_token(token), method);
            assert_eq!((method.is_safe(), method.is_idempotent()), (safe, idempotent), "{method:?}");
        }
    }
}
