# SPDX-License-Identifier: GPL-2.0-or-later
"""Two hundred accounts in groups and fifty folders with rights, beside two accounts and a folder that are there."""

import os
import shutil

from harness import ROOT
from nas import BUS, GATEWAY, PASSWORDS, ROOT_OBJECT, SERVICE

USERS, GROUPS, FOLDERS = 200, 20, 50
SET_VALUES = "/usr/local/bin/set-values"


def add_rows(nas):
    """The rows, not enabled yet."""
    tables = ["UserGroup."] * GROUPS + ["UserAccount."] * USERS + ["LogicalVolume.1.Folder."] * FOLDERS
    tables += [f"LogicalVolume.1.Folder.{f}.{t}" for f in range(2, FOLDERS + 2) for t in ("GroupAccess.", "UserAccess.") * 2]
    calls = "".join(f"busctl --quiet call {BUS} {ROOT_OBJECT} org.ispstorage.DataModel1 AddObject s {SERVICE}.{t} || exit 1\n" for t in tables)
    nas.testbed.execute(GATEWAY, "bash", "-s", data=calls.encode(), timeout=600)
    shutil.copy(os.path.join(os.environ.get("ISPSTORAGE_BUILD", ROOT / "build"), "tests/set-values"), nas.root() / SET_VALUES[1:])


def _values():
    values = {}
    for g in range(1, GROUPS + 1):
        values |= {f"UserGroup.{g}.GroupName": f"group {g}", f"UserGroup.{g}.Enable": "true"}
    for u in range(3, USERS + 3):
        groups = ",".join(f"{SERVICE}.UserGroup.{1 + (u * k) % GROUPS}" for k in (1, 7))
        values |= {f"UserAccount.{u}.Username": f"user{u}", f"UserAccount.{u}.Password": f"secret {u}",
                   f"UserAccount.{u}.AllowFTPAccess": "true", f"UserAccount.{u}.AllowHTTPAccess": "true",
                   f"UserAccount.{u}.UserGroupParticipation": groups, f"UserAccount.{u}.Enable": "true"}
    for f in range(2, FOLDERS + 2):
        row = f"LogicalVolume.1.Folder.{f}"
        values |= {f"{row}.Name": f"folder{f}", f"{row}.UserAccountAccess": "3", f"{row}.Enable": "true"}
        for k in (1, 2):
            values |= {f"{row}.GroupAccess.{k}.GroupReference": f"{SERVICE}.UserGroup.{1 + (f + 7 * k) % GROUPS}",
                       f"{row}.GroupAccess.{k}.Permissions": "7" if k == 1 else "4", f"{row}.GroupAccess.{k}.Enable": "true",
                       f"{row}.UserAccess.{k}.UserReference": f"{SERVICE}.UserAccount.{3 + (f * 4 + k) % USERS}",
                       f"{row}.UserAccess.{k}.Permissions": "7", f"{row}.UserAccess.{k}.Enable": "true"}
    return values


def commit(nas):
    """Sets all that add_rows() made in one transaction. Returns the name of an account that may use the last folder, and that folder's."""
    lines = "".join(f"{SERVICE}.{name}\t{value}\n" for name, value in _values().items())
    nas.testbed.execute(GATEWAY, SET_VALUES, BUS, ROOT_OBJECT, data=lines.encode())
    last = FOLDERS + 1
    number = 3 + (last * 4 + 1) % USERS
    PASSWORDS[f"user{number}"] = f"secret {number}"
    return f"user{number}", f"folder{last}"


def resident_kb(nas):
    """Of the share manager."""
    status = nas.testbed.execute(GATEWAY, "sh", "-c", "grep VmRSS /proc/$(systemctl show -P MainPID ispstorage-sharemgr)/status")
    return int(status.split()[1])
