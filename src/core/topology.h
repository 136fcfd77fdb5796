/* A view: what one node says about the whole cluster (CLUSTER SLOTS and CLUSTER INFO), checked and
 * put in order, before anyone believes it. Owns its memory. */
#ifndef CORE_TOPOLOGY_H
#define CORE_TOPOLOGY_H

#include "base/arena.h"
#include "core/endpoint.h"
#include "core/slot.h"

#define VIEW_NO_OWNER UINT16_MAX

typedef struct view_node {
    const char *id;   /* empty if the server sent none */
    const char *host; /* as announced; "?" never gets here */
    uint16_t port;
    uint16_t primary; /* index of its primary; its own index for a primary */
    uint32_t slot_count;
} view_node;

typedef struct view {
    const mem *mem;
    arena texts;
    view_node *nodes;
    uint16_t node_count;
    uint16_t node_capacity;
    uint16_t owner[SLOT_COUNT]; /* index into nodes, or VIEW_NO_OWNER */
    uint32_t covered_count;
    bool has_epoch; /* view_read_info found one */
    uint64_t current_epoch;
} view;

void view_free(view *v);

endpoint view_node_endpoint(const view_node *n);

/* A CLUSTER SLOTS reply that is being received: its rows are read as they come, so that the last
 * bytes of a long one leave little to do. `asked` is the node that sends it: an empty or null host
 * means its host; with host "?" the slots count as not covered. */
typedef struct view_reader view_reader;

KW_CHECKED view_reader *view_reader_new(const mem *m, const endpoint *asked);
void view_reader_free(view_reader *r);

/* Reads the rows that are whole, from where it stopped. `data` is the reply from its first byte on,
 * `len` what resp_scan has passed of it. */
void view_read_rows(view_reader *r, const char *data, size_t len);

/* Reads what is left of the reply, now whole; the view is the caller's, and the reader has done its
 * work. Errors: KW_ERR_PROTOCOL (*ret_why: no array, a slot out of range or given twice, start
 * after end, a port out of range, a cap passed), KW_ERR_NOT_CLUSTER (an error reply `ERR This
 * instance has cluster support disabled`), KW_ERR_AUTH (NOAUTH, NOPERM), KW_ERR_NOMEM. */
KW_CHECKED kw_status view_read_end(view_reader *r, const char *data, size_t len, view **ret,
                                   const char **ret_why);

/* Reads cluster_current_epoch out of a CLUSTER INFO reply, if it is there. */
struct kw_reply;
void view_read_info(view *v, const struct kw_reply *reply);

/* True if both name the same owners and endpoints: the second node agrees with the first. */
bool view_agrees(const view *a, const view *b);

#endif
