#include "node/node_dump.h"

#include "core/limits.h"
#include "node/node_dump_format.h"
#include "node/node_listpack.h"
#include "node/node_lzf.h"
#include "node/value_hash.h"
#include "node/value_list.h"
#include "node/value_set.h"
#include "node/value_zset.h"

#include <assert.h>
#include <math.h>

typedef struct reader {
    const unsigned char *at;
    size_t left;
    const mem *mem;
    uint64_t seed;
} reader;

static bool take(reader *r, size_t count, const unsigned char **ret) {
    if (count > r->left) {
        return false;
    }
    *ret = r->at;
    r->at += count;
    r->left -= count;
    return true;
}

static uint64_t little_endian(const unsigned char *data, size_t width) {
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++) {
        value |= (uint64_t)data[i] << (8 * i);
    }
    return value;
}

static int64_t sign_extended(uint64_t raw, size_t width) {
    return width == 1   ? (int8_t)raw
           : width == 2 ? (int16_t)raw
           : width == 4 ? (int32_t)raw
                        : (int64_t)raw;
}

static dump_result unless_short(bool done) {
    return done ? DUMP_OK : DUMP_NO_MEMORY;
}

/* --------------------------------------------------------------------------------- strings */

/* *ret_encoded: *ret_value names an encoding, not a length. */
static bool read_prefix(reader *r, uint64_t *ret_value, bool *ret_encoded) {
    const unsigned char *bytes;
    if (!take(r, 1, &bytes)) {
        return false;
    }
    unsigned char first = *bytes;
    size_t width = 0;
    *ret_encoded = first >> 6 == LENGTH_ENCODED;
    *ret_value = first & 63;
    if (first >> 6 == LENGTH_14) {
        width = 1;
    } else if (first >> 6 == LENGTH_MORE) {
        *ret_value = 0;
        width = first == LENGTH_BYTE_32 ? 4 : first == LENGTH_BYTE_64 ? 8 : 0;
        if (width == 0) {
            return false;
        }
    }
    if (!take(r, width, &bytes)) {
        return false;
    }
    for (size_t i = 0; i < width; i++) {
        *ret_value = *ret_value << 8 | bytes[i];
    }
    return true;
}

static bool read_length(reader *r, uint64_t *ret) {
    bool encoded;
    return read_prefix(r, ret, &encoded) && !encoded;
}

static dump_result read_compressed(reader *r, buffer *out, kw_slice *ret) {
    uint64_t packed;
    uint64_t expanded;
    const unsigned char *bytes;
    if (!read_length(r, &packed) || !read_length(r, &expanded) || expanded > LIMIT_BULK_BYTES ||
        packed > SIZE_MAX || !take(r, (size_t)packed, &bytes)) {
        return DUMP_BAD_FORMAT;
    }
    buffer_clear(out, SIZE_MAX);
    lzf_result result = lzf_expand(out, slice_of((const char *)bytes, (size_t)packed), expanded);
    *ret = buffer_slice(out);
    return result == LZF_OK ? DUMP_OK : result == LZF_NO_MEMORY ? DUMP_NO_MEMORY : DUMP_BAD_FORMAT;
}

static dump_result read_encoded(reader *r, uint64_t encoding, buffer *out, kw_slice *ret) {
    if (encoding == ENCODED_LZF) {
        return read_compressed(r, out, ret);
    }
    const unsigned char *bytes;
    size_t width = (size_t)1 << encoding;
    if (encoding > ENCODED_INT32 || !take(r, width, &bytes)) {
        return DUMP_BAD_FORMAT;
    }
    char text[NUMBER_INTEGER_BYTES];
    buffer_clear(out, SIZE_MAX);
    int64_t value = sign_extended(little_endian(bytes, width), width);
    bool kept = buffer_append_slice(out, number_write_integer(value, text));
    *ret = buffer_slice(out);
    return unless_short(kept);
}

/* The string is in the payload, or in `out`, which is overwritten. */
static dump_result read_string(reader *r, buffer *out, kw_slice *ret) {
    uint64_t value;
    bool encoded;
    const unsigned char *bytes;
    if (!read_prefix(r, &value, &encoded)) {
        return DUMP_BAD_FORMAT;
    }
    if (encoded) {
        return read_encoded(r, value, out, ret);
    }
    if (value > SIZE_MAX || !take(r, (size_t)value, &bytes)) {
        return DUMP_BAD_FORMAT;
    }
    *ret = slice_of((const char *)bytes, (size_t)value);
    return DUMP_OK;
}

/* The number of elements that follow: some, each at least one byte long. */
static bool read_count(reader *r, uint64_t *ret) {
    return read_length(r, ret) && *ret > 0 && *ret <= r->left;
}

/* ---------------------------------------------------------------------------------- hashes */

static dump_result add_field(value_hash *h, kw_slice field, kw_slice value) {
    bool added = true;
    if (!value_hash_set(h, field, value, &added)) {
        return DUMP_NO_MEMORY;
    }
    return added ? DUMP_OK : DUMP_BAD_FORMAT;
}

static dump_result read_hash(reader *r, buffer *storage, void *object) {
    value_hash *h = object;
    uint64_t count;
    if (!read_count(r, &count)) {
        return DUMP_BAD_FORMAT;
    }
    if (count > HASH_LISTPACK_ENTRIES_MAX && !items_make_index(&h->fields)) {
        return DUMP_NO_MEMORY;
    }
    buffer second;
    buffer_init(&second, r->mem, LIMIT_BULK_BYTES);
    dump_result result = DUMP_OK;
    for (; result == DUMP_OK && count > 0; count--) {
        kw_slice field;
        kw_slice value;
        result = read_string(r, storage, &field);
        result = result == DUMP_OK ? read_string(r, &second, &value) : result;
        result = result == DUMP_OK ? add_field(h, field, value) : result;
    }
    buffer_done(&second);
    return result;
}

/* Elements of a listpack two by two; an odd one is malformed. */
static listpack_step next_pair(listpack_reader *pack, char texts[2][NUMBER_INTEGER_BYTES],
                               kw_slice pair[2]) {
    listpack_step step = listpack_next(pack, texts[0], &pair[0]);
    if (step == LISTPACK_ELEMENT && listpack_next(pack, texts[1], &pair[1]) != step) {
        return LISTPACK_MALFORMED;
    }
    return step;
}

/* What is done with each pair. */
typedef dump_result add_pair(void *object, kw_slice first, kw_slice second);

static dump_result read_pairs(reader *r, buffer *storage, void *object, add_pair *add) {
    kw_slice bytes;
    kw_slice pair[2];
    char texts[2][NUMBER_INTEGER_BYTES];
    listpack_reader pack;
    dump_result result = read_string(r, storage, &bytes);
    if (result != DUMP_OK) {
        return result;
    }
    if (!listpack_open(&pack, bytes)) {
        return DUMP_BAD_FORMAT;
    }
    listpack_step step = next_pair(&pack, texts, pair);
    for (; step == LISTPACK_ELEMENT; step = next_pair(&pack, texts, pair)) {
        result = add(object, pair[0], pair[1]);
        if (result != DUMP_OK) {
            return result;
        }
    }
    return step == LISTPACK_END ? DUMP_OK : DUMP_BAD_FORMAT;
}

static dump_result add_hash_pair(void *object, kw_slice field, kw_slice value) {
    return add_field(object, field, value);
}

static dump_result read_hash_listpack(reader *r, buffer *storage, void *object) {
    return read_pairs(r, storage, object, add_hash_pair);
}

/* ------------------------------------------------------------------------------------ sets */

typedef dump_result add_element(void *object, kw_slice element);

/* Reads so many strings, and adds each. */
static dump_result read_each(reader *r, buffer *storage, uint64_t count, add_element *add,
                             void *object) {
    dump_result result = DUMP_OK;
    for (; result == DUMP_OK && count > 0; count--) {
        kw_slice element;
        result = read_string(r, storage, &element);
        result = result == DUMP_OK ? add(object, element) : result;
    }
    return result;
}

static dump_result add_member(void *s, kw_slice member) {
    bool added = true;
    if (!value_set_add(s, member, &added)) {
        return DUMP_NO_MEMORY;
    }
    return added ? DUMP_OK : DUMP_BAD_FORMAT;
}

static dump_result read_set(reader *r, buffer *storage, void *object) {
    uint64_t count;
    if (!read_count(r, &count)) {
        return DUMP_BAD_FORMAT;
    }
    if (count > SET_INTSET_ENTRIES_MAX && !value_set_make_table(object)) {
        return DUMP_NO_MEMORY;
    }
    return read_each(r, storage, count, add_member, object);
}

static dump_result read_intset(reader *r, buffer *storage, void *object) {
    value_set *s = object;
    kw_slice blob;
    dump_result result = read_string(r, storage, &blob);
    if (result != DUMP_OK) {
        return result;
    }
    if (blob.len < INTSET_HEAD_BYTES) {
        return DUMP_BAD_FORMAT;
    }
    const unsigned char *bytes = (const unsigned char *)blob.data;
    size_t width = (size_t)little_endian(bytes, 4);
    uint64_t count = little_endian(bytes + 4, 4);
    if ((width != 2 && width != 4 && width != 8) ||
        blob.len != INTSET_HEAD_BYTES + (uint64_t)width * count) {
        return DUMP_BAD_FORMAT;
    }
    s->integer_width = (uint8_t)width;
    for (uint64_t i = 0; result == DUMP_OK && i < count; i++) {
        char text[NUMBER_INTEGER_BYTES];
        uint64_t raw = little_endian(bytes + INTSET_HEAD_BYTES + i * width, width);
        result = add_member(s, number_write_integer(sign_extended(raw, width), text));
    }
    return result;
}

/* ----------------------------------------------------------------------------- sorted sets */

static dump_result add_scored(value_zset *z, kw_slice member, double score) {
    if (isnan(score) || value_zset_find(z, member)) {
        return DUMP_BAD_FORMAT;
    }
    return unless_short(value_zset_add(z, member, score) != NULL);
}

static dump_result read_zset(reader *r, buffer *storage, void *object) {
    uint64_t count;
    if (!read_count(r, &count)) {
        return DUMP_BAD_FORMAT;
    }
    value_zset_unpack(object);
    dump_result result = DUMP_OK;
    for (; result == DUMP_OK && count > 0; count--) {
        kw_slice member;
        const unsigned char *bytes;
        result = read_string(r, storage, &member);
        if (result == DUMP_OK && !take(r, 8, &bytes)) {
            result = DUMP_BAD_FORMAT;
        }
        if (result == DUMP_OK) {
            uint64_t bits = little_endian(bytes, 8);
            double score;
            memcpy(&score, &bits, sizeof score);
            result = add_scored(object, member, score);
        }
    }
    value_zset_pack(object);
    return result;
}

static dump_result add_zset_pair(void *object, kw_slice member, kw_slice text) {
    long double score;
    if (!number_read_float(text, &score)) {
        return DUMP_BAD_FORMAT;
    }
    return add_scored(object, member, (double)score);
}

static dump_result read_zset_listpack(reader *r, buffer *storage, void *object) {
    return read_pairs(r, storage, object, add_zset_pair);
}

/* ----------------------------------------------------------------------------------- lists */

static dump_result push(void *l, kw_slice element) {
    return unless_short(value_list_push(l, LIST_TAIL, element));
}

static dump_result read_list(reader *r, buffer *storage, void *object) {
    uint64_t count;
    if (!read_count(r, &count)) {
        return DUMP_BAD_FORMAT;
    }
    return read_each(r, storage, count, push, object);
}

static dump_result push_listpack(value_list *l, kw_slice bytes) {
    listpack_reader pack;
    char text[NUMBER_INTEGER_BYTES];
    kw_slice element;
    if (!listpack_open(&pack, bytes)) {
        return DUMP_BAD_FORMAT;
    }
    listpack_step step = listpack_next(&pack, text, &element);
    for (; step == LISTPACK_ELEMENT; step = listpack_next(&pack, text, &element)) {
        if (push(l, element) != DUMP_OK) {
            return DUMP_NO_MEMORY;
        }
    }
    return step == LISTPACK_END ? DUMP_OK : DUMP_BAD_FORMAT;
}

static dump_result read_quicklist(reader *r, buffer *storage, void *object) {
    uint64_t count;
    if (!read_count(r, &count)) {
        return DUMP_BAD_FORMAT;
    }
    dump_result result = DUMP_OK;
    for (; result == DUMP_OK && count > 0; count--) {
        uint64_t container;
        kw_slice bytes;
        if (!read_length(r, &container) ||
            (container != QUICKLIST_PLAIN && container != QUICKLIST_PACKED)) {
            return DUMP_BAD_FORMAT;
        }
        result = read_string(r, storage, &bytes);
        if (result == DUMP_OK) {
            result =
                container == QUICKLIST_PLAIN ? push(object, bytes) : push_listpack(object, bytes);
        }
    }
    return result;
}

/* --------------------------------------------------------------------------------- by type */

typedef struct object_type {
    int type;
    const value_kind *kind;
    dump_result (*read)(reader *r, buffer *storage, void *object);
} object_type;

static const object_type object_types[] = {
    {DUMP_TYPE_LIST, &value_list_kind, read_list},
    {DUMP_TYPE_SET, &value_set_kind, read_set},
    {DUMP_TYPE_HASH, &value_hash_kind, read_hash},
    {DUMP_TYPE_ZSET, &value_zset_kind, read_zset},
    {DUMP_TYPE_INTSET, &value_set_kind, read_intset},
    {DUMP_TYPE_HASH_LISTPACK, &value_hash_kind, read_hash_listpack},
    {DUMP_TYPE_ZSET_LISTPACK, &value_zset_kind, read_zset_listpack},
    {DUMP_TYPE_QUICKLIST, &value_list_kind, read_quicklist},
};

static dump_result read_object(reader *r, const object_type *type, buffer *storage,
                               dump_value *ret) {
    void *object = type->kind->make(r->mem, r->seed);
    if (!object) {
        return DUMP_NO_MEMORY;
    }
    dump_result result = type->read(r, storage, object);
    if (result == DUMP_OK && (r->left > 0 || type->kind->count(object) == 0)) {
        result = DUMP_BAD_FORMAT;
    }
    if (result != DUMP_OK) {
        type->kind->free(r->mem, object);
        return result;
    }
    *ret = (dump_value){.kind = type->kind, .object = object};
    return DUMP_OK;
}

static dump_result read_plain(reader *r, buffer *storage, dump_value *ret) {
    kw_slice value;
    dump_result result = read_string(r, storage, &value);
    if (result == DUMP_OK && r->left > 0) {
        return DUMP_BAD_FORMAT;
    }
    if (result == DUMP_OK) {
        *ret = (dump_value){.string = value};
    }
    return result;
}

dump_result dump_read(kw_slice payload, const mem *m, uint64_t seed, buffer *storage,
                      dump_value *ret) {
    if (payload.len < DUMP_FOOTER_BYTES) {
        return DUMP_WRONG_CHECKSUM;
    }
    size_t body = payload.len - DUMP_FOOTER_BYTES;
    const unsigned char *bytes = (const unsigned char *)payload.data;
    uint64_t version = little_endian(bytes + body, 2);
    uint64_t crc = little_endian(bytes + body + 2, 8);
    if (version > DUMP_VERSION || dump_crc64(0, slice_of(payload.data, body + 2)) != crc) {
        return DUMP_WRONG_CHECKSUM;
    }
    reader r = {.at = bytes, .left = body, .mem = m, .seed = seed};
    const unsigned char *type;
    if (!take(&r, 1, &type)) {
        return DUMP_BAD_FORMAT;
    }
    for (size_t i = 0; i < sizeof object_types / sizeof *object_types; i++) {
        if (object_types[i].type == *type) {
            return read_object(&r, &object_types[i], storage, ret);
        }
    }
    return *type == DUMP_TYPE_STRING ? read_plain(&r, storage, ret) : DUMP_BAD_FORMAT;
}
