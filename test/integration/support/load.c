#include "integration/support/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SURPRISES_MAX = 8, SHARDS_MAX = REDIS_NODES_MAX, VERIFY_GROUPS = 100, VERIFY_COMMANDS = 7 };

typedef struct group {
    int shard;
    bool doubtful; /* a write of it failed: values cannot be foretold any more */
    bool multi_busy;
    uint32_t set;   /* last version submitted */
    uint32_t multi; /* last version acknowledged */
    uint32_t submitted[LOAD_COUNTING], acked[LOAD_COUNTING], maybe[LOAD_COUNTING];
} group;

typedef struct op {
    load *load;
    int group;
    load_kind kind;
    uint32_t expected;
    uint64_t submitted_us;
    uint64_t phase;
} op;

struct load {
    kw_client *client;
    load_options options;
    group *groups;
    uint32_t random;
    int shard_count;
    int open[SHARDS_MAX];
    load_shard shards[SHARDS_MAX];
    uint64_t phase;
    uint64_t last_pump_us, stall_us;
    uint64_t submitted, replies;
    size_t failure_count;
    load_failure failures[LOAD_FAILURES_MAX];
    size_t surprise_count;
    char surprises[SURPRISES_MAX][256];
};

static const char *const kind_names[LOAD_KINDS] = {"INCR", "EVAL", "HINCRBY", "RPUSH", "APPEND",
                                                   "SET",  "MSET", "GET",     "MGET"};

/* Of 100 commands. */
static const uint8_t kind_shares[LOAD_KINDS] = {15, 5, 5, 9, 6, 20, 6, 28, 6};

static uint32_t draw(load *l, uint32_t below) {
    l->random ^= l->random << 13;
    l->random ^= l->random >> 17;
    l->random ^= l->random << 5;
    return l->random % below;
}

static void surprise(load *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void surprise(load *l, const char *format, ...) {
    if (l->surprise_count < SURPRISES_MAX) {
        va_list args;
        va_start(args, format);
        vsnprintf(l->surprises[l->surprise_count], sizeof l->surprises[0], format, args);
        va_end(args);
    }
    l->surprise_count++;
}

load *load_new(kw_client *client, const redis_cluster *cluster, const load_options *options) {
    load *l = calloc(1, sizeof *l);
    group *groups = calloc((size_t)options->groups, sizeof *groups);
    if (!l || !groups) {
        fail_msg("out of memory");
    }
    l->client = client;
    l->options = *options;
    l->groups = groups;
    l->random = options->seed ? options->seed : 1;
    l->shard_count = cluster->options.primaries;
    for (int i = 0; i < options->groups; i++) {
        char tag[16];
        int len = snprintf(tag, sizeof tag, "%d", i);
        groups[i].shard = redis_cluster_first_owner(cluster, kw_key_slot(tag, (size_t)len));
    }
    load_mark(l);
    return l;
}

void load_free(load *l) {
    if (l) {
        free(l->groups);
        free(l);
    }
}

void load_mark(load *l) {
    memset(l->shards, 0, sizeof l->shards);
    l->phase++;
    l->stall_us = 0;
    l->last_pump_us = now_us();
}

/* Sixteen buckets for each power of two: at most 1/16 too high. */
static unsigned bucket_of(uint64_t us) {
    unsigned shift = 0;
    while (us >> shift >= 32) {
        shift++;
    }
    unsigned bucket = shift * 16 + (unsigned)(us >> shift);
    return bucket < LOAD_BUCKETS ? bucket : LOAD_BUCKETS - 1;
}

static uint64_t bucket_end(unsigned bucket) {
    unsigned shift = bucket < 32 ? 0 : (bucket - 16) / 16;
    return ((uint64_t)(bucket - shift * 16) + 1) << shift;
}

uint64_t load_latency_us(const load_shard *shard, double share) {
    uint64_t want = (uint64_t)((double)shard->replies * share);
    uint64_t sum = 0;
    for (unsigned i = 0; i < LOAD_BUCKETS; i++) {
        sum += shard->latencies[i];
        if (sum > want) {
            return bucket_end(i);
        }
    }
    return shard->latency_us_max;
}

/* ------------------------------------------------------------------ replies */

static void check_text(load *l, const op *o, const kw_reply *reply, char letter) {
    char want[24];
    int want_len = snprintf(want, sizeof want, "%c%u", letter, o->expected);
    size_t len = 0;
    const char *text = kw_reply_string(reply, &len);
    bool right = o->expected ? text && len == (size_t)want_len && memcmp(text, want, len) == 0
                             : kw_reply_is_null(reply);
    if (!right) {
        surprise(l, "%s {%d}: %.40s instead of %s", kind_names[o->kind], o->group,
                 text ? text : "null", o->expected ? want : "null");
    }
}

static void check_reply(load *l, const op *o, const kw_reply *reply) {
    if (kw_reply_is_error(reply)) {
        surprise(l, "%s {%d}: error reply %.100s", kind_names[o->kind], o->group,
                 kw_reply_string(reply, NULL));
        return;
    }
    if (l->groups[o->group].doubtful) {
        return;
    }
    if (o->kind < LOAD_COUNTING) {
        int64_t factor = o->kind == LOAD_APPEND ? 8 : 1;
        if (kw_reply_type(reply) != KW_TYPE_INTEGER ||
            kw_reply_integer(reply) != (int64_t)o->expected * factor) {
            surprise(l, "%s {%d}: %lld instead of %lld", kind_names[o->kind], o->group,
                     (long long)kw_reply_integer(reply), (long long)o->expected * factor);
        }
    } else if (o->kind == LOAD_GET) {
        check_text(l, o, reply, 'v');
    } else if (o->kind == LOAD_MGET) {
        if (kw_reply_count(reply) != 2) {
            surprise(l, "MGET {%d}: %zu elements", o->group, kw_reply_count(reply));
            return;
        }
        check_text(l, o, kw_reply_at(reply, 0), 'm');
        check_text(l, o, kw_reply_at(reply, 1), 'm');
    } else if (strcmp(kw_reply_string(reply, NULL), "OK") != 0) {
        surprise(l, "%s {%d}: not OK", kind_names[o->kind], o->group);
    }
}

static void note_failure(load *l, const op *o, const kw_error *err, uint64_t now) {
    bool write = o->kind != LOAD_GET && o->kind != LOAD_MGET;
    group *g = &l->groups[o->group];
    g->doubtful |= write;
    if (o->kind < LOAD_COUNTING && err->outcome == KW_MAYBE_EXECUTED) {
        g->maybe[o->kind]++;
    }
    if (l->failure_count < LOAD_FAILURES_MAX) {
        load_failure *f = &l->failures[l->failure_count];
        *f = (load_failure){.kind = o->kind,
                            .write = write,
                            .shard = g->shard,
                            .status = err->status,
                            .outcome = err->outcome,
                            .submitted_us = o->submitted_us,
                            .ended_us = now};
        snprintf(f->message, sizeof f->message, "%.60s (%.30s)", err->message, err->node);
    }
    l->failure_count++;
}

static void on_reply(kw_client *client, kw_reply *reply, const kw_error *err, void *arg) {
    (void)client;
    op *o = arg;
    load *l = o->load;
    group *g = &l->groups[o->group];
    load_shard *shard = &l->shards[g->shard];
    uint64_t now = now_us();
    l->open[g->shard]--;
    if (o->kind == LOAD_MSET || o->kind == LOAD_MGET) {
        g->multi_busy = false;
    }
    if (reply) {
        l->replies++;
        shard->replies++;
        check_reply(l, o, reply);
        if (o->kind < LOAD_COUNTING) {
            g->acked[o->kind]++;
        } else if (o->kind == LOAD_MSET) {
            g->multi = o->expected;
        }
        if (o->phase == l->phase && !shard->first_reply_us) {
            shard->first_reply_us = now;
        }
    } else {
        shard->failures++;
        note_failure(l, o, err, now);
    }
    uint64_t latency = now - o->submitted_us;
    shard->latencies[bucket_of(latency)]++;
    if (latency > shard->latency_us_max) {
        shard->latency_us_max = latency;
    }
    free(o);
}

/* ----------------------------------------------------------------- commands */

static load_kind draw_kind(load *l) {
    uint32_t n = draw(l, 100);
    int kind = 0;
    while (n >= kind_shares[kind]) {
        n -= kind_shares[kind++];
    }
    return (load_kind)kind;
}

static uint32_t expect(group *g, load_kind kind) {
    switch (kind) {
    case LOAD_SET:
        return ++g->set;
    case LOAD_GET:
        return g->set;
    case LOAD_MSET:
        g->multi_busy = true;
        return g->multi + 1;
    case LOAD_MGET:
        g->multi_busy = true;
        return g->multi;
    default:
        return ++g->submitted[kind];
    }
}

static kw_status submit(load *l, op *o, kw_error *err) {
    kw_client *c = l->client;
    int g = o->group;
    uint32_t n = o->expected;
    switch (o->kind) {
    case LOAD_INCR:
        return kw_submitf(c, on_reply, o, err, "INCR {%d}:incr", g);
    case LOAD_EVAL:
        return kw_submitf(c, on_reply, o, err, "EVAL %s 1 {%d}:eval 1",
                          "return redis.call('INCRBY', KEYS[1], ARGV[1])", g);
    case LOAD_HINCRBY:
        return kw_submitf(c, on_reply, o, err, "HINCRBY {%d}:hash field 1", g);
    case LOAD_RPUSH:
        return kw_submitf(c, on_reply, o, err, "RPUSH {%d}:list %u", g, n);
    case LOAD_APPEND: {
        char token[16];
        snprintf(token, sizeof token, "%07u,", n);
        return kw_submitf(c, on_reply, o, err, "APPEND {%d}:text %s", g, token);
    }
    case LOAD_SET:
        return kw_submitf(c, on_reply, o, err, "SET {%d}:set v%u", g, n);
    case LOAD_GET:
        return kw_submitf(c, on_reply, o, err, "GET {%d}:set", g);
    case LOAD_MSET:
        return kw_submitf(c, on_reply, o, err, "MSET {%d}:a m%u {%d}:b m%u", g, n, g, n);
    default:
        return kw_submitf(c, on_reply, o, err, "MGET {%d}:a {%d}:b", g, g);
    }
}

static void submit_one(load *l) {
    int index = (int)draw(l, (uint32_t)l->options.groups);
    group *g = &l->groups[index];
    load_kind kind = draw_kind(l);
    if (l->open[g->shard] >= l->options.window) {
        return;
    }
    /* One at a time of these: a multi-key command that gets TRYAGAIN may be overtaken. */
    if ((kind == LOAD_MSET || kind == LOAD_MGET) && g->multi_busy) {
        return;
    }
    op *o = calloc(1, sizeof *o);
    if (!o) {
        fail_msg("out of memory");
    }
    *o = (op){.load = l, .group = index, .kind = kind, .phase = l->phase};
    o->expected = expect(g, kind);
    o->submitted_us = now_us();
    kw_error err;
    if (submit(l, o, &err) != KW_OK) {
        fail_msg("%s is not accepted: %s", kind_names[kind], err.message);
    }
    l->open[g->shard]++;
    l->submitted++;
}

static void wait_once(load *l) {
    uint64_t now = now_us();
    uint64_t since_us = now - l->last_pump_us;
    l->stall_us = since_us > l->stall_us ? since_us : l->stall_us;
    l->last_pump_us = now;
    kw_status status = kw_wait(l->client, 1);
    if (status != KW_OK) {
        fail_msg("kw_wait: %s", kw_status_name(status));
    }
}

void load_pump(load *l) {
    for (int i = 0; i < l->options.burst; i++) {
        submit_one(l);
    }
    wait_once(l);
}

void load_run(load *l, int ms) {
    for (uint64_t end_us = now_us() + (uint64_t)ms * 1000; now_us() < end_us;) {
        load_pump(l);
    }
}

void load_drain(load *l) {
    for (uint64_t end_us = now_us() + 60 * 1000000ull; kw_pending(l->client) > 0;) {
        if (now_us() > end_us) {
            fail_msg("%zu commands are never answered", kw_pending(l->client));
        }
        wait_once(l);
    }
}

/* ------------------------------------------------------------------- results */

const load_shard *load_shard_at(const load *l, int shard) {
    return &l->shards[shard];
}

uint64_t load_stall_us(const load *l) {
    return l->stall_us;
}

uint64_t load_submitted(const load *l) {
    return l->submitted;
}

uint64_t load_replies(const load *l) {
    return l->replies;
}

size_t load_failure_count(const load *l) {
    return l->failure_count;
}

const load_failure *load_failure_at(const load *l, size_t index) {
    return index < l->failure_count && index < LOAD_FAILURES_MAX ? &l->failures[index] : NULL;
}

void load_forget_expectations(load *l, int shard) {
    for (int i = 0; i < l->options.groups; i++) {
        l->groups[i].doubtful |= l->groups[i].shard == shard;
    }
}

void load_expect_no_failure(const load *l) {
    for (size_t i = 0; i < l->failure_count && i < 10; i++) {
        const load_failure *f = &l->failures[i];
        print_error("%s on shard %d after %llu us: %s %s: %s\n", kind_names[f->kind], f->shard,
                    (unsigned long long)(f->ended_us - f->submitted_us), kw_status_name(f->status),
                    kw_outcome_name(f->outcome), f->message);
    }
    if (l->failure_count) {
        fail_msg("%zu of %llu commands failed", l->failure_count, (unsigned long long)l->submitted);
    }
    if (kw_pending(l->client) == 0) {
        assert_int_equal(l->replies, l->submitted);
    }
}

void load_expect_no_surprise(const load *l) {
    for (size_t i = 0; i < l->surprise_count && i < SURPRISES_MAX; i++) {
        print_error("%s\n", l->surprises[i]);
    }
    if (l->surprise_count) {
        fail_msg("%zu replies were not what they had to be", l->surprise_count);
    }
}

/* -------------------------------------------------------------------- verify */

static void add_reads(kw_batch *batch, int g) {
    static const char *const formats[VERIFY_COMMANDS] = {"GET {%d}:incr",
                                                         "GET {%d}:eval",
                                                         "HGET {%d}:hash field",
                                                         "LRANGE {%d}:list 0 -1",
                                                         "STRLEN {%d}:text",
                                                         "GET {%d}:set",
                                                         "GET {%d}:a"};
    for (int i = 0; i < VERIFY_COMMANDS; i++) {
        kw_error err;
        if (kw_batch_addf(batch, &err, formats[i], g) != KW_OK) {
            fail_msg("batch: %s", err.message);
        }
    }
}

static void verify_count(load *l, int index, load_kind kind, int64_t value) {
    const group *g = &l->groups[index];
    int64_t least = g->doubtful ? g->acked[kind] : g->submitted[kind];
    int64_t most = g->doubtful ? (int64_t)g->acked[kind] + g->maybe[kind] : least;
    if (value < least || value > most) {
        surprise(l, "%s {%d} at the end: %lld, must be %lld to %lld", kind_names[kind], index,
                 (long long)value, (long long)least, (long long)most);
    }
}

static void verify_list(load *l, int index, const kw_reply *list) {
    verify_count(l, index, LOAD_RPUSH, (int64_t)kw_reply_count(list));
    for (size_t i = 0; !l->groups[index].doubtful && i < kw_reply_count(list); i++) {
        if (kw_reply_integer(kw_reply_at(list, i)) != (int64_t)i + 1) {
            surprise(l, "list {%d}: element %zu is %s", index, i,
                     kw_reply_string(kw_reply_at(list, i), NULL));
            return;
        }
    }
}

static void verify_group(load *l, int index, const kw_batch *batch, size_t at) {
    const group *g = &l->groups[index];
    const kw_reply *replies[VERIFY_COMMANDS];
    for (size_t i = 0; i < VERIFY_COMMANDS; i++) {
        replies[i] = kw_batch_reply(batch, at + i);
        if (!replies[i] || kw_reply_is_error(replies[i])) {
            surprise(l, "{%d} cannot be read back (read %zu)", index, i);
            return;
        }
    }
    verify_count(l, index, LOAD_INCR, kw_reply_integer(replies[0]));
    verify_count(l, index, LOAD_EVAL, kw_reply_integer(replies[1]));
    verify_count(l, index, LOAD_HINCRBY, kw_reply_integer(replies[2]));
    verify_list(l, index, replies[3]);
    verify_count(l, index, LOAD_APPEND, kw_reply_integer(replies[4]) / 8);
    if (!g->doubtful) {
        op set = {.group = index, .kind = LOAD_GET, .expected = g->set};
        op multi = {.group = index, .kind = LOAD_MGET, .expected = g->multi};
        check_text(l, &set, replies[5], 'v');
        check_text(l, &multi, replies[6], 'm');
    }
}

void load_verify(load *l) {
    kw_batch *batch = NULL;
    if (kw_batch_new(l->client, &batch) != KW_OK) {
        fail_msg("no batch");
    }
    for (int first = 0; first < l->options.groups; first += VERIFY_GROUPS) {
        int count = l->options.groups - first;
        count = count < VERIFY_GROUPS ? count : VERIFY_GROUPS;
        kw_batch_clear(batch);
        for (int i = 0; i < count; i++) {
            add_reads(batch, first + i);
        }
        kw_error err;
        if (kw_batch_run(batch, &err) != KW_OK) {
            fail_msg("reading back: %s: %s", kw_status_name(err.status), err.message);
        }
        for (int i = 0; i < count; i++) {
            verify_group(l, first + i, batch, (size_t)i * VERIFY_COMMANDS);
        }
    }
    kw_batch_free(batch);
    load_expect_no_surprise(l);
}
