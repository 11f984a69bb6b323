#!/usr/bin/python3
# suite: versions
# suite: sanitize
"""A declarative file brought to the database: the plan, doing it, and the way back."""

import json
import os

import harness
from harness import check, contains, equal, test

SCHEMA = """create table calls(id int primary key, user_id int, agent_id int, status text, email text, "odd,name" text);
            create table users(id int primary key, name text)"""
FILE = """
# everything that we cache
[table public.calls]
keys = user_id, id,
    agent_id
key.mail = lower(email)
watch = status, "odd,name"
granularity = statement
rule = dashboard:{user_id}
rule on insert,delete = count:{user_id}
rule on update every 60s = call:{id}

[table users]
keys = id
rule = user:{id}

[scope call]
rule = detail:{id}
rule on delete every 500ms = gone:{id}
"""


class Files:
    """Files for the command, and what the database holds."""

    def __init__(self, db, tmp):
        self.db, self.tmp, self.number = db, tmp, 0

    def path(self, text=None):
        self.number += 1
        path = os.path.join(self.tmp, f"{self.number}.ini")
        if text is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        return path

    def apply(self, text, *more, ok=True):
        return self.db.trigperf("apply", self.path(text), *more, ok=ok)


def tables(db):
    return db.rows("""select schema_name, table_name, key_names, key_exprs, watch, granularity, max_keys
                      from trigperf.captured_table order by 1, 2""")


def rules(db):
    return db.rows("""select coalesce(t.table_name, r.scope), r.template, r.ops, r.min_interval_ms
        from trigperf.cascade_rule r left join trigperf.captured_table t on t.id = r.table_id order by 1, 2""")


def state(db):
    """Everything that apply may touch, down to the numbers of the rows."""
    return (db.rows("select c::text from trigperf.captured_table c order by 1"),
            db.rows("select r::text from trigperf.cascade_rule r order by 1"),
            db.rows("select tgrelid::regclass, tgname, tgenabled, oid from pg_trigger where not tgisinternal order by 1, 2"),
            db.rows("select * from trigperf.setting order by 1"))


def fresh(db, tmp):
    db.sql(SCHEMA)
    return Files(db, tmp)


@test("a file is planned, applied, and changes nothing the second time")
def _(installed, tmp):
    files = fresh(installed, tmp)
    before = state(installed)
    plan = files.apply(FILE, "--dry-run")
    for part in ("# attach table public.calls\n", "# attach table public.users\n", "# change the rules of scope call\n",
                 "+ rule detail:{id}", "# 3 of 3 would change\n"):
        contains(plan.out, part, "plan")
    equal(state(installed), before, "after a dry run")
    done = files.apply(FILE)
    check(done.out.startswith(plan.out), f"plan of the real run: {done!r}")
    equal(tables(installed), [
        ["public", "calls", "{user_id,id,agent_id,mail}", "{NULL,NULL,NULL,lower(email)}", '{status,"odd,name"}',
         "statement", "1000"],
        ["public", "users", "{id}", "{NULL}", "{}", "statement", "1000"]], "tables")
    equal(rules(installed), [
        ["call", "detail:{id}", "{}", None], ["call", "gone:{id}", "{delete}", "500"],
        ["calls", "call:{id}", "{update}", "60000"], ["calls", "count:{user_id}", "{delete,insert}", None],
        ["calls", "dashboard:{user_id}", "{}", None], ["users", "user:{id}", "{}", None]], "rules")
    after = state(installed)
    again = files.apply(FILE)
    contains(again.out, "# nothing would change\n", "second time")
    check("[table" not in again.out, "an undo of nothing")
    equal(state(installed), after, "after the second time")
    with installed.tail_start("--follow") as tail:
        tail.next()
        installed.sql("insert into calls values (5, 7); update calls set status = 'x'; insert into users values (3)")
        tail.until_keys(["dashboard:7", "count:7", "call:5", "detail:5", "user:3"])


@test("rules are changed in place, what else differs is attached anew, and says why")
def _(installed, tmp):
    files = fresh(installed, tmp)
    files.apply(FILE)
    ids = installed.rows("select id from trigperf.captured_table order by 1")
    text = FILE.replace("rule = dashboard:{user_id}", "rule = board:{user_id}").replace("every 60s", "every 2m") \
               .replace("rule = detail:{id}\n", "")
    plan = files.apply(text).out
    for part in ("# change the rules of table public.calls", "+ rule board:{user_id}", "~ rule call:{id}",
                 "- rule dashboard:{user_id}", "# leave as it is table public.users", "- rule detail:{id}"):
        contains(plan, part, "plan")
    equal(installed.rows("select id from trigperf.captured_table order by 1"), ids, "numbers of the tables")
    equal([row for row in rules(installed) if row[0] in ("call", "calls")],
          [["call", "gone:{id}", "{delete}", "500"], ["calls", "board:{user_id}", "{}", None],
           ["calls", "call:{id}", "{update}", "120000"], ["calls", "count:{user_id}", "{delete,insert}", None]], "rules")
    for old, new, why in (("watch = status,", "watch = email,", "watched"), ("lower(email)", "upper(email)", "keys"),
                          ("agent_id\n", "status\n", "keys"), ("granularity = statement", "granularity = row", "granularity")):
        text = text.replace(old, new)
        plan = files.apply(text).out
        contains(plan, "# detach and attach table public.calls\n", "plan")
        contains(plan, f"because: other {why}", "plan")
        contains(files.apply(text, "--dry-run").out, "nothing would change", "afterwards")
    equal(tables(installed)[0][2:6], ["{user_id,id,status,mail}", "{NULL,NULL,NULL,upper(email)}",
                                      '{email,"odd,name"}', "row"], "table")


@test("triggers that are missing or disabled, and tables made anew or renamed, are mended")
def _(installed, tmp):
    files = fresh(installed, tmp)
    text = "[table users]\nkeys = id\nrule = user:{id}\n"
    files.apply(text)
    for change, why in (("alter table users disable trigger trigperf_capture_update", "disabled"),
                        ("drop trigger trigperf_capture_insert on users", "missing"),
                        ("drop table users; create table users(id int)", "made anew"),
                        ("alter table users rename to people; create table users(id int)", "renamed")):
        installed.sql(change)
        plan = files.apply(text).out
        contains(plan, why, f"plan after {change}")
        equal(json.loads(installed.trigperf("status", "--format", "json").out)["tables"][0]["state"], "ok", "state")
        equal(installed.value("select count(*) from trigperf.captured_table"), "1", "attached")
        contains(files.apply(text).out, "nothing would change", "afterwards")
    contains(files.apply("[table people]\nkeys = id\n", "--dry-run").out, "attach table public.people", "another name")


@test("tables that were dropped or renamed are pruned by the name that the registry has")
def _(installed, tmp):
    files = fresh(installed, tmp)
    installed.sql("create schema other; create table other.calls(id int)")
    for table in ("calls", "users", "other.calls"):
        installed.attach(table, "--key", "id")
    installed.sql("alter table calls rename to people; drop table users")
    contains(installed.trigperf("detach", "calls", ok=1).err, "not attached", "a short name of another table")
    files.apply("[table other.calls]\nkeys = id\n", "--prune")
    equal([row[:2] for row in tables(installed)], [["other", "calls"]], "tables")
    equal(installed.value("select count(*) from pg_trigger where tgrelid = 'people'::regclass"), "0", "triggers left")


@test("what the file does not name stays, unless it is pruned")
def _(installed, tmp):
    files = fresh(installed, tmp)
    files.apply(FILE)
    text = "[table public.users]\nkeys = id\nrule = user:{id}\n"
    kept = files.apply(text).out
    contains(kept, "# leave, for the file does not name it: table public.calls", "plan")
    contains(kept, "# leave, for the file does not name it: scope call", "plan")
    contains(kept, "# nothing would change", "plan")
    before = state(installed)
    contains(files.apply(text, "--prune", "--dry-run").out, "# detach, for the file does not name it: table public.calls", "plan")
    equal(state(installed), before, "after a dry run")
    files.apply(text, "--prune")
    equal([row[1] for row in tables(installed)], ["users"], "tables")
    equal([row[1] for row in rules(installed)], ["user:{id}"], "rules")
    files.apply("", "--prune")
    equal((tables(installed), rules(installed)), ([], []), "left by an empty file")


def round_trip(files, text):
    """Applies the text, and takes it back with what that printed."""
    db = files.db
    before = (tables(db), rules(db))
    undo = files.apply(text, "--prune").out
    check((tables(db), rules(db)) != before, "nothing changed")
    db.trigperf("apply", files.path(undo), "--prune")
    equal((tables(db), rules(db)), before, f"after taking it back with {undo}")


@test("the former state is a file that brings it back")
def _(installed, tmp):
    files = fresh(installed, tmp)
    round_trip(files, FILE)
    files.apply(FILE)
    round_trip(files, "[table users]\nkeys = id, name\n")
    round_trip(files, FILE.replace("upper", "lower").replace("watch = status, ", "watch = ").replace("every 60s ", ""))
    path = files.path()
    installed.trigperf("apply", files.path(""), "--prune", "--undo", path)
    equal(tables(installed), [], "tables")
    refused = installed.trigperf("apply", files.path(FILE), "--undo", path, ok=1)
    contains(refused.err, "nothing was done", "error")
    equal(tables(installed), [], "tables")
    installed.trigperf("apply", path)
    equal(len(rules(installed)), 6, "rules")


@test("odd names, expressions and templates survive the way back")
def _(installed, tmp):
    files = fresh(installed, tmp)
    installed.sql('create schema "My ]Schema"; create table "My ]Schema"."a=b.""c"("x=y" int, "a""b" int, "#" text, "[" text)')
    long = "n" * 63
    installed.sql(f"create schema {long}; create table {long}.{long}({long} int)")
    installed.attach('"My ]Schema"."a=b.""c"', "--key", '"x=y"', "--key", "k=  \"#\" || ' ;' ||\n ' #' -- odd",
                     "--key", '"a""b"', "--key", "[", "--watch", '"#","["', "--rule", 'a "b" # c:{x=y}',
                     "--rule", "two\nlines", "--rule", 'json "x"', "--rule", " blank ")
    installed.attach(f"{long}.{long}", "--key", long, "--rule", "x" * 3000 + "{" + long + "}")
    installed.trigperf("rules", "add", "--scope", 'a "b" # c', "deep:{x=y}")
    round_trip(files, FILE)
    dump = files.apply("", "--prune").out
    installed.trigperf("apply", files.path(dump))
    contains(installed.trigperf("apply", files.path(dump)).out, "nothing would change", "again")


@test("capture.max_keys stays when a table is attached anew")
def _(installed, tmp):
    files = fresh(installed, tmp)
    installed.trigperf("-o", "capture.max_keys=7", "attach", "users", "--key", "id")
    files.apply("[table users]\nkeys = id\nwatch = name\n")
    equal(tables(installed)[0][6], "7", "max_keys")


@test("sample_rate: the file's, else the table's own, else the database's")
def _(installed, tmp):
    files = fresh(installed, tmp)

    def rate():
        return installed.value("select sample_rate from trigperf.captured_table where table_name = 'users'")

    text = "[table users]\nkeys = id\n"
    installed.trigperf("attach", "users", "--key", "id", "--sample-rate", "0.0625")
    installed.sql("update trigperf.setting set value = '0.25' where name = 'sample_rate'")
    contains(files.apply(text).out, "nothing would change", "without a word")
    files.apply(text + "watch = name\n")
    equal(rate(), "0.0625", "attached anew for another reason")
    before = files.path()
    contains(files.apply(text + "watch = name\nsample_rate = 0.5\n", "--undo", before).out, "other sample_rate", "plan")
    equal(rate(), "0.5", "the file's")
    installed.trigperf("apply", before, "--prune")
    equal(rate(), "0.0625", "brought back")
    files.apply(text + "granularity = wal\n")
    equal(rate(), None, "of a table of the log")
    files.apply(text)
    equal(rate(), "0.25", "the database's")


@test("isolation, limits and replicated rows: set, changed, taken back, and brought back by the undo")
def _(installed, tmp):
    files = fresh(installed, tmp)
    settings = "select isolate, max_keys, replicated, granularity from trigperf.captured_table"
    text = "[table users]\nkeys = id\n"
    files.apply(text)
    equal(installed.rows(settings), [["keys", "1000", "f", "statement"]], "as it is without a word")
    before = files.path()
    plan = files.apply(text + "isolate = full\nmax_keys = 20\nreplicated = on\n", "--undo", before).out
    for why in ("other isolation", "other max_keys", "replicated rows"):
        contains(plan, f"because: {why}", "plan")
    equal(installed.rows(settings), [["full", "20", "t", "row"]], "as asked for")
    contains(files.apply(text + "isolate = full\nreplicated = on\n").out, "nothing would change", "again")
    after = files.path()
    installed.trigperf("apply", before, "--prune", "--undo", after)
    equal(installed.rows(settings), [["keys", "1000", "f", "statement"]], "brought back")
    installed.trigperf("apply", after, "--prune")
    equal(installed.rows(settings), [["full", "20", "t", "row"]], "and forth")
    contains(files.apply(text).out, "no replicated rows any more", "plan")
    equal(installed.rows(settings), [["keys", "20", "f", "statement"]], "without a word")
    contains(files.apply(text + "replicated = on\ngranularity = statement\n", ok=1).err, "row triggers alone", "refusal")


@test("mistakes are named with their line, and nothing is done")
def _(installed, tmp):
    files = fresh(installed, tmp)
    before = state(installed)
    good = "[table users]\nkeys = id\n"
    for text, code, says in (
            ("keys = id\n", 2, "line 1"), (good + "nonsense\n", 2, "line 3"), (good + "[tabel x]\n", 2, "[tabel x]"),
            (good + "colour = red\n", 2, "colour"), (good + "granularity = big\n", 2, "big"),
            (good + "isolate = half\n", 2, "half"), (good + "max_keys = many\n", 2, "many"),
            (good + "replicated = off\n", 2, "off"),
            (good + "watch = a,,b\n", 2, "line 3"), (good + "keys = id\n", 2, "twice"), (good + good, 2, "twice"),
            (good + "rule = a:{id\n", 2, "a:{id"), (good + "rule = a:{id} # note\n", 2, "comments"),
            (good + "rule on sleep = a\n", 2, "sleep"), (good + "rule every soon = a\n", 2, "soon"),
            (good + "rule when = a\n", 2, "when"), ("[scope a]\nkeys = id\n", 2, "keys"), ("[table users\n", 2, "]"),
            (" x\n", 2, "line 1"), (good + 'rule = json "x\n', 2, "JSON"), (good + "[table public.users]\nkeys = name\n", 2, "already"),
            (good + "[table none]\nkeys = id\n", 1, "[table none]"), (good + "[table calls]\nkeys = nothing\n", 1, "nothing"),
            (good + "rule = a:{nothing}\n", 1, "nothing"), (good + "rule = a\nrule on insert = a\n", 1, "twice"),
            (good + "key.k = lower(\n", 1, '"k"'), (good + "[scope a]\nrule = a:{id}\n", 1, "cycle")):
        result = files.apply(text, ok=code)
        contains(result.err, says, f"error of {text!r}")
        equal(result.out, "", "standard output")
        equal(state(installed), before, f"after {text!r}")
    contains(installed.trigperf("apply", "/nonexistent.ini", ok=1).err, "/nonexistent.ini", "error")


@test("a table that is locked fails alone, and nothing of it is half done")
def _(installed, tmp):
    files = fresh(installed, tmp)
    files.apply(FILE)
    text = FILE.replace("lower(email)", "upper(email)").replace("keys = id\n", "keys = id, name\n")
    calls = [row for row in state(installed)[0] if "calls" in row[0]]
    with installed.session() as holder:
        holder.run("begin; select * from calls")
        result = files.apply(text, ok=1)
        contains(result.err, "lock", "error")
        contains(result.err, "public.calls is as it was", "error")
        contains(result.err, "1 of 3 changed, 1 failed", "error")
        holder.run("rollback")
    equal([row for row in state(installed)[0] if "calls" in row[0]], calls, "the locked table")
    equal(tables(installed)[1][2], "{id,name}", "the other table")
    contains(files.apply(text, "--dry-run").out, "# 1 of 3 would change", "what is left")
    files.apply(text)
    equal(tables(installed)[0][3], "{NULL,NULL,NULL,upper(email)}", "keys")


@test("no write goes uncaptured while a table is attached anew")
def _(installed, tmp):
    files = fresh(installed, tmp)
    files.apply("[table users]\nkeys = id\nrule = user:{id}\n")
    with installed.session() as writer:
        writer.start("""do $$ begin for i in 1..400 loop insert into users values (i); commit; end loop; end $$""")
        for number in range(6):
            files.apply("[table users]\nkeys = id\nrule = user:{id}\n" + ("watch = name\n" if number % 2 == 0 else ""))
        writer.finish()
    equal(installed.value("select count(distinct k) from trigperf.outbox o, unnest(o.i) k where op = 'I'"), "400", "captured")


@test("a role without rights, and a database without the schema, are told so")
def _(installed, db, tmp):
    files = fresh(installed, tmp)
    role = f"poor_{installed.name}"
    installed.sql(f"create role {role} login")
    contains(installed.as_user(role).trigperf("apply", files.path(FILE), ok=1).err.lower(), "permission", "error")
    contains(db.trigperf("apply", files.path(FILE), ok=1).err, "install", "error")


if __name__ == "__main__":
    harness.main()
