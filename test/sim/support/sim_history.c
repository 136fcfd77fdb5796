/* Keys are lists of tokens, each of which one APPEND wrote: the value in the end gives the order in
 * which the writes took effect, so that a key's history is linearizable if and only if that order
 * fits the times at which the commands began and ended, and each read saw a beginning of it that
 * does. What a primary took with it when it died (sim_death) is left out. */
#include "sim/support/sim.h"

#include <stdlib.h>

typedef struct history {
    sim *s;
    unsigned key;
    const char *value; /* in the end */
    size_t len;
    size_t *ends;     /* by command: where its token ends in the value; 0: it is not there */
    size_t *in_order; /* the key's commands that succeeded, by the time they ended */
    size_t count;
} history;

/* The key's value where its slot's owner keeps it. */
static void read_final_value(history *h) {
    sim *s = h->s;
    char name[32];
    uint16_t owner = fleet_view(s->fleet)->owner[load_key_slot(h->key)];
    struct node *n = owner == NODE_NOBODY ? NULL : fleet_node(s->fleet, owner);
    assert_non_null(n);
    const keyspace_entry *e =
        keyspace_peek(n->keys, slice_text(load_key_name(h->key, name)), s->now_us / 1000);
    h->len = e ? e->value_len : 0;
    h->value = e ? e->value : "";
}

static void find_tokens(history *h) {
    sim *s = h->s;
    size_t at = 0;
    while (at < h->len) {
        unsigned of_key = 0;
        size_t index = 0;
        int used = 0;
        if (sscanf(h->value + at, "%u.%zu,%n", &of_key, &index, &used) != 2 || used == 0 ||
            of_key != h->key || index >= s->command_count) {
            sim_fail(s, "key %u holds what nobody wrote there, at %zu", h->key, at);
        }
        at += (size_t)used;
        if (h->ends[index] != 0) {
            sim_fail(s, "command %zu (key %u) was executed twice; status %d, outcome %d", index,
                     h->key, (int)s->commands[index].status, (int)s->commands[index].outcome);
        }
        h->ends[index] = at;
    }
}

/* The node that answered it died before its replicas had heard of it, perhaps. */
bool history_may_be_lost(const sim *s, const sim_command *k) {
    for (size_t i = 0; i < s->death_count; i++) {
        const sim_death *d = &s->deaths[i];
        if (d->node == k->node && d->at_us >= k->submitted_us && d->lost_from_us <= k->ended_us) {
            return true;
        }
    }
    return false;
}

/* Where in the final value a command that succeeded took effect; false: not in this value. */
static bool position_of(const history *h, size_t index, size_t *ret) {
    const sim_command *k = &h->s->commands[index];
    if (k->kind == SIM_APPEND) {
        *ret = h->ends[index];
        return *ret != 0;
    }
    *ret = strlen(k->value);
    return *ret <= h->len && memcmp(k->value, h->value, *ret) == 0;
}

/* ------------------------------------------------------------------- one by one */

static void check_append(const history *h, size_t index) {
    sim *s = h->s;
    const sim_command *k = &s->commands[index];
    bool there = h->ends[index] != 0;
    if (k->status != KW_OK) {
        if (there && k->outcome != KW_MAYBE_EXECUTED) {
            sim_fail(s, "command %zu (key %u) was executed; status %d, outcome %d", index, k->key,
                     (int)k->status, (int)k->outcome);
        }
    } else if (!there && !history_may_be_lost(s, k)) {
        sim_fail(s, "command %zu (key %u) is said to be done, and was not", index, k->key);
    } else if (there && (size_t)k->length != h->ends[index]) {
        sim_fail(s, "command %zu (key %u) got %lld for its reply, and not %zu", index, k->key,
                 (long long)k->length, h->ends[index]);
    }
}

static void check_get(const history *h, size_t index) {
    const sim_command *k = &h->s->commands[index];
    size_t position;
    if (k->status != KW_OK) {
        if (k->outcome == KW_MAYBE_EXECUTED) {
            sim_fail(h->s, "command %zu, GET, may have been executed?", index);
        }
    } else if (!position_of(h, index, &position) && !history_may_be_lost(h->s, k)) {
        sim_fail(h->s, "command %zu (key %u) read what is not there", index, k->key);
    }
}

/* ------------------------------------------------------------- one client's order */

/* What a client submits for one key takes effect in that order (ROUTING §7). */
static void check_order(const history *h, unsigned client) {
    sim *s = h->s;
    size_t last = 0;
    size_t last_index = 0;
    for (size_t i = 0; i < s->command_count; i++) {
        const sim_command *k = &s->commands[i];
        size_t position;
        if (k->client != client || k->key != h->key || k->status != KW_OK ||
            (k->kind != SIM_APPEND && k->kind != SIM_GET) || !position_of(h, i, &position)) {
            continue;
        }
        if (k->kind == SIM_GET && k->overtaken) {
            continue;
        }
        if (position < last) {
            sim_fail(s, "command %zu (key %u) took effect before command %zu of the same client", i,
                     h->key, last_index);
        }
        if (!k->overtaken && k->kind == SIM_APPEND) {
            last = position;
            last_index = i;
        }
    }
}

/* A read does not see what its client writes later. */
static void check_future(const history *h, size_t index) {
    sim *s = h->s;
    const sim_command *k = &s->commands[index];
    size_t position;
    if (k->status != KW_OK || k->overtaken || !position_of(h, index, &position)) {
        return;
    }
    for (size_t i = index + 1; i < s->command_count; i++) {
        const sim_command *later = &s->commands[i];
        if (later->client == k->client && later->key == k->key && later->kind == SIM_APPEND &&
            h->ends[i] != 0 && h->ends[i] <= position && later->status == KW_OK) {
            sim_fail(s, "command %zu (key %u) read what command %zu wrote later", index, k->key, i);
        }
    }
}

/* ----------------------------------------------------------------- linearizability */

static const sim *sorted_for;

static int by_end(const void *a, const void *b) {
    uint64_t left = sorted_for->commands[*(const size_t *)a].ended_us;
    uint64_t right = sorted_for->commands[*(const size_t *)b].ended_us;
    return left < right ? -1 : left > right;
}

/* Nothing takes effect before what had ended when it began. Commands are in the order in which they
 * began, so that one pass over those that ended is enough. What may have been executed began, and
 * never ended. */
static void check_times(history *h) {
    sim *s = h->s;
    size_t next = 0;
    size_t highest = 0;
    size_t highest_index = 0;
    sorted_for = s;
    qsort(h->in_order, h->count, sizeof *h->in_order, by_end);
    for (size_t i = 0; i < s->command_count; i++) {
        const sim_command *k = &s->commands[i];
        size_t position;
        bool is_of_key = k->key == h->key && (k->kind == SIM_APPEND || k->kind == SIM_GET);
        if (!is_of_key || (k->kind == SIM_GET && k->status != KW_OK) ||
            !position_of(h, i, &position)) {
            continue;
        }
        for (; next < h->count; next++) {
            size_t ended = h->in_order[next];
            size_t reached;
            if (s->commands[ended].ended_us >= k->submitted_us) {
                break;
            }
            if (position_of(h, ended, &reached) && reached > highest) {
                highest = reached;
                highest_index = ended;
            }
        }
        if (position < highest) {
            sim_fail(s, "command %zu (key %u) took effect before command %zu, which had ended", i,
                     h->key, highest_index);
        }
    }
}

static void check_key(history *h) {
    sim *s = h->s;
    h->count = 0;
    read_final_value(h);
    find_tokens(h);
    for (size_t i = 0; i < s->command_count; i++) {
        const sim_command *k = &s->commands[i];
        if (k->key != h->key) {
            continue;
        }
        if (k->kind == SIM_APPEND) {
            check_append(h, i);
        } else if (k->kind == SIM_GET) {
            check_get(h, i);
            check_future(h, i);
        }
        if ((k->kind == SIM_APPEND || k->kind == SIM_GET) && k->status == KW_OK) {
            h->in_order[h->count++] = i;
        }
    }
    for (unsigned i = 0; i < s->client_count; i++) {
        check_order(h, i);
    }
    check_times(h);
}

void history_check(sim *s) {
    static history h; /* static: a failure is no leak */
    free(h.ends);
    free(h.in_order);
    h = (history){
        .s = s,
        .ends = calloc(s->command_count + 1, sizeof *h.ends),
        .in_order = calloc(s->command_count + 1, sizeof *h.in_order),
    };
    for (size_t i = 0; i < s->command_count; i++) {
        if (!s->commands[i].done) {
            sim_fail(s, "command %zu has not completed", i);
        }
    }
    for (h.key = 0; h.key < SIM_KEYS; h.key++) {
        check_key(&h);
    }
    queue_check(s);
}
