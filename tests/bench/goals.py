# SPDX-License-Identifier: GPL-2.0-or-later
"""What the figures are to be, beside what they are: the head of the report."""

import dataclasses
import typing

from benchmark import select, value_of
from cwmp_bytes import PAPER
from peers_summary import UNKNOWN, headline, higher_costs, worse_than_peers

# Why a goal is missed, by its key: a sentence for the first paragraph of the report. What is missed without one says so.
REASONS: dict = {
    "push": "a file is read and named as a whole, and copied where nothing clones, before its first byte goes out",
    "pull": "what has arrived is verified by another process than the one that has the network, after its last byte",
    "cut-through": "the others begin when the first batch of the push has landed and was seen",
    "insert-seconds": "the whole file is read, named and verified on both sides, whatever changed in it",
    "smb": "for each file that is made Samba becomes root twice to look for rights that nobody has set (acl_xattr)",
    "memory": "of 100,000 new files, the index, the steps of the plan and the changes that are committed are in memory at once",
    "wire": "a prefetch's looks and fetches are 0.2 points of 10 MB that go in batches over a slow line; acknowledgements, also raw "
            "TCP's, differ by 0.3 from run to run",
    "wire-many": "a file's id alone is 0.5 points of 4 KB; its name, its metadata and what git says of each object come to that, "
                  "and a prefetch asks for each by its id",
    "overwrite-seconds": "the whole file is read, named and verified on both sides, whatever changed in it",
    "server": "git's upload-pack and pack-objects take the most of it, and sshd encrypts what they copy to it",
    "wire-large": "TCP's headers and acknowledgements are 7 points of it",
    "agent-memory": "the heap has once come to a page that it had not used before; what is allocated between sessions stays the same, to the "
                    "byte",
    "cwmp-provisioning-tls": "each session begins with a TLS handshake",
    "cwmp-sync-tls": "each of its five sessions has 1.4 KB more over TLS: the handshake that resumes the session before, with the ticket "
                     "for the next, and the records",
}

SMALL_FILES = " x 4 KB"
PROGRAMS = ("syncd", "tree worker", "transfer worker")


@dataclasses.dataclass(frozen=True)
class Goal:
    """limit: None where only the paper's figure is a measure. benchmark: where the value is from; measure(entries)
    gives it, or None without data. paper: what the paper's prototype had, of a range the greater; peers: (metric,
    workload, whether as ratio) in the benchmark "peers" on the LAN link."""
    key: str
    what: str
    limit: float | None
    unit: str
    benchmark: str
    measure: typing.Callable
    paper: float | None = None
    peers: tuple = ()


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


def wire_above_raw(entries, small):
    """Greatest difference to raw TCP's overhead, same link and payload of 1 MB and more, in parts of the payload; of many small
    files, or of all others."""
    raw = {(s["labels"]["link"], s["labels"]["workload"]): value_of(s, True)
           for s in series(entries, "peers", "wire overhead", system="raw")}
    own = {(s["labels"]["link"], s["labels"]["workload"]): value_of(s, True)
           for s in series(entries, "peers", "wire overhead", system="ispstorage")
           if (s["reference"] or 0) >= 3e6 and s["labels"]["workload"].endswith(SMALL_FILES) == small}
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


MB, MIB = 1e6, 1 << 20
LARGE, INSERTED, OVERWRITTEN = "the largest file", "4 KB inserted at its front", "1 % of it overwritten"
GOALS = (
    Goal("disk", "disk beyond the user's files, largest urandom file", 0.005, "share", "storage",
         lambda e: worst(e, "storage", "disk beyond the files", True, kind="urandom", **{"class": "single"}), 0.50),
    Goal("disk-text", "disk beyond the user's files, largest text file", None, "share", "storage",
         lambda e: worst(e, "storage", "disk beyond the files", True, kind="text", **{"class": "single"}), 0.26),
    Goal("disk-small", "disk beyond the user's files, for each of many files of 4 KB", 250, "B", "storage",
         lambda e: worst(e, "storage", "disk beyond the files, each", **{"class": "small"})),
    Goal("wire", "wire overhead above raw TCP's, urandom of 1 MB and more", 0.005, "share", "peers",
         lambda e: wire_above_raw(e, False)),
    Goal("wire-many", "wire overhead above raw TCP's, many files of 4 KB", 0.005, "share", "peers", lambda e: wire_above_raw(e, True)),
    Goal("wire-large", "wire overhead of the largest file, warm connection", None, "share", "sync",
         lambda e: worst(e, "sync", "wire overhead", True, link="lan", **{"class": "single"}), 0.07,
         ("wire overhead", LARGE, True)),
    Goal("wire-small", "wire overhead, 100 KB, warm connection", 0.10, "share", "latency",
         lambda e: worst(e, "latency", "wire overhead", True, link="lan"), 0.50, ("wire overhead", "100 KB", True)),
    Goal("push", "push of 100 MB at 100 Mbit/s, parts of the theoretical time", 1.08, "", "phases", phase("push"), None,
         ("push", LARGE, True)),
    Goal("pull", "pull of 100 MB at 100 Mbit/s, parts of the theoretical time", 1.08, "", "phases", phase("pull"), None,
         ("pull", LARGE, True)),
    Goal("cut-through", "1-to-2 of 100 MB at 100 Mbit/s, parts of push + pull in sequence", 0.70, "", "phases",
         lambda e: worst(e, "phases", "together", True, link="lan", signalling="prompt", **{"class": "single"})),
    Goal("latency", "100 KB, close to visible on both others, prompt signalling, LAN", 0.15, "s", "latency",
         lambda e: worst(e, "latency", "seconds", link="lan", signalling="prompt"), None, ("seconds", "100 KB", False)),
    Goal("insert-bytes", "4 KB inserted at the front of a large file: bytes on each link", 0.4 * MB, "B", "edits",
         lambda e: worst(e, "edits", "bytes on a link", edit="4 KB at the front"), None, ("bytes on a link", INSERTED, False)),
    Goal("insert-seconds", "4 KB inserted at the front of a large file: seconds", 0.7, "s", "edits",
         lambda e: worst(e, "edits", "seconds", edit="4 KB at the front"), None, ("seconds", INSERTED, False)),
    Goal("overwrite-bytes", "1 MB overwritten in the middle, several places: bytes on each link, median", 2.2 * MB, "B", "edits",
         lambda e: worst(e, "edits", "bytes on a link", edit="1 MB overwritten"), None, ("bytes on a link", OVERWRITTEN, False)),
    Goal("overwrite-worst", "1 MB overwritten in the middle, several places: bytes on each link, worst place", 3.2 * MB, "B", "edits",
         lambda e: extreme(e, "edits", "bytes on a link", edit="1 MB overwritten")),
    Goal("overwrite-seconds", "1 MB overwritten in the middle, several places: seconds, median", 1.0, "s", "edits",
         lambda e: worst(e, "edits", "seconds", edit="1 MB overwritten"), None, ("seconds", OVERWRITTEN, False)),
    Goal("memory", "peak RSS of syncd and of its largest worker, every benchmark", 32 * MB, "B", "storage", peak, None,
         ("peer RSS", LARGE, False)),
    Goal("idle", "RSS of syncd and of its largest worker, idle, large tree", 12 * MB, "B", "commit", idle),
    Goal("commit", "close to commit in a large tree", 0.020, "s", "commit",
         lambda e: worst(e, "commit", "close to commit", largest="files")),
    Goal("scan", "start-up scan of a large unchanged tree", 1.0, "CPU s", "commit",
         lambda e: worst(e, "commit", "start-up scan", largest="files")),
    Goal("server", "processor time of the server for a pull, per GB", 3.5, "CPU s", "server",
         lambda e: worst(e, "server", "CPU per GB", side="server", direction="pull")),
    Goal("cwmp-provisioning", "CWMP bytes of a provisioning, plain HTTP", PAPER["provisioning"], "B", "cwmp",
         lambda e: worst(e, "cwmp", "bytes", of="provisioning", scheme="http"), PAPER["provisioning"]),
    Goal("cwmp-provisioning-tls", "CWMP bytes of a provisioning, TLS", None, "B", "cwmp",
         lambda e: worst(e, "cwmp", "bytes", of="provisioning", scheme="https"), PAPER["provisioning"]),
    Goal("cwmp-sync", "CWMP bytes of a 1-to-2 synchronization, plain HTTP", PAPER["synchronization"], "B", "cwmp",
         lambda e: worst(e, "cwmp", "bytes", of="synchronization", scheme="http"), PAPER["synchronization"]),
    Goal("cwmp-sync-tls", "CWMP bytes of a 1-to-2 synchronization, TLS", None, "B", "cwmp",
         lambda e: worst(e, "cwmp", "bytes", of="synchronization", scheme="https"), PAPER["synchronization"]),
    Goal("agent-inform", "Ethernet bytes of a session without news, plain HTTP", 3000, "B", "agent",
         lambda e: worst(e, "agent", "bytes", scheme="http", compression="as delivered")),
    Goal("agent-inform-plain", "the same with an ACS that leaves compression off", None, "B", "agent",
         lambda e: worst(e, "agent", "bytes", scheme="http", compression="Disabled")),
    Goal("agent-cpu", "processor time of such a session on the gateway, plain HTTP", 0.020, "CPU s", "agent",
         lambda e: worst(e, "agent", "CPU", scheme="http")),
    Goal("agent-idle", "RSS of the agent, idle", 6 * MIB, "B", "agent", lambda e: worst(e, "agent", "idle RSS")),
    Goal("agent-peak", "peak RSS of agent or session worker, values of 20,000 parameters", 16 * MIB, "B", "agent",
         lambda e: worst(e, "agent", "peak RSS", largest="parameters")),
    Goal("agent-rest", "RSS of the agent after that, idle", 6 * MIB, "B", "agent",
         lambda e: worst(e, "agent", "RSS at rest", largest="parameters")),
    Goal("agent-memory", "growth of the agent's memory over 1,000 sessions and more", 0, "B", "agent",
         lambda e: worst(e, "agent", "memory growth", largest="sessions")),
    Goal("agent-descriptors", "growth of its open descriptors", 0, "", "agent",
         lambda e: worst(e, "agent", "descriptor growth", largest="sessions")),
    Goal("agent-size", "largest program of the agent, stripped", 600_000, "B", "agent",
         lambda e: worst(e, "agent", "size", largest="")),
    Goal("smb", "SMB through our configuration, parts of the time of stock Samba, worst of four", 1 / 0.97, "", "nas",
         lambda e: worst(e, "nas", "time of stock's", largest=None)),
    Goal("share-memory", "RSS of the idle share manager, 200 accounts and 50 folders", 6 * MB, "B", "nas",
         lambda e: worst(e, "nas", "idle RSS", largest=None)),
    Goal("share-apply", "200 accounts and 50 folders until all servers have them", 3, "s", "nas",
         lambda e: worst(e, "nas", "in effect", largest=None)),
)


def shown(value, unit):
    from report import format_value
    if value is None:
        return "not measured"
    if value == 0:
        return "0"
    return f"{value:.2%}" if unit == "share" else format_value(value, unit)


def above(value, limit):
    return value is not None and limit is not None and value > limit


def shortcomings(entries, values):
    """A sentence for each figure that is worse than the goal, or than the paper's; then what is worse than a peer's."""
    sentences = []
    for goal in GOALS:
        value, why = values[goal.key], REASONS.get(goal.key, UNKNOWN)
        others = [f"where {shown(goal.limit, goal.unit)} was to be reached"] if above(value, goal.limit) else []
        others += [f"where the paper has {shown(goal.paper, goal.unit)}"] if above(value, goal.paper) else []
        if others:
            sentences.append(f"{goal.what}: {shown(value, goal.unit)}, {' and '.join(others)} ({why}).")
    return sentences + worse_than_peers(entries) + higher_costs(entries)


def first_paragraph(entries, values):
    """What is worse than it should be, and why, comes first."""
    if not entries:
        return "Nothing has been measured yet."
    sentences = shortcomings(entries, values)
    failed = [name for name, entry in entries.items() if entry["error"]]
    if failed:
        sentences.append(f"Not measured to the end: {', '.join(failed)}.")
    if not sentences:
        measured = sum(value is not None for value in values.values())
        return f"All {measured} figures that were measured are as good as they should be, and no peer was better."
    return "Where the figures are worse than they should be, or than the paper's or a peer's: " + " ".join(sentences)


def largest_file(entries):
    """The name of the largest workload of one file that the peers had on the LAN link."""
    files = [s for s in series(entries, "peers", "bytes", link="lan") if s["reference"] and " x " not in s["labels"]["workload"]]
    return max(files, key=lambda s: s["reference"], default={"labels": {"workload": None}})["labels"]["workload"]


def peers_text(entries, goal):
    """What the peers had for the same, best first."""
    if not goal.peers:
        return ""
    from report import format_value
    metric, workload, ratio = goal.peers
    if workload == LARGE:
        workload = largest_file(entries)
    found = [(value_of(s, ratio), s) for s in series(entries, "peers", metric, link="lan", workload=workload)]
    return ", ".join(f"{s['labels']['system']} {format_value(value, s['unit'], ratio)}" for value, s in
                     sorted((pair for pair in found if pair[0] is not None), key=lambda pair: pair[0])
                     if not s["labels"]["system"].startswith("ispstorage"))


def verdict(value, limit):
    return "" if value is None or limit is None else "met" if value <= limit else "**missed**"


def summary(entries):
    """The first paragraph, the ratios to limit and peers, and the goals."""
    values = {goal.key: goal.measure(entries) for goal in GOALS}
    lines = [first_paragraph(entries, values), "", *headline(entries),
             "| figure | goal, at most | measured | | run | the paper | peers |", "|---|--:|--:|---|---|--:|---|"]
    for goal in GOALS:
        value = values[goal.key]
        mode = entries[goal.benchmark]["mode"] if value is not None and goal.benchmark in entries else ""
        cells = (goal.what, "" if goal.limit is None else shown(goal.limit, goal.unit), shown(value, goal.unit),
                 verdict(value, goal.limit), mode, "" if goal.paper is None else shown(goal.paper, goal.unit),
                 peers_text(entries, goal))
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "The paper's figures are those of the prototype that T. Cruz, P. Simões and others measured (of a range the "
              "greater); the peers' are of the run in \"Beside what a user would pick instead\", where bytes are those of the "
              "busiest link. A quick run measures smaller sizes than a full one; each section says which.", ""]
    return lines
