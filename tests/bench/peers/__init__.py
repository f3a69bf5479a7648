# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user would pick instead, in the same hosts and over the same links."""

from peers.git import Git
from peers.raw import Raw
from peers.rsync import Rsync
from peers.syncthing import Syncthing
from peers.unison import Unison

SYSTEMS = (Raw, Git, Rsync, Unison, Syncthing)
