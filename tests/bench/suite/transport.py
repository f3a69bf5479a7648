# SPDX-License-Identifier: GPL-2.0-or-later
"""What a transfer costs the server, what a cut costs it, how it shares a line, and how it goes to many."""

import contextlib
import os
import time

from benchmark import Benchmark, Plot, Table
import gateways
from gateways import SSH_PORT, SYNC_INTERFACE, SYNC_OBJECT, Failure, wait_until
from meter import Meter
from payload import KB
from service import Arrival, next_pulls, order, place, synchronize, verify, wait_arrivals, wait_pushed, wait_state
from suite.transfer import rates, single, theoretical_seconds, warm
from traffic import Traffic

MB = 1000 * KB


class Server(Benchmark):
    """Processor time of sshd and git at the operator for one gateway's push of a file, and for another one's pull of
    it (their control groups, so that nothing else counts), and of syncd, its workers and ssh on the gateways. Links
    are not limited."""
    name, title = "server", "Processor time of a transfer"
    sizes = {"smoke": {"bytes": 2 * MB, "repeats": 1}, "quick": {"bytes": 200 * MB, "repeats": 2},
             "full": {"bytes": 1000 * MB, "repeats": 3}}
    tables = (Table("Processor seconds", "CPU", ("bytes",), ("side", "direction")),
              Table("Processor seconds per GB", "CPU per GB", ("bytes",), ("side", "direction")),
              Table("Seconds", "seconds", ("bytes",), ("direction",)),
              Table("Peak RSS", "peak RSS", ("direction",), ("program",)))

    def measure(self, bed, size, record):
        bed.set_link("none")
        first, second, *_ = bed.gateways
        with bed.without_orders(bed.gateways[1:]):
            for _ in range(size["repeats"]):
                moves, expected = single(first, size["bytes"])
                bed.rest()
                with Meter(bed, [first]) as push:
                    first.bus.forget()
                    start = place(first, moves)
                    push_seconds = wait_pushed(first) - start
                    bed.still()
                pulls = next_pulls([second])
                with Meter(bed, [second]) as pull:
                    arrival = Arrival(second, expected)
                    start = order(pulls)
                    pull_seconds = wait_arrivals([arrival])[second.name] - start
                    bed.still()
                verify([first, second], expected)
                for direction, meter, gateway, seconds in (("push", push, first, push_seconds),
                                                           ("pull", pull, second, pull_seconds)):
                    record.add("seconds", seconds, "s", direction=direction, bytes=size["bytes"])
                    for side, used in (("server", meter.server_cpu), ("gateway", meter.cpu[gateway.name])):
                        record.add("CPU", used, "CPU s", side=side, direction=direction, bytes=size["bytes"])
                        record.add("CPU per GB", used * 1e9 / size["bytes"], "CPU s", side=side, direction=direction,
                                   bytes=size["bytes"])
                    meter.record_peaks(record, direction=direction)
        bed.settle()


class Resume(Benchmark):
    """The same transfer uncut, and cut off twice on its way (the gateway's access link loses everything at one third
    and at two thirds of the payload's bytes on it, until the gateway says that it is offline, but no longer than 10
    s): bytes of ssh on that link, and the time that the line was up. Push on one gateway, then pull on another."""
    name, title = "resume", "A transfer cut and resumed"
    sizes = {"smoke": {"bytes": 2 * MB, "links": ("lan",), "cuts": (1,), "offline_seconds": 1},
             "quick": {"bytes": 30 * MB, "links": ("lan",), "cuts": (0, 2), "offline_seconds": 10},
             "full": {"bytes": 200 * MB, "links": ("lan", "gpon100"), "cuts": (0, 2), "offline_seconds": 10}}
    tables = (Table("Bytes on the link, parts of the payload", "bytes", ("link", "direction"), ("cuts",), ratio=True),
              Table("Seconds with the line up, parts of the theoretical time", "seconds", ("link", "direction"), ("cuts",),
                    ratio=True))

    def measure(self, bed, size, record):
        for link in size["links"]:
            bed.set_link(link)
            warm(bed)
            with bed.without_orders(bed.gateways[1:]):
                for cuts in size["cuts"]:
                    self.transfer(bed, link, size, cuts, record)
            bed.settle()

    def transfer(self, bed, link, size, cuts, record):
        first, second, *_ = bed.gateways
        payload, offline = size["bytes"], size["offline_seconds"]
        moves, expected = single(first, payload)
        push, pull = theoretical_seconds(bed, link, payload)
        bed.rest()
        with Meter(bed, [first]) as meter:
            first.bus.forget()
            start = place(first, moves)
            lost = self.cut(bed, first, "up", payload, cuts, offline)
            seconds = wait_pushed(first) - start - lost
            bed.still()
        self.record(record, meter, first, seconds, push, payload, link=link, direction="push", cuts=cuts)
        pulls = next_pulls([second])
        with Meter(bed, [second]) as meter:
            arrival = Arrival(second, expected)
            start = order(pulls)
            lost = self.cut(bed, second, "down", payload, cuts, offline)
            seconds = self.arrive(second, arrival, lost) - start - lost
            bed.still()
        self.record(record, meter, second, seconds, pull, payload, link=link, direction="pull", cuts=cuts)
        verify([first, second], expected)

    @staticmethod
    def record(record, meter, gateway, seconds, reference, size, **labels):
        record.add("bytes", sum(meter.data[gateway.name].values()), "B", size, **labels)
        record.add("seconds", seconds, "s", reference, **labels)

    @staticmethod
    def arrive(gateway, arrival, lost):
        """The pull that was cut may have ended as failed: it is ordered again, as the operator would."""
        if lost and not arrival.complete():
            order(next_pulls([gateway]))
        return wait_arrivals([arrival])[gateway.name]

    @staticmethod
    def cut(bed, gateway, way, size, cuts, offline):
        """Cuts the link so often while the payload moves. Returns for how many seconds it was down in all."""
        def moved():
            return bed.network.counters(gateway.name)[way]["bytes"]

        before, lost = moved(), 0
        for number in range(1, cuts + 1):
            share = size * number // (cuts + 1)
            wait_until("a part of the payload has moved", lambda s=share: moved() - before > s, 600)
            bed.cut(gateway)
            down = time.monotonic()
            with contextlib.suppress(Failure):
                wait_until("the gateway notices", lambda: gateway.property("State") == "offline", offline)
            bed.cut(gateway, False)
            lost += time.monotonic() - down
        return lost


class Fanout(Benchmark):
    """One file to N other gateways, all behind links of their own, signalled over CWMP; the operator's link is not
    limited. The reference is the theoretical time of one push and one pull. All hosts share this machine's cores."""
    name, title = "fanout", "1-to-N"
    own_bed = True
    sizes = {"smoke": {"receivers": (2,), "bytes": 20 * KB, "repeats": 1},
             "quick": {"receivers": (2, 8), "bytes": 10 * MB, "repeats": 2},
             "full": {"receivers": (1, 2, 4, 8), "bytes": 10 * MB, "repeats": 3}}
    tables = (Table("Seconds", "seconds", ("receivers",), ()),
              Table("In parts of the theoretical time", "seconds", ("receivers",), (), ratio=True),
              Table("Processor seconds of the server", "server CPU", ("receivers",), ()))
    plots = (Plot("fanout", "1-to-N", "seconds", "receivers", ()),)

    def measure(self, bed, size, record):
        for receivers in size["receivers"]:
            if bed:
                self.rounds(bed, receivers, size, record)
            else:
                with gateways.up(f"{os.environ.get('ISPSTORAGE_TESTBED', 'bench')}fan", receivers + 1) as own:
                    self.rounds(own, receivers, size, record)

    @staticmethod
    def rounds(bed, receivers, size, record):
        warm(bed)
        for _ in range(size["repeats"]):
            moves, expected = single(bed.gateways[0], size["bytes"])
            outcome = synchronize(bed, lambda g, m=moves: place(g, m), expected)
            reference = sum(theoretical_seconds(bed, "lan", size["bytes"]))
            record.add("seconds", outcome.seconds, "s", reference, receivers=receivers)
            record.add("server CPU", outcome.meter.server_cpu, "CPU s", receivers=receivers)


class Background(Benchmark):
    """A foreground flow (one TCP download or upload of iperf3 over the gateway's own link) alone, beside a
    synchronization in the ordinary way, and beside one with Bandwidth.Background=true: the flow's rate in parts of
    what it has alone, and the transfer's rate in parts of the link's. The flow lasts as long as the measurement; the
    transfer is a file that is larger than the link moves in that time, and is removed afterwards."""
    name, title = "background", "Background transfers beside other traffic"
    sizes = {"smoke": {"links": ("gpon30",), "directions": ("up",), "seconds": 1},
             "quick": {"links": ("gpon30",), "directions": ("up", "down"), "seconds": 6},
             "full": {"links": ("gpon30", "gpon100", "adsl16"), "directions": ("up", "down"), "seconds": 30}}
    tables = (Table("Foreground flow, parts of its rate alone", "foreground", ("link", "direction"), ("transfer",), ratio=True),
              Table("Transfer, parts of the link's rate", "transfer rate", ("link", "direction"), ("transfer",), ratio=True))

    def measure(self, bed, size, record):
        first, second, *_ = bed.gateways
        for link in size["links"]:
            down, up, _, _ = rates()[link]
            for direction in size["directions"]:
                gateway, rate = (first, up) if direction == "up" else (second, down)
                gateway.background = False
                bed.set_link("none")
                bed.set_link(link, [gateway])
                alone, _ = self.flow(bed, gateway, direction, size["seconds"])
                record.add("foreground", alone, "bit/s", alone, link=link, direction=direction, transfer="none")
                for mode in ("ordinary", "background"):
                    try:
                        self.set_background(gateway, mode == "background")
                    except Failure as refusal:
                        record.note(f"Background=true was refused: {refusal}")
                        continue
                    bed.set_link(link, [gateway])
                    beside, moved = self.beside(bed, gateway, direction, int(rate / 8 * size["seconds"] * 3),
                                                size["seconds"])
                    record.add("foreground", beside, "bit/s", alone, link=link, direction=direction, transfer=mode)
                    record.add("transfer rate", moved, "bit/s", rate, link=link, direction=direction, transfer=mode)
                self.set_background(gateway, False)

    @staticmethod
    def set_background(gateway, on):
        if on or gateway.background:
            gateway.set_property("Background", "b", str(on).lower(), f"{SYNC_INTERFACE}.Bandwidth",
                                 f"{SYNC_OBJECT}/Bandwidth")
        gateway.background = on

    @staticmethod
    def flow(bed, gateway, direction, seconds):
        """Received bit/s of the foreground flow, and bit/s of ssh beside it."""
        def moved():
            return bed.network.counters(gateway.name)[direction]["tcp"][str(SSH_PORT)]["bytes"]

        before, start = moved(), time.monotonic()
        result = Traffic(bed.network).iperf(f"--time={seconds}", *(["--reverse"] if direction == "down" else []),
                                            host=gateway.name, timeout=seconds + 60)
        ssh = (moved() - before) * 8 / (time.monotonic() - start)
        return result["end"]["sum_received"]["bits_per_second"], ssh

    def beside(self, bed, gateway, direction, size, seconds):
        """The flow while a large file is on its way; the rest of that then goes at full speed."""
        first = bed.gateways[0]
        moves, expected = single(first, size)
        arrivals = [Arrival(g, expected) for g in bed.gateways[1:]]
        gateway.bus.forget()
        place(first, moves)
        wait_state(gateway, "pushing" if direction == "up" else "pulling")
        measured = self.flow(bed, gateway, direction, seconds)
        bed.set_link("none")
        wait_arrivals(arrivals)
        bed.settle()
        return measured


BENCHMARKS = (Server, Resume, Fanout, Background)
