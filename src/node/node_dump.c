#include "node/node_dump.h"

#include "core/limits.h"
#include "node/node_number.h"

#define DUMP_VERSION 10 /* what redis-server 7.0 writes */
#define DUMP_TYPE_STRING 0
#define DUMP_FOOTER_BYTES 10 /* version, CRC64 */

/* The first byte of a length says in its two top bits how long the length is, or that an encoded
 * value follows; its six low bits begin the length or name the encoding. */
enum { LENGTH_6 = 0, LENGTH_14 = 1, LENGTH_MORE = 2, LENGTH_ENCODED = 3 };
enum { LENGTH_BYTE_32 = 0x80, LENGTH_BYTE_64 = 0x81 };
enum { ENCODED_INT8 = 0, ENCODED_INT16 = 1, ENCODED_INT32 = 2, ENCODED_LZF = 3 };

/* CRC-64 of Jones, reflected, four bits at a time: row i is the remainder of i. */
static const uint64_t crc64_row[16] = {
    0x0000000000000000, 0x7d08ff3b88be6f81, 0xfa11fe77117cdf02, 0x8719014c99c2b083,
    0xdf7adabd7a6e2d6f, 0xa2722586f2d042ee, 0x256b24ca6b12f26d, 0x5863dbf1e3ac9dec,
    0x95ac9329ac4bc9b5, 0xe8a46c1224f5a634, 0x6fbd6d5ebd3716b7, 0x12b5926535897936,
    0x4ad64994d625e4da, 0x37deb6af5e9b8b5b, 0xb0c7b7e3c7593bd8, 0xcdcf48d84fe75459,
};

uint64_t dump_crc64(uint64_t crc, kw_slice bytes) {
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= (unsigned char)bytes.data[i];
        crc = crc64_row[crc & 15] ^ (crc >> 4);
        crc = crc64_row[crc & 15] ^ (crc >> 4);
    }
    return crc;
}

/* --------------------------------------------------------------------------------- writing */

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

static bool write_encoded_integer(buffer *b, int64_t value) {
    int encoding = value >= INT8_MIN && value <= INT8_MAX     ? ENCODED_INT8
                   : value >= INT16_MIN && value <= INT16_MAX ? ENCODED_INT16
                                                              : ENCODED_INT32;
    unsigned char bytes[5] = {(unsigned char)(LENGTH_ENCODED << 6 | encoding)};
    size_t width = (size_t)1 << encoding;
    for (size_t i = 0; i < width; i++) {
        bytes[1 + i] = (unsigned char)((uint64_t)value >> (8 * i) & 255);
    }
    return buffer_append(b, bytes, 1 + width);
}

static bool write_string(buffer *b, kw_slice value) {
    int64_t integer;
    if (value.len <= 11 && number_read_integer(value, &integer) && integer >= INT32_MIN &&
        integer <= INT32_MAX) {
        return write_encoded_integer(b, integer);
    }
    return write_length(b, value.len) && buffer_append_slice(b, value);
}

static uint64_t read_little_endian(const char *data, size_t width) {
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++) {
        value |= (uint64_t)(unsigned char)data[i] << (8 * i);
    }
    return value;
}

bool dump_write(buffer *b, kw_slice value) {
    size_t before = buffer_len(b);
    const unsigned char type = DUMP_TYPE_STRING;
    const unsigned char version[2] = {DUMP_VERSION, 0};
    if (!buffer_append(b, &type, 1) || !write_string(b, value) ||
        !buffer_append(b, version, sizeof version)) {
        return false;
    }
    kw_slice all = buffer_slice(b);
    uint64_t crc = dump_crc64(0, slice_of(all.data + before, all.len - before));
    unsigned char bytes[8];
    for (size_t i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)(crc >> (8 * i) & 255);
    }
    return buffer_append(b, bytes, sizeof bytes);
}

/* --------------------------------------------------------------------------------- reading */

typedef struct reader {
    const unsigned char *at;
    size_t left;
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

/* *ret_encoded: *ret_value names an encoding, not a length. */
static bool read_length(reader *r, uint64_t *ret_value, bool *ret_encoded) {
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

/* LZF: runs of literal bytes, and references to bytes that were put out before. */
static dump_result expand(const unsigned char *in, size_t len, uint64_t expanded, buffer *out) {
    reader r = {in, len};
    const unsigned char *byte;
    while (take(&r, 1, &byte)) {
        size_t control = *byte;
        if (control < 32) {
            if (!take(&r, control + 1, &byte) || buffer_len(out) + control + 1 > expanded) {
                return DUMP_BAD_FORMAT;
            }
            if (!buffer_append(out, byte, control + 1)) {
                return DUMP_NO_MEMORY;
            }
            continue;
        }
        size_t count = control >> 5;
        if (count == 7) {
            if (!take(&r, 1, &byte)) {
                return DUMP_BAD_FORMAT;
            }
            count += *byte;
        }
        count += 2;
        if (!take(&r, 1, &byte)) {
            return DUMP_BAD_FORMAT;
        }
        size_t back = ((control & 31) << 8 | *byte) + 1;
        if (back > buffer_len(out) || buffer_len(out) + count > expanded) {
            return DUMP_BAD_FORMAT;
        }
        char *to = buffer_reserve(out, count);
        if (!to) {
            return DUMP_NO_MEMORY;
        }
        for (size_t i = 0; i < count; i++) {
            to[i] = to[(ptrdiff_t)i - (ptrdiff_t)back]; /* may overlap what it writes */
        }
        buffer_commit(out, count);
    }
    return buffer_len(out) == expanded ? DUMP_OK : DUMP_BAD_FORMAT;
}

static dump_result read_compressed(reader *r, buffer *out) {
    uint64_t packed;
    uint64_t expanded;
    bool encoded;
    const unsigned char *bytes;
    if (!read_length(r, &packed, &encoded) || encoded || !read_length(r, &expanded, &encoded) ||
        encoded || expanded > LIMIT_BULK_BYTES || packed > SIZE_MAX ||
        !take(r, (size_t)packed, &bytes)) {
        return DUMP_BAD_FORMAT;
    }
    return expand(bytes, (size_t)packed, expanded, out);
}

static dump_result read_encoded(reader *r, uint64_t encoding, buffer *out) {
    if (encoding == ENCODED_LZF) {
        return read_compressed(r, out);
    }
    const unsigned char *bytes;
    size_t width = (size_t)1 << encoding;
    if (encoding > ENCODED_INT32 || !take(r, width, &bytes)) {
        return DUMP_BAD_FORMAT;
    }
    uint64_t raw = read_little_endian((const char *)bytes, width);
    int64_t value = encoding == ENCODED_INT8    ? (int8_t)raw
                    : encoding == ENCODED_INT16 ? (int16_t)raw
                                                : (int32_t)raw;
    return buffer_printf(out, "%lld", (long long)value) ? DUMP_OK : DUMP_NO_MEMORY;
}

static dump_result read_string(reader *r, buffer *out) {
    uint64_t value;
    bool encoded;
    const unsigned char *bytes;
    if (!read_length(r, &value, &encoded)) {
        return DUMP_BAD_FORMAT;
    }
    if (encoded) {
        return read_encoded(r, value, out);
    }
    if (value > SIZE_MAX || !take(r, (size_t)value, &bytes)) {
        return DUMP_BAD_FORMAT;
    }
    return buffer_append(out, bytes, (size_t)value) ? DUMP_OK : DUMP_NO_MEMORY;
}

dump_result dump_read(kw_slice payload, buffer *ret_value) {
    if (payload.len < DUMP_FOOTER_BYTES) {
        return DUMP_WRONG_CHECKSUM;
    }
    size_t body = payload.len - DUMP_FOOTER_BYTES;
    uint64_t version = read_little_endian(payload.data + body, 2);
    uint64_t crc = read_little_endian(payload.data + body + 2, 8);
    if (version > DUMP_VERSION || dump_crc64(0, slice_of(payload.data, body + 2)) != crc) {
        return DUMP_WRONG_CHECKSUM;
    }
    reader r = {(const unsigned char *)payload.data, body};
    const unsigned char *type;
    if (!take(&r, 1, &type) || *type != DUMP_TYPE_STRING) {
        return DUMP_BAD_FORMAT;
    }
    dump_result result = read_string(&r, ret_value);
    return result == DUMP_OK && r.left > 0 ? DUMP_BAD_FORMAT : result;
}
