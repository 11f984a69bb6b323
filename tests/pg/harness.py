"""Harness of the tests against a real server (standard library only).

A test file is a program that ends with `harness.main()`:

    #!/usr/bin/python3
    import harness
    from harness import check, equal, test

    @test("an update becomes one key")
    def _(installed):
        installed.sql("create table calls(id int primary key, user_id int)")
        installed.trigperf("attach", "public.calls", "--key", "user_id", "--rule", "u:{user_id}")
        with installed.session() as other:
            other.run("begin; insert into calls values (1, 7)")     # held open
            other.run("commit")
        lines = installed.tail("--consumer", "x")
        equal(lines[-1]["keys"], ["u:7"], "keys of the last batch")

    if __name__ == "__main__":
        harness.main()

Each test gets what its parameters name: `db` an empty database of its own, `installed` one in which
`trigperf install` ran, `cluster` the server (one per test file), `tmp` an empty folder.  A test fails
when it raises; `skip("why")` skips it.  Arguments on the command line choose tests by substring.

Database: sql(text), value(text), rows(text), session(), conninfo(), env(), trigperf(*args, ok=True),
          tail(*args) -> list of lines as objects, tail_start(*args) -> Tail
Session:  run(text), start(text) then finish(), fails(text) -> error text, pid, close()
Tail:     started(), next(timeout), until(predicate, timeout), lines, keys(), kill(signal), stop()
Cluster:  database(name), halt(mode), resume(), backup(name), copy(name), restore(name), log(), env;
          Cluster(standby_of=cluster) is a streaming standby
Helpers:  check, equal, contains, raises, eventually, attempts, skip, catches, library() (ctypes),
          run(argv, ...), pg_dump(db, ...)

TRIGPERF_BUILD names the build folder (default: build in the repository); TRIGPERF_TOOL and
TRIGPERF_LIBRARY name the command and the shared library when they are elsewhere.
"""

import csv
import ctypes
import glob
import inspect
import io
import itertools
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("TRIGPERF_BUILD", os.path.join(ROOT, "build"))
TOOL = os.environ.get("TRIGPERF_TOOL", os.path.join(BUILD, "tools", "trigperf"))
LIBRARY = os.environ.get("TRIGPERF_LIBRARY", os.path.join(BUILD, "lib", "libtrigperf.so.0"))
PATIENCE = float(os.environ.get("TRIGPERF_TEST_PATIENCE", "180"))
# Debian's psql on the PATH is a wrapper that takes longer to start than most statements to run.
PSQL = next(iter(glob.glob("/usr/lib/postgresql/*/bin/psql")), "psql")

_tests = []
_children = set()


class Failure(AssertionError):
    """A check that did not hold."""


class Skipped(Exception):
    """A test that cannot run here."""


def test(name):
    """Registers a test; its parameters name the fixtures it wants."""

    def register(function):
        _tests.append((name, function))
        return function

    return register


def skip(why):
    raise Skipped(why)


def check(condition, message):
    if not condition:
        raise Failure(message)


def equal(actual, expected, what="value"):
    if actual != expected:
        raise Failure(f"{what}: expected {expected!r}, got {actual!r}")


def contains(text, part, what="text"):
    if part not in text:
        raise Failure(f"{what}: {part!r} is missing in {text!r}")


def raises(error, function, *args, **kwargs):
    """Calls the function, which must raise `error`; returns the exception."""
    try:
        function(*args, **kwargs)
    except error as caught:
        return caught
    raise Failure(f"expected {error.__name__}, nothing was raised")


def eventually(function, what, timeout=None, pause=0.02):
    """Calls until the result is true and returns it; fails after the patience ends."""
    end = time.monotonic() + (timeout or PATIENCE)
    while True:
        result = function()
        if result:
            return result
        if time.monotonic() > end:
            raise Failure(f"waited in vain for: {what}; last result {result!r}")
        time.sleep(pause)


def attempts(values, function):
    """Calls with one value after the other until nothing fails: for what shows only where the machine was not
    busy elsewhere meanwhile. The last failure counts."""
    for value in values[:-1]:
        try:
            return function(value)
        except Failure:
            pass
    return function(values[-1])


def catches(process, number=signal.SIGTERM):
    """Whether the process has a handler for a signal by now."""
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        mask = next(line for line in file if line.startswith("SigCgt:")).split()[1]
    return bool(int(mask, 16) >> (number - 1) & 1)


def library():
    """The shared library through ctypes."""
    return ctypes.CDLL(LIBRARY)


class Result:
    """Outcome of a command: code, out, err."""

    def __init__(self, argv, code, out, err):
        self.argv, self.code, self.out, self.err = argv, code, out, err

    def __repr__(self):
        return f"{' '.join(self.argv)} -> exit {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"

    def lines(self):
        return [json.loads(line) for line in self.out.split("\n") if line.strip()]


def run(argv, env=None, stdin=None, timeout=None, ok=None):
    """Runs a command. ok=True demands exit 0, ok=False a failure, a number that exit code."""
    done = subprocess.run(
        argv, env=env, input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout or PATIENCE,
        encoding="utf-8", errors="surrogateescape")
    result = Result(list(argv), done.returncode, done.stdout, done.stderr)
    wrong = {None: False, True: result.code != 0, False: result.code == 0}.get(
        ok if ok is None or isinstance(ok, bool) else None, False)
    if wrong or (not isinstance(ok, bool) and ok is not None and result.code != ok):
        raise Failure(f"unexpected exit code (wanted {ok})\n{result!r}")
    return result


def pg_dump(db, *args):
    """The database as SQL; skips where pg_dump is older than the server."""
    server = int(db.value("show server_version_num")) // 10000
    ours = int(re.search(r"(\d+)", run(["pg_dump", "--version"], ok=True).out)[1])
    if ours < server:
        skip(f"pg_dump {ours} does not read a server of version {server}")
    return run(["pg_dump", *args], env=db.env(), ok=True).out


class SqlError(Exception):
    """What psql said about a failed statement."""


class _Lines:
    """Lines of a pipe, read by a thread so that waiting can have an end."""

    def __init__(self, pipe):
        self._queue = queue.Queue()
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def _read(self, pipe):
        with pipe:
            for line in pipe:
                self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def get(self, timeout):
        """The next line, None at the end of the pipe; queue.Empty when time is up."""
        line = self._queue.get(timeout=max(timeout, 0.001))
        if line is None:
            self._queue.put(None)
        return line


class Session:
    """A psql that stays open: for transactions held open and statements that block."""

    _number = itertools.count(1)

    def __init__(self, env):
        self._process = subprocess.Popen(
            [PSQL, "-X", "-q", "-A", "-t", "-v", "VERBOSITY=verbose"], env=env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            encoding="utf-8", bufsize=1)
        _children.add(self._process)
        self._out, self._err = _Lines(self._process.stdout), _Lines(self._process.stderr)
        self._mark = None
        self.pid = int(self.run("select pg_backend_pid()"))

    def start(self, sql):
        """Sends the statements without waiting for them."""
        check(self._mark is None, "the session still runs something; call finish() first")
        self._mark = f"---mark-{next(self._number)}---"
        text = sql.rstrip().rstrip(";")
        self._process.stdin.write(f"{text};\n\\echo {self._mark}\n\\warn {self._mark}\n")
        self._process.stdin.flush()

    def _until_mark(self, lines, deadline):
        found = []
        while True:
            try:
                line = lines.get(deadline - time.monotonic())
            except queue.Empty:
                raise Failure(f"the session did not answer in time; so far {found!r}") from None
            if line is None or line == self._mark:
                return found
            found.append(line)

    def finish(self, timeout=None):
        """Waits for what start() sent; returns its output, raises SqlError on an error."""
        deadline = time.monotonic() + (timeout or PATIENCE)
        out = self._until_mark(self._out, deadline)
        err = self._until_mark(self._err, deadline)
        self._mark = None
        if any("ERROR:" in line or "FATAL:" in line for line in err):
            raise SqlError("\n".join(err))
        return "\n".join(out)

    def run(self, sql, timeout=None):
        self.start(sql)
        return self.finish(timeout)

    def fails(self, sql):
        """The statement must fail; returns what the server said."""
        return str(raises(SqlError, self.run, sql))

    def close(self):
        _stop_child(self._process, signal.SIGKILL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Tail:
    """A running `trigperf tail`; lines arrive as objects."""

    def __init__(self, argv, env):
        self._errors = tempfile.TemporaryFile(mode="w+", encoding="utf-8")
        self.process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self._errors,
                                        encoding="utf-8", bufsize=1)
        _children.add(self.process)
        self._reader = _Lines(self.process.stdout)
        self.lines = []

    def errors(self):
        self._errors.seek(0)
        return self._errors.read()

    def started(self):
        """Returns when a signal asks it to end, and does not just kill it."""
        eventually(lambda: catches(self.process), "the handler of signals")

    def next(self, timeout=None):
        """The next line as an object; None when the command ended."""
        try:
            line = self._reader.get(timeout or PATIENCE)
        except queue.Empty:
            raise Failure(f"tail printed nothing in time; errors: {self.errors()!r}") from None
        if line is None:
            return None
        self.lines.append(json.loads(line))
        return self.lines[-1]

    def until(self, predicate, what="a line", timeout=None):
        """Reads lines until one satisfies the predicate and returns it."""
        end = time.monotonic() + (timeout or PATIENCE)
        while True:
            line = self.next(end - time.monotonic())
            if line is None:
                raise Failure(f"tail ended before {what}; errors: {self.errors()!r}")
            if predicate(line):
                return line

    def until_keys(self, keys, timeout=None):
        """Reads until every one of the keys was seen."""
        wanted = set(keys)
        self.until(lambda _: wanted <= self.keys(), f"keys {sorted(wanted)}", timeout)

    def keys(self):
        return {key for line in self.lines for key in line["keys"]}

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)

    def stop(self, number=signal.SIGTERM):
        """Ends the command, reads what is left, returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        while self.next() is not None:
            pass
        code = self.process.wait(PATIENCE)
        _children.discard(self.process)
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        _stop_child(self.process, signal.SIGKILL)


class Database:
    """One database of a cluster."""

    def __init__(self, cluster, name, user=None):
        self.cluster, self.name, self.user = cluster, name, user or cluster.env["PGUSER"]

    def env(self, **more):
        return {**os.environ, **self.cluster.env, "PGDATABASE": self.name, "PGUSER": self.user,
                "PGCONNECT_TIMEOUT": "20", **more}

    def conninfo(self):
        env = self.env()
        names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGDATABASE": "dbname",
                 "PGPASSWORD": "password"}
        return " ".join(f"{names[key]}={env[key]}" for key in names if key in env)

    def as_user(self, user):
        """The same database through another role."""
        return Database(self.cluster, self.name, user)

    def _psql(self, sql, *args):
        result = run([PSQL, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", *args,
                      "-f", "-"], env=self.env(), stdin=sql)
        if result.code != 0:
            raise SqlError(result.err)
        return result.out

    def sql(self, sql):
        """Runs statements (each its own transaction unless they say begin); returns the output."""
        return self._psql(sql, "-A", "-t").rstrip("\n")

    def value(self, sql):
        """The one value of a query as text, None for NULL."""
        rows = self.rows(sql)
        check(len(rows) == 1 and len(rows[0]) == 1, f"expected one value from {sql!r}, got {rows!r}")
        return rows[0][0]

    def rows(self, sql):
        """Rows as lists of text, None for NULL."""
        out = self._psql(sql, "--csv", "-t", "-P", "null=\x01")
        return [[None if cell == "\x01" else cell for cell in row]
                for row in csv.reader(io.StringIO(out, newline=""))]

    def fails(self, sql):
        """The statements must fail; returns what the server said."""
        return str(raises(SqlError, self.sql, sql))

    def session(self):
        return Session(self.env())

    def trigperf(self, *args, ok=True, env=None, timeout=None):
        """Runs the command. ok=True demands exit 0, False a failure, a number that code."""
        return run([TOOL, *args], env=self.env(**(env or {})), ok=ok, timeout=timeout)

    def attach(self, *args, **kwargs):
        return self.trigperf("attach", *args, **kwargs)

    def tail(self, *args, ok=True):
        """Everything that is visible now, as a list of objects."""
        return self.trigperf("tail", "--format", "json", *args, ok=ok).lines()

    def tail_start(self, *args, env=None):
        return Tail([TOOL, "tail", "--format", "json", *args], self.env(**(env or {})))


class Cluster:
    """A private server; with Cluster() as c: ..."""

    def __init__(self, *args, fast=True, options=(), standby_of=None):
        self._folder = tempfile.mkdtemp(prefix="tpt.", dir="/tmp")
        os.chmod(self._folder, 0o755)
        self.dir = os.path.join(self._folder, "c")
        argv = ["start", *args] + (["--fast"] if fast else [])
        for option in options:
            argv += ["-o", option]
        if standby_of is not None:
            argv = ["standby", standby_of.dir]
        self._numbers = itertools.count(1)
        self._template = None
        try:
            out = self._control(*argv)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self.env = dict(re.findall(r"^export (\w+)=(.*)$", out, re.M))

    def _control(self, command, *args):
        return run([os.path.join(ROOT, "tests", "pg_cluster"), command, self.dir, *args], ok=True,
                   timeout=180).out

    def database(self, name=None, template="template0"):
        """A new, empty database."""
        name = name or f"t{next(self._numbers)}"
        Database(self, "postgres").sql(f"create database {name} template {template}")
        return Database(self, name)

    def installed(self, name=None):
        """A new database that has the schema."""
        if self._template is None:
            fresh = self.database("with_schema")
            fresh.trigperf("install")
            self._template = fresh
        return self.database(name, template=self._template.name)

    def log(self):
        """What the server has logged so far."""
        with open(os.path.join(os.path.dirname(self.env["TRIGPERF_PG_SOCKET"]), "log"),
                  encoding="utf-8", errors="replace") as file:
            return file.read()

    def halt(self, mode="fast"):
        self._control("halt", mode)

    def resume(self):
        self._control("resume")

    def backup(self, name):
        self._control("backup", name)

    def copy(self, name):
        """The files of the halted server, which restore() brings back as it does a backup."""
        self._control("copy", name)

    def restore(self, name):
        self._control("restore", name)

    def stop(self):
        self._control("stop")
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def _stop_child(process, number):
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _children.discard(process)


class _Fixtures:
    """Makes what tests ask for; the cluster on first use, once a file."""

    def __init__(self, cluster_arguments):
        self._arguments, self._cluster, self._folders = cluster_arguments, None, []

    def get(self, name):
        if name == "tmp":
            self._folders.append(tempfile.mkdtemp(prefix="tpf.", dir="/tmp"))
            return self._folders[-1]
        if self._cluster is None:
            self._cluster = Cluster(**self._arguments)
        makers = {"cluster": lambda: self._cluster, "db": self._cluster.database,
                  "installed": self._cluster.installed}
        return makers[name]()

    def close(self):
        for process in list(_children):
            _stop_child(process, signal.SIGKILL)
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
        if self._cluster is not None:
            self._cluster.stop()


def _run_one(number, name, function, fixtures):
    """Runs one test and prints its TAP line; returns 'passed', 'failed' or 'skipped'."""
    try:
        function(**{wanted: fixtures.get(wanted) for wanted in inspect.signature(function).parameters})
        print(f"ok {number} - {name}", flush=True)
        return "passed"
    except Skipped as why:
        print(f"ok {number} - {name} # SKIP {why}", flush=True)
        return "skipped"
    except Exception:  # pylint: disable=broad-except
        print(f"not ok {number} - {name}")
        print("\n".join("# " + line for line in traceback.format_exc().splitlines()), flush=True)
        return "failed"
    finally:
        for process in list(_children):
            _stop_child(process, signal.SIGKILL)


def _terminate(*_):
    raise SystemExit("terminated")


def main(**cluster_arguments):
    """Runs the registered tests and exits; arguments go to Cluster (fast=False, options=[...])."""
    signal.signal(signal.SIGTERM, _terminate)
    chosen = [(name, function) for name, function in _tests
              if not sys.argv[1:] or any(part in name for part in sys.argv[1:])]
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    fixtures = _Fixtures(cluster_arguments)
    try:
        for number, (name, function) in enumerate(chosen, 1):
            counts[_run_one(number, name, function, fixtures)] += 1
    finally:
        fixtures.close()
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped", flush=True)
    sys.exit(1 if counts["failed"] else 0)
