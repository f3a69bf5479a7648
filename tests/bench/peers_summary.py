# SPDX-License-Identifier: GPL-2.0-or-later
"""Our system beside its peers: ratios to the limit of TCP and to the best peer, of one run."""

from benchmark import select, value_of

OWN, LIMIT = "ispstorage", "raw"
# By more than this we are not worse but within the noise of a run.
NOISE = 0.05


def comparison(entries, metric):
    """{(link, workload): {system: median}} of the benchmark "peers"."""
    found = {}
    if "peers" in entries:
        for series in select(entries["peers"]["series"], metric):
            if series["values"]:
                labels = series["labels"]
                found.setdefault((labels["link"], labels["workload"]), {})[labels["system"]] = value_of(series)
    return found


def best_peer(systems):
    peers = {name: value for name, value in systems.items() if name not in (OWN, LIMIT)}
    return min(peers.items(), key=lambda item: item[1], default=(None, None))


def worse_than_peers(entries):
    """A sentence for each metric in which a peer was better."""
    sentences = []
    for metric in ("seconds", "bytes"):
        found = []
        for (link, workload), systems in comparison(entries, metric).items():
            name, value = best_peer(systems)
            if name and OWN in systems and systems[OWN] > value * (1 + NOISE):
                found.append(f"{workload} on {link} {systems[OWN] / value:.2f} times {name}'s")
        if found:
            sentences.append(f"In {metric}: {', '.join(found)}.")
    return sentences


def headline(entries):
    """The table of ratios."""
    lines = []
    for metric in ("seconds", "bytes"):
        found = comparison(entries, metric)
        if not found:
            continue
        lines += [f"Ratios of this run, {metric}:", "", "| link | workload | to raw TCP | to the best peer | best peer |",
                  "|---|---|--:|--:|---|"]
        for (link, workload), systems in found.items():
            own, limit, (name, value) = systems.get(OWN), systems.get(LIMIT), best_peer(systems)
            to_limit = f"{own / limit:.2f}" if own and limit else ""
            to_peer = f"{own / value:.2f}" if own and value else ""
            lines.append(f"| {link} | {workload} | {to_limit} | {to_peer} | {name or ''} |")
        lines.append("")
    return lines
