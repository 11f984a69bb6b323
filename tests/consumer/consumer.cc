// A host in C++: handles in unique_ptr, errors as exceptions, its own change back as a batch.
#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>

#include <trigperf.h>

namespace {

void check(int32_t status, trigperf_error *error) {
    std::unique_ptr<trigperf_error, decltype(&trigperf_error_free)> owner(error, trigperf_error_free);
    if (status != TRIGPERF_OK) {
        throw std::runtime_error(trigperf_error_message(owner.get()));
    }
}

struct Release {
    void operator()(trigperf_config *config) const { trigperf_config_free(config); }
    void operator()(trigperf_context *context) const { trigperf_context_free(context); }
};

std::unique_ptr<trigperf_config, Release> configure() {
    trigperf_error *error = nullptr;
    trigperf_config *made = nullptr;
    check(trigperf_config_new(&made, &error), error);
    std::unique_ptr<trigperf_config, Release> config(made);
    check(trigperf_config_set(made, "source", "none", &error), error);
    check(trigperf_config_rule(made, "public.calls", nullptr, nullptr, "dashboard:{user_id}", 0, &error),
          error);
    return config;
}

void run() {
    trigperf_error *error = nullptr;
    trigperf_context *made = nullptr;
    auto config = configure();
    check(trigperf_context_new(config.get(), &made, &error), error);
    std::unique_ptr<trigperf_context, Release> context(made);
    const std::string text = R"({"table":"public.calls","op":"insert","keys":{"user_id":"7"}})";
    check(trigperf_push_json(made, text.data(), text.size(), &error), error);
    check(trigperf_flush(made, &error), error);
    trigperf_batch *batch = nullptr;
    while (batch == nullptr) {
        check(trigperf_wait(made, 10000, &error), error);
        check(trigperf_batch_next(made, &batch, &error), error);
    }
    for (uint32_t i = 0; i < trigperf_batch_key_count(batch); i++) {
        std::puts(trigperf_batch_key_at(batch, i, nullptr));
    }
    check(trigperf_batch_ack(batch, &error), error);
}

} // namespace

int main() {
    try {
        run();
        std::puts(trigperf_version());
        return 0;
    } catch (const std::exception &failure) {
        std::fprintf(stderr, "%s\n", failure.what());
        return 1;
    }
}
