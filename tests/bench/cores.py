#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
cores.py [SAMPLES] - what a core of this host can do alone, and while the others are busy

A loop in user mode that touches next to no memory is timed by itself, then while every
other core runs one like it.  Where each has a core of its own, that makes no difference.
On a host that is a VM itself they may be threads of one core, or somebody else's at times;
then a kernel with two busy vCPUs runs its code slower than one with a single one, and a CPU
that spins for a lock slows the owner.  bench takes a sample before each load.
"""
import contextlib
import os
import subprocess
import sys

import figures
import report

LOOP = '''
import time
began = time.perf_counter()
for i in range(2000000):
    x = i & 3
print(time.perf_counter() - began)
'''
BUSY = 'while True:\n    x = 1 & 3'


def _python(text, **more):
    return subprocess.Popen([sys.executable, '-I', '-S', '-c', text], text=True, **more)


def _time_loop():
    with _python(LOOP, stdout=subprocess.PIPE) as p:
        return float(p.stdout.read())


@contextlib.contextmanager
def _busy(n):
    others = [_python(BUSY) for _ in range(n)]
    try:
        yield
    finally:
        for p in others:
            p.kill()
            p.wait()


def sample():
    """Seconds of the loop alone, and beside others that are busy."""
    alone = _time_loop()
    with _busy(len(os.sched_getaffinity(0)) - 1):
        return {'alone': alone, 'beside': _time_loop()}


def main():
    samples = [sample() for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 20)]
    for name, f in (('alone, s', lambda s: s['alone']), ('beside, s', lambda s: s['beside']),
                    ('slowdown', lambda s: s['beside'] / s['alone'])):
        print('%-10s %s' % (name, report.spread(figures.spread(map(f, samples)))))


if __name__ == '__main__':
    main()
