# SPDX-License-Identifier: GPL-2.0-or-later
"""File systems on loop devices, in a private mount namespace."""

import os
import subprocess
import sys
import tempfile
import unittest

# XFS wants 300 MB at least.
IMAGE_BYTES = 512 << 20
MAKE = {
    'ext3': ['mkfs.ext3', '-q', '-F', '-I', '128'],
    'ext4': ['mkfs.ext4', '-q', '-F'],
    'xfs': ['mkfs.xfs', '-q'],
    'btrfs': ['mkfs.btrfs', '-q'],
    'vfat': ['mkfs.vfat'],
    'exfat': ['mkfs.exfat'],
}
PRIVATE = 'ISPSTORAGE_TEST_PRIVATE_MOUNTS'


def enter_private_mounts():
    """Runs the script anew in a mount namespace of its own; ends it with meson's status for 'skipped' where that cannot
    be."""
    if PRIVATE in os.environ:
        return
    if os.geteuid() != 0 or not os.path.exists('/dev/loop-control'):
        print('mounting needs root and loop devices')
        sys.exit(77)
    os.environ[PRIVATE] = '1'
    os.execvp('unshare', ['unshare', '--mount', '--propagation', 'private', sys.executable, '-B', *sys.argv])


def place_for_image():
    """In memory if there is enough of it: nothing here has to outlast the machine."""
    st = os.statvfs('/dev/shm')
    return '/dev/shm' if st.f_bavail * st.f_frsize > 2 * IMAGE_BYTES else '/var/tmp'


class Disk:
    """A new file system on an image of its own; mounted at path."""

    def __init__(self, name, options='defaults'):
        self.name, self.options, self.mounted = name, options, False

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(dir=place_for_image())
        self.image, self.path = f'{self.directory.name}/image', f'{self.directory.name}/mounted'
        os.mkdir(self.path)
        with open(self.image, 'wb') as file:
            file.truncate(IMAGE_BYTES)
        try:
            for command in ([*MAKE[self.name], self.image],
                            ['mount', '-t', self.name, '-o', f'{self.options},loop', self.image, self.path]):
                self.do(command)
        except BaseException:
            self.directory.cleanup()
            raise
        self.mounted = True
        return self

    def do(self, command):
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError as error:
            raise unittest.SkipTest(f'{error.filename} is not installed') from error
        if done.returncode != 0:
            raise unittest.SkipTest(f'{command[0]} of {self.name}: {done.stderr.strip()}')

    def unmount(self):
        subprocess.run(['umount', self.path], check=True)
        self.mounted = False

    def __exit__(self, *_):
        if self.mounted or os.path.ismount(self.path):
            self.unmount()
        self.directory.cleanup()
