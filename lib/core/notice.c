/* A scanner of its own and not jansson: nothing is built that is not needed, a payload costs one
 * pass and, after the first, no allocation. Texts without escapes are taken where they stand; those
 * with escapes are written into a buffer as large as the payload, which they cannot outgrow. Depth
 * is bounded, because what arrives on a channel may come from anybody who can notify. */
#include "core/notice.h"

#include <string.h>

#include "base/error.h"

#define DEPTH_MAX 32
#define TABLE_MAX 512

typedef struct scanner {
    const char *at;
    const char *end;
    char *room; /* for unescaped texts */
    const char *why;
} scanner;

typedef struct text {
    const char *data;
    size_t length;
} text;

typedef enum kind { TEXT, WORD, NUMBER, NOTHING, NESTED } kind;

static bool fail(scanner *s, const char *why) {
    s->why = s->why == NULL ? why : s->why;
    return false;
}

static void skip_blanks(scanner *s) {
    while (s->at < s->end &&
           (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r')) {
        s->at++;
    }
}

static bool take(scanner *s, char byte) {
    skip_blanks(s);
    bool there = s->at < s->end && *s->at == byte;
    s->at += there ? 1 : 0;
    return there;
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Four digits after \u. */
static bool read_unit(scanner *s, uint32_t *unit) {
    *unit = 0;
    if (s->end - s->at < 4) {
        return fail(s, "a text ends within an escape");
    }
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(*s->at++);
        if (digit < 0) {
            return fail(s, "\\u is not followed by four hexadecimal digits");
        }
        *unit = *unit << 4 | (uint32_t)digit;
    }
    return true;
}

static bool read_code_point(scanner *s, uint32_t *code) {
    uint32_t low = 0;
    if (!read_unit(s, code)) {
        return false;
    }
    if (*code == 0) {
        return fail(s, "a text holds the character zero");
    }
    if (*code < 0xD800 || *code > 0xDFFF) {
        return true;
    }
    if (*code > 0xDBFF || s->end - s->at < 2 || s->at[0] != '\\' || s->at[1] != 'u') {
        return fail(s, "half of a surrogate pair stands alone");
    }
    s->at += 2;
    if (!read_unit(s, &low)) {
        return false;
    }
    if (low < 0xDC00 || low > 0xDFFF) {
        return fail(s, "half of a surrogate pair stands alone");
    }
    *code = 0x10000 + ((*code - 0xD800) << 10) + (low - 0xDC00);
    return true;
}

static char *put_utf8(char *out, uint32_t code) {
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xC0 | code >> 6);
        *out++ = (char)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        *out++ = (char)(0xE0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 0x3F));
        *out++ = (char)(0x80 | (code & 0x3F));
    } else {
        *out++ = (char)(0xF0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 0x3F));
        *out++ = (char)(0x80 | (code >> 6 & 0x3F));
        *out++ = (char)(0x80 | (code & 0x3F));
    }
    return out;
}

/* After the backslash. */
static bool unescape(scanner *s, char **out) {
    static const char names[] = "\"\\/bfnrt";
    static const char bytes[] = "\"\\/\b\f\n\r\t";
    if (s->at == s->end) {
        return fail(s, "a text ends within an escape");
    }
    char c = *s->at++;
    if (c == 'u') {
        uint32_t code = 0;
        if (!read_code_point(s, &code)) {
            return false;
        }
        *out = put_utf8(*out, code);
        return true;
    }
    const char *found = c == '\0' ? NULL : strchr(names, c);
    if (found == NULL) {
        return fail(s, "an escape that JSON does not know");
    }
    *(*out)++ = bytes[found - names];
    return true;
}

/* After the opening quote. */
static bool read_text(scanner *s, text *out) {
    const char *begin = s->at;
    char *copy = NULL; /* begins where the first escape was met */
    for (; s->at < s->end && *s->at != '"';) {
        if ((unsigned char)*s->at < 0x20) {
            return fail(s, "a control character within a text");
        }
        if (*s->at == '\\') {
            if (copy == NULL) {
                copy = s->room;
                memcpy(copy, begin, (size_t)(s->at - begin));
                s->room += s->at - begin;
            }
            s->at++;
            if (!unescape(s, &s->room)) {
                return false;
            }
        } else if (copy != NULL) {
            *s->room++ = *s->at++;
        } else {
            s->at++;
        }
    }
    if (s->at == s->end) {
        return fail(s, "a text without its closing quote");
    }
    *out = copy == NULL ? (text){begin, (size_t)(s->at - begin)}
                        : (text){copy, (size_t)(s->room - copy)};
    s->at++;
    return true;
}

static size_t read_digits(scanner *s) {
    const char *begin = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9') {
        s->at++;
    }
    return (size_t)(s->at - begin);
}

static bool read_number(scanner *s, text *out) {
    const char *begin = s->at;
    s->at += *s->at == '-' ? 1 : 0;
    const char *first = s->at;
    size_t digits = read_digits(s);
    bool fine = digits > 0 && (digits == 1 || *first != '0');
    if (fine && s->at < s->end && *s->at == '.') {
        s->at++;
        fine = read_digits(s) > 0;
    }
    if (fine && s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
        s->at++;
        s->at += s->at < s->end && (*s->at == '+' || *s->at == '-') ? 1 : 0;
        fine = read_digits(s) > 0;
    }
    *out = (text){begin, (size_t)(s->at - begin)};
    return fine || fail(s, "a number that is none");
}

static bool read_word(scanner *s, const char *word, text *out) {
    size_t length = strlen(word);
    if ((size_t)(s->end - s->at) < length || memcmp(s->at, word, length) != 0) {
        return fail(s, "a value that is no JSON");
    }
    *out = (text){s->at, length};
    s->at += length;
    return true;
}

static bool skip_nested(scanner *s, uint32_t depth);

/* Nested values are walked, and tell nothing. */
static bool read_value(scanner *s, uint32_t depth, kind *what, text *out) {
    skip_blanks(s);
    char c = s->at < s->end ? *s->at : '\0';
    switch (c) {
    case '"':
        *what = TEXT;
        s->at++;
        return read_text(s, out);
    case '{':
    case '[':
        *what = NESTED;
        return depth < DEPTH_MAX ? skip_nested(s, depth) : fail(s, "nested too deep");
    case 't':
    case 'f':
        *what = WORD;
        return read_word(s, c == 't' ? "true" : "false", out);
    case 'n':
        *what = NOTHING;
        return read_word(s, "null", out);
    case '-':
        *what = NUMBER;
        return read_number(s, out);
    default:
        *what = NUMBER;
        return c >= '0' && c <= '9' ? read_number(s, out) : fail(s, "a value that is no JSON");
    }
}

/* At an opening bracket. */
static bool skip_nested(scanner *s, uint32_t depth) {
    char closing = *s->at++ == '{' ? '}' : ']';
    kind what;
    text ignored;
    if (take(s, closing)) {
        return true;
    }
    do {
        if (closing == '}' && (!take(s, '"') || !read_text(s, &ignored) || !take(s, ':'))) {
            return fail(s, "a member without a name");
        }
        if (!read_value(s, depth + 1, &what, &ignored)) {
            return false;
        }
    } while (take(s, ','));
    return take(s, closing) || fail(s, "a bracket that is not closed");
}

static bool is(const text *given, const char *word) {
    return given->length == strlen(word) && memcmp(given->data, word, given->length) == 0;
}

static bool take_table(scanner *s, kind what, const text *value, tp_notice *out) {
    if (what != TEXT || value->length == 0 || value->length > TABLE_MAX) {
        return fail(s, "\"table\" is not the name of a table");
    }
    memcpy(s->room, value->data, value->length);
    s->room[value->length] = '\0';
    out->table = s->room;
    s->room += value->length + 1;
    return true;
}

static bool take_member(scanner *s, const tp_notice_reader *reader, const text *name, kind what,
                        const text *value, tp_notice *out) {
    if (is(name, "table")) {
        return out->table == NULL ? take_table(s, what, value, out)
                                  : fail(s, "\"table\" stands twice");
    }
    if (is(name, "operation")) {
        out->op = what == TEXT ? tp_op_parse(value->data, value->length) : 0;
        return out->op != 0 || fail(s, "\"operation\" is none of INSERT, UPDATE, DELETE, TRUNCATE");
    }
    if (is(name, "resync")) {
        out->resync = what == WORD && value->data[0] == 't';
        return true;
    }
    for (uint32_t i = 0; i < reader->count; i++) {
        if (is(name, reader->names[i])) {
            out->values[i] = what == NOTHING ? (tp_value){NULL, 0}
                                             : (tp_value){value->data, (uint32_t)value->length};
            return what != NESTED || fail(s, "a key is an object or an array");
        }
    }
    return true;
}

static bool read_object(scanner *s, const tp_notice_reader *reader, tp_notice *out) {
    text name;
    text value = {NULL, 0};
    kind what = NOTHING;
    if (!take(s, '{')) {
        return fail(s, "not a JSON object");
    }
    if (!take(s, '}')) {
        do {
            if (!take(s, '"') || !read_text(s, &name) || !take(s, ':')) {
                return fail(s, "a member without a name");
            }
            if (!read_value(s, 1, &what, &value) ||
                !take_member(s, reader, &name, what, &value, out)) {
                return false;
            }
        } while (take(s, ','));
        if (!take(s, '}')) {
            return fail(s, "an object that is not closed");
        }
    }
    skip_blanks(s);
    return s->at == s->end || fail(s, "something after the object");
}

int32_t tp_notice_read(tp_notice_reader *reader, const char *payload, size_t length, tp_notice *out,
                       const char **why) {
    if (length > UINT32_MAX / 2) {
        *why = "too long";
        return TRIGPERF_E_INVALID;
    }
    /* every text at most once without its quotes, and the table once more with its end */
    char *room = tp_strbuf_room(&reader->scratch, length + TABLE_MAX + 1);
    if (room == NULL) {
        tp_strbuf_free(&reader->scratch);
        return TRIGPERF_E_NOMEM;
    }
    scanner s = {payload, payload + length, room, NULL};
    tp_notice notice = {0};
    bool fine = read_object(&s, reader, &notice);
    if (fine && notice.table == NULL) {
        fine = fail(&s, "no \"table\"");
    }
    if (fine && notice.op == 0) {
        fine = fail(&s, "no \"operation\"");
    }
    if (!fine) {
        *why = s.why;
        return TRIGPERF_E_INVALID;
    }
    *out = notice;
    return TRIGPERF_OK;
}

void tp_notice_reader_free(tp_notice_reader *reader) {
    tp_strbuf_free(&reader->scratch);
}
