"""Runs one case on one proxy."""

import itertools
from dataclasses import dataclass, field

from .case import ABORT, END, READ, READ_INTERIM, Await, Signal
from .wire import Ended, Message, Reset, Silent, connect, read_answer

_probes = itertools.count(1)


@dataclass
class Observed:
    """What a proxy made of a case."""

    answers: list[Message] = field(default_factory=list)
    interim: list[Message] = field(default_factory=list)
    # The client's connection afterwards: kept (it took another request), closed, reset, or silent.
    end: str = "kept"
    # Bytes after the last answer that was due.
    stray: bytes = b""
    requests: list[Message] = field(default_factory=list)
    remains: bytes = b""
    # Whether the next request went over the upstream connection of the last one; None if there was none.
    reused: bool | None = None
    # Whether the next client got its own answer.
    neighbour_served: bool = True

    @property
    def status(self):
        return self.answers[-1].status if self.answers else 0


class Conversation:
    """The client's side of a case."""

    def __init__(self, case, stream, signals):
        self.case, self.stream, self.signals = case, stream, signals
        self.seen = Observed()
        self.ended_sending = False

    def run(self):
        steps = self.case.client if isinstance(self.case.client, (list, tuple)) else [self.case.client]
        try:
            for step in steps:
                self._take(step)
            while len(self.seen.answers) < self.case.answers and self._may_go_on():
                self._read_final()
            self._look_at_the_end()
        except (Ended, Reset, Silent) as end:
            self.seen.end = end.told
        self.stream.connection.close()
        return self.seen

    def _take(self, step):
        match step:
            case bytes():
                self.stream.send(step)
            case Signal(name):
                self.signals.give(name)
            case Await(name):
                self.signals.wait(name)
            case _ if step is READ:
                self._read_final()
            case _ if step is READ_INTERIM:
                answer = read_answer(self.stream, "GET")
                # A server may do without interim answers.
                (self.seen.interim if 100 <= answer.status < 200 else self.seen.answers).append(answer)
            case _ if step is END:
                self.stream.end_sending()
                self.ended_sending = True
            case _ if step is ABORT:
                self.stream.reset()
                raise Reset

    def _read_final(self):
        methods, count = self.case.methods, len(self.seen.answers)
        method = methods[min(count, len(methods) - 1)]
        while True:
            answer = read_answer(self.stream, method)
            if not 100 <= answer.status < 200 or answer.status == 101:
                self.seen.answers.append(answer)
                return
            self.seen.interim.append(answer)

    def _may_go_on(self):
        """Whether there can be another answer: the last one was whole, and its end was not the connection's."""
        return not self.seen.answers or (self.seen.answers[-1].whole and self.seen.answers[-1].framing != "close")

    def _look_at_the_end(self):
        """Asks for something more on the same connection, unless that is over."""
        if self.seen.answers and not self.seen.answers[-1].whole:
            self.seen.end = self.seen.answers[-1].cut_by
            return
        if self.ended_sending or not self._may_go_on() or self.seen.status == 101:
            self._read_to_the_end()
            return
        target = f"/probe-{next(_probes)}"
        self.stream.send(f"GET {target} HTTP/1.1\r\nHost: probe\r\n\r\n".encode())
        self.seen.stray, self.stream.buffer = self.stream.buffer, b""
        try:
            answer = read_answer(self.stream, "GET")
        except Reset:
            # It broke its own word by asking.
            raise Ended if self._has_said_its_last() else Reset
        if answer.body != target.encode():
            self.seen.stray += answer.head + answer.body
            raise Ended

    def _has_said_its_last(self):
        """Whether the client said of its requests that none would follow them, so that a server need not read on."""
        steps = self.case.client if isinstance(self.case.client, (list, tuple)) else [self.case.client]
        sent = b"".join(step for step in steps if isinstance(step, bytes)).lower()
        return b" http/1.0\r\n" in sent or b"\r\nconnection: close\r\n" in sent

    def _read_to_the_end(self):
        while True:
            try:
                self.stream.fill()
            finally:
                self.seen.stray, self.stream.buffer = self.seen.stray + self.stream.buffer, b""


def run(case, port, upstream, patience_s, proxy_watches_idle):
    """What the proxy at `port` makes of the case, in front of this upstream."""
    recording = upstream.begin(case.upstream)
    seen = Conversation(case, connect(port, patience_s), recording.signals).run()
    own_probe = next(iter(recording.probes.values()), None)
    probed = neighbour(port, patience_s)
    seen.neighbour_served = probed is not None
    next_connection = own_probe or recording.probes.get(probed)
    upstream.settle(proxy_watches_idle)
    seen.requests = recording.requests
    seen.remains = b"".join(recording.remains.values())
    if seen.requests and next_connection:
        seen.reused = next_connection == seen.requests[-1].connection
    return seen


def neighbour(port, patience_s):
    """Another client's request; its target if it got the answer to that."""
    target = f"/probe-{next(_probes)}".encode()
    stream = connect(port, patience_s)
    stream.send(b"GET %s HTTP/1.1\r\nHost: neighbour\r\nConnection: close\r\n\r\n" % target)
    try:
        answer = read_answer(stream, "GET")
    except (Ended, Reset, Silent):
        return None
    finally:
        stream.connection.close()
    return target if answer.status == 200 and answer.body == target else None
