/* The histories of the keys of one thread, checked while they are made. A key is a string to which
 * tokens are appended, each of its own, so that its end tells which writes took effect and in which
 * order, and each APPEND's reply tells where its token went. After BENCH_WRITES_MAX writes a key is
 * read back whole, judged, removed, and begun anew by another name: memory stays bounded.
 *
 * Judged is: is each acknowledged write there, once, where its reply said; did no reply and no read
 * show less than had been acknowledged before it was asked for; did one client's writes keep their
 * order; is nothing there that was reported as not executed, or that nobody wrote. Writes of
 * unknown outcome are counted apart. So are losses of a node that failed: replication is
 * asynchronous. */
#ifndef TOOL_BENCH_VERIFY_H
#define TOOL_BENCH_VERIFY_H

#include "tool/bench_nodes.h"
#include "tool/bench_plan.h"

enum {
    BENCH_WRITES_MAX = 64,
    BENCH_CHECK_ARGUMENTS = 4,
    BENCH_REMARKS = 4,
    BENCH_REMARK_BYTES = 200
};

typedef enum check_kind {
    CHECK_NONE,
    CHECK_READ,
    CHECK_WRITE,
    CHECK_READ_BACK,
    CHECK_REMOVE
} check_kind;

/* One command of a history, while it is under way. */
typedef struct bench_check {
    check_kind kind;
    uint32_t key;
    uint16_t write;  /* which of the key's */
    uint16_t floor;  /* tokens that must be there */
    uint16_t offset; /* of a read: tokens left out */
} bench_check;

typedef struct bench_verdict {
    uint64_t histories; /* judged */
    uint64_t writes;    /* acknowledged */
    uint64_t reads;     /* answered */
    /* What cannot be: */
    uint64_t lost;      /* acknowledged, and gone while its node was well */
    uint64_t stale;     /* replies that showed less than was acknowledged before */
    uint64_t doubled;   /* tokens found twice */
    uint64_t misplaced; /* not where the reply said, or before an older one of the same client */
    uint64_t ghosts;    /* reported as not executed, and there */
    uint64_t foreign;   /* bytes that nobody wrote */
    /* What can: */
    uint64_t lost_by_failover;
    uint64_t stale_by_failover; /* of a node that did not know that it had been replaced */
    uint64_t oldest_lost_us;    /* of these: acknowledged at most so long before the node failed */
    uint64_t ambiguous_done;    /* MAYBE_EXECUTED, and there */
    uint64_t ambiguous_gone;    /* ... and not there */
    uint64_t unread;            /* histories that could not be read back */
    int remark_count;
    char remarks[BENCH_REMARKS][BENCH_REMARK_BYTES]; /* of the first that cannot be */
} bench_verdict;

void bench_verdict_merge(bench_verdict *to, const bench_verdict *from);
/* How many findings cannot be. */
uint64_t bench_verdict_wrong(const bench_verdict *v);

typedef struct bench_verify bench_verify;

/* The histories of thread `number`; owners must outlive it. */
bench_verify *bench_verify_new(const bench_plan *p, const bench_owners *owners, uint32_t number,
                               uint64_t run_id);
void bench_verify_free(bench_verify *v);

/* The next read or write of a client; false: all keys are being read back. */
bool bench_verify_next(bench_verify *v, prng *random, bool write, uint32_t client, uint64_t now_us,
                       bench_check *ret);
/* The next reading back or removal; false: none is due. */
bool bench_verify_extra(bench_verify *v, bench_check *ret);
/* The arguments, the key being the second; until the next call. */
size_t bench_verify_command(bench_verify *v, const bench_check *check,
                            kw_slice argv[BENCH_CHECK_ARGUMENTS]);
/* It could not be submitted. */
void bench_verify_withdraw(bench_verify *v, const bench_check *check);
void bench_verify_end(bench_verify *v, const bench_check *check, const kw_reply *reply,
                      const kw_error *err, uint64_t now_us);

/* No more load comes: what has been written is read back. */
void bench_verify_finish(bench_verify *v);
bool bench_verify_is_done(const bench_verify *v);
const bench_verdict *bench_verify_verdict(const bench_verify *v);

#endif
