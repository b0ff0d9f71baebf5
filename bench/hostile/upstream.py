"""The upstream: records byte by byte what each request looked like, and answers as the case prescribes."""

import socket
import threading

from .case import ABORT, BODY, CLOSE, END, Await, Signal, ok
from .wire import HEAD_END, Ended, Message, Reset, Silent, Stream, read_chunked, read_sized

PATIENCE_S = 10.0
SETTLE_S = 2.0
NOTICE_S = 0.5
PROBE = b"GET /probe-"


class Signals:
    """Named events, by which the client and the upstream of a case wait for each other."""

    def __init__(self):
        self._events = {}
        self._lock = threading.Lock()

    def _event(self, name):
        with self._lock:
            return self._events.setdefault(name, threading.Event())

    def give(self, name):
        self._event(name).set()

    def wait(self, name):
        return self._event(name).wait(PATIENCE_S)


class Recording:
    """What came during one case."""

    def __init__(self, script):
        self.script = list(script) or [ok()]
        self.signals = Signals()
        self.requests = []
        self.probes = {}
        # Bytes that never became a request, by connection.
        self.remains = {}

    def answer(self, index):
        """The last one is given again to whatever comes more: a proxy may try again what failed."""
        return self.script[min(index, len(self.script) - 1)]


class Upstream:
    """Listens on a port of its own; one case at a time."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self._lock = threading.Lock()
        self._open = {}
        self._numbers = 0
        self._recording = Recording(())
        threading.Thread(target=self._accept, daemon=True).start()

    def begin(self, script):
        """Records from now on into what is returned."""
        with self._lock:
            self._recording = Recording(script)
            return self._recording

    def settle(self, proxy_watches_idle):
        """Ends all connections: the next case begins without any.

        A proxy that watches its idle connections is given the time to notice; one that looks before it takes one
        again, as Ringway does, needs none.
        """
        with self._lock:
            threads = list(self._open.items())
        for stream, thread in threads:
            stream.end_sending()
            if proxy_watches_idle:
                thread.join(NOTICE_S)
            stream.shut()
            thread.join(SETTLE_S)

    def _accept(self):
        while True:
            connection, _ = self.listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = Stream(connection, PATIENCE_S)
            with self._lock:
                self._numbers += 1
                thread = threading.Thread(target=self._serve, args=(stream, self._numbers), daemon=True)
                self._open[stream] = thread
            thread.start()

    def _serve(self, stream, number):
        try:
            while self._serve_one(stream, number):
                pass
        except (Ended, Reset, Silent, OSError, ValueError):
            pass
        if stream.buffer:
            self._recording.remains[number] = stream.buffer
        stream.connection.close()
        with self._lock:
            self._open.pop(stream, None)

    def _serve_one(self, stream, number):
        message = Message(stream.take_through(HEAD_END), connection=number)
        recording = self._recording
        if message.line.startswith(PROBE):
            recording.probes[message.line.split()[1]] = number
            stream.send(ok(message.line.split()[1]))
            return True
        with self._lock:
            index = len(recording.requests)
            recording.requests.append(message)
        recording.signals.give(f"request {index + 1}")
        return self._answer(stream, message, recording.signals, recording.answer(index))

    def _answer(self, stream, message, signals, script):
        steps = list(script) if isinstance(script, (list, tuple)) else [script]
        if BODY not in steps:
            read_body(stream, message)
        for step in steps:
            match step:
                case bytes():
                    stream.send(step)
                case Signal(name):
                    signals.give(name)
                case Await(name):
                    signals.wait(name)
                case _ if step is BODY:
                    read_body(stream, message)
                case _ if step is END:
                    stream.end_sending()
                case _ if step is ABORT:
                    stream.reset()
                    return False
                case _ if step is CLOSE:
                    return False
        return True


def read_body(stream, message):
    """By Transfer-Encoding, else by the first Content-Length: what is ambiguous is told by `hazards`."""
    message.whole = False
    if any(b"chunked" in value.lower() for value in message.values("transfer-encoding")):
        message.framing = "chunked"
        read_chunked(stream, message)
    elif lengths := message.values("content-length"):
        message.framing = "length"
        read_sized(stream, message, lengths[0])
    message.whole = True
