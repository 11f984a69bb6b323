/* How the values of a type are told in the outbox. */
#ifndef TP_DB_RENDERING_H
#define TP_DB_RENDERING_H

#include <stdint.h>

/* The kind (tp_key_kind) and the settings (tp_rendering) that a key of a type needs. type: oid of
 * the type beneath any domains; form: its pg_type.typtype; name: its typname; element: oid of an
 * array's elements, else 0. */
void tp_rendering_of(uint32_t type, char form, const char *name, uint32_t element, uint32_t *kind,
                     uint32_t *rendering);

#endif
