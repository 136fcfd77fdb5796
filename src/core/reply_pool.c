#include "core/reply_pool.h"

void reply_pool_init(reply_pool *p, const mem *m) {
    *p = (reply_pool){.mem = m};
}

void reply_pool_done(reply_pool *p) {
    while (p->free) {
        reply_block *block = p->free;
        p->free = block->next_free;
        mem_free(p->mem, block);
    }
    p->free_count = 0;
}

reply_block *reply_pool_more(reply_pool *p, size_t room) {
    bool is_small = room > 0 && room <= REPLY_POOLED_ROOM;
    return reply_block_new(p->mem, is_small ? REPLY_POOLED_ROOM : room);
}

kw_reply *reply_pool_build(reply_pool *p, const char *data, size_t len, uint64_t node_count,
                           kw_slice text) {
    if (text.data) {
        return reply_pool_single(p, data[0], text);
    }
    reply_block *block = reply_pool_take(p, reply_block_room(node_count, len));
    return block ? reply_block_fill(block, data, len, node_count) : NULL;
}

/* Both together, the one that is shorter first. */
static void join(reply_pool *to, reply_pool *from) {
    bool behind = to->free_count < from->free_count;
    reply_block *first = behind ? to->free : from->free;
    reply_block *rest = behind ? from->free : to->free;
    reply_block **end = &first;
    while (*end) {
        end = &(*end)->next_free;
    }
    *end = rest;
    to->free = first;
    to->free_count += from->free_count;
    from->free = NULL;
    from->free_count = 0;
}

void reply_pool_hand_over(reply_pool *to, reply_pool *from) {
    if (to->free_count + from->free_count <= REPLY_POOLED_COUNT_MAX) {
        join(to, from);
        return;
    }
    reply_block *block;
    while ((block = from->free)) {
        from->free = block->next_free;
        from->free_count--;
        reply_pool_free(to, block->nodes);
    }
}
