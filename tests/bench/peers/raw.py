# SPDX-License-Identifier: GPL-2.0-or-later
"""The limit: one TCP connection that carries the bytes and nothing else."""

import pathlib
import subprocess
import sys

from gateways import Failure
from peers.site import SERVER_ADDRESS, Peer

PORT = 2223
SCRIPT = pathlib.Path(__file__).with_name("raw_tcp.py")


class Raw(Peer):
    """Payloads of several files go as one stream of their bytes; changes are sent as the whole file."""
    name = "raw"
    configuration = "one TCP connection for each direction, opened for the transfer; sendfile(2)"
    whole_files_only = True

    def __init__(self, bed):
        super().__init__(bed)
        self.server, self.clients = None, {}

    def start(self):
        python = [sys.executable, "-I", SCRIPT]
        self.server = subprocess.Popen(
            self.site.bed.operator.in_network(*python, "serve", SERVER_ADDRESS, PORT, self.site.server / "stream"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.answer(self.server)
        for host in self.site.hosts:
            self.clients[host.name] = subprocess.Popen(
                host.node.limited(*python, "client", SERVER_ADDRESS, PORT), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                text=True)

    @staticmethod
    def answer(process):
        if process.stdout.readline() != "ok\n":
            raise Failure("raw_tcp.py failed")

    def order(self, host, verb, path):
        client = self.clients[host.name]
        client.stdin.write(f"{verb} {path}\n")
        client.stdin.flush()
        self.answer(client)

    def prepare(self, expected):
        """What is to be sent as one file."""
        with open(self.first.home / "stream", "wb") as stream:
            for name in expected:
                stream.write((self.first.folder / name).read_bytes())

    def push(self):
        self.order(self.first, "push", self.first.home / "stream")

    def pull(self, host):
        self.order(host, "get", host.home / "stream")

    def verify(self, expected):
        sizes = {(host.home / "stream").stat().st_size for host in self.site.hosts}
        if sizes != {sum(expected.values())}:
            raise Failure(f"raw TCP brought {sizes} bytes")

    def close(self):
        for process in filter(None, (self.server, *self.clients.values())):
            process.kill()
            process.wait()
        super().close()
