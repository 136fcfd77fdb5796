#include "node/node_fleet.h"

#include "core/limits.h"
#include "core/resp.h"
#include "node/fleet_control.h"
#include "node/fleet_stream.h"
#include "node/node_dump.h"

#include <assert.h>
#include <stdio.h>

#define NEVER UINT64_MAX
#define EXPIRE_EVERY_US 100000
#define FAILOVER_AGAIN_US 50000 /* no replica was there to do it */
#define FAIL_AFTER_MS 250       /* when no failover time says otherwise */

typedef struct member {
    node *node; /* NULL: dead */
    bool paused;
    bool frozen;
    uint64_t life;        /* which of its lives it lives, to tell it from the one before */
    uint16_t source;      /* of a replica: whose keyspace it has, or NODE_NOBODY */
    uint64_t source_life; /* ... of which life */
    stream_inbox inbox;   /* what its primary has sent and it has not run yet */
    int home_slot;        /* when it died: a slot of its shard, or SLOT_NONE */
    uint64_t fail_at_us;  /* the others mark it FAIL then, or NEVER */
    uint64_t failover_at_us;
} member;

struct node_fleet {
    const mem *mem;
    fleet_config config;
    prng random;
    uint16_t count;
    member *members;
    node_view *observer; /* hears everything */
    uint64_t expire_at_us;
    uint64_t replication_delay_us;
    uint64_t lives;
    list ready;
    node_lab lab;
    uint16_t told_owner[SLOT_COUNT]; /* what events have told of the observer's view */
};

/* ---------------------------------------------------------------------------------- gossip */

/* True if the node takes in what others say. */
static bool listens(const member *m) {
    return m->node && !m->paused && !m->frozen;
}

static void settle_roles(node_fleet *f);

/* A node that changed by what it heard speaks up in its turn; each does so at most once a round. */
static void spread(node_fleet *f, uint16_t sender) {
    const node_view *news = f->members[sender].node->view;
    node_view_hear(f->observer, news);
    for (uint16_t i = 0; i < f->count; i++) {
        if (i != sender && listens(&f->members[i])) {
            assert(f->members[i].node);
            node_view_hear(f->members[i].node->view, news);
        }
    }
}

static void spread_all_changes(node_fleet *f) {
    bool again = true;
    while (again) {
        again = false;
        for (uint16_t i = 0; i < f->count; i++) {
            node *n = f->members[i].node;
            if (n && n->view->changed) {
                n->view->changed = false;
                spread(f, i);
                again = true;
            }
        }
    }
    settle_roles(f);
}

static void announce(void *arg, uint16_t self) {
    node_fleet *f = arg;
    f->members[self].node->view->changed = true;
    spread_all_changes(f);
}

/* --------------------------------------------------------------------------- replication */

static bool follows(const node_fleet *f, const member *m, uint16_t primary) {
    return m->node && m->source == primary && m->source_life == f->members[primary].life;
}

static size_t replicas_at(void *arg, uint16_t self, uint64_t offset) {
    const node_fleet *f = arg;
    size_t count = 0;
    for (uint16_t i = 0; i < f->count; i++) {
        const member *m = &f->members[i];
        count += follows(f, m, self) && !m->paused && m->node->offset >= offset;
    }
    return count;
}

static void forget_source(member *m) {
    m->source = NODE_NOBODY;
    inbox_clear(&m->inbox);
}

static void replicate(void *arg, uint16_t self, const kw_slice *argv, size_t argc,
                      uint64_t now_us) {
    node_fleet *f = arg;
    for (uint16_t i = 0; i < f->count; i++) {
        member *m = &f->members[i];
        if (!follows(f, m, self)) {
            continue;
        }
        if (f->replication_delay_us == 0 && !m->paused && inbox_is_empty(&m->inbox)) {
            node_apply(m->node, argv, argc, now_us);
        } else if (!inbox_push(&m->inbox, argv, argc, now_us, now_us + f->replication_delay_us)) {
            forget_source(m); /* too far behind: a full synchronisation follows */
        }
    }
}

static void apply_due(member *m, uint64_t now_us) {
    while (inbox_due_us(&m->inbox) <= now_us) {
        stream_record *record = inbox_take(&m->inbox);
        node_apply(m->node, record->argv, record->argc, record->run_us);
        inbox_done(&m->inbox, record);
    }
}

/* A full synchronisation. If memory is short the replica keeps what it has and tries again later.
 */
static void synchronise(node_fleet *f, member *m, uint16_t primary) {
    node *from = f->members[primary].node;
    keyspace *copy = keyspace_clone(from->keys, m->node->keys->version);
    if (copy) {
        node_replace_keys(m->node, copy, from->offset);
        m->source = primary;
        m->source_life = f->members[primary].life;
        inbox_clear(&m->inbox);
    }
}

static bool deliver(void *arg, kw_slice host, uint16_t port, const kw_slice *auth,
                    size_t auth_count, const kw_slice *argv, size_t argc, uint64_t now_us,
                    buffer *reply) {
    node_fleet *f = arg;
    node *target = NULL;
    for (uint16_t i = 0; i < f->count; i++) {
        const node_peer *peer = &f->observer->peers[i];
        if (peer->port == port && (slice_is(host, peer->host) || slice_is(host, "localhost")) &&
            !f->members[i].paused) {
            target = f->members[i].node;
        }
    }
    node_session *s = target ? node_session_new(target, "127.0.0.1:0", now_us) : NULL;
    if (!s) {
        return false;
    }
    if (auth_count > 0) {
        node_execute(target, s, auth, auth_count, now_us);
    }
    if (slice_starts_with(buffer_slice(&s->out), "+OK") || auth_count == 0) {
        buffer_clear(&s->out, SIZE_MAX);
        node_execute(target, s, argv, argc, now_us);
    }
    bool answered = buffer_append_slice(reply, buffer_slice(&s->out));
    node_session_free(target, s);
    return answered;
}

/* ------------------------------------------------------------------------------------ roles */

static bool is_primary(const node *n) {
    return node_view_self(n->view)->primary;
}

/* Tells of the slots whose owner changed, a run of them in one event. */
static void tell_of_slots(node_fleet *f) {
    const uint16_t *owner = f->observer->owner;
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        uint16_t from = f->told_owner[slot];
        uint16_t to = owner[slot];
        if (from == to) {
            continue;
        }
        int last = slot;
        while (last + 1 < SLOT_COUNT && f->told_owner[last + 1] == from && owner[last + 1] == to) {
            last++;
        }
        char names[2][16];
        char range[24];
        (void)snprintf(names[0], sizeof names[0], from == NODE_NOBODY ? "nobody" : "node %u", from);
        (void)snprintf(names[1], sizeof names[1], to == NODE_NOBODY ? "nobody" : "node %u", to);
        (void)snprintf(range, sizeof range, slot == last ? "slot %d" : "slots %d-%d", slot, last);
        node_events_add(&f->lab.events, f->lab.now_us, EVENT_SLOTS_MOVED, to, "%s: %s -> %s", range,
                        names[0], names[1]);
        slot = last;
    }
    memcpy(f->told_owner, owner, sizeof f->told_owner);
}

/* After any change of views: each replica follows the one that it takes for its primary. */
static void settle_roles(node_fleet *f) {
    for (uint16_t i = 0; i < f->count; i++) {
        member *m = &f->members[i];
        if (!m->node) {
            continue;
        }
        node_view_judge(m->node->view);
        node_redirect_blocked(m->node);
        uint16_t primary = node_view_self(m->node->view)->primary_of;
        const node *source = f->members[primary].node;
        if (is_primary(m->node)) {
            forget_source(m);
        } else if (!follows(f, m, primary) && source && is_primary(source)) {
            synchronise(f, m, primary);
        }
    }
    node_view_judge(f->observer);
    if (memcmp(f->told_owner, f->observer->owner, sizeof f->told_owner) != 0) {
        tell_of_slots(f);
    }
}

static void tell(node_fleet *f, node_event_kind kind, uint16_t index, const char *what) {
    const node_peer *peer = &f->observer->peers[index];
    node_events_add(&f->lab.events, f->lab.now_us, kind, index, "node %u (%s:%u) %s", index,
                    peer->host, peer->port, what);
}

static void mark_failed(node_fleet *f, uint16_t index, bool failed) {
    f->observer->peers[index].failed = failed;
    for (uint16_t i = 0; i < f->count; i++) {
        if (listens(&f->members[i])) {
            f->members[i].node->view->peers[index].failed = failed;
        }
    }
    settle_roles(f);
}

/* ------------------------------------------------------------------------------ construction */

static void name_peer(node_fleet *f, uint16_t index, node_peer *peer) {
    for (size_t i = 0; i + 1 < sizeof peer->id; i++) {
        peer->id[i] = "0123456789abcdef"[prng_below(&f->random, 16)];
    }
    slice_copy(peer->host, sizeof peer->host, slice_text(f->config.host));
    peer->port = f->config.ports[index];
    peer->config_epoch = index + 1u;
    peer->primary = index < f->config.primary_count;
    peer->primary_of = index;
    if (!peer->primary) {
        uint32_t number = (uint32_t)index - f->config.primary_count;
        peer->primary_of = (uint16_t)(number / f->config.replica_count);
    }
}

static void assign_evenly(node_view *view, uint16_t primary_count) {
    for (uint16_t i = 0; i < primary_count; i++) {
        /* rounded as redis-cli --cluster create does */
        int first = (2 * SLOT_COUNT * i + primary_count) / (2 * primary_count);
        int end = (2 * SLOT_COUNT * (i + 1) + primary_count) / (2 * primary_count);
        for (int slot = first; slot < end; slot++) {
            node_view_give(view, slot, i);
        }
    }
    node_view_judge(view);
}

static void control(void *arg, struct node_call *c) {
    fleet_control(arg, c);
}

static kw_status start_node(node_fleet *f, node_view *view, keyspace *keys, uint64_t now_us) {
    node_config config = {
        .mem = f->mem,
        .seed = prng_next(&f->random),
        .user = f->config.user,
        .password = f->config.password,
        .peers = {f, deliver, announce, replicas_at, replicate, f->config.control ? control : NULL},
        .ready = &f->ready,
        .lab = &f->lab,
    };
    member *m = &f->members[view->self];
    kw_status status = node_new(&config, view, keys, now_us, &m->node);
    if (status == KW_OK) {
        m->life = ++f->lives;
        m->source = NODE_NOBODY;
    }
    return status;
}

/* Takes the view over. */
static kw_status add_node(node_fleet *f, node_view *view, uint64_t now_us) {
    keyspace *keys = view ? keyspace_new(f->mem, prng_next(&f->random)) : NULL;
    kw_status status = keys ? start_node(f, view, keys, now_us) : KW_ERR_NOMEM;
    if (status != KW_OK) {
        keyspace_free(keys);
        node_view_free(view);
        return status;
    }
    view->changed = false;
    return KW_OK;
}

static node_view *new_view(node_fleet *f, uint16_t self, const node_peer *peers) {
    node_view *view = node_view_new(f->mem, self, peers, f->count);
    if (view) {
        view->full_coverage_required = f->config.full_coverage_required;
    }
    return view;
}

static kw_status build(node_fleet *f, uint64_t now_us) {
    node_peer *peers = mem_calloc(f->mem, f->count, sizeof *peers);
    f->members = mem_calloc(f->mem, f->count, sizeof *f->members);
    if (!peers || !f->members) {
        mem_free(f->mem, peers);
        mem_free(f->mem, f->members);
        f->members = NULL;
        return KW_ERR_NOMEM;
    }
    for (uint16_t i = 0; i < f->count; i++) {
        name_peer(f, i, &peers[i]);
        inbox_init(&f->members[i].inbox, f->mem, LIMIT_REPLICA_INBOX_BYTES);
    }
    f->observer = new_view(f, NODE_NOBODY, peers);
    kw_status status = f->observer ? KW_OK : KW_ERR_NOMEM;
    if (status == KW_OK) {
        assign_evenly(f->observer, f->config.primary_count);
    }
    for (uint16_t i = 0; status == KW_OK && i < f->count; i++) {
        f->members[i].home_slot = SLOT_NONE;
        f->members[i].fail_at_us = NEVER;
        f->members[i].failover_at_us = NEVER;
        node_view *view = new_view(f, i, peers);
        if (view) {
            assign_evenly(view, f->config.primary_count);
        }
        status = add_node(f, view, now_us);
    }
    mem_free(f->mem, peers);
    if (status == KW_OK) {
        memcpy(f->told_owner, f->observer->owner, sizeof f->told_owner);
        settle_roles(f);
    }
    return status;
}

kw_status fleet_new(const fleet_config *config, uint64_t now_us, node_fleet **ret) {
    uint32_t count = (uint32_t)config->primary_count * (1u + config->replica_count);
    if (config->primary_count == 0 || count >= NODE_NOBODY) {
        return KW_ERR_INVALID;
    }
    node_fleet *f = mem_calloc(config->mem, 1, sizeof *f);
    if (!f) {
        return KW_ERR_NOMEM;
    }
    f->mem = config->mem;
    f->config = *config;
    f->count = (uint16_t)count;
    f->expire_at_us = now_us + EXPIRE_EVERY_US;
    list_init(&f->ready);
    prng_init(&f->random, config->seed);
    node_lab_init(&f->lab, f->mem, ~config->seed, now_us);
    kw_status status = node_log_set_capacity(&f->lab.log, config->log_capacity);
    status = status == KW_OK ? build(f, now_us) : status;
    if (status != KW_OK) {
        fleet_free(f);
        return status;
    }
    f->config.ports = NULL; /* the caller's */
    *ret = f;
    return KW_OK;
}

void fleet_free(node_fleet *f) {
    if (!f) {
        return;
    }
    for (uint16_t i = 0; f->members && i < f->count; i++) {
        node_free(f->members[i].node);
        inbox_clear(&f->members[i].inbox);
    }
    mem_free(f->mem, f->members);
    node_view_free(f->observer);
    node_lab_done(&f->lab);
    mem_free(f->mem, f);
}

/* ----------------------------------------------------------------------------------- asking */

uint16_t fleet_count(const node_fleet *f) {
    return f->count;
}

node *fleet_node(const node_fleet *f, uint16_t index) {
    return index < f->count ? f->members[index].node : NULL;
}

bool fleet_is_paused(const node_fleet *f, uint16_t index) {
    return index < f->count && f->members[index].paused;
}

bool fleet_is_frozen(const node_fleet *f, uint16_t index) {
    return index < f->count && f->members[index].frozen;
}

node_lab *fleet_lab(node_fleet *f) {
    return &f->lab;
}

const node_view *fleet_view(const node_fleet *f) {
    return f->observer;
}

/* ------------------------------------------------------------------------------------ faults */

static int first_slot_of(const node_view *view, uint16_t owner) {
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        if (view->owner[slot] == owner) {
            return slot;
        }
    }
    return SLOT_NONE;
}

/* What a dying primary has not sent yet is lost; its replicas run the rest. */
static void drop_unsent(node_fleet *f, uint16_t primary, uint64_t now_us) {
    for (uint16_t i = 0; i < f->count; i++) {
        member *m = &f->members[i];
        if (follows(f, m, primary)) {
            inbox_drop_after(&m->inbox, now_us);
        }
    }
}

kw_status fleet_kill(node_fleet *f, uint16_t index, uint64_t now_us) {
    node *n = fleet_node(f, index);
    if (!n) {
        return KW_ERR_INVALID;
    }
    member *m = &f->members[index];
    const node_peer *peer = &f->observer->peers[index];
    int delay_ms = f->config.failover_ms;
    uint64_t delay_us = (uint64_t)(delay_ms < 0 ? 2 * FAIL_AFTER_MS : delay_ms) * 1000;
    m->home_slot = first_slot_of(f->observer, peer->primary_of);
    m->paused = false;
    m->frozen = false;
    m->node = NULL;
    inbox_clear(&m->inbox);
    drop_unsent(f, index, now_us);
    m->fail_at_us = now_us + delay_us / 2;
    m->failover_at_us = peer->primary && delay_ms >= 0 ? now_us + delay_us : NEVER;
    node_free(n);
    f->lab.now_us = now_us;
    tell(f, EVENT_NODE_KILLED, index, "is dead");
    return KW_OK;
}

/* Whom a node that comes back should follow; NODE_NOBODY: it goes on as the primary it was. */
static uint16_t leader_for(const node_fleet *f, uint16_t index) {
    const node_peer *peer = &f->observer->peers[index];
    if (peer->primary && peer->slot_count > 0) {
        return NODE_NOBODY;
    }
    int home = f->members[index].home_slot;
    uint16_t leader = home == SLOT_NONE ? peer->primary_of : f->observer->owner[home];
    return leader == index ? NODE_NOBODY : leader;
}

kw_status fleet_revive(node_fleet *f, uint16_t index, uint64_t now_us) {
    if (index >= f->count || f->members[index].node) {
        return KW_ERR_INVALID;
    }
    node_view *view = new_view(f, index, f->observer->peers);
    if (!view) {
        return KW_ERR_NOMEM;
    }
    uint16_t leader = leader_for(f, index);
    node_view_adopt(view, f->observer);
    if (leader != NODE_NOBODY) {
        node_view_follow(view, leader);
    }
    kw_status status = add_node(f, view, now_us);
    if (status != KW_OK) {
        return status;
    }
    f->members[index].fail_at_us = NEVER;
    f->members[index].failover_at_us = NEVER;
    f->lab.now_us = now_us;
    tell(f, EVENT_NODE_STARTED, index, leader == NODE_NOBODY ? "started" : "started as a replica");
    view->changed = true;
    spread_all_changes(f);
    return KW_OK;
}

kw_status fleet_promote(node_fleet *f, uint16_t replica) {
    node *n = fleet_node(f, replica);
    if (!n || is_primary(n)) {
        return KW_ERR_INVALID;
    }
    tell(f, EVENT_FAILOVER_BEGUN, replica, "takes over from its primary");
    node_view_take_over(n->view);
    spread_all_changes(f);
    tell(f, EVENT_FAILOVER_WON, replica, "is the primary of its shard");
    return KW_OK;
}

/* What was missed is heard now, all at once. */
static void catch_up(node_fleet *f, member *m) {
    if (listens(m)) {
        node_view_adopt(m->node->view, f->observer);
        spread_all_changes(f);
    }
}

kw_status fleet_pause(node_fleet *f, uint16_t index, bool paused) {
    if (!fleet_node(f, index)) {
        return KW_ERR_INVALID;
    }
    member *m = &f->members[index];
    if (m->paused != paused) {
        m->paused = paused;
        tell(f, paused ? EVENT_NODE_PAUSED : EVENT_NODE_RESUMED, index,
             paused ? "is paused" : "goes on");
        catch_up(f, m);
    }
    return KW_OK;
}

kw_status fleet_freeze(node_fleet *f, uint16_t index, bool frozen) {
    if (!fleet_node(f, index)) {
        return KW_ERR_INVALID;
    }
    member *m = &f->members[index];
    if (m->frozen != frozen) {
        m->frozen = frozen;
        tell(f, EVENT_VIEW, index, frozen ? "hears of no change" : "hears of changes again");
        catch_up(f, m);
    }
    return KW_OK;
}

/* ------------------------------------------------------------------------------------- slots */

static void assign_in_view(node_view *view, int first, int last, uint16_t owner, uint64_t epoch) {
    for (int slot = first; slot <= last; slot++) {
        node_view_give(view, slot, owner);
        node_view_set_migrating(view, slot, NODE_NOBODY);
        node_view_set_importing(view, slot, NODE_NOBODY);
    }
    if (owner != NODE_NOBODY) {
        view->peers[owner].config_epoch = epoch;
        view->current_epoch = epoch;
    }
    view->changed = false;
}

kw_status fleet_assign(node_fleet *f, int first, int last, uint16_t owner) {
    if (first < 0 || last >= SLOT_COUNT || first > last ||
        (owner != NODE_NOBODY && (owner >= f->count || !f->observer->peers[owner].primary))) {
        return KW_ERR_INVALID;
    }
    uint64_t epoch = f->observer->current_epoch + 1;
    assign_in_view(f->observer, first, last, owner, epoch);
    for (uint16_t i = 0; i < f->count; i++) {
        if (f->members[i].node && !f->members[i].frozen) {
            assign_in_view(f->members[i].node->view, first, last, owner, epoch);
        }
    }
    settle_roles(f);
    return KW_OK;
}

/* The living source and target of an open slot; false if it is not open. */
static bool open_slot(const node_fleet *f, int slot, node **ret_source, node **ret_target) {
    if (slot < 0 || slot >= SLOT_COUNT || f->observer->owner[slot] == NODE_NOBODY) {
        return false;
    }
    node *source = fleet_node(f, f->observer->owner[slot]);
    if (!source || source->view->migrating_to[slot] == NODE_NOBODY) {
        return false;
    }
    *ret_source = source;
    *ret_target = fleet_node(f, source->view->migrating_to[slot]);
    return *ret_target != NULL;
}

kw_status fleet_migrate_begin(node_fleet *f, int slot, uint16_t target) {
    if (slot < 0 || slot >= SLOT_COUNT || f->observer->owner[slot] == NODE_NOBODY) {
        return KW_ERR_INVALID;
    }
    uint16_t owner = f->observer->owner[slot];
    node *from = fleet_node(f, owner);
    node *to = fleet_node(f, target);
    if (!from || !to || from == to || !is_primary(to) || !is_primary(from)) {
        return KW_ERR_INVALID;
    }
    node_view_set_importing(to->view, slot, owner);
    node_view_set_migrating(from->view, slot, target);
    node_events_add(&f->lab.events, f->lab.now_us, EVENT_MIGRATION, target,
                    "slot %d opens: node %u -> node %u", slot, owner, target);
    return KW_OK;
}

/* The replicas get a key and its value as from RESTORE; if memory is short they get it with the
 * next full synchronisation. */
static void propagate_value(node *n, const keyspace_entry *e) {
    char expiry[24];
    buffer payload;
    buffer_init(&payload, n->mem, 0);
    (void)snprintf(expiry, sizeof expiry, "%llu", (unsigned long long)e->expire_ms);
    const dump_value value = {e->kind, e->object, keyspace_value(e)};
    if (dump_write(&payload, &value)) {
        const kw_slice argv[] = {SLICE_LITERAL("RESTORE"), keyspace_key(e),
                                 slice_text(expiry),       buffer_slice(&payload),
                                 SLICE_LITERAL("REPLACE"), SLICE_LITERAL("ABSTTL")};
        node_propagate(n, argv, 6);
    }
    buffer_done(&payload);
}

kw_status fleet_migrate_keys(node_fleet *f, int slot, size_t count, size_t *ret_left) {
    node *from;
    node *to;
    if (!open_slot(f, slot, &from, &to)) {
        return KW_ERR_INVALID;
    }
    keyspace_entry *e = keyspace_first(from->keys, slot);
    for (size_t i = 0; e && i < count; i++) {
        if (!keyspace_copy(to->keys, e, keyspace_key(e))) {
            return KW_ERR_NOMEM;
        }
        propagate_value(to, e);
        const kw_slice removal[] = {SLICE_LITERAL("DEL"), keyspace_key(e)};
        node_propagate(from, removal, 2);
        keyspace_remove(from->keys, e);
        e = keyspace_first(from->keys, slot);
    }
    size_t left = keyspace_slot_count(from->keys, slot);
    node_events_add(&f->lab.events, f->lab.now_us, EVENT_MIGRATION, to->view->self,
                    "slot %d: %zu keys left at node %u", slot, left, from->view->self);
    if (ret_left) {
        *ret_left = left;
    }
    return KW_OK;
}

kw_status fleet_migrate_end(node_fleet *f, int slot) {
    node *from;
    node *to;
    if (!open_slot(f, slot, &from, &to) || keyspace_slot_count(from->keys, slot) > 0) {
        return KW_ERR_INVALID;
    }
    node_view_settle(to->view, slot, to->view->self, false);
    node_view_settle(from->view, slot, to->view->self, false);
    spread_all_changes(f);
    return KW_OK;
}

/* -------------------------------------------------------------------------------------- time */

/* The first living replica that knows itself as the dead primary's takes over. */
static bool fail_over(node_fleet *f, uint16_t dead) {
    for (uint16_t i = 0; i < f->count; i++) {
        const member *m = &f->members[i];
        if (listens(m) && !is_primary(m->node) &&
            node_view_self(m->node->view)->primary_of == dead) {
            kw_status status = fleet_promote(f, i);
            assert(status == KW_OK);
            (void)status; /* without assert */
            return true;
        }
    }
    return false;
}

void fleet_tick(node_fleet *f, uint64_t now_us) {
    f->lab.now_us = now_us > f->lab.now_us ? now_us : f->lab.now_us;
    for (uint16_t i = 0; i < f->count; i++) {
        member *m = &f->members[i];
        if (m->fail_at_us <= now_us) {
            m->fail_at_us = NEVER;
            mark_failed(f, i, true);
            tell(f, EVENT_NODE_FAILED, i, "is marked as failed");
        }
        if (m->failover_at_us <= now_us) {
            m->failover_at_us = NEVER;
            if (!fail_over(f, i) && f->observer->peers[i].slot_count > 0) {
                m->failover_at_us = now_us + FAILOVER_AGAIN_US;
            }
        }
    }
    bool all = f->expire_at_us <= now_us;
    if (all) {
        f->expire_at_us = now_us + EXPIRE_EVERY_US;
    }
    for (uint16_t i = 0; i < f->count; i++) {
        member *m = &f->members[i];
        if (m->node && !m->paused) {
            apply_due(m, now_us);
            if (all || node_deadline_us(m->node) <= now_us) {
                node_tick(m->node, now_us);
            }
        }
    }
}

void fleet_set_replication_delay(node_fleet *f, uint64_t delay_us) {
    f->replication_delay_us = delay_us;
}

void fleet_set_failover_ms(node_fleet *f, int failover_ms) {
    f->config.failover_ms = failover_ms;
}

void fleet_set_port(node_fleet *f, uint16_t index, uint16_t port) {
    f->observer->peers[index].port = port;
    for (uint16_t i = 0; i < f->count; i++) {
        if (listens(&f->members[i])) {
            f->members[i].node->view->peers[index].port = port;
        }
    }
}

void fleet_sync(node_fleet *f, uint64_t now_us) {
    for (uint16_t i = 0; i < f->count; i++) {
        member *m = &f->members[i];
        if (m->node && !m->paused) {
            apply_due(m, UINT64_MAX - 1);
        }
    }
    fleet_tick(f, now_us);
}

node_session *fleet_next_ready(node_fleet *f) {
    return node_next_ready(&f->ready);
}

uint64_t fleet_deadline_us(const node_fleet *f) {
    uint64_t at_us = f->expire_at_us;
    for (uint16_t i = 0; i < f->count; i++) {
        const member *m = &f->members[i];
        at_us = m->fail_at_us < at_us ? m->fail_at_us : at_us;
        at_us = m->failover_at_us < at_us ? m->failover_at_us : at_us;
        if (m->node && !m->paused) {
            uint64_t others[] = {inbox_due_us(&m->inbox), node_deadline_us(m->node)};
            at_us = others[0] < at_us ? others[0] : at_us;
            at_us = others[1] < at_us ? others[1] : at_us;
        }
    }
    return at_us;
}
