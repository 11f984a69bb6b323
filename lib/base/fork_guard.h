/* Tells cheaply whether this is a forked child of the process that made an object. */
#ifndef TP_BASE_FORK_GUARD_H
#define TP_BASE_FORK_GUARD_H

#include <stdbool.h>

typedef struct tp_fork_guard tp_fork_guard;

tp_fork_guard *tp_fork_guard_new(void); /* NULL when memory is short */
void tp_fork_guard_free(tp_fork_guard *guard);
bool tp_fork_guard_is_child(const tp_fork_guard *guard);
/* For calls that count in instructions: a byte that is not 0 only where the guard was made. 0 may
 * mean nothing: ask tp_fork_guard_is_child() then. As long as the guard. */
const volatile unsigned char *tp_fork_guard_byte(const tp_fork_guard *guard);

#endif
