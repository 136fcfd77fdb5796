#include "node/node_relation.h"

#include <assert.h>

typedef struct relation_link {
    list in_topic;
    list in_member;
    relation_topic *topic;
    relation_member *member;
} relation_link;

void relation_init(relation *r, const mem *m, uint64_t seed, size_t link_max, uint64_t bytes_max) {
    *r = (relation){.mem = m, .link_max = link_max, .bytes_max = bytes_max};
    map_init(&r->by_name, m, seed);
    list_init(&r->topics);
}

void relation_done(relation *r) {
    assert(r->link_count == 0);
    map_done(&r->by_name);
}

void relation_member_init(relation_member *member, const mem *m, uint64_t seed, void *owner) {
    member->owner = owner;
    list_init(&member->links);
    map_init(&member->by_name, m, seed);
}

static void free_topic(relation *r, relation_topic *topic) {
    if (r->drop && topic->data) {
        r->drop(r->mem, topic->data);
    }
    (void)map_remove(&r->by_name, relation_name(topic)); /* it is `topic` */
    list_remove(&topic->in_relation);
    mem_free(r->mem, topic);
}

static void free_link(relation *r, relation_link *link) {
    relation_topic *topic = link->topic;
    (void)map_remove(&link->member->by_name, relation_name(topic)); /* it is `link` */
    list_remove(&link->in_topic);
    list_remove(&link->in_member);
    mem_free(r->mem, link);
    r->link_count--;
    r->bytes -= topic->name_len;
    if (--topic->member_count == 0) {
        free_topic(r, topic);
    }
}

void relation_member_done(relation *r, relation_member *member) {
    LIST_FOR_EACH(at, after, &member->links) {
        free_link(r, LIST_ENTRY(at, relation_link, in_member));
    }
    map_done(&member->by_name);
}

static relation_topic *make_topic(relation *r, kw_slice name) {
    relation_topic *topic = mem_alloc(r->mem, sizeof *topic + name.len);
    if (!topic) {
        return NULL;
    }
    memset(topic, 0, sizeof *topic);
    if (name.len > 0) {
        memcpy(topic->name, name.data, name.len);
    }
    topic->name_len = name.len;
    if (!map_set(&r->by_name, name, topic, NULL)) {
        mem_free(r->mem, topic);
        return NULL;
    }
    list_init(&topic->links);
    list_push_back(&r->topics, &topic->in_relation);
    return topic;
}

relation_result relation_add(relation *r, relation_member *member, kw_slice name) {
    if (relation_holds(member, name)) {
        return RELATION_THERE;
    }
    if (r->link_count >= r->link_max || r->bytes + name.len > r->bytes_max) {
        return RELATION_FULL;
    }
    relation_topic *topic = relation_find(r, name);
    if (!topic) {
        topic = make_topic(r, name);
    }
    relation_link *link = topic ? mem_calloc(r->mem, 1, sizeof *link) : NULL;
    if (!link || !map_set(&member->by_name, name, link, NULL)) {
        mem_free(r->mem, link);
        if (topic && topic->member_count == 0) {
            free_topic(r, topic);
        }
        return RELATION_FULL;
    }
    link->topic = topic;
    link->member = member;
    list_push_back(&topic->links, &link->in_topic);
    list_push_back(&member->links, &link->in_member);
    topic->member_count++;
    r->link_count++;
    r->bytes += name.len;
    return RELATION_ADDED;
}

bool relation_remove(relation *r, relation_member *member, kw_slice name) {
    relation_link *link = map_get(&member->by_name, name);
    if (!link) {
        return false;
    }
    free_link(r, link);
    return true;
}

void relation_remove_topic(relation *r, relation_topic *topic) {
    for (size_t left = topic->member_count; left > 0; left--) {
        free_link(r, LIST_ENTRY(topic->links.next, relation_link, in_topic));
    }
}

relation_topic *relation_find(const relation *r, kw_slice name) {
    return map_get(&r->by_name, name);
}

relation_topic *relation_next(const relation *r, const relation_topic *topic) {
    const list *at = topic ? &topic->in_relation : &r->topics;
    return at->next == &r->topics ? NULL : LIST_ENTRY(at->next, relation_topic, in_relation);
}

/* The step of a walk whose current node may go: the position is the node to give next. */
static list *step(const list *head, list **position) {
    list *at = *position ? *position : head->next;
    if (at == head) {
        return NULL;
    }
    *position = at->next;
    return at;
}

relation_member *relation_next_member(const relation_topic *topic, list **position) {
    list *at = step(&topic->links, position);
    return at ? LIST_ENTRY(at, relation_link, in_topic)->member : NULL;
}

relation_topic *relation_next_topic(const relation_member *member, list **position) {
    list *at = step(&member->links, position);
    return at ? LIST_ENTRY(at, relation_link, in_member)->topic : NULL;
}
