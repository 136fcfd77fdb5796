/* Which link a request goes to, and the order of commands within a slot.
 *
 * A lane is what one slot has under way. New requests follow the earlier ones down the same link;
 * when the slot's node changes, they wait in the lane until the earlier ones are answered. What a
 * redirect sends on goes past the lane, since the answers come in the order of submission. */
#include "core/cluster_state.h"

#include <assert.h>

#define BETTER_MAP_US 250000u /* how often those that wait for one look */

/* ------------------------------------------------------------------- lanes */

static bool has_lane(const request *r) {
    return r->slot != SLOT_NONE && !(request_blocks(r) && !MUTANT(BLOCKING_IN_LANE));
}

static lane *lane_of(cluster *c, const request *r) {
    return &c->lanes[r->slot];
}

static list *bucket_of(const cluster *c, int slot) {
    return (list *)(uintptr_t)&c->waiting_lanes[(unsigned)slot % LANE_BUCKETS];
}

request *lane_first(const cluster *c, int slot) {
    if (!c->lanes[slot].waits) {
        return NULL;
    }
    const list *bucket = bucket_of(c, slot);
    for (const list *at = bucket->next; at != bucket; at = at->next) {
        request *first = LIST_ENTRY(at, request_more, in_lane)->request;
        if (first->slot == slot) {
            return first;
        }
    }
    return NULL; /* never: a lane in which something waits has a first */
}

static void set_first(cluster *c, lane *a, request *old, request *first) {
    if (old) {
        list_remove(&old->at.more->in_lane);
    }
    if (first) {
        list_push_front(bucket_of(c, first->slot), &first->at.more->in_lane);
    }
    a->waits = first != NULL;
}

/* Where a request belongs in a queue sorted by submission: before the node returned. New ones
 * belong at the end; those that return come in runs, each right after the one before it. */
list *route_sorted_place(cluster *c, list *first, list *end, const request *r, bool same_queue) {
    if (request_before(r, REQUEST_OF(first))) {
        return first;
    }
    list *at = end;
    if (request_before(r, REQUEST_OF(end->prev))) {
        at = same_queue && request_before(c->inserted, r) ? c->inserted->node.next : end;
        while (at != end && request_before(REQUEST_OF(at), r)) {
            at = at->next;
        }
    }
    while (at->prev != first && request_before(r, REQUEST_OF(at->prev))) {
        at = at->prev;
    }
    return at;
}

/* A ring: its end is its first again. */
static void ring_insert(cluster *c, lane *a, request *r) {
    const request *hint = c->inserted;
    request *oldest = lane_first(c, r->slot);
    list_init(&r->node);
    if (!oldest) {
        set_first(c, a, NULL, r);
    } else {
        bool first = request_before(r, oldest);
        bool same_queue = hint && hint->place == PLACE_LANE && hint->slot == r->slot;
        list_insert_before(route_sorted_place(c, &oldest->node, &oldest->node, r, same_queue),
                           &r->node);
        if (first) {
            set_first(c, a, oldest, r);
        }
    }
    c->inserted = r;
}

static void ring_remove(cluster *c, lane *a, request *r) {
    list *next = r->node.next;
    if (lane_first(c, r->slot) == r) {
        set_first(c, a, r, next == &r->node ? NULL : REQUEST_OF(next));
    }
    list_remove(&r->node);
}

/* The first in a lane carries the lane's timer. */
static void hand_timer(cluster *c, request *from, request *to) {
    uint64_t at_us = from->at.more->retry.at_us;
    wheel_stop(&c->wheel, &from->at.more->retry);
    if (at_us != WHEEL_NEVER) {
        wheel_start(&c->wheel, &to->at.more->retry, at_us);
    }
}

static void lane_wake(cluster *c, int slot) {
    if (c->lanes[slot].waits && c->lanes[slot].assigned == 0) {
        request *first = lane_first(c, slot);
        if (!wheel_running(&first->at.more->retry)) {
            timer_start_now(c, &first->at.more->retry);
        }
    }
}

static void lane_insert(cluster *c, request *r) {
    lane *a = lane_of(c, r);
    request *first = lane_first(c, r->slot);
    request_waits(c, r, PLACE_LANE);
    ring_insert(c, a, r);
    if (first && lane_first(c, r->slot) == r) {
        hand_timer(c, first, r);
    }
    lane_wake(c, r->slot);
}

void lane_remove(cluster *c, request *r) {
    if (!has_lane(r)) {
        list_remove(&r->node);
        request_stops_waiting(c, r);
        wheel_stop(&c->wheel, &r->at.more->retry);
        return;
    }
    lane *a = lane_of(c, r);
    bool first = lane_first(c, r->slot) == r;
    ring_remove(c, a, r);
    request_stops_waiting(c, r);
    if (first && a->waits) {
        hand_timer(c, r, lane_first(c, r->slot));
        lane_wake(c, r->slot);
    }
    wheel_stop(&c->wheel, &r->at.more->retry);
}

void route_wake_slot(cluster *c, int slot) {
    request *first = lane_first(c, slot);
    if (first) {
        timer_start_now(c, &first->at.more->retry);
    }
}

void route_wake_all(cluster *c) {
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        if (slotmap_owner(&c->slots, slot) != SLOTMAP_NONE) {
            route_wake_slot(c, slot);
        }
    }
}

void lane_leave(cluster *c, request *r) {
    if (!r->in_lane) {
        return;
    }
    lane *a = lane_of(c, r);
    assert(a->assigned > 0);
    r->in_lane = false;
    if (--a->assigned == 0) {
        a->split = 0;
        lane_wake(c, r->slot);
    }
}

static bool earlier_one_waits(const cluster *c, const request *r) {
    const request *first = lane_first(c, r->slot);
    return first && request_before(first, r);
}

/* ... which may not be overtaken by those that were behind it in a pipeline. */
static bool earlier_one_insists(const cluster *c, const request *r) {
    const request *first = lane_first(c, r->slot);
    const list *at = first ? &first->node : NULL;
    while (at && request_before(REQUEST_OF(at), r)) {
        if (!REQUEST_OF(at)->at.more->yields) {
            return true;
        }
        at = at->next == &first->node ? NULL : at->next;
    }
    return false;
}

static bool earlier_one_is_in(const list *queue, const request *r) {
    for (const list *at = queue->next; at != queue; at = at->next) {
        const request *other = REQUEST_OF(at);
        if (other->in_lane && other->slot == r->slot && request_before(other, r)) {
            return true;
        }
    }
    return false;
}

/* The slot moved on between the answers of two commands: the earlier one was sent elsewhere. */
static bool earlier_one_is_elsewhere(const cluster *c, const lane *a, const request *r,
                                     const link *l) {
    const link *other = c->links[a->link];
    return a->assigned > 0 && a->split && other && other != l &&
           (earlier_one_is_in(&other->pipeline, r) || earlier_one_is_in(&other->waiting, r));
}

bool lane_is_behind(const cluster *c, const request *r, const link *l) {
    if (!r->in_lane) {
        return false;
    }
    const lane *a = &c->lanes[r->slot];
    bool behind = r->at.more->was_refused ? earlier_one_insists(c, r) : earlier_one_waits(c, r);
    return behind || a->link != l->index;
}

static void enter_lane(lane *a, request *r, const link *l) {
    if (a->assigned > 0 && a->link != l->index) {
        a->split = 1;
    }
    a->assigned++;
    a->link = l->index & LANE_LINK_MASK;
    r->in_lane = true;
}

static void assign(cluster *c, request *r, link *l, const char *reason) {
    r->at.more->reason = reason;
    if (r->at.more->probe) {
        watch_count(c, l->node, KW_COUNT_PROBES);
        watch_event(c, KW_EVENT_PROBED, r->slot, l->node, NULL, "slot %d has no owner to ask",
                    r->slot);
    }
    if (has_lane(r)) {
        enter_lane(lane_of(c, r), r, l);
    }
    if (r->at.more->blocking && l->state == LINK_READY && !MUTANT(BLOCKING_SHARES)) {
        blocking_give(c, l, r);
        return;
    }
    link_give(c, l, r);
}

/* ----------------------------------------------------------------- targets */

static bool fits(const node *n, uint64_t avoid, bool healthy) {
    return n && n->in_map && !n->replica && n->uid != avoid && (!healthy || node_is_healthy(n));
}

static node *pick_primary(cluster *c, uint64_t avoid, bool healthy) {
    unsigned count = 0;
    for (unsigned i = 0; i < c->node_count; i++) {
        count += fits(c->nodes[i], avoid, healthy);
    }
    uint64_t chosen = prng_below(&c->prng, count);
    for (unsigned i = 0; i < c->node_count; i++) {
        if (fits(c->nodes[i], avoid, healthy) && chosen-- == 0) {
            return c->nodes[i];
        }
    }
    return NULL;
}

node *route_random_primary(cluster *c, uint64_t avoid) {
    node *n = pick_primary(c, avoid, true);
    if (!n) {
        n = pick_primary(c, avoid, false);
    }
    return n || avoid == 0 ? n : route_random_primary(c, 0);
}

/* Where the map sends the request; marks it as a probe if the map does not know. */
static node *target_of(cluster *c, request *r, const char **ret_reason) {
    r->at.more->probe = false;
    *ret_reason = "any";
    if (r->slot == SLOT_NONE) {
        return route_random_primary(c, r->at.more->avoid);
    }
    uint16_t owner = slotmap_owner(&c->slots, r->slot);
    if (owner != SLOTMAP_NONE &&
        (r->at.more->forced || c->nodes[owner]->uid != r->at.more->avoid)) {
        *ret_reason = slotmap_in_overlay(&c->slots, r->slot) ? "overlay" : "map";
        return c->nodes[owner];
    }
    if (owner == SLOTMAP_NONE) {
        refresh_arm(c, REFRESH_URGENT, NULL);
    }
    if (r->at.more->forced || MUTANT(NO_PROBE)) {
        return NULL; /* any other node would execute it */
    }
    r->at.more->probe = true;
    *ret_reason = "probe";
    return route_random_primary(c, r->at.more->avoid);
}

/* ----------------------------------------------------------------- routing */

void route_wait_for_map(cluster *c, request *r) {
    const request *hint = c->inserted;
    bool same_queue = hint && hint->place == PLACE_MAP;
    list *queue = &c->map_waiting;
    list *position =
        list_empty(queue) ? queue : route_sorted_place(c, queue->next, queue, r, same_queue);
    request_waits(c, r, PLACE_MAP);
    list_insert_before(position, &r->node);
    c->inserted = r;
    refresh_arm(c, REFRESH_URGENT, NULL);
    refresh_hurry(c);
}

/* In its lane, where the order is kept: others of its slot may wait in links. */
static void wait_for_better_map(cluster *c, request *r) {
    if (r->slot == SLOT_NONE || !slotmap_loaded(&c->slots)) {
        route_wait_for_map(c, r);
        return;
    }
    refresh_arm(c, REFRESH_URGENT, NULL);
    if (!has_lane(r)) {
        route_later(c, r, BETTER_MAP_US, "retry");
        return;
    }
    lane_insert(c, r);
}

void route(cluster *c, request *r) {
    assert(r->place == PLACE_NOWHERE && !r->in_lane);
    if (r->at.more->blocking) {
        blocking_under_way(c, r);
    }
    if (!route_map_is_usable(c)) {
        wait_for_better_map(c, r);
        return;
    }
    bool in_order = has_lane(r);
    if (in_order && lane_of(c, r)->waits) {
        lane_insert(c, r);
        return;
    }
    const char *reason = NULL;
    node *n = target_of(c, r, &reason);
    if (!n) {
        wait_for_better_map(c, r);
        return;
    }
    link *l = link_for(c, n, r->slot);
    if (!l || !request_set_asking(c, r, &l->chunk, false)) {
        request_fail(c, r, KW_ERR_NOMEM, n, "out of memory");
        return;
    }
    if (in_order && lane_is_elsewhere(lane_of(c, r), l)) {
        lane_insert(c, r);
        return;
    }
    r->at.more->avoid = 0;
    assign(c, r, l, r->at.more->lost ? "retry" : reason);
}

static bool comes_too_early(cluster *c, const lane *a, const request *r, const link *l) {
    return earlier_one_insists(c, r) || earlier_one_is_elsewhere(c, a, r, l);
}

void route_to(cluster *c, request *r, node *n, const char *reason) {
    assert(r->place == PLACE_NOWHERE && !r->in_lane);
    if (r->at.more->blocking) {
        blocking_under_way(c, r);
    }
    link *l = link_for(c, n, r->slot);
    if (!l) {
        request_fail(c, r, KW_ERR_NOMEM, n, "out of memory");
        return;
    }
    if (has_lane(r) && comes_too_early(c, lane_of(c, r), r, l)) {
        lane_insert(c, r);
        return;
    }
    assign(c, r, l, reason);
}

void route_later(cluster *c, request *r, uint64_t delay_us, const char *reason) {
    r->at.more->reason = reason;
    if (r->at.more->blocking) {
        blocking_under_way(c, r);
    }
    if (!has_lane(r)) {
        request_waits(c, r, PLACE_LANE);
        list_push_back(&c->keyless_waiting, &r->node);
        wheel_start(&c->wheel, &r->at.more->retry, c->now_us + delay_us);
        return;
    }
    const request *before = lane_first(c, r->slot);
    bool timed = before && wheel_running(&before->at.more->retry);
    lane_insert(c, r);
    /* Its leaving the link has just woken the lane: one that was refused waits nevertheless. */
    if ((!timed || r->at.more->yields) && lane_first(c, r->slot) == r) {
        wheel_start(&c->wheel, &r->at.more->retry, c->now_us + delay_us);
    }
}

/* The lane goes on: its requests follow each other down one link as long as they may. */
void lane_on_timer(cluster *c, request *r) {
    if (!has_lane(r)) {
        lane_remove(c, r);
        route(c, r);
        return;
    }
    int slot = r->slot;
    lane *a = lane_of(c, r);
    request *first;
    while ((first = lane_first(c, slot))) {
        const char *reason = NULL;
        node *n = route_map_is_usable(c) ? target_of(c, first, &reason) : NULL;
        link *l = n ? link_for(c, n, first->slot) : NULL;
        if (!n) { /* an accepted view wakes it earlier */
            wheel_start(&c->wheel, &first->at.more->retry, c->now_us + BETTER_MAP_US);
            refresh_arm(c, REFRESH_URGENT, NULL);
            return;
        }
        if (l && lane_is_elsewhere(a, l)) {
            return; /* lane_leave wakes it */
        }
        ring_remove(c, a, first);
        wheel_stop(&c->wheel, &first->at.more->retry);
        request_stops_waiting(c, first);
        if (!l || !request_set_asking(c, first, &l->chunk, false)) {
            request_fail(c, first, KW_ERR_NOMEM, n, "out of memory");
        } else {
            first->at.more->avoid = 0;
            first->at.more->yields = false;
            assign(c, first, l,
                   first->at.more->lost || first->at.more->was_refused ? "retry" : reason);
        }
    }
}

void route_map_waiting(cluster *c) {
    list queue;
    list_init(&queue);
    list_append_all(&queue, &c->map_waiting);
    list *at;
    while ((at = list_pop_front(&queue))) {
        request *r = REQUEST_OF(at);
        request_stops_waiting(c, r);
        if (r->keys_known) {
            route(c, r);
        } else {
            learn_command(c, r);
        }
    }
}

void route_link_waiting(cluster *c, link *l) {
    list queue;
    list_init(&queue);
    list_append_all(&queue, &l->waiting);
    list *at;
    while ((at = list_pop_front(&queue))) {
        request *r = REQUEST_OF(at);
        request_stops_waiting(c, r);
        r->at.more->link = NULL;
        lane_leave(c, r);
        if (r->kind == REQUEST_USER) {
            route(c, r);
        } else {
            request_fail(c, r, KW_ERR_CONNECTION, l->node, "the connection was lost");
        }
    }
}
