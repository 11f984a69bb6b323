"""Metrics through the exported symbols: what Prometheus and OpenMetrics say of the texts. Part of
test_ffi.py, which imports it."""

import ctypes
import json
import math
import random
import shutil
import subprocess

from binding import Binding, harness

from harness import check, contains, equal, skip, test

LIB = Binding()
COUNTER, GAUGE, HISTOGRAM = 0, 1, 2
OK, INVALID, EXISTS, NOT_FOUND, VERSION, LIMIT = 0, -2, -5, -4, -14, -18


class Metrics:
    """A context without a database."""

    def __init__(self, **options):
        self.config = LIB.made("trigperf_config_new")
        for name, value in {"source": "none", **options}.items():
            LIB.check("trigperf_config_set", self.config, name.replace("__", ".").encode(), str(value).encode())
        LIB.check("trigperf_config_alert", self.config, b"cache_hit_rate", b"measure=fed warn=1")
        self.context = LIB.made("trigperf_context_new", self.config)

    def resolve(self, kind, name, help_text="Help.", **labels):
        return LIB.made("trigperf_series_resolve", self.context, kind, name.encode(),
                        help_text.encode() if help_text else None, *strings(labels), len(labels))

    def text(self, form="prometheus"):
        return LIB.text("trigperf_series_text", self.context, form.encode())

    def read(self, reset=0):
        return LIB.made("trigperf_series_read", self.context, reset)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        LIB.trigperf_context_free(self.context)
        LIB.trigperf_config_free(self.config)


def strings(labels):
    """Two arrays of C strings."""
    kind = ctypes.c_char_p * len(labels)
    return kind(*(name.encode() for name in labels)), kind(*(value.encode() for value in labels.values()))


def find(reading, name, **labels):
    index = ctypes.c_uint32()
    equal(LIB.trigperf_reading_find(reading, name.encode(), *strings(labels), len(labels), ctypes.byref(index)),
          OK, f"finding {name} {labels}")
    return index.value


AWKWARD = 'say "hi"\\ to\nthe next line, höhe {a="b"}'


def filled(metrics):
    """Series of each kind, with labels that need escaping."""
    counter = metrics.resolve(COUNTER, "host_calls_total", "Calls\\handled\nby \"the\" host.", who=AWKWARD)
    equal(LIB.trigperf_series_add(counter, 3), OK, "add")
    equal(LIB.trigperf_series_add(metrics.resolve(COUNTER, "host_calls_total", None), 4), OK, "add")
    gauge = metrics.resolve(GAUGE, "host_queue_length")
    equal(LIB.trigperf_series_set(gauge, 2.5), OK, "set")
    equal(LIB.trigperf_series_change(gauge, -1), OK, "change")
    seconds = metrics.resolve(HISTOGRAM, "host_query_seconds", who=AWKWARD)
    for ns in (500, 1_500_000, 2_500_000_000):
        equal(LIB.trigperf_series_record(seconds, ns), OK, "record")
    equal(LIB.trigperf_series_record_seconds(seconds, 0.5), OK, "record_seconds")
    metrics.resolve(HISTOGRAM, "host_idle_seconds")


@test("promtool has nothing against the text, of ten thousand series either")
def _():
    if shutil.which("promtool") is None:
        skip("promtool is not installed")
    with Metrics(metrics__max_series=10000) as metrics:
        filled(metrics)
        for form in ("prometheus", "summary"):
            promtool(metrics.text(form))
        recorder = LIB.made("trigperf_recorder_new", metrics.context)
        for number in range(9995):
            kind, name = [(COUNTER, "many_total"), (GAUGE, "many_bytes"), (HISTOGRAM, "many_seconds")][number % 3]
            series = metrics.resolve(kind, name, number=str(number))
            if kind == COUNTER:
                equal(LIB.trigperf_recorder_add(recorder, series, number), OK, "add")
            elif kind == HISTOGRAM:
                equal(LIB.trigperf_recorder_record(recorder, series, number * 1000), OK, "record")
        timer = LIB.made("trigperf_recorder_timer", recorder, metrics.resolve(HISTOGRAM, "host_idle_seconds"))
        for ns in (5000, -1):
            LIB.trigperf_timer_record(timer, ns)
        LIB.fails(INVALID, "trigperf_recorder_timer", recorder, metrics.resolve(COUNTER, "many_total", number="0"),
                  ctypes.byref(ctypes.c_void_p()))
        LIB.trigperf_recorder_free(recorder)
        LIB.fails(LIMIT, "trigperf_series_resolve", metrics.context, GAUGE, b"one_more", b"Help.", None, None, 0,
                  ctypes.byref(ctypes.c_void_p()))
        text = metrics.text()
        promtool(text)
        contains(text, 'many_total{number="9993"} 9993\n', "text")
        contains(text, "trigperf_series_refused_total 1\n", "text")
        contains(text, "trigperf_series 10002\n", "text")
        contains(text, "host_idle_seconds_count 2\n", "text")


def promtool(text):
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, encoding="utf-8",
                          check=False)
    equal((done.returncode, done.stdout, done.stderr), (0, "", ""), "promtool check metrics")


def parsed(text, openmetrics):
    """{sample name: {labels as a sorted tuple: value}} by the parsers of Prometheus' own client."""
    try:
        if openmetrics:
            from prometheus_client.openmetrics.parser import text_string_to_metric_families as families
        else:
            from prometheus_client.parser import text_string_to_metric_families as families
    except ImportError:
        skip("python3-prometheus-client is not installed")
    found = {}
    for family in families(text):
        check(family.documentation, f"{family.name} has no help text")
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


@test("both texts are read back with the same values")
def _():
    for form, openmetrics in (("prometheus", False), ("openmetrics", True)):
        with Metrics() as metrics:
            filled(metrics)
            text = metrics.text(form)
            equal(text.endswith("# EOF\n"), openmetrics, f"end of {form}")
            values = parsed(text, openmetrics)
            who = ("who", AWKWARD)
            equal(values["host_calls_total"], {(who,): 3, (): 4}, "counters")
            equal(values["host_queue_length"], {(): 1.5}, "gauge")
            equal(values["host_query_seconds_count"], {(who,): 4}, "count")
            equal(values["host_query_seconds_sum"], {(who,): 3.0015005}, "sum")
            buckets = values["host_query_seconds_bucket"]
            equal(len(buckets), 29, "buckets")
            equal(buckets[(("le", "+Inf"), who)], 4, "the last bucket")
            equal(buckets[(("le", "1.023e-06"), who)], 1, "the first bucket")
            equal(buckets[(("le", "0.002097151"), who)], 2, "a bucket")
            equal(values["trigperf_batches_total"], {(): 0}, "series of the library")


@test("JSON, and the packed histogram in it")
def _():
    with Metrics() as metrics:
        filled(metrics)
        families = {family["name"]: family for family in json.loads(metrics.text("json"))}
        series = families["host_query_seconds"]["series"][0]
        equal(series["labels"], {"who": AWKWARD}, "labels")
        equal((series["count"], series["max"], series["encoding"]), (4, 2.5, 1), "histogram")
        histogram = LIB.made("trigperf_histogram_new")
        packed = series["packed"].encode()
        LIB.check("trigperf_histogram_parse", histogram, 1, packed, len(packed), 0, 0)
        equal(LIB.trigperf_histogram_count(histogram), 4, "count of the packed histogram")
        LIB.trigperf_histogram_free(histogram)
        LIB.fails(INVALID, "trigperf_series_text", metrics.context, b"xml", ctypes.byref(ctypes.c_void_p()))


@test("names that are refused say why")
def _():
    with Metrics() as metrics:
        out = ctypes.byref(ctypes.c_void_p())
        for kind, name, word in ((COUNTER, b"calls", "_total"), (HISTOGRAM, b"query_ms", "ms"),
                                 (GAUGE, b"Queue", "a-z"), (GAUGE, b"trigperf_mine", "trigperf_")):
            contains(str(LIB.fails(INVALID, "trigperf_series_resolve", metrics.context, kind, name, b"Help.", None,
                                   None, 0, out)), word, "message")
        metrics.resolve(COUNTER, "x_total")
        LIB.fails(INVALID, "trigperf_series_resolve", metrics.context, GAUGE, b"x_total", b"Help.", None, None, 0, out)
        metrics.resolve(GAUGE, "queue_seconds")
        LIB.fails(EXISTS, "trigperf_series_resolve", metrics.context, HISTOGRAM, b"queue_seconds", b"Help.", None,
                  None, 0, out)


@test("a reading is looked at, merged, printed, and outlives its context")
def _():
    with Metrics() as one, Metrics() as two:
        filled(one)
        filled(two)
        LIB.check("trigperf_series_reset", two.context)
        seconds = two.resolve(HISTOGRAM, "host_query_seconds", who=AWKWARD)
        equal(LIB.trigperf_series_record(seconds, 9_000_000), OK, "record")
        reading, other = one.read(), two.read(reset=1)
    LIB.check("trigperf_reading_merge", reading, other)
    LIB.trigperf_reading_free(other)
    check(LIB.trigperf_reading_count(reading) > 20, "series of the library are missing")
    index = find(reading, "host_calls_total", who=AWKWARD)
    equal(LIB.trigperf_reading_name(reading, index), b"host_calls_total", "name")
    equal(LIB.trigperf_reading_help(reading, index), b"Calls\\handled\nby \"the\" host.", "help")
    equal(LIB.trigperf_reading_type(reading, index), COUNTER, "type")
    equal(LIB.trigperf_reading_label_count(reading, index), 1, "labels")
    equal(LIB.trigperf_reading_label_name(reading, index, 0), b"who", "label")
    equal(LIB.trigperf_reading_label_value(reading, index, 0), AWKWARD.encode(), "its value")
    equal(LIB.trigperf_reading_total(reading, index), 3, "3 and 0 after a reset")
    equal(LIB.trigperf_reading_value(reading, find(reading, "host_queue_length")), 3.0, "gauges add up")
    histogram = LIB.made("trigperf_histogram_new")
    index = find(reading, "host_query_seconds")
    LIB.check("trigperf_reading_histogram", reading, index, histogram)
    equal(LIB.trigperf_histogram_count(histogram), 5, "durations")
    LIB.fails(NOT_FOUND, "trigperf_reading_histogram", reading, 10**6, histogram)
    equal(LIB.trigperf_reading_name(reading, 10**6), None, "a name beyond the last")
    check(math.isnan(LIB.trigperf_reading_value(reading, 10**6)), "a value beyond the last")
    equal(LIB.trigperf_reading_find(reading, b"nothing", None, None, 0, ctypes.byref(ctypes.c_uint32())), NOT_FOUND,
          "finding nothing")
    contains(LIB.text("trigperf_reading_text", reading, b"prometheus"), "host_query_seconds_count", "text")
    LIB.trigperf_histogram_free(histogram)
    LIB.trigperf_reading_free(reading)


@test("histograms by themselves: quantiles within the bound, there and back, merged")
def _():
    numbers = random.Random(3)
    values = sorted(int(numbers.lognormvariate(14, 1.5)) + 1024 for _ in range(5000))
    one, two = LIB.made("trigperf_histogram_new"), LIB.made("trigperf_histogram_new")
    for value in values:
        LIB.trigperf_histogram_record(one, value, 1)
    for q in (0, 0.5, 0.95, 0.99, 1):
        got = ctypes.c_uint64()
        LIB.check("trigperf_histogram_quantile", one, q, ctypes.byref(got))
        wanted = values[max(1, math.ceil(q * len(values))) - 1]
        check(abs(got.value - wanted) * 64 <= wanted, f"quantile {q}: {got.value} for {wanted}")
    equal(LIB.trigperf_histogram_sum(one), sum(values), "sum")
    equal(LIB.trigperf_histogram_max(one), values[-1], "maximum")
    check(abs(LIB.trigperf_histogram_mean(one) - sum(values) / len(values)) < 1e-6 * values[-1], "mean")
    packed, count = (ctypes.c_int64 * 866)(), ctypes.c_uint32()
    LIB.fails(INVALID, "trigperf_histogram_encode", one, packed, 3, ctypes.byref(count))
    LIB.check("trigperf_histogram_encode", one, packed, 866, ctypes.byref(count))
    LIB.check("trigperf_histogram_decode", two, 1, packed, count, LIB.trigperf_histogram_sum(one), values[-1])
    equal(LIB.text("trigperf_histogram_text", one), LIB.text("trigperf_histogram_text", two), "there and back")
    LIB.trigperf_histogram_merge(one, two)
    equal(LIB.trigperf_histogram_count(one), 10000, "count of both")
    LIB.fails(VERSION, "trigperf_histogram_decode", two, 2, packed, count, 0, 0)
    packed[0] = 900 << 48
    LIB.fails(INVALID, "trigperf_histogram_decode", two, 1, packed, count, 0, 0)
    LIB.fails(INVALID, "trigperf_histogram_parse", two, 1, b"{oops}", 6, 0, 0)
    LIB.fails(INVALID, "trigperf_histogram_quantile", two, math.nan, ctypes.byref(ctypes.c_uint64()))
    LIB.trigperf_histogram_reset(two)
    LIB.fails(NOT_FOUND, "trigperf_histogram_quantile", two, 0.5, ctypes.byref(ctypes.c_uint64()))
    LIB.trigperf_histogram_record(two, -1, 2)
    equal(LIB.trigperf_histogram_bucket_count(two, 0), 2, "negative durations")
    equal(LIB.trigperf_histogram_buckets(), 866, "buckets")
    equal([LIB.trigperf_histogram_bucket_lower(number) for number in (0, 1, 2, 33, 865)],
          [0, 1024, 1056, 2048, 2**37], "bounds")
    LIB.trigperf_histogram_free(one)
    LIB.trigperf_histogram_free(two)


def pull(context):
    """The next event as an object, compared with the getters; None when none waits."""
    alert = LIB.made("trigperf_alert_next", context)
    if not alert:
        return None
    found = json.loads(LIB.trigperf_alert_json(alert))
    levels = ["ok", "warning", "critical"]
    equal(LIB.trigperf_alert_number(alert), found["number"], "number")
    equal(LIB.trigperf_alert_rule_name(alert).decode(), found["rule"], "rule")
    equal(LIB.trigperf_alert_series(alert).decode(), found["series"] or "", "series")
    equal(levels[LIB.trigperf_alert_from(alert)], found["from"], "level before")
    equal(levels[LIB.trigperf_alert_to(alert)], found["to"], "level")
    equal(LIB.trigperf_alert_value(alert), found["value"], "value")
    equal(LIB.trigperf_alert_threshold(alert), found["threshold"], "threshold")
    equal(LIB.trigperf_alert_samples(alert), found["samples"], "samples")
    equal(LIB.trigperf_alert_time_ms(alert), found["time_ms"], "time")
    equal(LIB.trigperf_alert_message(alert).decode(), found["message"], "message")
    equal(math.isnan(LIB.trigperf_alert_usual(alert)), found["usual"] is None, "usual")
    equal({LIB.trigperf_alert_label_name(alert, number).decode(): LIB.trigperf_alert_label_value(alert, number).decode()
           for number in range(LIB.trigperf_alert_label_count(alert))}, found["labels"], "labels")
    equal(LIB.trigperf_alert_label_name(alert, 99), None, "a label beyond the last")
    LIB.trigperf_alert_free(alert)
    return found


@test("alerts: rules, events with all their parts, silence, status")
def _():
    with Metrics(alert__interval_ms=3600000) as metrics:
        seconds = metrics.resolve(HISTOGRAM, "host_query_seconds", who=AWKWARD)
        LIB.check("trigperf_alert_rule", metrics.context, b"slow",
                  b"measure=mean series=host_query_seconds warn=0.1 critical=0.5 min_samples=2 cooldown_ms=0")
        contains(str(LIB.fails(INVALID, "trigperf_alert_rule", metrics.context, b"bad", b"measure=mean colour=red")),
                 "colour", "message")
        LIB.check("trigperf_alert_check", metrics.context)
        for _ in range(3):
            equal(LIB.trigperf_series_record(seconds, 200_000_000), OK, "record")
        LIB.check("trigperf_alert_check", metrics.context)
        event = pull(metrics.context)
        equal((event["rule"], event["from"], event["to"], event["samples"], event["labels"]),
              ("slow", "ok", "warning", 3, {"who": AWKWARD}), "event")
        contains(event["message"], "mean 0.2 is above 0.1", "message")
        equal(pull(metrics.context), None, "another event")
        LIB.check("trigperf_alert_rule", metrics.context, b"errors", b"measure=fed critical=15")
        LIB.check("trigperf_alert_silence", metrics.context, b"errors", 60000)
        LIB.check("trigperf_alert_feed", metrics.context, b"errors", *strings({"function": "f()"}), 1, 20.0, 1)
        equal(pull(metrics.context), None, "an event in silence")
        status = json.loads(LIB.text("trigperf_alert_status", metrics.context))
        equal([(rule["name"], len(rule["standing"])) for rule in status["rules"]],
              [("cache_hit_rate", 0), ("slow", 1), ("errors", 1)], "status")
        LIB.check("trigperf_alert_silence", metrics.context, None, 0)
        LIB.check("trigperf_alert_silence", metrics.context, b"errors", 0)
        LIB.check("trigperf_alert_feed", metrics.context, b"errors", *strings({"function": "f()"}), 1, 20.0, 1)
        equal(pull(metrics.context)["message"], 'errors{function="f()"}: value 20 is above 15: ok -> critical', "event")
        LIB.check("trigperf_alert_rule_remove", metrics.context, b"errors")
        LIB.fails(-4, "trigperf_alert_rule_remove", metrics.context, b"errors")
