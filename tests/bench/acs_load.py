#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""acs_load.py BUILD [--quick]: what a session without news costs the ACS.

Real ACS, broker and frontend on loopback; 20,000 devices are known. Scripted CPEs inform with digest authentication (the nonce of the session before,
as our agent does, and with a challenge first, as others do) and hear 204. CPU is user + system of the ACS alone, from /proc; the CPEs take most of the
machine. Prints Markdown."""

import argparse
import hashlib
import os
import pathlib
import re
import sqlite3
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import cpe  # noqa: E402
from operator_host import Operator, listens, wait_until  # noqa: E402
from sync_server import free_port  # noqa: E402

THREADS = 4
REALM = "ISPStorage"


def known(operator, n):
    db = sqlite3.connect(operator.directory / "acs.db")
    rows = [(name := f"000000-ISPStorage-L{i:05}", hashlib.md5(f"{name}:{REALM}:secret".encode()).hexdigest()) for i in range(n)]
    db.executemany("INSERT INTO device (id, ha1, root, manufacturer, software_version, last_inform, connection_request_url, provisioned)"
                   " VALUES (?, ?, 'InternetGatewayDevice.', 'Test', '0.1.0', 1, 'http://127.0.0.1:9/none', 1)", rows)
    db.commit()
    db.close()


class Acs:
    def __init__(self, operator, devices):
        self.operator, self.port = operator, free_port()
        (operator.directory / "acs.password").write_text("acs-password\n")
        (operator.directory / "acs.conf").write_text(
            f"[Server]\nListen=127.0.0.1\nPort=0\nHTTPPort={self.port}\nDatabase={operator.directory}/acs.db\nRealm={REALM}\n"
            f"[Broker]\nPort={operator.mqtt_port}\nPasswordFile={operator.directory}/acs.password\n")
        self.start()
        operator.processes["acs"].terminate()
        operator.processes.pop("acs").wait()
        known(operator, devices)
        self.start()

    def start(self):
        self.operator.spawn("acs", str(self.operator.build / "operator/acs/ispstorage-acs"), f"--config={self.operator.directory}/acs.conf")
        wait_until("the ACS listens", lambda: listens(self.port))

    def usage(self):
        """CPU seconds, and the largest resident MiB so far."""
        pid = self.operator.processes["acs"].pid
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        rss = int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), rss / 1024


def sessions(acs, first, n, challenged):
    client = cpe.CPE(acs.port, f"L{first:05}")
    for _ in range(n):
        if challenged:
            client.challenge = None
        response = client.begin()
        assert response.method == "InformResponse", response.status
        assert client.request().status == 204
        client.close()


def measure(acs, n, challenged):
    """CPU milliseconds per session."""
    sessions(acs, 0, 2, challenged)
    before = acs.usage()[0]
    threads = [threading.Thread(target=sessions, args=(acs, 1 + i, n // THREADS, challenged)) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # What it still has to publish belongs to the sessions.
    settled = acs.usage()[0]
    while True:
        time.sleep(0.5)
        if (now := acs.usage()[0]) == settled:
            break
        settled = now
    return (settled - before) / (n // THREADS * THREADS) * 1000


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    devices, n = (200, 40) if arguments.quick else (20_000, 4000)
    operator = Operator(arguments.build.resolve())
    try:
        acs = Acs(operator, devices)
        for challenged, what in ((False, "digest with the nonce of the session before"), (True, "digest after a challenge")):
            print(f"| ACS, a session without news, {what} | {measure(acs, n, challenged):.2f} ms CPU |")
        print(f"| ACS, {devices:,} devices known, after {2 * n:,} sessions | {acs.usage()[1]:.1f} MiB resident at most |")
    finally:
        operator.stop()


if __name__ == "__main__":
    main()
