#!/usr/bin/python3
# suite: versions
"""trigperf serve: metrics for Prometheus, the page in a real browser, tokens, slow readers, lost databases."""

import base64
import http.client
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.parse

import harness
from harness import check, contains, equal, eventually, skip, test

sys.path.insert(0, os.path.join(harness.ROOT, "tests", "browser"))
import browser  # noqa: E402  pylint: disable=wrong-import-position

ARTIFACTS = os.path.join(harness.BUILD, "artifacts")
CALLS = "create table calls(id int primary key, user_id int, note text)"


class Served:
    """A running `trigperf serve`."""

    def __init__(self, db, *args, every="200ms", port="0"):
        self.log = open(os.path.join("/tmp", f"tpserve.{os.getpid()}.{id(self)}"), "w+", encoding="utf-8")
        os.unlink(self.log.name)
        self.process = subprocess.Popen([harness.TOOL, "serve", "--port", port, "--every", every, *args], env=db.env(),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log,
                                        encoding="utf-8")
        self.url = self.process.stdout.readline().strip()
        check(self.url.startswith("http://"), f"no address: {self.errors()}")
        self.host, self.port = self.url[7:-1].rsplit(":", 1)

    def errors(self):
        self.log.seek(0)
        return self.log.read()

    def ask(self, path, method="GET", **headers):
        """(status, headers, body) of one request."""
        connection = http.client.HTTPConnection(self.host.strip("[]"), int(self.port), timeout=harness.PATIENCE)
        try:
            connection.request(method, path, headers={key.replace("_", "-"): value for key, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()
        finally:
            connection.close()

    def metrics(self, **headers):
        status, _, text = self.ask("/metrics", **headers)
        equal(status, 200, "status of /metrics")
        return text

    def ready(self):
        eventually(lambda: self.ask("/healthz")[0] == 200, "the database")
        return self

    def memory(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]) * 1024

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(harness.PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()


class Socket:
    """A WebSocket, frame by frame; `status` is that of the handshake. Pings are answered while it is read."""

    def __init__(self, served, path="/live", origin=None, host=None, receive=None, protocol="trigperf", upgrade="websocket"):
        self.raw = socket.socket()
        if receive:
            self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self.raw.settimeout(harness.PATIENCE)
        self.raw.connect((served.host, int(served.port)))
        lines = [f"GET {path} HTTP/1.1", f"Host: {host or served.host + ':' + served.port}", f"Upgrade: {upgrade}",
                 "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                 "Sec-WebSocket-Key: " + base64.b64encode(b"0123456789abcdef").decode()]
        lines += [f"Origin: {origin}"] if origin else []
        lines += [f"Sec-WebSocket-Protocol: {protocol}"] if protocol else []
        self.raw.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.rest = b""
        head = b""
        while b"\r\n\r\n" not in head:
            data = self.raw.recv(4096)
            if not data:
                break
            head += data
        head, _, self.rest = head.partition(b"\r\n\r\n")
        self.status = int(head.split()[1]) if head else None

    def _take(self, size):
        while len(self.rest) < size:
            data = self.raw.recv(65536)
            if not data:
                raise EOFError
            self.rest += data
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken

    def message(self):
        """The next message as an object."""
        text = b""
        while True:
            first, second = self._take(2)
            size = second & 127
            if size == 126:
                size = struct.unpack(">H", self._take(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self._take(8))[0]
            data = self._take(size)
            if first & 15 == 8:
                raise EOFError
            if first & 15 == 9:
                self.raw.sendall(bytes([0x8A, 0x80 | len(data)]) + bytes(4) + data)
            if first & 15 < 3:
                text += data
                if first & 128:
                    return json.loads(text)

    def until(self, predicate):
        end = time.monotonic() + harness.PATIENCE
        while True:
            message = self.message()
            if predicate(message):
                return message
            check(time.monotonic() < end, f"waited in vain for a message; the last one is {message}")

    def until_all(self, *predicates):
        """Reads until each of them has been satisfied, in whatever order."""
        missing = list(predicates)
        while missing:
            message = self.until(lambda one: any(wanted(one) for wanted in missing))
            missing = [wanted for wanted in missing if not wanted(message)]

    def close(self):
        self.raw.close()


def of_type(name):
    return lambda message: message["type"] == name


def samples(text):
    """{(name, labels as a sorted tuple): value} of a text for Prometheus."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, inner, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
            pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', inner or "")
            labels = tuple(sorted((key, re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], given))
                                  for key, given in pairs))
            check((name, labels) not in found, f"twice: {line}")
            found[name, labels] = float(value)
    return found


def promtool(*args, stdin=None):
    if not shutil.which("promtool"):
        skip("promtool is not installed")
    result = harness.run(["promtool", *args], stdin=stdin)
    check(result.code == 0 and not re.search("warning|error", result.out + result.err, re.I), repr(result))


def measured(db, more=0):
    """A database with figures of every kind, written where collecting would."""
    db.sql(CALLS + '; create table "o\'d ""d"(id int primary key)')
    db.trigperf("attach", "calls", "--key", "id", "--key", "user_id", "--rule", "call:{id}", "--rule", "user:{user_id}")
    db.trigperf("attach", 'public."o\'d ""d"', "--key", "id", "--rule", "odd:{id}")
    db.trigperf("kpi", "add", "per_user", "--from", "calls", "--by", "user_id", "--value", "n=count(*)")
    db.sql("""insert into trigperf.trigger_performance_metrics (hour, measured, table_name, trigger_name, function_name,
            shared_by, ours, executions, total_ms, self_ms, max_ms, samples, histogram, errors, skipped)
        select date_trunc('hour', now(), 'UTC') - h * interval '1 hour', 'function', t, 'slow "one"\\', 'public.f' || n, 1, false,
               100 * n, 250.5 * n, 200 * n, 90, 10, array[(500::bigint << 48) | 9, (600::bigint << 48) | 1], n, 4
        from generate_series(0, 3) h, (values (1, 'public.calls'), (2, E'public."o''d ""d"')) v(n, t)""")
    db.sql("""insert into trigperf.host_series_name (name, labels, kind) values
            ('host_requests_total', '{"page": "a\\"b"}', 'counter'), ('host_queue_size', '{}', 'gauge'),
            ('host_query_seconds', '{"table": "calls"}', 'histogram'), ('host_query_seconds', '{"table": "users"}', 'histogram');
        insert into trigperf.host_series (series_id, hour, instance, sequence, count, sum_ns, max_ns, value, histogram, flushed_at)
        select id, date_trunc('hour', now(), 'UTC'), gen_random_uuid(), 1, case when kind <> 'gauge' then 10 end,
               case kind when 'histogram' then 5000000000 end, case kind when 'histogram' then 900000000 end,
               case kind when 'gauge' then 17.5 end, case kind when 'histogram' then array[(600::bigint << 48) | 10] end, now()
        from trigperf.host_series_name;
        insert into trigperf.alert_history (rule, subject, labels, level, previous, value, message) values
            ('slow', 'public.calls', '{}', 'warning', 'ok', 0.2, 'mean is 200 ms, above 100 ms'),
            ('lag', 'app', '{"source": "outbox"}', 'critical', 'ok', 900, 'consumer <b>app</b> is 15 minutes behind'),
            ('slow', 'public.calls', '{}', 'ok', 'warning', 0.01, 'mean is 10 ms again')""")
    if more:
        db.sql(f"""insert into trigperf.trigger_performance_metrics (hour, measured, table_name, trigger_name, function_name,
                shared_by, ours, executions, total_ms, self_ms)
            select date_trunc('hour', now(), 'UTC'), 'function', 'public.t' || n, 'trg', 'public.g' || n, 1, false, n, 10 * n, n
            from generate_series(1, {more}) n""")


# --- metrics ---------------------------------------------------------------------------------------

@test("a database that answers slowly is asked for a fifth of the time at most")
def _(installed):
    installed.sql("""create table asked(at timestamptz); alter function trigperf.status() rename to quick_status;
        create function trigperf.status() returns json language sql as $$ insert into public.asked values (clock_timestamp());
            select pg_sleep(0.3); select trigperf.quick_status()::json $$""")
    with Served(installed, "--no-batches", every="100ms"):
        eventually(lambda: int(installed.value("select count(*) from asked")) >= 3, "turns")
    check(installed.value("select min(n - at) >= interval '1.4 seconds' from (select at, lead(at) over (order by at) n from asked) x") == "t",
          installed.value("select string_agg(at::text, ', ' order by at) from asked"))


@test("an alert that stands for long is told in the metrics and to the page; and that nobody measures")
def _(installed):
    installed.sql("""insert into trigperf.alert_rule (name, source, description, unit, warn, critical) values ('old', 'none', '', '', 1, 2);
        insert into trigperf.alert_state (rule, subject, level, told, told_at, judged_at)
            select 'old', s, 2, l, now() - interval '9 days', now() from (values ('told', 2), ('silent', 0)) v(s, l);
        insert into trigperf.alert_history (at, rule, subject, level, message)
            select now() - interval '9 days' + m * interval '1 second', 'old', 'told', l, l || ' it is' from (values (-5, 'warning'), (1, 'critical')) v(m, l);
        select trigperf.collect(); update trigperf.collect_state set collected_at = now() - interval '1 hour'""")
    with Served(installed, "--no-batches").ready() as served:
        got = samples(served.metrics())
        equal({labels: value for (name, labels), value in got.items() if name == "trigperf_alert_level"},
              {(("rule", "old"), ("subject", "told")): 2}, "levels")
        check(3600 <= got["trigperf_measured_age_seconds", ()] < 7200, "since when nobody measured")
        view = next(message for message in iter(Socket(served).message, None) if message["type"] == "view")
        equal([(one["subject"], one["level"], one["message"]) for one in view["alerts"]], [("told", "critical", "critical it is")], "what the page lists")


@test("the metrics pass promtool, and are those of the report")
def _(installed):
    measured(installed)
    with Served(installed).ready() as served:
        text = served.metrics()
        promtool("check", "metrics", stdin=text)
        got = samples(text)
        report = json.loads(installed.value("select trigperf.report(date_trunc('day', now(), 'UTC'), now())"))
        counted = 0
        for one in report["triggers"]:
            labels = tuple(sorted((name, one[name]) for name in ("table", "trigger", "function") if one[name]))
            for member, name, scale in (("total_ms", "trigperf_trigger_duration_seconds_sum", 1e-3),
                                        ("executions", "trigperf_trigger_duration_seconds_count", 1),
                                        ("errors", "trigperf_trigger_errors_total", 1),
                                        ("max_ms", "trigperf_trigger_max_seconds", 1e-3)):
                value = got.get((name, labels))
                if one[member] is None:
                    equal(value, None, f"{name} of {labels}: not measured")
                else:
                    check(abs(value - one[member] * scale) < 1e-9, f"{name} of {labels}: {value}, {one[member]}")
                    counted += 1
        check(counted >= 8, f"figures: {counted}")
        equal(got["host_requests_total", (("page", 'a"b'),)], 10, "a counter of a host")
        equal(got["host_queue_size", ()], 17.5, "a gauge of a host")
        equal([one["count"] for one in report["series"] if one["kind"] == "gauge"], [None], "a gauge counts nothing")
        equal(got["host_query_seconds_sum", (("table", "users"),)], 5, "a histogram of a host")
        check(0.2 < got["host_query_seconds", (("quantile", "0.95"), ("table", "users"))] < 1, "its quantile")
        equal(got["trigperf_alert_level", (("rule", "slow"), ("subject", "public.calls"))], 0, "an alert that ended")
        equal([value for (name, labels), value in got.items() if name == "trigperf_alert_level"
               and ("rule", "lag") in labels], [2], "a critical alert")
        equal(got["trigperf_up", ()], 1, "up")


def durable_reader(db):
    """A slot that holds log back, and consumers of both sources."""
    db.sql("create table w(id int primary key)")
    db.trigperf("attach", "w", "--key", "id", "--granularity", "wal")
    db.trigperf("tail", "--consumer", "log", "--option", "source=wal", "--until-idle", "300", "--format", "json")
    db.trigperf("tail", "--consumer", "box", "--format", "json")


@test("every metric that the dashboard and the rules name exists, and both are well-formed")
def _(installed):
    share = os.path.join(harness.ROOT, "share")
    rules = os.path.join(share, "prometheus", "trigperf-rules.yml")
    promtool("check", "rules", rules)
    with open(rules, encoding="utf-8") as file:
        named = set(re.findall(r"\b(trigperf_\w+)", file.read()))
    with open(os.path.join(share, "grafana", "trigperf-dashboard.json"), encoding="utf-8") as file:
        text = file.read()
    board = json.loads(text)
    equal([one["name"] for one in board["__inputs"]], ["DS_PROMETHEUS"], "inputs")
    equal({panel["datasource"]["uid"] for panel in board["panels"]}, {"${DS_PROMETHEUS}"}, "data sources")
    equal(len({panel["id"] for panel in board["panels"]}), len(board["panels"]), "numbers of panels")
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    expressions += [one["query"]["query"] for one in board["templating"]["list"]]
    named |= set(re.findall(r"\b(trigperf_\w+)", " ".join(expressions)))
    measured(installed)
    durable_reader(installed)
    installed.sql("select trigperf.collect()")
    with Served(installed).ready() as served:
        eventually(lambda: "trigperf_notifier_beat_age_seconds" in served.metrics(), "an elected notifier")
        text = served.metrics()
        promtool("check", "metrics", stdin=text)
        have = {name for name, _ in samples(text)}
    equal(sorted(named - have), [], "metrics that do not exist")
    equal(sorted(name for name in have - named if name.startswith("trigperf_")),
          ["trigperf_build_info", "trigperf_outbox_rows", "trigperf_trigger_self_seconds_total"], "metrics nobody shows")


@test("the rules fire when they should, and only then")
def _(tmp):
    rules = os.path.join(harness.ROOT, "share", "prometheus", "trigperf-rules.yml")
    case = """rule_files: [%s]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'trigperf_trigger_duration_seconds_sum{table="a",function="f"}', values: '0+12x60'}
      - {series: 'trigperf_trigger_duration_seconds_count{table="a",function="f"}', values: '0+60x60'}
      - {series: 'trigperf_trigger_errors_total{table="a",function="f"}', values: '0+4x60'}
      - {series: 'trigperf_trigger_duration_seconds_sum{table="b",function="g"}', values: '0+1x60'}
      - {series: 'trigperf_trigger_duration_seconds_count{table="b",function="g"}', values: '0+60x60'}
      - {series: 'trigperf_up{instance="x"}', values: '1x20 0x40'}
      - {series: 'trigperf_consumer_lag_seconds{consumer="c"}', values: '5x60'}
    alert_rule_test:
      - {eval_time: 30m, alertname: TrigperfTriggerSlow, exp_alerts: [{exp_labels: {severity: warning, table: a, function: f},
          exp_annotations: {summary: 'A trigger on a takes 200ms on average', description: 'f. "trigperf triggers --advise" says what can be done.'}}]}
      - {eval_time: 30m, alertname: TrigperfTriggerVerySlow, exp_alerts: []}
      - {eval_time: 30m, alertname: TrigperfTriggerErrors, exp_alerts: [{exp_labels: {severity: warning, table: a, function: f},
          exp_annotations: {summary: '6.667%% of the executions of f fail'}}]}
      - {eval_time: 30m, alertname: TrigperfTriggerManyErrors, exp_alerts: []}
      - {eval_time: 18m, alertname: TrigperfDatabaseDown, exp_alerts: []}
      - {eval_time: 30m, alertname: TrigperfConsumerBehind, exp_alerts: []}
""" % rules
    path = os.path.join(tmp, "case.yml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(case)
    if not shutil.which("promtool"):
        skip("promtool is not installed")
    harness.run(["promtool", "test", "rules", path], ok=True)


@test("two thousand triggers: all in the metrics, a bounded page")
def _(installed):
    measured(installed, more=2000)
    with Served(installed, every="1s").ready() as served:
        text = served.metrics()
        promtool("check", "metrics", stdin=text)
        check(len([1 for name, _ in samples(text) if name == "trigperf_trigger_duration_seconds_sum"]) >= 2000, "triggers")
        stream = Socket(served)
        view = stream.until(of_type("view"))
        equal(len(view["triggers"]), 200, "triggers of the page")
        check(view["totals"]["triggers"] >= 2000, "and their number")
        equal(view["triggers"][0]["table"], "public.t2000", "the one that took most time")
        stream.close()


# --- who may see it --------------------------------------------------------------------------------

def token_file(tmp, text="s3cret-token-0123\n"):
    path = os.path.join(tmp, "token")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


@test("a token is asked for, in the header or the address, of browsers too")
def _(installed, tmp):
    with Served(installed, "--token-file", token_file(tmp)) as served:
        eventually(lambda: served.ask("/healthz")[0] == 200, "the database")
        good = "s3cret-token-0123"
        for path in ("/", "/metrics", "/report.json", "/nothing"):
            status, headers, _ = served.ask(path)
            equal((status, headers.get("www-authenticate")), (401, "Bearer"), f"{path} without a token")
        for wrong in ("s3cret-token-0124", "s3cret-token-012", "s3cret-token-01234", "", "x" * 3000):
            equal(served.ask("/metrics", Authorization="Bearer " + wrong)[0], 401, f"with {wrong[:20]!r}")
            equal(served.ask("/metrics?token=" + wrong)[0], 401, f"with {wrong[:20]!r} in the address")
        equal(served.ask("/metrics", Authorization="Basic " + good)[0], 401, "another scheme")
        equal(served.ask("/metrics", Authorization="Bearer " + good)[0], 200, "with the token")
        equal(served.ask("/?a=b&token=" + good)[0], 200, "in the address")
        equal(served.ask("/app.js")[0], 200, "files of the page hold no figures")
        check(Socket(served).status != 101, "a browser without a token")
        check(Socket(served, "/live?token=nonsense").status != 101, "with a wrong one")
        stream = Socket(served, "/live?token=" + good)
        equal(stream.status, 101, "with the token")
        stream.until(of_type("view"))
        refused = samples(served.metrics(Authorization="Bearer " + good))["trigperf_serve_refused_total", ()]
        equal(refused, 4 + 5 * 2 + 1 + 2, "refused")


@test("health without the token tells no reasons")
def _(db, tmp):
    with Served(db, "--token-file", token_file(tmp)) as served:
        eventually(lambda: "not installed" in served.ask("/healthz?token=s3cret-token-0123")[2], "the reason")
        equal(served.ask("/healthz")[::2], (503, "unavailable\n"), "without the token")


@test("pages of others reach it neither by a name of their own nor by a WebSocket")
def _(installed):
    with Served(installed).ready() as served:
        here = served.host + ":" + served.port
        for host, status in ((here, 200), ("localhost:" + served.port, 200), ("[::1]:1", 200), ("evil.example", 403),
                             ("127.0.0.1.evil.example:80", 403)):
            equal(served.ask("/metrics", Host=host)[0], status, f"Host: {host}")
        for origin, fine in ((f"http://{here}", True), (None, True), ("http://evil.example", False),
                             (f"http://evil.example/{here}", False), ("null", False)):
            equal(Socket(served, origin=origin).status == 101, fine, f"Origin: {origin}")
        check(Socket(served, origin="http://evil.example", host="evil.example").status != 101, "both the same, but foreign")


@test("no connection is upgraded past the checks, whatever protocol it names")
def _(installed, tmp):
    token = token_file(tmp)
    for args, path in (([], "/live"), (["--token-file", token], "/live"), (["--token-file", token], "/live?token=s3cret-token-0123")):
        with Served(installed, *args) as served:
            for protocol in (None, "http", "nonsense", "http, trigperf"):
                for origin in ("http://evil.example", f"http://{served.host}:{served.port}", None):
                    check(Socket(served, path, origin, protocol=protocol).status != 101, f"{protocol}, from {origin}")
            for upgrade in ("h2c", "HTTP/2.0", "nonsense"):
                check(Socket(served, path, upgrade=upgrade).status != 101, upgrade)
            equal(served.ask("/healthz")[0] in (200, 503), True, "after all of it")


@test("bad requests are answered or ended, and harm nobody")
def _(installed):
    with Served(installed).ready() as served:
        equal(served.ask("/nothing")[0], 404, "unknown")
        equal(served.ask("/metrics/")[0], 404, "behind a known one")
        equal(served.ask("/" + "a" * 500)[0], 404, "long")
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            check(served.ask("/metrics", method=method)[0] in (405, 404, 403), method)
        status, headers, body = served.ask("/", method="HEAD")
        equal((status, body), (200, ""), "HEAD")
        contains(headers["content-security-policy"], "default-src 'none'", "policy")
        for garbage in (b"\0\1\2\3" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"G" * 100000, b"\r\n" * 1000,
                        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20000, b"GET /" + b"%zz" * 300 + b" HTTP/1.1\r\n\r\n",
                        b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\nabc"):
            raw = socket.create_connection((served.host, int(served.port)), timeout=harness.PATIENCE)
            try:
                raw.sendall(garbage)
                raw.shutdown(socket.SHUT_WR)
                while raw.recv(65536):
                    pass
            except OSError:
                pass
            raw.close()
        stream = Socket(served)
        stream.until(of_type("view"))
        stream.raw.sendall(b"\x81\x85abcd" + bytes(a ^ b for a, b in zip(b"hello", b"abcda")))
        harness.raises(EOFError, lambda: [stream.message() for _ in range(100)])
        equal(served.ask("/healthz")[0], 200, "after all of it")
        equal(served.process.poll(), None, "it runs")


# --- the stream ------------------------------------------------------------------------------------

@test("batches come over the WebSocket, and no consumer misses one")
def _(installed):
    installed.sql(CALLS)
    installed.trigperf("attach", "calls", "--key", "id", "--rule", "call:{id}")
    with Served(installed).ready() as served, installed.tail_start("--consumer", "real", "--follow") as real:
        real.next()
        stream = Socket(served)
        stream.until(lambda message: message["type"] == "stream" and message["ready"])
        for number in range(1, 6):
            installed.sql(f"insert into calls values ({number}, 7, 'n')")
            stream.until(lambda message: message["type"] == "batch"      # pylint: disable=cell-var-from-loop
                         and f"call:{number}" in message["batch"]["keys"])
        real.until_keys([f"call:{number}" for number in range(1, 6)])
        equal(installed.rows("select name from trigperf.consumer"), [["real"]], "consumers")
        installed.sql("insert into trigperf.alert_history (rule, level, message) values ('r', 'critical', 'now')")
        stream.until(lambda message: message["type"] == "view" and message["alerts"])
        real.stop()


@test("browsers that do not read cost little, and learn that they missed something")
def _(installed):
    installed.sql(CALLS)
    installed.trigperf("attach", "calls", "--key", "id", "--rule", "call:{id}", "--granularity", "statement")
    with Served(installed).ready() as served:
        slow = [Socket(served, receive=2048) for _ in range(60)]
        quick = Socket(served)
        before = served.memory()
        for burst in range(12):
            installed.sql(f"insert into calls select n, 1, '' from generate_series({burst * 900 + 1}, {burst * 900 + 900}) n")
        quick.until(lambda message: message["type"] in ("batch", "missed")
                    and (message["type"] == "missed" or "call:10800" in json.dumps(message)))
        check(served.memory() - before < 30 << 20, f"memory grew by {(served.memory() - before) >> 20} MB")
        equal(served.ask("/healthz")[0], 200, "others are served")
        for one in slow:
            one.close()
        eventually(lambda: samples(served.metrics())["trigperf_serve_clients", ()] == 1, "they are gone")


@test("however many connections are open, health and metrics are answered")
def _(installed):
    def silent(served):
        return socket.create_connection((served.host, int(served.port)), timeout=harness.PATIENCE)

    def unfinished(served):
        one = silent(served)
        one.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ")
        return one

    def kept(served):
        one = silent(served)
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return one

    for kind in (silent, unfinished, kept, Socket):
        with Served(installed).ready() as served:
            opened = [kind(served) for _ in range(200)]
            equal(served.ask("/healthz")[0], 200, f"{kind.__name__}: health")
            equal(served.ask("/metrics")[0], 200, f"{kind.__name__}: metrics")
            check(len(os.listdir(f"/proc/{served.process.pid}/fd")) < 200, "descriptors")
            if kind is Socket:
                equal(sum(one.status == 101 for one in opened), 64, "browsers")
                opened.pop(0).close()
                eventually(lambda s=served: Socket(s).status == 101, "a browser's place is free again")
            for one in opened:
                one.close()


@test("a crowd that came while it slept does not push out who came last")
def _(installed):
    with Served(installed).ready() as served:
        served.process.send_signal(signal.SIGSTOP)
        crowd = [socket.create_connection((served.host, int(served.port)), timeout=harness.PATIENCE) for _ in range(200)]
        for one in crowd:
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        last = http.client.HTTPConnection(served.host, int(served.port), timeout=harness.PATIENCE)
        last.request("GET", "/healthz")
        served.process.send_signal(signal.SIGCONT)
        equal(last.getresponse().status, 200, "health")
        for one in [last, *crowd]:
            one.close()


# --- its life --------------------------------------------------------------------------------------

@test("it ends on SIGTERM and SIGINT, with browsers connected, and leaves nothing")
def _(installed):
    for number in (signal.SIGTERM, signal.SIGINT):
        with Served(installed).ready() as served:
            stream = Socket(served)
            stream.until(of_type("view"))
            equal(served.stop(number), 0, "exit code")
            equal(served.errors(), "", "standard error")
            harness.raises((EOFError, OSError), lambda s=stream: [s.message() for _ in range(1000)])
    eventually(lambda: installed.value("select count(*) from pg_stat_activity where application_name = 'trigperf serve'") == "0",
               "its sessions end")
    equal(installed.value("select count(*) from trigperf.member"), "0", "members left")


@test("a server that answers late is waited for at the end too, so that nothing is left")
def _(installed):
    sessions = "select pid from pg_stat_activity where application_name = 'trigperf serve' and datname = current_database()"
    with Served(installed).ready() as served:
        stream = Socket(served)
        stream.until(lambda message: message["type"] == "stream" and message["ready"])
        eventually(lambda: installed.value("select count(*) from trigperf.member") == "1", "the member")
        stopped = [int(row[0]) for row in installed.rows(sessions)]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            served.process.send_signal(signal.SIGTERM)
            harness.raises(subprocess.TimeoutExpired, served.process.wait, 3)
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        equal(served.process.wait(harness.PATIENCE), 0, "exit code")
    equal(installed.value("select count(*) from trigperf.member"), "0", "members left")


@test("a database that goes away and comes back")
def _(cluster):
    db = cluster.installed()
    db.sql(CALLS)
    db.trigperf("attach", "calls", "--key", "id", "--rule", "call:{id}")
    with Served(db).ready() as served:
        stream = Socket(served)
        stream.until(of_type("view"))
        cluster.halt("fast")
        lost = stream.until(lambda message: message["type"] == "view" and not message["up"])
        check(lost["reason"], "a reason")
        status, _, body = served.ask("/healthz")
        equal(status, 503, "health")
        contains(body, "unavailable: ", "its reason")
        text = served.metrics()
        promtool("check", "metrics", stdin=text)
        equal(samples(text)["trigperf_up", ()], 0, "up")
        check("trigperf_outbox_bytes" not in text, "figures that nobody knows are left out")
        equal(served.ask("/report.json")[0], 503, "the report")
        cluster.resume()
        stream.until_all(lambda message: message["type"] == "view" and message["up"],
                         lambda message: message["type"] == "stream" and message["ready"])
        db.sql("insert into calls values (1, 1, '')")
        stream.until(lambda message: message["type"] == "batch" and "call:1" in message["batch"]["keys"])
        equal(samples(served.metrics())["trigperf_serve_reconnects_total", ()], 1, "reconnects")
        contains(served.errors(), "the database answers again", "what it says")


@test("without the schema, and without rights, it says so")
def _(installed, cluster):
    empty = cluster.database()
    installed.sql(f"create role plain_{installed.name} login; create role seer_{installed.name} login")
    installed.trigperf("grants", "--metrics", f"seer_{installed.name}", "--apply")
    for db, message in ((empty, "not installed"), (installed.as_user(f"plain_{installed.name}"), "permission denied")):
        with Served(db) as served:
            eventually(lambda s=served, m=message: m in s.ask("/healthz")[2], message)
            equal(served.ask("/healthz")[0], 503, "health")
    with Served(installed.as_user(f"seer_{installed.name}")).ready() as served:
        promtool("check", "metrics", stdin=served.metrics())
        stream = Socket(served)
        told = stream.until(of_type("stream"))
        check(not told["ready"] and "permission denied" in told["message"], f"batches need more: {told}")


@test("wrong usage exits 2, a port that is taken 1")
def _(installed, tmp):
    for args in (["--port", "70000"], ["--port", "x"], ["--listen", "0.0.0.0"], ["--every", "1ms"], ["--every", "soon"], ["x"]):
        installed.trigperf("serve", *args, ok=2)
    short = token_file(tmp, "short\n")
    contains(installed.trigperf("serve", "--token-file", short, ok=1).err, "8 to 512", "a short token")
    contains(installed.trigperf("serve", "--token-file", short + "no", ok=1).err, "cannot be read", "no file")
    with Served(installed, "--no-token", "--listen", "0.0.0.0") as served:
        contains(installed.trigperf("serve", "--port", served.port, "--listen", "0.0.0.0", "--no-token", ok=1).err,
                 "cannot listen", "the same port")
    contains(installed.trigperf("serve", "--listen", "example.org", "--no-token", ok=1).err, "expected an address", "a name")
    contains(installed.trigperf("serve", "--listen", "192.0.2.1", "--no-token", ok=1).err, "cannot listen", "a foreign address")


# --- the page --------------------------------------------------------------------------------------

def need_browser():
    if not browser.find():
        skip("no chromium is installed")


def figures_of(page):
    """What the table of triggers shows, as numbers, by table, trigger and function."""
    return {tuple(row[:3]): row[3:] for row in page.evaluate("""[...document.querySelectorAll("#triggers tbody tr")].map((row) => {
        const cell = (name) => row.querySelector(`[data-name="${name}"]`);
        const value = (name) => { const text = cell(name).dataset.value; return text === undefined ? null : Number(text); };
        return [cell("table").textContent, cell("trigger").textContent, cell("function").textContent, value("executions"),
                value("total_ms"), value("mean_ms"), value("p95_ms"), value("p99_ms"), value("errors")]; })""")}


@test("the page in a browser: figures of the report, charts, batches as they come, nothing from elsewhere")
def _(installed):
    need_browser()
    measured(installed)
    with Served(installed, every="500ms").ready() as served, browser.Browser(1280, 900) as chromium:
        page = chromium.open(served.url)
        page.until("Number(document.body.dataset.views) > 0 && document.getElementById('state').textContent === 'live'", "figures")
        page.until("document.getElementById('stream').textContent === 'following'", "the stream")
        report = json.loads(served.ask("/report.json")[2])
        shown = figures_of(page)
        dash = "\u2013"
        expected = {(one["table"] or dash, one["trigger"] or dash, one["function"] or dash):
                    [one[name] for name in ("executions", "total_ms", "mean_ms", "p95_ms", "p99_ms", "errors")]
                    for one in report["triggers"]}
        equal(shown, expected, "figures of the page")
        equal(page.evaluate("document.getElementById('t-executions').textContent.replaceAll(',', '')"),
              str(sum(one["executions"] or 0 for one in report["triggers"])), "executions at a glance")
        check(page.evaluate("document.querySelectorAll('#c-hours rect.bar').length") >= 4, "bars")
        widths = page.evaluate("[...document.querySelectorAll('#c-hours rect.bar')].map(one => one.getAttribute('width') * 1)")
        check(min(widths) == max(widths) > 2, f"the hour under way is as wide as the others: {widths!r}")
        check(page.evaluate("document.querySelectorAll('#triggers wbr').length") > 0, "long names may break")
        check(page.evaluate("document.querySelectorAll('#c-curves polyline').length") >= 2, "curves")
        equal(page.evaluate("[...document.querySelectorAll('svg[role=img]')].every((one) => one.getAttribute('aria-label'))"),
              True, "charts have words")
        contains(page.evaluate("document.getElementById('alerts').textContent"), "<b>app</b>", "markup is shown as text")
        equal(page.evaluate("document.getElementById('t-alerts').textContent"), "1", "alerts that last")
        installed.sql("insert into calls values (4711, 3, 'x')")
        page.until("document.getElementById('batches').textContent.includes('call:4711')", "the batch")
        page.evaluate("document.querySelector('[data-sort=executions]').focus()")
        page.press("Enter")
        equal(page.evaluate("document.querySelector('#triggers th[aria-sort=descending]').textContent"), "executions", "sorted")
        equal(page.evaluate("document.activeElement.dataset.sort"), "executions", "and the focus stays")
        page.until("document.querySelectorAll('#c-rate rect').length > 0", "the rate")
        page.screenshot(os.path.join(ARTIFACTS, "serve-light.png"))
        equal(page.problems, [], "the console")
        equal([url for url in page.requests if urllib.parse.urlsplit(url).netloc != f"{served.host}:{served.port}"
               and not url.startswith("data:")], [], "requests to others")
    for name, width, dark in (("dark", 1280, True), ("phone", 390, False)):
        with Served(installed, every="500ms").ready() as served, browser.Browser(width, 900, dark) as chromium:
            page = chromium.open(served.url)
            page.until("document.querySelectorAll('#c-hours rect').length > 0", "charts")
            light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(246, 247, 249)"
            equal(light, not dark, "colours")
            check(page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name}: wider than the window")
            page.screenshot(os.path.join(ARTIFACTS, f"serve-{name}.png"))
            equal(page.problems, [], f"{name}: the console")


@test("the page finds its server again, and says while it has none; with a token too")
def _(installed, tmp):
    need_browser()
    token = token_file(tmp)
    with browser.Browser() as chromium:
        with Served(installed, "--token-file", token) as served:
            port = served.port
            page = chromium.open(served.url + "?token=s3cret-token-0123")
            page.until("document.getElementById('state').textContent === 'live'", "figures")
            equal(page.problems, [], "the console")
            contains(page.evaluate("document.getElementById('l-metrics').href"), "token=", "links carry the token")
            served.stop()
        page.until("document.getElementById('state').textContent === 'connecting again'", "the loss")
        with Served(installed, "--token-file", token, port=port):
            page.until("document.getElementById('state').textContent === 'live'", "figures again")


@test("long names leave the figures in sight, and a curve breaks where an hour was not measured")
def _(installed):
    need_browser()
    long = "x" * 63
    installed.sql(f"""insert into trigperf.trigger_performance_metrics (hour, measured, table_name, trigger_name, function_name,
            executions, total_ms, max_ms, samples, histogram)
        select date_trunc('hour', now(), 'UTC') - h * interval '1 hour', 'trigger', '{long}.{long}', '{long}', '{long}.{long}', 100, 250, 9, 10,
               array[(500::bigint << 48) | 10] from unnest(array[1, 2, 4, 5, 6]) h""")
    with Served(installed).ready() as served, browser.Browser(1280, 900) as chromium:
        page = chromium.open(served.url)
        page.until("document.querySelectorAll('#c-curves polyline').length > 0", "curves")
        equal(page.evaluate("[...document.querySelectorAll('#c-curves polyline')].map(one => one.getAttribute('points').split(' ').length)"),
              [3, 2], "pieces of the curve")
        equal(page.evaluate("document.querySelectorAll('#c-curves circle').length"), 5, "its points")
        right = page.evaluate("document.querySelector('#triggers').getBoundingClientRect().right")
        check(right <= 1280, f"figures in sight: {right}")
        check(page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is as wide as the window")
        equal(page.evaluate("document.querySelectorAll('#triggers td.n wbr').length"), 0, "figures do not break")
        page.screenshot(os.path.join(ARTIFACTS, "serve-long.png"))
        equal(page.problems, [], "the console")


@test("an empty database in a browser: nothing is measured, nothing is 0")
def _(installed):
    need_browser()
    with Served(installed).ready() as served, browser.Browser(900, 700) as chromium:
        page = chromium.open(served.url)
        page.until("document.getElementById('state').textContent === 'live'", "figures")
        equal(page.evaluate("document.getElementById('t-time').textContent"), "\u2013", "time")
        contains(page.evaluate("document.getElementById('c-hours').textContent"), "nothing was measured", "the chart")
        equal(page.problems, [], "the console")


if __name__ == "__main__":
    harness.main(options=["-c wal_level=logical", "-c max_replication_slots=10"])
