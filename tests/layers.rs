//! The house's one-way dependencies: which layer may name which, which crate may be used where, how long a file may be.
//!
//! It reads the sources as tokens, so that comments and strings do not count, and resolves every path that begins with
//! `crate`, `super`, `self` or a crate's name, whether in a `use` or inline.

#[path = "layers/paths.rs"]
mod paths;
#[path = "layers/tokens.rs"]
mod tokens;

use std::fs;
use std::path::{Path, PathBuf};

use paths::{Origin, Reference, references};
use tokens::tokens;

/// What each layer may name beside itself.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("message", &["base"]),
    ("placement", &["base"]),
    ("engine", &["base"]),
    ("config", &["base"]),
    ("h1", &["base", "message"]),
    ("proxy", &["base", "message", "h1", "placement"]),
    ("dataplane", &["base", "config", "message", "h1", "placement", "proxy", "engine"]),
    ("provider", &["base", "config"]),
    ("control", &["base", "config", "placement", "provider"]),
    ("admin", &["base", "config", "placement", "provider", "control"]),
    ("worker", &["base", "message", "h1", "engine"]),
    ("load", &["base", "message", "h1", "engine"]),
    (
        "cli",
        &[
            "base",
            "message",
            "placement",
            "engine",
            "config",
            "h1",
            "proxy",
            "dataplane",
            "provider",
            "control",
            "admin",
            "worker",
            "load",
        ],
    ),
    ("lib", &["cli"]),
    ("main", &["cli"]),
];

/// Crates that stay within a few places, by the beginning of the file's path below src/.
const FENCED_CRATES: &[(&str, &[&str])] = &[
    ("tokio", &["engine/adaptor", "provider/", "control/shell/", "admin/", "cli/"]),
    ("axum", &["admin/", "cli/"]),
    ("bollard", &["provider/docker/"]),
    ("tokio_rustls", &["provider/docker/tls"]),
    ("futures_core", &["provider/docker/engine"]),
    ("hyper", &["control/shell/", "provider/docker/transport", "cli/"]),
    ("hyper_util", &["control/shell/", "provider/docker/transport", "cli/"]),
    ("rustix", &["engine/", "provider/", "control/shell/", "cli/"]),
    ("socket2", &["engine/", "provider/docker/transport", "cli/"]),
    ("io_uring", &["engine/", "cli/"]),
    ("plotters", &["load/chart/"]),
    ("ab_glyph", &["load/chart/"]),
    ("png", &["load/chart/"]),
    ("hdrhistogram", &["load/latency"]),
    ("csv", &["load/output/"]),
    ("indicatif", &["cli/load/"]),
    ("tokio_uring", &["engine/"]),
    ("rand", &["load/"]),
    ("rand_distr", &["load/"]),
    ("humantime", &["cli/load/"]),
];

/// Where `unsafe` may stand.
const UNSAFE_HOMES: &[&str] = &["engine/", "h1/scan"];
/// The most lines of a file, its tests included.
const FILE_LINES_MAX: usize = 600;
/// The names under which the package's own library can be reached.
const OWN_NAMES: &[&str] = &["crate", "ringway"];

/// All that is wrong with one file; `file` is its path below src/, with slashes.
fn faults(file: &str, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let origin = Origin::of(file);
    let layer = origin.layer();
    let mut faults = Vec::new();
    let mut fault = |line: usize, what: String| faults.push(format!("src/{file}:{line}: {what}"));
    for Reference { path, line } in references(&tokens, &origin) {
        let first = path[0].as_str();
        if OWN_NAMES.contains(&first) {
            if let Some(what) = arrow_fault(&layer, path.get(1).map(String::as_str)) {
                fault(line, what);
            }
        } else if let Some((_, homes)) = FENCED_CRATES.iter().find(|(name, _)| *name == first)
            && !is_within(file, homes)
        {
            fault(line, format!("{first} may be used in {homes:?} only"));
        }
        if path.starts_with(&["std", "sync"].map(String::from))
            && path.get(2).is_some_and(|name| name == "Mutex" || name == "*")
        {
            fault(line, "std::sync::Mutex may be used nowhere".to_owned());
        }
    }
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1).map_or("", |next| next.text.as_str());
        match (token.text.as_str(), next) {
            ("unsafe", _) if !is_within(file, UNSAFE_HOMES) => {
                fault(token.line, format!("unsafe may stand in {UNSAFE_HOMES:?} only"));
            }
            ("extern", "crate") | ("include", "!") => {
                fault(token.line, format!("{} hides what is imported", token.text));
            }
            _ => {}
        }
    }
    if text.lines().count() > FILE_LINES_MAX {
        fault(FILE_LINES_MAX, format!("the file has more than {FILE_LINES_MAX} lines"));
    }
    faults
}

fn is_within(file: &str, homes: &[&str]) -> bool {
    homes.iter().any(|home| file.starts_with(home))
}

/// What is wrong with `from` naming `to`, a top-level module of the package; `None` for `to`: the package itself.
fn arrow_fault(from: &str, to: Option<&str>) -> Option<String> {
    let Some((_, allowed)) = MAY_NAME.iter().find(|(layer, _)| *layer == from) else {
        return Some(format!("layer {from} has no row in the table"));
    };
    match to {
        Some(to) if to == from || allowed.contains(&to) => None,
        Some(to) if MAY_NAME.iter().any(|(layer, _)| *layer == to) => {
            Some(format!("{from} may not name {to}, only {allowed:?}"))
        }
        to => Some(format!("{from} names {}, which is no layer", to.unwrap_or("the whole package"))),
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_import_follows_the_arrows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 50, "only {} files found", files.len());
    let faults: Vec<String> = files
        .iter()
        .flat_map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
            faults(name, &fs::read_to_string(path).unwrap())
        })
        .collect();
    assert!(faults.is_empty(), "{} arrows against the house's order:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_arrow_points_down() {
    for (index, (layer, allowed)) in MAY_NAME.iter().enumerate() {
        for name in *allowed {
            let place = MAY_NAME.iter().position(|(other, _)| other == name);
            assert!(
                place.is_some_and(|place| place < index),
                "{layer} may name {name}, which is not below it"
            );
        }
    }
}

/// Snippets, the file that they stand in, and what has to be said of them.
const FAULTY: &[(&str, &str, &str)] = &[
    ("base/time.rs", "use crate::config::Config;", "base may not name config"),
    ("dataplane/core.rs", "use crate::control;", "dataplane may not name control"),
    ("dataplane/core.rs", "fn f() { crate::control::run() }", "dataplane may not name control"),
    ("dataplane/core.rs", "use crate::{base::time, control::Shared};", "dataplane may not name control"),
    ("dataplane/core.rs", "use crate::{base::{self, time}, {control::Shared}};", "may not name control"),
    ("control/run.rs", "use super::super::dataplane::Core;", "control may not name dataplane"),
    ("control/mod.rs", "use super::dataplane::Core;", "control may not name dataplane"),
    ("control/run.rs", "use super::{super::dataplane::Core, Shared};", "control may not name dataplane"),
    ("control/run.rs", "use self::super::super::dataplane::Core;", "control may not name dataplane"),
    ("control/run.rs", "mod tests { use super::super::super::dataplane::Core; }", "may not name dataplane"),
    ("control/run.rs", "fn f(core: &super::super::dataplane::Core) {}", "control may not name dataplane"),
    ("h1/error.rs", "pub(in crate::proxy) struct A;", "h1 may not name proxy"),
    ("h1/error.rs", "use crate as root;", "h1 names the whole package"),
    ("h1/error.rs", "use crate::*;", "h1 names *, which is no layer"),
    ("h1/error.rs", "use super::super::*;", "h1 names *, which is no layer"),
    ("h1/error.rs", "macro_rules! m { () => { $crate::engine::Engine } }", "h1 may not name engine"),
    ("h1/error.rs", "use\n  crate ::\n  engine :: Engine;", "h1 may not name engine"),
    ("main.rs", "use ringway::engine::Engine;", "main may not name engine"),
    ("h1/error.rs", "fn f() -> impl A + use<'_> { crate::engine::f() }", "h1 may not name engine"),
    ("dataplane/core.rs", "fn f() { return ::tokio::f() }", "tokio may be used in"),
    ("cache/mod.rs", "use crate::base::time;", "layer cache has no row"),
    ("dataplane/core.rs", "use tokio::sync::mpsc;", "tokio may be used in"),
    ("engine/epoll/mod.rs", "use tokio::sync::mpsc;", "tokio may be used in"),
    ("dataplane/core.rs", "fn f() { ::tokio::spawn(g()) }", "tokio may be used in"),
    ("dataplane/core.rs", "#[tokio::main] async fn f() {}", "tokio may be used in"),
    ("dataplane/core.rs", "use {std::fmt, tokio as t};", "tokio may be used in"),
    ("control/machine/mod.rs", "use tokio::sync::mpsc;", "tokio may be used in"),
    ("control/run.rs", "use axum::Router;", "axum may be used in"),
    ("dataplane/core.rs", "use rustix::io::Errno;", "rustix may be used in"),
    ("control/run.rs", "type S = socket2::Socket;", "socket2 may be used in"),
    ("dataplane/core.rs", "use io_uring::IoUring;", "io_uring may be used in"),
    ("base/time.rs", "fn f() { unsafe { g() } }", "unsafe may stand in"),
    ("h1/head.rs", "unsafe impl Send for A {}", "unsafe may stand in"),
    ("engine/buffer.rs", "use std::sync::{Arc, Mutex};", "Mutex may be used nowhere"),
    ("engine/buffer.rs", "use std::{fmt, sync::{self, Mutex as M}};", "Mutex may be used nowhere"),
    ("engine/buffer.rs", "static A: std::sync::Mutex<u8> = b();", "Mutex may be used nowhere"),
    ("base/time.rs", "extern crate self as other;", "extern hides"),
    ("base/time.rs", "include!(\"other.rs\");", "include hides"),
];

#[test]
fn what_breaks_the_rules_is_found() {
    for (file, text, expected) in FAULTY {
        let faults = faults(file, text);
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{file}: {text}\nfound: {faults:?}");
    }
}

#[test]
fn what_keeps_the_rules_is_left_alone() {
    let right: &[(&str, &str)] = &[
        ("base/time.rs", "//! See [`crate::config`].\n/* use crate::config; /* nested */ unsafe */"),
        (
            "base/time.rs",
            "const A: &str = \"use crate::config; unsafe\"; const B: &str = r#\"crate::cli \"# ;",
        ),
        ("base/time.rs", "const A: u8 = b'\\''; const B: char = '\"'; fn f<'a>(unsafely: &'a str) {}"),
        ("base/time.rs", "use crate::base::counter; use super::counter::Counter; pub(crate) struct A;"),
        ("dataplane/core.rs", "use crate::{base::{self, time}, engine::{io_uring, Engine}};"),
        ("dataplane/core.rs", "use crate::engine::io_uring::IoUring; use crate::engine::{io_uring::A as B};"),
        (
            "message/connection.rs",
            "mod tests { use super::super::FieldTable; mod a { use super::super::b; } }",
        ),
        ("message/connection.rs", "mod tests { } use super::FieldTable;"),
        ("message/mod.rs", "mod tests { use super::FieldTable; }"),
        ("message/fields/table.rs", "use super::super::Token;"),
        ("engine/adaptor.rs", "use tokio::io::AsyncRead; use rustix::io::Errno; unsafe fn f() {}"),
        ("h1/scan.rs", "unsafe fn f() {}"),
        ("h1/scan/sse2.rs", "unsafe fn f() {}"),
        (
            "cli/run.rs",
            "use crate::{admin, control}; use axum::serve; use tokio::runtime; use socket2::Socket;",
        ),
        ("main.rs", "use ringway::cli::execute; fn main() {}"),
        ("lib.rs", "pub mod admin; pub mod base;"),
        (
            "base/time.rs",
            "use std::sync::{Arc, atomic::AtomicU64}; use crossbeam::utils; fn f(a: A) { a.tokio() }",
        ),
    ];
    for (file, text) in right {
        assert_eq!(faults(file, text), Vec::<String>::new(), "{file}: {text}");
    }
}

#[test]
fn a_long_file_is_found_with_its_name() {
    let text = "\n".repeat(FILE_LINES_MAX);
    assert!(faults("base/time.rs", &text).is_empty());
    let faults = faults("base/time.rs", &format!("{text}\n"));
    assert_eq!(faults, ["src/base/time.rs:600: the file has more than 600 lines"]);
}

#[test]
fn a_fault_names_its_line() {
    let found = faults(
        "base/time.rs",
        "/* a\nb */\nconst A: &str = \"x\ny\";\nuse crate::{\n    base,\n    cli,\n};",
    );
    assert_eq!(found, ["src/base/time.rs:7: base may not name cli, only []"]);
}
