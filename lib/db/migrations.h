/* The embedded files of lib/db/sql. */
#ifndef TP_DB_MIGRATIONS_H
#define TP_DB_MIGRATIONS_H

#include <stdint.h>

typedef struct tp_migration {
    int32_t version;
    const char *name;
    const char *up;
    const char *down;
} tp_migration;

extern const tp_migration tp_migrations[];
extern const int32_t tp_migration_count;

#endif
