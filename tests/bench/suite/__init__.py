# SPDX-License-Identifier: GPL-2.0-or-later
"""All benchmarks, in the order of the report and of a run."""

import importlib

MODULES = ("peers", "transfer", "storage", "changes", "transport", "growth", "cwmp", "agent", "nas", "links")


def benchmarks():
    """The classes, by name."""
    found = {}
    for module in MODULES:
        for benchmark in importlib.import_module(f"suite.{module}").BENCHMARKS:
            found[benchmark.name] = benchmark
    return found
