#include "node/node_session.h"

#include "node/node_command.h"

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
    s->queue_flags |= command->flags;
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
    s->queue_flags = 0;
    s->flags &= ~(unsigned)(SESSION_MULTI | SESSION_DIRTY);
}

bool session_name_fits(kw_slice name) {
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] < '!' || name.data[i] > '~') {
            return false;
        }
    }
    return name.len < SESSION_NAME_SIZE;
}
