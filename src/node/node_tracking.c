#include "node/node_tracking.h"

#include <assert.h>
#include <stdlib.h>

/* A changed key of a prefix; the last changer counts. */
typedef struct changed_key {
    char *key;
    size_t len;
    size_t order;
    uint64_t changer;
} changed_key;

/* What a prefix's members are still to be told. */
typedef struct changed_keys {
    changed_key *keys;
    size_t count;
    size_t capacity;
    bool overflown; /* too many, or memory was short: all keys then */
} changed_keys;

static void drop_changed(const mem *m, void *data) {
    changed_keys *changed = data;
    for (size_t i = 0; i < changed->count; i++) {
        mem_free(m, changed->keys[i].key);
    }
    mem_free(m, changed->keys);
    mem_free(m, changed);
}

void tracking_init(tracking *t, const mem *m, uint64_t seed) {
    *t = (tracking){.mem = m, .keys_max = TRACKING_KEYS_MAX};
    relation_init(&t->keys, m, seed, TRACKING_LINKS_MAX, TRACKING_BYTES_MAX);
    relation_init(&t->prefixes, m, seed, TRACKING_PREFIXES_MAX, TRACKING_BYTES_MAX);
    t->prefixes.drop = drop_changed;
    list_init(&t->trackers);
}

static void forget_own(tracking *t) {
    for (size_t i = 0; i < t->own_count; i++) {
        mem_free(t->mem, t->own[i].key);
    }
    mem_free(t->mem, t->own);
    t->own = NULL;
    t->own_count = 0;
    t->own_capacity = 0;
    t->own_lost = false;
}

void tracking_done(tracking *t) {
    assert(list_empty(&t->trackers));
    forget_own(t);
    relation_done(&t->keys);
    relation_done(&t->prefixes);
}

tracker *tracker_new(tracking *t, uint64_t id, void *owner) {
    tracker *r = mem_calloc(t->mem, 1, sizeof *r);
    if (!r) {
        return NULL;
    }
    r->id = id;
    relation_member_init(&r->keys, t->mem, t->keys.by_name.seed[0], owner);
    relation_member_init(&r->prefixes, t->mem, t->keys.by_name.seed[0], owner);
    list_push_back(&t->trackers, &r->in_tracking);
    return r;
}

void tracker_free(tracking *t, tracker *r) {
    if (!r) {
        return;
    }
    tracking_disable(t, r);
    if (t->current == r) {
        t->current = NULL;
        forget_own(t);
    }
    relation_member_done(&t->keys, &r->keys);
    relation_member_done(&t->prefixes, &r->prefixes);
    list_remove(&r->in_tracking);
    mem_free(t->mem, r);
}

/* ------------------------------------------------------------------------------ on and off */

static bool overlap(kw_slice a, kw_slice b) {
    size_t len = a.len < b.len ? a.len : b.len;
    return len == 0 || memcmp(a.data, b.data, len) == 0;
}

bool tracking_collides(const tracker *r, const kw_slice *prefixes, size_t count, kw_slice *ret_a,
                       kw_slice *ret_b, bool *ret_own) {
    for (size_t i = 0; i < count; i++) {
        list *position = NULL;
        const relation_topic *topic;
        while (r && (topic = relation_next_topic(&r->prefixes, &position))) {
            if (overlap(relation_name(topic), prefixes[i])) {
                *ret_a = prefixes[i];
                *ret_b = relation_name(topic);
                *ret_own = true;
                return true;
            }
        }
        for (size_t j = i + 1; j < count; j++) {
            if (overlap(prefixes[i], prefixes[j])) {
                *ret_a = prefixes[i];
                *ret_b = prefixes[j];
                *ret_own = false;
                return true;
            }
        }
    }
    return false;
}

bool tracking_enable(tracking *t, tracker *r, unsigned flags, uint64_t redirect,
                     const kw_slice *prefixes, size_t count) {
    t->on_count += (r->flags & TRACKING_ON) ? 0 : 1;
    r->flags = (r->flags & TRACKING_CACHING) | TRACKING_ON | flags;
    r->redirect = redirect;
    if (!(flags & TRACKING_BCAST)) {
        return true;
    }
    if (count == 0) {
        return relation_add(&t->prefixes, &r->prefixes, slice_of("", 0)) != RELATION_FULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (relation_add(&t->prefixes, &r->prefixes, prefixes[i]) == RELATION_FULL) {
            return false;
        }
    }
    return true;
}

void tracking_disable(tracking *t, tracker *r) {
    list *position = NULL;
    const relation_topic *topic;
    while ((topic = relation_next_topic(&r->prefixes, &position))) {
        (void)relation_remove(&t->prefixes, &r->prefixes, relation_name(topic)); /* it has it */
    }
    t->on_count -= (r->flags & TRACKING_ON) ? 1 : 0;
    r->flags = 0;
}

/* ---------------------------------------------------------------------------------- telling */

/* `key` NULL: all keys. */
static void keep_for_own(tracking *t, const kw_slice *key) {
    if (t->own_count == t->own_capacity) {
        size_t capacity = t->own_capacity ? 2 * t->own_capacity : 8;
        tracking_own *own = mem_resize(t->mem, t->own, capacity, sizeof *own);
        if (!own) {
            t->own_lost = true;
            return;
        }
        t->own = own;
        t->own_capacity = capacity;
    }
    tracking_own one = {NULL, 0};
    if (key) {
        one.key = mem_strndup(t->mem, key->data, key->len);
        one.len = key->len;
        t->own_lost = t->own_lost || !one.key;
        if (!one.key) {
            return;
        }
    }
    t->own[t->own_count++] = one;
}

static void tell(tracking *t, tracker *r, const kw_slice *key, const tracking_way *way) {
    if (r == t->current) {
        keep_for_own(t, key);
    } else {
        way->send(way->arg, r, key, key ? 1 : 0);
    }
}

void tracking_begin(tracking *t, tracker *r) {
    t->current = r;
}

void tracking_end(tracking *t, const tracking_way *way) {
    tracker *r = t->current;
    t->current = NULL;
    if (!r || (t->own_count == 0 && !t->own_lost)) {
        return;
    }
    if (t->own_lost) {
        way->send(way->arg, r, NULL, 0);
    }
    for (size_t i = 0; i < t->own_count && !t->own_lost; i++) {
        const kw_slice key = slice_of(t->own[i].key, t->own[i].len);
        way->send(way->arg, r, &key, key.data ? 1 : 0);
    }
    forget_own(t);
}

/* ------------------------------------------------------------------------------ default mode */

static tracker *tracker_of_keys(relation_member *member) {
    return (tracker *)(void *)((char *)member - offsetof(tracker, keys));
}

static void invalidate_topic(tracking *t, relation_topic *topic, uint64_t changer,
                             const tracking_way *way) {
    kw_slice key = relation_name(topic);
    list *position = NULL;
    relation_member *member;
    while ((member = relation_next_member(topic, &position))) {
        tracker *r = tracker_of_keys(member);
        bool hears = (r->flags & TRACKING_ON) && !(r->flags & TRACKING_BCAST);
        bool by_itself = changer == r->id && (r->flags & TRACKING_NOLOOP);
        if (hears && !by_itself) {
            tell(t, r, &key, way);
        }
    }
    relation_remove_topic(&t->keys, topic);
}

static void invalidate_oldest(tracking *t, const tracking_way *way) {
    invalidate_topic(t, relation_next(&t->keys, NULL), 0, way);
}

void tracking_limit(tracking *t, const tracking_way *way) {
    while (t->keys_max > 0 && relation_topic_count(&t->keys) > t->keys_max) {
        invalidate_oldest(t, way);
    }
}

void tracking_remember(tracking *t, tracker *r, kw_slice key, const tracking_way *way) {
    bool given = (r->flags & TRACKING_CACHING) != 0;
    if (!(r->flags & TRACKING_ON) || (r->flags & TRACKING_BCAST) ||
        ((r->flags & TRACKING_OPTIN) && !given) || ((r->flags & TRACKING_OPTOUT) && given)) {
        return;
    }
    relation_result result = relation_add(&t->keys, &r->keys, key);
    if (result == RELATION_FULL && relation_topic_count(&t->keys) > 0) {
        invalidate_oldest(t, way);
        result = relation_add(&t->keys, &r->keys, key);
    }
    if (result == RELATION_FULL) {
        tell(t, r, &key, way); /* what cannot be remembered must not be cached */
    }
}

/* ------------------------------------------------------------------------------ broadcasting */

static void note_changed(tracking *t, relation_topic *topic, kw_slice key, uint64_t changer) {
    changed_keys *changed = topic->data;
    if (!changed) {
        changed = mem_calloc(t->mem, 1, sizeof *changed);
        if (!changed) {
            t->lost = true;
            return;
        }
        topic->data = changed;
    }
    if (changed->overflown) {
        return;
    }
    if (changed->count == changed->capacity) {
        size_t capacity = changed->capacity ? 2 * changed->capacity : 8;
        changed_key *keys = changed->count < TRACKING_PENDING_MAX
                                ? mem_resize(t->mem, changed->keys, capacity, sizeof *keys)
                                : NULL;
        if (!keys) {
            changed->overflown = true;
            return;
        }
        changed->keys = keys;
        changed->capacity = capacity;
    }
    char *copy = mem_strndup(t->mem, key.data, key.len);
    if (!copy) {
        changed->overflown = true;
        return;
    }
    changed->keys[changed->count] = (changed_key){copy, key.len, changed->count, changer};
    changed->count++;
}

void tracking_invalidate(tracking *t, kw_slice key, uint64_t changer, const tracking_way *way) {
    relation_topic *next;
    for (relation_topic *topic = relation_next(&t->prefixes, NULL); topic; topic = next) {
        next = relation_next(&t->prefixes, topic);
        kw_slice prefix = relation_name(topic);
        if (prefix.len <= key.len && overlap(prefix, key)) {
            note_changed(t, topic, key, changer);
            t->pending = true;
        }
    }
    relation_topic *topic = relation_find(&t->keys, key);
    if (topic) {
        invalidate_topic(t, topic, changer, way);
    }
}

void tracking_invalidate_all(tracking *t, const tracking_way *way) {
    LIST_FOR_EACH(at, after, &t->trackers) {
        tracker *r = LIST_ENTRY(at, tracker, in_tracking);
        if (r->flags & TRACKING_ON) {
            tell(t, r, NULL, way);
        }
    }
    relation_topic *topic;
    while ((topic = relation_next(&t->keys, NULL))) {
        relation_remove_topic(&t->keys, topic);
    }
}

static int by_bytes(kw_slice a, kw_slice b) {
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.data, b.data, len) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_key(const void *a, const void *b) {
    const changed_key *x = a;
    const changed_key *y = b;
    int order = by_bytes(slice_of(x->key, x->len), slice_of(y->key, y->len));
    return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

static int by_prefix(const void *a, const void *b) {
    const relation_topic *const *x = a;
    const relation_topic *const *y = b;
    return by_bytes(relation_name(*x), relation_name(*y));
}

/* Sorts them and leaves each key once, with its last changer. */
static void tidy(const mem *m, changed_keys *changed) {
    size_t kept = 0;
    qsort(changed->keys, changed->count, sizeof *changed->keys, by_key);
    for (size_t i = 0; i < changed->count; i++) {
        changed_key *last = kept > 0 ? &changed->keys[kept - 1] : NULL;
        kw_slice key = slice_of(changed->keys[i].key, changed->keys[i].len);
        if (last && slice_equal(slice_of(last->key, last->len), key)) {
            last->changer = changed->keys[i].changer;
            mem_free(m, changed->keys[i].key);
        } else {
            changed->keys[kept++] = changed->keys[i];
        }
    }
    changed->count = kept;
}

static void tell_of_prefix(relation_topic *topic, const changed_keys *changed, kw_slice *room,
                           const tracking_way *way) {
    list *position = NULL;
    const relation_member *member;
    while ((member = relation_next_member(topic, &position))) {
        tracker *r = (tracker *)(void *)((char *)member - offsetof(tracker, prefixes));
        size_t count = 0;
        for (size_t i = 0; !changed->overflown && i < changed->count; i++) {
            const changed_key *key = &changed->keys[i];
            if (!(r->flags & TRACKING_NOLOOP) || key->changer != r->id) {
                room[count++] = slice_of(key->key, key->len);
            }
        }
        if (count > 0 || changed->overflown) {
            way->send(way->arg, r, room, count);
        }
    }
}

static void flush_prefix(tracking *t, relation_topic *topic, const tracking_way *way) {
    changed_keys *changed = topic->data;
    topic->data = NULL;
    if (!changed) {
        return;
    }
    if (!changed->overflown) {
        tidy(t->mem, changed);
    }
    kw_slice *room = changed->overflown ? NULL : mem_calloc(t->mem, changed->count, sizeof *room);
    changed->overflown = changed->overflown || !room;
    tell_of_prefix(topic, changed, room, way);
    mem_free(t->mem, room);
    drop_changed(t->mem, changed);
}

/* Memory was too short to note or to sort what changed. */
static void tell_all_keys(tracking *t, const tracking_way *way) {
    LIST_FOR_EACH(at, after, &t->trackers) {
        tracker *r = LIST_ENTRY(at, tracker, in_tracking);
        if (r->flags & TRACKING_BCAST) {
            way->send(way->arg, r, NULL, 0);
        }
    }
}

void tracking_flush(tracking *t, const tracking_way *way) {
    if (!t->pending) {
        return;
    }
    size_t count = relation_topic_count(&t->prefixes);
    relation_topic **topics = mem_calloc(t->mem, count, sizeof(relation_topic *));
    bool lost = t->lost || (count > 0 && !topics);
    relation_topic *topic = NULL;
    for (size_t i = 0; topics && i < count; i++) {
        topic = relation_next(&t->prefixes, topic);
        topics[i] = topic;
    }
    t->pending = false;
    t->lost = false;
    if (lost) {
        tell_all_keys(t, way);
    } else if (count > 0) {
        qsort(topics, count, sizeof(relation_topic *), by_prefix);
    }
    for (size_t i = 0; !lost && i < count; i++) {
        flush_prefix(t, topics[i], way);
    }
    mem_free(t->mem, topics);
}
