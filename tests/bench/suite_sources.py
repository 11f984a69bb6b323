#!/usr/bin/python3
"""The three sources beside each other, and beside what people use otherwise.

`writer`: what capture costs who writes, and live delivery the host, while pgbench updates single rows at
full speed with a consumer attached. A writer's own cost is the processor time of its backends, which have
all ended when a run has; the walsender's is shown apart. `no capture` is a server with wal_level = replica.

`backlog`: the same transactions of one row, each candidate on a table of its own, received from a backlog.
Sums over the keys are compared, so that nobody is quick by losing something. `wal` fetches it with queries,
`wal, followed` takes the same from its stream, through a Unix socket as all the others, and over TCP. The client's
processor time is that of clients in C from their first line on, connecting and storing included, loading of libraries
not; of those that listen, from being told to go on.

`bulk`: the same in statements of 1,000 rows. `latency`: from the confirmed commit to the host.
"""

import os
import re
import shutil
import signal
import time

import bench
import harness
import suite_delivery
import suite_instructions
from suite_delivery import line, program

ROWS = 100_000
SOURCES = {"outbox": "outbox", "wal": "wal", "wal_full": "wal, REPLICA IDENTITY FULL", "notify": "notify"}
PEERS = ("PgQ", "pg-listen", "asyncpg")
ONE_ROW = "\\set id random(1, 100000)\nupdate {table} set amount = amount + 1 where id = :id;\n"
FOLLOWED = {"followed": "wal, followed", "followed_tcp": "wal, followed over TCP"}
ADDRESS = f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"  # at which no other server listens
SERVER_OPTIONS = ["-c wal_level=logical", "-c max_replication_slots=20", "-c max_wal_senders=20",
                  f"-c listen_addresses={ADDRESS}"]

PRODUCE = """
create procedure produce(which text, first int, final int, step int) language plpgsql as $$
begin
    for i in first .. final by step loop
        execute format('update %I set amount = amount + 1 where id >= $1 and id < $1 + $2', which)
            using i, step;
        commit;
    end loop;
end $$"""

NOTIFYING = """
create function tell() returns trigger language plpgsql as $$
begin
    perform pg_notify('bench', json_build_object('table', 'public.' || tg_table_name, 'operation', tg_op,
                                                 'user_id', new.user_id, 'id', new.id)::text);
    return null;
end $$;
create trigger tell after update on calls_notify for each row execute function tell()"""


def make_table(database, name):
    database.sql(f"""
        create table calls_{name}(id int primary key, user_id int not null, amount bigint not null, note text)
            with (fillfactor = 50);
        insert into calls_{name} select i, i % 5000, 0, 'note ' || i from generate_series(1, {ROWS}) i""")


class Setting:
    """A database with a table for each way of capture that can be had here."""

    def __init__(self, work, name, granularity="row"):
        self.work, self.database = work, work.cluster.installed(name)
        self.env = self.database.env()
        self.database.sql(PRODUCE)
        for table in ("none", "outbox", "wal", "wal_full", "notify"):
            make_table(self.database, table)
        self.database.sql("alter table calls_wal_full replica identity full;" + NOTIFYING)
        self._attach("outbox", granularity, "--key", "user_id", "--watch", "amount")
        self._attach("wal", "wal")  # without old rows, nothing can be compared
        self._attach("wal_full", "wal", "--key", "user_id", "--watch", "amount")
        self.peers = suite_delivery.listeners_here(work)
        self._pgq()
        self.database.sql("analyze")

    def _attach(self, name, granularity, *more):
        self.database.attach(f"public.calls_{name}", *more, "--key", "id", "--rule",
                             "call:{id}", "--granularity", granularity)

    def _pgq(self):
        missing = bench.has_pgq(self.database)
        if missing:
            self.work.skip("PgQ", missing)
            return
        make_table(self.database, "pgq")
        self.database.sql("""
            select pgq.create_queue('bench'); select pgq.register_consumer('bench', 'bench');
            create function enqueue() returns trigger language plpgsql as $$
            begin
                perform pgq.insert_event('bench', tg_op, json_build_object('user_id', new.user_id, 'id', new.id)::text);
                return null;
            end $$;
            create trigger enqueue after update on calls_pgq for each row execute function enqueue()""")
        self.peers.insert(0, "PgQ")

    def table(self, name):
        return "calls_" + {"PgQ": "pgq", "pg-listen": "notify", "asyncpg": "notify"}.get(name, name)

    def tick(self):
        if "PgQ" in self.peers:
            self.database.sql("select pgq.force_tick('bench'); select pgq.ticker()")

    def command(self, name, mode, consumer="", count=0):
        info = self.database.conninfo()
        if name == "PgQ":
            return [program("pgq_client"), mode, info, "bench", "bench"]
        if name == "pg-listen":
            return ["node", os.path.join(bench.HERE, "listener.js"), mode, str(count)]
        if name == "asyncpg":
            return ["/usr/bin/python3", os.path.join(bench.HERE, "listener.py"), mode, str(count)]
        if name == "notify":
            return [program("host"), "listen" if mode == "drain" else mode, info,
                    str(count) if mode == "drain" else "", "source=notify", "notify.channel=bench",
                    "notify.keys=user_id,id", "rule:public.calls_notify=call:{id}"]
        return [program("host"), mode, info, consumer, "source=" + ("outbox" if name == "outbox" else "wal")]


# --- writers, and delivery while they write

def walsenders(database):
    return [int(row[0]) for row in database.rows(
        "select pid from pg_stat_activity where backend_type = 'walsender'")]


def write(work, database, table, consumer=None):
    """Runs pgbench: (transactions per second; microseconds per transaction of its backends, of walsenders,
    of the consumer). Its backends have ended afterwards: what ended children used is theirs."""
    senders = walsenders(database)
    path = os.path.join(work.folder, "one_row.sql")
    with open(path, "w", encoding="utf-8") as file:
        file.write(ONE_ROW.format(table=table))
    before = set(work.backends())
    sent, ended = sum(map(bench.cpu, senders)), work.ended_cpu()
    out = harness.run([bench.pgbench_path(), "-n", "-M", "prepared", "-c", "8", "-j", "2", "-T",
                       str(work.chosen.seconds), "-f", path], env=database.env(), ok=True, timeout=600).out
    while not before.issuperset(work.backends()):
        time.sleep(0.01)
    ended = work.ended_cpu() - ended
    client = 0
    if consumer is not None:
        consumer.send_signal(signal.SIGTERM)
        client = int(line(consumer).split()[4])
        sent = sum(map(bench.cpu, senders)) - sent
        work.stop(consumer)
    count = int(re.search(r"actually processed: (\d+)", out).group(1))
    tps = float(re.search(r"^tps = ([\d.]+)", out, re.M).group(1))
    return tps, ended * 1e6 / count, sent * 1e6 / count, client / count


def measure_writers(work, setting, plain, plain_database):
    def one(name):
        if name == "plain":
            return write(plain, plain_database, "calls_none")
        consumer = None
        if name in SOURCES:
            consumer = work.start(setting.command(name, "count"), setting.env)
            line(consumer)
        return write(work, setting.database, setting.table(name), consumer)

    variants = ["plain", "none", *SOURCES, *(name for name in setting.peers if name == "PgQ")]
    count = work.chosen.rounds if work.chosen.full else max(1, work.chosen.rounds // 2)
    return work.rounds(variants, one, count)


def writer(work):
    work.say("  UPDATE of one row, 8 clients, synchronous commit, a consumer attached")
    setting = Setting(work, "writer")
    setting.database.sql("vacuum; checkpoint")
    with harness.Cluster(fast=False, options=bench.SERVER_OPTIONS) as cluster:
        plain = bench.Bench(work.suite, work.chosen, cluster, work.folder)
        database = cluster.database("plain")
        make_table(database, "none")
        database.sql("vacuum analyze; checkpoint")
        results = measure_writers(work, setting, plain, database)
    medians = {name: [bench.median(values) for values in zip(*runs)] for name, runs in results.items()}
    show_writers(work, medians, results)
    report_writers(work, medians)


LABELS = {"plain": "no capture", "none": "no capture, wal_level = logical", **SOURCES,
          **FOLLOWED, "PgQ": "PgQ insert_event"}


def show_writers(work, medians, results):
    work.say(f"    {'':32}{'tps':>8} {'of none':>8} {'backend us':>11} {'of none':>8} {'walsender':>10} "
             f"{'client':>8}   rounds (backend us)")
    plain = medians["plain"]
    for name, (tps, backend, sender, client) in medians.items():
        runs = " ".join(f"{run[1]:.1f}" for run in results[name])
        work.say(f"    {LABELS[name]:32}{tps:8,.0f} {tps / plain[0]:8.1%} {backend:11.1f} "
                 f"{backend / plain[1]:8.2f} {sender:10.1f} {client:8.2f}   {runs}")


def report_writers(work, medians):
    for ours in SOURCES:
        for peer in ("plain", "none", "PgQ", "notify"):
            if peer in medians and peer != ours:
                # who notifies pays the same, whichever library listens
                label = "pg_notify (pg-listen, asyncpg)" if peer == "notify" else LABELS[peer]
                work.figure(f"writer, {SOURCES[ours]}, rate", medians[ours][0], medians[peer][0], label,
                            "transactions/s", True, show=False)
                work.figure(f"writer, {SOURCES[ours]}, backend CPU", medians[ours][1], medians[peer][1],
                            label, "us/transaction", False, show=False)
    for ours in ("wal", "wal_full"):
        beyond = (medians[ours][1] / medians["plain"][1] - 1) * 100
        work.figure(f"writer, {SOURCES[ours]}, backend CPU beyond no capture", beyond, 25, "target", "%", False)


def instructions(work):
    """What an update of one row costs its backend, without the kernel; no neighbour changes these figures."""
    if not work.chosen.full and not work.chosen.only:
        work.skip("instructions", "they take a minute: --full, or --only instructions")
        return
    work.say("  UPDATE of one row: instructions of the backend")
    setting = Setting(work, "counted")
    setting.database.sql("vacuum; checkpoint")
    cases = {"plain": ("calls_none", ["-c wal_level=replica"])}
    cases.update({name: (setting.table(name), ["-c wal_level=logical"])
                  for name in (*SOURCES, *(peer for peer in setting.peers if peer == "PgQ"))})
    if suite_instructions.single_user(work, setting.database) is None:
        work.skip("instructions", "there is no valgrind, or no server beside pgbench")
        return
    work.cluster.halt()
    found = {}
    try:
        for name, (table, options) in cases.items():
            command = suite_instructions.single_user(work, setting.database, options)
            few, many = (suite_instructions.count(command, table, "update 1 row", number) for number in (20, 220))
            found[name] = (many - few) / 200
            work.say(f"    {LABELS[name]:32}{found[name]:12,.0f} {found[name] / found['plain']:8.2f}")
    finally:
        work.cluster.resume()
    for ours in SOURCES:
        for peer in ("plain", "PgQ"):
            if peer in found:
                work.figure(f"writer, {SOURCES[ours]}, instructions", found[ours], found[peer], LABELS[peer],
                            "instructions", False, show=False)


# --- backlogs

def drain(setting, name, child, expected):
    """(seconds, seconds of the client's processor, of the server's, of the client's in the kernel if that is
    known) until all is through."""
    work = setting.work
    before = work.server_cpu()
    if child is not None:
        began = time.monotonic_ns()
        child.send_signal(signal.SIGCONT)
        fields = [int(field) for field in line(child).split()]
        fields[3] = (fields[3] - began) // 1000
        work.stop(child)
    else:
        out = harness.run(setting.command(name, "drain", name), env=setting.env, ok=True, timeout=600).out
        fields = [int(field) for field in out.split()]
    time.sleep(0.05)
    harness.equal(tuple(fields[:3]), expected, f"changes, sum, resyncs that {name} saw")
    kernel = fields[5] / 1e6 if len(fields) > 5 else 0
    return fields[3] / 1e6, fields[4] / 1e6, work.server_cpu() - before, kernel


def produce(setting, name, count, step):
    setting.database.sql(f"set synchronous_commit = off; call produce('{setting.table(name)}', 1, {count}, {step})")
    if name == "PgQ":
        setting.tick()


def standing_still(setting, command):
    """A client that is connected, and takes nothing until it is told to go on."""
    child = setting.work.start(command, setting.env)
    line(child)
    child.send_signal(signal.SIGSTOP)
    return child


def listeners_round(setting, count, step, expected, turn):
    """Those that listen are connected before, and stand still while the backlog grows."""
    names = ["notify", *(name for name in setting.peers if name != "PgQ")]
    waiting = {name: standing_still(setting, setting.command(name, "drain", count=count)) for name in names}
    produce(setting, "notify", count, step)
    turn %= len(names)
    return {name: drain(setting, name, waiting[name], expected) for name in names[turn:] + names[:turn]}


def followed_round(setting, count, step, expected):
    """The same log from the stream, as it comes to whoever follows it already."""
    setting.database.sql("alter role postgres password 'bench'")
    waiting = {}
    for name in FOLLOWED:
        command = setting.command("wal", "listen", str(count))
        command[2] += f" host={ADDRESS} password=bench" if name == "followed_tcp" else ""
        waiting[name] = standing_still(setting, command)
    produce(setting, "wal", count, step)
    return {name: drain(setting, name, child, expected) for name, child in waiting.items()}


def backlog_round(setting, count, step, turn):
    expected = (count, count * (count + 1) // 2, 0)
    results = {}
    stored = ["outbox", "wal", "wal_full", *(name for name in setting.peers if name == "PgQ")]
    for name in stored:
        setting.database.sql(f"vacuum {setting.table(name)}")
        harness.run(setting.command(name, "drain", name), env=setting.env, ok=True, timeout=600)
        produce(setting, name, count, step)
        results[name] = drain(setting, name, None, expected)
        if name.startswith("wal"):  # its slot would keep the log of the others
            setting.database.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots "
                                 "where not active and database = current_database()")
    results.update(followed_round(setting, count, step, expected))
    results.update(listeners_round(setting, count, step, expected, turn))
    return results


def backlog(work, name, count, step, case):
    work.say(f"  backlog: {case}; the client's CPU without loading the program")
    setting = Setting(work, name, "statement" if step > 1 else "row")
    turns = (work.chosen.rounds + 1) // 2 if work.chosen.full else 1
    rounds = [backlog_round(setting, count, step, turn) for turn in range(turns)]
    medians = {who: [bench.median(values) * 1e6 / count for values in zip(*(r[who] for r in rounds))]
               for who in rounds[0]}
    for who, (clock, client, server, kernel) in medians.items():
        part = f" (kernel {kernel:.2f})" if kernel else ""
        work.say(f"    {LABELS.get(who, who):28}{1e6 / clock:12,.0f} changes/s {clock:8.2f} us a change, "
                 f"client's CPU {client:6.2f}{part}, server's {server:6.2f}")
    for ours in (*SOURCES, *FOLLOWED):
        for peer in setting.peers:
            for index, what in enumerate(["clock", "client CPU"]):
                work.figure(f"{case}, {LABELS[ours]}, {what}", medians[ours][index], medians[peer][index],
                            peer, "us/change", False, show=False)
        work.figure(f"{case}, {LABELS[ours]}, client CPU", medians[ours][1], 1.0, "target", "us/change", False)


def single(work):
    count = ROWS if work.chosen.full else ROWS // 2
    backlog(work, "single", count, 1, f"{count:,} transactions of 1 row")


def bulk(work):
    backlog(work, "bulk", ROWS, 1000, "100 statements of 1,000 rows")


# --- from commit to host

def latencies(setting, name, options):
    """Milliseconds from the confirmed commit to the host, sorted."""
    work, count = setting.work, 100 * max(1, setting.work.chosen.seconds)
    if name == "PgQ":
        setting.tick()
        harness.run(setting.command(name, "drain"), env=setting.env, ok=True)
    child = work.start(setting.command(name, "follow") + options, setting.env)
    line(child)
    time.sleep(0.3)
    out = harness.run([program("writer"), setting.database.conninfo(), setting.table(name), str(count)],
                      ok=True, timeout=600).out
    time.sleep(5 if name == "PgQ" else 0.5)  # its ticks are up to 3 s apart
    committed = dict(map(int, row.split()) for row in out.split("\n") if row)
    seen = {}
    for row in work.stop(child).split("\n"):
        if row:
            number, moment = map(int, row.split())
            seen.setdefault(number, moment)
    harness.equal(len(seen), len(committed), f"rows that came to {name}")
    return sorted((seen[number] - committed[number]) / 1e6 for number in committed)


def latency(work):
    work.say("  from commit to host, a transaction each 10 ms on average")
    setting = Setting(work, "latency")
    soon = ["batch.window_ms=0"]
    cases = {"outbox, defaults": ("outbox", []),
             "outbox, low latency": ("outbox", [*soon, "poll.min_ms=1", "poll.max_ms=1"]),
             "wal, defaults": ("wal", []), "wal, window 0": ("wal", soon),
             "notify, defaults": ("notify", []), "notify, window 0": ("notify", soon)}
    ours = list(cases)
    cases.update({name: (name, []) for name in setting.peers})
    if "PgQ" in cases and not shutil.which("pgqd"):
        work.skip("latency of PgQ", "pgqd is missing")
        del cases["PgQ"]
    daemon = suite_delivery.ticker(setting) if "PgQ" in cases else None
    setting.tick()
    results = work.rounds(list(cases), lambda case: latencies(setting, *cases[case]),
                          (work.chosen.rounds + 1) // 2 if work.chosen.full else 1)
    if daemon:
        work.stop(daemon)
    at = {case: [bench.median([run[int(len(run) * part)] for run in runs]) for part in (0.5, 0.99)]
          for case, runs in results.items()}
    for case, (half, most) in at.items():
        work.say(f"    {case:28} p50 {half:8.2f} ms   p99 {most:8.2f} ms")
    for case in ours:
        for peer in (name for name in setting.peers if name in at):
            for index, part in enumerate(["p50", "p99"]):
                work.figure(f"latency, {case}, {part}", at[case][index], at[peer][index], peer, "ms", False,
                            show=False)


if __name__ == "__main__":
    bench.main("sources", [("writer", writer), ("instructions", instructions), ("single", single), ("bulk", bulk),
                           ("latency", latency)], SERVER_OPTIONS)
