# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/benchmarks.md from the results: every figure in it comes from there."""

import json
import statistics

import goals
import parts
import plots
from benchmark import ROOT, select, value_of

REPORT = ROOT / "docs/benchmarks.md"
PLOTS = ROOT / "docs/benchmarks"
# A full run's values are better than a quick one's.
PREFERENCE = ("full", "quick")
# Of the processors, by other work when a benchmark begins.
BUSY_SHARE_MAX = 0.2
NO_DATA = "*Not measured yet.*"


def load(directory):
    """The entry of each benchmark that is to be shown."""
    entries = {}
    for mode in reversed(PREFERENCE):
        path = directory / f"{mode}.json"
        if path.exists():
            entries.update(json.loads(path.read_text())["benchmarks"])
    return entries


def format_bytes(value):
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if abs(value) >= size:
            return f"{value / size:.4g} {unit}"
    return f"{value:.4g} B"


def format_value(value, unit, ratio=False):
    if value is None:
        return ""
    if ratio:
        return f"{value:.2%}" if unit == "B" else f"{value:.3f}"
    if unit == "B":
        return format_bytes(value)
    if unit in ("s", "CPU s"):
        return f"{value * 1000:.3g} ms" if abs(value) < 0.1 else f"{value:.3g} s" if abs(value) < 100 else f"{value:.0f} s"
    return f"{value:.4g}" if unit == "" else f"{value:.4g} {unit}"


def format_label(name, value):
    if name in ("bytes", "each"):
        return format_bytes(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def cell(series, spec):
    if not spec.spread:
        return format_value(value_of(series, spec.ratio), series["unit"], spec.ratio)
    values = series["values"]
    text = format_value(statistics.mean(values), series["unit"])
    return f"{text} ({format_value(statistics.stdev(values), series['unit'])}, n={len(values)})" if len(values) > 1 else text


def in_order(values):
    """Without doubles; numbers by size, words as they came."""
    found = list(dict.fromkeys(values))
    return sorted(found) if all(isinstance(v[-1], (int, float)) for v in found) else found


def labels(series, names):
    return tuple(series["labels"].get(name, "") for name in names)


def table(series, spec):
    """Markdown of a benchmark.Table; nothing if no series fits."""
    chosen = [s for s in select(series, spec.metric, **spec.only) if s["values"]]
    if not chosen:
        return []
    rows, columns = ([*dict.fromkeys(labels(s, names) for s in chosen)] for names in (spec.rows, spec.columns))
    rows = in_order(rows) if spec.rows else rows
    cells = {(labels(s, spec.rows), labels(s, spec.columns)): cell(s, spec) for s in chosen}

    def head(names, values):
        return " ".join(format_label(n, v) for n, v in zip(names, values)) or spec.metric

    lines = [f"{spec.title}:", "", f"| {', '.join(spec.rows)} | {' | '.join(head(spec.columns, c) for c in columns)} |",
             f"|---|{'--:|' * len(columns)}"]
    for row in rows:
        found = " | ".join(cells.get((row, column), "") for column in columns)
        lines.append(f"| {', '.join(format_label(n, v) for n, v in zip(spec.rows, row))} | {found} |")
    return lines + [""]


def is_payload(value):
    """One of suite.transfer.payloads()."""
    return isinstance(value, list) and value[:1] in (["single"], ["multiple"])


def sizes_text(value):
    """Sizes as the report shows them: numbers, names, payloads, and lists and tables of them."""
    if is_payload(value):
        kind, files, each = value
        return format_bytes(each) if kind == "single" else f"{files:,} x {format_bytes(each)}"
    if isinstance(value, dict):
        keys = {}
        for key, inner in value.items():
            keys.setdefault(sizes_text(inner), []).append(key)
        return "; ".join(f"{', '.join(found)}: {text}" for text, found in keys.items())
    if isinstance(value, list):
        return ", ".join(f"({sizes_text(inner)})" if isinstance(inner, list) and not is_payload(inner) else sizes_text(inner)
                         for inner in value) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value)


def cut(entry, benchmark):
    """What a shorter run leaves out of a full one."""
    full = json.loads(json.dumps(benchmark.sizes["full"]))
    smaller = [key for key in full if entry["sizes"].get(key) != full[key]]
    if not smaller:
        return ""
    return " Cut: " + " ".join(f"`{key}` {sizes_text(entry['sizes'].get(key, []))} (in a full run {sizes_text(full[key])})."
                               for key in smaller)


def described_run(part, whole):
    """When, where and how one run measured. whole: whether it measured all that there is of the benchmark."""
    env = part["environment"]
    busy = part.get("busy")  # older values do not have it
    text = "" if whole else f"{', '.join(part['links'])}: "
    text += (f"`{part['command']}`, {part['date']}, {part['seconds']:.0f} s; {env['commit']}, {env['processor']}, "
             f"{env['cores']} cores, kernel {env['kernel']}.")
    if busy is not None:
        text += f" Of the processors, {busy:.0%} was busy before it."
    if (busy or 0) > BUSY_SHARE_MAX:
        text += " **The machine was busy with other work: its times say little.**"
    if part["error"]:
        text += f" **It did not end: {part['error']}**"
    return text


def described(entry, benchmark):
    """What was measured, when, where and how."""
    found = parts.parts_of(entry)
    return " ".join(described_run(part, len(found) == 1) for part in found) + cut(entry, benchmark)


def section(name, benchmark, entry):
    lines = [f"## {benchmark.title}", "", f"`{name}`. " + benchmark.description().replace("\n", " "), ""]
    if not entry or not entry["series"]:
        reason = f" ({entry['error']})" if entry else ""
        return lines + [NO_DATA + reason, ""]
    lines += [described(entry, benchmark), ""]
    lines += [f"{note}\n" for note in entry.get("notes", [])]
    for spec in benchmark.tables:
        lines += table(entry["series"], spec)
    for spec in benchmark.plots:
        if plots.draw(entry["series"], spec, PLOTS / f"{spec.name}.svg"):
            lines += [f"![{spec.title}](benchmarks/{spec.name}.svg)", ""]
    return lines


def environments(entries):
    """Each environment once, with the benchmarks that ran in it."""
    lines = ["## Environment", "", "Testbed: [tests/testbed](../tests/testbed/README.md), all hosts on one machine. Bytes are "
             "Ethernet frames without preamble and checksum, counted by the link emulator. Medians of the repeats; the raw "
             "values are in [tests/bench/results](../tests/bench/results).", ""]
    versions = {}
    for entry in entries.values():
        for program, version in entry["environment"]["versions"].items():
            versions.setdefault(program, set()).add(version)
    for name, text in (("machine", "{processor}, {cores} cores, {megabytes} MB of memory"), ("kernel", "Linux {kernel}"),
                       ("distribution", "Debian {debian}"), ("each gateway", "{gateway}")):
        found = {text.format(megabytes=round(entry["environment"].get("memory", 0) / 1e6), **entry["environment"])
                 for entry in entries.values()}
        lines += [f"- {name}: {'; '.join(sorted(found))}"] if found else []
    lines += [f"- {program}: {', '.join(sorted(filter(None, found)))}" for program, found in sorted(versions.items())]
    return lines + [""]


def write(known, directory):
    """known: the benchmark classes by name; directory: where the results are."""
    PLOTS.mkdir(exist_ok=True)
    entries = {name: entry for name, entry in load(directory).items() if name in known}
    lines = ["# Figures", "", "Made by `./bench` from the values in `tests/bench/results`; not edited by hand. Each section names the "
             "command that measured it, and the time of it; `./bench --full` measures all of it at full size.", ""]
    lines += goals.summary(entries)
    lines += environments(entries)
    for name, benchmark in known.items():
        lines += section(name, benchmark, entries.get(name))
    text = "\n".join(lines).rstrip() + "\n"
    REPORT.write_text(text)
    for plot in PLOTS.glob("*.svg"):
        if f"({PLOTS.name}/{plot.name})" not in text:
            plot.unlink()
