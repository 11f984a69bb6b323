/* From a value to a level: the threshold, its hysteresis, and hold_ms, for which a higher level
 * must last. From a level to an event: nothing while silent; after an event none for cooldown_ms,
 * except one of a higher level; and always one afterwards when the level is another by then, so
 * that what was told last is true in the end.
 *
 * Two events are kept at most. When a third comes and nobody has pulled, raised, ended and raised
 * again becomes raised once: memory stays bounded and nothing is told that is not so. */
#include "core/alert_state.h"

static void update_level(tp_alert_state *state, const tp_alert_rule *rule, double value,
                         uint64_t now_ms) {
    tp_alert_level level = tp_alert_rule_level(rule, value, state->level);
    if (level <= state->level) {
        state->level = level;
        state->holding = false;
        return;
    }
    if (!state->holding || now_ms < state->held_since_ms) {
        state->holding = true;
        state->held_since_ms = now_ms;
    }
    if (now_ms - state->held_since_ms >= rule->hold_ms) {
        state->level = level;
        state->holding = false;
    }
}

static bool may_tell(const tp_alert_state *state, const tp_alert_rule *rule,
                     const tp_alert_finding *finding) {
    if (state->level == state->told || finding->now_ms < finding->silent_until_ms) {
        return false;
    }
    bool cool = !state->has_told || finding->now_ms < state->told_ms ||
                finding->now_ms - state->told_ms >= rule->cooldown_ms;
    return cool || state->level > state->told;
}

static void add_event(tp_alert_state *state, const tp_alert_event *event) {
    tp_alert_event *first = &state->events[0];
    if (state->waiting < 2) {
        state->events[state->waiting++] = *event;
        return;
    }
    tp_alert_level before = first->from;
    bool back = event->to == before;
    *first = back ? state->events[1] : *event;
    first->from = before;
    state->events[1] = *event;
    state->waiting = back ? 2 : 1;
}

bool tp_alert_state_judge(tp_alert_state *state, const tp_alert_rule *rule,
                          const tp_alert_finding *finding, uint64_t *numbers) {
    state->value = finding->value;
    update_level(state, rule, finding->value, finding->now_ms);
    if (!may_tell(state, rule, finding)) {
        return false;
    }
    tp_alert_level relevant = state->level > state->told ? state->level : state->told;
    tp_alert_event event = {.number = ++*numbers,
                            .from = state->told,
                            .to = state->level,
                            .value = finding->value,
                            .threshold = tp_alert_rule_threshold(rule, relevant),
                            .usual = finding->usual,
                            .samples = finding->samples,
                            .unix_ms = finding->unix_ms};
    add_event(state, &event);
    state->told = state->level;
    state->told_ms = finding->now_ms;
    state->has_told = true;
    return true;
}

bool tp_alert_state_take(tp_alert_state *state, tp_alert_event *out) {
    if (state->waiting == 0) {
        return false;
    }
    *out = state->events[0];
    state->events[0] = state->events[1];
    state->waiting--;
    return true;
}
