//! The state directory on a real file system, with real processes beside.

use std::fs;
use std::ops::Deref;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use ringway::control::durable::{DurableService, DurableState};
use ringway::control::storage::{Storage, StorageError, Writer};

use super::harness;

/// An empty directory, removed in the end.
struct Folder(PathBuf);

fn folder(name: &str) -> Folder {
    Folder(harness::folder(name))
}

impl Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn state(next_instance: u64) -> DurableState {
    DurableState { next_instance, ..DurableState::default() }
}

/// A state that needs some space.
fn large(next_instance: u64) -> DurableState {
    let service = |number: u32| (format!("{number:0>1000}").into(), DurableService::default());
    DurableState { next_instance, services: (0..500).map(service).collect() }
}

fn read(directory: &Path) -> DurableState {
    Storage::open(directory).unwrap().1
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_was_written_is_read_again() {
    let folder = folder("written");
    let directory = folder.join("made/as needed");
    let (storage, first) = Storage::open(&directory).unwrap();
    assert_eq!(first, DurableState::default());
    for state in [large(7), state(8)] {
        storage.write(&state).unwrap();
    }
    drop(storage);
    assert_eq!(read(&directory), state(8));
    assert_eq!(names(&directory), ["lock", "state.json"]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory) & !0o750, 0);
    assert_eq!(mode(&directory.join("state.json")) & !0o640, 0);
}

#[test]
fn what_a_crash_left_half_written_is_not_read() {
    let directory = folder("half");
    let (storage, _) = Storage::open(&directory).unwrap();
    storage.write(&state(3)).unwrap();
    drop(storage);
    for left in [
        "",
        "{\"version\": 1, \"sta",
        "{\"version\": 1, \"state\": {\"next_instance\": 9, \"services\": {}}}",
    ] {
        fs::write(directory.join("state.json.tmp"), left).unwrap();
        let (storage, read) = Storage::open(&directory).unwrap();
        assert_eq!(read, state(3), "{left}");
        assert_eq!(names(&directory), ["lock", "state.json"]);
        fs::write(directory.join("state.json.tmp"), large(1).services.keys().next().unwrap().as_bytes())
            .unwrap();
        storage.write(&state(3)).unwrap();
    }
}

#[test]
fn a_file_that_is_no_state_is_an_error_and_stays_as_it_is() {
    let directory = folder("damaged");
    for (text, words) in [
        ("", "damaged"),
        ("{", "damaged"),
        ("\0\0\0\0", "damaged"),
        ("[]", "damaged"),
        ("{\"state\": {\"next_instance\": 1, \"services\": {}}}", "missing field `version`"),
        ("{\"version\": 1}", "missing field `state`"),
        ("{\"version\": 1, \"state\": {\"next_instance\": -1, \"services\": {}}}", "line 1 column"),
        ("{\"version\": 2, \"other\": 1}", "is of version 2, this Ringway writes version 1"),
        ("{\"version\": 0, \"state\": {}}", "is of version 0"),
    ] {
        let path = directory.join("state.json");
        fs::write(&path, text).unwrap();
        let error = Storage::open(&directory).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("state.json"), "{text}: {error}");
        assert!(error.contains("move it away"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    fs::File::create(directory.join("state.json")).unwrap().set_len((16 << 20) + 1).unwrap();
    let error = Storage::open(&directory).unwrap_err().to_string();
    assert!(error.contains("longer than 16777216 bytes"), "{error}");
}

#[test]
fn one_ringway_at_a_time_has_a_directory() {
    let directory = folder("locked");
    let (storage, _) = Storage::open(&directory).unwrap();
    storage.write(&state(1)).unwrap();
    let error = Storage::open(&directory).unwrap_err();
    assert!(matches!(error, StorageError::Held { .. }), "{error}");
    let words = error.to_string();
    assert!(
        words.contains(&format!("(process {})", std::process::id())) && words.contains("of its own"),
        "{words}"
    );
    drop(storage);
    assert_eq!(read(&directory), state(1));
}

#[test]
fn a_directory_that_was_removed_is_made_and_locked_again() {
    let directory = folder("removed").join("state");
    let (storage, _) = Storage::open(&directory).unwrap();
    storage.write(&state(1)).unwrap();
    fs::remove_dir_all(&directory).unwrap();
    storage.write(&state(2)).unwrap();
    assert!(matches!(Storage::open(&directory).unwrap_err(), StorageError::Held { .. }));

    fs::remove_dir_all(&directory).unwrap();
    let (other, _) = Storage::open(&directory).unwrap();
    other.write(&state(7)).unwrap();
    let error = storage.write(&state(3)).unwrap_err();
    assert!(matches!(error, StorageError::Held { .. }), "{error}");
    drop(other);
    assert_eq!(read(&directory), state(7));
    storage.write(&state(4)).unwrap();
    drop(storage);
    assert_eq!(read(&directory), state(4));
}

#[test]
fn a_child_does_not_keep_the_lock() {
    let directory = folder("child");
    let (storage, _) = Storage::open(&directory).unwrap();
    let mut child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
    drop(storage);
    assert!(Storage::open(&directory).is_ok());
    child.kill().unwrap();
    child.wait().unwrap();
}

fn full_disk_error(directory: &Path) -> String {
    format!(
        "cannot write {}: No space left on device (os error 28); the old state is intact; free some space",
        directory.join("state.json").display()
    )
}

/// The device that is always full, in the place of the temporary file.
#[test]
fn on_a_full_disk_the_old_state_stays_and_the_error_says_what_to_do() {
    let directory = folder("full");
    let (storage, _) = Storage::open(&directory).unwrap();
    storage.write(&state(1)).unwrap();
    symlink("/dev/full", directory.join("state.json.tmp")).unwrap();
    assert_eq!(storage.write(&state(2)).unwrap_err().to_string(), full_disk_error(&directory));
    assert_eq!(names(&directory), ["lock", "state.json"], "the temporary file is gone");
    drop(storage);
    assert_eq!(read(&directory), state(1));
}

/// A small file system, where this process may mount one.
struct Small(Folder);

impl Small {
    fn mount(name: &str) -> Option<Self> {
        let place = folder(name);
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "ringway-test"])
            .arg(&*place)
            .stderr(Stdio::null())
            .status();
        mount.is_ok_and(|status| status.success()).then_some(Small(place))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&*self.0).status();
    }
}

#[test]
fn a_disk_that_becomes_full_in_the_middle_of_a_write_keeps_the_old_state() {
    let Some(disk) = Small::mount("small") else {
        eprintln!("no file system can be mounted here: not tested");
        return;
    };
    let directory = disk.0.to_owned();
    let (storage, _) = Storage::open(&directory).unwrap();
    storage.write(&state(1)).unwrap();
    assert_eq!(storage.write(&large(2)).unwrap_err().to_string(), full_disk_error(&directory));
    assert_eq!(names(&directory), ["lock", "state.json"]);
    storage.write(&state(3)).unwrap();
    drop(storage);
    assert_eq!(read(&directory), state(3));
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let folder = folder("unusable");
    fs::write(folder.join("file"), "").unwrap();
    let error = Storage::open(&folder.join("file/state")).unwrap_err().to_string();
    assert!(error.contains("file/state") && error.contains("Not a directory"), "{error}");

    let (storage, _) = Storage::open(&folder.join("gone")).unwrap();
    storage.write(&state(1)).unwrap();
    fs::remove_dir_all(folder.join("gone")).unwrap();
    fs::write(folder.join("gone"), "").unwrap();
    let error = storage.write(&state(2)).unwrap_err().to_string();
    assert!(error.contains("cannot use the state directory") && error.contains("/gone: "), "{error}");
}

/// Not by permissions, which root does not need: by a file in the way of the temporary one that no write replaces.
#[test]
fn a_write_that_fails_leaves_the_old_state() {
    let directory = folder("in-the-way");
    let (storage, _) = Storage::open(&directory).unwrap();
    storage.write(&state(1)).unwrap();
    fs::create_dir(directory.join("state.json.tmp")).unwrap();
    let error = storage.write(&state(2)).unwrap_err().to_string();
    assert!(error.contains("Is a directory") && error.contains("the old state is intact"), "{error}");
    fs::remove_dir(directory.join("state.json.tmp")).unwrap();
    drop(storage);
    assert_eq!(read(&directory), state(1));
}

#[tokio::test]
async fn of_the_states_that_wait_only_the_newest_is_written() {
    let directory = folder("newest");
    let (storage, _) = Storage::open(&directory).unwrap();
    let (writer, mut reports) = Writer::start(Arc::new(storage));
    for version in 1..=100 {
        writer.submit(version, state(version));
    }
    assert_eq!(reports.recv().await, Some((100, Ok(()))), "the task runs for the first time now");
    writer.submit(101, state(101));
    drop(writer);
    assert_eq!(reports.recv().await, Some((101, Ok(()))));
    assert_eq!(reports.recv().await, None);
    assert_eq!(read(&directory), state(101));
}

#[tokio::test]
async fn a_write_that_fails_is_reported_with_its_version_and_the_next_one_succeeds() {
    let directory = folder("reported");
    let (storage, _) = Storage::open(&directory).unwrap();
    let (writer, mut reports) = Writer::start(Arc::new(storage));
    fs::create_dir(directory.join("state.json.tmp")).unwrap();
    writer.submit(5, state(5));
    let (version, result) = reports.recv().await.unwrap();
    assert!(version == 5 && result.unwrap_err().contains("cannot write"));
    fs::remove_dir(directory.join("state.json.tmp")).unwrap();
    writer.submit(6, state(6));
    assert_eq!(reports.recv().await, Some((6, Ok(()))));
}
