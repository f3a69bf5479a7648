# SPDX-License-Identifier: GPL-2.0-or-later
"""What CWMP itself costs on the access links."""

import os

import cwmp_bytes
from benchmark import Benchmark, Table
from payload import KB
from service import synchronize, write


class Cwmp(Benchmark):
    """All frames between the gateways and the ACS, connection requests included (TCP ports 7547 and 7557).
    Provisioning: all that follows when an administrator allows a gateway; each of the three gateways is one run.
    Synchronization: of one file of 100 KB from one gateway to two others, the sum over the three. Captured by
    tcpdump, over plain HTTP and over TLS, each on a testbed of its own. (The paper's prototype: 41 KB for a
    provisioning and 22 KB for a synchronization.)"""
    name, title = "cwmp", "CWMP"
    own_bed = True
    sizes = {"smoke": {}, "quick": {"beds": 1, "rounds": 10}, "full": {"beds": 4, "rounds": 10}}
    tables = (Table("Ethernet bytes, mean (deviation)", "bytes", ("of",), ("scheme",), spread=True),
              Table("In parts of the paper's", "bytes", ("of",), ("scheme",), ratio=True))

    def measure(self, bed, size, record):
        if bed:
            name = f"cwmp-{os.urandom(4).hex()}"
            with cwmp_bytes.captured(bed.testbed, cwmp_bytes.GATEWAYS) as sizes:
                synchronize(bed, lambda g: write(g, name, os.urandom(100 * KB)), {name: 100 * KB})
                record.add("bytes", sum(cwmp_bytes.still(sizes)), "B", cwmp_bytes.PAPER["synchronization"],
                           of="synchronization", scheme="https")
            return
        for scheme in cwmp_bytes.ACS_URL:
            for _ in range(size["beds"]):
                self.on_a_bed(scheme, size["rounds"], record)

    @staticmethod
    def on_a_bed(scheme, rounds, record):
        for what, values in zip(("provisioning", "synchronization"), cwmp_bytes.measure(scheme, rounds)):
            for value in values:
                record.add("bytes", value, "B", cwmp_bytes.PAPER[what], of=what, scheme=scheme)


BENCHMARKS = (Cwmp,)
