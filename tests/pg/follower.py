"""A host of the library in Python, for tests: one context that collects what it is given."""

import ctypes
import json
import os
import sys
import time

import harness

sys.path.insert(0, os.path.join(harness.ROOT, "tests", "ffi"))

import binding  # noqa: E402  pylint: disable=wrong-import-position

LIB = binding.Binding()
TIMEOUT, AGAIN, SUPERSEDED = -8, -7, -10
READY, FAILED = 2, 4


# A look at what is attached, which waits for one of a context: that would keep this one from looking.
LOOK = ("begin; select pg_advisory_xact_lock(7460391845612003), pg_advisory_xact_lock(7460391845612004); "
        "select trigperf.table_check_all(), trigperf.wal_check_all(); commit")


class Follower:
    """Follower(database, consumer="web", **{"batch.window_ms": 10}): pulls and acknowledges."""

    def __init__(self, database, consumer="", conninfo=None, **settings):
        config = LIB.made("trigperf_config_new")
        values = {"connection": conninfo or database.conninfo(), "consumer": consumer,
                  "batch.window_ms": 10, "ack.interval_ms": 50, "reconnect.min_ms": 20, **settings}
        for name, value in values.items():
            LIB.check("trigperf_config_set", config, name.encode(), str(value).encode())
        self.configure(config)
        self.context = LIB.made("trigperf_context_new", config)
        LIB.trigperf_config_free(config)
        self.log_lines = []
        self._log = binding.LOG_FN(
            lambda _, level, text: self.log_lines.append((level, text.decode("utf-8", "replace"))))
        LIB.trigperf_log_set(self.context, 3, self._log, None)
        self.batches = []
        self.error = None

    def configure(self, config):
        """What a subclass adds to the configuration."""

    def turn(self, timeout_ms=20):
        """Waits a little, pulls, acknowledges. Keeps the error of a context that has failed."""
        error = ctypes.c_void_p()
        status = LIB.trigperf_wait(self.context, timeout_ms, ctypes.byref(error))
        if status not in (0, TIMEOUT):
            self.error = LIB.error("trigperf_wait", status, error)
        elif error:
            LIB.trigperf_error_free(error)
        self.take()
        return self

    def take(self):
        while batch := LIB.made("trigperf_batch_next", self.context):
            text, length = ctypes.c_void_p(), ctypes.c_uint64()
            LIB.check("trigperf_batch_json", batch, ctypes.byref(text), ctypes.byref(length))
            self.batches.append(json.loads(ctypes.string_at(text, length.value)))
            LIB.check("trigperf_batch_ack", batch)

    def until(self, predicate, what, timeout=None):
        """Turns until predicate(self) is true."""
        deadline = time.monotonic() + (timeout or harness.PATIENCE)
        while not predicate(self):
            harness.check(time.monotonic() < deadline,
                          f"{what}: not within the time; state {self.state()}, error {self.error}, "
                          f"log {self.log_lines[-5:]}")
            self.turn()
        return self

    def ready(self):
        return self.until(lambda f: f.state() == READY, "becoming ready")

    def until_keys(self, *keys):
        return self.until(lambda f: set(keys) <= f.keys(), f"keys {keys}")

    def keys(self):
        return {key for batch in self.batches for key in batch["keys"]}

    def resyncs(self):
        return [one["table"] for batch in self.batches for one in batch["resync"]]

    def state(self):
        return LIB.trigperf_context_state(self.context)

    def status(self):
        return json.loads(LIB.text("trigperf_context_status", self.context))

    def close(self, timeout_ms=60000):
        if self.context:
            LIB.trigperf_context_close(self.context, timeout_ms, None)
            self.free()

    def free(self):
        """Goes without a word, as a process that dies."""
        if self.context:
            LIB.trigperf_context_free(self.context)
            self.context = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.free()


def turn_all(followers, predicate, what, timeout=None):
    """Turns several followers until predicate() is true."""
    deadline = time.monotonic() + (timeout or harness.PATIENCE)
    while not predicate():
        harness.check(time.monotonic() < deadline,
                      f"{what}: not within the time; {[f.status() for f in followers]}")
        for follower in followers:
            follower.turn(0)
        time.sleep(0.005)
