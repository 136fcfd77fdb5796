/* Queues: elements that name the command which pushed them, taken off by commands that may block.
 * Whatever happens, an element is had by one, once; and what nobody has is still there, but for
 * what a primary took with it (sim_death), and for one element of each pop that may have been
 * executed. */
#include "sim/support/sim.h"

#include "core/reply.h"
#include "node/value_list.h"
#include "node/value_zset.h"

#include <stdlib.h>

#define ZSETS 8 /* from here on the queues are sorted sets */

typedef enum pop_way {
    BLPOP,
    BRPOP,
    BLMPOP,
    BLMOVE,
    BRPOPLPUSH,
    BLPOP_PAIR,
    BZPOPMIN,
    BZPOPMAX
} pop_way;

static const char *queue_name(unsigned queue, char dst[32]) {
    bool paired = queue == SIM_PAIR || queue == SIM_PAIR + 1;
    snprintf(dst, 32, paired ? "{q}%u" : "queue:%u", queue);
    return dst;
}

int queue_slot(unsigned queue) {
    char name[32];
    return slot_of_key(slice_text(queue_name(queue, name)));
}

/* Those that share elements are checked as one. */
static unsigned group_of(unsigned queue) {
    return queue == SIM_PAIR + 1 ? SIM_PAIR : queue;
}

static unsigned other_of(unsigned queue) {
    return queue == SIM_PAIR ? SIM_PAIR + 1 : queue == SIM_PAIR + 1 ? SIM_PAIR : queue;
}

static bool is_move(unsigned way) {
    return way == BLMOVE || way == BRPOPLPUSH;
}

/* ------------------------------------------------------------------- submitting */

static size_t split(char *text, kw_slice argv[8]) {
    size_t argc = 0;
    char *rest = NULL;
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        argv[argc++] = slice_text(word);
    }
    return argc;
}

void queue_push(sim_client *k, unsigned queue) {
    char name[32];
    char text[128];
    kw_slice argv[8];
    size_t index = load_add(k, SIM_PUSH, queue);
    (void)queue_name(queue, name);
    if (queue >= ZSETS) {
        snprintf(text, sizeof text, "ZADD %s %zu %u.%zu", name, index, queue, index);
    } else {
        snprintf(text, sizeof text, "%s %s %u.%zu", sim_chance(k->s, 50) ? "LPUSH" : "RPUSH", name,
                 queue, index);
    }
    k->s->commands[index].timeout_us = 5 * SIM_S;
    size_t argc = split(text, argv);
    load_send(k, index, argv, argc, 5 * SIM_S);
}

static pop_way any_way(sim *s, unsigned queue) {
    if (queue >= ZSETS) {
        return sim_chance(s, 50) ? BZPOPMIN : BZPOPMAX;
    }
    static const pop_way ways[] = {BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH, BLPOP_PAIR};
    bool paired = other_of(queue) != queue;
    return ways[prng_below(&s->prng, paired ? COUNT_OF(ways) : 3)];
}

/* K: the queue, L: the other one of a pair, T: the time. */
static void send_pop(sim_client *k, size_t index, const char *seconds, uint64_t timeout_us) {
    static const char *const forms[] = {
        [BLPOP] = "BLPOP K T",
        [BRPOP] = "BRPOP K T",
        [BLMPOP] = "BLMPOP T 1 K LEFT",
        [BLMOVE] = "BLMOVE K L LEFT RIGHT T",
        [BRPOPLPUSH] = "BRPOPLPUSH K L T",
        [BLPOP_PAIR] = "BLPOP K L T",
        [BZPOPMIN] = "BZPOPMIN K T",
        [BZPOPMAX] = "BZPOPMAX K T",
    };
    const sim_command *c = &k->s->commands[index];
    char text[64];
    char name[32];
    char other[32];
    kw_slice argv[8];
    snprintf(text, sizeof text, "%s", forms[c->way]);
    size_t argc = split(text, argv);
    for (size_t i = 1; i < argc; i++) {
        if (slice_is(argv[i], "K")) {
            argv[i] = slice_text(queue_name(c->key, name));
        } else if (slice_is(argv[i], "L")) {
            argv[i] = slice_text(queue_name(other_of(c->key), other));
        } else if (slice_is(argv[i], "T")) {
            argv[i] = slice_text(seconds);
        }
    }
    load_send(k, index, argv, argc, timeout_us);
}

/* block_us 0: for ever, until the deadline; SIM_NEVER: for ever. */
void queue_pop(sim_client *k, unsigned queue, uint64_t block_us) {
    sim *s = k->s;
    char seconds[32] = "0";
    size_t index = load_add(k, SIM_POP, queue);
    sim_command *c = &s->commands[index];
    uint64_t given_us = 0;
    c->way = (uint8_t)any_way(s, queue);
    c->block_us = block_us;
    c->element = SIM_NOTHING;
    c->endless = block_us == SIM_NEVER;
    if (block_us == 0) {
        given_us = prng_range(&s->prng, 50 * SIM_MS, 2 * SIM_S);
        c->timeout_us = given_us;
    } else if (!c->endless) {
        snprintf(seconds, sizeof seconds, "%.3f", (double)block_us / 1e6);
        c->timeout_us = block_us + 5 * SIM_S;
    }
    send_pop(k, index, seconds, given_us);
}

void queue_step(sim_client *k) {
    sim *s = k->s;
    unsigned queue = (unsigned)prng_below(&s->prng, SIM_QUEUES);
    if (sim_chance(s, 50)) {
        queue_push(k, queue);
        return;
    }
    unsigned dice = (unsigned)prng_below(&s->prng, 100);
    uint64_t block_us = dice < 5 ? SIM_NEVER
                        : dice < 20
                            ? 0
                            : prng_range(&s->prng, 1, sim_chance(s, 80) ? 300 : 2500) * SIM_MS;
    queue_pop(k, queue, block_us);
}

void queue_wake_endless(sim *s) {
    size_t count = s->command_count;
    for (size_t i = 0; i < count; i++) {
        const sim_command *c = &s->commands[i];
        if (c->kind == SIM_POP && c->endless && !c->done) {
            queue_push(&s->clients[c->client], c->key);
        }
    }
}

/* --------------------------------------------------------------------- replies */

/* The element in the reply: alone, behind its key, or in an array behind it. */
static const char *find_element(const sim_command *c, const kw_reply *reply) {
    if (kw_reply_type(reply) == KW_TYPE_NULL) {
        return NULL;
    }
    if (!is_move(c->way)) {
        reply = kw_reply_count(reply) > 1 ? kw_reply_at(reply, 1) : reply;
        reply = c->way == BLMPOP && kw_reply_count(reply) == 1 ? kw_reply_at(reply, 0) : reply;
    }
    return kw_reply_string(reply, NULL);
}

/* Never before its time, nor long after it: on a second node it waits for what is left of it. */
static void check_patience(sim *s, size_t index) {
    const sim_command *c = &s->commands[index];
    const kw_trace *t = c->trace;
    uint64_t took_us = s->now_us - c->submitted_us;
    if (c->block_us == 0 || c->endless) {
        sim_fail(s, "command %zu waits for ever, and got nothing", index);
    }
    if (took_us + 2 * SIM_MS < c->block_us) {
        sim_fail(s, "command %zu got nothing %llu us before its time", index,
                 (unsigned long long)(c->block_us - took_us));
    }
    unsigned slow = 1u << TROUBLE_PAUSE | 1u << TROUBLE_SLOW | 1u << TROUBLE_HANG;
    if (s->chosen & slow || t->hop_count == 0 || t->hop_count > LIMIT_TRACE_HOPS) {
        return;
    }
    uint64_t begun_us = t->hops[0].start_us + c->block_us;
    uint64_t last_us = t->hops[t->hop_count - 1].start_us;
    uint64_t due_us = begun_us > last_us ? begun_us : last_us;
    if (took_us > due_us + 500 * SIM_MS) {
        sim_fail(s, "command %zu got nothing %llu us after its time", index,
                 (unsigned long long)(took_us - due_us));
    }
}

void queue_take_reply(sim *s, size_t index, const kw_reply *reply) {
    sim_command *c = &s->commands[index];
    const char *text = find_element(c, reply);
    unsigned queue = 0;
    size_t element = 0;
    c->unsettled = !truth_is_settled(s, queue_slot(c->key), c->submitted_us);
    if (!text) {
        check_patience(s, index);
        return;
    }
    if (sscanf(text, "%u.%zu", &queue, &element) != 2 || element >= s->command_count ||
        s->commands[element].kind != SIM_PUSH || s->commands[element].key != queue ||
        group_of(queue) != group_of(c->key)) {
        sim_fail(s, "command %zu popped what nobody pushed to queue %u: %s", index, c->key, text);
    }
    c->element = element;
}

/* -------------------------------------------------------------------- in the end */

/* What is known of one element. */
typedef struct fate {
    unsigned found; /* how often it is there */
    bool had_lost;  /* somebody had it, at a node that died: it may be back */
    size_t had_by;  /* somebody else: the number after the command's; 0: nobody */
} fate;

typedef struct queue_history {
    sim *s;
    fate *fates; /* by command: of the PUSHes */
} queue_history;

static void count_element(queue_history *h, kw_slice text) {
    unsigned queue = 0;
    size_t element = 0;
    char copy[64];
    (void)slice_copy(copy, sizeof copy, text);
    if (sscanf(copy, "%u.%zu", &queue, &element) != 2 || element >= h->s->command_count ||
        h->s->commands[element].kind != SIM_PUSH) {
        sim_fail(h->s, "a queue holds what nobody pushed: %s", copy);
    }
    h->fates[element].found++;
}

static void count_queue(queue_history *h, unsigned queue) {
    sim *s = h->s;
    char name[32];
    uint16_t owner = fleet_view(s->fleet)->owner[queue_slot(queue)];
    struct node *n = owner == NODE_NOBODY ? NULL : fleet_node(s->fleet, owner);
    assert_non_null(n);
    const keyspace_entry *e =
        keyspace_peek(n->keys, slice_text(queue_name(queue, name)), s->now_us / 1000);
    size_t count = !e              ? 0
                   : queue < ZSETS ? value_list_count(e->object)
                                   : value_zset_count(e->object);
    for (size_t i = 0; i < count; i++) {
        count_element(h, queue < ZSETS ? value_list_at(e->object, i)
                                       : zset_node_member(value_zset_at(e->object, i)));
    }
}

static void count_pop(queue_history *h, size_t index) {
    sim *s = h->s;
    const sim_command *c = &s->commands[index];
    if (c->status != KW_OK && c->outcome == KW_NO_EFFECT) {
        sim_fail(s, "command %zu, a pop, has no effect?", index);
    }
    if (c->status != KW_OK || c->element == SIM_NOTHING) {
        return;
    }
    if (s->commands[c->element].submitted_us > c->ended_us) {
        sim_fail(s, "command %zu popped what command %zu pushed later", index, c->element);
    }
    fate *f = &h->fates[c->element];
    if (is_move(c->way)) {
        return;
    }
    if (history_may_be_lost(s, c)) {
        f->had_lost = true;
        return;
    }
    if (f->had_by != 0) {
        sim_fail(s, "command %zu's element was popped twice, by %zu and by %zu", c->element,
                 f->had_by - 1, index);
    }
    f->had_by = index + 1;
}

/* It is there, or somebody has it; false: it is missing. */
static bool check_push(queue_history *h, size_t index) {
    sim *s = h->s;
    const sim_command *c = &s->commands[index];
    const fate *f = &h->fates[index];
    if (f->found > 1) {
        sim_fail(s, "command %zu was executed twice: its element is there %u times", index,
                 f->found);
    }
    if (f->found > 0 && f->had_by != 0) {
        sim_fail(s, "command %zu's element was popped by %zu, and is still there", index,
                 f->had_by - 1);
    }
    bool executed = f->found > 0 || f->had_by != 0;
    if (c->status != KW_OK && c->outcome != KW_MAYBE_EXECUTED && executed) {
        sim_fail(s, "command %zu was executed; status %d, outcome %d", index, (int)c->status,
                 (int)c->outcome);
    }
    return executed || f->had_lost || c->status != KW_OK || history_may_be_lost(s, c);
}

/* One that nobody has touched, or not before this pop had ended. */
static bool lay_there(const queue_history *h, size_t index, const sim_command *pop) {
    const sim_command *c = &h->s->commands[index];
    const fate *f = &h->fates[index];
    bool untouched = f->found == 1 ||
                     (f->had_by != 0 && h->s->commands[f->had_by - 1].submitted_us > pop->ended_us);
    return c->kind == SIM_PUSH && c->key == pop->key && c->status == KW_OK &&
           c->ended_us < pop->submitted_us && untouched;
}

/* Who got nothing, after it had waited, was right. */
static void check_nothing(const queue_history *h, size_t index) {
    sim *s = h->s;
    const sim_command *c = &s->commands[index];
    bool told = c->status == KW_OK && c->element == SIM_NOTHING && !c->unsettled;
    if (!told || s->death_count > 0 || other_of(c->key) != c->key) {
        return;
    }
    for (size_t i = 0; i < index; i++) {
        if (lay_there(h, i, c)) {
            sim_fail(s,
                     "command %zu got nothing from queue %u, and command %zu's element was there",
                     index, c->key, i);
        }
    }
}

void queue_check(sim *s) {
    static queue_history h; /* static: a failure is no leak */
    unsigned missing[SIM_QUEUES] = {0};
    unsigned taken[SIM_QUEUES] = {0};
    free(h.fates);
    h = (queue_history){.s = s, .fates = calloc(s->command_count + 1, sizeof *h.fates)};
    for (unsigned queue = 0; queue < SIM_QUEUES; queue++) {
        count_queue(&h, queue);
    }
    for (size_t i = 0; i < s->command_count; i++) {
        const sim_command *c = &s->commands[i];
        if (c->kind == SIM_POP) {
            count_pop(&h, i);
            taken[group_of(c->key)] += c->status != KW_OK && c->outcome == KW_MAYBE_EXECUTED;
        }
    }
    for (size_t i = 0; i < s->command_count; i++) {
        const sim_command *c = &s->commands[i];
        if (c->kind == SIM_PUSH) {
            missing[group_of(c->key)] += !check_push(&h, i);
        } else if (c->kind == SIM_POP) {
            check_nothing(&h, i);
        }
    }
    for (unsigned queue = 0; queue < SIM_QUEUES; queue++) {
        if (missing[queue] > taken[queue]) {
            sim_fail(s, "%u elements of queue %u are missing, and only %u pops may have taken one",
                     missing[queue], queue, taken[queue]);
        }
    }
}
