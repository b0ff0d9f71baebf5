//! The watch over one engine: its events, a ping beside them, listings at intervals and after each loss; for ever.
//!
//! What an instance should know is told to its task; the hub itself decides nothing but what is a stray.

use std::collections::{HashMap, HashSet};
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::engine::{CALL, Engine, Events};
use super::event::Happening;
use super::fault::{About, CallError, Step, explain};
use super::listing::{Known, Listed, News, compare};
use super::reconnect::Reconnect;
use super::version::ApiVersion;
use crate::base::random::Random;
use crate::provider::ContainerId;

/// Between two pings: how long the loss of an engine goes unnoticed, beside the ping's own time.
const PING_EVERY: Duration = Duration::from_secs(2);
/// Between two listings, which find what no event told.
const LIST_EVERY: Duration = Duration::from_secs(10);
/// The least time between two connections that were given up because events had been missed, or the stream had ended.
const RENEW_AFTER: Duration = Duration::from_secs(1);

/// What the task of an instance is told of its container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// Its process ended, with this code if the engine said so.
    Died(Option<i64>),
    /// The kernel ended a process of it for want of memory.
    OutOfMemory,
    /// A listing does not have it, or not as one that runs.
    Gone,
}

/// How the engine is, as far as known.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// Why it cannot be used now.
    pub(super) fault: Option<String>,
    /// What is spoken with it.
    pub(super) version: Option<ApiVersion>,
    /// When all that is known of it was confirmed last.
    pub(super) synced: Option<Instant>,
}

/// An instance's way to the hub of its engine.
#[derive(Clone)]
pub(super) struct Hub {
    pub(super) engine: Arc<Engine>,
    commands: mpsc::UnboundedSender<Command>,
    look: watch::Receiver<Look>,
}

enum Command {
    /// A container with this nonce may come to be: it is no stray.
    Begin { nonce: Box<str> },
    /// Its container is this one.
    Watch { container: ContainerId, notices: mpsc::UnboundedSender<Notice> },
    /// Look for its container in a listing that begins after this.
    Find {
        nonce: Box<str>,
        notices: mpsc::UnboundedSender<Notice>,
        found: oneshot::Sender<Option<ContainerId>>,
    },
    /// Nothing of it runs: what is left of it may be swept.
    Over { nonce: Box<str>, container: Option<ContainerId> },
}

impl Hub {
    /// Starts the task, which ends with the last clone of this value. Called on a tokio runtime.
    pub(super) fn start(engine: Engine, seed: u64) -> Self {
        let engine = Arc::new(engine);
        let (commands, received) = mpsc::unbounded_channel();
        let (shown, look) = watch::channel(Look::default());
        let task = Task {
            engine: engine.clone(),
            commands: received,
            look: shown,
            known: Known::default(),
            watchers: HashMap::new(),
            seekers: HashMap::new(),
            listings: 0,
            list_soon: false,
            removing: HashSet::new(),
            removals: JoinSet::new(),
            reconnect: Reconnect::default(),
            random: Random::new(seed),
        };
        tokio::spawn(task.run());
        Hub { engine, commands, look }
    }

    /// How the engine is.
    pub(super) fn look(&self) -> Look {
        self.look.borrow().clone()
    }

    /// Waits until it is known whether the engine can be used at all, and in which version.
    ///
    /// # Errors
    /// While it cannot, in words for the operator.
    pub(super) async fn ready(&self) -> Result<(), String> {
        let mut look = self.look.clone();
        // The task ends only with the runtime.
        let known = look.wait_for(|look| look.fault.is_some() || look.version.is_some()).await;
        known.map_or(Ok(()), |look| look.fault.clone().map_or(Ok(()), Err))
    }

    /// A container with this nonce may come to be.
    pub(super) fn begin(&self, nonce: &str) {
        self.send(Command::Begin { nonce: nonce.into() });
    }

    /// Tells what becomes of a container from now on.
    pub(super) fn watch(&self, container: &ContainerId, notices: mpsc::UnboundedSender<Notice>) {
        self.send(Command::Watch { container: container.clone(), notices });
    }

    /// The container with this nonce, once the engine has listed them; watched from then on. `None` in the outer
    /// option: the hub has ended.
    pub(super) fn find(
        &self,
        nonce: &str,
        notices: mpsc::UnboundedSender<Notice>,
    ) -> oneshot::Receiver<Option<ContainerId>> {
        let (found, answer) = oneshot::channel();
        self.send(Command::Find { nonce: nonce.into(), notices, found });
        answer
    }

    /// Nothing of an instance runs any more.
    pub(super) fn over(&self, nonce: &str, container: Option<&ContainerId>) {
        self.send(Command::Over { nonce: nonce.into(), container: container.cloned() });
    }

    fn send(&self, command: Command) {
        // The task ends before the last hub only with the runtime.
        let _ = self.commands.send(command);
    }
}

/// Why a connection was given up.
enum Left {
    /// Nobody needs it any more.
    Closed,
    /// Events were missed, or may be.
    Renew,
    /// The engine is in trouble.
    Fault(String),
}

/// Who looks for a container: where its notices go, and the answer.
type Seeker = (mpsc::UnboundedSender<Notice>, oneshot::Sender<Option<ContainerId>>);

type Answer<T> = Option<Pin<Box<dyn Future<Output = Result<T, CallError>> + Send>>>;

struct Task {
    engine: Arc<Engine>,
    commands: mpsc::UnboundedReceiver<Command>,
    look: watch::Sender<Look>,
    known: Known,
    watchers: HashMap<ContainerId, mpsc::UnboundedSender<Notice>>,
    seekers: HashMap<Box<str>, Seeker>,
    /// Listings that have begun.
    listings: u64,
    /// Somebody waits for one.
    list_soon: bool,
    /// Strays that are being removed.
    removing: HashSet<ContainerId>,
    removals: JoinSet<(ContainerId, Result<(), CallError>)>,
    reconnect: Reconnect,
    random: Random,
}

impl Task {
    async fn run(mut self) {
        loop {
            let left = match self.connect().await {
                Ok(version) => self.stay(version).await,
                Err(fault) => Left::Fault(fault),
            };
            match left {
                Left::Closed => return,
                Left::Renew => {
                    tracing::debug!(
                        engine = self.engine.address(),
                        "events were missed, or may be: asked for again"
                    )
                }
                Left::Fault(fault) => {
                    let pause = self.lose(fault);
                    if !self.wait(pause).await {
                        return;
                    }
                }
            }
        }
    }

    async fn connect(&mut self) -> Result<ApiVersion, String> {
        self.engine.agree().await.map_err(|error| self.words(&error, Step::Speak))?
    }

    fn words(&self, error: &CallError, step: Step) -> String {
        let engine = self.engine.address();
        explain(error, step, &About { engine: &engine, image: "", network: "", container: "" })
    }

    /// Notes and tells that the engine is lost; returns how long to wait.
    fn lose(&mut self, fault: String) -> Duration {
        let pause = self.reconnect.fail(&mut self.random);
        if self.reconnect.is_repeated() {
            tracing::debug!("{fault}");
        } else {
            tracing::warn!(
                "{fault}; nothing is started or stopped there until it answers, and it is tried again"
            );
        }
        self.look.send_modify(|look| look.fault = Some(fault));
        pause
    }

    /// `false`: nobody needs the engine any more.
    async fn wait(&mut self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.take(command),
                    None => return false,
                },
                () = tokio::time::sleep_until(until) => return true,
            }
        }
    }

    /// Watches for as long as the engine answers.
    async fn stay(&mut self, version: ApiVersion) -> Left {
        let (mut events, listening) = self.engine.events();
        // Events first: what happens between the listing and the first event would be missed otherwise.
        tokio::select! {
            () = listening => {}
            event = next(&mut events) => return self.lost(event),
            () = tokio::time::sleep(CALL) => return self.lost(Some(Err(CallError::TimedOut(CALL)))),
        }
        let connected = Instant::now();
        let (mut pings, mut lists) = (interval(PING_EVERY), interval(LIST_EVERY));
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        lists.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ping: Answer<()> = None;
        let mut listing: Answer<Vec<Listed>> = None;
        loop {
            tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    Some(command) => self.take(command),
                    None => return Left::Closed,
                },
                event = next(&mut events) => match event {
                    Some(Ok((container, happening))) => self.tell(&container, happening),
                    // What is between may end streams in which nothing was said for long: that is no fault of the engine's.
                    _ if connected.elapsed() > RENEW_AFTER => return Left::Renew,
                    end => return self.lost(end),
                },
                answer = of(&mut listing) => {
                    listing = None;
                    match answer {
                        Ok(listed) => {
                            let missed = self.apply(&listed, version);
                            if missed && connected.elapsed() > RENEW_AFTER {
                                return Left::Renew;
                            }
                        }
                        Err(error) => return Left::Fault(self.words(&error, Step::Speak)),
                    }
                }
                answer = of(&mut ping) => {
                    ping = None;
                    if let Err(error) = answer {
                        return Left::Fault(self.words(&error, Step::Speak));
                    }
                }
                Some(removed) = self.removals.join_next() => self.removed(removed),
                _ = pings.tick(), if ping.is_none() => {
                    let engine = self.engine.clone();
                    ping = Some(Box::pin(async move { engine.ping().await }));
                }
                _ = lists.tick(), if listing.is_none() => listing = Some(self.list()),
            }
            if self.list_soon && listing.is_none() {
                listing = Some(self.list());
            }
        }
    }

    fn list(&mut self) -> Pin<Box<dyn Future<Output = Result<Vec<Listed>, CallError>> + Send>> {
        self.listings += 1;
        self.list_soon = false;
        let engine = self.engine.clone();
        Box::pin(async move { engine.list().await })
    }

    fn lost(&self, event: Option<Result<(ContainerId, Happening), CallError>>) -> Left {
        match event {
            Some(Err(error)) => Left::Fault(self.words(&error, Step::Speak)),
            _ => Left::Fault(format!("the engine at {} ended its stream of events", self.engine.address())),
        }
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Begin { nonce } => _ = self.known.nonces.insert(nonce),
            Command::Watch { container, notices } => self.watch(container, notices),
            Command::Find { nonce, notices, found } => {
                self.known.nonces.insert(nonce.clone());
                self.known.sought.insert(nonce.clone(), self.listings);
                self.seekers.insert(nonce, (notices, found));
                self.list_soon = true;
            }
            Command::Over { nonce, container } => {
                self.known.nonces.remove(&nonce);
                self.known.sought.remove(&nonce);
                self.seekers.remove(&nonce);
                if let Some(container) = container {
                    self.known.watched.remove(&container);
                    self.watchers.remove(&container);
                }
            }
        }
    }

    fn watch(&mut self, container: ContainerId, notices: mpsc::UnboundedSender<Notice>) {
        self.known.watched.insert(container.clone(), self.listings);
        self.watchers.insert(container, notices);
    }

    fn tell(&self, container: &ContainerId, happening: Happening) {
        let notice = match happening {
            Happening::Died { exit_code } => Notice::Died(exit_code),
            Happening::OutOfMemory => Notice::OutOfMemory,
            Happening::Removed => Notice::Gone,
            Happening::Other => return,
        };
        if let Some(watcher) = self.watchers.get(container) {
            // Its task may be over.
            let _ = watcher.send(notice);
        }
    }

    /// Draws the consequences of a listing. Whether it tells of an end that no event told of.
    fn apply(&mut self, listing: &[Listed], version: ApiVersion) -> bool {
        // Whoever began before the answer came is known then.
        while let Ok(command) = self.commands.try_recv() {
            self.take(command);
        }
        let News { ended, sought, strays } =
            compare(listing, &self.known, &self.engine.owner().label, self.listings);
        let missed = !ended.is_empty();
        for container in ended {
            self.tell(&container, Happening::Removed);
            self.known.watched.remove(&container);
        }
        for (nonce, container) in sought {
            self.known.sought.remove(&nonce);
            let Some((notices, found)) = self.seekers.remove(&nonce) else { continue };
            if let Some(container) = &container {
                self.watch(container.clone(), notices);
            }
            // Whoever asked may have given up.
            let _ = found.send(container);
        }
        for stray in strays {
            self.sweep(stray);
        }
        self.synced(version);
        missed
    }

    fn synced(&mut self, version: ApiVersion) {
        self.reconnect.succeed();
        let now = Look { fault: None, version: Some(version), synced: Some(Instant::now()) };
        let before = self.look.send_replace(now);
        if before.fault.is_some() || before.version.is_none() {
            tracing::info!(engine = self.engine.address(), %version, "the engine answers");
        }
    }

    /// Ends a container with our labels that no instance knows: a start that a crash cut off, or what was left of one.
    fn sweep(&mut self, stray: Listed) {
        if !self.removing.insert(stray.id.clone()) {
            return;
        }
        tracing::warn!(
            container = %stray.id,
            service = %stray.labels.service,
            replica = %stray.labels.replica,
            "a container carries this Ringway's labels, and no replica is known that it belongs to: it is removed"
        );
        let engine = self.engine.clone();
        self.removals.spawn(async move {
            let removed = engine.remove(&stray.id).await;
            (stray.id, removed)
        });
    }

    fn removed(&mut self, removed: Result<(ContainerId, Result<(), CallError>), tokio::task::JoinError>) {
        // One that broke off stays in the set: it is told of, and left to the operator.
        let Ok((container, result)) = removed else { return };
        self.removing.remove(&container);
        if let Err(error) = result {
            tracing::warn!(%container, "{}", self.words(&error, Step::Remove));
        }
    }
}

async fn next(events: &mut Events) -> Option<Result<(ContainerId, Happening), CallError>> {
    poll_fn(|context| events.as_mut().poll_next(context)).await
}

/// The answer that is awaited, or nothing for ever.
async fn of<T>(answer: &mut Answer<T>) -> Result<T, CallError> {
    match answer {
        Some(answer) => answer.await,
        None => pending().await,
    }
}
