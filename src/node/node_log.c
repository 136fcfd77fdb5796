#include "node/node_log.h"

#include "node/node_glob.h"
#include "node/node_view.h"

#include <assert.h>

void node_log_init(node_log *l, const mem *m) {
    *l = (node_log){.mem = m};
}

static void free_ring(node_log *l) {
    for (size_t i = 0; i < l->capacity; i++) {
        mem_free(l->mem, l->ring[i].bytes);
    }
    if (l->ring) {
        mem_free(l->mem, l->ring);
    }
    l->ring = NULL;
    l->capacity = 0;
}

void node_log_done(node_log *l) {
    free_ring(l);
}

void node_log_clear(node_log *l) {
    l->forgotten = l->last;
}

kw_status node_log_set_capacity(node_log *l, size_t capacity) {
    if (capacity > NODE_LOG_CAPACITY_MAX) {
        return KW_ERR_INVALID;
    }
    node_log_entry *ring = NULL;
    if (capacity > 0) {
        ring = mem_calloc(l->mem, capacity, sizeof *ring);
        if (!ring) {
            return KW_ERR_NOMEM;
        }
    }
    free_ring(l);
    l->ring = ring;
    l->capacity = capacity;
    node_log_clear(l);
    return KW_OK;
}

/* The entry of that number, if it is still there. */
static node_log_entry *entry_at(const node_log *l, uint64_t number) {
    bool there = number > l->forgotten && number <= l->last && l->last - number < l->capacity;
    return there ? &l->ring[number % l->capacity] : NULL;
}

/* ------------------------------------------------------------------------------------ writing */

static uint32_t kept_of(kw_slice argument) {
    return (uint32_t)(argument.len < NODE_LOG_ARGUMENT_BYTES_MAX ? argument.len
                                                                 : NODE_LOG_ARGUMENT_BYTES_MAX);
}

static void keep_arguments(const node_log *l, node_log_entry *e, const kw_slice *argv) {
    size_t count = e->argc < NODE_LOG_ARGUMENTS_MAX ? e->argc : NODE_LOG_ARGUMENTS_MAX;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += kept_of(argv[i]);
    }
    e->kept_count = 0;
    if (bytes > e->bytes_capacity) {
        char *grown = mem_resize(l->mem, e->bytes, bytes, 1);
        if (!grown) {
            return;
        }
        e->bytes = grown;
        e->bytes_capacity = bytes;
    }
    e->kept_count = count;
    char *at = e->bytes;
    for (size_t i = 0; i < count; i++) {
        uint32_t kept = kept_of(argv[i]);
        e->arguments[i].len = (uint32_t)argv[i].len; /* LIMIT_COMMAND_BYTES is less */
        e->arguments[i].kept = kept;
        if (kept > 0) {
            memcpy(at, argv[i].data, kept);
            at += kept;
        }
    }
}

uint64_t node_log_begin(node_log *l, const node_log_command *command) {
    uint64_t number = ++l->last;
    node_log_entry *e = entry_at(l, number);
    if (!e) {
        return number;
    }
    e->number = number;
    e->time_us = command->time_us;
    e->client = command->client;
    e->rule = 0;
    e->node = command->node;
    slice_copy(e->name, sizeof e->name, command->name);
    e->outcome[0] = '\0';
    e->has_keys = command->has_keys;
    e->keys = command->keys;
    e->argc = command->argc;
    keep_arguments(l, e, command->argv);
    return number;
}

void node_log_end(node_log *l, uint64_t number, kw_slice outcome, uint64_t rule) {
    node_log_entry *e = entry_at(l, number);
    if (e) {
        slice_copy(e->outcome, sizeof e->outcome, outcome);
        e->rule = rule;
    }
}

/* ------------------------------------------------------------------------------------ reading */

kw_slice node_log_argument(const node_log_entry *e, size_t index) {
    size_t offset = 0;
    assert(index < e->kept_count);
    for (size_t i = 0; i < index; i++) {
        offset += e->arguments[i].kept;
    }
    return slice_of(e->bytes ? e->bytes + offset : "", e->arguments[index].kept);
}

static bool fits(kw_slice pattern, const char *text) {
    return pattern.len == 0 || glob_match(pattern, slice_text(text));
}

static bool fits_command(kw_slice pattern, const char *name) {
    const char *bar = strchr(name, '|');
    return fits(pattern, name) ||
           (bar && glob_match(pattern, slice_of(name, (size_t)(bar - name))));
}

static bool fits_a_key(kw_slice pattern, const node_log_entry *e) {
    if (pattern.len == 0) {
        return true;
    }
    for (size_t i = 0; e->has_keys && i < node_key_count(&e->keys); i++) {
        size_t position = node_key_at(&e->keys, i);
        if (position < e->kept_count && glob_match(pattern, node_log_argument(e, position))) {
            return true;
        }
    }
    return false;
}

static bool passes(const node_log_filter *f, const node_log_entry *e) {
    return e->number > f->after && (f->node == NODE_NOBODY || f->node == e->node) &&
           (f->client == 0 || f->client == e->client) && (f->rule == 0 || f->rule == e->rule) &&
           fits_command(f->command, e->name) && fits(f->outcome, e->outcome) &&
           fits_a_key(f->key, e);
}

const node_log_entry *node_log_next(const node_log *l, const node_log_filter *filter,
                                    uint64_t after) {
    uint64_t oldest = l->last > l->capacity ? l->last - l->capacity : 0;
    oldest = l->forgotten > oldest ? l->forgotten : oldest;
    after = after > filter->after ? after : filter->after;
    for (uint64_t number = (after > oldest ? after : oldest) + 1;
         after < l->last && number <= l->last; number++) {
        const node_log_entry *e = entry_at(l, number);
        if (e && passes(filter, e)) {
            return e;
        }
    }
    return NULL;
}

size_t node_log_count(const node_log *l, const node_log_filter *filter) {
    size_t count = 0;
    const node_log_entry *e = node_log_next(l, filter, 0);
    for (; e; e = node_log_next(l, filter, e->number)) {
        count++;
    }
    return count;
}
