#include "node/value_zset.h"

#include "base/map.h"
#include "base/prng.h"

#include <assert.h>
#include <math.h>

#define LEVELS_MAX 32
#define BUCKETS_MIN 8
#define EMPTY_BUCKETS 10 /* of a scan for each node asked for, in a sparse table */

typedef struct zset_link {
    zset_node *next;
    size_t span; /* how many ranks further `next` is; at the last node: the rest of the list */
} zset_link;

struct zset_node {
    double score;
    zset_node *prev;        /* NULL: the first */
    zset_node *next_hashed; /* in its bucket */
    size_t hash;
    char *member; /* after the links */
    size_t member_len;
    unsigned level_count;
    zset_link links[];
};

struct value_zset {
    const mem *mem;
    uint64_t seed;
    prng random;
    size_t count;
    zset_node *tail;
    zset_node **buckets; /* bucket_count of them, a power of two */
    size_t bucket_count;
    bool packed;
    unsigned level_count;
    zset_link head[LEVELS_MAX];
};

value_zset *value_zset_new(const mem *m, uint64_t seed) {
    value_zset *z = mem_calloc(m, 1, sizeof *z);
    if (z) {
        z->mem = m;
        z->seed = seed;
        z->packed = true;
        z->level_count = 1;
        prng_init(&z->random, seed);
    }
    return z;
}

void value_zset_free(value_zset *z) {
    if (!z) {
        return;
    }
    for (zset_node *node = z->head[0].next; node;) {
        zset_node *next = node->links[0].next;
        mem_free(z->mem, node);
        node = next;
    }
    mem_free(z->mem, z->buckets);
    mem_free(z->mem, z);
}

size_t value_zset_count(const value_zset *z) {
    return z->count;
}

kw_slice zset_node_member(const zset_node *node) {
    return slice_of(node->member, node->member_len);
}

double zset_node_score(const zset_node *node) {
    return node->score;
}

zset_node *zset_node_next(const zset_node *node) {
    return node->links[0].next;
}

zset_node *zset_node_prev(const zset_node *node) {
    return node->prev;
}

bool value_zset_is_packed(const value_zset *z) {
    return z->packed;
}

/* ---------------------------------------------------------------------------- hash table */

static size_t hash_of(const value_zset *z, kw_slice member) {
    const uint64_t seed[2] = {z->seed, ~z->seed};
    return (size_t)map_hash(seed, member);
}

zset_node *value_zset_find(const value_zset *z, kw_slice member) {
    if (z->bucket_count == 0) {
        return NULL;
    }
    size_t hash = hash_of(z, member);
    zset_node *node = z->buckets[hash & (z->bucket_count - 1)];
    while (node && (node->hash != hash || !slice_equal(zset_node_member(node), member))) {
        node = node->next_hashed;
    }
    return node;
}

static void hash_node(value_zset *z, zset_node *node) {
    zset_node **bucket = &z->buckets[node->hash & (z->bucket_count - 1)];
    node->next_hashed = *bucket;
    *bucket = node;
}

static void unhash_node(value_zset *z, const zset_node *node) {
    zset_node **at = &z->buckets[node->hash & (z->bucket_count - 1)];
    while (*at != node) {
        at = &(*at)->next_hashed;
    }
    *at = node->next_hashed;
}

/* False if memory is short; a table that is there serves on, with longer chains. */
static bool change_buckets(value_zset *z, size_t bucket_count) {
    zset_node **buckets = mem_calloc(z->mem, bucket_count, sizeof(zset_node *));
    if (!buckets) {
        return z->bucket_count > 0;
    }
    mem_free(z->mem, z->buckets);
    z->buckets = buckets;
    z->bucket_count = bucket_count;
    for (zset_node *node = z->head[0].next; node; node = node->links[0].next) {
        hash_node(z, node);
    }
    return true;
}

static bool fit_buckets(value_zset *z) {
    if (z->count >= z->bucket_count) {
        return change_buckets(z, z->bucket_count ? 2 * z->bucket_count : BUCKETS_MIN);
    }
    if (z->bucket_count > BUCKETS_MIN && z->count < z->bucket_count / 8) {
        return change_buckets(z, z->bucket_count / 2);
    }
    return true;
}

/* ----------------------------------------------------------------------------- skip list */

static int compare_members(kw_slice a, kw_slice b) {
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter > 0 ? memcmp(a.data, b.data, shorter) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static bool is_before(const zset_node *node, double score, kw_slice member) {
    return node->score < score ||
           (node->score == score && compare_members(zset_node_member(node), member) < 0);
}

/* A walk down the levels: where a node with this score and member stands or would stand. */
typedef struct zset_path {
    zset_link *links[LEVELS_MAX]; /* of the last node before it, on each level */
    size_t ranks[LEVELS_MAX];     /* how many nodes there are up to and with that one */
    zset_node *before;            /* NULL: it is the first */
} zset_path;

static void find_path(value_zset *z, double score, kw_slice member, zset_path *path) {
    zset_link *links = z->head;
    size_t rank = 0;
    path->before = NULL;
    for (unsigned level = z->level_count; level-- > 0;) {
        while (links[level].next && is_before(links[level].next, score, member)) {
            rank += links[level].span;
            path->before = links[level].next;
            links = path->before->links;
        }
        path->links[level] = &links[level];
        path->ranks[level] = rank;
    }
}

static void link_node(value_zset *z, zset_node *node) {
    zset_path path;
    for (; z->level_count < node->level_count; z->level_count++) {
        z->head[z->level_count] = (zset_link){NULL, z->count};
    }
    find_path(z, node->score, zset_node_member(node), &path);
    for (unsigned level = 0; level < z->level_count; level++) {
        zset_link *link = path.links[level];
        if (level >= node->level_count) {
            link->span++;
            continue;
        }
        size_t skipped = path.ranks[0] - path.ranks[level];
        node->links[level] = (zset_link){link->next, link->span - skipped};
        *link = (zset_link){node, skipped + 1};
    }
    zset_node *next = node->links[0].next;
    node->prev = path.before;
    if (next) {
        next->prev = node;
    } else {
        z->tail = node;
    }
    z->count++;
}

static void unlink_node(value_zset *z, const zset_node *node) {
    zset_path path;
    find_path(z, node->score, zset_node_member(node), &path);
    for (unsigned level = 0; level < z->level_count; level++) {
        zset_link *link = path.links[level];
        if (link->next == node) {
            link->span += node->links[level].span;
            link->next = node->links[level].next;
        }
        link->span--;
    }
    zset_node *next = node->links[0].next;
    if (next) {
        next->prev = node->prev;
    } else {
        z->tail = node->prev;
    }
    while (z->level_count > 1 && !z->head[z->level_count - 1].next) {
        z->level_count--;
    }
    z->count--;
}

static zset_node *make_node(value_zset *z, kw_slice member, double score) {
    unsigned level_count = 1;
    for (uint64_t bits = prng_next(&z->random); level_count < LEVELS_MAX && bits % 4 == 0;
         bits /= 4) {
        level_count++; /* one in four reaches the next level */
    }
    size_t links_size = level_count * sizeof(zset_link);
    zset_node *node = mem_alloc(z->mem, sizeof *node + links_size + member.len);
    if (!node) {
        return NULL;
    }
    *node = (zset_node){
        .score = score,
        .hash = hash_of(z, member),
        .member = (char *)node->links + links_size,
        .member_len = member.len,
        .level_count = level_count,
    };
    if (member.len > 0) {
        memcpy(node->member, member.data, member.len);
    }
    return node;
}

/* A listpack writes whole numbers as integers, and there is no -0 among them. */
static double packed_score(const value_zset *z, double score) {
    return z->packed && score == 0 ? 0 : score;
}

zset_node *value_zset_add(value_zset *z, kw_slice member, double score) {
    assert(!isnan(score));
    if (!fit_buckets(z)) {
        return NULL;
    }
    zset_node *node = make_node(z, member, score);
    if (!node) {
        return NULL;
    }
    if (z->count >= ZSET_PACKED_COUNT_MAX || member.len > ZSET_PACKED_BYTES_MAX) {
        z->packed = false;
    }
    node->score = packed_score(z, score);
    link_node(z, node);
    hash_node(z, node);
    return node;
}

void value_zset_rescore(value_zset *z, zset_node *node, double score) {
    assert(!isnan(score));
    unlink_node(z, node);
    node->score = packed_score(z, score);
    link_node(z, node);
}

void value_zset_remove(value_zset *z, zset_node *node) {
    unlink_node(z, node);
    unhash_node(z, node);
    mem_free(z->mem, node);
    (void)fit_buckets(z); /* the table that is there serves as well */
}

void value_zset_remove_ranks(value_zset *z, size_t first, size_t end) {
    zset_node *node = value_zset_at(z, first);
    for (size_t rank = first; rank < end && node; rank++) {
        zset_node *next = node->links[0].next;
        value_zset_remove(z, node);
        node = next;
    }
}

void value_zset_unpack(value_zset *z) {
    z->packed = false;
}

void value_zset_pack(value_zset *z) {
    bool fits = z->count <= ZSET_PACKED_COUNT_MAX;
    for (const zset_node *node = z->head[0].next; node && fits; node = node->links[0].next) {
        fits = node->member_len <= ZSET_PACKED_BYTES_MAX;
    }
    if (!fits) {
        return;
    }
    z->packed = true;
    for (zset_node *node = z->head[0].next; node; node = node->links[0].next) {
        node->score = packed_score(z, node->score);
    }
}

/* --------------------------------------------------------------------------------- ranks */

size_t value_zset_rank(const value_zset *z, const zset_node *node) {
    /* From the node on by its highest link: what is left to the end is its rank's complement. */
    size_t after = 0;
    for (const zset_node *at = node; at; at = at->links[at->level_count - 1].next) {
        after += at->links[at->level_count - 1].span;
    }
    return z->count - 1 - after;
}

zset_node *value_zset_at(const value_zset *z, size_t rank) {
    if (rank >= z->count) {
        return NULL;
    }
    if (rank == z->count - 1) {
        return z->tail;
    }
    const zset_link *links = z->head;
    zset_node *node = NULL;
    size_t left = rank + 1;
    for (unsigned level = z->level_count; level-- > 0 && left > 0;) {
        while (links[level].next && links[level].span <= left) {
            left -= links[level].span;
            node = links[level].next;
            links = node->links;
        }
    }
    return node;
}

/* How many nodes are before the first that is not `below` the bound. */
static size_t count_below(const value_zset *z,
                          bool (*below)(const zset_node *node, const void *bound),
                          const void *bound) {
    const zset_link *links = z->head;
    size_t rank = 0;
    for (unsigned level = z->level_count; level-- > 0;) {
        while (links[level].next && below(links[level].next, bound)) {
            rank += links[level].span;
            links = links[level].next->links;
        }
    }
    return rank;
}

static bool below_min_score(const zset_node *node, const void *bound) {
    const zset_scores *range = bound;
    return range->min_open ? node->score <= range->min : node->score < range->min;
}

static bool below_max_score(const zset_node *node, const void *bound) {
    const zset_scores *range = bound;
    return range->max_open ? node->score < range->max : node->score <= range->max;
}

void value_zset_score_ranks(const value_zset *z, const zset_scores *range, size_t *ret_first,
                            size_t *ret_end) {
    *ret_first = count_below(z, below_min_score, range);
    *ret_end = count_below(z, below_max_score, range);
    if (*ret_end < *ret_first) {
        *ret_end = *ret_first;
    }
}

static int compare_bound(kw_slice member, kw_slice bound, zset_bound kind) {
    if (kind == ZSET_LOWEST || kind == ZSET_HIGHEST) {
        return kind == ZSET_LOWEST ? 1 : -1;
    }
    return compare_members(member, bound);
}

static bool below_min_member(const zset_node *node, const void *bound) {
    const zset_lex *range = bound;
    int order = compare_bound(zset_node_member(node), range->min, range->min_bound);
    return order < 0 || (order == 0 && range->min_bound == ZSET_OPEN);
}

static bool below_max_member(const zset_node *node, const void *bound) {
    const zset_lex *range = bound;
    int order = compare_bound(zset_node_member(node), range->max, range->max_bound);
    return order < 0 || (order == 0 && range->max_bound != ZSET_OPEN);
}

static bool lex_is_empty(const zset_lex *range) {
    if (range->min_bound == ZSET_HIGHEST || range->max_bound == ZSET_LOWEST) {
        return true;
    }
    if (range->min_bound == ZSET_LOWEST || range->max_bound == ZSET_HIGHEST) {
        return false;
    }
    int order = compare_members(range->min, range->max);
    bool open = range->min_bound == ZSET_OPEN || range->max_bound == ZSET_OPEN;
    return order > 0 || (order == 0 && open);
}

/* One after the other, as a server goes through a listpack: from the first that is not before the
 * range, as long as none is behind it. */
static void walk_lex(const value_zset *z, const zset_lex *range, bool from_tail, size_t *ret_first,
                     size_t *ret_end) {
    size_t at = 0;
    const zset_node *node = from_tail ? z->tail : z->head[0].next;
    while (node && (from_tail ? !below_max_member(node, range) : below_min_member(node, range))) {
        node = from_tail ? node->prev : node->links[0].next;
        at++;
    }
    size_t end = at;
    while (node && (from_tail ? !below_min_member(node, range) : below_max_member(node, range))) {
        node = from_tail ? node->prev : node->links[0].next;
        end++;
    }
    *ret_first = from_tail ? z->count - end : at;
    *ret_end = from_tail ? z->count - at : end;
}

void value_zset_lex_ranks(const value_zset *z, const zset_lex *range, bool from_tail,
                          size_t *ret_first, size_t *ret_end) {
    *ret_first = 0;
    *ret_end = 0;
    if (z->count == 0 || lex_is_empty(range) || below_min_member(z->tail, range) ||
        !below_max_member(z->head[0].next, range)) {
        return;
    }
    if (z->packed) {
        walk_lex(z, range, from_tail, ret_first, ret_end);
        return;
    }
    *ret_first = count_below(z, below_min_member, range);
    *ret_end = count_below(z, below_max_member, range);
    if (*ret_end < *ret_first) {
        *ret_end = *ret_first;
    }
}

/* ------------------------------------------------------------------------------ scanning */

static uint64_t reverse_bits(uint64_t v) {
    uint64_t reversed = 0;
    for (int i = 0; i < 64; i++, v >>= 1) {
        reversed = (reversed << 1) | (v & 1);
    }
    return reversed;
}

/* The cursor counts with its highest bit first (as the servers' dict does): buckets that are split
 * or joined between two calls are never skipped. */
uint64_t value_zset_scan(const value_zset *z, uint64_t cursor, size_t count,
                         void (*visit)(void *arg, const zset_node *node), void *arg) {
    if (z->packed) {
        for (const zset_node *node = z->head[0].next; node; node = node->links[0].next) {
            visit(arg, node);
        }
        return 0;
    }
    uint64_t mask = (uint64_t)z->bucket_count - 1;
    size_t given = 0;
    uint64_t visited = 0;
    do {
        for (const zset_node *node = z->buckets[cursor & mask]; node; node = node->next_hashed) {
            visit(arg, node);
            given++;
        }
        cursor = reverse_bits(reverse_bits(cursor | ~mask) + 1);
        visited++;
    } while (cursor != 0 && given < count && visited / EMPTY_BUCKETS < count);
    return cursor;
}

/* -------------------------------------------------------------------------------- object */

static void free_object(const mem *m, void *object) {
    (void)m; /* the set knows its own */
    value_zset_free(object);
}

static void *clone_object(const mem *m, const void *object) {
    const value_zset *z = object;
    value_zset *copy = value_zset_new(m, z->seed);
    if (!copy) {
        return NULL;
    }
    copy->packed = z->packed;
    for (const zset_node *node = z->head[0].next; node; node = node->links[0].next) {
        if (!value_zset_add(copy, zset_node_member(node), node->score)) {
            value_zset_free(copy);
            return NULL;
        }
    }
    return copy;
}

static const char *encoding(const void *object) {
    const value_zset *z = object;
    return z->packed ? "listpack" : "skiplist";
}

static void *make_object(const mem *m, uint64_t seed) {
    return value_zset_new(m, seed);
}

static size_t count_object(const void *object) {
    return value_zset_count(object);
}

const value_kind value_zset_kind = {"zset",       make_object, free_object,
                                    clone_object, encoding,    count_object};
