# SPDX-License-Identifier: GPL-2.0-or-later
"""What the rendered configuration of Samba costs: the same smbd, on the same folder of a booted gateway, with the share manager's
configuration and with one that has nothing but a share; written and read by smbclient on the gateway's LAN."""

import pathlib
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
    """{what: as timed()}."""
    back = f"lcd {directory}/back; prompt; recurse"
    times = {"write the large file": timed(nas, stock, f"put {directory}/large large"),
             "read the large file": timed(nas, stock, f"get large {directory}/back/large"),
             "write many small files": timed(nas, stock, f"lcd {directory}; prompt; recurse; mput small"),
             "read many small files": timed(nas, stock, f"{back}; mget small")}
    client(nas, stock, "rm large; deltree small")
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
    """Yields {what: (seconds, seconds of the server's processor)} of ours and of the stock configuration for each round. They take turns in
    who is first."""
    start_stock(nas)
    with tempfile.TemporaryDirectory() as directory:
        make_files(pathlib.Path(directory), megabytes, files)
        for number in range(rounds):
            times = {stock: measure_once(nas, stock, directory) for stock in ((False, True) if number % 2 == 0 else (True, False))}
            yield times[False], times[True]
