//! The id of a container.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How much of an id is shown, as the engines' own tools do.
const SHORT_BYTES: usize = 12;
/// The longest id: 256 bits in hex digits.
const BYTES_MAX: usize = 64;

/// The id of a container: 12 to 64 letters and digits. Checked, since it comes from the engine and becomes part of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerId(Box<str>);

/// A string is no [`ContainerId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the engine gave an id that is none")]
pub struct ContainerIdError;

impl ContainerId {
    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its beginning.
    pub fn short(&self) -> ShortContainerId {
        let mut short = [b'0'; SHORT_BYTES];
        for (place, byte) in short.iter_mut().zip(self.0.bytes()) {
            *place = byte;
        }
        ShortContainerId(short)
    }
}

impl FromStr for ContainerId {
    type Err = ContainerIdError;

    fn from_str(written: &str) -> Result<Self, ContainerIdError> {
        let proper = (SHORT_BYTES..=BYTES_MAX).contains(&written.len())
            && written.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if proper { Ok(ContainerId(written.into())) } else { Err(ContainerIdError) }
    }
}

impl TryFrom<String> for ContainerId {
    type Error = ContainerIdError;

    fn try_from(written: String) -> Result<Self, ContainerIdError> {
        written.parse()
    }
}

impl From<ContainerId> for String {
    fn from(id: ContainerId) -> String {
        id.0.into()
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.short().fmt(formatter)
    }
}

/// The first twelve characters of a [`ContainerId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortContainerId([u8; SHORT_BYTES]);

impl fmt::Display for ShortContainerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&byte| fmt::Write::write_char(formatter, char::from(byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_letters_and_digits() {
        let whole = "4f1d".repeat(16);
        let id: ContainerId = whole.parse().unwrap();
        assert_eq!((id.as_str(), id.to_string().as_str()), (whole.as_str(), "4f1d4f1d4f1d"));
        for written in ["", "4f1d", "../containers/x", "4f1d4f1d4f1d/json", &(whole.clone() + "0")] {
            assert_eq!(written.parse::<ContainerId>(), Err(ContainerIdError), "{written}");
        }
        assert!(serde_json::from_str::<ContainerId>("\"../../../../x\"").is_err());
    }
}
