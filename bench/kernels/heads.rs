//! Reading heads: ours with the body's length decided, which it takes a second look at the fields for, beside httparse
//! alone, which finds lines but judges neither target, Host nor framing.

use std::hint::black_box;
use std::mem::MaybeUninit;

use ringway::h1::{self, FieldTable, HeadLimits, Parse};
use ringway::message::Method;

use super::{Kernel, Repeated, repeated};

/// As wrk sends it.
pub(super) const SHORT_REQUEST: &str = "GET /x HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";

/// As curl sends it.
const CURL_REQUEST: &str =
    "GET /x HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n";

/// As Chrome sends it.
pub(super) const BROWSER_REQUEST: &str = concat!(
    "GET /catalogue/items?page=2&sort=price HTTP/1.1\r\n",
    "Host: shop.example.com\r\n",
    "Connection: keep-alive\r\n",
    "Cache-Control: max-age=0\r\n",
    "Upgrade-Insecure-Requests: 1\r\n",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 ",
    "Safari/537.36\r\n",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n",
    "Referer: https://shop.example.com/catalogue\r\n",
    "Accept-Encoding: gzip, deflate, br, zstd\r\n",
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n",
    "Cookie: session=1f0c9a7e5d3b2846; theme=dark; consent=all\r\n",
    "\r\n",
);

/// What `worker echo` and the benchmark's upstream answer.
pub(super) const SHORT_RESPONSE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 128\r\n\r\n";

/// As nginx answers with a file.
pub(super) const FILE_RESPONSE: &str = concat!(
    "HTTP/1.1 200 OK\r\n",
    "Server: nginx/1.22.1\r\n",
    "Date: Sun, 22 Nov 2026 10:00:00 GMT\r\n",
    "Content-Type: text/html; charset=utf-8\r\n",
    "Content-Length: 48213\r\n",
    "Last-Modified: Fri, 13 Nov 2026 08:12:31 GMT\r\n",
    "Connection: keep-alive\r\n",
    "Vary: Accept-Encoding\r\n",
    "ETag: \"65f1b2c3-bc55\"\r\n",
    "Cache-Control: public, max-age=3600\r\n",
    "X-Content-Type-Options: nosniff\r\n",
    "Accept-Ranges: bytes\r\n",
    "\r\n",
);

const FIELDS_MAX: usize = 64;

pub(super) fn all() -> Vec<Kernel> {
    let requests = [
        ("request head, as wrk's", SHORT_REQUEST),
        ("request head, as curl's", CURL_REQUEST),
        ("request head, as a browser's", BROWSER_REQUEST),
    ];
    let responses = [("response head, short", SHORT_RESPONSE), ("response head, a file's", FILE_RESPONSE)];
    let of = |group, head: &'static str, parsers: [(&str, Parser); 2]| {
        parsers.map(|(name, parser)| Kernel::new(group, name, move || parser(head)).of_bytes(head.len()))
    };
    let requests = requests
        .into_iter()
        .flat_map(|(group, head)| of(group, head, [("ringway", request), ("httparse", httparse_request)]));
    let responses = responses
        .into_iter()
        .flat_map(|(group, head)| of(group, head, [("ringway", response), ("httparse", httparse_response)]));
    requests.chain(responses).collect()
}

type Parser = fn(&'static str) -> Repeated;

fn request(head: &'static str) -> Repeated {
    let (mut table, limits) = (FieldTable::new(), HeadLimits::default());
    repeated(move || {
        let parsed = h1::parse_request(black_box(head.as_bytes()), &mut table, black_box(&limits));
        let Ok(Parse::Complete { head, .. }) = &parsed else { unreachable!("the head is whole and valid") };
        black_box(h1::request_body_length(head).is_ok());
        black_box(&parsed);
    })
}

fn httparse_request(head: &'static str) -> Repeated {
    repeated(move || {
        let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
        let mut request = httparse::Request::new(&mut []);
        let parsed = request.parse_with_uninit_headers(black_box(head.as_bytes()), &mut fields);
        black_box(parsed.is_ok_and(|status| status.is_complete()));
        black_box(&request);
    })
}

fn response(head: &'static str) -> Repeated {
    let (mut table, limits) = (FieldTable::new(), HeadLimits::default());
    repeated(move || {
        let parsed = h1::parse_response(black_box(head.as_bytes()), &mut table, black_box(&limits));
        let Ok(Parse::Complete { head, .. }) = &parsed else { unreachable!("the head is whole and valid") };
        black_box(h1::response_body_length(black_box(Method::Get), head).is_ok());
        black_box(&parsed);
    })
}

fn httparse_response(head: &'static str) -> Repeated {
    let parser = httparse::ParserConfig::default();
    repeated(move || {
        let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut []);
        let bytes = black_box(head.as_bytes());
        let parsed = parser.parse_response_with_uninit_headers(&mut response, bytes, &mut fields);
        black_box(parsed.is_ok_and(|status| status.is_complete()));
        black_box(&response);
    })
}
