#include "core/topology.h"

#include "base/word.h"
#include "core/reply.h"
#include "core/resp_cursor.h"

/* Positions in a row of CLUSTER SLOTS, and in a node of it. */
enum { ROW_START, ROW_END, ROW_PRIMARY, ROW_REPLICAS };
enum { NODE_HOST, NODE_PORT, NODE_ID };

#define NODE_UNKNOWN VIEW_NO_OWNER /* the server does not know the node's host */

#define SPELLINGS 2048   /* a power of two: nodes of one view take half of them at most */
#define SPELLING_TRIES 8 /* places where one may be */
#define SPELLING_BYTES_MAX 1024

#define PLACES (2 * LIMIT_NODES)

/* A node as a row names it. Rows repeat the same bytes over and over: these are read once. */
typedef struct spelling {
    uint64_t begin; /* in the reply */
    uint16_t len;   /* 0: a free place */
    uint16_t node;
} spelling;

struct view_reader {
    const mem *mem;
    view *view;
    endpoint asked;
    const char *data; /* of the reply; it moves as more is received */
    size_t offset;    /* bytes of it that were read */
    int64_t rows_left;
    const char *why; /* the first thing that is wrong */
    kw_status status;
    uint8_t given[SLOT_COUNT];
    uint16_t places[PLACES]; /* by endpoint: index + 1 */
    spelling spellings[SPELLINGS];
};

/* What a row says of a node. */
typedef struct node_fields {
    endpoint endpoint;
    kw_slice id;
    bool known; /* false: the host is "?" */
} node_fields;

/* One that is whole. */
typedef struct row {
    size_t start;
    size_t end;
    size_t node_count;
    kw_slice nodes[1 + LIMIT_REPLICAS]; /* the primary first */
} row;

static view *view_new(const mem *m) {
    view *v = mem_calloc(m, 1, sizeof *v);
    if (v) {
        v->mem = m;
        arena_init(&v->texts, m);
        for (size_t slot = 0; slot < SLOT_COUNT; slot++) {
            v->owner[slot] = VIEW_NO_OWNER;
        }
    }
    return v;
}

void view_free(view *v) {
    if (v) {
        arena_done(&v->texts);
        mem_free(v->mem, v->nodes);
        mem_free(v->mem, v);
    }
}

endpoint view_node_endpoint(const view_node *n) {
    endpoint e;
    (void)slice_copy(e.host, sizeof e.host, slice_text(n->host)); /* it was one before */
    e.port = n->port;
    return e;
}

view_reader *view_reader_new(const mem *m, const endpoint *asked) {
    view_reader *r = mem_calloc(m, 1, sizeof *r);
    view *v = r ? view_new(m) : NULL;
    if (!v) {
        mem_free(m, r);
        return NULL;
    }
    r->mem = m;
    r->view = v;
    r->asked = *asked;
    r->status = KW_OK;
    return r;
}

void view_reader_free(view_reader *r) {
    if (r) {
        view_free(r->view);
        mem_free(r->mem, r);
    }
}

static bool refuse(view_reader *r, const char *why) {
    r->why = why;
    r->status = KW_ERR_PROTOCOL;
    return false;
}

static bool out_of_memory(view_reader *r) {
    r->why = "out of memory";
    r->status = KW_ERR_NOMEM;
    return false;
}

/* ---------------------------------------------------------------------- nodes */

static bool is_string(const resp_item *item) {
    return item->type == '$' || item->type == '+' || item->type == '=';
}

static bool is_null(const resp_item *item) {
    return item->type == '_';
}

static bool read_id(view_reader *r, const resp_item *field, node_fields *node) {
    if (is_null(field)) {
        return true;
    }
    if (!is_string(field)) {
        return refuse(r, "a node's id is not a string");
    }
    kw_slice id = field->text;
    if (id.len > LIMIT_NODE_ID_BYTES) {
        return refuse(r, "a node's id is too long");
    }
    for (size_t i = 0; i < id.len; i++) {
        if (id.data[i] <= ' ' || id.data[i] > '~') {
            return refuse(r, "a node's id is not a word");
        }
    }
    node->id = id;
    return true;
}

/* The asked node's own host. By a Unix socket it has none, but is surely on this machine. */
static kw_slice asked_host(const view_reader *r) {
    return r->asked.port == 0 ? SLICE_LITERAL("127.0.0.1") : slice_text(r->asked.host);
}

static bool read_endpoint(view_reader *r, kw_slice host, int64_t port, node_fields *node) {
    if (port < 1 || port > UINT16_MAX) {
        return refuse(r, "a node's port is out of range");
    }
    if (!endpoint_make(host.len > 0 ? host : asked_host(r), (uint64_t)port, &node->endpoint)) {
        return refuse(r, "a node's host is not a host");
    }
    return true;
}

static bool read_fields(view_reader *r, kw_slice text, node_fields *node) {
    resp_cursor c = {text.data, text.data + text.len};
    resp_item field;
    node->id = SLICE_LITERAL("");
    if (!resp_next(&c, &field) || field.type != '*' || field.number <= NODE_PORT) {
        return refuse(r, "a node is not an array of host and port");
    }
    bool has_id = field.number > NODE_ID;
    if (!resp_next(&c, &field) || (!is_null(&field) && !is_string(&field))) {
        return refuse(r, "a node's host is not a string");
    }
    kw_slice host = field.text;
    node->known = !slice_is(host, "?");
    if (!resp_next(&c, &field) || field.type != ':') {
        return refuse(r, "a node's port is not an integer");
    }
    return read_endpoint(r, host, field.number, node) &&
           (!has_id || (resp_next(&c, &field) && read_id(r, &field, node)));
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

static bool new_node(view_reader *r, const node_fields *fields) {
    view *v = r->view;
    if (!grow_nodes(r)) {
        return false;
    }
    view_node *node = &v->nodes[v->node_count];
    kw_slice host = slice_text(fields->endpoint.host);
    *node = (view_node){.port = fields->endpoint.port, .primary = NODE_UNKNOWN};
    node->host = arena_strndup(&v->texts, host.data, host.len);
    node->id = arena_strndup(&v->texts, fields->id.data, fields->id.len);
    if (!node->host || !node->id) {
        return out_of_memory(r);
    }
    v->node_count++;
    return true;
}

/* A server that makes texts collide delays its own view only, within the caps. */
static size_t hash_of(kw_slice text, uint64_t seed) {
    uint64_t hash = seed + text.len;
    size_t whole = text.len / WORD_BYTES * WORD_BYTES;
    for (size_t at = 0; at < whole; at += WORD_BYTES) {
        hash = (hash ^ word_load(text.data + at)) * WORD_MULTIPLIER;
        hash ^= hash >> 32;
    }
    if (whole < text.len) { /* an empty text may have no address to count from */
        hash ^= word_load_short(text.data + whole, text.len - whole);
    }
    return (size_t)(hash * WORD_MULTIPLIER >> 32);
}

/* Where the endpoint's node is found, or a free place for it: half of them are free. */
static uint16_t *find_place(view_reader *r, const endpoint *e) {
    for (size_t at = hash_of(slice_text(e->host), e->port);; at++) {
        uint16_t *place = &r->places[at % PLACES];
        const view_node *node = *place > 0 ? &r->view->nodes[*place - 1] : NULL;
        if (!node || (node->port == e->port && strcmp(node->host, e->host) == 0)) {
            return place;
        }
    }
}

/* Adds the node unless its endpoint is known already: two ids in one place are one place to send
 * to. */
static bool add_node(view_reader *r, const node_fields *fields, uint16_t *ret_index) {
    uint16_t *place = find_place(r, &fields->endpoint);
    if (*place == 0) {
        if (!new_node(r, fields)) {
            return false;
        }
        *place = r->view->node_count;
    }
    *ret_index = (uint16_t)(*place - 1);
    return true;
}

/* Where these bytes were met before, or a free place for them; NULL if there is none near. */
static spelling *find_spelling(view_reader *r, kw_slice text) {
    if (text.len > SPELLING_BYTES_MAX) {
        return NULL;
    }
    size_t hash = hash_of(text, 0);
    for (size_t i = 0; i < SPELLING_TRIES; i++) {
        spelling *s = &r->spellings[(hash + i) % SPELLINGS];
        if (s->len == 0 ||
            (s->len == text.len && memcmp(r->data + s->begin, text.data, text.len) == 0)) {
            return s;
        }
    }
    return NULL;
}

/* *ret_index is NODE_UNKNOWN if the server does not know the host. */
static bool read_node(view_reader *r, kw_slice text, uint16_t *ret_index) {
    spelling *s = find_spelling(r, text);
    if (s && s->len > 0) {
        *ret_index = s->node;
        return true;
    }
    node_fields fields;
    uint16_t index = NODE_UNKNOWN;
    if (!read_fields(r, text, &fields) || (fields.known && !add_node(r, &fields, &index))) {
        return false;
    }
    if (s) {
        *s = (spelling){(uint64_t)(text.data - r->data), (uint16_t)text.len, index};
    }
    *ret_index = index;
    return true;
}

/* ----------------------------------------------------------------------- rows */

static bool take_slot(view_reader *r, resp_cursor *c, size_t *ret) {
    resp_item field;
    if (!resp_next(c, &field)) {
        return false;
    }
    if (field.type != ':') {
        return refuse(r, "a slot is not an integer");
    }
    if (field.number < 0 || field.number >= SLOT_COUNT) {
        return refuse(r, "a slot is out of range");
    }
    *ret = (size_t)field.number;
    return true;
}

/* False: it is not all there, or refused. Nothing of it is in the view yet. */
static bool take_row(view_reader *r, resp_cursor *c, row *ret) {
    resp_item head;
    if (!resp_next(c, &head)) {
        return false;
    }
    if (head.type != '*' || head.number <= ROW_PRIMARY) {
        return refuse(r, "a row is not an array of start, end and nodes");
    }
    if (head.number - ROW_REPLICAS > LIMIT_REPLICAS) {
        return refuse(r, "too many replicas");
    }
    if (!take_slot(r, c, &ret->start) || !take_slot(r, c, &ret->end)) {
        return false;
    }
    if (ret->start > ret->end) {
        return refuse(r, "a slot range ends before it starts");
    }
    ret->node_count = (size_t)head.number - ROW_PRIMARY;
    for (size_t i = 0; i < ret->node_count; i++) {
        const char *begin = c->at;
        if (!resp_skip(c)) {
            return false;
        }
        ret->nodes[i] = slice_of(begin, (size_t)(c->at - begin));
    }
    return true;
}

static bool give_slots(view_reader *r, const row *w, uint16_t primary) {
    view *v = r->view;
    size_t count = w->end - w->start + 1;
    if (memchr(r->given + w->start, 1, count)) {
        return refuse(r, "a slot is given twice");
    }
    memset(r->given + w->start, 1, count);
    if (primary == NODE_UNKNOWN) {
        return true;
    }
    for (size_t slot = w->start; slot <= w->end; slot++) {
        v->owner[slot] = primary;
    }
    v->covered_count += (uint32_t)count;
    v->nodes[primary].slot_count += (uint32_t)count;
    v->nodes[primary].primary = primary; /* owning slots is the stronger word */
    return true;
}

static bool read_replica(view_reader *r, kw_slice text, uint16_t primary) {
    node_fields unused;
    uint16_t index;
    if (primary == NODE_UNKNOWN) { /* looked at, but there is nobody to be a replica of */
        return read_fields(r, text, &unused);
    }
    if (!read_node(r, text, &index)) {
        return false;
    }
    if (index != NODE_UNKNOWN && r->view->nodes[index].primary == NODE_UNKNOWN) {
        r->view->nodes[index].primary = primary;
    }
    return true;
}

static bool read_row(view_reader *r, const row *w) {
    uint16_t primary;
    if (!read_node(r, w->nodes[0], &primary) || !give_slots(r, w, primary)) {
        return false;
    }
    for (size_t i = 1; i < w->node_count; i++) {
        if (!read_replica(r, w->nodes[i], primary)) {
            return false;
        }
    }
    return true;
}

/* False: it is not all there, or refused. */
static bool read_head(view_reader *r, resp_cursor *c) {
    resp_item head;
    if (!resp_next(c, &head)) {
        return false;
    }
    if (head.type != '*') {
        return refuse(r, "the slots are not an array");
    }
    if (head.number > LIMIT_SLOT_RANGES) {
        return refuse(r, "too many slot ranges");
    }
    r->rows_left = head.number;
    r->offset = (size_t)(c->at - r->data);
    return true;
}

void view_read_rows(view_reader *r, const char *data, size_t len) {
    resp_cursor c = {data + r->offset, data + len};
    row w;
    r->data = data;
    if (r->status != KW_OK || (r->offset == 0 && !read_head(r, &c))) {
        return;
    }
    while (r->rows_left > 0 && take_row(r, &c, &w) && read_row(r, &w)) {
        r->rows_left--;
        r->offset = (size_t)(c.at - data);
    }
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

kw_status view_read_end(view_reader *r, const char *data, size_t len, view **ret,
                        const char **ret_why) {
    resp_cursor c = {data, data + len};
    resp_item head;
    if (resp_next(&c, &head) && (head.type == '-' || head.type == '!')) {
        return status_of_error(head.text, ret_why);
    }
    view_read_rows(r, data, len);
    if (r->status != KW_OK) {
        *ret_why = r->why;
        return r->status;
    }
    *ret = r->view;
    r->view = NULL;
    return KW_OK;
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
    return same_id && a->port == b->port &&
           slice_equal_nocase(slice_text(a->host), slice_text(b->host));
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
