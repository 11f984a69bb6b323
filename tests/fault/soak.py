#!/usr/bin/python3
"""Five minutes of 5,000 changes a second and more: memory stays flat, the outbox bounded, nothing is lost.

TRIGPERF_SOAK_SECONDS: how long (300). TRIGPERF_SOAK_RATE: changes a second that must be reached, of outbox and wal (5000).
Notifications come as fast as one writer sends them, whose triggers fire for each row, and whose commits take turns.
"""

import os
import threading
import time

from lab import RULES, TABLES, TRIGGER, harness
from mortal import Life
from pq import Connection
from harness import check, test

SECONDS = float(os.environ.get("TRIGPERF_SOAK_SECONDS", "300"))
RATE = float(os.environ.get("TRIGPERF_SOAK_RATE", "5000"))
ROWS = 20        # of a transaction
WRITERS = 3
KEPT = 200       # transactions whose rows stay in the table
SAMPLE = 5.0     # seconds between two looks
WINDOW = 131072  # transactions after which the outbox goes on to its next table

# Spends transaction ids, so that the outbox goes around several times within minutes.
BURN = f"""do $$ begin for i in 1..{WINDOW // 8} loop
  begin insert into burned values (1); exception when others then raise; end; end loop; end $$"""


class Counted:
    """What was told, a byte for each number: as small after an hour as after a minute. In the place of a Recorder."""

    def __init__(self):
        self.told_of, self.tables, self.resyncs, self.keys, self.again = bytearray(1), set(), [], 0, 0
        self.newest = time.monotonic()

    def told(self, batch):
        self.newest = time.monotonic()
        if batch["resync"]:
            self.resyncs.append(self.newest)
        for key in batch["keys"]:
            if key.startswith("number:"):
                number = int(key[7:])
                if number >= len(self.told_of):
                    self.told_of.extend(bytes(number + 1000000 - len(self.told_of)))
                self.again += self.told_of[number] and 1
                self.told_of[number] = 1
                self.keys += 1


class Load(threading.Thread):
    """Transactions of new rows, which delete old ones; one of several that share the rate, kept a little above it."""

    def __init__(self, conninfo, place, writers, tables):
        super().__init__(daemon=True)
        self.conninfo, self.place, self.writers, self.tables = conninfo, place, writers, tables
        self.stop, self.written, self.error, self.count = threading.Event(), [], None, 0

    def numbers(self, count):
        first = (count * self.writers + self.place) * ROWS + 1
        return first, first + ROWS - 1

    def transaction(self, connection, count):
        first, last = self.numbers(count)
        statements = ["begin"]
        for table in self.tables:
            statements.append(f"insert into {table} select i, i % 1000, i from generate_series({first}, {last}) i")
            if count >= KEPT:
                old, end = self.numbers(count - KEPT)
                statements.append(f"delete from {table} where id between {old} and {end}")
        connection.run("; ".join([*statements, "commit"]))

    def run(self):
        # An insert and, later, a delete of each row: two changes a number.
        pause, due = self.writers * ROWS * 2 / (RATE * 1.15), time.monotonic()
        try:
            with Connection(self.conninfo) as connection:
                while not self.stop.is_set():
                    self.transaction(connection, self.count)
                    self.count += 1
                    due += pause
                    time.sleep(max(0.0, due - time.monotonic()))
        except Exception as error:  # pylint: disable=broad-except
            self.error = error


def burn(conninfo, stop):
    """A window of transaction ids every 20 seconds."""
    with Connection(conninfo) as connection:
        while not stop.wait(2.5):
            connection.run(BURN)
            connection.run("truncate burned")


def slope(samples):
    """KiB a minute, by least squares; samples: (seconds, KiB)."""
    middle = sum(x for x, _ in samples) / len(samples)
    mean = sum(y for _, y in samples) / len(samples)
    spread = sum((x - middle) ** 2 for x, _ in samples)
    return 60 * sum((x - middle) * (y - mean) for x, y in samples) / spread


def watch(lives, loads, connection, seconds):
    """Samples of memory (each process) and of the outbox, until time is up."""
    began, samples = time.monotonic(), []
    while (now := time.monotonic()) < began + seconds:
        size = int(connection.run("select sum(pg_total_relation_size(inhrelid)) from pg_inherits where inhparent = "
                                  "'trigperf.outbox'::regclass")[0][0])
        samples.append((now - began, size, [life.rss_kib() for life in lives.values()]))
        check(not any(load.error for load in loads), f"a writer failed: {[load.error for load in loads]}")
        for kind, life in lives.items():
            check(life.process.poll() is None, f"{kind} ended by itself: {life.errors()}")
        time.sleep(SAMPLE)
    return samples


def report(kind, column, life, loads, samples):
    numbers = [range(low, high + 1) for load in loads for count in range(load.count)
               for low, high in [load.numbers(count)]]
    lost = sum(1 for part in numbers for number in part
               if number >= len(life.recorder.told_of) or not life.recorder.told_of[number])
    # The first fifth is growing up: buffers and tables reach their size.
    late = [(at, rss[column]) for at, _, rss in samples if at > SECONDS / 5]
    growth = slope(late)
    print(f"# soak | {kind}: rows written {sum(map(len, numbers))}, keys delivered {life.recorder.keys}, lost {lost}, "
          f"resyncs {len(life.recorder.resyncs)}, resident KiB first {samples[0][2][column]}, after a fifth "
          f"{late[0][1]}, last {late[-1][1]}, most {max(rss for _, rss in late)}, slope {growth:+.1f} KiB a minute",
          flush=True)
    check(lost == 0, f"{kind} lost {lost}")
    check(len(life.recorder.resyncs) == 1, f"{kind}: {len(life.recorder.resyncs)} resyncs")
    check(growth < 512 and late[-1][1] < 1.5 * late[0][1], f"{kind}: memory grows by {growth:.0f} KiB a minute")


def prepare(database, kind, table):
    database.sql(f"create table {table} (id bigint primary key, owner bigint, number bigint)")
    if kind == "notify":
        database.sql(TRIGGER.format(table))
        return
    if kind == "wal":
        database.sql(f"alter table {table} replica identity full")
    database.attach(f"public.{table}", "--key", "id", "--key", "owner", "--key", "number",
                    *(part for rule in RULES for part in ("--rule", rule)),
                    *(["--granularity", "wal"] if kind == "wal" else []))


def begin(database, kind, folder):
    """A process that follows: notifications by rules of its own, the others as named consumers."""
    how = ["--consumer", "web"]
    if kind == "notify":
        file = os.path.join(folder, "rules.ini")
        with open(file, "w", encoding="utf-8") as out:
            out.write(f"[rules]\n{TABLES[kind]} = item:{{record_id}} owner:{{user_id}} number:{{agent_id}}\n")
        how = ["--config", file]
    return Life(database, Counted(), [*how, "-o", f"source={kind}", "--max-keys", "5000"])


@test("memory is flat, the outbox bounded, nothing is lost")
def _(installed, tmp):
    installed.sql("create unlogged table burned (i int)")
    tables = {kind: TABLES[kind] for kind in ("outbox", "wal", "notify")}
    for kind, table in tables.items():
        prepare(installed, kind, table)
    lives = {kind: begin(installed, kind, tmp) for kind in tables}
    for kind, life in lives.items():
        harness.eventually(lambda life=life: life.recorder.resyncs, f"{kind} to begin")
    # Commits that notify wait for each other: one writer for them.
    both = [Load(installed.conninfo(), place, WRITERS, [tables["outbox"], tables["wal"]]) for place in range(WRITERS)]
    loads_of = {"outbox": both, "wal": both, "notify": [Load(installed.conninfo(), 0, 1, [tables["notify"]])]}
    loads = [*both, *loads_of["notify"]]
    with Connection(installed.conninfo()) as connection:
        began = time.monotonic()
        for load in loads:
            load.start()
        stop = threading.Event()
        burner = threading.Thread(target=burn, args=(installed.conninfo(), stop), daemon=True)
        burner.start()
        samples = watch(lives, loads, connection, SECONDS)
        for load in loads:
            load.stop.set()
        stop.set()
        burner.join(harness.PATIENCE)
        for load in loads:
            load.join(harness.PATIENCE)
        took = time.monotonic() - began
        changes = {kind: sum(load.count for load in loads_of[kind]) * ROWS * 2 for kind in lives}
        behind = time.monotonic()
        for kind, life in lives.items():
            harness.eventually(lambda life=life: time.monotonic() - life.recorder.newest > 2, f"{kind} to be done")
        sizes = [size for _, size, _ in samples]
        print(f"# soak | {took:.0f} s, changes {changes}, a second {changes['outbox'] / took:.0f}; caught up "
              f"{max(life.recorder.newest for life in lives.values()) - behind:+.2f} s after the last commit", flush=True)
        used = int(connection.run("select pg_current_xact_id()")[0][0])
        emptied = connection.run("select count(*) from trigperf.outbox_slot where truncated_at is not null")[0][0]
        print(f"# soak | outbox MiB: half-way {sizes[len(sizes) // 2] / 2 ** 20:.1f}, last {sizes[-1] / 2 ** 20:.1f}, most "
              f"{max(sizes) / 2 ** 20:.1f}; {used / WINDOW:.1f} windows of transaction ids, {emptied} of its tables emptied", flush=True)
        for column, (kind, life) in enumerate(lives.items()):
            report(kind, column, life, loads_of[kind], samples)
        check(changes["outbox"] / took >= RATE and changes["notify"] > 0, f"too few changes in {took:.0f} s: {changes}")
        check(max(sizes) < 256 * 2 ** 20, "the outbox is not bounded")
    for life in lives.values():
        life.kill()


if __name__ == "__main__":
    harness.main(options=["-c max_wal_size=2GB"])
