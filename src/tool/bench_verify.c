#include "tool/bench_verify.h"

#include "base/list.h"
#include "base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TOKEN_BYTES = 16, /* 5 digits of the key, 6 of its generation, 4 of the write, a semicolon */
    NAME_BYTES = BENCH_PREFIX_MAX + 64,
    SHOWN_AGAIN = 2, /* tokens known to be there that a read asks for again */
    TRIES_MAX = 16,
    READ_BACK_TRIES = 4,
    SLACK_US = 1000 * 1000 /* a node's failure is noticed late, or a reply of it handled late */
};

typedef enum write_state { WRITE_OPEN, WRITE_ACKED, WRITE_MAYBE, WRITE_REFUSED } write_state;

typedef struct write_record {
    uint64_t acked_us;
    uint16_t position; /* by its reply: tokens, with itself */
    uint16_t found;    /* the same when read back; 0: not there */
    uint16_t client;
    int16_t node; /* that acknowledged it */
    uint8_t state;
} write_record;

typedef enum key_stage { KEY_LIVE, KEY_RETIRING, KEY_DUE, KEY_READ_BACK, KEY_DONE } key_stage;

typedef struct key_history {
    list in_due;
    uint32_t generation;
    uint16_t count; /* writes submitted */
    uint16_t open;  /* commands under way */
    uint16_t floor; /* tokens that have been seen there */
    uint16_t slot;
    uint16_t short_count; /* replies that showed fewer than they had to */
    int16_t first_node;   /* its owner when it began */
    uint64_t begun_us;
    uint64_t floor_us; /* when the floor was raised last */
    int16_t floor_node;
    uint8_t stage;
    uint8_t tries;
    bool is_read; /* judged; to be removed */
    write_record writes[BENCH_WRITES_MAX];
} key_history;

struct bench_verify {
    const bench_plan *plan;
    const bench_owners *owners;
    uint32_t number;
    uint64_t run_id;
    bench_keys draws;
    uint32_t key_count;
    uint32_t done_count;
    bool is_finishing;
    key_history *keys;
    list due;
    char name[NAME_BYTES];
    char token[TOKEN_BYTES + 1];
    char range[24];
    bench_verdict verdict;
};

/* -------------------------------------------------------------- the verdict */

uint64_t bench_verdict_wrong(const bench_verdict *v) {
    return v->lost + v->stale + v->doubled + v->misplaced + v->ghosts + v->foreign;
}

void bench_verdict_merge(bench_verdict *to, const bench_verdict *from) {
    to->histories += from->histories;
    to->writes += from->writes;
    to->reads += from->reads;
    to->lost += from->lost;
    to->stale += from->stale;
    to->stale_by_failover += from->stale_by_failover;
    to->doubled += from->doubled;
    to->misplaced += from->misplaced;
    to->ghosts += from->ghosts;
    to->foreign += from->foreign;
    to->lost_by_failover += from->lost_by_failover;
    to->ambiguous_done += from->ambiguous_done;
    to->ambiguous_gone += from->ambiguous_gone;
    to->unread += from->unread;
    to->oldest_lost_us =
        from->oldest_lost_us > to->oldest_lost_us ? from->oldest_lost_us : to->oldest_lost_us;
    for (int i = 0; i < from->remark_count && to->remark_count < BENCH_REMARKS; i++) {
        memcpy(to->remarks[to->remark_count++], from->remarks[i], BENCH_REMARK_BYTES);
    }
}

const bench_verdict *bench_verify_verdict(const bench_verify *v) {
    return &v->verdict;
}

/* --------------------------------------------------------- names and tokens */

static uint32_t index_of(const bench_verify *v, const key_history *k) {
    return (uint32_t)(k - v->keys);
}

static kw_slice name_of(bench_verify *v, const key_history *k) {
    int len = snprintf(v->name, sizeof v->name, "%sverify:%08llx:%u:%u:%u", v->plan->prefix,
                       (unsigned long long)(v->run_id & UINT32_MAX), v->number, index_of(v, k),
                       k->generation);
    return slice_of(v->name, (size_t)len);
}

static kw_slice token_of(bench_verify *v, const key_history *k, unsigned write) {
    snprintf(v->token, sizeof v->token, "%05x%06x%04x;", index_of(v, k) & 0xfffff,
             k->generation & 0xffffff, write & 0xffff);
    return slice_of(v->token, TOKEN_BYTES);
}

/* Which of the key's writes a token is; -1: none. */
static int write_of(bench_verify *v, const key_history *k, const char *token) {
    char digits[5] = {token[11], token[12], token[13], token[14], '\0'};
    unsigned long write = strtoul(digits, NULL, 16);
    if (write >= k->count) {
        return -1;
    }
    kw_slice own = token_of(v, k, (unsigned)write);
    return memcmp(own.data, token, TOKEN_BYTES) == 0 ? (int)write : -1;
}

static void remark(bench_verify *v, const key_history *k, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void remark(bench_verify *v, const key_history *k, const char *format, ...) {
    if (v->verdict.remark_count == BENCH_REMARKS) {
        return;
    }
    char *text = v->verdict.remarks[v->verdict.remark_count++];
    kw_slice name = name_of(v, k);
    int len = snprintf(text, BENCH_REMARK_BYTES, "%.*s: ", (int)(name.len < 100 ? name.len : 100),
                       name.data);
    va_list args;
    va_start(args, format);
    vsnprintf(text + len, BENCH_REMARK_BYTES - (size_t)len, format, args);
    va_end(args);
}

/* --------------------------------------------------------- a key's own life */

static void begin_generation(bench_verify *v, key_history *k) {
    uint32_t generation = k->generation + 1;
    memset(k, 0, sizeof *k);
    k->generation = generation;
    k->floor_node = BENCH_NODE_NONE;
    kw_slice name = name_of(v, k);
    k->slot = (uint16_t)kw_key_slot(name.data, name.len);
    if (v->is_finishing) {
        k->stage = KEY_DONE;
        v->done_count++;
    }
}

static void make_due(bench_verify *v, key_history *k) {
    k->stage = KEY_DUE;
    list_push_back(&v->due, &k->in_due);
}

/* Nothing more is written; once nothing is under way, it is read back. */
static void retire(bench_verify *v, key_history *k) {
    if (k->stage == KEY_LIVE) {
        k->stage = KEY_RETIRING;
    }
    if (k->stage == KEY_RETIRING && k->open == 0) {
        make_due(v, k);
    }
}

static void ended(bench_verify *v, key_history *k) {
    assert(k->open > 0);
    k->open--;
    if (k->stage == KEY_RETIRING || k->count == BENCH_WRITES_MAX) {
        retire(v, k);
    }
}

/* ------------------------------------------------------------ its judgement */

/* Did that node fail after this time? Its newest failure is known. */
static bool failed_after(const bench_verify *v, int node, uint64_t at_us, uint64_t *ret_age_us) {
    const bench_owners *o = v->owners;
    if (node < 0 || o->dead_us[node] == 0 || o->dead_us[node] + SLACK_US < at_us) {
        return false;
    }
    uint64_t failed_us = at_us < o->failed_us[node] ? o->failed_us[node] : at_us;
    *ret_age_us = failed_us - at_us;
    return true;
}

static void count_lost_by_failover(bench_verify *v, uint64_t age_us) {
    v->verdict.lost_by_failover++;
    v->verdict.oldest_lost_us =
        age_us > v->verdict.oldest_lost_us ? age_us : v->verdict.oldest_lost_us;
}

static void judge_lost(bench_verify *v, const key_history *k, unsigned write) {
    uint64_t age_us = 0;
    const write_record *w = &k->writes[write];
    if (failed_after(v, w->node, w->acked_us, &age_us)) {
        count_lost_by_failover(v, age_us);
        return;
    }
    v->verdict.lost++;
    remark(v, k, "write %u was acknowledged, the key then %u tokens long, and is gone", write,
           w->position);
}

/* Where each token lies. */
static void find_tokens(bench_verify *v, key_history *k, kw_slice text) {
    size_t count = text.len / TOKEN_BYTES;
    if (text.len % TOKEN_BYTES != 0) {
        v->verdict.foreign++;
        remark(v, k, "its %zu bytes are no whole tokens", text.len);
    }
    for (size_t i = 0; i < count; i++) {
        int write = write_of(v, k, text.data + i * TOKEN_BYTES);
        if (write < 0) {
            v->verdict.foreign++;
            remark(v, k, "token %zu is none that was written", i);
        } else if (k->writes[write].found != 0) {
            v->verdict.doubled++;
            remark(v, k, "write %d is there twice, as tokens %u and %zu", write,
                   k->writes[write].found - 1, i);
        } else {
            k->writes[write].found = (uint16_t)(i + 1);
        }
    }
}

/* Each write for itself; true: an acknowledged one is gone. *ret_sure: no outcome is unknown. */
static bool judge_writes(bench_verify *v, const key_history *k, bool *ret_sure) {
    bool any_lost = false;
    for (unsigned i = 0; i < k->count; i++) {
        const write_record *w = &k->writes[i];
        if (w->state == WRITE_ACKED && w->found == 0) {
            any_lost = true;
            judge_lost(v, k, i);
        } else if (w->state == WRITE_MAYBE) {
            *ret_sure = false;
            v->verdict.ambiguous_done += w->found != 0;
            v->verdict.ambiguous_gone += w->found == 0;
        } else if (w->state == WRITE_REFUSED && w->found != 0) {
            v->verdict.ghosts++;
            remark(v, k, "write %u ended as not executed, and is token %u", i, w->found - 1);
        }
    }
    return any_lost;
}

/* Is each where its reply said, and behind its client's older ones? */
static void judge_order(bench_verify *v, const key_history *k, bool is_sure) {
    for (unsigned i = 0; i < k->count; i++) {
        const write_record *w = &k->writes[i];
        if (w->state != WRITE_ACKED) {
            continue;
        }
        if (w->found != w->position) {
            v->verdict.misplaced++;
            remark(v, k, "write %u was told to be token %u, and is token %u", i, w->position - 1,
                   w->found - 1);
        }
        for (unsigned j = i + 1; is_sure && j < k->count; j++) {
            const write_record *later = &k->writes[j];
            if (later->state == WRITE_ACKED && later->client == w->client &&
                later->found < w->found) {
                v->verdict.misplaced++;
                remark(v, k, "write %u overtook write %u of the same client", j, i);
            }
        }
    }
}

/* Replies showed less than they had to, and no acknowledged write is gone. */
static void judge_short(bench_verify *v, const key_history *k) {
    uint64_t age_us = 0;
    if (failed_after(v, k->floor_node, k->floor_us, &age_us)) {
        count_lost_by_failover(v, age_us); /* a write of unknown outcome: it had been read */
    } else if (failed_after(v, k->first_node, k->begun_us, &age_us)) {
        v->verdict.stale_by_failover += k->short_count; /* it did not know that it is none */
    } else {
        v->verdict.stale += k->short_count;
        remark(v, k, "%u replies showed less than had been seen before", k->short_count);
    }
}

static void judge(bench_verify *v, key_history *k, kw_slice text) {
    bool is_sure = true;
    v->verdict.histories++;
    find_tokens(v, k, text);
    if (judge_writes(v, k, &is_sure)) {
        return; /* what was lost explains what was short or out of place */
    }
    judge_order(v, k, is_sure);
    if (k->short_count > 0) {
        judge_short(v, k);
    }
}

/* ------------------------------------------------------------------ replies */

/* A reply that shows so many tokens. */
static void see(bench_verify *v, key_history *k, uint16_t floor, uint64_t tokens, uint64_t now_us) {
    if (tokens < floor) {
        k->short_count++;
        retire(v, k);
    } else if (tokens > k->count) {
        retire(v, k); /* doubled or foreign: the reading back tells */
    } else if (tokens > k->floor) {
        k->floor = (uint16_t)tokens;
        k->floor_us = now_us;
        k->floor_node = v->owners->node[k->slot];
    }
}

static void end_write(bench_verify *v, key_history *k, const bench_check *check,
                      const kw_reply *reply, const kw_error *err, uint64_t now_us) {
    write_record *w = &k->writes[check->write];
    if (!reply) {
        w->state = err->outcome == KW_MAYBE_EXECUTED ? WRITE_MAYBE : WRITE_REFUSED;
        return;
    }
    if (kw_reply_is_error(reply)) {
        w->state = WRITE_REFUSED;
        return;
    }
    uint64_t tokens = (uint64_t)kw_reply_integer(reply) / TOKEN_BYTES;
    w->state = WRITE_ACKED;
    w->acked_us = now_us;
    w->position = (uint16_t)(tokens < UINT16_MAX ? tokens : UINT16_MAX);
    w->node = v->owners->node[k->slot];
    v->verdict.writes++;
    see(v, k, (uint16_t)(check->floor + 1), tokens, now_us);
}

static void end_read(bench_verify *v, key_history *k, const bench_check *check,
                     const kw_reply *reply, uint64_t now_us) {
    size_t len = 0;
    if (!reply || kw_reply_is_error(reply)) {
        return;
    }
    (void)kw_reply_string(reply, &len);
    uint64_t tokens = len / TOKEN_BYTES;
    v->verdict.reads++;
    see(v, k, check->floor, tokens > 0 ? tokens + check->offset : 0, now_us);
}

static void end_read_back(bench_verify *v, key_history *k, const kw_reply *reply) {
    size_t len = 0;
    const char *text = reply && !kw_reply_is_error(reply) ? kw_reply_string(reply, &len) : NULL;
    bool is_missing = reply && kw_reply_is_null(reply);
    if (text || is_missing) {
        judge(v, k, slice_of(text ? text : "", len));
        k->is_read = true;
    } else if (++k->tries == READ_BACK_TRIES) {
        v->verdict.unread++;
        k->is_read = true;
    }
    make_due(v, k);
}

void bench_verify_end(bench_verify *v, const bench_check *check, const kw_reply *reply,
                      const kw_error *err, uint64_t now_us) {
    key_history *k = &v->keys[check->key];
    switch (check->kind) {
    case CHECK_WRITE:
        end_write(v, k, check, reply, err, now_us);
        ended(v, k);
        break;
    case CHECK_READ:
        end_read(v, k, check, reply, now_us);
        ended(v, k);
        break;
    case CHECK_READ_BACK:
        end_read_back(v, k, reply);
        break;
    default:
        begin_generation(v, k); /* a key that could not be removed is only in the way */
    }
}

/* ----------------------------------------------------------------- commands */

bool bench_verify_next(bench_verify *v, prng *random, bool write, uint32_t client, uint64_t now_us,
                       bench_check *ret) {
    key_history *k = NULL;
    for (int tries = 0; tries < TRIES_MAX && (!k || k->stage != KEY_LIVE); tries++) {
        k = &v->keys[bench_keys_draw(&v->draws, random)];
    }
    if (k->stage != KEY_LIVE) {
        return false;
    }
    if (k->begun_us == 0) {
        k->begun_us = now_us;
        k->first_node = v->owners->node[k->slot];
    }
    k->open++;
    *ret = (bench_check){
        .kind = write ? CHECK_WRITE : CHECK_READ, .key = index_of(v, k), .floor = k->floor};
    if (write) {
        ret->write = k->count++;
        k->writes[ret->write] = (write_record){.client = (uint16_t)client, .state = WRITE_OPEN};
        k->stage = k->count == BENCH_WRITES_MAX ? KEY_RETIRING : KEY_LIVE;
    } else {
        ret->offset = k->floor > SHOWN_AGAIN ? (uint16_t)(k->floor - SHOWN_AGAIN) : 0;
    }
    return true;
}

bool bench_verify_extra(bench_verify *v, bench_check *ret) {
    list *first = list_pop_front(&v->due);
    if (!first) {
        return false;
    }
    key_history *k = LIST_ENTRY(first, key_history, in_due);
    k->stage = KEY_READ_BACK;
    *ret =
        (bench_check){.kind = k->is_read ? CHECK_REMOVE : CHECK_READ_BACK, .key = index_of(v, k)};
    return true;
}

size_t bench_verify_command(bench_verify *v, const bench_check *check,
                            kw_slice argv[BENCH_CHECK_ARGUMENTS]) {
    key_history *k = &v->keys[check->key];
    argv[1] = name_of(v, k);
    switch (check->kind) {
    case CHECK_WRITE:
        argv[0] = SLICE_LITERAL("APPEND");
        argv[2] = token_of(v, k, check->write);
        return 3;
    case CHECK_READ:
        snprintf(v->range, sizeof v->range, "%d", check->offset * TOKEN_BYTES);
        argv[0] = SLICE_LITERAL("GETRANGE");
        argv[2] = slice_text(v->range);
        argv[3] = SLICE_LITERAL("-1");
        return 4;
    case CHECK_READ_BACK:
        argv[0] = SLICE_LITERAL("GET");
        return 2;
    default:
        argv[0] = SLICE_LITERAL("UNLINK");
        return 2;
    }
}

void bench_verify_withdraw(bench_verify *v, const bench_check *check) {
    key_history *k = &v->keys[check->key];
    if (check->kind == CHECK_WRITE || check->kind == CHECK_READ) {
        if (check->kind == CHECK_WRITE) {
            k->writes[check->write].state = WRITE_REFUSED;
        }
        ended(v, k);
    } else {
        make_due(v, k);
    }
}

/* ------------------------------------------------------------ begin and end */

void bench_verify_finish(bench_verify *v) {
    if (v->is_finishing) {
        return;
    }
    v->is_finishing = true;
    for (uint32_t i = 0; i < v->key_count; i++) {
        key_history *k = &v->keys[i];
        if (k->count > 0 || k->open > 0) {
            retire(v, k);
        } else if (k->stage == KEY_LIVE) {
            k->stage = KEY_DONE;
            v->done_count++;
        }
    }
}

bool bench_verify_is_done(const bench_verify *v) {
    return v->done_count == v->key_count;
}

bench_verify *bench_verify_new(const bench_plan *p, const bench_owners *owners, uint32_t number,
                               uint64_t run_id) {
    bench_verify *v = mem_calloc(&mem_default, 1, sizeof *v);
    uint64_t count = p->keys / p->threads + (number < p->keys % p->threads);
    if (v) {
        v->keys = mem_calloc(&mem_default, count, sizeof *v->keys);
    }
    if (!v || !v->keys) {
        give_up("out of memory");
    }
    v->plan = p;
    v->owners = owners;
    v->number = number;
    v->run_id = run_id;
    v->key_count = (uint32_t)count;
    bench_keys_init(&v->draws, count, p->zipf);
    list_init(&v->due);
    for (uint32_t i = 0; i < v->key_count; i++) {
        begin_generation(v, &v->keys[i]);
    }
    return v;
}

void bench_verify_free(bench_verify *v) {
    if (v) {
        mem_free(&mem_default, v->keys);
        mem_free(&mem_default, v);
    }
}
