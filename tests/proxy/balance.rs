//! Which core serves a connection.

use crate::harness::{Backend, Client, Engine, Proxy, poll, service};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A connection that was served, so that it counts.
fn served(proxy: &Proxy) -> Client {
    let mut client = proxy.client();
    client.send(REQUEST);
    assert_eq!(client.answer().status, 200);
    client
}

fn open(proxy: &Proxy) -> [u64; 2] {
    let metrics = proxy.metrics();
    [0, 1].map(|core| metrics.of(&format!("connections_open{{core=\"{core}\"}}")))
}

pub(crate) fn a_full_core_refuses_nobody_while_another_has_room(engine: Engine) {
    let replica = Backend::echo("a");
    let limits = "[client]\nconnections_max = 5\n";
    let proxy = Proxy::start(engine, 2, &(limits.to_owned() + &service("", &[("a", &replica)])));
    for _ in 0..8 {
        let clients: Vec<Client> = (0..5).map(|_| served(&proxy)).collect();
        let mut surplus = proxy.client();
        surplus.send(REQUEST);
        assert_eq!(surplus.answer().status, 503);
        drop((clients, surplus));
        poll("the connections to be gone", || (open(&proxy) == [0, 0]).then_some(()));
    }
}

/// By chance, four connections are two on each core in three of eight cases: seldom in all of these.
pub(crate) fn few_connections_are_spread_evenly_over_the_cores(engine: Engine) {
    const ROUNDS: u64 = 16;
    let replica = Backend::echo("a");
    let proxy = Proxy::start(engine, 2, &service("", &[("a", &replica)]));
    for _ in 0..ROUNDS {
        let mut clients: Vec<Client> = (0..4).map(|_| served(&proxy)).collect();
        assert_eq!(open(&proxy), [2, 2]);
        for client in &mut clients {
            client.send(REQUEST);
            assert_eq!(client.answer().status, 200);
        }
        drop(clients);
        poll("the connections to be gone", || (open(&proxy) == [0, 0]).then_some(()));
    }
    let metrics = proxy.metrics();
    assert_eq!(metrics.of("connections_accepted_total"), 4 * ROUNDS, "each counts where it is served");
    assert!(metrics.of("connections_handed_over_total") > 0);
    assert_eq!(metrics.of("accept_failures_total"), 0);
}
