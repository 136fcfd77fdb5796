#include "node/node_gossip.h"

void node_view_tell(const node_view *v, node_news *ret) {
    ret->sender = v->self;
    ret->about = *node_view_self(v);
    ret->current_epoch = v->current_epoch;
    memset(ret->slots, 0, sizeof ret->slots);
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        if (v->owner[slot] == v->self) {
            ret->slots[slot / 64] |= (uint64_t)1 << (slot % 64);
        }
    }
}

static void take_facts(node_peer *known, const node_peer *news) {
    node_peer before = *known;
    *known = *news;
    known->known = true;
    known->slot_count = before.slot_count;
    known->banned_until_us = before.banned_until_us;
    known->silent_since_us = 0;
    known->suspected = false;
    known->failed = false;
    known->no_address = false;
    if (before.config_epoch > news->config_epoch) {
        known->config_epoch = before.config_epoch;
    }
}

/* Two primaries with one epoch: neither's claims would win. */
static void part_epochs(node_view *v, const node_peer *sender) {
    if (v->self == NODE_NOBODY) {
        return;
    }
    node_peer *me = node_view_self(v);
    if (me->primary && sender->primary && me->config_epoch == sender->config_epoch &&
        strcmp(me->id, sender->id) < 0) {
        v->current_epoch++;
        me->config_epoch = v->current_epoch;
        v->changed = true;
    }
}

/* Gives the sender what it claims and wins; true if the shard's head lost a slot by it. */
static bool grant_claims(node_view *v, const node_news *news, uint16_t head) {
    uint16_t sender = news->sender;
    bool head_lost = false;
    for (int word = 0; word < SLOT_COUNT / 64; word++) {
        if (news->slots[word] == 0) {
            continue;
        }
        for (int slot = word * 64; slot < word * 64 + 64; slot++) {
            uint16_t owner = v->owner[slot];
            if (!(news->slots[word] >> (slot % 64) & 1) || owner == sender ||
                v->importing_from[slot] != NODE_NOBODY) {
                continue;
            }
            if (owner == NODE_NOBODY || v->peers[owner].config_epoch < news->about.config_epoch) {
                head_lost = head_lost || (owner == head && head != NODE_NOBODY);
                v->lost_slots = v->lost_slots || owner == v->self;
                node_view_give(v, slot, sender);
            }
        }
    }
    return head_lost;
}

void node_view_hear(node_view *v, const node_news *news) {
    uint16_t sender = news->sender;
    node_peer *known = &v->peers[sender];
    if (sender == v->self || !known->known) {
        return;
    }
    if (v->self != NODE_NOBODY && strcmp(known->id, news->about.id) != 0) {
        known->no_address = true;
        known->host = "";
        return;
    }
    if (news->current_epoch > v->current_epoch) {
        v->current_epoch = news->current_epoch;
    }
    take_facts(known, &news->about);
    part_epochs(v, known);
    if (!news->about.primary) {
        node_view_release(v, sender);
        return;
    }
    uint16_t head = v->self == NODE_NOBODY ? NODE_NOBODY : node_view_self(v)->primary_of;
    bool head_lost = grant_claims(v, news, head);
    if (head_lost && head != sender) {
        node_view_follow_heir(v, head, sender);
    }
}

/* What another view holds of a peer, and what is only mine. */
static void adopt_peer(node_peer *mine, const node_peer *theirs) {
    node_peer before = *mine;
    *mine = *theirs;
    mine->known = before.known;
    mine->banned_until_us = before.banned_until_us;
    mine->silent_since_us = before.silent_since_us;
    mine->slot_count = before.slot_count;
}

void node_view_adopt(node_view *v, const node_view *from) {
    node_peer me = *node_view_self(v);
    int first_of_head = SLOT_NONE;
    for (int slot = SLOT_COUNT - 1; slot >= 0; slot--) {
        if (v->owner[slot] == me.primary_of) {
            first_of_head = slot;
        }
    }
    for (uint16_t i = 0; i < v->peer_count; i++) {
        adopt_peer(&v->peers[i], &from->peers[i]);
    }
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        uint16_t owner = from->owner[slot];
        bool known = owner == NODE_NOBODY || v->peers[owner].known;
        node_view_give(v, slot, known ? owner : NODE_NOBODY);
        if (v->owner[slot] != v->self) {
            v->migrating_to[slot] = NODE_NOBODY;
        } else {
            v->importing_from[slot] = NODE_NOBODY;
        }
    }
    v->current_epoch = from->current_epoch;
    node_peer *self = node_view_self(v);
    me.slot_count = self->slot_count;
    me.config_epoch = self->config_epoch;
    *self = me; /* of itself a node knows best */
    self->failed = false;
    self->suspected = false;
    if (first_of_head != SLOT_NONE) {
        node_view_follow_heir(v, me.primary_of, v->owner[first_of_head]);
    }
    v->changed = true;
}
