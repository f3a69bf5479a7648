# SPDX-License-Identifier: GPL-2.0-or-later
"""The servers of the LAN, and the share manager that configures them."""

import os
import time

import crowd
import gateways
import smb_throughput
from benchmark import Benchmark, Table
from harness import wait_until
from nas import GATEWAY, SERVICE, Nas, add_folder, add_user

UNIT = "ispstorage-sharemgr.service"


class LanServers(Benchmark):
    """One gateway as a NAS. Samba: a file of 1 GB and 2,000 files of 4 KB (less in a quick run), written and read by smbclient on the
    LAN through the share manager's configuration and through one that has nothing but a share, by the same smbd on the same folder.
    Each follows the other at once, they take turns in who is first, and the disk has all of what was written before the next begins;
    compared are the medians of the rounds, of the clock and of the server's processor time. The clock has the disk and the client in it:
    where chance is larger than what is looked for, as with the large file on a busy machine, the processor time says more. Accounts and
    folders: 200 accounts in 20 groups and 50 folders with rights for both in one transaction, until an account reaches the last folder
    over SMB, FTP and HTTP. Resident memory of the share manager when it is idle."""
    name, title = "nas", "The NAS on the LAN"
    own_bed = True
    sizes = {"smoke": {"megabytes": 4, "files": 5, "rounds": 1}, "quick": {"megabytes": 256, "files": 500, "rounds": 5},
             "full": {"megabytes": 1024, "files": 2000, "rounds": 15}}
    minutes = {"smoke": 3, "quick": 6, "full": 60}
    tables = (Table("SMB, parts of the time of the stock configuration", "time of stock's", ("what",), ()),
              Table("SMB, standard deviation of these by chance", "chance", ("what",), ()),
              Table("SMB, parts of the processor time of the stock configuration", "CPU of stock's", ("what",), ()),
              Table("SMB, standard deviation of these by chance, processor time", "chance of CPU", ("what",), ()),
              Table("SMB, seconds", "seconds", ("what",), ("configuration",)),
              Table("SMB, processor time of the server per GB", "CPU per GB", ("what",), ("configuration",)),
              Table("SMB, processor time of the server per file", "CPU per file", ("what",), ("configuration",)),
              Table("200 accounts and 50 folders", "in effect", ("until",), ()),
              Table("Processor time of the share manager for that", "CPU of the share manager", (), ()),
              Table("Resident memory of the idle share manager", "idle RSS", ("with",), ()))

    def measure(self, bed, size, record):
        with gateways.up(os.environ.get("ISPSTORAGE_TESTBED", "bench") + "nas", 1, provisioned=False) as testbed:
            nas = Nas(testbed)
            set_up(nas)
            memory(nas, record, "2 accounts, 1 folder")
            smb(nas, record, **size)
            accounts(nas, record)
            memory(nas, record, f"{crowd.USERS + 2} accounts, {crowd.FOLDERS + 1} folders")


def set_up(nas):
    wait_until("the disk is there", lambda: nas.get("PhysicalMedium.1.Status") == "Online")
    for user in ("alice", "bob"):
        add_user(nas, user)
    nas.add("LogicalVolume.")
    nas.set("LogicalVolume.1", Name="home", PhysicalReference=f"{SERVICE}.PhysicalMedium.1", Capacity=2000, Enable=True)
    add_folder(nas, "docs", {1: 7})
    for server in ("FTPServer", "HTTPServer"):
        nas.set(server, Enable=True)
    wait_until("the servers run", lambda: nas.smb("ls") and nas.ftp("docs/") is not None and nas.http("docs/") is not None)


def smb(nas, record, megabytes, files, rounds):
    seconds, processor = {}, {}
    sizes = {**dict.fromkeys(smb_throughput.LARGE, megabytes / 1024), **dict.fromkeys(smb_throughput.SMALL, files)}
    for times in smb_throughput.measure(nas, megabytes, files, rounds):
        for configuration, values in zip(("ours", "stock"), times, strict=True):
            for what, (duration, cpu) in values.items():
                seconds.setdefault((what, configuration), []).append(duration)
                processor.setdefault((what, configuration), []).append(cpu)
                record.add("seconds", duration, "s", what=what, configuration=configuration)
                record.add("CPU per file" if what in smb_throughput.SMALL else "CPU per GB", cpu / sizes[what], "CPU s", what=what,
                           configuration=configuration)
    for what in sizes:
        for values, name, chance in ((seconds, "time of stock's", "chance"), (processor, "CPU of stock's", "chance of CPU")):
            ratio, deviation = smb_throughput.summary(values[what, "ours"], values[what, "stock"])
            record.add(name, ratio, "", what=what)
            record.add(chance, deviation, "", what=what)


def accounts(nas, record):
    crowd.add_rows(nas)
    cpu = cpu_seconds(nas)
    start = time.monotonic()
    user, folder = crowd.commit(nas)
    record.add("in effect", time.monotonic() - start, "s", until="the answer to the ACS")
    for protocol, client in (("HTTP", lambda: nas.http(f"{folder}/", user=user)), ("FTP", lambda: nas.ftp(f"{folder}/", user=user)),
                             ("SMB", lambda: nas.smb("ls", user=user, share=folder))):
        wait_until(f"{protocol} serves the folder", lambda c=client: c() is not None)
    record.add("in effect", time.monotonic() - start, "s", until="the last folder over all protocols")
    record.add("CPU of the share manager", cpu_seconds(nas) - cpu, "CPU s")


def cpu_seconds(nas):
    return int(nas.testbed.execute(GATEWAY, "systemctl", "show", "-P", "CPUUsageNSec", UNIT)) / 1e9


def memory(nas, record, what):
    record.add("idle RSS", crowd.resident_kb(nas) * 1024, "B", **{"with": what})


BENCHMARKS = (LanServers,)
