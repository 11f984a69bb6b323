#!/usr/bin/python3
# suite: versions
"""The schema on a real server: installing and removing it, positions and gaps, rotation, election."""

import concurrent.futures
import re

import harness
from harness import check, contains, equal, skip, test

CALLS = "create table calls(id bigint primary key, user_id int, note text)"
WINDOW = 131072


def dump(db):
    """The same without what differs from one installation to the next."""
    text = harness.pg_dump(db, "--no-comments")
    text = re.sub(r"^\\(un)?restrict .*$", "", text, flags=re.M)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.\d]*\+\d\d", "TIME", text)
    text = re.sub(r"trigperf_[0-9a-f]{32}", "CHANNEL", text)
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)


def burn(db, count=WINDOW):
    """Spends transaction ids: each subtransaction that writes takes one."""
    db.sql(f"""create table if not exists public.burned(i int); do $$ begin for i in 1..{count} loop
        begin insert into public.burned values (i); exception when others then raise; end; end loop;
        truncate public.burned; end $$""")


def slot(db):
    return int(db.value("select (pg_snapshot_xmax(pg_current_snapshot())::text::bigint >> 17) & 3"))


def rows_in(db, number):
    return int(db.value(f"select count(*) from trigperf.outbox_{number}"))


def fresh(db):
    """A captured table, and transaction ids at the beginning of a window."""
    db.sql(CALLS)
    db.trigperf("attach", "calls", "--key", "id", "--granularity", "statement")
    used = int(db.value("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint & 131071"))
    burn(db, WINDOW - used + 10)
    db.sql("truncate trigperf.outbox")


def insert(db, first, last=None):
    db.sql(f"insert into calls select generate_series({first}, {last or first})")


def rotate(db):
    return int(db.value("select trigperf.outbox_rotate()"))


def claim(db, name="c", instance="11111111-1111-1111-1111-111111111111", system=1, incarnation=None):
    """Claims a consumer: (claim, position, needs_resync, created)."""
    incarnation = f"'{incarnation}'" if incarnation else "trigperf.incarnation_get()"
    row = db.rows(f"""select claim, pos, needs_resync, fresh
                      from trigperf.consumer_claim('{name}', '{instance}', {system}, {incarnation}, null)""")[0]
    return int(row[0]), row[1], row[2] == "t", row[3] == "t"


def store(db, number, position, name="c", done="true"):
    position = "null" if position is None else f"'{position}'"
    return db.value(f"select trigperf.consumer_store('{name}', {number}, {position}, {done})")


def present(db):
    return db.value("select pg_current_snapshot()::text")


def gap(db, position):
    return db.value(f"select trigperf.reader_gap('{position}')") == "t"


# --- installing and removing ---------------------------------------------------------------------

@test("a dry run pasted into another tool gives the same schema")
def _(cluster):
    ours, theirs = cluster.database(), cluster.database()
    sql = ours.trigperf("install", "--dry-run").out
    check(not re.search(r"^\\", sql, re.M), "no commands of psql")
    ours.trigperf("install")
    theirs.sql("begin;" + sql + "commit;")
    equal(dump(theirs), dump(ours), "the schema")
    equal(theirs.trigperf("install", "--dry-run").out, "", "what is missing after it")


@test("a dry run works as one statement, under a foreign search_path, with odd settings")
def _(db):
    sql = db.trigperf("install", "--dry-run").out
    db.sql("create schema odd; set search_path = odd; set standard_conforming_strings = on; "
           "set default_table_access_method = heap; begin;" + sql + "commit;")
    equal(db.value("select count(*) from pg_class where relnamespace = 'odd'::regnamespace"), "0", "in odd")
    db.trigperf("install")


@test("uninstall leaves nothing behind, whatever was attached")
def _(db):
    role = f"owner_{db.name}"
    db.sql(f"""{CALLS}; create role {role}; create schema s authorization {role};
        create table s.t(id int primary key); alter table s.t owner to {role};
        create table p(id int) partition by list (id); create table p1 partition of p for values in (1);
        create table base(id int); create table kid() inherits (base); create table goes(id int);
        create table named(id int)""")
    before = dump(db)
    db.trigperf("install")
    for table in ("calls", "s.t", "p", "base", "goes", "named"):
        db.trigperf("attach", table, "--key", "id", "--rule", "x:{id}")
    db.trigperf("attach", "p1", "--key", "id", "--granularity", "row")
    db.sql("alter table named rename to renamed; alter table renamed rename to named; drop table goes; "
           "delete from trigperf.captured_table where table_name = 'calls'")
    db.trigperf("uninstall")
    db.sql("create table goes(id int)")
    equal(dump(db), before, "the database")
    equal(db.value(f"select count(*) from pg_shdepend where refobjid = '{role}'::regrole and dbid = "
                   "(select oid from pg_database where datname = current_database()) and deptype = 'a'"), "0",
          "grants left")
    db.sql(f"drop schema s cascade; drop role {role}")


@test("a schema that was dropped by hand leaves its publication, which installing names")
def _(db):
    before = dump(db)
    db.trigperf("install")
    db.sql(CALLS)
    db.attach("calls", "--key", "id")
    db.sql("drop schema trigperf cascade; drop table calls")
    said = db.trigperf("install", ok=1).err
    contains(said, "a publication trigperf is there already", "error")
    contains(said, "hint: a schema that was dropped by hand leaves it: DROP PUBLICATION trigperf", "what to do")
    db.sql("drop publication trigperf")
    equal(dump(db), before, "what is left of both")
    db.trigperf("install")


@test("uninstall waits for no lock for long, and does all or nothing")
def _(installed):
    installed.sql(CALLS)
    installed.sql("create table other(id int)")
    for table in ("calls", "other"):
        installed.trigperf("attach", table, "--key", "id")
    before = dump(installed)
    with installed.session() as holder:
        holder.run("begin; insert into other values (1)")
        contains(installed.trigperf("uninstall", ok=1, timeout=120).err, "lock", "error")
        equal(dump(installed), before, "the database")
        holder.run("rollback")
    installed.trigperf("uninstall")


@test("nobody but the owner has rights, also under generous default privileges")
def _(db):
    role = f"stranger_{db.name}"
    db.sql(f"""create role {role} login; alter default privileges grant all on tables to public;
        alter default privileges grant all on functions to public;
        alter default privileges grant all on sequences to public;
        alter default privileges grant all on schemas to public""")
    db.trigperf("install")
    for what, granted in (
            ("relations", """select oid::regclass from pg_class where relkind in ('r', 'p', 'S')
                             and relnamespace = 'trigperf'::regnamespace and relacl::text ~ '[{,]='"""),
            ("functions", """select oid::regproc from pg_proc where pronamespace = 'trigperf'::regnamespace
                             and (proacl is null or proacl::text ~ '[{,]=')"""),
            ("the schema", "select 1 from pg_namespace where nspname = 'trigperf' and nspacl::text ~ '[{,]='")):
        equal(db.rows(granted), [], f"rights of PUBLIC on {what}")
    contains(db.as_user(role).fails("select trigperf.incarnation_get()"), "permission denied", "a stranger")
    db.sql(f"drop owned by {role}; drop role {role}")


@test("arrays in the outbox are compressed with lz4, in every part")
def _(installed):
    if installed.value("""select 'lz4' = any (enumvals) from pg_settings
                          where name = 'default_toast_compression'""") != "t":
        skip("this server is built without lz4")
    equal(installed.rows("""select distinct a.attcompression from pg_attribute a
        where a.attrelid in (select inhrelid from pg_inherits where inhparent = 'trigperf.outbox'::regclass
                             union select 'trigperf.outbox'::regclass)
          and a.attnum > 0 and a.atttypid::regtype::text like '%[]'"""), [["l"]], "compression")


# --- the registry -------------------------------------------------------------------------------

@test("detach finds tables that were renamed, moved or dropped")
def _(installed):
    installed.sql("create table a(id int); create table b(id int); create table c(id int); create schema s")
    for table in "abc":
        installed.trigperf("attach", table, "--key", "id")
    installed.sql("alter table a rename to aa; alter table b set schema s; drop table c")
    installed.trigperf("detach", "aa")
    installed.trigperf("detach", "s.b")
    installed.trigperf("detach", "public.c")
    equal(installed.rows("select * from trigperf.captured_table"), [], "registry")
    equal(installed.rows("select tgname from pg_trigger where tgname ~ 'trigperf'"), [], "triggers")
    equal(installed.rows("select proname from pg_proc where proname ~ '^capture_'"), [], "functions")


@test("an earlier table of the same name does not stand in the way without a word")
def _(installed):
    installed.sql("create table a(id int)")
    installed.trigperf("attach", "a", "--key", "id")
    installed.sql("drop table a; create table a(id int)")
    result = installed.trigperf("attach", "a", "--key", "id", ok=1)
    contains(result.err, "detach", "error")
    installed.trigperf("detach", "a")
    installed.trigperf("attach", "a", "--key", "id")


@test("numbers of tables are not used twice")
def _(installed):
    installed.sql("create table a(id int)")
    for expected in ("1", "2", "3"):
        installed.trigperf("attach", "a", "--key", "id", "--dry-run")
        installed.trigperf("attach", "a", "--key", "id")
        equal(installed.value("select id from trigperf.captured_table"), expected, "number")
        installed.trigperf("detach", "a")


@test("tables attached at once by many")
def _(installed):
    names = [f"t{i}" for i in range(6)]
    installed.sql(";".join(f"create table {name}(id int)" for name in names))
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: installed.trigperf("attach", name, "--key", "id"), names))
    equal(sorted(row[0] for row in installed.rows("select table_name from trigperf.captured_table")), names,
          "attached")
    equal(installed.value("select count(distinct id) from trigperf.captured_table"), "6", "numbers")


@test("attach waits for no lock for long; meanwhile others are not kept waiting for ever")
def _(installed):
    installed.sql(CALLS)
    with installed.session() as holder, installed.session() as writer:
        holder.run("begin; insert into calls values (1)")
        attaching = concurrent.futures.ThreadPoolExecutor(1).submit(
            installed.trigperf, "attach", "calls", "--key", "id", ok=1)
        for i in range(2, 8):
            writer.run(f"insert into calls values ({i}); select pg_sleep(0.5)")
        contains(attaching.result().err, "lock", "error")
        holder.run("commit")
    equal(installed.rows("select * from trigperf.captured_table"), [], "registry")
    equal(installed.rows("select tgname from pg_trigger where tgname ~ 'trigperf'"), [], "triggers")


@test("a dump restored elsewhere captures on, and knows that it is another database")
def _(cluster):
    old, new = cluster.installed(), cluster.database()
    old.sql(CALLS)
    old.trigperf("attach", "calls", "--key", "id", "--rule", "call:{id}")
    claim(old)
    was = old.value("select trigperf.incarnation_get()")
    new.sql(harness.pg_dump(old))
    check(new.value("select trigperf.incarnation_get()") != was, "a new incarnation")
    equal(old.value("select trigperf.incarnation_get()"), was, "the old one")
    equal(claim(new)[2], True, "the consumer needs a resync")
    new.sql("truncate trigperf.outbox")
    insert(new, 1)
    equal(new.value("select count(*) from trigperf.outbox"), "1", "captured")
    new.trigperf("detach", "calls")
    new.trigperf("uninstall")
    old.sql(harness.pg_dump(old, "--clean"))
    check(old.value("select trigperf.incarnation_get()") != was, "restored over itself")
    equal(claim(old)[2], True, "that needs a resync too")


@test("names that a table's owner chooses are not run with the rights of the schema's owner")
def _(installed):
    db, role = installed, "m1"
    db.sql(f"""create role {role} login; create schema m authorization {role};
               grant usage on schema m to public""")
    owner = db.as_user(role)
    owner.sql("""create table m.t(id int primary key); create function m.f() returns trigger language plpgsql
                 as 'begin return null; end'; grant execute on function m.f() to public""")
    db.trigperf("attach", "m.t", "--key", "id", "--granularity", "statement")
    db.sql("select trigperf.table_check_all()")
    name = f"FOR EACH ROW EXECUTE FUNCTION m.f();ALTER ROLE {role} SUPERUSER--"
    check(len(name) < 64, "it fits into a name")
    owner.sql(f'alter trigger trigperf_capture_insert on m.t rename to "{name}"; '
              f'create table m."a;ALTER ROLE {role} SUPERUSER--"() inherits (m.t)')
    db.sql("select trigperf.table_check_all(); select trigperf.status()")
    db.trigperf("detach", "m.t", "--dry-run")
    db.trigperf("detach", "m.t")
    equal(db.value(f"select rolsuper from pg_roles where rolname = '{role}'"), "f", "superuser")
    db.sql(f"drop schema m cascade; drop role {role}")


# --- consumers ------------------------------------------------------------------------------------

@test("a new name begins at the present and owes a resync; a known one goes on")
def _(installed):
    db = installed
    number, position, resync, new = claim(db)
    equal((number, resync, new), (1, True, True), "first claim")
    check(not gap(db, position), "no gap")
    equal(store(db, 1, None, done="false"), "ok", "a sign of life")
    equal(claim(db)[2:], (True, False), "claimed again before the resync was done")
    later = present(db)
    equal(store(db, 2, later), "ok", "stored")
    equal(claim(db), (3, later, False, False), "claimed again")
    equal(store(db, 2, later), "superseded", "the former claimant")
    equal(store(db, 3, None), "ok", "a sign of life")
    equal(db.value("select position from trigperf.consumer"), later, "position")
    equal(db.value("select trigperf.consumer_drop('c')"), "t", "dropped")
    equal(db.value("select trigperf.consumer_drop('c')"), "f", "dropped twice")
    equal(store(db, 3, later), "missing", "after that")


@test("what cannot be continued begins anew: other system, other incarnation, a position ahead")
def _(installed):
    db = installed
    for spoil in ({"system": 2}, {"incarnation": "22222222-2222-2222-2222-222222222222"}, {}):
        claim(db)
        store(db, db.value("select claim from trigperf.consumer"), present(db))
        if not spoil:
            db.sql("update trigperf.consumer set position = '99999999999:99999999999:'")
        _, position, resync, new = claim(db, **spoil)
        equal((resync, new), (True, True), f"claim with {spoil!r}")
        check(int(position.split(":")[1]) < 99999999999, "a position of the present")
        db.sql("delete from trigperf.consumer")


@test("many claim one new name: one creates it")
def _(installed):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: claim(installed), range(8)))
    equal(sorted(one[0] for one in claims), list(range(1, 9)), "claim numbers")
    equal(sum(one[3] for one in claims), 1, "who created it")


# --- rotation ---------------------------------------------------------------------------------

@test("a partition that every position has passed is truncated")
def _(installed):
    db = installed
    fresh(db)
    at = slot(db)
    number = claim(db)[0]
    insert(db, 1, 3)
    behind = present(db)
    insert(db, 4)
    store(db, number, behind)
    equal(rotate(db), 0, "the present partition")
    burn(db)
    equal((rotate(db), rows_in(db, at)), (0, 2), "a consumer is behind")
    store(db, number, present(db))
    equal((rotate(db), rows_in(db, at)), (1, 0), "it has passed")
    equal(rotate(db), 0, "nothing left")
    check(gap(db, behind), "a position from before knows of the gap")
    check(not gap(db, present(db)), "a present one has none")
    store(db, number, behind)
    equal(claim(db)[2], True, "claiming with the gap is a resync")


@test("an ephemeral reader is waited for while it shows signs of life")
def _(installed):
    db = installed
    fresh(db)
    at = slot(db)
    behind = present(db)
    insert(db, 1)
    seen = "select trigperf.member_seen('33333333-3333-3333-3333-333333333333', 'app', '%s')"
    db.sql(seen % behind)
    burn(db)
    equal(rotate(db), 0, "behind")
    db.sql("update trigperf.member set seen_at = now() - interval '2 minutes'")
    equal((rotate(db), rows_in(db, at)), (1, 0), "not seen for long")
    db.sql(seen % present(db))
    db.sql("select trigperf.member_gone('33333333-3333-3333-3333-333333333333')")
    equal(db.rows("select * from trigperf.member"), [], "members")


@test("a transaction that ran at the position holds its partition until the position passed it")
def _(installed):
    db = installed
    fresh(db)
    at = slot(db)
    number = claim(db)[0]
    with db.session() as held:
        held.run("begin; insert into calls values (1)")
        insert(db, 2)
        burn(db)
        position = present(db)
        store(db, number, position)
        equal(rotate(db), 0, "its lock is in the way, and is not waited for")
        held.run("commit")
    equal((rotate(db), rows_in(db, at)), (0, 2), "it ran at the position")
    check(not gap(db, position), "nothing is lost")
    store(db, number, present(db))
    equal((rotate(db), rows_in(db, at)), (1, 0), "passed")
    check(gap(db, position), "the position from before")


@test("an open transaction that wrote nothing yet keeps nobody, and is not lost")
def _(installed):
    db = installed
    fresh(db)
    at = slot(db)
    number = claim(db)[0]
    with db.session() as held:
        insert(db, 1)
        held.run("begin; select pg_current_xact_id()")
        burn(db)
        position = present(db)
        store(db, number, position)
        equal((rotate(db), rows_in(db, at)), (1, 0), "rotated")
        check(not gap(db, position), "its position goes on")
        held.run("insert into calls values (5); commit")
    equal(rows_in(db, at), 1, "its row stands in its own partition")
    check(not gap(db, position), "and no gap hides it")
    equal(rotate(db), 0, "it is waited for")
    store(db, number, present(db))
    equal((rotate(db), rows_in(db, at)), (1, 0), "then it goes")
    check(gap(db, position), "a position that has not passed it")


@test("a partition truncated under running transactions hides nothing that they write later")
def _(installed):
    db = installed
    fresh(db)
    at = slot(db)
    with db.session() as early, db.session() as idle:
        early.run("begin; select pg_current_xact_id()")
        insert(db, 1)
        idle.run("begin; select pg_current_xact_id()")
        burn(db)
        position = present(db)
        idle.run("commit")
        equal((rotate(db), rows_in(db, at)), (1, 0), "nobody is there to wait for")
        check(not gap(db, position), "what ran has not been removed, or had nothing")
        early.run("insert into calls values (5); commit")
    check(not gap(db, position), "after it wrote")
    equal(rows_in(db, at), 1, "its row is there")


@test("a dump, a reader and a prepared transaction are not waited for, and keep nobody waiting")
def _(installed):
    db = installed
    fresh(db)
    at = slot(db)
    insert(db, 1)
    burn(db)
    with db.session() as holder, db.session() as writer:
        for hold, release in (("begin; lock table trigperf.outbox in access share mode", "rollback"),
                              ("begin; select * from trigperf.outbox", "commit")):
            holder.run(hold)
            writer.run("set statement_timeout = '5s'")
            equal((int(writer.run("select trigperf.outbox_rotate()")), rows_in(db, at)), (0, 1), hold)
            writer.run("insert into calls select coalesce(max(id), 0) + 1 from calls")
            holder.run(release)
    now = slot(db)
    db.sql("begin; insert into calls values (1000); prepare transaction 'left behind'")
    equal((rotate(db), rows_in(db, at)), (1, 0), "afterwards")
    burn(db)
    with db.session() as writer:
        writer.run("set statement_timeout = '5s'")
        equal(writer.run("select trigperf.outbox_rotate()"), "0", "with a prepared transaction")
    db.sql("commit prepared 'left behind'")
    equal((rotate(db), rows_in(db, now)), (1, 0), "when it is gone")


@test("two rotate at once: one does, the other does not wait")
def _(installed):
    with installed.session() as one, installed.session() as two:
        one.run("begin; select trigperf.outbox_rotate()")
        two.run("set statement_timeout = '5s'")
        equal(two.run("select trigperf.outbox_rotate()"), "0", "the second")
        one.run("rollback")


@test("a consumer that never comes back is waited for as long as the settings say")
def _(installed):
    db = installed
    fresh(db)
    at = slot(db)
    number = claim(db)[0]
    store(db, number, present(db))
    insert(db, 1)
    burn(db)
    equal(rotate(db), 0, "behind")
    db.sql("update trigperf.consumer set seen_at = now() - interval '2 days'")
    claim(db, "other")
    equal((rotate(db), rows_in(db, at)), (1, 0), "gone for two days")
    equal(claim(db)[2], True, "when it comes back it needs a resync")
    db.sql("update trigperf.consumer set needs_resync = false")
    equal(claim(db, "other")[2], False, "the other one does not")


@test("nothing can be written to the outbox as a whole, where rotation would not find it")
def _(installed):
    db = installed
    contains(db.fails("insert into trigperf.outbox(table_id, op) values (1, 'U')"), "outbox_is_written_in_its_parts", "error")
    db.sql("select trigperf.outbox_coarse(0, 'B')")
    equal((rows_in(db, slot(db)), db.value("select count(*) from trigperf.outbox")), (1, "1"), "its part")


@test("over its size the outbox loses the oldest partition first, and no more than needed")
def _(installed):
    db = installed
    fresh(db)
    number = claim(db)[0]
    store(db, number, present(db))
    slots = []
    for _ in range(3):
        slots.append(slot(db))
        for _ in range(3):
            db.sql("begin;" + "insert into calls select coalesce(max(id), 0) + 1 from calls;" * 200 + "commit")
        burn(db)
    equal(rotate(db), 0, "within its size")
    bytes_now = int(db.value("""select sum(pg_total_relation_size(inhrelid)) from pg_inherits
                                where inhparent = 'trigperf.outbox'::regclass"""))
    db.sql(f"update trigperf.setting set value = '{bytes_now - 1000}' where name = 'retention.max_bytes'")
    equal(rotate(db), 1, "one is enough")
    equal([rows_in(db, one) > 0 for one in slots], [False, True, True], "the oldest went")
    equal(claim(db)[2], True, "the consumer needs a resync")


@test("the next partition in turn is left alone shortly before its turn")
def _(installed):
    db = installed
    fresh(db)
    at = slot(db)
    insert(db, 1)
    burn(db, 3 * WINDOW + WINDOW * 15 // 16 + 100)
    equal(slot(db), (at + 3) % 4, "one window before its turn")
    equal((rotate(db), rows_in(db, at)), (0, 1), "late rather than in the way")


# --- election and incarnation ------------------------------------------------------------------------

LEASE = 600000  # ms: so long that only what the tests say ends it


def elect(db, instance, lease=LEASE):
    row = db.rows(f"select leader, claim, age_ms from trigperf.notifier_elect('{instance}', {lease})")[0]
    return row[0] == "t", int(row[1])


A, B = "aaaaaaaa-0000-0000-0000-000000000000", "bbbbbbbb-0000-0000-0000-000000000000"


@test("one notifier at a time: by its heartbeat, not by a lock")
def _(installed):
    db = installed
    equal(elect(db, A), (True, 1), "first")
    equal(elect(db, B), (False, 1), "second")
    equal(elect(db, A), (True, 1), "renewed")
    db.sql("update trigperf.notifier set beat = clock_timestamp() - interval '11 minutes'")
    equal(elect(db, B), (True, 2), "taken over")
    equal(elect(db, A), (False, 2), "superseded")
    db.sql(f"select trigperf.notifier_resign('{A}')")
    equal(elect(db, A), (False, 2), "one cannot resign for another")
    db.sql(f"select trigperf.notifier_resign('{B}')")
    equal(elect(db, A), (True, 3), "after it resigned")
    with db.session() as stuck, db.session() as other:
        stuck.run("begin; select * from trigperf.notifier for update")
        other.run("set statement_timeout = '5s'")
        equal(other.run(f"select leader from trigperf.notifier_elect('{B}', {LEASE})"), "f", "not waited for")
        equal(other.run(f"select leader from trigperf.notifier_elect('{A}', {LEASE})"), "t", "the leader stays")
        stuck.run("rollback")


@test("of many contenders one is elected")
def _(installed):
    names = [f"{i:08x}-0000-0000-0000-000000000000" for i in range(12)]
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        won = list(pool.map(lambda name: elect(installed, name), names))
    check(sum(leader for leader, _ in won) == 1, f"elected: {won!r}")


@test("a crash gives a new incarnation, a restart does not; readers begin anew")
def _(cluster):
    db = cluster.installed()
    first = db.value("select trigperf.incarnation_get()")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        equal(set(pool.map(lambda _: db.value("select trigperf.incarnation_get()"), range(8))), {first}, "asked by many")
    number = claim(db)[0]
    store(db, number, present(db))
    cluster.halt("fast")
    cluster.resume()
    equal(db.value("select trigperf.incarnation_get()"), first, "after a restart")
    equal(claim(db)[2], False, "and the consumer goes on")
    db.sql("checkpoint")
    cluster.halt("immediate")
    cluster.resume()
    check(db.value("select trigperf.incarnation_get()") != first, "after a crash")
    equal(claim(db)[2], True, "and the consumer needs a resync")
    db.sql("create database copied template " + db.name)
    check(harness.Database(cluster, "copied").value("select trigperf.incarnation_get()")
          != db.value("select trigperf.incarnation_get()"), "a copy of the database is another one")


if __name__ == "__main__":
    harness.main(options=["-c max_prepared_transactions=5"])
