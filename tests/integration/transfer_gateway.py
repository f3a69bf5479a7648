# SPDX-License-Identifier: GPL-2.0-or-later
"""An instance's state and staging directory with the transfer worker, for tests against a real sshd; and a relay between the two that
counts bytes and cuts connections."""

import os
import pathlib
import socket
import subprocess
import threading

from sync_server import CLEAN_ENVIRONMENT, make_key

SOCKET_FD = 3
MESSAGE_MAX = 100000
REMOTE = "refs/remotes/origin/main"
CANDIDATE = "refs/ispstorage/candidate"


class Gateway:
    def __init__(self, directory, server, worker, store_tool):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        self.server = server
        self.worker = worker
        self.store_tool = store_tool
        self.folder = self.directory / "folder"
        self.folder.mkdir()
        self.staging = self.directory / "staging"
        self.staging.mkdir()
        self.public_key = make_key(self.directory / "key")
        self.control = ""
        self.environment = CLEAN_ENVIRONMENT
        self.url = None
        self.process = self.socket = None
        self.trust(server.host_key)

    def trust(self, host_key):
        (self.directory / "known_hosts").write_text("ispstorage-repository " + " ".join(host_key.split()[:2]) + "\n")

    # --- the worker ---

    def start(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        arguments = [self.worker, self.directory, self.folder, self.staging, self.url or self.server.url(), self.control]
        shell = f'exec {SOCKET_FD}>&{theirs.fileno()} "$@"'
        self.process = subprocess.Popen(["/bin/bash", "-c", shell, "bash", *map(str, arguments)], env=self.environment,
                                        pass_fds=[theirs.fileno()])
        theirs.close()
        self.socket = ours

    def stop(self):
        """Closes the socket, and waits for the worker's own end."""
        if self.process:
            self.socket.close()
            status = self.process.wait()
            self.process = None
            return status
        return None

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.socket.close()
        self.process = None

    def send(self, command, *fields):
        message = "".join(f"{field}\0" for field in (f"command={command}", *fields)).encode()
        if not self.process:
            self.start()
        try:
            self.socket.send(message)
        except BrokenPipeError:
            # It was idle for too long.
            self.stop()
            self.start()
            self.socket.send(message)

    def receive(self):
        """One message as a dictionary, None if the worker has ended."""
        data = self.socket.recv(MESSAGE_MAX)
        return dict(field.split("=", 1) for field in data.decode().split("\0") if field) or None

    def answer(self):
        progress = []
        while (message := self.receive()) and message["event"] == "progress":
            progress.append((int(message["done"]), int(message["total"])))
        return {**(message or {"result": None}), "progress": progress}

    def run(self, command, *fields):
        self.send(command, *fields)
        return self.answer()

    def peak_kib(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
        raise AssertionError("no VmHWM")

    # --- what the tree worker does ---

    def tool(self, command, *arguments):
        return subprocess.run([self.store_tool, command, str(self.directory), *map(str, arguments)], check=True, stdout=subprocess.PIPE,
                              text=True).stdout.strip()

    def commit(self):
        """Makes the folder the candidate."""
        return self.tool("commit", self.folder)

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def push(self):
        commit = self.commit()
        return commit, self.run("push")

    def reference(self, name):
        value = self.tool("get", name)
        return None if set(value) == {"0"} else value

    def set_reference(self, name, commit):
        self.tool("set", name, commit or "0" * 40)

    def want(self):
        return int(self.tool("want", self.staging))

    def check(self):
        return int(self.tool("check", self.staging))

    def pull(self):
        """Fetches main with all its content, in as many rounds as it takes. Returns the answer to the last command."""
        answer = self.run("fetch")
        while answer["result"] == "ok" and self.want() > 0:
            answer = self.run("content")
        return answer


class Relay:
    """Listens on a port of its own and passes everything to another one. cut(n) ends all connections after n more bytes."""

    def __init__(self, port):
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.bytes = [0, 0]  # to the server, from it
        self.left = None
        self.connections = []
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            for s in (client, server):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.connections += [client, server]
            threading.Thread(target=self.copy, args=(client, server, 0), daemon=True).start()
            threading.Thread(target=self.copy, args=(server, client, 1), daemon=True).start()

    def copy(self, source, target, direction):
        try:
            while data := source.recv(65536):
                with self.lock:
                    if self.left is not None:
                        data = data[:self.left]
                        self.left -= len(data)
                    self.bytes[direction] += len(data)
                    done = self.left == 0
                target.sendall(data)
                if done:
                    break
        except OSError:
            pass
        if self.left == 0:
            self.close_connections()
        for s in (source, target):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close_connections(self):
        with self.lock:
            connections, self.connections = self.connections, []
        for s in connections:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def cut(self, after):
        with self.lock:
            self.left = after

    def count(self):
        """Bytes since the last call."""
        with self.lock:
            total, self.bytes = self.bytes, [0, 0]
        return total

    def stop(self):
        # Wakes who waits in accept(), who would otherwise take a connection of the next test's.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()
        self.close_connections()
