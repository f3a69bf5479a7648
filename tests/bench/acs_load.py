#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""acs_load.py BUILD [--quick]: what a session without news costs the ACS.

Real ACS, broker and frontend on loopback; 20,000 devices are known. Scripted CPEs inform with digest authentication (the nonce of the session before,
as our agent does, and with a challenge first, as others do) and hear 204. CPU is user + system of the ACS alone, from /proc; the CPEs take most of the
machine. Prints Markdown."""

import argparse
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import cpe  # noqa: E402
from fleet import CwmpEndpoint  # noqa: E402
from operator_host import Operator  # noqa: E402

THREADS = 4


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
        acs = CwmpEndpoint(operator, devices, provisioned=True)
        for challenged, what in ((False, "digest with the nonce of the session before"), (True, "digest after a challenge")):
            print(f"| ACS, a session without news, {what} | {measure(acs, n, challenged):.2f} ms CPU |")
        print(f"| ACS, {devices:,} devices known, after {2 * n:,} sessions | {acs.usage()[1]:.1f} MiB resident at most |")
    finally:
        operator.stop()


if __name__ == "__main__":
    main()
