"""Host, and field lines of every shape."""

from ..case import Case, Group, get, request
from ..expect import forwarded, refused


def _hosts(name, must, *values, rfc="9112 3.2", why="", **more):
    return Case(name, rfc, request("GET / HTTP/1.1", *(b"Host: " + value for value in values)), must, why, **more)


def _line(name, line, must, rfc="9112 5", why="", **more):
    """One field line of hand-made bytes after Host, and another behind it."""
    return Case(name, rfc, b"GET / HTTP/1.1\r\nHost: a\r\n" + line + b"\r\nX-After: b\r\n\r\n", must, why, **more)


HOST = Group("Host", [
    _hosts("host: missing", refused(400)),
    _hosts("host: twice, different", refused(400), b"a", b"b"),
    _hosts("host: twice, the same", refused(400), b"a", b"a"),
    Case("host: twice in HTTP/1.0", "9112 3.2", request("GET / HTTP/1.0", "Host: a", "Host: b"), refused(400)),
    _hosts("host: empty", refused(400), b"", why="An http URI has no empty host (RFC 9110 4.2.1)"),
    _hosts("host: list with space", refused(400), b"a, b"),
    _hosts("host: comma without space", forwarded(has=["Host: a,b"]), b"a,b", why="One name by RFC 3986 3.2.2, strange as it is"),
    _hosts("host: space within", refused(400), b"a b"),
    _hosts("host: tab within", refused(400), b"a\tb"),
    _hosts("host: slash", refused(400), b"a/b"),
    _hosts("host: userinfo", refused(400), b"user@a", rfc="9110 4.2.4"),
    _hosts("host: port is no number", refused(400), b"a:b"),
    _hosts("host: port beyond 65535", refused(400), b"a:65536"),
    _hosts("host: empty port", forwarded(has=["Host: a:"]), b"a:", rfc="3986 3.2.3"),
    _hosts("host: port and another", refused(400), b"a:80:81"),
    _hosts("host: IPv6 address", forwarded(has=["Host: [2001:db8::1]:80"]), b"[2001:db8::1]:80", rfc="3986 3.2.2"),
    _hosts("host: IPv6 address not closed", refused(400), b"[::1"),
    _hosts("host: IPv6 address with a zone", refused(400), b"[fe80::1%25eth0]", rfc="3986 3.2.2", why="Zones mean nothing to others"),
    _hosts("host: IPv6 address without brackets", refused(400), b"::1"),
    _hosts("host: scheme", refused(400), b"http://a"),
    _hosts("host: bytes above ASCII", refused(400), b"\xc3\xa4"),
    _hosts("host: NUL", refused(400), b"a\0b"),
    _hosts("host: query", refused(400), b"a?b"),
    _hosts("host: fragment", refused(400), b"a#b"),
    _hosts("host: backslash", refused(400), b"a\\b"),
    Case("host: space before the colon", "9112 5.1", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", refused(400)),
    Case("host: folded", "9112 5.2", b"GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n", refused(400)),
    Case("host: second one folded in", "9112 5.2", b"GET / HTTP/1.1\r\nHost: a\r\n Host: b\r\n\r\n", refused(400)),
    Case("host: in lower case, without space", "9110 5.1", b"GET / HTTP/1.1\r\nhost:a\r\n\r\n", forwarded(has=["Host: a"])),
], smuggling=True)

FIELDS = Group("Field lines", [
    _line("field: no space after the colon", b"X-A:b", forwarded(has=["X-A: b"])),
    _line("field: space and tabs around the value", b"X-A: \t b \t ", forwarded(has=["X-A: b"])),
    _line("field: empty value", b"X-A:", forwarded(has=["X-A: "])),
    _line("field: value with bytes above ASCII", b"X-A: \xe4", forwarded(has=["X-A: \xe4"]), "9110 5.5", "obs-text is opaque"),
    _line("field: tab within the value", b"X-A: b\tc", forwarded(has=["X-A: b\tc"]), "9110 5.5"),
    _line("field: space before the colon", b"X-A : b", refused(400), "9112 5.1"),
    _line("field: tab before the colon", b"X-A\t: b", refused(400), "9112 5.1"),
    _line("field: empty name", b": b", refused(400)),
    _line("field: no colon", b"X-A", refused(400)),
    _line("field: name with a space", b"X A: b", refused(400), "9110 5.1"),
    _line("field: name with a slash", b"X/A: b", refused(400), "9110 5.1"),
    _line("field: name in brackets", b"X[A]: b", refused(400), "9110 5.1"),
    _line("field: name with NUL", b"X\0A: b", refused(400), "9110 5.1"),
    _line("field: name above ASCII", b"X-\xe4: b", refused(400), "9110 5.1"),
    _line("field: name with a control byte", b"X-A\x0b: b", refused(400), "9110 5.1"),
    _line("field: value with NUL", b"X-A: b\0c", refused(400), "9110 5.5"),
    _line("field: value with a control byte", b"X-A: b\x01c", refused(400), "9110 5.5"),
    _line("field: value with DEL", b"X-A: b\x7fc", refused(400), "9110 5.5"),
    _line("field: value with a bare CR", b"X-A: b\rX-B: c", refused(400), "9112 2.2", "Some take CR for a line end"),
    _line("field: value with a bare LF", b"X-A: b\nX-B: c", refused(400), "9112 2.2"),
    _line("field: ends with CR CR LF", b"X-A: b\r", refused(400), "9112 2.2"),
    _line("field: folded with a space", b"X-A: b\r\n c", refused(400), "9112 5.2"),
    _line("field: folded with a tab", b"X-A: b\r\n\tc", refused(400), "9112 5.2"),
    _line("field: line of space alone", b"X-A: b\r\n ", refused(400), "9112 5.2", "To some this ends the head"),
    Case("field: space before the first", "9112 2.2", b"GET / HTTP/1.1\r\n Host: a\r\nHost: b\r\n\r\n", refused(400)),
    _line("field: second request line", b"GET /other HTTP/1.1", refused(400)),
    _line("field: underscore in the name", b"X_A: b", forwarded(), "9110 5.1", "A token; nginx drops it, since CGI takes it for a hyphen"),
    _line("field: all kinds of token characters", b"!#$%&'*+-.^_`|~9a: b", forwarded(), "9110 5.6.2"),
    Case("fields: 100", "9110 5.4", get(*(f"X-{number}: a" for number in range(100))), forwarded(has=["X-99: a"]),
         looser_since="a bound on the number of fields is no matter of meaning"),
    Case("fields: 1,000", "6585 5", get(*(f"X-{number}: a" for number in range(1_000))), refused(431), "Named bound: 128"),
    Case("fields: one of 16 KiB", "9110 5.4", get("X-A: " + "a" * 16_384), forwarded(),
         looser_since="a bound on the size of fields is no matter of meaning"),
    Case("fields: one of 40 KiB", "6585 5", get("X-A: " + "a" * 40_960), refused(431), "Named bound: 32 KiB a head"),
    Case("fields: a name of 40 KiB", "6585 5", get("X-" + "a" * 40_960 + ": b"), refused(431, 400)),
    Case("fields: 1 MiB in all", "6585 5", get(*(f"X-{number}: {'a' * 1_000}" for number in range(1_000))), refused(431)),
], smuggling=True)

GROUPS = (HOST, FIELDS)
