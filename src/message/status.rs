//! Status codes (RFC 9110 15).

use std::fmt;

/// A three-digit status code, 100 to 999. Those from 600 on have no class; RFC 9110 15 treats them as 5xx.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCode(u16);

impl StatusCode {
    /// 100 Continue
    pub const CONTINUE: StatusCode = StatusCode(100);
    /// 101 Switching Protocols
    pub const SWITCHING_PROTOCOLS: StatusCode = StatusCode(101);
    /// 200 OK
    pub const OK: StatusCode = StatusCode(200);
    /// 204 No Content
    pub const NO_CONTENT: StatusCode = StatusCode(204);
    /// 304 Not Modified
    pub const NOT_MODIFIED: StatusCode = StatusCode(304);
    /// 400 Bad Request
    pub const BAD_REQUEST: StatusCode = StatusCode(400);
    /// 401 Unauthorized
    pub const UNAUTHORIZED: StatusCode = StatusCode(401);
    /// 404 Not Found
    pub const NOT_FOUND: StatusCode = StatusCode(404);
    /// 405 Method Not Allowed
    pub const METHOD_NOT_ALLOWED: StatusCode = StatusCode(405);
    /// 408 Request Timeout
    pub const REQUEST_TIMEOUT: StatusCode = StatusCode(408);
    /// 413 Content Too Large
    pub const CONTENT_TOO_LARGE: StatusCode = StatusCode(413);
    /// 414 URI Too Long
    pub const URI_TOO_LONG: StatusCode = StatusCode(414);
    /// 417 Expectation Failed
    pub const EXPECTATION_FAILED: StatusCode = StatusCode(417);
    /// 421 Misdirected Request
    pub const MISDIRECTED_REQUEST: StatusCode = StatusCode(421);
    /// 431 Request Header Fields Too Large (RFC 6585)
    pub const REQUEST_HEADER_FIELDS_TOO_LARGE: StatusCode = StatusCode(431);
    /// 500 Internal Server Error
    pub const INTERNAL_SERVER_ERROR: StatusCode = StatusCode(500);
    /// 501 Not Implemented
    pub const NOT_IMPLEMENTED: StatusCode = StatusCode(501);
    /// 502 Bad Gateway
    pub const BAD_GATEWAY: StatusCode = StatusCode(502);
    /// 503 Service Unavailable
    pub const SERVICE_UNAVAILABLE: StatusCode = StatusCode(503);
    /// 504 Gateway Timeout
    pub const GATEWAY_TIMEOUT: StatusCode = StatusCode(504);
    /// 505 HTTP Version Not Supported
    pub const HTTP_VERSION_NOT_SUPPORTED: StatusCode = StatusCode(505);

    /// The code with this number, if it is one of 100 to 999.
    pub const fn new(number: u16) -> Option<StatusCode> {
        if number >= 100 && number <= 999 { Some(StatusCode(number)) } else { None }
    }

    /// The number, 100 to 999.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// 1xx: more responses to the same request follow (RFC 9110 15.2).
    pub const fn is_interim(self) -> bool {
        self.0 < 200
    }

    /// 2xx
    pub const fn is_success(self) -> bool {
        self.0 >= 200 && self.0 < 300
    }

    /// 3xx
    pub const fn is_redirection(self) -> bool {
        self.0 >= 300 && self.0 < 400
    }

    /// 4xx
    pub const fn is_client_error(self) -> bool {
        self.0 >= 400 && self.0 < 500
    }

    /// 5xx and, as RFC 9110 15 says, every code without a class.
    pub const fn is_server_error(self) -> bool {
        self.0 >= 500
    }

    /// The reason phrase of RFC 9110 15 and its extensions; empty where none is registered.
    pub const fn reason(self) -> &'static str {
        match self.0 {
            100..=299 => self.reason_before_redirection(),
            300 => "Multiple Choices",
            301 => "Moved Permanently",
            302 => "Found",
            303 => "See Other",
            304 => "Not Modified",
            305 => "Use Proxy",
            307 => "Temporary Redirect",
            308 => "Permanent Redirect",
            400..=499 => self.reason_of_client_error(),
            500 => "Internal Server Error",
            501 => "Not Implemented",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            504 => "Gateway Timeout",
            505 => "HTTP Version Not Supported",
            506 => "Variant Also Negotiates",
            507 => "Insufficient Storage",
            508 => "Loop Detected",
            511 => "Network Authentication Required",
            _ => "",
        }
    }

    const fn reason_before_redirection(self) -> &'static str {
        match self.0 {
            100 => "Continue",
            101 => "Switching Protocols",
            102 => "Processing",
            103 => "Early Hints",
            200 => "OK",
            201 => "Created",
            202 => "Accepted",
            203 => "Non-Authoritative Information",
            204 => "No Content",
            205 => "Reset Content",
            206 => "Partial Content",
            207 => "Multi-Status",
            208 => "Already Reported",
            226 => "IM Used",
            _ => "",
        }
    }

    const fn reason_of_client_error(self) -> &'static str {
        match self.0 {
            400 => "Bad Request",
            401 => "Unauthorized",
            402 => "Payment Required",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            406 => "Not Acceptable",
            407 => "Proxy Authentication Required",
            408 => "Request Timeout",
            409 => "Conflict",
            410 => "Gone",
            411 => "Length Required",
            412 => "Precondition Failed",
            413 => "Content Too Large",
            414 => "URI Too Long",
            415 => "Unsupported Media Type",
            416 => "Range Not Satisfiable",
            417 => "Expectation Failed",
            421 => "Misdirected Request",
            422 => "Unprocessable Content",
            423 => "Locked",
            424 => "Failed Dependency",
            425 => "Too Early",
            426 => "Upgrade Required",
            428 => "Precondition Required",
            429 => "Too Many Requests",
            431 => "Request Header Fields Too Large",
            451 => "Unavailable For Legal Reasons",
            _ => "",
        }
    }
}

impl fmt::Debug for StatusCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_three_digits() {
        for number in [0, 99, 1000, u16::MAX] {
            assert_eq!(StatusCode::new(number), None);
        }
        assert_eq!(StatusCode::new(100).map(StatusCode::number), Some(100));
        assert_eq!(StatusCode::new(999).map(StatusCode::number), Some(999));
    }

    #[test]
    fn each_code_has_exactly_one_class() {
        for code in (100..=999).filter_map(StatusCode::new) {
            let classes = [
                code.is_interim(),
                code.is_success(),
                code.is_redirection(),
                code.is_client_error(),
                code.is_server_error(),
            ];
            let expected = usize::from(code.number() / 100 - 1).min(4);
            assert_eq!(classes.iter().position(|&class| class), Some(expected), "{code}");
            assert_eq!(classes.iter().filter(|&&class| class).count(), 1, "{code}");
        }
    }

    #[test]
    fn reasons_are_those_of_the_registry_and_empty_elsewhere() {
        let table =
            [(100, "Continue"), (204, "No Content"), (308, "Permanent Redirect"), (414, "URI Too Long")];
        for (number, reason) in table {
            assert_eq!(StatusCode::new(number).map(StatusCode::reason), Some(reason));
        }
        for number in [199, 299, 399, 499, 599, 600, 999] {
            assert_eq!(StatusCode::new(number).map(StatusCode::reason), Some(""));
        }
    }
}
