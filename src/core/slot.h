/* The slot of a key: CRC16-XMODEM of its hash tag, and 16383 (Redis Cluster specification). */
#ifndef CORE_SLOT_H
#define CORE_SLOT_H

#include "base/slice.h"

#define SLOT_COUNT KW_SLOT_COUNT
#define SLOT_NONE (-1)

uint16_t slot_crc16(kw_slice bytes);

/* The part of the key that is hashed: between the first `{` and the first `}` after it, if that is
 * not empty; else the whole key. */
kw_slice slot_hash_tag(kw_slice key);

int slot_of_key(kw_slice key);

#endif
