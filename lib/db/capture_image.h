/* Conditions that say whether old and new row have the same image. */
#ifndef TP_DB_CAPTURE_IMAGE_H
#define TP_DB_CAPTURE_IMAGE_H

#include "db/capture.h"

/* How the sides are called: an alias for their columns ("OLD", "tp_o"), and what stands before the
 * number of a key that is an expression ("tp_w", "tp_o.tp_e"). */
typedef struct tp_capture_side {
    const char *alias;
    const char *expression;
} tp_capture_side;

/* True, or not (false or NULL): the keys, or the watched columns, are the same on both sides. */
void tp_capture_keys_same(const tp_capture *capture, const tp_capture_side *old,
                          const tp_capture_side *new, tp_strbuf *out);
void tp_capture_watch_same(const tp_capture *capture, const tp_capture_side *old,
                           const tp_capture_side *new, tp_strbuf *out);

#endif
