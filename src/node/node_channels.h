/* Who listens to what: channels, patterns and shard channels, and their subscribers, in the order
 * of subscription. Decides who gets a message; what it looks like is its caller's. Shard channels
 * belong to slots: they end when their slot's owner is another one. */
#ifndef NODE_NODE_CHANNELS_H
#define NODE_NODE_CHANNELS_H

#include "node/node_relation.h"

#define CHANNELS_MAX 1000000 /* subscriptions of one kind, all connections together */
#define CHANNELS_BYTES_MAX (64u * 1024 * 1024)

typedef enum channel_kind { CHANNEL_PLAIN, CHANNEL_PATTERN, CHANNEL_SHARD } channel_kind;
enum { CHANNEL_KINDS = 3 };

typedef struct channels {
    relation of[CHANNEL_KINDS];
} channels;

/* One connection's side. */
typedef struct subscriber {
    relation_member of[CHANNEL_KINDS];
} subscriber;

void channels_init(channels *c, const mem *m, uint64_t seed);
/* Its subscribers must have been freed. */
void channels_done(channels *c);

/* NULL if memory is short. */
KW_CHECKED subscriber *subscriber_new(const channels *c, void *owner);
void subscriber_free(channels *c, subscriber *s);
/* All kinds take NULL for somebody who never subscribed. */
size_t subscriber_count(const subscriber *s, channel_kind kind);

/* slot_owner: of a shard channel's slot, as the node sees it now; else 0. */
KW_CHECKED relation_result channels_subscribe(channels *c, subscriber *s, channel_kind kind,
                                              kw_slice name, uint16_t slot_owner);
bool channels_unsubscribe(channels *c, subscriber *s, channel_kind kind, kw_slice name);

/* pattern.data is NULL for who has the channel itself. */
typedef void channel_deliver(void *arg, void *owner, kw_slice pattern);

/* Calls deliver for each subscription that the message meets, first those to the channel, then the
 * patterns (of a shard channel: none); returns their number. */
size_t channels_publish(const channels *c, channel_kind kind, kw_slice channel,
                        channel_deliver *deliver, void *arg);

/* The slots are owned thus now: subscriptions to shard channels whose slot went to somebody else
 * than `self`, or to nobody, end; one call each, just before it is gone. */
typedef void channel_ended(void *arg, void *owner, kw_slice channel);
void channels_follow(channels *c, const uint16_t *owner_of_slot, uint16_t self,
                     channel_ended *ended, void *arg);

#endif
