//! `ringway load analysis`: what it writes, and what it leaves behind when it cannot.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::poll;
use crate::harness::proxy::{Ended, Folder, PROGRAM, Process};

/// More than can be answered while a test runs.
const ENDLESS: &str = "--requests 100000000";

/// An analysis of the balance of ten placements, with a folder of its own for what it keeps while it runs.
struct Analysis {
    process: Process,
    folder: Folder,
}

impl Analysis {
    fn start(arguments: &str) -> Analysis {
        let folder = Folder::new();
        fs::create_dir(folder.path("temporary")).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["load", "analysis", "--engine", "epoll", "--only", "balance", "--out"]);
        command.arg(folder.path("out/report")).args(arguments.split_ascii_whitespace());
        let process = Process::spawn(command.env("TMPDIR", folder.path("temporary")));
        Analysis { process, folder }
    }

    /// Waits until the Ringway that is measured runs, and so many servers of it.
    fn await_processes(&self, servers: usize) {
        poll("Ringway and its servers to run", || (self.processes().len() > servers).then_some(()));
    }

    /// Its Ringway and the servers of that: whose arguments or output are in its folder.
    fn processes(&self) -> Vec<i32> {
        processes(&self.folder.path("temporary"))
    }

    /// Waits until it has ended; nothing that it started may run then, or lie about.
    fn end(self) -> (Ended, Folder) {
        let ended = self.process.wait();
        let temporary = self.folder.path("temporary");
        assert_eq!(processes(&temporary), [0; 0]);
        assert_eq!(names(&temporary), [""; 0]);
        (ended, self.folder)
    }

    /// The same for one that fails: it writes no report.
    fn fail(self) -> String {
        let (ended, folder) = self.end();
        assert_eq!(ended.status.code(), Some(1), "{}", ended.log);
        assert_eq!(names(&folder.path("out/report")), [""; 0]);
        ended.log
    }
}

fn processes(folder: &Path) -> Vec<i32> {
    let runs_within = |pid: &i32| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let output = fs::read_link(format!("/proc/{pid}/fd/1")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains(folder.to_str().unwrap()) || output.starts_with(folder)
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(runs_within).collect()
}

/// What lies in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_report_has_all_that_it_names_and_counts_that_add_up_and_are_the_same_again() {
    let runs = [(); 2].map(|()| Analysis::start("--requests 200 --seed 7"));
    let [first, second] = runs.map(|run| {
        let (ended, folder) = run.end();
        assert!(ended.status.success(), "{}", ended.log);
        let out = folder.path("out/report");
        assert_eq!(
            names(&out),
            [
                "balance-others.png",
                "balance-others.svg",
                "balance-slots.png",
                "balance-slots.svg",
                "data.json",
                "report.md"
            ]
        );
        let report = fs::read_to_string(out.join("report.md")).unwrap();
        let data = fs::read_to_string(out.join("data.json")).unwrap();
        for name in ["balance-slots.svg", "balance-others.svg"] {
            assert!(report.contains(&format!("]({name})")), "{report}");
        }
        // Whoever reads it elsewhere has neither this folder nor this machine's others.
        for text in [&report, &data] {
            assert!(!text.contains(folder.path("").to_str().unwrap()) && !text.contains("/tmp"), "{text}");
        }
        serde_json::from_str::<Value>(&data).unwrap()["counted"].as_array().unwrap().clone()
    });
    assert_eq!((first.len(), second.len()), (10, 10));
    for (one, again) in first.iter().zip(&second) {
        let answers: Vec<u64> = one["answers"].as_array().unwrap().iter().map(requests).collect();
        assert_eq!((answers.len(), answers.iter().sum::<u64>()), (3, 200), "{one}");
        assert_eq!((&one["variant"], &one["answers"]), (&again["variant"], &again["answers"]));
        assert_eq!((one["unserved"].as_u64(), one["retries"].as_u64()), (Some(0), Some(0)), "{one}");
    }
}

fn requests(server: &Value) -> u64 {
    server["requests"].as_u64().unwrap()
}

#[test]
fn an_interrupt_leaves_nothing_at_any_moment() {
    let interrupted = |analysis: Analysis| {
        analysis.process.signal(Signal::INT);
        let said = analysis.fail();
        assert!(said.contains("no report was written"), "{said}");
    };
    // While Ringway starts, while its servers do, and while requests are under way.
    for servers in 0..=3 {
        let analysis = Analysis::start(ENDLESS);
        analysis.await_processes(servers);
        interrupted(analysis);
    }
    // About when one Ringway ends and the next begins.
    let analysis = Analysis::start("--requests 200");
    analysis.process.line("(1/10)").unwrap();
    interrupted(analysis);
}

#[test]
fn a_ringway_that_is_killed_is_reported_with_the_end_of_its_log() {
    let analysis = Analysis::start(ENDLESS);
    analysis.await_processes(3);
    for pid in analysis.processes() {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if arguments.windows(5).any(|word| word == b"\0run\0") {
            kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        }
    }
    let said = analysis.fail();
    assert!(said.contains("given, linear, N = 3: Ringway ended"), "{said}");
    assert!(said.contains("the last lines of its log:") && said.contains("listening for clients"), "{said}");
}

#[test]
fn nothing_outlives_an_analysis_that_is_killed() {
    for servers in [0, 3] {
        let analysis = Analysis::start(ENDLESS);
        analysis.await_processes(servers);
        analysis.process.signal(Signal::KILL);
        let Analysis { process, folder } = analysis;
        process.wait();
        let temporary = folder.path("temporary");
        poll("what it started to end", || processes(&temporary).is_empty().then_some(()));
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_before_anything_is_started() {
    let folder = Folder::new();
    let file = folder.write("file", "");
    let out = file.join("below");
    let ended = Process::spawn(Command::new(PROGRAM).args(["load", "analysis", "--out"]).arg(&out)).wait();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.log.contains(&format!("cannot write into {} (--out)", out.display())), "{}", ended.log);
    assert_eq!(ended.log.lines().count(), 1, "{}", ended.log);
}
