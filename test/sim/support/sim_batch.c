/* Batches, as a caller has them: commands over several slots, submitted at once, and of each what
 * became of it, at its place. */
#include "sim/support/sim.h"

#include <stdlib.h>

#define ITEM_BITS 8

void batch_begin(sim_client *k) {
    sim *s = k->s;
    s->batches = realloc(s->batches, (s->batch_count + 1) * sizeof *s->batches);
    assert_non_null(s->batches);
    s->batches[s->batch_count++] = (sim_batch){.first = s->command_count};
    k->batch = s->batch_count;
}

uintptr_t batch_add(sim_client *k, size_t index) {
    if (k->batch == 0) {
        return 0;
    }
    sim_batch *b = &k->s->batches[k->batch - 1];
    assert_int_equal(index, b->first + b->count);
    b->statuses = realloc(b->statuses, (b->count + 1) * sizeof *b->statuses);
    assert_non_null(b->statuses);
    b->statuses[b->count++] = KW_ERR_INVALID;
    b->open++;
    return (uintptr_t)(k->batch << ITEM_BITS | b->count);
}

void batch_end(sim_client *k) {
    k->batch = 0;
    net_effects(k);
}

/* It has ended: each place holds what became of the command that was added there. */
static void check_places(sim *s, const sim_batch *b) {
    for (size_t i = 0; i < b->count; i++) {
        const sim_command *k = &s->commands[b->first + i];
        if (!k->done || k->status != b->statuses[i]) {
            sim_fail(s, "place %zu of a batch has status %d, and its command %zu status %d", i,
                     (int)b->statuses[i], b->first + i, (int)k->status);
        }
    }
}

void batch_take(sim *s, size_t index, uintptr_t number, kw_status status) {
    if (number == 0) {
        return;
    }
    size_t which = (size_t)(number >> ITEM_BITS) - 1;
    size_t place = (size_t)(number & ((1u << ITEM_BITS) - 1)) - 1;
    sim_batch *b = which < s->batch_count ? &s->batches[which] : NULL;
    if (!b || place >= b->count || b->first + place != index || b->open == 0) {
        sim_fail(s, "command %zu ended at place %zu of batch %zu, which is not its own", index,
                 place, which);
    }
    b->statuses[place] = status;
    b->open--;
    if (b->open == 0) {
        check_places(s, b);
    }
}

void batch_done(sim *s) {
    for (size_t i = 0; i < s->batch_count; i++) {
        if (s->batches[i].open != 0) {
            sim_fail(s, "%zu commands of a batch have not ended", s->batches[i].open);
        }
        free(s->batches[i].statuses);
    }
    free(s->batches);
}
