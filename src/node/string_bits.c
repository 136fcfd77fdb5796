#include "node/string_bits.h"

#include "core/limits.h"
#include "node/node_number.h"

uint64_t bits_get(kw_slice s, uint64_t offset, unsigned width) {
    uint64_t value = 0;
    for (unsigned i = 0; i < width; i++, offset++) {
        unsigned byte = offset / 8 < s.len ? (unsigned char)s.data[offset / 8] : 0;
        value = value << 1 | (byte >> (7 - (offset & 7)) & 1);
    }
    return value;
}

void bits_set(char *bytes, uint64_t offset, unsigned width, uint64_t value) {
    for (unsigned i = 0; i < width; i++, offset++) {
        unsigned char mask = (unsigned char)(0x80 >> (offset & 7));
        unsigned char old = (unsigned char)bytes[offset / 8];
        bool on = (value >> (width - 1 - i) & 1) != 0;
        bytes[offset / 8] = (char)(on ? old | mask : old & ~mask);
    }
}

/* The bits first..last of the byte that holds `first`, or fewer if `last` lies in it. */
static unsigned byte_part(kw_slice s, uint64_t first, uint64_t last) {
    unsigned byte = (unsigned char)s.data[first / 8];
    unsigned mask = 0xffu >> (first & 7);
    if (first / 8 == last / 8) {
        mask &= 0xff00u >> ((last & 7) + 1);
    }
    return byte & mask;
}

/* The bits that are set, summed up in pairs, then in fours, then in bytes. */
static int64_t ones(uint64_t word) {
    word -= word >> 1 & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (int64_t)(word * 0x0101010101010101u >> 56);
}

int64_t bits_count(kw_slice s, uint64_t first, uint64_t last) {
    int64_t count = 0;
    while (first <= last) {
        if ((first & 7) == 0 && last - first >= 63) {
            uint64_t word;
            memcpy(&word, s.data + first / 8, sizeof word);
            count += ones(word);
            first += 64;
        } else {
            count += ones(byte_part(s, first, last));
            first = (first | 7) + 1;
        }
    }
    return count;
}

int64_t bits_find(kw_slice s, bool bit, uint64_t first, uint64_t last) {
    const unsigned char skipped = bit ? 0 : 0xff; /* a byte without such a bit */
    while (first <= last) {
        if ((first & 7) == 0 && (unsigned char)s.data[first / 8] == skipped) {
            first += 8;
        } else if (bits_get(s, first, 1) == bit) {
            return (int64_t)first;
        } else {
            first++;
        }
    }
    return -1;
}

void bits_combine(bits_operation operation, unsigned char *dst, size_t len, kw_slice source,
                  bool first) {
    for (size_t i = 0; i < len; i++) {
        unsigned byte = i < source.len ? (unsigned char)source.data[i] : 0;
        unsigned old = dst[i];
        if (operation == BITS_NOT) {
            byte = ~byte;
        } else if (!first) {
            byte = operation == BITS_AND  ? old & byte
                   : operation == BITS_OR ? old | byte
                                          : old ^ byte;
        }
        dst[i] = (unsigned char)byte;
    }
}

bool bits_read_offset(node_call *c, size_t index, unsigned width, uint64_t *ret) {
    kw_slice s = c->argv[index];
    int64_t offset;
    bool counts = width > 0 && s.len > 0 && s.data[0] == '#';
    if (counts) {
        s = slice_of(s.data + 1, s.len - 1);
    }
    int64_t most = (int64_t)LIMIT_BULK_BYTES * 8 - 1;
    if (!number_read_integer(s, &offset) || offset < 0 ||
        offset > most / (int64_t)(counts ? width : 1)) {
        call_error(c, "ERR bit offset is not an integer or out of range");
        return false;
    }
    *ret = (uint64_t)offset * (counts ? width : 1);
    return true;
}
