/* array_out quotes an element when it is empty, spells NULL, or holds braces, quotes, backslashes,
 * commas or white space; inside quotes a backslash escapes the next byte. Unquoted NULL is null. */
#include "pg/textarray.h"

#include <string.h>
#include <strings.h>

bool tp_textarray_begin(tp_textarray *array, const char *text) {
    if (text == NULL || text[0] != '{') {
        return false;
    }
    array->at = text + 1;
    array->scratch = (tp_strbuf)TP_STRBUF_INIT;
    return true;
}

void tp_textarray_end(tp_textarray *array) {
    tp_strbuf_free(&array->scratch);
}

static bool unescape(tp_textarray *array, const char *text, tp_value *value) {
    tp_strbuf_reset(&array->scratch);
    while (*text != '"' && *text != '\0') {
        if (*text == '\\') {
            text++;
        }
        size_t run = 1 + (*text == '\0' ? 0 : strcspn(text + 1, "\"\\"));
        tp_strbuf_add(&array->scratch, text, *text == '\0' ? 0 : run);
        text += *text == '\0' ? 0 : run;
    }
    array->at = text;
    value->data = tp_strbuf_str(&array->scratch);
    value->length = (uint32_t)array->scratch.length;
    return !array->scratch.failed && *text == '"';
}

static bool quoted(tp_textarray *array, tp_value *value) {
    const char *text = array->at + 1;
    size_t plain = strcspn(text, "\"\\");
    if (text[plain] == '\\') {
        if (!unescape(array, text, value)) {
            return false;
        }
    } else if (text[plain] == '"') {
        value->data = text;
        value->length = (uint32_t)plain;
        array->at = text + plain;
    } else {
        return false;
    }
    array->at++;
    return true;
}

/* Elements are short: a loop is quicker than the set that strcspn would have to make. */
static const char *end_of_unquoted(const char *at) {
    while (*at != ',' && *at != '}' && *at != '\0') {
        at++;
    }
    return at;
}

static bool unquoted(tp_textarray *array, tp_value *value) {
    size_t length = (size_t)(end_of_unquoted(array->at) - array->at);
    bool null = length == 4 && strncasecmp(array->at, "NULL", 4) == 0;
    value->data = null ? NULL : array->at;
    value->length = null ? 0 : (uint32_t)length;
    array->at += length;
    return length > 0;
}

bool tp_textarray_next(tp_textarray *array, tp_value *value) {
    if (*array->at == '}' || *array->at == '\0') {
        return false;
    }
    bool fine = *array->at == '"' ? quoted(array, value) : unquoted(array, value);
    if (fine && *array->at == ',') {
        array->at++;
    } else if (fine && *array->at != '}') {
        fine = false;
    }
    return fine;
}

/* Behind the closing quote of the element that begins here, or at the end of the text. */
static const char *end_of_quoted(const char *at) {
    for (at++; *at != '"' && *at != '\0'; at++) {
        if (*at == '\\' && at[1] != '\0') {
            at++;
        }
    }
    return *at == '"' ? at + 1 : at;
}

/* Passes one element and the comma behind it; false when there is none, or it is malformed. */
static bool pass(const char **at) {
    const char *end = **at == '"' ? end_of_quoted(*at) : end_of_unquoted(*at);
    if (end == *at || (*end != ',' && *end != '}')) {
        return false;
    }
    *at = *end == ',' ? end + 1 : end;
    return true;
}

void tp_textarray_skip(tp_textarray *array, uint32_t elements) {
    for (uint32_t i = 0; i < elements && pass(&array->at); i++) {
    }
}

bool tp_textarray_count(const char *text, uint32_t *count) {
    if (text == NULL || text[0] != '{') {
        return false;
    }
    uint32_t found = 0;
    const char *at = text + 1;
    while (*at != '}') {
        if (!pass(&at)) {
            return false;
        }
        found++;
    }
    *count = found;
    return true;
}
