//! Moving a body from one connection's bytes to the other connection's queue.

use crate::engine::{Inbound, Reader, Scratch, Writer};
use crate::h1::{BodyDecoder, BodyStep, ChunkedError, encode};
use crate::message::MessageBodyLength;

/// How far a body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// All of it is queued.
    End,
    /// All that has come is queued; more must come.
    NeedMore,
}

/// One body on its way: decoded as it came, encoded as the other side reads it.
#[derive(Debug)]
pub(super) struct BodyRelay {
    decoder: BodyDecoder,
    chunked: bool,
}

impl BodyRelay {
    /// A body that comes framed as `from` and goes out framed as `to`.
    pub(super) fn new(from: MessageBodyLength, to: MessageBodyLength) -> Self {
        BodyRelay { decoder: BodyDecoder::new(from), chunked: to == MessageBodyLength::Chunked }
    }

    /// How the rest of it is read.
    pub(super) fn decoder(&self) -> BodyDecoder {
        self.decoder
    }

    /// Queues what has come. A buffer that holds nothing but body is passed on as it is, without a copy.
    pub(super) fn move_available<R: Reader, W: Writer>(
        &mut self,
        inbound: &mut Inbound<R>,
        writer: &mut W,
        mut kept: Option<&mut KeptBody>,
    ) -> Result<Moved, ChunkedError> {
        loop {
            match self.decoder.decode(inbound.bytes())? {
                BodyStep::Data { skip, data } => {
                    inbound.consume(skip);
                    if let Some(kept) = &mut kept {
                        kept.keep(&inbound.bytes()[..data]);
                    }
                    self.queue(inbound, writer, data);
                }
                BodyStep::NeedMore => {
                    inbound.consume(inbound.bytes().len());
                    return Ok(Moved::NeedMore);
                }
                BodyStep::End { consumed } => {
                    inbound.consume(consumed);
                    self.finish(writer);
                    return Ok(Moved::End);
                }
            }
        }
    }

    fn queue<R: Reader, W: Writer>(&self, inbound: &mut Inbound<R>, writer: &mut W, data: usize) {
        if self.chunked {
            encode::chunk_header(writer.buffer(), data as u64);
        }
        let whole = if data == inbound.bytes().len() { inbound.take_lent() } else { None };
        match whole {
            Some(lent) => writer.lend(lent),
            None => {
                writer.buffer().extend_from_slice(&inbound.bytes()[..data]);
                inbound.consume(data);
            }
        }
        if self.chunked {
            writer.buffer().extend_from_slice(b"\r\n");
        }
    }

    /// Queues again what was sent before, for another attempt.
    pub(super) fn replay<W: Writer>(&self, kept: &KeptBody, writer: &mut W, finished: bool) {
        let bytes = kept.bytes();
        if self.chunked && !bytes.is_empty() {
            encode::chunk_header(writer.buffer(), bytes.len() as u64);
        }
        writer.buffer().extend_from_slice(bytes);
        if self.chunked && !bytes.is_empty() {
            writer.buffer().extend_from_slice(b"\r\n");
        }
        if finished {
            self.finish(writer);
        }
    }

    /// The connection on which the body came has ended. `true` if the body ended with it; then its end is queued.
    pub(super) fn end_with_connection<W: Writer>(&self, writer: &mut W) -> bool {
        let whole = self.decoder.on_eof().is_ok();
        if whole {
            self.finish(writer);
        }
        whole
    }

    fn finish<W: Writer>(&self, writer: &mut W) {
        if self.chunked {
            writer.buffer().extend_from_slice(encode::LAST_CHUNK);
        }
    }
}

/// The part of a request body that was sent, kept so that it can be sent again.
#[derive(Debug)]
pub(super) struct KeptBody {
    bytes: Option<Scratch>,
    bytes_max: usize,
}

impl KeptBody {
    /// Keeps up to `bytes_max` bytes in `bytes`.
    pub(super) fn new(bytes: Scratch, bytes_max: usize) -> Self {
        KeptBody { bytes: Some(bytes), bytes_max }
    }

    /// Keeps nothing: what is sent can be sent again only while nothing was.
    pub(super) fn nothing() -> Self {
        KeptBody { bytes: None, bytes_max: 0 }
    }

    /// Whether all that was sent is here.
    pub(super) fn is_complete(&self) -> bool {
        self.bytes.is_some()
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.as_ref().map_or(&[], |bytes| bytes)
    }

    fn keep(&mut self, data: &[u8]) {
        if let Some(bytes) = &mut self.bytes {
            if bytes.len() + data.len() > self.bytes_max {
                self.bytes = None;
            } else {
                bytes.extend_from_slice(data);
            }
        }
    }
}
