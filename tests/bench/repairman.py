# SPDX-License-Identifier: GPL-2.0-only
"""
The RR lock as a closed queueing network, the machine-repairman.

Each of n streams is outside the lock for a time, then wants the lock, waits, and has it
for a time.  Both times are exponential, with means "outside" and "hold".  Who waits
needs no core.  All others share the cores, and run slower if there are too few of
them.  So how many are at the lock is a birth-death process, and the solution is exact;
with a core for each it is that of mean value analysis.  In which order the lock is
given makes no difference to the throughput.
"""
import math


def _speed(n, cores, at_lock):
    """Of a stream that runs: who waits for the lock leaves its core to others."""
    running = n - at_lock + (at_lock > 0)
    return min(1, cores / running)


def throughput(n, cores, hold, outside):
    """Acquisitions in a unit of time."""
    weights = [1.0]         # of the states "k at the lock"
    for k in range(n):
        up = (n - k) * _speed(n, cores, k) / outside
        down = _speed(n, cores, k + 1) / hold
        weights.append(weights[-1] * up / down)
    done = sum(w * _speed(n, cores, k) / hold for k, w in enumerate(weights) if k)
    return done / sum(weights)


def wait(n, hold, outside):
    """For the lock, in the mean of all acquisitions; each stream has a core."""
    return n / throughput(n, n, hold, outside) - hold - outside


def least(n, cores, hold, outside):
    """What factor() is at least, whatever the times are distributed like."""
    return max(1, min(n, cores) * hold / (hold + outside))


def _whole_factor(n, cores, hold, outside):
    return min(n, cores) / (hold + outside) / throughput(n, cores, hold, outside)


def factor(streams, cores, hold, outside):
    """
    How many times as long the work takes as without a lock; between whole numbers of
    streams it is taken to be linear.
    """
    low = max(1, math.floor(streams))
    part = max(0, streams - low)
    f = _whole_factor(low, cores, hold, outside)
    return f + part * (_whole_factor(low + 1, cores, hold, outside) - f) if part else f
