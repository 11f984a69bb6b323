/* Messages of pgoutput: each kind, within a stream and outside, and garbage of every sort. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/pgoutput.h"
#include "pgo_bytes.h"
#include "prng.h"

static tp_pgo_message parse(const pgo_bytes *bytes, bool streaming) {
    tp_pgo_message message;
    const char *why = "";
    if (!tp_pgo_parse(bytes->data, bytes->length, streaming, &message, &why)) {
        fail_msg("%c: %s", bytes->data[0], why);
    }
    return message;
}

static void test_transaction(void **state) {
    (void)state;
    pgo_bytes bytes;
    pgo_begin(&bytes, 0x1122334455667788, 4000000000u);
    tp_pgo_message message = parse(&bytes, false);
    assert_int_equal(message.kind, TP_PGO_BEGIN);
    assert_int_equal(message.lsn, 0x1122334455667788);
    assert_int_equal(message.xid, 4000000000u);
    pgo_commit(&bytes, 'C', 0, 5, 9);
    message = parse(&bytes, false);
    assert_int_equal(message.lsn, 5);
    assert_int_equal(message.end_lsn, 9);
    pgo_begin_message(&bytes, 'O', 0);
    pgo_number(&bytes, 3, 8);
    pgo_text(&bytes, "elsewhere");
    assert_string_equal(parse(&bytes, false).name, "elsewhere");
}

static void test_relation(void **state) {
    (void)state;
    static const char *const names[] = {"*id", "user_id"};
    for (uint32_t xid = 0; xid <= 9; xid += 9) {
        pgo_bytes bytes;
        pgo_relation(&bytes, xid, 16400, 'd', 2, names);
        tp_pgo_message message = parse(&bytes, xid != 0);
        assert_int_equal(message.xid, xid);
        assert_int_equal(message.relid, 16400);
        assert_string_equal(message.schema, "public");
        assert_string_equal(message.name, "calls");
        assert_int_equal(message.identity, 'd');
        assert_int_equal(message.attributes.count, 2);
        const unsigned char *at = message.attributes.at;
        tp_pgo_attribute attribute = tp_pgo_attribute_next(&at);
        assert_string_equal(attribute.name, "id");
        assert_true(attribute.identity);
        attribute = tp_pgo_attribute_next(&at);
        assert_string_equal(attribute.name, "user_id");
        assert_false(attribute.identity);
        assert_int_equal(attribute.type, 23);
        assert_int_equal(attribute.modifier, -1);
    }
}

static void assert_columns(tp_pgo_tuple tuple, uint32_t count, const char *const *values) {
    assert_int_equal(tuple.count, count);
    for (uint32_t i = 0; i < count; i++) {
        tp_pgo_column column = tp_pgo_column_next(&tuple.at);
        if (values[i] == NULL) {
            assert_int_equal(column.kind, 'n');
        } else if (values[i][0] == '\1') {
            assert_int_equal(column.kind, 'u');
        } else {
            assert_int_equal(column.kind, 't');
            assert_int_equal(column.length, strlen(values[i]));
            assert_memory_equal(column.data, values[i], column.length);
        }
    }
}

static void test_changes(void **state) {
    (void)state;
    static const char *const old[] = {"7", NULL, "x"};
    static const char *const new[] = {"8", "", "\1"};
    for (uint32_t xid = 0; xid <= 5; xid += 5) {
        pgo_bytes bytes;
        pgo_begin_message(&bytes, 'I', xid);
        pgo_number(&bytes, 1, 4);
        pgo_tuple(&bytes, 'N', 3, old);
        assert_columns(parse(&bytes, xid != 0).after, 3, old);
        static const char kinds[] = {0, 'K', 'O'};
        for (int i = 0; i < 3; i++) {
            pgo_begin_message(&bytes, 'U', xid);
            pgo_number(&bytes, 1, 4);
            if (kinds[i] != 0) {
                pgo_tuple(&bytes, kinds[i], 3, old);
            }
            pgo_tuple(&bytes, 'N', 3, new);
            tp_pgo_message message = parse(&bytes, xid != 0);
            assert_int_equal(message.old_kind, kinds[i]);
            assert_columns(message.after, 3, new);
            assert_columns(message.before, kinds[i] == 0 ? 0 : 3, old);
        }
        pgo_begin_message(&bytes, 'D', xid);
        pgo_number(&bytes, 1, 4);
        pgo_tuple(&bytes, 'O', 3, old);
        assert_columns(parse(&bytes, xid != 0).before, 3, old);
    }
}

static void test_others(void **state) {
    (void)state;
    pgo_bytes bytes;
    pgo_begin_message(&bytes, 'T', 0);
    pgo_number(&bytes, 2, 4);
    pgo_number(&bytes, 3, 1);
    pgo_number(&bytes, 100, 4);
    pgo_number(&bytes, 200, 4);
    tp_pgo_message message = parse(&bytes, false);
    assert_int_equal(message.relations.count, 2);
    assert_int_equal(tp_pgo_relation_at(&message, 0), 100);
    assert_int_equal(tp_pgo_relation_at(&message, 1), 200);
    pgo_message(&bytes, 6, 1, "trigperf", "mark");
    message = parse(&bytes, true);
    assert_true(message.transactional);
    assert_string_equal(message.name, "trigperf");
    assert_int_equal(message.content.length, 4);
    assert_memory_equal(message.content.data, "mark", 4);
    pgo_begin_message(&bytes, 'Y', 0);
    pgo_number(&bytes, 700, 4);
    pgo_text(&bytes, "public");
    pgo_text(&bytes, "mood");
    assert_string_equal(parse(&bytes, false).name, "mood");
}

static void test_stream(void **state) {
    (void)state;
    pgo_bytes bytes;
    pgo_begin_message(&bytes, 'S', 11);
    pgo_number(&bytes, 1, 1);
    tp_pgo_message message = parse(&bytes, false);
    assert_int_equal(message.xid, 11);
    assert_true(message.first);
    pgo_begin_message(&bytes, 'E', 0);
    parse(&bytes, true);
    pgo_commit(&bytes, 'c', 11, 20, 21);
    message = parse(&bytes, false);
    assert_int_equal(message.xid, 11);
    assert_int_equal(message.end_lsn, 21);
    pgo_begin_message(&bytes, 'A', 11);
    pgo_number(&bytes, 12, 4);
    message = parse(&bytes, false);
    assert_int_equal(message.subxid, 12);
}

static void assert_refused(const pgo_bytes *bytes) {
    tp_pgo_message message;
    const char *why = NULL;
    assert_false(tp_pgo_parse(bytes->data, bytes->length, false, &message, &why));
    assert_non_null(why);
}

static void test_refused(void **state) {
    (void)state;
    static const char *const values[] = {"7"};
    pgo_bytes bytes = {.length = 0};
    assert_refused(&bytes);
    pgo_begin_message(&bytes, 'Z', 0);
    assert_refused(&bytes);
    pgo_begin(&bytes, 1, 2);
    pgo_number(&bytes, 0, 1);
    assert_refused(&bytes);
    pgo_begin_message(&bytes, 'I', 0);
    pgo_number(&bytes, 1, 4);
    pgo_tuple(&bytes, 'O', 1, values);
    assert_refused(&bytes);
    pgo_begin_message(&bytes, 'D', 0);
    pgo_number(&bytes, 1, 4);
    pgo_tuple(&bytes, 'N', 1, values);
    assert_refused(&bytes);
    pgo_begin_message(&bytes, 'I', 0);
    pgo_number(&bytes, 1, 4);
    pgo_number(&bytes, 'N', 1);
    pgo_number(&bytes, 1, 2);
    pgo_number(&bytes, 'b', 1);
    assert_refused(&bytes);
    pgo_begin_message(&bytes, 'T', 0);
    pgo_number(&bytes, UINT32_MAX, 4);
    pgo_number(&bytes, 0, 1);
    assert_refused(&bytes);
}

/* Walks whatever was accepted. */
static void walk(const tp_pgo_message *message) {
    const unsigned char *at = message->attributes.at;
    for (uint32_t i = 0; i < message->attributes.count; i++) {
        assert_non_null(tp_pgo_attribute_next(&at).name);
    }
    const tp_pgo_tuple *const tuples[] = {&message->before, &message->after};
    for (int k = 0; k < 2; k++) {
        at = tuples[k]->at;
        for (uint32_t i = 0; i < tuples[k]->count; i++) {
            tp_pgo_column column = tp_pgo_column_next(&at);
            assert_true(column.length == 0 || column.data[column.length - 1] != 127);
        }
    }
    for (uint32_t i = 0; i < message->relations.count; i++) {
        tp_pgo_relation_at(message, i);
    }
}

/* Every beginning and many changed bytes, in blocks of exact size. */
static void test_mutations(void **state) {
    (void)state;
    static const char *const names[] = {"*id", "user_id"};
    static const char *const values[] = {"7", NULL, "abc"};
    pgo_bytes seeds[3];
    pgo_relation(&seeds[0], 0, 16400, 'd', 2, names);
    pgo_begin_message(&seeds[1], 'U', 0);
    pgo_number(&seeds[1], 1, 4);
    pgo_tuple(&seeds[1], 'O', 3, values);
    pgo_tuple(&seeds[1], 'N', 3, values);
    pgo_message(&seeds[2], 0, 1, "trigperf", "content");
    uint64_t random = 3;
    for (int round = 0; round < 20000; round++) {
        const pgo_bytes *seed = &seeds[round % 3];
        size_t length = prng_below(&random, (uint32_t)seed->length + 1);
        unsigned char *block = malloc(length + (length == 0));
        memcpy(block, seed->data, length);
        for (uint32_t n = prng_below(&random, 3); n > 0 && length > 0; n--) {
            block[prng_below(&random, (uint32_t)length)] = (unsigned char)prng_next(&random);
        }
        tp_pgo_message message;
        const char *why = NULL;
        if (tp_pgo_parse(block, length, round % 2 == 0, &message, &why)) {
            walk(&message);
        } else {
            assert_non_null(why);
        }
        free(block);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transaction), cmocka_unit_test(test_relation),
        cmocka_unit_test(test_changes),     cmocka_unit_test(test_others),
        cmocka_unit_test(test_stream),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_mutations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
