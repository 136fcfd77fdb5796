#include "node/node_listpack.h"

/* Source: the listpack specification of Redis. Head: all bytes (4), elements (2), little-endian; an
 * element is its encoding with its data, and the length of these, to be read backwards. */
#define HEAD_BYTES 6
#define COUNT_UNKNOWN 65535u
#define TERMINATOR 0xff

enum {
    STRING_6 = 0x80,   /* 10 length */
    INTEGER_13 = 0xc0, /* 110 value */
    STRING_12 = 0xe0,  /* 1110 length */
    STRING_32 = 0xf0,
    INTEGER_16 = 0xf1,
    INTEGER_24 = 0xf2,
    INTEGER_32 = 0xf3,
    INTEGER_64 = 0xf4
};

/* --------------------------------------------------------------------------------- writing */

static void put_little_endian(unsigned char *dst, uint64_t value, size_t width) {
    for (size_t i = 0; i < width; i++) {
        dst[i] = (unsigned char)(value >> (8 * i) & 255);
    }
}

static size_t encode_integer(unsigned char dst[9], int64_t value) {
    uint64_t bits = (uint64_t)value;
    if (value >= 0 && value <= 127) {
        dst[0] = (unsigned char)value;
        return 1;
    }
    if (value >= -4096 && value <= 4095) {
        dst[0] = (unsigned char)(INTEGER_13 | (bits >> 8 & 31));
        dst[1] = (unsigned char)(bits & 255);
        return 2;
    }
    size_t width = value >= INT16_MIN && value <= INT16_MAX        ? 2
                   : value >= -(1 << 23) && value <= (1 << 23) - 1 ? 3
                   : value >= INT32_MIN && value <= INT32_MAX      ? 4
                                                                   : 8;
    dst[0] = (unsigned char)(width == 8 ? INTEGER_64 : INTEGER_16 + width - 2);
    put_little_endian(dst + 1, bits, width);
    return 1 + width;
}

static size_t encode_string_head(unsigned char dst[9], size_t len) {
    if (len < 64) {
        dst[0] = (unsigned char)(STRING_6 | len);
        return 1;
    }
    if (len < 4096) {
        dst[0] = (unsigned char)(STRING_12 | len >> 8);
        dst[1] = (unsigned char)(len & 255);
        return 2;
    }
    dst[0] = STRING_32;
    put_little_endian(dst + 1, len, 4);
    return 5;
}

/* Seven bits a byte, the highest first, all but the first byte marked. The bounds are the servers':
 * one short of what would fit. */
static size_t back_length_width(uint64_t len) {
    return len <= 127 ? 1 : len < 16383 ? 2 : len < 2097151 ? 3 : len < 268435455 ? 4 : 5;
}

static size_t encode_back_length(unsigned char dst[5], uint64_t len) {
    size_t width = back_length_width(len);
    for (size_t i = 0; i < width; i++) {
        uint64_t bits = len >> (7 * (width - 1 - i)) & 127;
        dst[i] = (unsigned char)(bits | (i > 0 ? 128 : 0));
    }
    return width;
}

bool listpack_begin(listpack_writer *w, buffer *out) {
    static const char head[HEAD_BYTES];
    *w = (listpack_writer){.out = out, .start = buffer_len(out)};
    return buffer_append(out, head, sizeof head);
}

bool listpack_add(listpack_writer *w, kw_slice element) {
    unsigned char head[9];
    unsigned char back[5];
    int64_t value;
    kw_slice data = element;
    size_t head_len;
    if (number_read_integer(element, &value)) {
        head_len = encode_integer(head, value);
        data.len = 0;
    } else {
        head_len = encode_string_head(head, element.len);
    }
    size_t back_len = encode_back_length(back, head_len + data.len);
    w->count++;
    return buffer_append(w->out, head, head_len) && buffer_append_slice(w->out, data) &&
           buffer_append(w->out, back, back_len);
}

bool listpack_end(listpack_writer *w) {
    static const unsigned char terminator = TERMINATOR;
    if (!buffer_append(w->out, &terminator, 1)) {
        return false;
    }
    unsigned char *head = (unsigned char *)w->out->data + w->out->begin + w->start;
    put_little_endian(head, listpack_bytes(w), 4);
    put_little_endian(head + 4, w->count < COUNT_UNKNOWN ? w->count : COUNT_UNKNOWN, 2);
    return true;
}

/* --------------------------------------------------------------------------------- reading */

static uint64_t get_little_endian(const unsigned char *src, size_t width) {
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++) {
        value |= (uint64_t)src[i] << (8 * i);
    }
    return value;
}

bool listpack_open(listpack_reader *r, kw_slice bytes) {
    const unsigned char *start = (const unsigned char *)bytes.data;
    if (bytes.len < HEAD_BYTES + 1 || get_little_endian(start, 4) != bytes.len ||
        start[bytes.len - 1] != TERMINATOR) {
        return false;
    }
    uint64_t count = get_little_endian(start + 4, 2);
    *r = (listpack_reader){
        .at = start + HEAD_BYTES,
        .end = start + bytes.len - 1,
        .left = (size_t)count,
        .counted = count != COUNT_UNKNOWN,
    };
    return true;
}

typedef struct element_head {
    size_t head_len;
    uint64_t data_len; /* of a string */
    bool is_integer;
    int64_t value;
} element_head;

/* The two's complement number of so many low bits. */
static int64_t sign_extended(uint64_t bits, unsigned width) {
    uint64_t sign = UINT64_C(1) << (width - 1);
    return (int64_t)((bits ^ sign) - sign);
}

/* The bytes of the encoding itself; 0: there is none such. */
static size_t head_length(unsigned char first) {
    if (first < STRING_6) {
        return 1;
    }
    if (first < INTEGER_13) {
        return 1;
    }
    if (first < STRING_32) {
        return 2;
    }
    switch (first) {
    case INTEGER_16:
        return 3;
    case INTEGER_24:
        return 4;
    case STRING_32:
    case INTEGER_32:
        return 5;
    case INTEGER_64:
        return 9;
    default:
        return 0;
    }
}

static bool read_head(const listpack_reader *r, element_head *ret) {
    const unsigned char *at = r->at;
    unsigned char first = *at;
    *ret = (element_head){.head_len = head_length(first), .is_integer = true};
    if (ret->head_len == 0 || ret->head_len > (size_t)(r->end - at)) {
        return false;
    }
    if (first < STRING_6) {
        ret->value = first;
    } else if (first < INTEGER_13) {
        ret->is_integer = false;
        ret->data_len = first & 63;
    } else if (first < STRING_12) {
        ret->value = sign_extended((uint64_t)(first & 31) << 8 | at[1], 13);
    } else if (first < STRING_32) {
        ret->is_integer = false;
        ret->data_len = (uint64_t)(first & 15) << 8 | at[1];
    } else if (first == STRING_32) {
        ret->is_integer = false;
        ret->data_len = get_little_endian(at + 1, 4);
    } else {
        size_t width = ret->head_len - 1;
        ret->value = sign_extended(get_little_endian(at + 1, width), (unsigned)width * 8);
    }
    return true;
}

listpack_step listpack_next(listpack_reader *r, char text[NUMBER_INTEGER_BYTES],
                            kw_slice *ret_element) {
    if (r->at == r->end) {
        return r->counted && r->left > 0 ? LISTPACK_MALFORMED : LISTPACK_END;
    }
    element_head head;
    if ((r->counted && r->left == 0) || !read_head(r, &head)) {
        return LISTPACK_MALFORMED;
    }
    uint64_t room = (uint64_t)(r->end - r->at) - head.head_len;
    uint64_t len = head.head_len + head.data_len;
    unsigned char back[5];
    size_t back_len = encode_back_length(back, len);
    if (head.data_len > room || back_len > room - head.data_len ||
        memcmp(r->at + len, back, back_len) != 0) {
        return LISTPACK_MALFORMED;
    }
    *ret_element = head.is_integer
                       ? number_write_integer(head.value, text)
                       : slice_of((const char *)r->at + head.head_len, (size_t)head.data_len);
    r->at += len + back_len;
    r->left -= r->counted;
    return LISTPACK_ELEMENT;
}
