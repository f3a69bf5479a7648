# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole synchronizations, from one gateway to two others: time, and what goes over the links."""

import os

import payload
from benchmark import Benchmark, Plot, Table
from meter import total
from payload import KB
from service import place, synchronize, synchronize_in_sequence, synchronize_with_prefetch, write

LINKS = ("lan", "gpon100", "gpon30", "adsl16", "adsl8")
SLOW = ("adsl16", "adsl8")
# A whole payload takes the slowest link half an hour above this.
SLOW_BYTES_MAX = 10_000 * KB
TOGETHER_SECONDS_MAX = 120


def payloads(single=(), multiple=()):
    """What goes over a link: sizes of single files, and (files, bytes of each)."""
    return [["single", 1, each] for each in single] + [["multiple", files, each] for files, each in multiple]


def on_all_links(chosen):
    """The payloads by link; on ADSL the smaller ones."""
    return {link: [p for p in chosen if link not in SLOW or p[1] * p[2] <= SLOW_BYTES_MAX] for link in LINKS}


def single(gateway, size, kind="urandom"):
    """Prepares one file. Returns the moves and what is expected."""
    name = f"single-{size}-{os.urandom(4).hex()}.bin"
    payload.write_file(gateway.scratch / name, size, payload.source(kind))
    return {name: name}, {name: size}


def multiple(gateway, files, size, kind="urandom"):
    """Prepares a directory of so many files of this size."""
    name = f"multiple-{files}-{os.urandom(4).hex()}"
    made = payload.write_tree(gateway.scratch / name, files, files * size, kind)
    return {name: name}, {f"{name}/{path}": size for path, size in made.items()}


def theoretical_seconds(bed, link, size):
    """Up and then down at the effective rates: (push, pull)."""
    down, up, _, _ = rates()[link]
    return size * 8 / up, size * 8 / down


def rates():
    from network import PROFILES
    return PROFILES


def record_wire(record, outcome, size, links=3, **labels):
    """Overhead: what went over the links beyond the payload on each, in parts of that; of ssh alone and in all."""
    payload_bytes = size * links
    record.add("wire overhead", total(outcome.meter.data) - payload_bytes, "B", payload_bytes, **labels)
    record.add("wire overhead with CWMP", total(outcome.meter.wire) - payload_bytes, "B", payload_bytes, **labels)
    record.add("CWMP bytes", total(outcome.meter.cwmp), "B", **labels)


def warm(bed):
    """One small file first, so that connections are up, as they are in use."""
    moves, expected = single(bed.gateways[0], 1000)
    synchronize(bed, lambda g: place(g, moves), expected)


def repeats(bed, size, link, payload_bytes):
    """Once on ADSL, and where it takes long."""
    long = sum(theoretical_seconds(bed, link, payload_bytes)) > size["once_above_seconds"]
    return 1 if link in SLOW or long else size["repeats"]


def prepare(gateway, files, each, kind="urandom"):
    return single(gateway, each, kind) if files == 1 else multiple(gateway, files, each, kind)


class Sync(Benchmark):
    """From one gateway to two others (the paper's Figs. 11 and 14). Seconds from the moment at which a payload is in
    the first gateway's folder (one rename from beside it) to all of it in both other folders; the operator signals
    the others over CWMP. The reference is the theoretical time: the payload at the effective rate, up and then down,
    in sequence. On the ADSL profiles no payload above 10,000 KB, and no repeats. "Wire overhead" is what went over the
    three access links beyond the payload on each (the paper's Fig. 10), on a warm connection, of ssh and (separately)
    with CWMP. Peaks of resident memory are of each program on any gateway."""
    name, title = "sync", "1-to-2 synchronization"
    minutes = {"smoke": 3, "quick": 5, "full": 120}
    sizes = {
        "smoke": {"links": {"lan": payloads((20 * KB,), ((3, 2 * KB),))}, "repeats": 1, "once_above_seconds": 60},
        "quick": {"links": {"lan": payloads((100 * KB, 1000 * KB, 10_000 * KB), ((10, 100 * KB), (100, 100 * KB))),
                            "gpon100": payloads((100 * KB, 1000 * KB, 10_000 * KB), ((3, 100 * KB), (10, 100 * KB))),
                            "gpon30": payloads((100 * KB, 1000 * KB), ((3, 100 * KB), (10, 100 * KB))),
                            "adsl16": payloads((100 * KB, 1000 * KB), ((3, 100 * KB), (10, 100 * KB))),
                            "adsl8": payloads((100 * KB, 300 * KB), ((3, 100 * KB), (10, 100 * KB)))},
                  "repeats": 2, "once_above_seconds": 5},
        "full": {"links": on_all_links(payloads((100 * KB, 1000 * KB, 10_000 * KB, 100_000 * KB),
                                                ((1, 100 * KB), (10, 100 * KB), (100, 100 * KB), (1000, 100 * KB)))),
                 "repeats": 3, "once_above_seconds": 60},
    }
    tables = (
        Table("Seconds, single files (Fig. 14)", "seconds", ("bytes",), ("link",), {"class": "single"}),
        Table("The same in parts of the theoretical time", "seconds", ("bytes",), ("link",), {"class": "single"}, True),
        Table("Seconds, multiple files of 100 KB (Fig. 11)", "seconds", ("files",), ("link",), {"class": "multiple"}),
        Table("The same in parts of the theoretical time", "seconds", ("files",), ("link",), {"class": "multiple"}, True),
        Table("Wire overhead, ssh alone (Fig. 10)", "wire overhead", ("class", "files", "bytes"), ("link",), ratio=True),
        Table("Wire overhead, with CWMP", "wire overhead with CWMP", ("class", "files", "bytes"), ("link",), ratio=True),
        Table("Peak RSS", "peak RSS", ("class", "files", "bytes"), ("program",), {"link": "lan"}),
    )
    plots = (
        Plot("sync-single", "1-to-2, single files", "seconds", "bytes", ("link",), {"class": "single"}),
        Plot("sync-multiple", "1-to-2, multiple files of 100 KB", "seconds", "files", ("link",), {"class": "multiple"}),
        Plot("wire", "Wire overhead, single files, parts of the payload", "wire overhead", "bytes", ("link",),
             {"class": "single"}, True),
        Plot("wire-multiple", "Wire overhead, multiple files of 100 KB, parts of the payload", "wire overhead", "files",
             ("link",), {"class": "multiple"}, True),
    )

    def measure(self, bed, size, record):
        for link, chosen in size["links"].items():
            bed.set_link(link)
            warm(bed)
            for kind, files, each in chosen:
                for _ in range(repeats(bed, size, link, files * each)):
                    moves, expected = prepare(bed.gateways[0], files, each)
                    outcome = synchronize(bed, lambda g, m=moves: place(g, m), expected)
                    labels = {"link": link, "class": kind, "files": files, "bytes": files * each}
                    record.add("seconds", outcome.seconds, "s", sum(theoretical_seconds(bed, link, files * each)),
                               **labels)
                    record_wire(record, outcome, files * each, **labels)
                    outcome.meter.record_peaks(record, **labels)


class Phases(Benchmark):
    """Push and pull apart (the paper's Figs. 12, 13, 15 and 16), and cut-through against them. The two receiving
    gateways' CWMP agents are stopped; they pull, both at once, when the first gateway has said on its bus that main
    has all of it. Push: from the rename into the folder until then; pull: from the order on the bus to all files in
    both folders. References: the payload at the effective rate of the direction. "Together" is the same payload
    without waiting: the others may fetch while the first still pushes; its reference is push + pull. "CWMP": the
    operator signals, as always. "prompt": who measures orders a prefetch when the first gateway says that it pushes,
    and a pull when main has all. On the ADSL profiles no payload above 10,000 KB, and no repeats; "together" nothing
    that takes more than two minutes in sequence."""
    name, title = "phases", "Push and pull"
    minutes = {"smoke": 3, "quick": 6, "full": 150}
    sizes = {
        "smoke": {"links": {"lan": payloads(multiple=((3, 2 * KB),))}, "together": {"links": ("lan",), "repeats": 1},
                  "repeats": 1, "once_above_seconds": 60},
        "quick": {"links": {"lan": payloads((1000 * KB, 100_000 * KB), ((10, 100 * KB), (100, 100 * KB))),
                            "gpon100": payloads((1000 * KB, 10_000 * KB), ((3, 100 * KB), (10, 100 * KB))),
                            "gpon30": payloads((100 * KB, 1000 * KB), ((3, 100 * KB), (10, 100 * KB))),
                            "adsl16": payloads((100 * KB, 300 * KB), ((3, 100 * KB), (10, 100 * KB))),
                            "adsl8": payloads((100 * KB, 300 * KB), ((3, 100 * KB), (10, 100 * KB)))},
                  "together": {"links": ("lan",), "repeats": 1}, "repeats": 2, "once_above_seconds": 20},
        "full": {"links": on_all_links(payloads((100 * KB, 1000 * KB, 10_000 * KB, 100_000 * KB),
                                                ((10, 100 * KB), (100, 100 * KB), (1000, 100 * KB)))),
                 "together": {"links": LINKS, "repeats": 2}, "repeats": 2, "once_above_seconds": 60},
    }
    tables = (
        Table("Push in parts of the theoretical time", "push", ("class", "files", "bytes"), ("link",), ratio=True),
        Table("Pull in parts of the theoretical time", "pull", ("class", "files", "bytes"), ("link",), ratio=True),
        Table("Push, seconds", "push", ("class", "files", "bytes"), ("link",)),
        Table("Pull, seconds", "pull", ("class", "files", "bytes"), ("link",)),
        Table("Together, in parts of push + pull", "together", ("class", "files", "bytes"), ("link", "signalling"), ratio=True),
    )
    plots = (
        Plot("push-single", "Push, single files", "push", "bytes", ("link",), {"class": "single"}, True),
        Plot("pull-single", "Pull, single files", "pull", "bytes", ("link",), {"class": "single"}, True),
        Plot("push-multiple", "Push, multiple files of 100 KB", "push", "files", ("link",), {"class": "multiple"}, True),
        Plot("pull-multiple", "Pull, multiple files of 100 KB", "pull", "files", ("link",), {"class": "multiple"}, True),
    )

    def measure(self, bed, size, record):
        for link, chosen in size["links"].items():
            bed.set_link(link)
            warm(bed)
            with bed.without_orders(bed.gateways[1:]):
                sequence = [(p, [self.apart(bed, link, p, record) for _ in range(repeats(bed, size, link, p[1] * p[2]))])
                            for p in chosen]
                if link in size["together"]["links"]:
                    self.together(bed, link, sequence, size, record, synchronize_with_prefetch, "prompt")
            bed.settle()
            if link in size["together"]["links"]:
                self.together(bed, link, sequence, size, record, synchronize, "CWMP")

    @staticmethod
    def together(bed, link, sequence, size, record, way, signalling):
        """The payloads again, with what they took in sequence as the reference."""
        for chosen, seconds in sequence:
            if min(seconds) > TOGETHER_SECONDS_MAX:
                continue
            for _ in seconds[:size["together"]["repeats"]]:
                moves, expected = prepare(bed.gateways[0], *chosen[1:])
                outcome = way(bed, lambda g, m=moves: place(g, m), expected)
                record.add("together", outcome.seconds, "s", min(seconds), link=link, signalling=signalling,
                           **labels_of(chosen))

    def apart(self, bed, link, chosen, record):
        _, files, each = chosen
        moves, expected = prepare(bed.gateways[0], files, each)
        outcome = synchronize_in_sequence(bed, lambda g: place(g, moves), expected)
        push, pull = theoretical_seconds(bed, link, files * each)
        record.add("push", outcome.push, "s", push, link=link, **labels_of(chosen))
        record.add("pull", outcome.pull, "s", pull, link=link, **labels_of(chosen))
        return outcome.push + outcome.pull


def labels_of(chosen):
    kind, files, each = chosen
    return {"class": kind, "files": files, "bytes": files * each}


class Latency(Benchmark):
    """A small file, from the close of it on one gateway to its being in both other folders. "CWMP": the operator
    signals the others as always. "prompt": their agents are stopped, and who measures orders the pulls on their buses
    as soon as the first gateway's bus says that main has the file; what that order takes (busctl, some ms) is in the
    figure."""
    name, title = "latency", "Close to visible"
    sizes = {
        "smoke": {"links": ("lan",), "bytes": 20 * KB, "repeats": 1},
        "quick": {"links": ("lan",), "bytes": 100 * KB, "repeats": 4},
        "full": {"links": LINKS, "bytes": 100 * KB, "repeats": 10},
    }
    tables = (Table("Seconds", "seconds", ("link",), ("signalling",)),
              Table("Push alone, seconds", "push", ("link",), ("signalling",)),
              Table("Wire overhead of the file, warm connection, ssh alone", "wire overhead", ("link",), ("signalling",),
                    ratio=True))

    def measure(self, bed, size, record):
        for link in size["links"]:
            bed.set_link(link)
            warm(bed)
            self.rounds(bed, size, record, synchronize, link=link, signalling="CWMP")
            with bed.without_orders(bed.gateways[1:]):
                self.rounds(bed, size, record, synchronize_in_sequence, link=link, signalling="prompt")
            bed.settle()

    def rounds(self, bed, size, record, way, **labels):
        for _ in range(size["repeats"]):
            name, data = f"latency-{os.urandom(4).hex()}.bin", os.urandom(size["bytes"])
            outcome = way(bed, lambda g: write(g, name, data), {name: size["bytes"]})
            record.add("seconds", outcome.seconds, "s", sum(theoretical_seconds(bed, labels["link"], size["bytes"])),
                       bytes=size["bytes"], **labels)
            if outcome.push is not None:
                record.add("push", outcome.push, "s", bytes=size["bytes"], **labels)
            record_wire(record, outcome, size["bytes"], bytes=size["bytes"], **labels)


BENCHMARKS = (Sync, Phases, Latency)
