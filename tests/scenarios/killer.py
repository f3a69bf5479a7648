# SPDX-License-Identifier: GPL-2.0-or-later
"""Kills the share manager at one step after the other of a change."""

import contextlib

from harness import Failure, wait_until
from nas import GATEWAY

UNIT = "ispstorage-sharemgr.service"
# Files and directories made, put in place or removed, and messages to the service manager and to servers: after each of these the world
# is another one. Those that a processor does not have are left out (?).
STEPS = ",".join("?" + call for call in ("rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "fchown", "fchownat", "chown",
                                         "sendmsg", "sendto"))
STEPS_MAX = 80


def main_process(nas):
    return nas.testbed.execute(GATEWAY, "systemctl", "show", "-P", "MainPID", UNIT).decode().strip()


def start_killer(nas, step):
    """strace ends the share manager with SIGKILL at its step-th system call of STEPS. Returns its process when that is prepared."""
    wait_until("it runs", lambda: main_process(nas) != "0")
    pid = main_process(nas)
    nas.testbed.execute(GATEWAY, "systemd-run", "--quiet", "--collect", "--unit=killer.service", "strace", "-qq", "-o", "/dev/null",
                        "-p", pid, f"--trace={STEPS}", f"--inject={STEPS}:signal=SIGKILL:when={step}")
    wait_until("strace is attached", lambda: "TracerPid:\t0\n" not in nas.testbed.execute(GATEWAY, "cat", f"/proc/{pid}/status").decode())
    return pid


def kill_at_each_step(nas, changes, settled, prepare=lambda: None):
    """Makes each of the changes again and again, after prepare(), and kills it at the first step, at the second, and so on until none has
    that many. Awaits settled() each time, after the restart as well. Returns how many steps there were."""
    for step in range(1, STEPS_MAX + 1):
        any_was_killed = False
        for change in changes:
            prepare()
            nas.testbed.execute(GATEWAY, "systemctl", "reset-failed", UNIT)
            pid = start_killer(nas, step)
            with contextlib.suppress(Failure):  # who is killed does not answer
                change()
            wait_until("it was killed, or has nothing left to do", lambda p=pid: main_process(nas) != p or settled())
            any_was_killed |= main_process(nas) != pid
            nas.testbed.execute(GATEWAY, "systemctl", "stop", "killer.service", check=False)
            wait_until(f"killed at step {step} it does, started again, what the data model says", settled)
        if not any_was_killed:
            return step - 1
    raise Failure(f"more than {STEPS_MAX} steps")
