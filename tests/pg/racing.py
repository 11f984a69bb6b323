"""Fills and own writes that race with changes, for each source; see races.c."""

import json
import os
import time

import harness
from harness import check, equal

KEYS = 256
SOURCES = ("outbox", "wal", "notify")
TELL = """
create function tell() returns trigger language plpgsql as $$
begin
    perform pg_notify('cache_invalidation', json_build_object('table', 'race', 'operation', tg_op, 'id', new.id)::text);
    return null;
end $$;
create trigger tell after update on race for each row execute function tell()"""


def prepared(database, source):
    """The table race, captured for the source; gives the settings of a host that follows it."""
    database.sql(f"create table race(id int primary key, v int not null) with (fillfactor = 10);"
                 f"insert into race select i, 1 from generate_series(0, {KEYS - 1}) i")
    soon = ["batch.window_ms=2", "poll.min_ms=1", "poll.max_ms=1"]
    if source == "notify":
        database.sql(TELL)
        return [*soon, "source=notify", "notify.keys=id", "rule:race=race:{id}"]
    database.attach("public.race", "--key", "id", "--rule", "race:{id}", "--granularity",
                    "wal" if source == "wal" else "statement")
    return [*soon, "source=" + source]


def raced(database, kind, how, races, settings):
    """One run of races.c; prints and gives its figures."""
    database.sql("update race set v = 1")
    began = time.monotonic()
    done = harness.run([os.path.join(harness.BUILD, "tests", "races"), kind, how, database.conninfo(),
                        str(-(-races // KEYS)), *settings], ok=True, timeout=1200)
    figures = json.loads(done.out)
    print(f"# {kind} {how}: {figures}, {time.monotonic() - began:.1f} s", flush=True)
    check(figures["races"] >= races, "fewer races than were asked for")
    return figures


def fills(database, source, races, bare):
    """With the fence no fill stays stale; without it some do, so that the races are real ones."""
    settings = prepared(database, source)
    without = raced(database, "fill", "bare", bare, settings)
    check(without["stale"] > 0, "no fill was stale without the fence")
    within = raced(database, "fill", "guarded", races, settings)
    equal(within["stale"], 0, "stale fills with the fence")
    check(within["caught"] > 0 and within["passed"] > 0, "the fence was met from one side only")
    return settings


def own_writes(database, settings, races, bare):
    """Whoever waits for the own transaction finds nothing old; who does not, does."""
    without = raced(database, "own", "bare", bare, settings)
    check(without["stale"] > 0, "nothing old was found without waiting")
    within = raced(database, "own", "guarded", races, settings)
    equal(within["stale"], 0, "old values found after waiting")
