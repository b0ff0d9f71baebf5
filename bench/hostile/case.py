"""What a case is: the bytes of a client, the bytes of an upstream, and what Ringway must make of them."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Signal:
    """A step of the client or of the upstream: lets the other go on that waits for this name."""

    name: str


@dataclass(frozen=True)
class Await:
    """A step: waits until the other side has given this signal."""

    name: str


class Step:
    """A step without parameters."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name


# Of the client.
READ = Step("READ")  # one final answer, with the interim ones before it
READ_INTERIM = Step("READ_INTERIM")
END = Step("END")  # of either side: ends what it sends
ABORT = Step("ABORT")  # of either side: resets the connection
# Of the upstream.
BODY = Step("BODY")  # reads the request's body; without this step it is read before the answer is sent
CLOSE = Step("CLOSE")  # closes the connection


@dataclass(frozen=True)
class Case:
    name: str
    # The section that decides it, such as "9112 6.3".
    rfc: str
    # What the client sends: bytes, or steps.
    client: Any
    # What Ringway must do; see expect.py.
    must: Any
    # Why, where the name does not say it.
    why: str = ""
    # What the upstream sends: for each request in turn bytes, or steps; the last again for more. Nothing: an ordinary answer.
    upstream: tuple = ()
    # The methods of the requests that the client sends, as far as answers to them are read differently.
    methods: tuple = ("GET",)
    # How many final answers the client waits for.
    answers: int = 1
    # Whether two readers could disagree on where a message ends, or whom it is for.
    smuggling: bool = False
    # Why it is safe that Ringway lets through what another proxy refuses.
    looser_since: str = ""


@dataclass
class Group:
    title: str
    cases: list = field(default_factory=list)
    smuggling: bool = False
    # Whether it is the answer that a proxy lets through or refuses, not the request.
    of_answers: bool = False


def ok(body=b"ok", *fields, line=b"HTTP/1.1 200 OK"):
    """An ordinary answer."""
    return head(line, b"Content-Length: %d" % len(body), *fields) + body


def head(line, *fields):
    return b"\r\n".join((_bytes(line), *map(_bytes, fields), b"", b""))


def request(line, *fields, body=b""):
    return head(line, *fields) + body


def get(*fields, line=b"GET / HTTP/1.1"):
    """A GET with a Host field."""
    return head(line, b"Host: a", *fields)


def post(*fields, body=b""):
    """A POST with a Host field."""
    return head(b"POST / HTTP/1.1", b"Host: a", *fields) + body


def chunked(body, *fields):
    """A POST whose body is framed by hand."""
    return post(b"Transfer-Encoding: chunked", *fields, body=body)


def _bytes(text):
    return text if isinstance(text, bytes) else text.encode("latin-1")
