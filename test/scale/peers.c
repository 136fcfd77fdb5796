/* The refresh rules of other clients, as their sources and documents state them, without their
 * code: when each asks for the slot map, and whom.
 *
 * redis-py 5 (RedisCluster): after every fifth MOVED (reinitialize_steps), after each connection
 * error, and on CLUSTERDOWN; MOVED mends the one slot. It asks the nodes that it knows in their
 * order, the first that answers; one that failed goes to the end. A command is tried four times.
 *
 * go-redis 9 (ClusterClient): on MOVED, ASK and READONLY, and when the map is older than 10 s as a
 * command is sent; one reload at a time, and none within 200 ms after one. It asks a random node. A
 * command is tried four times, with pauses of 8 to 512 ms; MOVED mends nothing, but is followed.
 *
 * libvalkey 0.1 (asynchronous): on MOVED and on failed connections; not while one is under way, nor
 * within a second after one. It asks a random node it has a connection to. MOVED is followed. */
#include "scale/scale.h"

#define TRIES 4
#define PY_STEPS 5
#define GO_PAUSE_US (SCALE_S / 5)
#define GO_OLD_US (10 * SCALE_S)
#define VALKEY_PAUSE_US SCALE_S

typedef struct peer {
    world *w;
    tally *t;
    prng random;
    uint64_t now_us;
    uint16_t owner[SLOT_COUNT];
    uint64_t asked_us; /* last */
    unsigned moved_count;
    unsigned first; /* redis-py: the head of its list */
} peer;

static unsigned node_count(const peer *p) {
    return 2 * p->w->primary_count;
}

/* True if the node gave its view. */
static bool ask(peer *p, unsigned node) {
    if (!world_is_up(p->w, node, p->now_us)) {
        return false;
    }
    tally_view(p->t, p->w, node, p->now_us);
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        p->owner[slot] = (uint16_t)world_owner(p->w, slot, p->now_us);
    }
    p->asked_us = p->now_us;
    return true;
}

static void ask_any(peer *p) {
    for (unsigned i = 0; i < node_count(p); i++) {
        if (ask(p, (unsigned)prng_below(&p->random, node_count(p)))) {
            return;
        }
    }
}

static void ask_in_order(peer *p) {
    for (unsigned i = 0; i < node_count(p); i++) {
        if (ask(p, (p->first + i) % node_count(p))) {
            return;
        }
    }
}

static void start(peer *p, world *w, uint64_t seed, tally *t) {
    *p = (peer){.w = w, .t = t};
    prng_init(&p->random, seed);
    p->now_us = prng_below(&p->random, SCALE_S);
    p->first = (unsigned)prng_below(&p->random, node_count(p));
}

/* Goes to the time of the next command; false: the minute is over. */
static bool next_command(peer *p, int *ret_slot) {
    p->now_us += prng_below(&p->random, 2 * COMMAND_EVERY_US);
    *ret_slot = (int)prng_below(&p->random, SLOT_COUNT);
    p->t->commands += p->now_us < SCALE_MINUTE;
    return p->now_us < SCALE_MINUTE;
}

void run_redis_py(world *w, uint64_t seed, tally *t) {
    static peer p;
    int slot;
    start(&p, w, seed, t);
    ask_in_order(&p);
    while (next_command(&p, &slot)) {
        bool done = false;
        for (int i = 0; i < TRIES && !done; i++) {
            unsigned node = p.owner[slot];
            unsigned owner = world_owner(w, slot, p.now_us);
            p.now_us += 2 * LATENCY_US;
            if (!world_is_up(w, node, p.now_us)) {
                p.first = node == p.first ? (node + 1) % node_count(&p) : p.first;
                ask_in_order(&p);
            } else if (node != owner) {
                t->redirects++;
                p.owner[slot] = (uint16_t)owner;
                if (++p.moved_count % PY_STEPS == 0) {
                    ask_in_order(&p);
                }
            } else {
                done = true;
            }
        }
        t->failures += !done;
    }
}

static void go_reload(peer *p) {
    if (p->now_us >= p->asked_us + GO_PAUSE_US) {
        ask_any(p);
    }
}

void run_go_redis(world *w, uint64_t seed, tally *t) {
    static peer p;
    int slot;
    start(&p, w, seed, t);
    ask_any(&p);
    while (next_command(&p, &slot)) {
        if (p.now_us > p.asked_us + GO_OLD_US) {
            go_reload(&p);
        }
        unsigned node = p.owner[slot];
        bool done = false;
        for (int i = 0; i < TRIES && !done; i++) {
            unsigned owner = world_owner(w, slot, p.now_us);
            p.now_us += 2 * LATENCY_US;
            if (!world_is_up(w, node, p.now_us)) {
                p.now_us += prng_below(&p.random, UINT64_C(8000) << i);
                node = p.owner[slot];
            } else if (node != owner) {
                t->redirects++;
                go_reload(&p);
                node = owner;
            } else {
                done = true;
            }
        }
        t->failures += !done;
    }
}

static void valkey_update(peer *p) {
    if (p->now_us >= p->asked_us + VALKEY_PAUSE_US) {
        ask_any(p);
    }
}

void run_libvalkey(world *w, uint64_t seed, tally *t) {
    static peer p;
    int slot;
    start(&p, w, seed, t);
    ask_any(&p);
    while (next_command(&p, &slot)) {
        unsigned node = p.owner[slot];
        unsigned owner = world_owner(w, slot, p.now_us);
        p.now_us += 2 * LATENCY_US;
        if (!world_is_up(w, node, p.now_us)) {
            t->failures++;
            valkey_update(&p);
        } else if (node != owner) {
            t->redirects++;
            valkey_update(&p);
            p.now_us += 2 * LATENCY_US;
            t->failures += !world_is_up(w, owner, p.now_us);
        }
    }
}
