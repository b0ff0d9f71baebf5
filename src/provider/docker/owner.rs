//! Who a Ringway is on an engine that others use as well.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::rand::{GetRandomFlags, getrandom};

/// How many hex digits a name has that was made up.
const DIGITS: usize = 16;
/// How many of them stand in the names of containers.
const SHORT_DIGITS: usize = 8;

/// What tells the containers of one Ringway from those of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// The value of the label.
    pub(super) label: Box<str>,
    /// What stands in names, for people.
    pub(super) short: Box<str>,
}

impl Owner {
    /// The one that the configuration names.
    pub(super) fn named(name: &str) -> Self {
        Owner { label: name.into(), short: name.into() }
    }

    /// The one that the state directory belongs to: a name that is made up the first time. It is on the disk before
    /// anything carries it.
    ///
    /// # Errors
    /// When it can neither be read nor written, in words for the operator.
    pub(super) fn of_directory(directory: &Path) -> Result<Self, String> {
        let path = directory.join("owner");
        let of_path = |error: io::Error| format!("{}: {error}", path.display());
        let label = match fs::read_to_string(&path) {
            Ok(text) => text.trim().to_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let label = made_up()?;
                write_synced(directory, &path, &label).map_err(of_path)?;
                label
            }
            Err(error) => return Err(of_path(error)),
        };
        if label.len() != DIGITS || !label.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!(
                "{} is damaged; move it away (containers that still run are then not found: end them by hand), or set state.name",
                path.display()
            ));
        }
        let short = label.chars().take(SHORT_DIGITS).collect::<String>().into();
        Ok(Owner { label: label.into(), short })
    }
}

fn made_up() -> Result<String, String> {
    let mut bytes = [0; DIGITS / 2];
    getrandom(&mut bytes, GetRandomFlags::empty())
        .map_err(|error| format!("the system gives no random numbers: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Under another name first, so that a crash leaves all of it or nothing.
fn write_synced(directory: &Path, path: &Path, label: &str) -> io::Result<()> {
    let temporary = path.with_added_extension("tmp");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&temporary)?;
    writeln!(file, "{label}")?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("ringway-owner-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_directory_keeps_its_name_and_another_has_another() {
        let (one, other) = (folder("one"), folder("other"));
        let first = Owner::of_directory(&one).unwrap();
        assert_eq!(Owner::of_directory(&one).unwrap(), first);
        assert_ne!(Owner::of_directory(&other).unwrap(), first);
        assert_eq!((first.label.len(), first.short.len()), (16, 8));
        fs::write(one.join("owner"), "x").unwrap();
        let error = Owner::of_directory(&one).unwrap_err();
        assert!(error.contains("is damaged") && error.contains("state.name"), "{error}");
        for folder in [one, other] {
            fs::remove_dir_all(folder).unwrap();
        }
    }
}
