# SPDX-License-Identifier: GPL-2.0-or-later
"""All benchmarks, in the order of the report."""

import importlib

MODULES = ("transfer", "storage", "changes", "transport", "growth", "cwmp", "links", "nas", "peers")


def benchmarks():
    """The classes, by name."""
    found = {}
    for module in MODULES:
        for benchmark in importlib.import_module(f"suite.{module}").BENCHMARKS:
            found[benchmark.name] = benchmark
    return found
