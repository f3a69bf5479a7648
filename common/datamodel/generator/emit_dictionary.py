# SPDX-License-Identifier: GPL-2.0-or-later
"""Words for fuzzers, in the form that libFuzzer and AFL read."""

import re


def quote(word):
    return '"' + re.sub(r'(["\\])', r"\\\1", word) + '"'


def dictionary(model):
    words = {"{i}", "1.", "2."}
    for obj in model.objects:
        words.add(obj.path)
        words.add(obj.path.replace("{i}", "1"))
        for p in obj.parameters:
            words |= {p.name, p.path.replace("{i}", "1"), p.default, *p.enumeration}
    return "".join(quote(word) + "\n" for word in sorted(words) if word)
