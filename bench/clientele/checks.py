"""What each client does through Ringway, and what must come of it. A check raises where something is not as it must be."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from behind.servers import program, python_with

BY = Path(__file__).resolve().parent / "by"
PIECE = bytes(index % 251 for index in range(65_521))
TIMEOUT_S = 60
REQUESTS = 2000


class Wrong(Exception):
    """Something is not as it must be."""


@dataclass(frozen=True)
class Place:
    """Where a check works: Ringway in front of the server, Ringway in front of git, a folder, and what the server prints."""

    port: int
    git_port: int
    folder: Path
    server_log: Path
    large: Path
    large_sha256: str


@dataclass(frozen=True)
class Check:
    name: str
    found: Callable
    run: Callable


def content(length):
    """What /bytes/LENGTH holds."""
    return (PIECE * (length // len(PIECE) + 1))[:length]


def must(holds, what):
    if not holds:
        raise Wrong(what)


def ran(*command, **more):
    """What a command that must succeed printed."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIMEOUT_S, check=False, **more)
    must(done.returncode == 0, f"{command[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-400:].strip()}")
    return done.stdout


def _curl(place, path, *options, standard_input=None):
    """The status, the version of HTTP and the body that curl got."""
    body = place.folder / "curl-body"
    told = ran("curl", "-sS", "--noproxy", "*", "-o", body, "-w", "%{http_code} %{http_version}", *options,
               f"http://127.0.0.1:{place.port}{path}", stdin=standard_input)
    return (*told.decode().split(), body.read_bytes())


def _upload(*options, chunked=False, standard_input=False):
    def run(place):
        with open(place.large, "rb") as file:
            source = "-" if standard_input else place.large
            status, _, body = _curl(place, "/hash", "-T", source, *options, standard_input=file)
        told = json.loads(body)
        must(status == "200", f"status {status}")
        must((told["length"], told["sha256"]) == (place.large.stat().st_size, place.large_sha256), f"another body arrived: {told}")
        must(told["chunked"] is chunked, f"another framing arrived: {told}")

    return run


def _download(path, length, *options):
    def run(place):
        status, used, body = _curl(place, f"/{path}/{length}", *options)
        # An answer tells the version of its sender, whatever that of the request.
        must((status, used) == ("200", "1.1"), f"status {status}, HTTP/{used}")
        must(body == content(length), f"the body of {len(body)} bytes differs")

    return run


def _statuses(place):
    must(_curl(place, "/absent")[::2] == ("404", b"absent"), "the server's own 404 did not come through")
    must(_curl(place, "/bytes/5", "-I")[0] == "200", "HEAD")
    must(_curl(place, "/bytes/0")[::2] == ("200", b""), "an empty body")


def _ab(*options):
    def run(place):
        told = ran("ab", "-q", "-n", REQUESTS, "-c", 16, *options, f"http://127.0.0.1:{place.port}/bytes/10000").decode()
        figures = dict(re.findall(r"^(Complete requests|Failed requests|HTML transferred):\s+(\d+)", told, re.M))
        must(figures == {"Complete requests": str(REQUESTS), "Failed requests": "0", "HTML transferred": str(REQUESTS * 10_000)}, str(figures))
        must("Non-2xx" not in told, "answers other than 2xx")

    return run


def _wrk(place):
    told = ran("wrk", "-t", 1, "-c", 32, "-d", "2s", "-s", BY / "check.lua", f"http://127.0.0.1:{place.port}/bytes/10000").decode()
    right, wrong = map(int, re.search(r"right (\d+) wrong (\d+)", told).groups())
    must(right > 0 and wrong == 0, f"{right} right, {wrong} wrong")


def _h2load(*options):
    def run(place):
        told = ran("h2load", "--h1", "-n", REQUESTS, "-c", 16, *options, f"http://127.0.0.1:{place.port}/bytes/10000").decode()
        must(f"status codes: {REQUESTS} 2xx, 0 3xx, 0 4xx, 0 5xx" in told, told[-400:])
        must(f"({REQUESTS * 10_000}) data" in told, told[-400:])

    return run


def _python(kind):
    module = "http.client" if kind == "http.client" else kind
    return Check(f"python {kind}: kept, by length and in chunks", lambda: python_with(module),
                 lambda place: ran(python_with(module), BY / "python.py", kind, place.port))


def _git(place):
    """A clone, a push that goes in chunks, a second clone; both must hold what was committed."""
    work, again = place.folder / "clone", place.folder / "again"
    url = f"http://127.0.0.1:{place.git_port}/project.git"
    environment = {"PATH": os.environ["PATH"], "HOME": str(place.folder), "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*arguments):
        identity = ("-c", "user.name=Tester", "-c", "user.email=tester@example.com", "-c", "http.postBuffer=65536")
        return ran("git", *identity, *arguments, env=environment).decode().strip()

    for folder in (work, again):
        shutil.rmtree(folder, ignore_errors=True)
    git("clone", "-q", url, work)
    with open(place.large, "rb") as file:
        file.seek(os.stat(place.large).st_size - 3_000_000 - place.git_port)
        (work / f"large-{place.git_port}").write_bytes(file.read(3_000_000))
    git("-C", work, "add", "-A")
    git("-C", work, "commit", "-q", "-m", "Large")
    git("-C", work, "push", "-q", "origin", "HEAD")
    git("clone", "-q", url, again)
    must(git("-C", again, "rev-parse", "HEAD") == git("-C", work, "rev-parse", "HEAD"), "the second clone has another commit")
    git("-C", again, "fsck", "--full", "--strict")


def _chromium(place):
    """A page that talks over a WebSocket and hears three events reports both, with a POST."""
    begun = place.server_log.stat().st_size
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-proxy-server",
               f"--user-data-dir={place.folder / 'chromium'}", "--remote-debugging-port=0", f"http://127.0.0.1:{place.port}/page"]
    with open(place.folder / "chromium-log", "wb") as log:
        browser = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        verdict = _verdict(place.server_log, begun)
    finally:
        os.killpg(browser.pid, 9)
        browser.wait()
    must(verdict == {"events": ["event 1", "event 2", "event 3"], "echo": "through the tunnel"}, f"the page reported {verdict}")


def _verdict(log, begun):
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        with open(log) as file:
            file.seek(begun)
            if found := re.search(r"verdict (.*)\n", file.read()):
                return json.loads(found.group(1))
        time.sleep(0.05)
    raise Wrong("the page reported nothing")


def _having(name):
    return lambda: program(name)


ALL = (
    Check("curl: statuses, HEAD, empty", _having("curl"), _statuses),
    Check("curl: download of 100 MB", _having("curl"), _download("bytes", 100_000_000)),
    Check("curl: download of 100 MB in chunks", _having("curl"), _download("chunks", 100_000_000)),
    Check("curl --http1.0: download of 10 MB", _having("curl"), _download("bytes", 10_000_000, "--http1.0")),
    Check("curl --http1.0: download of 10 MB whose length nobody tells", _having("curl"), _download("chunks", 10_000_000, "--http1.0")),
    Check("curl: upload of 100 MB, awaiting 100 Continue", _having("curl"), _upload("--expect100-timeout", "30", "-H", "Expect: 100-continue")),
    Check("curl: upload of 100 MB, without Expect", _having("curl"), _upload("-H", "Expect:")),
    Check("curl: upload of 100 MB in chunks", _having("curl"), _upload(chunked=True, standard_input=True)),
    Check("curl: upload of 100 MB in chunks, awaiting 100 Continue", _having("curl"),
          _upload("--expect100-timeout", "30", "-H", "Expect: 100-continue", chunked=True, standard_input=True)),
    Check("curl --http1.0: upload of 100 MB", _having("curl"), _upload("--http1.0", "-H", "Expect:")),
    Check("ab", _having("ab"), _ab()),
    Check("ab -k", _having("ab"), _ab("-k")),
    Check("wrk", _having("wrk"), _wrk),
    Check("h2load --h1", _having("h2load"), _h2load()),
    Check("h2load --h1, pipelined", _having("h2load"), _h2load("-m", "8")),
    *map(_python, ("http.client", "urllib3", "requests")),
    Check("node: kept, by length and in chunks", _having("node"), lambda place: ran("node", BY / "agent.js", place.port)),
    Check("git: clone, push in chunks, clone", _having("git"), _git),
    Check("chromium: WebSocket and server-sent events", _having("chromium"), _chromium),
)


def sha256_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
