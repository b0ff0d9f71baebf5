//! What is asked: the bytes of each request.

use crate::message::Method;

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

/// All requests of a run, by number.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    bytes: Box<[u8]>,
}

impl Requests {
    /// Appends request number `index` to `out`. The same number is always the same request, so that what is asked does
    /// not depend on threads and time.
    pub fn write(&self, index: u64, out: &mut Vec<u8>) -> Asked {
        let _ = index;
        out.extend_from_slice(&self.bytes);
        Asked { class: Class::Read, method: Method::Get }
    }
}
