//! What goes wrong in a run, and what operators do in it.

use std::time::Duration;

use ringway::base::supervision::OnExit;
use ringway::control::call::Call;
use ringway::placement::ObservationKind;

/// How a server feels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Mood {
    /// It answers.
    Well,
    /// It answers clients, but heartbeats too late.
    Overloaded,
    /// It answers nobody, and sees no signal: it was stopped, or hangs.
    Silent,
    /// It answers heartbeats with an error, and clients.
    Erring,
}

/// Which servers are meant: a number that chance drew, taken modulo how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    One(u64),
    All,
}

/// How a process takes its beginning and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Birth {
    /// It listens soon.
    Well,
    /// It listens after this.
    Late(Duration),
    /// There is no such command: no process comes of it.
    Impossible,
    /// It ends by itself after this, listening or not.
    ShortLived(Duration),
    /// It runs and never listens.
    Deaf,
}

/// One thing that goes wrong, or that an operator does.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// A process ends by itself.
    Exit(Whom),
    /// Servers feel so for a while.
    Feel(Whom, Mood, Duration),
    /// A core says so of a published instance, whether it is true or not.
    Observe(u64, ObservationKind),
    /// Nothing can be written for a while.
    DiskFull(Duration),
    /// Ringway is killed, and started again after this.
    Crash(Duration),
    /// The control thread is this slow for so long.
    Lag(Duration, Duration),
    /// An operator calls.
    Call(Call),
    /// An operator edits the file; a restart reads it.
    Edit(Edit),
    /// Ringway stops in order, and is started again after this.
    Stop(Duration),
}

/// A change of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// The `count` of a service.
    Count(&'static str, usize),
    /// A service is taken out.
    Leave(&'static str),
    /// It comes back.
    Return(&'static str),
    /// What becomes of replicas when Ringway stops.
    OnExit(OnExit),
}
