# SPDX-License-Identifier: GPL-2.0-or-later
"""The root file system that all hosts share, made once from Debian packages and kept in the cache.

Mirror, keys and proxy are those of the machine's own apt.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess

from commands import TestbedError, run, say

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = '/var/cache/ispstorage-testbed'
ROLES = ('gateway', 'operator', 'debug')
SUITE = 'bookworm'

# What a host does not read: a third of the size, and of the time to write it.
LEFT_OUT = ('/usr/share/doc/*', '/usr/share/info/*', '/usr/share/man/*', '/usr/share/locale/*', '/usr/share/lintian/*')

# A host's role enables its units: nothing runs because its package is installed. What makes a host this one (name,
# machine id, ssh keys) is its role's too, and nothing of the machine that made the root file system stays in it.
CUSTOMIZE = (
    'echo "disable *" >"$1/usr/lib/systemd/system-preset/00-testbed.preset"',
    'find "$1/etc/systemd/system" -path "*.wants/*" -type l -delete',
    'systemctl --root="$1" -q preset-all || true',
    'systemctl --root="$1" -q set-default multi-user.target',
    'for u in systemd-networkd systemd-resolved console-getty getty@tty1 ldconfig; do'
    ' ln -sf /dev/null "$1/etc/systemd/system/$u.service"; done',
    'rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/hostname" "$1/etc/resolv.conf" "$1/etc/machine-id"',
    'rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap"',
)


def packages(roles):
    """The packages of these roles in packaging/packages, sorted."""
    found = set()
    with open(f'{TOP}/packaging/packages') as f:
        for line in f:
            words = line.split('#')[0].split()
            if len(words) == 2 and words[0] in roles:
                found.add(words[1])
    return sorted(found)


def _known_sources():
    lines = run('apt-get', 'indextargets', '--format', '$(ORIGIN) $(RELEASE) deb $(REPO_URI) $(RELEASE) $(COMPONENT)',
                'Created-By: Packages')
    return sorted({' '.join(line.split()[2:]) for line in lines.splitlines() if line.startswith(f'Debian {SUITE}')})


def _sources():
    """Lines for sources.list: where the machine itself has Debian from."""
    sources = _known_sources()
    if not sources:
        run('apt-get', '--quiet=2', 'update')
        sources = _known_sources()
    if not sources:
        raise TestbedError(f'apt knows no Debian {SUITE}: see to its sources')
    return ''.join(f'{line}\n' for line in sources)


def _apt_options():
    """How the machine reaches its mirror (proxies, certificates, credentials), for the root file system's apt."""
    dump = run('apt-config', 'dump').splitlines()
    lines = [line for line in dump if line.startswith('Acquire::') and '::Changelogs' not in line]
    return '\n'.join(lines + ['Dir::Etc::netrc "/etc/apt/auth.conf";', 'Dir::Etc::netrcparts "/etc/apt/auth.conf.d";',
                              'Acquire::Languages "none";', ''])


def _recipe():
    return ['--mode=root', '--format=directory', '--variant=minbase', '--dpkgopt=force-unsafe-io',
            *(f'--dpkgopt=path-exclude={path}' for path in LEFT_OUT),
            *(f'--customize-hook={hook}' for hook in CUSTOMIZE),
            '--include=' + ','.join(packages(ROLES)), SUITE]


def _build(directory):
    options = f'{directory}.apt.conf'
    with open(options, 'w') as f:
        f.write(_apt_options())
    try:
        done = subprocess.run(['mmdebstrap', '--quiet', f'--aptopt={options}', *_recipe(), directory, '-'],
                              input=_sources(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    finally:
        os.unlink(options)
    if done.returncode != 0:
        raise TestbedError('mmdebstrap failed:\n' + '\n'.join(done.stdout.splitlines()[-30:]))


def path():
    """The path under which this tree's root file system is, or will be, kept."""
    return f'{CACHE}/rootfs-{hashlib.sha256(repr(_recipe()).encode()).hexdigest()[:16]}'


def ensure():
    """Makes the root file system unless it is there. Returns its path."""
    directory = path()
    os.makedirs(CACHE, mode=0o700, exist_ok=True)
    with open(f'{CACHE}/lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.isdir(directory):
            return directory
        say('making the hosts\' root file system, once (about two minutes)')
        temporary = f'{directory}.new'
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            _build(temporary)
            os.rename(temporary, directory)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return directory
