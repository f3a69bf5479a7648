# SPDX-License-Identifier: GPL-2.0-or-later
"""Plain git over ssh, the paper's own way: the folder is a working copy."""

import subprocess

from peers.site import SERVER_ADDRESS, Peer


class Git(Peer):
    name = "git"
    # No compression: the payloads are random bytes. No unpacking: packs are kept as they come.
    options = ("gc.auto=0", "core.compression=0", "transfer.unpackLimit=1")
    configuration = (f"add --all, commit, push; pull --ff-only. {', '.join(options)}; over one ssh connection that stays "
                     "(aes128-gcm)")

    def git(self, host, *argv):
        chosen = [word for option in (*self.options, "user.name=bench", "user.email=bench") for word in ("-c", option)]
        host.run("git", *chosen, "-C", host.folder, *argv, environment={"GIT_SSH_COMMAND": self.site.ssh(host)})

    def start(self):
        self.site.start_sshd()
        repository = self.site.server / "repository.git"
        for argv in (["init", "--quiet", "--bare", "--initial-branch=main", repository],
                     *(["-C", repository, "config", *option.split("=")] for option in self.options)):
            subprocess.run(["git", *map(str, argv)], check=True)
        for host in self.site.hosts:
            self.git(host, "init", "--quiet", "--initial-branch=main")
            self.git(host, "remote", "add", "origin", f"root@{SERVER_ADDRESS}:{repository}")
        self.git(self.first, "commit", "--quiet", "--allow-empty", "--message=first")
        self.git(self.first, "push", "--quiet", "--set-upstream", "origin", "main")
        for host in self.others:
            self.git(host, "pull", "--quiet", "origin", "main")
            self.git(host, "branch", "--quiet", "--set-upstream-to=origin/main")

    def push(self):
        self.git(self.first, "add", "--all")
        self.git(self.first, "commit", "--quiet", "--message=change")
        self.git(self.first, "push", "--quiet")

    def pull(self, host):
        self.git(host, "pull", "--quiet", "--ff-only")
