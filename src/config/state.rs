//! `[state]`: where what has to survive Ringway is kept.

use std::path::{Path, PathBuf};

use super::StateConfig;
use super::error::Fault;
use super::section::Section;

/// The folder of a configuration that is no file.
const DEFAULT_DIRECTORY: &str = "ringway.state";
/// The longest name: it becomes a part of the names of containers.
const NAME_BYTES_MAX: usize = 32;

/// Reads the section of a file, or of a text that is none.
pub(super) fn read(section: &mut Section<'_>, file: Option<&Path>) -> StateConfig {
    let written = section.value("directory").and_then(|value| value.path("\"ringway.state\""));
    StateConfig { directory: written.unwrap_or_else(|| default_directory(file)), name: name(section) }
}

fn name(section: &mut Section<'_>) -> Option<Box<str>> {
    let value = section.value("name")?;
    let written = value.text("\"edge\"")?;
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let begins = written.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let proper = begins && written.len() <= NAME_BYTES_MAX && written.bytes().all(is_name_byte);
    let characters = "letters, digits, '-', '_' and '.', the first a letter or digit";
    value.check(if proper {
        Ok(written.into())
    } else {
        Err(Fault::Name { bytes_max: NAME_BYTES_MAX, characters })
    })
}

/// The file's name with `.state` in place of `.toml`, or behind any other name.
fn default_directory(file: Option<&Path>) -> PathBuf {
    let Some(file) = file else { return DEFAULT_DIRECTORY.into() };
    if file.extension().is_some_and(|extension| extension == "toml") {
        return file.with_extension("state");
    }
    let mut name = file.as_os_str().to_owned();
    name.push(".state");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_stands_beside_the_file() {
        let cases = [
            (Some("ringway.toml"), "ringway.state"),
            (Some("/etc/ringway/web.toml"), "/etc/ringway/web.state"),
            (Some("../a.b.toml"), "../a.b.state"),
            (Some("etc/ringway.conf"), "etc/ringway.conf.state"),
            (Some("ringway"), "ringway.state"),
            (Some(".toml"), ".toml.state"),
            (None, "ringway.state"),
        ];
        for (file, expected) in cases {
            assert_eq!(default_directory(file.map(Path::new)), Path::new(expected), "{file:?}");
        }
    }
}
