"""What Ringway must do with a case: an expectation tells itself in words, and what is wrong with an observation."""

from dataclasses import dataclass
from typing import Callable

from .hazards import answer_hazards, hazards


@dataclass(frozen=True)
class Expectation:
    text: str
    faults: Callable

    def __and__(self, other):
        return Expectation(f"{self.text}; {other.text}", lambda seen: [*self.faults(seen), *other.faults(seen)])


def always(seen):
    """What holds in every case."""
    for request in seen.requests:
        for hazard in hazards(request):
            yield f"the upstream saw: {hazard}"
    for answer in (*seen.interim, *seen.answers):
        for hazard in answer_hazards(answer):
            yield f"the client saw: {hazard}"
    if not seen.neighbour_served:
        yield "the next client did not get its own answer"
    if seen.remains and not any(not request.whole for request in seen.requests):
        yield f"the upstream was left with {seen.remains[:60]!r}"


def refused(*statuses, closes=True):
    """Answered by the proxy with one of these, and nothing of it was forwarded."""
    def faults(seen):
        if seen.status not in statuses:
            yield f"answered {told(seen)}"
        if seen.requests:
            yield f"forwarded {len(seen.requests)} requests"
        if closes and seen.end != "closed":
            yield f"the connection was {seen.end}"
        if not closes and seen.end != "kept":
            yield f"the connection was {seen.end}, not kept"

    return Expectation(" or ".join(map(str, statuses)) + (", close" if closes else ", keep"), faults)


def forwarded(line="GET / HTTP/1.1", body=b"", has=(), lacks=(), status=200, end="kept", framing=None):
    """One request arrived so, and its answer came back."""
    return several((line, body), statuses=(status,), end=end) & fields(has, lacks, framing)


def fields(has=(), lacks=(), framing=None):
    """What the fields of the last forwarded request hold."""
    def faults(seen):
        if not seen.requests:
            return
        request = seen.requests[-1]
        for field in has:
            name, _, value = field.partition(": ")
            if request.values(name) != [value.encode("latin-1")]:
                yield f"the upstream saw {name}: {request.values(name)}"
        for name in lacks:
            if request.values(name):
                yield f"the upstream saw {name}"
        if framing and request.framing != framing:
            yield f"the body was framed by {request.framing}"

    told_fields = [f"with `{field}`" for field in has] + [f"without {name}" for name in lacks]
    return Expectation(", ".join(told_fields + ([f"framed by {framing}"] if framing else [])) or "nothing else", faults)


def several(*requests, statuses=None, end="kept"):
    """These requests arrived, each with its body, and were answered in order."""
    statuses = statuses or (200,) * len(requests)

    def faults(seen):
        lines = [(request.line.decode("latin-1"), request.body) for request in seen.requests]
        if lines != list(requests):
            yield f"the upstream saw {[(line, body[:60]) for line, body in lines]}"
        if tuple(answer.status for answer in seen.answers) != statuses:
            yield f"answered {told(seen)}"
        if seen.end != end:
            yield f"the connection was {seen.end}"

    described = ", ".join(f"`{line}`" + (f" + {len(body)} bytes" if body else "") for line, body in requests)
    return Expectation(f"forward {described}; {'/'.join(map(str, statuses))}, {end}", faults)


def answered(status, body=None, end="kept", reused=None, framing=None, has=(), lacks=(), interim=None, whole=True):
    """The client got this answer; `reused`: whether the upstream's connection served again."""
    def faults(seen):
        if not seen.answers or seen.status != status:
            yield f"answered {told(seen)}"
            return
        answer = seen.answers[-1]
        if body is not None and answer.body != body:
            yield f"the body was {answer.body[:60]!r}"
        if answer.whole != whole:
            yield "the answer was cut" if whole else "the answer seemed whole"
        if end is not None and seen.end not in (end if isinstance(end, tuple) else (end,)):
            yield f"the connection was {seen.end}"
        if reused is not None and seen.reused is not reused:
            yield f"the upstream's connection was {'' if seen.reused else 'not '}used again"
        if framing and answer.framing != framing:
            yield f"the answer was framed by {answer.framing}"
        for field in has:
            name, _, value = field.partition(": ")
            if answer.values(name) != [value.encode("latin-1")]:
                yield f"the answer had {name}: {answer.values(name)}"
        for name in lacks:
            if answer.values(name):
                yield f"the answer had {name}"
        if interim is not None and [each.status for each in seen.interim] != list(interim):
            yield f"the interim answers were {[each.status for each in seen.interim]}"

    parts = [str(status), *([f"{len(body)} bytes"] if body else []), *(["cut"] if not whole else []),
             *([f"framed by {framing}"] if framing else []),
             *([f"after {'/'.join(map(str, interim)) or 'no interim answer'}"] if interim is not None else []),
             *([" or ".join(end) if isinstance(end, tuple) else end] if end else []),
             *([] if reused is None else ["upstream reused" if reused else "upstream closed"]),
             *(f"with `{field}`" for field in has), *(f"without {name}" for name in lacks)]
    return Expectation(", ".join(parts), faults)


def saw(count, bodies=None):
    """So many requests reached the upstream, with these bodies."""
    def faults(seen):
        if len(seen.requests) != count:
            yield f"the upstream saw {len(seen.requests)} requests"
        if bodies is not None and [request.body for request in seen.requests] != list(bodies):
            yield f"the upstream saw {[request.body[:60] for request in seen.requests]}"

    return Expectation(f"{count} requests upstream", faults)


def closed(*allowed):
    """The client's connection ended so, without an answer."""
    allowed = allowed or ("closed", "reset")

    def faults(seen):
        if seen.answers or seen.end not in allowed:
            yield f"answered {told(seen)}, {seen.end}"

    return Expectation("no answer, " + " or ".join(allowed), faults)


def cut_upstream():
    """The upstream did not get a whole request."""
    def faults(seen):
        if any(request.whole for request in seen.requests):
            yield "the upstream got a whole request"

    return Expectation("upstream never gets a whole request", faults)


def told(seen):
    return "/".join(str(answer.status) for answer in seen.answers) or f"nothing ({seen.end})"
