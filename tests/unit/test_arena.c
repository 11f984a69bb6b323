/* The bump allocator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/arena.h"
#include "oom.h"

static void test_offsets_survive_growth(void **state) {
    (void)state;
    tp_arena arena = {NULL, 0, 0, 0};
    uint32_t offsets[500];
    for (uint32_t i = 0; i < 500; i++) {
        assert_true(tp_arena_reserve(&arena, i + 1));
        offsets[i] = tp_arena_take(&arena, i + 1);
        memset(tp_arena_at(&arena, offsets[i]), (int)(i & 0xFF), i + 1);
    }
    for (uint32_t i = 0; i < 500; i++) {
        const unsigned char *bytes = tp_arena_at(&arena, offsets[i]);
        assert_int_equal((uintptr_t)bytes % 8, 0);
        assert_int_equal(bytes[0], i & 0xFF);
        assert_int_equal(bytes[i], i & 0xFF);
    }
    tp_arena_free(&arena);
    assert_null(arena.data);
}

static void test_reserved_bytes_may_be_taken_in_pieces(void **state) {
    (void)state;
    tp_arena arena = {NULL, 0, 0, 0};
    assert_true(tp_arena_reserve(&arena, 1000 * 8));
    const char *data = arena.data;
    for (int i = 0; i < 1000; i++) {
        tp_arena_take(&arena, 8);
    }
    assert_ptr_equal(arena.data, data);
    assert_true(arena.used <= arena.capacity);
    tp_arena_free(&arena);
}

static void test_clear_keeps_memory_that_is_needed(void **state) {
    (void)state;
    tp_arena arena = {NULL, 0, 0, 0};
    for (int round = 0; round < 1000; round++) {
        assert_true(tp_arena_reserve(&arena, 1 << 20));
        tp_arena_take(&arena, 1 << 20);
        tp_arena_clear(&arena);
        assert_int_equal(arena.used, 0);
        assert_non_null(arena.data);
    }
    tp_arena_free(&arena);
}

static void test_clear_gives_back_what_is_long_unused(void **state) {
    (void)state;
    tp_arena arena = {NULL, 0, 0, 0};
    assert_true(tp_arena_reserve(&arena, 1 << 20));
    for (int round = 0; round < 100; round++) {
        assert_true(tp_arena_reserve(&arena, 100));
        tp_arena_take(&arena, 100);
        tp_arena_clear(&arena);
    }
    assert_true(arena.capacity < 1000);
    tp_arena_free(&arena);
}

static void test_refuses_what_offsets_cannot_reach(void **state) {
    (void)state;
    tp_arena arena = {NULL, 0, 0, 0};
    assert_false(tp_arena_reserve(&arena, SIZE_MAX));
    assert_false(tp_arena_reserve(&arena, (size_t)UINT32_MAX));
    assert_null(arena.data);
}

static void test_out_of_memory(void **state) {
    (void)state;
    tp_arena arena = {NULL, 0, 0, 0};
    assert_true(tp_arena_reserve(&arena, 8));
    uint32_t at = tp_arena_take(&arena, 8);
    memcpy(tp_arena_at(&arena, at), "1234567", 8);
    oom_fail_at(1);
    assert_false(tp_arena_reserve(&arena, 4096));
    assert_true(oom_reset());
    assert_string_equal(tp_arena_at(&arena, at), "1234567");
    assert_int_equal(arena.used, 1);
    tp_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets_survive_growth),
        cmocka_unit_test(test_reserved_bytes_may_be_taken_in_pieces),
        cmocka_unit_test(test_clear_keeps_memory_that_is_needed),
        cmocka_unit_test(test_clear_gives_back_what_is_long_unused),
        cmocka_unit_test(test_refuses_what_offsets_cannot_reach),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
