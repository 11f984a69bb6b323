#!/usr/bin/python3
# suite: versions
"""Rotation under load: writers never wait for it, whoever is in its way, and the outbox stays small."""

import subprocess
import threading
import time

import harness
from follower import Follower
from harness import check, equal, eventually, test

WINDOW = 131072

# Spends the transaction ids of a window: each subtransaction that writes takes one.
BURN = f"""do $$ begin for i in 1..{WINDOW} loop
  begin insert into burned values (1); exception when others then raise; end; end loop; end $$"""


class Writers:
    """Sessions that write all the time, and see whether anybody waits for a lock of ours."""

    def __init__(self, database, count=3):
        self.database, self.failed, self.waits, self.count = database, [], [], count
        self.written = [0] * count
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(n,)) for n in range(count)]
        self._threads.append(threading.Thread(target=self._watch))

    def _write(self, number):
        with self.database.session() as session:
            session.run("set lock_timeout = '2s'")
            while not self._stop.is_set():
                key = number + self.count * self.written[number]
                try:
                    session.run(f"insert into calls values ({key}, 1); "
                                f"update calls set user_id = 2 where id = {key}")
                except harness.SqlError as error:
                    self.failed.append(str(error))
                    return
                self.written[number] += 1
                time.sleep(0.003)

    def _watch(self):
        with self.database.session() as session:
            while not self._stop.is_set():
                found = session.run("""select l.mode, l.relation::regclass, a.query from pg_locks l
                    join pg_stat_activity a on a.pid = l.pid join pg_class c on c.oid = l.relation
                    where not l.granted and l.locktype = 'relation' and l.mode = 'RowExclusiveLock'
                    and c.relnamespace = 'trigperf'::regnamespace""")
                if found:
                    self.waits.append(found)
                time.sleep(0.003)

    def keys(self):
        return {f"call:{number + self.count * step}" for number in range(self.count)
                for step in range(self.written[number])}

    def more(self):
        """Returns when every writer has written something since."""
        before = list(self.written)
        eventually(lambda: self.failed or all(now > then + 1 for now, then in zip(self.written, before)),
                   "the writers")
        self.fine()

    def fine(self):
        equal((self.failed, self.waits), ([], []), "failed statements, and waits for locks")

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


class Dump:
    """A pg_dump whose output nobody reads: it stalls with its locks. Where it is older than the server,
    a session with the same locks."""

    def __init__(self, database):
        self.database, self.process, self.session = database, None, None

    def _locks(self):
        return int(self.database.value("""select count(*) from pg_locks l join pg_class c on c.oid =
            l.relation join pg_stat_activity a on a.pid = l.pid where c.relname like 'outbox%' and
            a.application_name in ('pg_dump', 'dump') and l.mode = 'AccessShareLock' and c.relkind <> 'i'"""))

    def __enter__(self):
        tables = int(self.database.value("select count(*) from pg_class where relname like 'outbox\\__' and "
                                         "relkind = 'r'"))
        self.process = subprocess.Popen(["pg_dump"], env=self.database.env(PGAPPNAME="pg_dump"),
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        eventually(lambda: self.process.poll() is not None or self._locks() >= tables, "the dump's locks")
        if self.process.poll() is not None:
            self.session = self.database.session()
            self.session.run("set application_name = 'dump'; begin isolation level repeatable read; select 1")
            for row in self.database.rows("select format('%I.%I', schemaname, tablename) from pg_tables where "
                                          "schemaname in ('trigperf', 'public')"):
                self.session.run(f"lock table {row[0]} in access share mode")
            check(self._locks() >= tables, "the locks of a dump")
        return self

    def __exit__(self, *_):
        if self.session:
            self.session.close()
        self.process.kill()
        self.process.communicate()


def led(follower):
    """The follower, once it leads and has had its first resync: from now on it misses nothing."""
    return follower.ready().until(lambda f: f.resyncs() and f.status()["notifier"], "leading")


def fresh(database):
    """A table, and something for a dump to stall on."""
    database.sql("create unlogged table burned (i int); "
                 "create table calls (id bigint primary key, user_id bigint); create table big (t text); "
                 "insert into big select string_agg(md5(i::text), '') from generate_series(1, 40000) i, "
                 "generate_series(1, 3) j group by j")
    database.attach("public.calls", "--key", "id", "--rule", "call:{id}", "--granularity", "statement")


def truncations(database):
    return int(database.value("select count(*) from trigperf.outbox_slot where truncated_at is not null"))


def windows_held(database):
    """How many windows of transaction ids have rows in the outbox."""
    return int(database.value("select count(distinct xid::text::bigint >> 17) from trigperf.outbox"))


@test("a dump, a prepared transaction, one open for long, a consumer that is gone: nobody waits, all is told")
def _(installed):
    fresh(installed)
    with Follower(installed, "gone") as gone:
        gone.until(lambda f: f.resyncs(), "its first resync").close()
    with Follower(installed, "web", **{"batch.max_keys": 1000}) as follower, \
            led(follower), installed.session() as late, Writers(installed) as writers:
        late.run("begin; insert into calls values (-1, 1)")
        installed.sql("begin; insert into calls values (-2, 1); prepare transaction 'left behind'")
        with Dump(installed):
            for _ in range(3):
                installed.sql(BURN)
                writers.more()
                installed.value("select trigperf.outbox_rotate()")
                follower.turn()
            equal(truncations(installed), 0, "truncations under the locks of a dump")
        installed.sql("update trigperf.consumer set seen_at = now() - interval '2 days' where name = 'gone'")
        follower.until(lambda _: truncations(installed) > 0, "a truncation once the dump is gone")
        writers.more()
        late.run("commit")
        installed.sql("commit prepared 'left behind'")
        follower.until_keys("call:-1", "call:-2")
        for _ in range(2):
            installed.sql(BURN)
            writers.more()
        follower.until(lambda _: windows_held(installed) <= 3, "the former windows emptied")
        keys = writers.keys()
        writers.fine()
        follower.until(lambda f: keys <= f.keys(), "everything")
        equal(follower.resyncs(), ["*"], "resyncs of the one that keeps up")
        follower.close()
    with Follower(installed, "gone") as gone:
        gone.until(lambda f: f.resyncs() == ["*"], "the resync of the one that was gone").close()


@test("sustained load: the outbox holds a few windows, never more")
def _(installed):
    fresh(installed)
    installed.sql("create table deeds (id bigint primary key)")
    installed.attach("public.deeds", "--key", "id", "--granularity", "row")
    sizes, written = [], [0, 0]     # bytes for each transaction of the last two rounds; transactions until each
    with Follower(installed, "web", **{"batch.max_keys": 1000}) as follower, led(follower), \
            Writers(installed, 2) as writers:
        for _ in range(6):
            writers.more()
            installed.sql("update calls set user_id = user_id + 1 where id in "
                          "(select id from calls order by id desc limit 900)")
            installed.sql(f"insert into deeds values ({len(sizes)})")
            equal(installed.rows("select tableoid::regclass, xid from trigperf.outbox where tableoid <> "
                                 "('trigperf.outbox_' || trigperf.outbox_slot_of(xid))::regclass"), [], "rows in another part")
            installed.sql(BURN)
            follower.until(lambda _: windows_held(installed) <= 2, "the former windows emptied")
            written.append(sum(writers.written))
            held = int(installed.value("select (trigperf.status() -> 'outbox' ->> 'bytes')::bigint"))
            sizes.append(held / (900 + written[-1] - written[-3]))
        writers.fine()
        keys = writers.keys()
        follower.until(lambda f: keys <= f.keys(), "everything")
        equal(follower.resyncs(), ["*"], "resyncs")
        check(truncations(installed) == 4, "every partition has had its turn, and more")
        follower.close()
    check(max(sizes[3:]) <= 2 * max(sizes[:3]), f"the outbox grows: {sizes}")


if __name__ == "__main__":
    harness.main()
