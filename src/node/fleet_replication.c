#include "node/fleet_state.h"
#include "node/node_dump.h"

#include <stdio.h>

static bool follows(const node_fleet *f, const member *m, uint16_t primary) {
    return m->node && m->source == primary && m->source_life == f->members[primary]->life;
}

size_t fleet_replicas_at(void *arg, uint16_t self, uint64_t offset) {
    const node_fleet *f = arg;
    size_t count = 0;
    for (uint16_t i = 0; i < f->count; i++) {
        const member *m = f->members[i];
        count += follows(f, m, self) && !m->paused && m->node->offset >= offset;
    }
    return count;
}

bool fleet_is_level(const node_fleet *f, uint16_t replica, uint16_t primary) {
    const member *m = f->members[replica];
    return follows(f, m, primary) && inbox_is_empty(&m->inbox);
}

uint64_t fleet_offset_of(void *arg, uint16_t index) {
    const node_fleet *f = arg;
    return f->members[index]->node ? f->members[index]->node->offset : 0;
}

static void forget_source(member *m) {
    m->source = NODE_NOBODY;
    inbox_clear(&m->inbox);
}

void fleet_replicate(void *arg, uint16_t self, const kw_slice *argv, size_t argc, uint64_t now_us) {
    node_fleet *f = arg;
    for (uint16_t i = 0; i < f->count; i++) {
        member *m = f->members[i];
        if (!follows(f, m, self)) {
            continue;
        }
        if (!fleet_reaches(f, self, i)) {
            forget_source(m); /* a full synchronisation follows when they hear each other again */
            continue;
        }
        if (f->replication_delay_us == 0 && !m->paused && inbox_is_empty(&m->inbox)) {
            node_apply(m->node, argv, argc, now_us);
        } else if (!inbox_push(&m->inbox, argv, argc, now_us, now_us + f->replication_delay_us)) {
            forget_source(m); /* too far behind: a full synchronisation follows */
        }
    }
}

void fleet_apply_due(const node_fleet *f, member *m, uint64_t now_us) {
    if (inbox_due_us(&m->inbox) > now_us) {
        return;
    }
    while (inbox_due_us(&m->inbox) <= now_us) {
        stream_record *record = inbox_take(&m->inbox);
        node_apply(m->node, record->argv, record->argc, record->run_us);
        inbox_done(&m->inbox, record);
    }
    node *source = m->source == NODE_NOBODY ? NULL : f->members[m->source]->node;
    if (source && follows(f, m, m->source)) {
        node_serve_replica_waits(source);
    }
}

/* A full synchronisation. If memory is short the replica keeps what it has and tries again later.
 */
static void synchronise(node_fleet *f, member *m, uint16_t primary) {
    node *from = f->members[primary]->node;
    keyspace *copy = keyspace_clone(from->keys, m->node->keys->version);
    if (copy) {
        node_replace_keys(m->node, copy, from->offset);
        m->source = primary;
        m->source_life = f->members[primary]->life;
        inbox_clear(&m->inbox);
        node_serve_replica_waits(from);
    }
}

void fleet_choose_source(node_fleet *f, uint16_t index) {
    member *m = f->members[index];
    uint16_t primary = node_view_self(m->node->view)->primary_of;
    const node *source = f->members[primary]->node;
    if (fleet_is_primary(m->node)) {
        forget_source(m);
    } else if (!follows(f, m, primary) && source && fleet_is_primary(source) &&
               fleet_reaches(f, primary, index)) {
        synchronise(f, m, primary);
    }
}

void fleet_drop_unsent(node_fleet *f, uint16_t primary, uint64_t now_us) {
    for (uint16_t i = 0; i < f->count; i++) {
        member *m = f->members[i];
        if (follows(f, m, primary)) {
            inbox_drop_after(&m->inbox, now_us);
        }
    }
}

void fleet_propagate_value(node *n, const keyspace_entry *e) {
    char expiry[24];
    buffer payload;
    buffer_init(&payload, n->mem, 0);
    (void)snprintf(expiry, sizeof expiry, "%llu", (unsigned long long)e->expire_ms);
    const dump_value value = {e->kind, e->object, keyspace_value(e)};
    if (dump_write(&payload, &value)) {
        const kw_slice argv[] = {SLICE_LITERAL("RESTORE"), keyspace_key(e),
                                 slice_text(expiry),       buffer_slice(&payload),
                                 SLICE_LITERAL("REPLACE"), SLICE_LITERAL("ABSTTL")};
        node_propagate(n, argv, 6);
    }
    buffer_done(&payload);
}
