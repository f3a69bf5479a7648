#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""What CWMP costs on the access link: Ethernet bytes of one gateway's provisioning and of one synchronization from one
gateway to two others, over plain HTTP and over TLS. Counted by tcpdump at the gateways' access links, by port; prints
Markdown."""

import argparse
import contextlib
import os
import pathlib
import random
import statistics
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scenarios"))
from harness import Files, Testbed, content, converged, device, own_name, provision, wait_until  # noqa: E402

GATEWAYS = ["gw1", "gw2", "gw3"]
SYNC_BYTES = 100 * 1024
ACS_URL = {"http": "http://acs.operator.test:7557/", "https": "https://acs.operator.test:7547/"}
# The ACS and the connection requests.
FILTER = "tcp port 7547 or tcp port 7557"
# What a peer figure is: T. Cruz et al., measured on their prototype.
PAPER = {"provisioning": 41_000, "synchronization": 22_000}


class Capture:
    """The CWMP frames of one gateway, from start() to bytes()."""

    def __init__(self, testbed, gateway, directory):
        self.path = pathlib.Path(directory) / f"{gateway}.pcap"
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", testbed.host(gateway).namespace, "tcpdump", "-i", "wan0", "--immediate-mode", "-U",
             "-s", "64", "-w", str(self.path), FILTER], stderr=subprocess.PIPE, text=True)
        # tcpdump says that it listens once its socket is open.
        while "listening on" not in self.process.stderr.readline():
            if self.process.poll() is not None:
                raise RuntimeError("tcpdump did not start")

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def frames(self):
        """The lengths on the wire of what was captured so far."""
        data = self.path.read_bytes()
        at, lengths = 24, []
        while at + 16 <= len(data):
            captured, length = struct.unpack_from("<II", data, at + 8)
            if at + 16 + captured > len(data):
                break
            lengths.append(length)
            at += 16 + captured
        return lengths


@contextlib.contextmanager
def captured(testbed, gateways):
    with tempfile.TemporaryDirectory() as directory:
        captures = [Capture(testbed, g, directory) for g in gateways]
        try:
            yield lambda: [sum(c.frames()) for c in captures]
        finally:
            for capture in captures:
                capture.stop()


def settled(testbed):
    """True once the gateways are equal, the operator knows it and no order is open."""
    operations = testbed.admin("operation", "list")
    return converged(testbed, GATEWAYS) and not any(o["state"] == "ordered" for o in operations)


def still(sizes):
    """Waits until a second has passed without a frame (a session's last ones may be under way); returns the sizes."""
    state = {"bytes": None, "polls": 0}

    def unchanged():
        now = sizes()
        state["polls"] = state["polls"] + 1 if now == state["bytes"] else 0
        state["bytes"] = now
        return state["polls"] > 50

    wait_until("the links are still", unchanged)
    return state["bytes"]


def measure(scheme, rounds):
    """Two lists: the bytes of each gateway's provisioning, and those of each synchronization."""
    testbed = Testbed(own_name("bytes", "bytes"))
    rng = random.Random(1)
    synchronizations = []
    os.environ["TESTBED_ACS_URL"] = ACS_URL[scheme]
    testbed("down", check=False)
    try:
        testbed("up", "--bare", "--gateways", str(len(GATEWAYS)))
        for gateway in GATEWAYS:
            wait_until(f"{gateway} is known", lambda g=gateway: testbed.admin("device", "show", device(g)))
        with captured(testbed, GATEWAYS) as sizes:
            provision(testbed, GATEWAYS)
            wait_until("all is settled", lambda: settled(testbed))
            provisioning = still(sizes)
        for number in range(rounds):
            data = rng.randbytes(SYNC_BYTES)
            with captured(testbed, GATEWAYS) as sizes:
                Files(testbed, "gw1").put(f"file {number}", data)
                wait_until("the others have it", lambda n=number, d=data: all(
                    content(testbed.folder(g) / f"file {n}") == d for g in GATEWAYS))
                wait_until("all is settled", lambda: settled(testbed))
                synchronizations.append(sum(still(sizes)))
    finally:
        del os.environ["TESTBED_ACS_URL"]
        testbed("down", check=False)
    return provisioning, synchronizations


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="how many synchronizations (default: 10)")
    arguments = parser.parse_args()
    print("| Ethernet bytes of CWMP, mean (deviation) | a gateway's provisioning | a 1-to-2 synchronization |")
    print("|---|--:|--:|")
    for scheme in ACS_URL:
        cells = [f"{statistics.mean(values):,.0f} ({statistics.stdev(values) if len(values) > 1 else 0:,.0f})"
                 for values in measure(scheme, arguments.rounds)]
        print(f"| {scheme} | {' | '.join(cells)} |", flush=True)
    print(f"| the paper's prototype | {PAPER['provisioning']:,} | {PAPER['synchronization']:,} |")


if __name__ == "__main__":
    main()
