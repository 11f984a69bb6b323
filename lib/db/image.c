/* A comparison as records (*=) holds for every type, and builds two records for it: five times the
 * cost of a function. A function will do where equal values have the same bytes: not for numeric
 * (1.0 and 1.00), floats (0 and -0), char(n) (trailing blanks), interval (a day and 24 hours),
 * json, nor for arrays and ranges of such; text compares by its bytes under COLLATE "C".
 *
 * The functions are called by their names with their own types, not through the operator =, so that
 * a column that is retyped later cannot turn into another comparison: either its new type becomes
 * the old one without loss by itself (int to bigint, varchar to text), or there is no such function
 * any more, which is caught and told. That is why timestamptz is missing: a timestamp becomes one
 * under whatever time zone the session has, and in the hour that summer time skips two become the
 * same. Retyping text to bpchar without a length would hide changes of trailing blanks, as its own
 * equality does. */
#include "db/image.h"

#include <stddef.h>

typedef struct known {
    uint32_t type;
    const char *equals;
} known;

static const known types[] = {
    {16, "booleq"},         /* bool */
    {17, "byteaeq"},        /* bytea */
    {18, "chareq"},         /* "char" */
    {20, "int8eq"},         /* bigint */
    {21, "int8eq"},         /* smallint */
    {23, "int8eq"},         /* integer */
    {25, "texteq"},         /* text */
    {1043, "texteq"},       /* varchar */
    {1082, "date_eq"},      /* date */
    {1083, "time_eq"},      /* time */
    {1114, "timestamp_eq"}, /* timestamp */
    {2950, "uuid_eq"},      /* uuid */
};

const char *tp_image_equals(uint32_t type, char form) {
    if (form == 'e') {
        return "enum_eq";
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (types[i].type == type) {
            return types[i].equals;
        }
    }
    return NULL;
}
