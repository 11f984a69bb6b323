"""Writers that record what they committed, and the comparison with what a consumer was told.

A writer has rows of its own, in every table it is given the same ones: (id, owner, number). Each change
takes a number that nothing else has, so that a single lost one shows. Each transaction leaves a row in
`journal`, by which a writer whose connection broke in COMMIT finds out what became of it.
"""

import random
import threading
import time

from pq import Connection, Lost, Refused

ROWS = 10 ** 9  # that each writer has for itself
JOURNAL = "create table journal (tx bigint primary key)"


class Change:
    """What one transaction did: the keys it concerns, when COMMIT was sent, when its outcome was known."""

    __slots__ = ("tx", "tables", "keys", "numbers", "rows", "sent", "known", "xid", "outcome")

    def __init__(self, tx, tables):
        self.tx, self.tables, self.keys, self.numbers, self.rows = tx, tables, set(), set(), {}
        self.sent = self.known = self.xid = None
        self.outcome = "open"


class Ledger:
    """All transactions of all writers, and the newest committed version of each row."""

    def __init__(self):
        self.lock = threading.Lock()
        self.changes, self.rows, self.made_by, self.tables_of, self._next = [], {}, {}, {}, 0

    def number(self, tx=None):
        """A new number; tx: the transaction that writes it into a row."""
        with self.lock:
            self._next += 1
            self.made_by[self._next] = tx
            return self._next

    def close(self, change, outcome):
        with self.lock:
            change.outcome, change.known = outcome, time.monotonic()
            self.changes.append(change)
            if outcome == "committed":
                for row, version in change.rows.items():
                    self.rows[row] = (version, change.known, change.tables)

    def committed(self, table=None):
        with self.lock:
            return [change for change in self.changes if change.outcome == "committed"
                    and (table is None or table in change.tables)]

    def counts(self):
        with self.lock:
            kinds = [change.outcome for change in self.changes]
        return {kind: kinds.count(kind) for kind in set(kinds)}

    def reconcile(self, connection, table):
        """After a server forgot commits: what it does not know was forgotten. Nobody may write meanwhile."""
        known = {int(row[0]) for row in connection.run("select tx from journal")}
        rows = {int(row[0]): int(row[1]) for row in connection.run(f"select id, number from {table}")}
        with self.lock:
            now, forgotten = time.monotonic(), 0
            for change in self.changes:
                if change.outcome == "committed" and change.tx not in known:
                    change.outcome, forgotten = "forgotten", forgotten + 1
            self.rows = {row: (number, now, self.tables_of[row // ROWS]) for row, number in rows.items()}
            return forgotten


class Writer(threading.Thread):
    """Inserts, updates, moves and deletes on rows of its own until it is told to stop; goes on over lost
    connections. held, undone: how many of its transactions are held open a while, rolled back. pause: time
    between two. xids: asks for the id of each transaction. refusals: SQLSTATEs that are no mistake."""

    def __init__(self, ledger, conninfo, name, tables, held=0.25, undone=0.1, pause=0.004, xids=False,
                 setup="", refusals=(), rows_a_change=1):
        super().__init__(daemon=True)
        self.ledger, self.conninfo, self.tables = ledger, conninfo, tables
        self.held, self.undone, self.pause, self.xids, self.setup = held, undone, pause, xids, setup
        self.refusals, self.rows_a_change = refusals, rows_a_change
        self.random, self.base = random.Random(name), name * ROWS
        self.connection, self.rows, self.error = None, {}, None
        self.stop, self.go, self.idle = threading.Event(), threading.Event(), threading.Event()
        ledger.tables_of[name] = tables
        self.stale, self.lost, self.refused, self.slowest = True, 0, 0, 0.0
        self.go.set()

    # --- one change -----------------------------------------------------------------------------

    def insert(self, change, rows):
        values = []
        for _ in range(self.rows_a_change):
            number, owner = self.ledger.number(change.tx), self.random.randrange(50)
            row = self.base + number
            rows[row] = (owner, number)
            change.keys |= {f"item:{row}", f"owner:{owner}", f"number:{number}"}
            change.numbers.add(number)
            change.rows[row] = number
            values.append(f"({row}, {owner}, {number})")
        return f"insert into {{}} (id, owner, number) values {', '.join(values)}"

    def replace(self, change, rows):
        row, number = self.random.choice(list(rows)), self.ledger.number(change.tx)
        owner, before = self.random.randrange(50), rows[row]
        change.keys |= {f"item:{row}", f"owner:{before[0]}", f"number:{before[1]}"}
        change.rows[row] = number
        if self.random.random() < 0.2:
            del rows[row]
            return f"delete from {{}} where id = {row}"
        rows[row] = (owner, number)
        change.numbers.add(number)
        change.keys |= {f"owner:{owner}", f"number:{number}"}
        return f"update {{}} set owner = {owner}, number = {number} where id = {row}"

    def statements(self, change, rows):
        texts = []
        for _ in range(self.random.choice((1, 1, 1, 2, 4))):
            new = not rows or self.random.random() < 0.5
            texts.append(self.insert(change, rows) if new else self.replace(change, rows))
        if self.random.random() < 0.1:
            texts.append("savepoint s")
            texts.append(self.insert(Change(0, ()), {}))
            texts.append("rollback to s")
        for text in texts:
            for table in self.tables if "{}" in text else [""]:
                yield text.format(table)

    # --- one transaction ------------------------------------------------------------------------

    def transaction(self):
        change, rows = Change(self.ledger.number(), self.tables), dict(self.rows)
        draw = self.random.random()
        body = ["begin", *self.statements(change, rows), f"insert into journal values ({change.tx})"]
        end = "rollback" if draw < self.undone else "commit"
        began = time.monotonic()
        if self.undone <= draw < self.undone + self.held or self.xids:
            body.append("select pg_current_xact_id()")
            change.xid = int(self.connection.run("; ".join(body))[0][0])
            body = []
            if draw < self.undone + self.held:
                time.sleep(self.random.choice((0.01, 0.03, 0.1)))
        change.sent = time.monotonic()
        try:
            self.connection.run("; ".join([*body, end]))
            outcome = {"commit": "committed", "rollback": "undone"}[end]
        except Lost:
            if end == "commit":
                outcome = self.what_became_of(change)
                if outcome is None:
                    return
            else:
                outcome = "undone"
        if outcome == "committed":
            self.rows = rows
        self.ledger.close(change, outcome)
        self.slowest = max(self.slowest, time.monotonic() - began)

    def what_became_of(self, change):
        """Asks the server; None when told to stop before it answered."""
        old, self.lost = self.connection.pid, self.lost + 1
        while not self.stop.is_set() or self.stop.wait(0.05):
            try:
                self.reconnect()
                while self.connection.run(f"select 1 from pg_stat_activity where pid = {old} and "
                                          f"pid <> pg_backend_pid()"):
                    time.sleep(0.01)
                found = self.connection.run(f"select 1 from journal where tx = {change.tx}")
                return "committed" if found else "undone"
            except Lost:
                time.sleep(0.02)
        return None

    def reconnect(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None
        self.connection = Connection(self.conninfo)
        if self.setup:
            self.connection.run(self.setup)

    def reload(self):
        """Its rows as the server has them: it may have forgotten some."""
        self.rows = {int(row[0]): (int(row[1]), int(row[2])) for row in self.connection.run(
            f"select id, owner, number from {self.tables[0]} where id between {self.base} and "
            f"{self.base + ROWS - 1}")}
        self.stale = False

    def turn(self):
        try:
            if self.connection is None:
                self.reconnect()
            if self.stale:
                self.reload()
            self.transaction()
        except Lost:
            self.stale = True
            if self.connection is not None:
                self.connection.close()
                self.connection, self.lost = None, self.lost + 1
            time.sleep(0.02)
        except Refused as refusal:
            if refusal.state not in self.refusals:
                raise
            self.refused += 1
            self.connection.run("rollback")

    def run(self):
        try:
            while not self.stop.is_set():
                if not self.go.is_set():
                    self.idle.set()
                    self.go.wait(0.05)
                    continue
                self.idle.clear()
                self.turn()
                time.sleep(self.random.random() * 2 * self.pause)
        except Exception as error:  # pylint: disable=broad-except
            self.error = error
        finally:
            self.idle.set()
            if self.connection is not None:
                self.connection.close()


class Recorder:
    """What a consumer was told: when each key came last and how often, when the last resync came."""

    def __init__(self):
        self.lock = threading.Lock()
        self.first, self.last, self.times, self.resyncs, self.batches = {}, {}, {}, [], 0

    def told(self, batch):
        now = time.monotonic()
        with self.lock:
            self.batches += 1
            for key in batch["keys"]:
                self.first.setdefault(key, now)
                self.last[key] = now
                self.times[key] = self.times.get(key, 0) + 1
            if batch["resync"]:
                self.resyncs.append((now, [one["table"] for one in batch["resync"]]))

    def missing(self, changes):
        """Keys of committed changes that came neither by themselves nor under a resync."""
        with self.lock:
            resync = self.resyncs[-1][0] if self.resyncs else 0.0
            return {key for change in changes if change.sent > resync for key in change.keys
                    if self.last.get(key, 0.0) < change.sent}

    def figures(self, ledger, table):
        """Changes committed, of which told by keys, lost; keys nobody committed; keys that came again."""
        committed = ledger.committed(table)
        numbers = {number for change in committed for number in change.numbers}
        implied = {key for change in committed for key in change.keys}
        with self.lock:
            told = {int(key[7:]) for key in self.last if key.startswith("number:")}
            again = sum(count - 1 for key, count in self.times.items() if key.startswith("number:"))
            spurious = sum(1 for key in self.last if key.startswith("number:") and key not in implied)
            replaced = sum(1 for change in committed for key in change.keys if key.startswith("number:")) \
                - len(numbers)
        return {"committed": len(numbers), "delivered": len(numbers & told),
                "lost": len(self.missing(committed)), "spurious": spurious,
                "repeats": max(0, again - replaced), "resyncs": len(self.resyncs)}
