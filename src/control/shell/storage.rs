//! The state directory: who may use it, and the state file.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::{mpsc, watch};

use crate::control::durable::DurableState;

/// The form of the state file that is written, and the only one that is read.
const VERSION: u32 = 1;
/// The largest state file: a hundred thousand replicas have room in it.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How often a lock that is held is tried again, and after which pause. A Ringway that was killed while it forked leaves
/// its lock to a child for the few milliseconds in which that becomes another program.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A state directory that is ours while this value lives.
#[derive(Debug)]
pub struct Storage {
    directory: PathBuf,
    /// Holds the lock. Like every file that the standard library opens it is close-on-exec, so that no replica holds it.
    lock: ArcSwap<File>,
}

/// What is wrong with a state directory, and what to do.
#[derive(Debug, Error)]
pub enum StorageError {
    /// The directory or its lock cannot be used.
    #[error("cannot use the state directory: {}: {error}", .path.display())]
    Directory {
        /// What was tried to be made, opened or locked.
        path: PathBuf,
        /// Why it failed.
        error: io::Error,
    },
    /// Another Ringway has it.
    #[error(
        "the state directory {} is in use by another Ringway (process {holder}); stop that one, or give this one a state \
         directory of its own",
        .directory.display()
    )]
    Held {
        /// The directory.
        directory: PathBuf,
        /// Who has it, as far as known.
        holder: Box<str>,
    },
    /// The state file cannot be read.
    #[error("cannot read {}: {error}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The state file is not one.
    #[error(
        "{} is damaged, and was left as it is: {reason}; bring back a copy of it, or move it away to begin with what the \
         configuration says (replicas that still run are then not found: end them by hand)",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        reason: String,
    },
    /// The state file is of another version of Ringway.
    #[error(
        "{} is of version {version}, this Ringway writes version {VERSION}; run the Ringway that wrote it, or move it away \
         to begin with what the configuration says (replicas that still run are then not found: end them by hand)",
        .path.display()
    )]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// What it says.
        version: u64,
    },
    /// The state cannot be written; the file holds what it held before.
    #[error("cannot write {}: {error}; the old state is intact{}", .path.display(), advice(.error))]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The new state is in the file, but might not survive a failure of the machine.
    #[error("cannot make {} durable: {error}; it holds the new state, which a failure of the machine may undo", .path.display())]
    NotSynced {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; free some space",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "; make the directory writable for Ringway"
        }
        _ => "",
    }
}

/// The state file as written.
#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    state: &'a DurableState,
}

#[derive(Deserialize)]
struct Version {
    version: u64,
}

#[derive(Deserialize)]
struct Content {
    state: DurableState,
}

impl Storage {
    /// Makes the directory if it is missing, locks it, and reads the state: the default if none was written yet. Waits a
    /// fifth of a second for a lock that is held. Call it before anything that must not wait runs.
    ///
    /// # Errors
    /// Whatever it is, nothing that was there is changed.
    pub fn open(directory: &Path) -> Result<(Storage, DurableState), StorageError> {
        let lock = ArcSwap::from_pointee(lock(directory)?);
        let storage = Storage { directory: directory.to_owned(), lock };
        let state = read(&storage.state_file())?;
        // Left by a crash in the middle of a write, and worth nothing.
        let _ = fs::remove_file(storage.temporary_file());
        Ok((storage, state))
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes the state durable: when this returns, it survives a failure of the machine. A crash in the middle leaves the
    /// old state or the new one. A directory that somebody removed is made again, unless another Ringway has it by now.
    ///
    /// # Errors
    /// But for [`StorageError::NotSynced`] the file holds what it held before.
    pub fn write(&self, state: &DurableState) -> Result<(), StorageError> {
        if !self.is_ours() {
            self.lock.store(Arc::new(lock(&self.directory)?));
        }
        let path = self.state_file();
        let replaced = encode(state).and_then(|bytes| {
            let temporary = self.temporary_file();
            let replaced = write_synced(&temporary, &bytes).and_then(|()| fs::rename(&temporary, &path));
            if replaced.is_err() {
                // It may not be there at all.
                let _ = fs::remove_file(&temporary);
            }
            replaced
        });
        if let Err(error) = replaced {
            return Err(StorageError::Write { path, error });
        }
        // The new name is in the directory, whose content is synced by itself.
        File::open(&self.directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| StorageError::NotSynced { path, error })
    }

    /// Whether the lock that is held is the one that others would find.
    fn is_ours(&self) -> bool {
        let (held, found) = (self.lock.load().metadata(), fs::metadata(lock_path(&self.directory)));
        held.is_ok_and(|held| found.is_ok_and(|found| (held.dev(), held.ino()) == (found.dev(), found.ino())))
    }

    fn state_file(&self) -> PathBuf {
        self.directory.join("state.json")
    }

    /// Always the same name: the lock sees to it that one write at a time uses it, and no crash leaves more than one.
    fn temporary_file(&self) -> PathBuf {
        self.directory.join("state.json.tmp")
    }
}

fn lock_path(directory: &Path) -> PathBuf {
    directory.join("lock")
}

/// Makes the directory if it is missing, and locks it.
fn lock(directory: &Path) -> Result<File, StorageError> {
    let of = |path: &Path| {
        let path = path.to_owned();
        move |error| StorageError::Directory { path, error }
    };
    DirBuilder::new().recursive(true).mode(0o750).create(directory).map_err(of(directory))?;
    let lock_path = lock_path(directory);
    let lock = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o640)
        .open(&lock_path)
        .map_err(of(&lock_path))?;
    if !lock_file(&lock).map_err(of(&lock_path))? {
        let holder = holder(&lock_path);
        return Err(StorageError::Held { directory: directory.to_owned(), holder });
    }
    name_holder(&lock).map_err(of(&lock_path))?;
    Ok(lock)
}

/// `false`: somebody else has it.
fn lock_file(lock: &File) -> io::Result<bool> {
    for attempt in 1..=LOCK_ATTEMPTS {
        match flock(lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) if attempt < LOCK_ATTEMPTS => pause(),
            Err(Errno::WOULDBLOCK) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

#[expect(
    clippy::disallowed_methods,
    reason = "never on a core's thread; the system has no lock with a deadline"
)]
fn pause() {
    std::thread::sleep(LOCK_PAUSE);
}

/// For the error of whoever comes next.
fn name_holder(mut lock: &File) -> io::Result<()> {
    lock.set_len(0)?;
    writeln!(lock, "{}", std::process::id())
}

fn holder(lock: &Path) -> Box<str> {
    let text = fs::read_to_string(lock).unwrap_or_default();
    text.trim().parse::<u32>().map_or_else(|_| "unknown".into(), |pid| pid.to_string().into())
}

fn read(path: &Path) -> Result<DurableState, StorageError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(DurableState::default()),
        Err(error) => return Err(StorageError::Unreadable { path: path.to_owned(), error }),
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| StorageError::Unreadable { path: path.to_owned(), error })?;
    decode(path, &bytes)
}

fn decode(path: &Path, bytes: &[u8]) -> Result<DurableState, StorageError> {
    let damaged = |reason| StorageError::Damaged { path: path.to_owned(), reason };
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(damaged(format!("it is longer than {FILE_BYTES_MAX} bytes")));
    }
    // The version first: the rest of another version may have another form.
    let Version { version } = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
    if version != u64::from(VERSION) {
        return Err(StorageError::OtherVersion { path: path.to_owned(), version });
    }
    let Content { state } = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
    Ok(state)
}

fn encode(state: &DurableState) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(&Written { version: VERSION, state })?;
    bytes.push(b'\n');
    if bytes.len() as u64 > FILE_BYTES_MAX {
        // It could not be read again.
        return Err(io::Error::new(
            ErrorKind::FileTooLarge,
            format!("the state is longer than {FILE_BYTES_MAX} bytes"),
        ));
    }
    Ok(bytes)
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Writes states one after the other beside the control thread. Of those that wait only the newest is written.
#[derive(Debug)]
pub struct Writer {
    newest: watch::Sender<Option<Arc<(u64, DurableState)>>>,
}

/// The newest version that a write covered, and whether it is durable.
pub type WriteReport = (u64, Result<(), String>);

impl Writer {
    /// Starts the task that writes. It ends when this value is dropped and what was submitted is written. Called on a
    /// tokio runtime.
    pub fn start(storage: Arc<Storage>) -> (Writer, mpsc::UnboundedReceiver<WriteReport>) {
        let (newest, waiting) = watch::channel(None);
        let (report, reports) = mpsc::unbounded_channel();
        tokio::spawn(write_newest(storage, waiting, report));
        (Writer { newest }, reports)
    }

    /// Asks for a state to be written. `version` counts up.
    pub fn submit(&self, version: u64, state: DurableState) {
        self.newest.send_replace(Some(Arc::new((version, state))));
    }
}

async fn write_newest(
    storage: Arc<Storage>,
    mut waiting: watch::Receiver<Option<Arc<(u64, DurableState)>>>,
    report: mpsc::UnboundedSender<WriteReport>,
) {
    // A value that came before the sender was dropped is still seen.
    while waiting.changed().await.is_ok() {
        let Some(newest) = waiting.borrow_and_update().clone() else { continue };
        let version = newest.0;
        let storage = storage.clone();
        let write = tokio::task::spawn_blocking(move || storage.write(&newest.1));
        let written = match write.await {
            Ok(written) => written.map_err(|error| error.to_string()),
            // Whoever waits for the write has to hear of it.
            Err(failed) if failed.is_panic() => Err(format!("the write broke off: {failed}")),
            // The runtime ends.
            Err(_) => return,
        };
        if report.send((version, written)).is_err() {
            return;
        }
    }
}
