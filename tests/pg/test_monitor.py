#!/usr/bin/python3
# suite: versions
"""trigperf monitor: a picture on a terminal that is left as it was, lines elsewhere."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time

import harness
from harness import check, contains, equal, eventually, test


class Terminal:
    """The command on a terminal of its own."""

    def __init__(self, db, *args, size=(24, 80), env=None):
        self.master, slave = pty.openpty()
        self.slave, self.text = slave, b""
        self.resize(*size)
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen([harness.TOOL, "monitor", *args], stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
                                        env=db.env(TERM="xterm", **(env or {})))

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while select.select([self.master], [], [], 0.05)[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                break
            if not data:
                break
            self.text += data
        return self.text.decode("utf-8", "replace")

    def screen(self):
        """Lines of the last whole drawing, without colours."""
        frames = self.read().split("\033[H")
        last = frames[-1] if "\033[J" in frames[-1] else frames[-2] if len(frames) > 1 else ""
        return [line.rstrip("\r") for line in re.sub(r"\033\[[0-9;?]*[a-zA-Z]", "", last).split("\n")]

    def until(self, part):
        return eventually(lambda: next((line for line in self.screen() if part in line), None), f"{part!r} on the screen")

    def end(self, how, last=""):
        """Ends it, and returns what was written after the last drawing."""
        how()
        equal(self.process.wait(harness.PATIENCE), 0, "exit code")
        text = self.read()
        equal(termios.tcgetattr(self.slave), self.before, "settings of the terminal")
        left, _, rest = text.rpartition("\033[?25h\033[?1049l")
        check(left and last in rest and bool(last) == bool(rest), f"the end is {text[-60:]!r}")
        equal((text.count("\033[?1049h"), text.count("\033[?25l")), (1, 1), "screens that were opened")
        os.close(self.master)
        os.close(self.slave)
        return text


class Load:
    """Statements without end, in the background."""

    def __init__(self, db, sql):
        self._session, self._sql, self._ends = db.session(), sql, threading.Event()
        self._session.run("set track_functions = 'pl'")
        self._thread = threading.Thread(target=self._go)
        self._thread.start()

    def _go(self):
        while not self._ends.is_set():
            self._session.run(self._sql + "; select pg_stat_force_next_flush()")
            time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ends.set()
        self._thread.join()
        self._session.close()


def prepare(db):
    db.sql("""create table "Ca\u00fclls"(id int); create function f() returns trigger language plpgsql as 'begin return null; end';
        create trigger "au\tdit" after insert on "Ca\u00fclls" for each row execute function f()""")
    return Load(db, 'insert into "Ca\u00fclls" select generate_series(1, 10)')


@test("on a terminal: rates, a sparkline, another size, and q")
def _(installed):
    with prepare(installed):
        terminal = Terminal(installed, "0.005")
        line = terminal.until('"Ca\u00fclls".au?dit')
        eventually(lambda: re.search(r"\d+\.\d/s +\d+\.\d+ ms +\d+\.\d%  .*[\u2581-\u2588]", terminal.until("au?dit")), f"figures in {line!r}")
        terminal.until("delivery: 0 consumers")
        check(all(len(line) <= 80 for line in terminal.screen()), "no line is longer than the screen")
        terminal.resize(12, 40)
        eventually(lambda: len(terminal.screen()) == 12 and all(len(line) <= 40 for line in terminal.screen()), "the smaller picture")
        eventually(lambda: re.search(r"^trigger +calls +mean$", terminal.until("trigger  ").rstrip()), "the heads of what there is room for")
        eventually(lambda: re.search(r"\d+\.\d/s +\d+\.\d{3} ms$", terminal.until('"Ca').rstrip()), "figures that are not cut")
        terminal.resize(12, 54)
        eventually(lambda: re.search(r"\d+\.\d/s +\d+\.\d{3} ms +\d+\.\d%$", terminal.until('"Ca').rstrip()), "figures, all of them")
        terminal.resize(50, 140)
        eventually(lambda: len(terminal.screen()) == 50, "the larger picture")
        text = terminal.end(lambda: os.write(terminal.master, b"xq"))
        contains(text, "\033[1m", "colours")


@test("q ends it where looking takes longer than the time between two looks")
def _(installed):
    installed.sql("alter function trigperf.status() rename to quick_status; create function trigperf.status() returns json "
                  "language sql as $$ select pg_sleep(0.2); select trigperf.quick_status()::json $$")
    terminal = Terminal(installed, "0.001")
    terminal.until("delivery: 0 consumers")
    terminal.end(lambda: os.write(terminal.master, b"q"))


@test("Ctrl-C, a signal, NO_COLOR")
def _(db):
    db.sql("create table t(id int)")
    for how in (lambda one: os.write(one.master, b"\x03"), lambda one: one.process.send_signal(signal.SIGTERM)):
        terminal = Terminal(db, env={"NO_COLOR": "1"})
        terminal.until("0 triggers")
        text = terminal.end(lambda: how(terminal))
        check(not re.search(r"\033\[[\d;]*m", text), "no colours")


@test("elsewhere: lines, with alerts and the command")
def _(installed, tmp):
    installed.sql("update trigperf.setting set value = '1' where name = 'alert.interval_s'")
    with prepare(installed):
        ran = os.path.join(tmp, "ran")
        process = subprocess.Popen([harness.TOOL, "monitor", "0.01", "-o", f"alert.command=echo $TRIGPERF_ALERT_LEVEL >> {ran}"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env=installed.env())
        try:
            contains(process.stdout.readline(), "watching 1 triggers", "the first line")
            check(re.match(r"\d{4}-\d\d-\d\dT[\d:]+Z [\d.]+/s mean [\d.]+ ms load [\d.]+% .*au\\x09dit\n", process.stdout.readline()), "a line")
            installed.sql("""insert into trigperf.trigger_performance_metrics(hour, measured, table_name, trigger_name, function_name, executions, total_ms)
                values (date_trunc('hour', now(), 'UTC'), 'trigger', 'public.slow', 'one', 'public.g', 100, 90000)""")
            line = next(line for line in process.stdout if " alert " in line)
            contains(line, "alert critical trigger_mean_ms of public.slow.one", "an alert")
            eventually(lambda: os.path.exists(ran) and open(ran, encoding="utf-8").read() == "critical\n", "the command")
            installed.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'trigperf' and datname = current_database()")
            next(line for line in process.stdout if "terminat" in line or "connection" in line)
            next(line for line in process.stdout if "/s mean" in line)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=harness.PATIENCE)
            equal(process.returncode, 0, "exit code")


def slow_trigger(db):
    db.sql("""insert into trigperf.trigger_performance_metrics(hour, measured, table_name, trigger_name, function_name, executions, total_ms)
        values (date_trunc('hour', now(), 'UTC'), 'trigger', 'public.slow', 'one', 'public.g', 100, 90000);
        update trigperf.setting set value = '1' where name = 'alert.interval_s'""")


def processes_of(word):
    return harness.run(["pgrep", "-f", word]).out.split()


@test("a command that hangs: the picture goes on, q and signals end it with its children")
def _(installed, tmp):
    slow_trigger(installed)
    for number, how in enumerate((lambda one: os.write(one.master, b"q"), lambda one: one.process.send_signal(signal.SIGTERM))):
        word = f"31{os.getpid()}{number}"
        began = os.path.join(tmp, word)
        with prepare(installed) if number == 0 else Load(installed, "select 1"):
            terminal = Terminal(installed, "0.005", "-o", f"alert.command=touch {began}; sleep {word} & sleep {word}")
            installed.sql("update trigperf.alert_history set taken_at = null")
            eventually(lambda b=began: os.path.exists(b), "the command")
            clock = terminal.until("trigperf monitor")
            eventually(lambda c=clock, t=terminal: t.until("trigperf monitor") != c, "the picture goes on")
            terminal.end(lambda h=how, t=terminal: h(t), "was not run to its end for 1 event")
        eventually(lambda w=word: not processes_of(f"sleep {w}"), "its children are gone")


@test("what a command prints stays off the picture, and why it failed is told in it")
def _(installed):
    slow_trigger(installed)
    terminal = Terminal(installed, "0.005", "-o", "alert.command=echo GARBLE; echo no route >&2; exit 3")
    line = terminal.until("alert.command")
    equal(line.rstrip(), "alert.command ended with exit code 3: no route", "the warning")
    text = terminal.end(lambda: os.write(terminal.master, b"q"))
    check("GARBLE" not in text, "what it prints")


@test("without the schema, without measurement, wrong usage")
def _(db):
    db.sql(f"alter database {db.name} set track_functions = 'none'; create table t(id int)")
    process = subprocess.Popen([harness.TOOL, "monitor", "0.01"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, encoding="utf-8", env=db.env())
    contains(process.stdout.readline(), "track_functions is off", "what is not measured")
    process.terminate()
    process.communicate(timeout=harness.PATIENCE)
    equal(process.returncode, 0, "exit code")
    contains(db.trigperf("monitor", "often", ok=2).err, "often", "wrong usage")
    db.trigperf("monitor", "-d", "host=/nonexistent", ok=1)


if __name__ == "__main__":
    harness.main()
