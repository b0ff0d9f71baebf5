//! What one half has with the kernel: at most one operation, and everything that the operation points to.

use std::cell::Cell;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::task::Waker;

use io_uring::squeue::Flags;
use io_uring::types::Fd;
use io_uring::{opcode, squeue};
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::SendFlags;
use socket2::SockAddr;

use super::provided::GROUP;
use crate::engine::IoError;
use crate::engine::buffer::BLOCK_BYTES;
use crate::engine::outbound::Outbound;

/// `IORING_RECVSEND_POLL_FIRST`: wait for readiness before the first attempt.
const POLL_FIRST: u16 = 1;
/// The parts of what a writer has queued.
const PARTS: usize = 3;

/// A socket. It closes when its last half, and the last operation on it, is gone.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) descriptor: OwnedFd,
    /// How the connection broke. The kernel tells one operation, and from then on reports an end of file, which would
    /// pass off a cut stream as a finished one. Set as completions are taken, because the one that was told may be a send
    /// whose half does not look.
    pub(super) broken: Cell<Option<IoError>>,
}

impl Socket {
    pub(super) fn note(&self, errno: Errno) {
        // A broken pipe is a stream that we ended, or that broke after the peer had ended its own.
        if !is_transient(errno) && errno != Errno::PIPE && errno != Errno::CANCELED {
            self.broken.set(Some(errno.into()));
        }
    }
}

/// Whether a failed attempt says nothing about the connection: no buffer was left for it, or a signal came.
pub(super) fn is_transient(errno: Errno) -> bool {
    matches!(errno, Errno::NOBUFS | Errno::INTR | Errno::AGAIN)
}

impl From<OwnedFd> for Socket {
    fn from(descriptor: OwnedFd) -> Self {
        Socket { descriptor, broken: Cell::new(None) }
    }
}

/// The half's side of its operations, kept until the kernel is done with them.
pub(super) struct Operation {
    /// Tells this half from an earlier one that had the same key.
    pub(super) generation: u32,
    pub(super) state: State,
    /// Who waits; kept from one operation to the next, because it is nearly always the same task.
    pub(super) waker: Option<Waker>,
    /// Not to be touched while an operation is in flight.
    pub(super) kept: Kept,
}

impl Operation {
    /// Whether the kernel may put bytes into a provided buffer for it.
    pub(super) fn is_receiving(&self) -> bool {
        matches!(self.kept, Kept::Receive { .. }) && matches!(self.state, State::InFlight | State::Orphaned)
    }
}

/// Where an operation is.
pub(super) enum State {
    /// There is none.
    Idle,
    /// The kernel has it.
    InFlight,
    /// The kernel is done with it, and the half has not looked yet.
    Done(Completion),
    /// The kernel has it, and the half is gone.
    Orphaned,
}

/// What an operation came to.
pub(super) struct Completion {
    /// The kernel's answer: a count, or an error's number, negated.
    pub(super) answer: i32,
    /// The buffer that the kernel chose.
    pub(super) block: Option<Box<[u8]>>,
    /// More bytes were there than fitted.
    pub(super) more: bool,
}

impl Completion {
    /// The count, or the error.
    pub(super) fn result(&self) -> Result<usize, Errno> {
        usize::try_from(self.answer).map_err(|_| Errno::from_raw_os_error(-self.answer))
    }
}

/// What an operation needs until the kernel is done with it, by kind of half.
pub(super) enum Kept {
    /// A receive into a provided buffer. `eager`: bytes are probably there already.
    Receive { socket: Rc<Socket>, eager: bool },
    /// A send of what is queued, if anything is.
    Send { socket: Rc<Socket>, sending: Option<Box<Sending>> },
    /// A connection attempt.
    Connect { socket: Rc<Socket>, address: Box<SockAddr> },
    /// A wait until the socket is readable.
    Readable { socket: Rc<Socket> },
}

impl Kept {
    /// Notes what a completion says of the connection, whoever looks at it later.
    pub(super) fn note(&self, completion: &Completion) {
        if let (Kept::Receive { socket, .. } | Kept::Send { socket, .. }, Err(errno)) =
            (self, completion.result())
        {
            socket.note(errno);
        }
    }

    /// The submission, if there is anything to do. It points into the heap only, at what this value owns; the value itself
    /// may move.
    pub(super) fn entry(&mut self) -> Option<squeue::Entry> {
        Some(match self {
            Kept::Receive { socket, eager } => {
                opcode::Recv::new(descriptor(socket), std::ptr::null_mut(), BLOCK_BYTES as u32)
                    .ioprio(if *eager { 0 } else { POLL_FIRST })
                    .buf_group(GROUP)
                    .build()
                    .flags(Flags::BUFFER_SELECT)
            }
            Kept::Send { socket, sending } => sending.as_mut()?.entry(descriptor(socket)),
            Kept::Connect { socket, address } => {
                opcode::Connect::new(descriptor(socket), address.as_ptr().cast(), address.len()).build()
            }
            Kept::Readable { socket } => {
                opcode::PollAdd::new(descriptor(socket), u32::from(PollFlags::IN.bits())).build()
            }
        })
    }
}

fn descriptor(socket: &Socket) -> Fd {
    Fd(socket.descriptor.as_raw_fd())
}

/// What a writer has handed over for sending, in a box that stays where it is.
pub(super) struct Sending {
    /// The bytes.
    pub(super) outbound: Outbound,
    /// The bytes' parts, and the header that names them, for a send that gathers.
    parts: [Part; PARTS],
    header: MessageHeader,
}

/// `struct iovec`.
#[repr(C)]
struct Part {
    start: *const u8,
    length: usize,
}

impl Part {
    fn of(bytes: &[u8]) -> Self {
        Part { start: bytes.as_ptr(), length: bytes.len() }
    }
}

/// The kernel's `struct user_msghdr`.
#[repr(C)]
struct MessageHeader {
    name: *const u8,
    name_length: u32,
    parts: *const Part,
    parts_count: usize,
    control: *const u8,
    control_length: usize,
    flags: u32,
}

impl Sending {
    pub(super) fn new(outbound: Outbound) -> Box<Self> {
        let header = MessageHeader {
            name: std::ptr::null(),
            name_length: 0,
            parts: std::ptr::null(),
            parts_count: PARTS,
            control: std::ptr::null(),
            control_length: 0,
            flags: 0,
        };
        Box::new(Sending { outbound, parts: [&[][..]; PARTS].map(Part::of), header })
    }

    /// Takes its own place as fixed: it is only called on the box that a half keeps.
    fn entry(&mut self, socket: Fd) -> squeue::Entry {
        let slices = self.outbound.slices();
        if let [one, [], []] | [[], one, []] = slices {
            let length = u32::try_from(one.len()).unwrap_or(u32::MAX);
            let flags = SendFlags::NOSIGNAL.bits() as i32;
            return opcode::Send::new(socket, one.as_ptr(), length).flags(flags).build();
        }
        self.parts = slices.map(Part::of);
        self.header.parts = self.parts.as_ptr();
        let header = &raw const self.header;
        opcode::SendMsg::new(socket, header.cast()).flags(SendFlags::NOSIGNAL.bits()).build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gathering_header_has_the_kernels_layout() {
        assert_eq!(size_of::<MessageHeader>(), size_of::<socket2::MsgHdr<'_, '_, '_>>());
        assert_eq!(std::mem::offset_of!(MessageHeader, parts), 16);
        assert_eq!(std::mem::offset_of!(MessageHeader, control), 32);
        assert_eq!(size_of::<Part>(), size_of::<std::io::IoSlice<'_>>());
    }

    #[test]
    fn an_answer_is_a_count_or_an_error() {
        let completion = |answer| Completion { answer, block: None, more: false };
        assert_eq!(completion(0).result(), Ok(0));
        assert_eq!(completion(i32::MAX).result(), Ok(i32::MAX as usize));
        assert_eq!(completion(-104).result(), Err(Errno::CONNRESET));
    }
}
