#include "node/node_watch.h"

#include "node/node.h"

static keyspace_entry *entry_of(const keyspace *ks, kw_slice key) {
    return map_get(&ks->entries, key);
}

static bool had_expired(const keyspace_entry *e, uint64_t at_ms) {
    return e->expire_ms != 0 && e->expire_ms <= at_ms;
}

bool node_watch(node *n, node_session *s, kw_slice key) {
    if (!s->watcher) {
        watcher *w = mem_calloc(n->mem, 1, sizeof *w);
        if (!w) {
            return false;
        }
        relation_member_init(&w->keys, n->mem, n->watched.by_name.seed[0], s);
        s->watcher = w;
    }
    s->watcher->watched_ms = n->now_us / 1000;
    return relation_add(&n->watched, &s->watcher->keys, key) != RELATION_FULL;
}

void node_unwatch(node *n, node_session *s) {
    s->flags &= ~(unsigned)SESSION_STALE;
    if (s->watcher) {
        relation_member_done(&n->watched, &s->watcher->keys);
        mem_free(n->mem, s->watcher);
        s->watcher = NULL;
    }
}

static void mark(const relation_topic *topic, const keyspace_entry *e, bool goes) {
    list *position = NULL;
    const relation_member *member;
    while ((member = relation_next_member(topic, &position))) {
        node_session *s = member->owner;
        if (!goes || !had_expired(e, s->watcher->watched_ms)) {
            s->flags |= SESSION_STALE;
        }
    }
}

static void mark_all_of(node *n, const keyspace *ks) {
    for (relation_topic *topic = relation_next(&n->watched, NULL); topic;
         topic = relation_next(&n->watched, topic)) {
        const keyspace_entry *e = entry_of(ks, relation_name(topic));
        if (e) {
            mark(topic, e, true);
        }
    }
}

void node_watch_changed(node *n, const keyspace_entry *e, keyspace_change change) {
    if (relation_topic_count(&n->watched) == 0) {
        return;
    }
    if (!e) {
        mark_all_of(n, n->keys);
        return;
    }
    const relation_topic *topic = relation_find(&n->watched, keyspace_key(e));
    if (topic) {
        mark(topic, e, change == KEY_REMOVED || change == KEY_EXPIRED);
    }
}

void node_watch_replaced(node *n, const keyspace *by) {
    mark_all_of(n, n->keys);
    mark_all_of(n, by);
}

void node_watch_expire(node *n, node_session *s) {
    list *position = NULL;
    const relation_topic *topic;
    while (s->watcher && (topic = relation_next_topic(&s->watcher->keys, &position))) {
        const keyspace_entry *e = entry_of(n->keys, relation_name(topic));
        if (e && had_expired(e, n->now_us / 1000) && !had_expired(e, s->watcher->watched_ms)) {
            s->flags |= SESSION_STALE;
        }
    }
}
