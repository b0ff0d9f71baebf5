//! Which version of the interface is spoken with an engine.

use std::fmt;
use std::str::FromStr;

/// A version of the engine's interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ApiVersion {
    major: u16,
    minor: u16,
}

/// The oldest one that is spoken: Docker 20.10 has it.
const OLDEST: ApiVersion = ApiVersion { major: 1, minor: 41 };
/// The newest one that is spoken; newer engines speak it as well.
const NEWEST: ApiVersion = ApiVersion { major: 1, minor: 53 };
/// Since which a container can be put on a network without being led elsewhere over it (`GwPriority`): Docker 28 has it.
const GATEWAY_PRIORITY: ApiVersion = ApiVersion { major: 1, minor: 48 };

impl ApiVersion {
    /// Whether it knows priorities among the gateways of a container.
    pub(super) fn has_gateway_priority(self) -> bool {
        self >= GATEWAY_PRIORITY
    }
}

/// The newest version that both sides speak. `offered` and `least` are what the engine says of itself; engines that say
/// nothing of `least` speak every older version.
///
/// # Errors
/// When there is none, in words for the operator.
pub(super) fn agree(offered: &str, least: Option<&str>) -> Result<ApiVersion, String> {
    let unreadable = || "the engine does not say which version of the interface it speaks".to_owned();
    let offered: ApiVersion = offered.parse().map_err(|()| unreadable())?;
    let least = match least {
        Some(least) => least.parse().map_err(|()| unreadable())?,
        None => OLDEST,
    };
    if offered < OLDEST {
        return Err(format!(
            "the engine speaks version {offered} of its interface, and Ringway {OLDEST} at least; update it to Docker 20.10 or newer"
        ));
    }
    if least > NEWEST {
        return Err(format!(
            "the engine speaks no version of its interface below {least}, and Ringway none above {NEWEST}; update Ringway"
        ));
    }
    Ok(offered.min(NEWEST))
}

impl FromStr for ApiVersion {
    type Err = ();

    fn from_str(written: &str) -> Result<Self, ()> {
        let number = |text: &str| {
            let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| is_digits)
        };
        let (major, minor) = written.split_once('.').ok_or(())?;
        Ok(ApiVersion { major: number(major).ok_or(())?, minor: number(minor).ok_or(())? })
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_that_both_speak_is_spoken() {
        for (offered, least, expected) in [
            ("1.41", Some("1.12"), "1.41"),
            ("1.41", None, "1.41"),
            ("1.44", Some("1.24"), "1.44"),
            ("1.52", Some("1.44"), "1.52"),
            ("1.60", Some("1.52"), "1.53"),
            ("2.0", Some("1.50"), "1.53"),
        ] {
            assert_eq!(agree(offered, least).map(|version| version.to_string()), Ok(expected.to_owned()));
        }
    }

    #[test]
    fn where_there_is_none_the_operator_is_told_what_to_update() {
        for (offered, least, said) in [
            (
                "1.40",
                Some("1.12"),
                "version 1.40 of its interface, and Ringway 1.41 at least; update it to Docker",
            ),
            ("0.99", None, "update it to Docker 20.10"),
            (
                "1.70",
                Some("1.54"),
                "no version of its interface below 1.54, and Ringway none above 1.53; update Ringway",
            ),
            ("", None, "does not say which version"),
            ("1", None, "does not say which version"),
            ("1.x", None, "does not say which version"),
            ("+1.41", None, "does not say which version"),
            ("1.99999", None, "does not say which version"),
            ("1.44", Some("old"), "does not say which version"),
        ] {
            let error = agree(offered, least).unwrap_err();
            assert!(error.contains(said), "{offered} {least:?}: {error}");
        }
    }
}
