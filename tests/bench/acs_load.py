#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""acs_load.py BUILD [--quick]: what a session without news costs the ACS.

Real ACS, broker and frontend on loopback; 20,000 devices are known. Scripted CPEs inform with digest authentication (the nonce of the session before,
as our agent does, and with a challenge first, as others do) and hear 204; then a fleet of simulated gateways (tests/load) does. CPU is user + system of
the ACS alone, from /proc. Prints Markdown."""

import argparse
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import cpe  # noqa: E402
from fleet import CwmpEndpoint, Fleet  # noqa: E402
from operator_host import Operator  # noqa: E402

THREADS = 4
PATIENCE = 300


def sessions(acs, first, n, challenged):
    client = cpe.CPE(acs.port, f"L{first:05}")
    for _ in range(n):
        if challenged:
            client.challenge = None
        response = client.begin()
        assert response.method == "InformResponse", response.status
        assert client.request().status == 204
        client.close()


def cpu_of(acs, run):
    """CPU seconds, with what it still has to publish: that belongs to the sessions."""
    before = acs.usage()[0]
    run()
    settled = acs.usage()[0]
    while True:
        time.sleep(0.5)
        if (now := acs.usage()[0]) == settled:
            return settled - before
        settled = now


def scripted(acs, n, challenged):
    """A few CPEs, one session after the other. CPU milliseconds per session."""
    sessions(acs, 0, 2, challenged)
    threads = [threading.Thread(target=sessions, args=(acs, 1 + i, n // THREADS, challenged)) for i in range(THREADS)]

    def run():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return cpu_of(acs, run) / (n // THREADS * THREADS) * 1000


def fleet(operator, acs, n, spread):
    """Each device of a fleet has one session, within some seconds. The same."""
    load = Fleet(operator, acs, n, 0)
    try:
        load.order(f"boot {spread}")
        start = load.wait("all are known", lambda s: s["idle"] == n, PATIENCE)["sessions"]

        def run():
            load.order(f"periodic {spread}")
            load.wait("all have informed", lambda s: s["idle"] == n, PATIENCE)

        return cpu_of(acs, run) / (load.status()["sessions"] - start) * 1000
    finally:
        load.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    devices, n, spread = (200, 40, 1) if arguments.quick else (20_000, 4000, 10)
    operator = Operator(arguments.build.resolve())
    try:
        acs = CwmpEndpoint(operator, devices, provisioned=True)
        for challenged, what in ((False, "digest with the nonce of the session before"), (True, "digest after a challenge")):
            print(f"| ACS, a session without news, {what} | {scripted(acs, n, challenged):.2f} ms CPU |")
        print(f"| ACS, a session without news, each of a fleet of {n:,} within {spread} s | {fleet(operator, acs, n, spread):.2f} ms CPU |")
        print(f"| ACS, {devices:,} devices known, at the end | {acs.usage()[1]:.1f} MiB resident at most |")
    finally:
        operator.stop()


if __name__ == "__main__":
    main()
