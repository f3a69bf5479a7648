# SPDX-License-Identifier: GPL-2.0-or-later
"""What something costs while it runs: frames on the links, processor time, and peaks of memory."""

import contextlib
import os
import threading

from gateways import CWMP_PORTS, SSH_PORT, SSH_SERVER, SYNCD

SAMPLE_SECONDS = 0.01
PROGRAMS = {"ispstorage-syncd": "syncd", "ispstorage-sync-tree": "tree worker",
            "ispstorage-sync-transfer": "transfer worker"}


def status_kib(pid, field):
    """A line of /proc/PID/status in KiB; 0 if the process is gone."""
    with contextlib.suppress(OSError, ValueError):
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith(f"{field}:"):
                    return int(line.split()[1])
    return 0


def program(pid):
    with contextlib.suppress(OSError):
        name = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
        return PROGRAMS.get(name, name)
    return None


class Peaks(threading.Thread):
    """The greatest resident size of each program in a unit: VmHWM, looked at often, for short-lived processes too.
    Where two processes of one program run, the greater one counts."""

    def __init__(self, nodes, unit):
        super().__init__(daemon=True)
        self.nodes, self.unit = nodes, unit
        self.kib = {node.name: {} for node in nodes}
        self.stopped = threading.Event()
        for node in nodes:
            for pid in node.processes(unit):
                with contextlib.suppress(OSError), open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
                    file.write("5")  # the peak from now on (proc(5))

    def sample(self):
        for node in self.nodes:
            kib = self.kib[node.name]
            for pid in node.processes(self.unit):
                name, peak = program(pid), status_kib(pid, "VmHWM")
                if name:
                    kib[name] = max(kib.get(name, 0), peak)

    def run(self):
        while not self.stopped.wait(SAMPLE_SECONDS):
            self.sample()

    def stop(self):
        self.sample()
        self.stopped.set()
        self.join()
        return self.kib

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


def resident(node, unit=SYNCD):
    """Resident KiB of each program of a unit now."""
    found = {}
    for pid in node.processes(unit):
        name = program(pid)
        if name:
            found[name] = max(found.get(name, 0), status_kib(pid, "VmRSS"))
    return found


class Meter:
    """Costs between start() and stop(). Afterwards:

    wire     {gateway: {"up" or "down": bytes of all frames}}; data: those of ssh alone; cwmp: those of CWMP
    cpu      {gateway: seconds of syncd, its workers and ssh}; server_cpu: seconds of sshd and git at the operator
    peaks    {gateway: {program: KiB}}
    """

    def __init__(self, bed, gateways=None):
        self.bed = bed
        self.gateways = gateways or bed.gateways

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def _cpu(self):
        return {g.name: g.cpu_seconds(SYNCD) for g in self.gateways}

    def start(self):
        self._counters = self.bed.counters()
        self._cpus = self._cpu()
        self._server = self.bed.operator.cpu_seconds(*SSH_SERVER)
        self._peaks = Peaks(self.gateways, SYNCD)
        self._peaks.start()

    def stop(self):
        self.peaks = self._peaks.stop()
        after, cpus = self.bed.counters(), self._cpu()
        self.wire = difference(after, self._counters, lambda link: link["bytes"])
        self.data = difference(after, self._counters, lambda link: link["tcp"][str(SSH_PORT)]["bytes"])
        self.cwmp = difference(after, self._counters,
                               lambda link: sum(link["tcp"][str(port)]["bytes"] for port in CWMP_PORTS))
        self.cpu = {name: cpus[name] - self._cpus[name] for name in cpus}
        self.server_cpu = self.bed.operator.cpu_seconds(*SSH_SERVER) - self._server

    def record_peaks(self, record, **labels):
        """A series for each program: the greatest of all gateways."""
        programs = {name for peaks in self.peaks.values() for name in peaks}
        for name in sorted(programs & {*PROGRAMS.values(), "ssh"}):
            peak = max(peaks.get(name, 0) for peaks in self.peaks.values())
            record.add("peak RSS", peak * 1024, "B", program=name, **labels)


def difference(after, before, value):
    return {host: {way: value(links[way]) - value(before[host][way]) for way in links} for host, links in after.items()}


def total(wire):
    return sum(count for ways in wire.values() for count in ways.values())
