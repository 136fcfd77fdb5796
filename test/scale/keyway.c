/* Keyway's own brain as one of the clients, over a network that only takes time. */
#include "scale/scale.h"

#include "core/cluster.h"
#include "core/reply.h"
#include "core/resp.h"
#include "core/watch.h"

#include <stdio.h>
#include <stdlib.h>

#define LINKS 4096
#define NEVER UINT64_MAX

typedef struct wire {
    bool open;
    uint32_t life; /* events of an earlier one are void */
    unsigned node;
    buffer in; /* at the node: commands, whole or in part */
} wire;

typedef enum happening_kind { CONNECTED, REFUSED, LOST, REPLIED } happening_kind;

typedef struct happening {
    uint64_t at_us;
    uint64_t order; /* of those at one time */
    happening_kind kind;
    uint32_t link;
    uint32_t life;
    char *bytes;
    size_t len;
} happening;

typedef struct client {
    world *w;
    tally *t;
    prng random;
    cluster *c;
    uint64_t now_us;
    wire wires[LINKS];
    unsigned top;
    happening *heap;
    size_t count;
    size_t capacity;
    uint64_t order;
} client;

static client it; /* one at a time */

static void must(bool ok) {
    if (!ok) {
        fprintf(stderr, "scale: out of memory\n");
        exit(1);
    }
}

/* -------------------------------------------------------------------------- what is to come */

static bool sooner(const happening *a, const happening *b) {
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->order < b->order);
}

static void push(happening h) {
    if (it.count == it.capacity) {
        it.capacity = it.capacity ? 2 * it.capacity : 1024;
        it.heap = realloc(it.heap, it.capacity * sizeof *it.heap);
        must(it.heap != NULL);
    }
    h.order = it.order++;
    size_t at = it.count++;
    while (at > 0 && sooner(&h, &it.heap[(at - 1) / 2])) {
        it.heap[at] = it.heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    it.heap[at] = h;
}

static happening pop(void) {
    happening first = it.heap[0];
    happening last = it.heap[--it.count];
    size_t at = 0;
    for (size_t child = 1; child < it.count; child = 2 * at + 1) {
        child += child + 1 < it.count && sooner(&it.heap[child + 1], &it.heap[child]);
        if (!sooner(&it.heap[child], &last)) {
            break;
        }
        it.heap[at] = it.heap[child];
        at = child;
    }
    it.heap[at] = last;
    return first;
}

static void later(happening_kind kind, uint32_t link, uint64_t at_us) {
    push((happening){.at_us = at_us, .kind = kind, .link = link, .life = it.wires[link].life});
}

/* -------------------------------------------------------------------------- the nodes' side */

static void answer_key(buffer *out, unsigned node, kw_slice key) {
    int slot = slot_of_key(key);
    unsigned owner = world_owner(it.w, slot, it.now_us);
    bool ok = owner == node
                  ? buffer_append_text(out, "$1\r\nv\r\n")
                  : buffer_printf(out, "-MOVED %d 127.0.0.1:%u\r\n", slot, SCALE_PORT + owner);
    must(ok);
}

static void answer(buffer *out, unsigned node, const kw_slice *argv, size_t argc) {
    if (slice_is_nocase(argv[0], "get") && argc == 2) {
        answer_key(out, node, argv[1]);
    } else if (slice_is_nocase(argv[0], "cluster") && slice_is_nocase(argv[1], "slots")) {
        tally_view(it.t, it.w, node, it.now_us);
        must(buffer_append_slice(out, world_slots_reply(it.w, it.now_us)));
    } else if (slice_is_nocase(argv[0], "cluster")) {
        char text[96];
        int len = snprintf(text, sizeof text, "cluster_state:ok\r\ncluster_current_epoch:%llu\r\n",
                           (unsigned long long)world_epoch(it.w, it.now_us));
        must(resp_write_bulk(out, slice_of(text, (size_t)len)));
    } else if (slice_is_nocase(argv[0], "hello")) {
        must(buffer_append_text(out, "%1\r\n$5\r\nproto\r\n:3\r\n"));
    } else {
        must(buffer_append_text(out, "+OK\r\n"));
    }
}

/* What was written reaches the node after the latency, and its replies come after another. */
static void serve(uint32_t link, wire *l) {
    kw_slice argv[16];
    size_t argc;
    size_t len;
    const char *why;
    buffer out;
    buffer_init(&out, &mem_default, 0);
    while (buffer_len(&l->in) > 0) {
        kw_slice in = buffer_slice(&l->in);
        if (resp_read_command(in.data, in.len, argv, 16, &argc, &len, &why) != RESP_DONE) {
            break;
        }
        answer(&out, l->node, argv, argc);
        buffer_consume(&l->in, len);
    }
    if (buffer_len(&out) == 0) {
        buffer_done(&out);
        return;
    }
    push((happening){
        .at_us = it.now_us + 2 * LATENCY_US,
        .kind = REPLIED,
        .link = link,
        .life = l->life,
        .bytes = out.data,
        .len = out.end,
    });
}

/* ------------------------------------------------------------------------- the client's side */

static void open_link(const cluster_effect *e) {
    wire *l = &it.wires[e->link];
    must(e->link < LINKS);
    it.top = e->link >= it.top ? e->link + 1 : it.top;
    l->life++;
    l->open = false;
    l->node = e->address.port - SCALE_PORT;
    buffer_clear(&l->in, 0);
    bool up = world_is_up(it.w, l->node, it.now_us);
    later(up ? CONNECTED : REFUSED, e->link, it.now_us + 2 * LATENCY_US);
}

static void take_output(uint32_t link) {
    kw_slice slices[16];
    wire *l = &it.wires[link];
    for (size_t count; (count = cluster_link_output(it.c, link, slices, 16)) > 0;) {
        size_t len = 0;
        for (size_t i = 0; i < count; i++) {
            must(buffer_append_slice(&l->in, slices[i]));
            len += slices[i].len;
        }
        cluster_link_written(it.c, link, len, it.now_us);
    }
    if (l->open) {
        serve(link, l);
    }
}

static void carry_out_effects(void) {
    cluster_effect e;
    while (cluster_next_effect(it.c, &e)) {
        if (e.kind == EFFECT_OPEN) {
            open_link(&e);
        } else if (e.kind == EFFECT_CLOSE) {
            it.wires[e.link].life++;
            it.wires[e.link].open = false;
        } else if (e.kind == EFFECT_WRITE) {
            take_output(e.link);
        }
    }
    cluster_completion done;
    while (cluster_next_completion(it.c, &done)) {
        it.t->failures += !done.reply || kw_reply_is_error(done.reply);
        reply_free(done.reply);
    }
}

static void give_input(const happening *h) {
    for (size_t at = 0; at < h->len;) {
        size_t room = 0;
        char *to = cluster_link_input(it.c, h->link, &room);
        if (!to) {
            return;
        }
        size_t len = h->len - at < room ? h->len - at : room;
        memcpy(to, h->bytes + at, len);
        cluster_link_received(it.c, h->link, len, it.now_us);
        at += len;
    }
}

static void happen(happening *h) {
    wire *l = &it.wires[h->link];
    if (l->life == h->life) {
        switch (h->kind) {
        case CONNECTED:
            l->open = true;
            cluster_link_connected(it.c, h->link, it.now_us);
            break;
        case REFUSED:
        case LOST:
            l->open = false;
            cluster_link_lost(it.c, h->link, KW_ERR_CONNECTION,
                              h->kind == LOST ? "Connection reset by peer" : "Connection refused",
                              it.now_us);
            break;
        case REPLIED:
            give_input(h);
            break;
        }
        carry_out_effects();
    }
    mem_free(&mem_default, h->bytes);
}

static void cut_links(void) {
    for (uint32_t i = 0; i < it.top; i++) {
        wire *l = &it.wires[i];
        if (l->open && world_cut_us(it.w, l->node) != UINT64_MAX) {
            l->open = false;
            later(LOST, i, it.now_us + LATENCY_US);
        }
    }
}

static void submit(void) {
    char key[24];
    kw_error err;
    int len =
        snprintf(key, sizeof key, "k%llu", (unsigned long long)prng_below(&it.random, 1 << 30));
    const kw_slice argv[] = {SLICE_LITERAL("GET"), slice_of(key, (size_t)len)};
    const cluster_submit_options options = {.slot = SLOT_NONE};
    it.t->commands++;
    if (cluster_submit(it.c, argv, 2, &options, it.now_us, &err) != KW_OK) {
        it.t->failures++;
    }
    carry_out_effects();
}

static void run_minute(void) {
    uint64_t submit_us = it.now_us;
    uint64_t cut_us = SCALE_EVENT_US;
    for (;;) {
        uint64_t deadline_us = cluster_deadline_us(it.c);
        uint64_t next_us = deadline_us < submit_us ? deadline_us : submit_us;
        next_us = cut_us < next_us ? cut_us : next_us;
        bool happens = it.count > 0 && it.heap[0].at_us <= next_us;
        next_us = happens ? it.heap[0].at_us : next_us;
        if (next_us >= SCALE_MINUTE) {
            return;
        }
        it.now_us = next_us > it.now_us ? next_us : it.now_us;
        if (happens) {
            happening h = pop();
            happen(&h);
        } else if (next_us == cut_us) {
            cut_us = NEVER;
            cut_links();
        } else if (next_us == submit_us) {
            submit();
            submit_us += prng_below(&it.random, 2 * COMMAND_EVERY_US);
        } else {
            cluster_tick(it.c, it.now_us);
            carry_out_effects();
        }
    }
}

static void end(void) {
    kw_stats *stats = NULL;
    if (cluster_stats_snapshot(it.c, &stats) == KW_OK) {
        it.t->redirects += stats->counters[KW_COUNT_MOVED];
        mem_free(stats->mem, stats->nodes);
        mem_free(stats->mem, stats);
    }
    cluster_shutdown(it.c, KW_ERR_CLOSED, it.now_us);
    cluster_effect e;
    while (cluster_next_effect(it.c, &e)) {
    }
    cluster_completion done;
    while (cluster_next_completion(it.c, &done)) {
        reply_free(done.reply);
    }
    cluster_free(it.c);
    while (it.count > 0) {
        happening h = pop();
        mem_free(&mem_default, h.bytes);
    }
    for (uint32_t i = 0; i < it.top; i++) {
        buffer_done(&it.wires[i].in);
    }
    it.top = 0;
}

void run_keyway(world *w, uint64_t seed, tally *t) {
    endpoint seeds[2];
    cluster_config config;
    kw_error err;
    it.w = w;
    it.t = t;
    prng_init(&it.random, seed);
    for (uint32_t i = 0; i < LINKS; i++) {
        buffer_init(&it.wires[i].in, &mem_default, 0);
    }
    for (int i = 0; i < 2; i++) {
        uint16_t port = (uint16_t)(SCALE_PORT + prng_below(&it.random, 2 * w->primary_count));
        must(endpoint_make(SLICE_LITERAL("127.0.0.1"), port, &seeds[i]));
    }
    cluster_config_init(&config);
    config.seeds = seeds;
    config.seed_count = 2;
    it.now_us = prng_below(&it.random, SCALE_S);
    kw_status status =
        cluster_new(&mem_default, &config, prng_next(&it.random), it.now_us, &it.c, &err);
    must(status == KW_OK);
    run_minute();
    end();
}
