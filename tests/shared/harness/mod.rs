//! What the scenarios are made of: the program as a process, clients and replicas as sockets.

/// Makes a test of each scenario on each engine. A scenario that is not listed is dead code to the compiler.
#[allow(unused_macros, reason = "some suites run on one engine")]
macro_rules! suite {
    ([$($engine:ident)*] $scenarios:tt) => { $( suite!(@engine $engine $scenarios); )* };
    (@engine $engine:ident { $($module:ident: $($scenario:ident),* ;)* }) => {
        mod $engine {
            /// Why the program refuses this engine here, once that is known.
            static REFUSAL: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
            $( mod $module { $(
                #[test]
                fn $scenario() {
                    crate::harness::engines::run(stringify!($engine), &super::REFUSAL, crate::$module::$scenario);
                }
            )* } )*
        }
    };
}

pub(crate) mod backend;
pub(crate) mod client;
pub(crate) mod clock;
pub(crate) mod engines;
pub(crate) mod message;
pub(crate) mod proxy;

pub(crate) use backend::Backend;
pub(crate) use client::{Answer, Client, End};
pub(crate) use clock::{Stopwatch, pause, poll};
pub(crate) use engines::Engine;
pub(crate) use proxy::Proxy;

use std::fmt::Write;

/// One `[[service]]` with these replicas, by name, and these further keys, each on a line of its own.
pub(crate) fn service(keys: &str, replicas: &[(&str, &Backend)]) -> String {
    let mut addresses = String::new();
    for (name, backend) in replicas {
        // Writing to a string cannot fail.
        let _ = write!(addresses, "{{ name = \"{name}\", address = \"{}\" }}, ", backend.address);
    }
    format!("[[service]]\nreplicas = {{ addresses = [{addresses}] }}\n{keys}\n")
}
