"""Whether a server understood what Ringway meant: the same requests with the same bodies, none more, and answers to whom they belong."""

import hashlib
import json
from dataclasses import dataclass, field

from hostile.hazards import hazards

# The server may answer these itself, whatever stands behind it.
ANSWERED_BY_SERVERS = ("OPTIONS *", "TRACE ")


@dataclass
class Outcome:
    """One case on one server."""

    meant: int = 0
    understood: int = 0
    # The status of each answer by which the server refused what Ringway sent.
    refused: list = field(default_factory=list)
    # Whether one connection served several requests.
    reused: bool = False
    faults: list = field(default_factory=list)

    def told(self):
        if self.faults:
            return "**" + "; ".join(self.faults) + "**"
        if not self.meant:
            return "–"
        return "same" if not self.refused else f"refused: {', '.join(map(str, self.refused))}"


def judged(wires, records, seen, understands):
    """`wires`: what passed between Ringway and the server; `records`: what the server understood; `seen`: the client's side;
    `understands`: what the server makes of a method and a target."""
    outcome = Outcome()
    meant = []
    for wire in wires:
        requests = wire.requests()
        answers, stray = wire.answers(requests)
        if stray:
            outcome.faults.append(f"an answer to nothing: {stray[:60]!r}")
        outcome.reused = outcome.reused or sum(request.whole for request in requests) > 1
        for index, request in enumerate(requests):
            if not request.line.startswith(b"GET /probe-"):
                meant.append((request, answers[index] if index < len(answers) else None))
    _compare(outcome, meant, records, understands, len(wires) == 1)
    _look_at_the_client(outcome, records, seen)
    return outcome


def _compare(outcome, meant, records, understands, one_connection):
    whole = [(_record(request, understands), request, answer) for request, answer in meant if request.whole]
    outcome.meant, outcome.understood = len(meant), len(records)
    left = list(records)
    for record, request, answer in whole:
        for hazard in hazards(request):
            outcome.faults.append(f"Ringway sent: {hazard}")
        if record in left:
            left.remove(record)
        elif answer is not None and answer.status >= 400:
            outcome.refused.append(answer.status)
        elif not request.line.startswith(tuple(text.encode() for text in ANSWERED_BY_SERVERS)):
            outcome.faults.append(f"not understood, nor refused: {request.line[:60]!r}")
    for request, answer in meant:
        if not request.whole and answer is not None and answer.status >= 400:
            outcome.refused.append(answer.status)
    expected = [record for record, _, _ in whole]
    if one_connection and not left and records != [record for record in expected if record in records]:
        outcome.faults.append("the server saw them in another order")
    for record in left:
        outcome.faults.append(f"the server saw {record}")


def _look_at_the_client(outcome, records, seen):
    told = [json.loads(answer.body) for answer in seen.answers if answer.status == 200 and answer.body.startswith(b'{"method"')]
    expected = [record for record in records if record["method"] != "HEAD"]
    if told != expected[:len(told)]:
        outcome.faults.append(f"the client got the answers to {told}")
    for answer in seen.answers:
        if answer.status in (502, 504):
            outcome.faults.append(f"the client got {answer.status}")
    if seen.end == "silent":
        outcome.faults.append("the client waited in vain")
    if not seen.neighbour_served:
        outcome.faults.append("the next client did not get its own answer")


def _record(request, understands):
    method, target, _ = request.line.decode("latin-1").split(" ", 2)
    method, target = understands(method, target)
    return {"method": method, "target": target, "sha256": hashlib.sha256(request.body).hexdigest()}
