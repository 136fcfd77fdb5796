/* Names and the members that hold to them, each way in the order of adding: channels and their
 * subscribers, keys and the sessions that track them. A name lives as long as a member holds to it.
 * Owns names and links; members are embedded in what their owner makes of them. */
#ifndef NODE_NODE_RELATION_H
#define NODE_NODE_RELATION_H

#include "base/list.h"
#include "base/map.h"

typedef struct relation_topic {
    list in_relation;
    list links; /* to its members */
    size_t member_count;
    void *data;   /* the user's; freed by relation.drop with the topic */
    uint32_t tag; /* the user's */
    size_t name_len;
    char name[];
} relation_topic;

typedef struct relation_member {
    void *owner;
    list links; /* to its topics */
    map by_name;
} relation_member;

typedef struct relation {
    const mem *mem;
    map by_name;
    list topics;
    size_t link_count;
    uint64_t bytes; /* of all names, once for each link */
    size_t link_max;
    uint64_t bytes_max;
    void (*drop)(const mem *m, void *data); /* may be NULL */
} relation;

typedef enum relation_result { RELATION_ADDED, RELATION_THERE, RELATION_FULL } relation_result;

void relation_init(relation *r, const mem *m, uint64_t seed, size_t link_max, uint64_t bytes_max);
/* Its members must have left. */
void relation_done(relation *r);

void relation_member_init(relation_member *member, const mem *m, uint64_t seed, void *owner);
/* Leaves all topics. */
void relation_member_done(relation *r, relation_member *member);

/* FULL: memory or a cap; nothing has changed. */
KW_CHECKED relation_result relation_add(relation *r, relation_member *member, kw_slice name);
/* False if the member did not hold to it. */
bool relation_remove(relation *r, relation_member *member, kw_slice name);
/* All its members let go. */
void relation_remove_topic(relation *r, relation_topic *topic);

static inline size_t relation_topic_count(const relation *r) {
    return map_count(&r->by_name);
}

static inline size_t relation_member_count(const relation_member *member) {
    return map_count(&member->by_name);
}

static inline kw_slice relation_name(const relation_topic *topic) {
    return slice_of(topic->name, topic->name_len);
}

/* NULL if nobody holds to it. */
relation_topic *relation_find(const relation *r, kw_slice name);
static inline bool relation_holds(const relation_member *member, kw_slice name) {
    return map_get(&member->by_name, name) != NULL;
}

/* All topics: NULL gives the first, a topic the one after it; NULL at the end. */
relation_topic *relation_next(const relation *r, const relation_topic *topic);

/* The members of a topic, from *position = NULL on. Between two steps the member that was just
 * given may go, no other. */
relation_member *relation_next_member(const relation_topic *topic, list **position);
/* The topics of a member, likewise; the topic just given may go. */
relation_topic *relation_next_topic(const relation_member *member, list **position);

#endif
