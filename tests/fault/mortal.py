"""Consumers that are processes of their own, `trigperf tail`, and can be killed, stopped and replaced."""

import itertools
import json
import os
import signal
import subprocess
import tempfile
import threading
import time

from lab import FAILED, READY, TABLES, harness
from ledger import Recorder


class Life:
    """One process; what it prints goes to the recorder, also what it had printed when it was killed."""

    def __init__(self, database, recorder, argv):
        self.recorder, self.lines, self.first_line, self.ended = recorder, 0, None, None
        self._errors = tempfile.TemporaryFile(mode="w+", encoding="utf-8")
        self.process = subprocess.Popen([harness.TOOL, "tail", "--format", "json", "--follow", *argv],
                                        env=database.env(), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self._errors)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        text = b""
        while part := os.read(self.process.stdout.fileno(), 65536):
            *lines, text = (text + part).split(b"\n")
            for line in lines:  # a torn last line does not count
                self.recorder.told(json.loads(line))
                self.lines += 1
                self.first_line = self.first_line or time.monotonic()
        self.ended = time.monotonic()

    def send(self, number):
        self.process.send_signal(number)

    def wait(self):
        """Its exit code, once it has ended and all it printed was read."""
        code = self.process.wait(harness.PATIENCE)
        self.thread.join(harness.PATIENCE)
        return code

    def kill(self, number=signal.SIGKILL):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def errors(self):
        self._errors.seek(0)
        return self._errors.read()

    def rss_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            return int(next(line for line in file if line.startswith("VmRSS")).split()[1])


class Mortal:
    """A durable consumer of many lives, in the place of a lab.Host. It has no cache to look into."""

    options = ("-o", "ack.interval_ms=50", "-o", "reconnect.min_ms=20")

    def __init__(self, database, kind, *_, **__):
        self.database, self.kind = database, kind
        self.source, self.consumer = kind.split()
        self.table = TABLES[self.source]
        self.recorder, self.fills, self.early, self.failure = Recorder(), 0, 0, None
        self.stop, self.ledger = threading.Event(), None
        self.life, self.lives = None, itertools.count(1)

    def start(self):
        """Another life, which becomes the present one."""
        next(self.lives)
        self.life = Life(self.database, self.recorder,
                         ["--consumer", self.consumer, "-o", f"source={self.source}", *self.options])
        return self.life

    def begin(self, ledger):
        self.ledger = ledger
        self.start()

    def idle(self):
        return True

    def settled(self, timeout=None):
        """Returns when everything committed until now was told."""
        began, committed = time.monotonic(), self.ledger.committed(self.table)
        deadline = began + (timeout or 2 * harness.PATIENCE)
        while (missing := self.recorder.missing(committed)) and time.monotonic() < deadline:
            if self.life.process.poll() is not None:
                harness.check(False, f"{self.kind} ended by itself: {self.life.errors()}")
            time.sleep(0.01)
        harness.check(not missing, f"{self.kind}: {len(missing)} keys do not come: {sorted(missing)[:9]}")
        return time.monotonic() - began

    def stale(self, *_):
        return {}

    def differs(self, _):
        return {}

    def state(self):
        return READY if self.life and self.life.process.poll() is None else FAILED

    def join(self):
        pass

    def free(self):
        if self.life is not None:
            self.life.kill()

    close = free
