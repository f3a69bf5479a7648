# SPDX-License-Identifier: GPL-2.0-or-later
"""How cost grows with the length of the history and with the size of the tree: the slope, not only a point."""

import os
import statistics
import time

from benchmark import Benchmark, Plot, Table
from service import history, place, synchronize, write
from suite.transfer import multiple, warm

REPOSITORY = "/srv/ispstorage-repositories/home.git"


def slope(points):
    """Least squares through (x, y): growth of y for one more x."""
    xs, ys = zip(*points)
    if len(set(xs)) < 2:
        return None
    return statistics.linear_regression(xs, ys).slope


def record_costs(record, bed, changes, **labels):
    """What one small change costs with things as they are: medians of so many. Returns {metric: value}."""
    costs = {}
    for _ in range(changes):
        name = f"growth-{os.urandom(4).hex()}"
        outcome = synchronize(bed, lambda g, n=name: write(g, n, os.urandom(1000)), {name: 1000})
        meter = outcome.meter
        found = {"seconds": (outcome.seconds, "s"),
                 "bytes on a link": (max(sum(ways.values()) for ways in meter.data.values()), "B"),
                 "gateway CPU": (max(meter.cpu.values()), "CPU s"), "server CPU": (meter.server_cpu, "CPU s")}
        for program in ("transfer worker", "tree worker"):
            found[f"{program} RSS"] = (max(kib.get(program, 0) for kib in meter.peaks.values()) * 1024, "B")
        for metric, (value, unit) in found.items():
            record.add(metric, value, unit, **labels)
            costs.setdefault(metric, (unit, []))[1].append(value)
    state = max(g.disk_used()[0] for g in bed.gateways)
    record.add("state on disk", state, "B", **labels)
    costs["state on disk"] = ("B", [state])
    return {metric: (unit, statistics.median(values)) for metric, (unit, values) in costs.items()}


def record_slopes(record, points, per, of):
    """points: [(x, costs)]."""
    for metric, (unit, _) in points[0][1].items():
        found = slope([(x, costs[metric][1]) for x, costs in points])
        if found is not None:
            record.add("slope", found * per, unit, of=metric, per=f"{per:,} {of}")


METRICS = (("Seconds", "seconds"), ("Bytes on a link", "bytes on a link"),
           ("Processor time of the busiest gateway", "gateway CPU"),
           ("Processor time of the server", "server CPU"), ("State on a gateway's disk", "state on disk"),
           ("Peak RSS of the transfer worker", "transfer worker RSS"), ("Peak RSS of the tree worker", "tree worker RSS"))


def commit(number):
    """One of git fast-import's: a small file changes."""
    content = b"%d\n" % number
    parent = b"from refs/heads/main^0\n" if number == 0 else b""
    return (b"commit refs/heads/main\ncommitter bench <bench> %d +0000\ndata 2\nx\n%sM 100644 inline history.txt\ndata %d\n%s\n"
            % (time.time(), parent, len(content), content))


class History(Benchmark):
    """What one small change costs (a file of 1 KB, from one gateway to two others, link: LAN, signalled over CWMP)
    after so many commits. The commits are made in the repository, by git fast-import: each changes one small file at
    the top. The slope is the least squares line through all points: growth for 1,000 more commits."""
    name, title = "history", "Cost against the length of the history"
    sizes = {"smoke": {"commits": (1, 3), "changes": 1}, "quick": {"commits": (10, 1000, 10_000), "changes": 3},
             "full": {"commits": (100, 1000, 3000, 10_000), "changes": 5}}
    tables = tuple(Table(title, metric, ("commits",), ()) for title, metric in METRICS) + (
        Table("Slope", "slope", ("of",), ("per",)),)
    plots = (Plot("history-cpu", "One change: processor time of the busiest gateway", "gateway CPU", "commits", ()),)

    def measure(self, bed, size, record):
        bed.set_link("lan")
        warm(bed)  # there is no main before
        points = []
        for commits in size["commits"]:
            self.grow(bed, commits)
            points.append((commits, record_costs(record, bed, size["changes"], commits=commits)))
        record_slopes(record, points, 1000, "commits")

    @staticmethod
    def grow(bed, commits):
        """Makes commits until the history is that long (relative to the beginning of this run)."""
        first = bed.gateways[0]
        bed.first_commit = getattr(bed, "first_commit", history(first))
        missing = bed.first_commit + commits - history(first)
        if missing > 0:
            owner = bed.operator.execute("stat", "-c", "%U", REPOSITORY).decode().strip()
            bed.operator.execute("setpriv", f"--reuid={owner}", f"--regid={owner}", "--init-groups", "git", "-C",
                                 REPOSITORY, "fast-import", "--quiet", data=b"".join(commit(n) for n in range(missing)))
            # The gateways come to know of them with the next change.
            name = f"history-{os.urandom(4).hex()}"
            synchronize(bed, lambda g: write(g, name, b"next\n"), {name: 5})


class TreeSize(Benchmark):
    """What one small change costs (a file of 1 KB at the top of the folder, from one gateway to two others, link:
    LAN, signalled over CWMP) in a tree of so many files of 500 bytes, 1,000 in a directory. The slope is the least
    squares line through all points: growth for 10,000 more files. Peaks of resident memory are those of each program on
    any gateway while the tree comes to be, on one and from there on the others."""
    name, title = "treesize", "Cost against the size of the tree"
    sizes = {"smoke": {"files": (5,), "changes": 1}, "quick": {"files": (1000, 4000, 10_000), "changes": 3},
             "full": {"files": (1000, 10_000, 100_000), "changes": 5}}
    tables = tuple(Table(title, metric, ("files",), ()) for title, metric in METRICS) + (
        Table("Slope", "slope", ("of",), ("per",)),
        Table("Peak RSS while the tree comes", "peak RSS", ("files",), ("program",)))
    plots = (Plot("treesize-cpu", "One change: processor time of the busiest gateway", "gateway CPU", "files", ()),)

    def measure(self, bed, size, record):
        there, points = 0, []
        for files in size["files"]:
            bed.set_link("none")
            moves, expected = multiple(bed.gateways[0], files - there, 500)
            outcome = synchronize(bed, lambda g, m=moves: place(g, m), expected, check=False)
            outcome.meter.record_peaks(record, files=files)
            there = files
            bed.set_link("lan")
            points.append((files, record_costs(record, bed, size["changes"], files=files)))
        record_slopes(record, points, 10_000, "files")


BENCHMARKS = (History, TreeSize)
