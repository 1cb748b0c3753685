# SPDX-License-Identifier: GPL-2.0-only
"""
From raw.jsonl to the document that is published: medians with spread, ratios, what
recordings hold, and goals beside what was measured.

A ratio is made within a round and a load, of two runs that were seconds apart; the
median of the rounds is taken after that.  A figure that was not measured is None.
"""
import json
import math
import statistics
from collections import defaultdict

import tables

VERSION = 1

# members of a manifest that are shown as they are; the last ones are not known to
# every krrctl
MANIFEST = ('events', 'raw_bytes', 'log_bytes', 'duration_ms', 'handovers', 'throttled',
            'start_pause_ms', 'end_pause_ms', 'lock_wait_us', 'lock_hold_us', 'windows')


def spread(values):
    """Median, least and most of what was measured."""
    values = [v for v in values if v is not None]
    if not values:
        return None
    return {'median': statistics.median(values), 'min': min(values), 'max': max(values),
            'n': len(values)}


def median(values):
    s = spread(values)
    return s['median'] if s else None


def over(a, b):
    return a / b if a is not None and b else None


def mean(values):
    """Geometric mean."""
    return math.exp(sum(math.log(v) for v in values) / len(values))


class Raw:
    """raw.jsonl, sorted by what is asked of it."""

    def __init__(self, path):
        self.machine, self.options = {}, {}
        self.runs = defaultdict(dict)           # (vcpus, config, load): {round: run}
        self.recordings = defaultdict(dict)     # the same: {round: line}
        self.pauses, self.cores, self.failures = [], [], []
        with open(path) as f:
            for line in f:
                self._take(json.loads(line))

    def _take(self, line):
        what = line.pop('what')
        if what == 'machine':
            self.machine = self.machine or line
        elif what == 'options':
            self.options = line
        elif what == 'end':
            self.machine.update(line)
        elif what == 'run':
            self.runs[line['smp'], line['config'], line['load']][line['round']] = line
        elif what == 'recording':
            self.recordings[line['smp'], line['config'], line['load']][line['round']] = line
        elif what == 'pause':
            self.pauses.append(line)
        elif what == 'cores':
            self.cores.append(line)
        elif what == 'failure':
            self.failures.append(line)

    def rounds(self, vcpus):
        """How many there were with so many vCPUs."""
        return max((n for where, r in self.runs.items() if where[0] == vcpus for n in r),
                   default=0)

    def slow(self, seconds):
        """(vCPUs, load, configuration) of what took longer than that."""
        return {(vcpus, load, config) for (vcpus, config, load), r in self.runs.items()
                if any(x['seconds'] > seconds for x in r.values())}

    def seconds(self, *where):
        return spread(r['seconds'] for r in self.runs[where].values())

    def ratio(self, vcpus, a, b, load):
        """Of the seconds in configuration a over those in b."""
        x, y = self.runs[vcpus, a, load], self.runs[vcpus, b, load]
        return spread(over(x[n]['seconds'], y[n]['seconds']) for n in x if n in y)

    def value(self, name, *where):
        """Something else that a load told, as p99_us."""
        return spread(r['values'].get(name) for r in self.runs[where].values())

    def delay(self, vcpus, config, load):
        """By how many ms interrupts are later than in "plain"."""
        x, y = self.runs[vcpus, config, load], self.runs[vcpus, 'plain', load]
        pairs = [(x[n]['values'].get('p99_us'), y[n]['values'].get('p99_us'))
                 for n in x if n in y]
        return spread((a - b) / 1000 for a, b in pairs if None not in (a, b))


def by_kind(lines, names):
    """Events and bytes of each kind, medians; the ones with most bytes first."""
    found = defaultdict(lambda: ([], []))
    for line in lines:
        for number, c in line['manifest'].get('kinds', {}).items():
            found[number][0].append(c['events'])
            found[number][1].append(c['bytes'])
    table = {names.get(k, k): {'events': median(e), 'bytes': median(b)}
             for k, (e, b) in found.items() if any(e)}
    return dict(sorted(table.items(), key=lambda x: -x[1]['bytes']))


def recording(lines, names):
    """What the recordings of a load are like."""
    def of(f):
        return spread(f(line['manifest'], line) for line in lines)

    r = {name: spread(line['manifest'].get(name) for line in lines) for name in MANIFEST}
    r['kinds'] = by_kind(lines, names)
    r['acquisitions'] = r['kinds'].get('acquire', {}).get('events')
    r['replay_seconds'] = of(lambda m, l: l['replay_seconds'])
    r['replay_ratio'] = of(lambda m, l: over(l['replay_seconds'], m['duration_ms'] / 1000))
    r['raw_per_event'] = of(lambda m, l: over(m['raw_bytes'], m['events']))
    r['log_per_event'] = of(lambda m, l: over(m['log_bytes'], m['events']))
    r['log_mb_s'] = of(lambda m, l: over(m['log_bytes'] / 1e6, m['duration_ms'] / 1000))
    return r


# FIGURE of goals.tab, where it is one of a recording
OF_RECORDING = {
    'replay/record-time': 'replay_ratio',
    'raw-per-event': 'raw_per_event',
    'log-per-event': 'log_per_event',
    'log-rate': 'log_mb_s',
}


class Judge:
    """What was measured of a goal."""

    def __init__(self, raw, doc):
        self.raw, self.doc = raw, doc
        self.loads = [x for x in tables.loads().values() if x.name in raw.options['work']]

    def _one(self, goal, load):
        if goal.figure in OF_RECORDING:
            r = self.doc['recordings'].get(str(goal.vcpus), {}).get(load.name)
            return r and r['record'][OF_RECORDING[goal.figure]] if r and 'record' in r else None
        if goal.figure == 'delay':
            return self.raw.delay(goal.vcpus, 'record', load.name)
        a, b = goal.figure.split('/')
        for name in (a, b):
            if name not in tables.CONFIGS:
                raise tables.TableError('%s: no such figure; goals.tab explains them'
                                        % goal.figure)
        return self.raw.ratio(goal.vcpus, a, b, load.name)

    def measure(self, goal):
        """(value, how many loads it is made of, of how many, the load that it is of)."""
        how, selector = goal.over.split(':')
        if goal.figure == 'pause':
            p = [x['start_ms'] for x in self.raw.pauses if x['smp'] == goal.vcpus]
            return median(p), 1, 1, None
        among = tables.selected(selector, self.loads)
        found = {x.name: s['median'] for x in among if (s := self._one(goal, x))}
        if not found:
            return None, 0, len(among), None
        if how == 'mean':
            return mean(found.values()), len(found), len(among), None
        name = (max if how == 'max' else min)(found, key=found.get)
        return found[name], len(found), len(among), name

    def table(self, name):
        rows = []
        for goal in tables.goals(name):
            value, n, of, which = self.measure(goal)
            rows.append({'figure': goal.figure, 'over': goal.over, 'vcpus': goal.vcpus,
                         'text': goal.text, 'bound': goal.bound, 'measured': value, 'load': which,
                         'loads': n, 'of': of,
                         'holds': None if value is None else goal.holds(value)})
        return rows


def good(doc):
    """Nothing failed, and the bounds of a quick run hold, as far as they were measured."""
    slipped = doc['options']['quick'] and any(r['holds'] is False for r in doc['bounds'])
    return not slipped and not doc['failures']


def _results(raw, loads, configs):
    """Seconds and ratios to "plain", by vCPUs, load and configuration."""
    out = {}
    for vcpus in raw.options['smp']:
        of_load = out.setdefault(str(vcpus), {})
        for load in loads:
            of_load[load.name] = {
                c: {'seconds': raw.seconds(vcpus, c, load.name),
                    'ratio': raw.ratio(vcpus, c, 'plain', load.name),
                    'over_record': raw.ratio(vcpus, c, 'record', load.name),
                    'p99_us': raw.value('p99_us', vcpus, c, load.name),
                    'log_bytes': raw.value('log_bytes', vcpus, c, load.name)}
                for c in configs if raw.runs[vcpus, c, load.name]}
    return out


def _recordings(raw, loads, names):
    out = {}
    for vcpus in raw.options['smp']:
        of_load = out.setdefault(str(vcpus), {})
        for load in loads:
            made = {c: recording(list(raw.recordings[vcpus, c, load.name].values()), names)
                    for c in tables.RECORDED if raw.recordings[vcpus, c, load.name]}
            if made:
                of_load[load.name] = made
    return out


def _means(raw, loads, configs, to='plain'):
    """Geometric means of the ratios, by vCPUs, class and configuration."""
    out = {}
    for vcpus in raw.options['smp']:
        of_class = out.setdefault(str(vcpus), {})
        for kind in ('all',) + tuple(k for k in tables.CLASSES if k != 'delay'):
            of_class[kind] = {}
            for c in configs:
                ratios = [raw.ratio(vcpus, c, to, x.name)
                          for x in tables.selected(kind, loads)]
                ratios = [r['median'] for r in ratios if r]
                if ratios:
                    of_class[kind][c] = mean(ratios)
    return out


def make(path):
    """The document, for json.dump()."""
    raw = Raw(path)
    loads = [x for x in tables.loads().values() if x.name in raw.options['work']]
    configs = raw.options['configs']
    doc = {
        'krr_bench': VERSION, 'machine': raw.machine, 'options': raw.options,
        'configs': {c: tables.CONFIGS[c] for c in configs},
        'loads': {x.name: {'class': x.kind, 'command': x.command,
                           'work': raw.options['work'][x.name]} for x in loads},
        'results': _results(raw, loads, configs),
        'rounds': {str(n): raw.rounds(n) for n in raw.options['smp']},
        'means': _means(raw, loads, configs),
        'means_over_record': _means(raw, loads, configs, 'record'),
        'recordings': _recordings(raw, loads, tables.kinds()),
        'pause': {'start_ms': spread(x['start_ms'] for x in raw.pauses),
                  'end_ms': spread(x['end_ms'] for x in raw.pauses)},
        'cores': {'alone': spread(x['alone'] for x in raw.cores),
                  'beside': spread(x['beside'] for x in raw.cores),
                  'slowdown': spread(x['beside'] / x['alone'] for x in raw.cores)},
        'failures': raw.failures,
    }
    judge = Judge(raw, doc)
    doc['goals'] = judge.table('goals.tab')
    doc['bounds'] = judge.table('bounds.tab')
    return doc
