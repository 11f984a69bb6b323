#!/usr/bin/python3
# suite: versions
"""The report: the same figures as text, JSON, CSV and HTML; the page in a browser, on a phone, in the dark, on paper."""

import csv
import datetime
import io
import json
import os
import sys

import harness
from harness import check, contains, equal, test

sys.path.insert(0, os.path.join(harness.ROOT, "tests", "browser"))

import browser  # noqa: E402  pylint: disable=wrong-import-position

ARTIFACTS = os.environ.get("TRIGPERF_ARTIFACTS", os.path.join(harness.BUILD, "artifacts"))
HOSTILE = "<script>alert(1)</script>&\"'`${x}"


def moment(text):
    """Seconds since 1970 of a time in the report."""
    return datetime.datetime.fromisoformat(text).timestamp()


def quoted(text):
    return text.replace("'", "''")


def fill(db, triggers=8, hours=12):
    """Measurements of some triggers over some hours, one with a hostile name, one without percentiles."""
    db.sql(f"""insert into trigperf.trigger_performance_metrics(hour, measured, table_name, trigger_name, function_name,
            executions, total_ms, self_ms, max_ms, samples, histogram, errors, skipped)
        select date_trunc('hour', now(), 'UTC') - make_interval(hours => h), 'trigger', 'public.t' || t,
            case t when 2 then '{quoted(HOSTILE)}' else 'audit' end, 'public.f' || t, 1000 * t, 1000 * t * (0.2 * t + h % 3 * 0.1), 900 * t,
            case when t < 4 then 9 end, case when t < 4 then 50 end,
            case when t < 4 then trigperf.histogram_of(array(select (200000 * t + i * (h % 4 + 1) * 40000)::bigint from generate_series(1, 50) i)) end,
            case when t < 3 then 10 * t end, case when t = 1 then 400 end
        from generate_series(1, {triggers}) t, generate_series(0, {hours - 1}) h where h <> 5;
        insert into trigperf.trigger_performance_metrics(hour, measured, table_name, trigger_name, function_name, executions, total_ms)
        select date_trunc('hour', now(), 'UTC') - interval '30 hours', 'trigger', 'public.t1', 'audit', 'public.f1', 500, 777;
        insert into trigperf.trigger_performance_metrics(hour, measured, table_name, trigger_name, function_name, shared_by, executions)
        select date_trunc('hour', now(), 'UTC'), measured, t, name, f, 2, 1 from (values ('function', null, null, 'public.shared'),
            ('bracket', 'public.t1', 'before row', null), ('host', 'public.t1', 'audit', null)) as v(measured, t, name, f);
        insert into trigperf.trigger_execution_log(source, table_name, trigger_name, operation, duration_ms, row_count)
        select 'host', 'public.t1', '{quoted(HOSTILE)}', 'update', i, 1 from generate_series(1, 30) i;
        insert into trigperf.trigger_error_log(table_name, operation, error_message, sqlstate) values ('public.t1', 'insert', '{quoted(HOSTILE)}', '22012');
        insert into trigperf.alert_history(rule, subject, level, previous, value, threshold, message)
        values ('trigger_mean_ms', 'public.t1.audit', 'critical', 'ok', 600, 500, '{quoted(HOSTILE)}');
        create table public."<b>calls</b>"(id int); create function told() returns trigger language plpgsql as 'begin notify x; return null; end';
        create trigger told after insert on public."<b>calls</b>" for each row execute function told()""")


def report(db, *args):
    return json.loads(db.trigperf("report", "--format", "json", *args).out)


def page_of(db, tmp, *args):
    path = os.path.join(tmp, "report.html")
    with open(path, "w", encoding="utf-8") as file:
        file.write(db.trigperf("report", "--format", "html", *args).out)
    return path


def cells(page, table):
    """Rows of a table as lists of (exact value or None, text)."""
    return page.evaluate(f"""[...document.querySelectorAll('#{table} tbody tr')].map(row => [...row.children].map(
        cell => [cell.dataset.value === undefined ? null : Number(cell.dataset.value), cell.textContent]))""")


def opened(path, **how):
    if browser.find() is None:
        harness.skip("no Chromium is installed")
    return browser.Browser(**how)


@test("text, CSV and JSON show the same")
def _(installed):
    fill(installed)
    answer = report(installed)
    one = next(row for row in answer["triggers"] if row["table"] == "public.t1")
    equal((one["executions"], one["errors"], one["error_rate"]), (11000, 110, 0.01), "figures")
    rows = list(csv.DictReader(io.StringIO(installed.trigperf("report", "--format", "csv").out, newline="")))
    equal(len(rows), len(answer["triggers"]), "rows of the CSV")
    for row, wanted in zip(rows, answer["triggers"]):
        equal((row["table"], row["trigger"], row["executions"]), tuple("" if value is None else str(value) for value in
              (wanted["table"], wanted["trigger"], wanted["executions"])), "row of the CSV")
        check(row["p95_ms"] == "" if wanted["p95_ms"] is None else abs(float(row["p95_ms"]) - wanted["p95_ms"]) < 1e-9, f"{row!r}")
    shown = installed.trigperf("report").out
    contains(shown, "public.t8", "text")
    contains(shown, f"{one['mean_ms']:.3f}", "mean in the text")
    contains(shown, "notify_on_write_path", "advice in the text")
    fill_overhead(installed)
    answer = report(installed)
    equal([answer["overhead"][name] for name in ("measuring_ms", "share_of_triggers", "share_of_statements", "per_transaction_us")],
          [1.5, 0.0125, 0.000025, 0.75], "what measuring costs")
    contains(installed.trigperf("report").out, "measuring costs 0.375 us for an execution of a trigger of ours, 1.25 % of their time, "
             "0.00 % of that of all statements\n", "text")
    rows = csv.DictReader(io.StringIO(installed.trigperf("report", "--format", "csv").out, newline=""))
    equal([row["measuring_share"] for row in rows if row["function"] == "trigperf.capture_1" and row["executions"]], ["0.0125"], "CSV")
    compared = report(installed, "--compare", "--since", "24h")
    equal([row["executions"] for row in compared["previous"]["triggers"] if row["table"] == "public.t1"], [500], "the day before")
    contains(installed.trigperf("report", "--compare", "--since", "24h").out, f"{777 / 500:.3f}", "before, in the text")
    equal(report(installed, "--since", "48h", "--until", "25h")["triggers"][0]["executions"], 500, "another period")
    compared = report(installed, "--compare", "--since", "2h")
    equal((compared["previous"]["until"], compared["previous"]["timeline"] != []), (compared["since"], True), "the period before ends where this one begins")
    shared = {point["at"] for point in compared["timeline"]} & {point["at"] for point in compared["previous"]["timeline"]}
    equal(shared, set(), "hours that both periods count")
    for args in (["--since", "1h"], ["--since", "3h", "--until", "61m"], ["--since", "26h", "--until", "70m"]):
        compared = report(installed, "--compare", *args)
        lengths = [moment(one["until"]) - moment(one["since"]) for one in (compared, compared["previous"])]
        check(abs(lengths[0] - lengths[1]) <= 1800, f"the period before is {lengths[1]} s long, the one beside it {lengths[0]} s")
    contains(installed.trigperf("report", "--since", "9999d", ok=2).err, "at least 1 s and at most 1830 days, got '9999d'", "what is too long")
    for wrong in (["--since", "yesterday"], ["--since", "1h", "--until", "2h"], ["--format", "pdf"]):
        installed.trigperf("report", *wrong, ok=2)


@test("a time within an hour is of that hour, and the report says so, and since when it was measured")
def _(installed, tmp):
    fill(installed)
    answer = report(installed, "--since", "50m", "--until", "49m")
    since, until = (moment(answer[name]) for name in ("since", "until"))
    asked = [moment(answer["asked"][name]) for name in ("since", "until")]
    equal((round(asked[1] - asked[0]), since), (60, asked[0] // 3600 * 3600), "what was asked for, and the beginning")
    check(until == min(since + 3600, moment(answer["generated_at"])) or since + 3600 > until > moment(answer["generated_at"]) - 60,
          f"from {answer['since']} to {answer['until']}")
    equal([row["executions"] for row in answer["triggers"] if row["table"] == "public.t1" and row["measured"] == "trigger"], [1000], "of one hour")
    equal({moment(row["at"]) for row in answer["timeline"]}, {since}, "its hours")
    check("asked for" not in installed.trigperf("report", "--since", "50m", "--until", "49m").out, "no word of whole days")
    earlier, later = (report(installed, *args) for args in (["--since", "5h", "--until", "3h"], ["--since", "3h"]))
    check(not {row["at"] for row in earlier["timeline"]} & {row["at"] for row in later["timeline"]}, "two times in a row share no hour")
    contains(installed.trigperf("report").out, "\ntriggers were not measured yet", "text before the first look")
    installed.sql("select trigperf.collect()")
    shown, begun = installed.trigperf("report").out, report(installed)["database"]["measured_since"]
    contains(shown, f"\nmeasured since {begun}\n", "text")
    with open(page_of(installed, tmp), encoding="utf-8") as file:
        contains(file.read(), f'<p id="measured">measured since <time datetime="{begun}">', "page")
    installed.sql("update trigperf.collect_state set measured_since = now() - interval '30 hours'")
    check("measured since" not in installed.trigperf("report").out, "all of the time was measured")


def fill_overhead(db):
    """What makes the cost of measuring known."""
    db.sql("create table measured(id bigint primary key)")
    db.attach("measured", "--key", "id")
    db.sql("""update trigperf.collect_state set execution_us = 0.375;
        insert into trigperf.collect_run(at, next_xid, duration_ms, functions, samples, transactions, active_ms)
        values (now(), '1', 5, 1, 0, 2000, 60000);
        insert into trigperf.trigger_performance_metrics(hour, measured, table_name, function_name, shared_by, ours, executions, total_ms)
        values (date_trunc('hour', now(), 'UTC'), 'function', 'public.measured', 'trigperf.capture_1', 2, true, 4000, 120)""")


@test("the page has the figures of the JSON, loads nothing and complains of nothing")
def _(installed, tmp):
    fill(installed)
    fill_overhead(installed)
    path = page_of(installed, tmp, "--compare")
    answer = report(installed, "--compare")
    with opened(path, width=1200, height=900) as window:
        page = window.open("file://" + path)
        page.screenshot(os.path.join(ARTIFACTS, "report-light.png"))
        equal(page.problems, [], "what the console said")
        equal([url for url in page.requests if not url.startswith("file://" + path)], [], "what was asked for elsewhere")
        names = ["executions", "total_ms", "mean_ms", "p50_ms", "p95_ms", "p99_ms", "max_ms", "errors", "error_rate", "no_op_share"]
        table = cells(page, "table-triggers")
        equal(len(table), len(answer["triggers"]), "rows")
        for row, wanted in zip(table, answer["triggers"]):
            equal([cell[0] for cell in row[3:]], [wanted[name] for name in names], f"figures of {row[0][1]}")
        equal(page.evaluate("document.querySelector('#sum-executions').dataset.value * 1"),
              sum(row["executions"] or 0 for row in answer["triggers"] if row["counted"]), "executions together")
        equal(page.evaluate("[...document.querySelectorAll('#table-triggers th[scope=row], #advice h3')].filter(one => "
                            "/[._/]/.test(one.textContent) && !one.querySelector('wbr')).length"), 0, "names that break in mid-word")
        told = {(row["table"], row["trigger"]) for row in answer["triggers"] if row["trigger"] and row["measured"] != "bracket"}
        equal(page.evaluate("document.querySelector('#sum-triggers').dataset.value * 1"), len(told), "triggers, each once")
        check(len(told) < len(answer["triggers"]), "lines that are no triggers of their own")
        equal([row[1][0] for row in cells(page, "table-slowest")], [row["duration_ms"] for row in answer["slowest"]], "slowest")
        equal([row[5][1] for row in cells(page, "table-errors")], [HOSTILE], "an error's text")
        equal([row[4][1] for row in cells(page, "table-alerts")], [HOSTILE], "an alert's text")
        hours = [row for row in answer["timeline"] if row["trigger"] == HOSTILE]
        shown = page.evaluate("[...document.querySelectorAll('#percentiles h3')].map(one => one.textContent)")
        number = shown.index("public.t2." + HOSTILE)
        equal([row[3][0] for row in cells(page, f"table-hours-{number}")], [row["p50_ms"] for row in hours], "percentiles")
        bars = page.evaluate("[...document.querySelectorAll('#chart-time .bar')].map(one => one.getBoundingClientRect().width)")
        wanted = sorted((row["total_ms"] for row in answer["triggers"] if row["total_ms"]), reverse=True)[:15]
        equal([round(bar / bars[0], 2) for bar in bars], [round(one / wanted[0], 2) for one in wanted], "lengths of the bars")
        equal(page.evaluate("document.querySelectorAll('#advice article').length"), len(answer["advice"]), "advice")
        contains(page.evaluate("document.querySelector('#advice').textContent"), '"<b>calls</b>"', "a name in the advice")
        equal([page.evaluate(f"document.querySelector('#{name}').dataset.value * 1") for name in (
              "overhead", "overhead-triggers", "overhead-statements")], [answer["overhead"][name] for name in (
                  "per_execution_us", "share_of_triggers", "share_of_statements")], "what measuring costs")
        equal(page.evaluate("document.querySelectorAll('script, b, [onclick], [src]').length"), 0, "markup that came with names")
        lines = page.evaluate("[...document.querySelectorAll('#chart-lines-0 path')].map(one => one.getAttribute('d'))")
        check(len(lines) == 3 and all(line.count("M") == 2 for line in lines), f"lines break where an hour is missing: {lines!r}")


@test("the page can be read with a keyboard and by ear")
def _(installed, tmp):
    fill(installed)
    path = page_of(installed, tmp)
    with opened(path, width=1200, height=900) as window:
        page = window.open("file://" + path)
        equal(page.evaluate("document.documentElement.lang"), "en", "language")
        equal(page.evaluate("[...document.querySelectorAll('svg[role=img]')].filter(one => !document.getElementById("
                            "one.getAttribute('aria-labelledby')).textContent).length"), 0, "charts without a title")
        equal(page.evaluate("[...document.querySelectorAll('table')].filter(one => !one.caption || "
                            "!one.querySelector('th[scope=col]') || !one.querySelector('th[scope=row]')).length"), 0,
              "tables without caption or heads")
        equal(page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(one => one.tagName[1] * 1)"
                            ".filter((level, i, all) => i > 0 && level - all[i - 1] > 1).length"), 0, "levels left out")
        equal(page.evaluate("document.querySelectorAll('[id]').length"),
              page.evaluate("new Set([...document.querySelectorAll('[id]')].map(one => one.id)).size"), "ids are unique")
        equal(page.evaluate("[...document.querySelectorAll('nav a')].filter(one => "
                            "!document.querySelector(one.getAttribute('href'))).length"), 0, "links that lead nowhere")
        page.press("Tab")
        equal(page.evaluate("document.activeElement.className"), "skip", "the first stop")
        page.press("Tab")
        equal(page.evaluate("document.activeElement.getAttribute('href')"), "#figures", "the second stop")
        contains(page.evaluate("document.querySelector('#table-triggers').textContent"), "not measured", "null by ear")


@test("percentiles of a single hour are bars, those of few hours fill their chart")
def _(installed, tmp):
    fill(installed, hours=1)
    path = page_of(installed, tmp)
    with opened(path, width=360, height=740) as window:
        page = window.open("file://" + path)
        page.screenshot(os.path.join(ARTIFACTS, "report-one-hour.png"))
        equal(page.evaluate("document.querySelectorAll('#chart-lines-0 .bar').length"), 3, "bars")
        check(page.evaluate("[...document.querySelectorAll('#chart-lines-0 .v')].every(one => /[0-9] ms/.test(one.textContent))"), "values")
        contains(page.evaluate("document.querySelector('#percentiles .one').textContent"), "one hour only", "text")
    installed.sql("delete from trigperf.trigger_performance_metrics")
    installed.sql("""insert into trigperf.trigger_performance_metrics(hour, measured, table_name, trigger_name, executions, total_ms, histogram)
        select date_trunc('hour', now(), 'UTC') - make_interval(hours => h), 'host', 'public.t1', 'audit', 1, 1,
               trigperf.histogram_of(array[1000000]) from generate_series(2, 4) h""")
    path = page_of(installed, tmp)
    with opened(path, width=360, height=740) as window:
        page = window.open("file://" + path)
        points = page.evaluate("document.querySelector('#chart-lines-0 path').getAttribute('d')")
        equal([round(float(point.split(" ")[0])) for point in points.replace("h0", "").replace("M", "L").split("L")[1:]],
              [167, 500, 833], "places of three hours in a row")


@test("on a phone, in the dark, on paper")
def _(installed, tmp):
    fill(installed)
    path = page_of(installed, tmp)
    with opened(path, width=360, height=740, dark=True) as window:
        page = window.open("file://" + path)
        page.screenshot(os.path.join(ARTIFACTS, "report-phone-dark.png"))
        check(page.evaluate("document.documentElement.scrollWidth") <= 360, "the page is as wide as the phone")
        contains(page.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(13, 17, 23)", "ground")
        check(page.evaluate("Math.min(...[...document.querySelectorAll('svg text')].map(one => "
                            "parseFloat(getComputedStyle(one).fontSize)))") >= 12, "labels can be read")
        page.pdf(os.path.join(ARTIFACTS, "report.pdf"))
        page.call("Emulation.setEmulatedMedia", media="print")
        contains(page.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)", "paper")
        equal(page.evaluate("getComputedStyle(document.querySelector('nav')).display"), "none", "navigation on paper")


@test("names of 63 bytes and texts without blanks stay within the page, and off each other")
def _(installed, tmp):
    fill(installed)
    long = "x" * 63
    installed.sql(f"""insert into trigperf.trigger_performance_metrics (hour, measured, table_name, trigger_name, function_name, executions, total_ms)
            values (date_trunc('hour', now(), 'UTC'), 'trigger', '{long}.{long}', '{long}', '{long}.{long}', 100, 900000);
        insert into trigperf.alert_history (rule, subject, level, message) values ('trigger_mean_ms', 't', 'warning', '{"y" * 300}')""")
    path = page_of(installed, tmp)
    for width, media in ((360, "screen"), (1200, "screen"), (718, "print")):
        with opened(path, width=width, height=900) as window:
            page = window.open("file://" + path)
            page.call("Emulation.setEmulatedMedia", media=media)
            where = f"{media}, {width} px"
            equal(page.evaluate("[...document.querySelectorAll('.head')].filter(one => one.children[0].getBoundingClientRect().right >"
                                " one.children[1].getBoundingClientRect().left || one.children[1].getBoundingClientRect().right > innerWidth).length"),
                  0, f"labels on figures: {where}")
            check(page.evaluate("document.querySelectorAll('.head').length") > 0, "labels")
            check(page.evaluate("document.documentElement.scrollWidth") <= width, f"the page is as wide as the window: {where}")
            if width != 360:
                check(page.evaluate("document.querySelector('#table-alerts').scrollWidth") <= width, f"alerts: {where}")
            if media == "print":
                equal(page.evaluate("[...document.querySelectorAll('tbody .n')].filter(one => getComputedStyle(one).whiteSpace !== 'nowrap').length"),
                      0, "figures do not break")
                check(page.evaluate("Math.max(...[...document.querySelectorAll('table')].map(one => one.getBoundingClientRect().right))") <= width,
                      f"tables: {where}")
            page.screenshot(os.path.join(ARTIFACTS, f"report-long-{media}-{width}.png"))


@test("an empty database, and a thousand triggers")
def _(installed, tmp):
    path = page_of(installed, tmp, "--compare")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    contains(text, "not measured", "the page of nothing")
    equal(report(installed)["advice"], [], "advice")
    equal(installed.trigperf("report", "--format", "csv").out, "", "CSV")
    contains(installed.trigperf("report").out, "none", "text")
    fill(installed, triggers=1000, hours=2)
    with open(page_of(installed, tmp), encoding="utf-8") as file:
        check(file.read().count("<tr>") > 1000, "rows")


@test("without the schema, and without rights")
def _(db, installed):
    contains(db.trigperf("report", ok=1).err, "trigperf install", "what to do")
    installed.sql("do $$ begin create role unknown_reader login; exception when duplicate_object then null; end $$")
    contains(installed.as_user("unknown_reader").trigperf("report", ok=1).err, "permission", "without rights")


if __name__ == "__main__":
    harness.main()
