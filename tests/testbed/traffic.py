# SPDX-License-Identifier: GPL-2.0-or-later
"""Traffic between hosts by other programs than the emulator's own, and what they saw of it: iperf3, ping, tcpdump."""

import contextlib
import json
import re
import struct
import subprocess
import tempfile

from bed import OPERATOR_ADDRESS
from commands import TestbedError, alive, wait_until

PORT = 5201
INTERVAL_SECONDS = 0.5
# iperf3 gives up when the one datagram that opens a UDP transfer is lost.
ATTEMPTS_MAX = 5


class Traffic:
    """network: a network.Network."""

    def __init__(self, network):
        self.network = network

    def inside(self, host, *argv):
        """The command line that runs one of the machine's own programs in a host's network."""
        return ['ip', 'netns', 'exec', self.network.namespace(host), *map(str, argv)]

    def output(self, host, *argv, timeout=60):
        done = subprocess.run(self.inside(host, *argv), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout)
        if done.returncode != 0:
            raise TestbedError(f'{" ".join(map(str, argv))}: {done.stdout}{done.stderr}')
        return done.stdout

    def iperf(self, *options, host='gw1', timeout=60):
        """A transfer from (with --reverse: to) a host, to the operator; returns what iperf3 tells of it."""
        for _ in range(ATTEMPTS_MAX):
            result = self._iperf_once(host, options, timeout)
            if 'error' not in result:
                return result
        raise TestbedError(f'iperf3: {result["error"]}')

    def _iperf_once(self, host, options, timeout):
        server = subprocess.Popen(self.inside('operator', 'iperf3', '--server', '--one-off', '--json',
                                              f'--interval={INTERVAL_SECONDS}', f'--port={PORT}'), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: self.output('operator', 'ss', '-Hltn', f'sport = :{PORT}') or not alive(server.pid),
                       'iperf3', 10)
            done = subprocess.run(self.inside(host, 'iperf3', '--client', OPERATOR_ADDRESS, f'--port={PORT}', '--json',
                                              f'--interval={INTERVAL_SECONDS}', '--get-server-output', *options),
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
            return json.loads(done.stdout)
        finally:
            server.kill()
            server.wait()

    def ping(self, host='gw1', count=30):
        """(shortest, average) round trip to the operator, ms."""
        text = self.output(host, 'ping', '-c', count, '-i', '0.03', '-q', OPERATOR_ADDRESS)
        return tuple(map(float, re.search(r'= ([\d.]+)/([\d.]+)/', text).groups()))

    @contextlib.contextmanager
    def capture(self, host='gw1'):
        """Captures on the host's access link until the end of the block; then {"up" or "down": lengths of the frames}
        is filled."""
        sizes = {}
        with tempfile.TemporaryDirectory() as directory:
            ways = {'up': 'out', 'down': 'in'}
            processes = []
            for name, way in ways.items():
                process = subprocess.Popen(
                    self.inside(host, 'tcpdump', '--immediate-mode', '-i', 'wan0', '-Q', way, '-s', '64', '-B', '16384',
                                '-U', '-n', '-w', f'{directory}/{name}', '-Z', 'root'),
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                process.stderr.readline()  # "listening on ..."
                processes.append(process)
            try:
                yield sizes
            finally:
                for process in processes:
                    process.terminate()
                    process.communicate()
            sizes.update({name: frame_sizes(f'{directory}/{name}') for name in ways})


def frame_sizes(path):
    """The lengths on the wire of the frames in a capture file of the machine's byte order."""
    with open(path, 'rb') as f:
        data = f.read()
    sizes, at = [], 24
    while at + 16 <= len(data):
        captured, size = struct.unpack_from('=II', data, at + 8)
        sizes.append(size)
        at += 16 + captured
    return sizes
