//! How a replica runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use ringway::provider::{IntendedPlace, ProviderEvent};

use super::harness::*;

#[tokio::test]
async fn a_replica_serves_under_its_name_on_its_port() {
    let mut scene = Scene::new("serves");
    let provider = scene.provider(echo());
    let replica = scene.start(&provider, 1).await;
    assert_eq!(provider.pid(replica.instance.id), Some(replica.pid));
    assert!(greeting(port(&replica.instance)).await.contains("Hello from Server: Server-1"));
    let nonce = &replica.instance.intent.nonce;
    assert!(nonce.len() == 32 && nonce.bytes().all(|byte| byte.is_ascii_hexdigit()), "{nonce}");
    assert_eq!(holders(nonce), [replica.pid]);
}

#[tokio::test]
async fn a_replica_leads_a_session_and_has_nothing_of_ringways() {
    let mut scene = Scene::new("session");
    let provider = scene.provider(echo());
    let replica = scene.start(&provider, 1).await;
    greeting(port(&replica.instance)).await;
    let (_, group, session) = stat(replica.pid).unwrap();
    assert_eq!((group, session), (replica.pid, replica.pid));
    let command = fs::read(format!("/proc/{}/cmdline", replica.pid)).unwrap();
    assert!(!String::from_utf8_lossy(&command).contains("launch"), "the launcher became the replica");
    assert_eq!(status(replica.pid, "SigBlk"), "0000000000000000");
}

/// Whatever the test itself was started with, and a pipe without the mark besides.
#[tokio::test]
async fn a_replica_has_three_descriptors() {
    let mut scene = Scene::new("descriptors");
    let (read, _write) = rustix::pipe::pipe().unwrap();
    assert!(!rustix::io::fcntl_getfd(&read).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
    let provider = scene.provider(config(&["sleep", "1000"]));
    let replica = scene.start(&provider, 1).await;
    until(|| runs(replica.pid, "sleep")).await;
    let link = |descriptor: &str| fs::read_link(format!("/proc/{}/fd/{descriptor}", replica.pid)).unwrap();
    let listing = fs::read_dir(format!("/proc/{}/fd", replica.pid)).unwrap();
    let mut descriptors: Vec<String> =
        listing.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    descriptors.sort();
    assert_eq!(descriptors, ["0", "1", "2"]);
    assert_eq!(link("0").to_str(), Some("/dev/null"));
    assert!(link("1").ends_with("logs/web/Server-1.log") && link("2") == link("1"), "{:?}", link("1"));
    let flags = fs::read_to_string(format!("/proc/{}/fdinfo/1", replica.pid)).unwrap();
    let octal = flags.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
    assert_ne!(u32::from_str_radix(octal, 8).unwrap() & 0o2000, 0, "O_APPEND: {octal}");
}

#[tokio::test]
async fn what_tells_an_instance_is_in_its_environment_and_cannot_be_overridden() {
    let mut scene = Scene::new("environment");
    let environment = [
        ("GREETING".into(), "{name} on {port}".parse().unwrap()),
        ("RINGWAY_NONCE".into(), "mine".parse().unwrap()),
    ];
    let provider = scene.provider(ringway::config::ProcessConfig {
        environment: environment.into(),
        ..config(&["sleep", "1000"])
    });
    let replica = scene.start(&provider, 7).await;
    until(|| runs(replica.pid, "sleep")).await;
    let port = port(&replica.instance).to_string();
    for (name, value) in [
        ("GREETING", format!("Server-7 on {port}")),
        ("RINGWAY_NONCE", replica.instance.intent.nonce.to_string()),
        ("RINGWAY_SERVICE", "web".to_owned()),
        ("RINGWAY_REPLICA", "Server-7".to_owned()),
        ("RINGWAY_PORT", port.clone()),
        ("PATH", std::env::var("PATH").unwrap()),
    ] {
        assert_eq!(variable(replica.pid, name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn output_is_appended_to_a_file_for_each_replica() {
    let mut scene = Scene::new("log");
    let provider = scene.provider(shell("echo out of {port}; echo err >&2"));
    let mut expected = String::new();
    for number in 1..=2 {
        let mut instance = instance(&provider, number);
        instance.name = "same".parse().unwrap();
        provider.start(instance.clone());
        assert!(matches!(scene.event().await, ProviderEvent::Started { .. }));
        let (reason, tail) = scene.ended(&instance).await;
        assert_eq!(reason, "exited with code 0");
        let line = format!("out of {}", port(&instance));
        assert_eq!(tail, [line.clone(), "err".to_owned()], "only what this instance wrote");
        expected.push_str(&format!("{line}\nerr\n"));
    }
    assert_eq!(scene.log("same"), expected);
    let mode = fs::metadata(scene.directory.join("logs/web/same.log")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777 & !0o640, 0, "{mode:o}");
}

#[tokio::test]
async fn the_command_runs_in_its_directory() {
    let mut scene = Scene::new("directory");
    let inside = scene.directory.join("inside");
    fs::create_dir(&inside).unwrap();
    fs::write(inside.join("server"), "#!/bin/sh\npwd\n").unwrap();
    fs::set_permissions(inside.join("server"), fs::Permissions::from_mode(0o755)).unwrap();
    let config = |directory: &str| ringway::config::ProcessConfig {
        directory: Some(scene.directory.join(directory)),
        ..config(&["./server"])
    };
    let (there, missing) = (scene.provider(config("inside")), scene.provider(config("missing")));
    let replica = scene.start(&there, 1).await;
    assert_eq!(scene.ended(&replica.instance).await.1, [inside.to_str().unwrap()]);
    let replica = scene.start(&missing, 2).await;
    let (reason, tail) = scene.ended(&replica.instance).await;
    assert_eq!(reason, "exited with code 126");
    assert!(tail[0].starts_with("ringway: cannot change to the directory '"), "{tail:?}");
}

/// Only root can become somebody else; anybody else is told so.
#[tokio::test]
async fn a_replica_runs_as_its_user() {
    let mut scene = Scene::new("user");
    let of_user = |user: &str| ringway::config::ProcessConfig {
        user: Some(user.into()),
        ..shell("id -u; id -g; id -G; exec sleep 1000")
    };
    let nobody = scene.provider(of_user("nobody"));
    let replica = scene.start(&nobody, 1).await;
    if rustix::process::geteuid().is_root() {
        until(|| scene.log("Server-1").lines().count() == 3).await;
        let numbers = scene.log("Server-1");
        assert!(!numbers.lines().any(|line| line.split(' ').any(|number| number == "0")), "{numbers}");
        let ids = status(replica.pid, "Uid");
        assert!(ids.split('\t').all(|id| Some(id) == numbers.lines().next()), "{ids}");
        assert_eq!(status(replica.pid, "CapEff"), "0000000000000000");
    } else {
        let (reason, tail) = scene.ended(&replica.instance).await;
        assert_eq!(reason, "exited with code 126");
        assert!(tail[0].contains("needs root"), "{tail:?}");
    }
    let unknown = scene.provider(of_user("no-such-user"));
    let replica = scene.start(&unknown, 2).await;
    let (_, tail) = scene.ended(&replica.instance).await;
    assert!(tail[0].contains("there is no user 'no-such-user' in /etc/passwd"), "{tail:?}");
}

#[tokio::test]
async fn ports_differ_among_services_and_come_back_with_the_end() {
    let mut scene = Scene::new("ports");
    let first = scene.provider(config(&["sleep", "1000"]));
    let port = first.prepare().unwrap().port().unwrap();
    let only = |range| ringway::config::ProcessConfig { ports: Some(range), ..shell("exit 3") };
    let second = scene.provider(only(port..=port));
    let error = second.prepare().unwrap_err();
    assert!(error.contains("1 are held by replicas") && error.contains("replicas.ports"), "{error}");

    let intent = ringway::provider::Intent { nonce: "0".into(), place: IntendedPlace::Process { port } };
    first.discard(&intent);
    let replica = scene.start(&second, 1).await;
    assert_eq!(replica.instance.intent.port(), Some(port));
    assert_eq!(scene.ended(&replica.instance).await.0, "exited with code 3");
    assert_eq!(second.prepare().unwrap().port(), Some(port));
}

#[tokio::test]
async fn a_port_that_somebody_else_was_given_is_not_used_twice() {
    let mut scene = Scene::new("taken");
    let provider = scene.provider(config(&["sleep", "1000"]));
    let mut late = instance(&provider, 2);
    let replica = scene.start(&provider, 1).await;
    late.intent.place = replica.instance.intent.place.clone();
    provider.start(late.clone());
    let (reason, _) = scene.ended(&late).await;
    assert!(reason.contains("was given to another replica"), "{reason}");
}
