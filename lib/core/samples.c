/* A ring of fixed size: what is malformed may come in any amount. */
#include "core/samples.h"

#include <string.h>

#include "base/json.h"

/* Longest beginning of at most limit bytes that cuts no UTF-8 character. */
static size_t cut(const char *text, size_t length, size_t limit) {
    if (length <= limit) {
        return length;
    }
    size_t end = limit;
    while (end > 0 && ((unsigned char)text[end] & 0xC0) == 0x80) {
        end--;
    }
    return end;
}

static void copy(char *out, size_t room, const char *text, size_t length) {
    size_t end = cut(text, length, room - 1);
    memcpy(out, text, end);
    out[end] = '\0';
}

void tp_samples_add(tp_samples *samples, const char *origin, const char *text, size_t length,
                    const char *why) {
    tp_sample *sample = &samples->kept[samples->count % TP_SAMPLES_KEPT];
    sample->number = ++samples->count;
    sample->length = length;
    sample->why = why;
    copy(sample->origin, sizeof sample->origin, origin, strlen(origin));
    copy(sample->text, sizeof sample->text, text, length);
}

const tp_sample *tp_samples_at(const tp_samples *samples, uint32_t i) {
    uint64_t kept = samples->count < TP_SAMPLES_KEPT ? samples->count : TP_SAMPLES_KEPT;
    return i < kept ? &samples->kept[(samples->count - kept + i) % TP_SAMPLES_KEPT] : NULL;
}

static void put(const tp_sample *sample, const char *origin, tp_strbuf *json) {
    tp_json_open(json, NULL, '{');
    tp_json_uint(json, "number", sample->number);
    tp_json_text(json, origin, sample->origin);
    tp_json_text(json, "reason", sample->why);
    tp_json_uint(json, "bytes", sample->length);
    tp_json_text(json, "payload", sample->text);
    tp_json_close(json, '}');
}

void tp_samples_json(const tp_samples *samples, const char *member, const char *origin,
                     tp_strbuf *json) {
    const tp_sample *sample;
    tp_json_open(json, member, '{');
    tp_json_uint(json, "count", samples->count);
    tp_json_open(json, "samples", '[');
    for (uint32_t i = 0; (sample = tp_samples_at(samples, i)) != NULL; i++) {
        put(sample, origin, json);
    }
    tp_json_close(json, ']');
    tp_json_close(json, '}');
}
