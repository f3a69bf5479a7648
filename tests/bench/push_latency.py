#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""push_latency.py BUILD [PUSHES]: what the operator's side takes of the time from a push to the orders for the others.

Real sshd, forced command, hooks, frontend and broker on loopback; one gateway pushes 100 KB commits over a connection that it keeps, and
another is ordered to pull. Prints the medians in milliseconds, from the moment the gateway asks for git-receive-pack: until the refs are
advertised, until the report that main holds the push, until git-receive-pack has ended, until the order is published on the queue."""

import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from operator_host import SYNC, Acs, Gateway, Operator, wait_until  # noqa: E402

PAYLOAD = 100_000


def packet(line):
    return f"{len(line) + 4:04x}".encode() + line


def read_packet(stream):
    """One pkt-line, None for a flush."""
    length = int(stream.read(4), 16)
    return stream.read(length - 4) if length else None


def make_pack(gateway, number):
    """A commit with a new file of 100 KB, and its pack."""
    old = gateway.git("rev-parse", "-q", "--verify", "HEAD")[2] if number else "0" * 40
    (gateway.directory / "work/file").write_bytes(os.urandom(PAYLOAD))
    gateway.git("add", "file")
    new = gateway.commit(f"push {number}")
    wants = f"{new}\n" + (f"^{old}\n" if number else "")
    pack = subprocess.run(["/usr/bin/git", "-C", str(gateway.directory / "work"), "pack-objects", "--revs", "--stdout", "-q"], check=True,
                          input=wants.encode(), stdout=subprocess.PIPE).stdout
    return old, new, pack


def push(argv, old, new, pack):
    """The seconds until the refs, the report and the end."""
    start = time.monotonic()
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        while read_packet(process.stdout) is not None:
            pass
        advertised = time.monotonic()
        process.stdin.write(packet(f"{old} {new} refs/heads/main\0report-status atomic".encode()) + b"0000" + pack)
        process.stdin.flush()
        report = []
        while (line := read_packet(process.stdout)) is not None:
            report.append(line)
        reported = time.monotonic()
        assert report == [b"unpack ok\n", b"ok refs/heads/main\n"], report
        process.stdin.close()
        process.wait()
        return advertised - start, reported - start, time.monotonic() - start


def measure(operator, acs, n):
    operator.create("home")
    one, two = (Gateway(operator, acs, number) for number in (1, 2))
    for gateway in (one, two):
        operator.admin("device", "allow", gateway.name, "--subscription", "home")
        gateway.bootstrap()
        gateway.ready()
    master = ["-o", f"ControlPath={one.directory}/master"]
    rows = []
    with subprocess.Popen(one.ssh_command(options=[*master, "-N", "-o", "ControlMaster=yes"]), stdin=subprocess.DEVNULL) as connection:
        wait_until("the connection is there", lambda: one.ssh(options=[*master, "-O", "check"]).returncode == 0)
        for number in range(n):
            old, new, pack = make_pack(one, number)
            arrived = {}
            acs.on_command = lambda name, message: arrived.setdefault(name, time.monotonic())
            start = time.monotonic()
            times = push(one.ssh_command("git-receive-pack '/home'", options=master), old, new, pack)
            command = acs.next(two.name)
            rows.append((*times, arrived[two.name] - start))
            acs.answer(two.name, command, cwmp_status=0)
            one.report("push - ok")
            two.opseq = int(command["set"][SYNC + "SyncOp"].split()[1])
            acs.inform(two.name, "4 VALUE CHANGE", Revision=one.revision(), LastOpSeq=str(two.opseq), SyncStatus=f"pull {two.opseq} ok -")
        connection.terminate()
    return rows


def main():
    operator = Operator(pathlib.Path(sys.argv[1]).resolve())
    acs = Acs(operator)
    try:
        rows = measure(operator, acs, int(sys.argv[2]) if len(sys.argv) > 2 else 20)
    finally:
        acs.stop()
        operator.stop()
    for name, column in zip(("refs advertised", "push reported", "receive-pack ended", "order published"), zip(*rows)):
        print(f"{name:20} {statistics.median(column) * 1000:7.1f} ms  (smallest {min(column) * 1000:.1f})")


if __name__ == "__main__":
    main()
