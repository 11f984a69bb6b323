/* A set of tuples for each subtransaction, since the log tells of large transactions while they
 * run, and of subtransactions that are rolled back afterwards. Most transactions have one set.
 *
 * What a transaction may hold is bounded by table: so many distinct tuples, so many bytes. Beyond
 * that the table is resynced, as the capture triggers of the outbox do. More subtransactions than
 * PARTS_MAX cannot be kept apart: tables that further ones change are resynced. */
#include "core/waltx.h"

#include <stdlib.h>

#include "base/array.h"
#include "core/tuple.h"
#include "core/tupleset.h"

#define PARTS_MAX 64u
#define TABLE_BYTES_MAX (UINT64_C(16) << 20)
#define KEEP_UNITS 128u /* of tuples: 1 KB */
#define KEEP_TABLES 64u

typedef struct part {
    uint32_t subxid;
    tp_tupleset tuples; /* their tables: indexes in tables[] */
} part;

typedef struct state {
    tp_waltx_table public;
    uint32_t tuples;
    uint64_t bytes;
} state;

struct tp_waltx {
    tp_waltx *next;
    const tp_hash_key *key;
    tp_waltx_facts facts;
    part *parts;
    uint32_t part_count;
    uint32_t part_made; /* of a former transaction: the first may have memory, though not counted */
    uint32_t part_capacity;
    uint32_t part_last; /* used last */
    state *tables;
    uint32_t table_count;
    uint32_t table_capacity;
    uint32_t table_last;
};

tp_waltx *tp_waltx_new(const tp_hash_key *key, uint32_t xid) {
    tp_waltx *tx = calloc(1, sizeof *tx);
    if (tx != NULL) {
        tx->key = key;
        tx->facts.xid = xid;
    }
    return tx;
}

static void free_parts(tp_waltx *tx, uint32_t from) {
    for (uint32_t i = from; i < tx->part_made; i++) {
        tp_tupleset_free(&tx->parts[i].tuples);
    }
    tx->part_made = tx->part_made < from ? tx->part_made : from;
}

void tp_waltx_free(tp_waltx *tx) {
    if (tx == NULL) {
        return;
    }
    free_parts(tx, 0);
    free(tx->parts);
    free(tx->tables);
    free(tx);
}

bool tp_waltx_renew(tp_waltx *tx) {
    free_parts(tx, 1);
    if (tx->table_capacity > KEEP_TABLES ||
        (tx->part_made > 0 && tx->parts[0].tuples.arena.capacity > KEEP_UNITS)) {
        return false;
    }
    tx->facts = (tp_waltx_facts){0};
    tx->part_count = 0;
    tx->table_count = 0;
    return true;
}

tp_waltx_facts *tp_waltx_facts_of(tp_waltx *tx) {
    return &tx->facts;
}

tp_waltx **tp_waltx_link(tp_waltx *tx) {
    return &tx->next;
}

uint64_t tp_waltx_bytes(const tp_waltx *tx) {
    uint64_t bytes = sizeof *tx + tx->table_capacity * sizeof *tx->tables;
    for (uint32_t i = 0; i < tx->part_count; i++) {
        bytes += sizeof tx->parts[i] + tp_tupleset_bytes(&tx->parts[i].tuples);
    }
    return bytes;
}

/* Index of a table, UINT32_MAX when memory is short. */
static uint32_t find_table(tp_waltx *tx, int32_t table) {
    if (tx->table_last < tx->table_count && tx->tables[tx->table_last].public.table == table) {
        return tx->table_last;
    }
    uint32_t i = 0;
    while (i < tx->table_count && tx->tables[i].public.table != table) {
        i++;
    }
    if (i == tx->table_count) {
        state *tables = tp_array_reserve(tx->tables, &tx->table_capacity, i + 1, sizeof *tables);
        if (tables == NULL) {
            tx->facts.everything = true;
            return UINT32_MAX;
        }
        tx->tables = tables;
        tx->tables[tx->table_count++] = (state){.public = {.table = table}};
    }
    tx->table_last = i;
    return i;
}

void tp_waltx_resync(tp_waltx *tx, int32_t table) {
    uint32_t index = find_table(tx, table);
    if (index != UINT32_MAX) {
        tx->tables[index].public.resync = true;
    }
}

void tp_waltx_truncate(tp_waltx *tx, int32_t table) {
    uint32_t index = find_table(tx, table);
    if (index != UINT32_MAX) {
        tx->tables[index].public.truncated = true;
    }
}

/* At the end of the list; with the memory of a former transaction's, if there is any. */
static part *add_part(tp_waltx *tx, uint32_t subxid) {
    part *parts =
        tp_array_reserve(tx->parts, &tx->part_capacity, tx->part_count + 1, sizeof *parts);
    if (parts == NULL) {
        return NULL;
    }
    tx->parts = parts;
    part *added = &parts[tx->part_count++];
    if (tx->part_count <= tx->part_made) {
        added->subxid = subxid;
        tp_tupleset_clear(&added->tuples);
    } else {
        *added = (part){.subxid = subxid};
        tx->part_made = tx->part_count;
    }
    return added;
}

/* NULL: too many, or memory is short. */
static part *find_part(tp_waltx *tx, uint32_t subxid) {
    if (tx->part_last < tx->part_count && tx->parts[tx->part_last].subxid == subxid) {
        return &tx->parts[tx->part_last];
    }
    uint32_t i = 0;
    while (i < tx->part_count && tx->parts[i].subxid != subxid) {
        i++;
    }
    tx->part_last = i;
    if (i < tx->part_count) {
        return &tx->parts[i];
    }
    return i == PARTS_MAX ? NULL : add_part(tx, subxid);
}

/* False: the table must be resynced. */
static bool put(const tp_waltx *tx, part *in, uint32_t index, const tp_walspec *spec, uint32_t op,
                const tp_value *values) {
    uint64_t length = tp_tuple_length(values, spec->key_count);
    tp_tuple *staged =
        length > TABLE_BYTES_MAX
            ? NULL
            : tp_tupleset_stage(&in->tuples, index, values, spec->key_count, (uint32_t)length);
    if (staged == NULL) {
        return false;
    }
    tp_tuple *tuple = tp_tupleset_find(&in->tuples, tx->key, staged);
    if (tuple == NULL) {
        state *table = &tx->tables[index];
        if (table->tuples >= spec->max_keys || table->bytes + length > TABLE_BYTES_MAX ||
            !tp_tupleset_keep(&in->tuples, tx->key, staged)) {
            return false;
        }
        tuple = staged;
        table->tuples++;
        table->bytes += length;
    }
    tuple->ops |= op;
    return true;
}

void tp_waltx_add(tp_waltx *tx, uint32_t subxid, const tp_walspec *spec, uint32_t op,
                  const tp_value *values) {
    uint32_t index = find_table(tx, spec->id);
    if (index == UINT32_MAX || tx->tables[index].public.resync) {
        return;
    }
    part *in = find_part(tx, subxid);
    if (in == NULL || !put(tx, in, index, spec, op, values)) {
        tx->tables[index].public.resync = true;
    }
}

void tp_waltx_abort(tp_waltx *tx, uint32_t subxid) {
    for (uint32_t i = 0; i < tx->part_count; i++) {
        if (tx->parts[i].subxid == subxid) {
            tp_tupleset_free(&tx->parts[i].tuples);
        }
    }
}

bool tp_waltx_table_at(const tp_waltx *tx, uint32_t i, tp_waltx_table *out) {
    if (i >= tx->table_count) {
        return false;
    }
    *out = tx->tables[i].public;
    return true;
}

bool tp_waltx_next(const tp_waltx *tx, tp_waltx_cursor *cursor, tp_waltx_change *out) {
    while (cursor->part < tx->part_count) {
        const tp_tuple *tuple = tp_tupleset_next(&tx->parts[cursor->part].tuples, cursor->at);
        cursor->at = tuple;
        if (tuple == NULL) {
            cursor->part++;
            continue;
        }
        const tp_waltx_table *table = &tx->tables[tuple->table].public;
        if (!table->resync) {
            *out = (tp_waltx_change){table->table, tuple->ops, tuple->bytes};
            return true;
        }
    }
    return false;
}
