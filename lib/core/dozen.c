/* Each of the three words holds four counters of 15 bits above four bits that are zero. When a
 * counter outgrows its bits, all twelve move into plain numbers on the heap, and the first word
 * becomes their address, which is odd on purpose: bit 0 tells the two forms apart. So the common
 * case costs a quarter of twelve plain counters, and no case loses anything.
 *
 * Rejected: counters of different widths, or a width for each in a header. They put the spill off
 * for batches with few families, but every addition would have to move the others. */
#include "core/dozen.h"

#include <stdlib.h>
#include <string.h>

#define BITS 15u
#define PER_WORD 4u
#define MARGIN 4u
#define WORD_BYTES 8u
#define RESERVED UINT64_C(0xF)

_Static_assert(sizeof(tp_dozen) == TP_DOZEN_CODE_PACKED, "twelve counters in 24 bytes");

static bool is_spilled(const tp_dozen *dozen) {
    return (dozen->words[0] & 1) != 0;
}

static uint64_t *spill_of(const tp_dozen *dozen) {
    return (uint64_t *)(uintptr_t)(dozen->words[0] - 1);
}

static uint32_t shift_of(uint32_t counter) {
    return MARGIN + counter % PER_WORD * BITS;
}

static uint64_t packed_at(const uint64_t *words, uint32_t counter) {
    return words[counter / PER_WORD] >> shift_of(counter) & TP_DOZEN_PACKED_MAX;
}

static void pack(uint64_t *words, const uint64_t *values) {
    memset(words, 0, sizeof(tp_dozen));
    for (uint32_t i = 0; i < TP_DOZEN_COUNTERS; i++) {
        words[i / PER_WORD] |= values[i] << shift_of(i);
    }
}

static bool fit_packed(const uint64_t *values) {
    uint64_t all = 0;
    for (uint32_t i = 0; i < TP_DOZEN_COUNTERS; i++) {
        all |= values[i];
    }
    return all <= TP_DOZEN_PACKED_MAX;
}

void tp_dozen_free(tp_dozen *dozen) {
    if (is_spilled(dozen)) {
        free(spill_of(dozen));
    }
    *dozen = (tp_dozen){{0, 0, 0}};
}

uint64_t tp_dozen_get(const tp_dozen *dozen, uint32_t counter) {
    return is_spilled(dozen) ? spill_of(dozen)[counter] : packed_at(dozen->words, counter);
}

void tp_dozen_values(const tp_dozen *dozen, uint64_t *values) {
    for (uint32_t i = 0; i < TP_DOZEN_COUNTERS; i++) {
        values[i] = tp_dozen_get(dozen, i);
    }
}

uint64_t tp_dozen_total(const tp_dozen *dozen) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < TP_DOZEN_COUNTERS; i++) {
        uint64_t value = tp_dozen_get(dozen, i);
        total = value > UINT64_MAX - total ? UINT64_MAX : total + value;
    }
    return total;
}

uint64_t tp_dozen_bytes(const tp_dozen *dozen) {
    return sizeof *dozen + (is_spilled(dozen) ? TP_DOZEN_COUNTERS * sizeof(uint64_t) : 0);
}

/* The values stay, the form changes. */
static bool spill(tp_dozen *dozen) {
    uint64_t *plain = malloc(TP_DOZEN_COUNTERS * sizeof *plain);
    if (plain == NULL) {
        return false;
    }
    tp_dozen_values(dozen, plain);
    dozen->words[0] = (uint64_t)(uintptr_t)plain + 1;
    return true;
}

int32_t tp_dozen_prepare(tp_dozen *dozen, const uint64_t *amounts, trigperf_error **err) {
    uint64_t sums[TP_DOZEN_COUNTERS];
    for (uint32_t i = 0; i < TP_DOZEN_COUNTERS; i++) {
        sums[i] = tp_dozen_get(dozen, i) + amounts[i];
        if (sums[i] < amounts[i]) {
            return tp_error_set(err, TRIGPERF_E_LIMIT, "clear the counters, or count in others",
                                "family %u: a counter reaches 2^64 - 1, adding %llu would pass it",
                                i, (unsigned long long)amounts[i]);
        }
    }
    if (!is_spilled(dozen) && !fit_packed(sums) && !spill(dozen)) {
        return tp_error_nomem(err);
    }
    return TRIGPERF_OK;
}

void tp_dozen_commit(tp_dozen *dozen, const uint64_t *amounts) {
    uint64_t *plain = is_spilled(dozen) ? spill_of(dozen) : NULL;
    for (uint32_t i = 0; i < TP_DOZEN_COUNTERS; i++) {
        if (plain != NULL) {
            plain[i] += amounts[i];
        } else {
            dozen->words[i / PER_WORD] += amounts[i] << shift_of(i);
        }
    }
}

int32_t tp_dozen_add(tp_dozen *dozen, const uint64_t *amounts, trigperf_error **err) {
    int32_t status = tp_dozen_prepare(dozen, amounts, err);
    if (status == TRIGPERF_OK) {
        tp_dozen_commit(dozen, amounts);
    }
    return status;
}

int32_t tp_dozen_set(tp_dozen *dozen, const uint64_t *values, trigperf_error **err) {
    if (fit_packed(values)) {
        tp_dozen_free(dozen);
        pack(dozen->words, values);
        return TRIGPERF_OK;
    }
    if (!is_spilled(dozen) && !spill(dozen)) {
        return tp_error_nomem(err);
    }
    memcpy(spill_of(dozen), values, TP_DOZEN_COUNTERS * sizeof *values);
    return TRIGPERF_OK;
}

/* ---- encoding: the packed words, or a word of 1 and twelve numbers, lowest byte first ---- */

static void put_word(uint8_t *out, uint64_t word) {
    for (uint32_t i = 0; i < WORD_BYTES; i++) {
        out[i] = (uint8_t)(word >> 8 * i);
    }
}

static uint64_t get_word(const uint8_t *bytes) {
    uint64_t word = 0;
    for (uint32_t i = 0; i < WORD_BYTES; i++) {
        word |= (uint64_t)bytes[i] << 8 * i;
    }
    return word;
}

uint32_t tp_dozen_encode(const tp_dozen *dozen, uint8_t out[TP_DOZEN_CODE_WIDE]) {
    uint64_t values[TP_DOZEN_COUNTERS];
    uint64_t words[3];
    tp_dozen_values(dozen, values);
    if (fit_packed(values)) {
        pack(words, values);
        for (uint32_t i = 0; i < 3; i++) {
            put_word(out + i * WORD_BYTES, words[i]);
        }
        return TP_DOZEN_CODE_PACKED;
    }
    put_word(out, 1);
    for (uint32_t i = 0; i < TP_DOZEN_COUNTERS; i++) {
        put_word(out + (i + 1) * WORD_BYTES, values[i]);
    }
    return TP_DOZEN_CODE_WIDE;
}

static bool decode_packed(const uint8_t *bytes, uint64_t *values) {
    uint64_t words[3];
    for (uint32_t i = 0; i < 3; i++) {
        words[i] = get_word(bytes + i * WORD_BYTES);
        if ((words[i] & RESERVED) != 0) {
            return false;
        }
    }
    for (uint32_t i = 0; i < TP_DOZEN_COUNTERS; i++) {
        values[i] = packed_at(words, i);
    }
    return true;
}

static bool decode_wide(const uint8_t *bytes, uint64_t *values) {
    for (uint32_t i = 0; i < TP_DOZEN_COUNTERS; i++) {
        values[i] = get_word(bytes + (i + 1) * WORD_BYTES);
    }
    return get_word(bytes) == 1 && !fit_packed(values);
}

int32_t tp_dozen_decode(tp_dozen *dozen, const uint8_t *bytes, size_t length,
                        trigperf_error **err) {
    uint64_t values[TP_DOZEN_COUNTERS];
    bool fine = (length == TP_DOZEN_CODE_PACKED && decode_packed(bytes, values)) ||
                (length == TP_DOZEN_CODE_WIDE && decode_wide(bytes, values));
    if (!fine) {
        return tp_error_set(err, TRIGPERF_E_INVALID,
                            "pass the bytes as trigperf_dedup_stats_encode() wrote them",
                            "expected %u or %u bytes that encode twelve counters, got %zu that "
                            "do not",
                            TP_DOZEN_CODE_PACKED, TP_DOZEN_CODE_WIDE, length);
    }
    return tp_dozen_set(dozen, values, err);
}
