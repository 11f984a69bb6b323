/* What to capture of one table, as the host describes it: names only, nothing looked up yet. */
#ifndef TP_DB_ATTACHMENT_H
#define TP_DB_ATTACHMENT_H

#include <stdbool.h>
#include <stdint.h>

#include <trigperf/admin.h>

typedef struct tp_attachment_key {
    char *name;
    char *expression; /* NULL: a column of that name */
} tp_attachment_key;

typedef struct tp_attachment_rule {
    char *key_template;
    uint32_t ops; /* bits of tp_op; 0: all */
    uint32_t min_interval_ms;
} tp_attachment_rule;

typedef enum tp_granularity {
    TP_GRANULARITY_AUTO,
    TP_GRANULARITY_STATEMENT,
    TP_GRANULARITY_ROW,
    TP_GRANULARITY_WAL
} tp_granularity;

struct trigperf_attachment {
    char *table; /* as in SQL; NULL: a scope */
    char *scope; /* NULL: a table */
    tp_attachment_key *keys;
    uint32_t key_count;
    char **watch;
    uint32_t watch_count;
    tp_attachment_rule *rules;
    uint32_t rule_count;
    tp_granularity granularity;
    bool isolate_full;
    bool replicated;  /* false: when a subscription writes to it */
    int32_t max_keys; /* 0: as configured */
    double sample_rate;
    bool sample_rate_set; /* false: that of the database */
    char *where;          /* row filter of the publication, NULL: all rows */
};

/* A share of executions, 0 to 1; E_INVALID. */
int32_t tp_attachment_sample_rate(const char *text, double *rate, trigperf_error **err);

#endif
