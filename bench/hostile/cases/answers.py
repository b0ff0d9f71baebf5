"""What an upstream answers: framing, heads, interim answers, ends."""

from ..case import ABORT, CLOSE, END, READ, Await, Case, Group, Signal, get, head, ok, post, request
from ..expect import answered, saw

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SMUGGLED = ok(b"smuggled")
# A fault of the upstream: told to the client, whose connection goes on; the upstream's does not.
FAULT = answered(502, reused=False)
# The head went out before the fault was seen: the client must be able to tell.
CUT = answered(200, whole=False, end=("closed", "reset"))


def _answer(name, upstream, must, rfc="9112 6.3", why="", line=b"GET / HTTP/1.1", **more):
    return Case(name, rfc, get(line=line), must, why, upstream=(upstream,), methods=(line.split(b" ")[0].decode(), "GET"), **more)


def _head(name, line, must, rfc="9112 4", why="", **more):
    return _answer(name, head(line, b"Content-Length: 2") + b"ok", must, rfc, why, **more)


def _length(name, values, must, why="", body=b"abc", **more):
    fields = (b"Content-Length:" + value for value in values)
    return _answer(name, head(b"HTTP/1.1 200 OK", *fields) + body, must, "9110 8.6", why, **more)


def _coding(name, values, must, rfc="9112 6.1", why="", **more):
    fields = (b"Transfer-Encoding:" + value for value in values)
    return _answer(name, head(b"HTTP/1.1 200 OK", *fields) + b"3\r\nabc\r\n0\r\n\r\n", must, rfc, why, **more)


def _chunks(name, body, must, rfc="9112 7.1", why="", **more):
    return _answer(name, CHUNKED + body, must, rfc, why, **more)


def _field(name, line, must, rfc="9112 5", why="", **more):
    return _answer(name, head(b"HTTP/1.1 200 OK", b"Content-Length: 2", line) + b"ok", must, rfc, why, **more)


STATUS_LINES = Group("Status lines of the upstream", [
    _head("status: 200", "HTTP/1.1 200 OK", answered(200, b"ok", reused=True)),
    _head("status: no reason", "HTTP/1.1 200 ", answered(200, b"ok", reused=True)),
    _head("status: no reason and no space", "HTTP/1.1 200", answered(200, b"ok"), why="Against the grammar, common, and read in one way only"),
    _head("status: reason above ASCII", b"HTTP/1.1 200 \xe4", answered(200, b"ok")),
    _head("status: unknown code", "HTTP/1.1 299 Odd", answered(299, b"ok")),
    _head("status: 999", "HTTP/1.1 999 Odd", answered(999, b"ok"), "9110 15", "Invalid but in use; passed on as it came"),
    _head("status: of HTTP/1.0", "HTTP/1.0 200 OK", answered(200, b"ok", reused=False), "9112 9.3"),
    _head("status: 000", "HTTP/1.1 000 Odd", FAULT),
    _head("status: 099", "HTTP/1.1 099 Odd", FAULT),
    _head("status: two digits", "HTTP/1.1 20 OK", FAULT),
    _head("status: four digits", "HTTP/1.1 2000 OK", FAULT),
    _head("status: letters", "HTTP/1.1 2OO OK", FAULT),
    _head("status: plus sign", "HTTP/1.1 +20 OK", FAULT),
    _head("status: two spaces", "HTTP/1.1  200 OK", FAULT),
    _head("status: tab", "HTTP/1.1\t200 OK", FAULT),
    _head("status: HTTP/2", "HTTP/2 200 OK", FAULT, "9112 2.3"),
    _head("status: HTTP/2.0", "HTTP/2.0 200 OK", FAULT, "9112 2.3"),
    _head("status: lower case", "http/1.1 200 OK", FAULT, "9112 2.3"),
    _head("status: ICY", "ICY 200 OK", FAULT),
    _head("status: control byte in the reason", b"HTTP/1.1 200 O\x01K", FAULT),
    _head("status: bare CR in the reason", b"HTTP/1.1 200 O\rK", FAULT, "9112 2.2"),
    _answer("status: bare LF", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", FAULT, "9112 2.2"),
    _answer("status: empty line before", b"\r\n" + ok(), FAULT, "9112 2.2", "Only before requests it may be skipped"),
    _answer("status: none, as in HTTP/0.9", [b"<html>hello</html>", CLOSE], FAULT, "9112 2.3"),
    _answer("status: nothing but a close", [CLOSE], answered(502), "9110 15.6.3"),
    _answer("status: nothing but a reset", [ABORT], answered(502), "9110 15.6.3"),
    _answer("status: the connection ends within the head", [b"HTTP/1.1 200 OK\r\nContent-Le", CLOSE], answered(502), "9112 8"),
], of_answers=True)

FIELDS = Group("Fields of the upstream", [
    _field("answer field: folded", b"X-A: b\r\n c", FAULT, "9112 5.2", "Discarded or mended; never passed on"),
    _field("answer field: space before the colon", b"X-A : b", FAULT, "9112 5.1", "Never passed on so"),
    _field("answer field: empty name", b": b", FAULT),
    _field("answer field: no colon", b"X-A", FAULT),
    _field("answer field: NUL in the value", b"X-A: b\0c", FAULT, "9110 5.5"),
    _field("answer field: control byte in the value", b"X-A: b\x01c", FAULT, "9110 5.5"),
    _field("answer field: bare CR in the value", b"X-A: b\rSet-Cookie: c", FAULT, "9112 2.2"),
    _field("answer field: bare LF in the value", b"X-A: b\nSet-Cookie: c", FAULT, "9112 2.2"),
    _field("answer field: name above ASCII", b"X-\xe4: b", FAULT, "9110 5.1"),
    _field("answer field: value above ASCII", b"X-A: \xe4", answered(200, b"ok", has=["X-A: \xe4"]), "9110 5.5"),
    _field("answer field: Connection and what it names", b"Connection: X-A\r\nX-A: b\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c",
           answered(200, b"ok", lacks=["X-A", "Connection", "Keep-Alive", "Proxy-Connection", "Upgrade"]), "9110 7.6.1"),
    _field("answer field: Connection names Content-Length", b"Connection: Content-Length", answered(200, b"ok", has=["Content-Length: 2"]), "9110 7.6.1"),
    _field("answer field: Connection names Set-Cookie", b"Connection: Set-Cookie\r\nSet-Cookie: a=b", answered(200, b"ok", has=["Set-Cookie: a=b"]), "9110 7.6.1"),
    _field("answer field: close", b"Connection: close", answered(200, b"ok", reused=False), "9112 9.6"),
    _field("answer fields: one of 16 KiB", b"X-A: " + b"a" * 16_384, answered(200, b"ok"), "9110 5.4"),
    _field("answer fields: one of 64 KiB", b"X-A: " + b"a" * 65_536, FAULT, "9110 5.4", "Named bound: 32 KiB"),
    _field("answer fields: 1,000", b"\r\n".join(b"X-%d: a" % number for number in range(1_000)), FAULT, "9110 5.4", "Named bound: 128"),
    _answer("answer fields: without an end", [b"HTTP/1.1 200 OK\r\n" + b"X-A: aaaaaaaaaaaaaaaa\r\n" * 10_000, CLOSE], FAULT, "9110 5.4"),
], of_answers=True)

LENGTHS = Group("Content-Length of the upstream", [
    _length("answer length: plain", [b" 3"], answered(200, b"abc", reused=True)),
    _length("answer length: 0", [b" 0"], answered(200, b"", reused=True), body=b""),
    _length("answer length: leading zeros", [b" 003"], answered(200, b"abc"), "The grammar has them, and old servers write them"),
    _length("answer length: twice, the same", [b" 3", b" 3"], FAULT),
    _length("answer length: twice, different", [b" 3", b" 2"], FAULT),
    _length("answer length: list", [b" 3, 3"], FAULT),
    _length("answer length: sign", [b" +3"], FAULT),
    _length("answer length: negative", [b" -1"], FAULT),
    _length("answer length: hexadecimal", [b" 0x3"], FAULT),
    _length("answer length: empty", [b""], FAULT),
    _length("answer length: 2^63", [b" 9223372036854775808"], FAULT),
    _length("answer length: 2^64 + 3", [b" 18446744073709551619"], FAULT),
    _length("answer length: less than the body", [b" 2"], answered(200, b"ab", reused=False), "What is left over must not answer the next request"),
    _answer("answer length: a whole answer behind the body", ok() + SMUGGLED, answered(200, b"ok", reused=False), "9112 9.2", "Response queue poisoning"),
    Case("answer length: bytes come later", "9112 9.2", [get(), READ, Signal("read"), Await("sent")], answered(200, b"ok", reused=False),
         "A connection on which something comes unasked is closed", upstream=([ok(), Await("read"), SMUGGLED, Signal("sent")],)),
    _answer("answer length: more than the body, then a close", [head("HTTP/1.1 200 OK", "Content-Length: 9") + b"abc", CLOSE], CUT, "9112 8"),
    _answer("answer length: more than the body, then a reset", [head("HTTP/1.1 200 OK", "Content-Length: 9") + b"abc", ABORT], answered(200, end=("closed", "reset"), whole=False), "9112 8"),
    _answer("answer length: none, until the connection ends", [b"HTTP/1.1 200 OK\r\n\r\nabc", CLOSE], answered(200, b"abc", framing="chunked", reused=False),
            why="The client's connection goes on"),
    Case("answer length: none, to a client of HTTP/1.0", "9112 6.3", request("GET / HTTP/1.0", "Host: a"), answered(200, b"abc", framing="close", end="closed"),
         upstream=([b"HTTP/1.1 200 OK\r\n\r\nabc", CLOSE],)),
    _answer("answer length: none, then a reset", [b"HTTP/1.1 200 OK\r\n\r\nabc", ABORT], answered(200, end=("closed", "reset"), whole=False), "9112 8",
            "A reset is no end"),
    _answer("answer length: none, keep-alive of HTTP/1.0", [b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nabc", CLOSE], answered(200, b"abc", reused=False)),
], of_answers=True)

CODINGS = Group("Transfer-Encoding and chunks of the upstream", [
    _coding("answer coding: chunked", [b" chunked"], answered(200, b"abc", reused=True)),
    _coding("answer coding: in upper case", [b" CHUNKED"], answered(200, b"abc", reused=True), "9112 7"),
    _coding("answer coding: twice", [b" chunked", b" chunked"], FAULT),
    _coding("answer coding: gzip before chunked", [b" gzip, chunked"], FAULT, why="Was not asked for: no TE goes upstream"),
    _coding("answer coding: chunked not last", [b" chunked, gzip"], FAULT),
    _coding("answer coding: identity", [b" identity"], FAULT),
    _coding("answer coding: unknown", [b" x"], FAULT),
    _coding("answer coding: vertical tab", [b" \x0bchunked"], FAULT),
    _answer("answer coding: with Content-Length", head("HTTP/1.1 200 OK", "Content-Length: 3", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n", FAULT),
    _answer("answer coding: in HTTP/1.0", head("HTTP/1.0 200 OK", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n", FAULT),
    Case("answer coding: to a client of HTTP/1.0", "9112 7.1", request("GET / HTTP/1.0", "Host: a", "Connection: keep-alive"),
         answered(200, b"abc", framing="close", end="closed", lacks=["Transfer-Encoding"]), upstream=(CHUNKED + b"3\r\nabc\r\n0\r\n\r\n",)),
    Case("answer coding: cut, to a client of HTTP/1.0", "9112 8", request("GET / HTTP/1.0", "Host: a"),
         answered(200, end="reset", whole=False), "Only a reset tells that client", upstream=([CHUNKED + b"3\r\nabc\r\n", CLOSE],)),
    _chunks("answer chunk: extension", b'3;a="b"\r\nabc\r\n0\r\n\r\n', answered(200, b"abc", reused=True), "9112 7.1.1"),
    _chunks("answer chunk: trailer", b"3\r\nabc\r\n0\r\nX-A: b\r\n\r\n", answered(200, b"abc", reused=True, lacks=["X-A"]), "9112 7.1.2"),
    _chunks("answer chunk: 0x before the size", b"0x3\r\nabc\r\n0\r\n\r\n", CUT),
    _chunks("answer chunk: minus sign", b"-3\r\nabc\r\n0\r\n\r\n", CUT),
    _chunks("answer chunk: 2^64 + 3", b"10000000000000003\r\nabc\r\n0\r\n\r\n", CUT),
    _chunks("answer chunk: LF after the size", b"3\nabc\r\n0\r\n\r\n", CUT),
    _chunks("answer chunk: nothing after the data", b"3\r\nabc0\r\n\r\n", CUT),
    _chunks("answer chunk: two bytes instead of CRLF", b"3\r\nabcXX0\r\n\r\n", CUT),
    _chunks("answer chunk: extension of 20,000 bytes", b"3;a=" + b"b" * 20_000 + b"\r\nabc\r\n0\r\n\r\n", CUT, "9112 7.1.1"),
    _chunks("answer chunk: trailer with LF", b"3\r\nabc\r\n0\r\nX-A: b\n\r\n", CUT, "9112 2.2"),
    _chunks("answer chunk: an answer behind the last one", b"3\r\nabc\r\n0\r\n\r\n" + SMUGGLED, answered(200, b"abc", reused=False), "9112 9.2"),
    _answer("answer chunk: the connection ends before the last one", [CHUNKED + b"3\r\nabc\r\n", CLOSE], CUT, "9112 8"),
    _answer("answer chunk: the connection ends within one", [CHUNKED + b"5\r\nabc", CLOSE], CUT, "9112 8"),
    _answer("answer chunk: only the last empty line is missing", [CHUNKED + b"3\r\nabc\r\n0\r\n", CLOSE], CUT, "9112 8"),
], of_answers=True)

BODILESS = Group("Answers without a body", [
    _answer("no body: 204", b"HTTP/1.1 204 No Content\r\n\r\n", answered(204, b"", reused=True)),
    _answer("no body: 204 with a length of 0", head("HTTP/1.1 204 No Content", "Content-Length: 0"), answered(204, b"", reused=True, lacks=["Content-Length"]), "9110 8.6"),
    _answer("no body: 204 with a length and a body", head("HTTP/1.1 204 No Content", "Content-Length: 3") + b"abc", FAULT, "9110 8.6"),
    _answer("no body: 204 that is chunked", head("HTTP/1.1 204 No Content", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n", FAULT, "9112 6.1"),
    _answer("no body: 204 with bytes behind", b"HTTP/1.1 204 No Content\r\n\r\n" + SMUGGLED, answered(204, b"", reused=False), "9112 9.2"),
    _answer("no body: 304", head("HTTP/1.1 304 Not Modified", "ETag: \"a\""), answered(304, b"", reused=True)),
    _answer("no body: 304 with the length of the whole", head("HTTP/1.1 304 Not Modified", "Content-Length: 9"), answered(304, b"", reused=True), "9110 8.6"),
    _answer("no body: 304 with a body", head("HTTP/1.1 304 Not Modified", "Content-Length: 3") + b"abc", answered(304, b"", reused=False), "9110 15.4.5"),
    _answer("no body: 304 that is chunked", head("HTTP/1.1 304 Not Modified", "Transfer-Encoding: chunked"), answered(304, b"", reused=True), "9112 6.1"),
    _answer("no body: HEAD with the length of a GET", head("HTTP/1.1 200 OK", "Content-Length: 9"), answered(200, b"", reused=True, has=["Content-Length: 9"]),
            "9110 9.3.2", line=b"HEAD / HTTP/1.1"),
    _answer("no body: HEAD that is chunked", CHUNKED, answered(200, b"", reused=True), "9112 6.1", line=b"HEAD / HTTP/1.1"),
    _answer("no body: HEAD with a body", ok(b"abc"), answered(200, b"", reused=False), "9110 9.3.2", line=b"HEAD / HTTP/1.1"),
    _answer("no body: HEAD without a length", b"HTTP/1.1 200 OK\r\n\r\n", answered(200, b"", reused=True), "9110 9.3.2", line=b"HEAD / HTTP/1.1"),
    _answer("no body: HEAD with two lengths", head("HTTP/1.1 200 OK", "Content-Length: 9", "Content-Length: 8"), FAULT, "9110 8.6", line=b"HEAD / HTTP/1.1"),
    _answer("no body: 205 with a body", ok(b"abc", line=b"HTTP/1.1 205 Reset Content"), answered(205, b"abc"), "9110 15.3.6", "Framed like any other"),
], of_answers=True)

INTERIM = Group("Interim answers", [
    _answer("interim: 100 unasked", b"HTTP/1.1 100 Continue\r\n\r\n" + ok(), answered(200, b"ok", interim=[100], reused=True), "9110 15.2"),
    _answer("interim: 103", head("HTTP/1.1 103 Early Hints", "Link: </a>") + ok(), answered(200, b"ok", interim=[103], reused=True), "8297 2"),
    _answer("interim: three", b"HTTP/1.1 102 Processing\r\n\r\n" * 3 + ok(), answered(200, b"ok", interim=[102] * 3), "9110 15.2"),
    _answer("interim: unknown 1xx", b"HTTP/1.1 199 Odd\r\n\r\n" + ok(), answered(200, b"ok", interim=[199]), "9110 15"),
    _answer("interim: without an end", b"HTTP/1.1 102 Processing\r\n\r\n" * 1_000, answered(502, reused=False), "9110 15.2", "Named bound: 16"),
    _answer("interim: with Content-Length", head("HTTP/1.1 100 Continue", "Content-Length: 3") + b"abc" + ok(), answered(502, reused=False), "9110 8.6", "Its body would be read as an answer"),
    _answer("interim: with Content-Length and no body", head("HTTP/1.1 100 Continue", "Content-Length: %d" % len(ok())) + ok(), answered(502, reused=False), "9110 8.6",
            "One reader takes the answer for the body, the other does not"),
    _answer("interim: that is chunked", head("HTTP/1.1 103 Early Hints", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n" + ok(), answered(502, reused=False), "9112 6.1"),
    Case("interim: to a client of HTTP/1.0", "9110 15.2", request("GET / HTTP/1.0", "Host: a"), answered(200, b"ok", interim=[], end="closed"),
         upstream=(b"HTTP/1.1 100 Continue\r\n\r\n" + ok(),)),
    _answer("interim: 101 unasked", head("HTTP/1.1 101 Switching Protocols", "Connection: upgrade", "Upgrade: x") + b"tunnel", FAULT, "9110 7.8",
            "A client that did not ask must not find itself in a tunnel"),
    Case("interim: then a close", "9110 9.2.2", post(), answered(502, interim=[103]) & saw(1), "A POST is not sent again",
         upstream=([b"HTTP/1.1 103 Early Hints\r\n\r\n", CLOSE],)),
], of_answers=True)

GROUPS = (STATUS_LINES, FIELDS, LENGTHS, CODINGS, BODILESS, INTERIM)
