#include "node/node_session.h"

/* Room for one more element of `size` bytes; NULL if memory is short, *array then untouched. */
static void *grow(const mem *m, void *array, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity) {
        return array;
    }
    size_t wanted = *capacity ? *capacity * 2 : 8;
    void *grown = mem_resize(m, array, wanted, size);
    if (grown) {
        *capacity = wanted;
    }
    return grown;
}

kw_slice *session_copy_arguments(const mem *m, const kw_slice *argv, size_t argc,
                                 uint64_t *ret_bytes) {
    size_t bytes = argc * sizeof *argv;
    for (size_t i = 0; i < argc; i++) {
        bytes += argv[i].len;
    }
    kw_slice *copy = mem_alloc(m, bytes);
    if (!copy) {
        return NULL;
    }
    char *at = (char *)(copy + argc);
    for (size_t i = 0; i < argc; i++) {
        copy[i] = slice_of(at, argv[i].len);
        if (argv[i].len > 0) {
            memcpy(at, argv[i].data, argv[i].len);
        }
        at += argv[i].len;
    }
    *ret_bytes = bytes;
    return copy;
}

bool session_queue(node_session *s, const struct node_command *command, const kw_slice *argv,
                   size_t argc) {
    session_queued *queue =
        grow(s->mem, s->queue, s->queue_count, &s->queue_capacity, sizeof *queue);
    if (!queue) {
        return false;
    }
    s->queue = queue;
    uint64_t bytes;
    kw_slice *copy = session_copy_arguments(s->mem, argv, argc, &bytes);
    if (!copy) {
        return false;
    }
    s->queue[s->queue_count++] = (session_queued){command, copy, argc};
    s->queue_bytes += bytes;
    return true;
}

void session_discard(node_session *s) {
    for (size_t i = 0; i < s->queue_count; i++) {
        mem_free(s->mem, s->queue[i].argv);
    }
    mem_free(s->mem, s->queue);
    s->queue = NULL;
    s->queue_count = 0;
    s->queue_capacity = 0;
    s->queue_bytes = 0;
    s->flags &= ~(unsigned)(SESSION_MULTI | SESSION_DIRTY);
    session_unwatch(s);
}

bool session_watch(node_session *s, kw_slice key, uint64_t version) {
    for (size_t i = 0; i < s->watched_count; i++) {
        if (slice_equal(key, slice_of(s->watched[i].key, s->watched[i].key_len))) {
            return true;
        }
    }
    session_watched *watched =
        grow(s->mem, s->watched, s->watched_count, &s->watched_capacity, sizeof *watched);
    if (!watched) {
        return false;
    }
    s->watched = watched;
    char *copy = mem_strndup(s->mem, key.data, key.len);
    if (!copy) {
        return false;
    }
    s->watched[s->watched_count++] = (session_watched){copy, key.len, version};
    return true;
}

void session_unwatch(node_session *s) {
    for (size_t i = 0; i < s->watched_count; i++) {
        mem_free(s->mem, s->watched[i].key);
    }
    mem_free(s->mem, s->watched);
    s->watched = NULL;
    s->watched_count = 0;
    s->watched_capacity = 0;
}
