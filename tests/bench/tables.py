# SPDX-License-Identifier: GPL-2.0-only
"""The tables of the benchmark: configurations, loads.tab, goals.tab, bounds.tab."""
import os
import re
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
HEADER = os.path.join(HERE, '../../kpatch/overlay/include/uapi/linux/krr.h')

# What a load runs in, in the order of tables.  "primary": needed once and not for
# each number of vCPUs, since the machine of "whole" has one anyway and annotations
# are an extra.
SUBSYSTEMS = ('net', 'block', 'fs', 'mm', 'sched', 'irq', 'syscall', 'security', 'error', 'all')
CONFIGS = {
    'plain': 'the same kernel built with CONFIG_KRR=n',
    'idle': 'krr in the kernel, nothing recorded',
    'serialize': 'soft interrupts and the RR lock, nothing logged',
    'record': 'recording',
    'flight': 'the flight recorder, --keep 20s, no annotations',
    **{s: 'recording, annotated by --subsys ' + s for s in SUBSYSTEMS},
    'whole': "QEMU's own -icount rr=record of the whole VM, 1 vCPU",
}
PRIMARY_ONLY = SUBSYSTEMS + ('flight', 'whole')
RECORDED = ('record',) + SUBSYSTEMS
# the others are measured if they are asked for
DEFAULT = ('plain', 'idle', 'serialize', 'record', 'flight', 'net', 'all', 'whole')

CLASSES = ('user', 'kernel', 'mixed', 'delay')


class TableError(Exception):
    pass


@dataclass
class Load:
    name: str
    kind: str           # class
    work: int
    quick: int
    command: str


@dataclass
class Goal:
    figure: str
    over: str
    vcpus: int
    bound: str
    text: str

    def holds(self, value):
        limit = float(self.bound[2:])
        return value <= limit if self.bound.startswith('<=') else value >= limit


def _rows(name, fields):
    """The lines of a table, split at white space into so many fields."""
    path = os.path.join(HERE, name)
    with open(path) as f:
        for number, line in enumerate(f, 1):
            if line.startswith('#') or not line.strip():
                continue
            row = line.split(None, fields - 1)
            if len(row) != fields:
                raise TableError('%s:%d: expected %d columns, found %d; the head of the file '
                                 'explains them' % (path, number, fields, len(row)))
            yield row[:-1] + [row[-1].strip()]


def loads():
    """All loads by name, in order."""
    table = {}
    for name, kind, work, quick, command in _rows('loads.tab', 5):
        if kind not in CLASSES:
            raise TableError('loads.tab: %s: "%s" is no class; there are %s'
                             % (name, kind, ', '.join(CLASSES)))
        table[name] = Load(name, kind, int(work), int(quick), command)
    return table


def goals(name):
    """The rows of goals.tab or bounds.tab."""
    table = []
    for figure, over, vcpus, bound, text in _rows(name, 5):
        if not re.fullmatch(r'(<=|>=)[0-9.]+', bound):
            raise TableError('%s: "%s" is no bound; try "<=1.5"' % (name, bound))
        table.append(Goal(figure, over, int(vcpus), bound, text))
    return table


def kinds():
    """Names of the kinds of events by id, from the header that defines them."""
    with open(HEADER) as f:
        found = re.findall(r'^\s*X\([A-Z0-9]+,\s*(\w+),\s*KRR_SHAPE_\w+,\s*(\d+),', f.read(), re.M)
    return {number: name for name, number in found}


def selected(over, among):
    """Which of these loads a selector names: "all", a class, or names and their beginnings."""
    if over == 'all':
        return [x for x in among if x.kind != 'delay']
    if over in CLASSES:
        return [x for x in among if x.kind == over]
    words = over.split(',')
    return [x for x in among if any(x.name == w or x.name.startswith(w + '-') for w in words)]
