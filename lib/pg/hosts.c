/* libpq tries hosts in their order and goes on when one refuses, but it waits for one that does not
 * answer at all. Its own time limit for each host works in its blocking calls only. So after a time
 * limit of ours the next attempt begins with the next host. */
#include "pg/hosts.h"

#include <string.h>

bool tp_hosts_is_local(const char *host) {
    return host != NULL && (host[0] == '/' || host[0] == '@');
}

uint32_t tp_hosts_count(const char *list) {
    uint32_t count = list == NULL ? 0 : 1;
    for (; list != NULL && *list != '\0'; list++) {
        count += *list == ',' ? 1 : 0;
    }
    return count;
}

static const char *element(const char *list, uint32_t number) {
    for (; number > 0; number--) {
        list = strchr(list, ',') + 1;
    }
    return list;
}

void tp_hosts_rotate(const char *list, uint32_t first, tp_strbuf *out) {
    uint32_t count = tp_hosts_count(list);
    for (uint32_t i = 0; i < count; i++) {
        const char *one = element(list, (first + i) % count);
        tp_strbuf_puts(out, i == 0 ? "" : ",");
        tp_strbuf_add(out, one, strcspn(one, ","));
    }
}

static bool is_list(const char *keyword) {
    return strcmp(keyword, "host") == 0 || strcmp(keyword, "hostaddr") == 0 ||
           strcmp(keyword, "port") == 0;
}

const char *tp_hosts_value(tp_hosts *hosts, const char *keyword, const char *value) {
    if (hosts->first == 0 || hosts->count == 3 || !is_list(keyword) || tp_hosts_count(value) < 2) {
        return value;
    }
    tp_strbuf *list = &hosts->lists[hosts->count++];
    tp_hosts_rotate(value, hosts->first, list);
    return list->failed ? value : tp_strbuf_str(list);
}

void tp_hosts_free(tp_hosts *hosts) {
    for (uint32_t i = 0; i < hosts->count; i++) {
        tp_strbuf_free(&hosts->lists[i]);
    }
}
