# SPDX-License-Identifier: GPL-2.0-or-later
"""A real sshd on loopback that serves bare git repositories to the keys of gateways, as the operator's does: a forced command per key,
protocol version 2, host key of its own. It runs as the user who runs the test."""

import os
import pathlib
import pwd
import random
import shutil
import socket
import subprocess
import time

GIT = "/usr/bin/git"
CLEAN_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1"}


def git(repository, *arguments, **options):
    return subprocess.run([GIT, "-C", str(repository), *arguments], check=True, capture_output=True, text=True,
                          env=CLEAN_ENVIRONMENT, **options).stdout.strip()


def commit_tree(repository, tree, parent, message, date, *merged):
    """A commit that a gateway could have made, unless something is merged; parent may be None."""
    environment = {**CLEAN_ENVIRONMENT, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    for who in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{who}_NAME": "gw1", f"GIT_{who}_EMAIL": "gateway@ispstorage.invalid"}
    return subprocess.run([GIT, "-C", str(repository), "commit-tree", tree, *(["-p", parent] if parent else []),
                           *(word for commit in merged for word in ("-p", commit))], input=message, text=True,
                          env=environment, check=True, stdout=subprocess.PIPE).stdout.strip()


def expire(repository, kept):
    """Rewrites main as docs/repository-format.md, "Retention", says; kept: the numbers of versions, the first one among them."""
    parent = shown = None
    for n, commit in enumerate(git(repository, "rev-list", "--reverse", "main").split(), 1):
        shown = commit if n in kept else shown
        message = git(repository, "log", "-1", "--format=%B", commit)
        if "Original: " not in message:
            message += f"\n\nOriginal: {commit}"
        parent = commit_tree(repository, f"{shown}^{{tree}}", parent, message + "\n", git(repository, "log", "-1", "--format=%ct +0000", commit))
    git(repository, "update-ref", "refs/heads/main", parent)
    return parent


def collect(repository):
    """What no ref reaches is gone."""
    git(repository, "repack", "-adq")
    git(repository, "prune", "--expire=now")


def make_key(path):
    subprocess.run(["/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return pathlib.Path(f"{path}.pub").read_text().strip()


def free_port():
    """Below those that the kernel gives out, so that nobody has it before the server that it is for."""
    while True:
        port = random.randrange(10000, 32768)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def remove_tree(path, patience=10):
    """git on the server cleans up behind an ended connection, at its own pace: again until nothing is left."""
    deadline = time.monotonic() + patience
    while os.path.exists(path):
        shutil.rmtree(path, ignore_errors=time.monotonic() < deadline)


class Server:
    """Listens until stop(); directory holds its keys, configuration and repositories."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.authorized = self.directory / "authorized_keys"
        self.authorized.write_text("")
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.port = free_port()
        self.host_key = make_key(self.directory / "host_key")
        self.process = None
        self.start()

    def start(self):
        config = self.directory / "sshd_config"
        config.write_text(f"""\
ListenAddress 127.0.0.1
Port {self.port}
HostKey {self.directory}/host_key
PidFile none
AuthorizedKeysFile {self.authorized}
StrictModes no
UsePAM {'no' if os.getuid() else 'yes'}
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
LogLevel ERROR
""")
        os.makedirs("/run/sshd", exist_ok=True)
        with open(self.directory / "sshd.log", "a") as log:
            self.process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", str(config)], stderr=log)
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def make_repository(self, name):
        path = self.directory / name
        subprocess.run([GIT, "init", "-q", "--bare", "--initial-branch=main", str(path)], check=True, env=CLEAN_ENVIRONMENT)
        for key, value in {"receive.denyNonFastForwards": "true", "receive.fsckObjects": "true", "receive.unpackLimit": "1",
                           "core.bigFileThreshold": "64k", "uploadpack.allowFilter": "true", "gc.auto": "0",
                           "uploadpack.allowRefInWant": "true", "receive.autogc": "false"}.items():
            git(path, "config", key, value)
        return path

    def authorize(self, public_key, repository):
        """The key opens this repository and nothing else."""
        command = f"GIT_PROTOCOL=version=2 /usr/bin/${{SSH_ORIGINAL_COMMAND%% *}} {repository}"
        with open(self.authorized, "a") as f:
            f.write(f'restrict,command="{command}" {public_key}\n')

    def revoke(self, public_key):
        self.authorized.write_text("".join(line for line in self.authorized.read_text().splitlines(True) if public_key not in line))

    def url(self, name="any", port=None):
        return f"ssh://{self.user}@127.0.0.1:{port or self.port}/{name}"
