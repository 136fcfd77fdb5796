#include "core/limits.h"
#include "node/node_args.h"
#include "node/node_call.h"
#include "node/node_handlers.h"
#include "node/string_bits.h"

/* The string at argv[index], empty if the key is missing. False: WRONGTYPE was answered. */
static bool find_string(node_call *c, size_t index, keyspace_entry **ret_entry, kw_slice *ret) {
    if (!call_find_kind(c, index, NULL, ret_entry)) {
        return false;
    }
    *ret = *ret_entry ? keyspace_value(*ret_entry) : SLICE_LITERAL("");
    return true;
}

char *bits_open(node_call *c, uint64_t last_bit) {
    keyspace_entry *e;
    if (!call_find_kind(c, 1, NULL, &e)) {
        return NULL;
    }
    bool added = !e;
    if (added && keyspace_set(c->node->keys, c->argv[1], SLICE_LITERAL(""), 0)) {
        e = call_find(c, 1);
    }
    size_t len = (size_t)(last_bit / 8 + 1);
    char *bytes = NULL;
    if (e && len > e->value_len) {
        bytes = keyspace_resize(c->node->keys, e, len);
    } else if (e) {
        keyspace_mark_raw(e); /* whether it changes is not known yet */
        bytes = e->value;
    }
    if (!bytes) {
        if (added && e) {
            keyspace_remove(c->node->keys, e);
        }
        call_out_of_memory(c);
    }
    return bytes;
}

/* ------------------------------------------------------------------------------ one bit */

void serve_setbit(node_call *c) {
    uint64_t offset;
    int64_t on;
    if (!bits_read_offset(c, 2, 0, &offset) ||
        !args_read_in_range(c, 3, 0, 1, "ERR bit is not an integer or out of range", &on)) {
        return;
    }
    char *bytes = bits_open(c, offset);
    if (!bytes) {
        return;
    }
    unsigned char mask = (unsigned char)(0x80 >> (offset & 7));
    unsigned char old = (unsigned char)bytes[offset / 8];
    bytes[offset / 8] = (char)(on ? old | mask : old & ~mask);
    if (((old & mask) != 0) != (on != 0)) {
        keyspace_touch(c->node->keys, call_find(c, 1));
    }
    call_integer(c, (old & mask) != 0);
}

void serve_getbit(node_call *c) {
    keyspace_entry *e;
    kw_slice s;
    uint64_t offset;
    if (bits_read_offset(c, 2, 0, &offset) && find_string(c, 1, &e, &s)) {
        call_integer(c, bits_get(s, offset, 1) != 0);
    }
}

/* ------------------------------------------------------------------------ counting, finding */

/* Numbered in bytes or in bits, of which there are `total`; first > last: none. */
typedef struct bit_range {
    bool in_bits;
    int64_t first;
    int64_t last;
    bool ends; /* the end was given */
} bit_range;

static bool read_unit(node_call *c, size_t index, bit_range *r) {
    r->in_bits = call_argument_is(c, index, "bit");
    if (index < c->argc && !r->in_bits && !call_argument_is(c, index, "byte")) {
        call_syntax_error(c);
        return false;
    }
    return true;
}

/* Negative positions count from the end; all come to lie inside. */
static void clamp(bit_range *r, int64_t total) {
    r->first = r->first < 0 ? r->first + total : r->first;
    r->last = r->last < 0 ? r->last + total : r->last;
    r->first = r->first < 0 ? 0 : r->first;
    r->last = r->last < 0 ? 0 : r->last;
    r->last = r->last >= total ? total - 1 : r->last;
}

/* From a range of bytes to one of bits. */
static void make_bits(bit_range *r) {
    if (!r->in_bits) {
        r->first *= 8;
        r->last = r->last * 8 + 7;
    }
}

void serve_bitcount(node_call *c) {
    keyspace_entry *e;
    kw_slice s;
    bit_range r = {.last = -1};
    if (!find_string(c, 1, &e, &s)) {
        return;
    }
    if (!e) {
        call_integer(c, 0);
        return;
    }
    if (c->argc == 4 || c->argc == 5) {
        if (!call_read_integer(c, 2, &r.first) || !call_read_integer(c, 3, &r.last)) {
            return;
        }
        if (r.first < 0 && r.last < 0 && r.first > r.last) {
            call_integer(c, 0);
            return;
        }
        if (!read_unit(c, 4, &r)) {
            return;
        }
    } else if (c->argc != 2) {
        call_syntax_error(c);
        return;
    }
    clamp(&r, (int64_t)s.len * (r.in_bits ? 8 : 1));
    if (r.first > r.last) {
        call_integer(c, 0);
        return;
    }
    make_bits(&r);
    call_integer(c, bits_count(s, (uint64_t)r.first, (uint64_t)r.last));
}

static bool read_position_range(node_call *c, bit_range *r) {
    if (c->argc > 6) {
        call_syntax_error(c);
        return false;
    }
    if (c->argc > 3 && (!call_read_integer(c, 3, &r->first) || !read_unit(c, 5, r))) {
        return false;
    }
    r->ends = c->argc > 4;
    return !r->ends || call_read_integer(c, 4, &r->last);
}

void serve_bitpos(node_call *c) {
    keyspace_entry *e;
    kw_slice s;
    int64_t bit;
    bit_range r = {.last = -1};
    if (!call_read_integer(c, 2, &bit)) {
        return;
    }
    if (bit != 0 && bit != 1) {
        call_error(c, "ERR The bit argument must be 1 or 0.");
        return;
    }
    if (!find_string(c, 1, &e, &s)) {
        return;
    }
    if (!e) {
        call_integer(c, bit ? -1 : 0);
        return;
    }
    if (!read_position_range(c, &r)) {
        return;
    }
    clamp(&r, (int64_t)s.len * (r.in_bits ? 8 : 1));
    if (r.first > r.last) {
        call_integer(c, -1);
        return;
    }
    make_bits(&r);
    int64_t found = bits_find(s, bit, (uint64_t)r.first, (uint64_t)r.last);
    if (found < 0 && bit == 0 && !r.ends) {
        found = r.last + 1; /* an open end is followed by zeros */
    }
    call_integer(c, found);
}

/* -------------------------------------------------------------------------------- BITOP */

static bool read_operation(node_call *c, bits_operation *ret) {
    static const char *const words[] = {"and", "or", "xor", "not"};
    for (int i = 0; i < 4; i++) {
        if (call_argument_is(c, 1, words[i])) {
            *ret = (bits_operation)i;
            return true;
        }
    }
    call_syntax_error(c);
    return false;
}

/* Combines the sources into `result`; the longest one's length is that of the result. False: an
 * error was answered. */
static bool combine(node_call *c, bits_operation operation, buffer *result) {
    size_t longest = 0;
    for (size_t i = 3; i < c->argc; i++) {
        keyspace_entry *e;
        kw_slice s;
        if (!find_string(c, i, &e, &s)) {
            return false;
        }
        longest = s.len > longest ? s.len : longest;
    }
    char *bytes = buffer_reserve(result, longest);
    if (longest > 0 && !bytes) {
        call_out_of_memory(c);
        return false;
    }
    for (size_t i = 3; longest > 0 && i < c->argc; i++) {
        const keyspace_entry *e = call_find(c, i);
        kw_slice s = e ? keyspace_value(e) : SLICE_LITERAL("");
        bits_combine(operation, (unsigned char *)bytes, longest, s, i == 3);
    }
    buffer_commit(result, longest);
    return true;
}

static void store_result(node_call *c, kw_slice result) {
    keyspace *ks = c->node->keys;
    if (result.len == 0) {
        keyspace_entry *old = call_find(c, 2);
        if (old) {
            keyspace_remove(ks, old);
        }
    } else if (!keyspace_set(ks, c->argv[2], result, 0)) {
        call_out_of_memory(c);
        return;
    } else {
        keyspace_mark_raw(call_find(c, 2));
    }
    call_integer(c, (int64_t)result.len);
}

void serve_bitop(node_call *c) {
    bits_operation operation;
    if (!read_operation(c, &operation)) {
        return;
    }
    if (operation == BITS_NOT && c->argc != 4) {
        call_error(c, "ERR BITOP NOT must be called with a single source key.");
        return;
    }
    buffer result;
    buffer_init(&result, c->node->mem, LIMIT_BULK_BYTES);
    if (combine(c, operation, &result)) {
        store_result(c, buffer_slice(&result));
    }
    buffer_done(&result);
}
