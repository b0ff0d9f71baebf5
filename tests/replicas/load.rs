//! Changes of the replicas while clients are served.

use rustix::process::Signal;

use crate::crowd::under_load;
use crate::harness::clock::poll;
use crate::stage::{Stage, names_of, signal};

const CLIENTS: usize = 16;

#[test]
fn adding_and_removing_replicas_fails_no_request() {
    let stage = Stage::new("count = 3", "");
    let ringway = stage.start();
    ringway.await_active(&["Server-1", "Server-2", "Server-3"]);
    let seen = under_load(ringway.http, CLIENTS, || {
        for round in 0..5 {
            let names = format!(r#"{{"n": 2, "hostnames": ["a{round}", "b{round}"]}}"#);
            assert_eq!(names_of(&ringway.ask("POST /add?wait=active", &names)).len(), 5);
            assert_eq!(names_of(&ringway.ask("DELETE /rm?wait=active", r#"{"n": 2}"#)).len(), 3);
        }
    });
    println!("{seen:?}");
    assert!(seen.sent > 500, "{seen:?}");
    assert_eq!(seen.failed(), 0, "{seen:?}");
    assert_eq!(stage.living().len(), 3);
}

#[test]
fn killed_replicas_cost_no_client_a_request() {
    let three = ["Server-1", "Server-2", "Server-3"];
    let stage = Stage::new("count = 3", "");
    let ringway = stage.start();
    ringway.await_active(&three);
    let seen = under_load(ringway.http, CLIENTS, || {
        for name in three {
            let victim = stage.pid_of(name);
            signal(victim, Signal::KILL);
            // Not before the next one serves: two that are down at once may well cost a request.
            poll("another process to be active", || {
                let replica = ringway.replica(0, name)?;
                (replica["state"] == "active" && replica["pid"] != victim).then_some(())
            });
            // A request that met two deaths may have used its attempts up; those of this one are over by then.
            let requests = || ringway.metric("requests_total");
            let before = requests();
            poll("the load to go on", || (requests() > before + 10 * CLIENTS as u64).then_some(()));
        }
    });
    let cut = ringway.metric("aborted_after_head_total");
    println!("{seen:?}, {cut} cut after their head");
    assert!(seen.sent > 100, "{seen:?}");
    assert_eq!(seen.failed(), cut, "{seen:?}");
}
