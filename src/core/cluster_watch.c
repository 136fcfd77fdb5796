/* What can be watched (ROUTING §8): traces, events, counters, and snapshots of map and statistics.
 */
#include "core/cluster_state.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct event_entry {
    list node;
    kw_event event;
} event_entry;

/* ------------------------------------------------------------------ traces */

void watch_hop(cluster *c, request *r, const node *n) {
    kw_trace *t = r->at.more->trace;
    if (!t) {
        return;
    }
    trace_hop *hop = &t->hops[t->hop_count++ % LIMIT_TRACE_HOPS];
    endpoint_format(&n->endpoint, hop->node);
    hop->reason = r->at.more->reason ? r->at.more->reason : "map";
    hop->answer = NULL;
    hop->start_us = c->now_us - r->submitted_us;
    hop->end_us = 0;
}

void watch_answer(cluster *c, request *r, const char *what) {
    kw_trace *t = r->has_more ? r->at.more->trace : NULL;
    if (!t || t->hop_count == 0) {
        return;
    }
    trace_hop *hop = &t->hops[(t->hop_count - 1) % LIMIT_TRACE_HOPS];
    if (!hop->answer) {
        hop->answer = what;
        hop->end_us = c->now_us - r->submitted_us;
    }
}

/* ------------------------------------------------------------------ events */

void cluster_watch_events(cluster *c, bool on) {
    c->watching = on;
}

static void drop_oldest_event(cluster *c) {
    mem_free(c->mem, LIST_ENTRY(list_pop_front(&c->events), event_entry, node));
    c->event_count--;
}

void watch_event(cluster *c, kw_event_type type, int slot, const node *n, const node *target,
                 const char *format, ...) {
    if (!c->watching) {
        return;
    }
    event_entry *e = mem_calloc(c->mem, 1, sizeof *e);
    if (!e) {
        return; /* an event less, when memory is short, is no harm */
    }
    e->event.type = type;
    e->event.slot = slot;
    if (n) {
        node_text(n, e->event.node);
    }
    if (target) {
        node_text(target, e->event.target);
    }
    va_list args;
    va_start(args, format);
    vsnprintf(e->event.text, sizeof e->event.text, format, args);
    va_end(args);
    if (c->event_count == LIMIT_EVENTS) {
        drop_oldest_event(c);
    }
    list_push_back(&c->events, &e->node);
    c->event_count++;
}

const kw_event *cluster_next_event(cluster *c) {
    mem_free(c->mem, c->event_out);
    c->event_out = NULL;
    list *at = list_pop_front(&c->events);
    if (!at) {
        return NULL;
    }
    c->event_count--;
    c->event_out = LIST_ENTRY(at, event_entry, node);
    return &c->event_out->event;
}

void watch_done(cluster *c) {
    while (!list_empty(&c->events)) {
        drop_oldest_event(c);
    }
    mem_free(c->mem, c->event_out);
}

/* --------------------------------------------------------------------- map */

void cluster_forget_slots(cluster *c, int first, int last, uint64_t now_us) {
    c->now_us = now_us;
    for (int slot = first; slot <= last && slotmap_loaded(&c->slots); slot++) {
        slotmap_forget(&c->slots, slot);
    }
}

static size_t index_nodes(const cluster *c, int indices[LIMIT_NODES]) {
    size_t count = 0;
    for (unsigned i = 0; i < c->node_count; i++) {
        indices[i] = c->nodes[i] && c->nodes[i]->in_map ? (int)count++ : -1;
    }
    return count;
}

static void copy_node(const cluster *c, const node *n, const int *indices, map_node *to) {
    memcpy(to->id, n->id, sizeof to->id);
    endpoint_format(&n->endpoint, to->endpoint);
    to->state = node_state_name(n);
    bool has_primary = n->replica && n->primary != SLOTMAP_NONE && c->nodes[n->primary];
    to->primary_index = has_primary ? indices[n->primary] : -1;
}

kw_status cluster_map_snapshot(const cluster *c, kw_map **ret) {
    int indices[LIMIT_NODES];
    size_t count = index_nodes(c, indices);
    kw_map *m = mem_calloc(c->mem, 1, sizeof *m);
    map_node *nodes = mem_calloc(c->mem, count + 1, sizeof *nodes);
    if (!m || !nodes) {
        mem_free(c->mem, m);
        mem_free(c->mem, nodes);
        return KW_ERR_NOMEM;
    }
    m->mem = c->mem;
    m->generation = c->slots.generation;
    m->node_count = count;
    m->nodes = nodes;
    for (unsigned i = 0; i < c->node_count; i++) {
        if (indices[i] >= 0) {
            copy_node(c, c->nodes[i], indices, &nodes[indices[i]]);
        }
    }
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        uint16_t owner = slotmap_owner(&c->slots, slot);
        m->owner[slot] = owner == SLOTMAP_NONE ? -1 : (int16_t)indices[owner];
        if (m->owner[slot] >= 0) {
            nodes[m->owner[slot]].slot_count++;
        }
    }
    memcpy(m->suspect, c->slots.suspect, sizeof m->suspect);
    *ret = m;
    return KW_OK;
}

/* -------------------------------------------------------------- statistics */

static void copy_levels(const cluster *c, kw_stats *s, const int *indices) {
    s->counters[KW_COUNT_WAITING] = c->waiting;
    s->counters[KW_COUNT_SLOTS_KNOWN] = c->slots.known_count;
    s->counters[KW_COUNT_SLOTS_SUSPECT] = c->slots.suspect_count;
    s->counters[KW_COUNT_SLOTS_UNKNOWN] = SLOT_COUNT - c->slots.known_count;
    for (uint32_t i = 0; i < c->link_count; i++) {
        const link *l = c->links[i];
        if (!l || (l->state != LINK_READY && l->state != LINK_HANDSHAKE)) {
            continue;
        }
        s->counters[KW_COUNT_LINKS]++;
        s->counters[KW_COUNT_IN_FLIGHT] += l->count;
        s->counters[KW_COUNT_BLOCKED] += blocking_is_busy(l);
        int at = indices[l->node->index];
        if (at >= 0) {
            s->nodes[at].counters[KW_COUNT_LINKS]++;
            s->nodes[at].counters[KW_COUNT_IN_FLIGHT] += l->count;
            s->nodes[at].counters[KW_COUNT_BLOCKED] += blocking_is_busy(l);
        }
    }
}

kw_status cluster_stats_snapshot(const cluster *c, kw_stats **ret) {
    int indices[LIMIT_NODES];
    size_t count = index_nodes(c, indices);
    kw_stats *s = mem_calloc(c->mem, 1, sizeof *s);
    stats_node *nodes = mem_calloc(c->mem, count + 1, sizeof *nodes);
    if (!s || !nodes) {
        mem_free(c->mem, s);
        mem_free(c->mem, nodes);
        return KW_ERR_NOMEM;
    }
    s->mem = c->mem;
    s->node_count = count;
    s->nodes = nodes;
    s->latency = c->latency;
    memcpy(s->counters, c->counters, sizeof s->counters);
    for (unsigned i = 0; i < c->node_count; i++) {
        const node *n = c->nodes[i];
        if (indices[i] >= 0) {
            stats_node *to = &nodes[indices[i]];
            node_text(n, to->endpoint);
            memcpy(to->counters, n->counters, sizeof to->counters);
            if (n->contact) {
                to->latency = n->contact->latency;
            }
        }
    }
    copy_levels(c, s, indices);
    *ret = s;
    return KW_OK;
}
