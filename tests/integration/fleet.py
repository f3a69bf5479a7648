# SPDX-License-Identifier: GPL-2.0-or-later
"""The real ACS beside the operator's other parts (operator_host.py), and a fleet of simulated gateways (tests/load) that talks to it."""

import hashlib
import http.client
import json
import os
import pathlib
import re
import socket
import sqlite3
import subprocess
import time

from operator_host import AUTHOR, listens, wait_until
from sync_server import CLEAN_ENVIRONMENT, free_port

REALM = "ISPStorage"
PASSWORD = "secret"


def fleet_device(number):
    return f"000000-ISPStorage-L{number:05}"


class CwmpEndpoint:
    """ispstorage-acs that knows these devices: all of them from the start, with the one password."""

    def __init__(self, operator, devices, provisioned=False):
        self.operator, self.port, self.database = operator, free_port(), operator.directory / "acs.db"
        (operator.directory / "acs.password").write_text("acs-password\n")
        (operator.directory / "acs.conf").write_text(
            f"[Server]\nListen=127.0.0.1\nPort=0\nHTTPPort={self.port}\nDatabase={self.database}\nRealm={REALM}\n"
            f"[Broker]\nPort={operator.mqtt_port}\nPasswordFile={operator.directory}/acs.password\n")
        self.start()
        self.stop()
        db = sqlite3.connect(self.database)
        rows = [(name, hashlib.md5(f"{name}:{REALM}:{PASSWORD}".encode()).hexdigest(), provisioned) for name in map(fleet_device, range(devices))]
        db.executemany("INSERT INTO device (id, ha1, root, manufacturer, software_version, last_inform, connection_request_url, provisioned)"
                       " VALUES (?, ?, 'InternetGatewayDevice.', 'Test', '0.1.0', 1, 'http://127.0.0.1:9/none', ?)", rows)
        db.commit()
        db.close()
        self.start()

    def start(self, *wrapper):
        """wrapper: a command that runs the rest of its arguments."""
        self.operator.spawn("acs", *wrapper, str(self.operator.build / "operator/acs/ispstorage-acs"), f"--config={self.operator.directory}/acs.conf")
        wait_until("the ACS listens", lambda: listens(self.port) or self.operator.processes["acs"].poll() is not None)

    def stop(self):
        process = self.operator.processes.pop("acs")
        process.terminate()
        process.wait()

    def usage(self):
        """CPU seconds, and the largest resident MiB so far."""
        pid = self.operator.processes["acs"].pid
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        rss = int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), rss / 1024

    def count(self, rows):
        db = sqlite3.connect(self.database, timeout=20)
        try:
            return db.execute(f"SELECT count(*) FROM {rows}").fetchone()[0]
        finally:
            db.close()

    def is_settled(self):
        """Nothing waits: no command, no message that the frontend has not acknowledged."""
        return self.count("command WHERE finished IS NULL") == 0 and self.count("outbox") == 0


class Connection(http.client.HTTPConnection):
    """To the frontend's own socket."""

    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


class Fleet:
    """So many simulated gateways, spread over so many subscriptions (0: nobody allowed them); none has started yet."""

    def __init__(self, operator, endpoint, devices, subscriptions, retry_minimum=1):
        self.operator, self.n = operator, devices
        self.names = [f"s{i}" for i in range(subscriptions)]
        self.tips = operator.directory / "tips"
        self.tips.mkdir()
        for name in self.names:
            operator.create(name)
        if self.names:
            self.allow()
        self.process = subprocess.Popen([str(operator.build / "tests/load/cpe-load"), str(endpoint.port), PASSWORD, str(devices), str(self.tips),
                                         str(retry_minimum)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def allow(self):
        connection = Connection(str(self.operator.directory / "api.socket"))
        for i in range(self.n):
            connection.request("PUT", f"/v1/devices/{fleet_device(i)}", json.dumps({"subscription": self.names[i % len(self.names)]}))
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, body
        connection.close()

    def order(self, words):
        self.process.stdin.write(f"{words}\n")
        self.process.stdin.flush()

    def status(self):
        self.order("status")
        return json.loads(self.process.stdout.readline())

    def push(self, name, pusher):
        """A commit on the container's main, as the gateway of that number would have pushed it."""
        repository = self.operator.repositories / f"{name}.git"

        def git(*arguments, data=b""):
            return subprocess.run(["/usr/bin/git", "-C", str(repository), *arguments], input=data, check=True, stdout=subprocess.PIPE,
                                  env={**CLEAN_ENVIRONMENT, **AUTHOR}).stdout.decode().strip()

        old = git("for-each-ref", "--format=%(objectname)", "refs/heads/main")
        tree = git("mktree", data=b"")
        commit = git("commit-tree", tree, *(["-p", old] if old else []), "-m", name)
        git("update-ref", "refs/heads/main", commit)
        revision = f"{git('rev-list', '--count', 'main')}.{commit}"
        temporary = self.tips / "new"
        temporary.write_text(revision)
        temporary.rename(self.tips / name)
        db = sqlite3.connect(f"file:{self.operator.database}?mode=ro", uri=True)
        key = db.execute("SELECT id FROM keys WHERE device = ?", (fleet_device(pusher),)).fetchone()[0]
        db.close()
        self.operator.hook_client.sendto(f"changed {name} {key} {old or '0' * 40} {commit} 1".encode(), str(self.operator.directory / "hook.socket"))
        self.order(f"push {pusher}")
        return revision

    def wait(self, what, condition, seconds):
        """For a condition of the status; returns it."""
        deadline = time.monotonic() + seconds
        while not condition(status := self.status()):
            assert time.monotonic() < deadline, f"not in {seconds} s: {what}: {status}"
            time.sleep(0.1)
        return status

    def devices(self):
        """As the frontend sees them."""
        return [d for d in self.operator.admin("device", "list") if d["device"].startswith(fleet_device(0)[:-5])]

    def stop(self):
        self.process.stdin.close()
        status = self.process.wait()
        self.process.stdout.close()
        assert status == 0, f"the fleet ended with {status}"
