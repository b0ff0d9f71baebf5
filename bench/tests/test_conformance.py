"""The dangers that bench/conformance sees in what a proxy forwards, and its reading of messages."""

import socket
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hostile import cases, wire
from hostile.hazards import answer_hazards, hazards
from hostile.upstream import Upstream


def recorded(head, raw_body=b""):
    framing = "chunked" if b"hunked" in head else "none"
    return wire.Message(head, framing=framing, raw_body=raw_body)


class HazardsTest(unittest.TestCase):
    def test_a_plain_request_holds_none(self):
        for head, body in ((b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b""),
                           (b"GET / HTTP/1.1\r\nHost: \r\n\r\n", b""),
                           (b"POST / HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 3\r\n\r\n", b""),
                           (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"3\r\nabc\r\n0\r\n\r\n")):
            self.assertEqual(hazards(recorded(head, body)), [], head)

    def test_each_danger_is_told(self):
        for fields, danger in ((b"Host: a\nX: b\r\n", "bare LF"), (b"Host: a\rX: b\r\n", "bare CR"), (b"Host: a\r\nX: \0\r\n", "control byte"),
                               (b"Host: a\r\n b\r\n", "folded line"), (b"Host : a\r\n", "space before colon"),
                               (b"Host: a\r\nHost: a\r\n", "two Hosts"), (b"", "no Host"), (b"Host: a b\r\n", "malformed Host"),
                               (b"Host: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n", "two Content-Lengths"),
                               (b"Host: a\r\nContent-Length: +1\r\n", "Content-Length is no number"),
                               (b"Host: a\r\nContent-Length: 01\r\n", "Content-Length with leading zeros"),
                               (b"Host: a\r\nContent-Length: 9223372036854775808\r\n", "Content-Length beyond 63 bits"),
                               (b"Host: a\r\nTransfer-Encoding: Chunked\r\n", "Transfer-Encoding other than chunked"),
                               (b"Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n", "both Content-Length and Transfer-Encoding")):
            self.assertIn(danger, hazards(recorded(b"GET / HTTP/1.1\r\n" + fields + b"\r\n")))
        for body, danger in ((b"3\nabc\r\n0\r\n\r\n", "bare LF in the chunks"), (b"3;a\r\nabc\r\n0\r\n\r\n", "chunk extension"),
                             (b"0x3\r\nabc\r\n0\r\n\r\n", "odd chunk size"), (b"3\r\nabcXX0\r\n\r\n", "chunk data without CRLF"),
                             (b"0\r\nHost: b\r\n\r\n", "forbidden trailer"), (b"0\r\nA: b\r\n c\r\n\r\n", "malformed trailer")):
            head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            self.assertIn(danger, hazards(recorded(head, body)))


    def test_a_dangerous_answer_is_told(self):
        for head, danger in ((b"HTTP/1.1 200 O\x01K\r\n\r\n", "malformed status line"), (b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n", "bare LF"),
                             (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "two Content-Lengths")):
            self.assertIn(danger, answer_hazards(recorded(head)))
        self.assertEqual(answer_hazards(recorded(b"HTTP/1.1 200 OK\r\nContent-Length: 02\r\n\r\n")), [])


class ReadingTest(unittest.TestCase):
    def answer(self, sent):
        near, far = socket.socketpair()
        with near, far:
            far.sendall(sent)
            far.shutdown(socket.SHUT_WR)
            return wire.read_answer(wire.Stream(near, 5.0), "GET")

    def test_each_framing_and_each_cut_is_told(self):
        for sent, body, framing, whole in ((b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok", "length", True),
                                           (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", b"ok", "length", False),
                                           (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok", "chunked", True),
                                           (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", b"ok", "chunked", False),
                                           (b"HTTP/1.1 200 OK\r\n\r\nok", b"ok", "close", True),
                                           (b"HTTP/1.1 204 No Content\r\n\r\n", b"", "none", True)):
            answer = self.answer(sent)
            self.assertEqual((answer.body, answer.framing, answer.whole), (body, framing, whole), sent)


class RecordingTest(unittest.TestCase):
    def test_requests_are_recorded_as_they_came_and_the_last_answer_is_given_again(self):
        upstream = Upstream()
        recording = upstream.begin([b"HTTP/1.1 204 No Content\r\n\r\n"])
        stream = wire.connect(upstream.port, 5.0)
        sent = b"POST /%d HTTP/1.1\r\nHost:  a\r\nContent-Length: 3\r\n\r\nabc"
        for number in range(2):
            stream.send(sent % number)
            self.assertEqual(wire.read_answer(stream, "POST").status, 204)
        self.assertEqual([request.head + request.body for request in recording.requests], [sent % 0, sent % 1])
        self.assertEqual({request.connection for request in recording.requests}, {1})
        upstream.settle(False)
        stream.connection.close()


class CasesTest(unittest.TestCase):
    def test_every_case_names_its_section_and_its_expectation(self):
        for group in cases.matching(""):
            for case in group.cases:
                self.assertRegex(case.rfc, r"^\d{4} \d+(\.\d+)*$", case.name)
                self.assertTrue(case.must.text, case.name)


if __name__ == "__main__":
    unittest.main()
