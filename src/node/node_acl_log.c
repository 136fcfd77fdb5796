#include "node/node_acl_log.h"

#define SAME_WITHIN_US 60000000

void acl_log_init(acl_log *log, const mem *m) {
    log->mem = m;
    log->count = 0;
    list_init(&log->entries);
}

static void drop(acl_log *log, list *at) {
    list_remove(at);
    log->count--;
    mem_free(log->mem, LIST_ENTRY(at, acl_log_entry, in_log));
}

void acl_log_clear(acl_log *log) {
    while (!list_empty(&log->entries)) {
        drop(log, log->entries.next);
    }
}

static bool is_same(const acl_log_entry *a, const acl_log_entry *b) {
    return a->reason == b->reason && a->in_multi == b->in_multi &&
           strcmp(a->object, b->object) == 0 && strcmp(a->user, b->user) == 0;
}

void acl_log_add(acl_log *log, const acl_log_entry *entry, size_t capacity) {
    LIST_FOR_EACH(at, after, &log->entries) {
        acl_log_entry *e = LIST_ENTRY(at, acl_log_entry, in_log);
        if (is_same(e, entry) && entry->at_us - e->at_us <= SAME_WITHIN_US) {
            e->count++;
            e->at_us = entry->at_us;
            memcpy(e->client, entry->client, sizeof e->client);
            list_remove(at);
            list_push_front(&log->entries, at);
            return;
        }
    }
    acl_log_entry *added = mem_alloc(log->mem, sizeof *added);
    if (added) {
        *added = *entry;
        added->count = 1;
        list_push_front(&log->entries, &added->in_log);
        log->count++;
    }
    while (log->count > capacity) {
        drop(log, log->entries.prev);
    }
}
