/* The value of a sorted set: a skip list in the order of scores, and of members where scores are
 * equal, that knows ranks, with a hash table over the members. Whether it would be a listpack on a
 * server is kept too, since replies show it. Owns its members. Slices that it gives are valid as
 * long as their node is. Where memory is short a function answers NULL and nothing has changed. */
#ifndef NODE_VALUE_ZSET_H
#define NODE_VALUE_ZSET_H

#include "base/slice.h"
#include "node/value.h"

/* zset-max-listpack-entries and -value */
#define ZSET_PACKED_COUNT_MAX 128
#define ZSET_PACKED_BYTES_MAX 64

typedef struct value_zset value_zset;
typedef struct zset_node zset_node;

extern const value_kind value_zset_kind;

/* The seed is for the places in the hash table and the heights in the skip list. */
KW_CHECKED value_zset *value_zset_new(const mem *m, uint64_t seed);
/* Takes NULL. */
void value_zset_free(value_zset *z);

size_t value_zset_count(const value_zset *z);
kw_slice zset_node_member(const zset_node *node);
double zset_node_score(const zset_node *node);

zset_node *value_zset_find(const value_zset *z, kw_slice member);
/* The member must be missing, the score a number. A packed set holds -0 as 0. */
KW_CHECKED zset_node *value_zset_add(value_zset *z, kw_slice member, double score);
void value_zset_rescore(value_zset *z, zset_node *node, double score);
void value_zset_remove(value_zset *z, zset_node *node);
/* Removes the nodes of the ranks first..end-1. */
void value_zset_remove_ranks(value_zset *z, size_t first, size_t end);

/* Ranks count from 0, the lowest score first. NULL past the ends. */
size_t value_zset_rank(const value_zset *z, const zset_node *node);
zset_node *value_zset_at(const value_zset *z, size_t rank);
zset_node *zset_node_next(const zset_node *node);
zset_node *zset_node_prev(const zset_node *node);

/* True while a server would hold it as a listpack; a set that grew stays unpacked. */
bool value_zset_is_packed(const value_zset *z);
/* A set that was made as a whole (ZUNIONSTORE ...): packed if it is small enough. */
void value_zset_pack(value_zset *z);
/* A set that is being made as a whole is not packed until value_zset_pack. */
void value_zset_unpack(value_zset *z);

typedef struct zset_scores {
    double min;
    double max;
    bool min_open; /* the bound itself is outside */
    bool max_open;
} zset_scores;

typedef enum zset_bound {
    ZSET_CLOSED,
    ZSET_OPEN,
    ZSET_LOWEST, /* "-" and "+" of BYLEX */
    ZSET_HIGHEST
} zset_bound;

typedef struct zset_lex {
    kw_slice min;
    kw_slice max;
    zset_bound min_bound;
    zset_bound max_bound;
} zset_lex;

/* The ranks *ret_first .. *ret_end - 1 are inside; equal: nothing is. */
void value_zset_score_ranks(const value_zset *z, const zset_scores *range, size_t *ret_first,
                            size_t *ret_end);
/* Meant for sets whose scores are all equal; else what is found is what a server's listpack gives,
 * which depends on the end that the search begins at, or arbitrary in an unpacked set. */
void value_zset_lex_ranks(const value_zset *z, const zset_lex *range, bool from_tail,
                          size_t *ret_first, size_t *ret_end);

/* Gives the nodes of one bucket after the other to `visit`, from `cursor` on until `count` or more
 * were given; returns the cursor to go on with, 0 at the end. A node that is there from the first
 * call to the last is given at least once, whatever happened in between. A packed set is given at
 * once, in its order. */
uint64_t value_zset_scan(const value_zset *z, uint64_t cursor, size_t count,
                         void (*visit)(void *arg, const zset_node *node), void *arg);

#endif
