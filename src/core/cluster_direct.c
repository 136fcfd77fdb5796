/* The direct way, which nearly all commands take: their slot's owner is connected, nothing has to
 * be waited for, they come without options of their own, and are answered by one short reply that
 * is no error.
 *
 * It does what the general way does (cluster_route.c, cluster_link.c, cluster_answer.c), in one
 * piece and without its questions. Whatever is not so plain is left to that, untouched. */
#include "core/cluster_state.h"
#include "core/resp_short.h"

#include <assert.h>

/* What every command runs is compiled into one function; what few do is kept out of it. */
#define STRAIGHT static inline __attribute__((always_inline))
#define APART __attribute__((noinline))

/* --------------------------------------------------------------- submitting */

/* Those without a timer of their own are in line for their link's: their deadlines must follow each
 * other as they do in its pipeline. Another thread's command may have been submitted earlier, if
 * its turn came late. */
static bool is_in_line(const link *l, uint64_t submitted_us) {
    return submitted_us >= l->submitted_us;
}

STRAIGHT link *open_link(const cluster *c, int slot, uint64_t submitted_us) {
    uint16_t owner = slotmap_owner(&c->slots, slot);
    if (owner == SLOTMAP_NONE || (c->config.require_full_coverage && !route_map_is_usable(c))) {
        return NULL;
    }
    unsigned count = c->config.connections_per_node;
    link *l = c->nodes[owner]->links[count == 1 ? 0 : (unsigned)slot % count];
    const lane *a = &c->lanes[slot];
    bool open = l && l->state == LINK_READY && list_empty(&l->waiting) && link_has_room(c, l) &&
                is_in_line(l, submitted_us) && !a->waits && !lane_is_elsewhere(a, l);
    return open ? l : NULL;
}

link *direct_link(const cluster *c, int slot, uint64_t submitted_us) {
    return open_link(c, slot, submitted_us);
}

/* A command's bytes in their chunk; end NULL: there is no memory for them. */
typedef struct encoding {
    chunk *home;
    char *begin;
    char *end;
} encoding;

/* What else is known of a command that is sent at once. */
typedef struct departure {
    void *user;
    void *user2;
    uint64_t submitted_us;
    int slot;
    bool only_reads;
    bool reads_only;
} departure;

/* Each member for itself: zeroing all of it first takes as long again. */
STRAIGHT void request_fill(request *r, encoding e, departure d, uint32_t seq) {
    r->user = d.user;
    r->user2 = d.user2;
    r->submitted_us = d.submitted_us;
    r->at.chunk = e.home;
    r->offset = (uint32_t)(e.begin - e.home->data);
    r->len = (uint32_t)(e.end - e.begin);
    r->seq = seq;
    r->slot = (int16_t)d.slot;
    r->kind = REQUEST_USER;
    r->place = PLACE_PIPELINE;
    r->has_more = false;
    r->reads_only = d.reads_only;
    r->only_reads = d.only_reads;
    r->on_wire = false;
    r->was_sent = false;
    r->in_lane = true;
    r->completed = false;
    r->fetched = false;
    r->keys_known = true;
}

/* Puts it into its lane and its pipeline. False: no memory. */
STRAIGHT bool depart(cluster *c, link *l, encoding e, departure d) {
    request *r = e.end ? pool_take(&c->requests) : NULL;
    if (!r) {
        chunk_unref(&c->chunks, e.end ? e.home : NULL);
        return false;
    }
    request_fill(r, e, d, c->next_seq++);
    lane *a = &c->lanes[d.slot];
    if (a->assigned++ == 0) { /* else it is this link already */
        a->link = l->index & LANE_LINK_MASK;
    }
    if (list_empty(&l->pipeline)) {
        link_begins(c, l);
    }
    c->pending++;
    c->counters[KW_COUNT_COMMANDS]++;
    l->node->counters[KW_COUNT_COMMANDS]++;
    l->submitted_us = d.submitted_us;
    if (!wheel_running(&l->expiry) && !MUTANT(DEADLINE_IGNORED)) {
        wheel_start(&c->wheel, &l->expiry, d.submitted_us + c->config.timeout_us);
    }
    link_append(l, r);
    if (!l->write_wanted) {
        link_want_write(c, l);
    }
    return true;
}

/* At the start of a new chunk. */
static encoding reserve(cluster *c, link *l, size_t len) {
    encoding e = {NULL, NULL, NULL};
    e.begin = chunk_reserve(&c->chunks, &l->chunk, len, &e.home);
    e.end = e.begin ? e.begin + len : NULL;
    return e;
}

static APART bool encode_anew(cluster *c, link *l, const kw_slice *argv, size_t argc, departure d) {
    uint64_t size = argc <= LIMIT_ARGUMENTS ? resp_command_size(argv, argc) : UINT64_MAX;
    if (size >= LEND_BYTES_MIN) {
        return false; /* too large perhaps, or lent */
    }
    encoding e = reserve(c, l, (size_t)size);
    if (e.end) {
        resp_command_encode(e.begin, argv, argc);
    }
    return depart(c, l, e, d);
}

static APART bool copy_anew(cluster *c, link *l, kw_slice bytes, departure d) {
    if (bytes.len >= LEND_BYTES_MIN) {
        return false;
    }
    encoding e = reserve(c, l, bytes.len);
    if (e.end) {
        memcpy(e.begin, bytes.data, bytes.len);
    }
    return depart(c, l, e, d);
}

/* Short commands are encoded at the end of the link's chunk, if they fit. */
STRAIGHT bool send_down(cluster *c, link *l, const kw_slice *argv, size_t argc,
                        const resp_short_name *name, departure d) {
    char *begin = chunk_tail(l->chunk, resp_short_room(argc));
    char *end = begin ? resp_short_encode(begin, argv, argc, name) : NULL;
    if (!end) {
        return encode_anew(c, l, argv, argc, d);
    }
    chunk_take(l->chunk, end);
    return depart(c, l, (encoding){l->chunk, begin, end}, d);
}

STRAIGHT bool send_copy(cluster *c, link *l, kw_slice bytes, departure d) {
    char *begin = chunk_tail(l->chunk, bytes.len);
    if (!begin) {
        return copy_anew(c, l, bytes, d);
    }
    char *end = slice_put(begin, bytes);
    chunk_take(l->chunk, end);
    return depart(c, l, (encoding){l->chunk, begin, end}, d);
}

STRAIGHT departure departure_of(const cluster *c, int slot, bool only_reads,
                                const cluster_submit_options *options) {
    return (departure){.user = options->user,
                       .user2 = options->user2,
                       .submitted_us = cluster_submitted_us(c, options),
                       .slot = slot,
                       .only_reads = only_reads,
                       .reads_only = only_reads || options->idempotent};
}

bool direct_send(cluster *c, link *l, const kw_slice *argv, size_t argc, int slot, bool only_reads,
                 const cluster_submit_options *options) {
    return send_down(c, l, argv, argc, NULL, departure_of(c, slot, only_reads, options));
}

bool cluster_submit_encoded(cluster *c, const cluster_encoded *e, void *user, void *user2,
                            uint64_t now_us) {
    c->now_us = now_us;
    link *l = c->waiting == 0 && !c->closed ? open_link(c, e->slot, now_us) : NULL;
    if (!l) {
        return false;
    }
    return send_copy(c, l, slice_of(e->bytes, e->len),
                     (departure){.user = user,
                                 .user2 = user2,
                                 .submitted_us = now_us,
                                 .slot = e->slot,
                                 .only_reads = e->reads_only,
                                 .reads_only = e->reads_only});
}

/* False: it has to go the general way, or memory is short. */
STRAIGHT bool submit_plain(cluster *c, const kw_slice *argv, size_t argc,
                           const cluster_submit_options *options) {
    if (cluster_has_options(options) || c->waiting > 0 || c->closed) {
        return false;
    }
    const command_seen *seen = command_find_plain(&c->recent, argv, argc);
    if (!seen) {
        return false;
    }
    int slot = slot_of_key(argv[seen->info->sole_key]);
    link *l = open_link(c, slot, cluster_submitted_us(c, options));
    return l && send_down(c, l, argv, argc, &seen->name,
                          departure_of(c, slot, command_only_reads(seen->info), options));
}

kw_status cluster_submit(cluster *c, const kw_slice *argv, size_t argc,
                         const cluster_submit_options *options, uint64_t now_us, kw_error *err) {
    c->now_us = now_us;
    return submit_plain(c, argv, argc, options) ? KW_OK
                                                : request_submit(c, argv, argc, options, err);
}

/* ------------------------------------------------------------------ replies */

/* What the run of plain replies adds up to. */
typedef struct tally {
    size_t count;
    uint64_t bytes; /* of their commands */
    uint64_t sum_us;
    uint64_t max_us;
} tally;

static void leave_lane(cluster *c, request *r) {
    lane *a = &c->lanes[r->slot];
    assert(a->assigned > 0);
    if (a->assigned == 1 && (a->split || a->waits)) {
        lane_leave(c, r); /* somebody waited for that */
        return;
    }
    a->assigned--;
    r->in_lane = false;
}

/* Ends the pipeline's first request with this short value; false: no memory, nothing has changed.
 */
static bool take_reply(cluster *c, request *r, char type, kw_slice text, histogram *of_node,
                       tally *sum) {
    kw_reply *reply = reply_pool_single(&c->replies, type, text);
    if (!reply) {
        return false;
    }
    uint64_t us = c->now_us - r->submitted_us;
    uint32_t bucket = histogram_bucket(us);
    histogram_count(of_node, bucket);
    histogram_count(&c->latency, bucket);
    sum->count++;
    sum->bytes += r->len;
    sum->sum_us += us;
    sum->max_us = us > sum->max_us ? us : sum->max_us;
    leave_lane(c, r);
    chunk_unref(&c->chunks, r->at.chunk);
    r->at.reply = reply;
    r->place = PLACE_NOWHERE;
    r->completed = true;
    return true;
}

static void note(cluster *c, link *l, const tally *sum) {
    node *n = l->node;
    l->count -= sum->count;
    l->bytes -= sum->bytes;
    n->timeouts_in_row = 0;
    n->counters[KW_COUNT_REPLIES] += sum->count;
    c->counters[KW_COUNT_REPLIES] += sum->count;
    histogram_sum(&n->contact->latency, sum->count, sum->sum_us, sum->max_us);
    histogram_sum(&c->latency, sum->count, sum->sum_us, sum->max_us);
}

void direct_replies(cluster *c, link *l) {
    if (!link_at_value(l) || l->node->says_down) {
        return;
    }
    kw_slice in = buffer_slice(&l->input);
    size_t at = 0;
    tally sum = {0};
    list *first = l->pipeline.next;
    list *next = first;
    while (next != l->unsent && at < in.len && !REQUEST_OF(next)->has_more) {
        kw_slice text;
        size_t size = resp_peek(in.data + at, in.len - at, &l->limits, &text);
        if (size == 0 ||
            !take_reply(c, REQUEST_OF(next), in.data[at], text, &l->node->contact->latency, &sum)) {
            break;
        }
        at += size;
        next = next->next;
    }
    if (sum.count > 0) {
        list_move_run(&c->completed, first, next);
        buffer_consume(&l->input, at);
        note(c, l, &sum);
    }
}
