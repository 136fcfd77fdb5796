/* Keys are lists of tokens: APPEND adds one that names its key and its command, so that the value
 * in the end tells which commands were executed, how often, and in what order. */
#include "sim/support/sim.h"

#include "core/reply.h"
#include "sim/support/sim_peek.h"

#include <stdlib.h>

#define LARGE_BYTES 40000
#define TAGGED_KEYS 8 /* the last ones share two slots */

const char *load_key_name(unsigned key, char dst[32]) {
    if (key >= SIM_KEYS - TAGGED_KEYS) {
        snprintf(dst, 32, "{t%u}%u", key % 2, key);
    } else {
        snprintf(dst, 32, "key:%u", key);
    }
    return dst;
}

int load_key_slot(unsigned key) {
    char name[32];
    return slot_of_key(slice_text(load_key_name(key, name)));
}

static kw_slice long_text(size_t index) {
    static char text[LARGE_BYTES];
    memset(text, 'x', sizeof text);
    snprintf(text, 32, "echo%zu", index);
    return slice_of(text, sizeof text);
}

static size_t make_argv(const sim_client *client, unsigned kind, unsigned key, size_t index,
                        char texts[4][32], kw_slice argv[4]) {
    static const char *const names[] = {"APPEND", "GET", "MGET", "ECHO"};
    size_t argc = 0;
    argv[argc++] = slice_text(names[kind]);
    (void)load_key_name(key, texts[1]);
    if (kind != SIM_ECHO) {
        argv[argc++] = slice_text(texts[1]);
    }
    if (kind == SIM_APPEND) {
        snprintf(texts[2], 32, "%u.%zu,", key, index);
        argv[argc++] = slice_text(texts[2]);
    } else if (kind == SIM_MGET) {
        /* of the same slot */
        (void)load_key_name(key >= SIM_KEYS - 2 ? key - 2 : key + 2, texts[2]);
        argv[argc++] = slice_text(texts[2]);
    } else if (kind == SIM_ECHO) {
        snprintf(texts[2], 32, "echo%zu", index);
        argv[argc++] = client->large ? long_text(index) : slice_text(texts[2]);
    }
    return argc;
}

static sim_command *add_command(sim *s) {
    if (s->command_count == s->command_capacity) {
        s->command_capacity = s->command_capacity ? 2 * s->command_capacity : 1024;
        s->commands = realloc(s->commands, s->command_capacity * sizeof *s->commands);
        assert_non_null(s->commands);
    }
    return &s->commands[s->command_count++];
}

size_t load_add(sim_client *client, sim_kind kind, unsigned key) {
    sim *s = client->s;
    size_t index = s->command_count;
    sim_command *k = add_command(s);
    *k = (sim_command){.kind = (uint8_t)kind,
                       .key = (uint8_t)key,
                       .client = (uint8_t)client->index,
                       .node = NODE_NOBODY,
                       .submitted_us = s->now_us,
                       .trace = malloc(sizeof *k->trace)};
    return index;
}

/* Its arguments in memory of the caller's, one after the other. */
static void keep_words(sim_command *k, const kw_slice *argv, size_t argc, kw_slice *ret_argv) {
    for (size_t i = 0; i < argc; i++) {
        k->words_len += argv[i].len;
    }
    k->words = malloc(k->words_len + 1);
    assert_non_null(k->words);
    char *at = k->words;
    for (size_t i = 0; i < argc; i++) {
        ret_argv[i] = slice_of(at, argv[i].len);
        memcpy(at, argv[i].data, argv[i].len);
        at += argv[i].len;
    }
}

/* The caller goes: who still reads them is to see it. */
static void spoil_words(sim_command *k) {
    explicit_bzero(k->words, k->words_len);
    free(k->words);
    k->words = NULL;
}

void load_send(sim_client *client, size_t index, const kw_slice *argv, size_t argc,
               uint64_t timeout_us) {
    sim *s = client->s;
    sim_command *k = &s->commands[index];
    kw_error err;
    kw_slice kept[8];
    assert_in_range(argc, 1, COUNT_OF(kept));
    keep_words(k, argv, argc, kept);
    uintptr_t in_batch = batch_add(client, index);
    cluster_submit_options options = {.timeout_us = timeout_us,
                                      .slot = SLOT_NONE,
                                      .lends = index % 2 == 0,
                                      .trace = k->trace,
                                      .user = (void *)(uintptr_t)index,
                                      .user2 = (void *)in_batch};
    client->open_count++;
    kw_status status = cluster_submit(client->c, kept, argc, &options, s->now_us, &err);
    if (status != KW_OK || !options.lends) {
        spoil_words(k);
    }
    if (status == KW_ERR_NOMEM && s->troubles & 1u << TROUBLE_MEMORY) {
        client->open_count--;
        k->done = true;
        k->status = status;
        k->outcome = err.outcome;
        k->ended_us = s->now_us;
        batch_take(s, index, in_batch, status);
    } else if (status != KW_OK) {
        sim_fail(s, "a command was refused: %s", err.message);
    }
    if (!in_batch) {
        net_effects(client);
    }
}

void load_submit(sim_client *client, sim_kind kind, unsigned key, uint64_t timeout_us) {
    char texts[4][32];
    kw_slice argv[4];
    if (kind == SIM_MGET && key < SIM_KEYS - TAGGED_KEYS) {
        key = SIM_KEYS - TAGGED_KEYS + key % TAGGED_KEYS;
    }
    size_t index = load_add(client, kind, key);
    client->s->commands[index].timeout_us = timeout_us;
    size_t argc = make_argv(client, kind, key, index, texts, argv);
    load_send(client, index, argv, argc, timeout_us);
}

static void submit_any(sim_client *client) {
    sim *s = client->s;
    uint64_t dice = prng_below(&s->prng, 100);
    if (dice < 12) {
        queue_step(client);
        return;
    }
    sim_kind kind = dice < 55 ? SIM_APPEND : dice < 82 ? SIM_GET : dice < 93 ? SIM_MGET : SIM_ECHO;
    uint64_t timeout_us = 5 * SIM_S;
    if (!s->patient && sim_chance(s, 10)) {
        timeout_us = prng_range(&s->prng, 20 * SIM_MS, 500 * SIM_MS);
    }
    /* few keys get most commands */
    unsigned key = (unsigned)(sim_chance(s, 50) ? prng_below(&s->prng, 6) * 7
                                                : prng_below(&s->prng, SIM_KEYS));
    load_submit(client, kind, key % SIM_KEYS, timeout_us);
}

void load_step(sim_client *client) {
    sim *s = client->s;
    if (client->load_at_us > s->now_us) {
        return;
    }
    uint64_t count = 1 + prng_below(&s->prng, client->burst_max);
    if (sim_chance(s, 20)) {
        batch_begin(client);
    }
    for (uint64_t i = 0; i < count; i++) {
        submit_any(client);
    }
    batch_end(client);
    if (peek_blocking_links(client->c) > client->config.blocking_connections_max) {
        sim_fail(s, "%u connections to one node for blocking commands, where %u may be",
                 peek_blocking_links(client->c), client->config.blocking_connections_max);
    }
    client->load_at_us = s->now_us + prng_below(&s->prng, 20 * SIM_MS * s->client_count);
}

/* ---------------------------------------------------------------- completions */

/* A node that sent it away got its slot since: it may have executed those that lay behind it in the
 * pipeline. No client can help that. */
static bool is_passed_at(const sim *s, const sim_command *k, const trace_hop *hop) {
    uint16_t at = sim_node_named(s, hop->node);
    return at != NODE_NOBODY && s->gained_us[at] >= k->submitted_us;
}

static bool was_overtaken(const sim *s, const sim_command *k) {
    const kw_trace *t = k->trace;
    if (t->hop_count > LIMIT_TRACE_HOPS) {
        return true; /* no telling */
    }
    for (size_t i = 0; i < t->hop_count; i++) {
        const char *answer = t->hops[i].answer;
        bool moved = answer && strcmp(answer, "MOVED") == 0;
        if (moved && (is_passed_at(s, k, &t->hops[i]) || s->truth.lied[t->slot])) {
            return true;
        }
        if (answer && (strcmp(answer, "TRYAGAIN") == 0 || strcmp(answer, "CLUSTERDOWN") == 0 ||
                       strcmp(answer, "LOADING") == 0 || strcmp(answer, "MASTERDOWN") == 0 ||
                       strcmp(answer, "READONLY") == 0)) {
            return true;
        }
    }
    return false;
}

static void take_reply(sim *s, size_t index, kw_reply *reply) {
    sim_command *k = &s->commands[index];
    char expected[32];
    size_t len = 0;
    const char *text = kw_reply_string(reply, &len);
    if (kw_reply_is_error(reply)) {
        sim_fail(s, "command %zu got an error: %s", index, text);
    }
    switch ((sim_kind)k->kind) {
    case SIM_APPEND:
        k->length = kw_reply_integer(reply);
        break;
    case SIM_GET:
        k->value = mem_strndup(&mem_default, text ? text : "", text ? len : 0);
        break;
    case SIM_MGET:
        if (kw_reply_count(reply) != 2) {
            sim_fail(s, "command %zu, MGET, got no array of two", index);
        }
        break;
    case SIM_ECHO:
        snprintf(expected, sizeof expected, "echo%zu", index);
        if (!text || strcmp(text, expected) != 0) {
            sim_fail(s, "command %zu, ECHO, got %s", index, text ? text : "something else");
        }
        break;
    case SIM_PUSH:
        if (kw_reply_type(reply) != KW_TYPE_INTEGER) {
            sim_fail(s, "command %zu, a push, got no number", index);
        }
        break;
    case SIM_POP:
        queue_take_reply(s, index, reply);
        break;
    case SIM_KINDS:
        break;
    }
}

static void log_hops(sim *s, size_t index) {
    static const char *const names[] = {"APPEND", "GET", "MGET", "ECHO", "push", "pop"};
    const sim_command *k = &s->commands[index];
    sim_log(s, "command %zu: %s key %u, slot %d, submitted %.3f ms ago", index, names[k->kind],
            k->key, k->trace->slot, (double)(s->now_us - k->submitted_us) / 1000.0);
    for (size_t i = 0; i < k->trace->hop_count && i < LIMIT_TRACE_HOPS; i++) {
        const trace_hop *hop = &k->trace->hops[i];
        sim_log(s, "    %s %s: %s, %.3f to %.3f", hop->reason, hop->node,
                hop->answer ? hop->answer : "", (double)hop->start_us / 1000.0,
                (double)hop->end_us / 1000.0);
    }
}

static uint16_t last_node(const sim *s, const kw_trace *t) {
    return t->hop_count == 0
               ? NODE_NOBODY
               : sim_node_named(s, t->hops[(t->hop_count - 1) % LIMIT_TRACE_HOPS].node);
}

void load_completions(sim_client *client) {
    sim *s = client->s;
    cluster_completion done;
    while (cluster_next_completion(client->c, &done)) {
        size_t index = (size_t)(uintptr_t)done.user;
        sim_command *k = &s->commands[index];
        if (k->done) {
            sim_fail(s, "command %zu completed twice", index);
        }
        if (k->words) {
            spoil_words(k);
        }
        k->done = true;
        k->ended_us = s->now_us;
        k->node = last_node(s, k->trace);
        client->open_count--;
        k->overtaken = was_overtaken(s, k);
        truth_check_hops(client, index, k->trace, k->submitted_us);
        if (s->verbose) {
            log_hops(s, index);
        }
        k->status = done.err.status;
        k->outcome = done.reply ? KW_NOT_SENT : done.err.outcome;
        sim_mark(s, 2, index << 8 | (uint64_t)done.err.status);
        batch_take(s, index, (uintptr_t)done.user2, k->status);
        if (!k->endless && s->now_us > k->submitted_us + k->timeout_us + 2048) {
            sim_fail(s, "command %zu completed %llu us after its deadline", index,
                     (unsigned long long)(s->now_us - k->submitted_us - k->timeout_us));
        }
        if (done.reply) {
            take_reply(s, index, done.reply);
            reply_free(done.reply);
        } else {
            sim_log(s, "command %zu failed: %d %d %s", index, (int)k->status, (int)k->outcome,
                    done.err.message);
        }
        free(k->trace);
        k->trace = NULL;
    }
}

void load_done(sim *s) {
    for (size_t i = 0; i < s->command_count; i++) {
        free(s->commands[i].trace);
        free(s->commands[i].words);
        free(s->commands[i].value);
    }
    free(s->commands);
}
