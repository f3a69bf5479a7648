# SPDX-License-Identifier: GPL-2.0-or-later
"""One host of a testbed: a systemd that systemd-nspawn boots on an overlay of the shared root file system."""

import os
import shutil
import subprocess

from commands import TestbedError, run, succeeds, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
CGROUPS = '/sys/fs/cgroup'
BOOT_TIMEOUT = 60

# In a mount namespace of its own, so that a cgroup v1 machine can show the container a cgroup v2 tree, and in a
# cgroup of its own, so that systemds do not take each other's units for theirs. The second and the third argument are the
# limits of memory (bytes) and of processor time (microseconds in 100000), or "max".
START = '''
limit() { # CONTROLLER V1-FILE V2-FILE VALUE
        [ "$4" != max ] || return 0
        if [ -d "/sys/fs/cgroup/$1" ]; then
                mkdir -p "/sys/fs/cgroup/$1/$name" && echo "$4" >"/sys/fs/cgroup/$1/$name/$2" &&
                        echo 0 >"/sys/fs/cgroup/$1/$name/cgroup.procs"
        else
                mkdir -p "/sys/fs/cgroup/$name" && echo "+$1" >/sys/fs/cgroup/cgroup.subtree_control &&
                        echo "$4" >"/sys/fs/cgroup/$name/$3"
        fi
}
name=$1
limit memory memory.limit_in_bytes memory.max "$2" || exit 1
limit cpu cpu.cfs_quota_us cpu.max "$3" || exit 1
[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/$name" && echo 0 >"/sys/fs/cgroup/$name/cgroup.procs" || exit 1
shift 3
exec "$@"
'''


# Each host's programs together have about ten, and all hosts' root counts as the machine's.
INOTIFY_INSTANCES = 4096


def allow_inotify_instances():
    """The machine's limit for one user; without this the hosts of a few testbeds exhaust it and do not boot."""
    path = '/proc/sys/fs/inotify/max_user_instances'
    with open(path) as f:
        allowed = int(f.read())
    if allowed < INOTIFY_INSTANCES:
        with open(path, 'w') as f:
            f.write(str(INOTIFY_INSTANCES))


class Host:
    """name: operator, gw1, ...; state: under /run; data: on disk, for what is large. limits: of the machine's "memory"
    (bytes) and "cpus" (any number above 0), as far as they are there."""

    def __init__(self, name, state, data, namespace, limits=None):
        self.name = name
        self.role = 'operator' if name == 'operator' else 'gateway'
        self.namespace = namespace
        self.limits = limits or {}
        self.state = f'{state}/{name}'
        self.data = f'{data}/{name}'
        self.root = f'{self.state}/root'
        self.image = f'{self.data}/disk'

    # Made once

    def make(self, layers, settings, disk_size=None):
        """Mounts the overlay and lets the role fill it. settings: environment variables for the role's script."""
        for directory in (self.root, f'{self.data}/upper', f'{self.data}/work'):
            os.makedirs(directory)
        if disk_size:
            with open(self.image, 'wb') as f:
                f.truncate(disk_size)
            with open(f'{self.state}/disk', 'w') as f:
                f.write(run('losetup', '--find', '--show', self.image).strip())
        run('mount', '-t', 'overlay', 'overlay', '-o',
            f'lowerdir={":".join(layers)},upperdir={self.data}/upper,workdir={self.data}/work', self.root)
        run(f'{HERE}/hosts/{self.role}', environment={
            'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'TESTBED_ROOT': self.root, 'TESTBED_HOST': self.name,
            'TESTBED_DISK': os.path.basename(self.disk() or ''), **settings})

    def remove(self):
        self.stop_now()
        if os.path.ismount(self.root):
            run('umount', self.root)
        for line in run('losetup', '--list', '--noheadings', '--output', 'NAME', '--associated', self.image).split():
            run('losetup', '--detach', line)
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)

    def disk(self):
        """The device node of the gateway's disk, or None."""
        try:
            with open(f'{self.state}/disk') as f:
                return f.read()
        except FileNotFoundError:
            return None

    # Power

    def start(self):
        command = ['systemd-nspawn', '--quiet', f'--directory={self.root}', f'--machine={self.namespace}',
                   f'--hostname={self.name}', '--register=no',
                   f'--network-namespace-path=/run/netns/{self.namespace}',
                   '--keep-unit', '--resolv-conf=off', '--timezone=off', '--link-journal=no', '--console=read-only',
                   '--boot']
        for device in (self.disk(), '/dev/fuse', '/dev/btrfs-control'):
            if device and os.path.exists(device):
                command.append(f'--bind={device}')
        with open(f'{self.state}/console', 'a') as console:
            subprocess.Popen(['unshare', '--mount', '--propagation=private', 'sh', '-c', START, 'sh',
                              self.namespace, *self._limits()] + command, stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                             start_new_session=True)

    def _limits(self):
        memory, cpus = self.limits.get('memory'), self.limits.get('cpus')
        return [str(memory or 'max'), str(int(cpus * 100000)) if cpus else 'max']

    def _is_started(self):
        # Asked once: the init process changes its cgroup while it boots, and is not found in between.
        init = self.init()
        return init and succeeds(*self._enter(init), 'systemctl', '--quiet', 'is-active', 'multi-user.target')

    def wait_started(self):
        wait_until(self._is_started, f'{self.name} booting (see "testbed log {self.name}")', BOOT_TIMEOUT)

    def stop(self):
        """A clean shutdown."""
        init = self.init()
        if not init:
            return
        self.succeeds('systemctl', '--no-block', 'poweroff')
        wait_until(lambda: not self._processes(), f'{self.name} shutting down', BOOT_TIMEOUT)

    def stop_now(self):
        """A power cut: no process gets to run another instruction."""
        cgroup = self._cgroup()
        if not cgroup:
            return
        with open(f'{cgroup}/cgroup.kill', 'w') as f:
            f.write('1')
        wait_until(lambda: not self._processes(), f'{self.name}\'s end', 10)
        for tree in (cgroup, *(f'{CGROUPS}/{controller}/{self.namespace}' for controller in ('memory', 'cpu'))):
            for directory, _, _ in os.walk(tree, topdown=False):
                os.rmdir(directory)

    def restart(self):
        self.stop()
        self.start()
        self.wait_started()

    def power_cycle(self):
        self.stop_now()
        self.start()
        self.wait_started()

    # Inside

    def refresh(self):
        """Makes newly installed software the one that runs."""
        self.run('systemd-sysusers')
        self.run('systemd-tmpfiles', '--create', '--exclude-prefix=/dev')
        self.run('systemctl', 'daemon-reload')
        self.succeeds('systemctl', 'reload', 'dbus.service')
        with open(f'{HERE}/hosts/{self.role}.units') as f:
            for unit in f.read().split():
                # Not yet there when the host was made, perhaps.
                self.succeeds('systemctl', '--quiet', '--no-block', 'enable', '--now', unit)
        self.run('systemctl', '--no-block', 'restart', 'ispstorage-*.service')

    def _cgroup(self):
        for tree in (CGROUPS, f'{CGROUPS}/unified'):
            if os.path.exists(f'{tree}/{self.namespace}/cgroup.procs'):
                return f'{tree}/{self.namespace}'
        return None

    def _processes(self):
        found = []
        for directory, _, _ in os.walk(self._cgroup() or '/nonexistent'):
            try:
                with open(f'{directory}/cgroup.procs') as f:
                    found += f.read().split()
            except OSError:
                pass
        return found

    def init(self):
        """The process that is PID 1 inside, or None."""
        for pid in self._processes():
            try:
                with open(f'/proc/{pid}/status') as f:
                    ids = next(line for line in f if line.startswith('NSpid:')).split()
                if ids[2:] == ['1'] and os.readlink(f'/proc/{pid}/ns/mnt') != os.readlink('/proc/self/ns/mnt'):
                    return pid
            except (OSError, StopIteration):
                pass
        return None

    @staticmethod
    def _enter(init):
        return ['nsenter', f'--target={init}', '--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup', '--root',
                '--wd', 'env', '-i', 'PATH=/usr/sbin:/usr/bin', 'HOME=/root', 'LANG=C.UTF-8',
                f'TERM={os.environ.get("TERM", "dumb")}']

    def command(self, *argv):
        """The command line that runs argv inside."""
        init = self.init()
        if not init:
            raise TestbedError(f'{self.name} is not running')
        return [*self._enter(init), *argv]

    def succeeds(self, *argv):
        return succeeds(*self.command(*argv))

    def run(self, *argv, data=''):
        return run(*self.command(*argv), data=data)
