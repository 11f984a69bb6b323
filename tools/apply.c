/* trigperf apply: a file of tables, keys and rules is brought to the database.
 *
 * First everything is tried as a dry run, so that a mistake anywhere stops it before anything is
 * done. Then the former state is written, then each table is brought to its description in a
 * transaction of its own. One that fails then (a lock, a write meanwhile) leaves the others alone;
 * applying the file again does what is missing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <trigperf.h>

#include "command.h"
#include "desired.h"
#include "say.h"
#include "settings.h"
#include "undo.h"

static const args_option options[] = {
    {"dry-run", NULL, "only show the plan", 0},
    {"prune", NULL, "also detach tables and remove scope rules that the file does not name", 0},
    {"undo", "FILE",
     "where the former state goes, with --dry-run too; without it, to standard output", 0},
    {NULL, NULL, NULL, 0},
};

/* One thing to do. */
typedef struct step {
    const trigperf_attachment *attachment; /* NULL: detach the table */
    trigperf_attachment *own;              /* made here, of a scope to empty */
    json_t *plan;
} step;

typedef struct work {
    trigperf_admin *admin;
    json_t *attachments; /* the state before */
    json_t *rules;
    step *steps;
    size_t count;
    size_t changes;
} work;

static const char *text_of(const json_t *object, const char *name) {
    return json_string_value(json_object_get(object, name));
}

static const char *subject_of(const json_t *plan) {
    const char *table = text_of(plan, "table");
    return table != NULL ? table : text_of(plan, "scope");
}

static bool does_nothing(const json_t *plan) {
    return strcmp(text_of(plan, "action"), "none") == 0 ||
           strcmp(text_of(plan, "action"), "left") == 0;
}

static int load(int32_t status, char *text, trigperf_error *error, json_t **out) {
    if (status != TRIGPERF_OK) {
        return say_failure(error);
    }
    *out = json_loads(text, JSON_ALLOW_NUL, NULL);
    trigperf_string_free(text);
    return *out != NULL ? EXIT_FINE : say_error("the library's answer is not JSON");
}

static int read_state(work *w) {
    char *text = NULL;
    trigperf_error *error = NULL;
    int32_t status = trigperf_admin_attachments(w->admin, &text, &error);
    int code = load(status, text, error, &w->attachments);
    if (code == EXIT_FINE) {
        status = trigperf_admin_rules(w->admin, &text, &error);
        code = load(status, text, error, &w->rules);
    }
    return code;
}

static int apply_part(work *w, const trigperf_attachment *part, int32_t dry_run, json_t **plan) {
    char *text = NULL;
    trigperf_error *error = NULL;
    int32_t status = trigperf_admin_apply(w->admin, part, dry_run, &text, &error);
    return load(status, text, error, plan);
}

/* Takes over plan and own. */
static void add_step(work *w, const trigperf_attachment *part, trigperf_attachment *own,
                     json_t *plan) {
    w->steps = say_allocated(realloc(w->steps, (w->count + 1) * sizeof *w->steps));
    w->steps[w->count++] = (step){part, own, plan};
    w->changes += does_nothing(plan) ? 0 : 1;
}

static bool names_both(const json_t *plan, const json_t *other) {
    return text_of(plan, "table") != NULL && text_of(other, "table") != NULL &&
           strcmp(text_of(plan, "table"), text_of(other, "table")) == 0;
}

static int plan_part(work *w, const desired_part *part) {
    json_t *plan = NULL;
    int code = apply_part(w, part->attachment, 1, &plan);
    if (code != EXIT_FINE) {
        say_hint("this is [%s] of the file; nothing was done", part->title);
        return code;
    }
    for (size_t i = 0; i < w->count; i++) {
        if (names_both(plan, w->steps[i].plan)) {
            say_wrong("[%s] means a table that stands in the file already: %s", part->title,
                      subject_of(plan));
            json_decref(plan);
            return EXIT_USAGE;
        }
    }
    add_step(w, part->attachment, NULL, plan);
    return EXIT_FINE;
}

/* Whether a section of the file is about this table or scope. */
static bool is_named(const work *w, const char *member, const char *name) {
    for (size_t i = 0; i < w->count; i++) {
        const char *other = text_of(w->steps[i].plan, member);
        if (other != NULL && strcmp(other, name) == 0) {
            return true;
        }
    }
    return false;
}

static void plan_other_tables(work *w, bool prune) {
    size_t index = 0;
    const json_t *entry = NULL;
    json_array_foreach(w->attachments, index, entry) {
        const char *name = text_of(entry, "table");
        if (!is_named(w, "was", name)) {
            add_step(w, NULL, NULL,
                     say_allocated(json_pack("{s:s, s:s, s:s}", "table", name, "was", name,
                                             "action", prune ? "detach" : "left")));
        }
    }
}

static int plan_other_scopes(work *w, bool prune) {
    size_t index = 0;
    const json_t *rule = NULL;
    int code = EXIT_FINE;
    json_array_foreach(w->rules, index, rule) {
        const char *name = text_of(rule, "scope");
        trigperf_attachment *own = NULL;
        trigperf_error *error = NULL;
        json_t *plan = NULL;
        if (name == NULL || is_named(w, "scope", name)) {
            continue;
        }
        if (!prune) {
            add_step(w, NULL, NULL,
                     say_allocated(json_pack("{s:s, s:s}", "scope", name, "action", "left")));
            continue;
        }
        code = trigperf_attachment_new_scope(name, &own, &error) == TRIGPERF_OK
                   ? apply_part(w, own, 1, &plan)
                   : say_failure(error);
        if (code != EXIT_FINE) {
            trigperf_attachment_free(own);
            return code;
        }
        add_step(w, own, own, plan);
    }
    return code;
}

static int make_plan(work *w, const desired *wanted, bool prune) {
    int code = read_state(w);
    for (size_t i = 0; i < wanted->count && code == EXIT_FINE; i++) {
        code = plan_part(w, &wanted->parts[i]);
    }
    if (code == EXIT_FINE) {
        plan_other_tables(w, prune);
        code = plan_other_scopes(w, prune);
    }
    return code;
}

static void print_list(FILE *stream, const json_t *plan, const char *name, const char *mark) {
    size_t index = 0;
    const json_t *text = NULL;
    json_array_foreach(json_object_get(plan, name), index, text) {
        fprintf(stream, "#     %s ", mark);
        say_text(stream, json_string_value(text), json_string_length(text));
        putc('\n', stream);
    }
}

static void print_step(FILE *stream, const json_t *plan) {
    static const char *const words[][2] = {{"attach", "attach"},
                                           {"replace", "detach and attach"},
                                           {"rules", "change the rules of"},
                                           {"none", "leave as it is"},
                                           {"left", "leave, for the file does not name it:"},
                                           {"detach", "detach, for the file does not name it:"}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i][0], text_of(plan, "action")) == 0) {
            fprintf(stream, "# %s %s ", words[i][1],
                    text_of(plan, "table") != NULL ? "table" : "scope");
            say_text(stream, subject_of(plan), strlen(subject_of(plan)));
            putc('\n', stream);
        }
    }
    print_list(stream, plan, "reasons", "because:");
    print_list(stream, plan, "rules_added", "+ rule");
    print_list(stream, plan, "rules_changed", "~ rule");
    print_list(stream, plan, "rules_removed", "- rule");
}

static void print_plan(const work *w) {
    for (size_t i = 0; i < w->count; i++) {
        print_step(stdout, w->steps[i].plan);
    }
    if (w->changes == 0) {
        puts("# nothing would change");
    } else {
        printf("# %zu of %zu would change\n", w->changes, w->count);
    }
}

static int write_undo(const work *w, const char *path) {
    FILE *file = path == NULL ? stdout : fopen(path, "wxe");
    if (file == NULL) {
        say_error("cannot make the file \"%s\": %s", path, strerror(errno));
        say_hint("nothing was done; name a file that does not exist yet");
        return EXIT_RUNTIME;
    }
    undo_write(file, w->attachments, w->rules);
    bool failed = fflush(file) != 0 || ferror(file) != 0;
    if (path != NULL) {
        failed = fclose(file) != 0 || failed;
    }
    return failed ? say_error("the former state could not be written, nothing was done: %s",
                              strerror(errno))
                  : EXIT_FINE;
}

static int do_step(work *w, const step *one) {
    json_t *done = NULL;
    int code;
    if (one->attachment == NULL) {
        trigperf_error *error = NULL;
        code = trigperf_admin_detach(w->admin, text_of(one->plan, "table"), 0, NULL, &error) ==
                       TRIGPERF_OK
                   ? EXIT_FINE
                   : say_failure(error);
    } else {
        code = apply_part(w, one->attachment, 0, &done);
    }
    json_decref(done);
    return code;
}

static int do_all(work *w) {
    size_t failed = 0;
    for (size_t i = 0; i < w->count; i++) {
        const step *one = &w->steps[i];
        if (does_nothing(one->plan)) {
            continue;
        }
        say_progress("%s %s", text_of(one->plan, "action"), subject_of(one->plan));
        if (do_step(w, one) != EXIT_FINE) {
            say_error("%s is as it was", subject_of(one->plan));
            failed++;
        }
    }
    if (failed == 0) {
        say_note("%zu of %zu changed", w->changes, w->count);
        return EXIT_FINE;
    }
    say_error("%zu of %zu changed, %zu failed", w->changes - failed, w->count, failed);
    say_hint("applying the file again does what is missing");
    return EXIT_RUNTIME;
}

static int apply(const args *given, work *w, const desired *wanted) {
    int code = make_plan(w, wanted, args_has(given, "prune"));
    if (code != EXIT_FINE) {
        return code;
    }
    print_plan(w);
    const char *undo = args_get(given, "undo", NULL);
    bool doing = w->changes > 0 && !args_has(given, "dry-run");
    if (doing || undo != NULL) {
        code = write_undo(w, undo);
    }
    return code == EXIT_FINE && doing ? do_all(w) : code;
}

static void release(work *w) {
    for (size_t i = 0; i < w->count; i++) {
        trigperf_attachment_free(w->steps[i].own);
        json_decref(w->steps[i].plan);
    }
    free(w->steps);
    json_decref(w->attachments);
    json_decref(w->rules);
    trigperf_admin_free(w->admin);
}

static int run(const args *given) {
    desired wanted = {0};
    work w = {0};
    int code = desired_read(given->operands[0], &wanted);
    if (code == EXIT_FINE) {
        code = settings_admin(given, &w.admin);
    }
    if (code == EXIT_FINE) {
        code = apply(given, &w, &wanted);
    }
    release(&w);
    desired_free(&wanted);
    return code;
}

const command command_apply = {
    .name = "apply",
    .summary = "Bring a file of tables, keys and rules to the database.",
    .usage = "apply FILE [--dry-run] [--prune] [--undo FILE]",
    .details =
        "Shows a plan, as comments, then the former state as a file of the same format, and does\n"
        "what is planned, a transaction for each table. Applied twice, a file changes nothing the\n"
        "second time. FILE may be - for standard input. --undo writes its file with --dry-run "
        "too,\n"
        "so this tells what is there: trigperf apply - --dry-run --undo tables.ini </dev/null\n\n"
        "example:\n"
        "  [table public.calls]\n"
        "  keys = user_id, id\n"
        "  key.mail = lower(email)\n"
        "  watch = status, amount\n"
        "  granularity = auto\n"
        "  isolate = keys\n"
        "  max_keys = 1000\n"
        "  rule = dashboard:{user_id}\n"
        "  rule on insert,delete every 60s = count:{user_id}\n\n"
        "  [scope dashboard]\n"
        "  rule = report:{user_id}",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
