# SPDX-License-Identifier: GPL-2.0-or-later
"""unison over ssh, every gateway with the server."""

from peers.site import SERVER_ADDRESS, Peer


class Unison(Peer):
    name = "unison"
    configuration = ("-batch -auto -times -confirmbigdel=false, a run for each synchronization; over one ssh connection that "
                     "stays (aes128-gcm)")
    needs = ("unison",)

    def start(self):
        self.site.start_sshd()
        for host in self.site.hosts:
            self.run(host)

    def run(self, host):
        program, *options = self.site.ssh(host).split()
        server = f"/usr/bin/env UNISON={self.site.server}/unison-{host.name} unison"
        there = f"ssh://root@{SERVER_ADDRESS}/{self.site.folder}"
        host.run("unison", host.folder, there, "-ui", "text", "-batch", "-auto", "-silent", "-times", "-confirmbigdel=false",
                 "-sshcmd", program, "-sshargs", " ".join(options), "-servercmd", server, environment={"UNISON": f"{host.home}/unison"})

    def push(self):
        self.run(self.first)

    def pull(self, host):
        self.run(host)
