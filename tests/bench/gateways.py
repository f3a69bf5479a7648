# SPDX-License-Identifier: GPL-2.0-or-later
"""The testbed as benchmarks see it: its hosts from outside, their folders, buses, links, and what their processes
cost."""

import contextlib
import json
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scenarios"))
from harness import (FOLDER, SYNC, SYNC_INTERFACE, SYNC_OBJECT, VOLUME, Failure, Testbed, wait_until)  # noqa: E402
import bed as bed_module  # noqa: E402  (the testbed's own module, found by harness)

CGROUPS = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")
SYNCD = "system.slice/ispstorage-syncd.service"
# The repositories' side: sshd, its sessions and the git in them.
SSH_SERVER = ("system.slice/ssh.service", "user.slice")
# What runs in a host's network and limits, but is not the host's.
PEERS = "../peers"
CWMP_PORTS = (7547, 7557)
SSH_PORT = 22

# A gateway has one core's share and 512 MB, as the paper's had.
GATEWAY_MEMORY_MIB = 512
GATEWAY_CPUS = 1
GATEWAY_DISK_MIB = 12 * 1024
# Benchmarks delete as much as they like.
NO_GUARDS = {"MaxDeletePercent": 100, "MaxDeleteCount": 0}
POLL_SECONDS = 0.001
CALM_POLL_SECONDS = 0.2


class Patience:
    """How long is waited for what does not come. The slowest transfer of a full run takes about half an hour."""
    seconds = 3600


class Pace:
    """The least time between two measured changes: syncd takes a first change at once, and lets those of a series
    wait for each other until there was none for half a second (DIRTY_QUIET_USEC)."""
    seconds = 1.0


class Node:
    """A host of the testbed."""

    def __init__(self, bed, name):
        self.bed = bed
        self.name = name
        host = bed.testbed.host(name)
        self.namespace = host.namespace
        self.command = host.command()
        self.root = pathlib.Path(f"/proc/{host.init()}/root")
        self.cgroup = next(pathlib.Path(tree, self.namespace, "payload") for tree in CGROUPS
                           if os.path.exists(f"{tree}/{self.namespace}/payload"))
        self.bus = None

    def execute(self, *argv, **options):
        """Runs a command inside."""
        return self.bed.testbed.execute(self.name, *argv, **options)

    def in_network(self, *argv):
        """The command line that runs one of the machine's own programs in the host's network."""
        return ["ip", "netns", "exec", self.namespace, *map(str, argv)]

    def limited(self, *argv):
        """The same, with the host's limits of memory and processor time, and counted in the unit PEERS of
        cpu_seconds()."""
        own = self.cgroup / PEERS
        own.mkdir(exist_ok=True)
        groups = [f"/sys/fs/cgroup/{controller}/{self.namespace}/cgroup.procs" for controller in ("memory", "cpu")]
        script = 'while [ "$1" != -- ]; do echo 0 >"$1" || exit 1; shift; done; shift; exec "$@"'
        return ["sh", "-c", script, "sh", *filter(os.path.exists, groups), f"{own}/cgroup.procs", "--",
                *self.in_network(*argv)]

    def oom_kills(self):
        """How many processes the host's limit of memory has ended."""
        total = 0
        for path in (f"/sys/fs/cgroup/memory/{self.namespace}/memory.oom_control", self.cgroup.parent / "memory.events"):
            with contextlib.suppress(FileNotFoundError), open(path, encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("oom_kill "))
        return total

    def cpu_seconds(self, *units):
        """Processor time that units (their cgroups) have taken, their past processes included."""
        total = 0
        for unit in units:
            with contextlib.suppress(FileNotFoundError):
                text = (self.cgroup / unit / "cpu.stat").read_text()
                total += int(text.split()[1])
        return total / 1e6

    def processes(self, unit):
        with contextlib.suppress(FileNotFoundError):
            return [int(pid) for pid in (self.cgroup / unit / "cgroup.procs").read_text().split()]
        return []


class Gateway(Node):
    def __init__(self, bed, name):
        super().__init__(bed, name)
        self.volume = self.root / "srv/ispstorage" / VOLUME
        self.folder = self.volume / FOLDER
        self.staging = self.volume / ".ispstorage"
        self.state = self.root / "var/lib/ispstorage/sync"
        self.scratch = self.volume / ".bench"  # on the folder's file system, and outside of it
        self.scratch.mkdir(exist_ok=True)
        self.owner = os.stat(self.folder)
        self.bus = BusWatch(self.command)
        self.orders = Orders(self.command)

    def close(self):
        self.bus.close()
        self.orders.close()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def properties(self, *names):
        """Properties of the synchronization object, by one look at them."""
        out = self.execute("busctl", "--json=short", "get-property", "org.ispstorage.Sync1", SYNC_OBJECT, SYNC_INTERFACE,
                           *names)
        return [json.loads(line)["data"] for line in out.splitlines()]

    def property(self, name):
        return self.properties(name)[0]

    def at_rest(self):
        return self.properties("PendingChanges", "State") == [0, "idle"]

    def set_property(self, name, signature, value, interface=SYNC_INTERFACE, path=SYNC_OBJECT):
        self.execute("busctl", "set-property", "org.ispstorage.Sync1", path, interface, name, signature, str(value))

    def guard(self, name):
        out = self.execute("busctl", "--json=short", "get-property", "org.ispstorage.Sync1", f"{SYNC_OBJECT}/Guard",
                           f"{SYNC_INTERFACE}.Guard", name)
        return json.loads(out)["data"]

    def set_guards(self, limits):
        for limit, value in limits.items():
            self.set_guard(limit, "u", value)

    def set_guard(self, name, signature, value):
        self.set_property(name, signature, value, f"{SYNC_INTERFACE}.Guard", f"{SYNC_OBJECT}/Guard")

    def own(self, path):
        """Gives a file or a tree to the owner of the folder, as the LAN's servers do."""
        os.chown(path, self.owner.st_uid, self.owner.st_gid)
        for directory, directories, files in os.walk(path):
            for name in directories + files:
                os.chown(os.path.join(directory, name), self.owner.st_uid, self.owner.st_gid)

    def disk_used(self):
        """Bytes on disk beyond the user's files: state and staging."""
        return disk_usage(self.state), disk_usage(self.staging)


class BusWatch:
    """Hears the signals of the synchronization service; each with the time at which it was sent."""

    def __init__(self, command):
        self.signals = queue.Queue()
        self.values = {}
        self.process = subprocess.Popen([*command, "busctl", "--json=short", "monitor", "org.ispstorage.Sync1"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True)
        self.process.stdout.readline()  # "Monitoring bus message stream."
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            with contextlib.suppress(ValueError, KeyError):
                message = json.loads(line)
                if message["member"] == "ValuesChanged":
                    self.signals.put((message["timestamp-realtime"] / 1e6,
                                      {n.removeprefix(f"{SYNC}."): v for n, _, v in message["payload"]["data"][0]}))

    def forget(self):
        """Only what comes from now on counts."""
        with contextlib.suppress(queue.Empty):
            while True:
                self.signals.get_nowait()

    def wait(self, what, condition):
        """Waits for a signal whose values satisfy the condition; returns when it was sent (time.time())."""
        end = time.monotonic() + Patience.seconds
        while True:
            try:
                when, values = self.signals.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                raise Failure(f"after {Patience.seconds} s still not: {what}") from None
            self.values.update(values)
            if condition(values):
                return when

    def close(self):
        self.process.terminate()
        self.process.wait()


class Orders:
    """Gives the gateway what the ACS would give it, without CWMP: a shell inside that waits for lines."""

    SCRIPT = ('while read -r order; do busctl set-property org.ispstorage.Sync1 "$1" "$2" SyncOp s "$order" && echo ok || '
              'echo failed; done')

    def __init__(self, command):
        self.process = subprocess.Popen([*command, "sh", "-c", self.SCRIPT, "sh", SYNC_OBJECT, SYNC_INTERFACE],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, bufsize=1)

    def send(self, order):
        """Does not wait; answer() does."""
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()

    def answer(self):
        text = self.process.stdout.readline()
        if text != "ok\n":
            raise Failure(f"the order was refused: {text}{self.process.stdout.readline()}")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def machine(name):
    """The testbed's own view of itself."""
    return bed_module.Testbed(name, None)


class Bed:
    """A testbed that is up, with its gateways subscribed."""

    def __init__(self, name, gateways):
        self.testbed = Testbed(name)
        self.network = machine(name).network
        self.operator = Node(self, "operator")
        self.gateways = [Gateway(self, f"gw{n}") for n in range(1, gateways + 1)]
        self.orders_by_hand = False
        self.changed = time.monotonic()
        self.network.control("classify", SSH_PORT, *CWMP_PORTS)
        for gateway in self.gateways:
            gateway.guards = {limit: gateway.guard(limit) for limit in NO_GUARDS}
            gateway.set_guards(NO_GUARDS)

    def close(self):
        """Leaves the testbed as it was."""
        self.network.control("classify")
        for gateway in self.gateways:
            gateway.set_guards(gateway.guards)
            gateway.close()

    def set_link(self, profile, gateways=None):
        for gateway in gateways or self.gateways:
            self.network.set_profile(gateway.name, profile)

    def cut(self, gateway, down=True):
        self.network.control("cut" if down else "mend", gateway.name)

    def counters(self):
        return {g.name: self.network.counters(g.name) for g in self.gateways}

    def open_operations(self):
        return [o for o in self.testbed.admin("operation", "list") if o["state"] == "ordered"]

    def confirm_deletions(self):
        for gateway in self.gateways:
            held = gateway.guard("Held")
            if held:
                gateway.set_guard("Confirm", "s", held)

    def settle(self):
        """Waits until all gateways hold the same revision, nothing is pending or ordered, and the links are still."""
        def equal():
            states = {g.name: tuple(g.properties("Revision", "PendingChanges", "State")) for g in self.gateways}
            if len(set(states.values())) != 1 or states[self.gateways[0].name][1:] != (0, "idle"):
                raise Failure(f"{states}")
            ordered = [] if self.orders_by_hand else self.open_operations()
            if ordered:
                raise Failure(f"{ordered}")
            return True

        wait_calmly("all gateways are equal", equal)
        self.still()

    def rest(self):
        """Waits until the last change is so long ago that the next one is a first one."""
        wait_until("the folder has been left alone", lambda: time.monotonic() > self.changed + Pace.seconds)

    def still(self, seconds=0.3):
        """Waits until nothing has gone over any link for a while."""
        before, since = None, time.monotonic()

        def unchanged():
            nonlocal before, since
            now = self.counters()
            if now != before:
                before, since = now, time.monotonic()
            return time.monotonic() - since > seconds

        wait_until("the links are still", unchanged)

    @contextlib.contextmanager
    def without_orders(self, gateways):
        """The operator's orders do not reach these gateways; who measures gives them."""
        for gateway in gateways:
            gateway.execute("systemctl", "stop", "ispstorage-agent")
        self.orders_by_hand = True
        try:
            yield
        finally:
            self.orders_by_hand = False
            for gateway in gateways:
                gateway.execute("systemctl", "start", "ispstorage-agent")


@contextlib.contextmanager
def up(name, gateways, link="lan", provisioned=True):
    """A new testbed of that name. Yields a Bed (provisioned) or the harness's Testbed."""
    testbed = Testbed(name)
    testbed("down", check=False)
    try:
        testbed("up", "--gateways", gateways, "--link", link, "--memory", GATEWAY_MEMORY_MIB, "--cpus", GATEWAY_CPUS,
                "--disk", GATEWAY_DISK_MIB, *([] if provisioned else ["--bare"]))
        if not provisioned:
            yield testbed
            return
        bed = Bed(name, gateways)
        try:
            bed.settle()
            yield bed
        finally:
            bed.close()
    finally:
        testbed("down", check=False)


@contextlib.contextmanager
def borrowed(name):
    """A testbed that is up, with all its gateways; afterwards its folders are empty again and its links as they
    were."""
    bed = Bed(name, sum(host.startswith("gw") for host in machine(name).hosts))
    bed.confirm_deletions()
    try:
        bed.settle()
        yield bed
    finally:
        bed.set_link("lan")
        empty(bed)
        bed.close()


def empty(bed):
    """Removes what is in the folder, and waits until it is gone everywhere. An emptied folder is held until
    confirmed."""
    source = bed.gateways[0]
    if not any(source.folder.iterdir()):
        return
    for entry in list(source.folder.iterdir()):
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()

    def gone():
        bed.confirm_deletions()
        return not any(any(g.folder.iterdir()) for g in bed.gateways)

    wait_calmly("all folders are empty", gone)
    bed.settle()


def wait_calmly(what, condition):
    """wait_until() for what costs the gateways something to ask for, and nobody times."""
    def paced():
        found = None
        try:
            found = condition()
        finally:
            if not found:
                time.sleep(CALM_POLL_SECONDS)
        return found

    return wait_until(what, paced, Patience.seconds)


def number(revision):
    return int(revision.partition(".")[0] or 0)


def disk_usage(directory):
    """Bytes that the blocks of everything below take, as du counts them."""
    total = 0
    with contextlib.suppress(FileNotFoundError):
        total = os.lstat(directory).st_blocks * 512
    for parent, directories, files in os.walk(directory):
        for name in directories + files:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(parent, name)).st_blocks * 512
    return total
