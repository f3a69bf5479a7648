# SPDX-License-Identifier: GPL-2.0-or-later
"""The networks of a testbed: a namespace per host, the access network between them, a LAN behind each gateway."""

import json
import os
import socket
import subprocess

from commands import TestbedError, alive, run, start_time, wait_until

# Effective rates: what is left of the advertised ones below Ethernet.
#               down bit/s,  up bit/s, one-way delay us, lost frames per million
PROFILES = {
    'lan':     (100_000_000, 100_000_000,   150,    0),
    'gpon100': (93_000_000,    9_300_000,  2500,    0),
    'gpon30':  (27_900_000,    2_790_000,  2500,    0),
    'adsl16':  (13_360_000,      835_000, 10000, 1000),
    'adsl8':   (6_680_000,       427_500, 10000, 1000),
    'none':    (0,                     0,     0,    0),
}
QUEUE = 50


# What the figures are measured with; the machine's default may be another.
CONGESTION_CONTROL = 'cubic'


def _allow_congestion_control():
    """A namespace may only choose an algorithm that the machine lets unprivileged users choose."""
    path = '/proc/sys/net/ipv4/tcp_allowed_congestion_control'
    with open(path) as f:
        allowed = f.read().split()
    if CONGESTION_CONTROL not in allowed:
        with open(path, 'w') as f:
            f.write(' '.join(allowed + [CONGESTION_CONTROL]))


class Network:
    """hosts: the names of those that have an access link. state: the testbed's directory under /run."""

    def __init__(self, prefix, state):
        self.prefix = prefix
        self.state = state
        self.socket = f'{state}/linkemu.socket'
        self.pid_file = f'{state}/linkemu.pid'

    def namespace(self, host):
        return f'{self.prefix}-{host}'

    def _add_namespace(self, host):
        namespace = self.namespace(host)
        run('ip', 'netns', 'add', namespace)
        run('ip', '-n', namespace, 'link', 'set', 'lo', 'up')
        run('ip', 'netns', 'exec', namespace, 'sh', '-c',
            f'echo {CONGESTION_CONTROL} >/proc/sys/net/ipv4/tcp_congestion_control')

    def make(self, addresses, linkemu):
        """addresses: {host: its address in the access network}."""
        _allow_congestion_control()
        self._add_namespace('core')
        self._start_linkemu(list(addresses), linkemu)
        for number, (host, address) in enumerate(addresses.items(), 1):
            self._add_namespace(host)
            namespace = self.namespace(host)
            run('ip', '-n', self.namespace('core'), 'link', 'set', host, 'netns', namespace, 'name', 'wan0')
            run('ip', 'netns', 'exec', namespace, 'sh', '-c', 'echo 1 >/proc/sys/net/ipv6/conf/wan0/disable_ipv6')
            run('ip', '-n', namespace, 'link', 'set', 'wan0', 'address', f'02:00:00:00:00:{number:02x}', 'up')
            run('ip', '-n', namespace, 'address', 'add', f'{address}/16', 'dev', 'wan0')

    def make_lan(self, gateway, subnet):
        """A namespace for LAN clients: the gateway is .1 on its lan0, the client .2."""
        here, there = self.namespace(gateway), self.namespace(f'{gateway}-lan')
        self._add_namespace(f'{gateway}-lan')
        run('ip', '-n', here, 'link', 'add', 'lan0', 'type', 'veth', 'peer', 'name', 'lan0', 'netns', there)
        for namespace, number in ((here, 1), (there, 2)):
            run('ip', '-n', namespace, 'address', 'add', f'{subnet}.{number}/24', 'dev', 'lan0')
            run('ip', '-n', namespace, 'link', 'set', 'lan0', 'up')

    def _start_linkemu(self, ports, linkemu):
        with open(f'{self.state}/linkemu.log', 'w') as log:
            process = subprocess.Popen(['ip', 'netns', 'exec', self.namespace('core'), linkemu, self.socket] + ports,
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        with open(self.pid_file, 'w') as f:
            f.write(f'{process.pid} {start_time(process.pid)}')

        def started():
            if process.poll() is not None:
                with open(f'{self.state}/linkemu.log') as f:
                    raise TestbedError(f'the link emulator does not start: {f.read().strip()}')
            return os.path.exists(self.socket)

        wait_until(started, 'the link emulator', 10)

    def running(self):
        try:
            with open(self.pid_file) as f:
                pid, start = f.read().split()
            return alive(int(pid)) and start_time(int(pid)) == start
        except (OSError, ValueError):
            return False

    def remove(self):
        if self.running():
            with open(self.pid_file) as f:
                pid = int(f.read().split()[0])
            os.kill(pid, 9)
            wait_until(lambda: not alive(pid), 'the link emulator\'s end', 10)
        for namespace in run('ip', 'netns', 'list').splitlines():
            name = namespace.split()[0]
            if name.startswith(f'{self.prefix}-'):
                run('ip', 'netns', 'delete', name)

    def control(self, *words):
        """One command to the emulator; returns what it answers."""
        client = f'{self.state}/control-{os.getpid()}'
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind(client)
            try:
                s.settimeout(10)
                s.connect(self.socket)
                s.send(' '.join(str(word) for word in words).encode())
                answer = s.recv(4096).decode()
            except OSError as e:
                raise TestbedError(f'the link emulator does not answer: {e}') from None
            finally:
                os.unlink(client)
        if answer.startswith('error'):
            raise TestbedError(f'{" ".join(str(word) for word in words)}: {answer}')
        return answer

    def set_profile(self, host, profile):
        down, up, delay, loss = PROFILES[profile]
        self.control('set', host, 'down', down, delay * 1000, loss, QUEUE)
        self.control('set', host, 'up', up, delay * 1000, loss, QUEUE)

    def counters(self, host):
        return json.loads(self.control('counters', host))
