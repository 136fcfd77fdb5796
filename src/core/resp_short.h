/* Short values and commands, which most are: read and written in place, without a call. What is not
 * short, not whole or not right is left to core/resp. */
#ifndef CORE_RESP_SHORT_H
#define CORE_RESP_SHORT_H

#include "base/word.h"
#include "core/resp.h"

/* ------------------------------------------------------------------- values */

#define RESP_PEEK_LINE_BYTES 32    /* of a line with its type */
#define RESP_PEEK_STRING_BYTES 999 /* three digits */
#define RESP_PEEK_BYTES_MAX (RESP_PEEK_LINE_BYTES + RESP_PEEK_STRING_BYTES)

static inline bool resp_ends_line(const char *at) {
    return at[0] == '\r' && at[1] == '\n';
}

/* Bytes up to the first that is a control character; at most len. */
static inline size_t resp_plain_run(const char *data, size_t len) {
    size_t count = 0;
    if (len >= WORD_BYTES) { /* mostly among the first: OK, QUEUED */
        uint64_t control = word_find_below(word_load(data), ' ');
        if (control != 0) {
            return word_first(control);
        }
        count = WORD_BYTES;
    }
    while (count < len && (uint8_t)data[count] >= ' ') {
        count++;
    }
    return count;
}

static inline size_t resp_digit_run(const char *data, size_t len) {
    size_t count = 0;
    while (count < len && (uint8_t)(data[count] - '0') < 10) {
        count++;
    }
    return count;
}

/* Of at least 4 bytes. */
static inline size_t resp_peek_string(const char *data, size_t len, kw_slice *ret_text) {
    size_t size = (uint8_t)(data[1] - '0');
    size_t at = 2;
    if (size > 9) {
        return 0;
    }
    for (; at < 4 && (uint8_t)(data[at] - '0') < 10; at++) {
        size = size * 10 + (size_t)(data[at] - '0');
    }
    size_t total = at + 2 + size + 2;
    if (len < total || !resp_ends_line(data + at) || !resp_ends_line(data + total - 2)) {
        return 0;
    }
    *ret_text = slice_of(data + at + 2, size);
    return total;
}

#define RESP_OK "+OK\r\n"

/* What most writes are answered by. */
static inline bool resp_is_ok(const char *data, size_t len) {
    return len >= sizeof RESP_OK - 1 && word_load_half(data) == word_load_half(RESP_OK) &&
           data[4] == '\n';
}

/* Most replies are one short value, whole: `+` `:` `$`. Returns its length and its text (the line
 * without its type, or the string); 0: it is something else, or wrong, or not whole, which
 * resp_scan will tell. */
static inline size_t resp_peek(const char *data, size_t len, const resp_limits *limits,
                               kw_slice *ret_text) {
    size_t most = len < RESP_PEEK_LINE_BYTES ? len : RESP_PEEK_LINE_BYTES;
    size_t size = 0;
    if (limits->value_bytes < RESP_PEEK_BYTES_MAX || len < 4) {
        return 0;
    }
    if (data[0] == '$') {
        return resp_peek_string(data, len, ret_text);
    }
    if (resp_is_ok(data, len)) {
        *ret_text = slice_of(data + 1, 2);
        return sizeof RESP_OK - 1;
    }
    if (data[0] == '+') {
        size = resp_plain_run(data + 1, most - 3);
    } else if (data[0] == ':') { /* so few digits fit into 64 bits */
        size = resp_digit_run(data + 1, most - 3 < 18 ? most - 3 : 18);
    }
    if (size == 0 || !resp_ends_line(data + 1 + size)) {
        return 0;
    }
    *ret_text = slice_of(data + 1, size);
    return size + 3;
}

/* ----------------------------------------------------------------- commands */

#define RESP_SHORT_BYTES 99    /* of an argument */
#define RESP_SHORT_ARGUMENTS 9 /* one digit */

/* What stands before an argument of so many bytes: the end of the line or argument before it, and
 * its own header. */
extern const char resp_short_heads[RESP_SHORT_BYTES + 1][8];

/* A command's name on the wire, as its first argument, for names that are used again: the end of
 * the line before it, its header, and up to WORD_BYTES of its own. */
typedef struct resp_short_name {
    char bytes[16];
    uint32_t len;
} resp_short_name;

static inline resp_short_name resp_short_name_of(kw_slice name) {
    resp_short_name wire = {.len = 6 + (uint32_t)name.len};
    memcpy(wire.bytes, resp_short_heads[name.len], sizeof resp_short_heads[0]);
    memcpy(wire.bytes + 6, name.data, name.len);
    return wire;
}

/* Room that is enough for a command of so many short arguments. */
static inline size_t resp_short_room(size_t argc) {
    return 4 + argc * (sizeof resp_short_heads[0] + RESP_SHORT_BYTES);
}

/* A command as resp_command_encode writes it, for few and short arguments; dst has resp_short_room.
 * name: of argv[0], if it is known; or NULL. Returns one past the last byte; NULL: they are not so
 * few and short, and what was written is of no use. */
static inline char *resp_short_encode(char *dst, const kw_slice *argv, size_t argc,
                                      const resp_short_name *name) {
    if (argc > RESP_SHORT_ARGUMENTS) {
        return NULL;
    }
    dst[0] = '*';
    dst[1] = (char)('0' + argc);
    dst += 2;
    const kw_slice *end = argv + argc;
    if (name) {
        memcpy(dst, name->bytes, sizeof name->bytes);
        dst += name->len;
        argv++;
    }
    for (; argv != end; argv++) {
        kw_slice argument = *argv;
        if (argument.len > RESP_SHORT_BYTES) {
            return NULL;
        }
        memcpy(dst, resp_short_heads[argument.len], sizeof resp_short_heads[0]);
        dst += argument.len < 10 ? 6 : 7;
        if (argument.len < 32) {
            slice_put(dst, argument);
        } else {
            slice_put_ends(dst, argument, argument.len < 64 ? 32 : 64);
        }
        dst += argument.len;
    }
    memcpy(dst, "\r\n", 2);
    return dst + 2;
}

#endif
