"""The relay and the upstream server, over real sockets. Needs both examples built in release."""

import os
import socket
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.ports import PortPicker

EXAMPLES = Path(__file__).resolve().parents[2] / "target" / "release" / "examples"
TIMEOUT_S = 20


def wait_for_listener(port):
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def receive_response(stream):
    """The status line and the body of one response with a Content-Length."""
    status = stream.readline()
    length = 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, value = line.split(b":", 1)
        if name.lower() == b"content-length":
            length = int(value)
    return status.strip(), stream.read(length)


class ServersTest(unittest.TestCase):
    def setUp(self):
        ports = PortPicker()
        self.upstream_port, self.second_port, self.relay_port = ports.take(), ports.take(), ports.take()
        addresses = [f"127.0.0.1:{port}" for port in (self.upstream_port, self.second_port)]
        self.start("upstream", *addresses, port=self.upstream_port)

    def start(self, name, *arguments, port):
        process = subprocess.Popen([EXAMPLES / name, *arguments])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        wait_for_listener(port).close()

    def start_relay(self, upstream_port):
        addresses = f"127.0.0.1:{self.relay_port}", f"127.0.0.1:{upstream_port}"
        self.start("relay", *addresses, port=self.relay_port)

    def connect(self, port):
        connection = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        self.addCleanup(connection.close)
        return connection

    def exchange(self, port, request):
        connection = self.connect(port)
        connection.sendall(request)
        return receive_response(connection.makefile("rb"))

    def test_body_size_follows_the_path(self):
        for path, status, size in [
            (b"/", b"HTTP/1.1 200 OK", 128),
            (b"/home", b"HTTP/1.1 200 OK", 128),
            (b"/0", b"HTTP/1.1 200 OK", 0),
            (b"/16384/key-1", b"HTTP/1.1 200 OK", 16384),
            (b"/67108864", b"HTTP/1.1 200 OK", 67108864),
            (b"/67108865", b"HTTP/1.1 400 Bad Request", 0),
            (b"/99999999999999999999999999", b"HTTP/1.1 400 Bad Request", 0),
        ]:
            with self.subTest(path=path):
                answer = self.exchange(self.second_port, b"GET " + path + b" HTTP/1.1\r\n\r\n")
                self.assertEqual((answer[0], len(answer[1])), (status, size))

    def test_pipelined_requests_cut_anywhere_are_answered_in_order(self):
        requests = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n"
        for cut in range(1, len(requests)):
            connection = self.connect(self.upstream_port)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(requests[:cut])
            time.sleep(0.001)
            connection.sendall(requests[cut:])
            stream = connection.makefile("rb")
            sizes = [len(receive_response(stream)[1]) for _ in range(3)]
            self.assertEqual(sizes, [1, 2, 3], f"cut at {cut}")

    def test_count_leaves_itself_out(self):
        for _ in range(3):
            self.exchange(self.upstream_port, b"GET /128 HTTP/1.1\r\n\r\n")
        for _ in range(2):
            _, body = self.exchange(self.upstream_port, b"GET /count HTTP/1.1\r\n\r\n")
            self.assertEqual(body, b"3")

    def test_an_endless_head_closes_the_connection(self):
        connection = self.connect(self.upstream_port)
        with self.assertRaises(ConnectionError):
            for _ in range(10_000):
                connection.sendall(b"x" * 1024)

    def test_relay_carries_large_answers_to_a_slow_reader(self):
        self.start_relay(self.upstream_port)
        connection = self.connect(self.relay_port)
        connection.sendall(b"GET /33554432 HTTP/1.1\r\n\r\n")
        time.sleep(0.3)
        _, body = receive_response(connection.makefile("rb"))
        self.assertEqual(len(body), 33554432)

    def test_relay_keeps_the_other_direction_open_after_a_half_close(self):
        """An echo server that answers only at the end of its input, with more than any buffer holds."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def echo_at_end():
            connection, _ = listener.accept()  # The probe of `start`, closed at once.
            connection.close()
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as stream:
                connection.sendall(stream.read())

        server = threading.Thread(target=echo_at_end)
        server.start()
        self.addCleanup(server.join)
        self.start_relay(listener.getsockname()[1])
        connection = self.connect(self.relay_port)
        sent = os.urandom(16 * 1024 * 1024)
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        self.assertEqual(connection.makefile("rb").read(), sent)

    def test_relay_closes_a_client_whose_upstream_is_down(self):
        unused = socket.create_server(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        unused.close()
        self.start_relay(port)
        connection = self.connect(self.relay_port)
        try:
            self.assertEqual(connection.recv(1), b"")
        except ConnectionResetError:
            pass


if __name__ == "__main__":
    unittest.main()
