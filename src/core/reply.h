/* A reply as a tree of nodes over the bytes it came as, which it keeps: strings stay where they are
 * on the wire, with a zero in place of their CR. Owns nodes and bytes, in one block of memory or
 * two; is freed in one step, so freeing never recurses. The public accessors are in reply.c. */
#ifndef CORE_REPLY_H
#define CORE_REPLY_H

#include "base/mem.h"
#include "base/slice.h"

struct kw_reply {
    union {
        int64_t integer;
        const char *bytes;  /* terminated */
        kw_reply *children; /* of a map: key, value, key, value ... */
    } value;
    uint32_t len;            /* bytes, or children: two for each pair of a map */
    uint8_t type;            /* kw_type */
    bool has_attributes : 1; /* the node in front of this leads to them */
    bool is_root : 1;
    bool is_kept : 1; /* root: kw_reply_keep was called */
    bool
        is_held : 1; /* root: a callback or a batch still has it; kw_reply_free then only unkeeps */
};

/* Builds the tree of one whole value that resp_scan found to be well formed, with its length and
 * node count; copies the bytes. NULL if memory is short. `m` need not outlive the reply, only what
 * it stands for. */
kw_reply *reply_build(const mem *m, const char *data, size_t len, uint64_t node_count);

/* A reply of at least this size keeps the memory that it was received in. */
#define REPLY_TAKEN_BYTES (64 * 1024)
/* The same of the value at the front of the buffer, with the buffer's memory: nothing is copied
 * but what follows it. NULL if memory is short, the buffer untouched. */
struct buffer;
kw_reply *reply_take(const mem *m, struct buffer *input, size_t len, uint64_t node_count,
                     size_t keep_bytes);

/* Frees a root whether kept or not; NULL is allowed. */
void reply_free(kw_reply *root);

static inline bool reply_is_kept(const kw_reply *root) {
    return root->is_kept;
}

/* The bytes of a string-like reply; empty for the other types. */
kw_slice reply_slice(const kw_reply *r);

#endif
