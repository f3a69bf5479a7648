# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the emulated links are what they are set to be: by other programs than the emulator."""

import statistics

from benchmark import Benchmark, Table
from payload import KB
from suite.transfer import LINKS, rates
from traffic import INTERVAL_SECONDS, Traffic

FRAME, UDP_PAYLOAD, PING_FRAME = 1514, 1472, 98
LONG_QUEUE = 5000
SEGMENT = 1448  # TCP's payload in a full frame, with time stamps


def linkemu_cpu(network):
    """Processor seconds that the emulator has taken."""
    with open(network.pid_file, encoding="ascii") as file:
        pid = int(file.read().split()[0])
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e9


class Links(Benchmark):
    """The emulated access links against their settings, measured by other programs. Round trip: the shortest and the
    mean of ping; reference: twice the delay and the frame's time on the line. Rate: UDP offered at 1.2 times the
    rate, frames that arrive per second in the middle of the transfer; one direction, then both at once (iperf3
    --bidir, 1.2 times the faster direction's rate offered to both). TCP: one transfer; reference: the rate's share
    for payload. TCP in both directions at once: acknowledgements wait behind data in the queue of 50 frames, so an
    asymmetric link's faster direction is slower then, as it is on such lines. Loss: small UDP datagrams on a link of
    100 Mbit/s with the profile's loss, by iperf3 and by the counters. Head-room: the emulator's processor time for a
    second with both directions of the link full, from what it took for each frame of the UDP in both directions.
    Counters: frames and bytes of the emulator against a capture by tcpdump on the gateway's interface (lost frames
    down do not reach it)."""
    name, title = "links", "Validation of the links"
    gateways = 1
    sizes = {"smoke": {"links": ("lan", "adsl8"), "losses": (), "seconds": 1, "pings": 5, "counted_bytes": 50 * KB},
             "quick": {"links": LINKS, "losses": ("adsl16",), "seconds": 2, "pings": 30, "counted_bytes": 100 * KB},
             "full": {"links": LINKS, "losses": LINKS, "seconds": 10, "pings": 100, "counted_bytes": 500 * KB}}
    tables = (
        Table("Shortest and mean round trip", "round trip", ("link",), ("which",)),
        Table("The same in parts of the setting", "round trip", ("link",), ("which",), ratio=True),
        Table("UDP, parts of the set rate", "UDP rate", ("link",), ("direction",), ratio=True),
        Table("One TCP transfer, parts of what the rate leaves for payload", "TCP rate", ("link",), ("direction",), ratio=True),
        Table("UDP, both directions at once, parts of the set rate", "UDP rate, both directions", ("link",), ("direction",),
              ratio=True),
        Table("TCP, both directions at once, parts of what the rate leaves for payload", "TCP rate, both directions", ("link",),
              ("direction",), ratio=True),
        Table("Loss, parts of the setting", "loss", ("link",), ("direction", "by"), ratio=True),
        Table("Processor time of the emulator in a second, both directions full", "emulator CPU", ("link",), ()),
        Table("Counted, parts of what was captured", "counted", ("link",), ("what", "direction"), ratio=True),
    )

    def measure(self, bed, size, record):
        traffic = Traffic(bed.network)
        for link in size["links"]:
            bed.set_link(link)
            self.round_trip(traffic, link, size, record)
            self.rates(bed, traffic, link, size, record)
            if link in size["losses"]:
                self.losses(bed, traffic, link, size, record)
            self.counters(bed, traffic, link, size, record)
        bed.set_link("lan")

    @staticmethod
    def round_trip(traffic, link, size, record):
        down, up, delay, _ = rates()[link]
        expected = 2 * delay / 1e6 + PING_FRAME * 8 * (1 / down + 1 / up)
        for which, value in zip(("shortest", "mean"), traffic.ping(count=size["pings"])):
            record.add("round trip", value / 1e3, "s", expected, link=link, which=which)

    @staticmethod
    def udp(traffic, rate, size, *options):
        """What iperf3 tells of UDP at more than the rate."""
        return traffic.iperf("--udp", f"--bitrate={int(rate * 1.2)}", f"--length={UDP_PAYLOAD}",
                             f"--time={size['seconds']}", *options)

    @staticmethod
    def frames(receiver, name="sum"):
        """Frames received, in bit/s, in the middle of the transfer: its beginning fills the queue, its end empties it
        and leaves an interval that is shorter than the others."""
        sums = [interval[name] for interval in receiver["intervals"]]
        whole = [s["bits_per_second"] for s in sums if s["seconds"] > INTERVAL_SECONDS * 0.9]
        return statistics.median(whole) * FRAME / UDP_PAYLOAD

    def rates(self, bed, traffic, link, size, record):
        down, up, _, _ = rates()[link]
        seconds = f"--time={size['seconds']}"
        for direction, rate, options in (("down", down, ["--reverse"]), ("up", up, [])):
            result = self.udp(traffic, rate, size, *options)
            received = self.frames(result if options else result["server_output_json"])
            record.add("UDP rate", received, "bit/s", rate, link=link, direction=direction)
            received = traffic.iperf(seconds, *options)["end"]["sum_received"]["bits_per_second"]
            record.add("TCP rate", received, "bit/s", rate * SEGMENT / FRAME, link=link, direction=direction)
        bed.network.control("reset", "gw1")
        before = linkemu_cpu(bed.network)
        result = self.udp(traffic, max(down, up), size, "--bidir")
        used, counted = linkemu_cpu(bed.network) - before, bed.network.counters("gw1")
        frames = sum(way["frames"] + way["dropped"] for way in counted.values())
        record.add("emulator CPU", used / frames * (down + up) / (FRAME * 8), "CPU s", link=link)
        for direction, rate, received in (("down", down, self.frames(result, "sum_bidir_reverse")),
                                          ("up", up, self.frames(result["server_output_json"]))):
            record.add("UDP rate, both directions", received, "bit/s", rate, link=link, direction=direction)
        end = traffic.iperf(seconds, "--bidir")["end"]
        for direction, rate, name in (("up", up, "sum_received"), ("down", down, "sum_received_bidir_reverse")):
            record.add("TCP rate, both directions", end[name]["bits_per_second"], "bit/s", rate * SEGMENT / FRAME,
                       link=link, direction=direction)

    @staticmethod
    def losses(bed, traffic, link, size, record):
        """The profile's loss at a rate that gives a number of lost frames that means something."""
        _, _, delay, loss = rates()[link]
        if not loss:
            return
        for direction, options in (("down", ["--reverse"]), ("up", [])):
            bed.set_link("lan")
            # What a full queue drops is not what is measured.
            bed.network.control("set", "gw1", direction, 100_000_000, delay * 1000, loss, LONG_QUEUE)
            bed.network.control("reset", "gw1")
            result = traffic.iperf("--udp", "--bitrate=10M", "--length=200", f"--time={size['seconds'] * 3}", *options)
            counted = bed.network.counters("gw1")[direction]
            record.add("loss", counted["lost"] / counted["frames"], "", loss / 1e6, link=link, direction=direction,
                       by="counters")
            record.add("loss", result["end"]["sum"]["lost_percent"] / 100, "", loss / 1e6, link=link, direction=direction,
                       by="iperf3")
        bed.set_link(link)

    @staticmethod
    def counters(bed, traffic, link, size, record):
        bed.still()
        with traffic.capture() as captured:
            bed.network.control("reset", "gw1")
            traffic.iperf(f"--bytes={size['counted_bytes']}")
            traffic.iperf(f"--bytes={size['counted_bytes']}", "--reverse")
            bed.still()
            counted = bed.network.counters("gw1")
        for direction, sizes in captured.items():
            here = counted[direction]
            # What is dropped never was on the line; what is lost on the way down does not reach the interface.
            frames = here["frames"] + (here["dropped"] if direction == "up" else -here["lost"])
            record.add("counted", frames, "frames", len(sizes), link=link, what="frames", direction=direction)
            if frames == here["frames"]:
                record.add("counted", here["bytes"], "B", sum(sizes), link=link, what="bytes", direction=direction)


BENCHMARKS = (Links,)
