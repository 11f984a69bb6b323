#!/usr/bin/python3
# suite: versions
"""Consumers as their keeper sees them: the list, reset, drop; those that never return, and who is told."""

import json

import harness
from follower import LIB, READY, Follower
from harness import check, contains, equal, test

WINDOW = 131072


def attached(database, *more):
    database.sql("create table calls (id bigint primary key, user_id bigint)")
    database.attach("public.calls", "--key", "id", "--rule", "call:{id}", *more)


def attached_wal(database):
    database.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active")
    attached(database, "--granularity", "wal")


def listed(database):
    return json.loads(database.trigperf("consumers", "--format", "json").out)


def one(database, name, source=None):
    rows = [row for row in listed(database) if row["name"] == name and source in (None, row["source"])]
    equal(len(rows), 1, f"consumers named {name}")
    return rows[0]


def following(database, name="", **settings):
    return Follower(database, name, **settings).ready().until(
        lambda f: "*" in f.resyncs() and f.status()["counters"]["pending_batches"] == 0, "the first resync")


def burn(database, count=WINDOW):
    """Spends transaction ids: each subtransaction that writes takes one."""
    database.sql(f"""create table if not exists public.burned(i int); do $$ begin for i in 1..{count} loop
        begin insert into public.burned values (i); exception when others then raise; end; end loop;
        truncate public.burned; end $$""")


def alerts(follower):
    """Events that wait: rule -> level they came to."""
    found = []
    while event := LIB.made("trigperf_alert_next", follower.context):
        found.append((LIB.trigperf_alert_rule_name(event).decode(), LIB.trigperf_alert_to(event)))
        LIB.trigperf_alert_free(event)
    return found


class Watching(Follower):
    """Collects the events of its alerts, too."""

    def __init__(self, *args, **settings):
        self.events = []
        super().__init__(*args, **{"alert.interval_ms": 50, **settings})

    def take(self):
        super().take()
        self.events += alerts(self)


def series(follower, name, **labels):
    """Value of a series, None when it is not there."""
    text = LIB.text("trigperf_series_text", follower.context, b"json")
    for family in json.loads(text):
        if family["name"] == name:
            for sample in family["series"]:
                if labels.items() <= sample.get("labels", {}).items():
                    return sample["value"]
    return None


@test("the list: who reads, who is away, how far behind, ephemeral contexts too")
def _(installed):
    attached(installed)
    equal(listed(installed), [], "before anybody came")
    contains(installed.trigperf("consumers").out, "no consumers")
    with following(installed, "away") as gone:
        gone.close()
    with following(installed, "web") as web, following(installed) as nameless:
        installed.sql("insert into calls select generate_series(1, 2000)")
        web.until(lambda f: one(installed, "web")["lag_transactions"] == 0, "the acknowledgement")
        rows = {row["name"]: row for row in listed(installed)}
        equal([rows[name]["state"] for name in ("away", "web", None)], ["away", "reading", "reading"], "states")
        equal([rows[name]["connected"] for name in ("away", "web", None)], [False, True, True], "connected")
        equal(rows["web"]["owner"], web.status()["instance"], "owner")
        equal(rows["web"]["claim"], web.status()["claim"], "claim")
        equal(rows[None]["owner"], nameless.status()["instance"], "owner of the one without a name")
        equal(rows["web"]["application"], "trigperf", "application")
        equal((rows["web"]["lag_bytes"], rows["web"]["lag_seconds"], rows["web"]["oldest_unread"]), (0, 0, None),
              "lag of the one that has read everything")
        check(rows["away"]["lag_transactions"] > 0 and rows["away"]["lag_bytes"] > 0, f"no lag: {rows['away']}")
        check(rows["away"]["oldest_unread"] is not None, "the oldest unread one")
        contains(rows["away"]["fix"], "trigperf consumers drop --source outbox 'away'", "what to do")
        text = installed.trigperf("consumers").out
        for word in ("web", "away", "reading", "lag_seconds"):
            contains(text, word, "the list for people")
        web.close()
        nameless.close()
    equal([row["name"] for row in listed(installed)], ["away", "web"], "contexts without a name leave no trace")


@test("lag in seconds: from the time that was noted before the oldest unread change")
def _(installed):
    attached(installed)
    with following(installed, "web") as web:
        web.close()
    installed.sql("""truncate trigperf.clock, trigperf.collect_run; insert into trigperf.clock
        select now() - interval '100 s', pg_snapshot_xmax(pg_current_snapshot()), pg_current_wal_insert_lsn()""")
    installed.sql("insert into calls values (1)")
    installed.sql("""insert into trigperf.clock
        select now() - interval '50 s', pg_snapshot_xmax(pg_current_snapshot()), pg_current_wal_insert_lsn()""")
    installed.sql("insert into calls values (2)")
    lag = one(installed, "web")["lag_seconds"]
    check(100 <= lag < 100 + harness.PATIENCE, f"lag of the first change: {lag}")
    with Follower(installed, "web") as web:
        web.until_keys("call:2")
        web.close()
    equal(one(installed, "web")["lag_seconds"], 0, "lag when all is acknowledged")


@test("lag where no context runs: the looks of collect() tell the time; the report says the same")
def _(installed):
    attached(installed)
    with following(installed, "web") as web:
        web.close()
    installed.sql("truncate trigperf.clock, trigperf.collect_run")
    installed.sql("insert into calls values (1)")
    equal(one(installed, "web")["lag_seconds"], None, "lag without any note")
    installed.sql("delete from calls; select trigperf.consumer_reset('web'); select trigperf.collect()")
    installed.sql("update trigperf.collect_run set at = at - interval '100 s'")
    installed.sql("insert into calls values (1)")
    installed.sql("insert into trigperf.clock select now(), pg_snapshot_xmax(pg_current_snapshot()), '0/0'")
    row = one(installed, "web")
    check(100 <= row["lag_seconds"] < 100 + harness.PATIENCE, f"lag {row['lag_seconds']}")
    report = json.loads(installed.value("select trigperf.report(now() - interval '1 hour', now())"))
    told = report["delivery"]["consumers"][0]
    check(row["lag_seconds"] <= told["lag_seconds"] < row["lag_seconds"] + harness.PATIENCE, f"reported {told}")
    equal((told["name"], told["source"], told["lag_bytes"], told["connected"]),
          ("web", "outbox", row["lag_bytes"], False), "the rest")
    check(row["lag_bytes"] > 0, "bytes of lag")


@test("the server's clock set back: notes of the future keep nobody from leading, reading, rotating, noting the time")
def _(installed):
    attached(installed)
    installed.sql("create table loose (id bigint); alter table loose replica identity nothing")
    with following(installed, "web") as web:
        web.free()
    installed.sql("""insert into calls values (1);
        truncate trigperf.clock, trigperf.collect_run;
        insert into trigperf.clock select now() + interval '1 year', '3', '0/1';
        insert into trigperf.collect_run (at, next_xid, duration_ms, functions, samples)
            values (now() + interval '1 year', '3', 1, 1, 1);
        insert into trigperf.member (instance, application, position, seen_at)
            values (gen_random_uuid(), 'gone', '3:3:', now() + interval '1 year');
        update trigperf.notifier set instance = gen_random_uuid(), beat = now() + interval '1 year'""")
    equal(one(installed, "web")["lag_seconds"], None, "lag while the time of nothing is known")
    with Watching(installed, "web", **{"source": "outbox"}) as web:
        web.ready().until_keys("call:1").until(lambda f: f.status()["notifier"], "being elected")
        web.until(lambda f: installed.value("select count(*) from trigperf.member where application = 'gone'") == "0",
                  "forgetting a sign of life of the future")
        web.until(lambda f: installed.value("select bool_and(at <= now()) and count(*) > 0 from trigperf.clock") == "t",
                  "noting the time")
        web.close()
    moved = ("insert into trigperf.wal_member (table_id, relid, seen, seen_at) select id, 'loose'::regclass, 'before', "
             "{} from trigperf.captured_table; select trigperf.wal_moved(id, 'loose'::regclass) "
             "from trigperf.captured_table")
    equal(installed.value(moved.format("now() + interval '1 year'")).splitlines()[-1], "t",
          "a table that is told by resyncs, looked at in the future")
    equal(installed.value("select trigperf.wal_moved(id, 'loose'::regclass) from trigperf.captured_table"), "f",
          "the same, looked at a moment ago")


@test("noting the time does not keep collect() from its work")
def _(installed):
    with installed.session() as other:
        other.run("begin; select trigperf.clock_tick()")
        contains(installed.value("select trigperf.collect()"), '"collected" : true', "what collect() says")
        other.run("commit")


@test("wal consumers and their slots are listed, and wal contexts stand among the live ones")
def _(installed):
    attached_wal(installed)
    with following(installed, "web", source="wal") as web, following(installed, source="wal") as nameless:
        web.until(lambda f: one(installed, "web")["application"] == "trigperf", "its sign of life")
        row = one(installed, "web")
        equal((row["source"], row["state"], row["slot"], row["slot_active"], row["slot_status"]),
              ("wal", "reading", web.status()["slot"], True, "reserved"), "the row")
        check(row["retained_bytes"] > 0 and row["lag_bytes"] is not None, f"figures: {row}")
        web.until(lambda f: any(row["name"] is None and row["source"] == "wal" for row in listed(installed)),
                  "the one without a name")
        equal(json.loads(installed.trigperf("status", "--format", "json").out)["members"], 2, "members")
        nameless.close()
        web.close()
    equal(one(installed, "web")["state"], "away", "afterwards")
    equal(installed.value("select count(*) from trigperf.member"), "0", "members that said goodbye")
    drop(installed, "web")


@test("a lone notifier does not notify because of contexts that read the log")
def _(installed):
    attached(installed)
    with following(installed, source="wal") as log, following(installed, "web") as web:
        log.until(lambda f: installed.value("select count(*) from trigperf.member") == "2", "both contexts")
        with installed.session() as ear:
            ear.run(f'listen "{installed.value("select channel from trigperf.notifier")}"')
            for key in range(1, 60):
                installed.sql(f"insert into calls values ({key})")
                web.until_keys(f"call:{key}")
            equal(ear.run("select 'nothing'"), "nothing", "what was heard")
            with following(installed) as other:
                other.until(lambda f: "Asynchronous" in ear.run("select 1"), "a beat for the other one")
                other.close()
        web.close()
        log.close()


def drop(database, name, *more, ok=True):
    return database.trigperf("consumers", "drop", name, *more, ok=ok)


@test("drop: refused while a program reads, unless forced; the slot goes along")
def _(installed):
    attached(installed)
    with following(installed, "web") as web:
        refusal = drop(installed, "web", ok=1).err
        contains(refusal, "is read by a process", "the refusal")
        contains(refusal, "end the program first", "the hint")
        web.close()
    equal(drop(installed, "web", "--dry-run").out, "SELECT trigperf.consumer_drop('web');\n", "dry run")
    one(installed, "web")
    contains(drop(installed, "web").out, "dropped web", "answer")
    equal(listed(installed), [], "consumers")
    contains(drop(installed, "web", ok=1).err, 'there is none named "web"', "the second time")


@test("drop of a wal consumer takes its slot, by force from its reader")
def _(installed):
    attached_wal(installed)
    with following(installed, "it's", source="wal") as web:
        slot = web.status()["slot"]
        contains(drop(installed, "it's", ok=1).err, "is read by a process", "the refusal")
        equal(drop(installed, "it's", "--force", "--dry-run").out,
              "SELECT trigperf.wal_release('it''s');\nSELECT trigperf.wal_drop('it''s');\n", "dry run")
        drop(installed, "it's", "--force")
        equal(installed.value(f"select count(*) from pg_replication_slots where slot_name = '{slot}'"), "0", "slot")
        web.until(lambda f: f.resyncs().count("*") == 2, "beginning anew while it runs").close()
    drop(installed, "it's", "--source", "wal")
    equal(installed.value("select count(*) from pg_replication_slots where database = current_database()"), "0",
          "slots")


@test("two consumers of one name: it must be said which")
def _(installed):
    attached_wal(installed)
    for source in ("wal", "outbox"):
        with following(installed, "web", source=source) as web:
            web.close()
    contains(drop(installed, "web", ok=1).err, "name the source as well", "drop")
    contains(installed.trigperf("consumers", "reset", "web", ok=1).err, "name the source as well", "reset")
    contains(drop(installed, "web", "--source", "log", ok=1).err, "expected outbox or wal", "another source")
    drop(installed, "web", "--source", "wal")
    equal(one(installed, "web")["source"], "outbox", "what is left")


def reset_while_running(database, source, key):
    with following(database, "web", source=source) as web:
        claim = web.status()["claim"]
        database.trigperf("consumers", "reset", "web")
        web.until(lambda f: f.resyncs().count("*") == 2, "the resync after the reset").ready()
        check(web.status()["claim"] > claim, "another claim")
        check(not any("superseded" in text or "claimed by" in text for _, text in web.log_lines), web.log_lines)
        database.sql(f"insert into calls values ({key})")
        web.until_keys(f"call:{key}")
        web.until(lambda f: not one(database, "web")["needs_resync"], "the debt settled")
        web.close()
    with following(database, "other", source=source) as other:
        other.close()
    with Follower(database, "web", source=source) as web:
        web.ready()
        equal(web.resyncs(), [], "resyncs of the next one")
        web.close()


@test("reset of a running consumer: it resyncs and goes on, and is not superseded")
def _(installed):
    attached(installed)
    reset_while_running(installed, "outbox", 1)


@test("the same of one that reads the log")
def _(installed):
    attached_wal(installed)
    reset_while_running(installed, "wal", 1)
    for name in ("web", "other"):
        drop(installed, name)


def reset_away(database, source):
    with following(database, "web", source=source) as web:
        web.close()
    database.sql("insert into calls values (1)")
    check(one(database, "web")["lag_bytes"] > 0, "a lag")
    equal(database.trigperf("consumers", "reset", "web", "--dry-run").out,
          f"SELECT trigperf.{'wal' if source == 'wal' else 'consumer'}_reset('web');\n", "dry run")
    contains(database.trigperf("consumers", "reset", "web").out, "resyncs everything", "answer")
    row = one(database, "web")
    equal((row["needs_resync"], row["lag_bytes"]), (True, None if source == "wal" else 0), "the row")
    with following(database, "web", source=source) as web:
        database.sql("insert into calls values (2)")
        web.until_keys("call:2")
        equal((web.resyncs(), "call:1" in web.keys()), (["*"], False), "resync, and not what was before")
        web.close()


@test("reset of a consumer that is away: what it had not read is not told any more, it resyncs")
def _(installed):
    attached(installed)
    reset_away(installed, "outbox")


@test("the same of one that reads the log: its slot goes at once")
def _(installed):
    attached_wal(installed)
    reset_away(installed, "wal")
    drop(installed, "web")


@test("mistakes on the command line are named")
def _(installed):
    for words, said in ((["rest", "web"], "nearest one is 'reset'"), (["drop"], "expects the name"),
                        (["list", "web"], "unexpected argument"), (["list", "--force"], "--force does not belong"),
                        (["reset", "web", "--force"], "--force does not belong"),
                        (["drop", "web", "--format", "json"], "--format does not belong")):
        contains(installed.trigperf("consumers", *words, ok=2).err, said, " ".join(words))


@test("a consumer that never returns: the outbox is emptied at its limits, an alert says so, it resyncs")
def _(installed):
    attached(installed)
    with following(installed, "gone") as gone:
        gone.close()
    used = int(installed.value("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint & 131071"))
    burn(installed, WINDOW - used + 10)
    with Watching(installed, "web") as web:
        web.ready()
        installed.sql("insert into calls select generate_series(1, 3000)")
        web.until(lambda f: series(f, "trigperf_consumers_overtaken") == 0, "the first look")
        check(series(web, "trigperf_consumer_lag_bytes", consumer="gone") > 0, "no lag")
        equal(one(installed, "gone")["state"], "away", "state")
        for _ in range(2):
            burn(installed)
            installed.sql("insert into calls select coalesce(max(id), 0) + 1 from calls")
            web.turn()
        before = int(installed.value("select pg_total_relation_size('trigperf.outbox_0') + "
                                     "pg_total_relation_size('trigperf.outbox_1') + "
                                     "pg_total_relation_size('trigperf.outbox_2') + "
                                     "pg_total_relation_size('trigperf.outbox_3')"))
        equal(one(installed, "gone")["state"], "away", "state while it is waited for")
        check(("consumer_overtaken", 1) not in web.events, web.events)
        installed.sql("update trigperf.consumer set seen_at = now() - interval '2 days' where name = 'gone'")
        web.until(lambda f: ("consumer_overtaken", 1) in f.events, "the alert")
        equal(one(installed, "gone")["state"], "overtaken", "state afterwards")
        contains(one(installed, "gone")["fix"], "resync of everything", "what to do")
        after = int(installed.value("select sum(pg_total_relation_size(inhrelid)) from pg_inherits "
                                    "where inhparent = 'trigperf.outbox'::regclass"))
        check(after < before, f"the outbox was {before} bytes and is {after}")
        shown = {row["name"]: row for row in
                 json.loads(installed.trigperf("status", "--format", "json").out)["consumers"]}
        equal((shown["gone"]["state"], shown["web"]["state"]), ("overtaken", "reading"), "in the status")
        with following(installed, "gone") as gone:
            equal(gone.resyncs(), ["*"], "resyncs of the one that came back")
            web.until(lambda f: f.events[-1:] == [("consumer_overtaken", 0)] or
                      series(f, "trigperf_consumers_overtaken") == 0, "the end of it")
            gone.close()
        web.close()


@test("size: above retention.max_bytes nobody is waited for, and an alert says so before")
def _(installed):
    attached(installed)
    with following(installed, "gone") as gone:
        gone.close()
    with Watching(installed, "web") as web:
        web.ready()
        installed.sql("update trigperf.setting set value = '1000' where name = 'retention.max_bytes'")
        web.until(lambda f: ("outbox_size", 2) in f.events, "the alert")
        web.close()


def limit(database, name, value):
    database.sql(f"update trigperf.setting set value = '{value}' where name = 'wal.{name}'")


@test("a slot above wal.alert_bytes, and one given up above wal.max_bytes, are alerts")
def _(installed):
    attached_wal(installed)
    with Watching(installed, "web", source="wal") as web:
        web.ready()
        limit(installed, "alert_bytes", 1)
        web.until(lambda f: ("slot_retained", 1) in f.events, "the alert of the size")
        equal(series(web, "trigperf_source_retained_alert"), 1, "the series")
        limit(installed, "max_bytes", 1)
        web.until(lambda f: ("slot_given_up", 1) in f.events, "the alert of giving up")
        limit(installed, "max_bytes", 0)
        web.until(lambda f: f.state() == READY and f.resyncs().count("*") > 1, "the resync").close()
    drop(installed, "web")


@test("the slot of a consumer that stays away is given up: overtaken, and an alert in the others")
def _(installed):
    attached_wal(installed)
    with following(installed, "gone", source="wal") as gone:
        gone.close()
    installed.sql("insert into calls select generate_series(1, 20000); checkpoint")
    with Watching(installed, source="wal") as web:
        web.ready()
        limit(installed, "max_bytes", int(one(installed, "gone")["retained_bytes"]) - 1000)
        web.until(lambda f: {("slot_given_up", 1), ("consumer_overtaken", 1)} <= set(f.events), "both alerts")
        limit(installed, "max_bytes", 0)
        row = one(installed, "gone")
        equal((row["state"], row["slot_status"], row["lag_bytes"]), ("overtaken", None, None), "the row")
        web.close()
    with following(installed, "gone", source="wal") as gone:
        equal(gone.resyncs(), ["*"], "resyncs of the one that came back")
        gone.close()
    equal(one(installed, "gone")["state"], "away", "state afterwards")
    drop(installed, "gone")


@test("the outbox is rotated too where only the log is read")
def _(installed):
    attached(installed)
    used = int(installed.value("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint & 131071"))
    burn(installed, WINDOW - used + 10)
    installed.sql("insert into calls values (1)")
    burn(installed)
    with Follower(installed, source="wal") as web:
        web.ready().until(lambda f: installed.value("select count(*) from trigperf.outbox") == "0", "rotation")
        web.close()


if __name__ == "__main__":
    harness.main()
