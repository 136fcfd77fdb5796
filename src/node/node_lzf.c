#include "node/node_lzf.h"

/* The format: a control byte below 32 is followed by that many literal bytes and one more. Any
 * other holds in its top three bits the length less 2 of a copy of bytes that were put out before
 * (7: the next byte adds to it), and in the rest, with the byte that follows, how far back less 1.
 */
#define LITERALS_MAX 32u
#define BACK_MAX 8192u
#define COPY_MAX 264u
#define LONG_COPY 7u

/* Where three bytes of each hash were last seen; 0: nowhere. Short inputs have a small table that
 * knows the hashes of its places, since clearing the whole one would cost more than packing. */
#define TABLE_SIZE 65536u
#define SHORT_BYTES 1024u
#define SHORT_PLACES 2048u

typedef struct short_place {
    uint32_t hash; /* + 1; 0: free */
    uint32_t at;
} short_place;

typedef struct packer {
    const unsigned char *in;
    size_t len;
    size_t at;
    unsigned char *out;
    size_t used;
    size_t room;
    size_t literals;  /* in the run at the end of `out`, whose control byte is not yet written */
    uint32_t *table;  /* NULL: the input is short */
    short_place *few; /* its table then */
} packer;

/* liblzf's hash of the three bytes at a position; which copies are found depends on it. */
static uint32_t *place_of(const packer *p, size_t at) {
    uint32_t h = (uint32_t)p->in[at] << 16 | (uint32_t)p->in[at + 1] << 8 | p->in[at + 2];
    h = ((h >> 8) - h * 5) & (TABLE_SIZE - 1);
    if (p->table) {
        return &p->table[h];
    }
    uint32_t i = h & (SHORT_PLACES - 1);
    while (p->few[i].hash != h + 1 && p->few[i].hash != 0) {
        i = (i + 1) & (SHORT_PLACES - 1);
    }
    p->few[i].hash = h + 1;
    return &p->few[i].at;
}

static void start_run(packer *p) {
    p->literals = 0;
    p->used++;
}

static void end_run(packer *p) {
    if (p->literals == 0) {
        p->used--;
    } else {
        p->out[p->used - p->literals - 1] = (unsigned char)(p->literals - 1);
    }
}

static void put_literal(packer *p) {
    p->out[p->used++] = p->in[p->at++];
    if (++p->literals == LITERALS_MAX) {
        end_run(p);
        start_run(p);
    }
}

/* As liblzf looks for it: where there is room for more than 16, the first 19 bytes are compared
 * without regard to the limit, which is two bytes short of the end. */
static size_t copy_length(const packer *p, size_t from) {
    const unsigned char *old = p->in + from;
    const unsigned char *now = p->in + p->at;
    size_t most = p->len - p->at - 2;
    most = most > COPY_MAX ? COPY_MAX : most;
    size_t count = 3;
    if (most > 16) {
        while (count < 19 && old[count] == now[count]) {
            count++;
        }
        if (count < 19) {
            return count;
        }
    }
    while (count < most && old[count] == now[count]) {
        count++;
    }
    return count;
}

static void put_copy(packer *p, size_t from) {
    size_t count = copy_length(p, from);
    size_t back = p->at - from - 1;
    end_run(p);
    size_t code = count - 2;
    if (code < LONG_COPY) {
        p->out[p->used++] = (unsigned char)(code << 5 | back >> 8);
    } else {
        p->out[p->used++] = (unsigned char)(LONG_COPY << 5 | back >> 8);
        p->out[p->used++] = (unsigned char)(code - LONG_COPY);
    }
    p->out[p->used++] = (unsigned char)back;
    start_run(p);
    p->at += count;
    if (p->at + 2 < p->len) { /* of the bytes gone over, the last two are remembered */
        *place_of(p, p->at - 2) = (uint32_t)(p->at - 2);
        *place_of(p, p->at - 1) = (uint32_t)(p->at - 1);
    }
}

/* True if the bytes at `from`, not the first of all, are worth a copy. */
static bool is_match(const packer *p, size_t from) {
    return from > 0 && p->at - from <= BACK_MAX && memcmp(p->in + from, p->in + p->at, 3) == 0;
}

static bool pack(packer *p) {
    start_run(p);
    while (p->at + 2 < p->len) {
        uint32_t *place = place_of(p, p->at);
        size_t from = *place;
        *place = (uint32_t)p->at;
        if (is_match(p, from)) {
            if (p->used - (p->literals == 0) + 4 >= p->room) {
                return false;
            }
            put_copy(p, from);
        } else if (p->used >= p->room) {
            return false;
        } else {
            put_literal(p);
        }
    }
    if (p->used + 3 > p->room) {
        return false;
    }
    while (p->at < p->len) {
        put_literal(p);
    }
    end_run(p);
    return true;
}

lzf_result lzf_pack(buffer *out, kw_slice in, size_t most) {
    if (in.len == 0 || most == 0 || in.len > UINT32_MAX) {
        return LZF_TOO_LONG;
    }
    /* Two bytes more: a run that is begun at the very end, and undone. */
    unsigned char *room = (unsigned char *)buffer_reserve(out, most + 2);
    packer p = {
        .in = (const unsigned char *)in.data,
        .len = in.len,
        .out = room,
        .room = most,
    };
    if (!room) {
        return LZF_NO_MEMORY;
    }
    bool packed;
    if (in.len <= SHORT_BYTES) {
        short_place few[SHORT_PLACES] = {0};
        p.few = few;
        packed = pack(&p);
    } else {
        p.table = mem_calloc(out->mem, TABLE_SIZE, sizeof *p.table);
        if (!p.table) {
            return LZF_NO_MEMORY;
        }
        packed = pack(&p);
        mem_free(out->mem, p.table);
    }
    if (!packed) {
        return LZF_TOO_LONG;
    }
    buffer_commit(out, p.used);
    return LZF_OK;
}

/* -------------------------------------------------------------------------------- expanding */

typedef struct expander {
    const unsigned char *at;
    const unsigned char *end;
    buffer *out;
    size_t put; /* bytes put out so far */
    uint64_t expanded;
} expander;

static lzf_result take_literals(expander *x, size_t count) {
    if (count > (size_t)(x->end - x->at) || x->put + count > x->expanded) {
        return LZF_MALFORMED;
    }
    if (!buffer_append(x->out, x->at, count)) {
        return LZF_NO_MEMORY;
    }
    x->at += count;
    x->put += count;
    return LZF_OK;
}

static lzf_result take_copy(expander *x, size_t control) {
    size_t count = (control >> 5) + 2;
    if (count == LONG_COPY + 2 && x->at < x->end) {
        count += *x->at++;
    }
    if (x->at == x->end) {
        return LZF_MALFORMED;
    }
    size_t back = ((control & 31) << 8 | *x->at++) + 1;
    if (back > x->put || x->put + count > x->expanded) {
        return LZF_MALFORMED;
    }
    char *to = buffer_reserve(x->out, count);
    if (!to) {
        return LZF_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        to[i] = to[(ptrdiff_t)i - (ptrdiff_t)back]; /* may overlap what it writes */
    }
    buffer_commit(x->out, count);
    x->put += count;
    return LZF_OK;
}

lzf_result lzf_expand(buffer *out, kw_slice in, uint64_t expanded) {
    const unsigned char *bytes = (const unsigned char *)in.data;
    expander x = {.at = bytes, .end = bytes + in.len, .out = out, .expanded = expanded};
    lzf_result result = LZF_OK;
    while (result == LZF_OK && x.at < x.end) {
        size_t control = *x.at++;
        result = control < LITERALS_MAX ? take_literals(&x, control + 1) : take_copy(&x, control);
    }
    return result == LZF_OK && x.put != expanded ? LZF_MALFORMED : result;
}
