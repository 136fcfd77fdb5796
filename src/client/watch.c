/* Traces, events and the map, as their readers see them. */
#include "core/watch.h"

#include "client/shared_mem.h"

#define ENTRIES(table) (sizeof(table) / sizeof((table)[0]))

/* ------------------------------------------------------------------- traces */

kw_status kw_trace_new(kw_trace **ret) {
    kw_trace *trace = mem_calloc(&mem_default, 1, sizeof *trace);
    if (!trace) {
        return KW_ERR_NOMEM;
    }
    trace->slot = SLOT_NONE;
    *ret = trace;
    return KW_OK;
}

void kw_trace_free(kw_trace *trace) {
    mem_free(&mem_default, trace);
}

int kw_trace_slot(const kw_trace *trace) {
    return trace->slot;
}

uint64_t kw_trace_generation(const kw_trace *trace) {
    return trace->generation;
}

size_t kw_trace_hop_count(const kw_trace *trace) {
    return trace->hop_count < LIMIT_TRACE_HOPS ? trace->hop_count : LIMIT_TRACE_HOPS;
}

bool kw_trace_hop_at(const kw_trace *trace, size_t index, kw_hop *ret) {
    size_t kept = kw_trace_hop_count(trace);
    if (index >= kept) {
        return false;
    }
    const trace_hop *hop = &trace->hops[(trace->hop_count - kept + index) % LIMIT_TRACE_HOPS];
    *ret = (kw_hop){
        .node = hop->node,
        .reason = hop->reason ? hop->reason : "",
        .answer = hop->answer ? hop->answer : "",
        .start_us = hop->start_us,
        .end_us = hop->end_us,
    };
    return true;
}

uint64_t kw_trace_total_us(const kw_trace *trace) {
    return trace->total_us;
}

/* ------------------------------------------------------------------- events */

static const char *const EVENT_NAMES[] = {
    [KW_EVENT_MAP_CHANGED] = "map-changed",
    [KW_EVENT_REDIRECTED] = "redirected",
    [KW_EVENT_SLOT_HEALED] = "slot-healed",
    [KW_EVENT_NODE_UP] = "node-up",
    [KW_EVENT_NODE_DOWN] = "node-down",
    [KW_EVENT_NODE_ADDED] = "node-added",
    [KW_EVENT_NODE_REMOVED] = "node-removed",
    [KW_EVENT_REFRESH_STARTED] = "refresh-started",
    [KW_EVENT_REFRESH_ACCEPTED] = "refresh-accepted",
    [KW_EVENT_REFRESH_REFUSED] = "refresh-refused",
    [KW_EVENT_REFRESH_FAILED] = "refresh-failed",
    [KW_EVENT_PUSH] = "push",
    [KW_EVENT_HELD_BACK] = "held-back",
    [KW_EVENT_PROBED] = "probed",
    [KW_EVENT_RETRIED] = "retried",
    [KW_EVENT_FAILED] = "failed",
};

const char *kw_event_type_name(kw_event_type type) {
    return (size_t)type < ENTRIES(EVENT_NAMES) ? EVENT_NAMES[type] : "unknown";
}

kw_event_type kw_event_get_type(const kw_event *event) {
    return event->type;
}

int kw_event_slot(const kw_event *event) {
    return event->slot;
}

const char *kw_event_node(const kw_event *event) {
    return event->node;
}

const char *kw_event_target(const kw_event *event) {
    return event->target;
}

const char *kw_event_text(const kw_event *event) {
    return event->text;
}

/* ---------------------------------------------------------------------- map */

void kw_map_free(kw_map *map) {
    if (!map) {
        return;
    }
    const mem *m = map->mem;
    mem_free(m, map->nodes);
    mem_free(m, map);
    shared_mem_unref(m);
}

uint64_t kw_map_generation(const kw_map *map) {
    return map->generation;
}

size_t kw_map_node_count(const kw_map *map) {
    return map->node_count;
}

bool kw_map_node_at(const kw_map *map, size_t index, kw_map_node *ret) {
    if (index >= map->node_count) {
        return false;
    }
    const map_node *node = &map->nodes[index];
    *ret = (kw_map_node){
        .id = node->id,
        .endpoint = node->endpoint,
        .primary = node->primary_index < 0,
        .primary_index = node->primary_index,
        .state = node->state ? node->state : "unknown",
        .slot_count = node->slot_count,
    };
    return true;
}

int kw_map_owner(const kw_map *map, int slot) {
    return slot >= 0 && slot < SLOT_COUNT ? map->owner[slot] : -1;
}

bool kw_map_is_suspect(const kw_map *map, int slot) {
    return slot >= 0 && slot < SLOT_COUNT && (map->suspect[slot / 8] >> (slot % 8) & 1);
}
