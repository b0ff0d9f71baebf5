//! Who came first: the launcher of a start, or the Ringway that gives that start up. See the parent's comment.
//!
//! A claim is a symbolic link that leads nowhere; its target is the text. Creating one is atomic, exclusive, and content
//! and name appear together, which a file needs a temporary name and a second call for.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use super::identity::{Identity, boot_id};

/// Stands where the process id of a claim stands.
const REVOKED: &str = "revoked";

/// The claims of a state directory.
#[derive(Clone, Debug)]
pub(super) struct Claims {
    directory: PathBuf,
}

/// What was claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// The launcher came first, and was this process.
    Launched(Identity),
    /// A Ringway came first: the launcher, if there is one, exits.
    Revoked,
}

impl Claims {
    /// Makes the directory, and removes the claims of earlier starts of the machine.
    pub(super) fn open(directory: &Path) -> Result<Self, String> {
        let claims = Claims { directory: directory.to_owned() };
        claims.make_directory()?;
        claims
            .remove_all_but(&boot_id()?)
            .map_err(|error| format!("cannot clear up {}: {error}", directory.display()))?;
        Ok(claims)
    }

    /// Makes the directory, if it is not there (any more): no launcher could claim its start without it.
    pub(super) fn make_directory(&self) -> Result<(), String> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(&self.directory)
            .map_err(|error| format!("cannot make the directory {}: {error}", self.directory.display()))
    }

    fn remove_all_but(&self, boot_id: &str) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let target = fs::read_link(&path).unwrap_or_default();
            if !target.to_string_lossy().ends_with(boot_id) {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Where the claim of a start is.
    pub(super) fn path(&self, nonce: &str) -> PathBuf {
        self.directory.join(nonce)
    }

    /// The claim of a start, if there is one.
    pub(super) fn read(&self, nonce: &str) -> io::Result<Option<Claim>> {
        match fs::read_link(self.path(nonce)) {
            Ok(target) => Ok(parse(&target.to_string_lossy())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives a start up, unless its launcher has claimed it; returns the claim that holds.
    pub(super) fn revoke(&self, nonce: &str, boot_id: &str) -> io::Result<Claim> {
        match symlink(format!("{REVOKED} 0 {boot_id}"), self.path(nonce)) {
            Ok(()) => Ok(Claim::Revoked),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                self.read(nonce)?.ok_or_else(|| io::Error::other("it is no claim of Ringway"))
            }
            Err(error) => Err(error),
        }
    }

    /// Forgets the claim of a launcher that has ended. A revocation stays: the launcher that it stops may come late.
    pub(super) fn forget(&self, nonce: &str) {
        if matches!(self.read(nonce), Ok(Some(Claim::Launched(_)))) {
            // What stays behind is a few bytes, which the first open after the machine's next start removes.
            let _ = fs::remove_file(self.path(nonce));
        }
    }
}

/// Claims a start for this process. `AlreadyExists`: it was revoked.
pub(super) fn claim(path: &Path, own: &Identity) -> io::Result<()> {
    symlink(format!("{} {} {}", own.pid, own.start_ticks, own.boot_id), path)
}

fn parse(text: &str) -> Option<Claim> {
    let mut words = text.split(' ');
    let (pid, start_ticks, boot_id) = (words.next()?, words.next()?, words.next()?);
    if pid == REVOKED {
        return Some(Claim::Revoked);
    }
    Some(Claim::Launched(Identity {
        pid: pid.parse().ok()?,
        start_ticks: start_ticks.parse().ok()?,
        boot_id: boot_id.into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(name: &str) -> Claims {
        let directory = std::env::temp_dir().join(format!("ringway-claims-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        Claims::open(&directory).unwrap()
    }

    #[test]
    fn of_launcher_and_revocation_the_first_one_wins() {
        let claims = open("first");
        let own = Identity::of(std::process::id()).unwrap();
        assert_eq!(claims.read("a").unwrap(), None);
        claim(&claims.path("a"), &own).unwrap();
        assert_eq!(claims.revoke("a", &own.boot_id).unwrap(), Claim::Launched(own.clone()));

        assert_eq!(claims.revoke("b", &own.boot_id).unwrap(), Claim::Revoked);
        assert_eq!(claim(&claims.path("b"), &own).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(claims.revoke("b", &own.boot_id).unwrap(), Claim::Revoked, "again, after another crash");
        fs::remove_dir_all(&claims.directory).unwrap();
    }

    #[test]
    fn claims_of_an_earlier_start_of_the_machine_are_removed() {
        let claims = open("boot");
        let own = Identity::of(std::process::id()).unwrap();
        claim(&claims.path("kept"), &own).unwrap();
        claim(&claims.path("old"), &Identity { boot_id: "earlier".into(), ..own.clone() }).unwrap();
        claims.revoke("gone", "earlier").unwrap();
        let claims = Claims::open(&claims.directory).unwrap();
        assert_eq!(claims.read("kept").unwrap(), Some(Claim::Launched(own)));
        assert_eq!(claims.read("old").unwrap(), None);
        assert_eq!(claims.read("gone").unwrap(), None);
        fs::remove_dir_all(&claims.directory).unwrap();
    }

    #[test]
    fn what_ended_is_forgotten_and_what_may_come_late_is_not() {
        let claims = open("forget");
        let own = Identity::of(std::process::id()).unwrap();
        claim(&claims.path("a"), &own).unwrap();
        claims.revoke("b", &own.boot_id).unwrap();
        for nonce in ["a", "b", "c"] {
            claims.forget(nonce);
        }
        assert_eq!(claims.read("a").unwrap(), None);
        assert_eq!(claims.read("b").unwrap(), Some(Claim::Revoked));
        fs::remove_dir_all(&claims.directory).unwrap();
    }

    #[test]
    fn what_is_no_claim_is_an_error_and_no_answer() {
        let claims = open("broken");
        symlink("elsewhere", claims.path("a")).unwrap();
        assert!(claims.revoke("a", "boot").is_err());
        fs::remove_dir_all(&claims.directory).unwrap();
    }
}
