#include "core/slot.h"

#include "core/slot_tables.inc"

static inline uint16_t crc16_byte(uint16_t crc, uint8_t byte) {
    return (uint16_t)((crc << 8) ^ crc16_tables[0][(crc >> 8) ^ byte]);
}

/* CRC16-XMODEM: polynomial 0x1021, start 0, nothing reflected. Eight bytes a step: the CRC so far
 * joins the first two, and each byte counts as if zeros stood behind it. */
static inline uint16_t crc16(kw_slice bytes) {
    const uint8_t *at = (const uint8_t *)bytes.data;
    size_t left = bytes.len;
    uint16_t crc = 0;
    for (; left >= 8; left -= 8, at += 8) {
        crc =
            (uint16_t)(crc16_tables[7][at[0] ^ (crc >> 8)] ^ crc16_tables[6][at[1] ^ (crc & 255)] ^
                       crc16_tables[5][at[2]] ^ crc16_tables[4][at[3]] ^ crc16_tables[3][at[4]] ^
                       crc16_tables[2][at[5]] ^ crc16_tables[1][at[6]] ^ crc16_tables[0][at[7]]);
    }
    for (; left > 0; left--) {
        crc = crc16_byte(crc, *at++);
    }
    return crc;
}

uint16_t slot_crc16(kw_slice bytes) {
    return crc16(bytes);
}

enum { BLOCK_BYTES = 16 };
typedef uint8_t block __attribute__((vector_size(BLOCK_BYTES)));

static inline bool block_has_brace(const char *data) {
    block bytes;
    uint64_t marks[2];
    memcpy(&bytes, data, sizeof bytes);
    bytes = (block)(bytes == '{');
    memcpy(marks, &bytes, sizeof marks);
    return (marks[0] | marks[1]) != 0;
}

/* What is searched without a call; the last block overlaps the one before it. */
static inline bool is_searched_in_place(kw_slice key) {
    return key.len - BLOCK_BYTES <= 3 * (size_t)BLOCK_BYTES;
}

static inline bool has_brace(kw_slice key) {
    bool found = block_has_brace(key.data + key.len - BLOCK_BYTES);
    for (size_t at = 0; at + BLOCK_BYTES < key.len; at += BLOCK_BYTES) {
        found = found || block_has_brace(key.data + at);
    }
    return found;
}

kw_slice slot_hash_tag(kw_slice key) {
    const char *open = key.len > 0 ? memchr(key.data, '{', key.len) : NULL;
    if (!open) {
        return key;
    }
    const char *tag = open + 1;
    size_t rest = key.len - (size_t)(tag - key.data);
    const char *close = rest > 0 ? memchr(tag, '}', rest) : NULL;
    return close && close > tag ? slice_of(tag, (size_t)(close - tag)) : key;
}

static __attribute__((noinline)) int slot_of_tag(kw_slice key) {
    return crc16(slot_hash_tag(key)) & (SLOT_COUNT - 1);
}

int slot_of_key(kw_slice key) {
    bool is_whole = is_searched_in_place(key) && !has_brace(key);
    return is_whole ? crc16(key) & (SLOT_COUNT - 1) : slot_of_tag(key);
}
