/* Aggregates that can be kept by adding and taking away are recognized by their form, name, one
 * argument in parentheses, an optional FILTER; whatever looks otherwise can only be computed anew.
 * Recognizing too little is safe: then an immediate KPI is refused. So the reader knows quotes and
 * parentheses, and gives up on comments and dollar quotes. */
#include "db/kpi.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "base/text.h"

#define INTERVAL_MS_MAX 86400000
#define INTERVAL_MS_DEFAULT 60000

static int32_t check_text(const char *what, const char *text, trigperf_error **error) {
    if (text == NULL || text[0] == '\0') {
        return tp_error_set(error, TRIGPERF_E_INVALID, "give it a name",
                            "expected a %s, got nothing", what);
    }
    return TRIGPERF_OK;
}

int32_t trigperf_kpi_new(const char *target, const char *source, trigperf_kpi **kpi,
                         trigperf_error **error) {
    int32_t status = check_text("target table", target, error);
    if (status == TRIGPERF_OK) {
        status = check_text("source table", source, error);
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    trigperf_kpi *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) {
        return tp_error_nomem(error);
    }
    fresh->interval_ms = INTERVAL_MS_DEFAULT;
    fresh->target = tp_text_copy(target);
    fresh->source = tp_text_copy(source);
    if (fresh->target == NULL || fresh->source == NULL) {
        trigperf_kpi_free(fresh);
        return tp_error_nomem(error);
    }
    *kpi = fresh;
    return TRIGPERF_OK;
}

static void free_value(tp_kpi_value *value) {
    free(value->name);
    free(value->aggregate);
    free(value->expression);
}

void trigperf_kpi_free(trigperf_kpi *kpi) {
    if (kpi == NULL) {
        return;
    }
    for (uint32_t i = 0; i < kpi->group_count; i++) {
        free(kpi->groups[i].name);
        free(kpi->groups[i].expression);
    }
    for (uint32_t i = 0; i < kpi->value_count; i++) {
        free_value(&kpi->values[i]);
    }
    free(kpi->groups);
    free(kpi->values);
    free(kpi->where);
    free(kpi->target);
    free(kpi->source);
    free(kpi);
}

static bool is_taken(const trigperf_kpi *kpi, const char *name) {
    for (uint32_t i = 0; i < kpi->group_count; i++) {
        if (strcmp(kpi->groups[i].name, name) == 0) {
            return true;
        }
    }
    for (uint32_t i = 0; i < kpi->value_count; i++) {
        if (strcmp(kpi->values[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static int32_t check_column(const trigperf_kpi *kpi, const char *name, uint32_t count, uint32_t max,
                            trigperf_error **error) {
    int32_t status = check_text("name of a column", name, error);
    if (status == TRIGPERF_OK && is_taken(kpi, name)) {
        status = tp_error_set(error, TRIGPERF_E_EXISTS, "name each column of the target once",
                              "column \"%s\" is given twice", name);
    }
    if (status == TRIGPERF_OK && count == max) {
        status =
            tp_error_set(error, TRIGPERF_E_LIMIT, "make two of them",
                         "expected at most %u of these columns, \"%s\" is one more", max, name);
    }
    return status;
}

static bool grow(void **list, uint32_t count, size_t size) {
    void *grown = realloc(*list, (count + 1) * size);
    if (grown == NULL) {
        return false;
    }
    *list = grown;
    return true;
}

int32_t trigperf_kpi_group(trigperf_kpi *kpi, const char *name, const char *expression,
                           trigperf_error **error) {
    int32_t status = check_column(kpi, name, kpi->group_count, TP_KPI_GROUPS_MAX, error);
    if (status == TRIGPERF_OK && expression != NULL) {
        status = check_text("group expression", expression, error);
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_kpi_group group = {tp_text_copy(name), expression == NULL ? NULL : tp_text_copy(expression)};
    if (group.name == NULL || (expression != NULL && group.expression == NULL) ||
        !grow((void **)&kpi->groups, kpi->group_count, sizeof group)) {
        free(group.name);
        free(group.expression);
        return tp_error_nomem(error);
    }
    kpi->groups[kpi->group_count++] = group;
    return TRIGPERF_OK;
}

/* --- the form of an aggregate
 * -------------------------------------------------------------------*/

typedef struct span {
    const char *begin;
    size_t length;
} span;

static const char *skip_blanks(const char *at) {
    return at + strspn(at, " \t\r\n");
}

static span trim(const char *begin, const char *end) {
    begin = skip_blanks(begin);
    while (end > begin && strchr(" \t\r\n", end[-1]) != NULL) {
        end--;
    }
    return (span){begin, end > begin ? (size_t)(end - begin) : 0};
}

/* Behind the quote that ends what begins at a quote; NULL when none does. */
static const char *skip_quoted(const char *at) {
    const char *end = strchr(at + 1, *at);
    return end == NULL ? NULL : end + 1;
}

/* The inside of parentheses that open at *at, which then stands behind them. False when this reader
 * does not understand it, or there is a comma in it. */
static bool take_inside(const char **at, span *inside) {
    int depth = 0;
    const char *start = *at + 1;
    for (const char *in = *at; in != NULL && *in != '\0';) {
        if (*in == '\'' || *in == '"') {
            in = skip_quoted(in);
            continue;
        }
        if (*in == '$' || strncmp(in, "--", 2) == 0 || strncmp(in, "/*", 2) == 0 || *in == '\\' ||
            (*in == ',' && depth == 1)) {
            return false;
        }
        depth += (*in == '(') - (*in == ')');
        if (depth == 0) {
            *inside = trim(start, in);
            *at = in + 1;
            return true;
        }
        in++;
    }
    return false;
}

static bool is_word(const char *at, const char *word) {
    size_t length = strlen(word);
    if (strncasecmp(at, word, length) != 0) {
        return false;
    }
    unsigned char next = (unsigned char)at[length];
    return !isalnum(next) && next != '_' && next < 0x80;
}

/* A word at the beginning of an argument that makes it more than an expression, or one inside that
 * orders the rows. */
static bool is_plain(span argument) {
    static const char *const words[] = {"distinct", "all", "variadic"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (is_word(argument.begin, words[i])) {
            return false;
        }
    }
    for (size_t i = 0; i + 5 <= argument.length; i++) {
        if (strncasecmp(argument.begin + i, "order", 5) == 0) {
            return false;
        }
    }
    return argument.length > 0;
}

static bool take_filter(const char *at, span *filter) {
    if (!is_word(at, "filter")) {
        return false;
    }
    at = skip_blanks(at + strlen("filter"));
    if (*at != '(' || !take_inside(&at, filter) || *skip_blanks(at) != '\0' ||
        !is_word(filter->begin, "where")) {
        return false;
    }
    *filter = trim(filter->begin + strlen("where"), filter->begin + filter->length);
    return filter->length > 0;
}

/* name(argument) [FILTER (WHERE filter)]; filter.length 0: none. */
static bool take_form(const char *text, tp_kpi_kind *kind, span *argument, span *filter) {
    static const char *const names[] = {"count", "sum", "min", "max"};
    const char *at = skip_blanks(text);
    for (int i = 0; i < 4; i++) {
        if (!is_word(at, names[i])) {
            continue;
        }
        const char *next = skip_blanks(at + strlen(names[i]));
        if (*next != '(') {
            return false;
        }
        if (!take_inside(&next, argument) || !is_plain(*argument)) {
            return false;
        }
        *kind = (tp_kpi_kind)i;
        *filter = (span){next, 0};
        next = skip_blanks(next);
        return *next == '\0' || take_filter(next, filter);
    }
    return false;
}

/* count(*) counts rows, count(X) those where X is not null; elsewhere rows that do not meet the
 * filter count as NULL. */
static void put_expression(tp_kpi_kind kind, span argument, span filter, tp_strbuf *out) {
    int length = (int)argument.length;
    bool star = length == 1 && argument.begin[0] == '*';
    if (kind != TP_KPI_COUNT) {
        if (filter.length > 0) {
            tp_strbuf_printf(out, "CASE WHEN %.*s THEN %.*s END", (int)filter.length, filter.begin,
                             length, argument.begin);
        } else {
            tp_strbuf_add(out, argument.begin, argument.length);
        }
        return;
    }
    if (!star) {
        tp_strbuf_printf(out, "(%.*s) IS NOT NULL", length, argument.begin);
    }
    if (filter.length > 0) {
        tp_strbuf_printf(out, "%s(%.*s)", star ? "" : " AND ", (int)filter.length, filter.begin);
    }
}

/* What kind of aggregate a text is, and its expression over the row (NULL: none), which the caller
 * frees. */
static int32_t parse(const char *aggregate, tp_kpi_kind *kind, char **expression,
                     trigperf_error **err) {
    span argument = {NULL, 0};
    span filter = {NULL, 0};
    *expression = NULL;
    if (!take_form(aggregate, kind, &argument, &filter)) {
        *kind = TP_KPI_OTHER;
        return TRIGPERF_OK;
    }
    tp_strbuf text = TP_STRBUF_INIT;
    put_expression(*kind, argument, filter, &text);
    int32_t status = text.failed ? tp_error_nomem(err) : TRIGPERF_OK;
    if (status == TRIGPERF_OK && text.length > 0) {
        *expression = tp_strbuf_take(&text);
        status = *expression == NULL ? tp_error_nomem(err) : TRIGPERF_OK;
    }
    tp_strbuf_free(&text);
    return status;
}

int32_t trigperf_kpi_value(trigperf_kpi *kpi, const char *name, const char *aggregate,
                           trigperf_error **error) {
    int32_t status = check_column(kpi, name, kpi->value_count, TP_KPI_VALUES_MAX, error);
    if (status == TRIGPERF_OK) {
        status = check_text("aggregate such as count(*)", aggregate, error);
    }
    tp_kpi_value value = {0};
    if (status == TRIGPERF_OK) {
        status = parse(aggregate, &value.kind, &value.expression, error);
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    value.name = tp_text_copy(name);
    value.aggregate = tp_text_copy(aggregate);
    if (value.name == NULL || value.aggregate == NULL ||
        !grow((void **)&kpi->values, kpi->value_count, sizeof value)) {
        free_value(&value);
        return tp_error_nomem(error);
    }
    kpi->values[kpi->value_count++] = value;
    return TRIGPERF_OK;
}

/* --- settings
 * -----------------------------------------------------------------------------------*/

static int find_word(const char *const *words, const char *text) {
    for (int i = 0; words[i] != NULL; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            return i;
        }
    }
    return -1;
}

static int32_t set_mode(trigperf_kpi *kpi, const char *value, trigperf_error **error) {
    static const char *const names[] = {"immediate", "trailing", NULL};
    int found = find_word(names, value);
    if (found < 0) {
        return tp_error_set(error, TRIGPERF_E_INVALID,
                            "immediate is right at the end of each statement, trailing after the "
                            "next refresh",
                            "expected a mode among immediate, trailing; got \"%s\"", value);
    }
    kpi->trailing = found == 1;
    return TRIGPERF_OK;
}

static int32_t set_interval(trigperf_kpi *kpi, const char *value, trigperf_error **error) {
    char *end = NULL;
    unsigned long number = strtoul(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || number > INTERVAL_MS_MAX) {
        return tp_error_set(error, TRIGPERF_E_INVALID,
                            "a group is refreshed at most once in that many milliseconds",
                            "expected a number from 0 to %d for interval_ms; got \"%s\"",
                            INTERVAL_MS_MAX, value);
    }
    kpi->interval_ms = (uint32_t)number;
    return TRIGPERF_OK;
}

static int32_t set_where(trigperf_kpi *kpi, const char *value, trigperf_error **error) {
    char *copy = value[0] == '\0' ? NULL : tp_text_copy(value);
    if (value[0] != '\0' && copy == NULL) {
        return tp_error_nomem(error);
    }
    free(kpi->where);
    kpi->where = copy;
    return TRIGPERF_OK;
}

static int32_t set_granularity(trigperf_kpi *kpi, const char *value, trigperf_error **error) {
    static const char *const names[] = {"auto", "statement", "row", NULL};
    int found = find_word(names, value);
    if (found < 0) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "auto looks at the table's statistics",
                            "expected a granularity among auto, statement, row; got \"%s\"", value);
    }
    kpi->granularity = (tp_granularity)found;
    return TRIGPERF_OK;
}

typedef struct setting {
    const char *name;
    int32_t (*set)(trigperf_kpi *kpi, const char *value, trigperf_error **error);
} setting;

static const setting settings[] = {{"mode", set_mode},
                                   {"interval_ms", set_interval},
                                   {"where", set_where},
                                   {"granularity", set_granularity}};

int32_t trigperf_kpi_set(trigperf_kpi *kpi, const char *name, const char *value,
                         trigperf_error **error) {
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (name != NULL && strcmp(name, settings[i].name) == 0) {
            return settings[i].set(kpi, value == NULL ? "" : value, error);
        }
    }
    return tp_error_set(error, TRIGPERF_E_INVALID,
                        "mode, interval_ms, where and granularity can be set",
                        "expected a setting of a KPI, got \"%s\"", name == NULL ? "" : name);
}
