//! How what runs is found again, and what is not it.

use std::fs;

use ringway::base::supervision::{StopSignal, Supervision};
use ringway::config::ProcessConfig;
use ringway::provider::{Ending, Instance, Record};

use super::harness::*;

/// A second provider on the directory of the first, as after a crash: only that the replica is still this process's child
/// differs, which [`super::crash`] makes up for.
fn again(scene: &Scene) -> Scene {
    Scene::on(&scene.directory)
}

async fn not_found(scene: &mut Scene, config: ProcessConfig, instance: &Instance, record: Option<Record>) {
    let provider = scene.provider(config);
    provider.adopt(instance.clone(), record);
    let (reason, _) = scene.ended(instance).await;
    assert_eq!(reason, "was not found running");
    assert_eq!(provider.pid(instance.id), None);
    provider.end(instance.id, Ending::Kill);
}

#[tokio::test]
async fn what_was_never_started_is_not_found_and_cannot_start_later() {
    let mut scene = Scene::new("never");
    let provider = scene.provider(shell("echo ran"));
    let instance = instance(&provider, 1);
    not_found(&mut scene, shell("echo ran"), &instance, None).await;
    // The launcher of the crashed Ringway comes only now.
    provider.start(instance.clone());
    assert!(matches!(scene.event().await, ringway::provider::ProviderEvent::Started { .. }));
    let (reason, tail) = scene.ended(&instance).await;
    assert_eq!(reason, "exited with code 126");
    assert!(tail.len() == 1 && tail[0].contains("given up"), "{tail:?}");
}

#[tokio::test]
async fn a_process_that_has_the_recorded_id_but_another_start_is_left_alone() {
    let mut scene = Scene::new("reused");
    let provider = scene.provider(config(&["sleep", "1000"]));
    let bystander = scene.start(&provider, 1).await;
    until(|| runs(bystander.pid, "sleep")).await;
    let gone = instance(&provider, 2);
    let Record::Process { pid, start_ticks, boot_id } = bystander.record.clone() else {
        panic!("no process")
    };
    let forged = [
        Record::Process { pid, start_ticks: start_ticks - 1, boot_id: boot_id.clone() },
        Record::Process { pid, start_ticks, boot_id: "another".into() },
        // Even the right start time: it says by its nonce that it is another instance.
        Record::Process { pid, start_ticks, boot_id: boot_id.clone() },
        Record::Process { pid: 0, start_ticks, boot_id: boot_id.clone() },
        Record::Process { pid: u32::MAX, start_ticks, boot_id },
    ];
    for record in forged {
        not_found(&mut scene, config(&["sleep", "1000"]), &gone, Some(record)).await;
        assert!(stat(bystander.pid).is_some());
    }
}

#[tokio::test]
async fn a_zombie_is_dead() {
    let mut scene = Scene::new("zombie");
    let mut child = std::process::Command::new("true").spawn().unwrap();
    until(|| stat(child.id()).is_none()).await;
    let text = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let start_ticks = text.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap();
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().into();
    let provider = scene.provider(echo());
    let instance = instance(&provider, 1);
    let record = Record::Process { pid: child.id(), start_ticks, boot_id };
    not_found(&mut scene, echo(), &instance, Some(record)).await;
    child.wait().unwrap();
}

#[tokio::test]
async fn a_lost_record_is_made_up_for_by_the_claim_and_a_lost_claim_by_the_environment() {
    for (name, forget_claim, forget_record) in
        [("claim", true, true), ("record", false, true), ("none", false, false)]
    {
        let mut first = Scene::new(&format!("lost-{name}"));
        let provider = first.provider(config(&["sleep", "1000"]));
        let replica = first.start(&provider, 1).await;
        let claim = first.directory.join(format!("claims/{}", replica.instance.intent.nonce));
        until(|| claim.is_symlink()).await;
        if forget_claim {
            fs::remove_file(claim).unwrap();
        }
        let mut second = again(&first);
        let provider = second.provider(config(&["sleep", "1000"]));
        let record = Some(replica.record.clone()).filter(|_| !forget_record);
        let adopted = second.adopt(&provider, &replica.instance, record).await;
        assert_eq!((adopted.record, adopted.pid), (replica.record, replica.pid), "{name}");
        assert_eq!(provider.pid(replica.instance.id), Some(replica.pid));
    }
}

/// As nginx and PostgreSQL do to show their state: here by a program that has no environment at all.
#[tokio::test]
async fn a_replica_whose_environment_says_nothing_is_known_by_its_claim() {
    let mut first = Scene::new("silent");
    let provider = first.provider(config(&["env", "-i", "sleep", "1000"]));
    let replica = first.start(&provider, 1).await;
    until(|| runs(replica.pid, "sleep")).await;
    assert_eq!(variable(replica.pid, "RINGWAY_NONCE"), None);
    let mut second = again(&first);
    let provider = second.provider(echo());
    let adopted = second.adopt(&provider, &replica.instance, None).await;
    assert_eq!(adopted.record, replica.record);
    provider.end(replica.instance.id, Ending::Kill);
    second.ended(&replica.instance).await;
}

#[tokio::test]
async fn of_several_processes_the_one_that_leads_the_session_is_meant() {
    let mut first = Scene::new("leader");
    let provider = first.provider(shell("sleep 1000 & sleep 1000 & wait"));
    let replica = first.start(&provider, 1).await;
    let nonce = &replica.instance.intent.nonce;
    until(|| holders(nonce).len() == 3).await;
    fs::remove_file(first.directory.join(format!("claims/{nonce}"))).unwrap();
    let mut second = again(&first);
    let provider = second.provider(echo());
    assert_eq!(second.adopt(&provider, &replica.instance, None).await.pid, replica.pid);
    provider.end(replica.instance.id, Ending::Kill);
    second.ended(&replica.instance).await;
    until(|| holders(nonce).is_empty()).await;
}

#[tokio::test]
async fn many_are_adopted_at_once_and_each_is_asked_to_end() {
    const MANY: u64 = 20;
    let supervision = Supervision { stop_signal: StopSignal::Term, ..Supervision::default() };
    let config = ProcessConfig { supervision, ..config(&["sleep", "1000"]) };
    let mut first = Scene::new("many");
    let provider = first.provider(config.clone());
    let mut replicas = Vec::new();
    for number in 0..MANY {
        replicas.push(first.start(&provider, number).await);
    }
    until(|| fs::read_dir(first.directory.join("claims")).unwrap().count() == replicas.len()).await;
    let mut second = again(&first);
    let provider = second.provider(config);
    for (number, replica) in replicas.iter().enumerate() {
        // What is asked for while the search goes on is done after it.
        provider.adopt(replica.instance.clone(), Some(replica.record.clone()).filter(|_| number % 2 == 0));
        provider.end(replica.instance.id, Ending::Ask);
    }
    let (mut adopted, mut ended) = (0, 0);
    while ended < MANY {
        match second.event().await {
            ringway::provider::ProviderEvent::Adopted { .. } => adopted += 1,
            ringway::provider::ProviderEvent::Ended { .. } => ended += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(adopted, MANY);
    assert!(second.events.try_recv().is_err(), "each ended once");
}

/// A launcher that waits at the gate, with its nonce to be seen or without.
fn slow_launcher(directory: &std::path::Path, shows_nonce: bool) -> std::path::PathBuf {
    let gate = directory.join("gate");
    let wait = format!("while ! test -e {}; do sleep 0.01; done", gate.display());
    let text = if shows_nonce {
        format!("{wait}; exec {RINGWAY} \"$@\"")
    } else {
        format!(
            "exec env -u RINGWAY_NONCE /bin/sh -c 'echo waiting; {wait}; RINGWAY_NONCE=$0 exec {RINGWAY} \"$@\"' $RINGWAY_NONCE \"$@\""
        )
    };
    script(directory, &text)
}

#[tokio::test]
async fn a_launcher_that_nothing_could_recognize_does_not_run_its_command_later() {
    let directory = folder("unrecognized");
    let mut first = Scene::launched_by(&directory, slow_launcher(&directory, false));
    let provider = first.provider(shell("echo ran; exec sleep 1000"));
    let replica = first.start(&provider, 1).await;
    let nonce = &replica.instance.intent.nonce;
    until(|| first.log("Server-1") == "waiting\n").await;
    assert!(stat(replica.pid).is_some() && holders(nonce).is_empty());
    let mut second = again(&first);
    not_found(&mut second, echo(), &replica.instance, None).await;

    fs::write(directory.join("gate"), "").unwrap();
    let (reason, tail) = first.ended(&replica.instance).await;
    assert_eq!(reason, "exited with code 126");
    assert!(tail.len() == 2 && tail[1].contains("given up"), "{tail:?}");
    assert!(holders(nonce).is_empty());
}

#[tokio::test]
async fn a_launcher_that_is_seen_before_its_claim_is_watched_until_it_gives_up() {
    let directory = folder("unclaimed");
    let mut first = Scene::launched_by(&directory, slow_launcher(&directory, true));
    let provider = first.provider(shell("echo ran; exec sleep 1000"));
    let replica = first.start(&provider, 1).await;
    until(|| holders(&replica.instance.intent.nonce).contains(&replica.pid)).await;
    let mut second = again(&first);
    let provider = second.provider(echo());
    assert_eq!(second.adopt(&provider, &replica.instance, None).await.pid, replica.pid);
    fs::write(directory.join("gate"), "").unwrap();
    second.ended(&replica.instance).await;
    assert!(!second.log("Server-1").contains("ran"), "{}", second.log("Server-1"));
}

#[tokio::test]
async fn claims_that_cannot_be_read_leave_the_question_open() {
    let mut scene = Scene::new("open-question");
    let provider = scene.provider(shell("exit 0"));
    let instance = instance(&provider, 1);
    let claim = scene.directory.join(format!("claims/{}", instance.intent.nonce));
    fs::write(&claim, "no link").unwrap();
    provider.adopt(instance.clone(), None);
    let early = tokio::time::timeout(std::time::Duration::from_millis(200), scene.events.recv()).await;
    assert!(early.is_err(), "nothing may be concluded: {early:?}");
    fs::remove_file(claim).unwrap();
    assert_eq!(scene.ended(&instance).await.0, "was not found running");
}
