//! Streams of events, one for each that asked.

use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::container::Container;

/// Who listens.
#[derive(Default)]
pub(crate) struct Events {
    listeners: Vec<(Vec<String>, mpsc::UnboundedSender<Bytes>)>,
    /// Streams stay open and nothing comes of what happens.
    pub(crate) are_lost: bool,
}

impl Events {
    /// A stream of the events of containers with these labels.
    pub(super) fn subscribe(&mut self, labels: Vec<String>) -> mpsc::UnboundedReceiver<Bytes> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.listeners.push((labels, sender));
        receiver
    }

    /// Ends all streams.
    pub(crate) fn cut(&mut self) {
        self.listeners.clear();
    }

    /// How many listen.
    pub(crate) fn listeners(&mut self) -> usize {
        self.listeners.retain(|(_, listener)| !listener.is_closed());
        self.listeners.len()
    }

    pub(super) fn tell(&mut self, container: &Container, action: &str, attributes: Value) {
        if self.are_lost {
            return;
        }
        let mut all = json!(container.labels);
        for (name, value) in attributes.as_object().unwrap() {
            all[name] = value.clone();
        }
        let event = json!({
            "Type": "container", "Action": action, "scope": "local", "time": 1, "timeNano": 1,
            "Actor": { "ID": container.id, "Attributes": all },
        });
        let line = Bytes::from(format!("{event}\n"));
        for (labels, listener) in &self.listeners {
            if labels.iter().all(|label| container.has_label(label)) {
                let _ = listener.send(line.clone());
            }
        }
    }

    /// Something that is no event.
    pub(crate) fn say(&self, bytes: &'static str) {
        for (_, listener) in &self.listeners {
            let _ = listener.send(Bytes::from_static(bytes.as_bytes()));
        }
    }
}
