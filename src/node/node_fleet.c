#include "node/node_fleet.h"

#include "core/limits.h"
#include "node/fleet_act.h"
#include "node/fleet_control.h"
#include "node/fleet_state.h"

#include <stdio.h>

#define EXPIRE_EVERY_US 100000
#define GOSSIP_EVERY_US 1000000
#define FAIL_AFTER_MS 250 /* when no failover time says otherwise */
#define FIRST_OFFSET 14   /* after the first PING to the replicas */

/* -------------------------------------------------------------------- what nodes ask for */

static void announce(void *arg, uint16_t self) {
    node_fleet *f = arg;
    f->members[self]->node->view->changed = true;
    fleet_spread_changes(f);
    if (f->failure_due_us != NEVER) {
        fleet_note_silence(f); /* its node timeout may be another now */
    }
}

/* If too much else waits to be done, it lives on. */
static void shut_down(void *arg, uint16_t self, uint64_t now_us) {
    node_fleet *f = arg;
    const fleet_act act = {.kind = ACT_STOP, .node = self};
    kw_status status = fleet_act_do(f, self, &act, now_us);
    (void)status; /* as said above */
}

/* ------------------------------------------------------------------------------- messages */

/* True if a message goes from one node to the other: whom it knows, and of a shard channel only
 * those of its shard. */
static bool hears_messages(const node_fleet *f, uint16_t from, uint16_t to, bool shard_only) {
    const node_view *view = f->members[from]->node->view;
    if (to == from || to >= view->peer_count || !f->members[to]->node) {
        return false;
    }
    const node_peer *peer = &view->peers[to];
    bool meant = !shard_only || peer->primary_of == node_view_self(view)->primary_of;
    return peer->known && meant && fleet_reaches(f, from, to);
}

static void publish(void *arg, uint16_t self, channel_kind kind, kw_slice channel,
                    kw_slice message) {
    node_fleet *f = arg;
    for (uint16_t i = 0; i < f->count; i++) {
        if (hears_messages(f, self, i, kind == CHANNEL_SHARD)) {
            /* their number is not told */
            (void)node_publish(f->members[i]->node, kind, channel, message);
        }
    }
}

static bool deliver(void *arg, kw_slice host, uint16_t port, const kw_slice *auth,
                    size_t auth_count, const kw_slice *argv, size_t argc, uint64_t now_us,
                    buffer *reply) {
    const node_fleet *f = arg;
    uint16_t index = fleet_find(f, host, port);
    node *target = index == NODE_NOBODY ? NULL : f->members[index]->node;
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
    bool answered =
        !s->holds && buffer_len(&s->out) > 0 && buffer_append_slice(reply, buffer_slice(&s->out));
    node_session_free(target, s);
    return answered;
}

/* ------------------------------------------------------------------------------------ roles */

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

/* Keys of slots that went to others are not this node's any more. */
static void drop_lost_keys(node *n) {
    const node_view *view = n->view;
    n->view->lost_slots = false;
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        keyspace_entry *e;
        while (fleet_is_primary(n) && view->owner[slot] != view->self &&
               view->importing_from[slot] == NODE_NOBODY && (e = keyspace_first(n->keys, slot))) {
            const kw_slice removal[] = {SLICE_LITERAL("DEL"), keyspace_key(e)};
            node_propagate(n, removal, 2);
            keyspace_remove(n->keys, e);
        }
    }
}

void fleet_settle(node_fleet *f) {
    for (uint16_t i = 0; i < f->count; i++) {
        member *m = f->members[i];
        if (!m->node) {
            continue;
        }
        if (m->node->view->lost_slots) {
            drop_lost_keys(m->node);
        }
        node_view_judge(m->node->view);
        node_redirect_blocked(m->node);
        node_follow_channels(m->node);
        fleet_choose_source(f, i);
    }
    node_view_judge(f->observer);
    if (memcmp(f->told_owner, f->observer->owner, sizeof f->told_owner) != 0) {
        tell_of_slots(f);
    }
}

void fleet_tell(node_fleet *f, node_event_kind kind, uint16_t index, const char *what) {
    const node_peer *peer = &f->observer->peers[index];
    node_events_add(&f->lab.events, f->lab.now_us, kind, index, "node %u (%s:%u) %s", index,
                    peer->host, peer->port, what);
}

/* ------------------------------------------------------------------------------ construction */

void fleet_make_id(node_fleet *f, char id[NODE_ID_SIZE]) {
    for (size_t i = 0; i + 1 < NODE_ID_SIZE; i++) {
        id[i] = "0123456789abcdef"[prng_below(&f->random, 16)];
    }
    id[NODE_ID_SIZE - 1] = '\0';
}

static void name_peer(node_fleet *f, uint16_t index, node_peer *peer) {
    fleet_make_id(f, peer->id);
    peer->host = f->host;
    peer->hostname = "";
    peer->port = f->config.ports[index];
    peer->tls_port = f->config.tls_ports ? f->config.tls_ports[index] : 0;
    peer->config_epoch = index + 1u;
    peer->known = true;
    peer->primary = index < f->config.primary_count;
    peer->primary_of = index;
    if (!peer->primary) {
        uint32_t number = (uint32_t)index - f->config.primary_count;
        peer->primary_of = (uint16_t)(number / f->config.replica_count);
    }
}

int fleet_first_slot(uint16_t primary_count, uint32_t index) {
    return (int)((2 * SLOT_COUNT * index + primary_count) / (2u * primary_count));
}

static void assign_evenly(node_view *view, uint16_t primary_count) {
    for (uint16_t i = 0; i < primary_count; i++) {
        int first = fleet_first_slot(primary_count, i);
        int end = fleet_first_slot(primary_count, i + 1u);
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
        .peers = {f, deliver, announce, fleet_replicas_at, fleet_replicate, publish,
                  fleet_offset_of, fleet_meet, fleet_take_over_by_hand, fleet_failure_reports,
                  fleet_slot_jobs, fleet_slot_job_begun, fleet_slot_job_end, shut_down,
                  f->config.control ? control : NULL},
        .ready = &f->ready,
        .lab = &f->lab,
        .names = &f->names,
    };
    member *m = f->members[view->self];
    kw_status status = node_new(&config, view, keys, now_us, &m->node);
    if (status == KW_OK) {
        m->life = ++f->lives;
        m->source = NODE_NOBODY;
        node_settings *settings = &m->node->settings;
        node_settings_put_number(settings, SETTING_CLUSTER_NODE_TIMEOUT,
                                 (int64_t)f->node_timeout_ms);
        node_settings_put_number(settings, SETTING_CLUSTER_REQUIRE_FULL_COVERAGE,
                                 f->config.full_coverage_required);
        node_settings_put_number(settings, SETTING_PORT, node_view_self(view)->port);
        node_settings_put_number(settings, SETTING_TLS_PORT, node_view_self(view)->tls_port);
    }
    return status;
}

kw_status fleet_start_node(node_fleet *f, node_view *view, uint64_t now_us) {
    keyspace *keys = view ? keyspace_new(f->mem, prng_next(&f->random)) : NULL;
    kw_status status = keys ? start_node(f, view, keys, now_us) : KW_ERR_NOMEM;
    if (status != KW_OK) {
        keyspace_free(keys);
        node_view_free(view);
        return status;
    }
    if (node_view_self(view)->primary && node_view_known_count(view) > 1) {
        f->members[view->self]->node->offset = FIRST_OFFSET;
    }
    view->changed = false;
    return KW_OK;
}

member *fleet_new_member(const node_fleet *f) {
    member *m = mem_calloc(f->mem, 1, sizeof *m);
    if (m) {
        inbox_init(&m->inbox, f->mem, LIMIT_REPLICA_INBOX_BYTES);
        list_init(&m->mail);
        m->source = NODE_NOBODY;
        m->home_slot = SLOT_NONE;
        m->failover_at_us = NEVER;
    }
    return m;
}

node_view *fleet_new_view(node_fleet *f, uint16_t self, const node_peer *peers) {
    node_view *view = node_view_new(f->mem, self, peers, f->count);
    if (view) {
        view->full_coverage_required = f->config.full_coverage_required;
    }
    return view;
}

static kw_status make_members(node_fleet *f) {
    f->members = mem_calloc(f->mem, f->count, sizeof(void *));
    for (uint16_t i = 0; f->members && i < f->count; i++) {
        f->members[i] = fleet_new_member(f);
        if (!f->members[i]) {
            return KW_ERR_NOMEM;
        }
    }
    return f->members ? KW_OK : KW_ERR_NOMEM;
}

static kw_status build(node_fleet *f, uint64_t now_us) {
    f->host = names_keep(&f->names, slice_text(f->config.host));
    kw_status status = f->host ? make_members(f) : KW_ERR_NOMEM;
    node_peer *peers = mem_calloc(f->mem, f->count, sizeof *peers);
    for (uint16_t i = 0; peers && f->host && i < f->count; i++) {
        name_peer(f, i, &peers[i]);
    }
    f->observer = peers && f->host ? fleet_new_view(f, NODE_NOBODY, peers) : NULL;
    if (status == KW_OK && f->observer) {
        assign_evenly(f->observer, f->config.primary_count);
    } else {
        status = KW_ERR_NOMEM;
    }
    for (uint16_t i = 0; status == KW_OK && i < f->count; i++) {
        node_view *view = fleet_new_view(f, i, peers);
        if (view) {
            assign_evenly(view, f->config.primary_count);
        }
        status = fleet_start_node(f, view, now_us);
    }
    mem_free(f->mem, peers);
    if (status == KW_OK) {
        memcpy(f->told_owner, f->observer->owner, sizeof f->told_owner);
        fleet_settle(f);
    }
    return status;
}

/* Such that FAIL follows after half of the time that a failover takes. */
static uint64_t default_timeout_ms(int failover_ms) {
    return (uint64_t)(failover_ms < 0 ? 2 * FAIL_AFTER_MS : failover_ms) * 2 / 5;
}

kw_status fleet_new(const fleet_config *config, uint64_t now_us, node_fleet **ret) {
    uint32_t count = (uint32_t)config->primary_count * (1u + config->replica_count);
    if (config->primary_count == 0 || count > FLEET_PEERS_MAX) {
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
    f->round_at_us = now_us + GOSSIP_EVERY_US;
    f->acquaint_at_us = NEVER;
    f->failure_due_us = NEVER;
    slot_jobs_init(&f->jobs, f->mem);
    f->node_timeout_ms = default_timeout_ms(config->failover_ms);
    list_init(&f->ready);
    prng_init(&f->random, config->seed);
    names_init(&f->names, f->mem, config->seed);
    node_lab_init(&f->lab, f->mem, ~config->seed, now_us);
    kw_status status = node_log_set_capacity(&f->lab.log, config->log_capacity);
    status = status == KW_OK ? build(f, now_us) : status;
    if (status != KW_OK) {
        fleet_free(f);
        return status;
    }
    f->config.ports = NULL; /* the caller's */
    f->config.tls_ports = NULL;
    *ret = f;
    return KW_OK;
}

void fleet_free(node_fleet *f) {
    if (!f) {
        return;
    }
    for (uint16_t i = 0; f->members && i < f->count && f->members[i]; i++) {
        member *m = f->members[i];
        node_free(m->node);
        inbox_clear(&m->inbox);
        fleet_drop_mail(f, m);
        mem_free(f->mem, m->roster);
        mem_free(f->mem, m);
    }
    mem_free(f->mem, f->members);
    node_view_free(f->observer);
    names_done(&f->names);
    node_lab_done(&f->lab);
    slot_jobs_done(&f->jobs);
    mem_free(f->mem, f);
}

/* ----------------------------------------------------------------------------------- asking */

const fleet_config *fleet_get_config(const node_fleet *f) {
    return &f->config;
}

uint16_t fleet_count(const node_fleet *f) {
    return f->count;
}

node *fleet_node(const node_fleet *f, uint16_t index) {
    return index < f->count ? f->members[index]->node : NULL;
}

bool fleet_is_paused(const node_fleet *f, uint16_t index) {
    return index < f->count && f->members[index]->paused;
}

bool fleet_is_frozen(const node_fleet *f, uint16_t index) {
    return index < f->count && f->members[index]->frozen;
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

/* Whom a node knew is in its file; if memory is short it will know everybody. */
static void keep_roster(const node_fleet *f, member *m, const node_view *view) {
    mem_free(f->mem, m->roster);
    m->roster = mem_calloc(f->mem, f->count, sizeof *m->roster);
    m->roster_count = f->count;
    for (uint16_t i = 0; m->roster && i < f->count; i++) {
        m->roster[i] = view->peers[i].known;
    }
}

kw_status fleet_kill(node_fleet *f, uint16_t index, uint64_t now_us) {
    node *n = fleet_node(f, index);
    if (!n) {
        return KW_ERR_INVALID;
    }
    member *m = f->members[index];
    m->home_slot = first_slot_of(f->observer, f->observer->peers[index].primary_of);
    m->paused = false;
    m->frozen = false;
    m->manual_until_us = 0;
    m->node = NULL;
    inbox_clear(&m->inbox);
    fleet_drop_mail(f, m);
    fleet_drop_unsent(f, index, now_us);
    keep_roster(f, m, n->view);
    node_free(n);
    f->lab.now_us = now_us;
    fleet_note_silence(f);
    fleet_tell(f, EVENT_NODE_KILLED, index, "is dead");
    return KW_OK;
}

/* Whom a node that comes back should follow; NODE_NOBODY: it goes on as the primary it was. */
static uint16_t leader_for(const node_fleet *f, uint16_t index) {
    const node_peer *peer = &f->observer->peers[index];
    if (peer->primary && peer->slot_count > 0) {
        return NODE_NOBODY;
    }
    int home = f->members[index]->home_slot;
    uint16_t leader = home == SLOT_NONE ? peer->primary_of : f->observer->owner[home];
    return leader == index ? NODE_NOBODY : leader;
}

kw_status fleet_revive(node_fleet *f, uint16_t index, uint64_t now_us) {
    if (index >= f->count || f->members[index]->node) {
        return KW_ERR_INVALID;
    }
    node_view *view = fleet_new_view(f, index, f->observer->peers);
    if (!view) {
        return KW_ERR_NOMEM;
    }
    const member *m = f->members[index];
    uint16_t leader = leader_for(f, index);
    for (uint16_t i = 0; i < f->count; i++) {
        view->peers[i].known = i == index || !m->roster || (i < m->roster_count && m->roster[i]);
    }
    node_view_adopt(view, f->observer);
    if (leader != NODE_NOBODY && view->peers[leader].known) {
        node_view_follow(view, leader);
    }
    kw_status status = fleet_start_node(f, view, now_us);
    if (status != KW_OK) {
        return status;
    }
    f->members[index]->failover_at_us = NEVER;
    f->lab.now_us = now_us;
    fleet_note_silence(f);
    fleet_tell(f, EVENT_NODE_STARTED, index,
               leader == NODE_NOBODY ? "started" : "started as a replica");
    view->changed = true;
    view->roster_dirty = true;
    fleet_spread_changes(f);
    return KW_OK;
}

kw_status fleet_promote(node_fleet *f, uint16_t replica) {
    node *n = fleet_node(f, replica);
    if (!n || fleet_is_primary(n)) {
        return KW_ERR_INVALID;
    }
    fleet_tell(f, EVENT_FAILOVER_BEGUN, replica, "takes over from its primary");
    fleet_apply_due(f, f->members[replica], NEVER - 1); /* all that its primary has sent */
    node_view_take_over(n->view);
    fleet_spread_changes(f);
    fleet_tell(f, EVENT_FAILOVER_WON, replica, "is the primary of its shard");
    return KW_OK;
}

/* What was missed is heard now, all at once. */
static void catch_up(node_fleet *f, member *m) {
    if (fleet_listens(m)) {
        node_view_adopt(m->node->view, f->observer);
        m->node->view->roster_dirty = true;
        fleet_note_silence(f);
        fleet_spread_changes(f);
    }
}

kw_status fleet_pause(node_fleet *f, uint16_t index, bool paused) {
    if (!fleet_node(f, index)) {
        return KW_ERR_INVALID;
    }
    member *m = f->members[index];
    if (m->paused != paused) {
        m->paused = paused;
        fleet_note_silence(f);
        fleet_tell(f, paused ? EVENT_NODE_PAUSED : EVENT_NODE_RESUMED, index,
                   paused ? "is paused" : "goes on");
        catch_up(f, m);
    }
    return KW_OK;
}

kw_status fleet_freeze(node_fleet *f, uint16_t index, bool frozen) {
    if (!fleet_node(f, index)) {
        return KW_ERR_INVALID;
    }
    member *m = f->members[index];
    if (m->frozen != frozen) {
        m->frozen = frozen;
        fleet_tell(f, EVENT_VIEW, index, frozen ? "hears of no change" : "hears of changes again");
        catch_up(f, m);
    }
    return KW_OK;
}

/* -------------------------------------------------------------------------------------- time */

static void gossip(node_fleet *f, uint64_t now_us) {
    fleet_deliver_mail(f);
    if (f->failure_due_us <= now_us) {
        fleet_judge_failures(f);
    }
    if (f->acquaint_at_us <= now_us) {
        fleet_spread_changes(f);
    }
    if (f->round_at_us <= now_us) {
        f->round_at_us = now_us + GOSSIP_EVERY_US;
        if (f->restless) {
            fleet_spread_all(f);
        }
    }
}

static void hold_names(const node_view *view) {
    for (uint16_t i = 0; i < view->peer_count; i++) {
        names_hold(view->peers[i].host);
        names_hold(view->peers[i].hostname);
    }
}

/* Between two calls of the fleet's user nobody else holds any. */
static void sweep_names(node_fleet *f) {
    names_hold(f->host);
    hold_names(f->observer);
    for (uint16_t i = 0; i < f->count; i++) {
        const member *m = f->members[i];
        if (m->node) {
            hold_names(m->node->view);
        }
        fleet_hold_mail(m);
    }
    names_sweep(&f->names);
}

void fleet_tick(node_fleet *f, uint64_t now_us) {
    f->lab.now_us = now_us > f->lab.now_us ? now_us : f->lab.now_us;
    if (names_are_many(&f->names)) {
        sweep_names(f);
    }
    gossip(f, now_us);
    fleet_step_slot_jobs(f);
    bool all = f->expire_at_us <= now_us;
    if (all) {
        f->expire_at_us = now_us + EXPIRE_EVERY_US;
    }
    for (uint16_t i = 0; i < f->count; i++) {
        member *m = f->members[i];
        if (m->node && !m->paused) {
            fleet_apply_due(f, m, now_us);
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
    fleet_set_node_timeout(f, default_timeout_ms(failover_ms));
}

/* Nodes that speak only TLS have no other port. */
static void set_main_port(node_peer *peer, uint16_t port) {
    *(peer->port ? &peer->port : &peer->tls_port) = port;
}

void fleet_set_port(node_fleet *f, uint16_t index, uint16_t port) {
    set_main_port(&f->observer->peers[index], port);
    for (uint16_t i = 0; i < f->count; i++) {
        if (fleet_listens(f->members[i])) {
            set_main_port(&f->members[i]->node->view->peers[index], port);
        }
    }
}

void fleet_sync(node_fleet *f, uint64_t now_us) {
    for (uint16_t i = 0; i < f->count; i++) {
        member *m = f->members[i];
        if (m->node && !m->paused) {
            fleet_apply_due(f, m, UINT64_MAX - 1);
        }
    }
    fleet_tick(f, now_us);
}

node_session *fleet_next_ready(node_fleet *f) {
    return node_next_ready(&f->ready);
}

uint64_t fleet_deadline_us(const node_fleet *f) {
    uint64_t at_us = earlier_us(f->expire_at_us, f->round_at_us);
    at_us = earlier_us(at_us, earlier_us(f->failure_due_us, f->acquaint_at_us));
    at_us = earlier_us(at_us, earlier_us(fleet_mail_due_us(f), fleet_slot_jobs_due_us(f)));
    for (uint16_t i = 0; i < f->count; i++) {
        const member *m = f->members[i];
        if (m->node && !m->paused) {
            at_us = earlier_us(at_us, inbox_due_us(&m->inbox));
            at_us = earlier_us(at_us, node_deadline_us(m->node));
        }
    }
    return at_us;
}
