/* Making the brain, taking commands in, giving completions and effects out. */
#include "core/cluster_state.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define FREE_REQUESTS_MAX 256

void cluster_config_init(cluster_config *config) {
    *config = (cluster_config){
        .resp = 3,
        .timeout_us = 5000000,
        .connect_timeout_us = 1000000,
        .refresh_interval_us = 60000000,
        .refresh_window_us = 1000000,
        .refresh_urgent_gap_us = 1000000,
        .refresh_urgent_jitter_us = 100000,
        .refresh_hedge_us = 300000,
        .refresh_timeout_us = 1000000,
        .retry_min_us = 10000,
        .retry_max_us = 1000000,
        .reconnect_min_us = 100000,
        .reconnect_max_us = 10000000,
        .idle_ping_us = 15000000,
        .failover_probe_us = 100000,
        .connections_per_node = 1,
        .blocking_connections_max = LIMIT_BLOCKING_CONNECTIONS,
        .retry_percent = 10,
        .suspect_timeouts = 3,
        .in_flight_max = LIMIT_IN_FLIGHT,
        .in_flight_bytes_max = LIMIT_IN_FLIGHT_BYTES,
        .waiting_max = LIMIT_WAITING,
        .waiting_bytes_max = LIMIT_WAITING_BYTES,
        .reply_bytes_max = LIMIT_REPLY_BYTES,
        .uncovered = UNCOVERED_WAIT,
    };
}

void timer_init(wheel_timer *t, timer_tag tag) {
    wheel_timer_init(t);
    t->tag = tag;
}

/* ------------------------------------------------------------------ making */

/* Encodes a command of up to 8 texts (NULL ends them) into memory of its own. */
static char *encode_texts(const mem *m, const char *const *texts, size_t *ret_len) {
    kw_slice argv[8];
    size_t argc = 0;
    while (argc < 8 && texts[argc]) {
        argv[argc] = slice_text(texts[argc]);
        argc++;
    }
    size_t len = (size_t)resp_command_size(argv, argc);
    char *bytes = mem_alloc(m, len);
    if (bytes) {
        resp_command_encode(bytes, argv, argc);
        *ret_len = len;
    }
    return bytes;
}

static bool encode_hello(cluster *c) {
    const cluster_config *k = &c->config;
    const char *texts[9] = {"HELLO", "3"};
    size_t n = 2;
    if (k->password) {
        texts[n++] = "AUTH";
        texts[n++] = k->user ? k->user : "default";
        texts[n++] = k->password;
    }
    if (k->client_name) {
        texts[n++] = "SETNAME";
        texts[n++] = k->client_name;
    }
    c->hello = encode_texts(c->mem, texts, &c->hello_len);
    return c->hello != NULL;
}

static bool encode_resp2_handshake(cluster *c) {
    const cluster_config *k = &c->config;
    if (k->password) {
        const char *with_user[] = {"AUTH", k->user, k->password, NULL};
        const char *without[] = {"AUTH", k->password, NULL};
        c->auth = encode_texts(c->mem, k->user ? with_user : without, &c->auth_len);
        if (!c->auth) {
            return false;
        }
    }
    if (k->client_name) {
        const char *texts[] = {"CLIENT", "SETNAME", k->client_name, NULL};
        c->setname = encode_texts(c->mem, texts, &c->setname_len);
        return c->setname != NULL;
    }
    return true;
}

static bool encode_setinfo(cluster *c) {
    const char *const texts[2][5] = {{"CLIENT", "SETINFO", "LIB-NAME", c->config.lib_name, NULL},
                                     {"CLIENT", "SETINFO", "LIB-VER", c->config.lib_version, NULL}};
    for (unsigned i = 0; i < 2; i++) {
        if (texts[i][3]) {
            c->setinfo[i] = encode_texts(c->mem, texts[i], &c->setinfo_len[i]);
            if (!c->setinfo[i]) {
                return false;
            }
        }
    }
    return true;
}

static bool make_parts(cluster *c) {
    const cluster_config *k = &c->config;
    c->seeds = mem_calloc(c->mem, k->seed_count, sizeof *c->seeds);
    if (!c->seeds) {
        return false;
    }
    memcpy(c->seeds, k->seeds, k->seed_count * sizeof *c->seeds);
    return encode_hello(c) && encode_resp2_handshake(c) && encode_setinfo(c);
}

kw_status cluster_new(const mem *m, const cluster_config *config, uint64_t seed, uint64_t now_us,
                      cluster **ret, kw_error *err) {
    assert(config->seed_count > 0);
    cluster *c = mem_calloc(m, 1, sizeof *c);
    if (c) {
        c->mem = m;
        c->config = *config;
        c->now_us = now_us;
        prng_init(&c->prng, seed);
        wheel_init(&c->wheel, now_us);
        map_init(&c->by_endpoint, m, prng_next(&c->prng));
        slotmap_init(&c->slots, m);
        for (unsigned i = 0; i < LANE_BUCKETS; i++) {
            list_init(&c->waiting_lanes[i]);
        }
        list_init(&c->map_waiting);
        list_init(&c->keyless_waiting);
        list_init(&c->learning);
        pool_init(&c->requests, m, sizeof(request), FREE_REQUESTS_MAX);
        pool_init(&c->mores, m, sizeof(request_more), FREE_REQUESTS_MAX);
        list_init(&c->completed);
        list_init(&c->timed_out);
        list_init(&c->events);
        list_init(&c->effects);
        chunk_pool_init(&c->chunks, m);
        reply_pool_init(&c->replies, m);
        command_book_init(&c->book, m, prng_next(&c->prng));
        refresh_init(c);
    }
    if (!c || !make_parts(c)) {
        cluster_free(c);
        *err = (kw_error){.status = KW_ERR_NOMEM, .slot = SLOT_NONE};
        snprintf(err->message, sizeof err->message, "out of memory");
        return KW_ERR_NOMEM;
    }
    c->config.seeds = c->seeds;
    if (config->eager) {
        refresh_arm(c, REFRESH_URGENT, NULL);
    }
    *ret = c;
    return KW_OK;
}

/* Those that stay in their pipeline are in a list of their own. */
static request *next_completed(cluster *c) {
    list *at = list_pop_front(&c->timed_out);
    if (at) {
        return LIST_ENTRY(at, request_more, done)->request;
    }
    at = list_pop_front(&c->completed);
    return at ? REQUEST_OF(at) : NULL;
}

static void drop_requests(cluster *c, list *queue) {
    list *at;
    while ((at = list_pop_front(queue))) {
        request *r = REQUEST_OF(at);
        r->fetched = true;
        request_free(c, r);
    }
}

/* Before any link or node goes: in the wheel their timers are neighbours of the requests'. */
static void drop_sent(cluster *c) {
    for (uint32_t i = 0; i < c->link_count; i++) {
        if (c->links[i]) {
            drop_requests(c, &c->links[i]->pipeline);
            drop_requests(c, &c->links[i]->waiting);
        }
    }
    for (unsigned i = 0; i < c->node_count; i++) {
        if (c->nodes[i]) {
            drop_requests(c, &c->nodes[i]->blocking_waiting);
        }
    }
}

static void free_links(cluster *c) {
    for (uint32_t i = 0; i < c->link_count; i++) {
        link *l = c->links[i];
        if (l) {
            chunk_unref(&c->chunks, l->chunk);
            link_done(l);
            mem_free(c->mem, l);
        }
    }
    mem_free(c->mem, c->links);
}

void cluster_free(cluster *c) {
    if (!c) {
        return;
    }
    request *done;
    while ((done = next_completed(c))) {
        done->fetched = true;
        if (done->place == PLACE_NOWHERE) {
            request_free(c, done);
        }
    }
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        request *r;
        while ((r = lane_first(c, slot))) {
            lane_remove(c, r);
            request_free(c, r);
        }
    }
    drop_requests(c, &c->map_waiting);
    drop_requests(c, &c->keyless_waiting);
    drop_requests(c, &c->learning);
    drop_sent(c);
    free_links(c);
    for (unsigned i = 0; i < c->node_count; i++) {
        if (c->nodes[i]) {
            mem_free(c->mem, c->nodes[i]->contact);
        }
        mem_free(c->mem, c->nodes[i]);
    }
    pool_done(&c->requests);
    pool_done(&c->mores);
    chunk_unref(&c->chunks, c->chunk);
    chunk_unref(&c->chunks, c->blocking_chunk);
    slotmap_done(&c->slots);
    chunk_pool_done(&c->chunks);
    reply_pool_done(&c->replies);
    refresh_done(c);
    watch_done(c);
    command_book_done(&c->book);
    map_done(&c->by_endpoint);
    mem_free(c->mem, c->hello);
    mem_free(c->mem, c->auth);
    mem_free(c->mem, c->setname);
    mem_free(c->mem, c->setinfo[0]);
    mem_free(c->mem, c->setinfo[1]);
    mem_free(c->mem, c->seeds);
    mem_free(c->mem, c);
}

/* ---------------------------------------------------------------- requests */

request *request_blank(cluster *c, size_t len) {
    request *r = pool_take(&c->requests);
    if (r) {
        *r = (request){.slot = SLOT_NONE,
                       .seq = c->next_seq++,
                       .submitted_us = c->now_us,
                       .len = (uint32_t)len};
    }
    return r;
}

bool request_widen(cluster *c, request *r, link *l) {
    if (r->has_more) {
        return true;
    }
    request_more *more = pool_take(&c->mores);
    if (!more) {
        return false;
    }
    *more = (request_more){.request = r,
                           .chunk = r->at.chunk,
                           .sent_us = r->submitted_us,
                           .timeout_us = c->config.timeout_us,
                           .link = l};
    list_init(&more->done);
    list_init(&more->in_lane);
    timer_init(&more->deadline, TIMER_DEADLINE);
    timer_init(&more->retry, TIMER_RETRY);
    r->at.more = more;
    r->has_more = true;
    if (r->kind == REQUEST_USER && !MUTANT(DEADLINE_IGNORED)) {
        wheel_start(&c->wheel, &more->deadline, r->submitted_us + more->timeout_us);
    }
    return true;
}

static request *request_small(cluster *c, chunk **current, size_t len, char **ret_bytes) {
    request *r = request_blank(c, len);
    if (!r) {
        return NULL;
    }
    *ret_bytes = chunk_reserve(&c->chunks, current, len, &r->at.chunk);
    if (!*ret_bytes) {
        request_free(c, r);
        return NULL;
    }
    r->offset = (uint32_t)(*ret_bytes - r->at.chunk->data);
    return r;
}

request *request_new(cluster *c, chunk **current, size_t len, request_kind kind, char **ret_bytes) {
    request *r = request_small(c, current, len, ret_bytes);
    if (!r) {
        return NULL;
    }
    r->kind = kind & 15;
    r->reads_only = true;
    r->only_reads = true;
    if (!request_widen(c, r, NULL)) {
        request_free(c, r);
        return NULL;
    }
    return r;
}

request *request_copy(cluster *c, chunk **current, const char *bytes, size_t len,
                      request_kind kind) {
    char *copy = NULL;
    request *r = request_new(c, current, len, kind, &copy);
    if (r) {
        memcpy(copy, bytes, len);
    }
    return r;
}

static void more_free(cluster *c, request_more *more) {
    wheel_stop(&c->wheel, &more->deadline);
    wheel_stop(&c->wheel, &more->retry);
    chunk_unref(&c->chunks, more->chunk);
    mem_free(c->mem, more->err);
    reply_free(more->reply);
    mem_free(c->mem, more->blocking);
    if (more->peer) {
        more->peer->at.more->peer = NULL;
    }
    list_remove(&more->done);
    pool_give(&c->mores, more);
}

void request_free(cluster *c, request *r) {
    assert(!r->completed || r->fetched);
    if (r->has_more) {
        more_free(c, r->at.more);
    } else if (r->completed) {
        reply_free(r->at.reply);
    } else {
        chunk_unref(&c->chunks, r->at.chunk);
    }
    pool_give(&c->requests, r);
}

void request_discard(cluster *c, request *r) {
    assert(r->completed && r->place == PLACE_NOWHERE);
    if (r->fetched && !MUTANT(REQUEST_LEAKED)) {
        request_free(c, r);
    }
}

void request_waits(cluster *c, request *r, request_place place) {
    r->place = place & 7;
    if (r->kind == REQUEST_USER) {
        c->waiting++;
        c->waiting_bytes += r->len;
    }
}

void request_stops_waiting(cluster *c, request *r) {
    if (c->inserted == r) {
        c->inserted = NULL;
    }
    r->place = PLACE_NOWHERE;
    if (r->kind == REQUEST_USER) {
        c->waiting--;
        c->waiting_bytes -= r->len;
    }
}

void request_unqueue(cluster *c, request *r) {
    switch ((request_place)r->place) {
    case PLACE_NOWHERE:
        return;
    case PLACE_PIPELINE:
        link_withdraw(r->at.more->link, r);
        break;
    case PLACE_LANE:
        lane_remove(c, r);
        break;
    case PLACE_MAP:
    case PLACE_LEARNING:
    case PLACE_LINK:
    case PLACE_POOL:
        list_remove(&r->node);
        request_stops_waiting(c, r);
        r->at.more->link = NULL;
        break;
    }
    lane_leave(c, r);
}

void request_refused(request *r) {
    r->was_sent = false;
    r->at.more->was_refused = true;
    r->at.more->probe = false;
}

bool request_set_asking(cluster *c, request *r, chunk **current, bool asking) {
    request_more *more = r->at.more;
    if (more->asking == asking) {
        return true;
    }
    if (!asking) {
        r->offset += REQUEST_ASKING_LEN;
        r->len -= REQUEST_ASKING_LEN;
        more->asking = false;
        return true;
    }
    if (request_is_lent(r)) { /* its chunk begins with one */
        r->offset -= REQUEST_ASKING_LEN;
        r->len += REQUEST_ASKING_LEN;
        more->asking = true;
        return true;
    }
    chunk *home = NULL;
    char *bytes = chunk_reserve(&c->chunks, current, r->len + REQUEST_ASKING_LEN, &home);
    if (!bytes) {
        return false;
    }
    memcpy(bytes, REQUEST_ASKING, REQUEST_ASKING_LEN);
    memcpy(bytes + REQUEST_ASKING_LEN, request_bytes(r), r->len);
    chunk_unref(&c->chunks, more->chunk);
    more->chunk = home;
    r->offset = (uint32_t)(bytes - home->data);
    r->len += REQUEST_ASKING_LEN;
    more->asking = true;
    return true;
}

/* -------------------------------------------------------------- completing */

/* Ends one that has more. */
static void complete(cluster *c, request *r, kw_status status) {
    request_more *more = r->at.more;
    assert(!r->completed);
    wheel_stop(&c->wheel, &more->deadline);
    if (more->peer) { /* what was asked for it comes too late */
        more->peer->at.more->peer = NULL;
        more->peer = NULL;
    }
    r->completed = true;
    more->status = status;
    if (more->trace) {
        more->trace->total_us = c->now_us - r->submitted_us;
        more->trace = NULL;
    }
    if (r->place == PLACE_PIPELINE) {
        list_push_back(&c->timed_out, &more->done);
    } else {
        list_push_back(&c->completed, &r->node);
    }
}

/* Ends one that is alone; reply NULL: memory was too short for more. */
static void complete_alone(cluster *c, request *r, kw_reply *reply) {
    assert(!r->completed && r->place == PLACE_NOWHERE);
    chunk_unref(&c->chunks, r->at.chunk);
    r->at.reply = reply;
    r->completed = true;
    list_push_back(&c->completed, &r->node);
}

void request_reply(cluster *c, request *r, const link_frame *frame) {
    kw_reply *reply = frame->input ? reply_take(c->mem, frame->input, frame->len, frame->node_count,
                                                LINK_INPUT_BYTES)
                                   : reply_pool_build(&c->replies, frame->data, frame->len,
                                                      frame->node_count, frame->text);
    if (!reply) {
        request_fail(c, r, KW_ERR_NOMEM, NULL, "out of memory for the reply");
        return;
    }
    c->counters[KW_COUNT_REPLIES]++;
    if (r->has_more) {
        r->at.more->reply = reply;
        complete(c, r, KW_OK);
    } else {
        complete_alone(c, r, reply);
    }
}

static kw_outcome outcome_of(const request *r) {
    if (MUTANT(MAYBE_IS_NOT_SENT)) {
        return KW_NOT_SENT;
    }
    if (r->was_sent || (r->has_more && r->at.more->lost)) {
        return r->only_reads ? KW_NO_EFFECT : KW_MAYBE_EXECUTED;
    }
    return r->has_more && r->at.more->was_refused ? KW_REJECTED : KW_NOT_SENT;
}

static void fail_internal(cluster *c, request *r, kw_status status, const char *message) {
    switch ((request_kind)r->kind) {
    case REQUEST_VIEW_PING:
    case REQUEST_VIEW_SLOTS:
    case REQUEST_VIEW_INFO:
        refresh_on_answer(c, r, NULL, status, message);
        break;
    case REQUEST_COMMAND_INFO:
    case REQUEST_GETKEYS:
        learn_on_answer(c, r, NULL);
        break;
    case REQUEST_USER:
    case REQUEST_HELLO:
    case REQUEST_AUTH:
    case REQUEST_IGNORED:
    case REQUEST_PING:
        break;
    }
    request_free(c, r);
}

void request_fail(cluster *c, request *r, kw_status status, const node *at, const char *format,
                  ...) {
    char message[KW_ERROR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (r->kind != REQUEST_USER) {
        fail_internal(c, r, status, message);
        return;
    }
    watch_event(c, KW_EVENT_FAILED, r->slot, at, NULL, "a command failed: %s", message);
    c->counters[KW_COUNT_FAILURES]++;
    c->counters[KW_COUNT_TIMEOUTS] += status == KW_ERR_TIMEOUT;
    if (!request_widen(c, r, NULL)) {
        complete_alone(c, r, NULL);
        return;
    }
    kw_error *err = mem_alloc(c->mem, sizeof *err);
    if (err) {
        *err = (kw_error){.status = status, .outcome = outcome_of(r), .slot = r->slot};
        memcpy(err->message, message, sizeof message);
        char text[ENDPOINT_TEXT_BYTES];
        slice_copy(err->node, sizeof err->node, slice_text(at ? node_text(at, text) : ""));
    }
    r->at.more->err = err;
    complete(c, r, status);
}

reply_pool *cluster_replies(cluster *c) {
    return &c->replies;
}

static void explain_failure(const request *r, kw_status status, kw_error *ret) {
    const kw_error *err = r->has_more ? r->at.more->err : NULL;
    if (err) {
        *ret = *err;
        return;
    }
    *ret = (kw_error){.status = status, .outcome = outcome_of(r), .slot = r->slot};
    snprintf(ret->message, sizeof ret->message, "%s",
             "the command failed, and memory was too short to say why");
}

static kw_reply *take_reply(request *r) {
    kw_reply **at = r->has_more ? &r->at.more->reply : &r->at.reply;
    kw_reply *reply = *at;
    *at = NULL;
    return reply;
}

/* Most succeed, and need nothing but their reply. */
static bool take_plain_completion(cluster *c, cluster_completion *ret) {
    request *r = REQUEST_OF(c->completed.next);
    if (list_empty(&c->completed) || !list_empty(&c->timed_out) || r->has_more || !r->at.reply) {
        return false;
    }
    list *next = r->node.next;
    c->completed.next = next;
    next->prev = &c->completed;
    ret->user = r->user;
    ret->user2 = r->user2;
    ret->reply = r->at.reply;
    pool_give(&c->requests, r);
    return true;
}

bool cluster_next_completion(cluster *c, cluster_completion *ret) {
    ret->err.status = KW_OK; /* the rest of it only when it failed */
    if (take_plain_completion(c, ret)) {
        c->pending--;
        return true;
    }
    request *r = next_completed(c);
    if (!r) {
        return false;
    }
    ret->user = r->user;
    ret->user2 = r->user2;
    ret->reply = take_reply(r);
    if (!ret->reply) {
        explain_failure(r, r->has_more ? r->at.more->status : KW_ERR_NOMEM, &ret->err);
    }
    r->fetched = true;
    c->pending--;
    if (r->place == PLACE_NOWHERE) {
        request_free(c, r);
    } else {
        assert(!request_is_lent(r));
    }
    return true;
}

size_t cluster_pending(const cluster *c) {
    return c->pending;
}

size_t cluster_waiting(const cluster *c) {
    return c->waiting;
}

/* --------------------------------------------------------------- submitting */

static kw_status refuse(kw_error *err, kw_status status, int slot, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static kw_status refuse(kw_error *err, kw_status status, int slot, const char *format, ...) {
    *err = (kw_error){.status = status, .outcome = KW_NOT_SENT, .slot = slot};
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return status;
}

static kw_status check_size(const kw_slice *argv, size_t argc, uint64_t len, kw_error *err) {
    if (argc == 0 || argv[0].len == 0) {
        return refuse(err, KW_ERR_INVALID, SLOT_NONE, "a command needs a name");
    }
    if (argc > LIMIT_ARGUMENTS || len > LIMIT_COMMAND_BYTES) {
        return refuse(err, KW_ERR_LIMIT, SLOT_NONE,
                      "the command has %zu arguments and %llu bytes; at most %d and %llu are sent",
                      argc, (unsigned long long)len, LIMIT_ARGUMENTS, LIMIT_COMMAND_BYTES);
    }
    return KW_OK;
}

static uint64_t encoded_size(const kw_slice *argv, size_t argc) {
    return argc <= LIMIT_ARGUMENTS ? resp_command_size(argv, argc) : 0;
}

kw_status cluster_check_size(const kw_slice *argv, size_t argc, kw_error *err) {
    return check_size(argv, argc, encoded_size(argv, argc), err);
}

static kw_status check_command(const cluster *c, const kw_slice *argv, size_t argc, uint64_t len,
                               kw_error *err) {
    if (c->closed) {
        return refuse(err, c->closed_status, SLOT_NONE, "the handle is closed");
    }
    kw_status status = check_size(argv, argc, len, err);
    if (status != KW_OK) {
        return status;
    }
    if (c->waiting >= c->config.waiting_max ||
        c->waiting_bytes + len > c->config.waiting_bytes_max) {
        return refuse(err, KW_ERR_LIMIT, SLOT_NONE,
                      "%u commands (%llu bytes) wait to be sent; no more are taken", c->waiting,
                      (unsigned long long)c->waiting_bytes);
    }
    return KW_OK;
}

/* WAIT counts the replicas of what its own connection wrote last. On a shared one that may be
 * anybody's, and all others would stand behind it; on another one it is nothing. */
static bool waits_for_replicas(const command_info *info) {
    return strcmp(info->name, "WAIT") == 0 || strcmp(info->name, "WAITAOF") == 0;
}

/* Commands that are about their connection would disturb everybody else's on this one. */
const char *request_disturbs(const command_route *way, kw_slice name) {
    uint32_t flags = way->info->flags;
    if (flags & COMMAND_NO_REPLY) {
        return "leaves commands without replies";
    }
    if (flags & (COMMAND_STATEFUL | COMMAND_PUBSUB) && !slice_is_nocase(name, "PUBLISH") &&
        !slice_is_nocase(name, "SPUBLISH") && !slice_is_nocase(name, "PUBSUB")) {
        return "changes the state of its connection";
    }
    return way->blocks && waits_for_replicas(way->info) ? "is about what its connection wrote"
                                                        : NULL;
}

static kw_status find_route(const cluster *c, const kw_slice *argv, size_t argc, command_route *ret,
                            kw_error *err) {
    kw_status status = command_book_route(&c->book, argv, argc, ret);
    if (status == KW_ERR_CROSSSLOT) {
        return refuse(err, status, ret->slot,
                      "the keys are in different slots (%d and %d); a {tag} in common would put "
                      "them into one",
                      ret->slot, ret->other_slot);
    }
    if (status != KW_OK) {
        return refuse(err, status, SLOT_NONE, "the command could not be read");
    }
    if (!ret->info || (ret->info->flags & COMMAND_DELICATE) == 0) {
        return KW_OK;
    }
    const char *why = request_disturbs(ret, argv[0]);
    return why ? refuse(err, KW_ERR_UNSUPPORTED, SLOT_NONE, REQUEST_DISTURBS, ret->info->name, why)
               : KW_OK;
}

/* The chunk of the link that will most likely carry it, so that neighbours there are written as one
 * piece. */
static chunk **likely_chunk(cluster *c, int slot) {
    if (slot != SLOT_NONE && slotmap_owner(&c->slots, slot) != SLOTMAP_NONE) {
        node *n = c->nodes[slotmap_owner(&c->slots, slot)];
        link *l = n->links[(unsigned)slot % c->config.connections_per_node];
        if (l) {
            return &l->chunk;
        }
    }
    return &c->chunk;
}

static void start_trace(cluster *c, request *r, kw_trace *trace) {
    r->at.more->trace = trace;
    if (trace) {
        memset(trace, 0, sizeof *trace);
        trace->slot = r->slot;
        trace->generation = c->slots.generation;
        trace->submitted_us = r->submitted_us;
    }
}

static bool must_learn(const cluster_submit_options *options, const command_route *way) {
    return options->slot == SLOT_NONE && (!way->info || way->info->flags & COMMAND_KEYS_UNKNOWN);
}

/* A command with nothing to it but its key. */
static bool is_plain(const cluster_submit_options *options, const command_route *way) {
    return way->slot != SLOT_NONE && !cluster_has_options(options) && !way->blocks &&
           !must_learn(options, way);
}

/* Encodes it where it will be written from; NULL: no memory. */
static request *encode(cluster *c, const kw_slice *argv, size_t argc, size_t size,
                       const cluster_submit_options *options, const command_route *way) {
    size_t apart = 0;
    if (options->lends && !way->blocks && !must_learn(options, way) &&
        lend_pays(argv, argc, &apart)) {
        return lend_encode(c, argv, argc, size, apart);
    }
    int slot = options->slot != SLOT_NONE ? options->slot : way->slot;
    chunk **home = way->blocks ? &c->blocking_chunk : likely_chunk(c, slot);
    char *bytes = NULL;
    request *r = request_small(c, home, size, &bytes);
    if (r) {
        resp_command_encode(bytes, argv, argc);
    }
    return r;
}

static void note_caller(cluster *c, request *r, const cluster_submit_options *options,
                        const command_route *way) {
    r->only_reads = way->reads_only;
    r->reads_only = way->reads_only || options->idempotent;
    r->keys_known = !must_learn(options, way);
    r->user = options->user;
    r->user2 = options->user2;
    r->submitted_us = cluster_submitted_us(c, options);
}

/* What only some commands need; false if memory is short. */
static bool note_options(cluster *c, request *r, const cluster_submit_options *options,
                         const command_route *way, const kw_slice *argv, size_t argc) {
    if (!request_widen(c, r, NULL)) {
        return false;
    }
    request_more *more = r->at.more;
    bool timed = options->timeout_us > 0;
    more->timeout_us = timed ? options->timeout_us : c->config.timeout_us;
    if (way->blocks && !blocking_init(c, r, way->info->name, argv, argc, timed)) {
        return false;
    }
    if (!MUTANT(DEADLINE_IGNORED)) {
        wheel_start(&c->wheel, &more->deadline, r->submitted_us + more->timeout_us);
    }
    more->forced = r->slot != way->slot;
    start_trace(c, r, options->trace);
    return true;
}

/* A command that is to wait, or of which more is to be known than its key. */
static kw_status submit_widely(cluster *c, const kw_slice *argv, size_t argc, size_t size,
                               const cluster_submit_options *options, const command_route *way,
                               kw_error *err) {
    int slot = options->slot != SLOT_NONE ? options->slot : way->slot;
    request *r = encode(c, argv, argc, size, options, way);
    if (!r) {
        return refuse(err, KW_ERR_NOMEM, slot, "out of memory");
    }
    r->slot = (int16_t)slot;
    note_caller(c, r, options, way);
    if (!note_options(c, r, options, way, argv, argc)) {
        request_free(c, r);
        return refuse(err, KW_ERR_NOMEM, slot, "out of memory");
    }
    c->pending++;
    c->counters[KW_COUNT_COMMANDS]++;
    if (r->keys_known) {
        route(c, r);
    } else {
        learn_command(c, r);
    }
    return KW_OK;
}

kw_status request_submit(cluster *c, const kw_slice *argv, size_t argc,
                         const cluster_submit_options *options, kw_error *err) {
    uint64_t size = encoded_size(argv, argc);
    kw_status status = check_command(c, argv, argc, size, err);
    command_route way = {.slot = SLOT_NONE};
    if (status == KW_OK) {
        status = find_route(c, argv, argc, &way, err);
    }
    if (status != KW_OK) {
        return status;
    }
    if (options->slot < SLOT_NONE || options->slot >= SLOT_COUNT) {
        return refuse(err, KW_ERR_INVALID, SLOT_NONE, "slot %d: slots go from 0 to %d",
                      options->slot, SLOT_COUNT - 1);
    }
    link *l =
        is_plain(options, &way) ? direct_link(c, way.slot, cluster_submitted_us(c, options)) : NULL;
    if (l && direct_send(c, l, argv, argc, way.slot, way.reads_only, options)) {
        return KW_OK;
    }
    return submit_widely(c, argv, argc, (size_t)size, options, &way, err);
}

/* ----------------------------------------------------------------- shutdown */

static void fail_queue(cluster *c, list *queue, kw_status status, const char *message) {
    while (!list_empty(queue)) {
        request *r = REQUEST_OF(queue->next);
        request_unqueue(c, r);
        request_fail(c, r, status, NULL, "%s", message);
    }
}

static void fail_pipeline(cluster *c, link *l, kw_status status, const char *message) {
    request *r;
    while ((r = link_pop(l))) {
        lane_leave(c, r);
        if (r->completed) {
            request_discard(c, r);
        } else {
            request_fail(c, r, status, l->node, "%s", message);
        }
    }
}

void cluster_shutdown(cluster *c, kw_status status, uint64_t now_us) {
    static const char message[] = "the handle was closed before the command was done";
    c->now_us = now_us;
    c->closed = true;
    c->closed_status = status;
    for (uint32_t i = 0; i < c->link_count; i++) {
        link *l = c->links[i];
        if (l) {
            wheel_stop(&c->wheel, &l->timer);
            wheel_stop(&c->wheel, &l->expiry);
            fail_pipeline(c, l, status, message);
            fail_queue(c, &l->waiting, status, message);
            link_disconnect(c, l);
            l->state = LINK_CLOSED;
        }
    }
    for (unsigned i = 0; i < c->node_count; i++) {
        if (c->nodes[i]) {
            fail_queue(c, &c->nodes[i]->blocking_waiting, status, message);
        }
    }
    fail_queue(c, &c->map_waiting, status, message);
    fail_queue(c, &c->keyless_waiting, status, message);
    fail_queue(c, &c->learning, status, message);
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        request *r;
        while ((r = lane_first(c, slot))) {
            request_unqueue(c, r);
            request_fail(c, r, status, NULL, "%s", message);
        }
    }
}
