# SPDX-License-Identifier: GPL-2.0-or-later
"""One synchronization by our own system, timed from outside: by what is in the folders and what the bus says."""

import contextlib
import hashlib
import os
import time

from gateways import POLL_SECONDS, Failure, Patience, number, wait_until
from meter import Meter


def identity(path):
    """Changes with every replacement and every write; None if there is nothing."""
    try:
        st = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return st.st_ino, st.st_size, st.st_mtime_ns


class Arrival:
    """Files that a gateway is to get: {path in the folder: size}. One that is there already has to be replaced."""

    def __init__(self, gateway, expected):
        self.folder = gateway.folder
        self.name = gateway.name
        self.waiting = [(os.path.join(self.folder, path), size) for path, size in reversed(expected.items())]
        self.before = {path: identity(path) for path, _ in self.waiting}

    def complete(self):
        while self.waiting:
            path, size = self.waiting[-1]
            now = identity(path)
            if now is None or now == self.before[path] or now[1] != size:
                return False
            self.waiting.pop()
        return True


def wait_arrivals(arrivals):
    """Waits until every gateway has all its files. Returns {gateway: time.time()}."""
    end, done = time.monotonic() + Patience.seconds, {}
    while len(done) < len(arrivals):
        for arrival in arrivals:
            if arrival.name not in done and arrival.complete():
                done[arrival.name] = time.time()
        if time.monotonic() > end:
            missing = [f"{a.name} lacks {a.waiting[-1][0]}" for a in arrivals if a.waiting]
            raise Failure(f"after {Patience.seconds} s: {', '.join(missing)}")
        time.sleep(POLL_SECONDS)
    return done


def place(gateway, moves):
    """Moves what was prepared beside the folder into it: {path in scratch: path in the folder}. Returns when it
    began."""
    for source in moves:
        gateway.own(gateway.scratch / source)
    start = time.time()
    for source, target in moves.items():
        os.rename(gateway.scratch / source, gateway.folder / target)
    gateway.bed.changed = time.monotonic()
    return start


def write(gateway, path, data):
    """Writes a file in the folder; returns when it was closed."""
    fd = os.open(gateway.folder / path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.fchown(fd, gateway.owner.st_uid, gateway.owner.st_gid)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
    closed = time.time()
    gateway.bed.changed = time.monotonic()
    return closed


def wait_pushed(gateway):
    """Waits until main has all that the gateway had to push; returns when it said so. BusWatch.forget() before."""
    seen = set()

    def pushed(values):
        seen.update(values)
        now = gateway.bus.values
        return "Revision" in seen and now.get("PendingChanges", "0") == "0" and now.get("State", "idle") == "idle"

    return gateway.bus.wait(f"{gateway.name} has pushed", pushed)


def wait_state(gateway, state):
    return gateway.bus.wait(f"{gateway.name} is {state}", lambda values: values.get("State") == state)


def order_pulls(gateways):
    """Lets the gateways pull, all at once; returns when."""
    opseqs = {g: int(g.property("LastOpSeq")) + 1 for g in gateways}
    start = time.time()
    for gateway, opseq in opseqs.items():
        gateway.orders.send(f"pull {opseq}")
    for gateway in gateways:
        gateway.orders.answer()
    return start


def digest(path):
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            sha.update(block)
    return sha.digest()


def verify(gateways, paths):
    """What was measured has to be right: the same bytes everywhere."""
    first, *others = gateways
    for path in paths:
        wanted = digest(first.folder / path)
        for gateway in others:
            if digest(gateway.folder / path) != wanted:
                raise Failure(f"{path} differs between {first.name} and {gateway.name}")


class Synchronization:
    """The outcome of one: seconds (from the last byte in the first folder to all of it in all others), push and pull
    seconds where they were apart, and the Meter."""

    def __init__(self, meter):
        self.meter = meter
        self.seconds = self.push = self.pull = None


def synchronize(bed, act, expected, check=True):
    """act(gateway) changes the first gateway's folder and returns when it was done; the operator signals the others."""
    first, *others = bed.gateways
    with metered(bed) as outcome:
        arrivals = [Arrival(g, expected) for g in others]
        start = act(first)
        outcome.seconds = max(wait_arrivals(arrivals).values()) - start
        bed.settle()
    if check:
        verify(bed.gateways, expected)
    return outcome


def synchronize_in_sequence(bed, act, expected, check=True):
    """The same, but the others pull only when the push is over, ordered by who measures (Bed.without_orders)."""
    first, *others = bed.gateways
    with metered(bed) as outcome:
        arrivals = [Arrival(g, expected) for g in others]
        first.bus.forget()
        start = act(first)
        pushed = wait_pushed(first)
        ordered = order_pulls(others)
        arrived = max(wait_arrivals(arrivals).values())
        outcome.push, outcome.pull, outcome.seconds = pushed - start, arrived - ordered, arrived - start
        catch_up(bed)
        bed.settle()
    if check:
        verify(bed.gateways, expected)
    return outcome


def catch_up(bed):
    """What the first gateway committed besides (it came to rest only after the push) is pulled too, when nobody else
    orders it."""
    first, *others = bed.gateways

    def at_rest():
        return (first.property("PendingChanges"), first.property("State")) == (0, "idle")

    wait_until(f"{first.name} is at rest", at_rest, Patience.seconds)
    if len({g.property("Revision") for g in bed.gateways}) > 1:
        order_pulls(others)


@contextlib.contextmanager
def metered(bed):
    bed.rest()
    with Meter(bed) as meter:
        yield Synchronization(meter)


def total_size(expected):
    return sum(expected.values())


def history(gateway):
    return number(gateway.property("Revision"))
