/* Findings as text for people: worst first, words as SQL comments, so that a finding can be piped
 * to a file, read, and run. */
#include "advice_text.h"

#include <stdio.h>
#include <string.h>

#include "say.h"

enum { WIDTH = 96 };

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

/* Words behind `-- `, broken before the width. */
static void put_words(const char *label, const char *text) {
    size_t used = (size_t)printf("-- %s", label);
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (used + 1 + word > WIDTH) {
            used = (size_t)printf("\n--   ");
        } else {
            putchar(' ');
            used++;
        }
        say_text(stdout, text, word);
        used += word;
        text += word;
        text += strspn(text, " ");
    }
    putchar('\n');
}

/* Each line of the statements as a comment. */
static void put_sql(const char *sql) {
    while (*sql != '\0') {
        size_t length = strcspn(sql, "\n");
        fputs("--   ", stdout);
        fwrite(sql, 1, length, stdout);
        putchar('\n');
        sql += length;
        sql += *sql == '\n' ? 1 : 0;
    }
}

static bool is_plain(const char *text) {
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' && *text != '\n') {
            return false;
        }
    }
    return true;
}

static void put_statements(const json_t *finding) {
    const char *sql = text_of(finding, "sql");
    const char *undo = text_of(finding, "undo");
    if (sql[0] == '\0') {
        put_words("no SQL:", text_of(finding, "no_sql"));
        return;
    }
    if (!is_plain(sql) || !is_plain(undo)) {
        printf("-- SQL: a name has control characters in it; --format json has the statements\n");
        return;
    }
    printf("-- change:\n");
    put_sql(sql);
    printf("-- undo:\n");
    put_sql(undo);
}

static void put_finding(const json_t *finding) {
    char head[64];
    snprintf(head, sizeof head, "%s: %s:", text_of(finding, "severity"), text_of(finding, "id"));
    put_words(head, text_of(finding, "object"));
    put_words("found:", text_of(finding, "message"));
    put_words("why:", text_of(finding, "why"));
    if (text_of(finding, "steps")[0] != '\0') {
        put_words("do:", text_of(finding, "steps"));
    }
    put_statements(finding);
    putchar('\n');
}

void advice_text_print(const json_t *answer) {
    static const char *const order[] = {"critical", "warning", "info"};
    const json_t *findings = json_object_get(answer, "findings");
    for (size_t level = 0; level < sizeof order / sizeof order[0]; level++) {
        for (size_t i = 0; i < json_array_size(findings); i++) {
            const json_t *finding = json_array_get(findings, i);
            if (strcmp(text_of(finding, "severity"), order[level]) == 0) {
                put_finding(finding);
            }
        }
    }
    size_t count = json_array_size(findings);
    long long triggers = (long long)json_integer_value(json_object_get(answer, "triggers"));
    say_note("%zu finding%s about %lld trigger%s", count, count == 1 ? "" : "s", triggers,
             triggers == 1 ? "" : "s");
    if (strcmp(text_of(answer, "statements_from"), "counters") == 0) {
        say_note("rows per statement are estimated from counters; the extension pg_stat_statements "
                 "knows them");
    }
}
