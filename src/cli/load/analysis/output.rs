//! The files of the report.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::load::analysis::charts::NamedChart;
use crate::load::analysis::{Analysis, report};

/// A folder that can be written to.
#[derive(Debug)]
pub(super) struct Output {
    folder: PathBuf,
}

impl Output {
    /// Makes the folder, and tries to write into it: that it cannot be done should be known before minutes of measuring.
    pub(super) fn prepare(folder: &Path) -> Result<Output, Failure> {
        let unusable = |error| format!("cannot write into {} (--out): {error}", folder.display());
        fs::create_dir_all(folder).map_err(unusable)?;
        tempfile::tempfile_in(folder).map_err(unusable)?;
        Ok(Output { folder: folder.to_owned() })
    }

    /// The report's file.
    pub(super) fn report(&self) -> PathBuf {
        self.folder.join("report.md")
    }

    /// Writes the charts and the data, and the report last: if that is there, so is all that it names.
    pub(super) fn write(&self, analysis: &Analysis) -> Result<(), Failure> {
        let report = report::report(analysis);
        for NamedChart { name, chart } in &report.charts {
            self.file(&format!("{name}.svg"), chart.svg()?.as_bytes())?;
            self.file(&format!("{name}.png"), &chart.png()?)?;
        }
        let mut data = serde_json::to_vec(analysis)?;
        data.push(b'\n');
        self.file("data.json", &data)?;
        self.file("report.md", format!("{}\n", report.text.trim_end()).as_bytes())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.folder.join(name);
        Ok(fs::write(&path, bytes).map_err(|error| format!("cannot write {}: {error}", path.display()))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::analysis::{Circumstances, Settings};

    #[test]
    fn a_folder_that_cannot_be_made_is_refused_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Output::prepare(&file.join("below")).unwrap_err().to_string();
        assert!(error.contains("file/below (--out)"), "{error}");
    }

    #[test]
    fn a_report_lies_beside_its_data() {
        let folder = tempfile::tempdir().unwrap();
        let output = Output::prepare(&folder.path().join("a/b")).unwrap();
        let settings = Settings { requests: 1, connections: 1, seed: 5 };
        let circumstances = Circumstances { machine: "a machine".to_owned(), ..Circumstances::default() };
        let analysis = Analysis { circumstances, settings, counted: Vec::new(), recovered: Vec::new() };
        output.write(&analysis).unwrap();
        assert!(fs::read_to_string(output.report()).unwrap().contains("a machine"));
        let data: serde_json::Value =
            serde_json::from_slice(&fs::read(folder.path().join("a/b/data.json")).unwrap()).unwrap();
        assert_eq!(data["settings"]["seed"], 5);
    }
}
