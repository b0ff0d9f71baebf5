//! The calls to one engine, each with a deadline, and their answers as values that are checked.

mod networks;

use std::collections::HashMap;
use std::error::Error as _;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary,
    ContainerSummaryStateEnum, EndpointSettings, EventMessage,
};
use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptions, EventsOptions, InspectContainerOptions, KillContainerOptions,
    ListContainersOptions, LogsOptions, RemoveContainerOptions, StartContainerOptions,
};
use futures_core::Stream;
use tokio::sync::Semaphore;

use super::address::Attachment;
use super::endpoint::Endpoint;
use super::event::{Happening, interpret};
use super::exit::Exit;
use super::fault::CallError;
use super::label::{self, Labels};
use super::listing::{ContainerState, Listed};
use super::owner::Owner;
use super::tls::TlsFault;
use super::transport::Transport;
use super::version::{self, ApiVersion};
use crate::provider::log_lines::last_lines;
use crate::provider::{ContainerId, LOG_LINES_MAX};

/// How long a call may take. Engines that are well need milliseconds, and half a second for a start.
pub(super) const CALL: Duration = Duration::from_secs(10);
/// How long a ping may take.
pub(super) const PING: Duration = Duration::from_secs(3);
/// How long a pull may go on without a word of progress, and as a whole.
const PULL_SILENCE: Duration = Duration::from_secs(60);
const PULL: Duration = Duration::from_secs(1_800);
/// How often its progress is logged.
const PULL_LOGGED: Duration = Duration::from_secs(10);
/// Calls about single containers that are under way at once: more of them make no engine faster.
const CALLS_MAX: usize = 8;
/// How much of a container's last output is looked at.
const LOG_BYTES_MAX: usize = 64 * 1024;
/// What bollard is told; ours come first.
const BOLLARD_TIMEOUT_S: u64 = 3_600;

/// One engine.
pub(super) struct Engine {
    docker: Docker,
    transport: Arc<Transport>,
    owner: Owner,
    calls: Semaphore,
}

/// What an inspection tells of a container.
#[derive(Clone, Debug)]
pub(super) struct Inspected {
    pub(super) id: ContainerId,
    /// `None`: they are not Ringway's.
    pub(super) labels: Option<Labels>,
    pub(super) state: ContainerState,
    /// How it ended, if it did.
    pub(super) exit: Exit,
    pub(super) attachments: Vec<Attachment>,
    /// How it came to its network, as it was asked for: a name, `host`, `container:` with an id.
    pub(super) network_mode: Box<str>,
}

/// The events of an owner's containers.
pub(super) type Events = Pin<Box<dyn Stream<Item = Result<(ContainerId, Happening), CallError>> + Send>>;

impl Engine {
    /// Speaks with nobody yet.
    ///
    /// # Errors
    /// When the endpoint cannot be used, in words for the operator.
    pub(super) fn new(endpoint: &Endpoint, owner: Owner) -> Result<Self, String> {
        let transport = Arc::new(Transport::new(endpoint)?);
        let carrier = transport.clone();
        let carry = move |request| carrier.clone().request(request);
        let docker = Docker::connect_with_custom_transport(
            carry,
            Some("http://docker"),
            BOLLARD_TIMEOUT_S,
            bollard::API_DEFAULT_VERSION,
        )
        .map_err(|error| format!("{}: {error}", endpoint.address))?;
        Ok(Engine { docker, transport, owner, calls: Semaphore::new(CALLS_MAX) })
    }

    /// Its address, as the operator wrote it.
    pub(super) fn address(&self) -> String {
        self.transport.address().to_string()
    }

    /// Whose containers are meant.
    pub(super) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Asks the engine what it speaks, and speaks that from now on. `Err(Ok(..))` would be a call that failed; an engine that
    /// is too old or too new is the inner error.
    pub(super) async fn agree(&self) -> Result<Result<ApiVersion, String>, CallError> {
        self.transport.speak(None);
        let said = within(CALL, self.docker.version()).await?;
        let agreed =
            version::agree(said.api_version.as_deref().unwrap_or_default(), said.min_api_version.as_deref());
        if let Ok(version) = agreed {
            self.transport.speak(Some(version));
        }
        Ok(agreed)
    }

    /// Whether it answers at all.
    pub(super) async fn ping(&self) -> Result<(), CallError> {
        within(PING, self.docker.ping()).await.map(drop)
    }

    /// All of the owner's containers, whatever their state.
    pub(super) async fn list(&self) -> Result<Vec<Listed>, CallError> {
        let options = ListContainersOptions {
            all: true,
            filters: Some(filters("label", &label::filter(&self.owner))),
            ..ListContainersOptions::default()
        };
        let listing = within(CALL, self.docker.list_containers(Some(options))).await?;
        Ok(listing.into_iter().filter_map(listed).collect())
    }

    /// The owner's events from now on, and a wait until the engine begins to send them, which it does only while they are
    /// being read.
    pub(super) fn events(&self) -> (Events, impl Future<Output = ()> + use<>) {
        let (transport, listenings) = (self.transport.clone(), self.transport.listenings());
        let mut filters = filters("label", &label::filter(&self.owner));
        filters.insert("type".to_owned(), vec!["container".to_owned()]);
        let options = EventsOptions { filters: Some(filters), ..EventsOptions::default() };
        let events: Events = Box::pin(Told(Box::pin(self.docker.events(Some(options)))));
        (events, async move { transport.listening(listenings).await })
    }

    /// Makes a container, which does not run yet.
    pub(super) async fn create(
        &self,
        name: &str,
        body: ContainerCreateBody,
    ) -> Result<ContainerId, CallError> {
        let options =
            CreateContainerOptions { name: Some(name.to_owned()), ..CreateContainerOptions::default() };
        let made = self.call(self.docker.create_container(Some(options), body)).await?;
        for warning in made.warnings {
            tracing::warn!(container = name, "the engine warns: {}", first_line(&warning));
        }
        made.id.parse().map_err(|_| CallError::Broken("no id of a container".to_owned()))
    }

    /// Starts a container. One that runs already is left alone.
    pub(super) async fn start(&self, id: &ContainerId) -> Result<(), CallError> {
        self.call(self.docker.start_container(id.as_str(), None::<StartContainerOptions>)).await
    }

    /// Looks at a container, by its id or name.
    pub(super) async fn inspect(&self, id: &str) -> Result<Inspected, CallError> {
        let found = self.call(self.docker.inspect_container(id, None::<InspectContainerOptions>)).await?;
        inspected(found).ok_or_else(|| CallError::Broken("no id of a container".to_owned()))
    }

    /// Sends a signal to a container's first process.
    pub(super) async fn signal(&self, id: &ContainerId, signal: &str) -> Result<(), CallError> {
        let options = KillContainerOptions { signal: signal.to_owned() };
        self.call(self.docker.kill_container(id.as_str(), Some(options))).await
    }

    /// Lets a frozen container go on.
    pub(super) async fn unpause(&self, id: &ContainerId) -> Result<(), CallError> {
        self.call(self.docker.unpause_container(id.as_str())).await
    }

    /// Removes a container, whatever its state, with its anonymous volumes. One that is not there is fine.
    pub(super) async fn remove(&self, id: &ContainerId) -> Result<(), CallError> {
        let options = RemoveContainerOptions { force: true, v: true, ..RemoveContainerOptions::default() };
        match self.call(self.docker.remove_container(id.as_str(), Some(options))).await {
            // Somebody else is removing it.
            Err(CallError::Refused { status: 404 | 409, .. }) => Ok(()),
            removed => removed,
        }
    }

    /// The last lines of a container's output; what could not be read is left out.
    pub(super) async fn log_tail(&self, id: &ContainerId) -> Vec<String> {
        let options = LogsOptions {
            stdout: true,
            stderr: true,
            tail: LOG_LINES_MAX.to_string(),
            ..LogsOptions::default()
        };
        let mut output = Box::pin(self.docker.logs(id.as_str(), Some(options)));
        let mut bytes = Vec::new();
        let mut is_cut = false;
        let read = async {
            while let Some(Ok(piece)) = poll_fn(|context| output.as_mut().poll_next(context)).await {
                let piece = LogOutput::into_bytes(piece);
                bytes.extend_from_slice(&piece[piece.len().saturating_sub(LOG_BYTES_MAX)..]);
                if let Some(surplus) = bytes.len().checked_sub(LOG_BYTES_MAX) {
                    is_cut |= surplus > 0;
                    bytes.drain(..surplus);
                }
            }
        };
        // What came until then is shown.
        let _ = tokio::time::timeout(CALL, read).await;
        last_lines(&bytes, is_cut)
    }

    /// Whether an image is there.
    pub(super) async fn has_image(&self, image: &str) -> Result<bool, CallError> {
        match self.call(self.docker.inspect_image(image)).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_absent() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Fetches an image.
    pub(super) async fn pull(&self, image: &str) -> Result<(), CallError> {
        let options = CreateImageOptions {
            from_image: Some(image.to_owned()),
            tag: tag_to_pull(image).map(str::to_owned),
            ..CreateImageOptions::default()
        };
        let mut progress = Box::pin(self.docker.create_image(Some(options), None, None));
        let begun = tokio::time::Instant::now();
        let mut logged = begun;
        tracing::info!(image, "pulling the image");
        while let Some(step) = tokio::time::timeout(
            PULL_SILENCE.min(PULL.saturating_sub(begun.elapsed())),
            poll_fn(|context| progress.as_mut().poll_next(context)),
        )
        .await
        .map_err(|_| CallError::TimedOut(begun.elapsed()))?
        {
            let step = step.map_err(call_error)?;
            if let Some(error) = step.error_detail.and_then(|detail| detail.message) {
                return Err(CallError::Refused { status: 200, message: error });
            }
            if logged.elapsed() >= PULL_LOGGED {
                logged = tokio::time::Instant::now();
                let status = first_line(step.status.as_deref().unwrap_or_default());
                tracing::info!(image, seconds = begun.elapsed().as_secs(), "still pulling: {status}");
            }
        }
        tracing::info!(image, seconds = begun.elapsed().as_secs(), "pulled");
        Ok(())
    }

    /// A call that waits its turn among those about single containers; its time begins with its turn.
    async fn call<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, CallError> {
        // It is never closed.
        let _turn = self.calls.acquire().await;
        within(CALL, call).await
    }
}

async fn within<T>(patience: Duration, call: impl Future<Output = Result<T, Error>>) -> Result<T, CallError> {
    match tokio::time::timeout(patience, call).await {
        Ok(answer) => answer.map_err(call_error),
        Err(_) => Err(CallError::TimedOut(patience)),
    }
}

fn call_error(error: Error) -> CallError {
    match error {
        Error::DockerResponseServerError { status_code, message } => {
            CallError::Refused { status: status_code, message }
        }
        // Only a connection that did not come about is told so.
        Error::IOError { err } => match err.get_ref().and_then(|within| within.downcast_ref()) {
            Some(TlsFault(words)) => CallError::Distrusted(words.clone()),
            None => CallError::Unreachable(err.to_string()),
        },
        Error::RequestTimeoutError => CallError::TimedOut(CALL),
        other => {
            let mut words = other.to_string();
            let mut source = other.source();
            while let Some(error) = source {
                words = format!("{words}: {error}");
                source = error.source();
            }
            CallError::Broken(words)
        }
    }
}

fn filters(name: &str, value: &str) -> HashMap<String, Vec<String>> {
    HashMap::from([(name.to_owned(), vec![value.to_owned()])])
}

fn first_line(text: &str) -> String {
    last_lines(text.lines().next().unwrap_or_default().as_bytes(), false).concat()
}

/// The tag to ask for beside a reference: without one engines fetch all tags that there are.
fn tag_to_pull(image: &str) -> Option<&'static str> {
    let last = image.rsplit('/').next().unwrap_or_default();
    (!last.contains([':', '@'])).then_some("latest")
}

/// The id of a network, which becomes part of a path: of letters and digits, as those of containers are.
fn id_of(written: &str) -> Option<Box<str>> {
    let proper =
        (12..=64).contains(&written.len()) && written.bytes().all(|byte| byte.is_ascii_alphanumeric());
    proper.then(|| written.into())
}

/// What a listing says of one container; `None`: it is not Ringway's.
fn listed(summary: ContainerSummary) -> Option<Listed> {
    use ContainerSummaryStateEnum as State;
    let state = match summary.state? {
        State::CREATED => ContainerState::Created,
        State::PAUSED => ContainerState::Up { paused: true },
        State::EXITED | State::DEAD | State::REMOVING => ContainerState::Ended,
        _ => ContainerState::Up { paused: false },
    };
    let labels = Labels::read(&summary.labels?)?;
    Some(Listed { id: summary.id?.parse().ok()?, labels, state })
}

fn inspected(found: ContainerInspectResponse) -> Option<Inspected> {
    use ContainerStateStatusEnum as Status;
    let state = found.state.unwrap_or_default();
    let exit = Exit {
        code: state.exit_code,
        out_of_memory: state.oom_killed.unwrap_or_default(),
        error: state.error.unwrap_or_default(),
    };
    let state = match state.status {
        Some(Status::CREATED) => ContainerState::Created,
        Some(Status::PAUSED) => ContainerState::Up { paused: true },
        Some(Status::RUNNING | Status::RESTARTING) => ContainerState::Up { paused: false },
        _ => ContainerState::Ended,
    };
    let labels = found.config.and_then(|config| config.labels);
    let networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    Some(Inspected {
        id: found.id?.parse().ok()?,
        labels: labels.as_ref().and_then(Labels::read),
        state,
        exit,
        attachments: networks.into_iter().filter_map(attachment).collect(),
        network_mode: found.host_config.and_then(|host| host.network_mode).unwrap_or_default().into(),
    })
}

fn attachment((name, settings): (String, EndpointSettings)) -> Option<Attachment> {
    let address = |written: Option<String>| written.and_then(|written| written.parse::<IpAddr>().ok());
    Some(Attachment {
        name: name.into(),
        id: id_of(&settings.network_id?)?,
        address: address(settings.ip_address).or_else(|| address(settings.global_ipv6_address)),
    })
}

/// The engine's messages, read.
struct Told<Messages>(Pin<Box<Messages>>);

impl<Messages: Stream<Item = Result<EventMessage, Error>>> Stream for Told<Messages> {
    type Item = Result<(ContainerId, Happening), CallError>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        loop {
            let message = match std::task::ready!(self.0.as_mut().poll_next(context)) {
                Some(Ok(message)) => message,
                Some(Err(error)) => return std::task::Poll::Ready(Some(Err(call_error(error)))),
                None => return std::task::Poll::Ready(None),
            };
            let actor = message.actor.unwrap_or_default();
            let happening =
                interpret(&message.action.unwrap_or_default(), &actor.attributes.unwrap_or_default());
            if let Some(Ok(id)) = actor.id.map(|id| id.parse()) {
                return std::task::Poll::Ready(Some(Ok((id, happening))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_without_tag_means_the_latest() {
        for (image, tag) in [
            ("worker", Some("latest")),
            ("registry:5000/team/worker", Some("latest")),
            ("worker:1", None),
            ("registry:5000/worker:1", None),
            ("worker@sha256:00ff", None),
        ] {
            assert_eq!(tag_to_pull(image), tag, "{image}");
        }
    }
}
