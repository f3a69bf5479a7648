# SPDX-License-Identifier: GPL-2.0-or-later
"""What CWMP itself costs on the access links."""

import os

import cwmp_bytes
from benchmark import Benchmark, Table
from meter import total
from payload import KB
from service import synchronize, write


class Cwmp(Benchmark):
    """All frames between the gateways and the ACS, connection requests included (TCP ports 7547 and 7557).
    Provisioning: all that follows when an administrator allows a gateway, for each gateway. Synchronization: of one
    file of 100 KB from one gateway to two others, the sum over the three. Captured by tcpdump, over plain HTTP and
    over TLS, each on a testbed of its own. (The paper's prototype: 41 KB for a provisioning and 22 KB for a
    synchronization.)"""
    name, title = "cwmp", "CWMP"
    own_bed = True
    sizes = {"smoke": {"rounds": 1}, "quick": {"rounds": 3}, "full": {"rounds": 10}}
    tables = (Table("Ethernet bytes", "bytes", ("of",), ("scheme",)),
              Table("In parts of the paper's", "bytes", ("of",), ("scheme",), ratio=True))

    def measure(self, bed, size, record):
        if bed:
            name = f"cwmp-{os.urandom(4).hex()}"
            outcome = synchronize(bed, lambda g: write(g, name, os.urandom(100 * KB)), {name: 100 * KB})
            record.add("bytes", total(outcome.meter.cwmp), "B", cwmp_bytes.PAPER["synchronization"], of="synchronization",
                       scheme="https")
            return
        for scheme in cwmp_bytes.ACS_URL:
            provisioning, synchronizations = cwmp_bytes.measure(scheme, size["rounds"])
            record.add("bytes", provisioning, "B", cwmp_bytes.PAPER["provisioning"], of="provisioning", scheme=scheme)
            for value in synchronizations:
                record.add("bytes", value, "B", cwmp_bytes.PAPER["synchronization"], of="synchronization", scheme=scheme)


BENCHMARKS = (Cwmp,)
