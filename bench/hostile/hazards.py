"""What in a forwarded message could be read in two ways by whoever gets it."""

import re

# Of the fields that RFC 9110 6.5.1 forbids in trailers those that change what a message is or who sent it.
NO_TRAILERS = (b"host", b"content-length", b"transfer-encoding", b"authorization", b"cookie", b"content-type")
ZEROS = "Content-Length with leading zeros"
TABS = "tabs around Content-Length"
TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def hazards(request):
    """The dangers in the bytes that a proxy sent to the upstream, in a few words each."""
    return list(dict.fromkeys([*_in_the_lines(request), *_in_the_request_line(request), *_in_the_host(request),
                               *_in_the_framing(request)]))


def answer_hazards(answer):
    """The same in the bytes of an answer that a proxy sent to its client."""
    found = [*_in_the_lines(answer), *_in_the_framing(answer)]
    if not re.fullmatch(rb"HTTP/1\.[01] [1-9][0-9]{2} [^\0-\x08\x0a-\x1f\x7f]*", answer.line):
        found.append("malformed status line")
    # Clients read decimal numbers; what an old server pads is theirs to see.
    return [hazard for hazard in dict.fromkeys(found) if hazard != ZEROS]


def _in_the_lines(message):
    head = message.head
    if re.search(rb"(?<!\r)\n", head):
        yield "bare LF"
    if re.search(rb"\r(?!\n)", head):
        yield "bare CR"
    if re.search(rb"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]", head):
        yield "control byte"
    for line in re.split(rb"\r?\n", head)[1:-2]:
        name, colon, _ = line.partition(b":")
        if line[:1] in (b" ", b"\t"):
            yield "folded line"
        elif not colon:
            yield "line without colon"
        elif name != name.rstrip():
            yield "space before colon"
        elif name.lower() == b"content-length" and b"\t" in line:
            yield TABS
        elif not TOKEN.fullmatch(name):
            yield "invalid field name"


def _in_the_request_line(request):
    parts = request.line.split(b" ")
    if len(parts) != 3 or not TOKEN.fullmatch(parts[0]) or not re.fullmatch(rb"HTTP/1\.[01]", parts[2]):
        yield "malformed request line"
    elif re.search(rb"[^\x21-\x7e]", parts[1]):
        yield "byte above ASCII in the target"
    elif b"#" in parts[1]:
        yield "fragment in the target"


def _in_the_host(request):
    hosts = request.values("host")
    if len(hosts) > 1:
        yield "two Hosts"
    elif not hosts and request.line.endswith(b"HTTP/1.1"):
        yield "no Host"
    elif hosts and not re.fullmatch(rb"([!$&'()*+,;=._~A-Za-z0-9%-]+|\[[0-9A-Fa-f:.]+\])?(:[0-9]*)?", hosts[0]):
        yield "malformed Host"


def _in_the_framing(message):
    lengths, codings = message.values("content-length"), message.values("transfer-encoding")
    if lengths and codings:
        yield "both Content-Length and Transfer-Encoding"
    if len(lengths) > 1:
        yield "two Content-Lengths"
    for length in lengths:
        if not re.fullmatch(rb"[0-9]+", length):
            yield "Content-Length is no number"
        elif len(length) > 1 and length.startswith(b"0"):
            yield ZEROS
        elif int(length) > 2**63 - 1:
            yield "Content-Length beyond 63 bits"
    if codings and codings != [b"chunked"]:
        yield "Transfer-Encoding other than chunked"
    if codings and b"HTTP/1.0" in message.line:
        yield "Transfer-Encoding in HTTP/1.0"
    if message.framing == "chunked":
        yield from _in_the_chunks(message.raw_body)


def _in_the_chunks(raw):
    """The coding as it went out: sizes and line ends."""
    while raw:
        line, _, raw = raw.partition(b"\n")
        if not line.endswith(b"\r"):
            yield "bare LF in the chunks"
        line = line.rstrip(b"\r")
        if not re.fullmatch(rb"[0-9A-Fa-f]+", line):
            yield "chunk extension" if re.fullmatch(rb"[0-9A-Fa-f]+[ \t]*;.*", line, re.S) else "odd chunk size"
        elif len(line) > 16:
            yield "chunk size of many digits"
        digits = re.match(rb"[0-9A-Fa-f]*", line).group()
        size = int(digits or b"0", 16)
        if size == 0:
            yield from _in_the_trailers(raw)
            return
        if raw[size:size + 2] != b"\r\n":
            yield "chunk data without CRLF"
        raw = raw[size + 2:]


def _in_the_trailers(raw):
    for line in raw.split(b"\n")[:-1]:
        name, colon, _ = line.partition(b":")
        if not line.endswith(b"\r") or re.search(rb"[\0-\x08\x0a-\x1f\x7f]", line[:-1]):
            yield "bare LF or control byte in the trailers"
        if line.rstrip(b"\r") and not (colon and TOKEN.fullmatch(name)):
            yield "malformed trailer"
        elif name.lower() in NO_TRAILERS:
            yield "forbidden trailer"
