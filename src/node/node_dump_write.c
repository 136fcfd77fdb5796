#include "node/node_dump.h"

#include "base/number.h"
#include "node/node_dump_format.h"
#include "node/node_listpack.h"
#include "node/node_lzf.h"
#include "node/value_hash.h"
#include "node/value_list.h"
#include "node/value_set.h"
#include "node/value_zset.h"

#include <math.h>

#define COMPRESSED_LONGER_THAN 20u
#define COMPRESSION_SAVES 4u /* bytes at least, or the string is written as it is */

/* Of one listpack in a list (list-max-listpack-size -2), and what the servers add to an element's
 * length when they ask whether it still fits. */
#define QUICKLIST_NODE_BYTES 8192u
#define QUICKLIST_ELEMENT_OVERHEAD 8u

static bool write_byte(buffer *b, int byte) {
    unsigned char bytes[1] = {(unsigned char)byte};
    return buffer_append(b, bytes, 1);
}

static bool write_length(buffer *b, size_t len) {
    unsigned char bytes[9];
    size_t count = 0;
    if (len < 64) {
        bytes[count++] = (unsigned char)len;
    } else if (len < 16384) {
        bytes[count++] = (unsigned char)(LENGTH_14 << 6 | len >> 8);
        bytes[count++] = (unsigned char)(len & 255);
    } else {
        bool wide = len > UINT32_MAX;
        bytes[count++] = wide ? LENGTH_BYTE_64 : LENGTH_BYTE_32;
        for (int shift = wide ? 56 : 24; shift >= 0; shift -= 8) {
            bytes[count++] = (unsigned char)(len >> shift & 255);
        }
    }
    return buffer_append(b, bytes, count);
}

static bool write_little_endian(buffer *b, uint64_t value, size_t width) {
    unsigned char bytes[8];
    for (size_t i = 0; i < width; i++) {
        bytes[i] = (unsigned char)(value >> (8 * i) & 255);
    }
    return buffer_append(b, bytes, width);
}

static bool write_encoded_integer(buffer *b, int64_t value) {
    int encoding = value >= INT8_MIN && value <= INT8_MAX     ? ENCODED_INT8
                   : value >= INT16_MIN && value <= INT16_MAX ? ENCODED_INT16
                                                              : ENCODED_INT32;
    return write_byte(b, LENGTH_ENCODED << 6 | encoding) &&
           write_little_endian(b, (uint64_t)value, (size_t)1 << encoding);
}

/* *ret_packed: it was worth while, and is written. */
static bool write_compressed(buffer *b, kw_slice value, bool *ret_packed) {
    buffer packed;
    buffer_init(&packed, b->mem, 0);
    lzf_result result = lzf_pack(&packed, value, value.len - COMPRESSION_SAVES);
    bool written = result != LZF_NO_MEMORY;
    if (result == LZF_OK) {
        written = write_byte(b, LENGTH_ENCODED << 6 | ENCODED_LZF) &&
                  write_length(b, buffer_len(&packed)) && write_length(b, value.len) &&
                  buffer_append_slice(b, buffer_slice(&packed));
    }
    *ret_packed = result == LZF_OK;
    buffer_done(&packed);
    return written;
}

static bool write_string(buffer *b, kw_slice value) {
    int64_t integer;
    if (value.len <= 11 && number_read_integer(value, &integer) && integer >= INT32_MIN &&
        integer <= INT32_MAX) {
        return write_encoded_integer(b, integer);
    }
    bool packed = false;
    if (value.len > COMPRESSED_LONGER_THAN && !write_compressed(b, value, &packed)) {
        return false;
    }
    return packed || (write_length(b, value.len) && buffer_append_slice(b, value));
}

/* ------------------------------------------------------------------------------ by type */

/* Ends a listpack that was made in a buffer of its own, and writes it as a string. */
static bool write_listpack(buffer *b, listpack_writer *pack) {
    return listpack_end(pack) && write_string(b, buffer_slice(pack->out));
}

static bool write_hash_fields(buffer *b, const value_hash *h, listpack_writer *pack) {
    bool written = true;
    for (size_t i = 0; written && i < value_hash_count(h); i++) {
        kw_slice field;
        kw_slice value;
        value_hash_at(h, i, &field, &value);
        written = pack ? listpack_add(pack, field) && listpack_add(pack, value)
                       : write_string(b, field) && write_string(b, value);
    }
    return written;
}

static bool write_hash(buffer *b, const value_hash *h, buffer *scratch) {
    listpack_writer pack;
    if (!value_hash_is_listpack(h)) {
        return write_byte(b, DUMP_TYPE_HASH) && write_length(b, value_hash_count(h)) &&
               write_hash_fields(b, h, NULL);
    }
    return write_byte(b, DUMP_TYPE_HASH_LISTPACK) && listpack_begin(&pack, scratch) &&
           write_hash_fields(b, h, &pack) && write_listpack(b, &pack);
}

static bool write_intset(buffer *b, const value_set *s, buffer *scratch) {
    bool written = write_little_endian(scratch, s->integer_width, 4) &&
                   write_little_endian(scratch, s->integer_count, 4);
    for (uint32_t i = 0; written && i < s->integer_count; i++) {
        written = write_little_endian(scratch, (uint64_t)s->integers[i], s->integer_width);
    }
    return written && write_byte(b, DUMP_TYPE_INTSET) && write_string(b, buffer_slice(scratch));
}

static bool write_set(buffer *b, const value_set *s, buffer *scratch) {
    if (value_set_is_intset(s)) {
        return write_intset(b, s, scratch);
    }
    bool written = write_byte(b, DUMP_TYPE_SET) && write_length(b, value_set_count(s));
    for (size_t i = 0; written && i < value_set_count(s); i++) {
        char text[NUMBER_INTEGER_BYTES];
        written = write_string(b, value_set_at(s, i, text));
    }
    return written;
}

/* In a listpack a score is text, or an integer if it is one. */
static bool add_score(listpack_writer *pack, double score) {
    char text[NUMBER_TEXT_BYTES];
    size_t len = number_format(text, 'g', 17, score);
    if (fabs(score) < 4503599627370496.0 && score == (double)(int64_t)score) { /* 2^52 */
        return listpack_add(pack, number_write_integer((int64_t)score, text));
    }
    return listpack_add(pack, slice_of(text, len));
}

static bool write_packed_zset(buffer *b, const value_zset *z, buffer *scratch) {
    listpack_writer pack;
    bool written = write_byte(b, DUMP_TYPE_ZSET_LISTPACK) && listpack_begin(&pack, scratch);
    for (const zset_node *n = value_zset_at(z, 0); written && n; n = zset_node_next(n)) {
        written = listpack_add(&pack, zset_node_member(n)) && add_score(&pack, zset_node_score(n));
    }
    return written && write_listpack(b, &pack);
}

/* From the highest score to the lowest. */
static bool write_zset(buffer *b, const value_zset *z, buffer *scratch) {
    if (value_zset_is_packed(z)) {
        return write_packed_zset(b, z, scratch);
    }
    size_t count = value_zset_count(z);
    bool written = write_byte(b, DUMP_TYPE_ZSET) && write_length(b, count);
    const zset_node *n = count > 0 ? value_zset_at(z, count - 1) : NULL;
    for (; written && n; n = zset_node_prev(n)) {
        double score = zset_node_score(n);
        uint64_t bits;
        memcpy(&bits, &score, sizeof bits);
        written = write_string(b, zset_node_member(n)) && write_little_endian(b, bits, 8);
    }
    return written;
}

/* The index after the last element of the listpack that begins with `first`. */
static size_t list_node_end(const value_list *l, size_t first, buffer *scratch) {
    listpack_writer pack;
    if (!listpack_begin(&pack, scratch)) {
        return first;
    }
    size_t i = first;
    for (; i < value_list_count(l); i++) {
        kw_slice element = value_list_at(l, i);
        size_t sum = listpack_bytes(&pack) + 1 + element.len + QUICKLIST_ELEMENT_OVERHEAD;
        if (i > first && sum > QUICKLIST_NODE_BYTES) {
            break;
        }
        if (!listpack_add(&pack, element)) {
            return first;
        }
    }
    return listpack_end(&pack) ? i : first;
}

static bool write_list(buffer *b, const value_list *l, buffer *scratch) {
    size_t count = value_list_count(l);
    size_t node_count = 0;
    buffer nodes;
    buffer_init(&nodes, b->mem, 0);
    bool written = true;
    for (size_t first = 0; written && first < count; node_count++) {
        buffer_clear(scratch, QUICKLIST_NODE_BYTES);
        size_t end = list_node_end(l, first, scratch);
        written = end > first && write_length(&nodes, QUICKLIST_PACKED) &&
                  write_string(&nodes, buffer_slice(scratch));
        first = end;
    }
    written = written && write_byte(b, DUMP_TYPE_QUICKLIST) && write_length(b, node_count) &&
              buffer_append_slice(b, buffer_slice(&nodes));
    buffer_done(&nodes);
    return written;
}

static bool write_value(buffer *b, const dump_value *v, buffer *scratch) {
    if (v->kind == &value_hash_kind) {
        return write_hash(b, v->object, scratch);
    }
    if (v->kind == &value_set_kind) {
        return write_set(b, v->object, scratch);
    }
    if (v->kind == &value_zset_kind) {
        return write_zset(b, v->object, scratch);
    }
    if (v->kind == &value_list_kind) {
        return write_list(b, v->object, scratch);
    }
    return write_byte(b, DUMP_TYPE_STRING) && write_string(b, v->string);
}

bool dump_write(buffer *b, const dump_value *value) {
    size_t before = buffer_len(b);
    buffer scratch;
    buffer_init(&scratch, b->mem, 0);
    bool written = write_value(b, value, &scratch) && write_little_endian(b, DUMP_VERSION, 2);
    buffer_done(&scratch);
    if (!written) {
        return false;
    }
    kw_slice all = buffer_slice(b);
    uint64_t crc = dump_crc64(0, slice_of(all.data + before, all.len - before));
    return write_little_endian(b, crc, 8);
}
