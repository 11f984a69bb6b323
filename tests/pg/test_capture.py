#!/usr/bin/python3
# suite: versions
"""Capture triggers on a real server: what stands in the outbox after what the application did.

Most tests run twice, with statement triggers and with row triggers: what is captured is the same,
only spread over more outbox rows.
"""

import csv
import json
import time

import harness
from harness import attempts, check, contains, equal, skip, test

csv.field_size_limit(1 << 30)
SHAPES = ("statement", "row")
CALLS = """create table calls(id bigint primary key, user_id int, agent uuid, status text,
                              amount numeric, note text)"""


def both(name):
    """Registers a test for each trigger shape; the test takes (db, shape)."""

    def with_shape(function, shape):
        def run(installed):
            function(installed, shape)
        return run

    def register(function):
        for shape in SHAPES:
            test(f"{name} ({shape})")(with_shape(function, shape))
        return function

    return register


def outbox(db):
    """What was captured since the last call: (table, op, n, {key: [values]}) in order."""
    rows = db.rows("""select t.table_name, o.op, array_to_json(t.key_names),
                             array_to_json(t.key_slots), row_to_json(o)
                      from trigperf.outbox o join trigperf.captured_table t on t.id = o.table_id
                      order by o.xid, o.tableoid, o.ctid""")
    db.sql("truncate trigperf.outbox")
    found = []
    for table, op, names, slots, row in rows:
        slots, row, n = json.loads(slots), json.loads(row), 1 if op in "IUD" else 0
        values = {}
        for name, slot in zip(json.loads(names), slots):
            array = row[slot[0]] if op in "IUD" else []
            n = len(array) // sum(other[0] == slot[0] for other in slots)
            place = (int(slot[1:]) - 1) * n
            values[name] = array[place:place + n]
        found.append((table, op, n, values))
    return found


def tuples(changes, *ops):
    """The distinct key tuples of changes as a sorted list of tuples of text."""
    found = set()
    for _, op, n, values in changes:
        check(op in "IUD", f"a coarse change: {changes!r}")
        check(all(value is not None and len(value) == n for value in values.values()),
              f"arrays that do not hold {n} tuples: {values!r}")
        if not ops or op in ops:
            found |= {tuple(None if v is None else str(v) for v in one)
                      for one in zip(*values.values())}
    return sorted(found, key=lambda one: tuple(v or "" for v in one))


def seen(db, *ops):
    return tuples(outbox(db), *ops)


def ops(db):
    return [change[1] for change in outbox(db)]


def attach(db, table, *keys, shape="statement", watch=None, more=()):
    args = [part for key in keys for part in ("--key", key)]
    if watch:
        args += ["--watch", watch]
    db.trigperf("attach", table, *args, "--granularity", shape, *more)
    outbox(db)


def errors(db):
    return db.rows("select table_name, operation, sqlstate, error_message from trigperf.trigger_error_log order by id")


# --- one table, every operation ------------------------------------------------------------------

@both("insert, update and delete tell the keys")
def _(db, shape):
    db.sql(CALLS)
    attach(db, "calls", "id", "user_id", shape=shape)
    db.sql("insert into calls values (1, 7), (2, 8)")
    equal(seen(db, "I"), [("1", "7"), ("2", "8")], "inserted")
    db.sql("update calls set note = 'x' where id = 1")
    equal(seen(db, "U"), [("1", "7")], "updated")
    db.sql("update calls set note = note || 'y' where id < 9; update calls set note = 'z'")
    equal(seen(db, "U"), [("1", "7"), ("2", "8")], "updated several")
    db.sql("delete from calls where id = 1")
    equal(seen(db, "D"), [("1", "7")], "deleted")
    db.sql("insert into calls values (5, 5), (6, 6)")
    outbox(db)
    db.sql("delete from calls")
    equal(seen(db, "D"), [("2", "8"), ("5", "5"), ("6", "6")], "all deleted")


@both("a moved key tells both tuples")
def _(db, shape):
    db.sql(CALLS)
    db.sql("insert into calls select g, g from generate_series(1, 9) g")
    attach(db, "calls", "user_id", shape=shape, watch="user_id")
    db.sql("update calls set user_id = 70 where id = 7")
    equal(seen(db), [("7",), ("70",)], "one row")
    db.sql("update calls set user_id = user_id + 100 where id <= 2")
    equal(seen(db), [("1",), ("101",), ("102",), ("2",)], "several rows")
    db.sql("update calls set id = -id where id = 3")
    equal(seen(db), [], "the primary key is not among the keys")
    db.sql("update calls set id = 1000 + id, user_id = case id when 4 then 4 else 55 end where id in (4, 5)")
    found = seen(db)
    check(("5",) in found and ("55",) in found, f"rows whose primary key moved, one with its key: {found!r}")


@both("updates that change nothing of interest leave no trace")
def _(db, shape):
    db.sql(CALLS)
    db.sql("insert into calls select g, g, null, 'new', 1, '' from generate_series(1, 5) g")
    attach(db, "calls", "id", shape=shape, watch="status,amount")
    db.sql("""update calls set note = 'other' where id = 1; update calls set note = 'more';
              update calls set status = status where id = 1; update calls set status = status;
              update calls set status = 'x' where false; delete from calls where false;
              insert into calls select * from calls where false;
              insert into calls values (1) on conflict do nothing""")
    equal(outbox(db), [], "captured")
    db.sql("update calls set status = case when id > 3 then 'x' else status end")
    equal(seen(db), [("4",), ("5",)], "only the rows that changed")
    db.sql("update calls set amount = null where id = 2")
    equal(seen(db), [("2",)], "to null")


@both("without --watch every column counts, also one added later in the same session")
def _(db, shape):
    db.sql(CALLS)
    db.sql("insert into calls select g, g from generate_series(1, 3) g")
    attach(db, "calls", "id", shape=shape)
    with db.session() as session:
        session.run("update calls set note = 'a' where id = 1; update calls set note = 'b'")
        equal(seen(db), [("1",), ("2",), ("3",)], "before")
        session.run("alter table calls add column later int; update calls set later = 1 where id = 1")
        equal(seen(db), [("1",)], "one row")
        session.run("update calls set later = id where id < 3")
        equal(seen(db), [("2",)], "several rows")
        session.run("alter table calls drop column note; update calls set later = 77")
        equal(seen(db), [("1",), ("2",), ("3",)], "after a column went")
    equal(errors(db), [], "errors")


@both("null keys are told as null")
def _(db, shape):
    db.sql(CALLS)
    attach(db, "calls", "user_id", "agent", "note", shape=shape)
    db.sql("insert into calls values (1); insert into calls values (2, 3), (3, null)")
    equal(seen(db), [(None, None, None), ("3", None, None)], "inserted")
    db.sql("update calls set note = 'x' where id = 1")
    equal(seen(db), [(None, None, None), (None, None, "x")], "a null that moved")


@both("a table without keys is told all the same")
def _(db, shape):
    db.sql(CALLS)
    attach(db, "calls", shape=shape)
    db.sql("insert into calls values (1); update calls set note = 'x'; delete from calls")
    equal([change[1:] for change in outbox(db)], [("I", 1, {}), ("U", 1, {}), ("D", 1, {})], "captured")
    db.sql("insert into calls values (1), (2)")
    check(all(change[2] == 1 for change in outbox(db)), "one tuple")


@both("truncate is told, also through a foreign key")
def _(db, shape):
    db.sql(CALLS)
    db.sql("create table parts(id int primary key, call bigint references calls)")
    attach(db, "calls", "id", shape=shape)
    attach(db, "parts", "id", shape=shape)
    db.sql("insert into calls values (1); insert into parts values (1, 1)")
    outbox(db)
    db.sql("truncate calls cascade")
    equal(sorted((table, op, n) for table, op, n, _ in outbox(db)),
          [("calls", "T", 0), ("parts", "T", 0)], "captured")


@test("distinct tuples of a statement are told once")
def _(installed):
    installed.sql(CALLS)
    attach(installed, "calls", "user_id")
    installed.sql("insert into calls select g, g % 3 from generate_series(1, 5000) g")
    equal([(op, n) for _, op, n, _ in outbox(installed)], [("I", 3)], "5000 rows of 3 users")
    installed.sql("update calls set note = 'x'")
    equal([(op, n) for _, op, n, _ in outbox(installed)], [("U", 3)], "updated")
    installed.sql("update calls set user_id = user_id + 1")
    equal([(op, n) for _, op, n, _ in outbox(installed)], [("U", 4)], "moved")
    installed.sql("delete from calls")
    equal([(op, n) for _, op, n, _ in outbox(installed)], [("D", 3)], "deleted")


@test("more tuples than allowed become one coarse row, as many as allowed do not")
def _(installed):
    for table, primary in (("with_key", "primary key"), ("without", "")):
        installed.sql(f"create table {table}(id int {primary}, v int)")
        installed.trigperf("-o", "capture.max_keys=10", "attach", table, "--key", "id",
                           "--granularity", "statement")
        for n, expected in ((10, None), (11, ("B", 0))):
            outbox(installed)
            for statement, op in ((f"insert into {table} select generate_series(1, {n})", "I"),
                                  (f"update {table} set v = id", "U"), (f"delete from {table}", "D")):
                installed.sql(statement)
                equal([(o, count) for _, o, count, _ in outbox(installed)], [expected or (op, 10)],
                      f"{statement}: {n} rows")
    equal(errors(installed), [], "errors")


@test("moved keys count twice: more than allowed together is one coarse row")
def _(installed):
    installed.sql("create table t(id int primary key)")
    installed.trigperf("-o", "capture.max_keys=10", "attach", "t", "--key", "id")
    installed.sql("insert into t select generate_series(1, 6)")
    outbox(installed)
    installed.sql("update t set id = id + 100 where id <= 5")
    equal([(op, n) for _, op, n, _ in outbox(installed)], [("U", 10)], "five moved")
    installed.sql("update t set id = id + 1000")
    equal([(op, n) for _, op, n, _ in outbox(installed)], [("B", 0)], "six moved")


# --- kinds of tables and names --------------------------------------------------------------------

@both("a table without a primary key")
def _(db, shape):
    db.sql("create table log(a int, b text)")
    attach(db, "log", "a", shape=shape, watch="b")
    db.sql("insert into log select g % 4, 'x' from generate_series(0, 7) g")
    equal(seen(db), [("0",), ("1",), ("2",), ("3",)], "inserted")
    db.sql("update log set b = 'y' where a = 1")
    equal(seen(db), [("1",)], "updated twins")
    db.sql("update log set a = 9, b = 'z' where a in (2, 3)")
    equal(seen(db), [("2",), ("3",), ("9",)], "moved")
    db.sql("update log set b = case a when 0 then 'new' else b end")
    equal(seen(db), [("0",)], "only what changed")
    db.sql("delete from log where a = 9")
    equal(seen(db), [("9",)], "deleted")


@both("composite primary key, rows that swap their keys")
def _(db, shape):
    db.sql("create table m(a int, b text, v int, primary key (a, b))")
    db.sql("insert into m select g, chr(64 + g), g from generate_series(1, 4) g")
    attach(db, "m", "b", "a", shape=shape, watch="v")
    db.sql("update m set v = -v where a < 3")
    equal(seen(db), [("A", "1"), ("B", "2")], "updated")
    db.sql("update m set a = 5 - a")
    equal(seen(db), [("A", "1"), ("A", "4"), ("B", "2"), ("B", "3"), ("C", "2"), ("C", "3"),
                     ("D", "1"), ("D", "4")], "moved")


@both("a deferrable primary key that holds twice for a moment")
def _(db, shape):
    db.sql("""create table d(id int primary key deferrable initially deferred, k int);
              insert into d values (1, 10), (2, 20)""")
    attach(db, "d", "k", "id", shape=shape)
    db.sql("begin; update d set id = 1, k = 30 where id = 2; update d set id = 2 where k = 10; commit")
    equal(seen(db), [("10", "1"), ("10", "2"), ("20", "2"), ("30", "1")], "captured")


@both("names with capitals, quotes, blanks, and words of SQL")
def _(db, shape):
    schema, table = '"My ""Schema"""', '"Select $capture$ From; --"'
    db.sql(f"""create schema {schema}; create table {schema}.{table}
               ("Id" int primary key, "user" text, "a""b" text, "tp_path" int, "o" int, "n" int,
                "ünïcode" text)""")
    attach(db, f"{schema}.{table}", "Id", 'user', '"a""b"', "tp_path", "o", "n", "ünïcode", shape=shape)
    db.sql(f"insert into {schema}.{table} values (1, 'u', 'q', 3, 4, 5, 'ü'), (2, 'u', 'q', 3, 4, 5, 'ü')")
    equal(seen(db), [("1", "u", "q", "3", "4", "5", "ü"), ("2", "u", "q", "3", "4", "5", "ü")], "inserted")
    db.sql(f"update {schema}.{table} set \"tp_path\" = 7 where \"Id\" = 1; update {schema}.{table} set o = 9")
    check(("1", "u", "q", "7", "9", "5", "ü") in seen(db), "updated")
    equal(errors(db), [], "errors")


@both("names of 63 bytes")
def _(db, shape):
    name = "n" * 63
    db.sql(f"create schema {name}; create table {name}.{name}({name} int primary key, v int)")
    attach(db, f"{name}.{name}", name, shape=shape)
    db.sql(f"insert into {name}.{name} values (1), (2); update {name}.{name} set v = 1")
    equal(seen(db), [("1",), ("2",)], "captured")


@both("1,600 columns")
def _(db, shape):
    columns = ", ".join(f"c{i} int" for i in range(1599))
    db.sql(f"create table wide(id int primary key, {columns}); insert into wide values (1), (2), (3)")
    attach(db, "wide", "id", shape=shape)
    db.sql("update wide set c1598 = 1 where id = 1")
    equal(seen(db), [("1",)], "one row")
    db.sql("update wide set c1598 = id, c7 = id")
    equal(seen(db), [("1",), ("2",), ("3",)], "several")
    equal(errors(db), [], "errors")


@both("many keys of every kind, more than there are typed columns")
def _(db, shape):
    kinds = ["int2", "int4", "int8", "int4", "int8", "uuid", "uuid", "uuid", "text", "bool", "date",
             "numeric"]
    columns = ", ".join(f"k{i} {kind}" for i, kind in enumerate(kinds))
    db.sql(f"create table many({columns})")
    attach(db, "many", *(f"k{i}" for i in range(len(kinds))), shape=shape)
    u = ["00000000-0000-0000-0000-00000000000" + str(i) for i in range(3)]
    values = ["-1", "2", "9223372036854775807", "4", "5", *u, "t", "true", "2024-02-29", "1.50"]
    row = "(" + ", ".join(f"'{value}'" for value in values) + ")"
    db.sql(f"insert into many values {row}; insert into many values {row}, {row}")
    equal(seen(db), [tuple(values)], "captured")


@test("too many keys are refused with the limits")
def _(installed):
    columns = ", ".join(f"k{i} {'text' if i % 2 else 'int'}" for i in range(33))
    installed.sql(f"create table many({columns})")
    keys = [part for i in range(33) for part in ("--key", f"k{i}")]
    result = installed.trigperf("attach", "many", *keys, ok=1)
    contains(result.err, "at most 32 keys", "error")
    contains(result.err, "hint: ", "error")
    installed.trigperf("attach", "many", *keys[:-2])
    installed.sql("insert into many(k0, k1, k31) values (7, 'a', 'z')")
    values = outbox(installed)[-1][3]
    equal((len(values), values["k0"], values["k1"], values["k30"], values["k31"]), (32, [7], ["a"], [None], ["z"]), "captured")


@both("generated and identity columns")
def _(db, shape):
    db.sql("""create table g(id int generated always as identity, a int,
                             twice int generated always as (a * 2) stored)""")
    attach(db, "g", "id", "twice", shape=shape, watch="twice")
    db.sql("insert into g(a) values (1), (2); update g set a = 5 where id = 1")
    equal(seen(db), [("1", "10"), ("1", "2"), ("2", "4")], "captured")


@test("virtual generated columns, whose values triggers do not see, are refused")
def _(installed):
    if int(installed.value("show server_version_num")) < 180000:
        skip("this server has no virtual generated columns")
    installed.sql("create table g(id int, v int generated always as (id * 2) virtual)")
    for args in (("--key", "v"), ("--key", "id", "--watch", "v"), ("--key", "k=v + 1")):
        contains(installed.trigperf("attach", "g", *args, ok=1).err, "virtual", f"error of {args!r}")
    attach(installed, "g", "id", "k=id * 2")
    installed.sql("insert into g values (1)")
    equal(seen(installed), [("1", "2")], "captured")


@both("unlogged table, and a table under row-level security")
def _(db, shape):
    role = f"limited_{db.name}"
    db.sql(f"""create role {role}; create unlogged table u(id int primary key, owner text);
               alter table u enable row level security; grant all on u to {role};
               create policy mine on u to {role} using (owner = current_user)""")
    attach(db, "u", "id", shape=shape)
    db.sql(f"""insert into u values (1, '{role}'), (2, 'other'); set role {role};
               update u set owner = owner; update u set id = id + 10""")
    equal(seen(db), [("1",), ("11",), ("2",)], "captured")
    db.sql(f"drop owned by {role}; drop role {role}")


# --- partitions and inheritance -------------------------------------------------------------------

PARTS = """create table p(id int, region text, v int, primary key (id, region)) partition by list (region);
           create table p_eu partition of p for values in ('eu');
           create table p_us partition of p for values in ('us') partition by range (id);
           create table p_us1 partition of p_us for values from (0) to (100);
           create table p_us2(v int, dropped int, region text not null, id int not null);
           alter table p_us2 drop column dropped;
           alter table p_us attach partition p_us2 for values from (100) to (200)"""


@both("a partitioned table: through the parent, through a leaf, moved between leaves")
def _(db, shape):
    db.sql(PARTS)
    attach(db, "p", "id", "region", shape=shape)
    db.sql("insert into p values (1, 'eu'), (2, 'us'), (150, 'us')")
    equal(seen(db), [("1", "eu"), ("150", "us"), ("2", "us")], "through the parent")
    db.sql("insert into p_us2(id, region) values (160, 'us'); insert into p_us values (3, 'us')")
    equal(seen(db), [("160", "us"), ("3", "us")], "through a leaf and a middle")
    db.sql("update p set v = 1 where id >= 100; update p_us2 set v = 2 where id = 150")
    equal(seen(db), [("150", "us"), ("160", "us")], "updated")
    db.sql("update p set region = 'us' where id = 1")
    equal(seen(db), [("1", "eu"), ("1", "us")], "moved to another leaf")
    db.sql("update p set id = id + 100 where id between 1 and 3")
    equal(seen(db), [("1", "us"), ("101", "us"), ("102", "us"), ("103", "us"), ("2", "us"), ("3", "us")],
          "several moved")
    db.sql("delete from p_us1; delete from p where id = 160")
    equal(seen(db), [("160", "us")], "deleted")
    db.sql("truncate p_us2")
    check(set(ops(db)) == {"T"}, "truncated leaf")
    db.sql("truncate p")
    check(set(ops(db)) == {"T"}, "truncated parent")
    equal(errors(db), [], "errors")


@both("a partition made later is captured through the parent at once")
def _(db, shape):
    db.sql(PARTS)
    attach(db, "p", "id", shape=shape)
    db.sql("create table p_as partition of p for values in ('as'); insert into p values (7, 'as')")
    equal(seen(db), [("7",)], "captured")


@test("a row that a trigger of its new partition refuses is told as gone")
def _(installed):
    installed.sql(PARTS)
    installed.sql("""insert into p values (1, 'us', 5), (2, 'us', 5);
        create function refuse() returns trigger language plpgsql as 'begin return null; end';
        create trigger refuse before insert on p_eu for each row execute function refuse()""")
    attach(installed, "p", "id", watch="v")
    installed.sql("update p set region = 'eu' where id = 1")
    equal(seen(installed), [("1",)], "one row")
    installed.sql("update p set region = 'eu'; insert into p values (5, 'us')")
    equal(seen(installed), [("2",), ("5",)], "and another")


@both("inheriting tables")
def _(db, shape):
    db.sql("create table base(id int, v int); create table kid(more text) inherits (base)")
    attach(db, "base", "id", shape=shape)
    db.sql("insert into kid values (1, 1, 'x'); update base set v = 2; update kid set v = 3")
    equal(seen(db, "I"), [("1",)], "inserted")
    db.sql("update base set v = 9")
    equal(seen(db), [("1",)], "through the base")
    db.sql("delete from only base; delete from base")
    equal(seen(db), [("1",)], "deleted")


@test("inheriting tables that repeat the parent's primary keys: every tuple once, no row times row")
def _(installed):
    installed.sql(CALLS)
    installed.sql("create table heir () inherits (calls); create table heirs_heir () inherits (heir)")
    attach(installed, "calls", "id", "user_id")
    for table in ("calls", "heir", "heirs_heir"):
        installed.sql(f"insert into {table} select g % (case '{table}' when 'calls' then 100000 else 10 end), "
                      "g % 7 from generate_series(1, 40) g")
    outbox(installed)
    installed.sql("update calls set note = 'x'")
    found = outbox(installed)
    equal([op for _, op, _, _ in found], ["U"], "captured")
    expected = installed.rows("select distinct id, user_id from calls")
    equal(tuples(found), sorted((one[0], one[1]) for one in expected), "tuples")
    equal(found[0][2], len(expected), "number of tuples")
    installed.sql("update calls set user_id = user_id + 1 where id = 5")
    moved = outbox(installed)
    expected = {tuple(row) for row in installed.rows("select id, user_id from calls where id = 5 union "
                                                     "select id, user_id - 1 from calls where id = 5")}
    equal(set(tuples(moved)), expected, "tuples of moved keys")
    equal(moved[0][2], len(expected), "number of tuples of moved keys")


@test("a single partition: only row triggers see everything, and that is said")
def _(installed):
    installed.sql(PARTS)
    result = installed.trigperf("attach", "p_eu", "--key", "id", "--granularity", "statement", ok=1)
    contains(result.err, "parent", "error")
    installed.trigperf("attach", "p_eu", "--key", "id")
    equal(installed.value("select granularity from trigperf.captured_table"), "row", "chosen")
    outbox(installed)
    installed.sql("insert into p values (1, 'eu'), (2, 'us')")
    equal(seen(installed), [("1",)], "through the parent")
    installed.trigperf("attach", "p", "--key", "id")
    outbox(installed)
    installed.sql("insert into p values (8, 'eu')")
    equal([change[0] for change in outbox(installed)], ["p_eu", "p"], "both are told")
    installed.trigperf("detach", "p")
    installed.trigperf("detach", "p_eu")
    equal(installed.value("select count(*) from pg_trigger where tgname like 'trigperf%'"), "0", "left")


@test("a foreign partition is refused")
def _(installed):
    installed.sql("""create foreign data wrapper dummy; create server dummy foreign data wrapper dummy;
        create table p(id int) partition by list (id);
        create foreign table p_far partition of p for values in (1) server dummy""")
    contains(installed.trigperf("attach", "p", "--key", "id", ok=1).err, "p_far", "error")


# --- types ----------------------------------------------------------------------------------------

@both("types without equality, as keys and as watched columns")
def _(db, shape):
    db.sql("""create table odd(id int, j json, p point, x xml);
              insert into odd values (1, '{"a": 1}', '(1,2)', '<a/>'), (2, '{"a":2}', '(3,4)', '<b/>')""")
    attach(db, "odd", "j", "p", "x", shape=shape)
    db.sql("update odd set id = id")
    equal(outbox(db), [], "nothing changed")
    db.sql("update odd set j = '{\"a\":1}' where id = 1")
    equal(seen(db), [('{"a": 1}', "(1,2)", "<a/>"), ('{"a":1}', "(1,2)", "<a/>")], "one row")
    db.sql("update odd set p = '(1.5,2)', x = '<c/>'")
    equal(len(seen(db)), 4, "tuples of two moved rows")
    db.sql("delete from odd")
    equal(len(seen(db)), 2, "deleted")
    equal(errors(db), [], "errors")


@both("images that equality does not tell apart")
def _(db, shape):
    db.sql("""create extension citext;
        create collation loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        create table e(id int primary key, c citext, n numeric, l text collate loose, f float8, b char(4),
                       j jsonb);
        insert into e select g, 'abc', 1.0, 'abc', 0.0, 'x', '{"a": 1.0}' from generate_series(1, 3) g""")
    attach(db, "e", "id", shape=shape, watch="c,n,l,f,j")
    for column, value in (("c", "'ABC'"), ("n", "1.00"), ("l", "'ABC'"), ("f", "'-0'::float8"),
                          ("j", "'{\"a\": 1.00}'")):
        db.sql(f"update e set {column} = {value} where id = 1")
        equal(seen(db), [("1",)], f"{column}, one row")
        db.sql(f"update e set {column} = {value} where id > 1")
        equal(seen(db), [("2",), ("3",)], f"{column}, several")
    db.trigperf("detach", "e")
    attach(db, "e", "c", "n", "l", "b", shape=shape)
    db.sql("update e set c = 'aBc', n = 1.000, l = 'aBc' where id = 1")
    equal(seen(db), [("ABC", "1.00", "ABC", "x"), ("aBc", "1.000", "aBc", "x")], "keys moved")
    db.sql("update e set c = 'abC' where id > 1")
    equal(seen(db), [("ABC", "1.00", "ABC", "x"), ("abC", "1.00", "ABC", "x")], "two rows moved")


@both("a primary key without an equality of the server's own")
def _(db, shape):
    db.sql("""create extension citext; create table c(name citext primary key, v int);
              insert into c values ('Ann', 1), ('Bob', 2)""")
    attach(db, "c", "name", shape=shape)
    db.sql("update c set v = v + 1")
    equal(seen(db), [("Ann",), ("Bob",)], "updated")
    db.sql("update c set name = upper(name::text)")
    equal(seen(db), [("ANN",), ("Ann",), ("BOB",), ("Bob",)], "case changed")


TYPES = """create type mood as enum ('sad', 'it''s ok'); create type pair as (a int, t timestamptz);
    create domain positive as int check (value > 0); create domain day as date; create domain uid as uuid;
    create table typed(id int primary key, ts timestamptz, tz timetz, t timestamp, d date, i interval,
        by bytea, f4 float4, f8 float8, m money, mood mood, pos positive, day day, uid uid, arr timestamptz[],
        pr pair, rng tstzrange, ip inet, bits varbit, c char(5), nm name, bo bool, iarr int[], p point)"""
TYPED = """insert into typed values (%d, '2024-03-01 12:30:00.5+01', '12:30+01', '2024-03-01 12:30', '2024-03-01',
    '1 day 2 hours', '\\x00ff', 0.1, 1e-7, '12.34', 'it''s ok', 3, '2024-12-31',
    '3F2504E0-4F89-41D3-9A0C-0305E82C3301', '{2024-03-01 00:00+00}', row(1, '2024-03-01 00:00+00'),
    '[2024-03-01 00:00+00,2024-03-02 00:00+00)', '10.0.0.1/8', B'101', 'ab', 'nm', true, '{1,NULL}', '(0.1,2)')"""
RENDERED = {
    "ts": "2024-03-01 11:30:00.5+00", "tz": "12:30:00+01", "t": "2024-03-01 12:30:00", "d": "2024-03-01",
    "i": "1 day 02:00:00", "by": "\\x00ff", "f4": "0.1", "f8": "1e-07", "m": "$12.34", "mood": "it's ok",
    "pos": "3", "day": "2024-12-31", "uid": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    "arr": '{"2024-03-01 00:00:00+00"}', "pr": '(1,"2024-03-01 00:00:00+00")',
    "rng": '["2024-03-01 00:00:00+00","2024-03-02 00:00:00+00")', "ip": "10.0.0.1/8", "bits": "101",
    "c": "ab", "nm": "nm", "bo": "true", "iarr": "{1,NULL}", "p": "(0.1,2)",
    "twice": "2024-03-01 11:30:00.5+00/1 day 02:00:00"}
SESSIONS = ["set timezone='America/New_York'; set datestyle='german'; set intervalstyle='iso_8601'; "
            "set bytea_output='escape'; set extra_float_digits=-10; set lc_monetary='C'",
            "set timezone='Asia/Tokyo'; set datestyle='sql, mdy'; set intervalstyle='sql_standard'; "
            "set search_path=''", ""]


@both("every session writes the same text")
def _(db, shape):
    db.sql(TYPES)
    names = [name for name in RENDERED if name != "twice"]
    for i in range(0, len(names), 8):
        part = names[i:i + 8]
        table = f"typed{i}"
        db.sql(f"create table {table}(like typed including all)")
        attach(db, table, *part, shape=shape)
        for n, settings in enumerate(SESSIONS):
            insert = (TYPED % n).replace("insert into typed", f"insert into public.{table}")
            expected = [tuple(RENDERED[name].replace("$12.34", "$12.34") for name in part)]
            db.sql("set lc_monetary = 'C'; " + insert.replace(f" values ({n},", f" values ({100 + n},"))
            first = seen(db)
            db.sql(f"{settings}; delete from public.{table} where id = {100 + n}")
            equal(seen(db), first, f"deleted under {settings!r}")
            equal(first, expected, "rendering")
        with db.session() as session:
            session.run((TYPED % 7).replace("insert into typed", f"insert into public.{table}"))
            session.run((TYPED % 8).replace("insert into typed", f"insert into public.{table}"))
            outbox(db)
            session.run(SESSIONS[0] + f"; update public.{table} set id = id + 20")
            equal(seen(db), expected, "two rows updated")
            session.run("set search_path = public")
            equal(session.run("show timezone"), "America/New_York", "the session's own setting")
    equal(errors(db), [], "errors")


@both("expressions as keys")
def _(db, shape):
    db.sql("""create table ex(id int primary key, email text, ts timestamptz, "Odd ""Name" int, v int);
              create schema lib; create function lib.half(int) returns int language sql as 'select $1 / 2'""")
    attach(db, "ex", "low=lower(email)", "day=ts::date", 'odd="Odd ""Name" + 1', "half=lib.half(id)",
           "sub=(select count(*) from pg_catalog.pg_class where oid = id::oid)",
           "quote='$capture$' || $tag$'$tag$ -- a comment", shape=shape, watch="v")
    db.sql("set timezone='Asia/Tokyo'; insert into ex values (4, 'A@B', '2024-03-01 23:00+00', 1, 0)")
    one = ("a@b", "2024-03-01", "2", "2", "0", "$capture$'")
    equal(seen(db), [one], "inserted")
    db.sql("update ex set email = 'a@B' where id = 4")
    equal(seen(db), [], "the expression is the same")
    db.sql("update ex set v = 1; update ex set email = 'new' where id = 4")
    equal(seen(db), sorted([one, ("new",) + one[1:]]), "moved")
    db.sql("insert into ex values (6, 'C', '2024-03-01', 1), (8, 'D', '2024-03-01', 1)")
    outbox(db)
    db.sql("update ex set email = email || '!' where id > 4")
    equal([one[0] for one in seen(db)], ["c", "c!", "d", "d!"], "two rows moved")
    db.sql("delete from ex")
    equal(len(seen(db)), 3, "deleted")
    equal(errors(db), [], "errors")


@test("what is no expression over the row is refused")
def _(installed):
    installed.sql("create table t(id int, a text)")
    for expression in ("1) + (2", "id) = (1", "a, id", "max(id)", "row_number() over ()", "generate_series(1, 2)",
                       "id; drop table t", "$1", "lower(", "nothing", "id /* open", "ctid",
                       "a) from t; delete from t; --", "'unclosed", "nowhere.f(id)"):
        result = installed.trigperf("attach", "t", "--key", f"k={expression}", ok=1)
        contains(result.err, '"k"', f"error of {expression!r}")
    equal(installed.rows("select count(*) from trigperf.captured_table"), [["0"]], "attached")


@both("values with quotes, newlines, emoji, braces, and a megabyte")
def _(db, shape):
    db.sql("create table v(k text)")
    attach(db, "v", "k", shape=shape)
    values = ["it's", 'say "x"', "a\nb\tc", "😀", "{a,b}", "\\N", "NULL", "", " ", ",", "x" * 1000000]
    for value in values:
        quoted = "'" + value.replace("'", "''") + "'"
        db.sql(f"insert into v values ({quoted}); insert into v values ({quoted}), ('other')")
        check((value,) in seen(db), f"{value[:20]!r} is missing")


@test("a statement with more text than readers should hold is told coarsely, and succeeds")
def _(installed):
    installed.sql("create table v(k text)")
    attach(installed, "v", "k")
    installed.sql("insert into v select g || repeat('x', 1000000) from generate_series(1, 20) g")
    equal([(op, n) for _, op, n, _ in outbox(installed)], [("B", 0)], "captured")
    equal(installed.value("select count(*) from v"), "20", "rows")


# --- failures of the keys -------------------------------------------------------------------------

@both("a key that cannot be computed: the statement succeeds, the table is told as a whole")
def _(db, shape):
    db.sql("create table f(id int primary key, d int)")
    attach(db, "f", "q=100 / d", shape=shape)
    db.sql("insert into f values (1, 0)")
    equal(ops(db), ["E"], "captured")
    db.sql("insert into f values (2, 0), (3, 5); update f set d = d + 1; delete from f where d = 1")
    check(set(ops(db)) <= {"E", "I", "U", "D"}, "captured")
    equal(db.value("select count(*) from f"), "1", "rows left")
    table, operation, state, message = errors(db)[0]
    equal((table, operation, state), ("public.f", "INSERT", "22012"), "logged")
    contains(message, "division by zero", "message")


@both("a column renamed, retyped or dropped after attach")
def _(db, shape):
    db.sql("create table r(id int primary key, k int, w text); insert into r values (1, 1, 'a'), (2, 2, 'b')")
    attach(db, "r", "id", "k", shape=shape, watch="w")
    with db.session() as warm:
        warm.run("update r set w = 'c' where id = 1; update r set w = 'c2'; update r set id = id")
        outbox(db)
        for change in ("alter table r rename column k to kk", "alter table r drop column kk"):
            db.sql(change)
            for session in (warm, db.session()):
                session.run("update r set w = w || 'x' where id = 1; update r set w = w || 'y'; "
                            "insert into r(id, w) values (3, 'n'); delete from r where id = 3")
                found = outbox(db)
                check({op for _, op, _, _ in found} == {"E"}, f"after {change}: {found!r}")
        equal(db.value("select count(*) from r"), "2", "rows")
        check(len(errors(db)) >= 8, "error log")
    db.trigperf("detach", "r")
    db.sql("alter table r add column k int")
    attach(db, "r", "id", "k", shape=shape, watch="w")
    with db.session() as warm:
        warm.run("update r set w = 'warm' where id = 1; update r set w = 'warm2'")
        outbox(db)
        db.sql("alter table r alter column k type bigint, alter column w type varchar(90)")
        for number, session in enumerate((warm, db.session())):
            session.run(f"update r set k = 3000000000 + {number} where id = 1; update r set w = 'z{number}'")
            found = outbox(db)
            if shape == "row" and session is warm:  # PL/pgSQL knows the old type until the session ends
                check({op for _, op, _, _ in found} <= {"E", "U"}, f"retyped: {found!r}")
            else:
                check({("1", f"{3000000000 + number}"), ("2", None)} <= set(tuples(found)), f"retyped: {found!r}")


@both("a watched column whose type becomes one that hides changes: none is missed")
def _(db, shape):
    db.sql("""create collation nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
              create table w(id int primary key, a int not null, b text, c uuid, d date);
              insert into w values (1, 1, 'x'), (2, 1, 'x')""")
    attach(db, "w", "id", shape=shape, watch="a,b,c,d")
    db.sql("""alter table w alter a type numeric, alter b type text collate nocase, alter c type text,
              alter d type float""".replace("alter d type float", "drop d, add d float"))
    with db.session() as session:
        for change in ("a = 1.0", "a = 1.00", "b = 'X'", "c = 'x'", "d = 0", "d = '-0'"):
            session.run(f"update w set {change} where id = 1; update w set {change}")
            check(len(outbox(db)) >= 2, f"{change} is told, as keys or coarsely")
    db.trigperf("detach", "w")
    attach(db, "w", "id", shape=shape, watch="a,b,c,d")
    for change in ("a = 1.0", "b = 'x'", "d = 0"):
        db.sql(f"update w set {change} where id = 1")
        equal(seen(db), [("1",)], f"attached anew: {change}")


@both("NULL in watched and key columns that may be NULL, and in one that was NOT NULL")
def _(db, shape):
    db.sql("""create type mood as enum ('sad', 'glad');
              create table n(id int primary key, k int, s text, m mood, u uuid, d date, at timestamp, b boolean,
                             y bytea, z int not null default 0);
              insert into n select g from generate_series(1, 3) g""")
    attach(db, "n", "id", "k", shape=shape, watch="s,m,u,d,at,b,y,z")
    values = {"s": "'x'", "m": "'sad'", "u": "gen_random_uuid()", "d": "'2024-02-03'", "at": "'2024-02-03'",
              "b": "false", "y": "'x'"}
    for column, value in values.items():
        for number, where in enumerate(("id = 1", "true")):
            told = [(str(i), None) for i in ([1] if number == 0 else [1, 2, 3])]
            db.sql(f"update n set {column} = null where {where}")
            equal(seen(db), [], f"{column} stays null")
            db.sql(f"update n set {column} = {value} where {where}")
            equal(seen(db), told, f"{column} is set")
            db.sql(f"update n set {column} = {column} where {where}")
            equal(seen(db), [], f"{column} stays")
            db.sql(f"update n set {column} = null where {where}")
            equal(seen(db), told, f"{column} is null again")
    db.sql("update n set k = null where id = 1; update n set k = null")
    equal(seen(db), [], "the key stays null")
    db.sql("update n set k = 7 where id = 1")
    equal(seen(db), [("1", None), ("1", "7")], "the key moves")
    db.sql("alter table n alter z drop not null; update n set z = null where id < 3")
    equal(len(seen(db)) >= 2, True, "what may be NULL now")
    db.sql("update n set z = 5; ")
    equal(seen(db), [("1", "7"), ("2", None), ("3", None)], "set from NULL and from a value")
    equal(errors(db), [], "errors")


@both("a hundred failures take one transaction id")
def _(db, shape):
    db.sql("create table f(id int primary key, d int)")
    attach(db, "f", "q=100 / d", shape=shape)
    with db.session() as session:
        session.run("begin")
        session.run(" ".join(f"insert into f values ({i}, 0);" for i in range(100)))
        used = session.run("select pg_current_xact_id()")
        session.run("commit")
        equal(int(session.run("select pg_current_xact_id()")) - int(used), 1, "ids used")
    equal((len(errors(db)), ops(db).count("E")), (100, 100), "told")


@test("an error is not the end: the next good statement is captured key by key")
def _(installed):
    installed.sql("create table f(id int primary key, d int)")
    attach(installed, "f", "q=100 / d")
    with installed.session() as session:
        session.run("begin; insert into f values (1, 0); insert into f values (2, 5); commit")
        equal([change[1] for change in outbox(installed)], ["E", "I"], "captured")


# --- transactions ---------------------------------------------------------------------------------

@both("a hundred captured statements take one transaction id")
def _(db, shape):
    db.sql(CALLS)
    db.sql("insert into calls select g, g from generate_series(1, 100) g")
    attach(db, "calls", "id", "low=lower(note)", shape=shape)
    with db.session() as session:
        session.run("begin")
        for i in range(1, 101):
            session.run(f"update calls set note = 'N{i}' where id = {i}")
        used = session.run("select pg_current_xact_id()")
        session.run("commit")
        equal(int(session.run("select pg_current_xact_id()")) - int(used), 1, "ids used")
    equal(len(seen(db)), 200, "tuples")


@both("rolled back changes and savepoints leave nothing, held ones come under one id")
def _(db, shape):
    db.sql(CALLS)
    attach(db, "calls", "id", shape=shape)
    db.sql("begin; insert into calls values (1); rollback")
    equal(outbox(db), [], "rolled back")
    xid = db.sql("""begin; insert into calls values (2); savepoint a; insert into calls values (3);
                    rollback to a; savepoint b; insert into calls values (4); release b;
                    select pg_current_xact_id(); commit""")
    equal(db.value("select array_agg(distinct xid)::text from trigperf.outbox"), "{" + xid + "}", "xid")
    equal(db.value("""select string_agg(distinct tableoid::regclass::text, ' ') from trigperf.outbox"""),
          f"trigperf.outbox_{(int(xid) >> 17) & 3}", "part")
    equal(seen(db), [("2",), ("4",)], "captured")


@both("copy, merge, on conflict, cascades, deferred constraints, nested triggers")
def _(db, shape):
    db.sql("""create table a(id int primary key, v int, seen int default 0);
        create table b(id int primary key, a int references a on delete cascade on update cascade
                       deferrable initially deferred);
        create function touch() returns trigger language plpgsql as
            'begin if pg_trigger_depth() = 1 then update a set seen = seen + 1 where id = new.id; end if;
                   return new; end';
        create trigger zz_touch after update on a for each row execute function touch()""")
    attach(db, "a", "id", shape=shape)
    attach(db, "b", "id", "a", shape=shape)
    db.sql("copy a(id, v) from stdin;\n1\t1\n2\t2\n\\.\n")
    equal(seen(db, "I"), [("1",), ("2",)], "copy")
    db.sql("insert into a(id, v) values (2, 9), (3, 3) on conflict (id) do update set v = excluded.v")
    found = outbox(db)
    equal(tuples(found, "I"), [("3",)], "inserted on conflict")
    equal(tuples(found, "U"), [("2",)], "updated on conflict, and by the trigger")
    db.sql("""merge into a using (values (1, 5), (7, 7)) s(id, v) on a.id = s.id
              when matched then update set v = s.v when not matched then insert (id, v) values (s.id, s.v)""")
    found = outbox(db)
    equal((tuples(found, "I"), tuples(found, "U")), ([("7",)], [("1",)]), "merge")
    db.sql("begin; insert into b values (10, 99); insert into a values (99, 1); commit")
    outbox(db)
    db.sql("update a set id = 98 where id = 99")
    found = {(table, op) for table, op, _, _ in outbox(db)}
    check(("b", "U") in found and ("a", "U") in found, f"cascaded update: {found!r}")
    db.sql("delete from a where id = 98")
    equal({(table, op) for table, op, _, _ in outbox(db)}, {("a", "D"), ("b", "D")}, "cascaded delete")
    equal(errors(db), [], "errors")


@test("a plan made for one row serves ten thousand")
def _(installed):
    installed.sql("create table t(id int primary key, a int, b int); create table u(a int, b int)")
    installed.sql("insert into t select g, g from generate_series(1, 10000) g; insert into u select id, id from t")
    for table, key in (("t", "id"), ("u", "a")):
        installed.trigperf("-o", "capture.max_keys=20000", "attach", table, "--key", key, "--watch", "b",
                           "--granularity", "statement")
    outbox(installed)
    with installed.session() as session:
        for table in ("t", "u"):
            session.run(f"update {table} set b = -1 where a = 1; update {table} set b = -1 where a in (2, 3)")
            outbox(installed)

            def linear(_):
                took = []
                for count in (2500, 10000):
                    began = time.monotonic()
                    session.run(f"update {table} set b = coalesce(b, 0) + 1 where a <= {count}")  # pylint: disable=cell-var-from-loop
                    took.append(time.monotonic() - began)
                    equal(len(seen(installed)), count, "tuples")
                check(took[1] < 10 * took[0], f"quadratic time: {took}")

            attempts(range(20), linear)


# --- rights ---------------------------------------------------------------------------------------

@both("a writer needs no right on the schema")
def _(db, shape):
    role = f"writer_{db.name}"
    db.sql(CALLS)
    attach(db, "calls", "id", "low=lower(note)", shape=shape)
    db.sql(f"create role {role} login; grant all on calls to {role}")
    writer = db.as_user(role)
    writer.sql("insert into calls values (1), (2); update calls set note = 'X' where id = 1; delete from calls")
    writer.sql("insert into calls values (3)")
    contains(writer.fails("select * from trigperf.outbox"), "permission denied", "reading")
    contains(writer.fails("insert into trigperf.outbox_0(table_id, op) values (1, 'B')"),
             "permission denied", "writing")
    db.sql(f"grant usage on schema trigperf to {role}")
    contains(writer.fails("""create temp table forge(id bigint, note text);
        create trigger f after truncate on forge execute function trigperf.capture_1()"""),
             "permission denied for function", "borrowing the function")
    check(("3", None) in seen(db), "captured")
    db.sql(f"drop owned by {role}; drop role {role}")


HOSTILE = """
create function {s}.evil_bool(anyelement, anyelement) returns boolean language plpgsql as
    $$ begin insert into public.stolen values (current_user); return false; end $$;
create function {s}.evil_int(int, int) returns boolean language plpgsql as
    $$ begin insert into public.stolen values (current_user); return false; end $$;
create function {s}.evil_text(text, text) returns boolean language plpgsql as
    $$ begin insert into public.stolen values (current_user); return false; end $$;
create function {s}.evil_record(record, record) returns boolean language plpgsql as
    $$ begin insert into public.stolen values (current_user); return false; end $$;
create function {s}.evil_bigint(bigint, bigint) returns boolean language plpgsql as
    $$ begin insert into public.stolen values (current_user); return false; end $$;
create operator {s}.= (leftarg = bigint, rightarg = bigint, function = {s}.evil_bigint, hashes, merges);
create operator {s}.= (leftarg = int, rightarg = int, function = {s}.evil_int);
create operator {s}.> (leftarg = int, rightarg = int, function = {s}.evil_int);
create operator {s}.= (leftarg = text, rightarg = text, function = {s}.evil_text);
create operator {s}.= (leftarg = anyelement, rightarg = anyelement, function = {s}.evil_bool);
create operator {s}.*<> (leftarg = record, rightarg = record, function = {s}.evil_record);
create operator {s}.*= (leftarg = record, rightarg = record, function = {s}.evil_record);
create operator {s}.<= (leftarg = bigint, rightarg = bigint, function = {s}.evil_bigint);
create function {s}.int8eq(bigint, bigint) returns boolean language plpgsql as
    $$ begin insert into public.stolen values (current_user); return true; end $$;
create function {s}.texteq(text, text) returns boolean language plpgsql as
    $$ begin insert into public.stolen values (current_user); return true; end $$;
create function {s}.array_cat(bigint[], bigint[]) returns bigint[] language plpgsql as
    $$ begin insert into public.stolen values (current_user); return null; end $$;
create function {s}.outbox_coarse(int, "char") returns void language plpgsql as
    $$ begin insert into public.stolen values (current_user); end $$;
create operator {s}.<> (leftarg = text, rightarg = text, function = {s}.evil_text);
create function {s}.left(text, int) returns text language plpgsql as
    $$ begin insert into public.stolen values (current_user); return 'Z'; end $$;
create function {s}.lower(text) returns text language plpgsql as
    $$ begin insert into public.stolen values (current_user); return 'Z'; end $$;
create function {s}.txid_current() returns bigint language plpgsql as
    $$ begin insert into public.stolen values (current_user); return 1; end $$;
create function {s}.count_step(bigint) returns bigint language sql as 'select 0::bigint';
create aggregate {s}.count(*) (sfunc = count_step, stype = bigint, initcond = '0');
create domain {s}.text as int; create domain {s}.uuid as int; create domain {s}.record as int;
create table {s}.tp_old(id int); create table {s}.tp_new(id int);
"""


@both("a hostile search_path changes nothing and gains nothing")
def _(db, shape):
    role = f"hostile_{db.name}"
    db.sql(CALLS)
    db.sql(f"""create table named(like calls including all); create table keyless(like calls);
               create role {role} login; grant all on calls, named, keyless to {role};
               create schema {role} authorization {role}; create table stolen(by text);
               grant all on stolen to public; grant truncate on calls, named, keyless to {role}; grant create, temporary on database {db.name} to {role}""")
    # Without expressions the function sets no search_path of its own: its text alone protects it.
    attach(db, "calls", "id", "user_id", "agent", "note", shape=shape)
    attach(db, "keyless", "id", "user_id", "agent", "note", shape=shape, watch="note,status")
    attach(db, "named", "id", "user_id", "agent", "low=lower(note)", shape=shape)
    equal(db.value("select count(*) from pg_proc where proname ~ '^capture_' and proconfig is null"), "2",
          "functions without settings")
    hostile = db.as_user(role)
    hostile.sql(f"set search_path = {role}, pg_catalog;" + HOSTILE.format(s=role)
                .replace("sfunc = count_step", f"sfunc = {role}.count_step"))
    with hostile.session() as session:
        session.run(f"""create temp table tp_old(id int); create temp table tp_new(id int);
            create temp table outbox_0(slot int); set search_path = {role}, pg_temp, public, pg_catalog""")
        for table, note in (("calls", str), ("keyless", str), ("named", str.lower)):
            session.run(f"""insert into public.{table}(id, user_id, note) values (1, 7, 'N');
                            insert into public.{table}(id, user_id, note) values (2, 8, 'M'), (3, 9, 'M')""")
            equal(seen(db, "I"), [("1", "7", None, note("N")), ("2", "8", None, note("M")),
                                  ("3", "9", None, note("M"))], "inserted")
            session.run(f"update public.{table} set note = 'O' where id operator(pg_catalog.=) 1")
            equal(seen(db), [("1", "7", None, note("N")), ("1", "7", None, note("O"))], "updated")
            session.run(f"update public.{table} set user_id = user_id operator(pg_catalog.+) 1")
            equal(len(seen(db)), 6, "moved")
            session.run(f"update public.{table} set note = 'P'; update public.{table} set status = 's'")
            check(len(seen(db)) >= 3, "updated all")
            session.run(f"delete from public.{table} where id operator(pg_catalog.=) 1; "
                        f"delete from public.{table}")
            equal(len(seen(db, "D")), 3, "deleted")
            session.run(f"truncate public.{table}")
            equal(ops(db), ["T"], "truncated")
    equal(db.rows("select * from stolen"), [], "calls under another role")
    equal(errors(db), [], "errors")
    db.sql(f"drop owned by {role}; drop role {role}")


@both("expressions run with the rights of the table's owner, not of the installer or the writer")
def _(db, shape):
    owner, writer = f"owner_{db.name}", f"writer_{db.name}"
    db.sql(f"""create role {owner} login; create role {writer} login;
               create schema s authorization {owner}; grant usage on schema s to {writer}""")
    db.as_user(owner).sql(f"""create table s.t(id int primary key); grant all on s.t to {writer};
        create function s.who(int) returns text language sql as 'select current_user::text'""")
    attach(db, "s.t", "who=s.who(id)", shape=shape)
    equal(db.value(f"select has_schema_privilege('{owner}', 'trigperf', 'create')"), "f", "create on the schema")
    equal(db.value("select proowner::regrole from pg_proc where proname = 'capture_1'"), owner, "owner")
    db.as_user(writer).sql("insert into s.t values (1), (2); insert into s.t values (3)")
    equal(seen(db), [(owner,)], "captured")
    db.as_user(owner).sql("insert into s.t values (4); update s.t set id = 5 where id = 4")
    equal(seen(db), [(owner,)], "captured")
    contains(db.as_user(owner).fails("select * from trigperf.captured_table"), "permission denied", "reading")
    db.as_user(owner).sql("create table s.u(id int)")
    attach(db, "s.u", "id", shape=shape)
    db.trigperf("detach", "s.t")
    db.as_user(owner).sql("insert into s.u values (1)")
    equal(seen(db), [("1",)], "captured with the rights that stay for another table")
    db.sql(f"grant select on trigperf.outbox to {owner}")
    db.trigperf("detach", "s.u")
    equal(db.as_user(owner).value("select count(*) from trigperf.outbox"), "0", "what it has for another purpose")
    db.sql(f"revoke select on trigperf.outbox from {owner}")
    attach(db, "s.t", "id", shape=shape)
    db.trigperf("detach", "s.t")
    db.sql(f"drop schema s cascade; drop role {owner}, {writer}")


@test("the database's owner installs and attaches without being superuser")
def _(db):
    role = f"dba_{db.name}"
    db.sql(f"create role {role} login; alter database {db.name} owner to {role}")
    dba = db.as_user(role)
    dba.trigperf("install")
    dba.sql("create schema app; create table app.t(id int primary key, ts timestamptz)")
    attach(dba, "app.t", "id", "ts", "day=ts::date")
    dba.sql("insert into app.t values (1, '2024-01-01 00:00+00')")
    equal(seen(dba), [("1", "2024-01-01 00:00:00+00", "2024-01-01")], "captured")
    dba.trigperf("detach", "app.t")
    dba.trigperf("uninstall")
    db.sql(f"drop schema app cascade; reassign owned by {role} to postgres; drop owned by {role}; drop role {role}")


@test("an installer who is a member of the table's owner attaches without being superuser")
def _(db):
    dba, owner = f"dba_{db.name}", f"app_{db.name}"
    db.sql(f"""create role {owner} login; create role {dba} login; grant {owner} to {dba};
               grant create on database {db.name} to {dba}; create schema app authorization {owner}""")
    db.as_user(owner).sql("create table app.t(id int primary key)")
    installer = db.as_user(dba)
    installer.trigperf("install")
    attach(installer, "app.t", "id", "twice=id * 2")
    equal(db.value("select proowner::regrole from pg_proc where proname = 'capture_1'"), owner, "owner")
    equal(db.value(f"select has_schema_privilege('{owner}', 'trigperf', 'create')"), "f", "create on the schema")
    db.as_user(owner).sql("insert into app.t values (1)")
    equal(seen(db), [("1", "2")], "captured")
    installer.trigperf("detach", "app.t")
    attach(installer, "app.t", "id", shape="row")
    installer.trigperf("uninstall")
    equal(db.rows("select tgname from pg_trigger where tgname ~ 'trigperf'"), [], "triggers left")
    db.sql(f"drop schema app cascade; drop owned by {owner}, {dba}; drop role {owner}, {dba}")


# --- granularity ----------------------------------------------------------------------------------

@test("auto takes row triggers where the statistics show single rows, and says so")
def _(installed):
    installed.sql("""create table oltp(id int primary key, v int); create table bulk(id int primary key, v int);
        insert into oltp values (1, 0); insert into bulk select g from generate_series(1, 500) g""")
    with installed.session() as session:
        for _ in range(1100):
            session.run("update oltp set v = v + 1 where id = 1")
        for _ in range(10):
            session.run("update bulk set v = id")
        session.run("select pg_stat_force_next_flush(); select 1")
    attach(installed, "oltp", "id", shape="auto")
    attach(installed, "bulk", "id", shape="auto")
    rows = installed.rows("select granularity, granularity_reason from trigperf.captured_table order by id")
    equal([row[0] for row in rows], ["row", "statement"], f"chosen: {rows!r}")
    contains(rows[0][1], "single rows", "reason")


if __name__ == "__main__":
    harness.main(options=["-c autovacuum=off"])  # which takes transaction ids, and these count them
