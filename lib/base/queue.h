/* Doubly linked lists, first in first out: utlist under the library's own names. An element has
 * members prev and next of its own pointer type; the head is a pointer that starts NULL. */
#ifndef TP_BASE_QUEUE_H
#define TP_BASE_QUEUE_H

#include <utlist.h>

#define TP_QUEUE_APPEND(head, element) DL_APPEND(head, element)
#define TP_QUEUE_REMOVE(head, element) DL_DELETE(head, element)

#endif
