/* A mixed, pipelined, asynchronous load on one handle that knows what each reply must be: the value
 * of the SET before, the count of INCRs so far, the length of the list. So a write lost, executed
 * twice or out of order shows at the next reply of its key, or in load_verify.
 *
 * Keys come in groups `{g}:...` of one slot each; groups are booked on the shard that owned the
 * slot when the cluster was made. Owns the model, not the handle. */
#ifndef INTEGRATION_SUPPORT_LOAD_H
#define INTEGRATION_SUPPORT_LOAD_H

#include "integration/support/redis_cluster.h"
#include "keyway/keyway.h"

typedef enum load_kind {
    LOAD_INCR, /* the five that count come first */
    LOAD_EVAL,
    LOAD_HINCRBY,
    LOAD_RPUSH,
    LOAD_APPEND,
    LOAD_SET,
    LOAD_MSET,
    LOAD_GET,
    LOAD_MGET,
    LOAD_KINDS,
    LOAD_COUNTING = LOAD_SET
} load_kind;

typedef struct load_options {
    int groups;
    int window; /* commands open at once, for each shard */
    int burst;  /* submitted at most in one load_pump */
    uint32_t seed;
} load_options;

typedef struct load_failure {
    load_kind kind;
    bool write;
    int shard;
    kw_status status;
    kw_outcome outcome;
    uint64_t submitted_us, ended_us;
    char message[96];
} load_failure;

enum { LOAD_FAILURES_MAX = 4096, LOAD_BUCKETS = 512 };

/* What happened on one shard since load_mark. */
typedef struct load_shard {
    uint64_t replies;
    uint64_t failures;
    uint64_t latency_us_max;
    uint64_t first_reply_us; /* first reply to a command submitted after the mark; 0 = none */
    uint32_t latencies[LOAD_BUCKETS];
} load_shard;

typedef struct load load;

load *load_new(kw_client *client, const redis_cluster *cluster, const load_options *options);
void load_free(load *l);

/* Submits some commands, if the windows have room, and waits a millisecond at most for replies. */
void load_pump(load *l);
void load_run(load *l, int ms);
/* Submits nothing more and waits until all is answered. */
void load_drain(load *l);

/* A new phase: load_shard_at counts from here. */
void load_mark(load *l);
const load_shard *load_shard_at(const load *l, int shard);
/* The latency below which this share of the phase's replies came, at most 10 % too high. */
uint64_t load_latency_us(const load_shard *shard, double share);
/* The longest time between two load_pump since the mark: what the machine, not the client, did. */
uint64_t load_stall_us(const load *l);

uint64_t load_submitted(const load *l);
uint64_t load_replies(const load *l);
size_t load_failure_count(const load *l);
const load_failure *load_failure_at(const load *l, size_t index);
/* Failures are over: expectations of the keys that they touched hold no longer. */
void load_forget_expectations(load *l, int shard);

/* Fails the test if a command failed, with what and why. */
void load_expect_no_failure(const load *l);
/* Fails the test if a reply was not the one it had to be. */
void load_expect_no_surprise(const load *l);
/* Reads every key back; the test fails if one does not hold what the replies promised: counters of
 * groups with failures lie between the acknowledged writes and those plus MAYBE_EXECUTED. */
void load_verify(load *l);

#endif
