//! What can be wrong with a head.

use std::fmt;

use crate::message::{AuthorityError, StatusCode};

/// The rule that a head breaks. Found in a response it means 502, whatever `status` says.
///
/// A word wide: a result that shares its memory with a narrower error is moved in bytes on the good path too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u64)]
pub enum HeadError {
    /// A line ends with LF alone (RFC 9112 2.2 allows to accept it; we don't).
    BareLineFeed,
    /// A CR is not followed by LF (RFC 9112 2.2).
    BareCarriageReturn,
    /// The head is longer than `HeadLimits::head_bytes_max`.
    HeadTooLarge,
    /// There are more field lines than `HeadLimits::fields_max`.
    TooManyFields,
    /// The method is no token, or not followed by one SP (RFC 9112 3.1).
    InvalidMethod,
    /// The method is longer than any that could be meant (RFC 9112 3).
    MethodTooLong,
    /// The target is longer than `HeadLimits::target_bytes_max`.
    TargetTooLong,
    /// The target is empty or holds a control, a byte above ASCII or a fragment (RFC 9112 3.2).
    InvalidTarget,
    /// A "%" in the path is not followed by two hexadecimal digits, or encodes NUL (RFC 3986 2.1).
    InvalidPercentEncoding,
    /// The target has none of the forms that its method allows (RFC 9112 3.2).
    WrongTargetForm,
    /// The scheme of an absolute-form is neither http nor https.
    UnsupportedScheme,
    /// The target's authority is not uri-host [ ":" port ], without userinfo (RFC 9110 4.2).
    InvalidTargetAuthority(AuthorityError),
    /// The version is not of the form HTTP/DIGIT.DIGIT, or not followed by CRLF (RFC 9112 2.3).
    InvalidVersion,
    /// The version is neither HTTP/1.0 nor HTTP/1.1.
    UnsupportedVersion,
    /// The client speaks HTTP/2 with prior knowledge (RFC 9113 3.4).
    Http2Preface,
    /// The status code is not three digits from 100 to 999, between single SPs (RFC 9112 4).
    InvalidStatusCode,
    /// The reason phrase holds a control (RFC 9112 4).
    InvalidReason,
    /// A field name is empty (RFC 9112 5).
    EmptyFieldName,
    /// A field name holds a byte that no token holds (RFC 9110 5.1).
    InvalidFieldName,
    /// Whitespace stands between a field name and its colon (RFC 9112 5.1).
    SpaceBeforeColon,
    /// A field line has no colon.
    MissingColon,
    /// A line begins with whitespace: line folding, or space before the first field (RFC 9112 2.2 and 5.2).
    LineFolding,
    /// A field value holds a control (RFC 9110 5.5).
    InvalidFieldValue,
    /// An HTTP/1.1 request has no Host field (RFC 9112 3.2).
    MissingHost,
    /// A request has more than one Host field (RFC 9112 3.2).
    RepeatedHost,
    /// The Host field is not uri-host [ ":" port ] (RFC 9112 3.2).
    InvalidHost(AuthorityError),
}

impl HeadError {
    /// The status code to answer a request with.
    pub const fn status(self) -> StatusCode {
        match self {
            HeadError::TargetTooLong => StatusCode::URI_TOO_LONG,
            HeadError::HeadTooLarge | HeadError::TooManyFields => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            HeadError::MethodTooLong => StatusCode::NOT_IMPLEMENTED,
            HeadError::UnsupportedVersion | HeadError::Http2Preface => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    const fn fault(self) -> &'static str {
        match self {
            HeadError::BareLineFeed => "a line ends with LF without CR",
            HeadError::BareCarriageReturn => "a CR is not followed by LF",
            HeadError::HeadTooLarge => "the head is too large",
            HeadError::TooManyFields => "there are too many field lines",
            HeadError::InvalidMethod => "the method is not a token followed by one space",
            HeadError::MethodTooLong => "the method is too long",
            HeadError::TargetTooLong => "the request target is too long",
            HeadError::InvalidTarget => "the request target is empty or holds a forbidden byte",
            HeadError::InvalidPercentEncoding => "the path holds an invalid percent-encoding",
            HeadError::WrongTargetForm => "the request target has a form that its method does not allow",
            HeadError::UnsupportedScheme => "the request target's scheme is neither http nor https",
            HeadError::InvalidTargetAuthority(_) => "the request target's authority is invalid",
            HeadError::InvalidVersion => "the version is malformed",
            HeadError::UnsupportedVersion => "the version is neither HTTP/1.0 nor HTTP/1.1",
            HeadError::Http2Preface => "HTTP/2 with prior knowledge is not spoken here",
            HeadError::InvalidStatusCode => "the status code is malformed",
            HeadError::InvalidReason => "the reason phrase holds a control character",
            HeadError::EmptyFieldName => "a field name is empty",
            HeadError::InvalidFieldName => "a field name holds a forbidden byte",
            HeadError::SpaceBeforeColon => "whitespace stands before a field's colon",
            HeadError::MissingColon => "a field line has no colon",
            HeadError::LineFolding => "a line begins with whitespace",
            HeadError::InvalidFieldValue => "a field value holds a control character",
            HeadError::MissingHost => "the Host field is missing",
            HeadError::RepeatedHost => "the Host field is repeated",
            HeadError::InvalidHost(_) => "the Host field is invalid",
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.fault())?;
        match self {
            HeadError::InvalidHost(cause) | HeadError::InvalidTargetAuthority(cause) => {
                write!(formatter, ": {cause}")
            }
            _ => Ok(()),
        }
    }
}

impl std::error::Error for HeadError {}

/// Why a part of a head was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Stop {
    /// Nothing is wrong yet, but bytes are missing.
    NeedMore,
    /// No further bytes can mend it.
    Refused(HeadError),
}

impl From<HeadError> for Stop {
    fn from(error: HeadError) -> Stop {
        Stop::Refused(error)
    }
}
