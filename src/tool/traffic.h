/* The demo's load, and its bookkeeping: two keys in each of the 16384 slots, read and written
 * without pause at a steady rate, and every reply checked. A key's value is its name and a version;
 * one write of a key is under way at a time, so what a read may answer is known: not less than the
 * version that was acknowledged when it left, not more than the newest one sent. */
#ifndef TOOL_TRAFFIC_H
#define TOOL_TRAFFIC_H

#include "base/prng.h"
#include "core/histogram.h"
#include "tool/tool.h"

enum {
    TRAFFIC_KEYS = 2 * KW_SLOT_COUNT,
    TRAFFIC_OPEN_MAX = 32768, /* commands under way; a dead shard keeps some thousand waiting */
    TRAFFIC_BULK_OPEN = 512   /* ... while all keys are written or read in turn */
};

typedef enum traffic_mode {
    TRAFFIC_STOPPED,
    TRAFFIC_FILL,     /* writes every key once, as fast as it goes, then stops */
    TRAFFIC_MIXED,    /* GET, SET, MGET, EXISTS at the steady rate */
    TRAFFIC_READ_BACK /* reads every key once, then stops */
} traffic_mode;

typedef struct traffic_request traffic_request;

typedef struct traffic_key {
    uint32_t acked; /* the newest version that the cluster has acknowledged */
    uint32_t sent;
    bool writing;
    bool lost; /* counted already */
} traffic_key;

typedef struct traffic {
    kw_client *client;
    kw_call_options *options; /* of writes: to repeat one does no harm */
    prng random;
    traffic_mode mode;
    uint32_t rate; /* commands a second, when mixed */
    double due;    /* commands that the rate owes */
    uint64_t stepped_us;
    uint32_t cursor; /* next key, when all are taken in turn */
    int hot_slot;    /* gets a share of its own while it is moved; -1 = none */
    uint32_t tags[KW_SLOT_COUNT];
    traffic_key *keys;         /* slot * 2 + side */
    traffic_request *requests; /* TRAFFIC_OPEN_MAX of them */
    traffic_request *unused;
    uint32_t open;
    uint64_t commands;
    uint64_t failed;
    uint64_t lost;
    uint64_t read_back;
    char first_failure[KW_ERROR_MESSAGE_SIZE + 80];
    histogram latency;
    uint64_t tick_count; /* since the last traffic_tick */
    uint64_t tick_slowest_us;
} traffic;

void traffic_init(traffic *t, kw_client *client, uint32_t rate, uint64_t seed);
/* The client must be closed before: it calls back. */
void traffic_done(traffic *t);

void traffic_start(traffic *t, traffic_mode mode);

/* Submits what is due at this time. */
void traffic_step(traffic *t, uint64_t now_us);

/* The replies since the last tick, and the slowest of them. */
void traffic_tick(traffic *t, uint64_t *ret_count, uint64_t *ret_slowest_us);

static inline bool traffic_is_idle(const traffic *t) {
    return t->mode == TRAFFIC_STOPPED && t->open == 0;
}

uint64_t clock_us(void);

#endif
