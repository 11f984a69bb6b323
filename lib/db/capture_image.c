/* Columns of types that have a function for it (db/image.h) are compared by that function, the
 * others together as one record. Such a function knows nothing of NULL and yields NULL, which says
 * "not the same": enough where a column is NOT NULL, also when it ceases to be, since at worst a
 * change is told that was none. */
#include "db/capture_image.h"

#include <string.h>

#include "db/capture_text.h"
#include "db/sqltext.h"

typedef struct condition {
    const tp_capture *capture;
    const tp_capture_side *old;
    const tp_capture_side *new;
    tp_strbuf *out;
    tp_strbuf old_record; /* of the columns that have no function */
    tp_strbuf new_record;
    bool any;
} condition;

static void and (condition * c) {
    tp_strbuf_puts(c->out, c->any ? "\n                AND " : "");
    c->any = true;
}

static void compare(condition *c, const char *function, bool not_null, const char *old,
                    const char *new) {
    const char *collation = strcmp(function, "texteq") == 0 ? " COLLATE pg_catalog.\"C\"" : "";
    and(c);
    tp_strbuf_printf(c->out, not_null ? "pg_catalog.%s(%s%s, %s)" : "(pg_catalog.%s(%s%s, %s)",
                     function, old, collation, new);
    if (!not_null) {
        tp_strbuf_printf(c->out, " OR %s IS NULL AND %s IS NULL)", old, new);
    }
}

static void column(condition *c, const char *name) {
    const tp_capture_column *known = NULL;
    for (uint32_t i = 0; known == NULL && i < c->capture->column_count; i++) {
        known = strcmp(c->capture->columns[i].name, name) == 0 ? &c->capture->columns[i] : NULL;
    }
    tp_strbuf old = TP_STRBUF_INIT;
    tp_strbuf new = TP_STRBUF_INIT;
    tp_strbuf_printf(&old, "%s.", c->old->alias);
    tp_sql_ident(&old, name);
    tp_strbuf_printf(&new, "%s.", c->new->alias);
    tp_sql_ident(&new, name);
    if (known != NULL && known->equals != NULL) {
        compare(c, known->equals, known->not_null, tp_strbuf_str(&old), tp_strbuf_str(&new));
    } else {
        const char *comma = c->old_record.length == 0 ? "" : ", ";
        tp_strbuf_printf(&c->old_record, "%s%s", comma, tp_strbuf_str(&old));
        tp_strbuf_printf(&c->new_record, "%s%s", comma, tp_strbuf_str(&new));
    }
    c->out->failed = c->out->failed || old.failed || new.failed;
    tp_strbuf_free(&old);
    tp_strbuf_free(&new);
}

static void expression(condition *c, uint32_t key) {
    tp_strbuf old = TP_STRBUF_INIT;
    tp_strbuf new = TP_STRBUF_INIT;
    tp_strbuf_printf(&old, "%s%u", c->old->expression, key);
    tp_strbuf_printf(&new, "%s%u", c->new->expression, key);
    compare(c, "texteq", false, tp_strbuf_str(&old), tp_strbuf_str(&new));
    c->out->failed = c->out->failed || old.failed || new.failed;
    tp_strbuf_free(&old);
    tp_strbuf_free(&new);
}

static void records(condition *c, const char *old, const char *new) {
    and(c);
    tp_strbuf_printf(c->out,
                     "ROW(%s)::pg_catalog.record OPERATOR(pg_catalog.*=) "
                     "ROW(%s)::pg_catalog.record",
                     old, new);
}

static void finish(condition *c) {
    if (c->old_record.length > 0) {
        records(c, tp_strbuf_str(&c->old_record), tp_strbuf_str(&c->new_record));
    }
    tp_strbuf_puts(c->out, c->any ? "" : "true");
    c->out->failed = c->out->failed || c->old_record.failed || c->new_record.failed;
    tp_strbuf_free(&c->old_record);
    tp_strbuf_free(&c->new_record);
}

void tp_capture_keys_same(const tp_capture *capture, const tp_capture_side *old,
                          const tp_capture_side *new, tp_strbuf *out) {
    condition c = {.capture = capture, .old = old, .new = new, .out = out};
    for (uint32_t i = 0; i < capture->key_count; i++) {
        if (capture->keys[i].column == NULL) {
            expression(&c, i);
        } else if (!tp_capture_listed_before(capture, i)) {
            column(&c, capture->keys[i].column);
        }
    }
    finish(&c);
}

void tp_capture_watch_same(const tp_capture *capture, const tp_capture_side *old,
                           const tp_capture_side *new, tp_strbuf *out) {
    condition c = {.capture = capture, .old = old, .new = new, .out = out};
    for (uint32_t i = 0; i < capture->watch_count; i++) {
        if (!tp_capture_is_key(capture, capture->watch[i])) {
            column(&c, capture->watch[i]);
        }
    }
    if (capture->watch_count == 0 && capture->by_row) {
        and(&c);
        tp_strbuf_printf(out, "%s OPERATOR(pg_catalog.*=) %s", old->alias, new->alias);
    } else if (capture->watch_count == 0) {
        and(&c);
        tp_strbuf_printf(out,
                         "ROW(%s.*)::pg_catalog.record OPERATOR(pg_catalog.*=) "
                         "ROW(%s.*)::pg_catalog.record",
                         old->alias, new->alias);
    }
    finish(&c);
}
