/* Which view to believe (ROUTING §4), and taking it over: a node may be behind, cut off, or wrong.
 */
#include "core/cluster_state.h"

/* ------------------------------------------------------------- taking over */

/* The nodes before this view. */
typedef struct known_nodes {
    unsigned count;
    unsigned next; /* after the one that was found last: views tend to keep their order */
} known_nodes;

/* Most are where they were: the others are looked for one by one. */
static node *node_by_id(const cluster *c, const char *id, const endpoint *e, known_nodes *known) {
    node *there = known->count > 0 ? node_find(c, e) : NULL;
    if (there && there->in_map && id[0] != '\0' && strcmp(there->id, id) == 0) {
        return there;
    }
    for (unsigned i = 0; id[0] != '\0' && i < known->count; i++) {
        unsigned at = (known->next + i) % known->count;
        if (c->nodes[at] && c->nodes[at]->in_map && strcmp(c->nodes[at]->id, id) == 0) {
            known->next = at + 1;
            return c->nodes[at];
        }
    }
    return NULL;
}

/* A node is its id: it keeps its history when its endpoint changes. */
static node *adopt(cluster *c, const view_node *from, known_nodes *known) {
    endpoint e = view_node_endpoint(from);
    node *n = node_by_id(c, from->id, &e, known);
    if (n && !endpoint_equal(&n->endpoint, &e) && !node_move(c, n, &e)) {
        return NULL;
    }
    if (!n) {
        n = node_get(c, &e);
    }
    if (!n) {
        return NULL;
    }
    (void)slice_copy(n->id, sizeof n->id, slice_text(from->id)); /* the view checked its length */
    if (!n->in_map) {
        char text[ENDPOINT_TEXT_BYTES];
        n->in_map = true;
        n->state = n->state == NODE_DRAINING ? NODE_UNKNOWN : n->state;
        watch_event(c, KW_EVENT_NODE_ADDED, SLOT_NONE, n, NULL, "%s joined the map",
                    node_text(n, text));
    }
    n->in_view = true;
    return n;
}

static bool adopt_nodes(cluster *c, const view *v, uint16_t *indices) {
    for (unsigned i = 0; i < c->node_count; i++) {
        if (c->nodes[i]) {
            c->nodes[i]->in_view = false;
        }
    }
    known_nodes known = {.count = c->node_count};
    for (unsigned i = 0; i < v->node_count; i++) {
        node *n = adopt(c, &v->nodes[i], &known);
        if (!n) {
            return false;
        }
        indices[i] = n->index;
    }
    for (unsigned i = 0; i < v->node_count; i++) {
        node *n = c->nodes[indices[i]];
        n->replica = v->nodes[i].primary != i;
        n->primary = n->replica ? indices[v->nodes[i].primary] : SLOTMAP_NONE;
    }
    return true;
}

static void drop_absent_nodes(cluster *c) {
    uint32_t owned[LIMIT_NODES] = {0};
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        if (slotmap_owner(&c->slots, slot) != SLOTMAP_NONE) {
            owned[slotmap_owner(&c->slots, slot)]++;
        }
    }
    for (unsigned i = 0; i < c->node_count; i++) {
        node *n = c->nodes[i];
        if (n && n->in_map && !n->in_view && owned[i] == 0) {
            node_leave_map(c, n);
        } else if (n) {
            node_drain(c, n);
        }
    }
}

static void route_all_waiting(cluster *c) {
    route_map_waiting(c);
    for (uint32_t i = 0; i < c->link_count; i++) {
        link *l = c->links[i];
        if (l && l->state != LINK_READY && !l->own) { /* an own one keeps its command */
            route_link_waiting(c, l);
        }
    }
    route_wake_all(c);
}

/* The view's owners become numbers of our nodes: it is of no other use then. */
static void take_over(cluster *c, view *v, bool keep_holes, uint32_t requested_at) {
    uint16_t *indices = mem_calloc(c->mem, (size_t)v->node_count + 1, sizeof *indices);
    if (!indices || !adopt_nodes(c, v, indices)) {
        mem_free(c->mem, indices);
        refresh_note_error(c, KW_ERR_NOMEM, "no memory, or no room, for the nodes of the map");
        return;
    }
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        uint16_t owner = v->owner[slot];
        v->owner[slot] = owner == VIEW_NO_OWNER ? SLOTMAP_NONE : indices[owner];
    }
    mem_free(c->mem, indices);
    uint32_t healed = 0;
    uint32_t changed =
        slotmap_accept(&c->slots, v->owner, keep_holes, requested_at, c->now_us, &healed);
    if (v->has_epoch) {
        c->fence.has_epoch = true;
        c->fence.epoch_seen = v->current_epoch;
    }
    c->counters[KW_COUNT_SLOTS_HEALED] += healed;
    watch_event(c, KW_EVENT_REFRESH_ACCEPTED, SLOT_NONE, NULL, NULL,
                "a view was accepted: %u of %d slots, %u changed", c->slots.known_count, SLOT_COUNT,
                changed);
    if (changed > 0) {
        watch_event(c, KW_EVENT_MAP_CHANGED, SLOT_NONE, NULL, NULL, "%u slots changed", changed);
    }
    refresh_accepted(c); /* before nodes go: with them go questions of this run */
    drop_absent_nodes(c);
    c->fence.taken = true;
}

/* Draining the links of nodes that go or move can end questions of the refresh; none of them may
 * bring the next view before this one is in place. */
static void take(cluster *c, view *v, bool keep_holes, uint32_t requested_at) {
    c->fence.taking = true;
    c->fence.taken = false;
    take_over(c, v, keep_holes, requested_at);
    c->fence.taking = false;
    if (c->fence.taken) {
        route_all_waiting(c);
    } else {
        refresh_go_on(c);
    }
}

/* --------------------------------------------------------------- the fence */

void view_forget_opinions(cluster *c) {
    fence *f = &c->fence;
    view_free(f->smaller);
    view_free(f->refused);
    f->smaller = NULL;
    f->refused = NULL;
    f->refused_count = 0;
    f->seeds_agree = 0;
}

static void note_refusal(cluster *c, const node *from, view *v) {
    fence *f = &c->fence;
    if (f->refused && !view_agrees(f->refused, v)) {
        f->refused_count = 0;
        f->seeds_agree = 0;
    }
    view_free(f->refused);
    f->refused = v;
    bool counted = f->refused_count > 0 && f->refused_by == from->uid &&
                   f->refused_run == c->refresh.run_count;
    f->refused_count += !counted;
    f->refused_by = from->uid;
    f->refused_run = c->refresh.run_count;
    for (size_t i = 0; i < c->config.seed_count; i++) {
        if (endpoint_equal(&c->seeds[i], &from->endpoint)) {
            f->seeds_agree |= UINT64_C(1) << i;
        }
    }
}

static bool all_seeds_agree(const cluster *c) {
    uint64_t all =
        c->config.seed_count >= 64 ? UINT64_MAX : (UINT64_C(1) << c->config.seed_count) - 1;
    return (c->fence.seeds_agree & all) == all;
}

/* Takes a view that the fence holds. */
static void take_held(cluster *c, view **held, bool keep_holes, uint32_t requested_at) {
    view *v = *held;
    *held = NULL;
    take(c, v, keep_holes, requested_at);
    view_free(v);
}

static void refuse_old(cluster *c, node *from, uint32_t requested_at, view *v) {
    char text[ENDPOINT_TEXT_BYTES];
    unsigned long long epoch = v->current_epoch;
    unsigned long long seen = c->fence.epoch_seen;
    c->counters[KW_COUNT_REFUSED_EPOCH]++;
    watch_event(c, KW_EVENT_REFRESH_REFUSED, SLOT_NONE, from, NULL,
                "%s is behind: epoch %llu, and %llu was seen", node_text(from, text), epoch, seen);
    refresh_note_error(c, KW_ERR_CONNECTION, "%s is behind: epoch %llu, and %llu was seen",
                       node_text(from, text), epoch, seen);
    note_refusal(c, from, v);
    if (c->fence.refused_count >= FENCE_AGREEING) {
        take_held(c, &c->fence.refused, false, requested_at);
    } else {
        refresh_go_on(c);
    }
}

static void ask_second_opinion(cluster *c, const node *from, uint32_t requested_at, view *v) {
    fence *f = &c->fence;
    char text[ENDPOINT_TEXT_BYTES];
    c->counters[KW_COUNT_REFUSED_COVERAGE]++;
    watch_event(c, KW_EVENT_REFRESH_REFUSED, SLOT_NONE, from, NULL,
                "%s knows %u slots, fewer than the %u of the map: a second node is asked",
                node_text(from, text), v->covered_count, c->slots.known_count);
    view_free(f->smaller);
    f->smaller = v;
    f->smaller_requested_at = requested_at;
    f->smaller_from = from->uid;
    refresh_go_on(c);
}

void view_judge(cluster *c, node *from, uint32_t requested_at, view *v) {
    fence *f = &c->fence;
    bool smaller = slotmap_loaded(&c->slots) && v->covered_count < c->slots.known_count;
    if (f->has_epoch && (!v->has_epoch || v->current_epoch < f->epoch_seen) &&
        !MUTANT(OLD_EPOCH_ACCEPTED)) {
        refuse_old(c, from, requested_at, v);
        return;
    }
    if (smaller && !f->smaller && !MUTANT(SMALLER_VIEW_ACCEPTED)) {
        ask_second_opinion(c, from, requested_at, v);
        return;
    }
    bool agreed = MUTANT(SMALLER_VIEW_ACCEPTED) ||
                  (smaller && f->smaller_from != from->uid && view_agrees(f->smaller, v));
    take(c, v, smaller && !agreed, requested_at);
    view_free(v);
}

bool view_settle(cluster *c) {
    fence *f = &c->fence;
    if (f->smaller) {
        take_held(c, &f->smaller, true, f->smaller_requested_at);
        return true;
    }
    if (f->refused && all_seeds_agree(c)) {
        take_held(c, &f->refused, false, c->slots.patch_count);
        return true;
    }
    return false;
}
