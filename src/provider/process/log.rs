//! Where a replica's output goes: straight into a file, so that it does not die with its reader.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::base::replica_name::ReplicaName;
use crate::provider::log_lines::last_lines;

/// A longer file is set aside before a start.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How much of a file's end is looked at for its last lines.
const TAIL_BYTES_MAX: u64 = 16 * 1024;

/// The log of a replica.
#[derive(Clone, Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    from: u64,
}

impl LogFile {
    /// The log of the replica `name`. Nothing tells which of its lines are older than the instance that is meant.
    pub(super) fn new(folder: &Path, name: &ReplicaName) -> Self {
        LogFile { path: folder.join(format!("{name}.log")), from: 0 }
    }

    /// The same, of which only what begins at `from` is the instance's own.
    pub(super) fn written_from(self, from: u64) -> Self {
        LogFile { from, ..self }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it for a new instance. A long one is kept as `.log.1`, in the place of the one before.
    pub(super) fn open(&self) -> io::Result<File> {
        if let Some(folder) = self.path.parent() {
            DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
        }
        if fs::metadata(&self.path).is_ok_and(|data| data.len() > FILE_BYTES_MAX) {
            fs::rename(&self.path, self.path.with_added_extension("1"))?;
        }
        OpenOptions::new().append(true).create(true).mode(0o640).open(&self.path)
    }

    /// The last lines of the instance; none where the file cannot be read.
    pub(super) fn tail(&self) -> Vec<String> {
        self.read_end().map_or_else(|_| Vec::new(), |(bytes, is_cut)| last_lines(&bytes, is_cut))
    }

    fn read_end(&self) -> io::Result<(Vec<u8>, bool)> {
        let mut file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        // Somebody may have cut the file meanwhile: then all of it is newer.
        let own = if self.from <= length { self.from } else { 0 };
        let from = own.max(length.saturating_sub(TAIL_BYTES_MAX));
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok((bytes, from > own))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::provider::LOG_LINES_MAX;

    fn log(name: &str) -> (PathBuf, LogFile) {
        let folder = std::env::temp_dir().join(format!("ringway-log-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let log = LogFile::new(&folder.join("web"), &"Server-1".parse().unwrap());
        (folder, log)
    }

    #[test]
    fn only_what_was_written_since_the_start_is_told() {
        let (folder, log) = log("since");
        assert_eq!(log.tail(), Vec::<String>::new(), "there is no file");
        let mut file = log.open().unwrap();
        writeln!(file, "of the first instance").unwrap();
        let later = log.clone().written_from(file.metadata().unwrap().len());
        assert_eq!(later.tail(), Vec::<String>::new());
        let mut again = log.open().unwrap();
        writeln!(again, "of the second").unwrap();
        assert_eq!(later.tail(), ["of the second"]);
        assert_eq!(log.tail(), ["of the first instance", "of the second"]);
        file.set_len(0).unwrap();
        writeln!(again, "after a cut").unwrap();
        assert_eq!(later.tail(), ["after a cut"]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_end_of_a_long_file_begins_with_a_whole_line() {
        let (folder, log) = log("long");
        let mut file = log.open().unwrap();
        for _ in 0..1_000 {
            writeln!(file, "{}", "x".repeat(99)).unwrap();
        }
        let tail = log.tail();
        assert_eq!(tail.len(), LOG_LINES_MAX);
        assert!(tail.iter().all(|line| line.len() == 99), "{tail:?}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_grew_long_is_set_aside_before_a_start() {
        let (folder, log) = log("aside");
        let file = log.open().unwrap();
        file.set_len(FILE_BYTES_MAX).unwrap();
        assert_eq!(log.open().unwrap().metadata().unwrap().len(), FILE_BYTES_MAX, "not too long yet");
        file.set_len(FILE_BYTES_MAX + 1).unwrap();
        assert_eq!(log.open().unwrap().metadata().unwrap().len(), 0);
        let aside = folder.join("web/Server-1.log.1");
        assert_eq!(fs::metadata(aside).unwrap().len(), FILE_BYTES_MAX + 1);
        fs::remove_dir_all(folder).unwrap();
    }
}
