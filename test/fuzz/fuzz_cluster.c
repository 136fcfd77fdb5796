/* The brain against a cluster that knows the protocol (support/liar.h) and lies, refuses, moves,
 * keeps silent and hangs up as the input says, while names fail, time passes and memory runs out.
 * Held to this: every command completes exactly once and not after its deadline; its reply is its
 * own; a write is executed once if it succeeded, never if it was not sent or was rejected, and at
 * most once if that is not known; a refusal is not the last word; while one is open something is
 * due; and once the cluster is honest again all parts of it can be reached. If the first byte says
 * so, bytes that no server sends come in between, and only the first and the last of it can be held
 * to. */
#include "core/cluster.h"
#include "core/limits.h"
#include "core/reply.h"
#include "core/resp.h"
#include "core/slot.h"
#include "core/watch.h"
#include "fuzz/fuzz.h"
#include "fuzz/support/liar.h"

enum {
    LINKS = 64,
    SUBMITS_MAX = LIAR_COMMANDS - 2 * LIAR_PARTS, /* the rest is for the end */
    TIMEOUT_US = 1000 * 1000,
    TICK_US = 10 * 1000, /* how late a deadline may be noticed */
    TURNS_MAX = 20000,
    HEAL_US = 150 * 1000 * 1000, /* two periodic refreshes */
    PATIENCE_US = 60 * 1000 * 1000,
    INPUT_BYTES_MAX = 2048,
    IDLE_BYTES_MAX = 4 * 1024 * 1024
};

typedef enum phase { CLOSED, OPENING, CONNECTED } phase;

typedef struct connection {
    uint32_t index;
    phase phase;
    unsigned node;
    bool asking;
    buffer heard;
} connection;

typedef struct submitted {
    bool completed;
    uint64_t due_us;
} submitted;

typedef struct world {
    mem mem;
    unsigned fail_in; /* this allocation fails; 0: none */
    size_t live_bytes;
    bool spoiled; /* bytes came that no server sends */
    bool healthy;
    cluster *brain;
    liar liar;
    uint64_t now_us;
    submitted commands[LIAR_COMMANDS];
    unsigned submitted;
    unsigned completed;
    connection links[LINKS];
    size_t link_count;
    uint64_t name_id; /* the last name asked for; 0: none */
} world;

typedef struct script {
    const uint8_t *data;
    size_t size;
} script;

static uint8_t next(script *s) {
    if (s->size == 0) {
        return 0;
    }
    s->size--;
    return *s->data++;
}

/* --------------------------------------------------------------------------- memory */

typedef union header {
    size_t size;
    max_align_t align;
} header;

static void *take(void *arg, size_t size) {
    world *w = arg;
    if (w->fail_in > 0 && --w->fail_in == 0) {
        return NULL;
    }
    header *h = malloc(sizeof *h + size);
    fuzz_check(h != NULL);
    h->size = size;
    w->live_bytes += size;
    return h + 1;
}

static void give_back(void *arg, void *ptr) {
    world *w = arg;
    header *h = (header *)ptr - 1;
    w->live_bytes -= h->size;
    free(h);
}

static void *resize(void *arg, void *ptr, size_t size) {
    void *moved = take(arg, size);
    if (moved) {
        size_t before = ((header *)ptr - 1)->size;
        memcpy(moved, ptr, size < before ? size : before);
        give_back(arg, ptr);
    }
    return moved;
}

/* ------------------------------------------------------------------ around the brain */

static connection *link_of(world *w, uint32_t index) {
    for (size_t i = 0; i < w->link_count; i++) {
        if (w->links[i].index == index) {
            return &w->links[i];
        }
    }
    if (w->link_count == LINKS) {
        return NULL; /* it is never answered, and times out */
    }
    connection *link = &w->links[w->link_count++];
    *link = (connection){.index = index};
    buffer_init(&link->heard, &mem_default, 0);
    return link;
}

static void set_phase(connection *link, phase phase) {
    link->phase = phase;
    link->asking = false;
    buffer_clear(&link->heard, SIZE_MAX);
}

static void apply_effect(world *w, const cluster_effect *effect) {
    connection *link = NULL;
    switch (effect->kind) {
    case EFFECT_OPEN:
        link = link_of(w, effect->link);
        if (link) {
            set_phase(link, OPENING);
            link->node = (effect->address.port - LIAR_PORT) % LIAR_NODES;
        }
        break;
    case EFFECT_CLOSE:
        liar_forget_asks(&w->liar);
        link = link_of(w, effect->link);
        if (link) {
            set_phase(link, CLOSED);
        }
        break;
    case EFFECT_RESOLVE:
        w->name_id = effect->id;
        break;
    case EFFECT_CANCEL:
        w->name_id = effect->id == w->name_id ? 0 : w->name_id;
        break;
    default:
        break;
    }
}

static void check_reply(const world *w, unsigned number, const kw_reply *reply) {
    const kw_reply *first = kw_reply_type(reply) == KW_TYPE_ARRAY ? kw_reply_at(reply, 0) : reply;
    fuzz_check(first != NULL);
    if (kw_reply_is_error(reply)) {
        kw_slice text = reply_slice(reply);
        fuzz_check(slice_starts_with(text, "ERR no,") && liar_number_of(text) == number);
        return;
    }
    fuzz_check(liar_number_of(reply_slice(first)) == number);
    fuzz_check(w->liar.executed[number] == 1);
}

static void complete(world *w, const cluster_completion *done) {
    unsigned number = (unsigned)((submitted *)done->user - w->commands);
    fuzz_check(number < w->submitted && !w->commands[number].completed);
    fuzz_check(w->now_us <= w->commands[number].due_us + TICK_US);
    w->commands[number].completed = true;
    w->completed++;
    if (done->reply) {
        if (!w->spoiled) {
            check_reply(w, number, done->reply);
        }
        fuzz_check(number < SUBMITS_MAX || w->spoiled || !kw_reply_is_error(done->reply));
        reply_free(done->reply);
        return;
    }
    fuzz_check(done->err.status != KW_OK);
    fuzz_check(memchr(done->err.message, '\0', sizeof done->err.message) != NULL);
    fuzz_check(!w->healthy || number < SUBMITS_MAX);
    if (!w->spoiled && w->liar.writes[number] && done->err.outcome != KW_MAYBE_EXECUTED) {
        fuzz_check(w->liar.executed[number] == 0);
    }
}

static void fetch(world *w) {
    cluster_effect effect;
    cluster_completion done;
    while (cluster_next_effect(w->brain, &effect)) {
        apply_effect(w, &effect);
    }
    while (cluster_next_completion(w->brain, &done)) {
        complete(w, &done);
    }
    while (cluster_next_event(w->brain)) {
    }
    fuzz_check(cluster_pending(w->brain) == w->submitted - w->completed);
}

static void tick_at(world *w, uint64_t now_us) {
    w->now_us = now_us > w->now_us ? now_us : w->now_us;
    cluster_tick(w->brain, w->now_us);
    fetch(w);
}

/* What is due on the way is done in time. */
static void pass_time(world *w, uint64_t us) {
    uint64_t until_us = w->now_us + us;
    for (int i = 0; cluster_deadline_us(w->brain) <= until_us; i++) {
        fuzz_check(i < TURNS_MAX);
        tick_at(w, cluster_deadline_us(w->brain));
    }
    tick_at(w, until_us);
}

/* ------------------------------------------------------------------------- the links */

static void receive(world *w, connection *link, kw_slice bytes, size_t piece) {
    while (bytes.len > 0 && link->phase == CONNECTED) {
        size_t room = 0;
        char *place = cluster_link_input(w->brain, link->index, &room);
        if (!place) { /* memory is short: the brain closes it */
            fetch(w);
            fuzz_check(link->phase != CONNECTED);
            return;
        }
        size_t part = bytes.len < room ? bytes.len : room;
        part = part < piece ? part : piece;
        fuzz_check(part > 0);
        memcpy(place, bytes.data, part);
        cluster_link_received(w->brain, link->index, part, w->now_us);
        bytes = slice_of(bytes.data + part, bytes.len - part);
        fetch(w);
    }
}

static void lose(world *w, connection *link) {
    liar_forget_asks(&w->liar);
    set_phase(link, CLOSED);
    cluster_link_lost(w->brain, link->index, KW_ERR_CONNECTION, "connection reset", w->now_us);
    fetch(w);
}

/* The brain's bytes go to the node, up to `max` of them. */
static void take_output(world *w, connection *link, size_t max) {
    kw_slice slices[4];
    size_t taken = 0;
    size_t count = cluster_link_output(w->brain, link->index, slices, 4);
    for (size_t i = 0; i < count; i++) {
        size_t part = slices[i].len < max - taken ? slices[i].len : max - taken;
        fuzz_check(slices[i].len > 0);
        fuzz_check(buffer_append(&link->heard, slices[i].data, part));
        taken += part;
    }
    if (taken > 0) {
        cluster_link_written(w->brain, link->index, taken, w->now_us);
        fetch(w);
    }
}

/* The node answers the next command that it has heard whole. False: there was none. */
static bool answer_one(world *w, connection *link, uint8_t wish) {
    kw_slice argv[16];
    size_t argc = 0;
    size_t len = 0;
    const char *error = NULL;
    buffer reply;
    kw_slice heard = buffer_slice(&link->heard);
    resp_progress progress =
        resp_read_command(heard.data, heard.len, argv, 16, &argc, &len, &error);
    fuzz_check(progress != RESP_BROKEN);
    if (progress != RESP_DONE) {
        return false;
    }
    buffer_init(&reply, &mem_default, 0);
    fuzz_check(argc > 0);
    liar_deed deed = liar_answer(&w->liar, link->node, argv, argc, wish, &link->asking, &reply);
    if (deed != LIAR_WAITS) {
        buffer_consume(&link->heard, len);
        receive(w, link, buffer_slice(&reply), wish & 128 ? 1 : SIZE_MAX);
    }
    buffer_done(&reply);
    if (deed == LIAR_HANGS_UP && link->phase == CONNECTED) {
        lose(w, link);
    }
    return deed == LIAR_ANSWERS;
}

static void link_step(world *w, script *s, uint8_t kind, connection *link, uint8_t wish) {
    if (link->phase == CLOSED) {
        return;
    }
    if (kind == 0) {
        lose(w, link);
    } else if (link->phase == OPENING) {
        set_phase(link, CONNECTED);
        cluster_link_connected(w->brain, link->index, w->now_us);
    } else if (kind == 1) {
        take_output(w, link, wish);
    } else if (kind == 2 && w->spoiled) {
        size_t len = wish % 64 < s->size ? wish % 64 : s->size;
        for (unsigned part = 0; part < LIAR_PARTS; part++) {
            liar_doubt(&w->liar, part);
        }
        receive(w, link, slice_of((const char *)s->data, len), SIZE_MAX);
        s->data += len;
        s->size -= len;
    } else {
        /* The wish is for the first of so many. */
        take_output(w, link, SIZE_MAX);
        int count = kind < 3 ? 1 : 1 << (kind - 3);
        for (int i = 0; i < count && link->phase == CONNECTED; i++) {
            if (!answer_one(w, link, i == 0 ? wish : 0)) {
                break;
            }
        }
    }
}

/* ---------------------------------------------------------------------------- steps */

static void submit(world *w, uint8_t choice, uint8_t how) {
    static const struct {
        const char *name;
        bool writes;
    } kinds[] = {{"GET", false},  {"SET", true},    {"MGET", false}, {"INCR", true},
                 {"ECHO", false}, {"NEWCMD", true}, {"BLPOP", true}, {"GET", false}};
    char key[40];
    unsigned number = w->submitted;
    unsigned kind = choice % 8;
    const char *tag = w->liar.keys[choice / 8 % LIAR_PARTS];
    kw_error err;
    snprintf(key, sizeof key, "{%s}:%u", tag, number);
    const kw_slice argv[] = {slice_text(kinds[kind].name), slice_text(key), slice_text(key)};
    size_t argc = kind == 1 || kind == 2 || kind == 6 ? 3 : 2;
    const cluster_submit_options options = {
        .slot = SLOT_NONE,
        .idempotent = how & 1,
        .user = &w->commands[number],
        .timeout_us = w->healthy ? PATIENCE_US
                      : how & 2  ? TIMEOUT_US / 10
                                 : 0,
    };
    w->liar.writes[number] = kinds[kind].writes && !(how & 1);
    w->commands[number].due_us = w->now_us + (options.timeout_us ? options.timeout_us : TIMEOUT_US);
    if (cluster_submit(w->brain, argv, argc, &options, w->now_us, &err) == KW_OK) {
        w->submitted++;
    } else {
        fuzz_check(err.outcome == KW_NOT_SENT && !w->healthy);
    }
    fetch(w);
}

static void resolve(world *w, bool well) {
    const net_address address = {.family = NET_IPV4, .ip = {127, 0, 0, 1}, .port = LIAR_PORT + 1};
    if (w->name_id != 0) {
        uint64_t id = w->name_id;
        w->name_id = 0;
        cluster_resolved(w->brain, id, &address, well, well ? KW_OK : KW_ERR_RESOLVE,
                         "no such name", w->now_us);
        fetch(w);
    }
}

static void look_around(world *w) {
    kw_map *map = NULL;
    kw_stats *stats = NULL;
    if (cluster_map_snapshot(w->brain, &map) == KW_OK) {
        mem_free(&w->mem, map->nodes);
        mem_free(&w->mem, map);
    }
    if (cluster_stats_snapshot(w->brain, &stats) == KW_OK) {
        mem_free(&w->mem, stats->nodes);
        mem_free(&w->mem, stats);
    }
}

static void step(world *w, script *s) {
    static const uint32_t waits_us[] = {1, 1000, 50 * 1000, 300 * 1000};
    uint8_t kind = next(s) % 16;
    uint8_t choice = next(s);
    uint8_t wish = next(s);
    if (kind < 3) {
        if (w->submitted < SUBMITS_MAX) {
            submit(w, choice, wish);
        }
    } else if (kind < 5) {
        pass_time(w, waits_us[choice % 4]);
    } else if (kind == 5) {
        resolve(w, choice & 1);
    } else if (kind == 6) {
        liar_move(&w->liar, choice % LIAR_PARTS, wish % (LIAR_NODES + 1), wish & 128);
    } else if (kind == 7 && choice < 64) {
        cluster_refresh(w->brain, w->now_us);
    } else if (kind == 7 && choice < 128) {
        liar_doubt(&w->liar, wish * 64u * LIAR_PARTS / SLOT_COUNT);
        cluster_forget_slots(w->brain, wish * 64, wish * 64 + 63, w->now_us);
    } else if (kind == 7 && choice < 192) {
        look_around(w);
    } else if (kind == 7) {
        w->fail_in = wish;
    } else if (w->link_count > 0) {
        link_step(w, s, (uint8_t)(kind - 8), &w->links[choice % w->link_count], wish);
    }
    fetch(w);
}

/* ------------------------------------------------------------------------- the end */

static void next_deadline(world *w) {
    uint64_t due_us = cluster_deadline_us(w->brain);
    fuzz_check(due_us != UINT64_MAX);
    tick_at(w, due_us);
}

/* Nobody answers any more: what is open ends by its deadline. */
static void run_out(world *w) {
    for (int i = 0; w->submitted > w->completed; i++) {
        fuzz_check(i < TURNS_MAX);
        next_deadline(w);
    }
}

/* Every node answers at once, and honestly. */
static void serve_all(world *w) {
    script honest = {NULL, 0};
    for (int round = 0; round < 8; round++) {
        resolve(w, true);
        for (size_t i = 0; i < w->link_count; i++) {
            for (int step = 0; step < 4; step++) {
                link_step(w, &honest, 7, &w->links[i], 0);
            }
        }
    }
}

/* A command for each part, which must succeed. */
static void call_all(world *w) {
    for (unsigned part = 0; part < LIAR_PARTS; part++) {
        submit(w, (uint8_t)(part * 8), 0);
    }
    for (int i = 0; w->submitted > w->completed; i++) {
        fuzz_check(i < TURNS_MAX);
        serve_all(w);
        if (w->submitted > w->completed) {
            next_deadline(w);
        }
    }
}

static void heal(world *w) {
    uint64_t until_us = w->now_us + HEAL_US;
    w->fail_in = 0;
    liar_heal(&w->liar);
    for (size_t i = 0; i < w->link_count; i++) {
        if (w->links[i].phase == CONNECTED) { /* who did not answer is not to answer late */
            lose(w, &w->links[i]);
        }
    }
    for (int i = 0; i < TURNS_MAX && w->now_us < until_us; i++) {
        serve_all(w);
        uint64_t due_us = cluster_deadline_us(w->brain);
        if (due_us > until_us) {
            break;
        }
        next_deadline(w);
    }
    w->healthy = true;
    w->submitted = w->completed = SUBMITS_MAX; /* those that follow have numbers of their own */
    call_all(w);
    unsigned redirects = w->liar.redirects;
    call_all(w); /* each slot has been asked for: the map is right now */
    fuzz_check(w->liar.redirects == redirects);
}

/* Connections to the nodes and the map are there before the first step. */
static void warm_up(world *w) {
    bool spoiled = w->spoiled;
    w->spoiled = false;
    call_all(w);
    for (unsigned i = 0; i < w->submitted; i++) {
        fuzz_check(w->commands[i].completed && w->liar.executed[i] == 1);
    }
    w->spoiled = spoiled;
}

static void build(world *w, uint8_t options) {
    static const endpoint seeds[] = {{.host = "127.0.0.1", .port = LIAR_PORT},
                                     {.host = "n", .port = LIAR_PORT + 1}};
    cluster_config config;
    *w = (world){.now_us = 1000 * 1000};
    w->mem = (mem){take, resize, give_back, w};
    w->spoiled = options & 128;
    liar_init(&w->liar);
    w->liar.spoiled = w->spoiled;
    cluster_config_init(&config);
    config.seeds = seeds;
    config.seed_count = 2;
    config.timeout_us = TIMEOUT_US;
    config.resp = options & 1 ? 2 : 3;
    config.uncovered = options & 2 ? UNCOVERED_FAIL : UNCOVERED_WAIT;
    config.password = options & 4 ? "secret" : NULL;
    config.client_name = options & 8 ? "me" : NULL;
    config.require_full_coverage = options & 16;
    config.retry_percent = 100; /* else nothing is ever sent again: there are few commands */
    config.connections_per_node = options & 32 ? 2 : 1;
    fuzz_check(cluster_new(&w->mem, &config, 1, w->now_us, &w->brain, NULL) == KW_OK);
    cluster_watch_events(w->brain, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static world w;
    script s = {data, size};
    if (size > INPUT_BYTES_MAX) {
        return 0;
    }
    uint8_t options = next(&s);
    build(&w, options);
    if (options & 64) {
        warm_up(&w);
    }
    while (s.size > 0) {
        step(&w, &s);
    }
    run_out(&w);
    heal(&w);
    fuzz_check(w.live_bytes < IDLE_BYTES_MAX);
    cluster_shutdown(w.brain, KW_ERR_CLOSED, w.now_us);
    fetch(&w);
    cluster_free(w.brain);
    fuzz_check(w.live_bytes == 0);
    for (size_t i = 0; i < w.link_count; i++) {
        buffer_done(&w.links[i].heard);
    }
    return 0;
}
