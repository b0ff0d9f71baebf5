//! The simulated network itself, where a scenario relies on it.

use std::time::Duration;

use ringway::engine::simulated::{Faults, Simulated};
use ringway::engine::{Engine, accept};

use crate::stage::front;
use crate::wire::{self, Broken};

const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn the_end_of_a_cut_stream_arrives_although_its_writer_was_told_that_it_is_broken() {
    // The segments are late, so that the writer hears of the cut while what passed it is still under way.
    let faults = Faults { cut: 1.0, delay: 1.0, delay_max: Duration::from_millis(50), ..Faults::default() };
    for seed in 0..20 {
        let engine = Simulated::new(seed, faults.clone());
        let task = engine.clone();
        let heard = engine.run(async move {
            let mut listener = task.listen(front()).expect("the address is free");
            let client = task.connect(front()).await.expect("somebody listens");
            let server = accept(&mut listener).await.expect("no faults here").expect("not stopped");
            let (_, mut sending) = wire::halves(&task, server.connection, PATIENCE);
            let (mut receiving, _writer) = wire::halves(&task, client, PATIENCE);
            let (first, second) = (sending.send(b"cut").await, sending.send(b"lost").await);
            assert_eq!((first, second), (Ok(()), Ok(())), "a writer is told later");
            sending.sleep(Duration::from_millis(1)).await;
            drop(sending);
            loop {
                if let Err(broken) = receiving.fill().await {
                    return broken;
                }
            }
        });
        assert_eq!(heard, Broken::End, "seed {seed}");
    }
}

#[test]
fn a_stream_has_no_hole_when_its_reset_reaches_the_reader_first() {
    let faults = Faults { reset: 1.0, delay_max: Duration::from_millis(50), ..Faults::default() };
    for seed in 0..40 {
        let engine = Simulated::new(seed, faults.clone());
        let task = engine.clone();
        let heard = engine.run(async move {
            let mut listener = task.listen(front()).expect("the address is free");
            let client = task.connect(front()).await.expect("somebody listens");
            let server = accept(&mut listener).await.expect("no faults here").expect("not stopped");
            let (_reader, mut sending) = wire::halves(&task, server.connection, PATIENCE);
            let (mut receiving, _writer) = wire::halves(&task, client, PATIENCE);
            for byte in b'a'..=b'z' {
                let _ = sending.send(&[byte]).await;
                sending.sleep(Duration::from_millis(1)).await;
            }
            receiving.rest(Duration::from_millis(100)).await;
            while receiving.fill().await.is_ok() {}
            receiving.pending
        });
        assert!((b'a'..=b'z').collect::<Vec<u8>>().starts_with(&heard), "seed {seed}: {heard:?}");
    }
}
