/* Attaching a table without triggers: its changes are read from the write-ahead log. */
#ifndef TP_DB_WAL_ATTACH_H
#define TP_DB_WAL_ATTACH_H

#include <libpq-fe.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "db/attachment.h"
#include "db/layout.h"
#include "db/relation.h"

typedef struct tp_wal_attach {
    const trigperf_attachment *spec;
    const tp_relation *relation;
    const tp_layout *layout;
    tp_strbuf publish; /* statements: what holds its rows comes into the publication */
} tp_wal_attach;

/* Whether the log tells what the description asks for; E_UNSUPPORTED names what is missing, with
 * the SQL that changes it. Sets publish. Run with search_path = pg_catalog, pg_temp. */
int32_t tp_wal_attach_check(PGconn *connection, tp_wal_attach *attach, trigperf_error **err);
/* The statements that publish the table, before and after the registry has its row. */
void tp_wal_attach_lock(const tp_wal_attach *attach, tp_strbuf *sql);
void tp_wal_attach_publish(const tp_wal_attach *attach, int32_t id, tp_strbuf *sql);

#endif
