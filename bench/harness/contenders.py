"""The proxies under test: how each is found, configured and started, with one worker and equal terms.

Equal terms: one worker thread, keep-alive on both sides, a pool that can hold as many upstream connections
as there are clients, placement by a consistent hash of the URI over the three upstream addresses, no access
log, and as many descriptors as that takes.
"""

import os
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = REPOSITORY / "target" / "release"
PINGORA_LOCK = REPOSITORY / "bench" / "pingora" / "Cargo.lock"
PINGORA = REPOSITORY / "bench" / "pingora" / "target" / "release" / "pingora-contender"

# Beyond two descriptors per connection: listeners, logs, epoll, io_uring, eventfds.
SPARE_DESCRIPTORS = 64
KEEPALIVE_POOL_MIN = 512
# Beyond those of the load: whoever looks whether the proxy is ready.
SPARE_CONNECTIONS = 64


@dataclass(frozen=True)
class Setting:
    """One measurement's addresses and folder."""

    folder: Path
    port: int
    admin_port: int
    upstream_ports: tuple[int, ...]
    connections: int
    # Of Ringway's threads; every other contender has one.
    cores: int = 1

    @property
    def sockets(self):
        """Room for every client, its exchange, and as many idle upstream connections.

        Connections to one address don't serve requests for another, so that a pool over three addresses
        holds more than there are clients; nginx also begins to close idle clients once less than a
        sixteenth of its room is left.
        """
        return 3 * self.connections + 512

    @property
    def descriptors(self):
        hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        return min(self.sockets, hard_limit)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return str(path)


@dataclass(frozen=True)
class Contender:
    name: str
    program: str
    command: Callable[[Setting], list[str]]
    version_command: tuple[str, ...] | None = None

    @property
    def is_built_here(self):
        return os.path.isabs(self.program)

    @property
    def missing(self):
        """What to do about it."""
        if self.name == "pingora":
            return "not built (cargo build --release --manifest-path bench/pingora/Cargo.toml)"
        return f"{'build it first' if self.is_built_here else 'not installed'} (no program {Path(self.program).name})"

    def is_installed(self):
        return shutil.which(self.program, path=_search_path()) is not None


def _search_path():
    # Debian keeps servers in /usr/sbin, which an ordinary user's PATH leaves out.
    return os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"


def located(program):
    return shutil.which(program, path=_search_path()) or program


def _ringway(engine):
    def command(setting):
        addresses = ", ".join(f'"127.0.0.1:{port}"' for port in setting.upstream_ports)
        configuration = f"""\
engine = "{engine}"
cores = {setting.cores}

[listen]
http = "127.0.0.1:{setting.port}"

[client]
connections_max = {setting.connections + SPARE_CONNECTIONS}

[admin]
listen = "127.0.0.1:{setting.admin_port}"

[[service]]
name = "web"
key = "uri"
replicas = {{ provider = "static", addresses = [{addresses}] }}
"""
        return [str(PROGRAMS / "ringway"), "run", "-c", setting.write("ringway.toml", configuration)]

    return command


def _nginx(setting):
    servers = "\n".join(f"        server 127.0.0.1:{port};" for port in setting.upstream_ports)
    pool = max(setting.connections, KEEPALIVE_POOL_MIN)
    # Temporary files off: a body that is larger than the buffers is slowed down, not written to disk.
    configuration = f"""\
daemon off;
worker_processes 1;
worker_rlimit_nofile {setting.descriptors};
pid {setting.folder}/nginx.pid;
error_log {setting.folder}/error.log error;

events {{
    use epoll;
    worker_connections {setting.sockets};
}}

http {{
    access_log off;
    sendfile on;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
    client_body_temp_path {setting.folder}/client_body;
    proxy_temp_path {setting.folder}/proxy;
    fastcgi_temp_path {setting.folder}/fastcgi;
    uwsgi_temp_path {setting.folder}/uwsgi;
    scgi_temp_path {setting.folder}/scgi;

    upstream replicas {{
        hash $request_uri consistent;
{servers}
        keepalive {pool};
        keepalive_requests 1000000000;
        keepalive_timeout 300s;
    }}

    server {{
        listen 127.0.0.1:{setting.port} backlog=16384;
        location / {{
            proxy_pass http://replicas;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_max_temp_file_size 0;
        }}
    }}
}}
"""
    return [located("nginx"), "-p", str(setting.folder), "-c", setting.write("nginx.conf", configuration),
            "-e", str(setting.folder / "error.log")]


def _haproxy(setting):
    servers = "\n".join(f"    server s{port} 127.0.0.1:{port}" for port in setting.upstream_ports)
    # HAProxy sizes its table of sockets as twice maxconn, whatever ulimit-n says, and answers 503 beyond it.
    connections_max = (setting.descriptors - SPARE_DESCRIPTORS) // 2
    # The pool's ratios: by default idle upstream connections are closed once a quarter of the descriptors
    # is in use, which at thousands of connections means a new connection for nearly every request.
    configuration = f"""\
global
    nbthread 1
    maxconn {connections_max}
    ulimit-n {setting.descriptors}
    tune.pool-low-fd-ratio 100
    tune.pool-high-fd-ratio 100

defaults
    mode http
    option http-keep-alive
    http-reuse always
    timeout connect 5s
    timeout client 300s
    timeout server 300s
    timeout http-keep-alive 300s
    maxconn {connections_max}

frontend public
    bind 127.0.0.1:{setting.port} backlog 16384
    default_backend replicas

backend replicas
    balance uri
    hash-type consistent
{servers}
"""
    return [located("haproxy"), "-db", "-q", "-f", setting.write("haproxy.cfg", configuration)]


def _relay(setting):
    return [str(PROGRAMS / "examples" / "relay"), f"127.0.0.1:{setting.port}",
            f"127.0.0.1:{setting.upstream_ports[0]}"]


def _pingora(setting):
    pool = max(setting.connections, KEEPALIVE_POOL_MIN)
    return [str(PINGORA), f"127.0.0.1:{setting.port}", str(pool),
            *(f"127.0.0.1:{port}" for port in setting.upstream_ports)]


RELAY = "relay"
RINGWAYS = ("ringway-epoll", "ringway-io_uring")
# Proxies of other make: what Ringway is measured against.
PEERS = ("nginx", "haproxy", "pingora")
ALL = (
    Contender("ringway-epoll", str(PROGRAMS / "ringway"), _ringway("epoll")),
    Contender("ringway-io_uring", str(PROGRAMS / "ringway"), _ringway("io_uring")),
    Contender("nginx", "nginx", _nginx, ("nginx", "-v")),
    Contender("haproxy", "haproxy", _haproxy, ("haproxy", "-v")),
    Contender("pingora", str(PINGORA), _pingora),
    Contender(RELAY, str(PROGRAMS / "examples" / "relay"), _relay),
)
NAMES = tuple(contender.name for contender in ALL)


def by_name(name):
    return next(contender for contender in ALL if contender.name == name)


def matching(name):
    """A contender's own name, or `ringway` for both of its engines."""
    return [each for each in NAMES if each == name or each.split("-")[0] == name]
