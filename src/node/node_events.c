#include "node/node_events.h"

#include <stdarg.h>
#include <stdio.h>

void node_events_init(node_events *e, const mem *m) {
    *e = (node_events){.mem = m};
}

void node_events_done(node_events *e) {
    if (e->ring) {
        mem_free(e->mem, e->ring);
    }
    e->ring = NULL;
}

void node_events_add(node_events *e, uint64_t now_us, node_event_kind kind, uint16_t node,
                     const char *format, ...) {
    if (!e->ring) {
        e->ring = mem_calloc(e->mem, NODE_EVENTS_KEPT, sizeof *e->ring);
    }
    if (!e->ring) {
        return;
    }
    node_event *event = &e->ring[e->last % NODE_EVENTS_KEPT];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(event->text, sizeof event->text, format, args); /* cut short is good enough */
    va_end(args);
    event->number = ++e->last;
    event->time_us = now_us;
    event->kind = kind;
    event->node = node;
}

const node_event *node_events_next(const node_events *e, uint64_t after) {
    uint64_t oldest = e->last > NODE_EVENTS_KEPT ? e->last - NODE_EVENTS_KEPT : 0;
    oldest = e->forgotten > oldest ? e->forgotten : oldest;
    uint64_t number = (after > oldest ? after : oldest) + 1;
    return after >= e->last || number > e->last ? NULL : &e->ring[(number - 1) % NODE_EVENTS_KEPT];
}

void node_events_clear(node_events *e) {
    e->forgotten = e->last;
}

const char *node_event_name(node_event_kind kind) {
    static const char *const names[] = {
        [EVENT_NODE_KILLED] = "node-killed",
        [EVENT_NODE_STARTED] = "node-started",
        [EVENT_NODE_PAUSED] = "node-paused",
        [EVENT_NODE_RESUMED] = "node-resumed",
        [EVENT_NODE_ADDED] = "node-added",
        [EVENT_NODE_REMOVED] = "node-removed",
        [EVENT_NODE_FAILED] = "node-failed",
        [EVENT_FAILOVER_BEGUN] = "failover-begun",
        [EVENT_FAILOVER_WON] = "failover-won",
        [EVENT_SLOTS_MOVED] = "slots-moved",
        [EVENT_MIGRATION] = "migration",
        [EVENT_VIEW] = "view",
        [EVENT_RULE_HIT] = "rule-hit",
        [EVENT_TIME] = "time",
        [EVENT_CLIENT_CONNECTED] = "client-connected",
        [EVENT_CLIENT_GONE] = "client-gone",
        [EVENT_CLIENT_REFUSED] = "client-refused",
        [EVENT_CLIENT_CUT] = "client-cut",
        [EVENT_SETTING] = "setting",
    };
    return names[kind];
}
