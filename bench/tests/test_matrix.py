"""What bench/matrix makes of what passed between Ringway and a server."""

import hashlib
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from behind.judge import judged
from behind.tap import Wire
from hostile.drive import Observed
from hostile.wire import Message

POST = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REFUSED = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


def record(body, method="POST", target="/a"):
    return {"method": method, "target": target, "sha256": hashlib.sha256(body).hexdigest()}


def outcome(sent, answered, records, seen=None, understands=lambda method, target: (method, target)):
    return judged([Wire((), bytearray(sent), bytearray(answered))], records, seen or Observed(), understands)


class JudgeTest(unittest.TestCase):
    def test_the_same_requests_are_no_fault(self):
        told = outcome(POST + b"abc" + POST + b"def", OK + OK, [record(b"abc"), record(b"def")])
        self.assertEqual((told.faults, told.meant, told.reused), ([], 2, True))

    def test_another_body_is_a_fault(self):
        self.assertTrue(outcome(POST + b"abc", OK, [record(b"abd")]).faults)

    def test_one_request_more_is_a_fault(self):
        self.assertTrue(outcome(POST + b"abc", OK, [record(b"abc"), record(b"", "GET", "/b")]).faults)

    def test_the_same_request_twice_is_a_fault(self):
        self.assertTrue(outcome(POST + b"abc", OK, [record(b"abc"), record(b"abc")]).faults)

    def test_another_order_on_one_connection_is_a_fault(self):
        self.assertTrue(outcome(POST + b"abc" + POST + b"def", OK + OK, [record(b"def"), record(b"abc")]).faults)

    def test_half_a_request_that_was_understood_is_a_fault(self):
        self.assertTrue(outcome(POST + b"ab", OK, [record(b"ab")]).faults)
        self.assertEqual(outcome(POST + b"ab", b"", []).faults, [])

    def test_an_answer_to_nothing_is_a_fault(self):
        self.assertTrue(outcome(POST + b"abc", OK + REFUSED, [record(b"abc")]).faults)

    def test_what_is_missing_must_have_been_refused(self):
        self.assertTrue(outcome(POST + b"abc", OK, []).faults)
        told = outcome(POST + b"abc", REFUSED, [])
        self.assertEqual((told.faults, told.refused), ([], [400]))

    def test_an_answer_that_is_another_clients_is_a_fault(self):
        answer = Message(b"HTTP/1.1 200 OK\r\n\r\n", b'{"method": "GET", "target": "/b", "sha256": ""}')
        self.assertTrue(outcome(POST + b"abc", OK, [record(b"abc")], Observed(answers=[answer])).faults)

    def test_silence_and_a_neighbour_without_its_answer_are_faults(self):
        for seen in (Observed(end="silent"), Observed(neighbour_served=False)):
            self.assertTrue(outcome(POST + b"abc", OK, [record(b"abc")], seen).faults)

    def test_what_a_server_is_known_to_change_is_no_fault(self):
        lower = POST.replace(b"POST", b"post")
        self.assertTrue(outcome(lower + b"abc", OK, [record(b"abc")]).faults)
        self.assertEqual(outcome(lower + b"abc", OK, [record(b"abc")], understands=lambda method, target: (method.upper(), target)).faults, [])


if __name__ == "__main__":
    unittest.main()
