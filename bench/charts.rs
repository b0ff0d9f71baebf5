//! `side_by_side_charts FIGURES.json FOLDER`: draws the charts of a run of `bench/run`, as SVG and PNG.
//!
//! `FIGURES.json` has a list `charts`, each `{"stem", "title", "subtitle", "x", "y", "logarithmic", "legend": [name...],
//! "groups": [{"name", "values": [number or null...]}], "reference": null or {"value", "text"}}`.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use ringway::load::chart::{Axis, Bar, BarChart, BarGroup, Chart, Scale};
use serde::Deserialize;

#[derive(Deserialize)]
struct Run {
    charts: Vec<Described>,
}

#[derive(Deserialize)]
struct Described {
    stem: String,
    title: String,
    subtitle: String,
    x: String,
    y: String,
    logarithmic: bool,
    legend: Vec<String>,
    groups: Vec<Group>,
    reference: Option<Reference>,
}

#[derive(Deserialize)]
struct Group {
    name: String,
    values: Vec<Option<f64>>,
}

#[derive(Deserialize)]
struct Reference {
    value: f64,
    text: String,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [figures, folder] = arguments.as_slice() else {
        eprintln!("usage: side_by_side_charts FIGURES.json FOLDER");
        return ExitCode::from(2);
    };
    match draw(Path::new(figures), Path::new(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("side_by_side_charts: {error}");
            ExitCode::FAILURE
        }
    }
}

fn draw(figures: &Path, folder: &Path) -> Result<(), Box<dyn Error>> {
    let run: Run = serde_json::from_slice(&fs::read(figures)?)?;
    fs::create_dir_all(folder)?;
    for described in run.charts {
        let stem = folder.join(&described.stem);
        let chart = Chart::Bars(chart(described));
        fs::write(stem.with_extension("svg"), chart.svg()?)?;
        fs::write(stem.with_extension("png"), chart.png()?)?;
    }
    Ok(())
}

fn chart(described: Described) -> BarChart {
    let scale = if described.logarithmic { Scale::Logarithmic } else { Scale::Linear };
    BarChart {
        title: described.title,
        subtitle: described.subtitle,
        x_label: described.x,
        y: Axis { label: described.y, scale },
        legend: described.legend,
        groups: described.groups.into_iter().map(group).collect(),
        reference: described.reference.map(|reference| (reference.value, reference.text)),
    }
}

fn group(group: Group) -> BarGroup {
    // What was not measured has no bar.
    let bar = |value: Option<f64>| Bar { value: value.unwrap_or(f64::NAN), spread: None };
    BarGroup { label: group.name, bars: group.values.into_iter().map(bar).collect() }
}
