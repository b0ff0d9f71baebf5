//! One instance: from its start, or its adoption, to its end, and to the removal of its container.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::engine::Inspected;
use super::exit::Exit;
use super::fault::{CallError, Step};
use super::hub::Notice;
use super::label;
use super::listing::ContainerState;
use super::surroundings::{Network, Surroundings, Trouble};
use crate::config::PullPolicy;
use crate::provider::{ContainerId, Ending, Instance, InstanceId, ProviderEvent, Record};

/// How long the replacement of a replica that died may wait for the circumstances (the exit code, the last words), before it
/// does without them. It is out of use meanwhile. Docker's engine tells of a death first and clears the network away then,
/// and answers nothing about the container until that is done: 70 to 320 ms on a busy machine.
const CIRCUMSTANCES: Duration = Duration::from_secs(1);
/// Attempts to remove a container that has ended, and the pause between them. What is left then, a listing finds.
const REMOVALS: u32 = 3;
const REMOVAL_PAUSE: Duration = Duration::from_secs(1);
/// Before a container that was found is looked at again, when the engine did not answer.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long Ringway's own end waits for an engine that does not answer, before it leaves a container to the next start.
const GIVE_UP: Duration = Duration::from_secs(5);
const GIVE_UP_LOOK: Duration = Duration::from_millis(250);

/// The task of one instance.
pub(super) struct Life {
    pub(super) instance: Instance,
    pub(super) surroundings: Arc<Surroundings>,
    pub(super) endings: mpsc::UnboundedReceiver<Ending>,
    pub(super) report: Report,
    /// Ringway's end waits for those that have taken one of these.
    pub(super) under_way: mpsc::WeakSender<()>,
}

/// What is reported of an instance. Whatever becomes of its task, its end is.
pub(super) struct Report {
    pub(super) id: InstanceId,
    pub(super) events: mpsc::UnboundedSender<ProviderEvent>,
    pub(super) ended: bool,
}

impl Report {
    fn send(&self, event: ProviderEvent) {
        // The receiver is gone only when the program ends.
        let _ = self.events.send(event);
    }

    fn end(&mut self, reason: String, log_tail: Vec<String>) {
        self.ended = true;
        self.send(ProviderEvent::Ended { id: self.id, reason, log_tail });
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if !self.ended {
            self.end("its watch broke off; a listing will find what is left of it".to_owned(), Vec::new());
        }
    }
}

/// A container that runs and can be reached.
struct Up {
    container: ContainerId,
    address: SocketAddr,
}

/// Why an instance does not run (any more).
struct Down {
    why: Why,
    /// What is to be removed.
    container: Option<ContainerId>,
}

enum Why {
    /// Its process ended.
    Exit(Exit),
    /// It cannot run, or cannot be reached.
    Trouble(Trouble),
}

impl Down {
    fn without_container(words: String) -> Self {
        Trouble { words, is_engines: false }.into()
    }
}

impl From<Trouble> for Down {
    fn from(trouble: Trouble) -> Self {
        Down { why: Why::Trouble(trouble), container: None }
    }
}

impl Life {
    /// Starts the instance and stays with it.
    pub(super) async fn start(mut self) {
        let (notices, mut heard) = mpsc::unbounded_channel();
        let brought_up = tokio::select! {
            brought_up = self.bring_up(notices) => brought_up,
            reason = given_up(&self.surroundings) => Err(Down::without_container(reason)),
        };
        let down = match brought_up {
            Ok(Up { container, address }) => {
                let record = Record::Docker { container: container.clone() };
                self.report.send(ProviderEvent::Started { id: self.instance.id, address, record });
                self.until_end(&container, &mut heard).await
            }
            Err(down) => down,
        };
        self.conclude(down).await;
    }

    /// Finds the instance of an earlier process and stays with it.
    pub(super) async fn adopt(mut self) {
        let (notices, mut heard) = mpsc::unbounded_channel();
        let down = match self.find(notices).await {
            Ok(Up { container, address }) => {
                let record = Record::Docker { container: container.clone() };
                self.report.send(ProviderEvent::Adopted { id: self.instance.id, address, record });
                self.until_end(&container, &mut heard).await
            }
            Err(down) => down,
        };
        self.conclude(down).await;
    }

    fn nonce(&self) -> &str {
        &self.instance.intent.nonce
    }

    fn container_name(&self) -> String {
        let Instance { id, service, name, .. } = &self.instance;
        label::container_name(self.surroundings.hub.engine.owner(), service, name.as_str(), *id)
    }

    async fn bring_up(&self, notices: mpsc::UnboundedSender<Notice>) -> Result<Up, Down> {
        let surroundings = &*self.surroundings;
        surroundings.hub.ready().await.map_err(Down::without_container)?;
        let network = surroundings.network().await?;
        if surroundings.plan.pull() == PullPolicy::Always {
            surroundings.pull().await?;
        }
        let container = self.create(&network.id).await?;
        // Before the start, so that the end of one that ends at once is heard.
        surroundings.hub.watch(&container, notices);
        if let Err(error) = surroundings.hub.engine.start(&container).await {
            surroundings.forget_network().await;
            let trouble = surroundings.trouble(&error, Step::Start, &self.container_name());
            return Err(Down { why: Why::Trouble(trouble), container: Some(container) });
        }
        self.look_up(&container, &network).await
    }

    /// Looks at a container that was started, or found.
    async fn look_up(&self, container: &ContainerId, network: &Network) -> Result<Up, Down> {
        let surroundings = &*self.surroundings;
        let down = |why| Down { why, container: Some(container.clone()) };
        let troubled =
            |words: &str| down(Why::Trouble(Trouble { words: words.to_owned(), is_engines: false }));
        let found = surroundings.hub.engine.inspect(container.as_str()).await.map_err(|error| {
            down(Why::Trouble(surroundings.trouble(&error, Step::Inspect, &self.container_name())))
        })?;
        if !self.is_ours(&found) {
            let words = format!("container {container} does not carry the labels of this replica");
            return Err(Down::without_container(words));
        }
        match found.state {
            ContainerState::Ended => return Err(down(Why::Exit(found.exit))),
            ContainerState::Created => return Err(troubled("its container was made and never started")),
            ContainerState::Up { .. } => {}
        }
        let reached = surroundings.reach(&found, network, self.nonce()).await;
        let address = reached.map_err(|trouble| down(Why::Trouble(trouble)))?;
        Ok(Up { container: container.clone(), address })
    }

    /// Whether the container is what was made for this instance: nothing else is ever touched.
    fn is_ours(&self, found: &Inspected) -> bool {
        let owner = &self.surroundings.hub.engine.owner().label;
        found.labels.as_ref().is_some_and(|labels| labels.owner == *owner && *labels.nonce == *self.nonce())
    }

    async fn create(&self, network: &str) -> Result<ContainerId, Down> {
        let surroundings = &*self.surroundings;
        let engine = &surroundings.hub.engine;
        let name = self.container_name();
        let body = || surroundings.plan.body(engine.owner(), &self.instance, network);
        let mut made = engine.create(&name, body()).await;
        if made.as_ref().is_err_and(CallError::is_absent) && surroundings.plan.pull() == PullPolicy::Missing {
            let is_there = engine.has_image(&surroundings.plan.config().image).await;
            if matches!(is_there, Ok(false)) {
                surroundings.pull().await?;
                made = engine.create(&name, body()).await;
            }
        }
        match made {
            Ok(container) => Ok(container),
            Err(error) => {
                surroundings.forget_network().await;
                Err(self.not_created(&error, &name).await)
            }
        }
    }

    async fn not_created(&self, error: &CallError, name: &str) -> Down {
        let engine = &self.surroundings.hub.engine;
        let owner = &engine.owner().label;
        let mut trouble = self.surroundings.trouble(error, Step::Create, name);
        if let CallError::Refused { status: 409, .. } = error
            && let Ok(holder) = engine.inspect(name).await
            && holder.labels.is_some_and(|labels| labels.owner == *owner)
        {
            let id = holder.id;
            trouble.words = format!(
                "the name {name} is taken by container {id}, which an earlier run left; it is being removed"
            );
        }
        let mut down = Down::from(trouble);
        if error.is_uncertain() {
            // It may be there all the same. If this look fails too, a later listing finds it.
            let listed = engine.list().await.unwrap_or_default();
            let ours = |labels: &label::Labels| labels.owner == *owner && *labels.nonce == *self.nonce();
            down.container = listed.into_iter().find(|listed| ours(&listed.labels)).map(|listed| listed.id);
        }
        down
    }

    async fn find(&self, notices: mpsc::UnboundedSender<Notice>) -> Result<Up, Down> {
        let surroundings = &*self.surroundings;
        let given_up = given_up(surroundings);
        tokio::pin!(given_up);
        let container = tokio::select! {
            found = surroundings.hub.find(self.nonce(), notices) => found.ok().flatten(),
            reason = &mut given_up => return Err(Down::without_container(reason)),
        };
        let Some(container) = container else {
            return Err(Down::without_container("was not found running".to_owned()));
        };
        loop {
            match self.look_at_found(&container).await {
                // Nothing may be concluded from an engine that does not answer.
                Err(Down { why: Why::Trouble(Trouble { is_engines: true, .. }), .. }) => {}
                up => return up,
            }
            tokio::select! {
                () = sleep(LOOK_AGAIN) => {}
                reason = &mut given_up => return Err(Down::without_container(reason)),
            }
        }
    }

    async fn look_at_found(&self, container: &ContainerId) -> Result<Up, Down> {
        let network = self.surroundings.network().await;
        let in_vain = |trouble| Down { why: Why::Trouble(trouble), container: Some(container.clone()) };
        self.look_up(container, &network.map_err(in_vain)?).await
    }

    /// Does what the instance is to end by, until it has ended.
    async fn until_end(
        &mut self,
        container: &ContainerId,
        heard: &mut mpsc::UnboundedReceiver<Notice>,
    ) -> Down {
        let surroundings = self.surroundings.clone();
        let mut known = Exit::default();
        let mut asked = false;
        let mut order: Order = None;
        let mut next: Option<Ending> = None;
        let mut killed = 0_u32;
        let given_up = given_up(&surroundings);
        tokio::pin!(given_up);
        loop {
            if order.is_none()
                && let Some(ending) = next.take()
            {
                killed += u32::from(ending == Ending::Kill);
                order = Some(Box::pin(give(surroundings.clone(), container.clone(), ending, killed > 1)));
            }
            let down = |exit| Down { why: Why::Exit(exit), container: Some(container.clone()) };
            tokio::select! {
                notice = heard.recv() => match notice {
                    Some(Notice::OutOfMemory) => known.out_of_memory = true,
                    Some(Notice::Died(code)) => return down(Exit { code, ..known }),
                    Some(Notice::Gone) => return down(known),
                    // The hub has ended, and with it the runtime.
                    None => std::future::pending().await,
                },
                Some(ending) = self.endings.recv() => {
                    asked = true;
                    // A kill is not forgotten over a later wish.
                    next = if next == Some(Ending::Kill) { next } else { Some(ending) };
                }
                outcome = carried_out(&mut order) => {
                    order = None;
                    if let Outcome::Ended(exit) = outcome {
                        return down(exit.or(known));
                    }
                }
                reason = &mut given_up, if asked => return Down::without_container(reason),
            }
        }
    }

    /// Reports the end, and clears away: what may still run before that, what has ended behind it, so that a death is
    /// known at once.
    async fn conclude(mut self, down: Down) {
        let Down { why, container } = down;
        let _under_way = self.under_way.upgrade();
        if matches!(why, Why::Exit(_)) {
            self.report.send(ProviderEvent::Down { id: self.report.id });
        }
        let (words, log_tail) = self.circumstances(&why, container.as_ref()).await;
        let has_ended = matches!(why, Why::Exit(_));
        if has_ended {
            self.report.end(words.clone(), log_tail.clone());
        }
        if let Some(container) = &container {
            self.clear_away(container).await;
        }
        if !has_ended {
            self.report.end(words, log_tail);
        }
        self.surroundings.hub.over(self.nonce(), container.as_ref());
    }

    /// Why it ended, and its last words, as far as they can be had soon.
    async fn circumstances(&self, why: &Why, container: Option<&ContainerId>) -> (String, Vec<String>) {
        let engine = &self.surroundings.hub.engine;
        let words = |exit: Option<Exit>| match (why, exit) {
            (Why::Trouble(trouble), _) => trouble.words.clone(),
            (Why::Exit(known), Some(exit)) => known.clone().or(exit).words(),
            (Why::Exit(known), None) => known.words(),
        };
        let Some(container) = container else { return (words(None), Vec::new()) };
        let look = async { tokio::join!(engine.inspect(container.as_str()), engine.log_tail(container)) };
        match timeout(CIRCUMSTANCES, look).await {
            Ok((found, tail)) => {
                let ended = found.ok().filter(|found| found.state == ContainerState::Ended);
                (words(ended.map(|found| found.exit)), tail)
            }
            Err(_) => (words(None), Vec::new()),
        }
    }

    async fn clear_away(&self, container: &ContainerId) {
        for attempt in 1..=REMOVALS {
            match self.surroundings.hub.engine.remove(container).await {
                Ok(()) => return,
                Err(error) if attempt == REMOVALS => {
                    let reason = self.surroundings.explain(&error, Step::Remove, &self.container_name());
                    tracing::warn!(%container, "{reason}; a later listing finds it");
                }
                Err(_) => sleep(REMOVAL_PAUSE).await,
            }
        }
    }
}

/// What came of an order to end.
enum Outcome {
    /// It was given; the end is heard of otherwise.
    Given,
    /// There is nothing to end.
    Ended(Exit),
}

type Order = Option<Pin<Box<dyn Future<Output = Outcome> + Send>>>;

async fn carried_out(order: &mut Order) -> Outcome {
    match order {
        Some(order) => order.await,
        None => std::future::pending().await,
    }
}

/// Asks or forces a container to end. A frozen one is thawed behind its kill, so that it runs nothing of its own any more;
/// one that outlived a kill is removed by force.
async fn give(
    surroundings: Arc<Surroundings>,
    container: ContainerId,
    ending: Ending,
    again: bool,
) -> Outcome {
    let engine = &surroundings.hub.engine;
    let signal = match ending {
        Ending::Ask => surroundings.plan.stop_signal(),
        Ending::Kill => "SIGKILL",
    };
    let sent = engine.signal(&container, signal).await;
    if let Err(error) = &sent
        && error.is_engines()
    {
        tracing::warn!(%container, "{}", surroundings.explain(error, Step::Signal, ""));
        return Outcome::Given;
    }
    if sent.is_ok() && ending == Ending::Ask {
        return Outcome::Given;
    }
    match engine.inspect(container.as_str()).await {
        Ok(found) if found.state == ContainerState::Ended => return Outcome::Ended(found.exit),
        Ok(found) if found.state == (ContainerState::Up { paused: true }) && ending == Ending::Kill => {
            if let Err(error) = engine.unpause(&container).await {
                tracing::debug!(%container, ?error, "a container that was killed while it was paused is not thawed");
            }
        }
        Err(error) if error.is_absent() => return Outcome::Ended(Exit::default()),
        _ => {}
    }
    if again && engine.remove(&container).await.is_ok() {
        return Outcome::Ended(Exit { code: Some(137), ..Exit::default() });
    }
    Outcome::Given
}

/// Returns once Ringway is to end and its engine has not answered for a while.
async fn given_up(surroundings: &Surroundings) -> String {
    let mut stopping = surroundings.stopping.clone();
    if stopping.wait_for(|stopping| *stopping).await.is_err() {
        return std::future::pending().await;
    }
    let mut silent: Option<Instant> = None;
    loop {
        match &surroundings.hub.look().fault {
            Some(fault) => {
                let since = *silent.get_or_insert_with(Instant::now);
                if since.elapsed() >= GIVE_UP {
                    return format!("left to the next start of Ringway: {fault}");
                }
            }
            None => silent = None,
        }
        sleep(GIVE_UP_LOOK).await;
    }
}
