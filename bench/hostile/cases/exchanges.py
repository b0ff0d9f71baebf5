"""Whole exchanges: pipelining, expectations, nominations, upgrades, answers before their time, ends."""

from ..case import ABORT, BODY, CLOSE, END, READ, READ_INTERIM, Await, Case, Group, Signal, get, head, ok, post, request
from ..expect import answered, closed, cut_upstream, fields, forwarded, refused, saw, several
from .framing import INNER

POST = "POST / HTTP/1.1"
UPGRADE = get("Connection: upgrade", "Upgrade: echo")
SWITCHED = head("HTTP/1.1 101 Switching Protocols", "Connection: upgrade", "Upgrade: echo")
EARLY = b"GET /early HTTP/1.1\r\nHost: a\r\n\r\n"
# Beyond what Ringway awaits before a server hears of it.
LONG = b"a" * 20_000
TOO_LARGE = ok(b"too large", line=b"HTTP/1.1 413 Content Too Large")


def _nominated(name, option, field, must, rfc="9110 7.6.1", **more):
    return Case(name, rfc, get(f"Connection: {option}", field), must, **more)


def _bodies(*bodies):
    return tuple(ok(body) for body in bodies)


PIPELINES = Group("Pipelining and persistence", [
    Case("pipeline: three", "9112 9.3.2", b"".join(get(line=b"GET /%d HTTP/1.1" % number) for number in range(3)),
         several(*((f"GET /{number} HTTP/1.1", b"") for number in range(3))) & answered(200, b"c"), upstream=_bodies(b"a", b"b", b"c"), answers=3),
    Case("pipeline: a body between", "9112 9.3.2", get() + post("Content-Length: 3", body=b"abc") + get(),
         several(("GET / HTTP/1.1", b""), (POST, b"abc"), ("GET / HTTP/1.1", b"")), answers=3),
    Case("pipeline: HEAD between", "9112 9.3.2", get() + get(line=b"HEAD / HTTP/1.1") + get(),
         several(("GET / HTTP/1.1", b""), ("HEAD / HTTP/1.1", b""), ("GET / HTTP/1.1", b"")) & answered(200, b"c"),
         upstream=(ok(b"a"), head("HTTP/1.1 200 OK", "Content-Length: 1"), ok(b"c")), methods=("GET", "HEAD", "GET"), answers=3),
    Case("pipeline: a broken request behind a good one", "9112 9.3.2", get() + b"GET / HTTP/9.9\r\n\r\n",
         answered(505, end="closed") & saw(1), "The good one is answered first", answers=2),
    Case("pipeline: nothing after close", "9112 9.6", get("Connection: close") + INNER, forwarded(end="closed"), "A server must not process what follows"),
    Case("pipeline: nothing after close in a list", "9112 9.6", get("Connection: keep-alive, close") + INNER, forwarded(end="closed")),
    Case("pipeline: nothing after a request of 1.0", "9112 9.3", request("GET / HTTP/1.0", "Host: a") + INNER, forwarded(end="closed")),
    Case("pipeline: nothing after a refusal", "9112 9.6", get("X : a") + INNER, refused(400)),
    Case("pipeline: nothing after a body that is not understood", "9112 6.1", post("Transfer-Encoding: x", body=INNER), refused(400, 501)),
    Case("pipeline: HTTP/1.0 between keep-alives", "9112 9.3", get() + request("GET / HTTP/1.0", "Host: a", "Connection: keep-alive") + get(),
         several(*[("GET / HTTP/1.1", b"")] * 3), answers=3),
    Case("pipeline: the upstream closes in between", "9112 9.3.1", [get(), READ, Await("ended"), get()], several(*[("GET / HTTP/1.1", b"")] * 2),
         upstream=([ok(), END, Signal("ended")], ok()), answers=2),
], smuggling=True)

EXPECT = Group("Expect", [
    Case("expect: 100-continue", "9110 10.1.1", [post("Expect: 100-continue", "Content-Length: 3"), READ_INTERIM, b"abc"], forwarded(POST, b"abc"),
         "Told to go on by whoever, before the body is sent", upstream=([b"HTTP/1.1 100 Continue\r\n\r\n", BODY, ok()],)),
    Case("expect: 100-continue, chunked", "9110 10.1.1", [post("Expect: 100-continue", "Transfer-Encoding: chunked"), READ_INTERIM, b"3\r\nabc\r\n0\r\n\r\n"], forwarded(POST, b"abc"),
         upstream=([b"HTTP/1.1 100 Continue\r\n\r\n", BODY, ok()],)),
    Case("expect: 100-continue, the body comes anyway", "9110 10.1.1", post("Expect: 100-continue", "Content-Length: 3", body=b"abc"), forwarded(POST, b"abc"),
         upstream=([b"HTTP/1.1 100 Continue\r\n\r\n", BODY, ok()],)),
    Case("expect: 100-continue refused", "9110 10.1.1", [post("Expect: 100-continue", "Content-Length: 34"), READ, EARLY],
         answered(417, end="closed") & saw(1), "The body that may or may not come must not be taken for a request",
         upstream=([ok(line=b"HTTP/1.1 417 Expectation Failed"), BODY],)),
    Case("expect: 100-continue in upper case", "9110 10.1.1", [post("Expect: 100-CONTINUE", "Content-Length: 3"), READ_INTERIM, b"abc"], forwarded(POST, b"abc"),
         upstream=([b"HTTP/1.1 100 Continue\r\n\r\n", BODY, ok()],)),
    Case("expect: 100-continue in HTTP/1.0", "9110 10.1.1", request("POST / HTTP/1.0", "Host: a", "Expect: 100-continue", "Content-Length: 3", body=b"abc"),
         forwarded(POST, b"abc", lacks=["Expect"], end="closed") & answered(200, interim=[], end="closed"), "Ignored there"),
    Case("expect: 100-continue without a body", "9110 10.1.1", get("Expect: 100-continue"), forwarded()),
    Case("expect: something else", "9110 10.1.1", get("Expect: the-unexpected"), forwarded(has=["Expect: the-unexpected"]), "For the upstream to answer"),
])

NOMINATIONS = Group("Fields of one connection", [
    _nominated("connection: own field", "X-Own", "X-Own: a", forwarded(lacks=["X-Own"])),
    _nominated("connection: Keep-Alive, TE, Proxy-Connection", "keep-alive", "Keep-Alive: 5\r\nTE: gzip\r\nProxy-Connection: close",
               forwarded(lacks=["Keep-Alive", "TE", "Proxy-Connection"])),
    _nominated("connection: names Host", "Host", "X-A: b", forwarded(has=["Host: a"]), smuggling=True),
    _nominated("connection: names Cookie", "Cookie", "Cookie: a=b", forwarded(has=["Cookie: a=b"])),
    _nominated("connection: names Authorization", "Authorization", "Authorization: Basic YTpi", forwarded(has=["Authorization: Basic YTpi"])),
    _nominated("connection: names X-Forwarded-For", "X-Forwarded-For", "X-Forwarded-For: 192.0.2.1", forwarded()),
    Case("forwarding: X_Forwarded_For with underscores", "3875 4.1.18", get("X_Forwarded_For: 192.0.2.1"), forwarded(lacks=["X_Forwarded_For"]),
         "One name with X-Forwarded-For to those that speak CGI: nobody may claim an address so"),
    _nominated("connection: names Forwarded", "Forwarded", "Forwarded: for=192.0.2.1", forwarded()),
    _nominated("connection: names Content-Type", "Content-Type", "Content-Type: text/plain", forwarded(has=["Content-Type: text/plain"])),
    _nominated("connection: names Cache-Control", "Cache-Control", "Cache-Control: no-store", forwarded(has=["Cache-Control: no-store"])),
    _nominated("connection: names Range", "Range", "Range: bytes=0-1", forwarded(has=["Range: bytes=0-1"])),
    Case("connection: names Content-Length", "9110 7.6.1", post("Connection: Content-Length", "Content-Length: 3", body=b"abc"),
         forwarded(POST, b"abc", framing="length"), "Dropped, the body would be the next request", smuggling=True),
    Case("connection: names Content-Length of a hidden request", "9110 7.6.1", post("Connection: close, Content-Length", f"Content-Length: {len(INNER)}", body=INNER),
         forwarded(POST, INNER, end="closed"), smuggling=True),
    _nominated("connection: 9 names", ", ".join(f"X-{number}" for number in range(9)), "X-A: b", refused(400), rfc="9110 7.6.1"),
    _nominated("connection: no tokens", '"a b", c d', "X-A: b", forwarded()),
    _nominated("connection: Proxy-Authorization goes no further", "keep-alive", "Proxy-Authorization: Basic YTpi", forwarded(lacks=["Proxy-Authorization"]), rfc="9110 11.7.2"),
])

UPGRADES = Group("Upgrade", [
    Case("upgrade: a tunnel both ways", "9110 7.8", [UPGRADE, READ, b"ping", END], answered(101, end="closed") & fields(has=["Upgrade: echo"]),
         upstream=([SWITCHED, b"pong", CLOSE],), methods=("GET",)),
    Case("upgrade: refused, with early bytes", "9110 7.8", UPGRADE + EARLY, forwarded(end="closed"), "What was meant for the tunnel is no request", smuggling=True),
    Case("upgrade: without Connection", "9110 7.8", get("Upgrade: echo"), forwarded(lacks=["Upgrade"]), "Not meant: goes no further"),
    Case("upgrade: 101 to one that was not meant", "9110 7.8", get("Upgrade: echo"), answered(502, reused=False), upstream=(SWITCHED,), smuggling=True),
    Case("upgrade: 101 to another protocol than asked", "9110 7.8", UPGRADE, answered(502, end="closed", reused=False),
         "A server must not switch to what was not offered", upstream=(head("HTTP/1.1 101 Switching Protocols", "Connection: upgrade", "Upgrade: other"),), smuggling=True),
    Case("upgrade: 101 without Upgrade", "9110 15.2.2", UPGRADE, answered(502, end="closed", reused=False),
         upstream=(b"HTTP/1.1 101 Switching Protocols\r\n\r\n",), smuggling=True),
    Case("upgrade: in HTTP/1.0", "9110 7.8", request("GET / HTTP/1.0", "Host: a", "Connection: upgrade", "Upgrade: echo"), forwarded(lacks=["Upgrade"], end="closed"), "Ignored there", smuggling=True),
    Case("upgrade: h2c", "9113 3.1", get("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
         forwarded(lacks=["Upgrade", "HTTP2-Settings"]), "Requests would pass unseen in such a tunnel", smuggling=True),
    Case("upgrade: h2c among others", "9113 3.1", get("Connection: Upgrade", "Upgrade: echo, H2C"), forwarded(lacks=["Upgrade"]), smuggling=True),
    Case("upgrade: HTTP/2.0", "9113 3.1", get("Connection: Upgrade", "Upgrade: HTTP/2.0"), forwarded(lacks=["Upgrade"]), smuggling=True),
    Case("upgrade: with a body", "9110 7.8", post("Connection: upgrade", "Upgrade: echo", "Content-Length: 3", body=b"abc"), forwarded(POST, b"abc", lacks=["Upgrade"]),
         "Early bytes could be taken for it", smuggling=True),
    Case("upgrade: the answer is 200 with a body", "9110 7.8", UPGRADE, answered(200, b"ok", end="closed")),
    Case("upgrade: 426", "9110 15.5.22", get(), answered(426, b"ok"), upstream=(ok(line=b"HTTP/1.1 426 Upgrade Required"),)),
])

EARLY_ANSWERS = Group("Answers before their time, and ends", [
    Case("early: an answer while the body still comes", "9112 9.3", [post("Content-Length: 20034", body=LONG + EARLY[:9]), READ, EARLY[9:]],
         answered(413, b"too large", end=("closed", "reset")) & saw(1), "The rest of the body is no request", upstream=([TOO_LARGE, BODY],), smuggling=True),
    Case("early: an answer while chunks still come", "9112 9.3", [post("Transfer-Encoding: chunked", body=b"22\r\n" + EARLY[:9]), READ, EARLY[9:] + b"\r\n0\r\n\r\n"],
         answered(413, b"too large", end=("closed", "reset")) & saw(1), upstream=([TOO_LARGE, BODY],), smuggling=True),
    Case("early: an answer and a close while the body still comes", "9112 9.6", [post("Content-Length: 200000", body=b"a" * 100_000), READ, b"a" * 100_000],
         answered(413, b"too large", end=("closed", "reset")) & cut_upstream(), "The answer reaches the client", upstream=([TOO_LARGE, END, BODY],)),
    Case("early: an answer before any request", "9112 9.2", [get(), READ, Signal("read"), Await("sent"), get()], answered(200, b"second"),
         "What comes unasked answers nothing", upstream=([ok(b"first"), Await("read"), ok(b"unasked"), Signal("sent")], ok(b"second")), answers=2),
    Case("end: the client ends its side after a request", "9112 9.6", [get(), END], forwarded(end="closed"), "Half-closed, but waiting"),
    Case("end: the client ends its side after a body", "9112 9.6", [post("Content-Length: 3", body=b"abc"), END], forwarded(POST, b"abc", end="closed")),
    Case("end: the client ends its side within the head", "9112 8", [b"GET / HTTP/1.1\r\nHost: a\r\n", END], closed() & saw(0)),
    Case("end: the client ends its side within the body", "9112 8", [post("Content-Length: 30", body=b"abc"), END], closed() & cut_upstream(), "Nobody acts on half a request"),
    Case("end: the client resets within the body", "9112 8", [post("Content-Length: 30", body=b"abc"), ABORT], closed() & cut_upstream()),
    Case("end: the client ends its side within a pipeline", "9112 8", [get() + b"GET /half HTTP/1.1\r\nHo", END], forwarded(end="closed"), answers=2),
    Case("end: nothing is sent", "9112 9.5", [END], closed() & saw(0)),
    Case("end: an empty line and no more", "9112 2.2", [b"\r\n", END], closed() & saw(0)),
])

MAX_FORWARDS = Group("Max-Forwards", [
    Case("max-forwards: 0 of TRACE", "9110 7.6.2", request("TRACE / HTTP/1.1", "Host: a", "Max-Forwards: 0"), saw(0), "Answered by the proxy, whatever the answer"),
    Case("max-forwards: 0 of OPTIONS", "9110 7.6.2", request("OPTIONS * HTTP/1.1", "Host: a", "Max-Forwards: 0"), saw(0)),
    Case("max-forwards: 5 of OPTIONS", "9110 7.6.2", request("OPTIONS * HTTP/1.1", "Host: a", "Max-Forwards: 5"), forwarded("OPTIONS * HTTP/1.1", has=["Max-Forwards: 4"])),
    Case("max-forwards: 5 of GET", "9110 7.6.2", get("Max-Forwards: 5"), forwarded(has=["Max-Forwards: 5"]), "May be ignored for other methods"),
])

GROUPS = (PIPELINES, EXPECT, NOMINATIONS, UPGRADES, EARLY_ANSWERS, MAX_FORWARDS)
