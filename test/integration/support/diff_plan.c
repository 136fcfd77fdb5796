#include "integration/support/diff_plan.h"

#include "integration/support/diff_value.h"
#include "unit/support/words.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOBODY = -1, HOT_TAGS = 3, FIRST_COMMANDS = 8 };

/* The connections to a node. */
enum {
    PLAIN,
    RESP3,
    READONLY,
    READONLY_RESP3,
    OTHER,
    TRACKING, /* with RESP3 and CLIENT TRACKING */
    SUBSCRIBER,
    SUBSCRIBER_RESP3,
    BLOCKER,
    BLOCKER_RESP3,
    ADMIN, /* for administration alone */
    GUEST  /* who is refused */
};

diff_lane_kind diff_kind_of(int connection) {
    switch (connection / DIFF_NODES) {
    case SUBSCRIBER:
    case SUBSCRIBER_RESP3:
        return DIFF_LANE_SUBSCRIBER;
    case BLOCKER:
    case BLOCKER_RESP3:
        return DIFF_LANE_BLOCKER;
    default:
        return DIFF_LANE_PLAIN;
    }
}

/* A slot as the commands sent so far should have left it. */
typedef struct slot_state {
    int owner;
    int source; /* marked MIGRATING there; NOBODY: not */
    int target; /* marked IMPORTING there */
} slot_state;

typedef struct maker {
    diff_plan *plan;
    const diff_grammar *grammar;
    const diff_tag *tags;
    prng random;
    int hot[HOT_TAGS];
    slot_state slots[DIFF_TAGS];
    bool greeted[DIFF_CONNECTIONS];
    bool in_multi[DIFF_CONNECTIONS];
} maker;

/* ------------------------------------------------------------------------------- the tags */

void diff_tags_choose(const redis_cluster *cluster, diff_tag tags[DIFF_TAGS]) {
    int left[DIFF_PRIMARIES];
    size_t count = 0;
    for (int i = 0; i < DIFF_PRIMARIES; i++) {
        left[i] = DIFF_TAGS / DIFF_PRIMARIES;
    }
    for (int number = 0; count < DIFF_TAGS; number++) {
        diff_tag *tag = &tags[count];
        snprintf(tag->text, sizeof tag->text, "t%u", (unsigned)number % 1000);
        tag->slot = kw_key_slot(tag->text, strlen(tag->text));
        tag->owner = redis_cluster_first_owner(cluster, tag->slot);
        if (left[tag->owner] > 0 &&
            redis_cluster_first_owner(cluster, tag->slot + 1) == tag->owner) {
            left[tag->owner]--;
            count++;
        }
    }
}

/* ------------------------------------------------------------------------------ the steps */

static void add_words(maker *m, int connection, const kw_slice *argv, size_t argc) {
    diff_plan *plan = m->plan;
    if (plan->count == plan->capacity) {
        plan->capacity = plan->capacity ? 2 * plan->capacity : 256;
        plan->steps = realloc(plan->steps, plan->capacity * sizeof *plan->steps);
        assert_non_null(plan->steps);
    }
    size_t bytes = argc * sizeof *argv;
    for (size_t i = 0; i < argc; i++) {
        bytes += argv[i].len;
    }
    kw_slice *copy = malloc(bytes);
    assert_non_null(copy);
    char *to = (char *)(copy + argc);
    for (size_t i = 0; i < argc; i++) {
        memcpy(to, argv[i].data, argv[i].len);
        copy[i] = slice_of(to, argv[i].len);
        to += argv[i].len;
    }
    plan->steps[plan->count++] = (diff_step){connection, argc, copy};
}

static void add(maker *m, int connection, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void add(maker *m, int connection, const char *format, ...) {
    char line[1024];
    char bytes[1024];
    kw_slice argv[DIFF_ARGUMENTS_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    add_words(m, connection, argv, words_read(line, argv, DIFF_ARGUMENTS_MAX, bytes));
}

void diff_plan_done(diff_plan *plan) {
    for (size_t i = 0; i < plan->count; i++) {
        free(plan->steps[i].argv);
    }
    free(plan->steps);
    *plan = (diff_plan){0};
}

void diff_step_write(buffer *b, const diff_step *step) {
    int lane = step->connection / DIFF_NODES;
    const char letter[2] = {(char)(lane > 0 ? 'a' + lane - 1 : '\0'), '\0'};
    assert_true(buffer_printf(b, "%d%s ", step->connection % DIFF_NODES, letter));
    diff_write_command(b, step->argv, step->argc);
}

/* -------------------------------------------------------------------------- administration */

static int admin(int node) {
    return node + DIFF_NODES * ADMIN;
}

static uint64_t below(maker *m, uint64_t bound) {
    return prng_below(&m->random, bound);
}

static int other_primary(maker *m, int than) {
    return (than + 1 + (int)below(m, DIFF_PRIMARIES - 1)) % DIFF_PRIMARIES;
}

static void open_slot(maker *m, int tag) {
    slot_state *s = &m->slots[tag];
    int slot = m->tags[tag].slot;
    int target = other_primary(m, s->owner);
    uint64_t kind = below(m, 10); /* mostly both ends, but one may be forgotten */
    if (kind != 0) {
        add(m, admin(target), "CLUSTER SETSLOT %d IMPORTING @ID%d", slot, s->owner);
        s->target = target;
    }
    if (kind != 1) {
        add(m, admin(s->owner), "CLUSTER SETSLOT %d MIGRATING @ID%d", slot, target);
        s->source = s->owner;
    }
}

static void move_keys(maker *m, int tag, int from, int to, bool all) {
    char line[1024];
    const char *name = m->tags[tag].text;
    int len = snprintf(line, sizeof line, "MIGRATE 127.0.0.1 @P%d \"\" 0 5000 REPLACE KEYS", to);
    for (const char *kind = "shleznx"; *kind; kind++) {
        for (int i = 0; i < 3; i++) {
            if (all || below(m, 5) == 0) {
                len += snprintf(line + len, sizeof line - (size_t)len, " {%s}%c%d", name, *kind, i);
            }
        }
    }
    add(m, admin(from), "%s", line);
}

static void finish_move(maker *m, int tag) {
    slot_state *s = &m->slots[tag];
    int slot = m->tags[tag].slot;
    int from = s->owner;
    int to = s->target;
    move_keys(m, tag, from, to, true);
    add(m, admin(to), "CLUSTER SETSLOT %d NODE @ID%d", slot, to);
    add(m, admin(from), "CLUSTER SETSLOT %d NODE @ID%d", slot, to);
    *s = (slot_state){to, NOBODY, NOBODY};
}

static void close_slot(maker *m, int tag) {
    slot_state *s = &m->slots[tag];
    for (int i = 0; i < DIFF_PRIMARIES; i++) {
        if (i == s->source || i == s->target || below(m, 4) == 0) {
            add(m, admin(i), "CLUSTER SETSLOT %d STABLE", m->tags[tag].slot);
        }
    }
    s->source = NOBODY;
    s->target = NOBODY;
}

/* Takes a slot from everyone: the owner first, or its word would spread again. */
static void make_hole(maker *m, int tag) {
    slot_state *s = &m->slots[tag];
    add(m, admin(s->owner), "CLUSTER DELSLOTS %d", m->tags[tag].slot);
    for (int i = 0; i < DIFF_NODES; i++) {
        if (i != s->owner) {
            add(m, admin(i), "CLUSTER DELSLOTS %d", m->tags[tag].slot);
        }
    }
    *s = (slot_state){NOBODY, NOBODY, NOBODY};
}

/* By an import, of which a node tells all others at once. */
static void fill_hole(maker *m, int tag) {
    slot_state *s = &m->slots[tag];
    int owner = (int)below(m, DIFF_PRIMARIES);
    add(m, admin(owner), "CLUSTER SETSLOT %d IMPORTING @ID%d", m->tags[tag].slot,
        other_primary(m, owner));
    add(m, admin(owner), "CLUSTER SETSLOT %d NODE @ID%d", m->tags[tag].slot, owner);
    *s = (slot_state){owner, NOBODY, NOBODY};
}

/* What decides while the cluster is down. */
static void choose_settings(maker *m) {
    static const char *const settings[] = {"cluster-require-full-coverage no",
                                           "cluster-allow-reads-when-down yes",
                                           "cluster-allow-pubsubshard-when-down no"};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        if (below(m, 2)) {
            for (int node = 0; node < DIFF_NODES; node++) {
                add(m, admin(node), "CONFIG SET %s", settings[i]);
            }
        }
    }
}

/* Two keys that are both at the importing node. */
static void write_ahead(maker *m, int tag) {
    const char *name = m->tags[tag].text;
    int target = m->slots[tag].target;
    for (int i = 0; i < 2; i++) {
        add(m, admin(target), "ASKING");
        add(m, admin(target), "SET {%s}s%d ahead", name, i);
    }
    add(m, admin(target), "ASKING");
    add(m, admin(target), "MGET {%s}s0 {%s}s1", name, name);
}

/* Writes are refused while there are not as many replicas as wanted: there is one. */
static void want_replicas(maker *m, int tag) {
    const char *name = m->tags[tag].text;
    int node = m->tags[tag].owner + (below(m, 3) == 0 ? DIFF_PRIMARIES : 0);
    int guest = node + DIFF_NODES * GUEST;
    add(m, admin(node), "CONFIG SET min-replicas-to-write %d min-replicas-max-lag %d",
        1 + (int)below(m, 2), below(m, 4) == 0 ? 0 : 10);
    add(m, guest, "SET {%s}s0 wanted", name);
    add(m, guest, "GET {%s}s0", name);
    add(m, guest, "FLUSHALL");
    add(m, guest, "MULTI");
    add(m, guest, "DEL {%s}s1", name);
    add(m, guest, "EXEC");
    add(m, guest, "QUIT");
    add(m, admin(node), "CONFIG SET min-replicas-to-write 0 min-replicas-max-lag 10");
}

/* A connection that may not do what it asks for; then it is gone. */
static void visit_as_guest(maker *m, int tag) {
    const char *name = m->tags[tag].text;
    int node = (int)below(m, DIFF_PRIMARIES);
    int guest = node + DIFF_NODES * GUEST;
    switch (below(m, 4)) {
    case 0:
        add(m, admin(node), "CONFIG SET requirepass secret");
        add(m, guest, "GET {%s}s0", name);
        add(m, guest, "AUTH wrong");
        add(m, guest, "HELLO 3");
        add(m, guest, "AUTH secret");
        add(m, guest, "GET {%s}s0", name);
        add(m, guest, "QUIT");
        add(m, admin(node), "CONFIG SET requirepass \"\"");
        break;
    case 1:
        add(m, admin(node), "ACL SETUSER guest on nopass ~* &* -@all +get +multi +exec +quit");
        add(m, guest, "AUTH guest x");
        add(m, guest, "GET {%s}s0", name);
        add(m, guest, "SET {%s}s0 1", name);
        add(m, guest, "MULTI");
        add(m, guest, "INCR {%s}s0", name);
        add(m, guest, "EXEC");
        add(m, guest, "QUIT");
        add(m, admin(node), "ACL DELUSER guest");
        break;
    case 2:
        add(m, guest, "MULTI");
        add(m, guest, "SHUTDOWN ABORT");
        add(m, guest, "EXEC");
        break;
    default: /* all at once, before there is anything to be told */
        add(m, guest, "MONITOR");
        add(m, guest, "GET {%s}s0", name);
        add(m, guest, "QUIT");
        break;
    }
}

/* One node is without a slot for a while, and calls the cluster down; what was queued before is
 * executed then. */
static void bring_down(maker *m, int tag) {
    const char *name = m->tags[tag].text;
    int node = m->tags[tag].owner;
    int guest = node + DIFF_NODES * GUEST;
    add(m, guest, "MULTI");
    add(m, guest, "SET {%s}s0 queued", name);
    add(m, admin(node),
        "CONFIG SET cluster-require-full-coverage yes cluster-allow-reads-when-down %s "
        "cluster-allow-pubsubshard-when-down %s",
        below(m, 2) ? "yes" : "no", below(m, 2) ? "yes" : "no");
    add(m, admin(node), "CLUSTER DELSLOTS %d", m->tags[tag].slot + 1);
    add(m, guest, "EXEC");
    add(m, guest, "GET {%s}s0", name);
    add(m, guest, "SET {%s}s0 1", name);
    add(m, guest, "SPUBLISH {%s}ch0 x", name);
    add(m, guest, "QUIT");
    add(m, admin(node), "CLUSTER ADDSLOTS %d", m->tags[tag].slot + 1);
}

static void administrate(maker *m, int tag) {
    slot_state *s = &m->slots[tag];
    uint64_t chance = below(m, 100);
    if (s->owner == NOBODY) {
        fill_hole(m, tag);
    } else if (s->source != NOBODY && s->target != NOBODY) {
        if (chance < 12) {
            write_ahead(m, tag);
        } else if (chance < 55) {
            move_keys(m, tag, s->source, s->target, false);
        } else if (chance < 80) {
            finish_move(m, tag);
        } else {
            close_slot(m, tag);
        }
    } else if (s->source != NOBODY || s->target != NOBODY) {
        close_slot(m, tag);
    } else if (chance < 85) {
        open_slot(m, tag);
    } else {
        make_hole(m, tag);
    }
}

/* ------------------------------------------------------------------------------- commands */

static int choose_node(maker *m, int tag) {
    const slot_state *s = &m->slots[tag];
    uint64_t chance = below(m, 100);
    if (s->target != NOBODY && chance < 35) {
        return s->target;
    }
    if (s->owner == NOBODY || chance > 90) {
        return (int)below(m, DIFF_NODES);
    }
    return chance < 80 ? s->owner : s->owner + DIFF_PRIMARIES;
}

/* The first words on a connection make it what it is. */
static int choose_connection(maker *m, int node) {
    static const int lanes[] = {PLAIN,   PLAIN,        PLAIN,    PLAIN,      RESP3,
                                RESP3,   RESP3,        READONLY, READONLY,   READONLY_RESP3,
                                OTHER,   OTHER,        TRACKING, SUBSCRIBER, SUBSCRIBER_RESP3,
                                BLOCKER, BLOCKER_RESP3};
    int lane = lanes[below(m, sizeof lanes / sizeof *lanes)];
    if (lane == SUBSCRIBER || lane == SUBSCRIBER_RESP3) { /* few, which hear much */
        node = m->tags[m->hot[0]].owner + (below(m, 3) == 0 ? DIFF_PRIMARIES : 0);
    }
    int connection = node + DIFF_NODES * lane;
    if (!m->greeted[connection]) {
        m->greeted[connection] = true;
        if (lane == RESP3 || lane == READONLY_RESP3 || lane == TRACKING ||
            lane == SUBSCRIBER_RESP3 || lane == BLOCKER_RESP3) {
            add(m, connection, "HELLO 3");
        }
        if (lane == READONLY || lane == READONLY_RESP3) {
            add(m, connection, "READONLY");
        }
        if (lane == TRACKING) {
            add(m, connection, "CLIENT TRACKING ON");
        }
    }
    return connection;
}

static void note_transaction(maker *m, int connection, const diff_words *w) {
    if (slice_is_nocase(w->argv[0], "multi")) {
        m->in_multi[connection] = true;
    } else if (slice_is_nocase(w->argv[0], "exec") || slice_is_nocase(w->argv[0], "discard") ||
               slice_is_nocase(w->argv[0], "reset")) {
        m->in_multi[connection] = false;
    }
}

/* A real node that is told to migrate keys to itself waits until the time given is over. */
static void avoid_itself(diff_words *w, int node) {
    char own[8];
    char other[8];
    snprintf(own, sizeof own, "@P%d", node);
    snprintf(other, sizeof other, "@P%d", (node + 1) % DIFF_NODES);
    if (slice_is_nocase(w->argv[0], "migrate") && w->argc > 2 && slice_is(w->argv[2], own)) {
        memcpy((char *)w->argv[2].data, other, w->argv[2].len);
    }
}

static void add_special_command(maker *m, int connection, int tag) {
    diff_words w;
    bool blocks = diff_kind_of(connection) == DIFF_LANE_BLOCKER;
    diff_grammar_make(m->grammar, blocks ? "blocking" : "subscriber", &m->random, m->tags[tag].text,
                      &w);
    add_words(m, connection, w.argv, w.argc);
}

static void add_command(maker *m, int connection, int tag) {
    diff_words w;
    const slot_state *s = &m->slots[tag];
    bool importing = s->target == connection % DIFF_NODES;
    if (m->in_multi[connection] && below(m, 5) == 0) {
        add(m, connection, below(m, 6) ? "EXEC" : "DISCARD");
        m->in_multi[connection] = false;
        return;
    }
    if (!m->in_multi[connection] && below(m, importing ? 2 : 100) == 0) {
        add(m, connection, "ASKING");
    }
    if (!m->in_multi[connection] && below(m, 20) == 0) {
        add(m, connection, "MULTI");
        m->in_multi[connection] = true;
    }
    diff_grammar_make(m->grammar, NULL, &m->random, m->tags[tag].text, &w);
    avoid_itself(&w, connection % DIFF_NODES);
    note_transaction(m, connection, &w);
    add_words(m, connection, w.argv, w.argc);
}

static void fill_slots(maker *m) {
    for (int i = 0; i < HOT_TAGS * FIRST_COMMANDS; i++) {
        diff_words w;
        const diff_tag *tag = &m->tags[m->hot[i / FIRST_COMMANDS]];
        diff_grammar_make(m->grammar, "beginning", &m->random, tag->text, &w);
        add_words(m, tag->owner, w.argv, w.argc);
    }
}

void diff_plan_make(diff_plan *plan, const diff_grammar *grammar, const diff_tag tags[DIFF_TAGS],
                    uint64_t seed, size_t step_count) {
    maker m = {.plan = plan, .grammar = grammar, .tags = tags};
    prng_init(&m.random, seed);
    for (int i = 0; i < DIFF_TAGS; i++) {
        m.slots[i] = (slot_state){tags[i].owner, NOBODY, NOBODY};
    }
    choose_settings(&m);
    for (int i = 0; i < HOT_TAGS; i++) {
        m.hot[i] = (int)below(&m, DIFF_TAGS);
    }
    fill_slots(&m);
    while (plan->count < step_count) {
        int tag = below(&m, 10) == 0 ? (int)below(&m, DIFF_TAGS) : m.hot[below(&m, HOT_TAGS)];
        if (below(&m, 12) == 0) {
            administrate(&m, tag);
            continue;
        }
        if (below(&m, 25) == 0) {
            switch (below(&m, 4)) {
            case 0:
                bring_down(&m, tag);
                break;
            case 1:
                want_replicas(&m, tag);
                break;
            default:
                visit_as_guest(&m, tag);
                break;
            }
            continue;
        }
        int connection = choose_connection(&m, choose_node(&m, tag));
        bool special = diff_kind_of(connection) != DIFF_LANE_PLAIN;
        for (uint64_t left = 1 + below(&m, special ? 4 : 8); left > 0; left--) {
            if (special) {
                add_special_command(&m, connection, tag);
            } else {
                add_command(&m, connection, tag);
            }
        }
    }
}
