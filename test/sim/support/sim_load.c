/* Keys are lists of tokens: APPEND adds one that names its key and its command, so that the value
 * in the end tells which commands were executed, how often, and in what order. */
#include "sim/support/sim.h"

#include "core/reply.h"

#include <stdlib.h>

#define LARGE_BYTES 40000
#define TAGGED_KEYS 8 /* the last ones share two slots */

static void key_name(unsigned key, char dst[32]) {
    if (key >= SIM_KEYS - TAGGED_KEYS) {
        snprintf(dst, 32, "{t%u}%u", key % 2, key);
    } else {
        snprintf(dst, 32, "key:%u", key);
    }
}

int sim_key_slot(unsigned key);

int sim_key_slot(unsigned key) {
    char name[32];
    key_name(key, name);
    return slot_of_key(slice_text(name));
}

static kw_slice long_text(size_t index) {
    static char text[LARGE_BYTES];
    memset(text, 'x', sizeof text);
    snprintf(text, 32, "echo%zu", index);
    return slice_of(text, sizeof text);
}

static size_t make_argv(const sim *s, unsigned kind, unsigned key, size_t index, char texts[4][32],
                        kw_slice argv[4]) {
    static const char *const names[] = {"APPEND", "GET", "MGET", "ECHO"};
    size_t argc = 0;
    argv[argc++] = slice_text(names[kind]);
    key_name(key, texts[1]);
    if (kind != SIM_ECHO) {
        argv[argc++] = slice_text(texts[1]);
    }
    if (kind == SIM_APPEND) {
        snprintf(texts[2], 32, "%u.%zu,", key, index);
        argv[argc++] = slice_text(texts[2]);
    } else if (kind == SIM_MGET) {
        key_name(key >= SIM_KEYS - 2 ? key - 2 : key + 2, texts[2]); /* of the same slot */
        argv[argc++] = slice_text(texts[2]);
    } else if (kind == SIM_ECHO) {
        snprintf(texts[2], 32, "echo%zu", index);
        argv[argc++] = s->large ? long_text(index) : slice_text(texts[2]);
    }
    return argc;
}

void load_submit(sim *s, sim_kind kind, unsigned key, uint64_t timeout_us) {
    char texts[4][32];
    kw_slice argv[4];
    kw_error err;
    if (kind == SIM_MGET && key < SIM_KEYS - TAGGED_KEYS) {
        key = SIM_KEYS - TAGGED_KEYS + key % TAGGED_KEYS;
    }
    size_t index = s->command_count++;
    s->commands = realloc(s->commands, s->command_count * sizeof *s->commands);
    sim_command *k = &s->commands[index];
    *k = (sim_command){.kind = (uint8_t)kind,
                       .key = (uint8_t)key,
                       .submitted_us = s->now_us,
                       .timeout_us = timeout_us,
                       .trace = malloc(sizeof *k->trace)};
    size_t argc = make_argv(s, kind, key, index, texts, argv);
    cluster_submit_options options = {.timeout_us = timeout_us,
                                      .slot = SLOT_NONE,
                                      .trace = k->trace,
                                      .user = (void *)(uintptr_t)index};
    s->open_count++;
    kw_status status = cluster_submit(s->c, argv, argc, &options, s->now_us, &err);
    if (status == KW_ERR_NOMEM && s->troubles & 1u << TROUBLE_MEMORY) {
        s->open_count--;
        k->done = true;
        k->status = status;
        k->outcome = err.outcome;
    } else if (status != KW_OK) {
        sim_fail(s, "a command was refused: %s", err.message);
    }
    net_effects(s);
}

void load_step(sim *s) {
    if (s->load_at_us > s->now_us) {
        return;
    }
    uint64_t count = 1 + prng_below(&s->prng, s->burst_max);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t dice = prng_below(&s->prng, 100);
        sim_kind kind = dice < 50   ? SIM_APPEND
                        : dice < 80 ? SIM_GET
                        : dice < 92 ? SIM_MGET
                                    : SIM_ECHO;
        uint64_t timeout_us = 5 * SIM_S;
        if (!s->patient && sim_chance(s, 10)) {
            timeout_us = prng_range(&s->prng, 20 * SIM_MS, 500 * SIM_MS);
        }
        /* few keys get most commands */
        unsigned key = (unsigned)(sim_chance(s, 50) ? prng_below(&s->prng, 6) * 7
                                                    : prng_below(&s->prng, SIM_KEYS));
        load_submit(s, kind, key % SIM_KEYS, timeout_us);
    }
    s->load_at_us = s->now_us + prng_below(&s->prng, 20 * SIM_MS);
}

/* ---------------------------------------------------------------- completions */

/* A node that sent it away got its slot since: it may have executed those that lay behind it in the
 * pipeline. No client can help that. */
static bool is_passed_at(const sim *s, const sim_command *k, const trace_hop *hop) {
    for (uint16_t i = 0; i < s->node_count; i++) {
        char text[32];
        snprintf(text, sizeof text, "127.0.0.1:%u", s->ports[i]);
        if (strcmp(text, hop->node) == 0 && s->gained_us[i] >= k->submitted_us) {
            return true;
        }
    }
    return false;
}

static bool was_overtaken(const sim *s, const sim_command *k) {
    const kw_trace *t = k->trace;
    if (t->hop_count > LIMIT_TRACE_HOPS) {
        return true; /* no telling */
    }
    for (size_t i = 0; i < t->hop_count; i++) {
        const char *answer = t->hops[i].answer;
        if (answer && strcmp(answer, "MOVED") == 0 && is_passed_at(s, k, &t->hops[i])) {
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
    case SIM_KINDS:
        break;
    }
}

static void log_hops(sim *s, size_t index) {
    static const char *const names[] = {"APPEND", "GET", "MGET", "ECHO"};
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

void load_completions(sim *s) {
    cluster_completion done;
    while (cluster_next_completion(s->c, &done)) {
        size_t index = (size_t)(uintptr_t)done.user;
        sim_command *k = &s->commands[index];
        if (k->done) {
            sim_fail(s, "command %zu completed twice", index);
        }
        k->done = true;
        s->open_count--;
        k->overtaken = was_overtaken(s, k);
        truth_check_hops(s, index, k->trace, k->submitted_us);
        if (s->verbose) {
            log_hops(s, index);
        }
        free(k->trace);
        k->trace = NULL;
        k->status = done.err.status;
        k->outcome = done.err.outcome;
        if (s->now_us > k->submitted_us + k->timeout_us + 2048) {
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
    }
}

/* --------------------------------------------------------------------- checks */

/* The key's value where its slot's owner keeps it. */
static const char *final_value(sim *s, unsigned key, size_t *ret_len) {
    char name[32];
    key_name(key, name);
    uint16_t owner = fleet_view(s->fleet)->owner[sim_key_slot(key)];
    struct node *n = owner == NODE_NOBODY ? NULL : fleet_node(s->fleet, owner);
    assert_non_null(n);
    keyspace_entry *e = keyspace_peek(n->keys, slice_text(name), s->now_us / 1000);
    *ret_len = e ? e->value_len : 0;
    return e ? e->value : "";
}

/* Where each command's token ends in its key's value; 0: it is not there. */
static void find_tokens(sim *s, unsigned key, size_t *ends) {
    size_t len = 0;
    const char *value = final_value(s, key, &len);
    size_t at = 0;
    while (at < len) {
        unsigned of_key = 0;
        size_t index = 0;
        int used = 0;
        if (sscanf(value + at, "%u.%zu,%n", &of_key, &index, &used) != 2 || used == 0 ||
            of_key != key || index >= s->command_count) {
            sim_fail(s, "key %u holds what nobody wrote there, at %zu", key, at);
        }
        at += (size_t)used;
        if (ends[index] != 0) {
            sim_fail(s, "command %zu (key %u) was executed twice; status %d, outcome %d", index,
                     key, (int)s->commands[index].status, (int)s->commands[index].outcome);
        }
        ends[index] = at;
    }
}

static void check_append(sim *s, size_t index, const size_t *ends, size_t *last_end) {
    const sim_command *k = &s->commands[index];
    bool there = ends[index] != 0;
    if (k->status == KW_OK) {
        if (!there) {
            sim_fail(s, "command %zu (key %u) is said to be done, and was not", index, k->key);
        }
        if ((size_t)k->length != ends[index]) {
            sim_fail(s, "command %zu (key %u) got %lld for its reply, and not %zu", index, k->key,
                     (long long)k->length, ends[index]);
        }
        if (ends[index] < last_end[k->key]) {
            sim_fail(s, "command %zu (key %u) was executed before an earlier one", index, k->key);
        }
        if (!k->overtaken) {
            last_end[k->key] = ends[index];
        }
    } else if (there && k->outcome != KW_MAYBE_EXECUTED) {
        sim_fail(s, "command %zu (key %u) was executed; status %d, outcome %d", index, k->key,
                 (int)k->status, (int)k->outcome);
    }
}

/* A value read is the final one's beginning, and holds what was written before, no later things. */
static void check_get(sim *s, size_t index, const size_t *ends, const size_t *last_end) {
    const sim_command *k = &s->commands[index];
    if (k->status != KW_OK) {
        if (k->outcome == KW_MAYBE_EXECUTED) {
            sim_fail(s, "command %zu, GET, may have been executed?", index);
        }
        return;
    }
    size_t final_len = 0;
    const char *value = final_value(s, k->key, &final_len);
    size_t len = strlen(k->value);
    if (len > final_len || memcmp(k->value, value, len) != 0) {
        sim_fail(s, "command %zu (key %u) read what is not there", index, k->key);
    }
    if (k->overtaken) {
        return;
    }
    if (len < last_end[k->key]) {
        sim_fail(s, "command %zu (key %u) read an old value: %zu of %zu bytes", index, k->key, len,
                 last_end[k->key]);
    }
    for (size_t i = index + 1; i < s->command_count; i++) {
        const sim_command *later = &s->commands[i];
        if (later->key == k->key && later->kind == SIM_APPEND && ends[i] != 0 && ends[i] <= len &&
            later->status == KW_OK) {
            sim_fail(s, "command %zu (key %u) read what command %zu wrote later", index, k->key, i);
        }
    }
}

void load_check(sim *s) {
    static size_t *ends; /* static: a failure is no leak */
    free(ends);
    ends = calloc(s->command_count, sizeof *ends);
    size_t last_end[SIM_KEYS] = {0};
    for (unsigned key = 0; key < SIM_KEYS; key++) {
        find_tokens(s, key, ends);
    }
    for (size_t i = 0; i < s->command_count; i++) {
        const sim_command *k = &s->commands[i];
        if (!k->done) {
            sim_fail(s, "command %zu has not completed", i);
        }
        if (k->kind == SIM_APPEND) {
            check_append(s, i, ends, last_end);
        } else if (k->kind == SIM_GET) {
            check_get(s, i, ends, last_end);
        }
    }
    free(ends);
    ends = NULL;
}

void load_done(sim *s) {
    for (size_t i = 0; i < s->command_count; i++) {
        free(s->commands[i].trace);
        free(s->commands[i].value);
    }
    free(s->commands);
}
