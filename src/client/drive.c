/* Turns the handle: between the brain and the system, and from the brain to the callbacks. */
#include "client/errand.h"
#include "client/handle.h"
#include "core/reply_pool.h"
#include "core/watch.h"
#include "io/io_error.h"

#include <limits.h>
#include <stdio.h>

enum {
    SLICES_PER_WRITE = 64,
    ROUNDS_PER_SETTLE = 16, /* callbacks that always submit more must not hold a turn for ever */
    COMPLETIONS_PER_ROUND = 4096,  /* ... nor callbacks whose commands end at once */
    READ_SHARE_BYTES = 128 * 1024, /* of one connection in one turn: others wait meanwhile */
    PAUSE_US = 1000                /* between two turns: the caller was away */
};

const char CLIENT_WAITER_MARK;

/* -------------------------------------------------------------------- links */

static client_link *find_link(kw_client *c, uint32_t index) {
    return index < c->link_capacity ? c->links[index] : NULL;
}

/* NULL if memory is short. */
static client_link *make_link(kw_client *c, uint32_t index) {
    if (index >= c->link_capacity) {
        uint32_t capacity = c->link_capacity ? c->link_capacity : 16;
        while (capacity <= index) {
            capacity *= 2;
        }
        client_link **links = mem_resize(c->mem, c->links, capacity, sizeof(client_link *));
        if (!links) {
            return NULL;
        }
        memset(links + c->link_capacity, 0, (capacity - c->link_capacity) * sizeof(client_link *));
        c->links = links;
        c->link_capacity = capacity;
    }
    if (!c->links[index]) {
        client_link *l = mem_calloc(c->mem, 1, sizeof *l);
        if (l) {
            l->index = index;
        }
        c->links[index] = l;
    }
    return c->links[index];
}

static void set_unread(kw_client *c, client_link *l, bool is_unread) {
    c->unread_count += is_unread;
    c->unread_count -= l->is_unread;
    l->is_unread = is_unread;
}

static void close_link(kw_client *c, client_link *l) {
    stream_free(l->stream);
    l->stream = NULL;
    l->is_up = false;
    set_unread(c, l, false);
}

static void lose_link(kw_client *c, client_link *l, uint64_t now_us) {
    const char *message = NULL;
    kw_status status = stream_error(l->stream, &message);
    cluster_link_lost(c->cluster, l->index, status, message, now_us);
    close_link(c, l);
}

static bool is_open(const client_link *l) {
    return l->stream && stream_get_state(l->stream) == STREAM_OPEN;
}

static void note_written(kw_client *c, client_link *l) {
    if (!l->is_written) {
        l->is_written = true;
        l->next_written = c->written;
        c->written = l;
    }
}

static void forget_written(kw_client *c) {
    for (client_link *l = c->written; l; l = l->next_written) {
        l->is_written = false;
    }
    c->written = NULL;
    c->is_cut = false;
}

static void write_link(kw_client *c, client_link *l, uint64_t now_us) {
    while (is_open(l)) {
        kw_slice slices[SLICES_PER_WRITE];
        size_t count = cluster_link_output(c->cluster, l->index, slices, SLICES_PER_WRITE);
        if (count == 0) {
            stream_want_write(l->stream, false);
            note_written(c, l);
            return;
        }
        size_t total = 0;
        for (size_t i = 0; i < count; i++) {
            total += slices[i].len;
        }
        size_t written = stream_write(l->stream, slices, count);
        if (written > 0) {
            cluster_link_written(c->cluster, l->index, written, now_us);
        }
        if (written < total) {
            c->is_cut = true;
            stream_want_write(l->stream, true);
            break;
        }
    }
    if (l->stream && stream_get_state(l->stream) == STREAM_ENDED) {
        lose_link(c, l, now_us);
    }
}

/* Straight into the brain's buffers. */
static void read_link(kw_client *c, client_link *l, uint64_t now_us) {
    size_t share = READ_SHARE_BYTES;
    size_t got = 0;
    l->read_us = now_us;
    do {
        size_t room = 0;
        char *at = cluster_link_input(c->cluster, l->index, &room);
        if (!at) {
            return; /* an effect closes it */
        }
        got = stream_read(l->stream, at, room < share ? room : share);
        if (got > 0) {
            cluster_link_received(c->cluster, l->index, got, now_us);
            share -= got < share ? got : share;
        }
    } while (got > 0 && share > 0);
    set_unread(c, l, got > 0);
}

static void go_on_with_link(kw_client *c, client_link *l, unsigned ready, uint64_t now_us) {
    stream_state state = stream_handle(l->stream, ready);
    if (state == STREAM_OPEN && !l->is_up) {
        l->is_up = true;
        cluster_link_connected(c->cluster, l->index, now_us);
    }
    if (state == STREAM_OPEN && ready & LOOP_WRITE) {
        write_link(c, l, now_us);
    }
    if (is_open(l)) {
        read_link(c, l, now_us);
    }
    if (l->stream && stream_get_state(l->stream) == STREAM_ENDED) {
        lose_link(c, l, now_us);
    }
}

static void read_unread(kw_client *c, uint64_t now_us) {
    for (uint32_t i = 0; c->unread_count > 0 && i < c->link_capacity; i++) {
        client_link *l = c->links[i];
        if (l && l->is_unread && l->read_us != now_us) { /* else it had its share of this turn */
            go_on_with_link(c, l, 0, now_us);
        }
    }
}

void client_close_links(kw_client *c) {
    for (uint32_t i = 0; i < c->link_capacity; i++) {
        if (c->links[i]) {
            close_link(c, c->links[i]);
            mem_free(c->mem, c->links[i]);
        }
    }
    mem_free(c->mem, c->links);
    c->links = NULL;
    c->link_capacity = 0;
}

/* ------------------------------------------------------------------ effects */

static void open_link(kw_client *c, const cluster_effect *effect, uint64_t now_us) {
    kw_error err = {.status = KW_ERR_NOMEM, .message = "out of memory"};
    stream_options options = c->stream_options;
    options.tls = effect->address.family == NET_UNIX ? NULL : c->tls;
    options.tls_host = effect->name.host;
    client_link *l = make_link(c, effect->link);
    if (!l ||
        stream_connect(c->loop, c->mem, &effect->address, &options, l, &l->stream, &err) != KW_OK) {
        cluster_link_lost(c->cluster, effect->link, err.status, err.message, now_us);
    } else if (is_open(l)) {
        l->is_up = true;
        cluster_link_connected(c->cluster, l->index, now_us);
    }
}

static void take_resolved(kw_client *c, uint64_t now_us) {
    resolver_result result;
    while (resolver_next(c->resolver, &result)) {
        cluster_resolved(c->cluster, result.id, result.addresses, result.count, result.status,
                         result.message, now_us);
    }
}

static void resolve(kw_client *c, const cluster_effect *effect, uint64_t now_us) {
    kw_status status = resolver_start(c->resolver, effect->name.host, effect->id);
    if (status != KW_OK) {
        cluster_resolved(c->cluster, effect->id, NULL, 0, status, "out of memory", now_us);
    }
    take_resolved(c, now_us); /* of the hosts file, at once */
}

static void carry_out(kw_client *c, const cluster_effect *effect, uint64_t now_us) {
    client_link *l = NULL;
    switch (effect->kind) {
    case EFFECT_OPEN:
        open_link(c, effect, now_us);
        break;
    case EFFECT_CLOSE:
        l = find_link(c, effect->link);
        if (l) {
            close_link(c, l);
        }
        break;
    case EFFECT_WRITE:
        l = find_link(c, effect->link);
        if (l) {
            write_link(c, l, now_us);
        }
        break;
    case EFFECT_RESOLVE:
        resolve(c, effect, now_us);
        break;
    case EFFECT_CANCEL:
        resolver_cancel(c->resolver, effect->id);
        break;
    }
}

/* now_us: 0 to have the clock read if there are any. */
static bool carry_out_effects(kw_client *c, uint64_t now_us) {
    cluster_effect effect;
    bool any = cluster_next_effect(c->cluster, &effect);
    if (any) {
        now_us = now_us > 0 ? now_us : loop_now_us();
        do {
            carry_out(c, &effect, now_us);
        } while (cluster_next_effect(c->cluster, &effect));
    }
    return any;
}

/* ---------------------------------------------------------------- callbacks */

/* A function's address in an object pointer and back: POSIX lets it through, ISO C by memcpy only.
 */
static void *pointer_of(kw_reply_fn *fn) {
    void *pointer = NULL;
    memcpy(&pointer, &fn, sizeof pointer);
    return pointer;
}

static kw_reply_fn *function_of(void *pointer) {
    kw_reply_fn *fn = NULL;
    memcpy(&fn, &pointer, sizeof fn);
    return fn;
}

void client_call_back(kw_client *c, kw_reply_fn *on_reply, kw_reply *reply, const kw_error *err,
                      void *arg) {
    c->called_back++;
    if (on_reply) {
        c->in_callback = true;
        on_reply(c, reply, err, arg);
        c->in_callback = false;
    }
}

static void deliver(kw_client *c, cluster_completion *done) {
    if (done->user == (const void *)&CLIENT_WAITER_MARK) {
        client_waiter *waiter = done->user2;
        waiter->take(waiter, done);
        return;
    }
    kw_reply_fn *on_reply = function_of(done->user);
    if (done->reply) {
        reply_hold(done->reply);
    }
    client_call_back(c, on_reply, done->reply, done->reply ? NULL : &done->err, done->user2);
    reply_release(cluster_replies(c->cluster), done->reply);
}

static bool deliver_events(kw_client *c) {
    bool any = false;
    const kw_event *event = NULL;
    while ((event = cluster_next_event(c->cluster))) {
        kw_event copy = *event; /* the callback may turn the brain's queue */
        any = true;
        if (c->on_event) {
            c->in_callback = true;
            c->on_event(c, &copy, c->on_event_arg);
            c->in_callback = false;
        }
    }
    return any;
}

static bool deliver_completions(kw_client *c) {
    cluster_completion done;
    bool any = false;
    for (int i = 0; i < COMPLETIONS_PER_ROUND || c->is_closed; i++) {
        if (!cluster_next_completion(c->cluster, &done)) {
            break;
        }
        any = true;
        deliver(c, &done);
    }
    return any;
}

/* now_us: 0 if it is not known. */
static bool settle(kw_client *c, uint64_t now_us) {
    bool delivered = false;
    bool any = true;
    c->is_dirty = false;
    for (int round = 0; any && (round < ROUNDS_PER_SETTLE || c->is_closed); round++) {
        bool carried = carry_out_effects(c, now_us);
        now_us = 0; /* callbacks take their time */
        bool told = deliver_events(c);
        told = deliver_completions(c) || told;
        delivered = delivered || told;
        any = carried || told;
    }
    if (any) {
        client_touch(c);
    }
    return delivered;
}

bool client_settle(kw_client *c) {
    return settle(c, 0);
}

/* --------------------------------------------------------------------- turns */

int client_ms_until(uint64_t at_us, uint64_t now_us) {
    if (at_us == UINT64_MAX) {
        return -1;
    }
    uint64_t ms = at_us > now_us ? (at_us - now_us) / 1000u + ((at_us - now_us) % 1000u != 0) : 0;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

uint64_t client_next_us(const kw_client *c, uint64_t now_us) {
    if (c->is_dirty || c->unread_count > 0) {
        return 0;
    }
    uint64_t at_us = cluster_deadline_us(c->cluster);
    uint64_t names_us = resolver_deadline_us(c->resolver, now_us);
    return at_us < names_us ? at_us : names_us;
}

int client_wait_ms(const kw_client *c) {
    uint64_t now_us = loop_now_us();
    return client_ms_until(client_next_us(c, now_us), now_us);
}

void client_handle_events(kw_client *c, const loop_event *events, size_t count) {
    uint64_t now_us = loop_now_us();
    c->turned_us = now_us;
    for (size_t i = 0; i < count; i++) {
        client_link *l = events[i].owner;
        if (!loop_alive(c->loop, events[i].token)) {
            continue;
        }
        if (l) {
            go_on_with_link(c, l, events[i].ready, now_us);
        } else {
            resolver_handle(c->resolver, events[i].token, events[i].ready);
        }
    }
    if (c->unread_count > 0) {
        read_unread(c, now_us);
    }
    if (resolver_deadline_us(c->resolver, now_us) <= now_us) {
        resolver_timeout(c->resolver);
    }
    take_resolved(c, now_us);
    if (cluster_deadline_us(c->cluster) <= now_us) {
        cluster_tick(c->cluster, now_us);
    }
}

static void take_events(kw_client *c, int wait_ms) {
    loop_event events[CLIENT_EVENTS_PER_WAIT];
    size_t count = loop_wait(c->loop, events, CLIENT_EVENTS_PER_WAIT, wait_ms);
    client_handle_events(c, events, count);
}

/* The first half of a turn. After a pause, what the peers did meanwhile comes first: a write must
 * not go to a connection that was closed long ago, and be lost there as MAYBE_EXECUTED. */
static bool look_and_settle(kw_client *c, uint64_t now_us) {
    if (now_us - c->turned_us > PAUSE_US) {
        take_events(c, 0);
        now_us = c->turned_us;
    }
    return settle(c, now_us);
}

static void wait_and_settle(kw_client *c, int wait_ms) {
    int own_ms = wait_ms == 0 ? 0 : client_wait_ms(c);
    if (own_ms >= 0 && (wait_ms < 0 || own_ms < wait_ms)) {
        wait_ms = own_ms;
    }
    take_events(c, wait_ms);
    (void)settle(c, c->turned_us); /* what it handed over, the caller sees by what it waits for */
}

void client_turn(kw_client *c, int wait_ms) {
    bool delivered = look_and_settle(c, loop_now_us());
    if (!c->is_closed) {
        /* whoever waits for just what was delivered must not wait on */
        wait_and_settle(c, delivered ? 0 : wait_ms);
    }
}

/* Can the replies be waited for in reads of the links that were written to? If nothing else is
 * under way and to be done for so long. Other links' events lie in the loop meanwhile: it is looked
 * at when that wait is over in vain, and once in PAUSE_US. */
static bool may_await(const kw_client *c, size_t awaited, uint64_t now_us) {
    bool is_all = cluster_pending(c->cluster) == awaited && cluster_waiting(c->cluster) == 0;
    bool is_able = c->written && !c->is_cut;
    for (const client_link *l = c->written; is_able && l; l = l->next_written) {
        is_able = l->stream && stream_can_await(l->stream);
    }
    /* a receive timeout may come a tick of the system late */
    return is_all && is_able && client_next_us(c, now_us) >= now_us + 2 * STREAM_AWAIT_US;
}

/* False: nothing came. */
static bool await_link(kw_client *c, client_link *l) {
    if (!is_open(l) || !stream_can_await(l->stream)) {
        return false; /* what came on another link has ended this one */
    }
    size_t room = 0;
    char *at = cluster_link_input(c->cluster, l->index, &room);
    size_t got = at ? stream_await(l->stream, at, room) : 0;
    uint64_t now_us = loop_now_us();
    if (got > 0) {
        cluster_link_received(c->cluster, l->index, got, now_us);
    } else if (stream_get_state(l->stream) == STREAM_ENDED) {
        lose_link(c, l, now_us);
    }
    (void)settle(c, now_us);
    return got > 0;
}

/* The last link first: its reply comes last, and the others need not be waited for any more. */
static bool await_links(kw_client *c) {
    bool any = true;
    for (client_link *l = c->written; any && l && cluster_pending(c->cluster) > 0;) {
        client_link *next = l->next_written; /* NULL at the end, which stays where it is */
        any = await_link(c, l) && !c->is_closed;
        l = next;
    }
    return any;
}

void client_turn_for_replies(kw_client *c, size_t awaited, uint64_t now_us) {
    forget_written(c);
    bool delivered = look_and_settle(c, now_us);
    if (c->is_closed) {
        return;
    }
    if (delivered || !may_await(c, awaited, now_us)) {
        wait_and_settle(c, delivered ? 0 : -1);
    } else if (!await_links(c) && !c->is_closed) {
        wait_and_settle(c, 0);
    }
}

void client_touch(kw_client *c) {
    if (!c->is_dirty) {
        c->is_dirty = true;
        loop_wake_poller(c->loop);
    }
}

/* ------------------------------------------------------------------- submits */

static void take_options(cluster_submit_options *how, const kw_call_options *options) {
    how->timeout_us = (uint64_t)options->timeout_ms * 1000u;
    how->slot = options->slot;
    how->idempotent = options->idempotent;
    how->trace = options->trace;
}

static inline __attribute__((always_inline)) kw_status
submit(kw_client *c, const kw_slice *argv, size_t argc, const kw_call_options *options, bool lends,
       void *user, void *user2, uint64_t now_us, kw_error *err) {
    cluster_submit_options how = {.slot = SLOT_NONE, .lends = lends, .user = user, .user2 = user2};
    kw_error unwanted;
    if (options) {
        take_options(&how, options);
    }
    return cluster_submit(c->cluster, argv, argc, &how, now_us, err ? err : &unwanted);
}

kw_status client_submit(kw_client *c, const client_submission *s, uint64_t now_us, kw_error *err) {
    cluster_submit_options how = {.slot = SLOT_NONE, .submitted_us = s->submitted_us};
    if (s->options) {
        take_options(&how, s->options);
    }
    if (s->waiter) {
        how.lends = true;
        how.user = (void *)(uintptr_t)&CLIENT_WAITER_MARK;
        how.user2 = s->waiter;
    } else {
        how.user = pointer_of(s->on_reply);
        how.user2 = s->arg;
    }
    kw_status status = cluster_submit(c->cluster, s->argv, s->argc, &how, now_us, err);
    c->given += status == KW_OK && !s->waiter;
    return status;
}

kw_status client_submit_waiter(kw_client *c, const kw_slice *argv, size_t argc,
                               const kw_call_options *options, client_waiter *waiter,
                               uint64_t now_us, kw_error *err) {
    return submit(c, argv, argc, options, true, (void *)(uintptr_t)&CLIENT_WAITER_MARK, waiter,
                  now_us, err);
}

kw_status kw_submit(kw_client *c, const kw_slice *argv, size_t argc, const kw_call_options *options,
                    kw_reply_fn *on_reply, void *arg, kw_error *err) {
    if (c->thread) {
        return errand_submit(c, argv, argc, options, on_reply, arg, err);
    }
    if (!client_is_usable(c)) {
        return client_check(c, false, err);
    }
    kw_status status =
        submit(c, argv, argc, options, false, pointer_of(on_reply), arg, loop_now_us(), err);
    /* callbacks run inside a turn, which goes on until all is carried out */
    if (status == KW_OK && !c->in_callback) {
        client_touch(c);
    }
    return status;
}
