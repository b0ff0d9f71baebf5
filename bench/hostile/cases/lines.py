"""Request lines: methods, targets, versions, line ends."""

from ..case import Case, Group, get, ok, post, request
from ..expect import answered, forwarded, refused, saw, several

WIDE = "9112 3"


def _line(name, line, must, rfc=WIDE, why="", **more):
    return Case(name, rfc, request(line, b"Host: a"), must, why, **more)


def _target(name, target, must, rfc="9112 3.2", why="", **more):
    return _line(name, b"GET " + target + b" HTTP/1.1", must, rfc, why, **more)


METHODS = Group("Methods", [
    _line("method: GET", "GET / HTTP/1.1", forwarded(), "9110 9.3.1"),
    _line("method: HEAD", "HEAD / HTTP/1.1", forwarded("HEAD / HTTP/1.1"), "9110 9.3.2", methods=("HEAD", "GET"),
          upstream=(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",)),
    Case("method: POST", "9110 9.3.3", post("Content-Length: 3", body=b"abc"), forwarded("POST / HTTP/1.1", b"abc")),
    _line("method: unknown token", "PURGE / HTTP/1.1", forwarded("PURGE / HTTP/1.1"), "9110 9.1",
          "A proxy need not know a method to forward it"),
    _line("method: lower case", "get / HTTP/1.1", forwarded("get / HTTP/1.1"), "9110 9.1", "Methods are case-sensitive: another method"),
    _line("method: all kinds of token characters", "A!#$%&'*+-.^_`|~9 / HTTP/1.1", forwarded("A!#$%&'*+-.^_`|~9 / HTTP/1.1"), "9110 9.1"),
    _line("method: 33 bytes", b"M" * 33 + b" / HTTP/1.1", refused(501, 400), why="501 for a method longer than any that is known"),
    _line("method: empty", b" / HTTP/1.1", refused(400)),
    _line("method: holds a slash", "G/T / HTTP/1.1", refused(400), "9110 5.6.2"),
    _line("method: holds NUL", b"GE\0T / HTTP/1.1", refused(400), "9110 5.6.2"),
    _line("method: above ASCII", b"G\xc9T / HTTP/1.1", refused(400), "9110 5.6.2"),
    _line("method: colon, as of a field line", "Host: a HTTP/1.1", refused(400)),
    _line("method: CONNECT", "CONNECT a:443 HTTP/1.1", refused(405, 400, 501), "9110 9.3.6",
          "A gateway is no tunnel for everyone, and what was meant for the tunnel is no request", smuggling=True),
    _line("method: CONNECT with a path", "CONNECT /a HTTP/1.1", refused(400, 405), "9112 3.2.3", smuggling=True),
    _line("method: CONNECT without a port", "CONNECT a HTTP/1.1", refused(400, 405), "9112 3.2.3", smuggling=True),
    Case("method: CONNECT with a body", "9110 9.3.6", request("CONNECT a:443 HTTP/1.1", "Host: a", "Content-Length: 3", body=b"abc"),
         refused(400, 405), smuggling=True),
    _line("method: TRACE", "TRACE / HTTP/1.1", refused(405, closes=False), "9110 9.3.8", "It would echo what the proxy adds and the client must not see"),
    Case("method: TRACE with a body", "9110 9.3.8", request("TRACE / HTTP/1.1", "Host: a", "Content-Length: 3", body=b"abc"), refused(400),
         "A client must not send content in TRACE", smuggling=True),
])

TARGETS = Group("Request targets", [
    _target("target: origin-form with a query", b"/a/b?c=d&e", forwarded("GET /a/b?c=d&e HTTP/1.1"), "9112 3.2.1"),
    Case("target: absolute-form wins over Host", "9112 3.2.2", request("GET http://b:81/x?y HTTP/1.1", "Host: a"),
         forwarded("GET /x?y HTTP/1.1", has=["Host: b:81"]), "The Host field received is ignored and replaced", smuggling=True,
         looser_since="the Host that goes on is the target's authority, so that there is one reading"),
    Case("target: absolute-form with an invalid Host", "9112 3.2", request("GET http://b/ HTTP/1.1", "Host: a b"), refused(400), smuggling=True),
    Case("target: absolute-form without Host", "9112 3.2", request("GET http://b/ HTTP/1.1"), refused(400), "A request of 1.1 without Host is invalid in every form"),
    _target("target: absolute-form without a path", b"http://a", forwarded(), "9112 3.2.1"),
    _target("target: absolute-form with a query alone", b"http://a?b", forwarded("GET /?b HTTP/1.1"), "9112 3.2.1"),
    _target("target: absolute-form in upper case", b"HTTP://A/", forwarded(has=["Host: A"]), "9110 4.2.3"),
    _target("target: absolute-form with an IPv6 address", b"http://[::1]:8080/", forwarded(has=["Host: [::1]:8080"]), "9110 4.2.1"),
    _target("target: absolute-form of https", b"https://a/", forwarded(), "9112 3.2.2"),
    _target("target: absolute-form of ftp", b"ftp://a/", refused(400), "9112 3.2.2", "No gateway for another scheme"),
    _target("target: absolute-form with userinfo", b"http://user:secret@a/", refused(400), "9110 4.2.4"),
    _target("target: absolute-form with an empty host", b"http:///a", refused(400), "9110 4.2.1"),
    _target("target: absolute-form with a bad port", b"http://a:99999/", refused(400), "9110 4.2.1"),
    _target("target: absolute-form with one slash", b"http:/a", refused(400)),
    Case("target: asterisk-form", "9112 3.2.4", request("OPTIONS * HTTP/1.1", "Host: a"), forwarded("OPTIONS * HTTP/1.1")),
    Case("target: absolute-form of OPTIONS without a path", "9112 3.2.4", request("OPTIONS http://a HTTP/1.1", "Host: a"), forwarded("OPTIONS * HTTP/1.1"),
         "The last proxy sends the asterisk"),
    _target("target: asterisk of GET", b"*", refused(400), "9112 3.2.4"),
    _target("target: authority of GET", b"a:80", refused(400), "9112 3.2.3"),
    _target("target: no leading slash", b"a/b", refused(400)),
    _line("target: missing", b"GET HTTP/1.1", refused(400)),
    _line("target: empty", b"GET  HTTP/1.1", refused(400)),
    _target("target: holds a space", b"/a b", refused(400), "9112 3.2", "Not mended: a reader that stops at the first space would see another target", smuggling=True),
    _target("target: holds a tab", b"/a\tb", refused(400), "9112 3.2", smuggling=True),
    _target("target: fragment", b"/a#b", refused(400), "9110 4.2.5"),
    _target("target: NUL", b"/a\0b", refused(400)),
    _target("target: control byte", b"/a\x01b", refused(400)),
    _target("target: DEL", b"/a\x7fb", refused(400)),
    _target("target: bytes above ASCII", b"/\xc3\xa4", refused(400), "3986 2.1"),
    _target("target: bytes above ASCII in the query", b"/?\xc3\xa4", refused(400), "3986 2.1"),
    _target("target: dot segments", b"/a/../b/./c", forwarded("GET /a/../b/./c HTTP/1.1"), "9110 4.2.3", "Forwarded as it came; whoever matches a path must know that"),
    _target("target: encoded dot segments", b"/a/%2e%2e/b", forwarded("GET /a/%2e%2e/b HTTP/1.1"), "9110 4.2.3"),
    _target("target: two slashes", b"//a//b", forwarded("GET //a//b HTTP/1.1"), "9112 3.2.1"),
    _target("target: percent-encoded slash and CRLF", b"/a%2fb%0d%0aX:%20y", forwarded("GET /a%2fb%0d%0aX:%20y HTTP/1.1"), "3986 2.1", "Never decoded"),
    _target("target: percent-encoded NUL", b"/a%00b", refused(400), "3986 2.1", "C strings end there"),
    _target("target: broken percent-encoding", b"/a%4", refused(400), "3986 2.1"),
    _target("target: percent-encoding of no hexadecimal digits", b"/a%zz", refused(400), "3986 2.1"),
    _target("target: broken percent-encoding in the query", b"/?a=100%", forwarded("GET /?a=100% HTTP/1.1"), "3986 2.1", "Common, and decoded by nobody on the way"),
    _target("target: quotes, backslash, braces, bar", b'/"<>\\^`{|}', forwarded('GET /"<>\\^`{|} HTTP/1.1'), "3986 2", "Browsers send some of them"),
    _target("target: 8,000 bytes", b"/" + b"a" * 7_999, forwarded("GET /" + "a" * 7_999 + " HTTP/1.1"), "9112 3", "8,000 bytes should be read"),
    _target("target: 9,000 bytes", b"/" + b"a" * 8_999, refused(414), "9110 15.5.15"),
    _target("target: 100,000 bytes", b"/" + b"a" * 99_999, refused(414), "9110 15.5.15"),
])

VERSIONS = Group("Versions", [
    Case("version: 1.0", "9112 2.3", request("GET / HTTP/1.0", "Host: a"), forwarded(end="closed")),
    Case("version: 1.0 without Host", "9112 3.2", request("GET / HTTP/1.0"), forwarded(end="closed"), "The Host that is sent on is valid"),
    Case("version: 1.0 that asks for keep-alive", "9112 9.3", request("GET / HTTP/1.0", "Host: a", "Connection: keep-alive"),
         forwarded() & answered(200, has=["Connection: keep-alive"])),
    _line("version: 0.9", "GET /", refused(400, 505), "9112 2.3"),
    Case("version: 0.9 without fields", "9112 2.3", b"GET /\r\n", refused(400, 505)),
    _line("version: HTTP/0.9 written out", "GET / HTTP/0.9", refused(400, 505), "9112 2.3"),
    _line("version: 1.2", "GET / HTTP/1.2", refused(505, 400), "9110 2.5", "There is none: whoever sends it tests parsers"),
    _line("version: 1.9", "GET / HTTP/1.9", refused(505, 400), "9110 2.5"),
    _line("version: 2.0", "GET / HTTP/2.0", refused(505), "9110 15.6.6"),
    _line("version: 3.0", "GET / HTTP/3.0", refused(505, 400), "9110 15.6.6"),
    Case("version: preface of HTTP/2", "9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", refused(505, 400)),
    _line("version: lower case", "GET / http/1.1", refused(400), "9112 2.3"),
    _line("version: two digits", "GET / HTTP/1.10", refused(400, 505), "9112 2.3"),
    _line("version: leading zero", "GET / HTTP/01.1", refused(400, 505), "9112 2.3"),
    _line("version: no minor", "GET / HTTP/1", refused(400), "9112 2.3"),
    _line("version: another protocol", "GET / HTTPS/1.1", refused(400), "9112 2.3"),
    _line("version: space after it", "GET / HTTP/1.1 ", refused(400), "9112 3"),
    Case("version: TLS client hello", "9112 2.3", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + bytes(64), refused(400)),
    Case("version: PROXY protocol", "9112 2.3", b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" + get(), refused(400), "Nobody may claim an address without being asked"),
])

LINES = Group("Line ends and space in the request line", [
    Case("request line: bare LF", "9112 2.2", b"GET / HTTP/1.1\nHost: a\r\n\r\n", refused(400), "May be taken for a line end; others do not take it"),
    Case("request line: bare CR at its end", "9112 2.2", b"GET / HTTP/1.1\rHost: a\r\n\r\n", refused(400)),
    Case("request line: CR within", "9112 2.2", b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    Case("request line: CR CR LF", "9112 2.2", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", refused(400)),
    Case("request line: two spaces after the method", "9112 3", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    Case("request line: two spaces before the version", "9112 3", b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    Case("request line: tab after the method", "9112 3", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    Case("request line: vertical tab before the version", "9112 3", b"GET /\x0bHTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    Case("request line: space before it", "9112 3", b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    Case("empty line before the request", "9112 2.2", b"\r\n" + get(), forwarded(), "One should be ignored"),
    Case("five empty lines before the request", "9112 2.2", b"\r\n" * 5 + get(), refused(400), "At least one should be ignored: one is"),
    Case("bare LF before the request", "9112 2.2", b"\n" + get(), refused(400)),
    Case("empty line after a body", "9112 2.2", [post("Content-Length: 3", body=b"abc\r\n") + get()], several(("POST / HTTP/1.1", b"abc"), ("GET / HTTP/1.1", b"")),
         "Old clients send one", answers=2, upstream=(ok(b"1"), ok(b"2"))),
    Case("head ends with LF LF", "9112 2.2", b"GET / HTTP/1.1\r\nHost: a\n\n", refused(400)),
    Case("head ends with CR CR", "9112 2.2", b"GET / HTTP/1.1\r\nHost: a\r\r" + get(), refused(400)),
    Case("binary noise", "9112 3", bytes(range(128, 256)) * 4 + b"\r\n\r\n", refused(400)),
    Case("an answer instead of a request", "9112 3", ok(), refused(400, 501)),
], smuggling=True)

GROUPS = (METHODS, TARGETS, VERSIONS, LINES)
