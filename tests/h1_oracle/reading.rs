//! What httparse makes of a head.

/// The most field lines that it has room for.
const FIELDS_MAX: usize = 64;

/// A name and a value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// How far httparse reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// A head of this length.
    Whole(usize),
    /// All of it, and it waits for more.
    Partial,
    /// It refuses the head.
    Refused,
}

/// The start line's parts as text, and the fields. Of a head that is not whole, what was read of it.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) extent: Extent,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) version: u8,
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) fields: Vec<Pair>,
}

impl Reading {
    pub(crate) fn of_request(bytes: &[u8]) -> Reading {
        let mut headers = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let extent = Extent::of(request.parse(bytes));
        Reading {
            method: request.method.unwrap_or_default().to_owned(),
            target: request.path.unwrap_or_default().to_owned(),
            version: request.version.unwrap_or_default(),
            status: 0,
            reason: String::new(),
            fields: pairs(extent, request.headers),
            extent,
        }
    }

    pub(crate) fn of_response(bytes: &[u8]) -> Reading {
        let mut headers = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let extent = Extent::of(response.parse(bytes));
        Reading {
            method: String::new(),
            target: String::new(),
            version: response.version.unwrap_or_default(),
            status: response.code.unwrap_or_default(),
            reason: response.reason.unwrap_or_default().to_owned(),
            fields: pairs(extent, response.headers),
            extent,
        }
    }

    pub(crate) fn hosts(&self) -> Vec<&[u8]> {
        let hosts = self.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"host"));
        hosts.map(|(_, value)| &value[..]).collect()
    }
}

impl Extent {
    fn of(parsed: httparse::Result<usize>) -> Extent {
        match parsed {
            Ok(httparse::Status::Complete(length)) => Extent::Whole(length),
            Ok(httparse::Status::Partial) => Extent::Partial,
            Err(_) => Extent::Refused,
        }
    }
}

fn pairs(extent: Extent, headers: &[httparse::Header<'_>]) -> Vec<Pair> {
    match extent {
        Extent::Whole(_) => {
            headers.iter().map(|header| (header.name.as_bytes().to_vec(), header.value.to_vec())).collect()
        }
        // What stands there then is not said.
        Extent::Partial | Extent::Refused => Vec::new(),
    }
}
