/* Fault rules: which commands a lab's nodes shall treat badly, and how. A rule picks commands (by
 * node, name, key, slot), lets some of them pass (skip, count, probability) and says what becomes
 * of the others. Owns copies of the rules; decides only: node_misbehave does what they say. */
#ifndef NODE_NODE_FAULT_H
#define NODE_NODE_FAULT_H

#include "base/prng.h"
#include "node/node_command.h"
#include "node/node_view.h"

#define FAULT_RULES_MAX 256
#define FAULT_COMMAND_SIZE 64
#define FAULT_KEY_SIZE 256
#define FAULT_TEXT_SIZE 512
#define FAULT_DELAY_MS_MAX (7u * 24 * 3600 * 1000)
#define FAULT_GARBAGE_BYTES_MAX (1024u * 1024)
#define FAULT_NEST_BYTES_MAX (1024ull * 1024 * 1024)
#define FAULT_MILLION 1000000u

typedef enum fault_action {
    FAULT_NONE, /* nothing but the rule's delay */
    /* the command is not executed */
    FAULT_ERROR,       /* `text` is its error reply: "LOADING ..." */
    FAULT_REPLY,       /* the bytes of `text` are its reply, whatever they are */
    FAULT_MOVED,       /* to `target` */
    FAULT_ASK,         /* to `target` */
    FAULT_DROP_BEFORE, /* the connection is closed */
    /* it is executed */
    FAULT_DROP_AFTER, /* the connection is closed instead of a reply */
    FAULT_CUT,        /* the reply's first `amount` bytes, then the connection is closed */
    FAULT_STALL,      /* the reply's first `amount` bytes, then silence for ever */
    FAULT_SWALLOW,    /* no reply; later commands get theirs */
    FAULT_TRICKLE,    /* the reply comes one byte at a time, `amount` ms apart */
    FAULT_GARBAGE,    /* `amount` bytes that are no RESP instead of the reply */
    FAULT_OVERSIZED,  /* instead of the reply a header of the type text[0] ('$', '*' ...) that
                       * announces `amount` */
    FAULT_NEST,       /* arrays in arrays, `amount` bytes of them, then the connection is closed */
    FAULT_ACTION_COUNT
} fault_action;

typedef struct fault_rule {
    uint64_t id; /* given by fault_rules_add */
    /* which commands; all of it must fit */
    uint16_t node;                    /* NODE_NOBODY: of any node */
    char command[FAULT_COMMAND_SIZE]; /* glob in lower case, "get", "cluster|slots"; "": any */
    char key[FAULT_KEY_SIZE]; /* glob that one of the keys must fit; key_len 0: any or none */
    size_t key_len;
    int first_slot; /* one of the keys must be in first..last; SLOT_NONE: anywhere */
    int last_slot;
    /* how often */
    uint64_t skip;        /* the first so many pass */
    uint64_t count;       /* then so many are hit; 0: all */
    unsigned per_million; /* the chance of each to be hit, 0: never; FAULT_MILLION: always */
    /* what becomes of them */
    uint32_t delay_ms; /* whatever is sent goes out so much later; the connection waits */
    fault_action action;
    uint64_t amount;
    uint16_t target; /* of MOVED and ASK */
    int target_slot; /* the slot that they name; SLOT_NONE: the command's */
    char text[FAULT_TEXT_SIZE];
    size_t text_len;
    /* what it did so far */
    uint64_t seen; /* commands that it fitted */
    uint64_t hits;
} fault_rule;

/* A command that has come in. */
typedef struct fault_subject {
    uint16_t node;
    kw_slice name; /* lower case; with its subcommand: "cluster|slots" */
    const kw_slice *argv;
    bool has_keys;
    node_key_range keys;
} fault_subject;

typedef struct fault_rules {
    const mem *mem;
    prng random;
    fault_rule *rules; /* in the order in which they were added */
    size_t count;
    size_t capacity;
    uint64_t last_id;
} fault_rules;

void fault_rules_init(fault_rules *f, const mem *m, uint64_t seed);
void fault_rules_done(fault_rules *f);

/* A rule that fits every command of every node and does nothing. */
void fault_rule_init(fault_rule *rule);

/* Copies the rule, which gets an id above all before. Full: a rule whose count is used up makes
 * room. KW_ERR_INVALID: its values are out of bounds; KW_ERR_LIMIT: FAULT_RULES_MAX are there;
 * KW_ERR_NOMEM. */
KW_CHECKED kw_status fault_rules_add(fault_rules *f, const fault_rule *rule, uint64_t *ret_id);
/* False if there is none of that id. */
bool fault_rules_remove(fault_rules *f, uint64_t id);
void fault_rules_clear(fault_rules *f);
/* NULL: there is none of that id. */
const fault_rule *fault_rules_find(const fault_rules *f, uint64_t id);

/* The first rule whose turn this command is, or NULL: it is treated well. Counts. The rule is valid
 * until the next change of the rules. */
const fault_rule *fault_rules_match(fault_rules *f, const fault_subject *subject);

/* Is the command executed all the same? */
bool fault_action_executes(fault_action action);
/* "error", "drop-before" ... */
const char *fault_action_name(fault_action action);
/* FAULT_ACTION_COUNT: there is none of that name; case is ignored. */
fault_action fault_action_by_name(kw_slice name);

#endif
