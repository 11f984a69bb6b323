/* Everything is copied, so that a caller's texts need not outlive the call: the parameters, which
 * are few, one by one. */
#include "pg/queued.h"

#include <stdlib.h>

#include "base/text.h"

void tp_queued_free(tp_queued *item) {
    for (int32_t i = 0; i < item->statement.count; i++) {
        free((void *)(uintptr_t)item->values[i]);
    }
    free((void *)(uintptr_t)item->statement.text);
    free(item);
}

tp_queued *tp_queued_new(const tp_statement *statement) {
    tp_queued *item = calloc(1, sizeof *item + (size_t)statement->count * sizeof item->values[0]);
    if (item == NULL) {
        return NULL;
    }
    item->statement = *statement;
    item->statement.values = item->values;
    item->statement.text = tp_text_copy(statement->text);
    bool fine = item->statement.text != NULL;
    for (int32_t i = 0; i < statement->count; i++) {
        const char *value = statement->values[i];
        item->values[i] = value == NULL ? NULL : tp_text_copy(value);
        fine = fine && (value == NULL || item->values[i] != NULL);
    }
    if (!fine) {
        tp_queued_free(item);
        return NULL;
    }
    return item;
}
