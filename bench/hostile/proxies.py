"""The proxies: one upstream, connections kept on both sides, nothing sent twice, else as each comes out of its box."""

import platform
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from harness.contenders import REPOSITORY, located


@dataclass(frozen=True)
class Proxy:
    name: str
    # Of proxies with the same family one column is shown; they must agree.
    family: str
    command: Callable
    version_command: tuple[str, ...]
    # Whether it notices at once that the upstream closes a connection that it keeps.
    watches_idle: bool = True

    def version(self):
        done = subprocess.run(self.version_command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        found = re.search(r"\d+(\.\d+)+\S*", done.stdout)
        return found.group() if found else "unknown"


def ringway(program):
    return [Proxy(f"ringway-{engine}", "ringway", _ringway(program, engine), (str(program), "--version"), watches_idle=False)
            for engine in ("epoll", "io_uring")]


def _ringway(program, engine):
    def command(folder, port, admin_port, upstream_port):
        return [str(program), "run", "-c", _written(folder / f"{engine}.toml", f"""\
engine = "{engine}"
cores = 1

[listen]
http = "127.0.0.1:{port}"

[admin]
listen = "127.0.0.1:{admin_port}"

[[service]]
name = "web"
key = "uri"
retries = {{ retries_max = 0 }}
replicas = {{ provider = "static", addresses = ["127.0.0.1:{upstream_port}"] }}
""")]

    return command


def nginx(folder, http):
    """The command of an nginx that keeps all its files in `folder`, with these lines within `http`."""
    temporary = "\n".join(f"    {kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return [located("nginx"), "-p", str(folder), "-e", str(folder / "error.log"), "-c", _written(folder / "nginx.conf", f"""\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{}}
http {{
    access_log off;
{temporary}
{http}
}}
""")]


def _nginx(folder, port, _admin_port, upstream_port):
    # Upgrades and the client's Host are forwarded as every guide to nginx as a proxy says.
    return nginx(folder, f"""\
    map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
    upstream replicas {{
        server 127.0.0.1:{upstream_port};
        keepalive 16;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_next_upstream off;
            proxy_pass http://replicas;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
        }}
    }}""")


def _haproxy(folder, port, _admin_port, upstream_port):
    return [located("haproxy"), "-db", "-q", "-f", _written(folder / "haproxy.cfg", f"""\
global
    maxconn 256

defaults
    mode http
    retries 0
    http-reuse always
    timeout connect 5s
    timeout client 30s
    timeout server 30s

frontend public
    bind 127.0.0.1:{port}
    default_backend replicas

backend replicas
    server one 127.0.0.1:{upstream_port}
""")]


PEERS = (
    Proxy("nginx", "nginx", _nginx, (located("nginx"), "-v")),
    Proxy("haproxy", "haproxy", _haproxy, (located("haproxy"), "-v")),
)


def machine():
    return f"Linux {platform.release()}, Python {platform.python_version()}"


def commit():
    command = ["git", "-C", str(REPOSITORY), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _written(path: Path, text):
    path.write_text(text)
    return str(path)
