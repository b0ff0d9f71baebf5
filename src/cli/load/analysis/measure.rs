//! One measurement: a proxy is started, loaded, and stopped.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::thread;
use std::time::Duration;

use crossbeam::channel::{bounded, select};

use super::admin::{aborted_after_head, replicas, retries};
use super::incident::{self, Killed};
use super::proxy::Proxy;
use super::requests;
use crate::admin::status::Status;
use crate::base::time::Moment;
use crate::cli::Failure;
use crate::cli::cores::EngineKind;
use crate::cli::load::interrupt::Interrupt;
use crate::cli::load::run;
use crate::engine::clock::Clock;
use crate::load::analysis::Settings;
use crate::load::analysis::counts::{Counted, Server};
use crate::load::analysis::recovery::{Incident, Recovered};
use crate::load::analysis::steps::{Case, KILL_AFTER, STEADY_FOR, STEADY_PER_SECOND, Step};
use crate::load::analysis::variant::Variant;
use crate::load::plan::{Arrivals, End, Pace, Plan};
use crate::load::progress::{Phase, Progress};
use crate::load::record::Record;

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Between two looks at whether the proxy runs still.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The field of an answer that names the server.
const SERVER_FIELD: &str = "x-replica";

/// What measurements have in common.
pub(super) struct Bench<'a> {
    pub(super) settings: Settings,
    pub(super) engine: EngineKind,
    pub(super) interrupt: &'a Interrupt,
}

impl Bench<'_> {
    /// Who answers so many requests.
    pub(super) fn count(&self, case: Case) -> Result<Counted, Failure> {
        let step = Step::Count(case);
        let proxy = Proxy::start(step, self.engine, self.interrupt)?;
        self.count_with(&proxy, case).map_err(|failure| proxy.explained(&failure))
    }

    fn count_with(&self, proxy: &Proxy, case: Case) -> Result<Counted, Failure> {
        let servers = servers(&proxy.admin.status()?);
        let end = End::Requests(self.settings.requests);
        let plan = self.plan(proxy.http, Step::Count(case), Pace::Closed, end)?;
        let record = self.load(proxy, &plan, &mut |_| {})?;
        Ok(Counted::of(case, &servers, &record, retries(&proxy.admin.status()?)))
    }

    /// What clients see while a server is killed and replaced.
    pub(super) fn kill(&self, variant: &'static Variant) -> Result<Recovered, Failure> {
        let step = Step::Kill(variant);
        let proxy = Proxy::start(step, self.engine, self.interrupt)?;
        self.kill_with(&proxy, variant).map_err(|failure| proxy.explained(&failure))
    }

    fn kill_with(&self, proxy: &Proxy, variant: &'static Variant) -> Result<Recovered, Failure> {
        let names: Vec<String> =
            servers(&proxy.admin.status()?).into_iter().map(|server| server.name).collect();
        let pace = Pace::Open { per_second: STEADY_PER_SECOND, arrivals: Arrivals::Even };
        let plan = self.plan(proxy.http, Step::Kill(variant), pace, End::After(STEADY_FOR))?;
        let (record, began, killed) = self.load_and_kill(proxy, &plan)?;
        let status = proxy.admin.status()?;
        let incident = Incident {
            killed: killed.server,
            at: killed.at.since(began),
            active_again: killed.active_again.map(|again| again.since(began)),
            retries: retries(&status),
            aborted_after_head: aborted_after_head(&status),
        };
        Ok(Recovered::of(variant, &names, &record, &incident))
    }

    /// Also when the measurement began: the earliest moment that the load tester's reports point to, since each of them
    /// comes a little later than what it tells.
    fn load_and_kill(&self, proxy: &Proxy, plan: &Plan) -> Result<(Record, Moment, Killed), Failure> {
        let (admin, clock) = (proxy.admin_address, Clock::start());
        let (tell_began, tells_began) = bounded(1);
        thread::scope(|scope| {
            let killer = scope.spawn(move || {
                incident::kill_busiest(admin, clock, &tells_began, KILL_AFTER)
                    .map_err(|failure| failure.to_string())
            });
            let mut began: Option<Moment> = None;
            let record = self.load(proxy, plan, &mut |progress: &Progress| {
                if progress.phase != Phase::Measuring {
                    return;
                }
                let since_origin = clock.now().since(Moment::ORIGIN);
                let at = Moment::ORIGIN + since_origin.saturating_sub(progress.elapsed);
                if began.is_none() {
                    // It takes one message and is waited for; where it has failed, that is said below.
                    let _ = tell_began.try_send(at);
                }
                began = Some(began.map_or(at, |before| before.min(at)));
            });
            drop(tell_began);
            let killed = killer.join().map_err(|_| "the thread that kills a server panicked")?;
            let record = record?;
            let began = began.ok_or("the load tester did not say when it began")?;
            Ok((record, began, killed?))
        })
    }

    /// Ends early at a signal, and if the proxy ends: nobody would answer the rest.
    fn load(&self, proxy: &Proxy, plan: &Plan, watch: &mut dyn FnMut(&Progress)) -> Result<Record, Failure> {
        let (end, ended) = Interrupt::by_sender();
        let signalled = self.interrupt.signalled();
        let record = thread::scope(|scope| {
            let (running, over) = bounded::<()>(0);
            scope.spawn(move || {
                while !proxy.has_ended() {
                    select! {
                        recv(over) -> _ => return,
                        recv(signalled) -> _ => break,
                        default(LOOK_EVERY) => {}
                    }
                }
                drop(end);
            });
            let record = run::execute(plan, self.engine, &ended, watch);
            drop(running);
            record
        })?;
        match (proxy.has_ended(), record.interrupted) {
            (false, false) => Ok(record),
            // That the proxy has ended is said by `Proxy::explained`.
            (true, _) | (false, true) => Err("interrupted".into()),
        }
    }

    fn plan(&self, address: SocketAddr, step: Step, pace: Pace, end: End) -> Result<Plan, Failure> {
        let connections =
            if step.is_bounded() { self.settings.bounded_connections() } else { self.settings.connections };
        Ok(Plan {
            address,
            requests: requests(address, self.settings.seed)?,
            // One thread sends far more than the proxy and its servers can answer beside it.
            threads: NonZeroUsize::MIN,
            connections: NonZeroU32::new(connections).unwrap_or(NonZeroU32::MIN),
            pace,
            end,
            warm_up: Duration::ZERO,
            timeout: TIMEOUT,
            keep_alive: true,
            seed: self.settings.seed,
            replica_field: SERVER_FIELD.into(),
        })
    }
}

fn servers(status: &Status) -> Vec<Server> {
    replicas(status)
        .iter()
        .map(|replica| Server { name: replica.name.clone(), ordinal: replica.ordinal })
        .collect()
}
