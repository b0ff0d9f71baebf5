//! A key that may stand in a request's body: the body's first bytes are awaited and looked at, and stay to be forwarded.

use super::attempt::ClientFault;
use super::client::Client;
use super::core::Core;
use super::exchange::Unplaced;
use super::pace::Pace;
use super::request::Request;
use crate::engine::{Engine, Writer};
use crate::h1::{BodyDecoder, BodyStep, ChunkedError};
use crate::placement::KeyHash;
use crate::proxy::answer;
use crate::proxy::json_key::{JsonKey, JsonScan, PREFIX_BYTES_MAX};
use crate::proxy::key::BodyKey;

/// How many bytes of a body, framing included, are awaited in search of a key: room for a whole prefix in chunks of six
/// bytes and more. One read more may have come by then, and that is all that a waiting request holds.
const WAITING_BYTES_MAX: usize = 2 * PREFIX_BYTES_MAX;

/// The hash of a key that may stand in the body, once enough of that has come.
pub(super) async fn place<E: Engine>(
    core: &Core<E>,
    client: &mut Client<E>,
    request: &mut Request<E>,
    key: BodyKey,
) -> Result<KeyHash, Unplaced> {
    let found = find(core, client, request, key).await.map_err(Unplaced::Client)?;
    // If a new snapshot places keys by another algorithm, this request still goes by the old one's hash.
    request.renew(core).ok_or(Unplaced::NoService)?;
    found.ok_or(Unplaced::Client(ClientFault::NoKey))
}

/// The hash of the first of the members that the body has; else what the head says. `None`: there is no key.
///
/// No byte is taken: whoever forwards the body finds it from its beginning. Each member's search goes over the bytes
/// once, however small the pieces in which they come.
async fn find<E: Engine>(
    core: &Core<E>,
    client: &mut Client<E>,
    request: &Request<E>,
    key: BodyKey,
) -> Result<Option<KeyHash>, ClientFault> {
    if request.asked.awaits_continue && client.inbound.bytes().is_empty() {
        answer::write_continue(client.writer.buffer());
        client.flush(core).await.map_err(|_| ClientFault::Gone)?;
    }
    let service = &request.asked.service.service;
    let mut pace = Pace::new();
    let mut value = core.engine.handle().buffers().scratch();
    for field in key.fields(&service.keys) {
        let mut search = Search::new(request.body.decoder(), field);
        value.clear();
        loop {
            let found = search.look_at(client.inbound.bytes(), &mut value);
            match found.map_err(|_| ClientFault::Malformed)? {
                JsonScan::Found => return Ok(Some(service.hasher().hash(&value))),
                JsonScan::NotThere => break,
                JsonScan::NeedMore => pace.fill(core, &mut client.inbound, &mut client.timer).await?,
            }
        }
    }
    Ok(key.otherwise)
}

/// One member's search in a body that comes in pieces.
struct Search<'a> {
    /// Its own, so that the body's is still at the beginning when the body is forwarded.
    decoder: BodyDecoder,
    /// How far it has come in the bytes as they came.
    at: usize,
    member: JsonKey<'a>,
}

impl<'a> Search<'a> {
    fn new(decoder: BodyDecoder, field: &'a str) -> Self {
        Search { decoder, at: 0, member: JsonKey::new(field.as_bytes()) }
    }

    /// Looks at what has come since the last call; `bytes` are those from the body's beginning.
    fn look_at(&mut self, bytes: &[u8], value: &mut Vec<u8>) -> Result<JsonScan, ChunkedError> {
        loop {
            let rest = bytes.get(self.at..).unwrap_or_default();
            match self.decoder.decode(rest)? {
                BodyStep::Data { skip, data } => {
                    self.at += skip + data;
                    let scan = self.member.push(&rest[skip..skip + data], value);
                    if scan != JsonScan::NeedMore {
                        return Ok(scan);
                    }
                }
                BodyStep::NeedMore => {
                    self.at = bytes.len();
                    let ends_here = self.at >= WAITING_BYTES_MAX;
                    return Ok(if ends_here { JsonScan::NotThere } else { JsonScan::NeedMore });
                }
                BodyStep::End { .. } => return Ok(JsonScan::NotThere),
            }
        }
    }
}
