//! Where the results of a run go.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::options::{LoadError, LoadOptions, Output};
use crate::load::chart::Chart;
use crate::load::output::csv::timeline;
use crate::load::output::{json, text};
use crate::load::summary::Summary;

/// What the options ask for, opened and made before the run begins.
pub(super) struct Results {
    json: Option<Sink>,
    csv: Option<Sink>,
    charts: Option<PathBuf>,
}

enum Sink {
    Standard,
    File { file: File, path: PathBuf },
}

impl Results {
    /// Creates the files and directories that the options name.
    pub(super) fn open(options: &LoadOptions) -> Result<Self, LoadError> {
        let open = |output: &Option<Output>| output.as_ref().map(Sink::open).transpose();
        if let Some(directory) = &options.charts {
            fs::create_dir_all(directory).map_err(|error| cannot_write(directory, &error))?;
        }
        Ok(Results { json: open(&options.json)?, csv: open(&options.csv)?, charts: options.charts.clone() })
    }

    /// Writes all of it; the summary as text to standard output, unless that is taken by another. What cannot be written
    /// keeps none of the rest from being: a run cannot be had again. The first error is returned.
    pub(super) fn write(
        self,
        summary: &Summary,
        charts: impl FnOnce() -> Vec<(&'static str, Chart)>,
    ) -> Result<(), LoadError> {
        let standard =
            [&self.json, &self.csv].into_iter().flatten().any(|sink| matches!(sink, Sink::Standard));
        let made = |error: io::Error| LoadError::File(format!("cannot put the results into words: {error}"));
        let shown = if standard { Ok(()) } else { Sink::Standard.write(text::text(summary).as_bytes()) };
        let object = self.json.map_or(Ok(()), |sink| sink.write(&json::json(summary).map_err(made)?));
        let table = self.csv.map_or(Ok(()), |sink| sink.write(&timeline(summary).map_err(made)?));
        let drawn = self.charts.map_or(Ok(()), |directory| draw(&directory, &charts()));
        shown.and(object).and(table).and(drawn)
    }
}

impl Sink {
    fn open(output: &Output) -> Result<Sink, LoadError> {
        match output {
            Output::Standard => Ok(Sink::Standard),
            Output::File(path) => {
                let file = File::create(path).map_err(|error| cannot_write(path, &error))?;
                Ok(Sink::File { file, path: path.clone() })
            }
        }
    }

    fn write(self, bytes: &[u8]) -> Result<(), LoadError> {
        match self {
            Sink::File { mut file, path } => {
                file.write_all(bytes).map_err(|error| cannot_write(&path, &error))
            }
            Sink::Standard => {
                let mut out = io::stdout().lock();
                match out.write_all(bytes).and_then(|()| out.flush()) {
                    // As for `ringway load ... | head`: not a failure of ours.
                    Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                        Err(LoadError::File(format!("cannot write to standard output: {error}")))
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}

/// Draws each chart as NAME.svg and NAME.png.
pub(super) fn draw(directory: &Path, charts: &[(&str, Chart)]) -> Result<(), LoadError> {
    for (name, chart) in charts {
        let drawn = chart.svg().and_then(|svg| Ok([("svg", svg.into_bytes()), ("png", chart.png()?)]));
        let drawn = drawn.map_err(|error| LoadError::File(format!("cannot draw {name}: {error}")))?;
        for (extension, bytes) in drawn {
            let path = directory.join(format!("{name}.{extension}"));
            fs::write(&path, bytes).map_err(|error| cannot_write(&path, &error))?;
        }
    }
    Ok(())
}

fn cannot_write(path: &Path, error: &io::Error) -> LoadError {
    LoadError::File(format!("cannot write {}: {error}", path.display()))
}
