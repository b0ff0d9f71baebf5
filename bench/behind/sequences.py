"""Pipelines and kept connections beyond those of `hostile`: many bodies in a row, where one byte too few shifts all that follow."""

from hostile.case import READ, Case, Group, get, post
from hostile.cases.framing import INNER
from hostile.expect import saw

_BODIES = (b"", INNER, b"0\r\n\r\n" + INNER, b"a" * 70_000, b"\r\n\r\n")


def _sized(body):
    return post(f"Content-Length: {len(body)}", body=body)


def _in_chunks(body):
    pieces = [body[start:start + 8191] for start in range(0, len(body), 8191)]
    return post("Transfer-Encoding: chunked", body=b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n")


def _numbered(number):
    return get(line=b"GET /%d HTTP/1.1" % number)


def _pipeline(frame):
    return b"".join(frame(body) + _numbered(number) for number, body in enumerate(_BODIES))


def _in_turn(frame):
    return [step for number, body in enumerate(_BODIES) for step in (frame(body), READ, _numbered(number), READ)]


def _case(name, client):
    return Case(name, "9112 9.3.2", client, saw(2 * len(_BODIES)), answers=2 * len(_BODIES), smuggling=True)


GROUP = Group("Sequences", [
    _case("sequence: pipelined bodies by length", _pipeline(_sized)),
    _case("sequence: pipelined bodies in chunks", _pipeline(_in_chunks)),
    _case("sequence: pipelined bodies both ways", b"".join(
        (_sized if number % 2 else _in_chunks)(body) + _numbered(number) for number, body in enumerate(_BODIES))),
    _case("sequence: kept, bodies by length", _in_turn(_sized)),
    _case("sequence: kept, bodies in chunks", _in_turn(_in_chunks)),
    Case("sequence: chunks byte by byte", "9112 7.1", [bytes([byte]) for byte in _in_chunks(INNER) + _numbered(1)], saw(2), answers=2, smuggling=True),
], smuggling=True)


def with_sequences(groups, part):
    chosen = [case for case in GROUP.cases if part in case.name]
    return [*groups, Group(GROUP.title, chosen, smuggling=True)] if chosen else groups
