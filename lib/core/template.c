/* A template is parsed once into parts: stretches of literal text and indexes of key values.
 * Rendering is then one pass that appends; whether a part is NULL is looked at first, so that
 * nothing has to be taken back. All text of a template lives in one block behind the struct. */
#include "core/template.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"

#define LITERAL UINT32_MAX

typedef struct part {
    uint32_t value; /* index of a key, or LITERAL */
    uint32_t start; /* of the literal or the name, in bytes[] */
    uint32_t length;
} part;

struct tp_template {
    char *text;
    char *bytes; /* literals without doubled braces, and names */
    char *prefix;
    part *parts;
    uint32_t count;
    uint32_t capacity;
};

typedef struct scanner {
    const char *text;
    uint32_t at;
    uint32_t used; /* of bytes[] */
    tp_template *tmpl;
} scanner;

static const char brace_hint[] = "write '{name}' for a key value, '{{' and '}}' for a brace";

static int32_t syntax_error(const scanner *scan, const char *what, trigperf_error **err) {
    return tp_error_set(err, TRIGPERF_E_INVALID, brace_hint,
                        "template '%s' is not valid: %s at position %u", scan->text, what,
                        scan->at + 1);
}

static bool add_part(scanner *scan, uint32_t value, uint32_t start) {
    tp_template *tmpl = scan->tmpl;
    part *parts =
        tp_array_reserve(tmpl->parts, &tmpl->capacity, tmpl->count + 1, sizeof *tmpl->parts);
    if (parts == NULL) {
        return false;
    }
    tmpl->parts = parts;
    parts[tmpl->count++] = (part){value, start, scan->used - start};
    return true;
}

static int32_t scan_literal(scanner *scan, trigperf_error **err) {
    uint32_t start = scan->used;
    for (char c; (c = scan->text[scan->at]) != '\0'; scan->at++) {
        if (c == '{' || c == '}') {
            if (scan->text[scan->at + 1] != c) {
                break;
            }
            scan->at++;
        }
        scan->tmpl->bytes[scan->used++] = c;
    }
    if (scan->text[scan->at] == '}') {
        return syntax_error(scan, "a '}' without '{'", err);
    }
    if (scan->used > start && !add_part(scan, LITERAL, start)) {
        return tp_error_nomem(err);
    }
    return TRIGPERF_OK;
}

/* Names keep value 0 until bind() looks them up. */
static int32_t scan_name(scanner *scan, trigperf_error **err) {
    const char *name = scan->text + scan->at + 1;
    size_t length = strcspn(name, "{}");
    if (name[length] != '}') {
        return syntax_error(scan, "a '{' without '}'", err);
    }
    if (length == 0) {
        return syntax_error(scan, "an empty name", err);
    }
    uint32_t start = scan->used;
    memcpy(scan->tmpl->bytes + start, name, length);
    scan->used += (uint32_t)length;
    scan->at += (uint32_t)length + 2;
    return add_part(scan, 0, start) ? TRIGPERF_OK : tp_error_nomem(err);
}

static int32_t scan_all(scanner *scan, trigperf_error **err) {
    int32_t status = TRIGPERF_OK;
    while (status == TRIGPERF_OK && scan->text[scan->at] != '\0') {
        status = scan_literal(scan, err);
        if (status == TRIGPERF_OK && scan->text[scan->at] == '{') {
            status = scan_name(scan, err);
        }
    }
    return status;
}

static char *literal_prefix(const tp_template *tmpl) {
    const part *first = &tmpl->parts[0];
    return tp_text_copy_bytes(tmpl->bytes + first->start,
                              first->value == LITERAL ? first->length : 0);
}

static tp_template *allocate(const char *text, size_t length) {
    tp_template *tmpl = calloc(1, sizeof *tmpl);
    if (tmpl == NULL) {
        return NULL;
    }
    tmpl->text = tp_text_copy(text);
    tmpl->bytes = malloc(length + 1);
    if (tmpl->text == NULL || tmpl->bytes == NULL) {
        tp_template_free(tmpl);
        return NULL;
    }
    return tmpl;
}

int32_t tp_template_scan(const char *text, tp_template **out, trigperf_error **err) {
    size_t length = strlen(text);
    if (length == 0 || length > UINT32_MAX / 2) {
        return tp_error_set(err, TRIGPERF_E_INVALID, brace_hint,
                            "a template of 1 to %u bytes was expected, got %zu bytes",
                            UINT32_MAX / 2, length);
    }
    tp_template *tmpl = allocate(text, length);
    if (tmpl == NULL) {
        return tp_error_nomem(err);
    }
    scanner scan = {text, 0, 0, tmpl};
    int32_t status = scan_all(&scan, err);
    if (status == TRIGPERF_OK) {
        tmpl->prefix = literal_prefix(tmpl);
        status = tmpl->prefix != NULL ? TRIGPERF_OK : tp_error_nomem(err);
    }
    if (status != TRIGPERF_OK) {
        tp_template_free(tmpl);
        return status;
    }
    *out = tmpl;
    return TRIGPERF_OK;
}

static int32_t unknown_name(const tp_template *tmpl, const part *missing, const char *const *names,
                            uint32_t name_count, trigperf_error **err) {
    tp_strbuf known = TP_STRBUF_INIT;
    for (uint32_t i = 0; i < name_count; i++) {
        tp_strbuf_printf(&known, "%s'%s'", i == 0 ? "" : ", ", names[i]);
    }
    int32_t status = tp_error_set(
        err, TRIGPERF_E_INVALID, "name one of the table's keys, or declare the key with the table",
        "template '%s' names the key '%.*s', but the table's keys are: %s", tmpl->text,
        (int)missing->length, tmpl->bytes + missing->start,
        name_count == 0 ? "none" : tp_strbuf_str(&known));
    tp_strbuf_free(&known);
    return status;
}

static bool bind_part(const tp_template *tmpl, part *item, const char *const *names,
                      uint32_t name_count) {
    for (uint32_t i = 0; i < name_count; i++) {
        if (strlen(names[i]) == item->length &&
            memcmp(names[i], tmpl->bytes + item->start, item->length) == 0) {
            item->value = i;
            return true;
        }
    }
    return false;
}

static int32_t bind(tp_template *tmpl, const char *const *names, uint32_t name_count,
                    trigperf_error **err) {
    for (uint32_t i = 0; i < tmpl->count; i++) {
        part *item = &tmpl->parts[i];
        if (item->value != LITERAL && !bind_part(tmpl, item, names, name_count)) {
            return unknown_name(tmpl, item, names, name_count, err);
        }
    }
    return TRIGPERF_OK;
}

int32_t tp_template_parse(const char *text, const char *const *names, uint32_t name_count,
                          tp_template **out, trigperf_error **err) {
    tp_template *tmpl = NULL;
    int32_t status = tp_template_scan(text, &tmpl, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    status = bind(tmpl, names, name_count, err);
    if (status != TRIGPERF_OK) {
        tp_template_free(tmpl);
        return status;
    }
    *out = tmpl;
    return TRIGPERF_OK;
}

int32_t tp_template_check(const char *text, trigperf_error **err) {
    tp_template *tmpl = NULL;
    int32_t status = tp_template_scan(text, &tmpl, err);
    if (status == TRIGPERF_OK) {
        tp_template_free(tmpl);
    }
    return status;
}

void tp_template_free(tp_template *tmpl) {
    if (tmpl == NULL) {
        return;
    }
    free(tmpl->text);
    free(tmpl->bytes);
    free(tmpl->prefix);
    free(tmpl->parts);
    free(tmpl);
}

const char *tp_template_text(const tp_template *tmpl) {
    return tmpl->text;
}

const char *tp_template_prefix(const tp_template *tmpl) {
    return tmpl->prefix;
}

size_t tp_template_scope_length(const tp_template *tmpl) {
    return strcspn(tmpl->prefix, ":");
}

void tp_template_scope(const tp_template *tmpl, char *out, size_t size) {
    if (size == 0) {
        return;
    }
    size_t length = tp_template_scope_length(tmpl);
    length = length < size ? length : size - 1;
    memcpy(out, tmpl->prefix, length);
    out[length] = '\0';
}

bool tp_template_render(const tp_template *tmpl, const tp_value *values, tp_strbuf *out) {
    for (uint32_t i = 0; i < tmpl->count; i++) {
        const part *item = &tmpl->parts[i];
        if (item->value != LITERAL && values[item->value].data == NULL) {
            return false;
        }
    }
    for (uint32_t i = 0; i < tmpl->count; i++) {
        const part *item = &tmpl->parts[i];
        if (item->value == LITERAL) {
            tp_strbuf_add(out, tmpl->bytes + item->start, item->length);
        } else {
            tp_strbuf_add(out, values[item->value].data, values[item->value].length);
        }
    }
    return true;
}

size_t tp_template_group_length(const tp_template *tmpl, const tp_value *values) {
    size_t length = 0;
    bool has_part = false;
    for (uint32_t i = 0; i < tmpl->count; i++) {
        const part *item = &tmpl->parts[i];
        if (item->value == LITERAL) {
            length += item->length;
        } else if (has_part) {
            break;
        } else {
            length += values[item->value].length;
            has_part = true;
        }
    }
    return length;
}
