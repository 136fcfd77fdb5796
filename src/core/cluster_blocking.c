/* Commands that may block (BLPOP, XREAD BLOCK ...), on connections of their own: in a shared
 * pipeline they would hold all others back.
 *
 * A command takes the usual way (route) up to its node's shared link: that one tells whether the
 * node is there, and no other connection is tried before. Then it gets a link of the node's pool,
 * which holds one command at a time: an idle one, a new one, or, if there are as many as may be,
 * the next that is free. It is outside its slot's lane: one that waits for an element must not hold
 * back the command that brings it.
 *
 * The deadline is the command's own time and the handle's timeout. One that blocks for ever has a
 * deadline only while it is at no server, unless the caller gave it one. At the deadline its
 * connection is closed: the server must not take an element for nobody afterwards. A command that
 * goes on to another server blocks there for the time that is left. */
#include "core/cluster_state.h"

#define IDLE_US UINT64_C(30000000) /* then a link that nobody used is closed */
#define LOOK_US UINT64_C(2000000)  /* how often a blocked command's slot is looked after */

/* --------------------------------------------------------------- requests */

bool blocking_init(cluster *c, request *r, const char *name, const kw_slice *argv, size_t argc,
                   bool given) {
    blocking *b = mem_calloc(c->mem, 1, sizeof *b);
    if (!b) {
        return false;
    }
    block_time_read(name, argv, argc, &b->time);
    b->endless = b->time.forever && !given;
    r->at.more->timeout_us += b->time.us;
    r->at.more->blocking = b;
    return true;
}

void blocking_under_way(cluster *c, request *r) {
    if (r->at.more->blocking->endless && !wheel_running(&r->at.more->deadline) &&
        !MUTANT(DEADLINE_IGNORED)) {
        wheel_start(&c->wheel, &r->at.more->deadline, c->now_us + r->at.more->timeout_us);
    }
}

/* Its bytes once more, with the time that is left. */
static bool encode_again(cluster *c, request *r, uint64_t left_us) {
    size_t prefix = r->at.more->asking ? REQUEST_ASKING_LEN : 0;
    size_t argc = 0;
    kw_slice *argv = request_arguments(c, request_bytes(r) + prefix, r->len - prefix, &argc);
    if (!argv) {
        return false;
    }
    char text[BLOCK_TEXT_BYTES];
    argv[r->at.more->blocking->time.argument] =
        slice_of(text, block_time_format(&r->at.more->blocking->time, left_us, text));
    size_t len = prefix + (size_t)resp_command_size(argv, argc);
    chunk *home = NULL;
    char *bytes = chunk_reserve(&c->chunks, &c->blocking_chunk, len, &home);
    if (bytes) {
        memcpy(bytes, request_bytes(r), prefix);
        resp_command_encode(bytes + prefix, argv, argc);
        chunk_unref(&c->chunks, r->at.more->chunk);
        r->at.more->chunk = home;
        r->offset = (uint32_t)(bytes - home->data);
        r->len = (uint32_t)len;
    }
    mem_free(c->mem, argv);
    return bytes != NULL;
}

/* Its own time runs from when a server got it first. */
static bool set_time_left(cluster *c, request *r) {
    blocking *b = r->at.more->blocking;
    if (b->started_us == 0) {
        b->started_us = c->now_us;
        return true;
    }
    uint64_t gone_us = c->now_us - b->started_us;
    if (b->time.argument == 0 || b->time.forever || gone_us == 0 || MUTANT(BLOCKING_ANEW)) {
        return true;
    }
    return encode_again(c, r, gone_us < b->time.us ? b->time.us - gone_us : 0);
}

/* ------------------------------------------------------------------- links */

static request *command_of(const link *l) {
    for (list *at = l->pipeline.next; at != &l->pipeline; at = at->next) {
        if (REQUEST_OF(at)->kind == REQUEST_USER) {
            return REQUEST_OF(at);
        }
    }
    return NULL; /* the handshake's replies may still be due */
}

/* False: it has failed, and the link is as it was. */
static bool start(cluster *c, link *l, request *r) {
    if (!set_time_left(c, r)) {
        request_fail(c, r, KW_ERR_NOMEM, l->node, "out of memory");
        return false;
    }
    if (r->at.more->blocking->endless) {
        wheel_stop(&c->wheel, &r->at.more->deadline);
    }
    list_remove(&l->in_pool);
    link_give(c, l, r);
    wheel_start(&c->wheel, &l->timer, c->now_us + LOOK_US);
    return true;
}

static void be_idle(cluster *c, link *l) {
    if (!list_linked(&l->in_pool)) {
        list_push_front(&l->node->blocking_idle, &l->in_pool);
        wheel_start(&c->wheel, &l->timer, c->now_us + IDLE_US);
    }
}

void blocking_pump(cluster *c, link *l) {
    list *later = &l->node->blocking_waiting;
    if (l->state != LINK_READY || l->draining || command_of(l)) {
        return;
    }
    for (bool started = false; !started;) {
        list *queue = list_empty(&l->waiting) ? later : &l->waiting;
        if (list_empty(queue)) {
            be_idle(c, l);
            return;
        }
        request *r = REQUEST_OF(list_pop_front(queue));
        request_stops_waiting(c, r);
        r->at.more->link = NULL;
        started = start(c, l, r);
    }
}

static uint32_t links_in_use(const node *n) {
    uint32_t count = 0;
    for (const list *at = n->all_links.next; at != &n->all_links; at = at->next) {
        const link *l = LIST_ENTRY(at, link, in_node);
        count += l->own && !l->draining;
    }
    return count;
}

void blocking_give(cluster *c, link *shared, request *r) {
    node *n = shared->node;
    if (!list_empty(&n->blocking_idle)) {
        (void)start(c, LIST_ENTRY(n->blocking_idle.next, link, in_pool), r);
        return;
    }
    if (links_in_use(n) >= c->config.blocking_connections_max && !MUTANT(BLOCKING_UNBOUNDED)) {
        request_waits(c, r, PLACE_POOL);
        list_push_back(&n->blocking_waiting, &r->node);
        return;
    }
    link *l = link_new(c, n);
    if (!l) {
        request_fail(c, r, KW_ERR_NOMEM, n, "out of memory");
        return;
    }
    l->own = true;
    request_waits(c, r, PLACE_LINK);
    r->at.more->link = l;
    list_push_back(&l->waiting, &r->node);
    link_connect_like(c, l, shared);
}

/* --------------------------------------------------------------------- ends */

void blocking_reroute(cluster *c, node *n) {
    list queue;
    list_init(&queue);
    list_append_all(&queue, &n->blocking_waiting);
    list *at;
    while ((at = list_pop_front(&queue))) {
        request *r = REQUEST_OF(at);
        request_stops_waiting(c, r);
        route(c, r);
    }
}

/* It could not be connected, though the shared one is: too many clients perhaps. */
static void try_later(cluster *c, request *r) {
    uint64_t delay_us = retry_full_jitter_us(&c->prng, c->config.retry_min_us,
                                             c->config.retry_max_us, r->at.more->attempts);
    if (r->at.more->attempts < UINT8_MAX) {
        r->at.more->attempts++;
    }
    route_later(c, r, delay_us, "retry");
}

/* The link is gone before its commands go on: they must not meet it. */
static void end_link(cluster *c, link *l, kw_status status, const char *message) {
    node *n = l->node;
    bool was_ready = l->state == LINK_READY;
    list queue;
    list_init(&queue);
    n->holds++;
    link_disconnect(c, l);
    list_remove(&l->in_pool);
    link_take_requests(c, l, &queue, status, message);
    link_free(c, l);
    list *at;
    while ((at = list_pop_front(&queue))) {
        request *r = REQUEST_OF(at);
        if (link_loss_is_final(n, status)) {
            request_fail(c, r, status, n, "%s", message);
        } else if (was_ready) {
            route(c, r);
        } else {
            try_later(c, r);
        }
    }
    blocking_reroute(c, n);
    n->holds--;
    node_release(c, n);
}

void blocking_on_lost(cluster *c, link *l, kw_status status, const char *message) {
    bool was_ready = l->state == LINK_READY;
    watch_count(c, l->node, was_ready ? KW_COUNT_DISCONNECTS : KW_COUNT_CONNECT_FAILURES);
    end_link(c, l, status, message);
}

void blocking_close(cluster *c, link *l) {
    end_link(c, l, KW_OK, "");
}

/* The map gives its slot to another node, which is there. An ASK led it where the map does not. */
static bool is_served_elsewhere(const cluster *c, const node *n, const request *r) {
    uint16_t owner = r->slot == SLOT_NONE ? SLOTMAP_NONE : slotmap_owner(&c->slots, r->slot);
    return owner != SLOTMAP_NONE && c->nodes[owner] != n && node_is_healthy(c->nodes[owner]) &&
           !r->at.more->asking;
}

/* A node that is there says itself that a slot has left it. One that is not says nothing, and the
 * command would wait there for ever. */
void blocking_on_timer(cluster *c, link *l) {
    node *n = l->node;
    const request *r = command_of(l);
    if (!r) {
        if (!MUTANT(BLOCKING_POOL_KEPT)) {
            blocking_close(c, l);
        }
        return;
    }
    bool elsewhere = is_served_elsewhere(c, n, r);
    if (elsewhere && l->silent && !node_is_healthy(n)) {
        blocking_on_lost(c, l, KW_ERR_CONNECTION, "the node was replaced, and does not answer");
        return;
    }
    l->silent = elsewhere;
    if (elsewhere) {
        link *shared = n->links[(unsigned)r->slot % c->config.connections_per_node];
        if (shared) {
            link_ping(c, shared);
        }
    }
    wheel_start(&c->wheel, &l->timer, c->now_us + LOOK_US);
}

bool blocking_is_busy(const link *l) {
    return l->own && command_of(l) != NULL;
}
