/* Times of expiry in sixteen bits: three for the unit (8 ms, each eight times the one before), 13
 * that count units, relative to a point in time that is kept elsewhere. */
#ifndef TP_CORE_EXPIRY_H
#define TP_CORE_EXPIRY_H

#include <stdbool.h>
#include <stdint.h>

#define TP_EXPIRY_NEVER 0u

/* The point that codes made at now_ms refer to: whole seconds of 1,024 ms, not above now. */
static inline uint32_t tp_expiry_since(uint64_t now_ms) {
    return (uint32_t)(now_ms >> 10);
}

/* Never before now + ttl; at most a unit after. A ttl above four years is TP_EXPIRY_NEVER. */
uint32_t tp_expiry_encode(uint32_t since, uint64_t now_ms, uint64_t ttl_ms);

/* The time in ms; UINT64_MAX for TP_EXPIRY_NEVER. */
uint64_t tp_expiry_time(uint32_t code, uint32_t since);

static inline bool tp_expiry_passed(uint32_t code, uint32_t since, uint64_t now_ms) {
    return code != TP_EXPIRY_NEVER && tp_expiry_time(code, since) <= now_ms;
}

#endif
