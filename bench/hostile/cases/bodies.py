"""The chunked coding in requests: sizes, extensions, line ends, trailers."""

from ..case import END, Case, Group, chunked, ok
from ..expect import answered, closed, cut_upstream, fields, forwarded, several
from ..expect import Expectation, told
from .framing import INNER

POST = "POST / HTTP/1.1"
LAST = b"0\r\n\r\n"


def refused_within(*statuses):
    """Answered so and closed; if the upstream saw the beginning, it never saw an end."""
    def faults(seen):
        if seen.status not in statuses:
            yield f"answered {told(seen)}"
        if seen.end != "closed":
            yield f"the connection was {seen.end}"

    return Expectation(" or ".join(map(str, statuses)) + ", close", faults) & cut_upstream()


def _body(name, body, must, rfc="9112 7.1", why="", **more):
    return Case(name, rfc, chunked(body), must, why, **more)


def _size(name, size, must, why="", **more):
    return _body(name, size + b"\r\nabc\r\n" + LAST, must, why=why, **more)


def _extension(name, extension, must, why="", **more):
    return _body(name, b"3" + extension + b"\r\nabc\r\n" + LAST, must, "9112 7.1.1", why, **more)


def _trailer(name, trailer, must, rfc="9112 7.1.2", why="", **more):
    return _body(name, b"3\r\nabc\r\n0\r\n" + trailer + b"\r\n", must, rfc, why, **more)


GOOD = forwarded(POST, b"abc", framing="chunked")
BAD = refused_within(400)
DISCARDED = "trailers are checked and discarded: none goes on"

SIZES = Group("Chunk sizes", [
    _size("size: plain", b"3", GOOD),
    _size("size: leading zeros", b"0003", GOOD),
    _body("size: hexadecimal in both cases", b"A\r\n0123456789\r\na\r\n0123456789\r\n" + LAST, forwarded(POST, b"0123456789" * 2)),
    _body("size: several zeros end it", b"3\r\nabc\r\n000\r\n\r\n", GOOD),
    _body("size: a second request follows", b"3\r\nabc\r\n" + LAST + INNER, several((POST, b"abc"), ("GET /smuggled HTTP/1.1", b"")), answers=2),
    _size("size: 0x before", b"0x3", BAD),
    _size("size: plus sign", b"+3", BAD),
    _size("size: minus sign", b"-3", BAD),
    _size("size: space before", b" 3", BAD),
    _size("size: space behind", b"3 ", BAD, "No space may end the line"),
    _size("size: tab behind", b"3\t", BAD),
    _size("size: underscore", b"0_3", BAD),
    _size("size: quoted", b'"3"', BAD),
    _size("size: no digits", b"g", BAD),
    _size("size: empty", b"", BAD),
    _size("size: NUL behind", b"3\0", BAD),
    _size("size: vertical tab behind", b"3\x0b", BAD),
    _size("size: 16 digits", b"0000000000000003", GOOD),
    _size("size: 40 digits", b"0" * 39 + b"3", BAD, "Named bound: 16 digits"),
    _size("size: 2^64 + 3", b"10000000000000003", BAD, "3 to those who overflow"),
    _size("size: 2^64 - 1", b"ffffffffffffffff", BAD, "-1 to those who count in 63 bits"),
    _size("size: 2^63", b"8000000000000000", BAD),
    _body("size: less than the data", b"2\r\nabc\r\n" + LAST, BAD),
    _body("size: more than the data", b"5\r\nabc\r\n" + LAST, BAD),
    _body("size: the body is a request", INNER, BAD),
    Case("size: the connection ends within", "9112 8", [chunked(b"5\r\nabc"), END], closed() & cut_upstream()),
    Case("size: the connection ends before the last chunk", "9112 8", [chunked(b"3\r\nabc\r\n"), END], closed() & cut_upstream()),
], smuggling=True)

LINE_ENDS = Group("Line ends in the chunked coding", [
    _body("chunk: LF after the size", b"3\nabc\r\n" + LAST, BAD, "9112 7.1"),
    _body("chunk: LF after the data", b"3\r\nabc\n" + LAST, BAD),
    _body("chunk: CR after the size", b"3\rabc\r\n" + LAST, BAD),
    _body("chunk: CR CR LF after the size", b"3\r\r\nabc\r\n" + LAST, BAD),
    _body("chunk: nothing after the data", b"3\r\nabc0\r\n\r\n", BAD),
    _body("chunk: two bytes instead of CRLF", b"3\r\nabcXX" + LAST, BAD, why="Some count them and do not look"),
    _body("chunk: LF after the last size", b"3\r\nabc\r\n0\n\r\n", BAD),
    _body("chunk: LF at the very end", b"3\r\nabc\r\n0\r\n\n", BAD),
    _body("chunk: everything with LF", b"3\nabc\n0\n\n", BAD),
    _body("chunk: empty line between", b"3\r\nabc\r\n\r\n" + LAST, BAD),
], smuggling=True)

EXTENSIONS = Group("Chunk extensions", [
    _extension("extension: name", b";a", GOOD),
    _extension("extension: name and value", b";a=b", GOOD),
    _extension("extension: quoted value", b';a="b;c=\\""', GOOD),
    _extension("extension: space around", b" ; a = b", GOOD, "Bad whitespace, which a recipient must remove"),
    _extension("extension: of 200 bytes", b";a=" + b"b" * 200, GOOD),
    _extension("extension: of 20,000 bytes", b";a=" + b"b" * 20_000, BAD, "Named bound: 256 bytes a chunk"),
    _extension("extension: semicolon alone", b";", BAD),
    _extension("extension: LF within", b";a\nb", BAD, "Some end the line there"),
    _extension("extension: LF within quotes", b';a="\n"', BAD),
    _extension("extension: CR within", b";a\rb", BAD),
    _extension("extension: CRLF within quotes", b';a="\r\n"', BAD),
    _extension("extension: NUL within", b";a\0", BAD),
    _extension("extension: control byte", b";a=\x01", BAD),
    _extension("extension: quotes not closed", b';a="b', BAD),
    _extension("extension: no semicolon", b" a", BAD),
    _body("extension: of the last chunk", b"3\r\nabc\r\n0;a=b\r\n\r\n", GOOD, "9112 7.1.1"),
    _body("extension: 200 chunks of one byte", b"1;a=b\r\nx\r\n" * 200 + LAST, forwarded(POST, b"x" * 200), "9112 7.1.1"),
], smuggling=True)

TRAILERS = Group("Trailers", [
    _trailer("trailer: a field", b"X-A: b\r\n", GOOD & fields(lacks=["X-A"]), why="May be discarded"),
    _trailer("trailer: Content-Length", b"Content-Length: 9\r\n", GOOD & fields(lacks=["Content-Length"]), "9110 6.5.1", "Must not be merged into the head"),
    _trailer("trailer: Transfer-Encoding", b"Transfer-Encoding: x\r\n", GOOD, "9110 6.5.1", looser_since=DISCARDED),
    _trailer("trailer: Host", b"Host: b\r\n", GOOD & fields(has=["Host: a"]), "9110 6.5.1"),
    _trailer("trailer: Authorization", b"Authorization: x\r\n", GOOD & fields(lacks=["Authorization"]), "9110 6.5.1"),
    _trailer("trailer: space before the colon", b"X-A : b\r\n", BAD, "9112 5.1"),
    _trailer("trailer: folded", b"X-A: b\r\n c\r\n", BAD, "9112 5.2"),
    _trailer("trailer: bare LF", b"X-A: b\n", BAD, "9112 2.2"),
    _trailer("trailer: no colon", b"GET /smuggled HTTP/1.1\r\n", BAD),
    _trailer("trailer: NUL", b"X-A: \0\r\n", BAD),
    _trailer("trailer: 200 fields", b"".join(b"X-%d: a\r\n" % number for number in range(200)), GOOD, looser_since=DISCARDED),
    _trailer("trailer: 64 KiB", b"X-A: " + b"a" * 65_536 + b"\r\n", BAD, "6585 5", "Named bound: 8 KiB"),
], smuggling=True)

GROUPS = (SIZES, LINE_ENDS, EXTENSIONS, TRAILERS)
