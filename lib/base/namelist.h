/* A list of names separated by commas, as configuration writes it. */
#ifndef TP_BASE_NAMELIST_H
#define TP_BASE_NAMELIST_H

#include <stdint.h>

#include "base/error.h"

typedef struct tp_namelist {
    char *text; /* that the names stand in */
    const char **names;
    uint32_t count;
} tp_namelist;

/* Names of 1 to 63 bytes, blanks around them left out, each once, 1 to max of them. what: the
 * option's name, for the error (E_CONFIG). */
int32_t tp_namelist_parse(const char *what, const char *list, uint32_t max, tp_namelist *out,
                          trigperf_error **err);
void tp_namelist_free(tp_namelist *list); /* leaves it empty */

#endif
