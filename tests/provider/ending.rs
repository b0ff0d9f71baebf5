//! How a replica ends, and what is told of it.

use std::fs;

use ringway::base::supervision::{StopSignal, Supervision};
use ringway::config::ProcessConfig;
use ringway::provider::{Ending, LOG_LINES_MAX};
use rustix::process::{Pid, Signal, kill_process};

use super::harness::*;

#[tokio::test]
async fn exits_are_told_with_their_code_or_signal_and_the_last_lines() {
    let many = "i=0; while [ $i -lt 50 ]; do i=$((i+1)); echo line $i; done; exit 7";
    let cases = [
        ("exit 0", "exited with code 0", vec![]),
        ("echo broken >&2; exit 1", "exited with code 1", vec!["broken".to_owned()]),
        ("kill -SEGV $$", "killed by SIGSEGV", vec![]),
        ("kill -KILL $$", "killed by SIGKILL", vec![]),
        (many, "exited with code 7", (31..=50).map(|line| format!("line {line}")).collect()),
    ];
    let mut scene = Scene::new("exits");
    for (number, (script, reason, lines)) in (1..).zip(cases) {
        assert!(lines.len() <= LOG_LINES_MAX);
        let provider = scene.provider(shell(script));
        let replica = scene.start(&provider, number).await;
        let (told, tail) = scene.ended(&replica.instance).await;
        assert_eq!((told.trim_end_matches(" (core dumped)"), tail), (reason, lines), "{script}");
        assert_eq!(provider.pid(replica.instance.id), None);
        assert_eq!(stat(replica.pid), None, "reaped");
        assert!(fs::read_dir(scene.directory.join("claims")).unwrap().next().is_none(), "{script}");
    }
}

#[tokio::test]
async fn a_replica_that_goes_into_the_background_leaves_nothing_there() {
    let mut scene = Scene::new("background");
    let provider = scene.provider(shell("setsid sleep 1000 & exec sleep 0.2"));
    let replica = scene.start(&provider, 1).await;
    let (reason, _) = scene.ended(&replica.instance).await;
    let expected = "exited with code 0; 1 processes that it left behind were killed: a replica has to stay in the \
                    foreground";
    assert_eq!(reason, expected);
    until(|| holders(&replica.instance.intent.nonce).is_empty()).await;
}

#[tokio::test]
async fn a_command_that_cannot_be_run_is_told_in_one_line() {
    let mut scene = Scene::new("missing");
    for (number, program, code, line) in [
        (1, "./server", 127, "ringway: cannot run './server': No such file or directory (os error 2)"),
        (2, "/etc/passwd", 126, "ringway: cannot run '/etc/passwd': Permission denied (os error 13)"),
    ] {
        let provider = scene.provider(config(&[program]));
        let replica = scene.start(&provider, number).await;
        let (reason, tail) = scene.ended(&replica.instance).await;
        assert_eq!(reason, format!("exited with code {code}"));
        assert_eq!(tail, [line]);
    }
}

#[tokio::test]
async fn a_launcher_that_is_not_there_is_an_end_too() {
    let directory = folder("launcher");
    let mut scene = Scene::launched_by(&directory, "/nonexistent/ringway".into());
    let provider = scene.provider(echo());
    let instance = instance(&provider, 1);
    provider.start(instance.clone());
    let (reason, _) = scene.ended(&instance).await;
    assert!(reason.starts_with("cannot start /nonexistent/ringway: No such file"), "{reason}");
    assert_eq!(provider.pid(instance.id), None);
    provider.end(instance.id, Ending::Kill);
}

#[tokio::test]
async fn each_stop_signal_reaches_the_replica() {
    let signals = [
        (StopSignal::Int, "INT"),
        (StopSignal::Term, "TERM"),
        (StopSignal::Quit, "QUIT"),
        (StopSignal::Hup, "HUP"),
        (StopSignal::Usr1, "USR1"),
        (StopSignal::Usr2, "USR2"),
    ];
    let mut scene = Scene::new("signals");
    for (number, (stop_signal, name)) in (1..).zip(signals) {
        let supervision = Supervision { stop_signal, ..Supervision::default() };
        let script =
            format!("trap 'echo got {name}; exit 5' {name}; echo ready; while :; do sleep 0.01; done");
        let provider = scene.provider(ProcessConfig { supervision, ..shell(&script) });
        let replica = scene.start(&provider, number).await;
        until(|| scene.log(&format!("Server-{number}")).contains("ready")).await;
        provider.end(replica.instance.id, Ending::Ask);
        let (reason, tail) = scene.ended(&replica.instance).await;
        assert_eq!(reason, "exited with code 5", "{name}");
        assert_eq!(tail.last().unwrap(), &format!("got {name}"));
    }
}

#[tokio::test]
async fn what_ignores_the_stop_signal_is_killed() {
    let mut scene = Scene::new("deaf");
    let provider = scene.provider(shell("trap 'echo no' INT; echo ready; while :; do sleep 0.01; done"));
    let replica = scene.start(&provider, 1).await;
    until(|| scene.log("Server-1").contains("ready")).await;
    provider.end(replica.instance.id, Ending::Ask);
    until(|| scene.log("Server-1").contains("no")).await;
    assert!(scene.events.try_recv().is_err(), "it goes on");
    provider.end(replica.instance.id, Ending::Kill);
    assert_eq!(scene.ended(&replica.instance).await.0, "killed by SIGKILL");
    provider.end(replica.instance.id, Ending::Kill);
}

/// A shell's child, which the shell waits for; its id is the log's first line.
const WITH_CHILD: &str = "sleep 1000 & echo $!; wait";

async fn child_of(scene: &Scene, name: &str) -> u32 {
    until(|| scene.log(name).contains('\n')).await;
    scene.log(name).trim().parse().unwrap()
}

#[tokio::test]
async fn no_grandchild_survives_its_replica() {
    let mut scene = Scene::new("grandchild");
    let provider = scene.provider(shell(WITH_CHILD));
    let kill_first = |pid| kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::KILL).unwrap();
    for number in 1..=2 {
        let replica = scene.start(&provider, number).await;
        let child = child_of(&scene, &format!("Server-{number}")).await;
        assert!(stat(child).is_some());
        match number {
            1 => provider.end(replica.instance.id, Ending::Kill),
            _ => kill_first(replica.pid),
        }
        assert_eq!(scene.ended(&replica.instance).await.0, "killed by SIGKILL");
        until(|| stat(child).is_none()).await;
    }
}

#[tokio::test]
async fn a_signal_that_ringway_was_started_to_ignore_stops_a_replica() {
    let directory = folder("ignored");
    let launcher = script(&directory, &format!("trap '' INT HUP\nexec {RINGWAY} \"$@\""));
    let mut scene = Scene::launched_by(&directory, launcher);
    let provider = scene.provider(config(&["sleep", "1000"]));
    let replica = scene.start(&provider, 1).await;
    until(|| runs(replica.pid, "sleep")).await;
    let ignored = u64::from_str_radix(&status(replica.pid, "SigIgn"), 16).unwrap();
    assert_eq!(ignored & 0b11, 0, "SIGHUP and SIGINT: {ignored:x}");
    provider.end(replica.instance.id, Ending::Ask);
    assert_eq!(scene.ended(&replica.instance).await.0, "killed by SIGINT");
}
