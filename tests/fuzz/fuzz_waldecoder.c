/* Sequences of messages of pgoutput: whatever comes, transactions can be walked, and what is held
 * is accounted for. An input is a list of messages, each after its length in two bytes. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/tuple.h"
#include "core/waldecoder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(tp_waldecoder *decoder) {
    tp_waltx *tx = tp_waldecoder_first(decoder);
    tp_waltx_cursor cursor = {0, NULL};
    tp_waltx_change change;
    tp_waltx_table table;
    for (uint32_t i = 0; tp_waltx_table_at(tx, i, &table); i++) {
    }
    while (tp_waltx_next(tx, &cursor, &change)) {
        if (change.ops == 0 || tp_tuple_value(change.tuple, 1).length > 65536) {
            abort();
        }
    }
    tp_waldecoder_drop_first(decoder);
}

static void feed_all(tp_waldecoder *decoder, const uint8_t *data, size_t size) {
    while (size >= 2) {
        size_t length = (size_t)data[0] << 8 | data[1];
        length = length > size - 2 ? size - 2 : length;
        if (tp_waldecoder_feed(decoder, data + 2, length, NULL) != 0) {
            tp_waldecoder_reset(decoder);
        }
        while (tp_waldecoder_first(decoder) != NULL) {
            walk(decoder);
        }
        data += 2 + length;
        size -= 2 + length;
    }
    if (tp_waldecoder_waiting_bytes(decoder) != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const keys[] = {"user_id", "id"};
    static const uint32_t types[] = {23, 25};
    static const uint8_t forms[] = {TP_WAL_INET, TP_WAL_BLANKS};
    static const char *const watch[] = {"note"};
    tp_walspec spec = {.relid = 16400,
                       .id = 7,
                       .key_count = 2,
                       .keys = keys,
                       .types = types,
                       .forms = forms,
                       .watch_count = 1,
                       .watch = watch,
                       .max_keys = 5};
    tp_hash_key key;
    tp_waldecoder *decoder = NULL;
    tp_hash_key_seed(&key, 3);
    if (tp_waldecoder_new(&key, "i", 4096, &decoder, NULL) != 0) {
        return 0;
    }
    tp_waldecoder_use(decoder, &spec, 1);
    feed_all(decoder, data, size);
    tp_waldecoder_free(decoder);
    return 0;
}
