#include "core/reply.h"

#include "base/buffer.h"
#include "base/number.h"
#include "core/limits.h"
#include "core/reply_pool.h"
#include "core/resp_cursor.h"

#define VERBATIM_FORMAT_BYTES 4 /* "txt:" */

/* Stands where a value with attributes would: its child is the value, and in front of that is a
 * node whose child is the attributes. Never seen from outside. */
#define TYPE_ATTRIBUTED UINT8_MAX

/* An aggregate whose children are being filled in. */
typedef struct open_node {
    kw_reply *next;
    uint64_t left;
    kw_reply *attributes; /* that came before the next child */
    kw_reply *attribute;  /* this aggregate, if it is an attribute: belongs to the outer's next */
} open_node;

/* Reads what the scanner has passed: nothing is checked again. */
typedef struct builder {
    char *at; /* in the bytes that the reply keeps */
    const char *end;
    kw_reply *root;
    kw_reply *free_node;
    const kw_reply *end_node;
    uint32_t depth;
    open_node open[LIMIT_REPLY_DEPTH + 1];
} builder;

static int64_t take_number(builder *b) {
    const char *at = b->at;
    int64_t number = resp_take_number(&at);
    b->at += at - b->at;
    return number;
}

/* The terminator takes the place of the CR. */
static void set_bytes(builder *b, kw_reply *r, kw_type type, size_t len) {
    r->type = (uint8_t)type;
    r->value.bytes = b->at;
    r->len = (uint32_t)len;
    b->at[len] = '\0';
    b->at += len + 2;
}

static void set_line(builder *b, kw_reply *r, kw_type type) {
    const char *cr = memchr(b->at, '\r', (size_t)(b->end - b->at));
    assert(cr);
    set_bytes(b, r, type, (size_t)(cr - b->at));
}

static void set_bulk(builder *b, kw_reply *r, char type) {
    int64_t len = take_number(b);
    if (len < 0) {
        r->type = KW_TYPE_NULL;
    } else if (type == '=') {
        b->at[VERBATIM_FORMAT_BYTES - 1] = '\0'; /* where its colon was */
        b->at += VERBATIM_FORMAT_BYTES;
        set_bytes(b, r, KW_TYPE_VERBATIM, (size_t)len - VERBATIM_FORMAT_BYTES);
    } else {
        set_bytes(b, r, type == '!' ? KW_TYPE_ERROR : KW_TYPE_STRING, (size_t)len);
    }
}

static void set_aggregate(builder *b, kw_reply *r, char type) {
    int64_t count = take_number(b);
    if (count < 0) {
        r->type = KW_TYPE_NULL;
        return;
    }
    bool pairs = type == '%' || type == '|';
    kw_type kind = pairs         ? KW_TYPE_MAP
                   : type == '~' ? KW_TYPE_SET
                   : type == '>' ? KW_TYPE_PUSH
                                 : KW_TYPE_ARRAY;
    r->type = (uint8_t)kind;
    r->len = (uint32_t)count * (pairs ? 2 : 1);
    r->value.children = b->free_node;
    b->free_node += r->len;
    if (r->len > 0) {
        assert(b->depth < LIMIT_REPLY_DEPTH + 1);
        b->open[b->depth++] = (open_node){.next = r->value.children, .left = r->len};
    }
}

static void set_value(builder *b, kw_reply *r) {
    char type = *b->at++;
    switch (type) {
    case '$':
    case '!':
    case '=':
        set_bulk(b, r, type);
        break;
    case ':':
        r->type = KW_TYPE_INTEGER;
        r->value.integer = take_number(b);
        break;
    case '+':
        set_line(b, r, KW_TYPE_STATUS);
        break;
    case '-':
        set_line(b, r, KW_TYPE_ERROR);
        break;
    case ',':
        set_line(b, r, KW_TYPE_DOUBLE);
        break;
    case '(':
        set_line(b, r, KW_TYPE_BIGNUM);
        break;
    case '#':
        r->type = KW_TYPE_BOOL;
        r->value.integer = *b->at == 't';
        b->at += sizeof "t\r\n" - 1;
        break;
    case '_':
        r->type = KW_TYPE_NULL;
        b->at += sizeof "\r\n" - 1;
        break;
    default:
        set_aggregate(b, r, type);
        break;
    }
}

/* Where the value goes that has these attributes, if not into its place: there must be a way from
 * it to them. */
static kw_reply *place_attributed(builder *b, kw_reply *place, kw_reply *attributes) {
    kw_reply *pair = place;
    if (place != b->root) { /* which has room for both */
        pair = b->free_node;
        b->free_node += 2;
        *place = (kw_reply){.type = TYPE_ATTRIBUTED, .value.children = pair + 1};
    }
    pair[0] = (kw_reply){.value.children = attributes};
    pair[1] = (kw_reply){.has_attributes = true};
    return pair + 1;
}

/* An attribute, which belongs to the value after it, and may have some itself. */
static void build_attribute(builder *b, open_node *outer) {
    uint32_t depth = b->depth;
    kw_reply *r = b->free_node++;
    if (outer->attributes) {
        r = place_attributed(b, r, outer->attributes);
    } else {
        *r = (kw_reply){.len = 0};
    }
    outer->attributes = NULL;
    set_value(b, r);
    if (b->depth > depth) {
        b->open[depth].attribute = r;
    } else {
        outer->attributes = r;
    }
}

/* The strings that come next, most of what large replies are made of. */
static void build_strings(builder *b, open_node *outer) {
    kw_reply *r = outer->next;
    const kw_reply *end = r + outer->left;
    char *at = b->at;
    for (; r < end && at[0] == '$' && at[1] != '-'; r++) {
        size_t len = 0;
        for (at++; *at != '\r'; at++) {
            len = len * 10 + (size_t)(*at - '0');
        }
        at += 2;
        *r = (kw_reply){.value.bytes = at, .len = (uint32_t)len, .type = KW_TYPE_STRING};
        at[len] = '\0';
        at += len + 2;
    }
    outer->left -= (uint64_t)(r - outer->next);
    outer->next = r;
    b->at = at;
}

/* The values that come next in the innermost aggregate, up to one that is an aggregate itself. */
static void build_values(builder *b) {
    uint32_t depth = b->depth;
    open_node *outer = &b->open[depth - 1];
    while (outer->left > 0 && b->depth == depth) {
        if (*b->at == '|') {
            build_attribute(b, outer);
            continue;
        }
        if (*b->at == '$' && !outer->attributes && b->at[1] != '-') {
            build_strings(b, outer);
            continue;
        }
        kw_reply *r = outer->next++;
        outer->left--;
        if (outer->attributes) {
            r = place_attributed(b, r, outer->attributes);
            outer->attributes = NULL;
        } else {
            *r = (kw_reply){.len = 0};
        }
        set_value(b, r);
    }
}

/* Leaves the aggregates that are full; an attribute then waits for the value that it belongs to. */
static void close_full(builder *b) {
    while (b->depth > 0 && b->open[b->depth - 1].left == 0) {
        kw_reply *attribute = b->open[b->depth - 1].attribute;
        b->depth--;
        if (attribute) {
            b->open[b->depth - 1].attributes = attribute;
        }
    }
}

reply_block *reply_block_new(const mem *m, size_t room) {
    reply_block *block = room > 0 ? mem_alloc(m, sizeof *block + room) : NULL;
    if (block) {
        block->mem = *m;
        block->room = room;
        block->taken = NULL;
    }
    return block;
}

/* What so many nodes and bytes need; 0 if it is too much. */
size_t reply_block_room(uint64_t node_count, size_t bytes) {
    uint64_t most = (SIZE_MAX - sizeof(reply_block) - bytes) / sizeof(kw_reply);
    assert(node_count > 0);
    return node_count <= most ? (size_t)node_count * sizeof(kw_reply) + bytes : 0;
}

/* A tree in the block of the value at `data`, which becomes part of it. */
static kw_reply *fill_block(reply_block *block, char *data, size_t len, uint64_t node_count) {
    builder b;
    bool attributed = data[0] == '|';
    b.at = data;
    b.end = data + len;
    b.root = block->nodes;
    b.free_node = block->nodes + (attributed ? 2 : 1);
    b.end_node = block->nodes + node_count;
    b.depth = 1;
    b.open[0] = (open_node){.next = block->nodes, .left = 1};
    while (b.depth > 0) {
        build_values(&b);
        close_full(&b);
    }
    assert(b.at == b.end && b.free_node <= b.end_node);
    kw_reply *root = block->nodes + attributed;
    root->is_root = true;
    return root;
}

kw_reply *reply_block_fill(reply_block *block, const char *data, size_t len, uint64_t node_count) {
    char *bytes = (char *)(block->nodes + node_count);
    memcpy(bytes, data, len);
    return fill_block(block, bytes, len, node_count);
}

kw_reply *reply_build(const mem *m, const char *data, size_t len, uint64_t node_count) {
    reply_block *block = reply_block_new(m, reply_block_room(node_count, len));
    return block ? reply_block_fill(block, data, len, node_count) : NULL;
}

void reply_free(kw_reply *root) {
    if (root) {
        reply_block *block = reply_block_of(root);
        mem m = block->mem;
        mem_free(&m, block->taken);
        mem_free(&m, block);
    }
}

/* Gives back what a buffer that grew by doubling has too much. */
static char *trim(const mem *m, char *data, size_t used, size_t capacity) {
    char *trimmed = capacity - used > used / 4 ? mem_resize(m, data, used, 1) : NULL;
    return trimmed ? trimmed : data;
}

kw_reply *reply_take(const mem *m, struct buffer *input, size_t len, uint64_t node_count,
                     size_t keep_bytes) {
    reply_block *block = reply_block_new(m, reply_block_room(node_count, 0));
    size_t begin = input->begin;
    size_t capacity = input->capacity;
    char *data = block ? buffer_detach(input, len, keep_bytes) : NULL;
    if (!data) {
        mem_free(m, block);
        return NULL;
    }
    block->taken = trim(m, data, begin + len, capacity);
    return fill_block(block, block->taken + begin, len, node_count);
}

static bool has_bytes(const kw_reply *r) {
    switch ((kw_type)r->type) {
    case KW_TYPE_STATUS:
    case KW_TYPE_ERROR:
    case KW_TYPE_STRING:
    case KW_TYPE_DOUBLE:
    case KW_TYPE_BIGNUM:
    case KW_TYPE_VERBATIM:
        return true;
    default:
        return false;
    }
}

static bool has_children(const kw_reply *r) {
    switch ((kw_type)r->type) {
    case KW_TYPE_ARRAY:
    case KW_TYPE_SET:
    case KW_TYPE_PUSH:
    case KW_TYPE_MAP:
        return true;
    default:
        return false;
    }
}

kw_slice reply_slice(const kw_reply *r) {
    return r && has_bytes(r) ? slice_of(r->value.bytes, r->len) : SLICE_LITERAL("");
}

/* --------------------------------------------------------- public accessors */

/* All of them take NULL for a null reply, so that look-ups can be chained. */

const char *kw_type_name(kw_type type) {
    static const char *const names[] = {
        [KW_TYPE_STATUS] = "status",     [KW_TYPE_ERROR] = "error", [KW_TYPE_INTEGER] = "integer",
        [KW_TYPE_STRING] = "string",     [KW_TYPE_ARRAY] = "array", [KW_TYPE_NULL] = "null",
        [KW_TYPE_DOUBLE] = "double",     [KW_TYPE_BOOL] = "bool",   [KW_TYPE_BIGNUM] = "bignum",
        [KW_TYPE_VERBATIM] = "verbatim", [KW_TYPE_MAP] = "map",     [KW_TYPE_SET] = "set",
        [KW_TYPE_PUSH] = "push",
    };
    size_t index = (size_t)type;
    return index < sizeof(names) / sizeof(names[0]) ? names[index] : "unknown";
}

void kw_reply_free(kw_reply *reply) {
    if (!reply || !reply->is_root) {
        return;
    }
    if (reply->is_held) {
        reply->is_kept = false;
    } else {
        reply_free(reply);
    }
}

kw_reply *kw_reply_keep(kw_reply *reply) {
    if (!reply || !reply->is_root) {
        return NULL;
    }
    reply->is_kept = true;
    return reply;
}

kw_type kw_reply_type(const kw_reply *reply) {
    return reply ? (kw_type)reply->type : KW_TYPE_NULL;
}

bool kw_reply_is_error(const kw_reply *reply) {
    return kw_reply_type(reply) == KW_TYPE_ERROR;
}

bool kw_reply_is_null(const kw_reply *reply) {
    return kw_reply_type(reply) == KW_TYPE_NULL;
}

const char *kw_reply_string(const kw_reply *reply, size_t *ret_len) {
    bool found = reply && has_bytes(reply);
    if (ret_len) {
        *ret_len = found ? reply->len : 0;
    }
    return found ? reply->value.bytes : NULL;
}

const char *kw_reply_format(const kw_reply *reply) {
    return kw_reply_type(reply) == KW_TYPE_VERBATIM ? reply->value.bytes - VERBATIM_FORMAT_BYTES
                                                    : NULL;
}

int64_t kw_reply_integer(const kw_reply *reply) {
    int64_t value = 0;
    kw_type type = kw_reply_type(reply);
    if (type == KW_TYPE_INTEGER || type == KW_TYPE_BOOL) {
        return reply->value.integer;
    }
    return slice_to_i64(reply_slice(reply), &value) ? value : 0;
}

double kw_reply_double(const kw_reply *reply) {
    double value = 0;
    kw_type type = kw_reply_type(reply);
    if (type == KW_TYPE_INTEGER) {
        return (double)reply->value.integer;
    }
    return number_parse(reply_slice(reply), &value) ? value : 0;
}

bool kw_reply_bool(const kw_reply *reply) {
    kw_type type = kw_reply_type(reply);
    return (type == KW_TYPE_BOOL || type == KW_TYPE_INTEGER) && reply->value.integer != 0;
}

size_t kw_reply_count(const kw_reply *reply) {
    if (!reply || !has_children(reply)) {
        return 0;
    }
    return reply->type == KW_TYPE_MAP ? reply->len / 2 : reply->len;
}

static const kw_reply *child(const kw_reply *reply, size_t index) {
    const kw_reply *r = &reply->value.children[index];
    return r->type == TYPE_ATTRIBUTED ? r->value.children : r;
}

const kw_reply *kw_reply_at(const kw_reply *reply, size_t index) {
    if (index >= kw_reply_count(reply)) {
        return NULL;
    }
    return child(reply, reply->type == KW_TYPE_MAP ? index * 2 + 1 : index);
}

const kw_reply *kw_reply_key(const kw_reply *reply, size_t index) {
    if (kw_reply_type(reply) != KW_TYPE_MAP || index >= kw_reply_count(reply)) {
        return NULL;
    }
    return child(reply, index * 2);
}

const kw_reply *kw_reply_get(const kw_reply *reply, const char *key) {
    kw_type type = kw_reply_type(reply);
    if ((type != KW_TYPE_MAP && type != KW_TYPE_ARRAY) || !key) {
        return NULL;
    }
    for (size_t i = 0; i + 1 < reply->len; i += 2) {
        const kw_reply *name = child(reply, i);
        if (has_bytes(name) && slice_is(reply_slice(name), key)) {
            return child(reply, i + 1);
        }
    }
    return NULL;
}

const kw_reply *kw_reply_attributes(const kw_reply *reply) {
    return reply && reply->has_attributes ? reply[-1].value.children : NULL;
}
