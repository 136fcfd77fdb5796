#include "tool/quote.h"

#include "tool/tool.h"

#include <stdlib.h>

void words_init(words *w) {
    *w = (words){0};
}

void words_done(words *w) {
    free(w->items);
    free(w->bytes);
    *w = (words){0};
}

static void *grown(void *ptr, size_t count, size_t size) {
    void *moved = mem_resize(&mem_default, ptr, count, size);
    if (!moved) {
        give_up("out of memory");
    }
    return moved;
}

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One escape of double quotes; `at` points behind its backslash. Returns the address behind it. */
static const char *unescape(const char *at, const char *end, char *ret) {
    static const char from[] = "nrtba";
    static const char to[] = "\n\r\t\b\a";
    if (*at == 'x' && end - at > 2 && hex_value(at[1]) >= 0 && hex_value(at[2]) >= 0) {
        *ret = (char)(hex_value(at[1]) * 16 + hex_value(at[2]));
        return at + 3;
    }
    const char *known = memchr(from, *at, sizeof from - 1);
    *ret = known ? to[known - from] : *at;
    return at + 1;
}

/* The quoted run that starts behind its opening quote. NULL: it does not end. */
static const char *read_quoted(const char *at, const char *end, char quote, char **write) {
    while (at < end && *at != quote) {
        char c = *at++;
        if (c == '\\' && at < end && quote == '"') {
            at = unescape(at, end, &c);
        } else if (c == '\\' && at < end && *at == '\'') {
            c = *at++;
        }
        *(*write)++ = c;
    }
    return at < end ? at + 1 : NULL;
}

static const char *read_word(const char *at, const char *end, char **write, const char **ret_why) {
    while (at < end && !is_blank(*at)) {
        if (*at != '"' && *at != '\'') {
            *(*write)++ = *at++;
            continue;
        }
        at = read_quoted(at + 1, end, *at, write);
        if (!at) {
            *ret_why = "a quote is not closed";
            return NULL;
        }
        if (at < end && !is_blank(*at)) {
            *ret_why = "a closing quote must be followed by a space";
            return NULL;
        }
    }
    return at;
}

bool words_split(words *w, const char *line, size_t len, const char **ret_why) {
    w->count = 0;
    if (len > w->bytes_capacity) {
        w->bytes = grown(w->bytes, len, 1);
        w->bytes_capacity = len;
    }
    const char *end = line + len;
    char *write = w->bytes;
    for (const char *at = line;;) {
        while (at < end && is_blank(*at)) {
            at++;
        }
        if (at == end) {
            return true;
        }
        char *start = write;
        at = read_word(at, end, &write, ret_why);
        if (!at) {
            return false;
        }
        if (w->count == w->capacity) {
            w->capacity = w->capacity ? w->capacity * 2 : 16;
            w->items = grown(w->items, w->capacity, sizeof *w->items);
        }
        w->items[w->count++] = slice_of(start, (size_t)(write - start));
    }
}

bool words_take_repeat(words *w, uint64_t *ret_times) {
    int64_t times = 0;
    if (w->count < 2 || !slice_to_i64(w->items[0], &times)) {
        *ret_times = 1;
        return true;
    }
    if (times <= 0) {
        return false;
    }
    w->count--;
    memmove(w->items, w->items + 1, w->count * sizeof *w->items);
    *ret_times = (uint64_t)times;
    return true;
}

static bool has_word(const words *w, size_t from, const char *text) {
    for (size_t i = from; i < w->count; i++) {
        if (slice_is_nocase(w->items[i], text)) {
            return true;
        }
    }
    return false;
}

bool words_are_secret(const words *w) {
    if (w->count == 0) {
        return false;
    }
    kw_slice name = w->items[0];
    kw_slice sub = w->count > 1 ? w->items[1] : SLICE_LITERAL("");
    if (slice_is_nocase(name, "AUTH")) {
        return true;
    }
    if (slice_is_nocase(name, "ACL")) {
        return slice_is_nocase(sub, "SETUSER");
    }
    if (slice_is_nocase(name, "HELLO")) {
        return has_word(w, 2, "AUTH");
    }
    if (slice_is_nocase(name, "MIGRATE")) {
        return has_word(w, 1, "AUTH") || has_word(w, 1, "AUTH2");
    }
    return slice_is_nocase(name, "CONFIG") && slice_is_nocase(sub, "SET") &&
           (has_word(w, 2, "requirepass") || has_word(w, 2, "masterauth") ||
            has_word(w, 2, "masteruser") || has_word(w, 2, "primaryauth") ||
            has_word(w, 2, "primaryuser") || has_word(w, 2, "tls-key-file-pass") ||
            has_word(w, 2, "tls-client-key-file-pass"));
}

void quote_write(out *o, kw_slice s) {
    static const char special[] = "\n\r\t\a\b\\\"";
    static const char letter[] = "nrtab\\\"";
    out_char(o, '"');
    size_t plain = 0; /* start of the run that needs no escape */
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        const char *found = memchr(special, c, sizeof special - 1);
        if (!found && c >= ' ' && c <= '~') {
            continue;
        }
        out_bytes(o, s.data + plain, i - plain);
        plain = i + 1;
        if (found) {
            char escape[2] = {'\\', letter[found - special]};
            out_bytes(o, escape, sizeof escape);
        } else {
            out_printf(o, "\\x%02x", (unsigned)(unsigned char)c);
        }
    }
    out_bytes(o, s.data + plain, s.len - plain);
    out_char(o, '"');
}
