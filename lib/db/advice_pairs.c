/* Duplicates: the same function with the same arguments, timing and level, whose events and
 * condition another trigger of the table has as well. */
#include "db/advice_pairs.h"

#include <string.h>

#include "base/json.h"
#include "db/advice_sql.h"

#define EVENTS (TP_EVENT_INSERT | TP_EVENT_UPDATE | TP_EVENT_DELETE | TP_EVENT_TRUNCATE)
#define SHAPE (1u | 2u | 64u)

static bool same_when(const tp_advice_trigger *wide, const tp_advice_trigger *narrow) {
    const char *a = NULL;
    const char *b = NULL;
    size_t a_length = 0;
    size_t b_length = 0;
    return tp_advice_when(wide, &a, &a_length) && tp_advice_when(narrow, &b, &b_length) &&
           (a_length == 0 || (a_length == b_length && memcmp(a, b, a_length) == 0));
}

/* Whether whatever fires the one fires the other as well. */
static bool covers(const tp_advice_trigger *wide, const tp_advice_trigger *narrow) {
    return (narrow->type & EVENTS & ~wide->type) == 0 &&
           (wide->of_columns[0] == '\0' || strcmp(wide->of_columns, narrow->of_columns) == 0) &&
           same_when(wide, narrow);
}

static bool comparable(const tp_advice_trigger *a, const tp_advice_trigger *b) {
    return a->table == b->table && strcmp(a->function_oid, b->function_oid) == 0 &&
           strcmp(a->arguments, b->arguments) == 0 && (a->type & SHAPE) == (b->type & SHAPE) &&
           strcmp(a->old_table, b->old_table) == 0 && strcmp(a->new_table, b->new_table) == 0 &&
           a->enabled == b->enabled && tp_advice_can_rewrite(a) && tp_advice_can_rewrite(b);
}

static void put_duplicate(tp_advice *advice, const tp_advice_trigger *kept,
                          const tp_advice_trigger *spare) {
    tp_finding finding = {.id = "duplicate_trigger",
                          .severity = "warning",
                          .table = spare->table,
                          .trigger = spare,
                          .why = "the function runs twice for the same event; where it adds up or "
                                 "sends something, that happens twice"};
    tp_strbuf_printf(&finding.message, "%s runs %s for the same events already", kept->quoted,
                     kept->function);
    tp_json_text(&finding.figures, "same_as", kept->name);
    tp_json_double(&finding.figures, "runs", tp_advice_runs(spare));
    tp_advice_sql_drop(&finding.sql, spare, NULL);
    tp_advice_sql_restore(&finding.undo, spare);
    tp_finding_put(advice, &finding);
}

void tp_advice_pairs_judge(tp_advice *advice) {
    const tp_advice_facts *facts = advice->facts;
    for (uint32_t i = 0; i < facts->trigger_count; i++) {
        const tp_advice_trigger *spare = &facts->triggers[i];
        bool told = false;
        for (uint32_t k = 0; !told && k < facts->trigger_count; k++) {
            const tp_advice_trigger *kept = &facts->triggers[k];
            if (k != i && comparable(kept, spare) && covers(kept, spare) &&
                (k < i || !covers(spare, kept))) {
                put_duplicate(advice, kept, spare);
                told = true;
            }
        }
    }
}
