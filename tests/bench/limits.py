# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a run and each of its benchmarks may take."""

import contextlib
import signal
import time

# All benchmarks of a run together.
RUN_MINUTES = {"smoke": 20, "quick": 24, "full": 360}
# What a benchmark whose time is over may take to clean up before it is interrupted again.
CLEANUP_SECONDS = 60


class TimeUp(BaseException):
    """No Exception: who waits for a condition and goes on after a failure must not take it for one."""


class Budget:
    """The time of a run."""

    def __init__(self, mode):
        self.mode = mode
        self.end = time.monotonic() + RUN_MINUTES[mode] * 60

    def seconds(self, benchmark):
        """What is left for a benchmark: its own limit, or less; 0 if the run's time is over."""
        return max(0, min(benchmark.minutes[self.mode] * 60, self.end - time.monotonic()))


@contextlib.contextmanager
def limited(seconds):
    """Raises TimeUp in the block when its time is over. Only in the main thread."""
    def expire(_signal, _frame):
        raise TimeUp(f"its time was over, after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds, CLEANUP_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
