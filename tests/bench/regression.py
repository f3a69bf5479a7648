# SPDX-License-Identifier: GPL-2.0-or-later
"""What got worse than the committed values by more than the noise.

Compared are ratios: a median over its reference (theoretical time, payload), or, where there is none, the value itself; seconds
of processor over the machine's own speed. Rates are better when greater, all else when smaller. The noise of a unit is the median relative
deviation of the repeats of all its series in both runs; a difference counts above three times that of a median of as many
repeats, and above a floor."""

import json
import math
import statistics
import subprocess

from benchmark import ROOT

FACTOR = 3
# Below this a difference does not matter, whatever the noise: wall time on a machine that is not idle, bytes, memory.
FLOORS = {"s": 0.10, "CPU s": 0.10, "B": 0.02}
FLOOR = 0.05
REPEATS_MIN = 2
BETTER_WHEN_GREATER = "bit/s"
# What validates the links has no better and worse, a slope is made of values that are compared themselves, and chance is no figure of ours.
NOT_COMPARED = {"slope", "counted", "loss", "round trip", "chance"}


def committed(path):
    """The results at HEAD; empty where there are none."""
    name = path.resolve().relative_to(ROOT)
    done = subprocess.run(["git", "-c", "safe.directory=*", "-C", str(ROOT), "show", f"HEAD:{name}"],
                          capture_output=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {"benchmarks": {}}


def keyed(entry):
    return {(s["metric"], tuple(sorted(s["labels"].items()))): s for s in entry.get("series", [])}


def comparable(series, entry):
    """The number that is compared."""
    middle = statistics.median(series["values"])
    if series["reference"]:
        return middle / series["reference"]
    if series["unit"] == "CPU s":
        return middle / (entry["environment"].get("sha1_64mb_seconds") or 1)
    return middle


def deviations(series):
    values = series["values"]
    middle = statistics.median(values)
    if len(values) < REPEATS_MIN or middle <= 0:
        return []
    return [statistics.stdev(values) / middle]


def noise(entries):
    """Relative deviation of one repeat, by unit."""
    found = {}
    for entry in entries:
        for series in entry.get("series", []):
            found.setdefault(series["unit"], []).extend(deviations(series))
    return {unit: statistics.median(values) for unit, values in found.items() if values}


def threshold(unit, deviation, *repeats):
    """The relative difference of two medians that is more than noise."""
    spread = deviation.get(unit, 0) * math.sqrt(sum(1 / n for n in repeats))
    return max(FACTOR * spread, FLOORS.get(unit, FLOOR))


def compare_entries(name, old, new, deviation):
    """Yields (relative change, line) for what differs beyond the noise."""
    before = keyed(old)
    for key, series in keyed(new).items():
        other = before.get(key)
        if series["metric"] in NOT_COMPARED or not other or not series["values"] or not other["values"]:
            continue
        was, now = comparable(other, old), comparable(series, new)
        limit = threshold(series["unit"], deviation, len(other["values"]), len(series["values"]))
        # Overheads may be about nothing, where a relative change says nothing.
        change = (now - was) / max(abs(was), 1e-3)
        if series["unit"] == BETTER_WHEN_GREATER:
            change = -change
        if abs(change) > limit:
            labels = ", ".join(f"{k} {v}" for k, v in series["labels"].items())
            yield change, (f"{'worse' if change > 0 else 'better'}: {name}: {series['metric']} ({labels}): "
                           f"{was:.4g} -> {now:.4g} ({change:+.0%}, noise {limit:.0%})")


def compare(old, new, names=()):
    """Lines: what got worse, what got better, and how much noise there was. names: only these benchmarks."""
    pairs = {name: (old["benchmarks"][name], entry) for name, entry in new["benchmarks"].items()
             if name in old["benchmarks"] and (not names or name in names)}
    if not pairs:
        return ["nothing is committed that this could be compared with"]
    deviation = noise([entry for pair in pairs.values() for entry in pair])
    found = [change for name, (was, now) in pairs.items() for change in compare_entries(name, was, now, deviation)]
    lines = [line for _, line in sorted(found, reverse=True)]
    spread = ", ".join(f"{unit} {value:.1%}" for unit, value in sorted(deviation.items()))
    worse = sum(change > 0 for change, _ in found)
    return lines + [f"{worse} worse, {len(found) - worse} better than the committed values (deviation of repeats: "
                    f"{spread or 'not known'})"]
