#!/usr/bin/python3
"""How fast changes come to a host, and what waiting for them costs.

A change is one distinct key tuple. All consumers get the same transactions in the same round: ours
through its trigger, the others as JSON with table, operation and both keys, in an event of PgQ and in a
notification. Each one reads `id` of every change; the sums are compared, so nobody is quick by losing.
Acknowledgement is included for ours (stored position) and PgQ (finish_batch). Listeners have nothing to
acknowledge, are connected before, and stand still while the backlog grows.
"""

import os
import select
import shutil
import signal
import time

import bench
import harness

CHUNK = 10_000  # events in a batch of PgQ

SCHEMA = """
create table calls(id int primary key, user_id int not null, amount bigint not null, note text)
    with (fillfactor = 50);
insert into calls select i, i % 5000, 0, 'note' from generate_series(1, {rows}) i;
create procedure produce_single(first int, final int) language plpgsql as $$
begin
    for i in first .. final loop
        update calls set amount = amount + 1 where id = i;
        commit;
    end loop;
end $$;
create procedure produce_bulk(first int, final int) language plpgsql as $$
begin
    for i in first .. final by 1000 loop
        update calls set amount = amount + 1 where id >= i and id < i + 1000;
        commit;
    end loop;
end $$;
analyze;"""

ALSO = """
create function also() returns trigger language plpgsql as $$
declare
    payload constant text := json_build_object('table', 'public.calls', 'op', tg_op,
                                               'user_id', new.user_id, 'id', new.id);
begin
    {event}
    perform pg_notify('bench', payload);
    return null;
end $$;
create trigger also after update on calls for each row execute function also();"""

WINDOW_0 = ["batch.window_ms=0"]
LOW_LATENCY = ["batch.window_ms=0", "poll.min_ms=1", "poll.max_ms=1"]


def program(name):
    return os.path.join(harness.BUILD, "bench_" + name)


def line(child, patience=600):
    """The next line that a child prints."""
    if not select.select([child.stdout], [], [], patience)[0]:
        raise harness.Failure(f"{child.args[:3]} printed nothing in {patience} s")
    text = child.stdout.readline()
    harness.check(text, f"{child.args[:3]} ended too early")
    return text


def listeners_here(work):
    """Which of the libraries that listen can be had."""
    found = []
    modules = os.environ.get("BENCH_NODE_MODULES", "")
    if os.path.isdir(os.path.join(modules, "pg-listen")) and shutil.which("node"):
        found.append("pg-listen")
    else:
        work.skip("pg-listen", "node or the npm package is missing")
    if harness.run(["/usr/bin/python3", "-c", "import asyncpg"]).code == 0:
        found.append("asyncpg")
    else:
        work.skip("asyncpg", "python3-asyncpg is not installed")
    return found


class Setting:
    """A database whose changes go to everybody who can be had here."""

    def __init__(self, work, name, rows):
        self.work, self.database = work, work.cluster.installed(name)
        self.env = self.database.env()
        self.database.sql(SCHEMA.format(rows=rows))
        self.database.attach("public.calls", "--key", "user_id", "--key", "id", "--watch", "amount",
                             "--rule", "call:{id}", "--granularity", "statement")
        self.names = ["ours"]
        self._pgq()
        self.names += listeners_here(work)

    def _pgq(self):
        missing = bench.has_pgq(self.database)
        event = ""
        if missing:
            self.work.skip("PgQ", missing)
        else:
            event = "perform pgq.insert_event('bench', tg_op, payload);"
            self.names.append("PgQ")
            self.database.sql("select pgq.create_queue('bench'); "
                              "select pgq.register_consumer('bench', 'bench')")
        self.database.sql(ALSO.format(event=event))

    def command(self, name, mode, count=0):
        info = self.database.conninfo()
        return {"ours": [program("host"), mode, info, "bench"],
                "PgQ": [program("pgq_client"), mode, info, "bench", "bench"],
                "pg-listen": ["node", os.path.join(bench.HERE, "listener.js"), mode, str(count)],
                "asyncpg": ["/usr/bin/python3", os.path.join(bench.HERE, "listener.py"), mode,
                            str(count)]}[name]

    def listeners(self):
        return [name for name in self.names if name in ("pg-listen", "asyncpg")]

    def tick(self):
        if "PgQ" in self.names:
            self.database.sql("select pgq.force_tick('bench'); select pgq.ticker()")

    def produce(self, kind, count):
        """So many changes, by transactions of one row or of 1,000."""
        for first in range(1, count + 1, CHUNK):
            self.database.sql(f"set synchronous_commit = off; "
                              f"call produce_{kind}({first}, {min(first + CHUNK - 1, count)})")
            self.tick()

    def drain(self, name, child, expected):
        """(seconds, seconds of the client's processor, of the server's) until all is through."""
        before = self.work.server_cpu()
        if child is not None:
            began = time.monotonic_ns()
            child.send_signal(signal.SIGCONT)
            fields = [int(field) for field in line(child).split()]
            fields[3] = (fields[3] - began) // 1000
            self.work.stop(child)
        else:
            out = harness.run(self.command(name, "drain"), env=self.env, ok=True, timeout=600).out
            fields = [int(field) for field in out.split()]
        time.sleep(0.05)
        harness.equal(tuple(fields[:3]), expected, f"changes, sum, resyncs that {name} saw")
        return fields[3] / 1e6, fields[4] / 1e6, self.work.server_cpu() - before

    def round(self, kind, count, turn):
        """One backlog, drained by everybody; {name: (seconds, client's, server's)}."""
        self.database.sql("vacuum calls")
        for name in ("ours", "PgQ"):
            if name in self.names:
                harness.run(self.command(name, "drain"), env=self.env, ok=True, timeout=600)
        waiting = {}
        for name in self.listeners():
            waiting[name] = self.work.start(self.command(name, "drain", count), self.env)
            line(waiting[name])
            waiting[name].send_signal(signal.SIGSTOP)
        began = time.monotonic()
        self.produce(kind, count)
        self.work.say(f"    {count:,} changes made in {time.monotonic() - began:.0f} s")
        expected = (count, count * (count + 1) // 2, 0)
        turn %= len(self.names)
        return {name: self.drain(name, waiting.get(name), expected)
                for name in self.names[turn:] + self.names[:turn]}


def backlog(work, kind, count, case):
    work.say(f"  backlog: {case}")
    setting = Setting(work, f"backlog_{kind}", count)
    rounds = [setting.round(kind, count, number) for number in range((work.chosen.rounds + 1) // 2)]
    medians = {name: [bench.median(values) * 1e6 / count for values in zip(*(r[name] for r in rounds))]
               for name in setting.names}
    for name, (clock, client, server) in medians.items():
        runs = " ".join(f"{r[name][0] * 1e6 / count:.2f}" for r in rounds)
        work.say(f"    {name:12} {clock:7.2f} us a change, client's CPU {client:6.2f}, server's "
                 f"{server:6.2f}   rounds {runs}")
    for peer in setting.names[1:]:
        for index, what in enumerate(["clock", "client CPU"]):
            work.figure(f"{case}, {what}", medians["ours"][index], medians[peer][index], peer,
                        "us/change", False)
    work.figure(f"{case}, client CPU", medians["ours"][1], 1.0, "target", "us/change", False)


def single(work):
    count = 1_000_000 if work.chosen.full else 200_000
    backlog(work, "single", count, f"{count:,} transactions of 1 row")


def bulk(work):
    count = 1_000_000
    backlog(work, "bulk", count, "1,000 statements of 1,000 rows")


# --- from commit to host

def latencies(setting, name, options, other=None):
    """Milliseconds from the confirmed commit to the host, sorted."""
    work, count = setting.work, 100 * max(2, setting.work.chosen.seconds)
    helpers = []
    if other is not None:
        helpers.append(work.start(setting.command("ours", "follow")[:-1] + ["other"] + other, setting.env))
        line(helpers[0])
        time.sleep(1)
    if name == "PgQ":
        setting.tick()
        harness.run(setting.command(name, "drain"), env=setting.env, ok=True)
    child = work.start(setting.command(name, "follow") + (options if name == "ours" else []), setting.env)
    line(child)
    time.sleep(0.5)
    out = harness.run([program("writer"), setting.database.conninfo(), "calls", str(count)], ok=True,
                      timeout=600).out
    time.sleep(5 if name == "PgQ" else 0.7)  # its ticks are up to 3 s apart
    committed = dict(map(int, row.split()) for row in out.split("\n") if row)
    seen = {}
    for row in work.stop(child).split("\n"):
        if row:
            number, moment = map(int, row.split())
            seen.setdefault(number, moment)
    for helper in helpers:
        work.stop(helper)
    harness.equal(len(seen), len(committed), f"rows that came to {name}")
    return sorted((seen[number] - committed[number]) / 1e6 for number in committed)


def ticker(setting):
    """Starts PgQ's daemon with its own defaults."""
    folder = setting.work.folder
    path = os.path.join(folder, "pgqd.ini")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"[pgqd]\nlogfile = {folder}/pgqd.log\npidfile = {folder}/pgqd.pid\n"
                   f"base_connstr = host={setting.env['PGHOST']} port={setting.env['PGPORT']} "
                   f"user={setting.env['PGUSER']}\ndatabase_list = {setting.database.name}\n")
    return setting.work.start(["pgqd", "-q", path])


def latency(work):
    work.say("  from commit to host, a transaction each 10 ms on average")
    setting = Setting(work, "latency", 100_000)
    away = ["notifier.enabled=off"]
    cases = {
        "ours, defaults": ("ours", away, []),
        "ours, window 0": ("ours", WINDOW_0 + away, WINDOW_0),
        "ours, low latency": ("ours", LOW_LATENCY + away, LOW_LATENCY),
        "ours, low latency, is the notifier": ("ours", LOW_LATENCY, None),
    }
    cases.update({name: (name, [], None) for name in setting.names[1:]})
    if "PgQ" in cases and not shutil.which("pgqd"):
        work.skip("latency of PgQ", "pgqd is missing")
        del cases["PgQ"]
    daemon = ticker(setting) if "PgQ" in cases else None
    setting.tick()
    results = work.rounds(list(cases), lambda case: latencies(setting, *cases[case]),
                          (work.chosen.rounds + 1) // 2)
    if daemon:
        work.stop(daemon)
    at = {case: [bench.median([run[int(len(run) * part)] for run in runs]) for part in (0.5, 0.99)]
          for case, runs in results.items()}
    for case, (half, most) in at.items():
        work.say(f"    {case:36} p50 {half:8.2f} ms   p99 {most:8.2f} ms")
    for case in list(at)[:4]:
        for peer in setting.names[1:]:
            if peer in at:
                for index, part in enumerate(["p50", "p99"]):
                    work.figure(f"latency, {case[6:]}, {part}", at[case][index], at[peer][index], peer,
                                "ms", False, show=False)
    work.figure("latency, defaults, p50", at["ours, defaults"][0], 20, "target", "ms", False)
    work.figure("latency, low latency, p50", at["ours, low latency"][0], 3, "target", "ms", False)


# --- waiting, and a host that does not pull

def idle(work):
    work.say("  50 idle consumers on one database, 20 s")
    setting = Setting(work, "idle", 1000)
    child = work.start([program("host"), "idle", setting.database.conninfo(), "idle"], setting.env)
    line(child)
    time.sleep(3)
    _, used = work.server_cpu_of(lambda: time.sleep(20))
    work.stop(child)
    work.figure("50 idle consumers, server CPU", used / 20 * 100, 2, "target", "% of a core", False)


def memory_of(child, name):
    with open(f"/proc/{child.pid}/status", encoding="utf-8") as file:
        return next(int(row.split()[1]) * 1024 for row in file if row.startswith(name + ":"))


def memory(work):
    seconds = 60 if work.chosen.full else 15
    work.say(f"  a host that pulls nothing for {seconds} s of UPDATEs of 1,000 rows")
    setting = Setting(work, "memory", 200_000)
    setting.database.sql("drop trigger also on calls")
    script = ("\\set first random(0, 199) * 1000\nupdate calls set amount = amount + 1 "
              "where id > :first and id <= :first + 1000;\n")
    cases = {"defaults": [], "many batches": ["memory.max_bytes=8388608", "batch.max_pending=100000"],
             "one window": ["memory.max_bytes=8388608", "batch.max_keys=1000000",
                            "batch.window_ms=3600000"]}
    for number, (case, options) in enumerate(cases.items()):
        child = work.start(setting.command("ours", "hold")[:-1] + [f"hold{number}"] + options,
                           setting.env)
        line(child)
        before = memory_of(child, "VmRSS")
        tps, _ = work.pgbench(setting.database, script, seconds=seconds, clients=2)
        grown = memory_of(child, "VmHWM") - before
        work.stop(child)
        bound = 8 if options else 64
        work.say(f"    {case}: {tps * 1000:,.0f} changes/s")
        work.figure(f"memory not pulled, {case}", grown / 2**20, bound, "memory.max_bytes", "MiB", False)


if __name__ == "__main__":
    bench.main("delivery", [("single", single), ("bulk", bulk), ("latency", latency), ("idle", idle),
                            ("memory", memory)])
