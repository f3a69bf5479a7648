# SPDX-License-Identifier: GPL-2.0-or-later
"""What the figures are to be, beside what they are: the head of the report."""


def summary(entries):
    return []
