//! What is sent again, and what must not be.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use ringway::engine::Writer;

use super::scene::{answer, ask, backend, get, ok, play, web, with_body};
use crate::stage::backend_address;
use crate::wire::{Framing, sleep};

#[test]
fn a_body_that_was_taken_from_the_client_and_not_kept_is_not_sent_again() {
    // The connection is idle; then the kernel takes nothing of the next request and reports a reset.
    for (method, expected) in [("POST", 502), ("PUT", 200)] {
        play(web(1), move |stage| async move {
            let (network, engine) = (stage.network.clone(), stage.engine.clone());
            let bodies = Rc::new(RefCell::new(Vec::new()));
            let seen = bodies.clone();
            let first = Rc::new(Cell::new(true));
            backend(&stage.engine, backend_address(0), move |mut receiving, mut sending, peer| {
                let (network, engine) = (network.clone(), engine.clone());
                let (seen, first) = (seen.clone(), first.clone());
                async move {
                    while let Ok(head) = receiving.request().await {
                        let mut body = Vec::new();
                        let framing = head.announced().unwrap_or(Framing::None);
                        let whole = receiving.body(framing, &mut body).await.is_ok();
                        seen.borrow_mut().push((head.method, body.len(), whole));
                        let _ = sending.send(&ok("")).await;
                        if first.replace(false) {
                            sending.sleep(Duration::from_millis(10)).await;
                            network.pause(peer);
                            sending.sleep(Duration::from_millis(10)).await;
                            sending.writer.abort();
                            sleep(&engine, Duration::from_millis(1)).await;
                            return network.resume(peer);
                        }
                    }
                }
            });
            let (mut receiving, mut sending) = ask(&stage, &get("/")).await;
            assert_eq!(answer(&mut receiving).await.expect("an answer").0, 200);
            sending.sleep(Duration::from_millis(15)).await;
            sending.send(&with_body(method, &[b'x'; 1000])).await.expect("the proxy takes it");
            assert_eq!(answer(&mut receiving).await.expect("an answer").0, expected, "{method}");
            let mut all = vec![("GET".to_string(), 0, true)];
            if expected == 200 {
                all.push((method.to_string(), 1000, true));
            }
            assert_eq!(*bodies.borrow(), all, "{method}");
        });
    }
}
