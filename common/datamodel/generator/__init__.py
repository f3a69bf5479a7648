# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of dmgen.py: schema.py reads and checks, each emit_*.py writes one kind of output."""
