/* The configuration table in four forms; the documentation page is made from the Markdown one. */
#include <string.h>

#include "api/config.h"
#include "base/json.h"
#include "base/strbuf.h"

typedef void (*describe_fn)(tp_strbuf *out, const tp_option *option);

static const char *type_name(const tp_option *option) {
    static const char *const names[] = {"number", "boolean", "text", "choice"};
    return names[option->type];
}

static void put_range(tp_strbuf *out, const tp_option *option) {
    switch (option->type) {
    case TP_OPTION_UINT:
        tp_strbuf_printf(out, "%llu to %llu", (unsigned long long)option->minimum,
                         (unsigned long long)option->maximum);
        break;
    case TP_OPTION_BOOL:
        tp_strbuf_puts(out, "on or off");
        break;
    case TP_OPTION_ENUM:
        for (const char *at = option->choices; *at != '\0'; at++) {
            if (*at == ' ') {
                tp_strbuf_putc(out, ',');
            }
            tp_strbuf_putc(out, *at);
        }
        break;
    case TP_OPTION_TEXT:
        tp_strbuf_puts(out, "text");
        break;
    }
}

static void describe_json(tp_strbuf *out, const tp_option *option) {
    tp_json_open(out, NULL, '{');
    tp_json_text(out, "name", option->name);
    tp_json_text(out, "type", type_name(option));
    tp_json_text(out, "unit", option->unit);
    if (option->type == TP_OPTION_UINT) {
        tp_json_uint(out, "minimum", option->minimum);
        tp_json_uint(out, "maximum", option->maximum);
    }
    if (option->type == TP_OPTION_ENUM) {
        tp_json_text(out, "choices", option->choices);
    }
    tp_json_text(out, "default", option->initial);
    tp_json_text(out, "doc", option->doc);
    tp_json_close(out, '}');
}

static void describe_markdown(tp_strbuf *out, const tp_option *option) {
    tp_strbuf_printf(out, "| `%s` | ", option->name);
    put_range(out, option);
    tp_strbuf_printf(out, "%s%s | `%s` | %s |\n", option->unit[0] == '\0' ? "" : " ", option->unit,
                     option->initial[0] == '\0' ? "\"\"" : option->initial, option->doc);
}

static void describe_ini(tp_strbuf *out, const tp_option *option) {
    const char *dot = strchr(option->name, '.');
    size_t section = dot == NULL ? 0 : (size_t)(dot - option->name);
    const char *last = tp_strbuf_str(out);
    char header[64] = "";
    if (section > 0 && section < sizeof header - 4) {
        strcpy(header, "\n[");
        strncat(header, option->name, section);
        strcat(header, "]\n");
    }
    if (header[0] != '\0' && strstr(last, header) == NULL) {
        tp_strbuf_puts(out, header);
    }
    tp_strbuf_printf(out, "; %s (", option->doc);
    put_range(out, option);
    tp_strbuf_printf(out, "%s%s)\n%s = %s\n", option->unit[0] == '\0' ? "" : " ", option->unit,
                     dot == NULL ? option->name : dot + 1, option->initial);
}

static void describe_text(tp_strbuf *out, const tp_option *option) {
    tp_strbuf_printf(out, "%s (", option->name);
    put_range(out, option);
    tp_strbuf_printf(out, "%s%s; default %s)\n    %s\n", option->unit[0] == '\0' ? "" : " ",
                     option->unit, option->initial[0] == '\0' ? "\"\"" : option->initial,
                     option->doc);
}

static describe_fn describer(const char *format) {
    return strcmp(format, "json") == 0       ? describe_json
           : strcmp(format, "markdown") == 0 ? describe_markdown
           : strcmp(format, "ini") == 0      ? describe_ini
           : strcmp(format, "text") == 0     ? describe_text
                                             : NULL;
}

int32_t trigperf_config_describe(const char *format, char **text, trigperf_error **error) {
    describe_fn describe = describer(format);
    if (describe == NULL) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "use one of these four",
                            "expected a format among json, markdown, ini, text; got \"%s\"",
                            format);
    }
    tp_strbuf out = TP_STRBUF_INIT;
    if (describe == describe_json) {
        tp_json_open(&out, NULL, '[');
    } else if (describe == describe_markdown) {
        tp_strbuf_puts(&out, "| Key | Values | Default | Meaning |\n| --- | --- | --- | --- |\n");
    }
    for (uint32_t i = 0; i < TP_OPTION_COUNT; i++) {
        describe(&out, tp_option_at(i));
    }
    if (describe == describe_json) {
        tp_json_close(&out, ']');
    }
    char *taken = tp_strbuf_take(&out);
    if (taken == NULL) {
        return tp_error_nomem(error);
    }
    *text = taken;
    return TRIGPERF_OK;
}
