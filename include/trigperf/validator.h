/**
 * @file validator.h
 * @brief Validators: what values and rows must be like, checked before the database sees them.
 *
 * A validator has columns, and rules over one column or several. Rules are written as text, built
 * by calls, are functions of the host, or are read from a table's own definition. Values are given
 * as UTF-8 text, NULL for SQL NULL, or as numbers.
 *
 *     trigperf_validator_new("symptoms",
 *                            "severity: integer, not null, 1..10\n"
 *                            "kind:     one of ('headache', 'nausea')\n"
 *                            "note:     length ..200, pattern '^[^<>]*$' unless bulk\n",
 *                            &validator, &error);
 *     trigperf_validator_use(validator, context, 1, TRIGPERF_TTL_DEFAULT, TRIGPERF_KEEP_COSTLY,
 *                            &error);
 *     trigperf_validator_check_row(validator, TRIGPERF_OCCASION_NORMAL, columns, values, NULL, 3,
 *                                  findings, &outcome, &error);
 *
 * NULL satisfies every rule but `not null` and functions, as in SQL. Once a validator is given to a
 * context with trigperf_validator_use(), verdicts are kept in the cache (see cache.h) and a value
 * is not checked again while its verdict is there.
 *
 * Building (up to the first check) belongs to one thread. Checks may be made from any number of
 * threads at once, take no lock, and allocate nothing for a valid value of up to 500 bytes; an
 * object of type trigperf_findings belongs to one thread at a time. doc/validation.md says what is
 * imported, and how.
 */
#ifndef TRIGPERF_VALIDATOR_H
#define TRIGPERF_VALIDATOR_H

#include <stdint.h>

#include <trigperf/admin.h>
#include <trigperf/context.h>
#include <trigperf/error.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** A validator. Opaque. */
typedef struct trigperf_validator trigperf_validator;

/** What was found wrong. Opaque; reused from check to check. */
typedef struct trigperf_findings trigperf_findings;

/** What a check says. */
enum trigperf_outcome {
    TRIGPERF_OUTCOME_VALID = 0,    /**< every rule that was looked at holds */
    TRIGPERF_OUTCOME_INVALID = 1,  /**< at least one rule does not */
    TRIGPERF_OUTCOME_UNDECIDED = 2 /**< none is known not to hold, but one could not be decided:
                                        leave it to the database */
};

/** When a check is made; bits, so that a rule can be skipped in several. */
enum trigperf_occasion {
    TRIGPERF_OCCASION_NORMAL = 0,    /**< every rule counts */
    TRIGPERF_OCCASION_MIGRATION = 1, /**< rules marked `unless migration` are skipped */
    TRIGPERF_OCCASION_BULK = 2       /**< rules marked `unless bulk` are skipped */
};

/** Types of columns that a host declares. */
enum trigperf_column_type {
    TRIGPERF_COLUMN_TEXT = 0,    /**< valid UTF-8 without zero bytes */
    TRIGPERF_COLUMN_INTEGER = 1, /**< whole numbers of 64 bits */
    TRIGPERF_COLUMN_NUMERIC = 2, /**< exact decimals of up to 256 digits; NaN and infinity */
    TRIGPERF_COLUMN_REAL = 3     /**< doubles */
};

/** Bits of `flags` of trigperf_validator_range(), _length() and _function(). */
enum trigperf_rule_flag {
    TRIGPERF_RULE_LOW_OPEN = 1,  /**< range: above the lower bound, not at it */
    TRIGPERF_RULE_HIGH_OPEN = 2, /**< range: below the upper bound, not at it */
    TRIGPERF_RULE_BYTES = 4,     /**< length: in bytes instead of characters */
    TRIGPERF_RULE_VOLATILE = 8   /**< function: its answers must not be kept */
};

/** Which verdicts trigperf_validator_use() keeps. */
enum trigperf_keep {
    TRIGPERF_KEEP_COSTLY = 0, /**< those that take clearly longer to work out than to look up: of
                                   columns (or sets of columns) with a pattern or a function */
    TRIGPERF_KEEP_ALL = 1     /**< all */
};

/** What a function of the host answers, apart from a negative status. */
enum trigperf_answer {
    TRIGPERF_ANSWER_YES = 0,    /**< the values are in order */
    TRIGPERF_ANSWER_NO = 1,     /**< they are not */
    TRIGPERF_ANSWER_UNKNOWN = 2 /**< it cannot tell; not kept */
};

/**
 * @brief A rule of the host's own. Called inside a check, on the caller's thread, with no lock
 * held; by several threads at once when several check. It may use the context, the validator too.
 * @param user    as given to trigperf_validator_function().
 * @param values  count values in the order of the function's columns; not NUL-terminated; NULL for
 *        SQL NULL. Numbers come as text. Valid during the call.
 * @param lengths their lengths in bytes.
 * @param count   how many.
 * @return one of #trigperf_answer, or a negative status, which the check returns.
 */
typedef int32_t (*trigperf_check_fn)(void *user, const char *const *values, const uint64_t *lengths,
                                     uint32_t count);

/**
 * @brief Makes a validator, of rules written as text or empty.
 *
 * A line for each column: `column: item, item`; an empty line, and what follows a `#`, is skipped.
 * A name with other characters than letters, digits and `_` stands in double quotes. Items: a type
 * (`text`, `integer`, `numeric`, `numeric(p,s)`, `real`), `not null`, `finite`, a range (`0..10`,
 * `0..`, `..10`, `> 0`, `>= 0`, `< 5`, `<= 5`), `length 1..20` (characters; also `..20`, `5`),
 * `bytes ..100`, `one of ('a', 'b')` or `one of (1, 2)`, `pattern '^[a-z]+$'`; behind each may
 * stand `unless bulk`, `unless migration` or `unless bulk or migration`. Without a type the column
 * is numeric when a rule of it needs a number, else text.
 * @param name  for messages; copied.
 * @param rules the text, UTF-8, or NULL for none.
 * @param[out] validator receives it; release with trigperf_validator_free().
 * @param[out] error names line, column, what was expected and what came; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID, #TRIGPERF_E_LIMIT (a pattern too large), #TRIGPERF_E_NOMEM. Any
 *         thread.
 */
int32_t trigperf_validator_new(const char *name, const char *rules, trigperf_validator **validator,
                               trigperf_error **error);

/**
 * @brief Releases a validator. Verdicts of it that are cached stay until their number is used anew.
 * @param validator a validator that nobody uses any more, or NULL (no effect). Before the context
 *        that it was given to.
 */
void trigperf_validator_free(trigperf_validator *validator);

/**
 * @brief Declares a column.
 * @param validator the validator.
 * @param name      its name; copied.
 * @param type      one of #trigperf_column_type.
 * @param[out] column receives its number, from 0; may be NULL.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_EXISTS, #TRIGPERF_E_INVALID, #TRIGPERF_E_LIMIT (1,600 columns),
 *         #TRIGPERF_E_STATE (it has checked something already), #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_validator_column(trigperf_validator *validator, const char *name, uint32_t type,
                                  uint32_t *column, trigperf_error **error);

/**
 * @brief The number of a column. Any thread. O(length of the name).
 * @param validator the validator.
 * @param name      its name.
 * @param[out] column receives its number.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOT_FOUND.
 */
int32_t trigperf_validator_find(const trigperf_validator *validator, const char *name,
                                uint32_t *column, trigperf_error **error);

/**
 * @brief Adds the rule that a column has a value.
 * @param validator the validator.
 * @param column    number of the column.
 * @param unless    occasions (bits of #trigperf_occasion) in which it is skipped; 0: none.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOT_FOUND (no such column), #TRIGPERF_E_INVALID, #TRIGPERF_E_STATE (it
 *         has checked something already), #TRIGPERF_E_LIMIT, #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_validator_not_null(trigperf_validator *validator, uint32_t column, uint32_t unless,
                                    trigperf_error **error);

/**
 * @brief Adds a range of numbers. NaN is in no range.
 * @param validator the validator.
 * @param column    number of a column of numbers.
 * @param low       the lower bound as text, compared exactly; NULL: none.
 * @param high      the upper bound; NULL: none. At least one of both.
 * @param flags     bits of #trigperf_rule_flag: the bounds themselves are allowed without them.
 * @param unless    as in trigperf_validator_not_null().
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_validator_not_null(); #TRIGPERF_E_INVALID also when no number is in it.
 */
int32_t trigperf_validator_range(trigperf_validator *validator, uint32_t column, const char *low,
                                 const char *high, uint32_t flags, uint32_t unless,
                                 trigperf_error **error);

/**
 * @brief Adds a length of texts: in characters of UTF-8, or in bytes.
 * @param validator the validator.
 * @param column    number of a column of texts.
 * @param low       least length.
 * @param high      greatest length; UINT64_MAX: none.
 * @param flags     0, or #TRIGPERF_RULE_BYTES.
 * @param unless    as in trigperf_validator_not_null().
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_validator_not_null().
 */
int32_t trigperf_validator_length(trigperf_validator *validator, uint32_t column, uint64_t low,
                                  uint64_t high, uint32_t flags, uint32_t unless,
                                  trigperf_error **error);

/**
 * @brief Adds a set of allowed values: texts bytewise, numbers by value (1.0 is 1).
 * @param validator the validator.
 * @param column    number of the column.
 * @param values    count texts; copied.
 * @param count     1 to 65536.
 * @param unless    as in trigperf_validator_not_null().
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_validator_not_null().
 */
int32_t trigperf_validator_one_of(trigperf_validator *validator, uint32_t column,
                                  const char *const *values, uint32_t count, uint32_t unless,
                                  trigperf_error **error);

/**
 * @brief Adds a regular expression that must be found in the text; with `^` and `$` it covers it.
 *
 * Known are characters, `.` (any character), `^` and `$` (beginning and end of the value), sets
 * (`[a-z]`, `[^"]`), groups, `|`, `* + ? {m,n}`, `\d \w \s` and their opposites (ASCII), `\n \r
 * \t`. There is no backtracking (Thompson's simulation): a check takes at most 1,000,000 steps,
 * about program times characters; a value that would need more violates the rule. No locale
 * matters.
 * @param validator the validator.
 * @param column    number of a column of texts.
 * @param pattern   at most 4096 bytes of UTF-8.
 * @param unless    as in trigperf_validator_not_null().
 * @param[out] error says what is wrong at which byte; may be NULL.
 * @return as trigperf_validator_not_null(); #TRIGPERF_E_LIMIT when it is longer than 2,000 steps,
 *         repetitions written out.
 */
int32_t trigperf_validator_pattern(trigperf_validator *validator, uint32_t column,
                                   const char *pattern, uint32_t unless, trigperf_error **error);

/**
 * @brief Adds the rule that a number is neither NaN nor infinite.
 * @param validator the validator.
 * @param column    number of a column of numbers.
 * @param unless    as in trigperf_validator_not_null().
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_validator_not_null().
 */
int32_t trigperf_validator_finite(trigperf_validator *validator, uint32_t column, uint32_t unless,
                                  trigperf_error **error);

/**
 * @brief Adds a function of the host over one column or several. It is called when the values are
 * of their columns' types, NULL included.
 * @param validator the validator.
 * @param columns   numbers of count different columns, in rising order.
 * @param count     1 to 16.
 * @param name      of the rule, for findings; copied.
 * @param expected  what it wants, a phrase for findings; copied.
 * @param fn        the function.
 * @param user      handed to it.
 * @param table     a table (`schema.table` as quote_ident would write it) whose rows it reads: its
 *        verdicts go when a change of that table arrives through the context; NULL: none. Rules
 *        over the same columns share it.
 * @param flags     0, or #TRIGPERF_RULE_VOLATILE.
 * @param unless    as in trigperf_validator_not_null().
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_validator_not_null().
 */
int32_t trigperf_validator_function(trigperf_validator *validator, const uint32_t *columns,
                                    uint32_t count, const char *name, const char *expected,
                                    trigperf_check_fn fn, void *user, const char *table,
                                    uint32_t flags, uint32_t unless, trigperf_error **error);

/**
 * @brief Makes a validator of a table's own types, NOT NULL, CHECK, domain and enum definitions: an
 *        allow-list, see doc/validation.md. Whatever is not on it is left to the database.
 *
 * An ordinary connection suffices, with any rights to connect; nothing is written. With a context,
 * DDL drops the validator: when a resync of the table (or of everything) arrives through that
 * context, checks return #TRIGPERF_E_STALE until trigperf_validator_recheck() has compared the
 * definition; attach the table, so that DDL becomes a resync. Tables that are not attached are
 * compared whenever the host calls trigperf_validator_recheck().
 * @param admin   whose connection is used, on the admin's thread.
 * @param context is watched for resyncs from now on; NULL: none.
 * @param table   its name as in SQL.
 * @param[out] validator receives it; release with trigperf_validator_free(), before the context.
 * @param[out] report receives JSON: `table`, `imported` and `left_to_the_database`, each a list of
 *        `kind`, `name`, `text`, the latter with `reason`; release with trigperf_string_free(); may
 *        be NULL.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOT_FOUND, #TRIGPERF_E_UNSUPPORTED (no table), #TRIGPERF_E_STATE (settings
 * of the connection), #TRIGPERF_E_STALE (DDL was under way: retriable), #TRIGPERF_E_CONNECTION,
 * #TRIGPERF_E_SERVER, #TRIGPERF_E_NOMEM, #TRIGPERF_E_FORKED.
 */
int32_t trigperf_validator_import(trigperf_admin *admin, trigperf_context *context,
                                  const char *table, trigperf_validator **validator, char **report,
                                  trigperf_error **error);

/**
 * @brief trigperf_validator_import() over a connection of the host's own.
 * @param connection a `PGconn *` of the libpq that this library uses, idle or in a transaction,
 * with `client_encoding` UTF8 and `standard_conforming_strings` on. Nothing is changed on it.
 * @param context    as in trigperf_validator_import().
 * @param table      as in trigperf_validator_import().
 * @param[out] validator as in trigperf_validator_import().
 * @param[out] report    as in trigperf_validator_import().
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_validator_import().
 */
int32_t trigperf_validator_import_pgconn(void *connection, trigperf_context *context,
                                         const char *table, trigperf_validator **validator,
                                         char **report, trigperf_error **error);

/**
 * @brief Compares an imported validator with the table's present definition.
 *
 * When they are the same it goes on (and stops being stale). When they differ it stays stale for
 * good, and its verdicts are forgotten: import the table anew.
 * @param validator an imported validator. Any thread, also while others check.
 * @param admin     whose connection is used, on the admin's thread.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_STALE (the definition has changed), #TRIGPERF_E_STATE (not imported), or
 * as trigperf_validator_import().
 */
int32_t trigperf_validator_recheck(trigperf_validator *validator, trigperf_admin *admin,
                                   trigperf_error **error);

/**
 * @brief trigperf_validator_recheck() over a connection of the host's own.
 * @param validator  an imported validator.
 * @param connection as in trigperf_validator_import_pgconn().
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_validator_recheck().
 */
int32_t trigperf_validator_recheck_pgconn(trigperf_validator *validator, void *connection,
                                          trigperf_error **error);

/**
 * @brief Columns and rules as one JSON object: `name`, `columns` (`name`, `type`), `rules`
 *        (`columns`, `rule`, `expected`).
 * @param validator the validator.
 * @param[out] json receives the text; release with trigperf_string_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_validator_describe(const trigperf_validator *validator, char **json,
                                    trigperf_error **error);

/**
 * @brief Keeps this validator's verdicts in the cache of a context. Without it, every check is made
 *        in full. Ends building.
 *
 * The number's version in the cache (see trigperf_cache_validator_set()) becomes a hash of the
 * rules: verdicts of other rules under the same number are not found any more. The answers of
 * functions are not part of it: give a function that changes another name.
 * @param validator the validator.
 * @param context   the context; must outlive the validator.
 * @param number    the validator's number in the cache, 0 to 65535, for this one alone.
 * @param ttl_ms    time to live, as in trigperf_cache_put().
 * @param keep      one of #trigperf_keep.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID, #TRIGPERF_E_STATE (given to a context already),
 *         #TRIGPERF_E_NOMEM, #TRIGPERF_E_FORKED.
 */
int32_t trigperf_validator_use(trigperf_validator *validator, trigperf_context *context,
                               uint32_t number, int64_t ttl_ms, uint32_t keep,
                               trigperf_error **error);

/**
 * @brief Makes an object to receive findings.
 * @param[out] findings receives it; release with trigperf_findings_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOMEM. Any thread.
 */
int32_t trigperf_findings_new(trigperf_findings **findings, trigperf_error **error);

/**
 * @brief Releases findings.
 * @param findings findings, or NULL (no effect).
 */
void trigperf_findings_free(trigperf_findings *findings);

/**
 * @brief Checks one value against the rules of its column alone.
 * @param validator the validator.
 * @param occasion  one of #trigperf_occasion, or several as bits.
 * @param column    number of the column.
 * @param value     the value as UTF-8 text; NULL: SQL NULL.
 * @param length    its length in bytes, below 2^32.
 * @param findings  receives what is wrong, in place of what it held; NULL: not wanted.
 * @param[out] outcome receives one of #trigperf_outcome.
 * @param[out] error see error.h; may be NULL.
 * @return 0 (whatever the outcome), #TRIGPERF_E_INVALID, #TRIGPERF_E_NOT_FOUND (no such column),
 *         #TRIGPERF_E_STALE (the table's definition may have changed, see
 *         trigperf_validator_recheck()), #TRIGPERF_E_NOMEM, #TRIGPERF_E_FORKED, or what a function
 *         of the host returned. O(length), patterns apart.
 */
int32_t trigperf_validator_check_text(trigperf_validator *validator, uint32_t occasion,
                                      uint32_t column, const char *value, uint64_t length,
                                      trigperf_findings *findings, int32_t *outcome,
                                      trigperf_error **error);

/**
 * @brief Checks a whole number, as trigperf_validator_check_text() checks its decimal text.
 * @param validator the validator.
 * @param occasion  as there.
 * @param column    number of the column.
 * @param value     the number.
 * @param findings  as there.
 * @param[out] outcome as there.
 * @param[out] error see error.h; may be NULL.
 * @return as there.
 */
int32_t trigperf_validator_check_integer(trigperf_validator *validator, uint32_t occasion,
                                         uint32_t column, int64_t value,
                                         trigperf_findings *findings, int32_t *outcome,
                                         trigperf_error **error);

/**
 * @brief Checks a double.
 * @param validator the validator.
 * @param occasion  as in trigperf_validator_check_text().
 * @param column    number of a column of type #TRIGPERF_COLUMN_REAL.
 * @param value     the number.
 * @param findings  as there.
 * @param[out] outcome as there.
 * @param[out] error see error.h; may be NULL.
 * @return as there; #TRIGPERF_E_INVALID for a column of another type: a double is no exact decimal.
 */
int32_t trigperf_validator_check_real(trigperf_validator *validator, uint32_t occasion,
                                      uint32_t column, double value, trigperf_findings *findings,
                                      int32_t *outcome, trigperf_error **error);

/**
 * @brief Checks a row: the rules of each column that is given, and those over several columns that
 *        are all given. A rule over columns of which some are missing is undecided.
 * @param validator the validator.
 * @param occasion  as in trigperf_validator_check_text().
 * @param columns   numbers of count different columns; NULL: the first count.
 * @param values    count values as UTF-8 text; NULL: SQL NULL.
 * @param lengths   their lengths in bytes; NULL: the values end with a zero byte.
 * @param count     at most the number of columns.
 * @param findings  receives at most one finding for each column (or set of columns): the first rule
 *        that does not hold.
 * @param[out] outcome receives one of #trigperf_outcome.
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_validator_check_text().
 */
int32_t trigperf_validator_check_row(trigperf_validator *validator, uint32_t occasion,
                                     const uint32_t *columns, const char *const *values,
                                     const uint64_t *lengths, uint32_t count,
                                     trigperf_findings *findings, int32_t *outcome,
                                     trigperf_error **error);

/**
 * @brief Checks many rows; equal values of a column (or set of columns) are checked once.
 * @param validator the validator.
 * @param occasion  as in trigperf_validator_check_text().
 * @param columns   as in trigperf_validator_check_row().
 * @param values    rows times count values, row after row.
 * @param lengths   their lengths, or NULL, as in trigperf_validator_check_row().
 * @param count     columns in a row.
 * @param rows      number of rows; rows times count is below 2^31.
 * @param findings  receives what is wrong, column by column; at most 100,000 findings are kept, the
 *        others are counted.
 * @param[out] outcome receives the worst outcome of all rows: invalid, undecided, valid.
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_validator_check_text().
 */
int32_t trigperf_validator_check_batch(trigperf_validator *validator, uint32_t occasion,
                                       const uint32_t *columns, const char *const *values,
                                       const uint64_t *lengths, uint32_t count, uint32_t rows,
                                       trigperf_findings *findings, int32_t *outcome,
                                       trigperf_error **error);

/**
 * @brief How many findings the last check left.
 * @param findings findings.
 * @return the number that can be read.
 */
uint32_t trigperf_findings_count(const trigperf_findings *findings);

/**
 * @brief The row of a finding.
 * @param findings findings.
 * @param index    0 to count - 1.
 * @return the row's place in the batch, from 0; 0 when there is no such finding.
 */
uint32_t trigperf_findings_row(const trigperf_findings *findings, uint32_t index);

/**
 * @brief The column of a finding; of a rule over several, their names with commas.
 * @param findings findings.
 * @param index    0 to count - 1.
 * @return borrowed until the next check or the end of the findings; NULL: no such finding.
 */
const char *trigperf_findings_column(const trigperf_findings *findings, uint32_t index);

/**
 * @brief The rule that does not hold: `type`, `not null`, `range`, `length`, `bytes`, `one of`,
 *        `pattern`, `finite`, a function's name, or the name of the table's constraint.
 * @param findings findings.
 * @param index    0 to count - 1.
 * @return as trigperf_findings_column().
 */
const char *trigperf_findings_rule(const trigperf_findings *findings, uint32_t index);

/**
 * @brief What was expected, as a phrase.
 * @param findings findings.
 * @param index    0 to count - 1.
 * @return as trigperf_findings_column().
 */
const char *trigperf_findings_expected(const trigperf_findings *findings, uint32_t index);

/**
 * @brief What came: the value (its first 200 bytes, what is not valid UTF-8 replaced by `?`),
 * `NULL` for SQL NULL, and of several columns `a = 1, b = 2`.
 * @param findings findings.
 * @param index    0 to count - 1.
 * @return as trigperf_findings_column().
 */
const char *trigperf_findings_actual(const trigperf_findings *findings, uint32_t index);

/** What trigperf_findings_tally() counts. */
enum trigperf_tally {
    TRIGPERF_TALLY_JUDGED = 0,    /**< sets of values that the rules were applied to */
    TRIGPERF_TALLY_CACHED = 1,    /**< verdicts that were found in the cache */
    TRIGPERF_TALLY_REPEATED = 2,  /**< values of a batch that equal an earlier one */
    TRIGPERF_TALLY_SKIPPED = 3,   /**< sets of values with a rule that the occasion skips */
    TRIGPERF_TALLY_UNDECIDED = 4, /**< sets of values of which a rule could not be decided */
    TRIGPERF_TALLY_INVALID = 5,   /**< sets of values that violate a rule, also those whose finding
                                       was not kept */
    TRIGPERF_TALLY_MISSED = 6     /**< of those judged, how many were looked for in the cache */
};

/**
 * @brief A count of the last check. O(1).
 * @param findings findings.
 * @param what     one of #trigperf_tally.
 * @return the count; 0 for any other number.
 */
uint64_t trigperf_findings_tally(const trigperf_findings *findings, uint32_t what);

/**
 * @brief The last check as one JSON object: `outcome`, the counts of #trigperf_tally by name, and
 *        `findings`, a list of `row`, `column`, `rule`, `expected`, `actual`.
 * @param findings findings.
 * @param[out] json receives the text; release with trigperf_string_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_findings_json(const trigperf_findings *findings, char **json,
                               trigperf_error **error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
