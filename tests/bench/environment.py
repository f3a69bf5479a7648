# SPDX-License-Identifier: GPL-2.0-or-later
"""On what a figure was measured: the machine and the versions."""

import contextlib
import hashlib
import os
import platform
import re
import shutil
import subprocess
import time

from benchmark import ROOT
from gateways import GATEWAY_CPUS, GATEWAY_MEMORY_MIB

PROGRAMS = {"git": ["git", "--version"], "ssh": ["ssh", "-V"], "rsync": ["rsync", "--version"],
            "unison": ["unison", "-version"], "syncthing": ["syncthing", "--version"], "iperf3": ["iperf3", "--version"],
            "systemd": ["systemctl", "--version"], "compiler": ["gcc", "--version"], "tcpdump": ["tcpdump", "--version"],
            "gnuplot": ["gnuplot", "--version"]}
# What a run itself changes.
WRITTEN = (":!tests/bench/results", ":!docs/benchmarks", ":!docs/benchmarks.md")


def first_line(argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    return done.stdout.splitlines()[0].strip() if done.returncode == 0 and done.stdout else None


def commit():
    """What was measured: the commit, and whether the tree differs from it in more than what a run writes."""
    git = ["git", "-c", "safe.directory=*", "-C", str(ROOT)]
    with contextlib.suppress(OSError):
        changed = first_line([*git, "status", "--porcelain", "--untracked-files=no", "--", ".", *WRITTEN])
        return f"{first_line([*git, 'describe', '--always'])}{'-dirty' if changed else ''}"
    return None


def processor():
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        return re.search(r"^model name\s*: (.*)$", file.read(), re.MULTILINE)[1]
    return platform.machine()


def hash_seconds(megabytes=64):
    """Processor seconds to SHA-1 so many MB here: makes processor times of different machines comparable."""
    block = bytes(1_000_000)
    start = time.process_time()
    sha = hashlib.sha1()
    for _ in range(megabytes):
        sha.update(block)
    return round(time.process_time() - start, 4)


def busy_share(seconds=0.5):
    """The share of all processors' time that something takes now. Load averages do not tell: they still have what was
    measured before."""
    def times():
        with open("/proc/stat", encoding="ascii") as file:
            fields = [int(field) for field in file.readline().split()[1:9]]
        return sum(fields), fields[3] + fields[4]  # all; idle and waiting for disks

    before = times()
    # The time is what is measured over, not waited for.
    time.sleep(seconds)
    total, idle = (now - then for now, then in zip(times(), before))
    return round(1 - idle / total, 3) if total else 0.0


def describe():
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    versions = {name: first_line(argv) for name, argv in PROGRAMS.items() if shutil.which(argv[0])}
    return {"commit": commit(), "processor": processor(), "cores": os.cpu_count(), "memory": memory,
            "kernel": platform.release(), "debian": read("/etc/debian_version"), "versions": versions,
            "sha1_64mb_seconds": hash_seconds(),
            "gateway": f"{GATEWAY_CPUS} core, {GATEWAY_MEMORY_MIB} MiB"}


def read(path):
    with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:
        return file.read().strip()
    return None
