#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""smb_throughput.py [--quick]: what the rendered configuration costs. The same smbd, on the same folder of a booted gateway, with the
share manager's configuration and with one that has nothing but a share: a large file and many small ones, written and read by smbclient
on the gateway's LAN. Both take turns, and the medians are compared, as the machine's speed is not the point. Also the resident memory of
the share manager when it has nothing to do. Prints JSON."""

import argparse
import json
import pathlib
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scenarios"))
from harness import Testbed, own_name, wait_until  # noqa: E402  (found by the line above)
from nas import ADDRESS, GATEWAY, PASSWORDS, SERVICE, Nas, add_folder, add_user  # noqa: E402

STOCK_PORT = 1445
STOCK = f"""[global]
netbios name = nas
passdb backend = tdbsam:/run/ispstorage/share/samba/run/passdb.tdb
private dir = /run/ispstorage/share/samba/run/private
smb ports = {STOCK_PORT}
pid directory = /run/stock
lock directory = /run/stock
state directory = /run/stock
cache directory = /run/stock
ncalrpc dir = /run/stock
disable spoolss = yes
[docs]
path = /srv/ispstorage/home/docs
read only = no
"""


def set_up(nas):
    wait_until("the disk is there", lambda: nas.get("PhysicalMedium.1.Status") == "Online")
    add_user(nas, "alice")
    nas.add("LogicalVolume.")
    nas.set("LogicalVolume.1", Name="home", PhysicalReference=f"{SERVICE}.PhysicalMedium.1", Capacity=2000, Enable=True)
    add_folder(nas, "docs", {1: 7})
    wait_until("the share is there", lambda: nas.smb("ls"))


def start_stock(nas):
    (nas.root() / "run/stock").mkdir(exist_ok=True)
    (nas.root() / "run/stock/smb.conf").write_text(STOCK)
    nas.testbed.execute(GATEWAY, "systemd-run", "--quiet", "--collect", "--unit=stock.service", "smbd", "--foreground",
                        "--no-process-group", "--configfile=/run/stock/smb.conf")
    wait_until("the other smbd is there", lambda: client(nas, True, "ls"))


def client(nas, stock, commands):
    login = [*(["-p", str(STOCK_PORT)] if stock else []), "-U", f"alice%{PASSWORDS['alice']}"]
    out = nas.testbed.lan(GATEWAY, "smbclient", f"//{ADDRESS}/docs", "-m", "SMB3", *login, "-c", commands, timeout=1800).decode()
    if "NT_STATUS_" in out:
        raise SystemExit(out)
    return out


def server_cpu(nas, stock):
    unit = "stock.service" if stock else "ispstorage-smbd.service"
    return int(nas.testbed.execute(GATEWAY, "systemctl", "show", "-P", "CPUUsageNSec", unit)) / 1e9


def timed(nas, stock, commands):
    """Seconds by the clock, and of the server's processor."""
    start, cpu = time.monotonic(), server_cpu(nas, stock)
    client(nas, stock, commands)
    return time.monotonic() - start, server_cpu(nas, stock) - cpu


def measure_once(nas, stock, directory):
    """Seconds of each of the four, as timed()."""
    back = f"lcd {directory}/back; prompt; recurse"
    times = {"write_large": timed(nas, stock, f"put {directory}/large large"),
             "read_large": timed(nas, stock, f"get large {directory}/back/large"),
             "write_small": timed(nas, stock, f"lcd {directory}; prompt; recurse; mput small"),
             "read_small": timed(nas, stock, f"{back}; mget small")}
    client(nas, stock, "rm large; deltree small")
    return times


def measure(nas, megabytes, files, rounds):
    """{what: seconds by the clock and of the server's processor, ours and stock, and their ratios}, and the memory."""
    start_stock(nas)
    memory = nas.testbed.execute(GATEWAY, "sh", "-c", "grep VmRSS /proc/$(systemctl show -P MainPID ispstorage-sharemgr)/status").decode()
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory)
        (path / "small").mkdir()
        (path / "back").mkdir()
        with open(path / "large", "wb") as file:
            for _ in range(megabytes):
                file.write(b"\0" * 524288 + b"\1" * 524288)
        for n in range(files):
            (path / "small" / f"file{n}").write_bytes(b"x" * 4096)
        runs = {stock: [] for stock in (False, True)}
        for _ in range(rounds):
            for stock in runs:
                runs[stock].append(measure_once(nas, stock, directory))
    result = {"share manager RSS kB": int(memory.split()[1])}
    for what in runs[False][0]:
        ours, stock = (statistics.median(run[what][0] for run in runs[s]) for s in (False, True))
        ours_cpu, stock_cpu = (statistics.median(run[what][1] for run in runs[s]) for s in (False, True))
        result[what] = {"ours_s": round(ours, 2), "stock_s": round(stock, 2), "throughput_ratio": round(stock / ours, 3),
                        "ours_cpu_s": round(ours_cpu, 2), "stock_cpu_s": round(stock_cpu, 2)}
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small files and few, to see that it works")
    arguments = parser.parse_args()
    testbed = Testbed(own_name("smb", "smb"))
    testbed("up", "--bare", "--gateways", "1", timeout=900)
    try:
        nas = Nas(testbed)
        wait_until("the share manager is on the bus", lambda: nas.get("Enable") == "true")
        set_up(nas)
        print(json.dumps(measure(nas, *((16, 50, 1) if arguments.quick else (1024, 2000, 3))), indent=2))
    finally:
        testbed("down")


if __name__ == "__main__":
    main()
