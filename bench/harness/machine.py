"""What a reader must know of the machine to judge a figure, and what would spoil one."""

import gzip
import os
import platform
import re
import resource
import shutil
import socket
import subprocess
from datetime import date
from pathlib import Path

from . import contenders

TOOLS = {"wrk": "Debian package wrk", "taskset": "Debian package util-linux", "cargo": "the Rust toolchain"}


def missing_tools(build):
    """Lines that say what to install before anything can be measured."""
    return [f"{tool} is not installed ({source})" for tool, source in TOOLS.items()
            if shutil.which(tool) is None and (build or tool != "cargo")]


def raise_descriptor_limit():
    """Raises the soft limit, which children inherit, to the hard one; returns it."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def describe(chosen):
    """Machine, versions, commit, date: what stands above the tables."""
    return {
        "date": date.today().isoformat(),
        "commit": commit(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "descriptor_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "softirq_accounted_apart": softirq_is_accounted_apart(),
        "versions": _versions(chosen),
    }


def commit():
    """The short commit of the tree, marked where tracked files other than results differ from it."""
    name = _first_line(["git", "-C", str(contenders.REPOSITORY), "rev-parse", "--short", "HEAD"])
    changed = _output(["git", "-C", str(contenders.REPOSITORY), "status", "--porcelain", "--untracked-files=no",
                       "--", ".", ":!bench/results"])
    return (name or "unknown") + ("-modified" if changed else "")


def warnings():
    """What on this machine would spoil the figures, each with the reason."""
    found = []
    if _loopback_is_tracked():
        found.append("connection tracking is on for loopback: the kernel looks every packet up in its table, "
                     "which adds the same cost to every contender's requests and so makes all ratios look "
                     "closer to 1")
    if _is_running("dockerd"):
        found.append("a docker daemon is running: its firewall rules are evaluated, and usually switch "
                     "connection tracking on, for loopback packets too; stop it and unload its rules first")
    if softirq_is_accounted_apart() is None:
        found.append("the kernel's configuration is not readable: if it has CONFIG_IRQ_TIME_ACCOUNTING, the CPU "
                     "time per request lacks what the network stack did in softirq")
    return found


def softirq_is_accounted_apart():
    """Whether the kernel leaves softirq time out of the thread that it interrupts; `None` where it does not tell."""
    configuration = _kernel_configuration()
    if configuration is None:
        return None
    return "CONFIG_IRQ_TIME_ACCOUNTING=y" in configuration.splitlines()


def _kernel_configuration():
    try:
        with gzip.open("/proc/config.gz", "rt") as file:
            return file.read()
    except OSError:
        pass
    try:
        return Path(f"/boot/config-{platform.release()}").read_text()
    except OSError:
        return None


def _loopback_is_tracked():
    """Opens a connection over loopback, and looks whether the table of tracked connections grew."""
    before = _tracked_connections()
    if before is None:
        return False
    with socket.create_server(("127.0.0.1", 0)) as listener:
        opened = [socket.create_connection(listener.getsockname()) for _ in range(8)]
        grown = _tracked_connections() - before
        for connection in opened:
            connection.close()
    return grown >= len(opened)


def _tracked_connections():
    try:
        return int(Path("/proc/sys/net/netfilter/nf_conntrack_count").read_text())
    except OSError:
        return None


def _is_running(name):
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().strip() == name:
                return True
        except OSError:
            continue
    return False


def _cpu_model():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _versions(chosen):
    commands = {each.name: each.version_command for each in chosen if each.version_command}
    commands |= {"wrk": ("wrk", "-v"), "rustc": ("rustc", "--version"), "python": None}
    versions = {name: _first_line([contenders.located(command[0]), *command[1:]])
                for name, command in commands.items() if command}
    if any(each.name == "pingora" for each in chosen):
        versions["pingora"] = _locked_version(contenders.PINGORA_LOCK, "pingora")
    return versions | {"python": platform.python_version()}


def _locked_version(lock, crate):
    """What a Cargo.lock says of a crate."""
    found = re.search(rf'^name = "{crate}"\nversion = "([^"]+)"$', lock.read_text(), re.M)
    return found.group(1) if found else "unknown"


def _first_line(command):
    return (_output(command).splitlines() or [""])[0].strip()


def _output(command):
    """Both streams: nginx tells its version on standard error, and wrk fails while telling it."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout
