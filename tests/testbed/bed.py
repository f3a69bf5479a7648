# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole testbed: its hosts and its network, and what is kept of it between two commands.

/run/ispstorage-testbed/<name>        state: goes with a reboot, as the namespaces and mounts do
/var/lib/ispstorage-testbed/<name>    what is large: the hosts' own files, the disks, the installed software
"""

import fcntl
import json
import os
import shutil
import subprocess

import rootfs
from commands import TestbedError, say
from host import Host, allow_inotify_instances
from network import Network

HERE = os.path.dirname(os.path.abspath(__file__))
OPERATOR_ADDRESS = '10.77.0.1'
ACS_URL = 'https://acs.operator.test:7547/'
DISK_SIZE = 2 << 30
GATEWAYS_MAX = 60
ACS = 'ispstorage-acs'


class Testbed:
    def __init__(self, name, build):
        self.name = name
        self.build = os.path.abspath(build or f'{rootfs.TOP}/build')
        self.state = f'/run/ispstorage-testbed/{name}'
        self.data = f'/var/lib/ispstorage-testbed/{name}'
        self.network = Network(f'ispstorage-{name}', self.state)
        self.lock = None
        self.config = self._read_config()
        self.hosts = {}
        self._set_hosts(self.config.get('gateways', 0))

    def _read_config(self):
        try:
            with open(f'{self.state}/config') as f:
                return json.load(f)
        except (FileNotFoundError, ValueError):
            return {}

    def _write_config(self):
        with open(f'{self.state}/config.new', 'w') as f:
            json.dump(self.config, f)
        os.rename(f'{self.state}/config.new', f'{self.state}/config')

    def _set_hosts(self, gateways):
        names = ['operator'] + [f'gw{n}' for n in range(1, gateways + 1)]
        self.hosts = {name: Host(name, self.state, self.data, self.network.namespace(name),
                                 None if name == 'operator' else self.config.get('limits')) for name in names}

    def _lock(self):
        """Two commands at once must not both build or remove. Held until the process ends."""
        if self.lock is not None:
            return
        os.makedirs(os.path.dirname(self.state), mode=0o700, exist_ok=True)
        self.lock = os.open(f'{self.state}.lock', os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self.lock, fcntl.LOCK_EX)

    def require(self, host):
        if not self.config:
            raise TestbedError(f'the testbed "{self.name}" is not up')
        if host not in self.hosts:
            raise TestbedError(f'no host "{host}": there are {", ".join(self.hosts)}')

    # Up and down

    def up(self, gateways, link, bare, disk=DISK_SIZE, limits=None):
        """disk: bytes of each gateway's; limits: as Host has them, of each gateway."""
        self._lock()
        if self.config:
            self._bring_back(gateways, link)
        else:
            self._make(1 if gateways is None else gateways, link or 'lan', disk, limits)
        # A gateway that calls before the operator knows it is refused, and backs off.
        self._boot(['operator'])
        self._register()
        self._boot(self._gateways())
        say(f'up: {", ".join(self.hosts)}')
        if not bare:
            self._provision()

    def _boot(self, names):
        for name in names:
            if not self.hosts[name].init():
                self.hosts[name].start()
        for name in names:
            self.hosts[name].wait_started()

    def _bring_back(self, gateways, link):
        if gateways not in (None, self.config['gateways']):
            raise TestbedError(f'the testbed is up with {self.config["gateways"]} gateways: take it down first')
        if not self.network.running():
            raise TestbedError('the link emulator has died: take the testbed down')
        if link:
            for name in self._gateways():
                self.network.set_profile(name, link)

    def _make(self, gateways, link, disk, limits):
        if not 0 <= gateways <= GATEWAYS_MAX:
            raise TestbedError(f'from 0 to {GATEWAYS_MAX} gateways')
        self._remove()
        base = rootfs.ensure()
        os.makedirs(f'{self.state}/secrets', mode=0o700)
        os.makedirs(self.data, mode=0o700)
        self._install(f'{self.data}/software')

        allow_inotify_instances()
        self.config = {'gateways': gateways, 'limits': limits}
        self._set_hosts(gateways)
        addresses = self._addresses()
        self.network.make(addresses, f'{self.build}/tests/testbed/linkemu')
        for name in self._gateways():
            self.network.make_lan(name, self._lan_subnet(name))
            self.network.set_profile(name, link)

        for name, host in self.hosts.items():
            settings = {'TESTBED_NUMBER': name.removeprefix('gw'), 'TESTBED_SECRETS': f'{self.state}/secrets',
                        'TESTBED_ACS_URL': os.environ.get('TESTBED_ACS_URL', ACS_URL),
                        'TESTBED_NAMES': '\n'.join(f'{a} {n}' for n, a in self._names(addresses))}
            host.make([f'{self.data}/software', base], settings, None if name == 'operator' else disk)
        self._write_config()

    def down(self):
        self._lock()
        self._remove()

    def _remove(self):
        """Removes what there is, also of an "up" that did not get to its end."""
        names = set(self.hosts)
        for directory in (self.state, self.data):
            if os.path.isdir(directory):
                names |= {name for name in os.listdir(directory) if os.path.isdir(f'{directory}/{name}')}
        for name in names - {'software', 'secrets'}:
            Host(name, self.state, self.data, self.network.namespace(name)).remove()
        self.network.remove()
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)
        self.config = {}

    # Names and addresses

    def _gateways(self):
        return [name for name in self.hosts if name != 'operator']

    def _addresses(self):
        return {name: OPERATOR_ADDRESS if name == 'operator' else f'10.77.{name.removeprefix("gw")}.2'
                for name in self.hosts}

    @staticmethod
    def _lan_subnet(gateway):
        return f'192.168.{gateway.removeprefix("gw")}'

    @staticmethod
    def _names(addresses):
        for name, address in addresses.items():
            yield f'{name}.test', address
            if name == 'operator':
                yield f'acs.{name}.test', address

    # Software

    def _install(self, directory):
        if not os.path.isdir(self.build):
            raise TestbedError(f'no build directory {self.build}: run "meson setup build", or name another (--build)')
        os.makedirs(directory, exist_ok=True)
        done = subprocess.run(['/usr/bin/meson', 'install', '-C', self.build, '--quiet', '--only-changed',
                               '--destdir', directory], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise TestbedError('the software does not build:\n' + '\n'.join(done.stdout.splitlines()[-30:]))

    def update(self):
        self._lock()
        self.require('operator')
        for host in self.hosts.values():
            self._install(host.root)
            if host.init():
                host.refresh()
        say(f'updated: {", ".join(self.hosts)}')

    # The rest

    def link(self, host, profile):
        if profile in ('up', 'down'):
            self.network.control('mend' if profile == 'up' else 'cut', host)
        else:
            self.network.set_profile(host, profile)

    def lan_command(self, gateway, argv):
        """Runs on the machine's own programs, with the gateways' names as their LANs know them."""
        if gateway == 'operator':
            raise TestbedError('the operator has no LAN')
        hosts = f'{self.state}/{gateway}/lan-hosts'
        with open(hosts, 'w') as f:
            f.write(f'127.0.0.1 localhost\n{self._lan_subnet(gateway)}.1 {gateway}.test\n')
        return ['ip', 'netns', 'exec', self.network.namespace(f'{gateway}-lan'), 'sh', '-c',
                'mount --bind "$1" /etc/hosts && shift && exec "$@"', 'sh', hosts, *argv]

    def _register(self):
        """The maker of the gateways tells the operator their passwords."""
        operator = self.hosts['operator']
        if not operator.succeeds('sh', '-c', f'{ACS} --help'):
            return
        for name in self._gateways():
            with open(f'{self.hosts[name].root}/etc/ispstorage/acs-password') as f:
                operator.run('sh', '-c', f'exec {ACS} --set-password "$1"', 'sh', self._device(name), data=f.read())

    def _provision(self):
        if self.status(show=False) == 0:
            return
        if subprocess.call([f'{HERE}/provision', self.name, *self._gateways()]) != 0:
            raise TestbedError('the gateways could not be provisioned')

    def status(self, show=True):
        """Returns the exit status: 0 if all hosts are up and the gateways are subscribed."""
        self.require('operator')
        good = True
        for name, host in self.hosts.items():
            if not host.init():
                text, fine = 'off', False
            elif name == 'operator':
                text, fine = 'up', True
            else:
                text = self._subscription_state(name)
                fine = text == 'subscribed'
            if show:
                print(f'{name:10} {text}')
            good = good and fine
        return 0 if good else 1

    def _subscription_state(self, gateway):
        try:
            shown = self.hosts['operator'].run('ispstorage-admin', '--json', 'device', 'show', self._device(gateway))
            return json.loads(shown)['state']
        except (TestbedError, ValueError, KeyError):
            return 'not known to the operator'

    @staticmethod
    def _device(gateway):
        return f'000000-ISPStorage-GW{int(gateway.removeprefix("gw")):04}'
