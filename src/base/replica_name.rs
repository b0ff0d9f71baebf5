//! The name of a replica that Ringway owns.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest name, in bytes: that of a host name's label, which containers get from it (RFC 1035 2.3.4).
pub const REPLICA_NAME_BYTES_MAX: usize = 63;

/// A replica's stable name: what places its keys. It stands in paths, host names, labels and logs without being quoted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReplicaName(Box<str>);

/// A string is no [`ReplicaName`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "'{}' is no name of a replica: write 1 to {REPLICA_NAME_BYTES_MAX} letters, digits, '-', '_' and '.', the first a letter or digit",
    .0.escape_default().take(80).collect::<String>()
)]
pub struct ReplicaNameError(String);

impl ReplicaName {
    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ReplicaName {
    type Err = ReplicaNameError;

    fn from_str(written: &str) -> Result<Self, ReplicaNameError> {
        let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let begins = written.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if begins && written.len() <= REPLICA_NAME_BYTES_MAX && written.bytes().all(is_name_byte) {
            Ok(ReplicaName(written.into()))
        } else {
            Err(ReplicaNameError(written.to_owned()))
        }
    }
}

impl TryFrom<String> for ReplicaName {
    type Error = ReplicaNameError;

    fn try_from(written: String) -> Result<Self, ReplicaNameError> {
        written.parse()
    }
}

impl From<ReplicaName> for String {
    fn from(name: ReplicaName) -> String {
        name.0.into()
    }
}

impl fmt::Display for ReplicaName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_need_no_quotes() {
        let longest = "x".repeat(REPLICA_NAME_BYTES_MAX);
        for name in ["Server-1", "Server-123-456", "a", "9", "a.b_c-d", &longest] {
            assert_eq!(name.parse::<ReplicaName>().unwrap().as_str(), name);
        }
        let long = "x".repeat(REPLICA_NAME_BYTES_MAX + 1);
        for name in ["", " ", "-a", ".", "a b", "a/b", "a\0", "é", "a\n", "../x", &long] {
            let error = name.parse::<ReplicaName>().unwrap_err().to_string();
            assert!(error.contains("is no name of a replica") && !error.contains(['\n', '\0']), "{error}");
        }
    }

    #[test]
    fn a_stored_name_is_checked_too() {
        assert_eq!(serde_json::from_str::<ReplicaName>("\"a\"").unwrap().as_str(), "a");
        assert!(serde_json::from_str::<ReplicaName>("\"a/b\"").is_err());
    }
}
