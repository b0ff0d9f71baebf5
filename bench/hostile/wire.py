"""Reading HTTP/1.1 from raw sockets, leniently: what the peer sent is recorded, never mended."""

import re
import socket
import time
from dataclasses import dataclass, field

READ_BYTES = 65_536


class Ended(Exception):
    """The peer closed its side."""

    told = "closed"


class Reset(Exception):
    """The peer reset the connection."""

    told = "reset"


class Silent(Exception):
    """Nothing came for as long as the reader was willing to wait."""

    told = "silent"


class Stream:
    """A socket with the bytes that came and are not read yet."""

    def __init__(self, connection, patience_s):
        self.connection = connection
        self.patience_s = patience_s
        self.buffer = b""

    def fill(self):
        self.connection.settimeout(self.patience_s)
        try:
            received = self.connection.recv(READ_BYTES)
        except TimeoutError:
            raise Silent from None
        except ConnectionError:
            raise Reset from None
        if not received:
            raise Ended
        self.buffer += received

    def take(self, count):
        while len(self.buffer) < count:
            self.fill()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def take_through(self, pattern):
        """Everything up to the end of the first match."""
        while not (found := re.search(pattern, self.buffer)):
            self.fill()
        return self.take(found.end())

    def send(self, data):
        """Sends; a peer that refuses more is found out when its answer is read."""
        try:
            self.connection.settimeout(self.patience_s)
            self.connection.sendall(data)
        except (ConnectionError, TimeoutError):
            pass

    def end_sending(self):
        try:
            self.connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def shut(self):
        """Ends both sides, which also wakes whoever reads."""
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def reset(self):
        """Closes so that the peer sees a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.connection.close()


@dataclass
class Message:
    """A request or an answer as it came."""

    head: bytes
    body: bytes = b""
    # How the end of the body was found: none, length, chunked, close.
    framing: str = "none"
    whole: bool = True
    # Of an answer that is not whole: what became of the connection.
    cut_by: str = ""
    # Of a recorded request: the connection on which it came, and its bytes after the head.
    connection: int = 0
    raw_body: bytes = field(default=b"", repr=False)

    @property
    def line(self):
        return self.head.split(b"\n", 1)[0].rstrip(b"\r")

    @property
    def status(self):
        match = re.match(rb"HTTP/\d\.\d (\d{3})", self.line)
        return int(match.group(1)) if match else 0

    def values(self, name):
        """The values of the field lines of this name."""
        lines = self.head.split(b"\n")[1:]
        split = (line.partition(b":") for line in lines)
        return [value.strip() for key, _, value in split if key.strip().lower() == name.lower().encode()]


HEAD_END = rb"\r?\n\r?\n"


def read_answer(stream, method):
    """The next answer, interim ones included. Raises what ended the reading if not even a head was there."""
    answer = Message(stream.take_through(HEAD_END))
    status = answer.status
    if method == "HEAD" or status in (204, 304) or 100 <= status < 200:
        return answer
    try:
        if answer.values("transfer-encoding"):
            answer.framing = "chunked"
            read_chunked(stream, answer)
        elif lengths := answer.values("content-length"):
            answer.framing = "length"
            read_sized(stream, answer, lengths[0])
        else:
            answer.framing = "close"
            read_until_end(stream, answer)
    except (Ended, Reset, Silent) as end:
        answer.whole, answer.cut_by = False, end.told
    except ValueError:
        answer.whole, answer.cut_by = False, "malformed"
    return answer


def read_sized(stream, message, length):
    left = int(length)
    while left:
        if not stream.buffer:
            stream.fill()
        piece = stream.take(min(left, len(stream.buffer)))
        message.body += piece
        left -= len(piece)


def read_until_end(stream, message):
    while True:
        try:
            stream.fill()
        except Ended:
            return
        finally:
            message.body += stream.take(len(stream.buffer))


def read_chunked(stream, message):
    while True:
        line = stream.take_through(rb"\n")
        message.raw_body += line
        size = int(re.match(rb"[0-9A-Fa-f]*", line).group() or b"x", 16)
        if size == 0:
            break
        data = stream.take(size)
        message.body += data
        message.raw_body += data + stream.take(2)
    while True:
        line = stream.take_through(rb"\n")
        message.raw_body += line
        if line in (b"\r\n", b"\n"):
            return


def connect(port, patience_s, deadline_s=5.0):
    """A connection to a proxy; tried again while its listener is not there yet."""
    deadline = time.monotonic() + deadline_s
    while True:
        try:
            return Stream(socket.create_connection(("127.0.0.1", port), timeout=patience_s), patience_s)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
