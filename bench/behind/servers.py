"""The servers: each records every request that it understood, with the hash of its body, and says the same in its answer."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from harness.contenders import REPOSITORY
from hostile.proxies import nginx

ECHO = Path(__file__).resolve().parent / "echo"
MODULES = Path("/usr/lib/apache2/modules")
# A head as large as Ringway lets through must not be too large here.
HEAD_BYTES = 131_072


@dataclass(frozen=True)
class Server:
    name: str
    # Whether it is installed.
    found: Callable
    # (folder, port, origin's port, records) to the command.
    command: Callable
    version_command: tuple
    # It understands and sends on; the origin behind it records.
    with_origin: bool = False
    # What it makes of a method and a target that it understood, where that is not what came.
    understands: Callable = lambda method, target: (method, target)

    def version(self):
        done = subprocess.run(self.version_command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        found = re.search(r"\d+(\.\d+)+", done.stdout)
        return found.group() if found else LOCKED.get(self.name, "unknown")


def _locked(crate):
    text = (REPOSITORY / "Cargo.lock").read_text()
    found = re.search(rf'name = "{crate}"\nversion = "(.*)"', text)
    return found.group(1) if found else "unknown"


LOCKED = {"hyper": _locked("hyper")}


def program(name):
    """Where a program is; servers are often where only root looks."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def python_with(module):
    """A Python that can import the module: this one, or Debian's."""
    for python in (shutil.which("python3"), "/usr/bin/python3"):
        if python and subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0:
            return python
    return None


def origin(port, records):
    return ["python3", str(ECHO / "origin.py"), str(port), str(records)]


def _nginx(folder, port, origin_port, _records):
    return nginx(folder, f"""\
    client_max_body_size 0;
    keepalive_requests 1000000;
    large_client_header_buffers 8 {HEAD_BYTES};
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_next_upstream off;
            proxy_pass http://127.0.0.1:{origin_port};
            proxy_set_header Host $http_host;
        }}
    }}""")


def _apache(folder, port, origin_port, _records):
    loaded = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so"
                       for name in ("mpm_event", "authz_core", "proxy", "proxy_http"))
    return [program("apache2"), "-X", "-f", _written(folder / "apache.conf", f"""\
ServerRoot {folder}
ServerName localhost
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
DefaultRuntimeDir {folder}
Listen 127.0.0.1:{port}
{loaded}
User www-data
Group www-data
KeepAliveTimeout 60
MaxKeepAliveRequests 0
LimitRequestLine {HEAD_BYTES}
LimitRequestFieldSize {HEAD_BYTES}
LimitRequestFields 1000
AllowEncodedSlashes NoDecode
MergeSlashes Off
ProxyPreserveHost On
Proxy100Continue Off
ProxyPass / http://127.0.0.1:{origin_port}/ nocanon disablereuse=on
""")]


def _node(_folder, port, _origin_port, records):
    return [program("node"), f"--max-http-header-size={HEAD_BYTES}", str(ECHO / "node.js"), str(port), str(records)]


def _aiohttp(_folder, port, _origin_port, records):
    return [python_with("aiohttp"), str(ECHO / "on_aiohttp.py"), str(port), str(records)]


def _gunicorn(_folder, port, _origin_port, records):
    return ["env", f"RECORDS={records}", python_with("gunicorn"), "-m", "gunicorn", "--chdir", str(ECHO), "-b", f"127.0.0.1:{port}",
            "-k", "gthread", "--threads", "8", "--keep-alive", "60", "--limit-request-line", "0", "--limit-request-field_size", "0",
            "on_wsgi:application"]


def _uvicorn(_folder, port, _origin_port, records):
    return ["env", f"RECORDS={records}", python_with("uvicorn"), "-m", "uvicorn", "--app-dir", str(ECHO), "--port", str(port),
            "--http", "h11", "--timeout-keep-alive", "60", "--log-level", "warning", "on_asgi:application"]


def _hyper(_folder, port, _origin_port, records):
    return [str(_hyper_built()), f"127.0.0.1:{port}", str(records)]


def _hyper_built():
    """The example, from the newest build that has it."""
    built = [REPOSITORY / "target" / profile / "examples" / "hyper_server" for profile in ("debug", "release")]
    return max((path for path in built if path.exists()), key=lambda path: path.stat().st_mtime, default=None)


ALL = (
    Server("nginx", lambda: program("nginx"), _nginx, (program("nginx") or "nginx", "-v"), with_origin=True),
    Server("apache", lambda: program("apache2"), _apache, (program("apache2") or "apache2", "-v"), with_origin=True,
           # ProxyPass takes all slashes at the beginning for one.
           understands=lambda method, target: (method, re.sub("^/+", "/", target))),
    Server("node", lambda: program("node"), _node, ("node", "--version")),
    Server("aiohttp", lambda: python_with("aiohttp"), _aiohttp, (python_with("aiohttp") or "python3", "-c", "import aiohttp; print(aiohttp.__version__)")),
    Server("gunicorn", lambda: python_with("gunicorn"), _gunicorn, (python_with("gunicorn") or "python3", "-c", "import gunicorn; print(gunicorn.__version__)"), understands=lambda method, target: (method.upper(), target)),
    Server("uvicorn", lambda: python_with("uvicorn"), _uvicorn, (python_with("uvicorn") or "python3", "-c", "import uvicorn; print(uvicorn.__version__)")),
    Server("hyper", _hyper_built, _hyper, ("true",)),
)


def _written(path, text):
    path.write_text(text)
    return str(path)
