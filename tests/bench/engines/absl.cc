/* absl::flat_hash_map and flat_hash_set of std::string, looked up without making one; and the set
 * of 128-bit XXH3 hashes instead of keys. */
#include "contest.h"

#include <string>

#include <utility>

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <absl/strings/string_view.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

extern "C" {
void coalesce_absl(const changes *input, outcome *out);
void dedup_absl(const batch *input, outcome *out);
void dedup_absl_xxh128(const batch *input, outcome *out);
}

void coalesce_absl(const changes *input, outcome *out) {
    absl::flat_hash_map<std::string, merged> map;
    uint64_t before = contest_bytes();
    for (uint32_t i = 0; i < input->count; i++) {
        char key[CHANGE_KEY];
        change_key(key, input->ids[i]);
        merged none = MERGED_NONE;
        merge_change(&map.try_emplace(absl::string_view(key, CHANGE_KEY), none).first->second, i);
        if ((i + 1) % input->flush == 0) {
            out->distinct = map.size();
            out->bytes = contest_bytes() - before;
            for (const auto &entry : map) {
                const merged &m = entry.second;
                out->sum += m.count * (m.lsn - m.arrival + m.ops);
            }
            map.clear();
        }
    }
}

template <typename Set, typename Make>
static void dedup_in(Set &set, Make make, const batch *input, outcome *out) {
    for (int again = 0; again < 2; again++) {
        uint64_t before = contest_bytes();
        double began = contest_seconds();
        for (uint32_t i = 0; i < input->count; i++) {
            out->sum += set.insert(make(input->keys[i], input->lengths[i])).second ? 0 : 1;
        }
        out->distinct = set.size();
        out->bytes = again ? out->bytes : contest_bytes() - before;
        set.clear();
        *(again ? &out->again_ns : &out->ns) = (contest_seconds() - began) * 1e9 / input->count;
    }
}

void dedup_absl(const batch *input, outcome *out) {
    absl::flat_hash_set<std::string> set;
    auto make = [](const char *key, uint64_t length) { return std::string(key, length); };
    dedup_in(set, make, input, out);
}

struct first_half {
    size_t operator()(const std::pair<uint64_t, uint64_t> &hash) const {
        return hash.first;
    }
};

void dedup_absl_xxh128(const batch *input, outcome *out) {
    absl::flat_hash_set<std::pair<uint64_t, uint64_t>, first_half> set;
    auto make = [](const char *key, uint64_t length) {
        XXH128_hash_t hash = XXH3_128bits(key, length);
        return std::make_pair(hash.low64, hash.high64);
    };
    dedup_in(set, make, input, out);
}
