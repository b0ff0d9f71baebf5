"""Where a request ends: Content-Length and Transfer-Encoding."""

from ..case import END, Case, Group, get, ok, post, request
from ..expect import closed, cut_upstream, fields, forwarded, refused, several

# What stands in a body that one reader takes for another request.
INNER = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
POST = "POST / HTTP/1.1"


def _lengths(name, must, *values, rfc="9110 8.6", why="", body=b"abc", **more):
    return Case(name, rfc, post(*(b"Content-Length:" + value for value in values), body=body), must, why, **more)


def _codings(name, must, *values, rfc="9112 6.1", why="", body=b"3\r\nabc\r\n0\r\n\r\n", **more):
    return Case(name, rfc, post(*(b"Transfer-Encoding:" + value for value in values), body=body), must, why, **more)


LENGTHS = Group("Content-Length in requests", [
    _lengths("length: plain", forwarded(POST, b"abc"), b" 3"),
    _lengths("length: no space", forwarded(POST, b"abc"), b"3"),
    _lengths("length: tabs around it", forwarded(POST, b"abc", has=["Content-Length: 3"]), b"\t3\t",
             looser_since="tabs are whitespace by RFC 9110 5.6.3 and do not go on"),
    _lengths("length: 0", forwarded(POST), b" 0", body=b""),
    _lengths("length: leading zeros", refused(400), b" 0010", body=b"abcdefghij",
             why="The grammar has them; some read it as octal, and no client sends it"),
    _lengths("length: forty zeros", refused(400), b" " + b"0" * 40 + b"3"),
    _lengths("length: twice, the same", refused(400), b" 3", b" 3", why="May be mended; refused, since nobody sends it in good faith"),
    _lengths("length: twice, different", refused(400), b" 3", b" 5"),
    _lengths("length: twice, the second empty", refused(400), b" 3", b""),
    _lengths("length: list of the same", refused(400), b" 3, 3"),
    _lengths("length: list of different", refused(400), b" 3, 5"),
    _lengths("length: list with an empty member", refused(400), b" 3,"),
    _lengths("length: empty", refused(400), b""),
    _lengths("length: plus sign", refused(400), b" +3"),
    _lengths("length: minus sign", refused(400), b" -3"),
    _lengths("length: minus zero", refused(400), b" -0"),
    _lengths("length: hexadecimal", refused(400), b" 0x3"),
    _lengths("length: space within", refused(400), b" 3 0"),
    _lengths("length: fraction", refused(400), b" 3.0"),
    _lengths("length: exponent", refused(400), b" 3e0"),
    _lengths("length: underscore", refused(400), b" 1_0"),
    _lengths("length: quoted", refused(400), b' "3"'),
    _lengths("length: semicolon", refused(400), b" 3;a=b"),
    _lengths("length: vertical tab", refused(400), b" \x0b3"),
    _lengths("length: NUL", refused(400), b" 3\0"),
    _lengths("length: no digits", refused(400), b" abc"),
    _lengths("length: digits above ASCII", refused(400), "\u0663".encode()),
    _lengths("length: folded", refused(400), b"\r\n 3", rfc="9112 5.2"),
    _lengths("length: 2^63", refused(400, 413), b" 9223372036854775808", why="Negative to those who count in 63 bits"),
    _lengths("length: 2^64 - 1", refused(400, 413), b" 18446744073709551615", why="-1 to those who count in 63 bits"),
    _lengths("length: 2^64 + 3", refused(400, 413), b" 18446744073709551619", why="3 to those who overflow"),
    _lengths("length: forty nines", refused(400, 413), b" " + b"9" * 40),
    Case("length: space before the colon", "9112 5.1", post(b"Content-Length : 3", body=b"abc"), refused(400)),
    Case("length: underscore instead of the hyphen", "9110 5.1", post(b"Content_Length: 34", body=INNER),
         several(("POST / HTTP/1.1", b""), ("GET /smuggled HTTP/1.1", b"")), "Another field, that is no length; a request follows", answers=2),
    Case("length: of a GET", "9110 9.3.1", get("Content-Length: 3") + b"abc", forwarded("GET / HTTP/1.1", b"abc"), "Unusual, but framed"),
    Case("length: missing in a POST", "9112 6.3", post(body=INNER), several((POST, b""), ("GET /smuggled HTTP/1.1", b"")), "Then there is no body", answers=2),
    Case("length: less than was sent", "9112 6.3", post("Content-Length: 3", body=b"abc" + INNER), several((POST, b"abc"), ("GET /smuggled HTTP/1.1", b"")), answers=2),
    Case("length: more than was sent", "9112 8", [post("Content-Length: 9", body=b"abc"), END], closed() & cut_upstream(), "Incomplete: never passed off as whole"),
    Case("length: with the body in a request of HTTP/1.0", "9112 6.3", request("POST / HTTP/1.0", "Host: a", "Content-Length: 3", body=b"abc"),
         forwarded(POST, b"abc", end="closed")),
], smuggling=True)

CODINGS = Group("Transfer-Encoding in requests", [
    _codings("coding: chunked", forwarded(POST, b"abc", framing="chunked"), b" chunked"),
    _codings("coding: in upper case", forwarded(POST, b"abc", framing="chunked"), b" CHUNKED", rfc="9112 7"),
    _codings("coding: no space", forwarded(POST, b"abc"), b"chunked"),
    _codings("coding: tabs around it", forwarded(POST, b"abc"), b"\tchunked\t",
             looser_since="tabs are whitespace by RFC 9110 5.6.3, and what goes on is exactly `chunked`"),
    Case("coding: name in mixed case", "9110 5.1", post("tRANSFER-eNCODING: chunked", body=b"3\r\nabc\r\n0\r\n\r\n"), forwarded(POST, b"abc")),
    Case("coding: with Content-Length", "9112 6.1", post("Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + INNER), refused(400),
         "Ought to be handled as an error"),
    Case("coding: with Content-Length behind it", "9112 6.1", post("Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n" + INNER), refused(400)),
    Case("coding: with Content-Length in HTTP/1.0", "9112 6.1",
         request("POST / HTTP/1.0", "Host: a", "Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n"), refused(400)),
    Case("coding: with an invalid Content-Length", "9112 6.1", post("Content-Length: x", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), refused(400)),
    Case("coding: in HTTP/1.0", "9112 6.1", request("POST / HTTP/1.0", "Host: a", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), refused(400),
         "The framing is faulty by definition"),
    Case("coding: in HTTP/1.0 with keep-alive", "9112 6.1",
         request("POST / HTTP/1.0", "Host: a", "Connection: keep-alive", "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + INNER), refused(400)),
    _codings("coding: twice", refused(400, 501), b" chunked", b" chunked"),
    _codings("coding: twice, the second unknown", refused(400, 501), b" chunked", b" x"),
    _codings("coding: twice, the second identity", refused(400, 501), b" chunked", b" identity"),
    _codings("coding: list of chunked twice", refused(400, 501), b" chunked, chunked"),
    _codings("coding: gzip before chunked", refused(501, 400), b" gzip, chunked", why="A coding that is not understood: 501"),
    _codings("coding: chunked not last", refused(400, 501), b" chunked, gzip", rfc="9112 6.3"),
    _codings("coding: unknown", refused(501, 400), b" x"),
    _codings("coding: identity", refused(501, 400), b" identity", why="Struck from the registry"),
    _codings("coding: empty", refused(400, 501), b""),
    _codings("coding: empty list member", refused(400, 501), b" ,chunked"),
    _codings("coding: comma behind", refused(400, 501), b" chunked,"),
    _codings("coding: parameter", refused(400, 501), b" chunked;a=b", rfc="9112 7"),
    _codings("coding: quoted", refused(400, 501), b' "chunked"'),
    _codings("coding: vertical tab before", refused(400), b" \x0bchunked"),
    _codings("coding: form feed behind", refused(400), b" chunked\x0c"),
    _codings("coding: NUL behind", refused(400), b" chunked\0"),
    _codings("coding: space within", refused(400, 501), b" chun ked"),
    _codings("coding: prefix", refused(400, 501), b" xchunked"),
    _codings("coding: suffix", refused(400, 501), b" chunkedx"),
    _codings("coding: non-breaking space behind", refused(400, 501), b" chunked\xa0"),
    _codings("coding: folded", refused(400), b"\r\n chunked", rfc="9112 5.2"),
    _codings("coding: folded with a tab", refused(400), b"\r\n\tchunked", rfc="9112 5.2"),
    Case("coding: space before the colon", "9112 5.1", post("Transfer-Encoding : chunked", body=b"0\r\n\r\n"), refused(400)),
    Case("coding: bare LF before it", "9112 2.2", post(b"X-A: b\nTransfer-Encoding: chunked", body=b"0\r\n\r\n"), refused(400)),
    Case("coding: bare CR before it", "9112 2.2", post(b"X-A: b\rTransfer-Encoding: chunked", body=b"0\r\n\r\n"), refused(400)),
    Case("coding: space before the name", "9112 5.2", post(b"X-A: b", b" Transfer-Encoding: chunked", body=b"0\r\n\r\n"), refused(400)),
    Case("coding: vertical tab before the name", "9110 5.1", post(b"X-A: b", b"\x0bTransfer-Encoding: chunked", body=b"0\r\n\r\n"), refused(400)),
    Case("coding: underscore instead of the hyphen", "9110 5.1", post("Transfer_Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n"),
         forwarded(POST, b"0\r\n\r\n", framing="length"), "Another field, that frames nothing", smuggling=True),
    Case("coding: of a GET", "9112 6.1", get("Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n", forwarded("GET / HTTP/1.1", b"abc")),
    Case("coding: nominated by Connection", "9110 7.6.1", post("Connection: Transfer-Encoding", "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n"),
         forwarded(POST, b"abc"), "The body stays framed"),
    Case("coding: TE and Trailer go no further", "9110 10.1.4", post("TE: trailers", "Trailer: X-A", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
         forwarded(POST) & fields(lacks=["TE", "Trailer"])),
], smuggling=True)

GROUPS = (LENGTHS, CODINGS)
