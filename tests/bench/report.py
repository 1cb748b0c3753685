# SPDX-License-Identifier: GPL-2.0-only
"""
The results as text, as Markdown and as plots, all of them from the same document.
"""
import json
import os
import shutil
import subprocess
import sys

import tables

NONE = '-'


class Text:
    """Tables in columns."""

    def heading(self, text):
        return '\n%s\n%s\n' % (text, '-' * len(text))

    def paragraph(self, text):
        return text + '\n'

    def table(self, head, rows, words=1):
        """The first so many columns are words, the others figures."""
        wide = [max(len(r[i]) for r in [head] + rows) for i in range(len(head))]
        lines = ['  '.join(c.ljust(w) if i < words else c.rjust(w)
                           for i, (c, w) in enumerate(zip(r, wide))) for r in [head] + rows]
        return ''.join(line.rstrip() + '\n' for line in lines)

    def plot(self, name, text):
        del name, text
        return ''


class Markdown:
    def heading(self, text):
        return '\n## %s\n\n' % text

    def paragraph(self, text):
        return text + '\n\n'

    def table(self, head, rows, words=1):
        lines = [head, ['---'] * words + ['---:'] * (len(head) - words)] + rows
        return ''.join('| %s |\n' % ' | '.join(r) for r in lines)

    def plot(self, name, text):
        return '\n![%s](%s)\n' % (text, name)


def number(value, digits=2):
    """With so many digits behind the point, fewer of them for large ones."""
    if value is None:
        return NONE
    if abs(value) >= 1000:
        return '{:,.0f}'.format(value)
    return '%.*f' % (digits if abs(value) < 100 else 1, value)


def whole(value):
    return NONE if value is None else '{:,.0f}'.format(value)


def spread(s, digits=2):
    """Median, and least to most if there was more than one."""
    if not s:
        return NONE
    if s['n'] == 1:
        return number(s['median'], digits)
    return '%s (%s..%s)' % tuple(number(s[k], digits) for k in ('median', 'min', 'max'))


def middle(s, digits=2):
    return number(s['median'] if s else None, digits)


class Report:
    def __init__(self, doc, form, prefix=''):
        self.doc, self.form, self.prefix = doc, form, prefix

    def all(self):
        parts = [self.intro(), self.goals('Goals', 'goals')]
        if self.doc['options']['quick']:
            parts.append(self.goals('Bounds', 'bounds'))
        for vcpus in self.doc['results']:
            parts += [self.ratios(vcpus), self.annotations(vcpus), self.seconds(vcpus),
                      self.recordings(vcpus),
                      self.lock(vcpus), self.kinds(vcpus)]
        parts += [self.delay(), self.pause(), self.failures()]
        return ''.join(parts)

    def intro(self):
        m, o = self.doc['machine'], self.doc['options']
        rows = [['processor', '%s, %d cores' % (m['cpu'] or '?', m['cores'])],
                ['memory', '%s MiB' % whole(m['memory_mib'])],
                ['host kernel, QEMU', '%s, %s under TCG' % (m['kernel'], m['qemu'])],
                ['date, commit', '%s, %s' % (m['date'], m['commit'][:12] + m['commit'][40:])],
                ['load of the host', '%s before, %s after' % (number(m.get('load_before')),
                                                              number(m.get('load_after')))],
                ['rounds', ', '.join('%d with %s vCPU' % (n, v)
                                     for v, n in self.doc['rounds'].items())],
                ['guests', ', '.join(filter(None, (o['mem'], o.get('append'))))]]
        c = self.doc['cores']
        if c['alone']:
            rows += [['a loop on the host, s', spread(c['alone'])],
                     ['the same beside busy cores', spread(c['beside'])],
                     ['which is so many times', spread(c['slowdown'])]]
        names = [[name, text] for name, text in self.doc['configs'].items()]
        return (self.form.heading('Measured on') + self.form.table(['what', ''], rows, 2) +
                self.form.heading('Configurations') + self.form.table(['name', ''], names, 2))

    def goals(self, title, which):
        rows = []
        for g in self.doc[which]:
            holds = {True: 'yes', False: 'NO', None: NONE}[g['holds']]
            measured = number(g['measured'])
            if g['load']:
                measured += ' (%s)' % g['load']
            if g['measured'] is not None and g['loads'] < g['of']:
                measured += ' [%d of %d loads]' % (g['loads'], g['of'])
            rows.append([g['text'], str(g['vcpus']), g['bound'].replace('<=', 'at most ')
                         .replace('>=', 'at least '), measured, holds])
        return (self.form.heading(title) +
                self.form.table(['what', 'vCPUs', 'goal' if which == 'goals' else 'bound',
                                 'measured', 'reached'], rows))

    def _configs(self, vcpus):
        found = {c for load in self.doc['results'][vcpus].values() for c in load}
        return [c for c in self.doc['configs'] if c in found]

    def ratios(self, vcpus):
        configs = [c for c in self._configs(vcpus) if c != 'plain']
        if not configs:
            return ''
        rows = [[name] + [spread(r.get(c, {}).get('ratio')) for c in configs]
                for name, r in self.doc['results'][vcpus].items()
                if self.doc['loads'][name]['class'] != 'delay']
        for kind, means in self.doc['means'][vcpus].items():
            if means:
                rows.append(['mean, ' + kind] + [number(means.get(c)) for c in configs])
        return (self.form.heading('Time over that of the plain kernel, %s vCPU' % vcpus) +
                self.form.paragraph('Median of the rounds, and least to most; means are '
                                    'geometric.') +
                self.form.table(['load'] + configs, rows) +
                self.form.plot(self.prefix + 'ratios-%s.png' % vcpus, 'ratios') +
                (self.form.plot(self.prefix + 'whole-%s.png' % vcpus, 'ratios of the whole VM')
                 if 'whole' in configs else ''))

    def annotations(self, vcpus):
        """What the programs of each subsystem add to a recording."""
        configs = [c for c in self._configs(vcpus) if c in tables.SUBSYSTEMS]
        if not configs:
            return ''
        rows = [[name] + [spread(r.get(c, {}).get('over_record')) for c in configs]
                for name, r in self.doc['results'][vcpus].items()
                if self.doc['loads'][name]['class'] != 'delay']
        means = self.doc['means_over_record'][vcpus]['all']
        rows.append(['mean, all'] + [number(means.get(c)) for c in configs])
        return (self.form.heading('Annotated recordings over plain ones, %s vCPU' % vcpus) +
                self.form.table(['load'] + configs, rows))

    def seconds(self, vcpus):
        configs = self._configs(vcpus)
        rows = [[name] + [spread(r.get(c, {}).get('seconds')) for c in configs]
                for name, r in self.doc['results'][vcpus].items()]
        return (self.form.heading('Seconds, %s vCPU' % vcpus) +
                self.form.table(['load'] + configs, rows))

    def _recorded(self, vcpus):
        return [(name, r['record']) for name, r in self.doc['recordings'][vcpus].items()
                if 'record' in r]

    def recordings(self, vcpus):
        made = self._recorded(vcpus)
        if not made:
            return ''
        rows = [[name, number(r['duration_ms']['median'] / 1000),
                 spread(r['replay_ratio']), whole(r['events']['median']),
                 number(r['raw_bytes']['median'] / 1e6), number(r['log_bytes']['median'] / 1e6),
                 middle(r['raw_per_event']), middle(r['log_per_event']), middle(r['log_mb_s'])]
                for name, r in made]
        return (self.form.heading('Recordings, %s vCPU' % vcpus) +
                self.form.paragraph('They begin before a load makes itself ready, so they last '
                                    'longer than what is timed.') +
                self.form.table(['load', 'seconds', 'replay / recording', 'events', 'raw MB',
                                 'log MB', 'raw bytes/event', 'log bytes/event', 'log MB/s'],
                                rows) +
                self.form.plot(self.prefix + 'replay-%s.png' % vcpus, 'replay over recording') +
                self.form.plot(self.prefix + 'log-%s.png' % vcpus, 'compressed log per second'))

    def lock(self, vcpus):
        made = self._recorded(vcpus)
        if not made:
            return ''
        rows = [[name, whole(r['acquisitions'])] +
                [whole(r[k]['median'] if r[k] else None)
                 for k in ('handovers', 'lock_wait_us', 'lock_hold_us', 'windows', 'throttled',
                           'start_pause_ms', 'end_pause_ms')] for name, r in made]
        return (self.form.heading('RR lock and pauses, %s vCPU' % vcpus) +
                self.form.table(['load', 'acquisitions', 'hand-overs', 'wait us', 'hold us',
                                 'windows', 'waits for room', 'pause ms', 'at the end'], rows))

    def kinds(self, vcpus):
        made = self._recorded(vcpus)
        if not made:
            return ''
        total = {}
        for _, r in made:
            for kind, n in r['kinds'].items():
                t = total.setdefault(kind, [0, 0])
                t[0] += n['events']
                t[1] += n['bytes']
        events, size = (sum(t[i] for t in total.values()) or 1 for i in (0, 1))
        rows = [[kind, '%.1f %%' % (100 * t[0] / events), '%.1f %%' % (100 * t[1] / size),
                 number(t[1] / t[0]) if t[0] else NONE]
                for kind, t in sorted(total.items(), key=lambda x: -x[1][1])]
        return (self.form.heading('Events by kind, all loads, %s vCPU' % vcpus) +
                self.form.table(['kind', 'of the events', 'of the bytes', 'bytes/event'], rows))

    def delay(self):
        rows = []
        for vcpus, loads in self.doc['results'].items():
            for r in loads.values():
                rows += [[vcpus, c, spread(x['p99_us'], 0)] for c, x in r.items() if x['p99_us']]
        if not rows:
            return ''
        return (self.form.heading('Interrupt delay') +
                self.form.table(['vCPUs', 'configuration', '99th percentile, us'], rows, 2))

    def pause(self):
        p = self.doc['pause']
        if not p['start_ms']:
            return ''
        return (self.form.heading('Pause for the snapshot') +
                self.form.paragraph('A VM of 1 GiB with 300 MB in use stands still for %s ms at '
                                    'the start and %s ms at the end of a recording.'
                                    % (spread(p['start_ms'], 0), spread(p['end_ms'], 0))))

    def failures(self):
        rows = [[str(f.get(k, NONE)) for k in ('smp', 'round', 'load', 'config')] +
                [f['text'].split('\n')[0]] for f in self.doc['failures']]
        if not rows:
            return ''
        return (self.form.heading('Failures') +
                self.form.table(['vCPUs', 'round', 'load', 'configuration', 'what'], rows, 5))


HEAD = '''# Benchmarks

What krr costs, measured by `make bench` and written by `make bench-docs`: do not edit.
[benchmarks.json](benchmarks.json) has all figures. `tests/bench/loads.tab` says what the
loads are, `tests/bench/goals.tab` how each figure is made.
'''


def text(doc):
    return Report(doc, Text()).all()


def markdown(doc, prefix):
    return HEAD + Report(doc, Markdown(), prefix).all()


def _plot(path, title, unit, columns, rows, log=False):
    """Bars: a group for each row, a bar for each column."""
    if all(v is None for _, values in rows for v in values):
        return
    data = ''.join('"%s" %s\n' % (name, ' '.join('?' if v is None else '%g' % v for v in values))
                   for name, values in rows)
    bars = ', '.join('$d using %d%s title "%s"' % (i + 2, '' if i else ':xtic(1)', c)
                     for i, c in enumerate(columns))
    script = ('$d << END\n%sEND\n'
              'set terminal pngcairo size 1100,480 font "sans,10"\nset output "%s"\n'
              'set title "%s"\nset ylabel "%s"\nset style data histograms\n'
              'set style fill solid 0.8 border -1\nset datafile missing "?"\n'
              'set xtics rotate by -35 nomirror\nset grid ytics\nset key outside top right\n'
              '%s\nplot %s\n'
              % (data, path, title, unit,
                 'set logscale y\nset yrange [0.1:*]' if log else 'set yrange [0:*]', bars))
    subprocess.run(['gnuplot'], input=script, text=True, check=True)


def plots(doc, prefix):
    """PNG files, named PREFIX and what they show."""
    if not shutil.which('gnuplot'):
        print("bench: no plots: gnuplot not found; try 'apt-get install gnuplot-nox'",
              file=sys.stderr)
        return
    for vcpus, loads in doc['results'].items():
        def ratios(configs):
            return [(name, [(r.get(c, {}).get('ratio') or {}).get('median') for c in configs])
                    for name, r in loads.items() if doc['loads'][name]['class'] != 'delay']

        title = 'Time over that of the plain kernel, %s vCPU' % vcpus
        here = [c for c in doc['configs'] if any(c in r for r in loads.values())]
        ours = [c for c in here if c not in ('plain', 'whole')]
        if ours:
            _plot(prefix + 'ratios-%s.png' % vcpus, title, 'ratio', ours, ratios(ours))
        if 'whole' in here:     # on a scale of its own
            both = [c for c in ('record', 'whole') if c in here]
            _plot(prefix + 'whole-%s.png' % vcpus, title, 'ratio', both, ratios(both), True)
        made = [(name, r['record']) for name, r in doc['recordings'][vcpus].items()
                if 'record' in r]
        _plot(prefix + 'replay-%s.png' % vcpus, 'Replay over recording time, %s vCPU' % vcpus,
              'ratio', ['replay'], [(n, [(r['replay_ratio'] or {}).get('median')])
                                    for n, r in made])
        _plot(prefix + 'log-%s.png' % vcpus, 'Compressed log, %s vCPU' % vcpus, 'MB/s', ['log'],
              [(n, [(r['log_mb_s'] or {}).get('median')]) for n, r in made])


def write(doc, out):
    """All results into a folder; the text to stdout, too."""
    with open(os.path.join(out, 'bench.json'), 'w') as f:
        json.dump(doc, f, indent=1)
        f.write('\n')
    with open(os.path.join(out, 'bench.txt'), 'w') as f:
        f.write(text(doc))
    print(text(doc))
    plots(doc, os.path.join(out, ''))
    print('results, bench.json, bench.txt and plots, are in ' + out)
