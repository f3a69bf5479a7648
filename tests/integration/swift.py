# SPDX-License-Identifier: GPL-2.0-or-later
"""OpenStack Swift of Debian with its S3 API: a bucket on loopback, one copy of each object, without a daemon of the machine's own."""

import subprocess

from operator_host import listens, wait_until
from sync_server import free_port

KINDS = ("account", "container", "object")
ACCESS_KEY, SECRET_KEY = "test:tester", "testing"
PROXY = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
swift_dir = /etc/swift
user = root
workers = 0
[pipeline:main]
pipeline = catch_errors gatekeeper cache s3api tempauth bulk slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{no_port}
[filter:s3api]
use = egg:swift#s3api
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
"""
SERVER = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
swift_dir = /etc/swift
devices = {devices}
mount_check = false
user = root
workers = 0
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""


class Swift:
    """Below the directory, which must be on a file system with extended attributes; spawn is Operator.spawn()."""

    def __init__(self, directory, spawn):
        self.etc, self.spawn = directory / "swift/etc", spawn
        devices = directory / "swift/devices"
        self.etc.mkdir(parents=True)
        (devices / "d1").mkdir(parents=True)
        (self.etc / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = test\n[storage-policy:0]\nname = one\ndefault = yes\n")
        ports = {kind: free_port() for kind in KINDS}
        for kind, port in ports.items():
            (self.etc / f"{kind}-server.conf").write_text(SERVER.format(kind=kind, port=port, devices=devices))
            for arguments in (("create", "4", "1", "1"), ("add", f"r1z1-127.0.0.1:{port}/d1", "1"), ("rebalance",)):
                subprocess.run(["/usr/bin/swift-ring-builder", str(self.etc / f"{kind}.builder"), *arguments], check=True, stdout=subprocess.DEVNULL)
        self.port = free_port()
        (self.etc / "proxy-server.conf").write_text(PROXY.format(port=self.port, no_port=free_port()))
        for kind, port in (*ports.items(), ("proxy", self.port)):
            # Its libraries look for swift.conf in /etc/swift, whatever they are told.
            spawn(f"swift-{kind}", "/usr/bin/unshare", "-m", "/bin/sh", "-ec", 'mkdir -p /etc/swift; mount --bind "$1" /etc/swift; shift; exec "$@"', "sh",
                  str(self.etc), f"/usr/bin/swift-{kind}-server", f"/etc/swift/{kind}-server.conf")
            wait_until(f"the {kind} server listens", lambda p=port: listens(p), 60)

    def rclone_config(self):
        """What docs/operator.md says, for this one."""
        return (f"[bucket]\ntype = s3\nprovider = Other\nendpoint = http://127.0.0.1:{self.port}\nregion = us-east-1\n"
                f"access_key_id = {ACCESS_KEY}\nsecret_access_key = {SECRET_KEY}\n")
