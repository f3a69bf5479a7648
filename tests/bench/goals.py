# SPDX-License-Identifier: GPL-2.0-or-later
"""What the figures are to be, beside what they are: the head of the report."""

import dataclasses
import typing

from benchmark import select, value_of

# Why a goal is missed, by its key: a sentence for the first paragraph of the report. What is missed without one says so.
REASONS: dict = {}

PROGRAMS = ("syncd", "tree worker", "transfer worker")


@dataclasses.dataclass(frozen=True)
class Goal:
    """measure(entries) gives the value, or None without data. others: what the paper, peers, or the limit of TCP have."""
    key: str
    what: str
    limit: float
    unit: str
    measure: typing.Callable
    others: str = ""


def series(entries, benchmark, metric, **labels):
    return select(entries[benchmark]["series"], metric, **labels) if benchmark in entries else []


def worst(entries, benchmark, metric, ratio=False, largest="bytes", **labels):
    """The greatest median of the series; of those with the largest payload if there are several sizes."""
    found = [s for s in series(entries, benchmark, metric, **labels) if s["values"]]
    if largest:
        top = max((s["labels"].get(largest, 0) for s in found), default=0)
        found = [s for s in found if s["labels"].get(largest, 0) == top]
    values = [v for v in (value_of(s, ratio) for s in found) if v is not None]
    return max(values, default=None)


def extreme(entries, benchmark, metric, **labels):
    """The greatest single repeat."""
    return max((max(s["values"]) for s in series(entries, benchmark, metric, **labels) if s["values"]), default=None)


def wire_above_raw(entries):
    """Greatest difference to raw TCP's overhead, same link and payload of 1 MB and more, in parts of the payload."""
    raw = {(s["labels"]["link"], s["labels"]["workload"]): value_of(s, True)
           for s in series(entries, "peers", "wire overhead", system="raw")}
    own = {(s["labels"]["link"], s["labels"]["workload"]): value_of(s, True)
           for s in series(entries, "peers", "wire overhead", system="ispstorage") if (s["reference"] or 0) >= 3e6}
    return max((own[key] - raw[key] for key in own.keys() & raw.keys()), default=None)


def peak(entries):
    """The greatest resident size of syncd or a worker in any benchmark."""
    values = [max(s["values"]) for entry in entries.values() for s in select(entry["series"], "peak RSS")
              if s["labels"].get("program") in PROGRAMS]
    return max(values, default=None)


def idle(entries):
    return max((value_of(s) for s in series(entries, "commit", "idle RSS") if s["labels"]["program"] in PROGRAMS),
               default=None)


def phase(metric):
    return lambda e: worst(e, "phases", metric, ratio=True, link="lan", **{"class": "single"})


MB = 1e6
GOALS = (
    Goal("disk", "disk beyond the user's files, largest urandom file", 0.005, "share",
         lambda e: worst(e, "storage", "disk beyond the files", True, kind="urandom", **{"class": "single"}),
         "the paper 50 %; git 100 %"),
    Goal("disk-small", "disk beyond the user's files, for each of 20,000 files of 4 KB", 250, "B",
         lambda e: worst(e, "storage", "disk beyond the files, each", **{"class": "small"}), "git 4.2 KB"),
    Goal("wire", "wire overhead above raw TCP's, urandom of 1 MB and more", 0.005, "share", wire_above_raw,
         "raw 7.0 %, all peers 6.9 to 7.2 %"),
    Goal("wire-small", "wire overhead, 100 KB, warm connection", 0.10, "share",
         lambda e: worst(e, "latency", "wire overhead", True, link="lan"), "raw 8.2 %, syncthing 8 %, git and rsync 19 %"),
    Goal("push", "push of 100 MB at 100 Mbit/s, parts of the theoretical time", 1.08, "", phase("push"),
         "raw 1.05; syncthing 1.19, rsync 1.09, git 1.9"),
    Goal("pull", "pull of the same", 1.08, "", phase("pull"), "raw 1.05; syncthing 1.07, rsync 1.10, git 1.8"),
    Goal("cut-through", "1-to-2 of the same, parts of push + pull in sequence", 0.70, "", phase("together"),
         "sequence 1"),
    Goal("latency", "100 KB, close to visible on both others, prompt signalling, LAN", 0.15, "s",
         lambda e: worst(e, "latency", "seconds", link="lan", signalling="prompt"),
         "raw .029, syncthing told to scan .063, git .48, syncthing 1.03"),
    Goal("insert-bytes", "4 KB inserted at the front of 100 MB: bytes on each link", 0.4 * MB, "B",
         lambda e: worst(e, "edits", "bytes on a link", edit="4 KB at the front"),
         "rsync .13 MB, syncthing .35 MB, git 20 KB"),
    Goal("insert-seconds", "the same: seconds", 0.7, "s",
         lambda e: worst(e, "edits", "seconds", edit="4 KB at the front"), "rsync .67, syncthing 4.6, git 8.9"),
    Goal("overwrite-bytes", "1 MB overwritten in 100 MB, ten places: bytes on each link, median", 2.2 * MB, "B",
         lambda e: worst(e, "edits", "bytes on a link", edit="1 MB overwritten"), "rsync 1.2 MB"),
    Goal("overwrite-worst", "the same: worst place", 3.2 * MB, "B",
         lambda e: extreme(e, "edits", "bytes on a link", edit="1 MB overwritten"), "rsync 1.2 MB"),
    Goal("overwrite-seconds", "the same: seconds, median", 1.0, "s",
         lambda e: worst(e, "edits", "seconds", edit="1 MB overwritten"), "rsync .84"),
    Goal("memory", "peak RSS of syncd and of its largest worker, every benchmark", 32 * MB, "B", peak,
         "git 205 to 1,073 MB, syncthing 71 MB"),
    Goal("idle", "RSS of syncd and of its largest worker, idle, 100,000 files", 12 * MB, "B", idle),
    Goal("commit", "close to commit in a tree of 100,000 files", 0.020, "s",
         lambda e: worst(e, "commit", "close to commit")),
    Goal("scan", "start-up scan of 100,000 unchanged files", 1.0, "CPU s", lambda e: worst(e, "commit", "start-up scan")),
    Goal("server", "processor time of the server for a pull of 1 GB", 3.5, "CPU s",
         lambda e: worst(e, "server", "CPU per GB", side="server", direction="pull"), "git's defaults 70 s"),
    Goal("cwmp-provisioning", "CWMP bytes of a provisioning, plain HTTP", 41_000, "B",
         lambda e: worst(e, "cwmp", "bytes", of="provisioning", scheme="http"), "the paper 41 KB"),
    Goal("cwmp-sync", "CWMP bytes of a 1-to-2 synchronization, plain HTTP", 22_000, "B",
         lambda e: worst(e, "cwmp", "bytes", of="synchronization", scheme="http"), "the paper 22 KB"),
)


def shown(value, unit):
    from report import format_value
    if value is None:
        return "not measured"
    return f"{value:.2%}" if unit == "share" else format_value(value, unit)


def first_paragraph(entries, values):
    """What is worse than it should be, and why, comes first; then what is worse than a peer."""
    from peers_summary import worse_than_peers
    missed = [goal for goal in GOALS if values[goal.key] is not None and values[goal.key] > goal.limit]
    measured = sum(value is not None for value in values.values())
    sentences = []
    for goal in missed:
        why = REASONS.get(goal.key, "the reason is not known yet")
        sentences.append(f"{goal.what}: {shown(values[goal.key], goal.unit)}, where {shown(goal.limit, goal.unit)} was to be reached "
                         f"({why}).")
    sentences += worse_than_peers(entries)
    if not measured:
        return "Nothing has been measured yet."
    if not sentences:
        return f"All {measured} goals that were measured are met, and no peer was better."
    return "Where the figures are worse than they should be, or than a peer's: " + " ".join(sentences)


def summary(entries):
    values = {goal.key: goal.measure(entries) for goal in GOALS}
    lines = [first_paragraph(entries, values), "", "| figure | goal, at most | measured | | others |", "|---|--:|--:|---|---|"]
    for goal in GOALS:
        value = values[goal.key]
        verdict = "" if value is None else "met" if value <= goal.limit else "**missed**"
        lines.append(f"| {goal.what} | {shown(goal.limit, goal.unit)} | {shown(value, goal.unit)} | {verdict} | {goal.others} |")
    lines += ["", "The others' figures are the paper's own, and those of earlier runs of the peers on the same testbed; "
              "those of this run are below. A quick run measures smaller sizes than the goals name; each section says which.", ""]
    return lines
