"""Free ports for servers, below the range from which the kernel takes client ports."""

import random
import socket

LOWEST = 10_000
ATTEMPTS_MAX = 1000


class PortPicker:
    """Gives out each port once, so that no server meets the closing connections of an earlier one."""

    def __init__(self):
        with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
            first_client_port = int(file.read().split()[0])
        # Where the range leaves no room below it, a collision with a client port is the lesser evil.
        self._highest = first_client_port - 1 if first_client_port > LOWEST + ATTEMPTS_MAX else 65_535
        self._taken = set()

    def take(self):
        for _ in range(ATTEMPTS_MAX):
            port = random.randint(LOWEST, self._highest)
            if port not in self._taken and _is_free(port):
                self._taken.add(port)
                return port
        raise OSError(f"no free port between {LOWEST} and {self._highest}")


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
