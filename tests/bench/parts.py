# SPDX-License-Identifier: GPL-2.0-or-later
"""A benchmark measured in parts, some links at a time: what the results keep of each part, and how they come together."""

import json

from suite.transfer import LINKS

# What an entry of the results has of the run that made it.
RUN = ("command", "date", "seconds", "busy", "error", "environment")


def restricted(sizes, links):
    """The sizes of a benchmark without all other links."""
    if isinstance(sizes, dict):
        return {key: restricted(value, links) for key, value in sizes.items() if key not in LINKS or key in links}
    if isinstance(sizes, (list, tuple)):
        return type(sizes)(value for value in sizes if value not in LINKS or value in links)
    return sizes


def has_links(benchmark):
    return "links" in benchmark.sizes["full"]


def links_of(entry):
    """Those that an entry has values of."""
    return [link for link in LINKS if link in entry["sizes"].get("links", ())]


def parts_of(entry):
    """The runs that an entry is made of, each with the links that it measured."""
    return entry.get("parts") or [{"links": links_of(entry), **{key: entry.get(key) for key in RUN}}]


def merged(old, new, benchmark):
    """The entry of a run of some links (new) with what an earlier entry of the same mode, or None, has of the others."""
    measured = links_of(new)
    others = [dict(part, links=[link for link in part["links"] if link not in measured]) for part in parts_of(old)] if old else []
    parts = [part for part in others if part["links"]] + parts_of(new)
    links = [link for part in parts for link in part["links"]]
    kept = [s for s in old["series"] if s["labels"].get("link") not in measured] if old else []
    order = {link: position for position, link in enumerate(LINKS)}
    return {**new, "parts": parts, "sizes": json.loads(json.dumps(restricted(benchmark.sizes[new["mode"]], links))),
            "error": "; ".join(part["error"] for part in parts if part["error"]) or None,
            "seconds": round(sum(part["seconds"] for part in parts), 1),
            "notes": list(dict.fromkeys((old["notes"] if old else []) + new["notes"])),
            "series": sorted(kept + new["series"], key=lambda s: order.get(s["labels"].get("link"), len(order)))}
