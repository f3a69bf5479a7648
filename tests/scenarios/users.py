# SPDX-License-Identifier: GPL-2.0-or-later
"""Users on the gateways' LANs who do anything to their files, and a ledger of what they wrote.

Each content is written once and never again, so that it can be told under any name and in the repository. Its
name here is that of its blob in git. A content is alive at the path where it was last closed or moved to, until a user
who has it before his eyes (on a gateway that holds it at that path) overwrites or deletes it there.
"""

import contextlib
import datetime
import hashlib
import os
import stat

from harness import Failure

DIRECTORIES = [b".", b".", b".", b"d", b"d/sub", b"D", "\u00fcber".encode(), b".git", b".git/refs", b"-rf", b"p"]
NAMES = [b"a", b"b.txt", b"B.txt", b"-x", b"new\nline.doc", "\u00e9.odt".encode(), "e\u0301.odt".encode(), b"n" * 255,
         b"x" * 250 + b".jpeg", b".hidden", b"HEAD", b"\xff\xfe bytes", b"back\\slash", b"%percent", b"sub", b"refs"]
PLAIN_MAX = 1 << 20  # bytes; larger files are stored in chunks (docs/repository-format.md)
SIZES = [0, 1, 100, 100, 4096, 4096, 70_000, 1_500_000]


def blob(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def look(folder):
    """path -> (kind, blob) of everything in a folder; None if it changed while being looked at."""
    found = {}
    folder = os.fsencode(folder)
    try:
        for directory, directories, files in os.walk(folder, onerror=raise_error):
            for name in directories + files:
                path = os.path.join(directory, name)
                relative = path[len(folder) + 1:]
                st = os.lstat(path)
                if stat.S_ISLNK(st.st_mode):
                    found[relative] = ("link", blob(os.readlink(path)))
                elif stat.S_ISDIR(st.st_mode):
                    found[relative] = ("directory", None)
                else:
                    with open(path, "rb") as file:
                        found[relative] = ("program" if st.st_mode & 0o100 else "file", blob(file.read()))
    except OSError:
        return None
    return found


def raise_error(error):
    raise error


def identity(st):
    """Of a file among all gateways' disks."""
    return st.st_dev, st.st_ino


class Hold:
    """A file that a user keeps open."""

    def __init__(self, gateway, path, fd):
        self.gateway = gateway
        self.path = path
        self.fd = fd
        self.inode = identity(os.fstat(fd))
        self.deleted = False


class Users:
    """All users of all gateways. What they do is chosen by rng, so a seed tells it again as far as the timing does."""

    def __init__(self, testbed, gateways, rng, clients):
        self.testbed = testbed
        self.gateways = gateways
        self.rng = rng
        self.clients = clients
        self.serial = 0
        self.known = {blob(b"")}  # every content that ever was in a file
        self.large = set()        # of these, those that git has in chunks only
        self.alive = set()        # (content, path)
        self.doubtful = set()     # of these, those that a user may have overwritten or removed unseen
        self.holds = []
        self.log = []
        self.directories, self.names = DIRECTORIES, NAMES

    # Looking and writing as the owner of the data

    @contextlib.contextmanager
    def inside(self, gateway):
        """In the folder, as the user that owns it. No process stays there: the disk must be free to go."""
        folder = self.testbed.folder(gateway)
        owner = os.stat(folder)
        os.chdir(folder)
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.chdir("/")

    def new(self, gateway, size=None):
        self.serial += 1
        data = b"content %d of %s\n" % (self.serial, gateway.encode())
        size = self.rng.choice(SIZES) if size is None else size
        return data + self.rng.randbytes(max(0, size - len(data)))

    def know(self, data):
        self.known.add(blob(data))
        if len(data) > PLAIN_MAX:
            self.large.add(blob(data))

    def meet(self):
        """From now on all use the same few paths."""
        self.directories = self.rng.sample(DIRECTORIES, self.rng.randrange(1, 5))
        self.names = self.rng.sample(NAMES, self.rng.randrange(2, 6))

    def path(self):
        return os.path.normpath(os.path.join(self.rng.choice(self.directories), self.rng.choice(self.names)))

    def existing(self, *kinds):
        """A path of one of the kinds (st_mode formats) in the current directory."""
        found = []
        top = self.rng.choice(self.directories)
        for directory, directories, files in os.walk(top if os.path.isdir(top) else b"."):
            for name in directories + files:
                path = os.path.normpath(os.path.join(directory, name))
                if path != b"anchor" and stat.S_IFMT(os.lstat(path).st_mode) in kinds:
                    found.append(path)
        if not found:
            raise FileNotFoundError
        return self.rng.choice(sorted(found))

    # The ledger

    def note(self, what):
        self.log.append(f"    {datetime.datetime.now():%T.%f} {what}")

    def written(self, path, data):
        self.note(f"{blob(data)} written at {path}")
        self.know(data)
        self.alive.add((blob(data), path))

    def gone(self, path, content, inode=None):
        """A user overwrote or deleted it at this path."""
        self.note(f"{content} gone from {path}")
        self.alive = {(c, p) for c, p in self.alive
                      if c != content or (p != path and not self.is_copy(path, p))}
        for hold in self.holds:
            if hold.inode == inode:
                hold.deleted = True
                self.note(f"what {hold.gateway} holds open at {hold.path} is deleted")

    @staticmethod
    def is_copy(copy, path):
        """Whether the one may be a conflict copy of the other. Parents may have been renamed as well; and what was written by SMB, and
        moved aside before we looked, may have had the name in other letters than we think."""
        stem = os.path.basename(path)[:100].split(b".")[0].lower()
        return b"Z.gw" in copy and (stem in copy.lower() or not stem)

    def content_at(self, path):
        """(content, inode, descriptor or None); FileNotFoundError if there is neither file nor symlink."""
        st = os.lstat(path)
        if stat.S_ISLNK(st.st_mode):
            return blob(os.readlink(path)), identity(st), None
        if not stat.S_ISREG(st.st_mode):
            raise FileNotFoundError
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        return blob(self.read(fd)), identity(os.fstat(fd)), fd

    @staticmethod
    def read(fd):
        data, n = b"", os.fstat(fd).st_size
        while part := os.pread(fd, n + 1, len(data)):
            data += part
        return data

    def moved(self, path, to, content, inode):
        self.gone(path, content)
        held = [hold for hold in self.holds if hold.inode == inode]
        for hold in held:
            hold.path = to
        # What is not closed yet has no content to speak of.
        if not held:
            self.note(f"{content} moved from {path} to {to}")
            self.alive.add((content, to))

    def remove_name(self, path, removal):
        """removal takes away what is at the path. The inode tells what that was: it may have just come from main."""
        try:
            content, inode, fd = self.content_at(path)
        except FileNotFoundError:
            return removal()
        removal()
        if fd is None:
            self.gone(path, content, inode)
            return None
        if os.fstat(fd).st_nlink == 0:
            self.gone(path, content, inode)
        else:
            # Perhaps another version was there by then, which the user did not see; or just what was seen, which has a name in
            # the content area for a moment. Either is in history.
            self.doubtful |= {(c, p) for c, p in self.alive if p == path}
            self.log.append("race: it may have been something else that was removed")
        return os.close(fd)

    def held(self, st):
        return any(h.inode == identity(st) for h in self.holds)

    # What users do; OSError: it could not be done

    def write(self, gateway, path=None, data=None):
        path = path or self.path()
        data = self.new(gateway) if data is None else data
        os.makedirs(os.path.dirname(path) or b".", exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            if self.held(os.fstat(fd)):
                return
            old = blob(self.read(fd))
            os.ftruncate(fd, 0)
            os.write(fd, data)
        finally:
            os.close(fd)
        self.gone(path, old)
        self.written(path, data)

    def append(self, gateway):
        path = self.existing(stat.S_IFREG)
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW)
        try:
            if self.held(os.fstat(fd)):
                return
            old = self.read(fd)
            data = self.new(gateway, 0)
            os.write(fd, data)
        finally:
            os.close(fd)
        self.gone(path, blob(old))
        self.written(path, old + data)

    def truncate(self, gateway):
        path = self.existing(stat.S_IFREG)
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        try:
            old = self.read(fd)
            if self.held(os.fstat(fd)) or len(old) < 2:
                return
            os.ftruncate(fd, len(old) // 2)
        finally:
            os.close(fd)
        self.gone(path, blob(old))
        self.written(path, old[:len(old) // 2])

    def save(self, gateway):
        """As editors do: a new file, renamed over the old."""
        path = self.path()
        temporary = os.path.join(os.path.dirname(path), b"save-%d.tmp" % self.serial)
        self.write(gateway, temporary)
        with contextlib.suppress(FileNotFoundError):
            self.move(temporary, path)

    def move(self, path, to):
        content, inode, fd = self.content_at(path)
        if fd is not None:
            os.close(fd)
        self.remove_name(to, lambda: os.rename(path, to))
        # What came there may be another version that arrived just before.
        content, inode, fd = self.content_at(to)
        if fd is not None:
            os.close(fd)
        self.moved(path, to, content, inode)

    def rename(self, gateway):
        path, to = self.existing(stat.S_IFREG, stat.S_IFLNK), self.path()
        os.makedirs(os.path.dirname(to) or b".", exist_ok=True)
        if path != to:
            self.move(path, to)

    def rename_directory(self, gateway):
        path = self.existing(stat.S_IFDIR)
        to = self.rng.choice([d for d in DIRECTORIES if d != b"."] + [b"moved %d" % self.serial])
        self.serial += 1
        if path == to:
            return
        os.rename(path, to)
        # Of a file that arrives in this moment nobody here knows.
        moved = look(to)
        while moved is None:
            moved = look(to)
        for name, (kind, content) in moved.items():
            if kind != "directory":
                self.moved(os.path.join(path, name), os.path.join(to, name), content,
                           identity(os.lstat(os.path.join(to, name))))

    def delete(self, gateway):
        path = self.existing(stat.S_IFREG, stat.S_IFLNK)
        self.remove_name(path, lambda: os.unlink(path))

    def delete_directory(self, gateway, path=None):
        path = path or self.existing(stat.S_IFDIR)
        for directory, directories, files in os.walk(path, topdown=False):
            for name in directories + files:
                below = os.path.join(directory, name)
                if stat.S_ISDIR(os.lstat(below).st_mode):
                    os.rmdir(below)
                else:
                    self.remove_name(below, lambda b=below: os.unlink(b))
        os.rmdir(path)

    def make_directory(self, gateway):
        os.mkdir(self.path())

    def link(self, gateway):
        path, target = self.path(), b"target %d" % self.serial
        self.serial += 1
        os.symlink(target, path)
        self.written(path, target)

    def file_to_directory(self, gateway):
        path = self.existing(stat.S_IFREG, stat.S_IFLNK)
        self.remove_name(path, lambda: os.unlink(path))
        os.mkdir(path)
        self.write(gateway, os.path.join(path, b"a"))

    def directory_to_file(self, gateway):
        path = self.existing(stat.S_IFDIR)
        self.delete_directory(gateway, path)
        self.write(gateway, path)

    def make_executable(self, gateway):
        os.chmod(self.existing(stat.S_IFREG), self.rng.choice([0o644, 0o755]))

    def many(self, gateway):
        for n in range(40):
            self.write(gateway, b"many/%d" % n, self.new(gateway, 0))

    def hold(self, gateway):
        """Opens a file, writes, and leaves it open."""
        path = self.path()
        os.makedirs(os.path.dirname(path) or b".", exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        if self.held(os.fstat(fd)):
            os.close(fd)
            return
        self.gone(path, blob(self.read(fd)))
        os.ftruncate(fd, 0)
        os.write(fd, self.new(gateway))
        self.holds.append(Hold(gateway, path, fd))

    def release(self, gateway=None):
        """Writes the last bytes to what is open, and closes it."""
        for hold in [h for h in self.holds if gateway in (None, h.gateway)]:
            data = self.read(hold.fd) + self.new(hold.gateway, 0)
            os.pwrite(hold.fd, data, 0)
            os.close(hold.fd)
            self.holds.remove(hold)
            self.know(data)
            if not hold.deleted:
                self.written(hold.path, data)

    def smb(self, gateway):
        """The same through the real protocol, by a name that it can say."""
        name = self.rng.choice(["a", "b.txt", "by smb.doc"])
        data = self.new(gateway)
        path, old, inode = self.smb_target(gateway, name)
        if path is None or any(h.inode == inode for h in self.holds):
            return
        self.know(data)
        if old:
            self.gone(path, old)
        self.clients[gateway].put(name, data)
        after, _, inode_after = self.smb_target(gateway, name)
        if (after, inode_after) != (path, inode):
            # What arrived in this moment was overwritten unseen: at least it is in history.
            self.doubtful |= {(c, p) for c, p in self.alive if p.lower() == name.encode()}
        # The name may have gone in that moment too, and another one come.
        with self.inside(gateway):
            found = [n for n in self.twins(name) if self.holds_content(n, blob(data))]
        self.written(found[0] if found else path, data)

    @staticmethod
    def twins(name):
        """What is there of which the server may say that it has this name."""
        return [n for n in os.listdir(b".") if n.lower() == name.encode()]

    def holds_content(self, path, content):
        try:
            found, _, fd = self.content_at(path)
        except OSError:
            return False
        if fd is not None:
            os.close(fd)
        return found == content

    def smb_target(self, gateway, name):
        """(path, content, inode) of what the server takes the name for, which is case-insensitive: path is None if that
        is not for us to say, and the others are if there is no such file."""
        with self.inside(gateway):
            twins = self.twins(name)
            path = name.encode() if not twins or name.encode() in twins else twins[0] if len(twins) == 1 else None
            try:
                content, inode, fd = self.content_at(path or os.fsencode(name))
            except OSError:
                return path, None, None
            if fd is not None:
                os.close(fd)
            return path, content, inode

    def act(self, gateway, held=True):
        """Does one thing on a gateway. What is there in the way is no failure."""
        actions = [self.write] * 6 + [self.save] * 4 + [self.append] * 3 + [self.rename] * 3 + [
            self.truncate, self.rename_directory, self.delete, self.delete, self.delete_directory, self.make_directory,
            self.link, self.file_to_directory, self.directory_to_file, self.make_executable, self.many, self.smb] + (
            [self.hold] * 2 if held else [])
        action = self.rng.choice(actions)
        serial = self.serial
        try:
            if action == self.smb:
                action(gateway)
            else:
                with self.inside(gateway):
                    action(gateway)
        except OSError as error:
            self.log.append(f"{gateway} {action.__name__}: {error.strerror or 'nothing there'}")
        except Failure as failure:
            self.log.append(f"{gateway} {action.__name__}: {failure}")
        else:
            self.log.append(f"{gateway} {action.__name__} {serial + 1}..{self.serial}")
