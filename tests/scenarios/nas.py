# SPDX-License-Identifier: GPL-2.0-or-later
"""A gateway as a NAS: its data model over D-Bus, and clients of its servers."""

import json
import subprocess

from harness import Failure, wait_until

GATEWAY = "gw1"
ADDRESS = "192.168.1.1"
SERVICE = "Services.StorageService.1"
BUS = "org.ispstorage.Share1"
ROOT_OBJECT = "/org/ispstorage/Share1"
PASSWORDS = {"alice": "correct horse battery", "bob": "p\u00e4ss:w\u20acrd %$"}
# Logs in, then lists the folder at each line that it is told.
FTP_CLIENT = """import ftplib, sys
session = ftplib.FTP(sys.argv[1], sys.argv[2], sys.argv[3])
for line in sys.stdin:
    print(session.retrlines("LIST"))
"""
UNITS = ["smbd", "httpd", "httpsd"]


class Client:
    """A client on the LAN that stays connected: a program and what it is told, line by line."""

    def __init__(self, testbed, *argv):
        self.process = subprocess.Popen([*map(str, testbed.command), "lan", GATEWAY, "--", *argv], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def tell(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def end(self):
        """What it printed. It is told nothing any more."""
        return self.process.communicate(timeout=60)[0]


class Nas:
    """The gateway's data model, and clients of its servers."""

    def __init__(self, testbed):
        self.testbed = testbed

    def bus(self, *argv, **options):
        out = self.testbed.execute(GATEWAY, "busctl", "--json=short", *argv, **options)
        return json.loads(out)["data"] if out.strip() else None

    def add(self, table):
        return self.bus("call", BUS, ROOT_OBJECT, "org.ispstorage.DataModel1", "AddObject", "s", f"{SERVICE}.{table}")[0]

    def delete(self, row):
        self.bus("call", BUS, ROOT_OBJECT, "org.ispstorage.DataModel1", "DeleteObject", "s", f"{SERVICE}.{row}.")

    def get(self, path):
        values = self.bus("call", BUS, ROOT_OBJECT, "org.ispstorage.DataModel1", "GetValues", "as", "1", f"{SERVICE}.{path}")
        return values[0][0][2]

    def services(self):
        """StorageServiceNumberOfEntries, which is above the service."""
        values = self.bus("call", BUS, ROOT_OBJECT, "org.ispstorage.DataModel1", "GetValues", "as", "1", "Services.StorageServiceNumberOfEntries")
        return values[0][0][2]

    def exists(self, path):
        try:
            return bool(self.bus("call", BUS, ROOT_OBJECT, "org.ispstorage.DataModel1", "GetValues", "as", "1", f"{SERVICE}.{path}"))
        except Failure:
            return False

    def set(self, row, **values):
        """One transaction each, in the order given."""
        parts = [p for p in row.split(".") if p]
        target = "/".join([ROOT_OBJECT, "StorageService/1", *parts])
        interface = ".".join([BUS, "StorageService", *(p for p in parts if not p.isdigit())])
        for name, value in values.items():
            kind = {bool: "b", int: "u", str: "s"}[type(value)]
            self.bus("set-property", BUS, target, interface, name, kind, str(value).lower() if kind == "b" else str(value))

    def refuses(self, row, **values):
        try:
            self.set(row, **values)
        except Failure:
            return
        raise Failure(f"{row}: {values} was accepted")

    def sessions(self):
        """[id, protocol, user, address, shares, files] of each."""
        return self.bus("call", BUS, ROOT_OBJECT, f"{BUS}.Manager", "ListSessions")[0]

    def session_of(self, user, protocol):
        return next((s for s in self.sessions() if s[2] == user and s[1].startswith(protocol)), None)

    def smb_client(self, user):
        return Client(self.testbed, "smbclient", f"//{ADDRESS}/docs", "-m", "SMB3", "-U", f"{user}%{PASSWORDS[user]}")

    def ftp_client(self, user):
        client = Client(self.testbed, "python3", "-c", FTP_CLIENT, ADDRESS, user, PASSWORDS[user])
        wait_until("the FTP session is there", lambda: self.session_of(user, "FTP"))
        return client

    def resolve(self, folder):
        return self.bus("call", BUS, ROOT_OBJECT, f"{BUS}.Manager", "ResolveFolder", "s", f"{SERVICE}.{folder}")

    def smb_raw(self, command, user, password=None, share="docs"):
        return self.testbed.lan(GATEWAY, "smbclient", f"//{ADDRESS}/{share}", "-m", "SMB3", "-U",
                                f"{user}%{PASSWORDS[user] if password is None else password}", "-c", command).decode()

    def smb(self, command, user="alice", password=None, share="docs"):
        out = self.smb_raw(command, user, password, share)
        if "NT_STATUS_" in out:  # its exit status does not tell
            raise Failure(out.strip())
        return out

    def server_name(self):
        """What the SMB server calls itself."""
        out = self.testbed.lan(GATEWAY, "rpcclient", ADDRESS, "-U", f"alice%{PASSWORDS['alice']}", "-c", "srvinfo")
        return out.split()[0].decode()

    def may_write(self, user="alice"):
        """True if a directory that the user makes over SMB is there."""
        self.smb_raw("mkdir probe", user)
        made = (self.root() / "srv/ispstorage/home/docs/probe").is_dir()
        self.smb_raw("rmdir probe", user)
        return made

    def curl(self, url, *argv, user="alice", password=None, **options):
        return self.testbed.lan(GATEWAY, "curl", "-sS", "--fail", "--path-as-is", *argv, "-u",
                                f"{user}:{PASSWORDS[user] if password is None else password}", url, **options)

    def http(self, path, *argv, **options):
        return self.curl(f"http://{ADDRESS}/{path}", *argv, **options)

    def ftp(self, path, *argv, **options):
        return self.curl(f"ftp://{ADDRESS}/{path}", *argv, **options)

    def client_interface(self):
        links = json.loads(self.testbed.lan(GATEWAY, "ip", "-json", "link"))
        return next(link["ifname"] for link in links if link["ifname"] != "lo")

    def root(self):
        return self.testbed.root(GATEWAY)


def fails(what, action):
    try:
        action()
    except Failure:
        return
    raise Failure(f"{what} worked")


def equal(a, b):
    if a != b:
        raise Failure(f"{a!r} instead of {b!r}")


def add_user(nas, name):
    user = nas.add("UserAccount.")
    nas.set(f"UserAccount.{user}", Username=name, Password=PASSWORDS[name], AllowFTPAccess=True, AllowHTTPAccess=True, Enable=True)
    return user


def add_folder(nas, name, rights):
    folder = nas.add("LogicalVolume.1.Folder.")
    path = f"LogicalVolume.1.Folder.{folder}"
    nas.set(path, Name=name, UserAccountAccess=3, Enable=True)
    for user, permissions in rights.items():
        access = nas.add(f"{path}.UserAccess.")
        nas.set(f"{path}.UserAccess.{access}", UserReference=f"{SERVICE}.UserAccount.{user}", Permissions=permissions, Enable=True)
    return path
