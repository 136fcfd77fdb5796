/* LZF, the compression inside snapshots. What it packs is what liblzf packs, byte for byte, since
 * the replies of DUMP show it. Pure. */
#ifndef NODE_NODE_LZF_H
#define NODE_NODE_LZF_H

#include "base/buffer.h"

typedef enum lzf_result {
    LZF_OK,
    LZF_TOO_LONG,  /* packing: it would not fit */
    LZF_MALFORMED, /* expanding */
    LZF_NO_MEMORY
} lzf_result;

/* Appends the packed bytes, at most `most` of them; nothing unless LZF_OK. */
lzf_result lzf_pack(buffer *out, kw_slice in, size_t most);

/* Appends exactly `expanded` bytes; anything may be in `out` unless LZF_OK. */
lzf_result lzf_expand(buffer *out, kw_slice in, uint64_t expanded);

#endif
