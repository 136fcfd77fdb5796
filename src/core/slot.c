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

static inline kw_slice hash_tag(kw_slice key) {
    const char *open = key.len > 0 ? memchr(key.data, '{', key.len) : NULL;
    if (!open) {
        return key;
    }
    const char *tag = open + 1;
    size_t rest = key.len - (size_t)(tag - key.data);
    const char *close = rest > 0 ? memchr(tag, '}', rest) : NULL;
    return close && close > tag ? slice_of(tag, (size_t)(close - tag)) : key;
}

kw_slice slot_hash_tag(kw_slice key) {
    return hash_tag(key);
}

int slot_of_key(kw_slice key) {
    return crc16(hash_tag(key)) & (SLOT_COUNT - 1);
}
