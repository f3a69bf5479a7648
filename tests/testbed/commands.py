# SPDX-License-Identifier: GPL-2.0-or-later
"""Running commands, and waiting for conditions."""

import os
import subprocess
import sys
import time


class TestbedError(Exception):
    """Something that its text explains well enough to whoever typed the command."""


def say(text):
    print(f'testbed: {text}', file=sys.stderr, flush=True)


def run(*argv, environment=None, data=''):
    """Runs a command; its output only shows, as the error's text, if it fails. Returns what it printed."""
    done = subprocess.run(argv, env=environment, input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise TestbedError(f'{" ".join(argv)}: {(done.stderr or done.stdout).strip() or done.returncode}')
    return done.stdout


def succeeds(*argv):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def wait_until(condition, what, seconds):
    """Waits until condition() is true; raises after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TestbedError(f'{what}: not within {seconds} s')
        time.sleep(0.02)


def alive(pid):
    """Whether the process exists and is not just waiting to be reaped."""
    try:
        with open(f'/proc/{pid}/stat') as f:
            return f.read().rpartition(')')[2].split()[0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return False


def start_time(pid):
    """Clock ticks since boot when the process began: with the pid, its identity."""
    with open(f'/proc/{pid}/stat') as f:
        return f.read().rpartition(')')[2].split()[19]


def require_root():
    if os.geteuid() != 0:
        raise TestbedError('needs root: it makes network namespaces, mounts and containers')
