# SPDX-License-Identifier: GPL-2.0-or-later
"""The same work by what a user would pick instead, in the same hosts, over the same links, in the same run."""

import dataclasses
import os
import shutil
import typing

import payload
from benchmark import Benchmark, Table
from gateways import PEERS, Failure
from meter import Peaks, difference, total
from payload import KB
from peers import SYSTEMS
from peers_summary import OWN, PROMPT
from service import place, synchronize, synchronize_in_sequence
from suite.transfer import SLOW, theoretical_seconds, warm

MB = 1000 * KB


@dataclasses.dataclass(frozen=True)
class Workload:
    """prepare(scratch, folder) returns the moves and what is expected; whole: all of it is new."""
    name: str
    size: int
    prepare: typing.Callable
    whole: bool = True


class OutOfMemory(Exception):
    """A peer was ended by the gateway's limit of memory."""


def one_file(name, size):
    def prepare(scratch, _folder):
        payload.write_file(scratch / name, size, os.urandom)
        return {name: name}, {name: size}
    return prepare


def files(name, count, each):
    def prepare(scratch, _folder):
        made = payload.write_tree(scratch / name, count, count * each)
        return {name: name}, {f"{name}/{path}": size for path, size in made.items()}
    return prepare


def inserted(name):
    def prepare(scratch, folder):
        payload.insert_at_front(folder / name, scratch / "edited", os.urandom(4096))
        return {"edited": name}, {name: (scratch / "edited").stat().st_size}
    return prepare


def overwritten(name, share=100):
    def prepare(scratch, folder):
        size = (folder / name).stat().st_size
        payload.overwrite(folder / name, scratch / "edited", size // 2, os.urandom(size // share))
        return {"edited": name}, {name: size}
    return prepare


def workloads(single=(), multiple=(), changed=None):
    """single: sizes; multiple: (files, bytes of each); changed: size of the file that is changed. The names are new
    ones."""
    tag = os.urandom(4).hex()
    chosen = [Workload(f"{n // KB:,} KB", n, one_file(f"single-{n}-{tag}", n)) for n in single]
    chosen += [Workload(f"{n} x {each // KB} KB", n * each, files(f"multiple-{n}-{tag}", n, each)) for n, each in multiple]
    if changed:
        name = f"large-{changed}-{tag}"
        chosen += [Workload(f"{changed // KB:,} KB", changed, one_file(name, changed)),
                   Workload("4 KB inserted at its front", changed, inserted(name), False),
                   Workload("1 % of it overwritten", changed, overwritten(name), False)]
    return chosen


class Peers(Benchmark):
    """Every system synchronizes the same payloads from one gateway to two others, by way of the operator's host, over
    the same links, one system after the other. Theirs run in the gateways' networks, on their disks, and within their
    limits of memory and processor time; a payload is moved into the folder, and the system is told at once: the
    seconds are those to all of it in all folders, without any watching or signalling. Ours runs as always, signalled
    by the operator over CWMP, and once with prompt signalling (the pulls are ordered as soon as the push is over).
    Connections are up before. Bytes: all frames on the three access links, ours with CWMP; "wire overhead" of ours is
    that of ssh alone."""
    name, title = "peers", "Beside what a user would pick instead"
    minutes = {"smoke": 5, "quick": 7, "full": 160}
    sizes = {
        "smoke": {"links": {"lan": {"single": (20 * KB,)}}, "repeats": 1},
        "quick": {"links": {"lan": {"single": (100 * KB, 1 * MB), "multiple": ((100, 100 * KB),), "changed": 20 * MB}},
                  "repeats": 1},
        "full": {"links": {"lan": {"single": (100 * KB, 1 * MB, 10 * MB), "multiple": ((100, 100 * KB), (20_000, 4 * KB)),
                                   "changed": 100 * MB},
                           "gpon100": {"single": (100 * KB,), "multiple": ((100, 100 * KB),), "changed": 100 * MB},
                           "gpon30": {"single": (100 * KB, 10 * MB), "multiple": ((100, 100 * KB),)},
                           "adsl16": {"single": (10 * MB,), "multiple": ((10, 100 * KB),)},
                           "adsl8": {"single": (1 * MB,), "multiple": ((10, 100 * KB),)}},
                 "repeats": 2},
    }
    tables = (
        Table("Parts of the theoretical time", "seconds", ("link", "workload"), ("system",), ratio=True),
        Table("Wire overhead, parts of the payload", "wire overhead", ("link", "workload"), ("system",), ratio=True),
        Table("Seconds", "seconds", ("link", "workload"), ("system",)),
        Table("Push, seconds", "push", ("link", "workload"), ("system",)),
        Table("Pull, seconds", "pull", ("link", "workload"), ("system",)),
        Table("Bytes on the three links", "bytes", ("link", "workload"), ("system",)),
        Table("Processor time on the first gateway", "gateway CPU", ("link", "workload"), ("system",)),
        Table("Disk beyond the files on the first gateway", "disk beyond the files", ("link", "workload"), ("system",)),
        Table("Peak RSS of the largest process on a gateway", "peer RSS", ("link", "workload"), ("system",)),
    )

    def measure(self, bed, size, record):
        for link, chosen in size["links"].items():
            for _ in range(1 if link in SLOW else size["repeats"]):
                self.guarded(self.ours, OWN, bed, link, chosen, record)
                for system in SYSTEMS:
                    if all(map(shutil.which, system.needs)):
                        record.note(f"{system.name}: {system.configuration}.")
                        self.guarded(self.peer, system.name, bed, link, workloads(**chosen), record, system)
                    else:
                        record.note(f"{system.name}: left out, it is not installed (packaging/install-packages bench).")

    @staticmethod
    def guarded(way, name, bed, link, chosen, record, *system):
        """What one system does not survive does not end the others."""
        try:
            way(bed, link, chosen, record, *system)
        except (Failure, OSError) as failure:
            record.failed(f"{name} on {link}: {failure}")

    def ours(self, bed, link, chosen, record):
        bed.set_link(link)
        warm(bed)
        self.own(bed, link, workloads(**chosen), record, OWN, synchronize)
        with bed.without_orders(bed.gateways[1:]):
            self.own(bed, link, workloads(**chosen), record, PROMPT, synchronize_in_sequence)
        bed.settle()

    def own(self, bed, link, chosen, record, name, way):
        first = bed.gateways[0]
        for workload in chosen:
            moves, expected = workload.prepare(first.scratch, first.folder)
            outcome = way(bed, lambda g, m=moves: place(g, m), expected)
            labels = {"system": name, "link": link, "workload": workload.name}
            self.record(record, bed, workload, outcome.seconds, outcome.meter.wire, outcome.meter.data, labels)
            record.add("gateway CPU", outcome.meter.cpu[first.name], "CPU s", **labels)
            record.add("disk beyond the files", sum(first.disk_used()), "B", **labels)
            record.add("peer RSS", max(max(p.values()) for p in outcome.meter.peaks.values()) * 1024, "B", **labels)

    def peer(self, bed, link, chosen, record, system):
        bed.set_link("none")
        with bed.without_orders(bed.gateways):
            peer = system(bed)
            try:
                peer.start()
                bed.set_link(link)
                for workload in chosen:
                    if workload.whole or not peer.whole_files_only:
                        self.within_memory(bed, link, peer, workload, record)
            except OutOfMemory as end:
                record.note(f"{end}.")
            finally:
                peer.close()
        bed.set_link("none")
        bed.settle()

    def within_memory(self, bed, link, peer, workload, record):
        """What needs more memory than a gateway has is a result, and the end of this peer on this link."""
        before = sum(g.oom_kills() for g in bed.gateways)
        try:
            self.one(bed, link, peer, workload, record)
        except (Failure, OSError) as failure:
            if sum(g.oom_kills() for g in bed.gateways) == before:
                raise
            raise OutOfMemory(f"{peer.name} needed more memory than a gateway has for \"{workload.name}\" on {link}, and was "
                              "ended by its limit") from failure

    def one(self, bed, link, peer, workload, record):
        first = peer.first
        moves, expected = workload.prepare(first.scratch, first.folder)
        bed.still()
        before, cpu = bed.counters(), first.cpu_seconds()
        with Peaks(bed.gateways, PEERS) as peaks:
            place(first, moves)
            peer.prepare(expected)
            push, pull = peer.synchronize(expected)
        kib = peaks.kib
        bed.still()
        wire = difference(bed.counters(), before, lambda counters: counters["bytes"])
        peer.verify(expected)
        labels = {"system": peer.name, "link": link, "workload": workload.name}
        self.record(record, bed, workload, (push or 0) + pull, wire, wire, labels)
        references = theoretical_seconds(bed, link, workload.size) if workload.whole else (None, None)
        if push is not None:
            record.add("push", push, "s", references[0], **labels)
            record.add("pull", pull, "s", references[1], **labels)
        record.add("gateway CPU", first.cpu_seconds() - cpu, "CPU s", **labels)
        if not peer.whole_files_only:
            record.add("disk beyond the files", first.disk_beyond(), "B", **labels)
        record.add("peer RSS", max(max(found.values(), default=0) for found in kib.values()) * 1024, "B", **labels)

    @staticmethod
    def record(record, bed, workload, seconds, wire, data, labels):
        reference = sum(theoretical_seconds(bed, labels["link"], workload.size)) if workload.whole else None
        record.add("seconds", seconds, "s", reference, **labels)
        record.add("bytes", total(wire), "B", 3 * workload.size if workload.whole else None, **labels)
        record.add("bytes on a link", max(sum(ways.values()) for ways in data.values()), "B", **labels)
        if workload.whole:
            record.add("wire overhead", total(data) - 3 * workload.size, "B", 3 * workload.size, **labels)


BENCHMARKS = (Peers,)
