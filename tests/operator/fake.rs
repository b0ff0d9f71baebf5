//! A Ringway without cores and without a control thread: the test publishes what is there, and answers the calls.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use ringway::admin;
use ringway::base::algorithm::Algorithm;
use ringway::base::route_match::RouteMatch;
use ringway::config::{AdminToken, Config, Surroundings};
use ringway::control::call::{Call, CallAnswer};
use ringway::control::view::{Failure, ReplicaState, ReplicaView, ServiceView, View};
use ringway::control::{Calls, CoreLink, PendingCall, RunInfo, Shared, calls};
use ringway::placement::{Published, ReplicaSpec, RouteRule, ServiceSpec, Snapshot};
use ringway::provider::RunsAs;
use tokio::sync::mpsc;

/// What the admin interface stands on.
pub(crate) struct Fake {
    pub(crate) shared: Arc<Shared>,
    pub(crate) calls: Calls,
    pub(crate) pending: mpsc::Receiver<PendingCall>,
}

/// Where the fake says that it listens for clients.
pub(crate) const INGRESS: &str = "127.0.0.1:5999";

impl Fake {
    /// Services with their provider and the names of their replicas; all are active.
    pub(crate) fn with(services: &[(&str, &'static str, &[&str])]) -> Fake {
        let specs = services.iter().map(|(name, _, replicas)| spec(name, replicas)).collect();
        let snapshot = Snapshot::build(specs, Some(&Snapshot::empty(2))).unwrap();
        let published = Published::new(snapshot);
        let info = RunInfo {
            engine: "epoll",
            descriptors_max: 1024,
            connections_max: 448,
            listen: Box::new([INGRESS.parse().unwrap()]),
        };
        let cores = (0..2).map(|_| CoreLink::default()).collect();
        let shared = Arc::new(Shared::new(info, cores, published.reader()));
        let services = services.iter().map(|(name, provider, replicas)| view(name, provider, replicas));
        shared.publish_view(View { services: services.collect(), storage_fault: None });
        let (calls, pending) = calls();
        Fake { shared, calls, pending }
    }

    /// The admin interface, and a control thread that answers each call with `answer`.
    pub(crate) fn answering(
        self,
        token: Option<AdminToken>,
        answer: impl Fn(Call) -> CallAnswer + Send + 'static,
    ) -> Router {
        let Fake { shared, calls, mut pending } = self;
        tokio::spawn(async move {
            while let Some(PendingCall { call, reply }) = pending.recv().await {
                // The caller may have left.
                let _ = reply.send(answer(call));
            }
        });
        admin::router(shared, calls, token)
    }

    /// Changes a replica in the published view.
    pub(crate) fn change(&self, name: &str, change: impl FnOnce(&mut ReplicaView)) {
        let mut view = View::clone(&self.shared.view());
        let mut replicas = view.services.iter_mut().flat_map(|service| &mut service.replicas);
        change(replicas.find(|replica| &*replica.name == name).expect("a replica of this name"));
        self.shared.publish_view(view);
    }
}

fn spec(name: &str, replicas: &[&str]) -> ServiceSpec {
    let path = format!("/{name}").parse().unwrap();
    let replica = |(name, ordinal): (&&str, u32)| ReplicaSpec {
        name: (*name).into(),
        ordinal,
        incarnation: 1,
        address: Some(address(ordinal)),
        weight: 1,
    };
    ServiceSpec {
        route: RouteRule::Match(RouteMatch { path, ..RouteMatch::default() }),
        replicas: replicas.iter().zip(1..).map(replica).collect(),
        ..ServiceSpec::named(name)
    }
}

fn address(ordinal: u32) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 20_000 + u16::try_from(ordinal).unwrap()))
}

fn view(name: &str, provider: &'static str, replicas: &[&str]) -> ServiceView {
    let replica = |(name, ordinal): (&&str, u32)| ReplicaView {
        name: (*name).into(),
        ordinal,
        incarnation: 1,
        state: ReplicaState::Active,
        member: true,
        address: Some(address(ordinal)),
        runs_as: Some(RunsAs::Process(1000 + ordinal)),
        restarts: 0,
        missed_heartbeats: 0,
        next_start_ms: None,
        last_failure: None,
    };
    ServiceView {
        name: name.into(),
        provider,
        algorithm: Algorithm::Rendezvous,
        replicas: replicas.iter().zip(1..).map(replica).collect(),
    }
}

/// How an instance ended, for a view.
pub(crate) fn failure(reason: &str, log: &[&str]) -> Option<Failure> {
    Some(Failure { reason: reason.to_owned(), log_tail: log.iter().map(ToString::to_string).collect() })
}

/// The token `s3cret`, read as the program reads it.
pub(crate) fn token() -> Option<AdminToken> {
    struct OneFile;
    impl Surroundings for OneFile {
        fn resolve(&self, _: &str) -> io::Result<Vec<SocketAddr>> {
            Err(io::Error::other("no names here"))
        }

        fn read(&self, _: &Path, _: usize) -> io::Result<Vec<u8>> {
            Ok(b"s3cret\n".to_vec())
        }
    }
    let config = Config::parse_within("fake.toml", "[admin]\ntoken_file = \"token\"\n", &OneFile);
    config.unwrap().admin.token
}
