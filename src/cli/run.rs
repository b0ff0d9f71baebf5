//! `ringway run -c FILE`: configuration -> listeners -> cores -> control, until a signal.

use std::hash::{BuildHasher, RandomState};
use std::io::IsTerminal;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::time::Instant;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::admin_server::{self, AdminLimits};
use super::cores::{self, CoreThreads, Plan};
use super::owned::Owned;
use super::{Failure, limits, tell};
use crate::admin;
use crate::base::time::Moment;
use crate::config::{Config, LogLevel};
use crate::control::machine::Machine;
use crate::control::{self, Carrier, Control, CoreLink, Parts, RunInfo, Shared, Stopped};
use crate::engine::{memory, socket};
use crate::placement::{Published, Snapshot};

/// Observations that may wait for the control thread.
const OBSERVATIONS_MAX: usize = 4096;

pub(super) fn run(path: &Path) -> Result<ExitCode, Failure> {
    match Config::load(path) {
        Ok(config) => serve(&config),
        Err(errors) => {
            tell(errors);
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Serves a configuration until a signal ends it. Everything that can fail for want of an address, a descriptor or an
/// engine fails here, before the first request.
pub(super) fn serve(config: &Config) -> Result<ExitCode, Failure> {
    start_log(config);
    if let Err(error) = memory::use_small_pages() {
        tracing::debug!("huge pages stay in use, which takes more memory: {error}");
    }
    let descriptors = limits::raise_descriptors();
    let cores = config.cores.unwrap_or_else(cores::available);
    let engine = cores::choose(config.engine)?;
    let listeners = listen(config, cores)?;
    let operator = operator_listener(config)?;

    let connections = limits::connections(descriptors, cores, config.client.connections_max);
    let listen = listeners.iter().take(1).flatten().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
    let info = RunInfo {
        engine: engine.name(),
        descriptors_max: descriptors,
        connections_max: connections.max,
        listen,
    };
    tracing::info!(engine = info.engine, cores, descriptors, connections_max = connections.max, "starting");
    let started = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let owned = Owned::open(config, &runtime)?;
    let machine = Machine::new(
        control::service_plans(config),
        owned.durable,
        RandomState::new().hash_one(0),
        Moment::ORIGIN,
    )?;
    let mut services = control::service_specs(config);
    if config.admin.on_ingress {
        services.push(control::control_spec(operator.local_addr()?));
    }
    let members = control::with_members(&services, machine.members());
    let published = Published::new(Snapshot::build(members, Some(&Snapshot::empty(cores.get())))?);
    let links: Box<[CoreLink]> = (0..cores.get()).map(|_| CoreLink::default()).collect();
    let (observe, observations) = crossbeam::channel::bounded(OBSERVATIONS_MAX);
    let shared = Arc::new(Shared::new(info, links, published.reader()));

    let plan =
        Plan { engine, cores, client: config.client, forwarding: config.forwarding.clone(), connections };
    let (threads, ended) = CoreThreads::start(&plan, listeners, &shared, &published, &observe)?;
    let (callers, calls) = control::calls();
    let parts = Parts {
        shared: shared.clone(),
        published,
        services,
        machine,
        started,
        providers: owned.providers,
        reports: owned.reports,
        storage: owned.storage,
        calls,
        observations,
    };
    let control = Control { carrier: Carrier::new(parts), ended, drain: config.drain };
    let router = admin::router(shared, callers, config.admin.token.clone());
    finish(run_control(&runtime, control, operator, router)?, threads)
}

fn start_log(config: &Config) {
    let level = match config.log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // What the libraries below us tell of themselves is of use only if something is wrong.
    let ours = Targets::new().with_default(LevelFilter::WARN).with_target("ringway", level);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // A second subscriber is refused: then the first, of the same process, goes on.
    let _ = tracing_subscriber::registry().with(lines).with(ours).try_init();
}

/// For each core its listeners, one for each address.
fn listen(config: &Config, cores: NonZeroUsize) -> Result<Vec<Vec<TcpListener>>, Failure> {
    let mut of_cores: Vec<Vec<TcpListener>> = (0..cores.get()).map(|_| Vec::new()).collect();
    for &address in &config.listen.http {
        let sockets = socket::listen(address, cores.get())
            .map_err(|error| format!("cannot listen on {address} (listen.http): {error}"))?;
        for (listeners, socket) in of_cores.iter_mut().zip(sockets) {
            listeners.push(socket);
        }
    }
    for listener in of_cores.iter().take(1).flatten() {
        tracing::info!(address = %listener.local_addr()?, "listening for clients");
    }
    Ok(of_cores)
}

fn operator_listener(config: &Config) -> Result<TcpListener, Failure> {
    let address = config.admin.listen;
    let listener = TcpListener::bind(address)
        .map_err(|error| format!("cannot listen on {address} (admin.listen): {error}"))?;
    listener.set_nonblocking(true)?;
    tracing::info!(address = %listener.local_addr()?, "listening for the operator");
    if let Some(address) = config.exposed_address() {
        tracing::warn!(%address, "control calls need no token: whoever reaches the address can make them");
    }
    Ok(listener)
}

fn run_control(
    runtime: &Runtime,
    control: Control,
    operator: TcpListener,
    router: axum::Router,
) -> Result<Stopped, Failure> {
    let stopped = runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(operator)?;
        let answer = admin_server::serve(listener, router, AdminLimits::default());
        control::run(control, answer).await
    })?;
    Ok(stopped)
}

fn finish(stopped: Stopped, threads: CoreThreads) -> Result<ExitCode, Failure> {
    match stopped {
        Stopped::Impatient => {
            tracing::warn!("stopped at once: open connections are cut");
            Ok(ExitCode::FAILURE)
        }
        Stopped::CoreLost(core) => {
            Err(format!("core {core} stopped by itself; its thread said why above").into())
        }
        Stopped::Drained => {
            let cut: u64 = threads.join()?.iter().map(|report| report.connections_cut).sum();
            tracing::info!(connections_cut = cut, "drained");
            Ok(ExitCode::SUCCESS)
        }
    }
}
