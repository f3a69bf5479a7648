#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""agent_figures.py BUILD_DIRECTORY [--quick]: what the agent costs a gateway. Bytes of an Inform session without news as on Ethernet,
over plain HTTP and TLS; CPU of such a session; resident memory, idle and with the values of 20,000 parameters; what 1,000 sessions leave
behind; sizes of the programs. Prints Markdown. The frames are counted on the loopback interface, which takes root; segments that are
larger there than on Ethernet count as what they would be."""

import argparse
import contextlib
import gzip
import os
import pathlib
import shutil
import socket
import sqlite3
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import agent_rig  # noqa: E402
from agent_rig import PASSWORD, PATIENCE, Acs, AgentTest, get_values, set_values  # noqa: E402
from operator_host import listens  # noqa: E402
from sync_server import free_port  # noqa: E402

ETHERNET, SEGMENT = 14, 1448
QUIET = 0.4  # seconds
PROGRAMS = ["ispstorage-agent", "ispstorage-agent-session", "ispstorage-agent-transfer"]
COMPRESSIONS = ("Disabled", "GZIP")
# Nobody sets anything: what ispstorage-acs makes of the agent, both with their own defaults.
DELIVERED = "as delivered"
WARM_UP_SESSIONS = 250


# What ispstorage-acs says to an Inform.
INFORM_ANSWER = ('<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:cwmp="urn:dslforum-org:cwmp-1-2">'
                 '<SOAP-ENV:Header><cwmp:ID SOAP-ENV:mustUnderstand="1">{id}</cwmp:ID></SOAP-ENV:Header><SOAP-ENV:Body>'
                 '<cwmp:InformResponse><MaxEnvelopes>1</MaxEnvelopes></cwmp:InformResponse></SOAP-ENV:Body></SOAP-ENV:Envelope>')
ANSWER_HEADERS = [('Content-Type', 'text/xml; charset=utf-8'), ('Set-Cookie', 's=0123456789abcdef')]


class Capture:
    """Ethernet bytes of the TCP connections to a port of the loopback interface."""

    def __init__(self, port):
        self.port, self.bytes, self.frames, self.ended = port, 0, 0, None
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind(("lo", 0))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.settimeout(QUIET / 2)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        # The last frames, of the connection's end, come after the session's. Others may use the interface, too.
        while not self.ended or time.monotonic() < self.ended + QUIET:
            try:
                data, address = self.socket.recvfrom(70000)
            except TimeoutError:
                continue
            if address[2] != socket.PACKET_OUTGOING:
                continue
            kind = struct.unpack_from("!H", data, 12)[0]
            if kind == 0x0800 and data[23] == 6:
                header, total = (data[14] & 15) * 4, struct.unpack_from("!H", data, 16)[0]
            elif kind == 0x86dd and data[20] == 6:
                header, total = 40, struct.unpack_from("!H", data, 18)[0] + 40
            else:
                continue
            at = ETHERNET + header
            if self.port not in struct.unpack_from("!HH", data, at):
                continue
            headers = header + (data[at + 12] >> 4) * 4
            payload = total - headers
            segments = max(1, -(-payload // SEGMENT))
            self.frames += segments
            self.bytes += payload + segments * (ETHERNET + headers)

    def stop(self):
        self.ended = time.monotonic()
        self.thread.join()
        self.socket.close()
        return self.bytes, self.frames


def answer_like_ours(handler, message):
    """A habit of the scripted ACS: a session without news takes the bytes that this project's ACS would need."""
    acs = handler.server.acs
    if message.envelope is None and not acs.to_send:
        # The last response and the end of the connection share a segment.
        handler.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        handler.close_connection = True
    if message.method != 'Inform' or acs.script:
        return False
    acs.to_send = []
    body, headers = INFORM_ANSWER.format(id=message.id).encode(), ANSWER_HEADERS
    if 'gzip' in handler.headers.get('Accept-Encoding', ''):
        body, headers = gzip.compress(body), headers + [('Content-Encoding', 'gzip')]
    handler.answer(200, body, headers)
    return True


class Rig(AgentTest):
    """The test's rig, without its framework."""

    def runTest(self):
        pass

    def session(self):
        self.inform_now()
        self.acs.session_end()
        self.until(lambda: self.state("SessionState") == "Idle")

    @property
    def port(self):
        return self.acs.server.server_port

    def pid(self):
        return self.agent.pid

    def cpu_ms(self):
        """Of the agent and of all its children that have ended: user and system."""
        fields = pathlib.Path(f"/proc/{self.pid()}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(int(f) for f in fields[11:15]) * 1000 / os.sysconf("SC_CLK_TCK")

    def memory_kib(self, pid, field):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
        return 0

    def heap_kib(self):
        """What is written to of anonymous memory: the heap, and what is like it."""
        return next(int(line.split()[1]) for line in pathlib.Path(f"/proc/{self.pid()}/smaps_rollup").read_text().splitlines()
                    if line.startswith("Anonymous:"))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid()}/fd"))


class DeliveredAcs:
    """ispstorage-acs with its defaults. There is no broker: what the agent says waits in its outbox."""
    username = "000000-Gateway-0001"

    def __init__(self, directory, tls):
        self.directory, self.port = directory, free_port()
        self.url = f"{'https' if tls else 'http'}://localhost:{self.port}/"
        pathlib.Path(directory, "acs.conf").write_text(
            f"[Server]\nListen=127.0.0.1\nPort={self.port if tls else 0}\nHTTPPort={0 if tls else self.port}\n"
            f"Certificate={directory}/acs.pem\nKey={directory}/acs.key\nDatabase={directory}/acs.db\n[Broker]\nPort={free_port()}\n")
        program = [f"{agent_rig.BUILD}/operator/acs/ispstorage-acs", f"--config={directory}/acs.conf"]
        subprocess.run([*program, f"--set-password={self.username}"], input=PASSWORD, check=True, text=True)
        self.process = subprocess.Popen(program, stderr=subprocess.DEVNULL)

    def count(self, rows):
        with contextlib.closing(sqlite3.connect(f"file:{self.directory}/acs.db?mode=ro", uri=True, timeout=PATIENCE)) as database:
            return database.execute(f"SELECT count(*) FROM {rows}").fetchone()[0]

    def close(self):
        self.process.terminate()
        self.process.wait(PATIENCE)


class DeliveredRig(Rig):
    """The rig with an ACS that is none of its own."""

    @property
    def port(self):
        return self.acs.port

    def session(self):
        informs = self.acs.count("outbox")
        self.inform_now()
        self.until(lambda: self.acs.count("outbox") > informs)
        self.until(lambda: self.state("SessionState") == "Idle")


def use_build(directory):
    agent_rig.BUILD = os.path.abspath(directory)


@contextlib.contextmanager
def rig(tls=False, many=0):
    """An agent after its first session, with a provider of so many parameters if there are to be some."""
    r, provider = Rig(), None
    try:
        r.setUp()
        if tls:
            make_certificate(r.directory)
        if many:
            r.provider("many", "com.example.Many1", "X_000000_Many.")
            provider = subprocess.Popen([f"{agent_rig.BUILD}/tests/bench/many-values", str(many)], env=r.environment)
            r.until(lambda: "com.example.Many1" in r.bus_call("list", "--acquired"))
        acs = Acs(tls=r.directory if tls else None)
        acs.habit = answer_like_ours
        r.start_agent(acs)
        r.acs.inform()
        r.acs.session_end()
        r.until(lambda: r.state("SessionState") == "Idle")
        yield r
    finally:
        if provider:
            provider.kill()
            provider.wait(PATIENCE)
        r.doCleanups()


@contextlib.contextmanager
def delivered_rig(tls=False):
    """An agent that ispstorage-acs has provisioned, both as they are delivered."""
    r = DeliveredRig()
    try:
        r.setUp()
        if tls:
            make_certificate(r.directory)
        acs = DeliveredAcs(r.directory, tls)
        r.addCleanup(acs.close)
        r.until(lambda: listens(acs.port))
        r.start_agent(acs)
        r.until(lambda: acs.count("device WHERE provisioned"))
        r.until(lambda: r.state("SessionState") == "Idle")
        r.session()
        yield r
    finally:
        r.doCleanups()


def compress(r, compression):
    r.call(set_values("", ("Device.ManagementServer.HTTPCompression", "string", compression)))
    r.acs.session_end()
    r.until(lambda: r.state("SessionState") == "Idle")


def make_certificate(directory):
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=directory)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
            "-subj", "/CN=ca")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "acs.key", "-out", "acs.csr",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    openssl("x509", "-req", "-in", "acs.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-out", "acs.pem", "-copy_extensions", "copy")


def session_bytes(r, sessions):
    """Bytes and frames of each of some sessions."""
    results = []
    for _ in range(sessions):
        capture = Capture(r.port)
        r.session()
        results.append(capture.stop())
    return results


def session_cpu(r, sessions):
    before = r.cpu_ms()
    for _ in range(sessions):
        r.session()
    return (r.cpu_ms() - before) / sessions


def peak_of_values(r):
    """Peaks of the agent and of the session worker while the ACS gets all values, in KiB; and the answer."""
    peaks, ended = {}, threading.Event()

    def watch():
        while not ended.is_set():
            for child in pathlib.Path(f"/proc/{r.pid()}/task/{r.pid()}/children").read_text().split():
                try:
                    peaks[child] = max(peaks.get(child, 0), r.memory_kib(child, "VmHWM"))
                except OSError:
                    pass
            time.sleep(0.002)
    thread = threading.Thread(target=watch)
    thread.start()
    answer, = r.call(get_values("Device."))
    r.acs.session_end()
    ended.set()
    thread.join()
    return r.memory_kib(r.pid(), "VmHWM"), max(peaks.values(), default=0), answer


def growth(r, counts):
    """By how much the anonymous memory (KiB) and the open descriptors have grown after each of these numbers of sessions, in ascending
    order. The first sessions fill caches and do not count."""
    for _ in range(min(counts[-1], WARM_UP_SESSIONS)):
        r.session()
    before, done, grown = (r.heap_kib(), r.descriptors()), 0, []
    for count in counts:
        for _ in range(count - done):
            r.session()
        done = count
        grown.append((r.heap_kib() - before[0], r.descriptors() - before[1]))
    return grown


def values_of(count):
    """The peaks, what the agent has afterwards, and the size of the answer, with so many parameters."""
    with rig(many=count) as r:
        compress(r, "Disabled")
        agent, worker, answer = peak_of_values(r)
        r.until(lambda: r.state("SessionState") == "Idle")
        rest = r.memory_kib(r.pid(), "VmRSS")
    if len(answer.values()) < count:
        raise RuntimeError("the answer has not all values")
    return agent, worker, rest, len(answer.raw)


def stripped_size(program):
    with tempfile.NamedTemporaryFile() as copy:
        shutil.copy(f"{agent_rig.BUILD}/agent/{program}", copy.name)
        subprocess.run(["strip", copy.name], check=True)
        return os.path.getsize(copy.name)


def row(what, value, goal=""):
    print(f"| {what} | {value} | {goal} |", flush=True)


def measure_bytes(r, tls, compression, quick):
    name = f"{'https' if tls else 'http'}, {compression}"
    goal = "3,000" if compression == DELIVERED and not tls else "reported"
    try:
        results = session_bytes(r, 1 if quick else 10)
        size, frames = (statistics.median(column) for column in zip(*results))
        row(f"Inform session without news, {name}: Ethernet bytes (frames)", f"{size:,.0f} ({frames:.0f})", goal)
    except PermissionError:
        row(f"Inform session without news, {name}: Ethernet bytes", "not measured: takes root", goal)
    cpu = session_cpu(r, 2 if quick else 100)
    row(f"the same: CPU of agent and session worker, ms ({name})", f"{cpu:.1f}", "reported" if tls else "20")


def measure_sessions(quick):
    counts = (2,) if quick else (1000, 3000)
    for tls in (False, True):
        with delivered_rig(tls) as r:
            measure_bytes(r, tls, DELIVERED, quick)
        with rig(tls) as r:
            for compression in COMPRESSIONS:
                compress(r, compression)
                measure_bytes(r, tls, compression, quick)
            if tls:
                continue
            row("idle agent: resident, KiB", f"{r.memory_kib(r.pid(), 'VmRSS'):,}", "6,144")
            for count, (memory, descriptors) in zip(counts, growth(r, counts)):
                row(f"growth of anonymous memory, KiB, and of descriptors over {count:,} sessions", f"{memory:,}, {descriptors}", "0, 0")


def measure_values(count):
    agent, worker, rest, size = values_of(count)
    row(f"values of {count:,} parameters ({size:,} bytes of XML): peak of the agent, KiB", f"{agent:,}", "16,384")
    row("the same: peak of the session worker, KiB", f"{worker:,}", "16,384")
    row("the agent afterwards: resident, KiB", f"{rest:,}", "6,144")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it works")
    arguments = parser.parse_args()
    use_build(arguments.build)

    print("| figure | measured | goal |\n|---|--:|--:|")
    measure_sessions(arguments.quick)
    measure_values(50 if arguments.quick else 20000)
    for program in PROGRAMS:
        row(f"{program}, stripped: bytes", f"{stripped_size(program):,}", "600,000")


if __name__ == "__main__":
    main()
