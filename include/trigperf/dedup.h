/**
 * @file dedup.h
 * @brief Which records of a batch came before in it, and how many of each family did.
 *
 * A host that takes in batches of records (rows of an import, measurements that a device sends
 * again) asks for each record's key whether it was seen in this batch:
 *
 *     trigperf_dedup_new(context, families, 2, &dedup, &error);
 *     trigperf_dedup_tracker_new(dedup, 0, 0, &tracker, &error);
 *     for each batch:
 *         for each record:
 *             if (trigperf_dedup_seen(tracker, family, key, length, &error) == 1)
 *                 skip the record
 *         trigperf_dedup_batch_end(tracker, records, duplicates, &error);
 *
 * A `trigperf_dedup` has named families and the totals of all its trackers, and may be used from
 * any thread. A `trigperf_dedup_tracker` is for one batch at a time and a `trigperf_dedup_stats`
 * for its owner: each may be used by one thread at a time, different ones by different threads
 * without any lock. None of them needs a database; all may outlive the context. Nothing here is
 * shared with other processes: a forked child has its own copies and may use them.
 *
 * How records are told apart: by 100 bits of a 128-bit hash, keyed with 192 random bytes for each
 * `trigperf_dedup`. A new record is taken for a duplicate with a probability of n / 2^100 when n
 * records came before, so that one batch of a million has such an error with 4e-19, and a record
 * that did come before is always found. With #TRIGPERF_DEDUP_EXACT whole keys are kept and nothing
 * is left to probability. doc/dedup.md has the bytes and the speed of both.
 */
#ifndef TRIGPERF_DEDUP_H
#define TRIGPERF_DEDUP_H

#include <stdint.h>

#include <trigperf/context.h>
#include <trigperf/error.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** Numbers that the calls of this header take and give. */
enum trigperf_dedup_numbers {
    TRIGPERF_DEDUP_FAMILIES_MAX = 12,   /**< families of one `trigperf_dedup` */
    TRIGPERF_DEDUP_EXACT = 1,           /**< flag of a tracker: keep whole keys */
    TRIGPERF_DEDUP_KEY_MAX = 268435455, /**< bytes of a key */
    TRIGPERF_DEDUP_ENCODED_PACKED = 24, /**< bytes of encoded statistics, no counter above 32767 */
    TRIGPERF_DEDUP_ENCODED_MAX = 104    /**< bytes of encoded statistics otherwise */
};

/** Families and totals. Opaque; any thread. */
typedef struct trigperf_dedup trigperf_dedup;
/** The records of the present batch. Opaque; one thread at a time. */
typedef struct trigperf_dedup_tracker trigperf_dedup_tracker;
/** A counter for each of twelve families. Opaque; one thread at a time. */
typedef struct trigperf_dedup_stats trigperf_dedup_stats;

/**
 * @brief Declares families of records.
 * @param context  the context; only needed for this call.
 * @param families count names, distinct, 1 to 63 bytes each (copied). A family's number is its
 *                 place in this list.
 * @param count    1 to #TRIGPERF_DEDUP_FAMILIES_MAX.
 * @param[out] dedup receives the handle; release with trigperf_dedup_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID, #TRIGPERF_E_NOMEM, #TRIGPERF_E_FORKED, #TRIGPERF_E_SYSTEM (no
 *         random bytes).
 */
int32_t trigperf_dedup_new(trigperf_context *context, const char *const *families, uint32_t count,
                           trigperf_dedup **dedup, trigperf_error **error);

/**
 * @brief Releases the handle. Trackers made from it go on working.
 * @param dedup the handle, or NULL (no effect).
 */
void trigperf_dedup_free(trigperf_dedup *dedup);

/**
 * @brief Number of families.
 * @param dedup the handle.
 * @return the number; 0 for NULL.
 */
uint32_t trigperf_dedup_family_count(const trigperf_dedup *dedup);

/**
 * @brief Name of a family.
 * @param dedup  the handle.
 * @param family its number.
 * @return a string borrowed from the handle; NULL when there is no such family.
 */
const char *trigperf_dedup_family_name(const trigperf_dedup *dedup, uint32_t family);

/**
 * @brief Number of the family that has a name.
 * @param dedup the handle.
 * @param name  the name.
 * @param[out] family receives the number.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOT_FOUND, #TRIGPERF_E_INVALID. O(families).
 */
int32_t trigperf_dedup_family_find(const trigperf_dedup *dedup, const char *name, uint32_t *family,
                                   trigperf_error **error);

/**
 * @brief What all batches that have ended had together, of all trackers of the handle.
 *
 * While other threads end batches, a batch may be in it in part, but never a duplicate without its
 * record.
 * @param dedup the handle.
 * @param[out] batches    receives the number of batches; may be NULL.
 * @param[out] records    its counters are replaced by the numbers of records; may be NULL.
 * @param[out] duplicates its counters are replaced by the numbers of duplicates; may be NULL; not
 *                        the same as records.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID, #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_dedup_totals(const trigperf_dedup *dedup, uint64_t *batches,
                              trigperf_dedup_stats *records, trigperf_dedup_stats *duplicates,
                              trigperf_error **error);

/**
 * @brief The totals as one JSON object: `batches`, `records`, `duplicates`, `ratio` (duplicates of
 *        records, 0 without records), and the last three for each of the `families` by name.
 * @param dedup the handle.
 * @param[out] json receives the text; release with trigperf_string_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID, #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_dedup_json(const trigperf_dedup *dedup, char **json, trigperf_error **error);

/**
 * @brief Makes a tracker, whose first batch begins.
 *
 * A tracker keeps its memory from batch to batch, so that the first large one is the slowest; what
 * sixty-four batches in a row have hardly used is given back.
 * @param dedup    the handle.
 * @param flags    0 or #TRIGPERF_DEDUP_EXACT.
 * @param expected records of a batch, to make room for at once; 0: as they come.
 * @param[out] tracker receives the tracker; release with trigperf_dedup_tracker_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID, #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_dedup_tracker_new(trigperf_dedup *dedup, uint32_t flags, uint64_t expected,
                                   trigperf_dedup_tracker **tracker, trigperf_error **error);

/**
 * @brief Releases a tracker. A batch that has not ended is counted nowhere.
 * @param tracker the tracker, or NULL (no effect).
 */
void trigperf_dedup_tracker_free(trigperf_dedup_tracker *tracker);

/**
 * @brief Memory that a tracker uses to tell records apart.
 * @param tracker the tracker.
 * @return bytes; 0 for NULL. O(1).
 */
uint64_t trigperf_dedup_tracker_bytes(const trigperf_dedup_tracker *tracker);

/**
 * @brief Whether a record was seen in this batch. It has been from now on.
 * @param tracker the tracker.
 * @param family  number of the record's family; equal keys of two families are two records.
 * @param key     what makes the record the same as another; any bytes.
 * @param length  its length in bytes, up to #TRIGPERF_DEDUP_KEY_MAX; may be 0.
 * @param[out] error see error.h; may be NULL.
 * @return 1 when it was seen before, 0 when it is new, #TRIGPERF_E_INVALID, #TRIGPERF_E_NOMEM (the
 *         record is not taken; ask again). O(length) on average.
 */
int32_t trigperf_dedup_seen(trigperf_dedup_tracker *tracker, uint32_t family, const char *key,
                            uint64_t length, trigperf_error **error);

/**
 * @brief The same for many records of a family, fetching ahead from memory: two to three times as
 *        quick for each in a large batch.
 * @param tracker the tracker.
 * @param family  number of the records' family.
 * @param keys    count keys.
 * @param lengths their lengths in bytes.
 * @param count   number of records, up to 2147483647.
 * @param[out] seen receives count numbers: 1 for a record that was seen before, also earlier in
 *             this list, else 0.
 * @param[out] error see error.h; may be NULL.
 * @return how many records were taken: count, or fewer when memory ran short after those (ask again
 *         for the rest); #TRIGPERF_E_NOMEM when none was; #TRIGPERF_E_INVALID (none was).
 */
int32_t trigperf_dedup_seen_many(trigperf_dedup_tracker *tracker, uint32_t family,
                                 const char *const *keys, const uint64_t *lengths, uint32_t count,
                                 uint8_t *seen, trigperf_error **error);

/**
 * @brief Ends the batch: its counts are added to the totals and to the given statistics, and the
 *        next batch begins with nothing seen. O(families), whatever the size of the batch.
 * @param tracker    the tracker.
 * @param records    the batch's numbers of records are added to it; may be NULL.
 * @param duplicates its numbers of duplicates are added to it; may be NULL; not the same as
 * records.
 * @param[out] error see error.h; may be NULL.
 * @return 0; #TRIGPERF_E_NOMEM, #TRIGPERF_E_LIMIT (a counter would pass 2^64 - 1) and
 *         #TRIGPERF_E_INVALID: nothing was added and the batch goes on.
 */
int32_t trigperf_dedup_batch_end(trigperf_dedup_tracker *tracker, trigperf_dedup_stats *records,
                                 trigperf_dedup_stats *duplicates, trigperf_error **error);

/**
 * @brief Forgets the batch, counts it nowhere, and begins the next one.
 * @param tracker the tracker; NULL has no effect.
 */
void trigperf_dedup_batch_abandon(trigperf_dedup_tracker *tracker);

/**
 * @brief The batch so far, as a JSON object like that of trigperf_dedup_json().
 * @param tracker the tracker.
 * @param[out] json receives the text; release with trigperf_string_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID, #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_dedup_batch_json(const trigperf_dedup_tracker *tracker, char **json,
                                  trigperf_error **error);

/**
 * @brief Makes statistics: twelve counters, all zero, in 24 bytes. A counter that outgrows 32,767
 *        moves all of them into 96 bytes beside; none ever loses anything.
 * @param[out] stats receives the handle; release with trigperf_dedup_stats_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID, #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_dedup_stats_new(trigperf_dedup_stats **stats, trigperf_error **error);

/**
 * @brief Releases statistics.
 * @param stats the statistics, or NULL (no effect).
 */
void trigperf_dedup_stats_free(trigperf_dedup_stats *stats);

/**
 * @brief Sets all counters to zero; they take 24 bytes again.
 * @param stats the statistics; NULL has no effect.
 */
void trigperf_dedup_stats_clear(trigperf_dedup_stats *stats);

/**
 * @brief A counter.
 * @param stats  the statistics.
 * @param family number of the family.
 * @return its value; 0 for NULL or a family from #TRIGPERF_DEDUP_FAMILIES_MAX on.
 */
uint64_t trigperf_dedup_stats_get(const trigperf_dedup_stats *stats, uint32_t family);

/**
 * @brief The sum of all counters.
 * @param stats the statistics.
 * @return the sum; 2^64 - 1 when it is more; 0 for NULL.
 */
uint64_t trigperf_dedup_stats_total(const trigperf_dedup_stats *stats);

/**
 * @brief Memory of the statistics.
 * @param stats the statistics.
 * @return 24, or 120 once a counter has outgrown 32,767; 0 for NULL.
 */
uint64_t trigperf_dedup_stats_bytes(const trigperf_dedup_stats *stats);

/**
 * @brief Adds to a counter.
 * @param stats  the statistics.
 * @param family number of the family.
 * @param amount what is added.
 * @param[out] error see error.h; may be NULL.
 * @return 0; #TRIGPERF_E_INVALID, #TRIGPERF_E_NOMEM, #TRIGPERF_E_LIMIT (it would pass 2^64 - 1):
 *         nothing has changed.
 */
int32_t trigperf_dedup_stats_add(trigperf_dedup_stats *stats, uint32_t family, uint64_t amount,
                                 trigperf_error **error);

/**
 * @brief Adds all counters of other statistics.
 * @param stats the statistics.
 * @param other what is added; stays as it is; may be the same.
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_dedup_stats_add(): all are added or none.
 */
int32_t trigperf_dedup_stats_merge(trigperf_dedup_stats *stats, const trigperf_dedup_stats *other,
                                   trigperf_error **error);

/**
 * @brief Copies the counters into plain numbers (twelve: 96 bytes).
 * @param stats the statistics.
 * @param[out] fields receives count numbers.
 * @param count 1 to #TRIGPERF_DEDUP_FAMILIES_MAX; counters beyond it must be zero.
 * @param[out] error see error.h; may be NULL.
 * @return 0; #TRIGPERF_E_INVALID; #TRIGPERF_E_LIMIT (a counter without a field is not zero).
 */
int32_t trigperf_dedup_stats_to_plain(const trigperf_dedup_stats *stats, uint64_t *fields,
                                      uint32_t count, trigperf_error **error);

/**
 * @brief Replaces the counters by plain numbers.
 * @param stats  the statistics.
 * @param fields count numbers; counters beyond them become zero.
 * @param count  0 to #TRIGPERF_DEDUP_FAMILIES_MAX.
 * @param[out] error see error.h; may be NULL.
 * @return 0; #TRIGPERF_E_INVALID, #TRIGPERF_E_NOMEM: nothing has changed.
 */
int32_t trigperf_dedup_stats_from_plain(trigperf_dedup_stats *stats, const uint64_t *fields,
                                        uint32_t count, trigperf_error **error);

/**
 * @brief Writes the counters as bytes, the same on every machine: for keeping and sending.
 *
 * #TRIGPERF_DEDUP_ENCODED_PACKED bytes when no counter is above 32,767: three words of 64 bits,
 * lowest byte first, each with four counters of 15 bits above four bits of zero. Otherwise
 * #TRIGPERF_DEDUP_ENCODED_MAX bytes: a word of 1 and twelve words.
 * @param stats    the statistics.
 * @param[out] out receives the bytes.
 * @param capacity bytes that out has room for.
 * @param[out] length receives the number of bytes.
 * @param[out] error see error.h; may be NULL.
 * @return 0; #TRIGPERF_E_INVALID; #TRIGPERF_E_LIMIT (capacity is too small).
 */
int32_t trigperf_dedup_stats_encode(const trigperf_dedup_stats *stats, uint8_t *out,
                                    uint64_t capacity, uint64_t *length, trigperf_error **error);

/**
 * @brief Replaces the counters by what trigperf_dedup_stats_encode() wrote.
 * @param stats  the statistics.
 * @param bytes  the bytes.
 * @param length how many.
 * @param[out] error see error.h; may be NULL.
 * @return 0; #TRIGPERF_E_INVALID (anything else than such bytes), #TRIGPERF_E_NOMEM: nothing has
 *         changed.
 */
int32_t trigperf_dedup_stats_decode(trigperf_dedup_stats *stats, const uint8_t *bytes,
                                    uint64_t length, trigperf_error **error);

/**
 * @brief The counters as a JSON object: the names of the families, and their numbers.
 * @param stats the statistics.
 * @param dedup has the names.
 * @param[out] json receives the text; release with trigperf_string_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID, #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_dedup_stats_json(const trigperf_dedup_stats *stats, const trigperf_dedup *dedup,
                                  char **json, trigperf_error **error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
