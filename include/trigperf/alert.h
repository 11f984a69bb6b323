/**
 * @file alert.h
 * @brief Alerts: rules over series, events to be pulled. Needs no database. Any thread.
 *
 *     trigperf_alert_rule(context, "slow_queries",
 *         "measure=mean series=host_query_seconds warn=0.1 critical=0.5 min_samples=20", NULL);
 *     ...
 *     trigperf_wait(context, -1, NULL);
 *     while (trigperf_alert_next(context, &alert, NULL) == TRIGPERF_OK && alert != NULL) {
 *         puts(trigperf_alert_message(alert));
 *         trigperf_alert_free(alert);
 *     }
 *
 * **Rules** are words `key=value`; a value with blanks stands in double quotes, where a backslash
 * keeps the next character.
 *
 * | key | values | meaning |
 * |---|---|---|
 * | `measure` | `value` `rate` `mean` `quantile` `ratio` `share` `fed` | see below; required |
 * | `series` | a name | applies to each series of that name by itself, whatever its labels |
 * | `over` | a name | with `ratio` and `share`: the second series, with the same labels |
 * | `quantile` | 0 to 1 | with `quantile` |
 * | `label.NAME` | a value | only series that have this label; up to 8 |
 * | `direction` | `above` (default), `below` | which side of the threshold is bad |
 * | `warn`, `critical` | numbers | thresholds; one or both |
 * | `usual` | `off` (default), `on` | the value is by how many percent it is above its usual |
 * | `min_samples` | default 1 | no judgement on less |
 * | `hysteresis` | percent, default 10 | a level ends when the value is by so much of the threshold
 * back | | `hold_ms` | default 0 | a higher level must last so long before it counts | |
 * `cooldown_ms` | default 60000 | after an event none for so long, except one of a higher level |
 *
 * `value`: a gauge or counter as it is. `rate`: increase per second of a counter or a histogram's
 * count. `mean`, `quantile`: of the durations that came since the last judgement, in seconds.
 * `ratio`: increase of `series` by increase of `over`; `share`: increase of `series` by that of
 * both (hits among hits and misses). `fed`: what trigperf_alert_feed() hands in. `min_samples`
 * counts durations, or the increase that `ratio` and `share` divide by; what is too little waits
 * and is judged together with what comes next. For `value` and `rate` it counts readings.
 *
 * **Usual** is the median of the last 60 judged values of the same series (at least 8). It moves on
 * while an alert stands, so a new level that stays becomes usual.
 *
 * **Built in** are, for contexts with a source, rules on lag and limits (`source_lag`,
 * `consumer_lag`, `consumer_overtaken`, `outbox_size`, `slot_retained`, `slot_given_up`; see
 * doc/metrics), and `cache_hit_rate`: a warning when fewer than `cache.min_hit_rate` percent
 * of at least `cache.min_lookups` lookups in the verdict cache were hits. It can be replaced or
 * removed like any other.
 *
 * **When.** Rules are applied every `alert.interval_ms` by whoever processes the context, and by
 * trigperf_alert_check(). trigperf_fd() becomes readable for it, trigperf_wait() returns when an
 * event was raised, and the function of trigperf_ready_set() is called. Two events at most wait for
 * a series and rule, so memory is bounded when nobody pulls; what is told last is always true.
 */
#ifndef TRIGPERF_ALERT_H
#define TRIGPERF_ALERT_H

#include <stdint.h>

#include <trigperf/admin.h>
#include <trigperf/context.h>
#include <trigperf/error.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** Levels. */
enum trigperf_alert_level {
    TRIGPERF_ALERT_OK = 0,      /**< no threshold is passed */
    TRIGPERF_ALERT_WARNING = 1, /**< `warn` is */
    TRIGPERF_ALERT_CRITICAL = 2 /**< `critical` is */
};

/** An event: a series changed its level under a rule. Opaque, immutable; release with
 * trigperf_alert_free(). Strings are borrowed from it. */
typedef struct trigperf_alert trigperf_alert;

/**
 * @brief Adds a rule, or replaces the one of that name (with what it knew, events that wait
 *        included). What was recorded before is not judged.
 * @param context    the context.
 * @param name       1 to 100 bytes of UTF-8.
 * @param definition see above, up to 4096 bytes.
 * @param[out] error says which key is wrong and what it takes; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID, #TRIGPERF_E_NOMEM (there may be no rule of that name any more),
 *         #TRIGPERF_E_FORKED.
 */
int32_t trigperf_alert_rule(trigperf_context *context, const char *name, const char *definition,
                            trigperf_error **error);

/**
 * @brief Removes a rule, with events that wait.
 * @param context the context.
 * @param name    its name.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOT_FOUND, #TRIGPERF_E_FORKED.
 */
int32_t trigperf_alert_rule_remove(trigperf_context *context, const char *name,
                                   trigperf_error **error);

/**
 * @brief Hands a value to a rule with `measure=fed`: something that is no series.
 * @param context the context.
 * @param rule    name of the rule.
 * @param label_names  names of labels that tell what the value is about.
 * @param label_values their values.
 * @param label_count  0 to 16.
 * @param value   the value; what was not measured is left out, not handed in.
 * @param samples how many measurements stand behind it; less than `min_samples`: no judgement.
 * @param[out] error see error.h; may be NULL.
 * @return 0; #TRIGPERF_E_NOT_FOUND; #TRIGPERF_E_INVALID (another measure, a label, NaN);
 *         #TRIGPERF_E_LIMIT (10,000 combinations of rule and series); #TRIGPERF_E_NOMEM;
 *         #TRIGPERF_E_FORKED.
 */
int32_t trigperf_alert_feed(trigperf_context *context, const char *rule,
                            const char *const *label_names, const char *const *label_values,
                            uint32_t label_count, double value, uint64_t samples,
                            trigperf_error **error);

/**
 * @brief No events for a while. Levels are followed meanwhile; what stands afterwards is told then.
 * @param context the context.
 * @param rule    name of a rule, or NULL for all.
 * @param duration_ms from now on, up to a year; 0 ends a silence.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOT_FOUND, #TRIGPERF_E_INVALID (duration), #TRIGPERF_E_FORKED.
 */
int32_t trigperf_alert_silence(trigperf_context *context, const char *rule, int64_t duration_ms,
                               trigperf_error **error);

/**
 * @brief Applies all rules now, instead of waiting for `alert.interval_ms`.
 * @param context the context.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOMEM (some series were left out), #TRIGPERF_E_FORKED.
 */
int32_t trigperf_alert_check(trigperf_context *context, trigperf_error **error);

/**
 * @brief Rules, and the levels that are not OK, as one JSON object.
 * @param context the context.
 * @param[out] json receives the text; release with trigperf_string_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOMEM, #TRIGPERF_E_FORKED.
 */
int32_t trigperf_alert_status(trigperf_context *context, char **json, trigperf_error **error);

/**
 * @brief Pulls the next event.
 * @param context the context.
 * @param[out] alert receives it, or NULL when none waits.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOMEM (it still waits), #TRIGPERF_E_FORKED.
 */
int32_t trigperf_alert_next(trigperf_context *context, trigperf_alert **alert,
                            trigperf_error **error);

/**
 * @brief Releases an event; also after its context is gone.
 * @param alert an event, or NULL (no effect).
 */
void trigperf_alert_free(trigperf_alert *alert);

/**
 * @brief Number of an event, from 1, in the order in which they were raised.
 * @param alert an event.
 * @return the number.
 */
uint64_t trigperf_alert_number(const trigperf_alert *alert);

/**
 * @brief Name of the rule.
 * @param alert an event.
 * @return the name.
 */
const char *trigperf_alert_rule_name(const trigperf_alert *alert);

/**
 * @brief Name of the series.
 * @param alert an event.
 * @return the name; "" for a rule with `measure=fed`.
 */
const char *trigperf_alert_series(const trigperf_alert *alert);

/**
 * @brief How many labels the series has.
 * @param alert an event.
 * @return the count.
 */
uint32_t trigperf_alert_label_count(const trigperf_alert *alert);

/**
 * @brief Name of a label.
 * @param alert an event.
 * @param index 0 to trigperf_alert_label_count() - 1.
 * @return the name; NULL when out of range.
 */
const char *trigperf_alert_label_name(const trigperf_alert *alert, uint32_t index);

/**
 * @brief Value of a label.
 * @param alert an event.
 * @param index 0 to trigperf_alert_label_count() - 1.
 * @return the value; NULL when out of range.
 */
const char *trigperf_alert_label_value(const trigperf_alert *alert, uint32_t index);

/**
 * @brief Level before.
 * @param alert an event.
 * @return one of #trigperf_alert_level.
 */
int32_t trigperf_alert_from(const trigperf_alert *alert);

/**
 * @brief Level now; #TRIGPERF_ALERT_OK is a recovery.
 * @param alert an event.
 * @return one of #trigperf_alert_level.
 */
int32_t trigperf_alert_to(const trigperf_alert *alert);

/**
 * @brief The value that was judged.
 * @param alert an event.
 * @return the value; percent above usual for rules with `usual=on`.
 */
double trigperf_alert_value(const trigperf_alert *alert);

/**
 * @brief The threshold it was compared with.
 * @param alert an event.
 * @return the threshold of the higher of both levels.
 */
double trigperf_alert_threshold(const trigperf_alert *alert);

/**
 * @brief What the value usually is.
 * @param alert an event.
 * @return the median; NaN for rules without `usual=on`.
 */
double trigperf_alert_usual(const trigperf_alert *alert);

/**
 * @brief How many measurements stand behind the value.
 * @param alert an event.
 * @return the count.
 */
uint64_t trigperf_alert_samples(const trigperf_alert *alert);

/**
 * @brief When it was raised.
 * @param alert an event.
 * @return milliseconds since 1970 by the system's clock.
 */
uint64_t trigperf_alert_time_ms(const trigperf_alert *alert);

/**
 * @brief A sentence for people.
 * @param alert an event.
 * @return UTF-8 without a newline.
 */
const char *trigperf_alert_message(const trigperf_alert *alert);

/**
 * @brief All of it as one JSON object without a newline.
 * @param alert an event.
 * @return UTF-8.
 */
const char *trigperf_alert_json(const trigperf_alert *alert);

/**
 * @brief Alerts of the database: rules over what was measured there, what stands, and events.
 *
 * They are another set than the rules of a context: kept in the schema trigperf, judged by one
 * session at a time (the elected context, or whoever calls trigperf_admin_alerts_judge()), so that
 * several app servers raise one event and not several. doc/metrics.md lists the rules.
 * @param admin   the handle; its role needs the rights of `metrics`.
 * @param since_s events of so many seconds; 0: of all that are kept.
 * @param after   events with a greater number (`id`); 0: all. Pass the last one seen to follow.
 * @param[out] json receives `{"format":1,"generated_at","judged_at","last_id","rules":[..],
 *        "standing":[..],"history":[..]}`, at most the 1,000 newest events, oldest first; release
 *        with trigperf_string_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID (since_s), #TRIGPERF_E_NOT_FOUND (schema not installed),
 *         #TRIGPERF_E_VERSION, #TRIGPERF_E_PERMISSION, #TRIGPERF_E_SERVER,
 *         #TRIGPERF_E_CONNECTION, #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_admin_alerts(trigperf_admin *admin, int64_t since_s, uint64_t after, char **json,
                              trigperf_error **error);

/**
 * @brief Judges the database's alerts when that is due (setting `alert.interval_s`).
 * @param admin   the handle.
 * @param at_once 1: also when it is not due yet.
 * @param[out] json receives an array of the events that this call raised, empty when another
 *        session judges; release with trigperf_string_free(); may be NULL.
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_admin_alerts(). Linear in rules times what was measured within a day.
 */
int32_t trigperf_admin_alerts_judge(trigperf_admin *admin, int32_t at_once, char **json,
                                    trigperf_error **error);

/**
 * @brief Claims events of the last hour that nobody claimed, for running a command for each: of
 *        several that call this, each event is given to one, once.
 * @param admin the handle.
 * @param[out] json receives an array of at most 100 events, as in `history`; release with
 *        trigperf_string_free(); may be NULL.
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_admin_alerts().
 */
int32_t trigperf_admin_alerts_take(trigperf_admin *admin, char **json, trigperf_error **error);

/**
 * @brief No events of the database's alerts for a while; what stands afterwards is told then.
 * @param admin the handle.
 * @param rule  name of a rule, or NULL for all.
 * @param duration_ms from now on, up to a year; 0 ends a silence.
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_admin_alerts(); #TRIGPERF_E_NOT_FOUND also for an unknown rule,
 *         #TRIGPERF_E_INVALID for the duration.
 */
int32_t trigperf_admin_alerts_silence(trigperf_admin *admin, const char *rule, int64_t duration_ms,
                                      trigperf_error **error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
