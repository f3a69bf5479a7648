#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""The main job, narrated: provisioning over CWMP, a file from one gateway to two others, a runtime change, a collision,
a cut link and an earlier version. Started by ./demo, which has built everything."""

import argparse
import concurrent.futures
import contextlib
import hashlib
import json
import pathlib
import random
import re
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import cwmp_bytes  # noqa: E402  (found by the line above)
from harness import (DEADLINE, FOLDER, USER, Failure, Files, Testbed, content, converged, device, own_name, provision,
                     wait_until)  # noqa: E402

GATEWAYS = ["gw1", "gw2", "gw3"]
PHOTO_BYTES = 3_500_000
SMALL_BYTES = 100 * 1024
SMALL_SECONDS_MAX = 2
CWMP_ROUNDS = 3
# On a busy machine, one of two changes may arrive before the other is made.
ATTEMPTS_MAX = 3
# The local file gets its name, the time and the gateway's name; the extension stays last.
CONFLICT_NAME = re.compile(r"letter\.\d{8}T\d{6}Z\.gw[13]\.txt")
# Fixed, so that two runs move the same bytes.
SEED = 140


class Narration:
    """Says what happens and keeps the rows of the closing table: what, seconds, bytes on the access links."""

    def __init__(self, testbed):
        self.testbed = testbed
        self.rows = []

    def say(self, text):
        print(text, flush=True)

    def link_bytes(self):
        return sum(direction["bytes"] for host in GATEWAYS for direction in self.testbed.counters(host).values())

    @contextlib.contextmanager
    def step(self, what):
        """Times a step; an exception in it ends the demo."""
        self.say(f"\n== {what}")
        before = self.link_bytes() if self.rows else 0
        start = time.monotonic()
        yield
        seconds = time.monotonic() - start
        moved = self.link_bytes() - before
        self.rows.append((what, seconds, moved))
        self.say(f"ok {what} ({seconds:.2f} s, {moved:,} bytes on the three access links)")

    def table(self):
        width = max(len(what) for what, _, _ in self.rows)
        self.say(f"\n{'what':{width}}  {'seconds':>8}  {'bytes':>12}")
        for what, seconds, moved in self.rows:
            self.say(f"{what:{width}}  {seconds:8.2f}  {moved:12,}")


def expect(condition, what):
    if not condition:
        raise Failure(what)


def everywhere(testbed, name, data):
    """True once every gateway holds these bytes under this name."""
    return all(content(testbed.folder(g) / name) == data for g in GATEWAYS)


def boot(testbed, narration):
    with narration.step("operator and three gateways boot and bootstrap"):
        testbed("up", "--bare", "--gateways", str(len(GATEWAYS)))
        for gateway in GATEWAYS:
            shown = wait_until(f"{gateway} has sent its first Inform",
                               lambda g=gateway: testbed.admin("device", "show", device(g)))
            narration.say(f"   {shown['device']}: {shown['state']}")


def provisioning(testbed, narration):
    with narration.step("provisioning over CWMP, Initializing -> Ready -> Subscribed"):
        provision(testbed, GATEWAYS)
        for gateway in GATEWAYS:
            narration.say(f"   {gateway}: {testbed.parameter(gateway, 'Status')}, its key authorized")


def runtime_change(testbed, narration):
    name = "InternetGatewayDevice.Services.StorageService.1.FTPServer.IdleTime"
    with narration.step("runtime change of a setting (FTPServer.IdleTime = 120)"):
        testbed.admin("device", "set", device("gw1"), f"{name}=120", "--wait")
        shown = testbed.admin("device", "get", device("gw1"), name, "--wait")
        expect(shown["values"][name] == "120", f"the gateway reports {shown}")
        wait_until("vsftpd has the new setting", lambda: b"idle_session_timeout=120" in testbed.execute(
            "gw1", "cat", "/run/ispstorage/share/vsftpd/vsftpd.conf"))


def share_photo(testbed, narration, clients, rng):
    photo, letter = rng.randbytes(PHOTO_BYTES), b"Dear all,\nthe first version of the letter.\n"
    with narration.step(f"a photo ({PHOTO_BYTES:,} bytes) and a document from gw1 to gw2 and gw3"):
        clients["gw1"].put("photo.jpg", photo)
        clients["gw1"].put("letter.txt", letter)
        wait_until("photo and document are everywhere",
                   lambda: everywhere(testbed, "photo.jpg", photo) and everywhere(testbed, "letter.txt", letter))
    with narration.step("the photo by FTP from gw2, by HTTP from gw3, compared"):
        expect(clients["gw2"].get_ftp("photo.jpg") == photo, "FTP from gw2 gave other bytes")
        expect(clients["gw3"].get_http("photo.jpg") == photo, "HTTP from gw3 gave other bytes")
        narration.say(f"   equal: sha256 {hashlib.sha256(photo).hexdigest()[:16]}…")
    wait_until("all gateways are idle", lambda: converged(testbed, GATEWAYS))


def small_file(testbed, narration, clients, rng):
    data = rng.randbytes(SMALL_BYTES)
    with narration.step("100 KB, from close on gw1 to visible on gw2 and gw3"):
        # The close is the end of the SMB client's put, seen here as the file being complete on gw1.
        with concurrent.futures.ThreadPoolExecutor() as pool:
            put = pool.submit(clients["gw1"].put, "small.bin", data)
            path = testbed.folder("gw1") / "small.bin"
            wait_until("gw1 has it", lambda: content(path) == data)
            closed = time.monotonic()
            wait_until("all have it", lambda: everywhere(testbed, "small.bin", data))
            seconds = time.monotonic() - closed
            put.result()
        narration.say(f"   close to visible on both: {seconds:.2f} s")
        expect(seconds < SMALL_SECONDS_MAX, f"it took longer than {SMALL_SECONDS_MAX} s")
    wait_until("all gateways are idle", lambda: converged(testbed, GATEWAYS))
    return seconds


def change_at_once(testbed, clients, contents):
    """Lets several gateways write the document; returns the names under which their contents are in the end."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for put in [pool.submit(clients[g].put, "letter.txt", data) for g, data in contents.items()]:
            put.result()
    # Different trees now, so equal ones mean that all is decided.
    found = wait_until("all gateways are equal", lambda: converged(testbed, GATEWAYS))
    return {name: g for name, digest in found.items() for g, data in contents.items()
            if digest == hashlib.sha256(data).hexdigest()}


def collision(testbed, narration, clients):
    with narration.step("the document changed on gw1 and gw3 at once"):
        for attempt in range(ATTEMPTS_MAX):
            contents = {g: f"version {attempt + 2}, by {g}\n".encode() for g in ("gw1", "gw3")}
            names = change_at_once(testbed, clients, contents)
            if len(names) > 1:
                break
            narration.say("   one came after the other had arrived; again")
        renamed = [name for name in names if name != "letter.txt"]
        expect("letter.txt" in names and len(renamed) == 1 and CONFLICT_NAME.fullmatch(renamed[0]),
               f"the rename rule does not hold: {sorted(names)}")
        for name, gateway in sorted(names.items()):
            narration.say(f"   {name}, written on {gateway}")


def cut_link(testbed, narration, clients):
    with narration.step("gw2's access link is cut; both sides go on; it returns"):
        testbed("link", "gw2", "down")
        clients["gw2"].put("written on gw2 while cut off.txt", b"kept\n")
        clients["gw1"].put("written on gw1 meanwhile.txt", b"kept too\n")
        wait_until("gw1's file is on gw3", lambda: content(testbed.folder("gw3") / "written on gw1 meanwhile.txt"))
        expect(not (testbed.folder("gw2") / "written on gw1 meanwhile.txt").exists(), "gw2 is not cut off")
        expect(clients["gw2"].get_smb("written on gw2 while cut off.txt") == b"kept\n", "gw2 does not serve its LAN")
        testbed("link", "gw2", "up")
        wait_until("all converge", lambda: everywhere(testbed, "written on gw2 while cut off.txt", b"kept\n")
                   and everywhere(testbed, "written on gw1 meanwhile.txt", b"kept too\n")
                   and converged(testbed, GATEWAYS), deadline=2 * DEADLINE)


def earlier_version(testbed, narration, clients):
    first = b"Dear all,\nthe first version of the letter.\n"
    with narration.step("an earlier version of the document is fetched back"):
        versions = json.loads(testbed.execute("gw1", "ispstoragectl", "versions", "letter.txt", "--json"))
        for version in versions:
            narration.say(f"   {version['time']}  {version['size']} bytes, by {version['gateway']}")
        testbed.execute("gw1", "ispstoragectl", "restore", "letter.txt", "--version", versions[-1]["version"],
                        "--to", "letter (first).txt")
        wait_until("the first version is everywhere", lambda: everywhere(testbed, "letter (first).txt", first))
        expect(clients["gw3"].get_smb("letter (first).txt") == first, "the restored version differs")


def management_bytes(narration):
    """On testbeds of their own, so that nothing else talks to the ACS meanwhile."""
    narration.say("\n== what CWMP costs: Ethernet bytes of all frames to and from the ACS")
    figures = {}
    for scheme in cwmp_bytes.ACS_URL:
        provisionings, synchronizations = cwmp_bytes.measure(scheme, CWMP_ROUNDS)
        figures[scheme] = {"provisioning": statistics.median(provisionings),
                           "synchronization": statistics.median(synchronizations)}
    for what, limit in cwmp_bytes.PAPER.items():
        plain, tls = figures["http"][what], figures["https"][what]
        narration.say(f"   {what}: {plain:,.0f} over plain HTTP, {tls:,.0f} over TLS (the paper's prototype: {limit:,})")
        expect(plain < limit, f"the {what} costs more than the paper's {limit:,} bytes")
    narration.say("ok CWMP costs less than the paper's prototype")


def look_around(narration, name):
    command = "tests/testbed/testbed" + (f" --name {name}" if name != "ispstorage" else "")
    narration.say(f"""
The testbed stays up. To look around:

  {command} exec gw1 -- busctl tree org.ispstorage.Share1
  {command} exec gw1 -- busctl introspect org.ispstorage.Sync1 /org/ispstorage/Sync1/X_000000_ISPStorage/1
  {command} exec gw1 -- busctl monitor org.ispstorage.Sync1
  {command} exec gw1 -- ispstoragectl status
  {command} exec operator -- ispstorage-admin device list
  {command} exec operator -- ispstorage-admin operation list
  {command} lan gw1 -- smbclient //192.168.1.1/{FOLDER} -U {USER}
  {command} down""")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the testbed up afterwards")
    parser.add_argument("--name", default=own_name("demo", "ispstorage"), help="the testbed's name")
    arguments = parser.parse_args()

    testbed = Testbed(arguments.name)
    narration = Narration(testbed)
    rng = random.Random(SEED)
    clients = {g: Files(testbed, g) for g in GATEWAYS}
    testbed("down", check=False)
    status = 1
    try:
        boot(testbed, narration)
        provisioning(testbed, narration)
        runtime_change(testbed, narration)
        share_photo(testbed, narration, clients, rng)
        small_file(testbed, narration, clients, rng)
        collision(testbed, narration, clients)
        cut_link(testbed, narration, clients)
        earlier_version(testbed, narration, clients)
        management_bytes(narration)
        narration.table()
        narration.say("\nEvery comparison held.")
        status = 0
    except Failure as failure:
        narration.say(f"\nnot ok {failure}")
    finally:
        if arguments.keep:
            look_around(narration, arguments.name)
        else:
            testbed("down", check=False)
    return status


if __name__ == "__main__":
    sys.exit(main())
