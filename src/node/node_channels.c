#include "node/node_channels.h"

#include "core/slot.h"
#include "node/node_glob.h"

void channels_init(channels *c, const mem *m, uint64_t seed) {
    for (int kind = 0; kind < CHANNEL_KINDS; kind++) {
        relation_init(&c->of[kind], m, seed, CHANNELS_MAX, CHANNELS_BYTES_MAX);
    }
}

void channels_done(channels *c) {
    for (int kind = 0; kind < CHANNEL_KINDS; kind++) {
        relation_done(&c->of[kind]);
    }
}

subscriber *subscriber_new(const channels *c, void *owner) {
    const relation *r = &c->of[CHANNEL_PLAIN];
    subscriber *s = mem_calloc(r->mem, 1, sizeof *s);
    for (int kind = 0; s && kind < CHANNEL_KINDS; kind++) {
        relation_member_init(&s->of[kind], r->mem, r->by_name.seed[0], owner);
    }
    return s;
}

void subscriber_free(channels *c, subscriber *s) {
    if (s) {
        for (int kind = 0; kind < CHANNEL_KINDS; kind++) {
            relation_member_done(&c->of[kind], &s->of[kind]);
        }
        mem_free(c->of[CHANNEL_PLAIN].mem, s);
    }
}

size_t subscriber_count(const subscriber *s, channel_kind kind) {
    return s ? relation_member_count(&s->of[kind]) : 0;
}

relation_result channels_subscribe(channels *c, subscriber *s, channel_kind kind, kw_slice name,
                                   uint16_t slot_owner) {
    relation_result result = relation_add(&c->of[kind], &s->of[kind], name);
    if (kind == CHANNEL_SHARD && result == RELATION_ADDED) {
        relation_find(&c->of[kind], name)->tag = slot_owner;
    }
    return result;
}

bool channels_unsubscribe(channels *c, subscriber *s, channel_kind kind, kw_slice name) {
    return s && relation_remove(&c->of[kind], &s->of[kind], name);
}

static size_t deliver_to_all(const relation_topic *topic, kw_slice pattern,
                             channel_deliver *deliver, void *arg) {
    list *position = NULL;
    const relation_member *member;
    while ((member = relation_next_member(topic, &position))) {
        deliver(arg, member->owner, pattern);
    }
    return topic->member_count;
}

size_t channels_publish(const channels *c, channel_kind kind, kw_slice channel,
                        channel_deliver *deliver, void *arg) {
    size_t count = 0;
    const relation_topic *topic = relation_find(&c->of[kind], channel);
    if (topic) {
        count += deliver_to_all(topic, slice_of(NULL, 0), deliver, arg);
    }
    if (kind == CHANNEL_SHARD) {
        return count;
    }
    const relation *patterns = &c->of[CHANNEL_PATTERN];
    for (topic = relation_next(patterns, NULL); topic; topic = relation_next(patterns, topic)) {
        if (glob_match(relation_name(topic), channel)) {
            count += deliver_to_all(topic, relation_name(topic), deliver, arg);
        }
    }
    return count;
}

static void end_topic(relation *r, relation_topic *topic, channel_ended *ended, void *arg) {
    for (size_t left = topic->member_count; left > 0; left--) {
        list *position = NULL;
        relation_member *member = relation_next_member(topic, &position);
        ended(arg, member->owner, relation_name(topic));
        (void)relation_remove(r, member, relation_name(topic)); /* it holds to it */
    }
}

void channels_follow(channels *c, const uint16_t *owner_of_slot, uint16_t self,
                     channel_ended *ended, void *arg) {
    relation *shards = &c->of[CHANNEL_SHARD];
    relation_topic *next;
    for (relation_topic *topic = relation_next(shards, NULL); topic; topic = next) {
        next = relation_next(shards, topic);
        uint16_t owner = owner_of_slot[slot_of_key(relation_name(topic))];
        if (owner != topic->tag && owner != self) {
            end_topic(shards, topic, ended, arg);
        } else {
            topic->tag = owner;
        }
    }
}
