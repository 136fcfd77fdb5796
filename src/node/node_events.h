/* What happened in a lab, for whoever watches it: the most recent events, each with a line of text.
 * Owns its memory, taken with the first event; if it is short, events are lost. */
#ifndef NODE_NODE_EVENTS_H
#define NODE_NODE_EVENTS_H

#include "base/mem.h"
#include "base/slice.h"

#define NODE_EVENTS_KEPT 1024
#define NODE_EVENT_TEXT_SIZE 160

typedef enum node_event_kind {
    EVENT_NODE_KILLED,
    EVENT_NODE_STARTED,
    EVENT_NODE_PAUSED,
    EVENT_NODE_RESUMED,
    EVENT_NODE_ADDED,
    EVENT_NODE_REMOVED,
    EVENT_NODE_FAILED, /* the others call it failed */
    EVENT_FAILOVER_BEGUN,
    EVENT_FAILOVER_WON,
    EVENT_SLOTS_MOVED, /* or assigned, or left without a node */
    EVENT_MIGRATION,   /* a step of one: begun, keys moved, ended, abandoned */
    EVENT_VIEW,        /* a view frozen, thawed, forced */
    EVENT_RULE_HIT,
    EVENT_TIME, /* frozen, advanced, resumed */
    EVENT_CLIENT_CONNECTED,
    EVENT_CLIENT_GONE,
    EVENT_CLIENT_REFUSED, /* no room for another one */
    EVENT_CLIENT_CUT,     /* it does not read what it is sent */
    EVENT_SETTING         /* any other change by control */
} node_event_kind;

typedef struct node_event {
    uint64_t number; /* from 1 */
    uint64_t time_us;
    node_event_kind kind;
    uint16_t node; /* NODE_NOBODY: none in particular */
    char text[NODE_EVENT_TEXT_SIZE];
} node_event;

typedef struct node_events {
    const mem *mem;
    node_event *ring;
    uint64_t last; /* number of the newest; 0: none yet */
    uint64_t forgotten;
} node_events;

void node_events_init(node_events *e, const mem *m);
void node_events_done(node_events *e);

void node_events_add(node_events *e, uint64_t now_us, node_event_kind kind, uint16_t node,
                     const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The oldest one kept whose number is above `after`; NULL: none. */
const node_event *node_events_next(const node_events *e, uint64_t after);
void node_events_clear(node_events *e);

/* "node-killed", "failover-won" ... */
const char *node_event_name(node_event_kind kind);

#endif
