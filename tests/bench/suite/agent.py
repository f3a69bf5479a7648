# SPDX-License-Identifier: GPL-2.0-or-later
"""What the CWMP agent costs a gateway."""

import os

import agent_figures
from agent_figures import COMPRESSIONS, DELIVERED, PROGRAMS, session_bytes, session_cpu
from benchmark import ROOT, Benchmark, Table


class Agent(Benchmark):
    """The agent on a private bus of this machine, with Device:1 and its own parameters. "As delivered" is against
    ispstorage-acs, after its provisioning, both with their defaults; all else is against a scripted ACS that answers as
    ispstorage-acs does and sets HTTPCompression as the row says. Bytes are those of one session without news (Inform, empty request) on Ethernet with
    segments of 1,448 bytes; processor time is that of agent and session worker. Growth is that of the anonymous memory
    (whole pages of 4,096 bytes) and of the open descriptors over so many sessions in a row, after 250 that do not count. The peaks
    are those while the ACS gets all values, where a provider adds so many parameters; the memory at rest is that after them.
    Programs are stripped."""
    name, title = "agent", "The CWMP agent"
    own_bed = True
    sizes = {"smoke": {"repeats": 1, "cpu": 2, "sessions": (2,), "parameters": 50},
             "quick": {"repeats": 10, "cpu": 50, "sessions": (1000,), "parameters": 20_000},
             "full": {"repeats": 50, "cpu": 200, "sessions": (1000, 3000), "parameters": 20_000}}
    tables = (Table("A session without news: Ethernet bytes", "bytes", ("compression",), ("scheme",)),
              Table("The same: processor time", "CPU", ("compression",), ("scheme",)),
              Table("Idle: resident memory", "idle RSS", ("program",), ("parameters",)),
              Table("All values: peak RSS", "peak RSS", ("program",), ("parameters",)),
              Table("After that: resident memory", "RSS at rest", ("program",), ("parameters",)),
              Table("Growth of memory", "memory growth", ("program",), ("sessions",)),
              Table("Growth of open descriptors", "descriptor growth", ("program",), ("sessions",)),
              Table("Size of the program", "size", ("program",), ("stripped",)))

    def measure(self, bed, size, record):
        agent_figures.use_build(os.environ.get("ISPSTORAGE_BUILD", ROOT / "build"))
        for tls in (False, True):
            self.sessions(tls, size, record)
        self.values(size["parameters"], record)
        for program in PROGRAMS:
            record.add("size", agent_figures.stripped_size(program), "B", program=program, stripped="yes")

    @staticmethod
    def sessions(tls, size, record):
        def sessions_of(rig, compression):
            labels = {"scheme": "https" if tls else "http", "compression": compression}
            for value, _ in session_bytes(rig, size["repeats"]):
                record.add("bytes", value, "B", **labels)
            record.add("CPU", session_cpu(rig, size["cpu"]) / 1000, "CPU s", **labels)

        with agent_figures.delivered_rig(tls) as rig:
            sessions_of(rig, DELIVERED)
        with agent_figures.rig(tls) as rig:
            for compression in COMPRESSIONS:
                agent_figures.compress(rig, compression)
                sessions_of(rig, compression)
            if tls:
                return
            record.add("idle RSS", rig.memory_kib(rig.pid(), "VmRSS") * 1024, "B", program=PROGRAMS[0], parameters="own")
            for sessions, (kib, descriptors) in zip(size["sessions"], agent_figures.growth(rig, size["sessions"])):
                labels = {"program": PROGRAMS[0], "sessions": sessions}
                record.add("memory growth", kib * 1024, "B", **labels)
                record.add("descriptor growth", descriptors, "", **labels)

    @staticmethod
    def values(parameters, record):
        agent, worker, rest, _ = agent_figures.values_of(parameters)
        for program, kib in zip(PROGRAMS, (agent, worker)):
            record.add("peak RSS", kib * 1024, "B", program=program, parameters=parameters)
        record.add("RSS at rest", rest * 1024, "B", program=PROGRAMS[0], parameters=parameters)


BENCHMARKS = (Agent,)
