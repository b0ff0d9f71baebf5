//! What can go wrong with a call to the engine, and what an operator is told to do about it.

use std::time::Duration;

use crate::provider::log_lines::harmless_line;

/// Why a call brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CallError {
    /// No connection came about: nothing was asked.
    Unreachable(String),
    /// The two sides did not come to TLS with each other, so nothing was asked; with what to do.
    Distrusted(String),
    /// No answer came in time. The engine may do what was asked all the same.
    TimedOut(Duration),
    /// The engine answered with an error.
    Refused {
        /// The status.
        status: u16,
        /// The engine's own words.
        message: String,
    },
    /// The answer broke off, or makes no sense. The engine may have done what was asked.
    Broken(String),
}

impl CallError {
    /// Whether the engine answered that there is no such thing.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, CallError::Refused { status: 404, .. })
    }

    /// Whether it is not known if the engine did what was asked.
    pub(super) fn is_uncertain(&self) -> bool {
        matches!(self, CallError::TimedOut(_) | CallError::Broken(_))
    }

    /// Whether the engine itself is in trouble, and not what it was asked about.
    pub(super) fn is_engines(&self) -> bool {
        !matches!(self, CallError::Refused { .. })
    }
}

/// What was tried, for the words about its failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To speak with the engine at all.
    Speak,
    /// To find or make the network.
    Network,
    /// To put Ringway's own container on the network.
    Join,
    /// To find the image.
    Image,
    /// To fetch the image.
    Pull,
    /// To make the container.
    Create,
    /// To start it.
    Start,
    /// To look at it.
    Inspect,
    /// To send it a signal.
    Signal,
    /// To remove it.
    Remove,
}

impl Step {
    fn verb(self) -> &'static str {
        match self {
            Step::Speak => "answer",
            Step::Network => "look for the network",
            Step::Join => "put Ringway's own container on the network",
            Step::Image => "look for the image",
            Step::Pull => "pull the image",
            Step::Create => "create the container",
            Step::Start => "start the container",
            Step::Inspect => "inspect the container",
            Step::Signal => "signal the container",
            Step::Remove => "remove the container",
        }
    }
}

/// What a failure is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    /// The engine's address.
    pub(super) engine: &'a str,
    /// The image.
    pub(super) image: &'a str,
    /// The name or id of the network.
    pub(super) network: &'a str,
    /// The name of the container, or the id of Ringway's own.
    pub(super) container: &'a str,
}

/// For the operator: what happened, and what to do.
pub(super) fn explain(error: &CallError, step: Step, about: &About<'_>) -> String {
    let About { engine, .. } = about;
    match error {
        CallError::Unreachable(reason) => unreachable_engine(engine, reason),
        CallError::Distrusted(words) => {
            format!("the engine at {engine} cannot be used: {}", harmless_line(words))
        }
        CallError::TimedOut(after) => {
            format!("the engine at {engine} did not {} within {} s", step.verb(), after.as_secs())
        }
        CallError::Broken(reason) => {
            let reason = harmless_line(reason);
            format!("the engine at {engine} gave no proper answer when it was to {}: {reason}", step.verb())
        }
        CallError::Refused { status, message } => refused(*status, &harmless_line(message), step, about),
    }
}

fn unreachable_engine(engine: &str, reason: &str) -> String {
    let reason = harmless_line(reason);
    let advice = if reason.contains("ermission denied") {
        "let Ringway's user into the socket's group"
    } else {
        "is it running?"
    };
    format!("the engine at {engine} cannot be reached: {reason}; {advice}")
}

fn refused(status: u16, message: &str, step: Step, about: &About<'_>) -> String {
    let About { image, network, container, .. } = about;
    let says = |part: &str| message.to_ascii_lowercase().contains(part);
    if says("no space left on device") || says("disk quota exceeded") {
        return format!("the engine's disk is full: {message}; free some space (docker system prune)");
    }
    if says("http request to an https server") {
        return format!(
            "the engine at {} speaks TLS only at this port; set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder of its ca.pem and of Ringway's cert.pem and key.pem",
            about.engine
        );
    }
    match (step, status) {
        (Step::Create | Step::Image, 404) if says("no such image") || step == Step::Image => {
            format!("image {image} is not there: docker pull {image}, or write pull = \"missing\"")
        }
        (Step::Create | Step::Start | Step::Network | Step::Join, 404) if says("network") => {
            format!("network {network} is not there: docker network create {network}")
        }
        (Step::Create, 409) if says("name") => match holder(message) {
            Some(holder) => format!(
                "the name {container} is taken by container {holder}, which is not Ringway's; rename or remove that one"
            ),
            None => format!("the name {container} is taken: {message}; rename or remove what has it"),
        },
        (Step::Join, _) => format!(
            "the engine refuses to put Ringway's own container on network {network}: {message}; docker network connect {network} {container}, or write reach = \"address\""
        ),
        (Step::Pull, _) => format!("image {image} cannot be pulled: {message}"),
        _ => format!("the engine refuses to {}: {message} (status {status})", step.verb()),
    }
}

/// The container that has a name already, which engines put into quotes behind the word.
fn holder(message: &str) -> Option<String> {
    let (_, behind) = message.split_once("by container ")?;
    let id: String = behind.trim_start_matches('"').chars().take_while(char::is_ascii_alphanumeric).collect();
    (id.len() >= 12).then(|| id.chars().take(12).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: About<'_> = About {
        engine: "unix:///d.sock",
        image: "worker:1",
        network: "back",
        container: "ringway-edge-web-a-7",
    };

    fn refusal(status: u16, message: &str) -> CallError {
        CallError::Refused { status, message: message.to_owned() }
    }

    #[test]
    fn each_failure_says_what_to_do() {
        let second = Duration::from_secs(10);
        let cases = [
            (
                CallError::Unreachable("No such file or directory (os error 2)".into()),
                Step::Create,
                "the engine at unix:///d.sock cannot be reached: No such file or directory (os error 2); is it running?",
            ),
            (
                CallError::Unreachable("Permission denied (os error 13)".into()),
                Step::Create,
                "let Ringway's user into the socket's group",
            ),
            (CallError::TimedOut(second), Step::Start, "did not start the container within 10 s"),
            (
                CallError::Broken("cut\n".into()),
                Step::Inspect,
                "when it was to inspect the container: cut\u{fffd}",
            ),
            (
                refusal(404, "No such image: worker:1"),
                Step::Create,
                "image worker:1 is not there: docker pull worker:1, or write pull = \"missing\"",
            ),
            (refusal(404, ""), Step::Image, "image worker:1 is not there"),
            (
                refusal(404, "network back not found"),
                Step::Start,
                "network back is not there: docker network create back",
            ),
            (
                refusal(
                    409,
                    "Conflict. The container name \"/ringway-edge-web-a-7\" is already in use by container \"0123456789abcdef\". You have to remove",
                ),
                Step::Create,
                "the name ringway-edge-web-a-7 is taken by container 0123456789ab, which is not Ringway's; rename or remove",
            ),
            (
                refusal(409, "name in use"),
                Step::Create,
                "is taken: name in use; rename or remove what has it",
            ),
            (
                refusal(500, "write /var/lib/docker/x: no space left on device"),
                Step::Create,
                "the engine's disk is full: write /var/lib/docker/x: no space left on device; free some space",
            ),
            (
                refusal(404, "pull access denied for worker"),
                Step::Pull,
                "image worker:1 cannot be pulled: pull access",
            ),
            (
                refusal(500, "OCI runtime create failed: exec: \"x\": not found"),
                Step::Start,
                "the engine refuses to start the container: OCI runtime create failed: exec: \"x\": not found (status 500)",
            ),
        ];
        check(&cases);
    }

    #[test]
    fn each_refusal_to_let_ringway_in_says_what_to_do() {
        let cases = [
            (
                CallError::Distrusted("its certificate has expired; make a new one".into()),
                Step::Speak,
                "the engine at unix:///d.sock cannot be used: its certificate has expired; make a new one",
            ),
            (
                refusal(400, "Client sent an HTTP request to an HTTPS server.\n"),
                Step::Speak,
                "speaks TLS only at this port; set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH",
            ),
            (
                refusal(403, "no such path for you"),
                Step::Join,
                "on network back: no such path for you; docker network connect back ringway-edge-web-a-7, or write reach = \"address\"",
            ),
        ];
        check(&cases);
    }

    fn check(cases: &[(CallError, Step, &str)]) {
        for (error, step, said) in cases {
            let words = explain(error, *step, &ABOUT);
            assert!(words.contains(said), "{words}");
            assert!(!words.contains('\n'), "{words}");
        }
    }

    #[test]
    fn an_endless_message_is_cut() {
        let words = explain(&refusal(500, &"x".repeat(100_000)), Step::Create, &ABOUT);
        assert!(words.len() < 600, "{}", words.len());
    }

    #[test]
    fn what_was_not_answered_may_have_happened() {
        let timed_out = CallError::TimedOut(Duration::from_secs(1));
        assert!(timed_out.is_uncertain() && CallError::Broken(String::new()).is_uncertain());
        assert!(!refusal(500, "").is_uncertain() && !CallError::Unreachable(String::new()).is_uncertain());
        assert!(timed_out.is_engines() && !refusal(404, "").is_engines() && refusal(404, "").is_absent());
    }
}
