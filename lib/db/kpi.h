/* A KPI as the host describes it: names and text only, nothing looked up yet. */
#ifndef TP_DB_KPI_H
#define TP_DB_KPI_H

#include <stdbool.h>
#include <stdint.h>

#include <trigperf/kpi.h>

#include "db/attachment.h"

#define TP_KPI_GROUPS_MAX 16
#define TP_KPI_VALUES_MAX 64

typedef struct tp_kpi_group {
    char *name;
    char *expression; /* NULL: a column of that name */
} tp_kpi_group;

typedef enum tp_kpi_kind {
    TP_KPI_COUNT,
    TP_KPI_SUM,
    TP_KPI_MIN,
    TP_KPI_MAX,
    TP_KPI_OTHER /* can only be computed anew */
} tp_kpi_kind;

typedef struct tp_kpi_value {
    char *name;
    char *aggregate;  /* as given */
    char *expression; /* of a row: condition of a count, what is summed; NULL: count(*), other */
    tp_kpi_kind kind;
} tp_kpi_value;

struct trigperf_kpi {
    char *target;
    char *source;
    tp_kpi_group *groups;
    uint32_t group_count;
    tp_kpi_value *values;
    uint32_t value_count;
    char *where; /* NULL: all rows */
    bool trailing;
    uint32_t interval_ms;
    tp_granularity granularity;
};

#endif
