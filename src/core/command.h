/* What is known of each command: whether it writes, and which arguments are its keys. The table
 * (command_table.inc) is made from the servers' own key specifications; commands that it lacks
 * are learned at run time into a command_book. Owns only what a book has learned. */
#ifndef CORE_COMMAND_H
#define CORE_COMMAND_H

#include "base/map.h"
#include "base/mem.h"
#include "base/slice.h"
#include "base/word.h"
#include "core/resp_short.h"

enum {
    COMMAND_WRITE = 1u << 0,    /* may change data */
    COMMAND_READONLY = 1u << 1, /* only reads */
    COMMAND_BLOCKING = 1u << 2, /* may hold its connection back: BLPOP, XREAD BLOCK, WAIT */
    COMMAND_STATEFUL = 1u << 3, /* changes its connection: MULTI, WATCH, SUBSCRIBE, SELECT ... */
    COMMAND_PUBSUB = 1u << 4,
    COMMAND_ADMIN = 1u << 5,
    COMMAND_CONTAINER = 1u << 6,    /* has subcommands: CLIENT, XGROUP */
    COMMAND_KEYS_UNKNOWN = 1u << 7, /* its keys cannot be found without asking a server */
    COMMAND_NO_REPLY = 1u << 8,     /* CLIENT REPLY OFF and its like: breaks the pipeline's order */
    COMMAND_LEARNED = 1u << 9,      /* not from the table */

    /* Those that a connection may not have room for, or only at times. */
    COMMAND_DELICATE = COMMAND_BLOCKING | COMMAND_STATEFUL | COMMAND_PUBSUB | COMMAND_NO_REPLY
};

typedef enum key_begin {
    KEY_BEGIN_INDEX,
    KEY_BEGIN_KEYWORD, /* after the first such argument, whatever stands before it */
    KEY_BEGIN_OPTION   /* after the last such option, other options' values left out (SORT STORE) */
} key_begin;
typedef enum key_find { KEY_FIND_RANGE, KEY_FIND_KEYNUM } key_find;

/* An option and the number of its values, to be passed over in the search for another. */
typedef struct key_skip {
    const char *option;
    uint8_t value_count;
} key_skip;

/* One key specification, as COMMAND gives it; KEY_BEGIN_OPTION and not_if_empty are our own, for
 * what the servers find by code. */
typedef struct key_spec {
    uint8_t begin;       /* key_begin */
    uint8_t find;        /* key_find */
    bool not_if_empty;   /* an empty argument is no key (MIGRATE host port "" ... KEYS) */
    uint8_t skip_count;  /* begin: KEY_BEGIN_OPTION */
    int16_t index;       /* begin: argument position, or where the search for the keyword starts
                            (negative: from the end, going backwards) */
    const char *keyword; /* begin: KEY_BEGIN_KEYWORD, KEY_BEGIN_OPTION */
    const key_skip *skips;
    int16_t last; /* range: last key, relative to begin; negative: from the end */
    int16_t step;
    int16_t limit;        /* range: with last -1: 1/limit of the rest (XREAD: 2) */
    int16_t keynum_index; /* keynum: where the number is, relative to begin */
    int16_t first_key;    /* keynum: where the first key is, relative to begin */
} key_spec;

typedef struct command_info {
    const char *name;    /* upper case; a subcommand as "XGROUP CREATE" */
    uint64_t short_name; /* of the table: up to eight bytes, the first one lowest; longer: 0 */
    uint32_t flags;
    int16_t arity; /* as COMMAND gives it: negative = at least; the name counts */
    uint8_t spec_count;
    uint8_t sole_key; /* of the table: where its only key is; 0: its specifications tell */
    const key_spec *specs;
} command_info;

static inline bool command_only_reads(const command_info *info) {
    return (info->flags & (COMMAND_READONLY | COMMAND_WRITE)) == COMMAND_READONLY;
}

/* Looks the command (and, of a container, its subcommand) up in the table; NULL if it is not there.
 * A container alone is found without its subcommand. Never searches linearly. */
const command_info *command_find(const kw_slice *argv, size_t argc);

/* Of the names looked up lately, as they were written: most programs use few. */
enum { COMMAND_RECENT_BITS = 4 };
typedef struct command_seen {
    uint64_t word;            /* the name's bytes */
    const command_info *info; /* NULL: not plain */
    resp_short_name name;
    uint32_t len; /* of the name */
} command_seen;

typedef struct command_recent {
    command_seen seen[1 << COMMAND_RECENT_BITS];
} command_recent;

/* Fills the entry for this word, which is argv's name. */
void command_look_up(command_seen *seen, uint64_t word, const kw_slice *argv, size_t argc);

/* A command of the table that has one key, at info->sole_key < argc, and nothing that makes it
 * special: it is no container, does not block, and leaves its connection as it is. NULL: any other,
 * or not known. `recent` begins as zeros. */
static inline const command_seen *command_find_plain(command_recent *recent, const kw_slice *argv,
                                                     size_t argc) {
    kw_slice name = argc > 0 ? argv[0] : slice_of("", 0);
    if (name.len == 0 || name.len > WORD_BYTES) {
        return NULL;
    }
    uint64_t word = word_load_short(name.data, name.len);
    command_seen *seen = &recent->seen[(word * WORD_MULTIPLIER) >> (64 - COMMAND_RECENT_BITS)];
    if (seen->word != word || seen->len != name.len) {
        command_look_up(seen, word, argv, argc);
    }
    return seen->info && seen->info->sole_key < argc ? seen : NULL;
}

/* The table in the order of its names, for completion and tests. */
size_t command_count(void);
const command_info *command_at(size_t index);

/* Calls visit for each key position; stops when it returns false. Returns KW_OK, or KW_ERR_INVALID
 * if the arguments contradict the specification (numkeys not a number, more keys than arguments):
 * such a command is not routed by keys but sent anywhere, for the server to refuse. */
typedef bool command_key_fn(void *arg, size_t position);
KW_CHECKED kw_status command_keys(const command_info *info, const kw_slice *argv, size_t argc,
                                  command_key_fn *visit, void *arg);

typedef struct command_route {
    const command_info *info; /* NULL: not known, must be learned */
    int slot;                 /* SLOT_NONE: no keys */
    int other_slot;           /* KW_ERR_CROSSSLOT: the slot that differs */
    kw_slice key;             /* the first key, pointing into argv; empty if none */
    bool reads_only;          /* sending it twice changes nothing */
    bool blocks;              /* this very line may block: XREAD only with BLOCK */
} command_route;

/* What command_book_route needs from its caller to go on with an unknown command. */
typedef struct command_book {
    const mem *mem;
    map learned; /* upper-case name -> learned command */
} command_book;

void command_book_init(command_book *book, const mem *m, uint64_t seed);
void command_book_done(command_book *book);

/* Finds slot and flags of a command. KW_ERR_CROSSSLOT: ret->slot and ret->other_slot differ.
 * KW_OK with ret->info NULL: unknown, learn it (COMMAND INFO), then route again. KW_OK with
 * info->flags & COMMAND_KEYS_UNKNOWN: ask COMMAND GETKEYS, then command_route_keys. */
KW_CHECKED kw_status command_book_route(const command_book *book, const kw_slice *argv, size_t argc,
                                        command_route *ret);

/* Learns `name` (argv[0]) and its subcommands from the reply of COMMAND INFO <name>: one element,
 * an array, or null = the server does not know it either. That, an error or nonsense is remembered
 * as keyless and may-write, so that it is not asked again; so is what comes when the book is full
 * (a redirect then leads to the owner of its key). What is known is never replaced: infos stay
 * valid until command_book_done. Only KW_ERR_NOMEM. */
struct kw_reply;
KW_CHECKED kw_status command_book_learn(command_book *book, kw_slice name,
                                        const struct kw_reply *reply);

/* Slot from the reply of COMMAND GETKEYS (an array of keys; an error reply = no keys). Sets slot,
 * and other_slot with KW_ERR_CROSSSLOT; route->key stays empty. */
KW_CHECKED kw_status command_route_keys(const struct kw_reply *reply, command_route *route);

#endif
