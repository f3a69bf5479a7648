# SPDX-License-Identifier: GPL-2.0-or-later
"""rsync over ssh, up and then down."""

from peers.site import SERVER_ADDRESS, Peer


class Rsync(Peer):
    name = "rsync"
    configuration = "--archive --delete, no compression; over one ssh connection that stays (aes128-gcm)"
    needs = ("rsync",)

    def start(self):
        self.site.start_sshd()

    def run(self, host, source, target):
        host.run("rsync", "--archive", "--delete", "--rsh", self.site.ssh(host), source, target)

    def push(self):
        self.run(self.first, f"{self.first.folder}/", f"root@{SERVER_ADDRESS}:{self.site.folder}/")

    def pull(self, host):
        self.run(host, f"root@{SERVER_ADDRESS}:{self.site.folder}/", f"{host.folder}/")
