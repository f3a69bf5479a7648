#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""frontend_load.py BUILD [--quick]: how fast the storage frontend turns pushes into orders.

Real frontend and broker on loopback; the database is filled with subscribed devices, and the hooks' messages are sent as the repositories send
them. Prints, as Markdown: the time from a push being told to the order being on the queue at 100 pushes per second; the time until all orders of one
push to many subscribers are out; a backlog of orders that nobody answers, and the memory meanwhile; CPU seconds of the frontend."""

import argparse
import os
import pathlib
import re
import socket
import sqlite3
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from operator_host import Acs, Operator, device, wait_until  # noqa: E402

COMMIT = "{:040x}"
NONE = "0" * 40
BACKLOG_MAX_SEC = 240


def fill(operator, subscriptions):
    """{name: number of devices}; all are subscribed and equal to an empty main."""
    db = sqlite3.connect(operator.database)
    columns = [row[1:3] for row in db.execute("PRAGMA table_info(devices)")]
    n = 0
    for name, count in subscriptions.items():
        db.execute("INSERT INTO subscriptions (name, username, password, repository_ready, created) VALUES (?, 'u', 'p', 1, 0)", (name,))
        for _ in range(count):
            n += 1
            row = {column: 0 if kind == "INTEGER" else None for column, kind in columns}
            row |= {"id": device(n), "subscription": name, "root": "InternetGatewayDevice.", "status": "Subscribed", "provision": 2,
                    "public_key": "k", "next_check": None, "gateway_name": "g"}
            db.execute(f"INSERT INTO devices ({','.join(row)}) VALUES ({','.join('?' * len(row))})", list(row.values()))
            db.execute("INSERT INTO keys (device, type, key, added) VALUES (?, 'ssh-ed25519', ?, 0)", (device(n), f"k{n}"))
    db.commit()
    db.close()


class Load:
    def __init__(self, build, subscriptions):
        self.operator = Operator(build)
        wait_until("the database is there", lambda: self.operator.database.exists() and self.operator.admin("subscription", "list") == [])
        self.operator.stop_frontend()
        fill(self.operator, subscriptions)
        # Before the frontend looks at repositories that do not exist it has the hooks' word.
        for name in subscriptions:
            repository = self.operator.repositories / f"{name}.git"
            repository.mkdir()
            (repository / "HEAD").write_text("ref: refs/heads/main\n")
            (repository / "refs").mkdir()
            (repository / "objects").mkdir()
        self.operator.start_frontend()
        self.acs = Acs(self.operator)
        self.arrived, self.count = {}, 0
        self.acs.on_command = self.on_command
        wait_until("both are connected and the repositories were looked at", self.is_ready)

    def is_ready(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.connect(str(self.operator.directory / "api.socket"))
            s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            metrics = s.makefile().read()
        return ("\nispstorage_repository_jobs 0\n" in metrics and "\nispstorage_broker_connected 1\n" in metrics and
                "as ispstorage-acs" in (self.operator.directory / "broker.log").read_text())

    def on_command(self, name, message):
        self.arrived.setdefault(name, time.monotonic())
        self.count += 1

    def push(self, name, number):
        old = COMMIT.format(number - 1) if number > 1 else NONE
        self.operator.hook_client.sendto(f"changed {name} 1 {old} {COMMIT.format(number)} 1".encode(), str(self.operator.directory / "hook.socket"))
        return time.monotonic()

    def usage(self):
        """CPU seconds and resident MiB of the frontend."""
        pid = self.operator.processes["frontend"].pid
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        rss = int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), rss / 1024

    def close(self):
        self.acs.stop()
        self.operator.stop()


def latency(build, n):
    """n subscriptions of two devices; a push to each, 100 per second."""
    load = Load(build, {f"s{i}": 2 for i in range(n)})
    try:
        cpu, _ = load.usage()
        sent = {}
        start = time.monotonic()
        for i in range(n):
            time.sleep(max(0, start + i / 100 - time.monotonic()))
            sent[i] = load.push(f"s{i}", 1)
        wait_until("all orders are out", lambda: load.count >= 2 * n - 1)
        times = [min(load.arrived.get(device(2 * i + k), 1e18) for k in (1, 2)) - sent[i] for i in range(n)]
        cpu = load.usage()[0] - cpu
        return statistics.median(times) * 1000, sorted(times)[int(0.99 * n)] * 1000, cpu / n * 1000
    finally:
        load.close()


def fan_out(build, n):
    load = Load(build, {"many": n})
    try:
        cpu, _ = load.usage()
        sent = load.push("many", 1)
        wait_until("all orders are out", lambda: load.count >= n - 1)
        return max(load.arrived.values()) - sent, load.usage()[0] - cpu
    finally:
        load.close()


def backlog(build, n):
    """n devices are ordered something while the ACS is away, and it comes back."""
    load = Load(build, {f"b{i}": 1000 for i in range(n // 1000)})
    try:
        load.acs.stop()
        before = load.usage()
        start = time.monotonic()
        for i in range(n // 1000):
            load.push(f"b{i}", 1)
        db = sqlite3.connect(f"file:{load.operator.database}?mode=ro", uri=True)

        def left():
            return db.execute("SELECT count(*) FROM commands WHERE published = 0").fetchone()[0]

        deadline = time.monotonic() + BACKLOG_MAX_SEC
        while db.execute("SELECT count(*) FROM commands").fetchone()[0] < n - n // 1000 or left() > 0:
            assert time.monotonic() < deadline, "the backlog does not drain"
            time.sleep(0.1)
        after = load.usage()
        return time.monotonic() - start, after[0] - before[0], before[1], after[1]
    finally:
        load.operator.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    build, quick = arguments.build.resolve(), arguments.quick
    median, p99, cpu = latency(build, 20 if quick else 500)
    print(f"| 100 pushes per second: from a push to the first order, median / 99 % | {median:.1f} / {p99:.1f} ms |")
    print(f"| CPU of the frontend per push to two devices | {cpu:.2f} ms |")
    n = 50 if quick else 1000
    seconds, cpu = fan_out(build, n)
    print(f"| one push to {n} subscribers: all orders out | {seconds:.2f} s, {cpu:.2f} s CPU |")
    n = 1000 if quick else 100_000
    seconds, cpu, before, after = backlog(build, n)
    print(f"| a backlog of {n:,} orders: on the queue | {seconds:.1f} s, {cpu:.1f} s CPU, {before:.1f} -> {after:.1f} MiB resident |")


if __name__ == "__main__":
    main()
