"""Writers that record what they committed, and a consumer that is killed meanwhile."""

import json
import os
import random
import subprocess
import threading
import time

import harness
from harness import check, equal

WRITERS = 4
TABLE = "create table items(id bigint primary key, owner bigint, number bigint)"
ATTACH = ["items", "--key", "id", "--key", "owner", "--key", "number", "--rule", "item:{id}",
          "--rule", "owner:{owner}", "--rule", "number:{number}"]


class Ledger:
    """What was committed and rolled back, with the time at which the writer knew."""

    def __init__(self):
        self._lock = threading.Lock()
        self._next = 0
        self.committed = {}
        self.undone = set()
        self.transactions = {"plain": 0, "held": 0, "rolled back": 0}

    def numbers(self, count):
        with self._lock:
            self._next += count
            return range(self._next - count, self._next)

    def close(self, kind, keys):
        now = time.monotonic()
        with self._lock:
            self.transactions[kind] += 1
            if kind == "rolled back":
                self.undone |= {key for key in keys if key.startswith("number:")}
            else:
                for key in keys:
                    self.committed.setdefault(key, now)


class Writer(threading.Thread):
    """Inserts, updates, moves and deletes on rows of its own until it is told to stop."""

    def __init__(self, db, ledger, name, stop):
        super().__init__(daemon=True)
        self.session, self.ledger, self.stop = db.session(), ledger, stop
        self.random = random.Random(name)
        self.base, self.rows, self.error = name * 1000000, {}, None

    def change(self, rows):
        """One statement on the writer's view of its rows; returns SQL and the keys it implies."""
        choice = self.random.random()
        number = self.ledger.numbers(1)[0]
        owner = self.random.randrange(50)
        if choice < 0.5 or not rows:
            row = self.base + number
            rows[row] = (owner, number)
            return (f"insert into items values ({row}, {owner}, {number})",
                    {f"item:{row}", f"owner:{owner}", f"number:{number}"})
        row = self.random.choice(list(rows))
        before = rows[row]
        keys = {f"item:{row}", f"owner:{before[0]}", f"number:{before[1]}"}
        if choice < 0.9:
            rows[row] = (owner, number)
            return (f"update items set owner = {owner}, number = {number} where id = {row}",
                    keys | {f"owner:{owner}", f"number:{number}"})
        del rows[row]
        return f"delete from items where id = {row}", keys

    def transaction(self):
        rows, keys, statements = dict(self.rows), set(), ["begin"]
        for _ in range(self.random.randrange(1, 5)):
            sql, implied = self.change(rows)
            statements.append(sql)
            keys |= implied
        draw = self.random.random()
        kind = "rolled back" if draw < 0.1 else "held" if draw < 0.4 else "plain"
        self.session.run("; ".join(statements))
        if kind == "held":
            time.sleep(self.random.choice([0.02, 0.05, 0.1, 0.2, 0.7]))
        self.session.run("rollback" if kind == "rolled back" else "commit")
        if kind == "rolled back":
            # Numbers of rows that stood there before are implied by others too.
            keys -= {f"number:{row[1]}" for row in self.rows.values()}
        else:
            self.rows = rows
        self.ledger.close(kind, keys)

    def run(self):
        try:
            while not self.stop.is_set():
                self.transaction()
        except Exception as error:  # pylint: disable=broad-except
            self.error = error


class Reader:
    """Lines of one consumer over many short lives."""

    def __init__(self, db, *args):
        self.db, self.args = db, args
        self.seen, self.resyncs, self.lines, self.lives, self.torn = {}, [], 0, 0, 0

    def take(self, text):
        now = time.monotonic()
        line = json.loads(text)
        self.lines += 1
        if line["resync"]:
            self.resyncs.append((self.lives, self.lines, line["resync"]))
        for key in line["keys"]:
            self.seen.setdefault(key, now)

    def pump(self, process):
        """Whole lines count; the last one may be torn by the kill."""
        text = b""
        while part := os.read(process.stdout.fileno(), 65536):
            *lines, text = (text + part).split(b"\n")
            for line in lines:
                self.take(line)
        self.torn += 1 if text else 0

    def live(self, seconds):
        """One life of the consumer; it ends with SIGKILL."""
        self.lives += 1
        process = subprocess.Popen(
            [harness.TOOL, "tail", "--consumer", "x", "--format", "json", "--follow", *self.args],
            env=self.db.env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        pump = threading.Thread(target=self.pump, args=(process,), daemon=True)
        pump.start()
        time.sleep(seconds)
        alive = process.poll() is None
        process.kill()
        process.wait()
        pump.join(harness.PATIENCE)
        process.stdout.close()
        return alive

    def drain(self):
        self.lives += 1
        result = self.db.trigperf("tail", "--consumer", "x", "--format", "json", "--until-idle",
                                  "500", *self.args, timeout=10 * harness.PATIENCE)
        for line in result.out.splitlines():
            self.take(line)


def quantile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))] if values else float("nan")


def delays(ledger, reader):
    return [reader.seen[key] - at for key, at in ledger.committed.items()
            if key in reader.seen and key.startswith("number:")]


def figures(ledger, reader):
    late = delays(ledger, reader)
    print(f"# transactions: {ledger.transactions}")
    print(f"# {len(ledger.committed)} keys committed, {len(reader.seen)} delivered in "
          f"{reader.lines} lines, {reader.lives} lives, {reader.torn} torn lines")
    print(f"# commit to line, restarts included: p50 {quantile(late, .5):.3f} s, "
          f"p99 {quantile(late, .99):.3f} s, max {max(late, default=0):.3f} s", flush=True)


def verify(ledger, reader):
    missing = sorted(set(ledger.committed) - set(reader.seen))
    check(not missing, f"{len(missing)} keys of committed changes are missing: {missing[:20]!r}")
    phantoms = sorted(ledger.undone & set(reader.seen))
    check(not phantoms, f"keys of changes that were rolled back: {phantoms[:20]!r}")
    equal([(life, line) for life, line, _ in reader.resyncs], [(1, 1)],
          f"lives and lines with a resync ({reader.resyncs!r})")


def write_while(db, ledger, action):
    """Runs the action while the writers write."""
    stop = threading.Event()
    writers = [Writer(db, ledger, name + 1, stop) for name in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        action()
        harness.eventually(lambda: any(writer.error for writer in writers) or
                           ledger.transactions["held"] and ledger.transactions["rolled back"], "transactions of all kinds")
    finally:
        stop.set()
        for writer in writers:
            writer.join(harness.PATIENCE)
            writer.session.close()
    equal([writer.error for writer in writers], [None] * WRITERS, "errors of the writers")


def kill_for(reader, seconds, life=0.5):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        check(reader.live(life), "tail ended by itself")
