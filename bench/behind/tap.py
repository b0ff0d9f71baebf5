"""Stands between Ringway and a server: copies bytes at once both ways and keeps them, to be read as messages afterwards."""

import socket
import threading
from dataclasses import dataclass, field

from hostile.upstream import read_body
from hostile.wire import HEAD_END, READ_BYTES, Ended, Message, Stream, read_answer


class Recorded(Stream):
    """Bytes that were kept, read as a stream that ends with them."""

    def __init__(self, data):
        super().__init__(None, 0)
        self.buffer = data

    def fill(self):
        raise Ended


@dataclass(eq=False)
class Wire:
    """One connection of Ringway to the server."""

    sides: tuple
    sent: bytearray = field(default_factory=bytearray)
    answered: bytearray = field(default_factory=bytearray)
    threads: list = field(default_factory=list)

    def shut(self):
        for side in self.sides:
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join()

    def requests(self):
        """What Ringway sent, as messages; the last may be cut."""
        stream, found = Recorded(bytes(self.sent)), []
        while stream.buffer.strip(b"\r\n"):
            try:
                message = Message(stream.take_through(HEAD_END))
            except Ended:
                return found
            found.append(message)
            try:
                read_body(stream, message)
            except (Ended, ValueError):
                return found
        return found

    def answers(self, requests):
        """The final answers of the server to these requests in turn, and the bytes that answer none of them."""
        stream, found = Recorded(bytes(self.answered)), []
        for request in requests:
            try:
                answer = read_answer(stream, request.line.split(b" ")[0].decode("latin-1"))
                while 100 <= answer.status < 200 and answer.status != 101:
                    answer = read_answer(stream, request.line.split(b" ")[0].decode("latin-1"))
            except Ended:
                break
            found.append(answer)
        return found, stream.buffer


class Tap:
    """Listens on a port of its own for Ringway's connections."""

    def __init__(self, server_port):
        self.server_port = server_port
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.wires = []
        threading.Thread(target=self._accept, daemon=True).start()

    def begin(self):
        """Forgets what was; connections that are open stay so, for the next case to use."""
        self.wires = [wire for wire in self.wires if any(thread.is_alive() for thread in wire.threads)]
        for wire in self.wires:
            wire.sent.clear()
            wire.answered.clear()

    def settle(self):
        """Ends all connections, where something may still be under way on them."""
        for wire in self.wires:
            wire.shut()

    def _accept(self):
        while True:
            client, _ = self.listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self.server_port))
            except OSError:
                client.close()
                continue
            for side in (client, server):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire = Wire((client, server))
            wire.threads = [threading.Thread(target=_copy, args=arguments, daemon=True)
                            for arguments in ((client, server, wire.sent), (server, client, wire.answered))]
            self.wires.append(wire)
            for thread in wire.threads:
                thread.start()


def _copy(source, destination, kept):
    """Until the end of the source, which is passed on; a reset ends both sides."""
    try:
        while piece := source.recv(READ_BYTES):
            kept += piece
            destination.sendall(piece)
        destination.shutdown(socket.SHUT_WR)
    except OSError:
        for side in (source, destination):
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
