#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs benchmarks on testbeds, keeps what they measured, and makes the report. Started by ./bench, which has built
everything."""

import argparse
import contextlib
import json
import os
import pathlib
import sys
import time
import traceback

import environment
import gateways
import limits
import parts
import regression
import report
import suite
from benchmark import ROOT, Recorder
from gateways import Failure
from suite.transfer import LINKS

HERE = pathlib.Path(__file__).resolve().parent
RESULTS = HERE / "results"
DEFAULT_NAME = "bench"
PATIENCE_SECONDS = {"smoke": 60, "quick": 90, "full": 3600}


def say(text):
    print(text, flush=True)


def on_a_bed(benchmark, size, bed_name, shared, recorder):
    if shared or benchmark.own_bed:
        benchmark().measure(shared, size, recorder)
    else:
        with gateways.up(bed_name, benchmark.gateways) as bed:
            benchmark().measure(bed, size, recorder)
    if recorder.failures:
        raise Failure("; ".join(recorder.failures))


def summary(error):
    """For the report, which is read elsewhere: the first line, without where the project lies on this machine."""
    first = str(error).partition("\n")[0].replace(f"{ROOT}/", "")
    return f"{type(error).__name__}: {first}"


def measure(benchmark, arguments, bed_name, shared, seconds):
    """Runs one benchmark for at most so many seconds; returns its entry for the results. shared: a Bed to use, or None
    for testbeds of its own."""
    mode, links = arguments.mode, arguments.link if parts.has_links(benchmark) else None
    recorder, size = Recorder(say), benchmark.sizes[mode]
    options = [f"--{mode}"]
    if links:
        options += [f"--link={link}" for link in links]
        size = parts.restricted(size, links)
    entry = {"mode": mode, "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "sizes": size,
             "command": f"./bench {' '.join(options)} {benchmark.name}", "environment": environment.describe(), "error": None}
    entry["busy"] = environment.busy_share()
    start = time.monotonic()
    try:
        with limits.limited(seconds):
            on_a_bed(benchmark, size, bed_name, shared, recorder)
    except (Exception, limits.TimeUp) as error:  # pylint: disable=broad-exception-caught
        # What one benchmark does not survive is told in its place in the report; the others still run.
        if not isinstance(error, Failure):
            traceback.print_exc()
        entry["error"] = summary(error)
        say(f"not ok {benchmark.name}: {error}")
    entry["seconds"] = round(time.monotonic() - start, 1)
    entry["series"], entry["notes"] = recorder.result(), recorder.notes
    return entry


def load(path):
    return json.loads(path.read_text()) if path.exists() else {"format": 1, "benchmarks": {}}


def dump(results):
    """JSON with a series on a line, so that a difference of two files can be read."""
    series = {name: entry.pop("series") for name, entry in results["benchmarks"].items()}
    for name in series:
        results["benchmarks"][name]["series"] = f"series of {name}"
    text = json.dumps(results, indent=1, sort_keys=True)
    for name, found in series.items():
        lines = ",\n".join(f"   {json.dumps(one, sort_keys=True)}" for one in found)
        text = text.replace(json.dumps(f"series of {name}"), f"[\n{lines}\n  ]")
        results["benchmarks"][name]["series"] = found
    return text + "\n"


def save(path, results):
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text(dump(results))
    temporary.rename(path)


def parse_arguments(known):
    names = "\n".join(f"  {name:12} {b.title}" for name, b in known.items())
    parser = argparse.ArgumentParser(
        prog="bench", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measures the system and its peers on testbeds of its own, keeps the raw values in\n"
                    "tests/bench/results/MODE.json, regenerates docs/benchmarks.md, and says what got worse than the\n"
                    "values that were committed.",
        epilog=f"benchmarks:\n{names}\n\nResults of benchmarks that are not named stay as they are.")
    mode = parser.add_mutually_exclusive_group()
    for name, text in (("quick", f"about 20 minutes in all, ended after {limits.RUN_MINUTES['quick']} (default)"),
                       ("full", "up to 6 hours in all"),
                       ("smoke", "tiny sizes: whether they work, nothing else; the report is left alone")):
        mode.add_argument(f"--{name}", dest="mode", action="store_const", const=name, help=text)
    parser.set_defaults(mode="quick")
    parser.add_argument("--report", action="store_true", help="measure nothing; only regenerate the report, and compare")
    parser.add_argument("--link", action="append", choices=LINKS, help="only this access link, where a benchmark has several; "
                        "can be given again. What other runs of the same mode had of the other links stays")
    parser.add_argument("--output", metavar="FILE", type=pathlib.Path, help="keep the values there, and make no report")
    parser.add_argument("--testbed", metavar="NAME",
                        help="use this testbed, which is up (its folders are emptied), instead of new ones")
    parser.add_argument("--list", action="store_true", help="show the benchmarks and what each does")
    parser.add_argument("names", metavar="NAME", nargs="*", help="only these benchmarks")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(known)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}: see --list")
    return arguments


def show(known):
    for name, benchmark in known.items():
        print(f"{name}: {benchmark.title}\n")
        print("".join(f"    {line}\n" for line in benchmark.description().splitlines()))


def run(arguments, known, path):
    gateways.Patience.seconds = PATIENCE_SECONDS[arguments.mode]
    if arguments.mode == "smoke":
        gateways.Pace.seconds = 0
    with contextlib.ExitStack() as stack:
        shared = stack.enter_context(gateways.borrowed(arguments.testbed)) if arguments.testbed else None
        return run_all(arguments, known, path, shared)


def run_all(arguments, known, path, shared):
    """Returns the names of those that failed."""
    chosen = arguments.names or list(known)
    busy = environment.busy_share()
    if arguments.mode != "smoke" and busy > report.BUSY_SHARE_MAX:
        say(f"This machine is busy ({busy:.0%} of its processors): times will be wrong.")
    bed_name = os.environ.get("ISPSTORAGE_TESTBED", DEFAULT_NAME)
    budget, failed = limits.Budget(arguments.mode), []
    for position, name in enumerate(chosen, 1):
        benchmark = known[name]
        say(f"\n== {name} ({position} of {len(chosen)}, {arguments.mode}): {benchmark.title}")
        seconds = budget.seconds(benchmark)
        if seconds == 0:
            failed.append(name)
            say(f"not ok {name}: not begun, the time of the run is over")
            continue
        entry = measure(benchmark, arguments, bed_name, shared, seconds)
        # Read again: a run of hours should not lose what another one wrote meanwhile.
        results = load(path)
        if arguments.link and parts.has_links(benchmark):
            entry = parts.merged(results["benchmarks"].get(name), json.loads(json.dumps(entry)), benchmark)
        results["benchmarks"][name] = entry
        save(path, results)
        if entry["error"]:
            failed.append(name)
        else:
            say(f"ok {name} ({entry['seconds']} s)")
    return failed


def main():
    known = suite.benchmarks()
    arguments = parse_arguments(known)
    if arguments.list:
        show(known)
        return 0
    path = arguments.output or (RESULTS if arguments.mode != "smoke" else ROOT / "build/bench") / f"{arguments.mode}.json"
    failed = [] if arguments.report else run(arguments, known, path)
    if failed:
        say(f"\nfailed: {', '.join(failed)}")
    if arguments.output or arguments.mode == "smoke":
        return 1 if failed else 0
    report.write(known, RESULTS)
    say(f"\nvalues in {path.relative_to(ROOT)}, report in docs/benchmarks.md")
    for line in regression.compare(regression.committed(path), load(path), arguments.names):
        say(line)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
