#include "node/node_call.h"
#include "node/node_glob.h"
#include "node/node_handlers.h"

static size_t count_of(const node_session *s, channel_kind kind) {
    return kind == CHANNEL_SHARD ? subscriber_count(s->subscriber, CHANNEL_SHARD)
                                 : subscriber_count(s->subscriber, CHANNEL_PLAIN) +
                                       subscriber_count(s->subscriber, CHANNEL_PATTERN);
}

static void subscribe(node_call *c, channel_kind kind, const char *what) {
    const node *n = c->node;
    subscriber *self = node_push_subscriber(c->node, c->session);
    for (size_t i = 1; i < c->argc; i++) {
        kw_slice name = c->argv[i];
        uint16_t owner = kind == CHANNEL_SHARD ? n->view->owner[slot_of_key(name)] : 0;
        if (!self ||
            channels_subscribe(&c->node->push.channels, self, kind, name, owner) == RELATION_FULL) {
            call_out_of_memory(c);
            return;
        }
        node_push_subscribed(c->session, what, name, count_of(c->session, kind));
    }
}

void serve_subscribe(node_call *c) {
    subscribe(c, CHANNEL_PLAIN, "subscribe");
}

void serve_psubscribe(node_call *c) {
    subscribe(c, CHANNEL_PATTERN, "psubscribe");
}

void serve_ssubscribe(node_call *c) {
    if (c->in_exec) {
        call_error(c, "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
        return;
    }
    subscribe(c, CHANNEL_SHARD, "ssubscribe");
}

static void unsubscribe_all(node_call *c, channel_kind kind, const char *what) {
    node_session *s = c->session;
    list *position = NULL;
    const relation_topic *topic;
    if (subscriber_count(s->subscriber, kind) == 0) {
        node_push_subscribed(s, what, slice_of(NULL, 0), count_of(s, kind));
        return;
    }
    while ((topic = relation_next_topic(&s->subscriber->of[kind], &position))) {
        kw_slice name = relation_name(topic); /* gone with the subscription */
        node_push_subscribed(s, what, name, count_of(s, kind) - 1);
        (void)channels_unsubscribe(&c->node->push.channels, s->subscriber, kind, name);
    }
}

static void unsubscribe(node_call *c, channel_kind kind, const char *what) {
    if (c->argc == 1) {
        unsubscribe_all(c, kind, what);
    }
    for (size_t i = 1; i < c->argc; i++) {
        (void)channels_unsubscribe(&c->node->push.channels, c->session->subscriber, kind,
                                   c->argv[i]); /* answered even if it was not subscribed */
        node_push_subscribed(c->session, what, c->argv[i], count_of(c->session, kind));
    }
}

void serve_unsubscribe(node_call *c) {
    unsubscribe(c, CHANNEL_PLAIN, "unsubscribe");
}

void serve_punsubscribe(node_call *c) {
    unsubscribe(c, CHANNEL_PATTERN, "punsubscribe");
}

void serve_sunsubscribe(node_call *c) {
    unsubscribe(c, CHANNEL_SHARD, "sunsubscribe");
}

/* The receivers at other nodes are not counted. */
static void publish(node_call *c, channel_kind kind) {
    node *n = c->node;
    size_t count = node_publish(n, kind, c->argv[1], c->argv[2]);
    n->config.peers.publish(n->config.peers.arg, n->view->self, kind, c->argv[1], c->argv[2]);
    call_integer(c, (int64_t)count);
}

void serve_publish(node_call *c) {
    publish(c, CHANNEL_PLAIN);
}

void serve_spublish(node_call *c) {
    publish(c, CHANNEL_SHARD);
}

/* ----------------------------------------------------------------------------------- PUBSUB */

static bool is_wanted(const node_call *c, const relation_topic *topic) {
    return c->argc == 2 || glob_match(c->argv[2], relation_name(topic));
}

static void list_channels(node_call *c, channel_kind kind) {
    const relation *r = &c->node->push.channels.of[kind];
    size_t count = 0;
    if (c->argc > 3) {
        call_subcommand_error(c, "PUBSUB");
        return;
    }
    for (relation_topic *topic = relation_next(r, NULL); topic; topic = relation_next(r, topic)) {
        count += is_wanted(c, topic);
    }
    call_array(c, count);
    for (relation_topic *topic = relation_next(r, NULL); topic; topic = relation_next(r, topic)) {
        if (is_wanted(c, topic)) {
            call_bulk(c, relation_name(topic));
        }
    }
}

void serve_pubsub_channels(node_call *c) {
    list_channels(c, CHANNEL_PLAIN);
}

void serve_pubsub_shardchannels(node_call *c) {
    list_channels(c, CHANNEL_SHARD);
}

static void count_subscribers(node_call *c, channel_kind kind) {
    call_array(c, 2 * (c->argc - 2));
    for (size_t i = 2; i < c->argc; i++) {
        const relation_topic *topic = relation_find(&c->node->push.channels.of[kind], c->argv[i]);
        call_bulk(c, c->argv[i]);
        call_integer(c, topic ? (int64_t)topic->member_count : 0);
    }
}

void serve_pubsub_numsub(node_call *c) {
    count_subscribers(c, CHANNEL_PLAIN);
}

void serve_pubsub_shardnumsub(node_call *c) {
    count_subscribers(c, CHANNEL_SHARD);
}

void serve_pubsub_numpat(node_call *c) {
    const relation *patterns = &c->node->push.channels.of[CHANNEL_PATTERN];
    call_integer(c, (int64_t)relation_topic_count(patterns));
}

/* ---------------------------------------------------------------------------------- MONITOR */

void serve_monitor(node_call *c) {
    node_session *s = c->session;
    if (c->in_exec) {
        call_error(c, "ERR MONITOR isn't allowed for DENY BLOCKING client");
        return;
    }
    if (!list_linked(&s->in_monitors)) {
        list_push_back(&c->node->push.monitors, &s->in_monitors);
        call_ok(c);
    }
}
