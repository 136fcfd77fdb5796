#include "base/buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define BUFFER_FIRST_BYTES 256

void buffer_init(buffer *b, const mem *m, size_t cap) {
    *b = (buffer){.mem = m, .cap = cap};
}

void buffer_done(buffer *b) {
    if (b) {
        mem_free(b->mem, b->data);
        *b = (buffer){.mem = b->mem, .cap = b->cap};
    }
}

static void move_to_front(buffer *b) {
    size_t len = buffer_len(b);
    if (len > 0) {
        memmove(b->data, b->data + b->begin, len);
    }
    b->begin = 0;
    b->end = len;
}

static size_t grown_capacity(const buffer *b, size_t need) {
    size_t capacity = b->capacity > 0 ? b->capacity : BUFFER_FIRST_BYTES;
    while (capacity < need || capacity == b->capacity) {
        if (capacity > SIZE_MAX / 2) {
            capacity = SIZE_MAX;
            break;
        }
        capacity *= 2;
    }
    return b->cap != 0 && capacity > b->cap ? b->cap : capacity;
}

static bool grow(buffer *b, size_t capacity) {
    size_t len = buffer_len(b);
    if (b->begin == 0 || !b->data) {
        char *data = mem_resize(b->mem, b->data, capacity, 1);
        if (!data) {
            return false;
        }
        b->data = data;
    } else {
        assert(b->data); /* or nothing could have been consumed */
        char *data = mem_alloc(b->mem, capacity);
        if (!data) {
            return false;
        }
        memcpy(data, b->data + b->begin, len);
        mem_free(b->mem, b->data);
        b->data = data;
        b->begin = 0;
        b->end = len;
    }
    b->capacity = capacity;
    return true;
}

static char *reserve(buffer *b, size_t count, bool exactly) {
    if (b->data && count <= b->capacity - b->end) {
        return b->data + b->end;
    }
    size_t len = buffer_len(b);
    if (count > SIZE_MAX - len) {
        return NULL;
    }
    size_t need = len + count;
    if (b->cap != 0 && need > b->cap) {
        return NULL;
    }
    /* Moving pays only when at least as much was consumed as is moved: else a slow reader of a
     * full buffer would move it again and again. */
    bool fits = b->data && need <= b->capacity;
    if (fits && b->begin >= len) {
        move_to_front(b);
        return b->data + b->end;
    }
    size_t capacity = exactly ? need : grown_capacity(b, need);
    if (capacity > b->capacity && grow(b, capacity)) {
        return b->data + b->end;
    }
    if (!fits) {
        return NULL;
    }
    move_to_front(b);
    return b->data + b->end;
}

char *buffer_reserve(buffer *b, size_t count) {
    return reserve(b, count, false);
}

char *buffer_reserve_exactly(buffer *b, size_t count) {
    return reserve(b, count, true);
}

char *buffer_detach(buffer *b, size_t len, size_t keep_bytes) {
    size_t rest = buffer_len(b) - len;
    size_t capacity = rest > keep_bytes ? rest : keep_bytes;
    char *data = mem_alloc(b->mem, capacity);
    if (!data) {
        return NULL;
    }
    char *given = b->data;
    memcpy(data, given + b->begin + len, rest);
    b->data = data;
    b->begin = 0;
    b->end = rest;
    b->capacity = capacity;
    return given;
}

void buffer_commit(buffer *b, size_t count) {
    assert(count <= buffer_room(b));
    b->end += count;
}

void buffer_consume(buffer *b, size_t count) {
    assert(count <= buffer_len(b));
    b->begin += count;
    if (b->begin == b->end) {
        b->begin = 0;
        b->end = 0;
    }
}

void buffer_clear(buffer *b, size_t keep_bytes) {
    b->begin = 0;
    b->end = 0;
    if (b->capacity <= keep_bytes) {
        return;
    }
    if (keep_bytes == 0) {
        mem_free(b->mem, b->data);
        b->data = NULL;
        b->capacity = 0;
        return;
    }
    char *data = mem_resize(b->mem, b->data, keep_bytes, 1);
    if (data) {
        b->data = data;
        b->capacity = keep_bytes;
    }
}

bool buffer_append(buffer *b, const void *data, size_t len) {
    if (len == 0) {
        return true;
    }
    char *room = buffer_reserve(b, len);
    if (!room) {
        return false;
    }
    memcpy(room, data, len);
    b->end += len;
    return true;
}

bool buffer_append_slice(buffer *b, kw_slice s) {
    return buffer_append(b, s.data, s.len);
}

bool buffer_append_text(buffer *b, const char *text) {
    return buffer_append(b, text, strlen(text));
}

/* Text of any length goes through a piece of its own: the terminator that vsnprintf writes would
 * else need room beyond the cap. */
static bool append_long(buffer *b, size_t len, const char *format, va_list args) {
    char *text = mem_alloc(b->mem, len + 1);
    if (!text) {
        return false;
    }
    int written = vsnprintf(text, len + 1, format, args);
    bool ok = written >= 0 && (size_t)written == len && buffer_append(b, text, len);
    mem_free(b->mem, text);
    return ok;
}

bool buffer_printf(buffer *b, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(text, sizeof(text), format, args);
    bool ok = len >= 0;
    if (ok) {
        ok = (size_t)len < sizeof(text) ? buffer_append(b, text, (size_t)len)
                                        : append_long(b, (size_t)len, format, again);
    }
    va_end(again);
    va_end(args);
    return ok;
}
