# SPDX-License-Identifier: GPL-2.0-only
"""
The VMs that loads run in.

A guest is started, runs one load after another, and is stopped.  run() gives the
seconds by the guest's clock and by the host's, which looks when the lines "bench:
begin" and "bench: end" arrive.
"""
import json
import os
import re
import select
import subprocess
import time

import tables

BOOT_S = 180
ANSWER_S = 120
LOAD_S = 900
BOOTS = 6       # until one has a timer that works

SAID = re.compile(rb'bench: (\w+)(?: ([0-9.]+))?')


class GuestError(Exception):
    """Something that failed: what, and the output that tells why."""


def tail(text, lines=8):
    return '\n'.join(text.decode(errors='replace').splitlines()[-lines:])


def call(argv, timeout=ANSWER_S, **more):
    """Run a command of the host; its stdout."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=timeout, **more)
    except subprocess.TimeoutExpired:
        raise GuestError('%s: no end after %d s' % (' '.join(argv[1:4]), timeout)) from None
    if done.returncode:
        raise GuestError('%s: exit status %d\n%s' % (' '.join(argv[1:4]), done.returncode,
                                                     tail(done.stderr)))
    return done.stdout


class Reader:
    """Lines from a file descriptor, each with the time when it came."""

    def __init__(self, fd):
        self.fd = fd
        self.rest = b''
        self.all = b''

    def more(self, deadline):
        """Read what there is; False at the end, GuestError when the time is up."""
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self.fd], [], [], left)[0]:
            raise GuestError('no end in time\n' + tail(self.all))
        got = os.read(self.fd, 65536)
        self.rest += got
        self.all += got
        return bool(got)

    def line(self, deadline):
        """The next one, or None at the end."""
        while b'\n' not in self.rest:
            if not self.more(deadline):
                return None
        line, self.rest = self.rest.split(b'\n', 1)
        return time.monotonic(), line


class Watch:
    """Takes the lines of a load and makes the figures of the run."""

    def __init__(self):
        self.began = self.ended = self.seconds = None
        self.values = {}

    def take(self, when, line):
        said = SAID.search(line)
        if not said:
            return
        what, value = said.group(1).decode(), said.group(2)
        if what == 'begin':
            self.began = when
        elif what == 'end':
            self.ended, self.seconds = when, float(value)
        elif value:
            self.values[what] = float(value)

    def figures(self, output):
        if self.began is None or self.ended is None:
            raise GuestError('expected "bench: begin" and "bench: end", found\n' + tail(output))
        return {'guest_seconds': self.seconds, 'host_seconds': self.ended - self.began,
                'values': self.values}


def check_clocks(figures, command_seconds):
    """
    Is the guest's clock right?  The line that a load begins may come as late as the one
    that it ended, if the vCPUs are busy, but the load cannot have outlasted its command.
    """
    guest, host = figures['guest_seconds'], figures['host_seconds']
    if guest > command_seconds + 0.3 or host - guest > 0.3 + 0.1 * host:
        raise GuestError("the load took %.3f s by the guest's clock, %.3f s by the host's, its "
                         "command %.3f s" % (guest, host, command_seconds))


class KrrGuest:
    """A VM of krrctl, for all configurations but "whole"."""

    def __init__(self, config, vcpus, setup):
        self.config = config
        self.vcpus = vcpus
        self.setup = setup
        self.name = 'bench-%d-%s-%d' % (os.getpid(), config, vcpus)
        self.krrctl = setup.krrctl
        self.recordings = 0

    def start(self):
        for _ in range(BOOTS):
            self.boot(self.setup.mem)
            if self._timer_works():
                break
            self.stop()
        else:
            raise GuestError('the timer of a local APIC did not work in %d boots: the kernel '
                             'calibrates it, which fails on a busy host; try a quieter one' % BOOTS)
        if self.config in tables.SUBSYSTEMS:
            call([self.krrctl, '--vm', self.name, 'enable', '--no-flight', '--subsys', self.config])
        if self.config == 'flight':
            self.shell('echo "flight 20000 2048" >/dev/krr')

    def boot(self, mem):
        kernel = self.setup.plain if self.config == 'plain' else self.setup.kernel
        call([self.krrctl, 'vm', 'start', self.name, '--accel', 'tcg', '--smp', str(self.vcpus),
              '--mem', mem, '--kernel', kernel, '--rootfs', self.setup.image, '--net',
              *(['--append', self.setup.append] if self.setup.append else [])], BOOT_S)

    # without it there are no timers but ticks, and waiting takes much longer
    def _timer_works(self):
        return b'.resolution: 1 nsecs' in self.shell('cat /proc/timer_list')

    def shell(self, command, timeout=ANSWER_S):
        """Run a command; its output."""
        return call([self.krrctl, 'vm', 'exec', self.name, '--', '/bin/sh', '-c', command], timeout)

    def run(self, command):
        """One load; its figures, and the name of the recording or None."""
        if self.config == 'serialize':
            command = ('echo serialize >/dev/krr || exit 1; %s; s=$?; echo stop >/dev/krr; exit $s'
                       % command)
        if self.config not in tables.RECORDED:
            return self._load(command), None
        self.recordings += 1
        recording = '%s-%d' % (self.name, self.recordings)
        call([self.krrctl, 'record', self.name, recording])
        try:
            figures = self._load(command)
        finally:
            call([self.krrctl, 'stop', self.name])
        return figures, recording

    def record_nothing(self):
        """A recording that ends at once; its manifest."""
        call([self.krrctl, 'record', self.name, self.name])
        call([self.krrctl, 'stop', self.name])
        return take_recording(self.krrctl, self.name, False)[0]

    def _load(self, command):
        argv = [self.krrctl, 'vm', 'exec', self.name, '--', '/bin/sh', '-c', command]
        watch, began = Watch(), time.monotonic()
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT) as p:
            try:
                reader = Reader(p.stdout.fileno())
                deadline = time.monotonic() + LOAD_S
                while (got := reader.line(deadline)):
                    watch.take(*got)
            except GuestError:
                p.kill()
                raise
        if p.returncode:
            raise GuestError('exit status %d\n%s' % (p.returncode, tail(reader.all)))
        figures = watch.figures(reader.all)
        check_clocks(figures, time.monotonic() - began)
        figures['seconds'] = figures['guest_seconds']
        return figures

    def stop(self):
        subprocess.run([self.krrctl, 'vm', 'stop', self.name], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=ANSWER_S, check=False)


class WholeGuest:
    """
    QEMU records the whole VM.  What it needs for that: a count of instructions
    instead of a clock, one vCPU, and filters that log what a disk and a network card
    bring.  Else the machine is the one of vmm/machine.c, but for krr's ports.

    The console is a serial line with a shell on it; it is a pair of pipes, since QEMU
    cannot replay what it recorded of a socket.  The guest's clock goes by the
    instructions counted, so the host's is used.
    """

    APPEND = ('console=ttyS0 nokaslr tsc=reliable clocksource=tsc idle=halt no_timer_check '
              'panic=-1 tsc_early_khz=1000000 root=/dev/vda rw')

    def __init__(self, config, vcpus, setup):
        del vcpus       # one is all that there can be
        self.config = config
        self.setup = setup
        self.log = os.path.join(setup.out, 'whole.rr')
        self.console = os.path.join(setup.scratch, 'console')
        self.qemu = self.keys = self.reader = None

    def argv(self):
        return [
            self.setup.qemu, '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot',
            '-machine', 'pc-i440fx-7.2,hpet=off,vmport=off', '-cpu', 'Nehalem-v1',
            '-m', self.setup.mem, '-smp', '1',
            '-icount', 'shift=auto,rr=record,rrfile=' + self.log,
            '-serial', 'pipe:' + self.console,
            '-object', 'rng-builtin,id=rng', '-device', 'virtio-rng-pci,rng=rng,addr=4',
            '-drive', 'if=none,id=image,format=raw,snapshot=on,file=' + self.setup.image,
            '-drive', 'if=none,id=disk,driver=blkreplay,image=image',
            '-device', 'virtio-blk-pci,drive=disk,addr=5',
            '-netdev', 'user,id=net', '-object', 'filter-replay,id=replay,netdev=net',
            '-device', 'virtio-net-pci,netdev=net,mac=52:54:00:6b:72:72,romfile=,addr=6',
            '-kernel', self.setup.plain, '-append', self.APPEND + ' ' + self.setup.append]

    def start(self):
        for end in ('.in', '.out'):
            os.mkfifo(self.console + end)
        with open(os.path.join(self.setup.out, 'whole.log'), 'wb') as out:
            self.qemu = subprocess.Popen(self.argv(), stdin=subprocess.DEVNULL, stdout=out,
                                         stderr=out)
        # so that open() does not wait for the other end
        self.keys = os.open(self.console + '.in', os.O_RDWR)
        self.reader = Reader(os.open(self.console + '.out', os.O_RDONLY | os.O_NONBLOCK))
        self._until(rb'krr: guest up', BOOT_S)

    def _until(self, pattern, timeout, watch=None):
        """Lines up to the one with the pattern; its match."""
        deadline = time.monotonic() + timeout
        while True:
            got = self.reader.line(deadline)
            if got is None:
                raise GuestError('QEMU ended\n' + tail(self.reader.all))
            if watch:
                watch.take(*got)
            found = re.search(pattern, got[1])
            if found:
                return found

    # While it records, QEMU does not look whether the serial port has room.  So each
    # character is sent when the one before it has come back.
    def _type(self, text):
        deadline = time.monotonic() + ANSWER_S
        for c in text.encode():
            seen = len(self.reader.all)
            os.write(self.keys, bytes([c]))
            while c not in self.reader.all[seen:]:
                if not self.reader.more(deadline):
                    raise GuestError('QEMU ended\n' + tail(self.reader.all))

    def shell(self, command, timeout=ANSWER_S, watch=None):
        """Type a command; the shell tells its status."""
        self.reader.all = b''
        self._type(command + '; echo "bench: exit $?"\n')
        status = self._until(rb'bench: exit (\d+)', timeout, watch).group(1)
        if status != b'0':
            raise GuestError('exit status %s\n%s' % (status.decode(), tail(self.reader.all)))

    def run(self, command):
        watch, before = Watch(), os.path.getsize(self.log)
        self.shell(command, LOAD_S, watch)
        watch.values.pop('exit', None)
        figures = watch.figures(self.reader.all)
        figures['seconds'] = figures['host_seconds']
        figures['values']['log_bytes'] = os.path.getsize(self.log) - before
        return figures, None

    def stop(self):
        if self.reader:
            os.close(self.keys)
            os.close(self.reader.fd)
        if self.qemu:
            self.qemu.kill()
            self.qemu.wait()
        for path in (self.log, self.console + '.in', self.console + '.out'):
            if os.path.exists(path):
                os.unlink(path)


def make(config, vcpus, setup):
    """The guest of a configuration, not started."""
    return (WholeGuest if config == 'whole' else KrrGuest)(config, vcpus, setup)


def take_recording(krrctl, name, replay):
    """
    The manifest of a recording and, if wanted, what its replay took.  Then it is
    removed; one that cannot be read or replayed stays.
    """
    told = {}
    try:
        manifest = json.loads(call([krrctl, 'info', '--json', name]))
        if replay:
            told = json.loads(call([krrctl, 'replay', '--quiet', '--json', name], LOAD_S))
    except GuestError as e:
        raise GuestError('%s\nlook inside: KRR_STORE=%s %s info %s'
                         % (e, os.environ['KRR_STORE'], krrctl, name)) from None
    call([krrctl, 'rm', name])
    return manifest, told.get('seconds')
