# SPDX-License-Identifier: GPL-2.0-or-later
"""Where peers run: the machine's own programs in the networks of the testbed's hosts, on the gateways' disks and
within the gateways' limits; an sshd at the operator."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time

from gateways import PEERS, Failure, Patience, disk_usage, wait_until
from service import verify

SSH_PORT = 2222
SERVER_ADDRESS = "10.77.0.1"
SSHD_CONFIG = """Port {port}
ListenAddress {address}
HostKey {directory}/host-key
AuthorizedKeysFile {directory}/key.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
MaxStartups 100
# The shell's start-up files are the machine's, and cost what they like: bash leaves them out below another shell.
SetEnv SHLVL=9 PATH=/usr/sbin:/usr/bin:/sbin:/bin
"""


# What peers make in the folder for themselves.
PEERS_OWN = (".git", ".stfolder")


class PeerHost:
    """A gateway as a peer uses it: a folder on its disk, and programs in its network. Has what service.Arrival
    needs."""

    def __init__(self, node, directory):
        self.node = node
        self.name = node.name
        self.bed = node.bed
        self.home = pathlib.Path(directory)
        self.folder = self.home / "folder"
        self.scratch = self.home / "scratch"
        for path in (self.folder, self.scratch):
            path.mkdir(parents=True)

    def cpu_seconds(self):
        return self.node.cpu_seconds(PEERS)

    def disk_beyond(self):
        """Bytes on disk beyond the user's files."""
        own = sum(disk_usage(path) for path in self.folder.iterdir() if path.name not in PEERS_OWN)
        return disk_usage(self.home) - disk_usage(self.scratch) - own

    def own(self, path):
        """Everything here is root's."""

    def start(self, *argv, environment=None, **options):
        return subprocess.Popen(self.node.limited(*argv), stdin=subprocess.DEVNULL,
                                env=dict(os.environ, HOME=str(self.home), **(environment or {})), **options)

    def run(self, *argv, environment=None):
        """Runs a program to its end."""
        with tempfile.TemporaryFile() as output:
            process = self.start(*argv, environment=environment, stdout=output, stderr=output)
            try:
                status = process.wait(Patience.seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                status = process.wait()
            if status != 0:
                output.seek(0)
                raise Failure(f"{' '.join(map(str, argv))}: exit status {status}: "
                              f"{output.read()[-2000:].decode(errors='replace')}")


class Site:
    """The gateways and the server of one peer, with empty folders."""

    def __init__(self, bed, name):
        self.bed = bed
        self.server = pathlib.Path(tempfile.mkdtemp(prefix=f"bench-{name}-", dir="/var/lib/ispstorage-testbed"))
        self.folder = self.server / "folder"
        self.folder.mkdir()
        self.hosts, self.mounts = [], []
        for gateway in bed.gateways:
            shutil.rmtree(gateway.scratch / name, ignore_errors=True)
            self.hosts.append(PeerHost(gateway, self._mount(gateway) / gateway.scratch.name / name))
        self.sshd = None

    def _mount(self, gateway):
        """The gateway's disk, mounted here as well: programs of this machine have no paths inside the gateway."""
        mounts = (gateway.root.parent / "mounts").read_text().splitlines()
        inside = "/" + str(gateway.volume.relative_to(gateway.root))
        device = next(line.split()[0] for line in mounts if line.split()[1] == inside)
        point = self.server / f"{gateway.name}-disk"
        point.mkdir()
        subprocess.run(["mount", device, point], check=True)
        self.mounts.append(point)
        return point

    def start_sshd(self):
        for name in ("host-key", "key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.server / name], check=True)
        config = self.server / "sshd_config"
        config.write_text(SSHD_CONFIG.format(port=SSH_PORT, address=SERVER_ADDRESS, directory=self.server))
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        self.sshd = subprocess.Popen(self.bed.operator.in_network("/usr/sbin/sshd", "-D", "-e", "-f", config),
                                     stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for host in self.hosts:
            wait_until(f"{host.name} has a connection", lambda h=host: self._connect(h))

    def _connect(self, host):
        host.run(*self.ssh(host).split(), f"root@{SERVER_ADDRESS}", "true")
        return True

    def ssh(self, host):
        """The ssh command: one connection that stays, pinned cipher (AES has instructions on these machines)."""
        return (f"ssh -p {SSH_PORT} -i {self.server}/key -o BatchMode=yes -o StrictHostKeyChecking=no -o LogLevel=ERROR "
                f"-o UserKnownHostsFile=/dev/null -o Ciphers=aes128-gcm@openssh.com -o ControlMaster=auto "
                f"-o ControlPath={self.server}/{host.name}.sock -o ControlPersist=3600")

    def close(self):
        for host in self.hosts:
            with contextlib.suppress(Failure):
                if self.sshd:
                    host.run(*self.ssh(host).split(), "-O", "exit", f"root@{SERVER_ADDRESS}")
            shutil.rmtree(host.home, ignore_errors=True)
        if self.sshd:
            self.sshd.terminate()
            self.sshd.wait()
        for point in self.mounts:
            subprocess.run(["umount", point], check=True)
        shutil.rmtree(self.server, ignore_errors=True)


def at_once(action, hosts):
    """Runs action(host) for all hosts in parallel."""
    failures = []

    def guarded(host):
        try:
            action(host)
        except Failure as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=[host], daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


class Peer:
    """A way to keep folders in step: push() from the first host, then pull() on all others at once. Those that do
    both together have synchronize() of their own. configuration goes into the report."""
    name = configuration = ""
    needs = ()
    whole_files_only = False  # it has no way to send only a part

    def __init__(self, bed):
        self.site = Site(bed, self.name)
        self.first, *self.others = self.site.hosts

    def start(self):
        """Makes it ready, with all connections up."""

    def prepare(self, expected):
        """Before a change's time begins."""

    def push(self):
        raise NotImplementedError

    def pull(self, host):
        raise NotImplementedError

    def synchronize(self, expected):
        """Returns (push seconds, pull seconds)."""
        start = time.time()
        self.push()
        pushed = time.time()
        at_once(self.pull, self.others)
        return pushed - start, time.time() - pushed

    def verify(self, expected):
        """What was measured has to be right."""
        verify(self.site.hosts, expected)

    def close(self):
        self.site.close()
