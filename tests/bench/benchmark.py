# SPDX-License-Identifier: GPL-2.0-or-later
"""What a benchmark is, and what it leaves behind: raw values with their labels, and how the report shows them."""

import dataclasses
import inspect
import pathlib
import statistics

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of the report: the medians of one metric. rows and columns are names of labels; a value that is not
    given as format is shown as the metric's unit asks. only: labels that a series must have."""
    title: str
    metric: str
    rows: tuple
    columns: tuple
    only: dict = dataclasses.field(default_factory=dict)
    ratio: bool = False  # show value / reference instead of the value
    spread: bool = False  # show the mean and the standard deviation of the repeats instead of the median


@dataclasses.dataclass(frozen=True)
class Plot:
    """A plot of the report: one metric against a numeric label, a line for each value of the labels in lines."""
    name: str
    title: str
    metric: str
    x: str
    lines: tuple
    only: dict = dataclasses.field(default_factory=dict)
    ratio: bool = False


class Benchmark:
    """One benchmark. The class's documentation says what is measured and how; it goes into the report.

    name      as on the command line, unique
    title     heading in the report
    gateways  how many the testbed must have
    own_bed   whether it makes testbeds itself: measure() gets None, or a Bed of three gateways if it has to use that
    sizes     by mode: what measure() gets as size
    minutes   by mode: after which it is ended
    tables, plots   how the report shows the series
    """
    name = title = ""
    gateways = 3
    own_bed = False
    sizes = {}
    minutes = {"smoke": 3, "quick": 3, "full": 60}
    tables = ()
    plots = ()

    def measure(self, bed, size, record):
        """Does the work. bed: a gateways.Bed; record: a Recorder."""
        raise NotImplementedError

    @classmethod
    def description(cls):
        return inspect.cleandoc(cls.__doc__)


class Recorder:
    """Collects what a benchmark measures. A series is the raw repeats of one metric with the same labels."""

    def __init__(self, say):
        self.say = say
        self.series = {}
        self.notes = []
        self.failures = []

    def add(self, metric, value, unit, reference=None, **labels):
        """reference: what the value is to be compared with, in the same unit (the theoretical time, the payload's
        bytes); the regression checker compares value / reference."""
        key = (metric, tuple(sorted(labels.items())))
        entry = self.series.setdefault(key, {"metric": metric, "labels": labels, "unit": unit, "reference": reference,
                                             "values": []})
        entry["values"].append(value)
        text = ", ".join(f"{k} {v}" for k, v in labels.items())
        share = f", {value / reference:.3f} of the reference" if reference else ""
        self.say(f"   {metric} ({text}): {value:.6g} {unit}{share}")

    def note(self, text):
        """Something that the report has to say beside the figures."""
        if text not in self.notes:
            self.notes.append(text)
            self.say(f"   note: {text}")

    def failed(self, text):
        """A part of the benchmark did not work; the others go on."""
        self.failures.append(text)
        self.say(f"   failed: {text}")

    def result(self):
        return list(self.series.values())


def select(series, metric, **labels):
    """The series of a metric that have all these labels."""
    return [s for s in series if s["metric"] == metric and all(s["labels"].get(k) == v for k, v in labels.items())]


def value_of(series, ratio=False):
    """The median of the repeats, or of their ratios to the reference; None if there is none."""
    if not series["values"] or (ratio and not series["reference"]):
        return None
    middle = statistics.median(series["values"])
    return middle / series["reference"] if ratio else middle
