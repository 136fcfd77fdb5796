#include "core/topology.h"

#include "base/map.h"
#include "core/reply.h"

#include <stdio.h>

/* Positions in an entry of CLUSTER SLOTS, and in a node of it. */
enum { ENTRY_START, ENTRY_END, ENTRY_PRIMARY, ENTRY_REPLICAS };
enum { NODE_HOST, NODE_PORT, NODE_ID };

#define NODE_UNKNOWN VIEW_NO_OWNER /* the server does not know the node's host */

typedef struct view_reader {
    view *view;
    const endpoint *asked;
    map indexes;     /* "i" id, or "e" endpoint if there is no id -> index + 1 */
    const char *why; /* the first thing that is wrong */
    kw_status status;
} view_reader;

static void clear(view *v) {
    v->node_count = 0;
    v->covered_count = 0;
    for (size_t slot = 0; slot < SLOT_COUNT; slot++) {
        v->owner[slot] = VIEW_NO_OWNER;
    }
}

view *view_new(const mem *m) {
    view *v = mem_calloc(m, 1, sizeof *v);
    if (v) {
        v->mem = m;
        clear(v);
    }
    return v;
}

void view_free(view *v) {
    if (v) {
        mem_free(v->mem, v->nodes);
        mem_free(v->mem, v);
    }
}

static bool refuse(view_reader *r, const char *why) {
    r->why = why;
    r->status = KW_ERR_PROTOCOL;
    return false;
}

static bool out_of_memory(view_reader *r) {
    r->status = KW_ERR_NOMEM;
    return false;
}

/* ---------------------------------------------------------------------- nodes */

static bool is_string(const kw_reply *field) {
    kw_type type = kw_reply_type(field);
    return type == KW_TYPE_STRING || type == KW_TYPE_STATUS || type == KW_TYPE_VERBATIM;
}

static bool read_id(view_reader *r, const kw_reply *entry, view_node *node) {
    node->id[0] = '\0';
    const kw_reply *field = kw_reply_at(entry, NODE_ID);
    if (!field || kw_reply_is_null(field)) {
        return true;
    }
    if (!is_string(field)) {
        return refuse(r, "a node's id is not a string");
    }
    kw_slice id = reply_slice(field);
    if (id.len > LIMIT_NODE_ID_BYTES) {
        return refuse(r, "a node's id is too long");
    }
    for (size_t i = 0; i < id.len; i++) {
        if (id.data[i] <= ' ' || id.data[i] > '~') {
            return refuse(r, "a node's id is not a word");
        }
    }
    (void)slice_copy(node->id, sizeof node->id, id); /* it fits */
    return true;
}

/* The asked node's own host. By a Unix socket it has none, but is surely on this machine. */
static kw_slice asked_host(const view_reader *r) {
    return r->asked->port == 0 ? SLICE_LITERAL("127.0.0.1") : slice_text(r->asked->host);
}

/* *ret_known false: the host is "?". */
static bool read_endpoint(view_reader *r, const kw_reply *entry, view_node *node, bool *ret_known) {
    const kw_reply *host_field = kw_reply_at(entry, NODE_HOST);
    const kw_reply *port_field = kw_reply_at(entry, NODE_PORT);
    if (!host_field || !port_field) {
        return refuse(r, "a node is not an array of host and port");
    }
    if (!kw_reply_is_null(host_field) && !is_string(host_field)) {
        return refuse(r, "a node's host is not a string");
    }
    if (kw_reply_type(port_field) != KW_TYPE_INTEGER) {
        return refuse(r, "a node's port is not an integer");
    }
    kw_slice host = kw_reply_is_null(host_field) ? slice_of("", 0) : reply_slice(host_field);
    *ret_known = !slice_is(host, "?");
    if (host.len == 0) {
        host = asked_host(r);
    }
    int64_t port = kw_reply_integer(port_field);
    if (port < 1 || port > UINT16_MAX) {
        return refuse(r, "a node's port is out of range");
    }
    if (!endpoint_make(host, (uint64_t)port, &node->endpoint)) {
        return refuse(r, "a node's host is not a host");
    }
    return true;
}

static bool grow_nodes(view_reader *r) {
    view *v = r->view;
    if (v->node_count < v->node_capacity) {
        return true;
    }
    if (v->node_count == LIMIT_NODES) {
        return refuse(r, "too many nodes");
    }
    size_t capacity = v->node_capacity ? (size_t)v->node_capacity * 2 : 16;
    view_node *nodes = mem_resize(v->mem, v->nodes, capacity, sizeof *nodes);
    if (!nodes) {
        return out_of_memory(r);
    }
    v->nodes = nodes;
    v->node_capacity = (uint16_t)capacity;
    return true;
}

/* Adds the node unless its endpoint is known already: two ids in one place are one place to send
 * to. `primary`: its primary's index, or NODE_UNKNOWN for a primary itself. Owning slots is the
 * stronger word: who is met in both roles is a primary. */
static bool add_node(view_reader *r, const view_node *node, uint16_t primary, uint16_t *ret_index) {
    view *v = r->view;
    char text[ENDPOINT_TEXT_BYTES];
    kw_slice key = slice_text(endpoint_format(&node->endpoint, text));
    uint16_t index = (uint16_t)((uintptr_t)map_get(&r->indexes, key));
    if (index == 0) {
        if (!grow_nodes(r)) {
            return false;
        }
        index = (uint16_t)(v->node_count + 1);
        if (!map_set(&r->indexes, key, (void *)(uintptr_t)index, NULL)) {
            return out_of_memory(r);
        }
        v->nodes[v->node_count] = *node;
        v->nodes[v->node_count].primary = primary;
        v->node_count++;
    }
    index--;
    if (primary == NODE_UNKNOWN) {
        v->nodes[index].primary = index;
    }
    *ret_index = index;
    return true;
}

/* *ret_index is NODE_UNKNOWN if the server does not know the host. */
static bool read_node(view_reader *r, const kw_reply *entry, uint16_t primary,
                      uint16_t *ret_index) {
    view_node node = {.slot_count = 0};
    bool known = true;
    if (!read_endpoint(r, entry, &node, &known) || !read_id(r, entry, &node)) {
        return false;
    }
    if (!known) {
        *ret_index = NODE_UNKNOWN;
        return true;
    }
    return add_node(r, &node, primary, ret_index);
}

/* ---------------------------------------------------------------------- slots */

static bool read_slot(view_reader *r, const kw_reply *field, size_t *ret) {
    if (kw_reply_type(field) != KW_TYPE_INTEGER) {
        return refuse(r, "a slot is not an integer");
    }
    int64_t slot = kw_reply_integer(field);
    if (slot < 0 || slot >= SLOT_COUNT) {
        return refuse(r, "a slot is out of range");
    }
    *ret = (size_t)slot;
    return true;
}

static bool read_entry(view_reader *r, const kw_reply *entry, uint8_t given[SLOT_COUNT]) {
    size_t count = kw_reply_count(entry);
    if (kw_reply_type(entry) != KW_TYPE_ARRAY || count <= ENTRY_PRIMARY) {
        return refuse(r, "an entry is not an array of start, end and nodes");
    }
    if (count - ENTRY_REPLICAS > LIMIT_REPLICAS) {
        return refuse(r, "too many replicas");
    }
    size_t start;
    size_t end;
    uint16_t primary;
    if (!read_slot(r, kw_reply_at(entry, ENTRY_START), &start) ||
        !read_slot(r, kw_reply_at(entry, ENTRY_END), &end)) {
        return false;
    }
    if (start > end) {
        return refuse(r, "a slot range ends before it starts");
    }
    if (!read_node(r, kw_reply_at(entry, ENTRY_PRIMARY), NODE_UNKNOWN, &primary)) {
        return false;
    }
    for (size_t slot = start; slot <= end; slot++) {
        if (given[slot]) {
            return refuse(r, "a slot is given twice");
        }
        given[slot] = 1;
        r->view->owner[slot] = primary;
    }
    if (primary != NODE_UNKNOWN) {
        uint32_t slots = (uint32_t)(end - start + 1);
        r->view->covered_count += slots;
        r->view->nodes[primary].slot_count += slots;
    }
    for (size_t i = ENTRY_REPLICAS; i < count; i++) {
        uint16_t replica;
        if (primary == NODE_UNKNOWN) { /* looked at, but there is nobody to be a replica of */
            view_node unused;
            bool known;
            if (!read_endpoint(r, kw_reply_at(entry, i), &unused, &known)) {
                return false;
            }
        } else if (!read_node(r, kw_reply_at(entry, i), primary, &replica)) {
            return false;
        }
    }
    return true;
}

static kw_status status_of_error(kw_slice text, const char **ret_why) {
    static const struct {
        const char *prefix;
        kw_status status;
        const char *why;
    } errors[] = {
        {"ERR This instance has cluster support disabled", KW_ERR_NOT_CLUSTER,
         "cluster support is disabled"},
        {"ERR unknown command", KW_ERR_NOT_CLUSTER, "the CLUSTER command is unknown"},
        {"NOAUTH", KW_ERR_AUTH, "a password is required"},
        {"NOPERM", KW_ERR_AUTH, "the user may not use CLUSTER SLOTS"},
        {"LOADING", KW_ERR_PROTOCOL, "the node is loading its data"},
    };
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if (slice_starts_with(text, errors[i].prefix)) {
            *ret_why = errors[i].why;
            return errors[i].status;
        }
    }
    *ret_why = "the node answers CLUSTER SLOTS with an error";
    return KW_ERR_PROTOCOL;
}

static void read_entries(view_reader *r, const kw_reply *reply) {
    size_t count = kw_reply_count(reply);
    if (count > LIMIT_SLOT_RANGES) {
        (void)refuse(r, "too many slot ranges"); /* the status says it */
        return;
    }
    uint8_t given[SLOT_COUNT] = {0};
    for (size_t i = 0; i < count; i++) {
        if (!read_entry(r, kw_reply_at(reply, i), given)) {
            return;
        }
    }
}

kw_status view_read_slots(view *v, const struct kw_reply *reply, const endpoint *asked,
                          const char **ret_why) {
    clear(v);
    if (kw_reply_is_error(reply)) {
        return status_of_error(reply_slice(reply), ret_why);
    }
    if (kw_reply_type(reply) != KW_TYPE_ARRAY) {
        *ret_why = "the slots are not an array";
        return KW_ERR_PROTOCOL;
    }
    view_reader r = {.view = v, .asked = asked, .status = KW_OK};
    /* A fixed seed: a server that makes keys collide delays its own view only, within the caps. */
    map_init(&r.indexes, v->mem, 0);
    read_entries(&r, reply);
    map_done(&r.indexes);
    if (r.status != KW_OK) {
        clear(v);
        *ret_why = r.why ? r.why : "out of memory";
    }
    return r.status;
}

void view_read_info(view *v, const struct kw_reply *reply) {
    static const char name[] = "cluster_current_epoch:";
    if (kw_reply_is_error(reply)) {
        return;
    }
    kw_slice rest = reply_slice(reply);
    kw_slice line;
    while (slice_split(&rest, '\n', &line)) {
        if (line.len > 0 && line.data[line.len - 1] == '\r') {
            line.len--;
        }
        uint64_t epoch;
        if (slice_starts_with(line, name) &&
            slice_to_u64(slice_of(line.data + sizeof name - 1, line.len - (sizeof name - 1)),
                         &epoch)) {
            v->has_epoch = true;
            v->current_epoch = epoch;
            return;
        }
    }
}

/* An id that only one of them knows does not count. */
static bool nodes_agree(const view_node *a, const view_node *b) {
    bool same_id = a->id[0] == '\0' || b->id[0] == '\0' || strcmp(a->id, b->id) == 0;
    return same_id && endpoint_equal(&a->endpoint, &b->endpoint);
}

bool view_agrees(const view *a, const view *b) {
    uint16_t partner[LIMIT_NODES]; /* of a's nodes in b, once they were compared */
    for (size_t i = 0; i < LIMIT_NODES; i++) {
        partner[i] = VIEW_NO_OWNER;
    }
    for (size_t slot = 0; slot < SLOT_COUNT; slot++) {
        uint16_t x = a->owner[slot];
        uint16_t y = b->owner[slot];
        if (x == VIEW_NO_OWNER || y == VIEW_NO_OWNER) {
            if (x != y) {
                return false;
            }
            continue;
        }
        if (partner[x] == y) {
            continue;
        }
        if (!nodes_agree(&a->nodes[x], &b->nodes[y])) {
            return false;
        }
        partner[x] = y;
    }
    return true;
}
