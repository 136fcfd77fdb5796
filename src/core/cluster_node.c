/* Nodes: finding them, their states, and their leaving. Each stands for itself: what happens to one
 * never delays the commands of another. */
#include "core/cluster_state.h"

#include <assert.h>

#define REROUTE_DELAY_US 10000u /* many slots that move one by one share one walk of the queue */

static const char *const state_names[] = {
    [NODE_UNKNOWN] = "unknown", [NODE_CONNECTING] = "connecting",
    [NODE_UP] = "up",           [NODE_SUSPECT] = "suspect",
    [NODE_DOWN] = "down",       [NODE_DRAINING] = "draining",
};

const char *node_state_name(const node *n) {
    return state_names[n->state];
}

const char *node_text(const node *n, char dst[ENDPOINT_TEXT_BYTES]) {
    return endpoint_format(&n->endpoint, dst);
}

bool node_is_healthy(const node *n) {
    return n->state == NODE_UNKNOWN || n->state == NODE_CONNECTING || n->state == NODE_UP;
}

/* ----------------------------------------------------------------- finding */

node *node_find(const cluster *c, const endpoint *e) {
    char key[ENDPOINT_KEY_BYTES];
    return map_get(&c->by_endpoint, endpoint_key(e, key));
}

node *node_by_uid(const cluster *c, uint64_t uid) {
    for (unsigned i = 0; uid != 0 && i < c->node_count; i++) {
        if (c->nodes[i] && c->nodes[i]->uid == uid) {
            return c->nodes[i];
        }
    }
    return NULL;
}

static int free_index(const cluster *c) {
    for (unsigned i = c->node_free; i < LIMIT_NODES; i++) {
        if (i >= c->node_count || !c->nodes[i]) {
            return (int)i;
        }
    }
    return -1;
}

static void remap(cluster *c, node *n) {
    endpoint *e = &n->contact->endpoint;
    *e = n->endpoint;
    if (c->config.remap && e->port != 0) {
        c->config.remap(c->config.remap_arg, e->host, sizeof e->host, &e->port);
        e->host[sizeof e->host - 1] = '\0';
    }
}

bool node_make_contact(cluster *c, node *n) {
    if (!n->contact) {
        n->contact = mem_calloc(c->mem, 1, sizeof *n->contact);
        if (n->contact) {
            remap(c, n);
        }
    }
    return n->contact != NULL;
}

static void set_endpoint(cluster *c, node *n, const endpoint *e) {
    n->endpoint = *e;
    n->address_count = 0;
    if (n->contact) {
        remap(c, n);
    }
}

static node *node_new(cluster *c, const endpoint *e) {
    int index = free_index(c);
    node *n = index >= 0 ? mem_calloc(c->mem, 1, sizeof *n) : NULL;
    if (!n) {
        return NULL;
    }
    char key[ENDPOINT_KEY_BYTES];
    if (!map_set(&c->by_endpoint, endpoint_key(e, key), n, NULL)) {
        mem_free(c->mem, n);
        return NULL;
    }
    n->uid = ++c->next_uid;
    n->index = (uint16_t)index;
    n->primary = SLOTMAP_NONE;
    list_init(&n->all_links);
    list_init(&n->blocking_idle);
    list_init(&n->blocking_waiting);
    timer_init(&n->probe, TIMER_PROBE);
    retry_budget_init(&n->budget, c->config.retry_percent);
    set_endpoint(c, n, e);
    c->nodes[index] = n;
    c->node_free = (uint16_t)(index + 1);
    if (index >= c->node_count) {
        c->node_count = (uint16_t)(index + 1);
    }
    return n;
}

node *node_get(cluster *c, const endpoint *e) {
    node *n = node_find(c, e);
    return n ? n : node_new(c, e);
}

/* ------------------------------------------------------------------ states */

void node_set_state(cluster *c, node *n, node_state state, const char *why) {
    node_state before = (node_state)n->state;
    if (before == state || (before == NODE_DRAINING && state != NODE_UP)) {
        return;
    }
    n->state = (uint8_t)(before == NODE_DRAINING ? NODE_DRAINING : state);
    char text[ENDPOINT_TEXT_BYTES];
    if (state == NODE_UP) {
        watch_event(c, KW_EVENT_NODE_UP, SLOT_NONE, n, NULL, "%s is up", node_text(n, text));
    } else if (state == NODE_DOWN || (state == NODE_SUSPECT && before == NODE_UP)) {
        watch_event(c, KW_EVENT_NODE_DOWN, SLOT_NONE, n, NULL, "%s is %s: %s", node_text(n, text),
                    state_names[state], why);
    }
}

/* ----------------------------------------------------------------- leaving */

/* Nothing new goes to these links. Nothing is routed yet: the map may be in the middle of a change.
 */
static void detach_links(node *n) {
    for (list *at = n->all_links.next; at != &n->all_links; at = at->next) {
        LIST_ENTRY(at, link, in_node)->draining = true;
    }
    memset(n->links, 0, sizeof n->links);
}

void node_drain(cluster *c, node *n) {
    n->holds++; /* the last link to close would free it */
    LIST_FOR_EACH(at, after, &n->all_links) {
        link *l = LIST_ENTRY(at, link, in_node);
        if (l->draining && !l->drained) {
            link_drain(c, l);
        }
    }
    n->holds--;
}

static void forget_endpoint(cluster *c, const node *n) {
    char key[ENDPOINT_KEY_BYTES];
    if (node_find(c, &n->endpoint) == n) {
        map_remove(&c->by_endpoint, endpoint_key(&n->endpoint, key));
    }
}

/* Another node was there before: what was said of the endpoint, a redirect perhaps newer than the
 * view, now holds for this one. */
static void take_over_endpoint(cluster *c, node *n, const endpoint *e) {
    const node *holder = node_find(c, e);
    for (int slot = 0; holder && holder != n && slot < SLOT_COUNT; slot++) {
        if (slotmap_owner(&c->slots, slot) == holder->index) {
            slotmap_rename(&c->slots, slot, n->index);
        }
    }
}

bool node_move(cluster *c, node *n, const endpoint *e) {
    char key[ENDPOINT_KEY_BYTES];
    take_over_endpoint(c, n, e);
    forget_endpoint(c, n);
    if (!map_set(&c->by_endpoint, endpoint_key(e, key), n, NULL)) {
        return false;
    }
    set_endpoint(c, n, e);
    n->failures_in_row = 0;
    n->state = NODE_UNKNOWN;
    detach_links(n);
    return true;
}

void node_leave_map(cluster *c, node *n) {
    char text[ENDPOINT_TEXT_BYTES];
    if (n->in_map) {
        watch_event(c, KW_EVENT_NODE_REMOVED, SLOT_NONE, n, NULL, "%s left the map",
                    node_text(n, text));
    }
    n->in_map = false;
    n->state = NODE_DRAINING;
    forget_endpoint(c, n);
    node_release(c, n);
}

/* Seeds and nodes that left the map stay only as long as somebody talks to them. */
void node_release(cluster *c, node *n) {
    if (n->in_map || n->holds > 0 || MUTANT(LINKS_KEPT)) {
        return;
    }
    n->state = NODE_DRAINING;
    detach_links(n);
    node_drain(c, n);
    if (!list_empty(&n->all_links)) {
        return; /* the last link to close comes back here */
    }
    forget_endpoint(c, n);
    wheel_stop(&c->wheel, &n->probe);
    c->nodes[n->index] = NULL;
    c->node_free = n->index < c->node_free ? n->index : c->node_free;
    mem_free(c->mem, n->contact);
    mem_free(c->mem, n);
}

/* ---------------------------------------------------- probing for a failover */

static node *healthy_replica(cluster *c, const node *primary) {
    unsigned count = 0;
    node *chosen = NULL;
    for (unsigned i = 0; i < c->node_count; i++) {
        node *n = c->nodes[i];
        if (n && n->in_map && n->replica && n->primary == primary->index && node_is_healthy(n) &&
            prng_below(&c->prng, ++count) == 0) {
            chosen = n;
        }
    }
    return chosen;
}

/* The first that waits for the node and may ask another one. At most one command of a slot is away
 * asking: those that wait must be able to tell that an earlier one is not back. */
static request *first_waiting(const cluster *c, const node *n, bool *ret_any) {
    for (const list *at = n->all_links.next; at != &n->all_links; at = at->next) {
        const link *l = LIST_ENTRY(at, link, in_node);
        if (l->state == LINK_READY) {
            continue;
        }
        for (list *w = l->waiting.next; w != &l->waiting; w = w->next) {
            request *r = REQUEST_OF(w);
            /* A blocking one would not tell that it was let in. One that was asked here is nobody
             * else's; it goes back to the owner when the connection fails. */
            if (r->kind != REQUEST_USER || r->slot == SLOT_NONE || r->at.more->forced ||
                r->at.more->blocking || r->at.more->asking) {
                continue;
            }
            *ret_any = true;
            const lane *a = &c->lanes[r->slot];
            if (!a->split || a->link == l->index) { /* else another one is away */
                return r;
            }
        }
    }
    return NULL;
}

static void start_probing(cluster *c, node *n) {
    wheel_start(&c->wheel, &n->probe,
                c->now_us + prng_jitter(&c->prng, c->config.failover_probe_us, 20));
}

/* A node that is not there cannot say that it was replaced. One of the commands that wait for it
 * asks a replica now and then: a replica refuses it with MOVED as long as it is one, and serves it,
 * or names the new primary, once there is one. */
static void probe_replica(cluster *c, node *n, request *r) {
    node *at = healthy_replica(c, n);
    if (!at) {
        at = route_random_primary(c, n->uid);
    }
    if (!at || at == n) {
        return;
    }
    request_unqueue(c, r);
    r->at.more->probe = true;
    route_to(c, r, at, "failover");
}

/* A random one of the lanes that wait for the node; SLOT_NONE if there is none. */
static int waiting_slot(cluster *c, const node *n) {
    int from = (int)prng_below(&c->prng, SLOT_COUNT);
    for (int i = 0; i < SLOT_COUNT; i++) {
        int slot = (from + i) % SLOT_COUNT;
        if (c->lanes[slot].waits && slotmap_owner(&c->slots, slot) == n->index) {
            return slot;
        }
    }
    return SLOT_NONE;
}

static void reroute(cluster *c, node *n) {
    n->reroute = false;
    LIST_FOR_EACH(at, after, &n->all_links) {
        link *l = LIST_ENTRY(at, link, in_node);
        if (l->state != LINK_READY && !l->own) {
            route_link_waiting(c, l);
        }
    }
}

void node_reroute_soon(cluster *c, node *n) {
    if (!n->reroute) {
        n->reroute = true;
        wheel_start(&c->wheel, &n->probe, c->now_us + REROUTE_DELAY_US);
    }
}

void node_on_probe(cluster *c, node *n) {
    if (c->closed) {
        return;
    }
    if (n->reroute) {
        reroute(c, n);
    }
    bool any = false;
    request *r = first_waiting(c, n, &any);
    int slot = !any && n->says_down ? waiting_slot(c, n) : SLOT_NONE;
    if (any) {
        start_probing(c, n);
    }
    if (r && !node_is_healthy(n)) { /* else its first connection, or one more, is on its way */
        probe_replica(c, n, r);
    } else if (slot != SLOT_NONE) {
        start_probing(c, n);
        route_wake_slot(c, slot);
    }
}

/* The backoffs of the slots grow up to a second: one command of the node's does not wait that long,
 * so that its recovery is seen. */
void node_says_down(cluster *c, node *n) {
    n->says_down = true;
    if (!wheel_running(&n->probe)) {
        start_probing(c, n);
    }
}

void node_recovered(cluster *c, node *n) {
    n->says_down = false;
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        if (slotmap_owner(&c->slots, slot) == n->index) {
            route_wake_slot(c, slot);
        }
    }
}
