# SPDX-License-Identifier: GPL-2.0-or-later
"""Files to synchronize: random bytes (which nothing can compress), text (words) and zeros (one run)."""

import os
import random

KB = 1000  # the paper's sizes are decimal
BLOCK = 1 << 20
WORDS = ("the gateway keeps a folder in step with its container at the operator and through it with every other house "
         "that shares the subscription nothing is lost when a line fails because each side goes on alone").split()


def _sentences(rng, n):
    return [" ".join(rng.choices(WORDS, k=rng.randrange(8, 20))).capitalize() + ".\n" for _ in range(n)]


class Text:
    """Endless text that does not repeat itself beyond a sentence, each time another one."""

    def __init__(self):
        self.rng = random.Random()
        self.sentences = _sentences(self.rng, 20_000)

    def read(self, size):
        data = ""
        while len(data) < size:
            data += "".join(self.rng.choices(self.sentences, k=max(1, size // 60)))
        return data[:size].encode()


def source(kind):
    """A function that returns the next so many bytes."""
    if kind == "urandom":
        return os.urandom
    if kind == "text":
        return Text().read
    if kind == "zero":
        return bytes
    raise ValueError(kind)


def write_file(path, size, read):
    with open(path, "wb") as file:
        left = size
        while left:
            left -= file.write(read(min(BLOCK, left)))


def write_tree(directory, files, total, kind="urandom", per_directory=1000):
    """Makes so many files of equal size that have total bytes together. Returns {relative path: size}."""
    read, size, made = source(kind), total // files, {}
    for number in range(files):
        name = f"{number // per_directory:03}/{number:06}.bin" if files > per_directory else f"{number:06}.bin"
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_file(path, size, read)
        made[name] = size
    return made


def insert_at_front(path, to, data):
    """A copy of the file with data before it."""
    with open(path, "rb") as old, open(to, "wb") as new:
        new.write(data)
        while block := old.read(BLOCK):
            new.write(block)


def overwrite(path, to, offset, data):
    """A copy of the file with data in place of what was there."""
    with open(path, "rb") as old, open(to, "wb") as new:
        while block := old.read(BLOCK):
            new.write(block)
        new.seek(offset)
        new.write(data)
