# SPDX-License-Identifier: GPL-2.0-or-later
"""What the service needs on a gateway's disk beside the user's own files."""

from benchmark import Benchmark, Plot, Table
from payload import KB
from service import place, synchronize, total_size
from suite.transfer import multiple, single

MB = 1000 * KB
KINDS = ("urandom", "text", "zero")


def record_disk(record, bed, before, size, files, **labels):
    """Growth of state and staging on the gateway where it is greatest."""
    for gateway in bed.gateways:
        state, staging = gateway.disk_used()
        gateway.overhead = state + staging - before[gateway.name]
    worst = max(g.overhead for g in bed.gateways)
    record.add("disk beyond the files", worst, "B", size, files=files, **labels)
    record.add("disk beyond the files, each", worst / files, "B", files=files, **labels)


class Storage(Benchmark):
    """Local storage overhead (the paper's Fig. 8, Table III and Fig. 9): blocks that state and staging take on a
    gateway after a payload is on all three and all is at rest, less what they took before; the greatest of the three
    gateways, in parts of the payload. The paper's prototype needed 50 % for urandom and 26 % for text. The
    many small files have 4 KB each; there the figure is bytes for each file. Peaks of resident memory are those of
    each program on any gateway."""
    name, title = "storage", "Local storage overhead"
    sizes = {
        "smoke": {"kinds": ("text",), "single": (20 * KB,), "multiple": {"bytes": 50 * KB, "files": (5,)}, "small": 10},
        "quick": {"kinds": KINDS, "single": (100 * KB, 1000 * KB, 10 * MB, 100 * MB),
                  "multiple": {"bytes": 10 * MB, "files": (1, 10, 100, 1000)}, "small": 2000},
        "full": {"kinds": KINDS, "single": (100 * KB, 1000 * KB, 10 * MB, 100 * MB, 1000 * MB),
                 "multiple": {"bytes": 100 * MB, "files": (1, 10, 100, 1000, 10_000)}, "small": 20_000},
    }
    tables = (
        Table("Single files, parts of the payload (Fig. 8)", "disk beyond the files", ("bytes",), ("kind",),
              {"class": "single"}, True),
        Table("Files of equal total size, parts of the payload (Table III, Fig. 9)", "disk beyond the files", ("files",),
              ("kind",), {"class": "multiple"}, True),
        Table("Files of 4 KB, for each", "disk beyond the files, each", ("files",), ("kind",), {"class": "small"}),
        Table("Peak RSS", "peak RSS", ("class", "files", "bytes"), ("program",), {"kind": "urandom"}),
    )
    plots = (Plot("storage", "Disk beyond the files, single files, parts of the payload", "disk beyond the files", "bytes",
                  ("kind",), {"class": "single"}, True),
             Plot("storage-multiple", "Disk beyond the files, files of equal total size, parts of the payload",
                  "disk beyond the files", "files", ("kind",), {"class": "multiple"}, True))

    def measure(self, bed, size, record):
        bed.set_link("none")
        for kind in size["kinds"]:
            for each in size["single"]:
                self.one(bed, record, single(bed.gateways[0], each, kind), kind, "single")
            for files in size["multiple"]["files"]:
                self.one(bed, record, multiple(bed.gateways[0], files, size["multiple"]["bytes"] // files, kind), kind,
                         "multiple")
        self.one(bed, record, multiple(bed.gateways[0], size["small"], 4096), "urandom", "small")

    @staticmethod
    def one(bed, record, prepared, kind, name):
        moves, expected = prepared
        size, files = total_size(expected), len(expected)
        before = {g.name: sum(g.disk_used()) for g in bed.gateways}
        outcome = synchronize(bed, lambda g: place(g, moves), expected)
        labels = {"kind": kind, "class": name, "bytes": size}
        record_disk(record, bed, before, size, files, **labels)
        outcome.meter.record_peaks(record, files=files, **labels)


BENCHMARKS = (Storage,)
