"""What an application behind Ringway says of a request: one line in a file, and the same in its answer."""

import hashlib
import json
import os

PROBE = "/probe-"


def answer(path, method, target, body):
    """The answer's body. Probes get their own target back and are not recorded."""
    if target.startswith(PROBE):
        return target.encode()
    told = json.dumps({"method": method, "target": target, "sha256": hashlib.sha256(body).hexdigest()}).encode()
    # In one call: lines of several connections must not mix.
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(file, told + b"\n")
    os.close(file)
    return told
