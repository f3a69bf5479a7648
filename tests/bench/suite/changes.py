# SPDX-License-Identifier: GPL-2.0-or-later
"""Small changes of large things: an insertion, an overwritten part, a new name, one file among many."""

import os
import time

import payload
from benchmark import Benchmark, Table
from gateways import SYNCD, Patience, wait_until
from meter import Meter, resident
from payload import KB
from service import place, synchronize, synchronize_in_sequence, wait_state, write
from suite.transfer import multiple, single

MB = 1000 * KB


def record_change(record, bed, outcome, **labels):
    """Seconds, bytes on each link (the greatest of one link and both ways), gateway processor time and memory."""
    record.add("seconds", outcome.seconds, "s", **labels)
    record.add("bytes on a link", max(sum(ways.values()) for ways in outcome.meter.data.values()), "B", **labels)
    record.add("gateway CPU", max(outcome.meter.cpu.values()), "CPU s", **labels)
    outcome.meter.record_peaks(record, **labels)


class Edits(Benchmark):
    """A file of 100 MB changes on one gateway: 4 KB inserted at its front, then 1 MB overwritten, at ten places one
    after the other (in a quick run at four); each as most programs save, by a new file renamed over the old. Seconds
    from the rename to the new version in both other folders, the others signalled at once by who measures; bytes of
    ssh on the busiest access link, both ways together. Link: LAN."""
    name, title = "edits", "Changes within a large file"
    sizes = {
        "smoke": {"bytes": 3 * MB, "places": 1, "inserts": 1},
        "quick": {"bytes": 100 * MB, "places": 4, "inserts": 1},
        "full": {"bytes": 100 * MB, "places": 10, "inserts": 5},
    }
    tables = (Table("Seconds", "seconds", ("edit",), ()), Table("Bytes on a link", "bytes on a link", ("edit",), ()),
              Table("Processor time of the busiest gateway", "gateway CPU", ("edit",), ()),
              Table("Peak RSS", "peak RSS", ("edit",), ("program",)))

    def measure(self, bed, size, record):
        first = bed.gateways[0]
        moves, expected = single(first, size["bytes"])
        [name] = expected
        synchronize(bed, lambda g: place(g, moves), expected)
        with bed.without_orders(bed.gateways[1:]):
            for _ in range(size["inserts"]):
                payload.insert_at_front(first.folder / name, first.scratch / "edited", os.urandom(4096))
                self.change(bed, record, name, "4 KB at the front")
            part = size["bytes"] // (size["places"] + 1)
            for place_number in range(1, size["places"] + 1):
                payload.overwrite(first.folder / name, first.scratch / "edited", part * place_number,
                                  os.urandom(size["bytes"] // 100))
                self.change(bed, record, name, "1 MB overwritten")
        bed.settle()

    @staticmethod
    def change(bed, record, name, edit):
        expected = {name: os.stat(bed.gateways[0].scratch / "edited").st_size}
        outcome = synchronize_in_sequence(bed, lambda g: place(g, {"edited": name}), expected)
        record_change(record, bed, outcome, edit=edit)


class Rename(Benchmark):
    """A file of 1 GB gets another name on one gateway. Seconds until it has that name, and no longer the old one, in
    both other folders, the operator signalling over CWMP; bytes of ssh on the busiest link. Link: LAN."""
    name, title = "rename", "A large file renamed"
    sizes = {"smoke": {"bytes": 2 * MB, "repeats": 1}, "quick": {"bytes": 200 * MB, "repeats": 2},
             "full": {"bytes": 1000 * MB, "repeats": 3}}
    tables = (Table("Seconds", "seconds", ("bytes",), ()), Table("Bytes on a link", "bytes on a link", ("bytes",), ()),
              Table("Processor time of the busiest gateway", "gateway CPU", ("bytes",), ()),
              Table("Peak RSS", "peak RSS", ("bytes",), ("program",)))

    def measure(self, bed, size, record):
        first, *others = bed.gateways
        bed.set_link("none")
        moves, expected = single(first, size["bytes"])
        [name] = expected
        synchronize(bed, lambda g: place(g, moves), expected)
        bed.set_link("lan")
        for number in range(size["repeats"]):
            new = f"renamed {number}"
            outcome = synchronize(bed, lambda g, a=name, b=new: self.rename(g, a, b), {new: size["bytes"]})
            wait_until("the old name is gone", lambda n=name: not any((g.folder / n).exists() for g in others))
            record_change(record, bed, outcome, bytes=size["bytes"])
            name = new

    @staticmethod
    def rename(gateway, old, new):
        start = time.time()
        os.rename(gateway.folder / old, gateway.folder / new)
        return start


class Tree(Benchmark):
    """A tree of 20,000 files of 4 KB comes from one gateway to two others (link: LAN; seconds to all files in both),
    then one file of it changes. The gateways are signalled over CWMP."""
    name, title = "tree", "A tree of many files"
    sizes = {"smoke": {"files": 30, "changes": 1}, "quick": {"files": 2000, "changes": 3},
             "full": {"files": 20_000, "changes": 10}}
    tables = (Table("Seconds", "seconds", ("files",), ("step",)),
              Table("Bytes on a link", "bytes on a link", ("files",), ("step",)),
              Table("Processor time of the busiest gateway", "gateway CPU", ("files",), ("step",)),
              Table("Peak RSS", "peak RSS", ("files", "step"), ("program",)))

    def measure(self, bed, size, record):
        moves, expected = multiple(bed.gateways[0], size["files"], 4096)
        outcome = synchronize(bed, lambda g: place(g, moves), expected)
        record_change(record, bed, outcome, files=size["files"], step="first")
        for number in range(size["changes"]):
            name = list(expected)[number]
            outcome = synchronize(bed, lambda g, n=name: write(g, n, os.urandom(4000)), {name: 4000})
            record_change(record, bed, outcome, files=size["files"], step="one file changed")


class Commit(Benchmark):
    """A tree of 100,000 files (4 KB each, 100 in a directory) on one gateway. "Close to commit": one file is closed;
    until syncd says on its bus that it pushes, which it does when the commit is durable. "Scan": processor seconds of
    syncd and its workers from the start of the service to its being idle with everything unchanged, less the same for
    an empty folder; pages are in the cache. "Idle": resident memory at rest, and the processor time of a minute of
    it."""
    name, title = "commit", "A large tree at rest"
    gateways = 1
    sizes = {"smoke": {"files": 30, "changes": 1, "idle_seconds": 1},
             "quick": {"files": 10_000, "changes": 6, "idle_seconds": 10},
             "full": {"files": 100_000, "changes": 30, "idle_seconds": 60}}
    tables = (Table("Close to commit", "close to commit", ("files",), ()),
              Table("Worst close to commit", "worst close to commit", ("files",), ()),
              Table("Start-up scan", "start-up scan", ("files",), ()),
              Table("Idle RSS", "idle RSS", ("files",), ("program",)),
              Table("Idle processor time in a minute", "idle CPU", ("files",), ()),
              Table("Peak RSS", "peak RSS", ("step",), ("program",)))

    def measure(self, bed, size, record):
        gateway = bed.gateways[0]
        bed.set_link("none")
        empty_start = self.restart(bed, gateway)
        moves, expected = self.tree(gateway, size["files"])
        with Meter(bed, [gateway]) as meter:
            gateway.bus.forget()
            place(gateway, moves)
            wait_until("all is on main", lambda: gateway.property("Revision") != "" and self.at_rest(gateway),
                       Patience.seconds)
        meter.record_peaks(record, step="first synchronization")
        with Meter(bed, [gateway]) as meter:
            self.changes(bed, gateway, list(expected), size, record)
        meter.record_peaks(record, step="changes")
        with Meter(bed, [gateway]) as meter:
            scan = self.restart(bed, gateway)
        meter.record_peaks(record, step="start")
        record.add("start-up scan", scan - empty_start, "CPU s", files=size["files"])
        self.idle(gateway, size, record)

    @staticmethod
    def tree(gateway, files):
        name = f"tree-{os.urandom(4).hex()}"
        made = payload.write_tree(gateway.scratch / name, files, files * 4096, per_directory=100)
        return {name: name}, {f"{name}/{path}": size for path, size in made.items()}

    @staticmethod
    def at_rest(gateway):
        return (gateway.property("PendingChanges"), gateway.property("State")) == (0, "idle")

    def restart(self, bed, gateway):
        """Processor seconds of a start until all is at rest. A unit's cgroup begins anew with it."""
        gateway.execute("systemctl", "stop", "ispstorage-syncd")
        gateway.bus.forget()
        gateway.execute("systemctl", "start", "ispstorage-syncd")
        # Before it rests it has pulled and scanned.
        gateway.bus.wait("it has looked at everything", lambda values: values.get("State") == "idle")
        bed.still()
        wait_until("it is at rest", lambda: self.at_rest(gateway) and gateway.property("Status") == "Subscribed",
                   Patience.seconds)
        return gateway.cpu_seconds(SYNCD)

    def changes(self, bed, gateway, names, size, record):
        seconds = []
        for number in range(size["changes"]):
            bed.settle()
            bed.rest()
            gateway.bus.forget()
            closed = write(gateway, names[number * len(names) // size["changes"]], os.urandom(4000))
            seconds.append(wait_state(gateway, "pushing") - closed)
            record.add("close to commit", seconds[-1], "s", files=size["files"])
        record.add("worst close to commit", max(seconds), "s", files=size["files"])
        bed.settle()

    @staticmethod
    def idle(gateway, size, record):
        for name, kib in resident(gateway).items():
            record.add("idle RSS", kib * 1024, "B", files=size["files"], program=name)
        before, start = gateway.cpu_seconds(SYNCD), time.monotonic()
        # The time is what is measured over, not waited for.
        time.sleep(size["idle_seconds"])
        used = gateway.cpu_seconds(SYNCD) - before
        record.add("idle CPU", used * 60 / (time.monotonic() - start), "CPU s", files=size["files"])


BENCHMARKS = (Edits, Rename, Tree, Commit)
