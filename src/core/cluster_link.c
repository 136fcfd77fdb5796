/* Connections: opening, the handshake, bytes in and out, and what becomes of the commands of one
 * that is lost (ROUTING §5, §6). */
#include "core/cluster_state.h"

#include "core/reply.h"

#include <assert.h>
#include <stdio.h>

#define PARTING_US 100000u         /* for a silent node that was replaced, to answer after all */
#define SILENCE_US 1000000u        /* replies are due, and nothing came for so long: worth a look */
#define BACKOFF_WANTED_US 1000000u /* the longest backoff while commands wait for the node */

static void link_open(cluster *c, link *l);

/* ------------------------------------------------------------------ making */

static int link_index(cluster *c) {
    for (uint32_t i = 0; i < c->link_count; i++) {
        if (!c->links[i]) {
            return (int)i;
        }
    }
    uint32_t count = c->link_count ? c->link_count * 2 : 8;
    link **links = mem_resize(c->mem, c->links, count, sizeof(link *));
    if (!links) {
        return -1;
    }
    memset(links + c->link_count, 0, (count - c->link_count) * sizeof(link *));
    int index = (int)c->link_count;
    c->links = links;
    c->link_count = count;
    return index;
}

link *link_new(cluster *c, node *n) {
    int index = node_make_contact(c, n) ? link_index(c) : -1;
    link *l = index >= 0 ? mem_alloc(c->mem, sizeof *l) : NULL;
    if (!l) {
        return NULL;
    }
    link_init(l, c->mem, (uint32_t)index, c->config.reply_bytes_max);
    timer_init(&l->expiry, TIMER_EXPIRY);
    timer_init(&l->timer, TIMER_LINK);
    l->node = n;
    list_push_back(&n->all_links, &l->in_node);
    c->links[index] = l;
    return l;
}

/* Its number is not used again before io has fetched its last effect. */
static void link_reclaim(cluster *c, link *l) {
    c->links[l->index] = NULL;
    mem_free(c->mem, l);
}

void link_free(cluster *c, link *l) {
    node *n = l->node;
    wheel_stop(&c->wheel, &l->expiry);
    wheel_stop(&c->wheel, &l->timer);
    chunk_unref(&c->chunks, l->chunk);
    l->chunk = NULL;
    list_remove(&l->in_node);
    for (unsigned i = 0; i < NODE_LINKS_MAX; i++) {
        if (n->links[i] == l) {
            n->links[i] = NULL;
        }
    }
    link_done(l);
    l->node = NULL;
    l->state = LINK_CLOSED;
    if (l->effects == 0) {
        link_reclaim(c, l);
    }
    node_release(c, n);
}

/* ----------------------------------------------------------------- effects */

static unsigned bit(effect_kind kind) {
    return 1u << kind;
}

/* Effects are bits of their link: asking for one needs no memory, so none is ever lost. */
static void want(cluster *c, link *l, effect_kind kind) {
    if (l->effects == 0) {
        list_push_back(&c->effects, &l->in_effects);
    }
    l->effects = (uint8_t)(l->effects | bit(kind));
}

static void unwant(link *l, unsigned kinds) {
    if (l->effects == 0) {
        return;
    }
    l->effects = (uint8_t)(l->effects & ~kinds);
    if (l->effects == 0) {
        list_remove(&l->in_effects);
    }
}

void link_disconnect(cluster *c, link *l) {
    bool resolving = l->state == LINK_RESOLVING && !(l->effects & bit(EFFECT_RESOLVE));
    unwant(l, bit(EFFECT_OPEN) | bit(EFFECT_WRITE) | bit(EFFECT_RESOLVE));
    l->write_wanted = false;
    if (resolving) {
        l->cancel_id = l->resolve_id;
        want(c, l, EFFECT_CANCEL);
    }
    if (l->io_open) {
        want(c, l, EFFECT_CLOSE);
    }
}

/* In the order in which they must be carried out. */
static effect_kind next_kind(const link *l) {
    if (l->effects == bit(EFFECT_WRITE)) { /* mostly */
        return EFFECT_WRITE;
    }
    static const effect_kind order[] = {EFFECT_CANCEL, EFFECT_CLOSE, EFFECT_RESOLVE, EFFECT_OPEN};
    for (unsigned i = 0; i < sizeof order / sizeof *order; i++) {
        if (l->effects & bit(order[i])) {
            return order[i];
        }
    }
    return EFFECT_WRITE;
}

bool cluster_next_effect(cluster *c, cluster_effect *ret) {
    if (list_empty(&c->effects)) {
        return false;
    }
    link *l = LIST_ENTRY(c->effects.next, link, in_effects);
    effect_kind kind = next_kind(l);
    ret->kind = kind; /* name and address only where they are meant: they are large */
    ret->link = l->index;
    ret->id = kind == EFFECT_CANCEL ? l->cancel_id : l->resolve_id;
    if (kind == EFFECT_OPEN || kind == EFFECT_RESOLVE) {
        ret->name = l->node->contact->endpoint;
        ret->address = l->address;
    }
    if (kind == EFFECT_OPEN || kind == EFFECT_CLOSE) {
        l->io_open = kind == EFFECT_OPEN;
    }
    unwant(l, bit(kind));
    if (l->effects == 0 && !l->node) {
        link_reclaim(c, l);
    }
    return true;
}

/* The link that io speaks of; NULL if it speaks of a connection that was given up meanwhile. */
static link *current_link(const cluster *c, uint32_t index) {
    link *l = index < c->link_count ? c->links[index] : NULL;
    bool stale = !l || !l->io_open || l->effects & (bit(EFFECT_CLOSE) | bit(EFFECT_OPEN));
    return stale ? NULL : l;
}

/* ------------------------------------------------------------------ finding */

link *link_for(cluster *c, node *n, int slot) {
    unsigned count = c->config.connections_per_node;
    unsigned which =
        slot == SLOT_NONE ? (unsigned)prng_below(&c->prng, count) : (unsigned)slot % count;
    link *l = n->links[which];
    if (!l) {
        l = link_new(c, n);
        n->links[which] = l;
    }
    if (l && l->state == LINK_IDLE) {
        link_open(c, l);
    }
    return l;
}

/* ----------------------------------------------------------------- opening */

static void open_address(cluster *c, link *l) {
    node *n = l->node;
    l->state = LINK_CONNECTING;
    wheel_start(&c->wheel, &l->timer, c->now_us + c->config.connect_timeout_us);
    l->address = n->contact->addresses[n->address_next++];
    l->address.port = n->contact->endpoint.port;
    want(c, l, EFFECT_OPEN);
}

void link_connect_like(cluster *c, link *l, const link *like) {
    l->state = LINK_CONNECTING;
    l->address = like->address;
    wheel_start(&c->wheel, &l->timer, c->now_us + c->config.connect_timeout_us);
    want(c, l, EFFECT_OPEN);
}

static bool another_connects(const link *l) {
    const node *n = l->node;
    for (const list *at = n->all_links.next; at != &n->all_links; at = at->next) {
        const link *other = LIST_ENTRY(at, link, in_node);
        if (other != l && !other->own &&
            (other->state == LINK_RESOLVING || other->state == LINK_CONNECTING)) {
            return true;
        }
    }
    return false;
}

static void link_open(cluster *c, link *l) {
    node *n = l->node;
    if (another_connects(l)) { /* one attempt a node at a time */
        l->state = LINK_BACKOFF;
        wheel_start(&c->wheel, &l->timer, c->now_us + c->config.reconnect_min_us / 4);
        return;
    }
    if (n->state == NODE_UNKNOWN) {
        node_set_state(c, n, NODE_CONNECTING, "");
    }
    n->address_next = 0;
    if (!c->config.resolve_literals &&
        endpoint_to_address(&n->contact->endpoint, &n->contact->addresses[0])) {
        n->address_count = 1;
        open_address(c, l);
        return;
    }
    l->state = LINK_RESOLVING;
    l->resolve_id = ++c->next_resolve;
    wheel_start(&c->wheel, &l->timer, c->now_us + c->config.connect_timeout_us);
    want(c, l, EFFECT_RESOLVE);
}

static link *resolving_link(const cluster *c, uint64_t id) {
    for (uint32_t i = 0; i < c->link_count; i++) {
        link *l = c->links[i];
        if (l && l->state == LINK_RESOLVING && l->resolve_id == id) {
            return l;
        }
    }
    return NULL;
}

void cluster_resolved(cluster *c, uint64_t id, const net_address *addresses, size_t count,
                      kw_status status, const char *message, uint64_t now_us) {
    c->now_us = now_us;
    link *l = resolving_link(c, id);
    if (l && (status != KW_OK || count == 0)) {
        char text[KW_ERROR_MESSAGE_SIZE];
        snprintf(text, sizeof text, "%.120s has no address: %s", l->node->contact->endpoint.host,
                 message && message[0] ? message : "none was found");
        link_fail(c, l, status != KW_OK ? status : KW_ERR_RESOLVE, text);
    } else if (l) {
        node *n = l->node;
        n->address_count = count < LIMIT_ADDRESSES ? count : LIMIT_ADDRESSES;
        memcpy(n->contact->addresses, addresses, n->address_count * sizeof *addresses);
        open_address(c, l);
    }
    cluster_settle(c);
}

/* --------------------------------------------------------------- handshake */

static bool push_internal(cluster *c, link *l, const char *bytes, size_t len, request_kind kind) {
    request *r = bytes ? request_copy(c, &l->chunk, bytes, len, kind) : NULL;
    if (!r) {
        return bytes == NULL;
    }
    r->at.more->sent_us = c->now_us;
    link_push(l, r);
    return true;
}

void link_want_write(cluster *c, link *l) {
    if (!l->write_wanted && link_has_output(l)) {
        l->write_wanted = true;
        want(c, l, EFFECT_WRITE);
    }
}

static void link_ready(cluster *c, link *l) {
    node *n = l->node;
    l->state = LINK_READY;
    if (l->own) {
        blocking_pump(c, l);
        return;
    }
    n->failures_in_row = 0;
    n->timeouts_in_row = 0;
    n->was_up = true;
    node_set_state(c, n, NODE_UP, "");
    wheel_start(&c->wheel, &l->timer, c->now_us + SILENCE_US);
    link_pump(c, l);
}

void cluster_link_connected(cluster *c, uint32_t index, uint64_t now_us) {
    c->now_us = now_us;
    link *l = current_link(c, index);
    if (l && l->state == LINK_CONNECTING) {
        watch_count(c, l->node, KW_COUNT_CONNECTS);
        l->state = LINK_HANDSHAKE;
        l->connected_us = now_us;
        l->received_us = now_us;
        l->resp = c->config.resp;
        bool made = l->resp == 3
                        ? push_internal(c, l, c->hello, c->hello_len, REQUEST_HELLO)
                        : push_internal(c, l, c->auth, c->auth_len, REQUEST_AUTH) &&
                              push_internal(c, l, c->setname, c->setname_len, REQUEST_IGNORED);
        made = made && push_internal(c, l, c->setinfo[0], c->setinfo_len[0], REQUEST_IGNORED) &&
               push_internal(c, l, c->setinfo[1], c->setinfo_len[1], REQUEST_IGNORED);
        if (!made) {
            link_fail(c, l, KW_ERR_NOMEM, "out of memory");
        } else if (l->resp == 2 && !c->auth) {
            link_ready(c, l);
        }
        if (made) {
            link_want_write(c, l);
        }
    }
    cluster_settle(c);
}

static bool refuses_user(kw_slice error) {
    return slice_starts_with(error, "WRONGPASS") || slice_starts_with(error, "NOAUTH") ||
           slice_starts_with(error, "NOPERM") || slice_starts_with(error, "ERR AUTH") ||
           slice_starts_with(error, "ERR invalid password") || slice_starts_with(error, "DENIED");
}

static kw_slice first_line(const link_frame *frame) {
    kw_slice rest = slice_of(frame->data + 1, frame->len - 1);
    const char *end = memchr(rest.data, '\r', rest.len);
    return slice_of(rest.data, end ? (size_t)(end - rest.data) : rest.len);
}

/* The answer to HELLO or AUTH; the request is still the first of the pipeline. */
void link_on_handshake(cluster *c, link *l, request *r, const link_frame *frame) {
    request_kind kind = (request_kind)r->kind;
    request_free(c, link_pop(l));
    if (frame->data[0] != '-') {
        link_ready(c, l);
        return;
    }
    kw_slice error = first_line(frame);
    char text[KW_ERROR_MESSAGE_SIZE];
    char at[ENDPOINT_TEXT_BYTES];
    snprintf(text, sizeof text, "%s refused the connection: %.*s", node_text(l->node, at),
             (int)error.len, error.data);
    if (refuses_user(error)) {
        link_fail(c, l, KW_ERR_AUTH, text);
    } else if (kind == REQUEST_HELLO &&
               (slice_starts_with(error, "ERR unknown command") ||
                slice_starts_with(error, "NOPROTO") || slice_starts_with(error, "ERR syntax"))) {
        l->resp = 2; /* a server before Redis 6 */
        if (!push_internal(c, l, c->auth, c->auth_len, REQUEST_AUTH) ||
            !push_internal(c, l, c->setname, c->setname_len, REQUEST_IGNORED)) {
            link_fail(c, l, KW_ERR_NOMEM, "out of memory");
        } else if (!c->auth) {
            link_ready(c, l);
        }
    } else {
        link_fail(c, l, KW_ERR_CONNECTION, text);
    }
}

/* ------------------------------------------------------------------ giving */

void link_begins(cluster *c, link *l) {
    if (l->timer.at_us > c->now_us + SILENCE_US) {
        wheel_start(&c->wheel, &l->timer, c->now_us + SILENCE_US);
    }
}

void link_dispatch(cluster *c, link *l, request *r) {
    node *n = l->node;
    if (list_empty(&l->pipeline)) {
        link_begins(c, l);
    }
    if (r->kind == REQUEST_USER) {
        n->counters[KW_COUNT_COMMANDS]++;
    }
    r->at.more->sent_us = c->now_us;
    watch_hop(c, r, n);
    link_push(l, r);
    link_want_write(c, l);
}

/* Sorted by submission, since what comes back from elsewhere was submitted before the others; our
 * own questions go first. */
static list *place_at_link(cluster *c, link *l, const request *r) {
    list *position = l->waiting.next;
    while (position != &l->waiting && REQUEST_OF(position)->kind != REQUEST_USER) {
        position = position->next;
    }
    if (r->kind != REQUEST_USER || position == &l->waiting) {
        return position;
    }
    const request *hint = c->inserted;
    bool same_queue = hint && hint->place == PLACE_LINK && hint->at.more->link == l;
    return route_sorted_place(c, position, &l->waiting, r, same_queue);
}

static void wait_at_link(cluster *c, link *l, request *r) {
    request_waits(c, r, PLACE_LINK);
    r->at.more->link = l;
    list_insert_before(place_at_link(c, l, r), &r->node);
    c->inserted = r->kind == REQUEST_USER ? r : c->inserted;
    node *n = l->node;
    if (l->state != LINK_READY && n->was_up && !n->replica && !wheel_running(&n->probe)) {
        wheel_start(&c->wheel, &n->probe, c->now_us + c->config.failover_probe_us);
    }
    if (l->state == LINK_BACKOFF && l->timer.at_us > c->now_us + BACKOFF_WANTED_US) {
        wheel_start(&c->wheel, &l->timer, c->now_us + BACKOFF_WANTED_US);
    }
}

void link_give(cluster *c, link *l, request *r) {
    if (l->state == LINK_READY && list_empty(&l->waiting) && link_has_room(c, l)) {
        link_dispatch(c, l, r);
    } else {
        wait_at_link(c, l, r);
    }
}

void link_give_first(cluster *c, link *l, request *r) {
    if (l->state == LINK_READY) {
        link_dispatch(c, l, r);
        return;
    }
    wait_at_link(c, l, r);
}

void link_pump(cluster *c, link *l) {
    if (l->own) {
        blocking_pump(c, l);
        return;
    }
    while (l->state == LINK_READY && !list_empty(&l->waiting) && link_has_room(c, l)) {
        request *r = REQUEST_OF(list_pop_front(&l->waiting));
        request_stops_waiting(c, r);
        r->at.more->link = NULL;
        if (r->at.more->blocking && !MUTANT(BLOCKING_SHARES)) {
            blocking_give(c, l, r);
            continue;
        }
        if (lane_is_behind(c, r, l)) {
            lane_leave(c, r);
            route(c, r);
            continue;
        }
        link_dispatch(c, l, r);
    }
}

/* --------------------------------------------------------------- bytes out */

size_t cluster_link_output(cluster *c, uint32_t index, kw_slice *slices, size_t max) {
    link *l = current_link(c, index);
    if (!l || (l->state != LINK_READY && l->state != LINK_HANDSHAKE)) {
        return 0;
    }
    l->write_wanted = true; /* until all is written: who asks goes on asking */
    size_t count = link_output(l, slices, max);
    if (count == 0) {
        l->write_wanted = false;
    }
    return count;
}

void cluster_link_written(cluster *c, uint32_t index, size_t len, uint64_t now_us) {
    c->now_us = now_us;
    link *l = current_link(c, index);
    if (l && (l->state == LINK_READY || l->state == LINK_HANDSHAKE)) {
        link_written(l, len);
        l->write_wanted = link_has_output(l);
        l->node->counters[KW_COUNT_BYTES_OUT] += len;
        c->counters[KW_COUNT_BYTES_OUT] += len;
    }
}

/* ---------------------------------------------------------------- bytes in */

char *cluster_link_input(cluster *c, uint32_t index, size_t *ret_size) {
    link *l = current_link(c, index);
    *ret_size = 0;
    if (!l || (l->state != LINK_READY && l->state != LINK_HANDSHAKE)) {
        return NULL;
    }
    char *at = link_input(l, ret_size);
    if (!at) {
        link_fail(c, l, KW_ERR_NOMEM, "out of memory for the reply");
    }
    return at;
}

static void on_frame(cluster *c, link *l, const link_frame *frame) {
    if (frame->data[0] == '>') {
        watch_count(c, l->node, KW_COUNT_PUSHES);
        watch_event(c, KW_EVENT_PUSH, SLOT_NONE, l->node, NULL, "a push of %zu bytes", frame->len);
        return;
    }
    if (list_empty(&l->pipeline)) {
        link_fail(c, l, KW_ERR_PROTOCOL, "a reply came that no command asked for");
        return;
    }
    request *r = REQUEST_OF(l->pipeline.next);
    if (r->has_more && r->at.more->asking && r->on_wire && !r->at.more->asking_answered) {
        r->at.more->asking_answered = true;
        return;
    }
    if (!r->on_wire || l->unsent == &r->node) { /* the rest of it must not follow */
        link_fail(c, l, KW_ERR_PROTOCOL, "a reply came before its command was sent");
        return;
    }
    answer_frame(c, l, r, frame);
}

/* A value that is not all there. A view can be long: it is read as it comes, so that its end holds
 * nobody up. */
static void on_part(cluster *c, link *l) {
    kw_slice part = link_part(l);
    assert(part.data);
    request *r = list_empty(&l->pipeline) ? NULL : REQUEST_OF(l->pipeline.next);
    if (r && r->kind == REQUEST_VIEW_SLOTS && r->on_wire && part.data[0] != '>') {
        refresh_on_part(c, r, part);
    }
}

static void on_broken(cluster *c, link *l) {
    const char *why = l->scanner.error;
    if (l->scanner.over_limit && !list_empty(&l->pipeline)) {
        request *r = link_pop(l);
        lane_leave(c, r);
        if (r->completed) {
            request_discard(c, r);
        } else {
            request_fail(c, r, KW_ERR_LIMIT, l->node, "the reply is too large: %s", why);
        }
    }
    link_fail(c, l, KW_ERR_PROTOCOL, why);
}

static bool takes_bytes(const cluster *c, uint32_t index, const link *l) {
    return c->links[index] == l && (l->state == LINK_READY || l->state == LINK_HANDSHAKE);
}

void cluster_link_received(cluster *c, uint32_t index, size_t len, uint64_t now_us) {
    c->now_us = now_us;
    link *l = current_link(c, index);
    if (!l || !takes_bytes(c, index, l)) {
        return;
    }
    node *n = l->node;
    link_received(l, len);
    l->received_us = now_us;
    c->counters[KW_COUNT_BYTES_IN] += len;
    n->counters[KW_COUNT_BYTES_IN] += len;
    l->silent = false;
    l->parting = false;
    if (n->state == NODE_SUSPECT && l->state == LINK_READY && !l->draining) {
        node_set_state(c, n, NODE_UP, "");
    }
    while (takes_bytes(c, index, l)) {
        link_frame frame;
        direct_replies(c, l);
        resp_progress progress = link_next_frame(l, &frame);
        if (progress == RESP_MORE) {
            if (l->scanner.offset > 0) {
                on_part(c, l);
            }
            break;
        }
        if (progress == RESP_BROKEN) {
            on_broken(c, l);
            break;
        }
        on_frame(c, l, &frame);
        if (takes_bytes(c, index, l)) {
            link_consume(l, &frame);
        }
    }
    if (takes_bytes(c, index, l)) {
        link_pump(c, l);
        link_want_write(c, l);
        link_close_if_drained(c, l);
    }
    cluster_settle(c);
}

/* -------------------------------------------------------------------- loss */

/* What becomes of a command whose connection was lost (ROUTING §6). True: it is to be sent again.
 */
static bool survives(cluster *c, link *l, request *r, kw_status status, const char *message) {
    node *n = l->node;
    lane_leave(c, r);
    if (r->completed) {
        request_discard(c, r);
        return false;
    }
    if (!request_widen(c, r, NULL)) {
        request_fail(c, r, KW_ERR_NOMEM, n, "out of memory");
        return false;
    }
    watch_answer(c, r, "lost");
    if (r->kind != REQUEST_USER) {
        request_fail(c, r, status, n, "%s", message);
        return false;
    }
    if (!r->on_wire) {
        return true;
    }
    if (!r->reads_only && !MUTANT(WRITE_RESENT)) {
        request_fail(c, r, KW_ERR_CONNECTION, n, "the connection was lost before the reply: %s",
                     message);
        return false;
    }
    r->at.more->lost = true;
    if (!retry_budget_spend(&n->budget, c->config.retry_percent, n->counters[KW_COUNT_COMMANDS])) {
        request_fail(c, r, KW_ERR_CONNECTION, n,
                     "the connection was lost, and too many commands were sent again lately: %s",
                     message);
        return false;
    }
    watch_count(c, n, KW_COUNT_RETRIES);
    watch_event(c, KW_EVENT_RETRIED, r->slot, n, NULL, "a command is sent again: %s", message);
    return true;
}

bool link_loss_is_final(const node *n, kw_status status) {
    return status == KW_ERR_AUTH || (status == KW_ERR_TLS && !n->was_up);
}

static void resend(cluster *c, link *l, list *queue, kw_status status, const char *message) {
    list *at;
    while ((at = list_pop_front(queue))) {
        request *r = REQUEST_OF(at);
        if (link_loss_is_final(l->node, status)) {
            request_fail(c, r, status, l->node, "%s", message);
        } else {
            route(c, r);
        }
    }
}

static void take_waiting(cluster *c, link *l, list *queue, kw_status status, const char *message) {
    list *at;
    while ((at = list_pop_front(&l->waiting))) {
        request *r = REQUEST_OF(at);
        request_stops_waiting(c, r);
        r->at.more->link = NULL;
        lane_leave(c, r);
        if (r->kind == REQUEST_USER) {
            list_push_back(queue, &r->node);
        } else {
            request_fail(c, r, status, l->node, "%s", message);
        }
    }
}

void link_take_requests(cluster *c, link *l, list *queue, kw_status status, const char *message) {
    request *r;
    while ((r = link_pop(l))) {
        if (survives(c, l, r, status, message)) {
            list_push_back(queue, &r->node);
        }
    }
    take_waiting(c, l, queue, status, message);
}

static void schedule_reconnect(cluster *c, link *l, bool was_good) {
    node *n = l->node;
    const cluster_config *k = &c->config;
    l->state = LINK_BACKOFF;
    if (was_good) { /* a good connection that broke is made anew at once */
        timer_start_now(c, &l->timer);
        return;
    }
    uint64_t delay_us = retry_growing_us(&c->prng, k->reconnect_min_us, k->reconnect_max_us, 2, 1,
                                         n->failures_in_row);
    n->failures_in_row++;
    wheel_start(&c->wheel, &l->timer, c->now_us + delay_us);
}

static void blame_node(cluster *c, link *l, bool was_ready, kw_status status, const char *message) {
    node *n = l->node;
    watch_count(c, n, was_ready ? KW_COUNT_DISCONNECTS : KW_COUNT_CONNECT_FAILURES);
    if (l->draining) {
        return; /* the node has another one by now, or left */
    }
    node_set_state(c, n, was_ready ? NODE_SUSPECT : NODE_DOWN, message);
    bool urgent = !n->replica && status != KW_ERR_PROTOCOL && status != KW_ERR_TIMEOUT;
    if (n->in_map && slotmap_loaded(&c->slots)) {
        refresh_arm(c, urgent ? REFRESH_URGENT : REFRESH_NORMAL, n);
    }
}

static bool try_next_address(cluster *c, link *l) {
    node *n = l->node;
    if (l->state != LINK_CONNECTING || l->draining || n->address_next >= n->address_count) {
        return false;
    }
    link_disconnect(c, l);
    open_address(c, l);
    return true;
}

void link_fail(cluster *c, link *l, kw_status status, const char *message) {
    if (l->own) {
        blocking_on_lost(c, l, status, message);
        return;
    }
    if (try_next_address(c, l)) {
        return;
    }
    node *n = l->node;
    bool was_ready = l->state == LINK_READY;
    bool was_good = was_ready && c->now_us - l->connected_us >= c->config.reconnect_min_us &&
                    n->timeouts_in_row < c->config.suspect_timeouts;
    link_disconnect(c, l);
    n->timeouts_in_row = 0;
    schedule_reconnect(c, l, was_good);
    blame_node(c, l, was_ready, status, message);
    n->holds++; /* node and link stay while their commands are seen to */
    l->busy = true;
    list queue;
    list_init(&queue);
    link_take_requests(c, l, &queue, status, message);
    wheel_stop(&c->wheel, &l->expiry);
    link_reset(l);
    resend(c, l, &queue, status, message);
    n->holds--;
    l->busy = false;
    if (l->draining) {
        link_close_if_drained(c, l);
    } else {
        node_release(c, n);
    }
}

void cluster_link_lost(cluster *c, uint32_t index, kw_status status, const char *message,
                       uint64_t now_us) {
    c->now_us = now_us;
    link *l = current_link(c, index);
    if (l &&
        (l->state == LINK_CONNECTING || l->state == LINK_HANDSHAKE || l->state == LINK_READY)) {
        char text[KW_ERROR_MESSAGE_SIZE];
        char at[ENDPOINT_TEXT_BYTES];
        if (!strstr(message, node_text(l->node, at))) {
            snprintf(text, sizeof text, "%.120s: %s", at, message);
            message = text;
        }
        l->io_open = false;
        link_fail(c, l, status, message);
    }
    cluster_settle(c);
}

/* ---------------------------------------------------------------- draining */

void link_drain(cluster *c, link *l) {
    node *n = l->node;
    l->draining = true;
    l->drained = true;
    for (unsigned i = 0; i < NODE_LINKS_MAX; i++) {
        if (n->links[i] == l) {
            n->links[i] = NULL;
        }
    }
    route_link_waiting(c, l);
    if (l->own) {
        blocking_reroute(c, n); /* there is room for another one instead */
    }
    if (MUTANT(DRAIN_CUTS) && !list_empty(&l->pipeline)) {
        link_fail(c, l, KW_ERR_CONNECTION, "its node left");
        return;
    }
    bool hung = l->state == LINK_READY && !list_empty(&l->pipeline) && l->silent;
    if (hung) {
        l->parting = true;
        wheel_start(&c->wheel, &l->timer, c->now_us + PARTING_US);
    } else {
        link_close_if_drained(c, l);
    }
}

void link_close_if_drained(cluster *c, link *l) {
    if (!l->draining || l->busy || !list_empty(&l->pipeline) || !list_empty(&l->waiting)) {
        return;
    }
    if (l->own) {
        blocking_close(c, l);
        return;
    }
    link_disconnect(c, l);
    link_free(c, l);
}

/* ------------------------------------------------------------------ timers */

static bool is_wanted(const link *l) {
    return !list_empty(&l->waiting) || (l->node->in_map && l->node->was_up);
}

/* If memory is short, it comes to nothing. */
static void push_ping(cluster *c, link *l) {
    static const char ping[] = "*1\r\n$4\r\nPING\r\n";
    if (push_internal(c, l, ping, sizeof ping - 1, REQUEST_PING)) {
        link_want_write(c, l);
    }
}

void link_ping(cluster *c, link *l) {
    if (l->state == LINK_READY && list_empty(&l->pipeline)) {
        push_ping(c, l);
        wheel_start(&c->wheel, &l->timer, c->now_us + SILENCE_US);
    }
}

static void check_idle(cluster *c, link *l) {
    uint64_t idle_us = c->config.idle_ping_us;
    uint64_t next_us = l->received_us + idle_us;
    if (idle_us > 0 && c->now_us >= next_us) {
        push_ping(c, l);
        next_us = c->now_us + SILENCE_US;
    }
    if (idle_us > 0) {
        wheel_start(&c->wheel, &l->timer, next_us);
    }
}

static bool node_was_replaced(const node *n) {
    return n->replica || !n->in_map;
}

static void check_silence(cluster *c, link *l) {
    const request *oldest = REQUEST_OF(l->pipeline.next);
    uint64_t sent_us = request_sent_us(oldest);
    uint64_t since_us = sent_us > l->received_us ? sent_us : l->received_us;
    uint64_t timeout_us = oldest->has_more ? oldest->at.more->timeout_us : c->config.timeout_us;
    uint64_t silent_us = c->now_us - since_us;
    uint64_t most_us = c->config.idle_ping_us > 0 ? c->config.idle_ping_us : UINT64_MAX;
    if (oldest->kind == REQUEST_PING) {
        most_us = c->config.timeout_us;
    } else if (timeout_us > most_us) {
        most_us = timeout_us;
    }
    if (silent_us >= SILENCE_US && !l->silent) {
        l->silent = true;
    }
    if (l->silent && !l->draining && l->node->state == NODE_UP) {
        node_set_state(c, l->node, NODE_SUSPECT, "it does not answer");
        refresh_arm(c, REFRESH_NORMAL, l->node);
    }
    /* A primary that hands over (CLUSTER FAILOVER) holds its clients back meanwhile, and answers as
     * soon as it hears of its successor: perhaps a little after this client. */
    bool replaced = l->silent && (l->parting || node_was_replaced(l->node));
    if (silent_us >= most_us || (replaced && l->parting)) {
        link_fail(c, l, KW_ERR_CONNECTION, "the node does not answer");
        return;
    }
    uint64_t next_us = silent_us < SILENCE_US ? SILENCE_US - silent_us : SILENCE_US / 4;
    if (replaced) {
        l->parting = true;
        next_us = PARTING_US;
    }
    wheel_start(&c->wheel, &l->timer, c->now_us + next_us);
}

void link_on_expiry(cluster *c, link *l) {
    LIST_FOR_EACH(at, after, &l->pipeline) {
        request *r = REQUEST_OF(at);
        uint64_t deadline_us = r->submitted_us + c->config.timeout_us;
        if (r->has_more) {
            continue;
        }
        if (deadline_us > c->now_us) {
            wheel_start(&c->wheel, &l->expiry, deadline_us);
            return;
        }
        if (!request_widen(c, r, l)) { /* its own timer fires at once; without memory, later */
            wheel_start(&c->wheel, &l->expiry, c->now_us + WHEEL_TICK_US);
            return;
        }
    }
}

void link_on_timer(cluster *c, link *l) {
    switch ((link_state)l->state) {
    case LINK_BACKOFF:
        if (is_wanted(l) && !l->draining) {
            link_open(c, l);
        } else {
            l->state = LINK_IDLE;
        }
        break;
    case LINK_RESOLVING:
    case LINK_CONNECTING:
    case LINK_HANDSHAKE: {
        char text[KW_ERROR_MESSAGE_SIZE];
        char at[ENDPOINT_TEXT_BYTES];
        snprintf(text, sizeof text, "%s: no connection within %llu ms", node_text(l->node, at),
                 (unsigned long long)(c->config.connect_timeout_us / 1000));
        link_fail(c, l, KW_ERR_CONNECTION, text);
        break;
    }
    case LINK_READY:
        if (l->own) {
            blocking_on_timer(c, l);
        } else if (list_empty(&l->pipeline)) {
            check_idle(c, l);
            link_close_if_drained(c, l);
        } else {
            check_silence(c, l);
        }
        break;
    case LINK_IDLE:
    case LINK_CLOSED:
        break;
    }
}
