# SPDX-License-Identifier: GPL-2.0-or-later
"""SVG plots by gnuplot."""

import shutil
import statistics
import subprocess

from benchmark import select

HEAD = """set terminal svg size 720,420 font 'sans-serif,12' background '#ffffff'
set output '{path}'
set title '{title}'
set xlabel '{x}'
set ylabel '{y}'
set key outside right
set grid
set format x '%.0s%c'
set logscale {log}
"""


def quote(text):
    return str(text).replace("'", "''")


def lines_of(series, spec):
    """{name of the line: [(x, low, median, high)]}, without what a logarithm cannot show (ratios have none)."""
    found = {}
    for entry in select(series, spec.metric, **spec.only):
        values = entry["values"]
        if spec.ratio:
            values = [v / entry["reference"] for v in values] if entry["reference"] else []
        x = entry["labels"].get(spec.x)
        if x and values and (spec.ratio or min(values) > 0):
            name = ", ".join(str(entry["labels"].get(label, "")) for label in spec.lines) or spec.metric
            found.setdefault(name, []).append((x, min(values), statistics.median(values), max(values)))
    return {name: sorted(points) for name, points in found.items()}


def draw(series, spec, path):
    """Makes the plot, with the range of the repeats as error bars. False if there is nothing to draw, or gnuplot
    cannot. Without gnuplot the one that is there stays."""
    found = lines_of(series, spec)
    if len({point[0] for points in found.values() for point in points}) < 2:
        return False
    if not shutil.which("gnuplot"):
        return path.exists()
    units = {entry["unit"] for entry in select(series, spec.metric, **spec.only)}
    script = HEAD.format(log="x" if spec.ratio else "xy", path=quote(path), title=quote(spec.title), x=quote(spec.x),
                         y="parts of the reference" if spec.ratio else quote(", ".join(units)))
    blocks = []
    for number, points in enumerate(found.values()):
        rows = "\n".join(" ".join(f"{value:g}" for value in point) for point in points)
        script += f"$data{number} << end\n{rows}\nend\n"
    for number, name in enumerate(found):
        blocks.append(f"$data{number} using 1:3:2:4 with yerrorlines lw 2 title '{quote(name)}'")
    return subprocess.run(["gnuplot"], input=script + "plot " + ", ".join(blocks) + "\n", text=True, check=False).returncode == 0
