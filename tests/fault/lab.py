"""A laboratory of faults: a database with tables, writers, and hosts of all kinds that follow them at once.

    with Lab(database, portion(full=("outbox web", ...), ...)) as lab:
        for _ in range(times(full=100, slice=10)):
            lab.fault(lambda: cut(database))
        lab.verify("terminated")

A host is a context with a model of a cache behind it, which is filled through the fence by a thread of its
own. It is named by source and consumer: "outbox web" is durable, "wal" ephemeral.

TRIGPERF_FAULT_PORTION=slice takes small counts.
"""

import ctypes
import json
import os
import random
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "pg"))

import harness  # noqa: E402  pylint: disable=wrong-import-position
from follower import LIB, READY, FAILED, Follower  # noqa: E402  pylint: disable=wrong-import-position
from harness import check, equal  # noqa: E402  pylint: disable=wrong-import-position
from ledger import JOURNAL, Ledger, Recorder, Writer  # noqa: E402  pylint: disable=wrong-import-position
from pq import Connection, Lost, Refused  # noqa: E402  pylint: disable=wrong-import-position

SLICE = os.environ.get("TRIGPERF_FAULT_PORTION") == "slice"
ALL = ("outbox web", "outbox", "wal web", "wal", "notify")
TABLES = {"outbox": "o_items", "wal": "w_items", "notify": "n_items"}
RULES = ("item:{id}", "owner:{owner}", "number:{number}")
TRIGGER = ("create trigger tell after insert or update or delete on {0} for each row execute function "
           "trigperf.notify_cache_invalidation('cache_invalidation', 'owner', 'id', 'number')")


def times(full, slice):  # pylint: disable=redefined-builtin
    """How often: the count of the whole suite, or of its slice."""
    return slice if SLICE else full


def prepare(database, sources, *options):
    """Tables for the sources, attached (with further options), and the journal."""
    database.sql(JOURNAL)
    for source in sources:
        table = TABLES[source]
        database.sql(f"create table {table} (id bigint primary key, owner bigint, number bigint)")
        if source == "notify":
            database.sql(TRIGGER.format(table))
            continue
        if source == "wal":
            database.sql(f"alter table {table} replica identity full")
        more = ["--granularity", "wal"] if source == "wal" else []
        database.attach(f"public.{table}", "--key", "id", "--key", "owner", "--key", "number",
                        *(part for rule in RULES for part in ("--rule", rule)), *more, *options)


def whole(name):
    """Registers a test that the slice leaves out."""
    return (lambda function: function) if SLICE else harness.test(name)


def children(cluster, kind):
    """The server's processes of that kind."""
    with open(os.path.join(os.path.dirname(cluster.env["TRIGPERF_PG_SOCKET"]), "data", "postmaster.pid"),
              encoding="utf-8") as file:
        main = file.readline().strip()
    found = harness.run(["ps", "-o", "pid=,args=", "--ppid", main], ok=True).out
    return [int(pid) for pid in re.findall(rf"^\s*(\d+) .*{kind}", found, re.M)]


class Host(Follower):
    """A context, what it was told, and the cache it keeps right. Runs in a thread of its own."""

    def __init__(self, database, kind, conninfo=None, direct=None, filling=True, watching=True, **settings):
        self.kind, self.source, self.table = kind, kind.split()[0], TABLES[kind.split()[0]]
        self.recorder, self.cache, self.guard = Recorder(), {}, threading.Lock()
        self.early, self.stop, self.failure, self.fills, self.retries = 0, threading.Event(), None, 0, 0
        self.direct, self.eye = direct or database.conninfo(), None
        consumer = kind.split()[1] if " " in kind else ""
        super().__init__(database, consumer, conninfo, **{
            "source": self.source, "reconnect.min_ms": 20, "reconnect.max_ms": 500, **settings})
        self.threads = [threading.Thread(target=self._live, daemon=True)]
        self.ledger, self.filling, self.watching = None, filling, watching

    def configure(self, config):
        if self.source == "notify":
            for rule in ("item:{record_id}", "owner:{user_id}", "number:{agent_id}"):
                LIB.check("trigperf_config_rule", config, TABLES["notify"].encode(), None, None,
                          rule.encode(), 0)

    # --- what a host does -----------------------------------------------------------------------

    def apply(self, batch):
        """Forgets, and notes that it was told."""
        with self.guard:
            if batch["resync"]:
                self.cache.clear()
            for key in batch["keys"]:
                self.cache.pop(key, None)
        self.recorder.told(batch)

    def take(self):
        """Pulls, applies, and only then acknowledges."""
        while batch := LIB.made("trigperf_batch_next", self.context):
            text, length = ctypes.c_void_p(), ctypes.c_uint64()
            LIB.check("trigperf_batch_json", batch, ctypes.byref(text), ctypes.byref(length))
            told = json.loads(ctypes.string_at(text, length.value))
            if self.watching:
                self.look(told)
            self.apply(told)
            LIB.check("trigperf_batch_ack", batch)

    def look(self, batch):
        """Whether what wrote these numbers is visible to an ordinary connection now."""
        writers = {self.ledger.made_by.get(int(key[7:])) for key in batch["keys"] if key.startswith("number:")}
        writers.discard(None)
        if not writers:
            return
        try:
            self.eye = self.eye or Connection(self.direct)
            found = self.eye.run(f"select tx from journal where tx in ({', '.join(map(str, writers))})")
            self.early += len(writers) - len(found)
        except Lost:
            if self.eye is not None:
                self.eye.close()
            self.eye = None

    def _live(self):
        try:
            while not self.stop.is_set():
                self.turn(20)
                if self.state() == FAILED:
                    self.failure = self.error
                    time.sleep(0.02)
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error

    def _fill(self):
        """Reads rows that are known to exist into the cache, through the fence."""
        chosen, connection = random.Random(self.kind), None
        while not self.stop.wait(0.002):
            with self.ledger.lock:
                row = chosen.choice(list(self.ledger.rows)[-400:]) if self.ledger.rows else None
                if row and self.table not in self.ledger.rows[row][2]:
                    row = None
            if row is None or f"item:{row}" in self.cache:
                continue
            try:
                connection = connection or Connection(self.direct)
                self.fill(connection, row)
            except (Lost, Refused):
                if connection is not None:
                    connection.close()
                connection = None
                time.sleep(0.02)

    def fill(self, connection, row):
        token, key = ctypes.c_uint64(), f"item:{row}".encode()
        if LIB.trigperf_fence_begin(self.context, ctypes.byref(token)) != 0:
            return
        found = connection.run(f"select number from {self.table} where id = {row}")
        with self.guard:
            self.cache[key.decode()] = int(found[0][0]) if found else None
        if LIB.trigperf_fence_check(self.context, token, key, len(key)) != 0:
            with self.guard:
                self.cache.pop(key.decode(), None)
        self.fills += 1

    # --- what the laboratory asks ---------------------------------------------------------------

    def begin(self, ledger):
        self.ledger = ledger
        if self.filling:
            self.threads.append(threading.Thread(target=self._fill, daemon=True))
        for thread in self.threads:
            thread.start()

    def settled(self, timeout=None):
        """Returns when everything visible now has been delivered; the seconds that took."""
        began, ticket = time.monotonic(), ctypes.c_uint64()
        LIB.check("trigperf_catch_up", self.context, ctypes.byref(ticket))
        deadline = began + (timeout or 2 * harness.PATIENCE)
        while not self.failure and not (LIB.trigperf_catch_up_done(self.context, ticket) and self.idle()):
            if time.monotonic() > deadline:
                check(False, f"{self.kind} does not catch up: {self.described()}")
            time.sleep(0.005)
        check(self.failure is None, f"{self.kind} has failed: {self.failure}")
        return time.monotonic() - began

    def described(self):
        """For whoever has to find out what it waits for."""
        with Connection(self.direct) as connection:
            sessions = connection.run("select pid, application_name, state, wait_event, backend_xid, backend_xmin, "
                                      "left(query, 100) from pg_stat_activity where backend_type in "
                                      "('client backend', 'walsender')")
        return "\n".join([str(self.status()), str(self.log_lines[-5:]), *map(str, sessions)])

    def idle(self):
        counters = self.status()["counters"]
        return self.state() == READY and counters["pending_batches"] == 0

    def stale(self, ledger, before):
        """Entries older than what was committed, and known to be, before that time."""
        with self.guard:
            cache = dict(self.cache)
        with ledger.lock:
            return {key: (number, ledger.rows[int(key[5:])]) for key, number in cache.items()
                    if number is not None and int(key[5:]) in ledger.rows
                    and ledger.rows[int(key[5:])][1] < before and number < ledger.rows[int(key[5:])][0]}

    def differs(self, rows):
        """Entries that are not what the database holds, while nobody writes."""
        with self.guard:
            return {key: (number, rows.get(int(key[5:]))) for key, number in self.cache.items()
                    if number != rows.get(int(key[5:]))}

    def join(self):
        for thread in self.threads:
            thread.join(harness.PATIENCE)


class Lab:
    """Writers and hosts on one database. direct: how writers connect, hosts: how contexts do."""

    def __init__(self, database, kinds=ALL, writers=4, direct=None, hosts=None, host=Host, prepared=False,
                 settings=None, **writing):
        sources = sorted({kind.split()[0] for kind in kinds})
        if not prepared:
            prepare(database, sources)
        self.database, self.ledger = database, Ledger()
        self.direct = direct or database.conninfo()
        self.faults, self.slowest, self.began = 0, 0.0, time.monotonic()
        self.recovery = {}
        # Commits that notify wait for each other, so that but one writer does if there is something else.
        quiet = [TABLES[source] for source in sources if source != "notify"]
        every = quiet + [TABLES[source] for source in sources if source == "notify"]
        self.writers = [Writer(self.ledger, self.direct, name, quiet if quiet and name > 1 else every, **writing)
                        for name in range(1, writers + 1)]
        self.hosts = [host(database, kind, hosts, self.direct, **(settings or {})) for kind in kinds]
        self.random = random.Random(1)

    def __enter__(self):
        for host in self.hosts:
            host.begin(self.ledger)
        for host in self.hosts:
            harness.eventually(lambda host=host: host.failure or (host.idle() and host.recorder.resyncs),
                               f"{host.kind} to be ready")
            check(host.failure is None, f"{host.kind} has failed: {host.failure}")
        for writer in self.writers:
            writer.start()
        return self

    def __exit__(self, *_):
        for writer in self.writers:
            writer.stop.set()
            writer.go.set()
        for host in self.hosts:
            host.stop.set()
        for writer in self.writers:
            if writer.is_alive():
                writer.join(harness.PATIENCE)
        for host in self.hosts:
            host.join()
            host.free()

    # --- faults ---------------------------------------------------------------------------------

    def settle(self, extra=0.0):
        """Everybody catches up, and no cache holds what was changed before."""
        before = time.monotonic()
        for host in self.hosts:
            took = host.settled() + extra
            self.recovery[host.kind] = max(self.recovery.get(host.kind, 0.0), took)
            stale = host.stale(self.ledger, before)
            check(not stale, f"{host.kind}: {len(stale)} stale entries after a fault: {list(stale.items())[:3]}")
        self.slowest = max(self.slowest, time.monotonic() - before + extra)

    def fault(self, action, calm=0.2, settle=0.5):
        """One fault after a random while; with that probability, waits until all is well again."""
        time.sleep(self.random.random() * calm)
        began = time.monotonic()
        action()
        self.faults += 1
        if self.random.random() < settle:
            self.settle(time.monotonic() - began)
        self.fine()

    def made_up(self, since, resynced=False):
        """Waits until nobody misses or holds what was changed before then, by whatever resync that takes;
        resynced: there must be one."""
        for host in self.hosts:
            began = time.monotonic()

            def well(host=host):
                changes = [one for one in self.ledger.committed(host.table) if one.known < since]
                return not host.stale(self.ledger, since) and not host.recorder.missing(changes) and (
                    not resynced or host.recorder.resyncs[-1][0] > since)

            harness.eventually(lambda: self.fine() or well(), f"{host.kind} to be told", pause=0.05)
            took = time.monotonic() - since
            self.recovery[host.kind] = max(self.recovery.get(host.kind, 0.0), took)
            self.slowest = max(self.slowest, time.monotonic() - began)

    def fine(self):
        equal([repr(writer.error) for writer in self.writers if writer.error], [], "errors of the writers")
        equal([f"{host.kind}: {host.failure}" for host in self.hosts if host.failure], [], "failed hosts")

    def pause(self):
        """Returns when no writer is at work."""
        for writer in self.writers:
            writer.idle.clear()
            writer.go.clear()
        for writer in self.writers:
            harness.eventually(writer.idle.is_set, "a writer to pause")

    def resume(self):
        for writer in self.writers:
            writer.stale = True
            writer.go.set()

    # --- the verdict ----------------------------------------------------------------------------

    def finish(self, late=False):
        """Ends the writers, once they have done something, and lets everybody catch up."""
        harness.eventually(lambda: self.fine() or all(self.ledger.committed(host.table) for host in self.hosts), "commits")
        for writer in self.writers:
            writer.stop.set()
        for writer in self.writers:
            writer.join(harness.PATIENCE)
        self.fine()
        if late:
            self.made_up(time.monotonic())
        self.settle()
        for host in self.hosts:
            host.stop.set()
        for host in self.hosts:
            host.join()

    def rows(self, host):
        with Connection(self.direct) as connection:
            return {int(row[0]): int(row[1])
                    for row in connection.run(f"select id, number from {host.table}")}

    def judge(self, host):
        figures = host.recorder.figures(self.ledger, host.table)
        figures["stale"] = len(host.differs(self.rows(host)))
        figures["early"] = host.early
        return figures

    def report(self, what, host, figures):
        print(f"# {what} | {host.kind + ('' if ' ' in host.kind else ' (ephemeral)')}: committed "
              f"{figures['committed']}, delivered {figures['delivered']}, lost {figures['lost']}, spurious "
              f"{figures['spurious']}, repeats {figures['repeats']}, resyncs {figures['resyncs']}, stale "
              f"{figures['stale']} of {host.fills} fills, early {figures['early']}, faults {self.faults}, slowest recovery "
              f"{self.recovery.get(host.kind, 0.0):.2f} s", flush=True)

    def verify(self, what, resyncs=None, spurious=0, late=False):
        """Ends it and judges. resyncs: how many durable hosts may have had, None: any number. spurious: keys
        that no committed change implies, None: any number. late: what makes up for it may come after a while."""
        self.finish(late)
        wrong = []
        for host in self.hosts:
            figures = self.judge(host)
            self.report(what, host, figures)
            if figures["lost"] or figures["stale"] or figures["early"]:
                wrong.append(f"{host.kind}: {figures}; {sorted(host.recorder.missing(self.ledger.committed(host.table)))[:9]}"
                             f" {list(host.differs(self.rows(host)).items())[:5]}")
            if spurious is not None and figures["spurious"] > spurious:
                wrong.append(f"{host.kind}: {figures['spurious']} keys that nobody committed")
            if resyncs is not None and " " in host.kind and figures["resyncs"] > resyncs:
                wrong.append(f"{host.kind}: {figures['resyncs']} resyncs: {host.recorder.resyncs[:9]}")
            check(figures["committed"] > 0, "nothing was committed")
        kinds = self.ledger.counts()
        print(f"# {what} | transactions {kinds}, connections of writers lost "
              f"{sum(writer.lost for writer in self.writers)}, slowest transaction "
              f"{max(writer.slowest for writer in self.writers):.2f} s", flush=True)
        equal(wrong, [], "verdict")
        for host in self.hosts:
            host.close()
