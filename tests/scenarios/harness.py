# SPDX-License-Identifier: GPL-2.0-or-later
"""What the demo and the scenarios share: a testbed, its hosts, waiting for conditions, and reporting."""

import contextlib
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/testbed"))
from bed import Testbed as Bed  # noqa: E402  (found by the line above)

SYNC = "Services.X_000000_ISPStorage.1"
SYNC_OBJECT = "/org/ispstorage/Sync1/X_000000_ISPStorage/1"
SYNC_INTERFACE = "org.ispstorage.Sync1.X_000000_ISPStorage"

# The account and the folder of the default provisioning profile.
USER, PASSWORD, VOLUME, FOLDER = "alice", "correct horse battery", "home", "shared"

# What is awaited comes within seconds; a machine under load may take longer, and a hang must end.
DEADLINE = 90
POLL_SECONDS = 0.02


class Failure(Exception):
    """A condition that did not hold."""


def run(argv, data=None, check=True, timeout=300):
    """Runs a command and returns what it printed (bytes)."""
    done = subprocess.run([str(a) for a in argv], input=data, capture_output=True, timeout=timeout, check=False)
    if check and done.returncode != 0:
        text = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise Failure(f"{' '.join(map(str, argv))}: exit status {done.returncode}: {text}")
    return done.stdout


def wait_until(what, condition, deadline=DEADLINE):
    """Waits for the condition to return something true and returns that. A Failure in the condition counts as
    not yet, and is told if it never holds."""
    end = time.monotonic() + deadline
    reason = None
    while True:
        try:
            value = condition()
            if value:
                return value
        except Failure as failure:
            reason = failure
        if time.monotonic() > end:
            raise Failure(f"after {deadline} s still not: {what}" + (f" ({reason})" if reason else ""))
        time.sleep(POLL_SECONDS)


def own_name(scenario, alone):
    """The name of a testbed for one scenario only: beside the tests' common one, if there is one."""
    common = os.environ.get("ISPSTORAGE_TESTBED")
    return common + scenario if common else alone


class Testbed:
    """One testbed, by its name. Hosts are "operator", "gw1", ..."""

    def __init__(self, name):
        self.name = name
        self.command = [ROOT / "tests/testbed/testbed", "--name", name]

    def __call__(self, *argv, **options):
        return run([*self.command, *argv], **options)

    def host(self, name):
        return Bed(self.name, None).hosts[name]

    def execute(self, host, *argv, **options):
        """Runs a command in a host."""
        return run(self.host(host).command(*argv), **options)

    def lan(self, gateway, *argv, **options):
        """Runs a command as a client on the gateway's LAN."""
        return self("lan", gateway, "--", *argv, **options)

    def admin(self, *argv, **options):
        """ispstorage-admin at the operator; returns what its --json says."""
        out = self.execute("operator", "ispstorage-admin", "--json", *argv, **options)
        return json.loads(out) if out.strip() else None

    def counters(self, host):
        return json.loads(self("counters", host))

    def root(self, host):
        """The host's file system as this machine sees it."""
        return pathlib.Path(f"/proc/{self.host(host).init()}/root")

    def folder(self, gateway):
        """The shared folder of a gateway, to look at (what writes goes through the LAN's protocols)."""
        return self.root(gateway) / "srv/ispstorage" / VOLUME / FOLDER

    def parameter(self, gateway, name):
        """A property of the synchronization object on the gateway's bus."""
        out = self.execute(gateway, "busctl", "--json=short", "get-property", "org.ispstorage.Sync1", SYNC_OBJECT,
                           SYNC_INTERFACE, name)
        return json.loads(out)["data"]


def device(gateway):
    return f"000000-ISPStorage-GW{int(gateway[2:]):04}"


class Files:
    """Reads and writes of a LAN client through the real protocols."""

    def __init__(self, testbed, gateway):
        self.testbed = testbed
        self.gateway = gateway
        self.address = f"192.168.{gateway[2:]}.1"

    def smb(self, command, user=USER, password=PASSWORD, **options):
        return self.testbed.lan(self.gateway, "smbclient", f"//{self.address}/{FOLDER}", "-m", "SMB3",
                                "-U", f"{user}%{password}", "-c", command, **options)

    def put(self, name, data):
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            self.smb(f'put "{file.name}" "{name}"')

    def get_smb(self, name):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "file"
            self.smb(f'get "{name}" "{path}"')
            return path.read_bytes()

    def get_ftp(self, name):
        return self.testbed.lan(self.gateway, "curl", "-sS", "--fail", "-u", f"{USER}:{PASSWORD}",
                                f"ftp://{self.address}/{FOLDER}/{name}")

    def get_http(self, name):
        return self.testbed.lan(self.gateway, "curl", "-sS", "--fail", "--anyauth", "-u", f"{USER}:{PASSWORD}",
                                f"http://{self.address}/{FOLDER}/{name}")


def content(path):
    """The bytes of a file, or None if it is not there (yet)."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def kind(path):
    """The digest of a file's content, or what else it is; None if it is not there (any more)."""
    try:
        if path.is_symlink():
            return "-> " + os.readlink(path)
        return "directory" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def tree(folder):
    """Everything below a folder: relative path -> kind."""
    paths = [pathlib.Path(directory) / name for directory, names, files in os.walk(folder) for name in names + files]
    kinds = {str(path.relative_to(folder)): kind(path) for path in paths}
    return {name: found for name, found in kinds.items() if found}


def converged(testbed, gateways):
    """True once all gateways hold the same tree and the same revision and have nothing left to do."""
    states = [(testbed.parameter(g, "Revision"), testbed.parameter(g, "PendingChanges")) for g in gateways]
    if len({revision for revision, _ in states}) != 1 or any(pending for _, pending in states):
        return None
    trees = [tree(testbed.folder(g)) for g in gateways]
    return (trees[0] or True) if all(t == trees[0] for t in trees) else None


def provision(testbed, gateways, subscription="home"):
    """Creates the subscription and waits until every gateway is subscribed and its folder is there."""
    testbed.admin("subscription", "create", subscription, "--user", USER, "--password-stdin", data=PASSWORD.encode())
    for gateway in gateways:
        testbed.admin("device", "allow", device(gateway), "--subscription", subscription, "--name", gateway)
    for gateway in gateways:
        wait_until(f"{gateway} is subscribed", lambda g=gateway:
                   testbed.admin("device", "show", device(g))["state"] == "subscribed"
                   and testbed.parameter(g, "Status") == "Subscribed")
        wait_until(f"{gateway} serves its LAN", lambda g=gateway: Files(testbed, g).smb("ls") or True)


class Report:
    """Runs named checks, prints "ok" and "not ok" lines as they end, and a closing line."""

    def __init__(self):
        self.passed = self.failed = 0

    @contextlib.contextmanager
    def check(self, what):
        start = time.monotonic()
        try:
            yield
        except (Failure, AssertionError, subprocess.TimeoutExpired) as failure:
            self.failed += 1
            print(f"not ok - {what}: {failure}", flush=True)
        else:
            self.passed += 1
            print(f"ok - {what} ({time.monotonic() - start:.1f} s)", flush=True)

    def skip(self, what, why):
        print(f"skipped - {what}: {why}", flush=True)

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        sys.exit(1 if self.failed else 0)
