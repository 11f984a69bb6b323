/* How two values of a type are found to have the same image. */
#ifndef TP_DB_IMAGE_H
#define TP_DB_IMAGE_H

#include <stdint.h>

/* Name of the function in pg_catalog, given the type beneath all domains (pg_type: oid, typtype);
 * NULL when only a comparison as records tells. */
const char *tp_image_equals(uint32_t type, char form);

#endif
