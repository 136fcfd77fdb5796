/* What each answer does (ROUTING §3). All the redirects and refusals came before execution: sending
 * a command again after them is safe, a write too. */
#include "core/cluster_state.h"

#include "core/reply.h"

#include <assert.h>
#include <stdio.h>

#define BOUNCE_MIN_US 50000u
#define BOUNCE_MAX_US 100000u

typedef struct reception {
    cluster *c;
    link *l;
    node *n;
    request *r; /* out of the pipeline by now */
    const link_frame *frame;
    const answer *answer;
} reception;

static void retry_later(reception *x, const char *reason) {
    cluster *c = x->c;
    request *r = x->r;
    watch_event(c, KW_EVENT_HELD_BACK, r->slot, x->n, NULL, "a command is held back: %s", reason);
    uint64_t delay_us = retry_full_jitter_us(&c->prng, c->config.retry_min_us,
                                             c->config.retry_max_us, r->at.more->attempts);
    if (r->at.more->attempts < UINT8_MAX) {
        r->at.more->attempts++;
    }
    r->at.more->yields = true;
    r->at.more->redirects =
        0; /* the limit is for loops without a pause; ASK may precede each TRYAGAIN */
    route_later(c, r, delay_us, reason);
}

/* ------------------------------------------------------------ plain replies */

static void heal(reception *x, int slot, node *now) {
    cluster *c = x->c;
    char text[ENDPOINT_TEXT_BYTES];
    watch_count(c, now, KW_COUNT_SLOTS_HEALED);
    watch_event(c, KW_EVENT_SLOT_HEALED, slot, x->n, now, "slot %d is served by %s", slot,
                node_text(now, text));
}

/* A lost primary was replaced: all its slots went with it, so one answer mends them all. */
static void follow_failover(reception *x, node *old, node *new_primary) {
    cluster *c = x->c;
    unsigned count = 0;
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        if (slotmap_owner(&c->slots, slot) == old->index) {
            (void)slotmap_patch(&c->slots, slot, new_primary->index); /* never healed: it had one */
            count++;
        }
    }
    new_primary->replica = false;
    new_primary->primary = SLOTMAP_NONE;
    old->replica = true;
    old->primary = new_primary->index;
    char from[ENDPOINT_TEXT_BYTES];
    char to[ENDPOINT_TEXT_BYTES];
    watch_event(c, KW_EVENT_MAP_CHANGED, SLOT_NONE, old, new_primary,
                "%u slots went from %s to its replica %s", count, node_text(old, from),
                node_text(new_primary, to));
    refresh_arm(c, REFRESH_URGENT, old);
    LIST_FOR_EACH(at, after, &old->all_links) {
        link *l = LIST_ENTRY(at, link, in_node);
        if (l->state != LINK_READY && !l->own) {
            route_link_waiting(c, l);
        }
    }
}

/* The slot's owner is known now, from a redirect or because it served a probe. */
static void learn_owner(reception *x, int slot, node *owner) {
    cluster *c = x->c;
    if (!slotmap_loaded(&c->slots) || MUTANT(MOVED_NOT_LEARNED)) {
        return;
    }
    uint16_t before = slotmap_owner(&c->slots, slot);
    node *old = before != SLOTMAP_NONE ? c->nodes[before] : NULL;
    if (old == owner && !slotmap_is_suspect(&c->slots, slot)) {
        return;
    }
    if (old && old != owner && !node_is_healthy(old) && owner->replica &&
        owner->primary == old->index) {
        follow_failover(x, old, owner);
        return;
    }
    bool healed = slotmap_patch(&c->slots, slot, owner->index);
    if (healed) {
        heal(x, slot, owner);
    }
    if (!old || !node_is_healthy(old)) {
        route_wake_slot(c, slot);
    }
    owner->replica = false;
    owner->primary = SLOTMAP_NONE;
    if (old && old != owner && !node_is_healthy(old)) {
        node_reroute_soon(c, old);
    }
    if (healed && c->config.require_full_coverage && c->slots.known_count == SLOT_COUNT) {
        route_map_waiting(c);
        route_wake_all(c);
    }
}

/* Whether it is the command's own reply or an error of it: the caller's. */
static void count_reply(cluster *c, node *n, const request *r) {
    if (!request_blocks(r)) { /* whose time says nothing of the node's */
        histogram_add(&n->contact->latency, c->now_us - request_sent_us(r));
        histogram_add(&c->latency, c->now_us - r->submitted_us);
    }
    n->counters[KW_COUNT_REPLIES]++;
}

static void on_error(reception *x) {
    count_reply(x->c, x->n, x->r);
    watch_answer(x->c, x->r, "error");
    request_reply(x->c, x->r, x->frame);
}

/* The slot is served here. */
static void note_served(reception *x) {
    cluster *c = x->c;
    request *r = x->r;
    const request_more *more = r->has_more ? r->at.more : NULL;
    bool was_refused = more && more->attempts > 0;
    if (x->n->says_down && (!r->only_reads || was_refused)) {
        node_recovered(c, x->n); /* reads alone may be served by a cluster that is down */
    }
    if (more && more->probe &&
        x->n->in_map) { /* else a view removed it meanwhile, and knows more */
        learn_owner(x, r->slot, x->n);
    }
}

static void on_reply(reception *x) {
    cluster *c = x->c;
    request *r = x->r;
    count_reply(c, x->n, r);
    watch_answer(c, r, "reply");
    const request_more *more = r->has_more ? r->at.more : NULL;
    bool tells = x->n->says_down || (more && more->probe);
    if (tells && r->slot != SLOT_NONE && !(more && more->forced)) {
        note_served(x);
    }
    request_reply(c, r, x->frame);
}

/* ---------------------------------------------------------------- redirects */

static bool bounces(const request *r, const node *from, const node *to) {
    return r->at.more->hop_from == to->uid && r->at.more->hop_to == from->uid;
}

/* True if the command may follow one more redirect; else it has been seen to. */
static bool may_follow(reception *x, node *target) {
    cluster *c = x->c;
    request *r = x->r;
    bool bounce = bounces(r, x->n, target);
    bool same = r->at.more->hop_from == x->n->uid &&
                r->at.more->hop_to == target->uid; /* it did not get there */
    bool to_itself =
        target == x->n && r->at.more->hop_to == target->uid && r->at.more->hop_from == target->uid;
    r->at.more->hop_from = x->n->uid;
    r->at.more->hop_to = target->uid;
    if (!same || target == x->n) {
        r->at.more->redirects++;
    }
    if (r->at.more->redirects > LIMIT_REDIRECTS) {
        request_fail(c, r, KW_ERR_REDIRECTS, x->n,
                     "redirected more than %d times: the nodes disagree about slot %d",
                     LIMIT_REDIRECTS, x->answer->slot);
        return false;
    }
    if (to_itself || (bounce && r->at.more->bounces++ > 0)) {
        route_later(c, r, prng_range(&c->prng, BOUNCE_MIN_US, BOUNCE_MAX_US), "bounce");
        return false;
    }
    return true;
}

static unsigned redirect_only_nodes(const cluster *c) {
    unsigned count = 0;
    for (unsigned i = 0; i < c->node_count; i++) {
        count += c->nodes[i] && c->nodes[i]->in_map && c->nodes[i]->id[0] == '\0';
    }
    return count;
}

/* An empty host means the node that was asked; one reached by its socket is on this host. */
static node *target_node(reception *x) {
    endpoint e = x->answer->target;
    if (e.host[0] == '\0') {
        bool by_socket = x->n->endpoint.port == 0;
        (void)slice_copy(e.host, sizeof e.host, /* an endpoint's own host fits */
                         slice_text(by_socket ? "127.0.0.1" : x->n->endpoint.host));
    }
    node *n = node_find(x->c, &e);
    if (!n && redirect_only_nodes(x->c) < LIMIT_NODES / 4) { /* the rest is for views */
        n = node_get(x->c, &e);
    }
    if (!n) {
        request_fail(x->c, x->r, KW_ERR_LIMIT, x->n,
                     "redirected to a new node, but no more than %d nodes are kept, or memory is "
                     "short",
                     LIMIT_NODES);
    } else if (!n->in_map) {
        char text[ENDPOINT_TEXT_BYTES];
        n->in_map = true;
        n->state = n->state == NODE_DRAINING ? NODE_UNKNOWN : n->state;
        watch_event(x->c, KW_EVENT_NODE_ADDED, SLOT_NONE, n, NULL, "%s was named by a redirect",
                    node_text(n, text));
    }
    return n;
}

static void tell_redirect(reception *x, const node *target, const char *kind) {
    char from[ENDPOINT_TEXT_BYTES];
    char to[ENDPOINT_TEXT_BYTES];
    watch_event(x->c, KW_EVENT_REDIRECTED, x->answer->slot, x->n, target, "%s slot %d: %s -> %s",
                kind, x->answer->slot, node_text(x->n, from), node_text(target, to));
}

/* The endpoint leads to another server than the one meant: its name is looked up again. Commands
 * in flight on the old connection still get their replies there. */
static void reconnect_elsewhere(reception *x) {
    link *shared = x->n->links[(unsigned)x->answer->slot % x->c->config.connections_per_node];
    if (x->l->own && shared) { /* it was made to the same address */
        link_drain(x->c, shared);
    }
    if (!x->l->draining) {
        link_drain(x->c, x->l);
    }
}

static void on_moved(reception *x) {
    cluster *c = x->c;
    request *r = x->r;
    bool was_probe = r->at.more->probe;
    request_refused(r);
    (void)request_set_asking(c, r, NULL, false); /* taking away needs no memory */
    watch_count(c, x->n, KW_COUNT_MOVED);
    watch_answer(c, r, "MOVED");
    node *target = target_node(x);
    if (!target) {
        refresh_arm(c, REFRESH_NORMAL, NULL); /* there may be room for it in a view */
        return;
    }
    tell_redirect(x, target, "MOVED");
    if (was_probe && !node_is_healthy(target)) {
        route_to(c, r, target, "map"); /* still the lost node: it waits there as before */
    } else if (may_follow(x, target)) {
        if (target == x->n) {
            reconnect_elsewhere(x);
        }
        route_to(c, r, target, "moved");
    }
    if (target != x->n) {
        learn_owner(x, x->answer->slot, target); /* later commands follow this one, never before */
    }
    if (!MUTANT(MOVED_NOT_LEARNED)) {
        refresh_arm(c, REFRESH_NORMAL, target == x->n ? x->n : NULL);
    }
}

static void on_ask(reception *x) {
    cluster *c = x->c;
    request *r = x->r;
    request_refused(r);
    watch_count(c, x->n, KW_COUNT_ASK);
    watch_answer(c, r, "ASK");
    node *target = target_node(x);
    if (!target) {
        return;
    }
    tell_redirect(x, target, "ASK");
    if (!may_follow(x, target)) {
        return;
    }
    if (MUTANT(ASK_PATCHES_MAP)) {
        learn_owner(x, x->answer->slot, target);
    }
    if (!request_set_asking(c, r, &c->chunk, !MUTANT(NO_ASKING))) {
        request_fail(c, r, KW_ERR_NOMEM, target, "out of memory");
        return;
    }
    route_to(c, r, target, "ask");
}

/* ----------------------------------------------------------------- refusals */

static void on_tryagain(reception *x) {
    request_refused(x->r);
    watch_count(x->c, x->n, KW_COUNT_TRYAGAIN);
    watch_answer(x->c, x->r, "TRYAGAIN");
    if (MUTANT(REFUSED_IS_FINAL)) {
        request_reply(x->c, x->r, x->frame);
        return;
    }
    retry_later(x, "tryagain");
}

static void on_down(reception *x) {
    cluster *c = x->c;
    request *r = x->r;
    request_refused(r);
    watch_count(c, x->n, KW_COUNT_CLUSTERDOWN);
    watch_answer(c, r,
                 x->answer->kind == ANSWER_LOADING      ? "LOADING"
                 : x->answer->kind == ANSWER_MASTERDOWN ? "MASTERDOWN"
                                                        : "CLUSTERDOWN");
    if (x->answer->uncovered && c->config.uncovered == UNCOVERED_FAIL) {
        request_fail(c, r, KW_ERR_UNCOVERED, x->n, "no node serves slot %d", r->slot);
        return;
    }
    if (!x->answer->uncovered) {
        node_says_down(c, x->n);
    }
    refresh_arm(c, x->answer->uncovered ? REFRESH_URGENT : REFRESH_NORMAL, NULL);
    retry_later(x, "down");
}

static void on_readonly(reception *x) {
    cluster *c = x->c;
    request *r = x->r;
    request_refused(r);
    watch_count(c, x->n, KW_COUNT_READONLY);
    watch_answer(c, r, x->answer->kind == ANSWER_UNBLOCKED ? "UNBLOCKED" : "READONLY");
    if (r->slot != SLOT_NONE) {
        slotmap_set_suspect(&c->slots, r->slot, true);
    }
    r->at.more->avoid = x->n->uid;
    refresh_arm(c, REFRESH_URGENT, x->n);
    retry_later(x, "readonly");
}

/* The node is a replica by now, and will close this connection, which had waited. */
static void on_unblocked(reception *x) {
    if (!request_blocks(x->r) || MUTANT(UNBLOCKED_IS_FINAL)) {
        on_error(x);
        return;
    }
    on_readonly(x);
    if (x->l->own && !x->l->draining) {
        link_drain(x->c, x->l);
    }
}

typedef void answer_fn(reception *x);

static answer_fn *const on_answer[] = {
    [ANSWER_REPLY] = on_reply,       [ANSWER_ERROR] = on_error,
    [ANSWER_MOVED] = on_moved,       [ANSWER_ASK] = on_ask,
    [ANSWER_TRYAGAIN] = on_tryagain, [ANSWER_CLUSTERDOWN] = on_down,
    [ANSWER_LOADING] = on_down,      [ANSWER_MASTERDOWN] = on_down,
    [ANSWER_READONLY] = on_readonly, [ANSWER_UNBLOCKED] = on_unblocked,
};

/* ----------------------------------------------------------------- dispatch */

/* A whole value without the attributes before it. Servers send none with an error, but the protocol
 * allows it. It needs no memory: whoever runs out of it must not take a refusal for the reply. */
static kw_slice behind_attributes(const resp_limits *limits, kw_slice value) {
    while (value.data[0] == '|') {
        const char *end = memchr(value.data, '\r', value.len);
        uint64_t pairs = 0;
        bool counted =
            slice_to_u64(slice_of(value.data + 1, (size_t)(end - value.data) - 1), &pairs);
        assert(counted); /* the scanner has read it */
        (void)counted;
        size_t at = (size_t)(end - value.data) + 2;
        for (uint64_t i = 0; i < 2 * pairs; i++) {
            resp_scanner s;
            resp_scanner_init(&s, limits);
            (void)resp_scan(&s, value.data + at, value.len - at);
            at += (size_t)s.offset;
        }
        value = slice_of(value.data + at, value.len - at);
    }
    return value;
}

static void read_answer(const link *l, const link_frame *frame, answer *ret) {
    kw_slice value = behind_attributes(&l->limits, slice_of(frame->data, frame->len));
    kw_slice text = slice_of(value.data + 1, value.len - 1);
    const char *end = memchr(text.data, '\r', text.len);
    if (value.data[0] == '!') { /* the text follows its length */
        text = slice_of(end + 2, (size_t)(value.data + value.len - end - 2));
        end = memchr(text.data, '\r', text.len);
    } else if (value.data[0] != '-') {
        return;
    }
    answer_read('-', slice_of(text.data, end ? (size_t)(end - text.data) : text.len), ret);
}

static bool is_error(const link_frame *frame) {
    return frame->data[0] == '-' || frame->data[0] == '!' || frame->data[0] == '|';
}

static void take_out(cluster *c, link *l, request *r) {
    (void)link_pop(l); /* r itself */
    lane_leave(c, r);
}

static void on_error_frame(const reception *before) {
    reception known = *before;
    reception *x = &known;
    answer a;
    memset(&a, 0, sizeof a);
    read_answer(x->l, x->frame, &a);
    if (a.kind == ANSWER_BROKEN) {
        link_fail(x->c, x->l, KW_ERR_PROTOCOL, "a redirect that makes no sense");
        return;
    }
    x->answer = &a;
    take_out(x->c, x->l, x->r);
    if (a.kind != ANSWER_ERROR && !request_widen(x->c, x->r, NULL)) {
        request_fail(x->c, x->r, KW_ERR_NOMEM, x->n, "out of memory");
        return;
    }
    on_answer[a.kind](x);
}

static void on_internal(cluster *c, link *l, request *r, const link_frame *frame) {
    switch ((request_kind)r->kind) {
    case REQUEST_HELLO:
    case REQUEST_AUTH:
        link_on_handshake(c, l, r, frame);
        return;
    case REQUEST_VIEW_PING:
    case REQUEST_VIEW_SLOTS:
    case REQUEST_VIEW_INFO:
        (void)link_pop(l); /* r itself */
        refresh_on_answer(c, r, frame, KW_OK, "");
        break;
    case REQUEST_COMMAND_INFO:
    case REQUEST_GETKEYS:
        (void)link_pop(l); /* r itself */
        learn_on_answer(c, r, frame);
        break;
    case REQUEST_IGNORED:
    case REQUEST_PING:
    case REQUEST_USER:
        (void)link_pop(l); /* r itself */
        break;
    }
    request_free(c, r);
}

void answer_frame(cluster *c, link *l, request *r, const link_frame *frame) {
    node *n = l->node;
    n->timeouts_in_row = 0;
    if (r->completed && MUTANT(COMPLETED_TWICE) && r->fetched) {
        r->completed = false;
        c->pending++;
    }
    if (r->completed) {
        (void)link_pop(l); /* r itself */
        request_discard(c, r);
        return;
    }
    if (r->kind != REQUEST_USER) {
        on_internal(c, l, r, frame);
        return;
    }
    reception x = {.c = c, .l = l, .n = n, .r = r, .frame = frame};
    if (is_error(frame)) {
        on_error_frame(&x);
    } else {
        take_out(c, l, r);
        on_reply(&x);
    }
}
