/* What the bodies of trigger functions do, and what they only seem to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/trigger_body.h"
#include "oom.h"

static tp_trigger_body body;

static const tp_trigger_body *read_body(const char *source) {
    tp_trigger_body_free(&body);
    assert_int_equal(tp_trigger_body_read(source, &body, NULL), TRIGPERF_OK);
    return &body;
}

/* The writes as "op schema.name filtered increments columns", one after the other. */
static void assert_writes(const char *source, const char *expected) {
    char found[512] = "";
    const tp_trigger_body *b = read_body(source);
    for (uint32_t i = 0; i < b->write_count; i++) {
        const tp_body_write *w = &b->writes[i];
        const tp_lexeme *name = &b->lexemes.items[w->name];
        const tp_lexeme none = {"-", 1, TP_LEX_WORD};
        const tp_lexeme *schema = w->schema == TP_BODY_NONE ? &none : &b->lexemes.items[w->schema];
        size_t used = strlen(found);
        snprintf(found + used, sizeof found - used, "%c %.*s.%.*s%s%s %u;", "IUDTR"[w->op],
                 (int)schema -> length, schema -> text, (int)name -> length, name -> text,
                 w -> filtered ? " where" : "", w->increments ? " adds" : "", w->column_count);
    }
    assert_string_equal(found, expected);
}

static void test_writes(void **state) {
    (void)state;
    assert_writes("BEGIN INSERT INTO a.b(x) VALUES (1); RETURN NEW; END", "I a.b where 0;");
    assert_writes("begin insert into t select * from u; end", "I -.t 0;");
    assert_writes("update only t as x set a = 1, (b, c) = (1, 2) where id = 1;", "U -.t where 3;");
    assert_writes("update t set n = t.n + 1;", "U -.t adds 1;");
    assert_writes("update t set n = coalesce(n, 0) - new.k, m = 2 where a = n + 1;",
                  "U -.t where adds 2;");
    assert_writes("update t set n = m + 1 where true;", "U -.t where 1;");
    assert_writes("insert into t values (1) on conflict (k) do update set n = t.n + excluded.n;",
                  "I -.t where adds 1;");
    assert_writes("delete from only s.t; truncate table u, v; refresh materialized view "
                  "concurrently w; merge into x using y on a = b when matched then delete;",
                  "D s.t 0;T -.u 0;R -.w 0;U -.x where 0;");
    assert_writes("with d as (delete from a where x returning *) insert into b select * from d;",
                  "D -.a where 0;I -.b 0;");
    assert_writes("perform 1 from t for update; select a for no key update; x := 'update t set a = "
                  "1'; -- delete from t\n if tg_op = 'INSERT' then null; end if;",
                  "");
    assert_writes("update \"T\" set a = 1; update set;", "U -.T 1;");
}

static void test_questions(void **state) {
    (void)state;
    assert_true(read_body("begin perform pg_notify('a', ''); end")->notifies);
    assert_true(read_body("begin notify a; end")->notifies);
    assert_true(read_body("begin execute ' notify a'; end")->notifies);
    assert_false(read_body("begin x := 'notify a'; notify := 1; -- pg_notify(\n end")->notifies);
    assert_true(read_body("begin if a then raise exception 'x'; end if; end")->raises);
    assert_true(read_body("begin raise 'x' using errcode = '22012'; end")->raises);
    assert_true(read_body("begin RAISE; end")->raises);
    assert_false(
        read_body("begin raise notice 'x'; raise WARNING 'raise exception'; x := raise; end")
            ->raises);
    assert_true(read_body("if pg_trigger_depth() > 1 then return null; end if;")->depth_guard);
    assert_true(read_body("select count(*) into x from t;")->aggregates);
    assert_false(read_body("count := 1;")->aggregates);
    assert_int_equal(read_body("execute a; for r in execute b loop end loop;")->dynamic, 2);
    assert_int_equal(read_body("grant execute on x; -- execute\n")->dynamic, 0);
    assert_true(read_body("execute 'a' || new.x::text;")->pasted);
    assert_false(read_body("execute 'a' || quote_literal(new.x); x := 'a' || new.y;")->pasted);
    assert_true(read_body("begin new.at := now(); end")->touches);
    assert_false(read_body("begin if new.at = now() then null; end if; end")->touches);
}

static void test_handlers(void **state) {
    (void)state;
    const tp_trigger_body *b =
        read_body("begin begin insert into t values (1); exception when others then null; end; "
                  "update u set a = 1; return null; exception when others then raise exception "
                  "'when'; end");
    assert_int_equal(b->handlers, 2);
    assert_int_equal(b->write_handlers, 2);
    b = read_body("begin begin x := 1 / y; exception when division_by_zero then x := 0; end; "
                  "insert into t values (x); return null; end");
    assert_int_equal(b->handlers, 1);
    assert_int_equal(b->write_handlers, 0);
    b = read_body("begin if a then case b when 1 then null; end case; end if; for i in 1..2 loop "
                  "null; end loop; x := case when a then 1 end; begin null; exception when others "
                  "then insert into t values (1); end; end");
    assert_int_equal(b->handlers, 1);
    assert_int_equal(b->write_handlers, 0);
    assert_int_equal(read_body("raise exception 'a'; -- exception when\n")->handlers, 0);
    char deep[4096] = "";
    for (int i = 0; i < 200; i++) {
        strcat(deep, "begin ");
    }
    strcat(deep, "exception when others then null; end end end");
    assert_int_equal(read_body(deep)->handlers, 1);
}

static void assert_guard(const char *condition, const char *more, bool expected) {
    char source[400];
    snprintf(source, sizeof source, "BEGIN IF %s THEN insert into t values (1); %s END", condition,
             more);
    const tp_trigger_body *b = read_body(source);
    assert_int_equal(b->guard_count > 0, expected);
    if (expected) {
        const tp_lexeme *last = &b->lexemes.items[b->guard_first + b->guard_count];
        assert_memory_equal(last->text, "THEN", 4);
    }
}

static void test_guard(void **state) {
    const char *plain = "END IF; RETURN NEW;";
    (void)state;
    assert_guard("NEW.a IS DISTINCT FROM OLD.a", plain, true);
    assert_guard("(new.a <> old.a) OR ((old.\"B\" is distinct from new.\"B\"))", plain, true);
    assert_guard("NEW.* IS DISTINCT FROM OLD.*", "END IF; RETURN NULL;", true);
    assert_guard("NEW.a <> OLD.a AND NEW.b", plain, false);
    assert_guard("NEW.a <> NEW.b", plain, false);
    assert_guard("NEW.a > OLD.a", plain, false);
    assert_guard("f(NEW.a) <> OLD.a", plain, false);
    assert_guard("NEW.a <> OLD.a", "ELSE null; END IF; RETURN NEW;", false);
    assert_guard("NEW.a <> OLD.a", "END IF; x := 1; RETURN NEW;", false);
    assert_guard("NEW.a <> OLD.a", "IF x THEN null; ELSE y; END IF; END IF; RETURN NEW;", true);
    assert_guard("NEW.a <> OLD.a", "x := CASE WHEN a THEN 1 ELSE 2 END; END IF; RETURN NEW;", true);
    assert_guard("NEW.a <> OLD.a", "", false);
}

static void test_limits(void **state) {
    (void)state;
    assert_true(
        read_body("if last > now() - interval '1 minute' then return new; end if;")->rate_limited);
    assert_true(read_body("if exists (select 1 from c where k = new.k and at > current_timestamp - "
                          "interval '1 min') then return null; end if;")
                    ->rate_limited);
    assert_true(
        read_body("if extract(epoch from clock_timestamp() - last) > 60 then update c set a "
                  "= 1 where k; end if;")
            ->rate_limited);
    assert_true(
        read_body("update c set at = now() where c.at < now() - interval '1 min';")->rate_limited);
    assert_false(
        read_body("if new.at < now() - interval '1 day' then return null; end if;")->rate_limited);
    assert_false(read_body("delete from c where at < now() - interval '1 day';")->rate_limited);
    assert_false(read_body("update s set active = false where seen < now() - interval '1 hour';")
                     ->rate_limited);
    assert_false(read_body("if a > 1 then return new; end if; x := now();")->rate_limited);
}

/* Whatever the bytes, reading ends and stays inside: sanitizers watch. */
static void test_pieces(void **state) {
    const char *source =
        "BEGIN IF NEW.a <> OLD.a OR (new.b IS DISTINCT FROM old.b) THEN UPDATE only "
        "s.t AS x SET n = n + 1, (a, b) = (1, $q$2$q$) WHERE at < now() - interval "
        "'1 min'; EXECUTE format('x') || NEW.y USING 1; END IF; RETURN NEW; "
        "EXCEPTION WHEN others THEN INSERT INTO t VALUES (E'\\'') ON CONFLICT DO "
        "UPDATE SET a = 1; END;";
    char part[600];
    (void)state;
    for (size_t from = 0; from < strlen(source); from += 3) {
        for (size_t to = from; to <= strlen(source); to++) {
            memcpy(part, source + from, to - from);
            part[to - from] = '\0';
            read_body(part);
        }
    }
}

static void test_memory(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        tp_trigger_body b;
        oom_fail_at(n);
        int32_t status = tp_trigger_body_read("begin update t set a = 1; insert into u values (1); "
                                              "delete from v; truncate w; notify x; end",
                                              &b, NULL);
        if (!oom_reset()) {
            assert_int_equal(b.write_count, 4);
            tp_trigger_body_free(&b);
            break;
        }
        assert_int_equal(status, TRIGPERF_E_NOMEM);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes),   cmocka_unit_test(test_questions),
        cmocka_unit_test(test_handlers), cmocka_unit_test(test_guard),
        cmocka_unit_test(test_limits),   cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_memory),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tp_trigger_body_free(&body);
    return failed;
}
