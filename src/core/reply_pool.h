/* Blocks for small replies, used again, so that a reply that nobody keeps costs no allocation.
 * Owns the free ones. */
#ifndef CORE_REPLY_POOL_H
#define CORE_REPLY_POOL_H

#include "core/reply.h"

#include <assert.h>
#include <stddef.h>

/* The one allocation of a reply: this, then the nodes, the root first, then the bytes that they
 * point to, unless those are another's that were taken. */
typedef struct reply_block {
    mem mem; /* a copy: a kept reply outlives its client */
    struct reply_block *next_free;
    size_t room; /* bytes behind this */
    char *taken; /* or NULL */
    kw_reply nodes[];
} reply_block;

#define REPLY_POOLED_ROOM 208      /* 256 bytes with the head */
#define REPLY_POOLED_COUNT_MAX 512 /* free ones */

typedef struct reply_pool {
    const mem *mem;
    reply_block *free;
    size_t free_count;
} reply_pool;

void reply_pool_init(reply_pool *p, const mem *m);
void reply_pool_done(reply_pool *p);

/* The blocks of `from` go to `to`. */
void reply_pool_hand_over(reply_pool *to, reply_pool *from);

/* A block's parts (reply.c). Its room for so many nodes and bytes; 0: it is too much. */
size_t reply_block_room(uint64_t node_count, size_t bytes);
/* NULL: no memory, or no room is asked for. */
reply_block *reply_block_new(const mem *m, size_t room);
/* Builds the tree of a well-formed value, copied, in a block that has room for it. */
kw_reply *reply_block_fill(reply_block *block, const char *data, size_t len, uint64_t node_count);

/* As reply_build. With text.data, the value is one that resp_peek found, and this its text. */
kw_reply *reply_pool_build(reply_pool *p, const char *data, size_t len, uint64_t node_count,
                           kw_slice text);

/* A new block; NULL: no memory, or no such room (0). */
reply_block *reply_pool_more(reply_pool *p, size_t room);

static inline reply_block *reply_block_of(kw_reply *root) {
    assert(root->is_root);
    const kw_reply *first = root - root->has_attributes; /* the way to these is in front */
    return (reply_block *)(void *)((char *)(uintptr_t)first - offsetof(reply_block, nodes));
}

static inline reply_block *reply_pool_take(reply_pool *p, size_t room) {
    reply_block *block = p->free;
    if (!block || room > REPLY_POOLED_ROOM || room == 0) {
        return reply_pool_more(p, room);
    }
    p->free = block->next_free;
    p->free_count--;
    return block;
}

/* One short value that resp_peek found: its type byte and its text, which its line's end is behind.
 * NULL: no memory. */
static inline kw_reply *reply_pool_single(reply_pool *p, char type, kw_slice text) {
    size_t with_end = text.len + 2; /* OK is copied as one word */
    reply_block *block = reply_pool_take(p, sizeof(kw_reply) + with_end);
    if (!block) {
        return NULL;
    }
    kw_reply *r = block->nodes;
    char *bytes = (char *)(r + 1);
    if (type == ':') {
        *r = (kw_reply){.type = KW_TYPE_INTEGER, .is_root = true};
        (void)slice_to_i64(text, &r->value.integer); /* resp_peek has checked it */
        return r;
    }
    *r = (kw_reply){.value.bytes = bytes,
                    .len = (uint32_t)text.len,
                    .type = type == '$' ? KW_TYPE_STRING : KW_TYPE_STATUS,
                    .is_root = true};
    slice_put(bytes, slice_of(text.data, with_end));
    bytes[text.len] = '\0';
    return r;
}

/* As reply_free, but the block may be used again. */
static inline void reply_pool_free(reply_pool *p, kw_reply *root) {
    reply_block *block = root ? reply_block_of(root) : NULL;
    if (!block || block->room != REPLY_POOLED_ROOM || p->free_count >= REPLY_POOLED_COUNT_MAX) {
        reply_free(root);
        return;
    }
    block->next_free = p->free;
    p->free = block;
    p->free_count++;
}

/* While a root is held, whoever keeps and frees it changes only whose it is after reply_release. */
static inline void reply_hold(kw_reply *root) {
    root->is_held = true;
    root->is_kept = false;
}

/* Ends the hold: gives the root (NULL is allowed) to the pool unless it was kept. */
static inline void reply_release(reply_pool *p, kw_reply *root) {
    if (root) {
        root->is_held = false;
    }
    if (root && !root->is_kept) {
        reply_pool_free(p, root);
    }
}

#endif
