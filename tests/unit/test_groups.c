/* Groups that wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/groups.h"
#include "oom.h"

#define MOST 3u

static const char *const names[] = {"user_id", "id"};
static const tp_hash_key hash_key;

static tp_cascade *make_cascade(void) {
    tp_cascade *cascade = NULL;
    assert_int_equal(tp_cascade_new(&cascade, NULL), TRIGPERF_OK);
    assert_int_equal(tp_cascade_rule(cascade, "a", NULL, 0, "call:{user_id}:{id}", 0, NULL), 0);
    assert_int_equal(tp_cascade_rule(cascade, "a", NULL, 0, "user:{user_id}", 0, NULL), 0);
    assert_int_equal(tp_cascade_rule(cascade, "b", NULL, 0, "item:{id}:{user_id}", 0, NULL), 0);
    assert_int_equal(tp_cascade_table(cascade, "a", 1, names, 2, NULL, NULL), 0);
    assert_int_equal(tp_cascade_table(cascade, "b", 2, names, 2, NULL, NULL), 0);
    assert_int_equal(tp_cascade_prepare(cascade, NULL), TRIGPERF_OK);
    return cascade;
}

/* "table template template: prefix prefix; table ..." */
static void assert_told(const tp_groups *groups, const char *expected) {
    char text[256] = "";
    tp_batch *batch = tp_batch_new(TP_BATCH_RESYNC);
    tp_groups_tell(groups, batch);
    assert_true(tp_batch_seal(batch, ""));
    for (uint32_t i = 0; i < tp_batch_resync_count(batch); i++) {
        assert_int_equal(tp_batch_resync_level(batch, i), TP_RESYNC_GROUP);
        strcat(text, i == 0 ? "" : "; ");
        strcat(text, tp_batch_resync_table(batch, i));
        for (uint32_t j = 0; j < tp_batch_resync_template_count(batch, i); j++) {
            strcat(strcat(text, " "), tp_batch_resync_template(batch, i, j));
        }
        strcat(text, ":");
        for (uint32_t j = 0; j < tp_batch_resync_prefix_count(batch, i); j++) {
            strcat(strcat(text, " "), tp_batch_resync_prefix(batch, i, j));
        }
    }
    tp_batch_free(batch);
    assert_string_equal(text, expected);
}

static tp_group_of of(const tp_cascade *cascade, const char *table, uint32_t template) {
    return (tp_group_of){cascade, tp_cascade_find(cascade, table), template};
}

static tp_group_fate add(tp_groups *groups, const tp_cascade *cascade, const char *table,
                         uint32_t template, const char *bytes) {
    tp_group_of where = of(cascade, table, template);
    assert_true(tp_groups_open(groups, where.table));
    return tp_groups_add(groups, &where, bytes, (uint32_t)strlen(bytes));
}

static void test_a_burst_is_one_entry(void **state) {
    (void)state;
    tp_cascade *cascade = make_cascade();
    tp_groups *groups = tp_groups_new(&hash_key, MOST);
    assert_true(tp_groups_is_empty(groups));
    assert_int_equal(tp_groups_bytes(groups), 0);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(add(groups, cascade, "a", 0, "call:8:"), TP_GROUP_KNOWN);
        assert_int_equal(add(groups, cascade, "a", 0, "call:7:"), TP_GROUP_KNOWN);
    }
    assert_int_equal(add(groups, cascade, "b", 2, "item:7:"), TP_GROUP_KNOWN);
    assert_false(tp_groups_is_empty(groups));
    assert_in_range(tp_groups_bytes(groups), 1, 1000);
    assert_told(groups, "a call:{user_id}:{id}: call:7: call:8:; b item:{id}:{user_id}: item:7:");
    tp_groups_clear(groups);
    assert_true(tp_groups_is_empty(groups));
    assert_int_equal(tp_groups_bytes(groups), 0);
    tp_groups_free(groups);
    tp_groups_free(NULL);
    tp_cascade_free(cascade);
}

static void test_too_many_are_the_whole_template(void **state) {
    (void)state;
    tp_cascade *cascade = make_cascade();
    tp_groups *groups = tp_groups_new(&hash_key, MOST);
    tp_group_of user = of(cascade, "a", 1);
    assert_true(tp_groups_open(groups, user.table));
    assert_told(groups, "a:"); /* nothing but that something has changed */
    for (uint32_t i = 0; i < MOST; i++) {
        const char *const bytes[MOST] = {"call:1:", "call:2:", "call:3:"};
        assert_int_equal(add(groups, cascade, "a", 0, bytes[i]), TP_GROUP_KNOWN);
        assert_int_equal(tp_groups_admit(groups, &user), TP_GROUP_KNOWN);
    }
    assert_told(groups, "a call:{user_id}:{id}: call:1: call:2: call:3:");
    uint64_t before = tp_groups_bytes(groups);
    assert_int_equal(add(groups, cascade, "a", 0, "call:2:"), TP_GROUP_KNOWN);
    assert_int_equal(add(groups, cascade, "a", 0, "call:4:"), TP_GROUP_WHOLE);
    assert_int_equal(add(groups, cascade, "a", 0, "call:1:"), TP_GROUP_WHOLE);
    assert_true(tp_groups_bytes(groups) < before);
    assert_told(groups, "a call:{user_id}:{id}: call:");
    assert_int_equal(tp_groups_admit(groups, &user), TP_GROUP_WHOLE);
    assert_told(groups, "a call:{user_id}:{id} user:{user_id}: call: user:");
    tp_groups_free(groups);
    tp_cascade_free(cascade);
}

static void test_rules_changed_in_between(void **state) {
    (void)state;
    tp_cascade *cascade = make_cascade();
    const tp_table *a = tp_cascade_find(cascade, "a"); /* an address is all that counts */
    tp_groups *groups = tp_groups_new(&hash_key, MOST);
    assert_int_equal(add(groups, cascade, "a", 0, "call:1:"), TP_GROUP_KNOWN);
    tp_groups_rules_changed(groups);
    assert_true(tp_groups_open(groups, a));
    tp_group_of other = {cascade, a, 2};
    assert_int_equal(tp_groups_add(groups, &other, "item:5:", 7), TP_GROUP_KNOWN);
    assert_told(groups, "a call:{user_id}:{id}: call:1:; a item:{id}:{user_id}: item:5:");
    tp_groups_free(groups);
    tp_cascade_free(cascade);
}

/* What failed has changed nothing, and works the next time. */
static void test_out_of_memory(void **state) {
    (void)state;
    tp_cascade *cascade = make_cascade();
    const tp_table *a = tp_cascade_find(cascade, "a");
    tp_group_of calls = of(cascade, "a", 0);
    tp_group_of users = of(cascade, "a", 1);
    for (unsigned n = 1;; n++) {
        oom_fail_at(n);
        tp_groups *groups = tp_groups_new(&hash_key, MOST);
        bool fine = groups != NULL && tp_groups_open(groups, a) &&
                    tp_groups_add(groups, &calls, "call:1:", 7) == TP_GROUP_KNOWN &&
                    tp_groups_admit(groups, &users) == TP_GROUP_KNOWN;
        tp_batch *batch = fine ? tp_batch_new(TP_BATCH_RESYNC) : NULL;
        if (batch != NULL) {
            tp_groups_tell(groups, batch);
            fine = !tp_batch_failed(batch);
        }
        bool failed = oom_reset();
        assert_int_equal(fine && batch != NULL, !failed);
        tp_batch_free(batch);
        if (groups != NULL) {
            assert_int_equal(add(groups, cascade, "a", 0, "call:1:"), TP_GROUP_KNOWN);
            assert_told(groups, "a call:{user_id}:{id}: call:1:");
        }
        tp_groups_free(groups);
        if (!failed) {
            assert_true(n > 8);
            break;
        }
    }
    tp_cascade_free(cascade);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_is_one_entry),
        cmocka_unit_test(test_too_many_are_the_whole_template),
        cmocka_unit_test(test_rules_changed_in_between),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
