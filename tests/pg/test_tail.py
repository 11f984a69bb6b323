#!/usr/bin/python3
# suite: versions
# suite: sanitize
"""What `trigperf tail` prints, when it acknowledges, and how it ends."""

import fcntl
import json
import os
import re
import select
import signal
import socket
import subprocess
import time

import harness
from harness import attempts, catches, check, contains, equal, eventually, test

CALLS = """create table calls(id bigint primary key, user_id bigint, agent_id bigint, status text,
                              amount numeric)"""


def calls(db):
    """The table of the examples, attached as there."""
    db.sql(CALLS)
    db.attach("public.calls", "--key", "user_id", "--key", "id", "--key", "agent_id",
              "--watch", "status,amount", "--rule", "dashboard:{user_id}", "--rule", "call:{id}")


def known(db, name="x"):
    """Registers a consumer, whose first line is the resync."""
    lines = db.tail("--consumer", name)
    equal(len(lines), 1, "lines of a new consumer")
    equal(lines[0]["reason"], "resync", "reason of the first line")
    equal([entry["table"] for entry in lines[0]["resync"]], ["*"], "its table")


def rest(db, *args):
    """What consumer x still has to come, in one window."""
    return db.tail("--consumer", "x", "--window-ms", "600000", "--max-keys", "100000", *args)


def changes(lines):
    return [change for line in lines for change in line["changes"]]


def keys(lines):
    return sorted(key for line in lines for key in line["keys"])


def spawn(db, *args, stdout=subprocess.PIPE):
    return subprocess.Popen([harness.TOOL, "tail", *args], env=db.env(), stdin=subprocess.DEVNULL,
                            stdout=stdout, stderr=subprocess.PIPE)


def ended(process):
    """Exit code and standard error of a process that ends by itself."""
    try:
        _, err = process.communicate(timeout=harness.PATIENCE)
    finally:
        process.kill()
    return process.returncode, err.decode()


# --- the line ----------------------------------------------------------------------------------

@test("a line has exactly the promised form")
def _(installed):
    calls(installed)
    installed.sql("insert into calls values (9, 7, null, 'new', 1)")
    known(installed)
    installed.sql("update calls set status = 'b' where id = 9")
    installed.sql("update calls set status = 'c' where id = 9")
    installed.sql("update calls set status = 'd' where id = 9")
    text = installed.trigperf("tail", "--consumer", "x", "--format", "json", "--window-ms",
                              "600000").out
    found = re.fullmatch(
        r'\{"batch":1,"attempt":1,"reason":"(flush|window)","keys":\["call:9","dashboard:7"\],'
        r'"changes":\[\{"table":"public.calls","ops":\["update"\],'
        r'"keys":\{"user_id":"7","id":"9","agent_id":null\},"count":3\}\],"resync":\[\],'
        r'"lsn":"[0-9A-F]+/[0-9A-F]+","position":"[^"]+"\}\n', text)
    check(found, f"unexpected line {text!r}")


@test("a resync line names table, templates and prefixes")
def _(installed):
    calls(installed)
    known(installed)
    installed.sql("truncate calls")
    lines = rest(installed)
    equal(len(lines), 1, "lines")
    equal(lines[0]["reason"], "resync", "reason")
    equal(lines[0]["keys"], [], "keys")
    equal(lines[0]["resync"], [{"table": "public.calls",
                                "templates": ["dashboard:{user_id}", "call:{id}"],
                                "prefixes": ["call:", "dashboard:"], "level": "table"}], "resync")
    equal(list(lines[0]), ["batch", "attempt", "reason", "keys", "changes", "resync", "lsn",
                           "position"], "members")


@test("an ephemeral tail begins with a resync of everything, at every start")
def _(installed):
    calls(installed)
    installed.sql("insert into calls values (1, 1)")
    for _ in range(2):
        lines = installed.tail()
        equal(len(lines), 1, "lines")
        equal((lines[0]["batch"], lines[0]["reason"], lines[0]["keys"], lines[0]["changes"]),
              (1, "resync", [], []), "first line")
        equal([entry["table"] for entry in lines[0]["resync"]], ["*"], "table")
    equal(installed.value("select count(*) from trigperf.consumer"), "0", "registered consumers")


@test("batches are numbered from 1 in each process")
def _(installed):
    calls(installed)
    known(installed)
    for start in (1, 3):
        with installed.tail_start("--consumer", "x", "--follow", "--window-ms", "1") as tail:
            for number in (1, 2):
                installed.sql(f"insert into calls values ({start + number}, 1)")
                equal(tail.next()["batch"], number, "batch")
            equal(tail.stop(), 0, "exit code")


@test("insert, update and delete of one row become one change with sorted operations")
def _(installed):
    calls(installed)
    known(installed)
    installed.sql("""insert into calls values (5, 6, 7, 'a', 1); update calls set status = 'b';
                     delete from calls""")
    lines = rest(installed)
    equal(changes(lines), [{"table": "public.calls", "ops": ["delete", "insert", "update"],
                            "keys": {"user_id": "6", "id": "5", "agent_id": "7"}, "count": 3}],
          "changes")


@test("a key that moves gives two objects, a delete carries the old keys")
def _(installed):
    calls(installed)
    installed.sql("insert into calls values (1, 10), (2, 20)")
    known(installed)
    installed.sql("update calls set user_id = 11 where id = 1")
    lines = rest(installed)
    equal(sorted(change["keys"]["user_id"] for change in changes(lines)), ["10", "11"], "user_id")
    equal([change["ops"] for change in changes(lines)], [["update"]] * 2, "operations")
    equal(keys(lines), ["call:1", "dashboard:10", "dashboard:11"], "keys")
    installed.sql("delete from calls where id = 2")
    equal([(change["ops"], change["keys"]) for change in changes(rest(installed))],
          [(["delete"], {"user_id": "20", "id": "2", "agent_id": None})], "the delete")


@test("an update that changes neither key nor watched column is silent")
def _(installed):
    installed.sql(CALLS)
    installed.attach("calls", "--key", "id", "--watch", "status,amount", "--rule", "c:{id}")
    installed.sql("insert into calls values (1, 1, 1, 'a', 1.0)")
    known(installed)
    installed.sql("update calls set user_id = 2, agent_id = 3; update calls set status = 'a'")
    equal(rest(installed), [], "lines")
    installed.sql("update calls set amount = 1.00")
    equal(keys(rest(installed)), ["c:1"], "keys after another image of the same number")


@test("a template with a null part yields no key")
def _(installed):
    calls(installed)
    known(installed)
    installed.sql("insert into calls values (3, null)")
    lines = rest(installed)
    equal(keys(lines), ["call:3"], "keys")
    equal(changes(lines)[0]["keys"]["user_id"], None, "user_id")


@test("a change of a table without rules arrives without keys")
def _(installed):
    installed.sql(CALLS)
    installed.attach("calls", "--key", "id")
    known(installed)
    installed.sql("insert into calls values (3)")
    lines = rest(installed)
    equal((keys(lines), len(changes(lines))), ([], 1), "keys and changes")


@test("many rows of one statement, one window")
def _(installed):
    calls(installed)
    known(installed)
    installed.sql("insert into calls select i, i % 7 from generate_series(1, 500) i")
    lines = rest(installed)
    equal(len(lines), 1, "lines")
    equal(len(changes(lines)), 500, "changes")
    equal(keys(lines), sorted([f"call:{i}" for i in range(1, 501)] +
                              [f"dashboard:{i}" for i in range(7)]), "keys")


@test("a statement beyond the limit of tuples becomes a resync of its table")
def _(installed):
    calls(installed)
    known(installed)
    installed.sql("insert into calls select i, 1 from generate_series(1, 1001) i")
    lines = rest(installed)
    equal([entry["table"] for line in lines for entry in line["resync"]], ["public.calls"], "resync")


@test("--max-keys ends the window early and never splits a change")
def _(installed):
    calls(installed)
    known(installed)
    installed.sql("insert into calls select i, 1000 + i from generate_series(1, 60) i")
    lines = installed.tail("--consumer", "x", "--window-ms", "600000", "--max-keys", "7")
    check(len(lines) > 5, f"only {len(lines)} lines")
    check("size" in {line["reason"] for line in lines}, "no batch ended by its size")
    for line in lines:
        check(len(line["keys"]) <= 8, f"{len(line['keys'])} keys in one line")
        wanted = set()
        for change in line["changes"]:
            wanted |= {f"call:{change['keys']['id']}", f"dashboard:{change['keys']['user_id']}"}
        equal(set(line["keys"]), wanted, "keys of a line and of its changes")
    equal(len(keys(lines)), 120, "keys in all")
    installed.sql("update calls set user_id = 1")
    seen = set()
    for line in installed.tail("--consumer", "x", "--window-ms", "600000", "--max-keys", "1"):
        check(len(line["changes"]) == 1 and len(line["keys"]) <= 2, f"line {line!r}")
        seen |= set(line["keys"])
        change = line["changes"][0]["keys"]
        equal(set(line["keys"]), {f"call:{change['id']}", f"dashboard:{change['user_id']}"},
              "keys of a line and of its change")


@test("keys are sorted bytewise and distinct")
def _(installed):
    installed.sql("create table t(id int primary key, k text)")
    installed.attach("t", "--key", "k", "--rule", "{k}", "--rule", "{{{k}}}")
    known(installed)
    installed.sql("insert into t values (1, 'b'), (2, 'a'), (3, 'B'), (4, 'é'), (5, 'z'), (6, 'a')")
    lines = rest(installed)
    equal(lines[0]["keys"], ["B", "a", "b", "z", "{B}", "{a}", "{b}", "{z}", "{é}", "é"], "keys")


ODD = ["it's", 'a "quoted" one', "line\nbreak\r\n\ttab", "back\\slash \\n", "{braces} {{twice}}",
       "emoji 😀 👩‍👩‍👧 é ä 漢", "", " ", "null", "NULL", "{}", "{a,b}", '","', "\x01\x1f\x7f",
       "a" * 8000, "\u2028 \ufeff \U0010ffff", "%s %n $1 $$", "]]>&<!--"]


def quoted(text):
    return "E'" + text.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n").replace(
        "\r", "\\r") + "'"


@test("odd values arrive intact, in keys and in changes")
def _(installed):
    installed.sql('create table "Odd ""Table"(id int primary key, "va lue" text)')
    installed.attach('"Odd ""Table"', "--key", "id", "--key", '"va lue"', "--rule", "v:{va lue}")
    known(installed)
    values = ", ".join(f"({number}, {quoted(text)})" for number, text in enumerate(ODD))
    installed.sql(f'insert into "Odd ""Table" values {values}')
    lines = rest(installed)
    equal(len(lines), 1, "lines")
    equal({change["table"] for change in changes(lines)}, {'public."Odd ""Table"'}, "table")
    equal([change["keys"]["va lue"] for change in
           sorted(changes(lines), key=lambda change: int(change["keys"]["id"]))], ODD, "values")
    equal(set(lines[0]["keys"]), {"v:" + text for text in ODD}, "keys")


@test("a value of a megabyte arrives intact")
def _(installed):
    installed.sql("create table t(id int primary key, k text)")
    installed.attach("t", "--key", "k", "--rule", "big:{k}")
    known(installed)
    installed.sql("insert into t values (1, repeat('0123456789abcdef', 65536))")
    lines = rest(installed)
    equal([len(key) for key in keys(lines)], [4 + 1048576], "length of the key")
    equal(keys(lines)[0], "big:" + "0123456789abcdef" * 65536, "key")
    with installed.tail_start("--follow") as tail:
        tail.next()
        installed.sql("insert into t values (2, repeat('😀\"\\n', 200000))")
        line = tail.until(lambda one: one["keys"])
        equal(line["keys"], ["big:" + '😀"\\n' * 200000], "key through a pipe")


@test("types look the same whatever the writer's session says")
def _(installed):
    installed.sql("""create table t(id int primary key, at timestamptz, day date, raw bytea, f float8,
                                    u uuid, b boolean, n numeric, j jsonb, i interval)""")
    names = ["at", "day", "raw", "f", "u", "b", "n", "j", "i"]
    installed.attach("t", *(part for name in names for part in ("--key", name)))
    known(installed)
    installed.sql("""set timezone = 'Asia/Tokyo'; set datestyle = 'German'; set bytea_output = 'escape';
        set extra_float_digits = -10; set intervalstyle = 'sql_standard';
        insert into t values (1, '2024-02-29 12:00:00.5+01', '2024-02-29', '\\x00ff', 0.1 + 0.2::float8,
            'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', true, 1.50, '{"b": 1,  "a": [2]}', '1 day 02:03:04')""")
    equal(changes(rest(installed))[0]["keys"],
          {"at": "2024-02-29 11:00:00.5+00", "day": "2024-02-29", "raw": "\\x00ff",
           "f": "0.30000000000000004", "u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "b": "true",
           "n": "1.50", "j": '{"a": [2], "b": 1}', "i": "1 day 02:03:04"}, "keys")


@test("an expression is a key, and one that fails becomes a resync, not an error of the writer")
def _(installed):
    installed.sql("create table t(id int primary key, email text, d int)")
    installed.attach("t", "--key", "mail=lower(email)", "--key", "q=100 / d", "--rule", "m:{mail}")
    known(installed)
    installed.sql("insert into t values (1, 'A@B.C', 5)")
    lines = rest(installed)
    equal(changes(lines)[0]["keys"], {"mail": "a@b.c", "q": "20"}, "keys")
    installed.sql("insert into t values (2, 'x', 0)")
    equal(installed.value("select count(*) from t"), "2", "rows")
    equal([entry["table"] for line in rest(installed) for entry in line["resync"]], ["public.t"],
          "resync")
    equal(installed.value("select sqlstate from trigperf.trigger_error_log"), "22012", "logged")


@test("text lines are for people, one a batch, without control characters")
def _(installed):
    installed.sql("create table t(id int primary key, k text)")
    installed.attach("t", "--key", "id", "--key", "k", "--rule", "t:{k}")
    known(installed)
    installed.sql(f"insert into t values (1, {quoted(chr(27) + '[31mred')}), (2, {quoted('a' + chr(10))})")
    text = installed.trigperf("tail", "--consumer", "x", "--format", "text").out
    equal(text.count("\n"), 1, "lines")
    check("\033" not in text, "a control character came through")
    for part in ("#1 ", "t:a\\n", "\\x1b[31mred", "public.t insert", "id=1"):
        contains(text, part, "text line")
    contains(installed.trigperf("tail", "--format", "text").out, "resync: *", "resync as text")


# --- consumers ---------------------------------------------------------------------------------

@test("a known consumer goes on where it acknowledged, without resync")
def _(installed):
    calls(installed)
    known(installed)
    equal(rest(installed), [], "nothing happened")
    installed.sql("insert into calls values (1, 1)")
    equal(keys(rest(installed)), ["call:1", "dashboard:1"], "first change")
    equal(rest(installed), [], "delivered already")
    installed.sql("insert into calls values (2, 1); insert into calls values (3, 1)")
    lines = rest(installed)
    equal(keys(lines), ["call:2", "call:3", "dashboard:1"], "later changes")
    equal([line["resync"] for line in lines], [[]] * len(lines), "resync")


@test("consumers do not disturb each other")
def _(installed):
    calls(installed)
    known(installed, "x")
    installed.sql("insert into calls values (1, 1)")
    known(installed, "y")
    equal(keys(rest(installed)), ["call:1", "dashboard:1"], "x")
    equal(installed.tail("--consumer", "y"), [], "y")


@test("a transaction that was open is delivered once it commits")
def _(installed):
    calls(installed)
    with installed.session() as early:
        early.run("begin; insert into calls values (1, 1)")
        known(installed)
        installed.sql("insert into calls values (2, 2)")
        equal(keys(rest(installed)), ["call:2", "dashboard:2"], "the later one")
        early.run("commit")
    equal(keys(rest(installed)), ["call:1", "dashboard:1"], "the early one")
    equal(rest(installed), [], "afterwards")


@test("what was rolled back is never delivered, savepoints included")
def _(installed):
    calls(installed)
    known(installed)
    installed.sql("""begin; insert into calls values (1, 1); rollback;
        begin; insert into calls values (2, 2); savepoint s; insert into calls values (3, 3);
        rollback to s; savepoint s; insert into calls values (4, 4); release s; commit""")
    equal(keys(rest(installed)), ["call:2", "call:4", "dashboard:2", "dashboard:4"], "keys")


@test("a prepared transaction delays nobody and is delivered when it commits")
def _(installed):
    calls(installed)
    known(installed)
    installed.sql("begin; insert into calls values (1, 1); prepare transaction 'left'")
    installed.sql("insert into calls values (2, 2)")
    equal(keys(rest(installed)), ["call:2", "dashboard:2"], "the other one")
    installed.sql("commit prepared 'left'")
    equal(keys(rest(installed)), ["call:1", "dashboard:1"], "the prepared one")


@test("the newest claimant of a name wins, the other ends with a sentence")
def _(installed):
    calls(installed)
    first = spawn(installed, "--consumer", "x", "--follow")
    try:
        first.stdout.readline()
        claim = "select claim from trigperf.consumer where name = 'x'"
        before = installed.value(claim)
        with installed.tail_start("--consumer", "x", "--follow") as second:
            eventually(lambda: installed.value(claim) != before, "the second's claim")
            installed.sql("insert into calls values (1, 1)")
            second.until_keys(["call:1"])
            code, err = ended(first)
            equal(code, 1, "exit code of the first")
            contains(err, "trigperf: ", "standard error")
            contains(err, '"x"', "standard error")
            equal(second.stop(), 0, "exit code of the second")
    finally:
        first.kill()


# --- acknowledging -----------------------------------------------------------------------------

@test("a closed pipe acknowledges nothing and exits with 1")
def _(installed):
    calls(installed)
    known(installed)
    installed.sql("insert into calls values (1, 1)")
    reader, writer = os.pipe()
    os.close(reader)
    for mode in ([], ["--until-idle", "100"], ["--follow"]):
        code, err = ended(spawn(installed, "--consumer", "x", *mode, stdout=writer))
        equal(code, 1, f"exit code with {mode!r}")
        contains(err, "trigperf: ", "standard error")
    os.close(writer)
    equal(keys(rest(installed)), ["call:1", "dashboard:1"], "keys afterwards")


@test("a reader that leaves in between: its lines are acknowledged, the next one is not")
def _(installed):
    calls(installed)
    known(installed)
    process = spawn(installed, "--consumer", "x", "--follow", "--window-ms", "1")
    try:
        installed.sql("insert into calls values (1, 1)")
        contains(process.stdout.readline().decode(), "call:1", "line")
        process.stdout.close()
        installed.sql("insert into calls values (2, 2)")
        process.stdout = None
        code, err = ended(process)
    finally:
        process.kill()
    equal(code, 1, "exit code")
    contains(err, "standard output", "standard error")
    equal(keys(rest(installed)), ["call:2", "dashboard:2"], "keys afterwards")


@test("a follower notices that its reader left, without a line to write")
def _(installed):
    calls(installed)
    process = spawn(installed, "--follow")
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    equal(ended(process)[0], 1, "exit code")


@test("a full disk acknowledges nothing and exits with 1")
def _(installed):
    calls(installed)
    known(installed)
    installed.sql("insert into calls values (1, 1)")
    with open("/dev/full", "wb") as full:
        code, err = ended(spawn(installed, "--consumer", "x", stdout=full))
    equal(code, 1, "exit code")
    contains(err, "No space left", "standard error")
    equal(keys(rest(installed)), ["call:1", "dashboard:1"], "keys afterwards")


@test("a file that may not grow (short write) acknowledges nothing and exits with 1")
def _(installed, tmp):
    installed.sql("create table t(id int primary key, k text)")
    installed.attach("t", "--key", "k", "--rule", "{k}")
    known(installed)
    installed.sql("insert into t values (1, repeat('x', 100000))")
    path = os.path.join(tmp, "out")
    done = subprocess.run(
        ["bash", "-c", f'ulimit -f 16; trap "" XFSZ; exec "$@" >{path}', "bash", harness.TOOL, "tail",
         "--consumer", "x"], env=installed.env(), stderr=subprocess.PIPE, timeout=harness.PATIENCE,
        check=False)
    equal(done.returncode, 1, f"exit code: {done.stderr!r}")
    contains(done.stderr.decode(), "not acknowledged", "standard error")
    check(0 < os.path.getsize(path) < 100000, "the write was not short")
    equal(len(keys(rest(installed))), 1, "keys afterwards")


@test("a closed standard output acknowledges nothing and exits with 1")
def _(installed):
    calls(installed)
    known(installed)
    installed.sql("insert into calls values (1, 1)")
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", harness.TOOL, "tail", "--consumer", "x"],
                          env=installed.env(), stderr=subprocess.PIPE, timeout=harness.PATIENCE,
                          check=False)
    equal(done.returncode, 1, f"exit code: {done.stderr!r}")
    equal(keys(rest(installed)), ["call:1", "dashboard:1"], "keys afterwards")


@test("lines reach a file, a socket and a slow pipe whole")
def _(installed, tmp):
    installed.sql("create table t(id int primary key, k text)")
    installed.attach("t", "--key", "k", "--rule", "{k}")
    wanted = [f"{number}" + "é" * 3000 for number in range(60)]
    values = ", ".join(f"({number}, '{key}')" for number, key in enumerate(wanted))

    def deliver(stdout):
        known(installed)
        installed.sql(f"delete from t; insert into t values {values}")
        return spawn(installed, "--consumer", "x", "--max-keys", "5", stdout=stdout)

    def verify(text, process):
        equal(process.wait(harness.PATIENCE), 0, "exit code")
        found = {key for line in text.decode().splitlines() for key in json.loads(line)["keys"]}
        equal(found, set(wanted), "keys")
        installed.sql("delete from trigperf.consumer; delete from t")

    path = os.path.join(tmp, "out")
    with open(path, "wb") as file:
        process = deliver(file)
        process.wait(harness.PATIENCE)
    with open(path, "rb") as file:
        verify(file.read(), process)

    ours, theirs = socket.socketpair()
    process = deliver(theirs)
    theirs.close()
    text = b""
    while part := ours.recv(1000):
        text += part
    ours.close()
    verify(text, process)

    process = deliver(subprocess.PIPE)
    fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
    text = b""
    while part := os.read(process.stdout.fileno(), 1500):
        text += part
        time.sleep(0.002)
    verify(text, process)


@test("while the pipe is full nothing is lost, and afterwards all of it arrives")
def _(installed):
    calls(installed)
    known(installed)
    process = spawn(installed, "--consumer", "x", "--follow", "--window-ms", "1", "--max-keys", "3")
    fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
    for start in range(0, 6000, 500):
        installed.sql(f"insert into calls select i, i from generate_series({start}, {start + 499}) i")
    time.sleep(1)
    seen = set()
    for line in process.stdout:
        line = json.loads(line)
        equal(line["resync"], [], "resync")
        seen |= set(line["keys"])
        if len(seen) == 12000:
            break
    process.terminate()
    process.stdout.read()
    equal(process.wait(harness.PATIENCE), 0, "exit code")
    equal(rest(installed), [], "afterwards")


# --- ending ------------------------------------------------------------------------------------

@test("SIGTERM, SIGINT and SIGHUP write out what was collected and exit with 0")
def _(installed):
    calls(installed)
    known(installed)
    for row, number in enumerate((signal.SIGTERM, signal.SIGINT, signal.SIGHUP)):
        with installed.tail_start("--consumer", "x", "--follow", "--window-ms", "600000", "--max-keys", "3") as tail:
            installed.sql(f"insert into calls values ({row}, 1), ({row + 3}, 2)")
            equal(tail.next()["reason"], "size", "reason of the first line, three of the four keys")
            equal(tail.stop(number), 0, "exit code")
            equal(keys(tail.lines), [f"call:{row}", f"call:{row + 3}", "dashboard:1", "dashboard:2"], "keys of both lines")
            equal(tail.lines[-1]["reason"], "flush", "reason of the last line")
        equal(rest(installed), [], "afterwards")


@test("the same signal twice at once, as launchers send it, is one wish")
def _(installed):
    calls(installed)

    def twice(_):
        """What comes half a second later is another wish, and so it is where this process stood still."""
        with installed.tail_start("--follow") as tail:
            tail.next()
            tail.kill(signal.SIGTERM)
            time.sleep(0.01)
            tail.kill(signal.SIGTERM)
            code = tail.process.wait(harness.PATIENCE)
            equal(code, 0, "exit code")

    attempts(range(5), twice)


@test("signals that come at any moment end it with 0")
def _(installed):
    calls(installed)
    for step in range(12):
        with installed.tail_start("--consumer", "x", "--follow") as tail:
            if step == 0:
                eventually(lambda: catches(tail.process, signal.SIGTERM), "the handler", pause=0.001)
            time.sleep(0.02 * step)
            caught = catches(tail.process, signal.SIGTERM)
            tail.process.send_signal(signal.SIGTERM)
            code = tail.process.wait(harness.PATIENCE)
            check(code == 0 or (code == -signal.SIGTERM and not caught and not tail.errors()),
                  f"exit code {code} after {0.02 * step} s: {tail.errors()}")


@test("a signal ends it while the pipe is full")
def _(installed):
    calls(installed)
    known(installed)
    process = spawn(installed, "--consumer", "x", "--follow", "--window-ms", "1")
    fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
    installed.sql("insert into calls select i, i from generate_series(1, 900) i")
    eventually(lambda: select.select([process.stdout], [], [], 0)[0], "the first bytes")
    time.sleep(1)
    process.terminate()
    process.wait(harness.PATIENCE)
    equal(process.returncode, 1, "exit code")
    contains(process.stderr.read().decode(), "took nothing", "standard error")
    process.stdout.close()
    check("call:900" in keys(rest(installed)), "the last key is not delivered again")


@test("a second signal ends it at once")
def _(installed):
    calls(installed)
    known(installed)
    process = spawn(installed, "--consumer", "x", "--follow", "--window-ms", "1")
    fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
    installed.sql("insert into calls select i, i from generate_series(1, 900) i")
    eventually(lambda: select.select([process.stdout], [], [], 0)[0], "the first bytes")

    def ended_by_signals():
        process.terminate()
        return process.poll() is not None

    eventually(ended_by_signals, "the end", pause=0.1)  # what comes within half a second is no second one
    equal(process.returncode, -signal.SIGTERM, "exit code")


@test("a signal ends it while the server cannot be reached")
def _(installed, tmp):
    for where in (f"host={tmp}", "host=127.0.0.1 port=1", "host=192.0.2.1"):
        with installed.tail_start("--follow", "-d", where) as tail:
            tail.started()
            time.sleep(0.5)
            equal(tail.stop(), 0, f"exit code with {where}")


@test("--until-idle: flushes a long window, waits for quiet, leaves open transactions alone")
def _(installed):
    calls(installed)
    known(installed)
    with installed.session() as open_one:
        open_one.run("begin; insert into calls values (1, 1)")
        installed.sql("insert into calls values (2, 2)")
        lines = installed.tail("--consumer", "x", "--until-idle", "200", "--window-ms", "600000")
        equal(keys(lines), ["call:2", "dashboard:2"], "keys")
        equal(installed.tail("--consumer", "x", "--until-idle", "0"), [], "nothing more")
        open_one.run("commit")
    equal(keys(installed.tail("--consumer", "x", "--until-idle", "200")), ["call:1", "dashboard:1"],
          "after the commit")


@test("--until-idle stays while lines come, and what comes late is delivered")
def _(installed):
    calls(installed)
    known(installed)

    def stays(idle_ms):
        rest(installed)
        with installed.session() as writer, \
                installed.tail_start("--consumer", "x", "--until-idle", str(idle_ms), "--window-ms", "1") as tail:
            for number in range(6):
                writer.run(f"insert into calls values ({idle_ms + number}, 1)")
                time.sleep(idle_ms / 4000)
            while tail.next() is not None:
                pass
            equal(tail.process.wait(harness.PATIENCE), 0, "exit code")
            check({f"call:{idle_ms + number}" for number in range(6)} <= tail.keys(), f"keys {tail.keys()!r}")
        equal(rest(installed), [], "afterwards")

    attempts((1500, 6000, 24000), stays)


@test("--until-idle flushes the limiter too")
def _(installed):
    calls(installed)
    installed.trigperf("rules", "add", "calls", "slow:{user_id}", "--interval", "1h")
    known(installed)

    def flushes(idle_ms):
        rest(installed)
        with installed.session() as writer, \
                installed.tail_start("--consumer", "x", "--until-idle", str(idle_ms), "--window-ms", "1") as tail:
            for number in (1, 2):
                writer.run(f"insert into calls values ({idle_ms + number}, {idle_ms})")
                tail.until_keys([f"call:{idle_ms + number}"])
            while tail.next() is not None:
                pass
        equal(sum(f"slow:{idle_ms}" in line["keys"] for line in tail.lines), 2, "deliveries of the limited key")
        equal(rest(installed), [], "afterwards")

    attempts((700, 3000, 12000), flushes)


@test("without --follow it ends when what is visible was delivered, also behind a backlog")
def _(installed):
    calls(installed)
    known(installed)
    for start in range(0, 20000, 1000):
        installed.sql(f"insert into calls select i, i from generate_series({start}, {start + 999}) i")
    lines = installed.tail("--consumer", "x")
    equal(len({key for line in lines for key in line["keys"]}), 40000, "keys")
    equal(installed.tail("--consumer", "x"), [], "afterwards")


@test("--follow survives a restart of the server and says so")
def _():
    with harness.Cluster() as own:
        db = own.installed()
        calls(db)
        known(db)
        with db.tail_start("--consumer", "x", "--follow") as tail:
            for number, mode in enumerate(("fast", "immediate")):
                db.sql(f"insert into calls values ({number}, 1)")
                tail.until_keys([f"call:{number}"])
                own.halt(mode)
                eventually(lambda: tail.errors().count("trying again") > number, "the word of the loss")
                own.resume()
                eventually(lambda: tail.errors().count("connected again") > number,
                           "the word of the return")
                if mode == "fast":
                    equal([line["resync"] for line in tail.lines], [[]] * len(tail.lines), "resync")
            db.sql("insert into calls values (9, 9)")
            tail.until_keys(["call:9"])
            equal(tail.stop(), 0, "exit code")


@test("without --follow a server that goes away is a failure")
def _():
    with harness.Cluster() as own:
        db = own.installed()
        calls(db)
        with db.tail_start("--until-idle", "60000", "-o", "connect.timeout_ms=1000") as tail:
            tail.next()
            own.halt("immediate")
            check(tail.next() is None, "a line after the end of the server")
            equal(tail.process.wait(harness.PATIENCE), 1, "exit code")
            contains(tail.errors(), "trigperf: ", "standard error")


@test("a capture that is dropped and made again under a running tail")
def _(installed):
    calls(installed)
    with installed.tail_start("--follow") as tail:
        tail.next()
        installed.trigperf("detach", "calls")
        installed.attach("calls", "--key", "id", "--rule", "again:{id}")
        installed.sql("insert into calls values (1, 1)")
        tail.until_keys(["again:1"])
        equal(tail.stop(), 0, "exit code")


if __name__ == "__main__":
    harness.main()
