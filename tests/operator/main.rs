//! What the operator uses: the admin interface before a control thread that the test plays, and the commands.
#![allow(clippy::unwrap_used, reason = "a test that panics names its line")]

mod commands;
mod exposition;
mod fake;
mod program;
mod router;
mod worker;
