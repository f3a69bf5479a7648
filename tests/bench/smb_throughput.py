# SPDX-License-Identifier: GPL-2.0-or-later
"""What the rendered configuration of Samba costs: the same smbd, on the same folder of a booted gateway, with the share manager's
configuration and with one that has nothing but a share; written and read by smbclient on the gateway's LAN."""

import math
import pathlib
import statistics
import tempfile
import time

from harness import wait_until
from nas import ADDRESS, GATEWAY, PASSWORDS

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

FOLDER = "/srv/ispstorage/home/docs"
# What smbclient is told, by what it is called in the report.
LARGE = {"write the large file": "put {directory}/large large", "read the large file": "get large {directory}/back/large"}
SMALL = {"write many small files": "lcd {directory}; prompt; recurse; mput small",
         "read many small files": "lcd {directory}/back; prompt; recurse; mget small"}
# Of normally distributed values: standard deviation by median distance, and that of a median by that of a mean.
DEVIATION_OF_MEDIAN = 1.4826 * math.sqrt(math.pi / 2)


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
    """Seconds by the clock, and of the server's processor. What was written before is on the disk."""
    nas.testbed.execute(GATEWAY, "sync", "--file-system", FOLDER)
    start, cpu = time.monotonic(), server_cpu(nas, stock)
    client(nas, stock, commands)
    return time.monotonic() - start, server_cpu(nas, stock) - cpu


def measure_once(nas, stock, directory, steps):
    """{what: as timed()}. Leaves nothing behind."""
    times = {what: timed(nas, stock, commands.format(directory=directory)) for what, commands in steps.items()}
    client(nas, stock, "rm large" if steps is LARGE else "deltree small")
    return times


def make_files(path, megabytes, files):
    for name in ("small", "back"):
        (path / name).mkdir()
    with open(path / "large", "wb") as file:
        for _ in range(megabytes):
            file.write(b"\0" * 524288 + b"\1" * 524288)
    for n in range(files):
        (path / "small" / f"file{n}").write_bytes(b"x" * 4096)


def measure(nas, megabytes, files, rounds):
    """Yields {what: (seconds, seconds of the server's processor)} of ours and of the stock configuration for each round. One follows
    the other as closely as can be, and they take turns in who is first. A round before these counts for nothing: it is the first to fill
    the disk and the caches."""
    start_stock(nas)
    with tempfile.TemporaryDirectory() as directory:
        make_files(pathlib.Path(directory), megabytes, files)
        for number in range(rounds + 1):
            times = {False: {}, True: {}}
            for steps in (LARGE, SMALL):
                for stock in ((False, True) if number % 2 == 0 else (True, False)):
                    times[stock].update(measure_once(nas, stock, directory, steps))
            if number > 0:
                yield times[False], times[True]


def summary(ours, stock):
    """Of the seconds, or processor seconds, of as many rounds: the ratio of the medians, and the deviation of that ratio that chance alone
    gives, from how far the ratios of the rounds are apart (their median distance from their middle, which a few rounds that something else
    disturbed do not move)."""
    ratios = [a / b for a, b in zip(ours, stock, strict=True)]
    middle = statistics.median(ratios)
    distance = statistics.median(abs(r - middle) for r in ratios)
    return statistics.median(ours) / statistics.median(stock), DEVIATION_OF_MEDIAN * distance / math.sqrt(len(ratios))
