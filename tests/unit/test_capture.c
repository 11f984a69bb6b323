/* The text of capture functions: what it contains, and that no name or expression breaks out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "db/capture.h"
#include "oom.h"

static const char *const watch[] = {"status", "amount", "id"};
static const char *const identity[] = {"id"};
static const tp_capture_column columns[] = {
    {"id", "int8eq", true},  {"user_id", "int8eq", false}, {"status", "texteq", false},
    {"amount", NULL, false}, {"Odd\"Name", NULL, true},    {"ts", NULL, false}};

static tp_capture calls(tp_capture_key *keys, uint32_t count) {
    assert_int_equal(tp_capture_slots(keys, count, NULL), TRIGPERF_OK);
    return (tp_capture){.id = 7,
                        .schema = "public",
                        .table = "calls",
                        .keys = keys,
                        .key_count = count,
                        .watch = watch,
                        .watch_count = 3,
                        .columns = columns,
                        .column_count = 6,
                        .identity = identity,
                        .identity_count = 1,
                        .max_keys = 1000};
}

static char *function_of(const tp_capture *capture) {
    tp_strbuf out = TP_STRBUF_INIT;
    tp_capture_function(capture, &out);
    char *text = tp_strbuf_take(&out);
    assert_non_null(text);
    return text;
}

static void assert_has(const char *text, const char *part) {
    if (strstr(text, part) == NULL) {
        fail_msg("'%s' is missing in: %s", part, text);
    }
}

static void assert_lacks(const char *text, const char *part) {
    if (strstr(text, part) != NULL) {
        fail_msg("'%s' is in: %s", part, text);
    }
}

static void test_slots_follow_the_kinds(void **state) {
    (void)state;
    tp_capture_key keys[9] = {
        {.name = "a", .kind = TP_KEY_TEXT}, {.name = "b", .kind = TP_KEY_INT},
        {.name = "c", .kind = TP_KEY_UUID}, {.name = "d", .kind = TP_KEY_INT},
        {.name = "e", .kind = TP_KEY_INT},  {.name = "f", .kind = TP_KEY_INT},
        {.name = "g", .kind = TP_KEY_INT},  {.name = "h", .kind = TP_KEY_UUID},
        {.name = "i", .kind = TP_KEY_TEXT}};
    static const char *const expected[] = {"t1", "i1", "u1", "i2", "i3", "i4", "i5", "u2", "t2"};
    assert_int_equal(tp_capture_slots(keys, 9, NULL), TRIGPERF_OK);
    for (int i = 0; i < 9; i++) {
        assert_string_equal(keys[i].slot, expected[i]);
    }
}

static void test_too_many_keys(void **state) {
    (void)state;
    tp_capture_key keys[TP_CAPTURE_KEYS_MAX + 1];
    trigperf_error *err = NULL;
    for (int i = 0; i <= TP_CAPTURE_KEYS_MAX; i++) {
        keys[i] = (tp_capture_key){.name = "k", .kind = TP_KEY_INT};
    }
    assert_int_equal(tp_capture_slots(keys, TP_CAPTURE_KEYS_MAX, &err), TRIGPERF_OK);
    assert_string_equal(keys[TP_CAPTURE_KEYS_MAX - 1].slot, "i32");
    assert_int_equal(tp_capture_slots(keys, TP_CAPTURE_KEYS_MAX + 1, &err), TRIGPERF_E_LIMIT);
    assert_true(trigperf_error_hint(err)[0] != '\0');
    trigperf_error_free(err);
}

static void test_settings_only_where_needed(void **state) {
    (void)state;
    tp_capture_key keys[] = {{.name = "id", .column = "id", .kind = TP_KEY_INT},
                             {.name = "ts",
                              .column = "ts",
                              .kind = TP_KEY_TEXT,
                              .rendering = TP_RENDER_DATESTYLE | TP_RENDER_TIMEZONE}};
    tp_capture capture = calls(keys, 1);
    char *plain = function_of(&capture);
    assert_has(plain, "LANGUAGE plpgsql SECURITY DEFINER\nAS ");
    free(plain);
    capture = calls(keys, 2);
    char *dated = function_of(&capture);
    assert_has(dated, "\nSET DateStyle = 'ISO, YMD'\nSET TimeZone = 'UTC'\nAS ");
    assert_lacks(dated, "SET search_path");
    free(dated);
}

static void test_identity_saves_the_distinct(void **state) {
    (void)state;
    tp_capture_key keys[] = {{.name = "user_id", .column = "user_id", .kind = TP_KEY_INT},
                             {.name = "id", .column = "id", .kind = TP_KEY_INT}};
    tp_capture capture = calls(keys, 2);
    char *unique = function_of(&capture);
    assert_lacks(unique, "DISTINCT");
    assert_has(unique, "ON tp_o.\"id\" OPERATOR(pg_catalog.=) tp_n.\"id\"");
    assert_lacks(unique, "row_number");
    free(unique);
    capture = calls(keys, 1);
    char *users = function_of(&capture);
    assert_has(users, "SELECT DISTINCT");
    assert_has(users, "GROUP BY 1");
    free(users);
    capture.identity_count = 0;
    char *placed = function_of(&capture);
    assert_has(placed, "ON tp_o.\"tp number\" OPERATOR(pg_catalog.=) tp_n.\"tp number\"");
    free(placed);
}

static void test_watching_all_and_watching_keys_only(void **state) {
    (void)state;
    tp_capture_key keys[] = {{.name = "id", .column = "id", .kind = TP_KEY_INT}};
    tp_capture capture = calls(keys, 1);
    capture.watch_count = 0;
    char *all = function_of(&capture);
    assert_has(all, "ROW(tp_o.*)::pg_catalog.record OPERATOR(pg_catalog.*=) ROW(tp_n.*)");
    free(all);
    capture.watch = identity;
    capture.watch_count = 1;
    char *keys_only = function_of(&capture);
    assert_has(keys_only, "CASE WHEN true THEN 524289\n");
    free(keys_only);
    capture.by_row = true;
    capture.watch_count = 0;
    char *rows = function_of(&capture);
    assert_has(rows, "OLD OPERATOR(pg_catalog.*=) NEW");
    free(rows);
}

/* A function of the column's own type where there is one, NULL told apart only where it may stand;
 * the rest together as a record. */
static void test_images(void **state) {
    (void)state;
    tp_capture_key keys[] = {{.name = "id", .column = "id", .kind = TP_KEY_INT}};
    static const char *const some[] = {"status", "user_id", "amount", "ts", "id"};
    tp_capture capture = calls(keys, 1);
    capture.watch = some;
    capture.watch_count = 5;
    capture.by_row = true;
    char *text = function_of(&capture);
    assert_has(text, "IF pg_catalog.int8eq(OLD.\"id\", NEW.\"id\") THEN\n");
    assert_has(text,
               "IF (pg_catalog.texteq(OLD.\"status\" COLLATE pg_catalog.\"C\", NEW.\"status\")"
               " OR OLD.\"status\" IS NULL AND NEW.\"status\" IS NULL)\n"
               "                AND (pg_catalog.int8eq(OLD.\"user_id\", NEW.\"user_id\")"
               " OR OLD.\"user_id\" IS NULL AND NEW.\"user_id\" IS NULL)\n"
               "                AND ROW(OLD.\"amount\", OLD.\"ts\")::pg_catalog.record "
               "OPERATOR(pg_catalog.*=) ROW(NEW.\"amount\", NEW.\"ts\")::pg_catalog.record THEN");
    free(text);
}

/* One array for each kind of key, key by key: with a moved key the new and the old value of each.
 */
static void test_arrays(void **state) {
    (void)state;
    tp_capture_key keys[] = {{.name = "id", .column = "id", .kind = TP_KEY_INT},
                             {.name = "s", .column = "status", .kind = TP_KEY_TEXT},
                             {.name = "u", .column = "user_id", .kind = TP_KEY_INT}};
    tp_capture capture = calls(keys, 3);
    char *statements = function_of(&capture);
    assert_has(statements, "INTO tp_count, tp_i, tp_t");
    assert_has(statements, "pg_catalog.array_cat(pg_catalog.array_agg(tp_d.tp_k0), "
                           "pg_catalog.array_agg(tp_d.tp_k2)),");
    free(statements);
    capture.by_row = true;
    char *rows = function_of(&capture);
    assert_has(rows, "tp_i := ARRAY[NEW.\"id\"::bigint, NEW.\"user_id\"::bigint];");
    assert_has(rows, "tp_i := ARRAY[NEW.\"id\"::bigint, OLD.\"id\"::bigint, "
                     "NEW.\"user_id\"::bigint, OLD.\"user_id\"::bigint];");
    assert_has(rows, "INSERT INTO trigperf.outbox_3 (table_id, op, i, t) VALUES "
                     "(7, COALESCE(tp_op, 'U'), tp_i, tp_t);");
    assert_lacks(rows, "tp_u");
    free(rows);
}

/* Spellings that would look an operator, a type or a function up by name. */
static void test_no_operator_is_looked_up_by_name(void **state) {
    (void)state;
    tp_capture_key keys[] = {{.name = "id", .column = "id", .kind = TP_KEY_INT},
                             {.name = "s", .column = "status", .kind = TP_KEY_TEXT}};
    tp_capture capture = calls(keys, 2);
    for (int by_row = 0; by_row < 2; by_row++) {
        capture.by_row = by_row == 1;
        char *text = function_of(&capture);
        assert_lacks(text, "DISTINCT FROM");
        assert_lacks(text, " = '");
        assert_lacks(text, " <> ");
        assert_lacks(text, " || ");
        assert_lacks(text, " IN (");
        assert_lacks(text, "::text");
        assert_lacks(text, "::uuid");
        assert_lacks(text, " count(");
        free(text);
    }
}

static void test_quoting_cannot_be_broken(void **state) {
    (void)state;
    tp_capture_key keys[] = {{.name = "k", .column = "Odd\"Name", .kind = TP_KEY_INT},
                             {.name = "e",
                              .expression = "'$capture$' || '$capture1$' -- all",
                              .kind = TP_KEY_TEXT,
                              .rendering = TP_RENDER_ALL}};
    tp_capture capture = calls(keys, 2);
    for (int by_row = 0; by_row < 2; by_row++) {
        capture.by_row = by_row == 1;
        char *text = function_of(&capture);
        assert_has(text, "\"Odd\"\"Name\"::bigint");
        assert_has(text, "('$capture$' || '$capture1$' -- all\n)::pg_catalog.text");
        assert_has(text, "\nAS $capture2$\n");
        const char *first = strstr(text, "$capture2$");
        const char *second = strstr(first + 1, "$capture2$");
        assert_non_null(second);
        assert_string_equal(second, "$capture2$;\n");
        free(text);
    }
}

static void test_a_row_knows_only_the_columns_an_expression_mentions(void **state) {
    (void)state;
    tp_capture_key keys[] = {
        {.name = "e", .expression = "lower(STATUS)", .kind = TP_KEY_TEXT, .rendering = 127}};
    tp_capture capture = calls(keys, 1);
    capture.by_row = true;
    char *text = function_of(&capture);
    assert_has(text,
               "(SELECT NEW.\"status\" AS \"status\", NEW.\"Odd\"\"Name\" AS \"Odd\"\"Name\") AS "
               "tp_row");
    free(text);
}

static void test_no_keys(void **state) {
    (void)state;
    tp_capture capture = calls(NULL, 0);
    for (int by_row = 0; by_row < 2; by_row++) {
        capture.by_row = by_row == 1;
        char *text = function_of(&capture);
        assert_has(text, "outbox_0 (table_id, op) VALUES (7, COALESCE(tp_op, 'U'));\n");
        free(text);
    }
}

static void test_full_isolation_stands_around_the_write(void **state) {
    (void)state;
    tp_capture_key keys[] = {{.name = "id", .column = "id", .kind = TP_KEY_INT}};
    tp_capture capture = calls(keys, 1);
    capture.isolate_full = true;
    char *text = function_of(&capture);
    const char *last = strstr(text, "RAISE WARNING");
    assert_non_null(last);
    assert_true(strstr(text, "INSERT INTO trigperf.outbox_0") < last);
    assert_null(strstr(last, "INSERT INTO trigperf.outbox"));
    assert_has(last, "nextval('trigperf.uncaptured')");
    assert_null(strstr(last, "outbox_coarse"));
    free(text);
}

static void test_triggers(void **state) {
    (void)state;
    tp_capture_key keys[] = {{.name = "id", .column = "id", .kind = TP_KEY_INT}};
    tp_capture capture = calls(keys, 1);
    tp_strbuf out = TP_STRBUF_INIT;
    tp_capture_triggers(&capture, "public.calls", TP_PLACE_ROOT, &out);
    assert_has(tp_strbuf_str(&out),
               "CREATE TRIGGER trigperf_capture_update AFTER UPDATE ON public.calls\n"
               "    REFERENCING OLD TABLE AS tp_old NEW TABLE AS tp_new FOR EACH STATEMENT EXECUTE "
               "FUNCTION trigperf.capture_7();\n");
    tp_strbuf_reset(&out);
    capture.by_row = true;
    tp_capture_triggers(&capture, "public.part", TP_PLACE_PARTITION, &out);
    assert_string_equal(tp_strbuf_str(&out),
                        "CREATE TRIGGER trigperf_capture_7_truncate AFTER TRUNCATE ON public.part\n"
                        "    FOR EACH STATEMENT EXECUTE FUNCTION trigperf.capture_7();\n");
    tp_strbuf_reset(&out);
    tp_capture_triggers(&capture, "public.kid", TP_PLACE_INHERITS, &out);
    assert_has(tp_strbuf_str(&out), "trigperf_capture_7_row AFTER INSERT OR UPDATE OR DELETE");
    tp_strbuf_free(&out);
}

static void test_triggers_for_replicated_rows(void **state) {
    (void)state;
    tp_capture_key keys[] = {{.name = "id", .column = "id", .kind = TP_KEY_INT}};
    tp_capture capture = calls(keys, 1);
    tp_strbuf out = TP_STRBUF_INIT;
    capture.by_row = true;
    capture.replicated = true;
    tp_capture_triggers(&capture, "public.calls", TP_PLACE_ROOT, &out);
    assert_has(tp_strbuf_str(&out),
               "ALTER TABLE public.calls ENABLE ALWAYS TRIGGER trigperf_capture_row;\n");
    assert_has(tp_strbuf_str(&out),
               "ALTER TABLE public.calls ENABLE ALWAYS TRIGGER trigperf_capture_truncate;\n");
    tp_strbuf_reset(&out);
    tp_capture_triggers(&capture, "public.heirs", TP_PLACE_INHERITS, &out);
    assert_has(tp_strbuf_str(&out),
               "ALTER TABLE public.heirs ENABLE ALWAYS TRIGGER trigperf_capture_7_row;\n");
    tp_strbuf_free(&out);
}

static void test_a_share_of_the_executions_is_timed(void **state) {
    (void)state;
    tp_capture_key keys[] = {{.name = "id", .column = "id", .kind = TP_KEY_INT}};
    tp_capture capture = calls(keys, 1);
    for (int by_row = 0; by_row < 2; by_row++) {
        capture.by_row = by_row == 1;
        capture.sample_rate = 0;
        char *text = function_of(&capture);
        assert_lacks(text, "tp_begun");
        assert_lacks(text, "EXIT");
        free(text);
        capture.sample_rate = 0.01;
        text = function_of(&capture);
        assert_has(text,
                   "BEGIN\n    IF CURRENT_TIMESTAMP(5) OPERATOR(pg_catalog.=) CURRENT_TIMESTAMP "
                   "THEN\n        IF pg_catalog.interval_hash(");
        assert_has(text, "OPERATOR(pg_catalog.<) (-1717986918) THEN");
        assert_has(text, "COALESCE(tp_slot OPERATOR(pg_catalog.=) 524291, false), 100, tp_state");
        assert_has(text, "EXIT tp_keys;");
        assert_has(text, "    <<tp_keys>>\n    BEGIN\n");
        free(text);
        capture.sample_rate = 0.1;
        text = function_of(&capture);
        assert_lacks(text, "CURRENT_TIMESTAMP");
        assert_has(text, "OPERATOR(pg_catalog.<) (-1717986918) THEN");
        free(text);
        capture.sample_rate = 1;
        text = function_of(&capture);
        assert_lacks(text, "interval_hash");
        assert_has(text,
                   "BEGIN\n    tp_timed := true;\n    tp_begun := pg_catalog.clock_timestamp();\n");
        free(text);
    }
}

static uint64_t hash_of(uint64_t hash, char *text) {
    for (const char *at = text; *at != '\0'; at++) {
        hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3); /* FNV-1a */
    }
    free(text);
    return hash;
}

/* Functions that were made before are known by the number of their generation only. */
static void test_another_text_is_another_generation(void **state) {
    (void)state;
    static const char *const hint = "the text of capture functions became another: raise "
                                    "TP_CAPTURE_GENERATOR, and put both numbers here";
    tp_capture_key keys[] = {{.name = "id", .column = "id", .kind = TP_KEY_INT},
                             {.name = "e", .expression = "lower(status)", .kind = TP_KEY_TEXT}};
    tp_strbuf triggers = TP_STRBUF_INIT;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (unsigned i = 0; i < 16; i++) {
        tp_capture capture = calls(keys, 1 + i % 2);
        capture.by_row = (i & 2) != 0;
        capture.isolate_full = (i & 4) != 0;
        capture.sample_rate = (i & 8) != 0 ? 0.01 : 0;
        capture.watch_count = i % 3;
        hash = hash_of(hash, function_of(&capture));
        tp_capture_triggers(&capture, "public.calls", TP_PLACE_ROOT, &triggers);
    }
    hash = hash_of(hash, tp_strbuf_take(&triggers));
    if (TP_CAPTURE_GENERATOR != 2 || hash != UINT64_C(0x8719fedd6b986d52)) {
        fail_msg("%s; it is 0x%llx", hint, (unsigned long long)hash);
    }
}

static void test_short_memory_is_noticed(void **state) {
    (void)state;
    tp_capture_key keys[] = {{.name = "id", .column = "id", .kind = TP_KEY_INT},
                             {.name = "e", .expression = "lower(status)", .kind = TP_KEY_TEXT}};
    tp_capture capture = calls(keys, 2);
    for (int by_row = 0; by_row < 2; by_row++) {
        capture.by_row = by_row == 1;
        capture.sample_rate = 0.5 * by_row;
        char *whole = function_of(&capture);
        for (unsigned n = 1;; n++) {
            tp_strbuf out = TP_STRBUF_INIT;
            oom_fail_at(n);
            tp_capture_function(&capture, &out);
            bool reached = oom_reset();
            assert_true(out.failed == reached);
            if (!reached) {
                assert_string_equal(tp_strbuf_str(&out), whole);
            }
            tp_strbuf_free(&out);
            if (!reached) {
                break;
            }
        }
        free(whole);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots_follow_the_kinds),
        cmocka_unit_test(test_too_many_keys),
        cmocka_unit_test(test_settings_only_where_needed),
        cmocka_unit_test(test_identity_saves_the_distinct),
        cmocka_unit_test(test_watching_all_and_watching_keys_only),
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_no_operator_is_looked_up_by_name),
        cmocka_unit_test(test_quoting_cannot_be_broken),
        cmocka_unit_test(test_a_row_knows_only_the_columns_an_expression_mentions),
        cmocka_unit_test(test_no_keys),
        cmocka_unit_test(test_full_isolation_stands_around_the_write),
        cmocka_unit_test(test_triggers),
        cmocka_unit_test(test_triggers_for_replicated_rows),
        cmocka_unit_test(test_a_share_of_the_executions_is_timed),
        cmocka_unit_test(test_another_text_is_another_generation),
        cmocka_unit_test(test_short_memory_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
