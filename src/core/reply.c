#include "core/reply.h"

#include "base/buffer.h"
#include "base/number.h"
#include "core/limits.h"
#include "core/resp.h"

#include <assert.h>
#include <stddef.h>

/* The one allocation: this, then node_count nodes, the root first, then the bytes. */
typedef struct reply_block {
    mem mem; /* a copy: a kept reply outlives its client */
    struct reply_block *next_free;
    size_t room; /* bytes behind this */
    char *taken; /* memory of its bytes that was another's; or NULL */
    kw_reply nodes[];
} reply_block;

#define POOLED_ROOM 208      /* 256 bytes with the head */
#define POOLED_COUNT_MAX 512 /* free ones */

/* An aggregate whose children are being filled in. */
typedef struct open_node {
    kw_reply *next;
    uint64_t left;
    kw_reply *attributes; /* that came before the next child */
    kw_reply *attribute;  /* this aggregate, if it is an attribute: belongs to the outer's next */
} open_node;

typedef struct builder {
    const char *at; /* in the wire's bytes */
    const char *end;
    kw_reply *free_node;
    char *free_byte;
    uint32_t depth;
    open_node open[LIMIT_REPLY_DEPTH + 1];
} builder;

static kw_slice take_line(builder *b) {
    const char *cr = memchr(b->at, '\r', (size_t)(b->end - b->at));
    assert(cr);
    kw_slice line = slice_of(b->at, (size_t)(cr - b->at));
    b->at = cr + 2;
    return line;
}

static void set_bytes(builder *b, kw_reply *r, kw_type type, kw_slice bytes) {
    r->type = (uint8_t)type;
    r->value.bytes = b->free_byte;
    r->len = bytes.len;
    *slice_put(b->free_byte, bytes) = '\0';
    b->free_byte += bytes.len + 1;
}

static void set_integer(kw_reply *r, kw_type type, int64_t value) {
    r->type = (uint8_t)type;
    r->value.integer = value;
}

static int64_t integer_of(kw_slice text) {
    int64_t value = 0;
    if (text.len > 0 && text.data[0] == '+') {
        text = slice_of(text.data + 1, text.len - 1);
    }
    (void)slice_to_i64(text, &value); /* the scanner has checked it */
    return value;
}

static void set_bulk(builder *b, kw_reply *r, char type, kw_slice header) {
    if (slice_is(header, "-1")) {
        r->type = KW_TYPE_NULL;
        return;
    }
    kw_slice bytes = slice_of(b->at, (size_t)integer_of(header));
    b->at += bytes.len + 2;
    if (type == '=') {
        memcpy(r->format, bytes.data, 3);
        r->format[3] = '\0';
        set_bytes(b, r, KW_TYPE_VERBATIM, slice_of(bytes.data + 4, bytes.len - 4));
    } else {
        set_bytes(b, r, type == '!' ? KW_TYPE_ERROR : KW_TYPE_STRING, bytes);
    }
}

static void set_aggregate(builder *b, kw_reply *r, char type, kw_slice header) {
    if (slice_is(header, "-1")) {
        r->type = KW_TYPE_NULL;
        return;
    }
    bool pairs = type == '%' || type == '|';
    kw_type kind = pairs         ? KW_TYPE_MAP
                   : type == '~' ? KW_TYPE_SET
                   : type == '>' ? KW_TYPE_PUSH
                                 : KW_TYPE_ARRAY;
    r->type = (uint8_t)kind;
    r->len = (size_t)integer_of(header) * (pairs ? 2 : 1);
    r->value.children = b->free_node;
    b->free_node += r->len;
    if (r->len > 0) {
        assert(b->depth < LIMIT_REPLY_DEPTH + 1);
        b->open[b->depth++] = (open_node){.next = r->value.children, .left = r->len};
    }
}

static void set_scalar(builder *b, kw_reply *r, char type, kw_slice text) {
    switch (type) {
    case '+':
        set_bytes(b, r, KW_TYPE_STATUS, text);
        break;
    case '-':
        set_bytes(b, r, KW_TYPE_ERROR, text);
        break;
    case '(':
        set_bytes(b, r, KW_TYPE_BIGNUM, text);
        break;
    case ':':
        set_integer(r, KW_TYPE_INTEGER, integer_of(text));
        break;
    case '#':
        set_integer(r, KW_TYPE_BOOL, slice_is(text, "t"));
        break;
    case ',':
        set_bytes(b, r, KW_TYPE_DOUBLE, text);
        break;
    default:
        r->type = KW_TYPE_NULL;
        break;
    }
}

static void set_value(builder *b, kw_reply *r, char type, kw_slice text) {
    switch (type) {
    case '$':
    case '!':
    case '=':
        set_bulk(b, r, type, text);
        break;
    case '*':
    case '~':
    case '>':
    case '%':
    case '|':
        set_aggregate(b, r, type, text);
        break;
    default:
        set_scalar(b, r, type, text);
        break;
    }
}

/* Reads one value's header, or all of it if it is no aggregate. */
static void build_node(builder *b) {
    open_node *outer = &b->open[b->depth - 1];
    kw_slice line = take_line(b);
    char type = line.data[0];
    kw_reply *r;
    if (type == '|') {
        r = b->free_node++;
    } else {
        r = outer->next++;
        outer->left--;
    }
    *r = (kw_reply){.attributes = outer->attributes};
    outer->attributes = NULL;
    uint32_t depth = b->depth;
    set_value(b, r, type, slice_of(line.data + 1, line.len - 1));
    if (type != '|') {
        return;
    }
    if (b->depth > depth) {
        b->open[b->depth - 1].attribute = r;
    } else {
        outer->attributes = r;
    }
}

/* The short values that come next in this aggregate, as resp_peek finds them. */
static void build_elements(builder *b) {
    open_node *outer = &b->open[b->depth - 1];
    kw_slice text;
    size_t size;
    while (outer->left > 0 && !outer->attributes && b->at < b->end &&
           (size = resp_peek(b->at, (size_t)(b->end - b->at), &resp_limits_default, &text)) > 0) {
        kw_reply *r = outer->next++;
        *r = (kw_reply){.attributes = NULL};
        if (*b->at == ':') {
            set_integer(r, KW_TYPE_INTEGER, integer_of(text));
        } else {
            set_bytes(b, r, *b->at == '$' ? KW_TYPE_STRING : KW_TYPE_STATUS, text);
        }
        outer->left--;
        b->at += size;
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

static reply_block *block_of(kw_reply *root) {
    assert(root->is_root);
    return (reply_block *)(void *)((char *)root - offsetof(reply_block, nodes));
}

static reply_block *block_new(const mem *m, size_t room) {
    reply_block *block = room > 0 ? mem_alloc(m, sizeof *block + room) : NULL;
    if (block) {
        block->mem = *m;
        block->room = room;
        block->taken = NULL;
    }
    return block;
}

/* What the block needs room for; 0 if it is too much. Each value has at least its type byte
 * and CRLF: what its line or string holds, and a terminator, is shorter than its bytes on the wire
 * by two or more. */
static size_t room_for(size_t len, uint64_t node_count) {
    assert(node_count > 0 && node_count <= len / 3);
    uint64_t bytes = len - 2 * node_count;
    uint64_t most = SIZE_MAX - sizeof(reply_block) - bytes;
    return node_count < most / sizeof(kw_reply) ? (size_t)(node_count * sizeof(kw_reply) + bytes)
                                                : 0;
}

static kw_reply *fill_block(reply_block *block, const char *data, size_t len, uint64_t node_count) {
    builder b;
    b.at = data;
    b.end = data + len;
    b.free_node = block->nodes + 1;
    b.free_byte = (char *)(block->nodes + node_count);
    b.depth = 1;
    b.open[0] = (open_node){.next = block->nodes, .left = 1};
    while (b.depth > 0) {
        assert(b.at < b.end);
        build_node(&b);
        if (b.open[b.depth - 1].left > 0) {
            build_elements(&b);
        }
        close_full(&b);
    }
    assert(b.at == b.end && b.free_node == block->nodes + node_count);
    block->nodes[0].is_root = 1;
    return block->nodes;
}

kw_reply *reply_build(const mem *m, const char *data, size_t len, uint64_t node_count) {
    reply_block *block = block_new(m, room_for(len, node_count));
    return block ? fill_block(block, data, len, node_count) : NULL;
}

void reply_free(kw_reply *root) {
    if (root) {
        reply_block *block = block_of(root);
        mem m = block->mem;
        mem_free(&m, block->taken);
        mem_free(&m, block);
    }
}

kw_reply *reply_take(const mem *m, struct buffer *input, size_t len, size_t keep_bytes) {
    reply_block *block = block_new(m, sizeof(kw_reply));
    char *string = memchr(buffer_bytes(input), '\n', len);
    size_t head = (size_t)(string + 1 - buffer_bytes(input));
    size_t offset = input->begin + head;
    char *data = block ? buffer_detach(input, len, keep_bytes) : NULL;
    if (!data) {
        mem_free(m, block);
        return NULL;
    }
    kw_reply *r = block->nodes;
    *r = (kw_reply){.type = KW_TYPE_STRING, .is_root = 1};
    r->value.bytes = data + offset;
    r->len = len - head - 2;
    data[offset + r->len] = '\0'; /* where its CRLF was */
    block->taken = data;
    return r;
}

/* -------------------------------------------------------------------- pool */

void reply_pool_init(reply_pool *p, const mem *m) {
    *p = (reply_pool){.mem = m};
}

void reply_pool_done(reply_pool *p) {
    while (p->free) {
        reply_block *block = p->free;
        p->free = block->next_free;
        mem_free(p->mem, block);
    }
    p->free_count = 0;
}

static reply_block *pool_take(reply_pool *p, size_t room) {
    if (room > POOLED_ROOM || room == 0) {
        return block_new(p->mem, room);
    }
    reply_block *block = p->free;
    if (!block) {
        return block_new(p->mem, POOLED_ROOM);
    }
    p->free = block->next_free;
    p->free_count--;
    return block;
}

static kw_reply *fill_single(reply_block *block, char type, kw_slice text) {
    kw_reply *r = block->nodes;
    char *bytes = (char *)(r + 1);
    *r = (kw_reply){.is_root = 1};
    if (type == ':') {
        set_integer(r, KW_TYPE_INTEGER, integer_of(text));
        return r;
    }
    r->type = type == '$' ? KW_TYPE_STRING : KW_TYPE_STATUS;
    r->value.bytes = bytes;
    r->len = text.len;
    *slice_put(bytes, text) = '\0';
    return r;
}

kw_reply *reply_pool_build(reply_pool *p, const char *data, size_t len, uint64_t node_count,
                           kw_slice text) {
    size_t room = text.data ? sizeof(kw_reply) + text.len + 1 : room_for(len, node_count);
    reply_block *block = pool_take(p, room);
    if (!block) {
        return NULL;
    }
    return text.data ? fill_single(block, data[0], text) : fill_block(block, data, len, node_count);
}

void reply_pool_free(reply_pool *p, kw_reply *root) {
    if (!root) {
        return;
    }
    reply_block *block = block_of(root);
    if (block->room != POOLED_ROOM || p->free_count >= POOLED_COUNT_MAX) {
        reply_free(root);
        return;
    }
    block->next_free = p->free;
    p->free = block;
    p->free_count++;
}

void reply_pool_hand_over(reply_pool *to, reply_pool *from) {
    reply_block *block;
    while ((block = from->free)) {
        from->free = block->next_free;
        from->free_count--;
        reply_pool_free(to, block->nodes);
    }
}

void reply_release(reply_pool *p, kw_reply *root) {
    if (!root) {
        return;
    }
    root->is_held = 0;
    if (!root->is_kept) {
        reply_pool_free(p, root);
    }
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
        reply->is_kept = 0;
    } else {
        reply_free(reply);
    }
}

kw_reply *kw_reply_keep(kw_reply *reply) {
    if (!reply || !reply->is_root) {
        return NULL;
    }
    reply->is_kept = 1;
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
    return kw_reply_type(reply) == KW_TYPE_VERBATIM ? reply->format : NULL;
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

const kw_reply *kw_reply_at(const kw_reply *reply, size_t index) {
    if (index >= kw_reply_count(reply)) {
        return NULL;
    }
    return &reply->value.children[reply->type == KW_TYPE_MAP ? index * 2 + 1 : index];
}

const kw_reply *kw_reply_key(const kw_reply *reply, size_t index) {
    if (kw_reply_type(reply) != KW_TYPE_MAP || index >= kw_reply_count(reply)) {
        return NULL;
    }
    return &reply->value.children[index * 2];
}

const kw_reply *kw_reply_get(const kw_reply *reply, const char *key) {
    kw_type type = kw_reply_type(reply);
    if ((type != KW_TYPE_MAP && type != KW_TYPE_ARRAY) || !key) {
        return NULL;
    }
    for (size_t i = 0; i + 1 < reply->len; i += 2) {
        const kw_reply *name = &reply->value.children[i];
        if (has_bytes(name) && slice_is(reply_slice(name), key)) {
            return name + 1;
        }
    }
    return NULL;
}

const kw_reply *kw_reply_attributes(const kw_reply *reply) {
    return reply ? reply->attributes : NULL;
}
