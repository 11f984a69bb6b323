/* The SQL of a table's capture function and triggers, from a description. Pure text: no server. */
#ifndef TP_DB_CAPTURE_H
#define TP_DB_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

enum tp_key_kind { TP_KEY_INT, TP_KEY_UUID, TP_KEY_TEXT };

/* Session settings that the text form of a key's type depends on; the function fixes them. Each
 * costs about a microsecond a call, so only those that are needed are set. */
enum tp_rendering {
    TP_RENDER_DATESTYLE = 1,
    TP_RENDER_TIMEZONE = 2,
    TP_RENDER_INTERVAL = 4,
    TP_RENDER_BYTEA = 8,
    TP_RENDER_FLOAT = 16,
    TP_RENDER_MONEY = 32,
    TP_RENDER_SEARCH_PATH = 64,
    TP_RENDER_ALL = 127,
    TP_RENDER_STRINGS = 128 /* how a backslash in an expression is read */
};

#define TP_CAPTURE_KEYS_MAX 32

/* Raised whenever the text of capture functions or triggers becomes another: functions stay as they
 * were made until their table is attached anew, and by this number they are known. */
#define TP_CAPTURE_GENERATOR 2

typedef struct tp_capture_key {
    const char *name;
    const char *column;     /* NULL: an expression */
    const char *expression; /* NULL: a column */
    uint32_t kind;          /* tp_key_kind; expressions are text */
    uint32_t rendering;     /* tp_rendering */
    char slot[4];           /* outbox column and place in it: set by tp_capture_slots() */
} tp_capture_key;

typedef struct tp_capture_column {
    const char *name;
    const char *equals; /* as tp_image_equals() gives it */
    bool not_null;
} tp_capture_column;

typedef struct tp_capture {
    int32_t id;
    const char *schema;
    const char *table;
    const tp_capture_key *keys;
    uint32_t key_count;
    const char *const *watch; /* none: every column */
    uint32_t watch_count;
    const tp_capture_column *columns; /* all of the table */
    uint32_t column_count;
    const char *const *identity; /* primary key fit to pair rows by; none: by position */
    uint32_t identity_count;
    int32_t max_keys;
    double sample_rate; /* share of executions that is timed; 0: none */
    bool by_row;
    bool isolate_full;
    bool replicated; /* triggers fire for replicated rows as well */
} tp_capture;

/* Chooses a place in an outbox row for every key: integers, uuids and the rest as text, each kind
 * in the order of the keys. E_LIMIT when there are too many. */
int32_t tp_capture_slots(tp_capture_key *keys, uint32_t count, trigperf_error **err);

/* CREATE FUNCTION trigperf.capture_<id>(). */
void tp_capture_function(const tp_capture *capture, tp_strbuf *out);

/* Where a relation stands: the attached table itself, a partition of it (row triggers reach it by
 * themselves), or a table that inherits from it. */
typedef enum tp_place { TP_PLACE_ROOT, TP_PLACE_PARTITION, TP_PLACE_INHERITS } tp_place;

/* CREATE TRIGGER statements for one relation (quoted, with its schema). */
void tp_capture_triggers(const tp_capture *capture, const char *relation, tp_place place,
                         tp_strbuf *out);

#endif
