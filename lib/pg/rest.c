/* Who follows a busy stream is woken for every two or three messages, and a wake-up costs more than
 * they do. So one that has run dry several times in quick succession is left alone for a moment,
 * and what comes now and then is read at once.
 *
 * The moment doubles and halves by what had gathered at its end: the longer the cheaper, up to half
 * of what changes wait in a window anyway; but the sender must not find the socket full. To the
 * kernel a message of a Unix socket is a buffer of its own, some 200 of which fill it. */
#include "pg/rest.h"

#define BUSY 4u /* times */
#define FIRST_US 500u
#define LEAST_US 250u
#define ALWAYS_US 1000u /* even without a window */
#define MOST_US 2500u
#define LITTLE (UINT32_C(48) << 10)
#define MUCH (UINT32_C(96) << 10)
#define BUFFER 1024u /* what a message takes of a socket that is narrow */

#define READING 8192u /* libpq has room for so much at least whenever it reads */
#define OF_TLS 4u

/* Of a TLS record, 16 kilobytes at most, libpq takes what it has room for, and the socket does not
 * show the rest: servers from 17 on send such records. */
bool tp_rest_is_due(size_t brought, PGconn *pg, uint32_t *little) {
    return brought < READING && (PQsslInUse(pg) == 0 || ++*little > OF_TLS);
}

tp_rest tp_rest_make(uint32_t window_ms, bool narrow) {
    uint32_t most = window_ms < MOST_US / 500 ? window_ms * 500 : MOST_US;
    return (tp_rest){
        .longest_us = most < ALWAYS_US ? ALWAYS_US : most, .us = FIRST_US, .narrow = narrow};
}

static uint32_t adapted(const tp_rest *rest, size_t gathered) {
    uint32_t us = rest->us;
    if (gathered > MUCH) {
        us /= 2;
    } else if (gathered < LITTLE) {
        us *= 2;
    }
    us = us < rest->longest_us ? us : rest->longest_us;
    return us > LEAST_US ? us : LEAST_US;
}

uint32_t tp_rest_after(tp_rest *rest, const tp_taken *taken, uint64_t now_ms) {
    bool soon = now_ms - rest->taken_ms <= rest->us / 1000 + 2;
    rest->dry = soon ? rest->dry + 1 : 0;
    rest->taken_ms = now_ms;
    if (rest->dry < BUSY) {
        rest->us = FIRST_US;
        return 0;
    }
    rest->us = adapted(rest, rest->narrow ? (size_t)taken->messages * BUFFER : taken->bytes);
    return rest->us;
}
