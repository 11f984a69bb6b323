/* A record's values are written behind each other with tabs between them: the line by which a
 * repetition is recognized, and with zero bytes instead the values themselves. */
#include "records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_BYTES = 1024 };

const hm_kind kinds[KINDS] = {
    {"nutrition",
     "health_metrics.nutrition",
     {"user_id", "recorded_ms", "food", "meal", "calories", "protein_g", "carbs_g", "fat_g",
      "fiber_g", "sugar_g", "sodium_mg", "potassium_mg", "calcium_mg", "iron_mg", "vitamin_a_mcg",
      "vitamin_c_mg", "vitamin_d_mcg", "water_ml"},
     18},
    {"symptoms",
     "health_metrics.symptoms",
     {"user_id", "recorded_ms", "symptom", "severity", "duration_min", "note"},
     6},
    {"activity",
     "health_metrics.activity",
     {"user_id", "recorded_ms", "kind", "steps", "distance_m", "active_min", "resting_hr",
      "average_hr", "maximum_hr", "calories"},
     10},
};

bool batch_new(hm_batch *batch, int kind, uint32_t rows) {
    size_t values = (size_t)rows * kinds[kind].count;
    *batch = (hm_batch){.kind = kind, .rows = rows};
    batch->values = calloc(values, sizeof *batch->values);
    batch->lengths = calloc(values, sizeof *batch->lengths);
    batch->lines = calloc(rows, sizeof *batch->lines);
    batch->line_lengths = calloc(rows, sizeof *batch->line_lengths);
    batch->spoilt = calloc(rows, sizeof *batch->spoilt);
    batch->bytes = malloc((size_t)rows * ROW_BYTES * 2);
    return batch->values != NULL && batch->lengths != NULL && batch->lines != NULL &&
           batch->line_lengths != NULL && batch->spoilt != NULL && batch->bytes != NULL;
}

void batch_free(hm_batch *batch) {
    free(batch->values);
    free(batch->lengths);
    free(batch->lines);
    free(batch->line_lengths);
    free(batch->spoilt);
    free(batch->bytes);
}

/* ---- one record as a line ---- */

typedef struct line {
    char text[ROW_BYTES];
    size_t length;
} line;

static void put(line *out, const char *text) {
    size_t length = strlen(text);
    if (out->length + length + 1 < sizeof out->text) {
        memcpy(out->text + out->length, text, length);
        out->length += length;
        out->text[out->length++] = '\t';
    }
}

static void put_number(line *out, long long number) {
    char text[24];
    snprintf(text, sizeof text, "%lld", number);
    put(out, text);
}

static void put_tenths(line *out, uint32_t tenths) {
    char text[24];
    snprintf(text, sizeof text, "%u.%u", tenths / 10, tenths % 10);
    put(out, text);
}

static void put_head(line *out, ex_dice *dice, uint64_t sequence) {
    put_number(out, 1 + dice_low(dice, 5000));
    put_number(out, 1700000000000 + (long long)sequence);
}

static void put_nutrition(line *out, ex_dice *dice) {
    static const char *const styles[] = {"raw", "cooked", "baked", "grilled", "fried", "fresh"};
    static const char *const foods[] = {"oats",    "bread",  "rice",    "pasta", "potato",
                                        "chicken", "beef",   "salmon",  "tofu",  "beans",
                                        "egg",     "cheese", "yoghurt", "apple", "banana",
                                        "carrot",  "kale",   "nuts",    "soup",  "salad"};
    static const char *const meals[] = {"breakfast", "lunch", "dinner", "snack"};
    char food[64];
    uint32_t carbs = dice_low(dice, 900);
    snprintf(food, sizeof food, "%s %s no. %u", styles[dice_below(dice, 6)],
             foods[dice_low(dice, 20)], dice_low(dice, 12));
    put(out, food);
    put(out, meals[dice_below(dice, 4)]);
    put_tenths(out, 10 * dice_low(dice, 1200));
    put_tenths(out, 5 * dice_low(dice, 120));
    put_tenths(out, carbs);
    put_tenths(out, 5 * dice_low(dice, 120));
    put_tenths(out, carbs / 10);
    put_tenths(out, carbs / 4);
    put_number(out, 5 * dice_low(dice, 500));
    put_number(out, 5 * dice_low(dice, 500));
    put_number(out, dice_low(dice, 800));
    put_tenths(out, dice_low(dice, 200));
    put_number(out, 10 * dice_low(dice, 200));
    put_number(out, dice_low(dice, 200));
    put_number(out, dice_low(dice, 40));
    put_number(out, 50 * dice_low(dice, 20));
}

static void put_symptom(line *out, ex_dice *dice) {
    static const char *const symptoms[] = {"headache", "fatigue", "nausea", "back pain", "insomnia",
                                           "cough",    "anxiety", "rash",   "dizziness", "fever"};
    static const char *const notes[] = {"",
                                        "after lunch",
                                        "since this morning",
                                        "better with rest",
                                        "worse at night",
                                        "\xC3\xA9trange",
                                        "as last week"};
    put(out, symptoms[dice_low(dice, 10)]);
    put_number(out, 1 + dice_low(dice, 10));
    put_number(out, 5 * dice_low(dice, 300));
    put(out, notes[dice_low(dice, 7)]);
}

static void put_activity(line *out, ex_dice *dice) {
    static const char *const names[] = {"walk", "run",  "ride", "gym", "yoga",
                                        "hike", "swim", "row",  "ski"};
    uint32_t minutes = 1 + dice_low(dice, 180);
    uint32_t resting = 48 + dice_low(dice, 30);
    uint32_t average = resting + 20 + dice_below(dice, 50);
    put(out, names[dice_low(dice, 9)]);
    put_number(out, 10 * (minutes * 10 + dice_low(dice, 100)));
    put_tenths(out, 100 * dice_low(dice, 2000));
    put_number(out, minutes);
    put_number(out, resting);
    put_number(out, average);
    put_number(out, average + dice_below(dice, 40));
    put_number(out, minutes * 7);
}

/* ---- a batch ---- */

/* Cuts the line into values; `-` alone stands for NULL. */
static void add_row(hm_batch *batch, uint32_t row, const line *made) {
    const hm_kind *kind = &kinds[batch->kind];
    char *copy = batch->bytes + batch->used;
    char *cut = copy + made->length + 1;
    memcpy(copy, made->text, made->length);
    copy[made->length] = '\0';
    batch->lines[row] = copy;
    batch->line_lengths[row] = made->length;
    memcpy(cut, copy, made->length + 1);
    for (uint32_t i = 0; i < kind->count; i++) {
        char *end = strchr(cut, '\t');
        size_t place = (size_t)row * kind->count + i;
        *end = '\0';
        bool null = strcmp(cut, "-") == 0;
        batch->values[place] = null ? NULL : cut;
        batch->lengths[place] = null ? 0 : (size_t)(end - cut);
        cut = end + 1;
    }
    batch->used += 2 * (made->length + 1);
}

/* Puts something else in the place of one value: out of range, no number, missing, markup. */
static void spoil(line *made, ex_dice *dice, int kind) {
    static const char *const wrong[KINDS][5][2] = {
        {{"4", "-0.1"}, {"4", "99999.9"}, {"10", "many"}, {"3", "brunch"}, {"2", "-"}},
        {{"3", "11"}, {"3", "0"}, {"2", "sadness"}, {"5", "<b>bad</b>"}, {"4", "-5"}},
        {{"8", "20"}, {"3", "100001"}, {"2", "fly"}, {"5", "-"}, {"9", "1e3"}}};
    const char *const *pick = wrong[kind][dice_below(dice, 5)];
    line other = {.length = 0};
    char *at = made->text;
    made->text[made->length] = '\0';
    for (int column = 0; *at != '\0'; column++) {
        char *end = strchr(at, '\t');
        *end = '\0';
        put(&other, column == atoi(pick[0]) ? pick[1] : at);
        at = end + 1;
    }
    *made = other;
}

static void repeat_row(hm_batch *batch, uint32_t row, uint32_t former) {
    uint32_t count = kinds[batch->kind].count;
    size_t from = (size_t)former * count;
    size_t to = (size_t)row * count;
    memcpy(batch->values + to, batch->values + from, count * sizeof *batch->values);
    memcpy(batch->lengths + to, batch->lengths + from, count * sizeof *batch->lengths);
    batch->lines[row] = batch->lines[former];
    batch->line_lengths[row] = batch->line_lengths[former];
    batch->spoilt[row] = batch->spoilt[former];
    batch->repeated++;
}

void batch_fill(hm_batch *batch, ex_dice *dice, uint64_t *sequence) {
    static void (*const makers[KINDS])(line *, ex_dice *) = {put_nutrition, put_symptom,
                                                             put_activity};
    batch->used = 0;
    batch->repeated = 0;
    for (uint32_t row = 0; row < batch->rows; row++) {
        if (row > 0 && dice_chance(dice, 0.05)) {
            repeat_row(batch, row, dice_below(dice, row));
            continue;
        }
        line made = {.length = 0};
        put_head(&made, dice, (*sequence)++);
        makers[batch->kind](&made, dice);
        batch->spoilt[row] = dice_chance(dice, 0.02);
        if (batch->spoilt[row]) {
            spoil(&made, dice, batch->kind);
        }
        add_row(batch, row, &made);
    }
}
