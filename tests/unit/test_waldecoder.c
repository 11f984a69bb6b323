/* From messages to transactions: what each kind of change means, bounds, memory that is short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/change.h"
#include "core/tuple.h"
#include "core/waldecoder.h"
#include "oom.h"
#include "pgo_bytes.h"
#include "prng.h"

#define INSTANCE "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
#define RELID 16400u

static const char *const keys[] = {"user_id", "id"};
static const uint32_t types[] = {23, 23};
static const uint8_t forms[] = {TP_WAL_PLAIN, TP_WAL_PLAIN};
static const char *const watch[] = {"note"};
static const char *const full_names[] = {"*id", "*user_id", "*note", "*seen"};
static const char *const key_names[] = {"*id", "*user_id", "note", "seen"};
static const char *const part_names[] = {"*id", "user_id", "note", "seen"};

static tp_walspec spec_of(uint32_t watch_count, uint32_t max_keys) {
    return (tp_walspec){.relid = RELID,
                        .id = 7,
                        .key_count = 2,
                        .keys = keys,
                        .types = types,
                        .forms = forms,
                        .watch_count = watch_count,
                        .watch = watch,
                        .max_keys = max_keys};
}

static tp_waldecoder *decoder_new(const tp_walspec *spec) {
    tp_hash_key key;
    tp_waldecoder *decoder = NULL;
    tp_hash_key_seed(&key, 5);
    assert_int_equal(tp_waldecoder_new(&key, INSTANCE, 1 << 20, &decoder, NULL), 0);
    tp_waldecoder_use(decoder, spec, spec == NULL ? 0 : 1);
    return decoder;
}

static void feed(tp_waldecoder *decoder, const pgo_bytes *bytes) {
    trigperf_error *error = NULL;
    if (tp_waldecoder_feed(decoder, bytes->data, bytes->length, &error) != 0) {
        fail_msg("%c: %s", bytes->data[0], trigperf_error_message(error));
    }
}

static void feed_begin(tp_waldecoder *decoder, uint32_t xid) {
    pgo_bytes bytes;
    pgo_begin(&bytes, 100, xid);
    feed(decoder, &bytes);
}

static void feed_commit(tp_waldecoder *decoder) {
    pgo_bytes bytes;
    pgo_commit(&bytes, 'C', 0, 100, 110);
    feed(decoder, &bytes);
}

static void feed_relation(tp_waldecoder *decoder, uint32_t xid, char identity,
                          const char *const *names) {
    pgo_bytes bytes;
    pgo_relation(&bytes, xid, RELID, identity, 4, names);
    feed(decoder, &bytes);
}

/* old_kind 0: none. old or new NULL: not there. */
static void feed_change(tp_waldecoder *decoder, char kind, uint32_t xid, char old_kind,
                        const char *const *old, const char *const *new) {
    pgo_bytes bytes;
    pgo_begin_message(&bytes, kind, xid);
    pgo_number(&bytes, RELID, 4);
    if (old != NULL) {
        pgo_tuple(&bytes, old_kind, 4, old);
    }
    if (new != NULL) {
        pgo_tuple(&bytes, 'N', 4, new);
    }
    feed(decoder, &bytes);
}

/* "ops user id;ops user id;", R for a resync of the table, T for a TRUNCATE, * for everything. */
static const char *told(tp_waldecoder *decoder, char *out) {
    tp_waltx *tx = tp_waldecoder_first(decoder);
    tp_waltx_cursor cursor = {0, NULL};
    tp_waltx_change change;
    tp_waltx_table table;
    out[0] = '\0';
    assert_non_null(tx);
    if (tp_waltx_facts_of(tx)->everything) {
        strcat(out, "*");
    }
    for (uint32_t i = 0; tp_waltx_table_at(tx, i, &table); i++) {
        assert_int_equal(table.table, 7);
        strcat(out, table.resync ? "R" : "");
        strcat(out, table.truncated ? "T" : "");
    }
    while (tp_waltx_next(tx, &cursor, &change)) {
        tp_value user = tp_tuple_value(change.tuple, 0);
        tp_value id = tp_tuple_value(change.tuple, 1);
        sprintf(out + strlen(out), "%u %s %s;", change.ops, user.data == NULL ? "-" : user.data,
                id.data == NULL ? "-" : id.data);
    }
    tp_waldecoder_drop_first(decoder);
    return out;
}

typedef struct change_case {
    char identity;
    const char *const *names;
    uint32_t watch_count;
    char kind;
    char old_kind;
    const char *old[4];
    const char *new[4];
    const char *expected;
} change_case;

static const change_case changes[] = {
    {'f', full_names, 0, 'I', 0, {0}, {"1", "7", "a", NULL}, "2 7 1;"},
    {'f', full_names, 0, 'I', 0, {0}, {"1", NULL, NULL, NULL}, "2 - 1;"},
    {'f', full_names, 0, 'U', 'O', {"1", "7", "a", "0"}, {"1", "7", "b", "0"}, "8 7 1;"},
    {'f', full_names, 0, 'U', 'O', {"1", "7", "a", "0"}, {"1", "7", "a", "0"}, ""},
    {'f', full_names, 0, 'U', 'O', {"1", "7", "a", "0"}, {"1", "8", "a", "0"}, "8 7 1;8 8 1;"},
    {'f', full_names, 0, 'U', 'O', {"1", "7", "a", "0"}, {"1", "7", "\1", "0"}, ""},
    {'f', full_names, 0, 'U', 'O', {"1", "7", "a", "0"}, {"1", "\1", "\1", "5"}, "8 7 1;"},
    {'f', full_names, 0, 'U', 'O', {"1", "7", NULL, "0"}, {"1", "7", "", "0"}, "8 7 1;"},
    {'f', full_names, 1, 'U', 'O', {"1", "7", "a", "0"}, {"1", "7", "a", "9"}, ""},
    {'f', full_names, 1, 'U', 'O', {"1", "7", "a", "0"}, {"1", "7", "b", "9"}, "8 7 1;"},
    {'f', full_names, 1, 'U', 'O', {"1", "7", "a", "0"}, {"2", "7", "a", "0"}, "8 7 1;8 7 2;"},
    {'f', full_names, 0, 'U', 0, {0}, {"1", "7", "a", "0"}, "R"},
    {'f', full_names, 0, 'D', 'O', {"1", "7", "a", "0"}, {0}, "1 7 1;"},
    {'i', key_names, 0, 'U', 0, {0}, {"1", "7", "a", "0"}, "8 7 1;"},
    {'i', key_names, 0, 'U', 0, {0}, {"1", "\1", "a", "0"}, "R"},
    {'i', key_names, 0, 'U', 'K', {"1", "7", NULL, NULL}, {"2", "7", "a", "0"}, "8 7 1;8 7 2;"},
    {'i', key_names, 0, 'D', 'K', {"1", "7", NULL, NULL}, {0}, "1 7 1;"},
    {'d', part_names, 0, 'I', 0, {0}, {"1", "7", "a", "0"}, "2 7 1;"},
    {'d', part_names, 0, 'U', 0, {0}, {"1", "7", "a", "0"}, "R"},
    {'d', part_names, 0, 'D', 'K', {"1", NULL, NULL, NULL}, {0}, "R"},
};

static void test_changes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        const change_case *c = &changes[i];
        tp_walspec spec = spec_of(c->watch_count, 1000);
        tp_waldecoder *decoder = decoder_new(&spec);
        char text[200];
        feed_begin(decoder, 5);
        feed_relation(decoder, 0, c->identity, c->names);
        feed_change(decoder, c->kind, 0, c->old_kind, c->old_kind == 0 ? NULL : c->old,
                    c->kind == 'D' ? NULL : c->new);
        feed_commit(decoder);
        tp_waltx_facts facts = *tp_waltx_facts_of(tp_waldecoder_first(decoder));
        assert_int_equal(facts.xid, 5);
        assert_int_equal(facts.lsn, 100);
        assert_int_equal(facts.end_lsn, 110);
        if (strcmp(told(decoder, text), c->expected) != 0) {
            fail_msg("case %zu: expected '%s', got '%s'", i, c->expected, text);
        }
        tp_waldecoder_free(decoder);
    }
}

/* A key that is not the server's output: booleans, blanks, addresses. */
static void test_forms(void **state) {
    (void)state;
    static const struct {
        uint8_t form;
        const char *given;
        const char *expected;
    } cases[] = {{TP_WAL_BOOL, "t", "true"},
                 {TP_WAL_BOOL, "f", "false"},
                 {TP_WAL_BLANKS, "ab   ", "ab"},
                 {TP_WAL_BLANKS, "   ", ""},
                 {TP_WAL_INET, "10.0.0.1", "10.0.0.1/32"},
                 {TP_WAL_INET, "10.0.0.0/8", "10.0.0.0/8"},
                 {TP_WAL_INET, "fe80::1", "fe80::1/128"},
                 {TP_WAL_PLAIN, "t", "t"},
                 {TP_WAL_PLAIN, "ab ", "ab "}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t own[] = {cases[i].form, TP_WAL_PLAIN};
        tp_walspec spec = spec_of(0, 10);
        spec.forms = own;
        tp_waldecoder *decoder = decoder_new(&spec);
        const char *const row[] = {"1", cases[i].given, NULL, NULL};
        char text[100];
        char expected[100];
        feed_begin(decoder, 5);
        feed_relation(decoder, 0, 'f', full_names);
        feed_change(decoder, 'I', 0, 0, NULL, row);
        feed_commit(decoder);
        snprintf(expected, sizeof expected, "2 %s 1;", cases[i].expected);
        assert_string_equal(told(decoder, text), expected);
        tp_waldecoder_free(decoder);
    }
}

static void test_merging_and_limit(void **state) {
    (void)state;
    tp_walspec spec = spec_of(0, 2);
    tp_waldecoder *decoder = decoder_new(&spec);
    const char *const a[] = {"1", "7", NULL, NULL};
    const char *const b[] = {"2", "7", NULL, NULL};
    const char *const c[] = {"3", "7", NULL, NULL};
    char text[100];
    feed_begin(decoder, 5);
    feed_relation(decoder, 0, 'f', full_names);
    feed_change(decoder, 'I', 0, 0, NULL, a);
    feed_change(decoder, 'D', 0, 'O', a, NULL);
    feed_change(decoder, 'I', 0, 0, NULL, b);
    feed_commit(decoder);
    assert_string_equal(told(decoder, text), "3 7 1;2 7 2;");
    feed_begin(decoder, 6);
    feed_change(decoder, 'I', 0, 0, NULL, a);
    feed_change(decoder, 'I', 0, 0, NULL, b);
    feed_change(decoder, 'I', 0, 0, NULL, c);
    feed_commit(decoder);
    assert_string_equal(told(decoder, text), "R");
    assert_true(tp_waldecoder_between(decoder));
    assert_int_equal(tp_waldecoder_waiting_bytes(decoder), 0);
    tp_waldecoder_free(decoder);
}

static void feed_row(tp_waldecoder *decoder, char kind, uint32_t relid, char tuple_kind,
                     uint32_t count, const char *const *row) {
    pgo_bytes bytes;
    pgo_begin_message(&bytes, kind, 0);
    pgo_number(&bytes, relid, 4);
    pgo_tuple(&bytes, tuple_kind, count, row);
    feed(decoder, &bytes);
}

/* A row that moves between partitions with columns in another order; TRUNCATE of both. */
static void test_partitions(void **state) {
    (void)state;
    static const char *const turned[] = {"*user_id", "*id"};
    const char *const old[] = {"1", "7", NULL, NULL};
    const char *const new[] = {"7", "1"};
    tp_walspec specs[] = {spec_of(0, 2), spec_of(0, 2)};
    tp_waldecoder *decoder = decoder_new(NULL);
    pgo_bytes bytes;
    char text[100];
    specs[1].relid = RELID + 1;
    tp_waldecoder_use(decoder, specs, 2);
    feed_begin(decoder, 5);
    feed_relation(decoder, 0, 'f', full_names);
    pgo_relation(&bytes, 0, RELID + 1, 'd', 2, turned);
    feed(decoder, &bytes);
    feed_row(decoder, 'D', RELID, 'O', 4, old);
    feed_row(decoder, 'I', RELID + 1, 'N', 2, new);
    feed_commit(decoder);
    assert_string_equal(told(decoder, text), "3 7 1;");
    feed_begin(decoder, 6);
    pgo_begin_message(&bytes, 'T', 0);
    pgo_number(&bytes, 2, 4);
    pgo_number(&bytes, 0, 1);
    pgo_number(&bytes, RELID, 4);
    pgo_number(&bytes, RELID + 1, 4);
    feed(decoder, &bytes);
    feed_commit(decoder);
    assert_string_equal(told(decoder, text), "T");
    tp_waldecoder_free(decoder);
}

static void feed_stream(tp_waldecoder *decoder, uint32_t xid) {
    pgo_bytes bytes;
    pgo_begin_message(&bytes, 'S', xid);
    pgo_number(&bytes, 1, 1);
    feed(decoder, &bytes);
}

static void feed_stop(tp_waldecoder *decoder) {
    pgo_bytes bytes;
    pgo_begin_message(&bytes, 'E', 0);
    feed(decoder, &bytes);
}

static void feed_abort(tp_waldecoder *decoder, uint32_t xid, uint32_t subxid) {
    pgo_bytes bytes;
    pgo_begin_message(&bytes, 'A', xid);
    pgo_number(&bytes, subxid, 4);
    feed(decoder, &bytes);
}

/* Two transactions in pieces, with another whole one between; a subtransaction is undone. */
static void test_streams(void **state) {
    (void)state;
    tp_walspec spec = spec_of(0, 100);
    tp_waldecoder *decoder = decoder_new(&spec);
    const char *const a[] = {"1", "7", NULL, NULL};
    const char *const b[] = {"2", "7", NULL, NULL};
    const char *const c[] = {"3", "7", NULL, NULL};
    pgo_bytes bytes;
    char text[100];
    feed_stream(decoder, 20);
    feed_relation(decoder, 20, 'f', full_names);
    feed_change(decoder, 'I', 20, 0, NULL, a);
    feed_change(decoder, 'I', 21, 0, NULL, b);
    feed_stop(decoder);
    feed_stream(decoder, 30);
    feed_change(decoder, 'I', 30, 0, NULL, c);
    feed_stop(decoder);
    assert_null(tp_waldecoder_first(decoder));
    feed_begin(decoder, 40);
    feed_change(decoder, 'I', 0, 0, NULL, c);
    feed_commit(decoder);
    feed_abort(decoder, 20, 21);
    feed_abort(decoder, 30, 30);
    pgo_commit(&bytes, 'c', 20, 200, 210);
    feed(decoder, &bytes);
    assert_string_equal(told(decoder, text), "2 7 3;");
    assert_int_equal(tp_waltx_facts_of(tp_waldecoder_first(decoder))->xid, 20);
    assert_int_equal(tp_waltx_facts_of(tp_waldecoder_first(decoder))->end_lsn, 210);
    assert_string_equal(told(decoder, text), "2 7 1;");
    assert_true(tp_waldecoder_between(decoder));
    tp_waldecoder_free(decoder);
}

/* A new beginning behind the last whole transaction: what was under way comes again. */
static void test_resumed(void **state) {
    (void)state;
    tp_walspec spec = spec_of(0, 100);
    tp_waldecoder *decoder = decoder_new(&spec);
    const char *const a[] = {"1", "7", NULL, NULL};
    const char *const b[] = {"2", "7", NULL, NULL};
    char text[100];
    assert_true(tp_waldecoder_resume(decoder) == 0);
    feed_begin(decoder, 40);
    feed_relation(decoder, 0, 'f', full_names);
    feed_change(decoder, 'I', 0, 0, NULL, a);
    feed_commit(decoder);
    feed_stream(decoder, 20);
    feed_change(decoder, 'I', 20, 0, NULL, b);
    feed_stop(decoder);
    feed_stream(decoder, 30);
    assert_true(tp_waldecoder_resume(decoder) == 110);
    feed_stream(decoder, 20);
    feed_change(decoder, 'I', 20, 0, NULL, a);
    feed_stop(decoder);
    feed_begin(decoder, 50);
    feed_change(decoder, 'I', 0, 0, NULL, b);
    assert_true(tp_waldecoder_resume(decoder) == 110);
    assert_false(tp_waldecoder_between(decoder));
    assert_string_equal(told(decoder, text), "2 7 1;");
    assert_true(tp_waldecoder_between(decoder));
    assert_int_equal(tp_waldecoder_waiting_bytes(decoder), 0);
    tp_waldecoder_reset(decoder);
    assert_true(tp_waldecoder_resume(decoder) == 0);
    tp_waldecoder_free(decoder);
}

/* More subtransactions than can be kept apart: a resync, whatever becomes of them. */
static void test_many_subtransactions(void **state) {
    (void)state;
    tp_walspec spec = spec_of(0, 1000);
    tp_waldecoder *decoder = decoder_new(&spec);
    const char *const a[] = {"1", "7", NULL, NULL};
    pgo_bytes bytes;
    char text[100];
    feed_stream(decoder, 20);
    feed_relation(decoder, 20, 'f', full_names);
    for (uint32_t subxid = 100; subxid < 200; subxid++) {
        feed_change(decoder, 'I', subxid, 0, NULL, a);
    }
    feed_stop(decoder);
    for (uint32_t subxid = 100; subxid < 200; subxid++) {
        feed_abort(decoder, 20, subxid);
    }
    pgo_commit(&bytes, 'c', 20, 200, 210);
    feed(decoder, &bytes);
    assert_string_equal(told(decoder, text), "R");
    tp_waldecoder_free(decoder);
}

static void feed_truncate(tp_waldecoder *decoder, uint32_t relid) {
    pgo_bytes bytes;
    pgo_begin_message(&bytes, 'T', 0);
    pgo_number(&bytes, 1, 4);
    pgo_number(&bytes, 0, 1);
    pgo_number(&bytes, relid, 4);
    feed(decoder, &bytes);
}

static void test_truncate_and_unknown(void **state) {
    (void)state;
    tp_walspec spec = spec_of(0, 1000);
    tp_waldecoder *decoder = decoder_new(&spec);
    const char *const a[] = {"1", "7", NULL, NULL};
    char text[100];
    feed_begin(decoder, 5);
    feed_relation(decoder, 0, 'f', full_names);
    feed_truncate(decoder, RELID);
    feed_change(decoder, 'I', 0, 0, NULL, a);
    feed_commit(decoder);
    assert_string_equal(told(decoder, text), "T2 7 1;");
    feed_begin(decoder, 6);
    feed_truncate(decoder, 999);
    feed_commit(decoder);
    assert_string_equal(told(decoder, text), "*");
    /* detached: everything once, then silence until the registry is loaded anew */
    tp_waldecoder_use(decoder, NULL, 0);
    for (int i = 0; i < 3; i++) {
        feed_begin(decoder, 7);
        feed_change(decoder, 'I', 0, 0, NULL, a);
        feed_commit(decoder);
        assert_string_equal(told(decoder, text), i == 0 ? "*" : "");
    }
    tp_waldecoder_free(decoder);
}

/* The resync that a detached table owes does not go with a transaction that is rolled back. */
static void test_unknown_and_undone(void **state) {
    (void)state;
    tp_walspec spec = spec_of(0, 1000);
    tp_waldecoder *decoder = decoder_new(&spec);
    const char *const a[] = {"1", "7", NULL, NULL};
    char text[100];
    tp_waldecoder_use(decoder, NULL, 0);
    feed_stream(decoder, 20);
    feed_relation(decoder, 20, 'f', full_names);
    feed_change(decoder, 'I', 20, 0, NULL, a);
    feed_stop(decoder);
    for (int i = 0; i < 2; i++) {
        feed_begin(decoder, 30);
        feed_relation(decoder, 0, 'f', full_names);
        feed_change(decoder, 'I', 0, 0, NULL, a);
        feed_commit(decoder);
        assert_string_equal(told(decoder, text), i == 0 ? "*" : "");
    }
    feed_abort(decoder, 20, 20);
    assert_true(tp_waldecoder_between(decoder));
    tp_waldecoder_free(decoder);
}

static void test_altered(void **state) {
    (void)state;
    static const char *const renamed[] = {"*id", "*owner", "*note", "*seen"};
    tp_walspec spec = spec_of(0, 1000);
    tp_waldecoder *decoder = decoder_new(&spec);
    const char *const a[] = {"1", "7", NULL, NULL};
    char text[100];
    for (int i = 0; i < 2; i++) {
        feed_begin(decoder, 5);
        feed_relation(decoder, 0, 'f', full_names);
        feed_change(decoder, 'I', 0, 0, NULL, a);
        feed_commit(decoder);
        assert_string_equal(told(decoder, text), "2 7 1;");
    }
    feed_begin(decoder, 6);
    feed_relation(decoder, 0, 'f', renamed);
    feed_commit(decoder);
    assert_string_equal(told(decoder, text), "R");
    feed_begin(decoder, 7);
    feed_change(decoder, 'I', 0, 0, NULL, a);
    feed_commit(decoder);
    assert_string_equal(told(decoder, text), "R");
    tp_waldecoder_free(decoder);
}

static void feed_message(tp_waldecoder *decoder, int transactional, const char *prefix,
                         const char *content) {
    pgo_bytes bytes;
    pgo_message(&bytes, 0, transactional, prefix, content);
    feed(decoder, &bytes);
}

static void test_messages(void **state) {
    (void)state;
    tp_walspec spec = spec_of(0, 1000);
    tp_waldecoder *decoder = decoder_new(&spec);
    char text[100];
    feed_message(decoder, 0, "trigperf", "registry");
    feed_begin(decoder, 5);
    feed_message(decoder, 1, "others", "registry");
    feed_message(decoder, 1, "trigperf", "mark " INSTANCE " 42");
    feed_message(decoder, 1, "trigperf", "resync 7");
    feed_commit(decoder);
    assert_int_equal(tp_waltx_facts_of(tp_waldecoder_first(decoder))->mark, 42);
    assert_false(tp_waldecoder_registry_changed(decoder));
    assert_string_equal(told(decoder, text), "R");
    feed_begin(decoder, 6);
    feed_message(decoder, 1, "trigperf", "mark 00000000-4f89-41d3-9a0c-0305e82c3301 43");
    feed_message(decoder, 1, "trigperf", "mark " INSTANCE "x44");
    feed_message(decoder, 1, "trigperf", "registry");
    feed_message(decoder, 1, "trigperf", "resync");
    feed_commit(decoder);
    assert_int_equal(tp_waltx_facts_of(tp_waldecoder_first(decoder))->mark, 0);
    assert_true(tp_waldecoder_registry_changed(decoder));
    assert_string_equal(told(decoder, text), "*");
    assert_false(tp_waldecoder_registry_changed(decoder));
    tp_waldecoder_free(decoder);
}

static void assert_broken(tp_waldecoder *decoder, const pgo_bytes *bytes) {
    trigperf_error *error = NULL;
    assert_int_equal(tp_waldecoder_feed(decoder, bytes->data, bytes->length, &error),
                     TRIGPERF_E_SERVER);
    assert_non_null(strstr(trigperf_error_message(error), "not understood"));
    trigperf_error_free(error);
    tp_waldecoder_reset(decoder);
}

static void test_order(void **state) {
    (void)state;
    tp_walspec spec = spec_of(0, 1000);
    tp_waldecoder *decoder = decoder_new(&spec);
    const char *const row[] = {"1", "7", NULL};
    pgo_bytes bytes;
    pgo_commit(&bytes, 'C', 0, 1, 2);
    assert_broken(decoder, &bytes);
    pgo_commit(&bytes, 'c', 9, 1, 2);
    assert_broken(decoder, &bytes);
    pgo_begin_message(&bytes, 'A', 9);
    pgo_number(&bytes, 9, 4);
    assert_broken(decoder, &bytes);
    pgo_message(&bytes, 0, 1, "trigperf", "registry");
    assert_broken(decoder, &bytes);
    feed_begin(decoder, 5);
    pgo_begin(&bytes, 1, 6);
    assert_broken(decoder, &bytes);
    feed_stream(decoder, 5);
    assert_broken(decoder, &bytes);
    feed_begin(decoder, 5);
    feed_relation(decoder, 0, 'f', full_names);
    pgo_begin_message(&bytes, 'I', 0);
    pgo_number(&bytes, RELID, 4);
    pgo_tuple(&bytes, 'N', 3, row);
    assert_broken(decoder, &bytes);
    tp_waldecoder_free(decoder);
}

/* Each allocation fails once: the stream ends with E_NOMEM, or the change is told as a resync. */
static bool tell_with_failure(unsigned n) {
    tp_walspec spec = spec_of(0, 1000);
    tp_waldecoder *decoder = decoder_new(&spec);
    const char *const a[] = {"1", "7", NULL, NULL};
    pgo_bytes messages[4];
    pgo_begin(&messages[0], 100, 5);
    pgo_relation(&messages[1], 0, RELID, 'f', 4, full_names);
    pgo_begin_message(&messages[2], 'I', 0);
    pgo_number(&messages[2], RELID, 4);
    pgo_tuple(&messages[2], 'N', 4, a);
    pgo_commit(&messages[3], 'C', 0, 100, 110);
    int32_t status = 0;
    oom_fail_at(n);
    for (int i = 0; i < 4 && status == 0; i++) {
        status = tp_waldecoder_feed(decoder, messages[i].data, messages[i].length, NULL);
    }
    bool failed = oom_reset();
    char text[100];
    if (status == 0) {
        told(decoder, text);
        assert_true(strcmp(text, "2 7 1;") == 0 || (failed && strpbrk(text, "*R") != NULL));
    } else {
        assert_int_equal(status, TRIGPERF_E_NOMEM);
    }
    tp_waldecoder_free(decoder);
    return failed;
}

static void test_oom(void **state) {
    (void)state;
    unsigned n = 1;
    while (tell_with_failure(n)) {
        n++;
    }
    assert_true(n > 8);
    tp_hash_key key;
    tp_hash_key_seed(&key, 5);
    for (n = 1;; n++) {
        tp_waldecoder *decoder = NULL;
        oom_fail_at(n);
        int32_t status = tp_waldecoder_new(&key, INSTANCE, 1, &decoder, NULL);
        if (!oom_reset()) {
            tp_waldecoder_free(decoder);
            break;
        }
        assert_int_equal(status, TRIGPERF_E_NOMEM);
    }
}

static void feed_insert_of(tp_waldecoder *decoder, uint32_t xid) {
    char id[24];
    const char *row[] = {id, "7", NULL, NULL};
    snprintf(id, sizeof id, "%u", xid);
    feed_begin(decoder, xid);
    feed_change(decoder, 'I', 0, 0, NULL, row);
    feed_commit(decoder);
}

/* Transactions of before leave their memory, and nothing else, to those that come. */
static void test_used_again(void **state) {
    (void)state;
    tp_walspec spec = spec_of(0, 1000);
    tp_waldecoder *decoder = decoder_new(&spec);
    char text[100];
    char expected[100];
    uint32_t last = 1;
    feed_begin(decoder, 1);
    feed_relation(decoder, 0, 'f', full_names);
    feed_commit(decoder);
    told(decoder, text);
    for (uint32_t xid = 2; xid < 2000; xid += 2) { /* two come, one goes, from time to time all */
        feed_insert_of(decoder, xid);
        feed_insert_of(decoder, xid + 1);
        do {
            snprintf(expected, sizeof expected, "2 7 %u;", ++last);
            assert_int_equal(tp_waltx_facts_of(tp_waldecoder_first(decoder))->xid, last);
            assert_string_equal(told(decoder, text), expected);
        } while (xid % 700 == 0 && tp_waldecoder_first(decoder) != NULL);
    }
    assert_true(tp_waldecoder_waiting_bytes(decoder) > 0);
    while (tp_waldecoder_first(decoder) != NULL) {
        tp_waldecoder_drop_first(decoder);
    }
    assert_int_equal(tp_waldecoder_waiting_bytes(decoder), 0);
    tp_waldecoder_free(decoder);
}

/* While much waits, transactions under way become resyncs instead of growing. */
static void test_crowded(void **state) {
    (void)state;
    tp_walspec spec = spec_of(0, 1000000);
    tp_waldecoder *decoder = decoder_new(&spec);
    char id[24];
    const char *row[] = {id, "7", NULL, NULL};
    feed_stream(decoder, 20);
    feed_relation(decoder, 20, 'f', full_names);
    for (int i = 0; i < 100000; i++) {
        snprintf(id, sizeof id, "%d", i);
        feed_change(decoder, 'I', 20, 0, NULL, row);
    }
    feed_stop(decoder);
    pgo_bytes bytes;
    char text[100];
    pgo_commit(&bytes, 'c', 20, 200, 210);
    feed(decoder, &bytes);
    assert_true(tp_waldecoder_waiting_bytes(decoder) < 4u << 20);
    assert_string_equal(told(decoder, text), "R");
    feed_begin(decoder, 21); /* the same for one that is sent whole */
    for (int i = 0; i < 100000; i++) {
        snprintf(id, sizeof id, "%d", i);
        feed_change(decoder, 'I', 0, 0, NULL, row);
    }
    feed_commit(decoder);
    assert_true(tp_waldecoder_waiting_bytes(decoder) < 4u << 20);
    assert_string_equal(told(decoder, text), "R");
    tp_waldecoder_free(decoder);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_changes),
                                       cmocka_unit_test(test_forms),
                                       cmocka_unit_test(test_merging_and_limit),
                                       cmocka_unit_test(test_partitions),
                                       cmocka_unit_test(test_streams),
                                       cmocka_unit_test(test_resumed),
                                       cmocka_unit_test(test_many_subtransactions),
                                       cmocka_unit_test(test_truncate_and_unknown),
                                       cmocka_unit_test(test_unknown_and_undone),
                                       cmocka_unit_test(test_altered),
                                       cmocka_unit_test(test_messages),
                                       cmocka_unit_test(test_order),
                                       cmocka_unit_test(test_used_again),
                                       cmocka_unit_test(test_oom),
                                       cmocka_unit_test(test_crowded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
