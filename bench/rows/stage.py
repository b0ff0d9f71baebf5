"""A fresh upstream and a fresh contender, for one measurement."""

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from harness.contenders import Setting
from harness.measure import UPSTREAM_ADDRESSES, start_upstream, wait_until_ready

# Starting and stopping, for the estimate of the whole.
STAGE_SECONDS = 0.7


@dataclass(frozen=True)
class Stage:
    setting: Setting
    proxy: Popen


@contextmanager
def staged(bench, contender, connections, cores=1, proxy_cores=None, options=None):
    """`proxy_cores`: where the contender may run, if that is not the core of proxies."""
    options = options or bench.options
    with tempfile.TemporaryDirectory(prefix="ringway-bench-") as name:
        folder = Path(name)
        # nginx's worker may run as another user, and keeps its temporary files in here.
        folder.chmod(0o755)
        take = bench.ports.take
        setting = Setting(folder=folder, port=take(), admin_port=take(), connections=connections, cores=cores,
                          upstream_ports=tuple(take() for _ in range(UPSTREAM_ADDRESSES)))
        started = []
        try:
            started.append(start_upstream(bench.running, options, setting))
            where = options.proxy_core if proxy_cores is None else proxy_cores
            proxy = bench.running.start(contender.command(setting), where, folder / "proxy.log")
            started.append(proxy)
            wait_until_ready(proxy, contender.name, setting.port, "/128/key-1")
            yield Stage(setting, proxy)
        finally:
            # The upstream last: nobody sees its peer vanish in the middle of a request.
            for process in reversed(started):
                bench.running.stop(process)
