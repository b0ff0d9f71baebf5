//! What is asked: the bytes of each request.
//!
//! A [`RequestSpec`] says what was wanted; [`Requests`] is that, ready to be written. What request number i is depends on the
//! specification and on i alone, so that two runs ask the same however many threads they have.

mod draws;
mod field;
mod keys;
mod message;
mod method;
mod path;
mod paths;
mod share;
mod target;
mod template;

use std::sync::Arc;

use thiserror::Error;

pub use field::{FieldError, HeaderField};
pub use keys::{Distribution, DistributionError, EXPONENT_MAX, Exponent, FIRST_KEY_MAX, KEYS_MAX, Keys};
pub use method::{MethodError, MethodToken};
pub use path::{PATH_BYTES_MAX, PathError, PathTemplate};
pub use paths::{FILE_BYTES_MAX, LINE_BYTES_MAX, LineFault, Paths, PathsError};
pub use share::{Share, ShareError};
pub use target::{Target, TargetError};
pub use template::{Template, TemplateError};

use draws::Draws;
use keys::Places;
use message::{Message, MessageBuilder};

use crate::message::{Authority, AuthorityError, Method};

/// Whether a request reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// What the plan asks for by itself.
    Read,
    /// What it asks for with its share of writes.
    Write,
}

/// What must be known of a request to read its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Whether it reads or writes.
    pub class: Class,
    /// Its method.
    pub method: Method,
}

/// What all requests of a run are to be.
#[derive(Clone, Debug)]
pub struct RequestSpec {
    /// The server, and the path of all requests unless `paths` are given.
    pub target: Target,
    /// The method where no other is said.
    pub method: MethodToken,
    /// Header fields beside those that are written by themselves: Host, unless it is among these, Content-Length and
    /// Connection.
    pub fields: Vec<HeaderField>,
    /// The body: of the writes where a share of them is said, else of every request.
    pub body: Template,
    /// The keys. With `paths`, there is one for each of them, its number, and only their distribution counts.
    pub keys: Keys,
    /// What chance begins with.
    pub seed: u64,
    /// Paths, of which the key's place chooses one, instead of the target's.
    pub paths: Option<Paths>,
    /// The share of writes. Without it, a request whose method is safe reads, and any other writes.
    pub writes: Option<Writes>,
    /// Whether a connection serves more than one request.
    pub keep_alive: bool,
}

/// Requests that write, among others that read.
#[derive(Clone, Debug)]
pub struct Writes {
    /// How many of all.
    pub share: Share,
    /// Their method, also where a file of paths says another.
    pub method: MethodToken,
    /// Their path, if it is not that of the others.
    pub path: Option<PathTemplate>,
}

/// A [`RequestSpec`] contradicts itself. Each text says what to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RequestsError {
    /// Host was given twice.
    #[error("Host is given twice; a request has one")]
    RepeatedHost,
    /// Host is no authority.
    #[error("Host is no host with or without a port: {0}")]
    InvalidHost(AuthorityError),
}

/// All requests of a run, by number.
///
/// Clones share what they hold, so that each thread can have one: a body or a file of paths may be large.
#[derive(Clone, Debug)]
pub struct Requests(Arc<Prepared>);

#[derive(Debug)]
struct Prepared {
    first_key: u64,
    places: Places,
    plain: Shape,
    writes: Option<(Share, Draws, Shape)>,
    has_key: bool,
}

/// What requests of one kind have in common.
#[derive(Debug)]
enum Shape {
    /// Method and path too.
    Whole { asked: Asked, message: Message },
    /// All that follows the path, which a file says.
    Listed(Listed),
}

/// Requests whose path a file says.
#[derive(Debug)]
struct Listed {
    paths: Arc<Paths>,
    method: MethodToken,
    /// Whether the method counts where the file says another.
    overrides: bool,
    /// Where the method does not say it.
    class: Option<Class>,
    message: Message,
    /// Instead of `message`, for methods that expect a body, where there is none.
    without_expected_body: Option<Message>,
}

impl Requests {
    /// Prepares what was wanted.
    pub fn new(mut spec: RequestSpec) -> Result<Self, RequestsError> {
        let paths = spec.paths.take().map(Arc::new);
        let keys = match &paths {
            Some(paths) => Keys { count: paths.count(), first: 0, ..spec.keys },
            None => spec.keys,
        };
        check_host(&spec.fields, &keys)?;
        let no_body = Template::verbatim(*b"");
        let plain_body = if spec.writes.is_some() { &no_body } else { &spec.body };
        let class = spec.writes.is_some().then_some(Class::Read);
        let plain = match &paths {
            Some(paths) => Shape::listed(&spec, paths, &spec.method, plain_body, class),
            None => Shape::whole(&spec, spec.target.path(), &spec.method, plain_body, class),
        };
        let writes = spec.writes.as_ref().map(|writes| {
            let (method, body, class) = (&writes.method, &spec.body, Some(Class::Write));
            let shape = match (&writes.path, &paths) {
                (None, Some(paths)) => Shape::listed(&spec, paths, method, body, class),
                (path, _) => {
                    let path = path.as_ref().unwrap_or(spec.target.path());
                    Shape::whole(&spec, path, method, body, class)
                }
            };
            (writes.share, Draws::of_writes(spec.seed), shape)
        });
        let has_key = plain.has_key() || writes.as_ref().is_some_and(|(_, _, shape)| shape.has_key());
        let places = if has_key || paths.is_some() {
            Places::new(keys.count, keys.distribution, spec.seed)
        } else {
            // Nobody would see which one it is, and drawing costs time.
            Places::one()
        };
        Ok(Requests(Arc::new(Prepared { first_key: keys.first, places, plain, writes, has_key })))
    }

    /// Whether `{key}` stands anywhere in them.
    pub fn has_key(&self) -> bool {
        self.0.has_key
    }

    /// Whether a file of paths says the methods of some that are no writes.
    pub fn has_listed_methods(&self) -> bool {
        matches!(&self.0.plain, Shape::Listed(listed) if listed.paths.has_methods())
    }

    /// Appends request number `index` to `out`. The same number is always the same request, so that what is asked does
    /// not depend on threads and time.
    #[inline]
    pub fn write(&self, index: u64, out: &mut Vec<u8>) -> Asked {
        let prepared = &*self.0;
        let shape = match &prepared.writes {
            Some((share, draws, shape)) if share.contains(*draws, index) => shape,
            _ => &prepared.plain,
        };
        let place = prepared.places.of(index);
        let key = prepared.first_key.saturating_add(place);
        match shape {
            Shape::Whole { asked, message } => {
                message.write(key, out);
                *asked
            }
            Shape::Listed(listed) => listed.write(place, out),
        }
    }
}

fn check_host(fields: &[HeaderField], keys: &Keys) -> Result<(), RequestsError> {
    let mut hosts = fields.iter().filter(|field| field.is_host());
    let Some(host) = hosts.next() else { return Ok(()) };
    if hosts.next().is_some() {
        return Err(RequestsError::RepeatedHost);
    }
    // What is valid with the shortest key and with the longest one is so with all between: a percent-encoding can only be
    // cut short, a port or a part of an address only become too large.
    for key in [keys.first, keys.first.saturating_add(keys.count.get() - 1)] {
        Authority::parse(&host.value().expand(key)).map_err(RequestsError::InvalidHost)?;
    }
    Ok(())
}

impl Shape {
    fn whole(
        spec: &RequestSpec,
        path: &PathTemplate,
        method: &MethodToken,
        body: &Template,
        class: Option<Class>,
    ) -> Self {
        let mut builder = MessageBuilder::default();
        builder.bytes(method.as_bytes());
        builder.bytes(b" ");
        builder.template(path.template());
        behind_path(&mut builder, spec, body, expects_body(method.method()));
        let class = class.unwrap_or_else(|| class_of(method.method()));
        Shape::Whole { asked: Asked { class, method: method.method() }, message: builder.build() }
    }

    fn listed(
        spec: &RequestSpec,
        paths: &Arc<Paths>,
        method: &MethodToken,
        body: &Template,
        class: Option<Class>,
    ) -> Self {
        let rest = |length_zero| {
            let mut builder = MessageBuilder::default();
            behind_path(&mut builder, spec, body, length_zero);
            builder.build()
        };
        Shape::Listed(Listed {
            paths: paths.clone(),
            method: method.clone(),
            overrides: class == Some(Class::Write),
            class,
            message: rest(false),
            without_expected_body: body.is_empty().then(|| rest(true)),
        })
    }

    fn has_key(&self) -> bool {
        match self {
            Shape::Whole { message, .. } | Shape::Listed(Listed { message, .. }) => message.has_key(),
        }
    }
}

impl Listed {
    fn write(&self, place: u64, out: &mut Vec<u8>) -> Asked {
        let line = self.paths.get(place);
        let own = (self.method.as_bytes(), self.method.method());
        let (token, method) = line.method.filter(|_| !self.overrides).unwrap_or(own);
        out.extend_from_slice(token);
        out.push(b' ');
        out.extend_from_slice(line.path);
        let message = self.without_expected_body.as_ref().filter(|_| expects_body(method));
        message.unwrap_or(&self.message).write(place, out);
        Asked { class: self.class.unwrap_or_else(|| class_of(method)), method }
    }
}

/// Adds all that follows a request's path; with `length_zero` also says so if there is no body.
fn behind_path(builder: &mut MessageBuilder, spec: &RequestSpec, body: &Template, length_zero: bool) {
    builder.bytes(b" HTTP/1.1\r\n");
    if !spec.fields.iter().any(HeaderField::is_host) {
        builder.bytes(b"Host: ");
        builder.bytes(spec.target.authority().as_bytes());
        builder.bytes(b"\r\n");
    }
    for field in &spec.fields {
        builder.bytes(field.name().as_bytes());
        builder.bytes(b": ");
        builder.template(field.value());
        builder.bytes(b"\r\n");
    }
    if length_zero || !body.is_empty() {
        builder.bytes(b"Content-Length: ");
        builder.length_of(body);
        builder.bytes(b"\r\n");
    }
    if !spec.keep_alive {
        builder.bytes(b"Connection: close\r\n");
    }
    builder.bytes(b"\r\n");
    builder.template(body);
}

/// Whether a request with this method says that it has no body (RFC 9110 8.6).
fn expects_body(method: Method) -> bool {
    matches!(method, Method::Post | Method::Put | Method::Patch)
}

fn class_of(method: Method) -> Class {
    if method.is_safe() { Class::Read } else { Class::Write }
}

#[cfg(test)]
mod tests;
