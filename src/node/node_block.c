#include "node/node_block.h"

#include "node/node_call.h"
#include "node/node_refuse.h"
#include "node/value_list.h"
#include "node/value_zset.h"

#include <assert.h>
#include <stdlib.h>

#define NO_PLACE SIZE_MAX

/* A key that somebody waits for. */
typedef struct blocked_key {
    list waits; /* in the order in which they came */
    list in_ready;
    bool in_use; /* its waits are being gone through: it is freed afterwards */
    size_t len;
    char bytes[];
} blocked_key;

/* That one session waits for one key. */
typedef struct block_wait {
    list in_key;
    blocked_key *key;
    struct session_block *block;
} block_wait;

typedef struct session_block {
    list in_node;
    node_session *session;
    const node_command *command;
    block_reason reason;
    kw_slice *argv; /* one block: the slices, then their bytes */
    size_t argc;
    uint64_t deadline_us;
    size_t deadline_place; /* in the heap, or NO_PLACE */
    void (*expire)(node_call *c);
    bool goes_on; /* tried again, it wants to wait on */
    size_t wait_count;
    block_wait waits[];
} session_block;

void node_blocked_init(node_blocked *b, const mem *m, uint64_t seed) {
    *b = (node_blocked){.count = 0};
    list_init(&b->sessions);
    list_init(&b->ready);
    map_init(&b->keys, m, seed);
}

void node_blocked_done(node_blocked *b, const mem *m) {
    assert(b->count == 0);
    map_done(&b->keys);
    mem_free(m, b->deadlines);
}

/* ----------------------------------------------------------------------------- deadlines */

static void place(node_blocked *b, size_t at, session_block *block) {
    b->deadlines[at] = block;
    block->deadline_place = at;
}

static void move_up(node_blocked *b, size_t at, session_block *block) {
    while (at > 0 && b->deadlines[(at - 1) / 2]->deadline_us > block->deadline_us) {
        place(b, at, b->deadlines[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(b, at, block);
}

static void move_down(node_blocked *b, size_t at, session_block *block) {
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < b->deadline_count &&
            b->deadlines[child + 1]->deadline_us < b->deadlines[child]->deadline_us) {
            child++;
        }
        if (child >= b->deadline_count || b->deadlines[child]->deadline_us >= block->deadline_us) {
            place(b, at, block);
            return;
        }
        place(b, at, b->deadlines[child]);
        at = child;
    }
}

static bool add_deadline(node_blocked *b, const mem *m, session_block *block) {
    block->deadline_place = NO_PLACE;
    if (block->deadline_us == BLOCK_NEVER) {
        return true;
    }
    if (b->deadline_count == b->deadline_capacity) {
        size_t capacity = b->deadline_capacity ? 2 * b->deadline_capacity : 16;
        session_block **deadlines = mem_resize(m, b->deadlines, capacity, sizeof(session_block *));
        if (!deadlines) {
            return false;
        }
        b->deadlines = deadlines;
        b->deadline_capacity = capacity;
    }
    move_up(b, b->deadline_count++, block);
    return true;
}

static void drop_deadline(node_blocked *b, session_block *block) {
    size_t at = block->deadline_place;
    if (at == NO_PLACE) {
        return;
    }
    block->deadline_place = NO_PLACE;
    session_block *last = b->deadlines[--b->deadline_count];
    if (last == block) {
        return;
    }
    if (at > 0 && b->deadlines[(at - 1) / 2]->deadline_us > last->deadline_us) {
        move_up(b, at, last);
    } else {
        move_down(b, at, last);
    }
}

/* ---------------------------------------------------------------------------------- keys */

static blocked_key *find_or_add_key(node *n, kw_slice key) {
    blocked_key *k = map_get(&n->blocked.keys, key);
    if (k) {
        return k;
    }
    k = mem_alloc(n->mem, sizeof *k + key.len);
    if (!k) {
        return NULL;
    }
    *k = (blocked_key){.len = key.len};
    list_init(&k->waits);
    if (key.len > 0) {
        memcpy(k->bytes, key.data, key.len);
    }
    if (!map_set(&n->blocked.keys, key, k, NULL)) {
        mem_free(n->mem, k);
        return NULL;
    }
    return k;
}

static void free_key_if_unused(node *n, blocked_key *k) {
    if (!list_empty(&k->waits) || k->in_use) {
        return;
    }
    if (list_linked(&k->in_ready)) {
        list_remove(&k->in_ready);
    }
    (void)map_remove(&n->blocked.keys, slice_of(k->bytes, k->len)); /* it is `k` */
    mem_free(n->mem, k);
}

static void drop_waits(node *n, session_block *block) {
    for (size_t i = 0; i < block->wait_count; i++) {
        list_remove(&block->waits[i].in_key);
        free_key_if_unused(n, block->waits[i].key);
    }
    block->wait_count = 0;
}

/* A key that is named twice is waited for once. */
static bool add_waits(node *n, session_block *block, size_t first_key, size_t key_count) {
    for (size_t i = 0; i < key_count; i++) {
        blocked_key *k = find_or_add_key(n, block->argv[first_key + i]);
        if (!k) {
            drop_waits(n, block);
            return false;
        }
        if (!list_empty(&k->waits) &&
            LIST_ENTRY(k->waits.prev, block_wait, in_key)->block == block) {
            continue;
        }
        block_wait *wait = &block->waits[block->wait_count++];
        *wait = (block_wait){.key = k, .block = block};
        list_push_back(&k->waits, &wait->in_key);
    }
    return true;
}

/* -------------------------------------------------------------------------- parking, ending */

static session_block *new_block(const node_call *c, size_t key_count) {
    const mem *m = c->session->mem;
    session_block *block = mem_alloc(m, sizeof *block + key_count * sizeof(block_wait));
    uint64_t bytes;
    kw_slice *argv = block ? session_copy_arguments(m, c->argv, c->argc, &bytes) : NULL;
    if (!argv) {
        mem_free(m, block);
        return NULL;
    }
    *block = (session_block){
        .session = c->session,
        .command = c->command,
        .argv = argv,
        .argc = c->argc,
    };
    return block;
}

static void free_block(const mem *m, session_block *block) {
    mem_free(m, block->argv);
    mem_free(m, block);
}

void call_block(node_call *c, block_reason reason, size_t first_key, size_t key_count,
                uint64_t deadline_us, void (*expire)(node_call *c)) {
    node *n = c->node;
    node_session *s = c->session;
    assert(!c->in_exec);
    if (s->block) { /* tried again: its place, deadline and arguments are as they were */
        s->block->goes_on = true;
        return;
    }
    session_block *block = new_block(c, key_count);
    if (!block) {
        call_out_of_memory(c);
        return;
    }
    block->reason = reason;
    block->deadline_us = deadline_us;
    block->expire = expire;
    if (!add_waits(n, block, first_key, key_count)) {
        free_block(s->mem, block);
        call_out_of_memory(c);
        return;
    }
    if (!add_deadline(&n->blocked, n->mem, block)) {
        drop_waits(n, block);
        free_block(s->mem, block);
        call_out_of_memory(c);
        return;
    }
    list_push_back(&n->blocked.sessions, &block->in_node);
    n->blocked.count++;
    n->blocked.counts[reason]++;
    s->block = block;
    s->holds |= HOLD_BLOCKED;
}

bool call_find_first(node_call *c, const value_kind *kind, size_t first_key, size_t key_count,
                     kw_slice *ret_key, keyspace_entry **ret) {
    *ret = NULL;
    for (size_t i = first_key; i < first_key + key_count && !*ret; i++) {
        *ret_key = c->argv[i];
        if (c->retried && !slice_equal(*ret_key, c->ready_key)) {
            continue;
        }
        if (!call_find_kind(c, i, kind, ret)) {
            return false;
        }
    }
    return true;
}

static node_call call_of(node *n, const session_block *block) {
    return (node_call){
        .node = n,
        .session = block->session,
        .command = block->command,
        .argv = block->argv,
        .argc = block->argc,
        .now_us = n->now_us,
        .now_ms = n->now_us / 1000,
        .out = node_reply_to(n, block->session),
        .retried = true,
    };
}

void node_unblock(node *n, node_session *s) {
    session_block *block = s->block;
    if (!block) {
        return;
    }
    n->blocked.count--;
    n->blocked.counts[block->reason]--;
    list_remove(&block->in_node);
    drop_waits(n, block);
    drop_deadline(&n->blocked, block);
    free_block(s->mem, block);
    s->block = NULL;
    s->holds &= ~(unsigned)HOLD_BLOCKED;
    node_wake(n, s);
}

bool node_end_waiting(node *n, node_session *s, const char *error) {
    session_block *block = s->block;
    if (!block) {
        return false;
    }
    node_call call = call_of(n, block);
    if (error) {
        call_error(&call, error);
    } else {
        block->expire(&call);
    }
    node_unblock(n, s);
    return true;
}

/* ------------------------------------------------------------------------------- serving */

/* True if that is what is waited for for this reason. */
static bool fits_reason(const keyspace_entry *e, block_reason reason) {
    return (reason == BLOCK_FOR_LIST && e->kind == &value_list_kind) ||
           (reason == BLOCK_FOR_ZSET && e->kind == &value_zset_kind);
}

void node_block_added(node *n, const keyspace_entry *e) {
    const size_t *counts = n->blocked.counts;
    if (!(counts[BLOCK_FOR_LIST] > 0 && fits_reason(e, BLOCK_FOR_LIST)) &&
        !(counts[BLOCK_FOR_ZSET] > 0 && fits_reason(e, BLOCK_FOR_ZSET))) {
        return;
    }
    blocked_key *k = map_get(&n->blocked.keys, keyspace_key(e));
    if (k && !list_linked(&k->in_ready)) {
        list_push_back(&n->blocked.ready, &k->in_ready);
    }
}

static void try_again(node *n, session_block *block, kw_slice ready_key) {
    node_call call = call_of(n, block);
    call.ready_key = ready_key;
    block->goes_on = false;
    call_run(&call);
    if (!block->goes_on) {
        node_unblock(n, block->session);
    }
}

/* What a served command does may add further keys, this one too: they come later. */
void node_serve_blocked(node *n) {
    list *first;
    while ((first = list_pop_front(&n->blocked.ready))) {
        blocked_key *k = LIST_ENTRY(first, blocked_key, in_ready);
        kw_slice key = slice_of(k->bytes, k->len);
        k->in_use = true;
        LIST_FOR_EACH(at, after, &k->waits) {
            session_block *block = LIST_ENTRY(at, block_wait, in_key)->block;
            const keyspace_entry *e = keyspace_peek(n->keys, key, n->now_us / 1000);
            if (e && fits_reason(e, block->reason)) {
                try_again(n, block, key);
            }
        }
        k->in_use = false;
        free_key_if_unused(n, k);
    }
}

void node_serve_replica_waits(node *n) {
    if (n->blocked.counts[BLOCK_FOR_REPLICAS] == 0) {
        return;
    }
    LIST_FOR_EACH(at, after, &n->blocked.sessions) {
        session_block *block = LIST_ENTRY(at, session_block, in_node);
        if (block->reason == BLOCK_FOR_REPLICAS) {
            try_again(n, block, SLICE_LITERAL(""));
        }
    }
}

/* ------------------------------------------------------------------------- ends of other kinds */

/* The error for who waits for keys that are no longer served here. An open slot is. */
static bool redirect(node *n, session_block *block) {
    const node_view *view = n->view;
    node_call call = call_of(n, block);
    if (!view->up) {
        node_refuse_place(&call, REDIRECT_DOWN, SLOT_NONE, NODE_NOBODY);
        return true;
    }
    const blocked_key *k = block->waits[0].key;
    int slot = slot_of_key(slice_of(k->bytes, k->len));
    uint16_t owner = view->owner[slot];
    if (owner == view->self || view->importing_from[slot] != NODE_NOBODY) {
        return false;
    }
    node_refuse_place(&call, owner == NODE_NOBODY ? REDIRECT_UNBOUND : REDIRECT_MOVED, slot, owner);
    return true;
}

void node_redirect_blocked(node *n) {
    bool replica = !node_view_self(n->view)->primary;
    LIST_FOR_EACH(at, after, &n->blocked.sessions) {
        session_block *block = LIST_ENTRY(at, session_block, in_node);
        node_session *s = block->session;
        if (replica && block->reason != BLOCK_FOR_TIME) {
            node_call call = call_of(n, block);
            call_error(&call, "UNBLOCKED force unblock from blocking operation, instance state "
                              "changed (master -> replica?)");
            s->flags |= SESSION_CLOSING;
            node_unblock(n, s);
        } else if (block->wait_count > 0 && redirect(n, block)) {
            node_unblock(n, s);
        }
    }
}

void node_expire_blocked(node *n) {
    while (node_block_deadline_us(n) <= n->now_us) {
        (void)node_end_waiting(n, n->blocked.deadlines[0]->session, NULL); /* it does wait */
    }
}

uint64_t node_block_deadline_us(const node *n) {
    return n->blocked.deadline_count > 0 ? n->blocked.deadlines[0]->deadline_us : BLOCK_NEVER;
}
