//! What clients and backends do, as text: bytes to send, and behind a `~` what else happens.
//!
//! `~~` is a `~`; `~.` a cut, after which the next bytes come a little later; `~z` a pause longer than the proxy waits; `~a`
//! waits for the end of the next message from the other side, and `~h` for the next head; `~e` ends the stream, `~r` resets
//! the connection; `~K` stands for 4 KiB of a body. `~n` begins another connection, and `~B` the backends' connections, in
//! the order in which the proxy makes them; more of them do what the last one does. Without `~B` no backend listens.
//! Behind any other byte a `~` means nothing.

/// Connections of either kind.
const CONNECTIONS_MAX: usize = 4;
/// Acts of one connection: more only take time.
const ACTS_MAX: usize = 64;
/// Blocks of 4 KiB, and long pauses, of one connection.
const BLOCKS_MAX: usize = 24;
const STALLS_MAX: usize = 4;

/// One step of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Send(Vec<u8>),
    Pause,
    Stall,
    AwaitHead,
    AwaitWhole,
    End,
    Reset,
}

/// All that one side does on one connection.
pub(super) type Script = Vec<Act>;

/// The connections of clients, and of backends.
pub(super) fn parse(text: &[u8]) -> (Vec<Script>, Vec<Script>) {
    let (mut clients, mut backends) = (vec![Writing::default()], Vec::new());
    let mut in_backends = false;
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        let sides = if in_backends { &mut backends } else { &mut clients };
        let may_begin = sides.len() < CONNECTIONS_MAX;
        let Some(writing) = sides.last_mut() else { break };
        match (byte, (byte == b'~').then(|| bytes.next()).flatten()) {
            (b'~', Some(b'.')) => writing.act(Act::Pause),
            (b'~', Some(b'z')) => writing.stall(),
            (b'~', Some(b'a')) => writing.act(Act::AwaitWhole),
            (b'~', Some(b'h')) => writing.act(Act::AwaitHead),
            (b'~', Some(b'e')) => writing.act(Act::End),
            (b'~', Some(b'r')) => writing.act(Act::Reset),
            (b'~', Some(b'K')) => writing.block(),
            (b'~', Some(b'n')) if may_begin => sides.push(Writing::default()),
            (b'~', Some(b'B')) if !in_backends => {
                in_backends = true;
                backends.push(Writing::default());
            }
            (b'~', Some(other)) => writing.bytes.push(other),
            (other, _) => writing.bytes.push(other),
        }
    }
    let finish = |sides: Vec<Writing>| sides.into_iter().map(Writing::finish).collect();
    (finish(clients), finish(backends))
}

/// A script that is being read.
#[derive(Default)]
struct Writing {
    acts: Script,
    bytes: Vec<u8>,
    blocks: usize,
    stalls: usize,
}

impl Writing {
    fn act(&mut self, act: Act) {
        self.flush();
        self.acts.push(act);
    }

    fn block(&mut self) {
        if self.blocks < BLOCKS_MAX {
            self.blocks += 1;
            self.bytes.extend_from_slice(&[b'k'; 4096]);
        }
    }

    fn stall(&mut self) {
        self.stalls += 1;
        self.act(if self.stalls <= STALLS_MAX { Act::Stall } else { Act::Pause });
    }

    fn flush(&mut self) {
        if !self.bytes.is_empty() {
            self.acts.push(Act::Send(std::mem::take(&mut self.bytes)));
        }
    }

    fn finish(mut self) -> Script {
        self.flush();
        self.acts.truncate(ACTS_MAX);
        self.acts
    }
}
