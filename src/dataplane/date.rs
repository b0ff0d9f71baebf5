//! The date that answers carry, as one core knows it.

use std::cell::Cell;

use crate::base::time::Moment;
use crate::engine::Handle;
use crate::message::HttpDate;

/// The text of the second that it is. The calendar is read about once a second, and only while answers
/// need it.
#[derive(Debug)]
pub(super) struct DateText {
    text: Cell<HttpDate>,
    /// When the next second begins.
    due: Cell<Moment>,
}

impl DateText {
    /// The text of now.
    pub(super) fn new(handle: &Handle) -> Self {
        let date =
            DateText { text: Cell::new(HttpDate::from_unix_seconds(0)), due: Cell::new(Moment::ORIGIN) };
        date.refresh(handle);
        date
    }

    /// What an answer of now says.
    pub(super) fn now(&self, handle: &Handle) -> HttpDate {
        if handle.now() >= self.due.get() {
            self.refresh(handle);
        }
        self.text.get()
    }

    #[cold]
    fn refresh(&self, handle: &Handle) {
        let wall = handle.wall_time();
        self.text.set(HttpDate::from_unix_seconds(wall.seconds()));
        self.due.set(handle.now() + wall.until_next_second());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::Engine;
    use crate::engine::simulated::{Faults, Simulated};

    #[test]
    fn the_text_changes_with_the_second() {
        let engine = Simulated::new(1, Faults::default());
        engine.clone().run(async move {
            let handle = engine.handle();
            let mut timer = handle.timer();
            let date = DateText::new(handle);
            // milliseconds since the origin, the date's seconds
            for (millis, expected) in [(0, "00"), (999, "00"), (1_000, "01"), (1_001, "01"), (59_500, "59")] {
                timer.sleep_until(Moment::ORIGIN + Duration::from_millis(millis)).await;
                let text = date.now(handle);
                let text = str::from_utf8(text.as_bytes()).expect("ASCII");
                assert_eq!(text, format!("Thu, 01 Jan 2026 00:00:{expected} GMT"), "{millis}");
            }
        });
    }
}
