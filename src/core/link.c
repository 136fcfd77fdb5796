#include "core/link.h"

#include "core/mutant.h"
#include "core/reply.h"
#include "core/resp_short.h"

#include <assert.h>

#define FIRST_BYTES ((size_t)16 * 1024)
#define LONG_BYTES (256u * 1024)

void link_init(link *l, const mem *m, uint32_t index, uint64_t reply_bytes_max) {
    memset(l, 0, sizeof *l);
    l->index = index;
    l->resp = 2;
    list_init(&l->in_node);
    list_init(&l->in_effects);
    list_init(&l->in_pool);
    list_init(&l->pipeline);
    list_init(&l->waiting);
    l->unsent = &l->pipeline;
    l->limits = resp_limits_default;
    l->limits.value_bytes = reply_bytes_max;
    buffer_init(&l->input, m, (size_t)reply_bytes_max + LINK_INPUT_BYTES);
    resp_scanner_init(&l->scanner, &l->limits);
    wheel_timer_init(&l->expiry);
    wheel_timer_init(&l->timer);
}

void link_done(link *l) {
    assert(list_empty(&l->pipeline) && list_empty(&l->waiting));
    buffer_done(&l->input);
}

void link_reset(link *l) {
    assert(list_empty(&l->pipeline));
    if (!MUTANT(STALE_INPUT)) {
        buffer_clear(&l->input, LINK_INPUT_BYTES);
        resp_scanner_init(&l->scanner, &l->limits);
    }
    l->unsent = &l->pipeline;
    l->unsent_offset = 0;
    l->write_wanted = false;
    l->silent = false;
    l->parting = false;
}

static void take_out(link *l, request *r) {
    if (l->unsent == &r->node) {
        l->unsent = r->node.next;
        l->unsent_offset = 0;
    }
    list_remove(&r->node);
    l->count--;
    l->bytes -= r->len;
    r->place = PLACE_NOWHERE;
    if (r->has_more) {
        r->at.more->link = NULL;
    }
}

void link_withdraw(link *l, request *r) {
    assert(!r->on_wire);
    take_out(l, r);
}

request *link_pop(link *l) {
    if (list_empty(&l->pipeline)) {
        return NULL;
    }
    request *r = REQUEST_OF(l->pipeline.next);
    take_out(l, r);
    return r;
}

/* Neighbours in one chunk from `n` on, joined; *n: the first that is none. */
static kw_slice output_run(const link *l, const list **n, size_t skip) {
    const request *r = REQUEST_OF(*n);
    const chunk *home = request_chunk(r);
    size_t begin = r->offset + skip;
    size_t end = r->offset + r->len;
    for (*n = (*n)->next; *n != &l->pipeline; *n = (*n)->next) {
        r = REQUEST_OF(*n);
        if (r->offset != end || request_chunk(r) != home) {
            break;
        }
        end += r->len;
    }
    return slice_of(home->data + begin, end - begin);
}

/* A long command begins with a write of its own, of as much as a server reads at first: it is awake
 * then, and has made room, when the rest comes, which costs less than waking it in the midst of
 * that again and again (docs/performance.md). SIZE_MAX: no less than all. */
static size_t output_room(const request *r, size_t skip) {
    return r->len >= LONG_BYTES && skip < FIRST_BYTES ? FIRST_BYTES - skip : SIZE_MAX;
}

/* What is before the lent bytes, these, and what is behind them, `room` bytes of it at most: as
 * many of the pieces as `max` lets. Such a request has its chunk for itself. */
static size_t output_lent(const request *r, size_t skip, size_t room, kw_slice *slices,
                          size_t max) {
    const chunk *home = request_chunk(r);
    const kw_slice parts[] = {slice_of(home->data + r->offset, home->lent_at - r->offset),
                              home->lent,
                              slice_of(home->data + home->lent_at, home->used - home->lent_at)};
    size_t count = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && count < max && room > 0; i++) {
        if (skip < parts[i].len) {
            size_t len = parts[i].len - skip < room ? parts[i].len - skip : room;
            slices[count++] = slice_of(parts[i].data + skip, len);
            room -= len;
            skip = 0;
        } else {
            skip -= parts[i].len;
        }
    }
    return count;
}

size_t link_output(const link *l, kw_slice *slices, size_t max) {
    size_t count = 0;
    size_t skip = l->unsent_offset;
    for (const list *n = l->unsent; n != &l->pipeline && count < max; skip = 0) {
        const request *r = REQUEST_OF(n);
        if (request_is_lent(r)) {
            size_t room = output_room(r, skip);
            count += output_lent(r, skip, room, slices + count, max - count);
            n = room == SIZE_MAX ? n->next : &l->pipeline;
        } else {
            slices[count++] = output_run(l, &n, skip);
        }
    }
    return count;
}

void link_written(link *l, size_t len) {
    list *n = l->unsent;
    size_t offset = l->unsent_offset;
    while (len > 0) {
        assert(n != &l->pipeline);
        request *r = REQUEST_OF(n);
        size_t left = r->len - offset;
        r->was_sent = true;
        r->on_wire = true;
        if (len < left) {
            offset += len;
            break;
        }
        len -= left;
        n = n->next;
        offset = 0;
    }
    l->unsent = n;
    l->unsent_offset = offset;
}

/* In the middle of a long string, room for more of it at a time: so much as has come already and
 * more, but never because of the length announced alone. */
char *link_input(link *l, size_t *ret_size) {
    size_t len = buffer_len(&l->input);
    size_t due = l->scanner.body_end > len ? (size_t)l->scanner.body_end - len : 0;
    size_t most = 4 * len;
    char *at = NULL;
    if (due > 0 && due <= buffer_room(&l->input)) {
        at = buffer_bytes(&l->input) + len;
    } else if (due > LINK_INPUT_BYTES && most > LINK_INPUT_BYTES) {
        at = buffer_reserve_exactly(&l->input, due < most ? due : most);
    } else {
        at = buffer_reserve(&l->input, LINK_INPUT_BYTES);
    }
    *ret_size = at ? buffer_room(&l->input) : 0;
    return at;
}

void link_received(link *l, size_t len) {
    buffer_commit(&l->input, len);
}

resp_progress link_next_frame(link *l, link_frame *ret) {
    kw_slice in = buffer_slice(&l->input);
    if (in.len == 0) {
        return RESP_MORE;
    }
    size_t len = link_at_value(l) ? resp_peek(in.data, in.len, &l->limits, &ret->text) : 0;
    if (len > 0) {
        ret->data = in.data;
        ret->len = len;
        ret->node_count = 1;
        ret->input = NULL;
        return RESP_DONE;
    }
    resp_progress progress = resp_scan(&l->scanner, in.data, in.len);
    if (progress == RESP_DONE) {
        /* ... and more than what is behind it, which would have to be moved. */
        bool large = l->scanner.offset >= REPLY_TAKEN_BYTES && l->scanner.offset >= in.len / 2;
        *ret = (link_frame){.data = in.data,
                            .len = (size_t)l->scanner.offset,
                            .node_count = l->scanner.node_count,
                            .input = large ? &l->input : NULL};
    }
    return progress;
}

void link_consume(link *l, const link_frame *frame) {
    if (buffer_bytes(&l->input) == frame->data) { /* else the reply took it */
        buffer_consume(&l->input, frame->len);
    }
    if (!frame->text.data) {
        resp_scanner_init(&l->scanner, &l->limits);
        if (buffer_len(&l->input) == 0) {
            buffer_clear(&l->input, 4u * LINK_INPUT_BYTES);
        }
    }
}
