//! Ringway dies by SIGKILL, and the next one finds what it began: the test's own program plays the first one.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ringway::control::durable::{DurableInstance, DurableService, DurableState};
use ringway::control::storage::{Storage, StorageError};
use ringway::provider::{Ending, Instance, ProviderEvent, Record};

use super::harness::*;

const DIRECTORY: &str = "RINGWAY_TEST_DIRECTORY";

/// Runs `role` of this file in a process of its own.
fn play(role: &str, directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("crash::{role}"), "--ignored", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}

/// As the control thread does it: the intent, then the start, then the record.
async fn start_durably(
    directory: &Path,
) -> Option<(Storage, Scene, ringway::provider::process::ProcessProvider)> {
    let directory = directory.to_owned();
    let (storage, _) = Storage::open(&directory).unwrap();
    let mut scene = Scene::on(&directory);
    let provider = scene.provider(shell("sleep 1000 & wait"));
    let instance = instance(&provider, 1);
    write(&storage, &instance, None);
    provider.start(instance.clone());
    let ProviderEvent::Started { record, .. } = scene.event().await else { return None };
    write(&storage, &instance, Some(record));
    Some((storage, scene, provider))
}

fn write(storage: &Storage, instance: &Instance, record: Option<Record>) {
    let Instance { id, service, name, intent } = instance.clone();
    let instances = vec![DurableInstance { id, name, intent, record }];
    let service = (service, DurableService { instances, ..DurableService::default() });
    storage.write(&DurableState { next_instance: 2, services: [service].into() }).unwrap();
}

/// The one instance that the state knows.
fn known(state: &DurableState) -> Option<(Instance, Option<Record>)> {
    let DurableInstance { id, name, intent, record } = state.services.get("web")?.instances.first()?.clone();
    Some((Instance { id, service: "web".into(), name, intent }, record))
}

#[tokio::test]
#[ignore = "a role that other tests start in a process of its own"]
async fn starter() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let _kept = start_durably(Path::new(&directory)).await.unwrap();
    std::future::pending().await
}

#[tokio::test]
async fn a_replica_outlives_its_ringway_and_is_adopted() {
    let directory = folder("outlives");
    let starter = play("starter", &directory);
    let state = eventually(async || {
        let text = fs::read_to_string(directory.join("state.json")).ok()?;
        text.contains("boot_id").then_some(text)
    })
    .await;
    let held = Storage::open(&directory).unwrap_err();
    assert!(
        matches!(&held, StorageError::Held { holder, .. } if **holder == *starter.id().to_string()),
        "{held}"
    );
    kill(starter);

    let (_storage, state_read) = Storage::open(&directory).unwrap_or_else(|error| panic!("{error}: {state}"));
    let (instance, record) = known(&state_read).unwrap();
    let mut scene = Scene::on(&directory);
    let provider = scene.provider(echo());
    let replica = scene.adopt(&provider, &instance, record.clone()).await;
    assert_eq!(Some(replica.record), record);
    until(|| holders(&instance.intent.nonce).len() == 2).await;
    provider.end(instance.id, Ending::Ask);
    let (reason, _) = scene.ended(&instance).await;
    assert!(reason.starts_with("ended (it was started by an earlier process"), "{reason}");
    until(|| holders(&instance.intent.nonce).is_empty()).await;
}

/// The moment of the kill is spread over the whole start. Whatever it hits: what is adopted is one process and the only
/// one, and what is not found never runs.
#[tokio::test]
async fn a_kill_at_any_moment_of_a_start_leaves_nothing_unknown() {
    let mut outcomes = [0_u32; 3];
    for round in 0..40_u64 {
        let directory = folder("moments");
        let starter = play("starter", &directory);
        until(|| directory.join("state.json").exists()).await;
        tokio::time::sleep(Duration::from_micros(round % 20 * 200)).await;
        kill(starter);
        let (_storage, state) = Storage::open(&directory).unwrap();
        let (instance, record) = known(&state).unwrap();
        let mut scene = Scene::on(&directory);
        let provider = scene.provider(echo());
        let had_record = record.is_some();
        provider.adopt(instance.clone(), record);
        match scene.event().await {
            ProviderEvent::Adopted { .. } => {
                outcomes[usize::from(had_record)] += 1;
                provider.end(instance.id, Ending::Kill);
                scene.ended(&instance).await;
            }
            ProviderEvent::Ended { .. } => outcomes[2] += 1,
            other => panic!("{other:?}"),
        }
        // A launcher that comes late needs some milliseconds to find itself revoked.
        tokio::time::sleep(Duration::from_millis(20)).await;
        until(|| holders(&instance.intent.nonce).is_empty()).await;
        assert!(scene.events.try_recv().is_err());
    }
    eprintln!("adopted without a record, with one, not found: {outcomes:?}");
}
