# SPDX-License-Identifier: GPL-2.0-or-later
"""A reader of main that is made from docs/repository-format.md alone, on top of git cat-file; it shares nothing with the engine. It refuses
what the page does not allow a writer to write."""

import collections
import hashlib
import os
import stat
import subprocess

PLAIN_MAX, CHUNK_MAX, GROUP_MAX, PLAIN_ENTRIES, RECORD_MAX = 1 << 20, 524288, 512, 256, 4096
EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
IGNORED_CODE_POINTS = [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]
Entry = collections.namedtuple("Entry", "kind content mtime_ns mode attributes")


class BadFormat(Exception):
    pass


def require(condition, what):
    if not condition:
        raise BadFormat(what)


def needs_escape(name):
    folded = name
    for code_point in IGNORED_CODE_POINTS:
        folded = folded.replace(chr(code_point).encode(), b"")
    return folded.lower().startswith((b".git", b"git~")) or b"\\" in name or name.startswith(b"%")


def escape(name):
    return b"%" + name.replace(b"%", b"%25").replace(b"\\", b"%5C") if needs_escape(name) else name


def unescape(stored):
    name = stored[1:].replace(b"%5C", b"\\").replace(b"%25", b"%") if stored.startswith(b"%") else stored
    require(0 < len(name) <= 255 and escape(name) == stored, f"stored name {stored}")
    return name


def number(text, base=10):
    value = int(text, base)
    require({10: b"%d", 8: b"%o", 16: b"%x"}[base] % value == text, f"number {text}")
    return value


def make_gear():
    state, gear = 0, []
    for _ in range(256):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        gear.append(z ^ z >> 31)
    require(gear[0] == 0xE220A8397B1DCDAF, "gear table")
    return gear


def chunk_end(data, begin, gear):
    h = 0
    for n in range(32704 + 1, min(CHUNK_MAX, len(data) - begin) + 1):
        h = (2 * h + gear[data[begin + n - 1]]) % 2**64
        if (32768 <= n <= 131072 and h >> 45 == 0) or (n > 131072 and h >> 49 == 0):
            return begin + n
    return min(begin + CHUNK_MAX, len(data))


class Reader:
    def __init__(self, repository):
        self.process = subprocess.Popen(["git", "-C", str(repository), "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.gear = make_gear()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def object(self, name, kind):
        self.process.stdin.write(name.encode() + b"\n")
        self.process.stdin.flush()
        _, found, size = self.process.stdout.readline().split()
        data = self.process.stdout.read(int(size) + 1)[:-1]
        require(found == kind, f"{name} is a {found.decode()}")
        return data

    def tree(self, oid):
        """[(mode, name, oid)]"""
        data, entries = self.object(oid, b"tree"), []
        while data:
            head, _, data = data.partition(b"\0")
            mode, _, name = head.partition(b" ")
            entries.append((mode, name, data[:20].hex()))
            data = data[20:]
        return entries

    def history(self, tip):
        """Commits, the newest first."""
        while True:
            yield tip
            lines = self.object(tip, b"commit").split(b"\n\n")[0].split(b"\n")
            parents = [line.split()[1].decode() for line in lines if line.startswith(b"parent ")]
            require(len(parents) < 2, "a merge")
            if not parents:
                return
            tip = parents[0]

    def records(self, mode, oid):
        """stored name -> (mtime, mode, size, attributes)"""
        if mode == b"40000":
            found = {}
            for mode, name, blob in self.tree(oid):
                bucket = self.records(mode, blob)
                require(all(hashlib.sha1(stored).hexdigest()[:2].encode() == name for stored in bucket), f"bucket {name}")
                found.update(bucket)
            return found
        data, found, last = self.object(oid, b"blob"), {}, b""
        require(mode == b"100644" and data.endswith(b"\n"), "metadata")
        while data:
            stored, _, rest = data.partition(b"\0")
            fields, _, rest = rest.partition(b"\n")
            require(last < stored and len(data) - len(rest) <= RECORD_MAX, f"record of {stored}")
            last, data = stored, rest
            mtime, mode_bits, size, *more = fields.split(b" ")
            if more[:1] == [b"fuzzy"]:
                del more[0]
            attributes = dict(field.split(b"=") for field in more)
            require(all(name.startswith(b"user.") and not name.startswith(b"user.ispstorage.") for name in attributes), f"attributes of {stored}")
            found[stored] = (number(mtime), number(mode_bits, 8), number(size), {k: bytes.fromhex(v.decode()) for k, v in attributes.items()})
        return found

    def large(self, oid):
        """The content of a tree of groups, whose chunks end where they should."""
        groups, data = [], b""
        for i, (mode, name, group) in enumerate(self.tree(oid)):
            require(mode == b"40000" and name[:9] == b"%08x-" % i, f"group {name}")
            chunks = self.tree(group)
            for k, (mode, chunk_name, chunk) in enumerate(chunks):
                content = self.object(chunk, b"blob")
                require(mode == b"100644" and chunk_name == b"%08x-%x" % (k, len(content)), f"chunk {chunk_name}")
                data += content
                groups.append((i, int(chunk[-2:], 16) & 63 == 0, len(content)))
            require(len(chunks) <= GROUP_MAX and number(name[9:], 16) == sum(g[2] for g in groups if g[0] == i), f"group {name}")
        at, in_group = 0, 0
        for n, (group, ends, length) in enumerate(groups):
            require(chunk_end(data, at, self.gear) == at + length, f"the chunk at {at}")
            at += length
            in_group += 1
            last = n + 1 == len(groups)
            require(last or (groups[n + 1][0] != group) == (ends or in_group == GROUP_MAX), f"the group of the chunk at {at}")
            in_group = 0 if not last and groups[n + 1][0] != group else in_group
        require(len(data) > PLAIN_MAX, "a small file in chunks")
        return data

    def directory(self, oid, prefix=b""):
        """path -> Entry of all that is in a tree."""
        entries, records, found = [], {}, {}
        for mode, name, child in self.tree(oid):
            if name == b"%%meta":
                records = self.records(mode, child)
                meta_mode = mode
            elif name == b"%%format-1":
                require(not prefix and (mode, child) == (b"100644", EMPTY_BLOB), "the version")
            else:
                entries.append((mode, name, child))
        require(not records or meta_mode == (b"40000" if len(entries) > PLAIN_ENTRIES else b"100644"), "the form of the metadata")
        for mode, name, child in entries:
            mark = name[:3] if name[:3] in (b"%%+", b"%%x") else b""
            stored = name[len(mark):]
            path = prefix + unescape(stored)
            require(path not in found, f"{path} twice")
            mtime, mode_bits, size, attributes = records.get(stored, (None, None, None, {}))
            if mark:
                require(mode == b"40000", f"mode of {path}")
                kind, content = ("program" if mark == b"%%x" else "file"), self.large(child)
            elif mode == b"40000":
                kind, content = "directory", None
                found.update(self.directory(child, path + b"/"))
            else:
                kind, content = {b"100644": "file", b"100755": "program", b"120000": "link"}[mode], self.object(child, b"blob")
                require(len(content) <= PLAIN_MAX, f"{path} is not in chunks")
            require(size in (None, len(content or b"")), f"size of {path}")
            found[path] = Entry(kind, content, mtime, mode_bits, attributes)
        return found

    def main(self):
        """path -> Entry of main's tip."""
        tip = self.object("main^{commit}", b"commit").split(b"\n")[0].split()[1].decode()
        require((b"100644", b"%%format-1", EMPTY_BLOB) in self.tree(tip), "no version")
        return self.directory(tip)


def read_folder(folder):
    """The same of a directory."""
    top, found = os.fsencode(folder), {}
    for directory, directories, files in os.walk(top):
        for name in directories + files:
            path = os.path.join(directory, name)
            st = os.lstat(path)
            if stat.S_ISDIR(st.st_mode):
                kind, content, mtime = "directory", None, 0
            else:
                mtime = st.st_mtime_ns
                if stat.S_ISLNK(st.st_mode):
                    kind, content = "link", os.readlink(path)
                else:
                    kind = "program" if st.st_mode & 0o100 else "file"
                    with open(path, "rb") as file:
                        content = file.read()
            attributes = {} if kind == "link" else {os.fsencode(a): os.getxattr(path, a) for a in os.listxattr(path)}
            found[path[len(top) + 1:]] = Entry(kind, content, mtime, st.st_mode & 0o777, attributes)
    return found
