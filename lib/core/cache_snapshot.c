/* Format, version 2, all numbers little-endian:
 *
 *   "TPVC", u32 version, u64 time of day in ms, u64 sets (0: whole keys), u32 validators
 *   the hash key, unless keys are whole
 *   for each validator: u32 number, u64 generation
 *   for each entry, of hashed keys: u32 set, u64 mark, u64 ms to live, u16 verdict
 *                   of whole keys:  u64 salt, u64 ms to live, u16 verdict, u32 length, the key
 *   u64 XXH3 of everything before
 *
 * Hashed keys cannot be hashed anew, so the secret goes with them. The table that is made of them
 * keeps that secret to itself: verdicts that are asked for move to the table in use, under its own.
 * The checksum finds damage, not forgery. Nothing is taken from bytes that are not whole; a number
 * that leads out of the table is an error like any other. */
#include "core/cache_snapshot.h"

#include <string.h>

#include "base/hash.h"
#include "core/expiry.h"

#define MAGIC "TPVC"
#define VERSION 2u
#define HEAD 28u
#define VALIDATOR 12u
#define HASHED 22u
#define WHOLE 22u /* and the key */
#define CHECKSUM 8u
#define KEY_MAX 1048576u
#define SETS_MAX (UINT64_C(1) << 28)

static void put_number(tp_strbuf *out, uint64_t number, size_t bytes) {
    char text[8];
    for (size_t i = 0; i < bytes; i++) {
        text[i] = (char)(number >> (8 * i));
    }
    tp_strbuf_add(out, text, bytes);
}

static uint64_t get_number(const unsigned char *at, size_t bytes) {
    uint64_t number = 0;
    for (size_t i = 0; i < bytes; i++) {
        number |= (uint64_t)at[i] << (8 * i);
    }
    return number;
}

/* ---- writing ---- */

void tp_snapshot_begin(tp_strbuf *out, const tp_cache_table *table, uint64_t wall_ms,
                       const tp_snapshot_validator *validators, uint32_t count) {
    bool whole = table->world.keys != NULL;
    const uint64_t *words = (const uint64_t *)(const void *)&table->key;
    tp_strbuf_add(out, MAGIC, 4);
    put_number(out, VERSION, 4);
    put_number(out, wall_ms, 8);
    put_number(out, whole ? 0 : table->sets, 8);
    put_number(out, count, 4);
    for (size_t i = 0; !whole && i < sizeof table->key / sizeof *words; i++) {
        put_number(out, words[i], 8);
    }
    for (uint32_t i = 0; i < count; i++) {
        put_number(out, validators[i].number, 4);
        put_number(out, validators[i].generation, 8);
    }
}

static void put_whole_key(tp_strbuf *out, const tp_kept_key *kept) {
    char bytes[256];
    size_t length = tp_kept_key_length(kept);
    put_number(out, length, 4);
    for (size_t at = 0; at < length; at += sizeof bytes) {
        size_t part = length - at < sizeof bytes ? length - at : sizeof bytes;
        tp_kept_key_copy(kept, at, bytes, part);
        tp_strbuf_add(out, bytes, part);
    }
}

static void put_entry(tp_strbuf *out, const tp_cache_table *table, const tp_cache_set *set,
                      uint32_t way, uint64_t now_ms) {
    tp_cache_entry entry;
    tp_set_read(set, way, &entry);
    uint64_t left = entry.mark == 0 ? 0 : tp_cache_table_left(table, set, way, entry.terms, now_ms);
    if (left == 0 || entry.terms >> 16 != 0) {
        return;
    }
    size_t number = (size_t)(set - table->set);
    const tp_kept_key *kept =
        table->kept == NULL ? NULL : atomic_load(&table->kept[number * TP_SET_WAYS + way]);
    if (kept == NULL) {
        put_number(out, number, 4);
        put_number(out, entry.mark, 8);
    } else {
        put_number(out, tp_kept_key_salt(kept), 8);
    }
    put_number(out, left, 8);
    put_number(out, entry.verdict, 2);
    if (kept != NULL) {
        put_whole_key(out, kept);
    }
}

void tp_snapshot_sets(tp_strbuf *out, tp_cache_table *table, uint64_t now_ms) {
    for (uint64_t i = 0; i < table->sets && !out->failed; i++) {
        tp_cache_set *set = &table->set[i];
        tp_set_lock(set);
        for (uint32_t way = 0; way < TP_SET_WAYS; way++) {
            put_entry(out, table, set, way, now_ms);
        }
        tp_set_unlock(set, false);
    }
}

void tp_snapshot_end(tp_strbuf *out) {
    put_number(out, tp_hash_stable(tp_strbuf_str(out), out->length), 8);
}

/* ---- reading ---- */

static int32_t damaged(trigperf_error **err, const char *what) {
    return tp_error_set(err, TRIGPERF_E_INVALID, "start with an empty cache and save it again",
                        "a snapshot of the cache was expected, %s", what);
}

int32_t tp_snapshot_read(const void *bytes, size_t length, tp_snapshot *snapshot,
                         trigperf_error **err) {
    const unsigned char *at = bytes;
    if (length < HEAD + CHECKSUM || memcmp(at, MAGIC, 4) != 0) {
        return damaged(err, "these bytes are none");
    }
    if (get_number(at + 4, 4) != VERSION) {
        return damaged(err, "this one has a format that another version of the library writes");
    }
    if (get_number(at + length - CHECKSUM, 8) != tp_hash_stable(bytes, length - CHECKSUM)) {
        return damaged(err, "this one is cut off or damaged");
    }
    snapshot->wall_ms = get_number(at + 8, 8);
    snapshot->sets = get_number(at + 16, 8);
    snapshot->validator_count = (uint32_t)get_number(at + 24, 4);
    size_t key = snapshot->sets == 0 ? 0 : sizeof(tp_wide_key);
    size_t head = HEAD + key + (size_t)snapshot->validator_count * VALIDATOR;
    if (head + CHECKSUM > length || snapshot->sets > SETS_MAX) {
        return damaged(err, "the parts of this one do not fit together");
    }
    snapshot->key = at + HEAD;
    snapshot->validators = at + HEAD + key;
    snapshot->entries = at + head;
    snapshot->entries_length = length - head - CHECKSUM;
    return TRIGPERF_OK;
}

tp_snapshot_validator tp_snapshot_validator_at(const tp_snapshot *snapshot, uint32_t i) {
    const unsigned char *at = snapshot->validators + (size_t)i * VALIDATOR;
    return (tp_snapshot_validator){(uint32_t)get_number(at, 4), get_number(at + 4, 8)};
}

static uint64_t left_of(uint64_t left_ms, uint64_t elapsed_ms) {
    if (left_ms == UINT64_MAX) {
        return left_ms;
    }
    return left_ms > elapsed_ms ? left_ms - elapsed_ms : 0;
}

/* Whether it found a place. */
static bool take_hashed(tp_cache_table *table, const unsigned char *at, uint64_t now_ms,
                        uint64_t elapsed_ms) {
    uint64_t left = left_of(get_number(at + 12, 8), elapsed_ms);
    uint64_t mark = get_number(at + 4, 8);
    tp_cache_set *set = &table->set[get_number(at, 4)];
    uint32_t empty = tp_set_match(set, 0);
    if (empty == 0 || left == 0 || (mark & 0xFFFF) == 0) {
        return false;
    }
    uint32_t since = tp_expiry_since(now_ms);
    uint32_t code = left == UINT64_MAX ? TP_EXPIRY_NEVER : tp_expiry_encode(since, now_ms, left);
    tp_cache_entry entry = {mark, (uint32_t)get_number(at + 20, 2), code};
    atomic_store(&set->since, since);
    tp_set_write(set, (uint32_t)__builtin_ctz(empty), &entry);
    return true;
}

int32_t tp_snapshot_table(const tp_snapshot *snapshot, const tp_cache_world *world, uint64_t now_ms,
                          uint64_t elapsed_ms, tp_cache_table **out, uint64_t *entries,
                          trigperf_error **err) {
    tp_wide_key key;
    uint64_t *words = (uint64_t *)(void *)&key;
    if (snapshot->entries_length % HASHED != 0) {
        return damaged(err, "the entries of this one are not whole");
    }
    for (size_t i = 0; i < sizeof key / sizeof *words; i++) {
        words[i] = get_number(snapshot->key + 8 * i, 8);
    }
    tp_cache_table *table = tp_cache_table_new(world, &key, snapshot->sets);
    if (table == NULL) {
        return tp_error_nomem(err);
    }
    uint64_t taken = 0;
    for (size_t at = 0; at < snapshot->entries_length; at += HASHED) {
        if (get_number(snapshot->entries + at, 4) >= snapshot->sets) {
            tp_cache_table_free(table);
            return damaged(err, "an entry of this one lies outside");
        }
        taken += take_hashed(table, snapshot->entries + at, now_ms, elapsed_ms) ? 1 : 0;
    }
    *out = table;
    *entries = taken;
    return TRIGPERF_OK;
}

static bool take_whole(tp_cache_table *table, const unsigned char *at, size_t length,
                       uint64_t now_ms, uint64_t elapsed_ms) {
    static const _Atomic uint32_t unchanged = 0;
    tp_cache_ticket ticket = {&unchanged, 0};
    uint64_t left = left_of(get_number(at + 8, 8), elapsed_ms);
    tp_cache_probe probe;
    if (left == 0) {
        return false;
    }
    tp_cache_table_probe(table, get_number(at, 8), at + WHOLE, length, &probe);
    return tp_cache_table_fill(table, &probe, (uint32_t)get_number(at + 16, 2), now_ms, left,
                               &ticket)
        .added;
}

int32_t tp_snapshot_put(const tp_snapshot *snapshot, tp_cache_table *table, uint64_t now_ms,
                        uint64_t elapsed_ms, uint64_t *entries, trigperf_error **err) {
    const unsigned char *at = snapshot->entries;
    uint64_t taken = 0;
    for (size_t rest = snapshot->entries_length; rest > 0;) {
        size_t length = rest < WHOLE ? SIZE_MAX : (size_t)get_number(at + 18, 4);
        if (length > KEY_MAX || length > rest - WHOLE) {
            return damaged(err, "an entry of this one is not whole");
        }
        taken += take_whole(table, at, length, now_ms, elapsed_ms) ? 1 : 0;
        at += WHOLE + length;
        rest -= WHOLE + length;
    }
    *entries = taken;
    return TRIGPERF_OK;
}
