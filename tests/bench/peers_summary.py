# SPDX-License-Identifier: GPL-2.0-or-later
"""Our system beside its peers: ratios to the limit of TCP and to the best peer, of one run."""

from benchmark import select, value_of

OWN, PROMPT, LIMIT = "ispstorage", "ispstorage, prompt signalling", "raw"
# By more than this we are not worse but within the noise of a run.
NOISE = 0.05
UNKNOWN = "the reason is not known yet"
# Why a peer is better where it is not the signalling, by metric and a word of the workload.
REASONS = {
    ("seconds", "inserted"): "the whole file is read, named and verified on both sides, whatever changed in it",
    ("seconds", "overwritten"): "the whole file is read, named and verified on both sides, whatever changed in it",
    ("seconds", "KB"): "main advances only when the server's git has all of a push, durably, and what arrives is verified before it "
                       "is shown",
    ("bytes", "inserted"): "a chunk that changed travels whole, and the trees above it",
    ("bytes", "overwritten"): "a chunk that changed travels whole, and the trees above it",
    ("bytes", "KB"): "what the first gateway tells the operator over CWMP and the exchange of references are in it",
}
# What else is compared, where it is worst, with the reason.
COSTS = {
    "gateway CPU": "each byte is named by git's SHA-1 and verified, and a commit is made",
    "disk beyond the files": "the index and the trees of the last commits stay on the gateway, so that it knows what is its own change",
    "peer RSS": "libgit2, the index and a window of the transfer are in the largest worker",
}


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
    peers = {name: value for name, value in systems.items() if name not in (OWN, PROMPT, LIMIT)}
    return min(peers.items(), key=lambda item: item[1], default=(None, None))


def reason(metric, workload, systems, limit):
    """Signalling, if we are not worse without it; else what is known of such workloads."""
    if systems.get(PROMPT, limit + 1) <= limit:
        return "the operator's signals over CWMP are in it; the peers are told at once"
    return next((why for (of, word), why in REASONS.items() if of == metric and word in workload), UNKNOWN)


def worse_than_peers(entries):
    """A sentence for each metric and reason for which a peer was better."""
    found = {}
    for metric in ("seconds", "bytes"):
        for (link, workload), systems in comparison(entries, metric).items():
            name, value = best_peer(systems)
            if name and OWN in systems and systems[OWN] > value * (1 + NOISE):
                why = reason(metric, workload, systems, value * (1 + NOISE))
                found.setdefault((metric, why), []).append(f"{workload} on {link} {systems[OWN] / value:.2f} times {name}'s")
    return [f"{metric.capitalize()} beside the best peer: {', '.join(cases)} ({why})." for (metric, why), cases in found.items()]


def higher_costs(entries):
    """A sentence for each cost that is above the best peer's, for the workload where it is most so."""
    from report import format_value
    sentences = []
    for metric, why in COSTS.items():
        unit = next((s["unit"] for s in select(entries.get("peers", {"series": []})["series"], metric)), "")
        above = []
        for (link, workload), systems in comparison(entries, metric).items():
            name, value = best_peer(systems)
            if name and OWN in systems and systems[OWN] > value * (1 + NOISE):
                above.append((systems[OWN] / max(value, 1e-9), systems[OWN], f"{workload} on {link}", name, value))
        if above:
            _, own, where, name, value = max(above)
            sentences.append(f"{metric.removeprefix('peer ')}, {where}: {format_value(own, unit)}, where {name} has "
                             f"{format_value(value, unit)} ({why}).")
    return sentences


def ratio(value, to):
    return f"{value / to:.2f}" if value and to else ""


def headline(entries):
    """The tables of ratios."""
    lines = []
    for metric in ("seconds", "bytes"):
        found = comparison(entries, metric)
        if not found:
            continue
        lines += [f"Beside the limit (raw TCP) and the best peer, {metric}; \"prompt\" is ours told at once by "
                  "who measures, as the peers are:", "",
                  "| link | workload | ours to raw TCP | prompt to raw TCP | best peer | its to raw TCP | ours to it | prompt to it |",
                  "|---|---|--:|--:|---|--:|--:|--:|"]
        for (link, workload), systems in found.items():
            own, prompt, limit, (name, best) = systems.get(OWN), systems.get(PROMPT), systems.get(LIMIT), best_peer(systems)
            cells = (link, workload, ratio(own, limit), ratio(prompt, limit), name or "", ratio(best, limit), ratio(own, best),
                     ratio(prompt, best))
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    if lines:
        lines += ["The absolute values are in \"Beside what a user would pick instead\".", ""]
    return lines
