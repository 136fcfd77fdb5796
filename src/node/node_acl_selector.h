/* One set of ACL rules: which commands, keys and channels. Part of node_acl.h. Owns its texts. */
#ifndef NODE_NODE_ACL_SELECTOR_H
#define NODE_NODE_ACL_SELECTOR_H

#include "node/node_acl.h"

#define ACL_COMMANDS_MAX 512

typedef struct acl_pattern {
    unsigned access; /* KEY_READS, KEY_WRITES; of channels not used */
    size_t len;
    char *text;
} acl_pattern;

typedef struct acl_patterns {
    bool all;
    size_t count;
    acl_pattern *list;
} acl_patterns;

/* "+select|0": a command only with that first argument. */
typedef struct acl_first_argument {
    size_t command;
    char *text;
} acl_first_argument;

typedef struct acl_selector {
    const mem *mem;
    bool all_commands; /* those that the table does not know, too */
    bool unlimited;    /* +@all was the last word on commands */
    uint64_t allowed[ACL_COMMANDS_MAX / 64];
    acl_patterns keys;
    acl_patterns channels;
    size_t first_count;
    acl_first_argument *first;
} acl_selector;

/* Allows nothing. NULL if memory is short. */
KW_CHECKED acl_selector *acl_selector_new(const mem *m);
KW_CHECKED acl_selector *acl_selector_copy(const acl_selector *s);
void acl_selector_free(acl_selector *s);

/* One rule: "+get", "~a*" ...  NULL: done; else the reason why not. *ret_status: KW_OK,
 * KW_ERR_INVALID, KW_ERR_LIMIT, KW_ERR_NOMEM. */
const char *acl_selector_apply(acl_selector *s, kw_slice rule, kw_status *ret_status);

acl_verdict acl_selector_check(const acl_selector *s, const struct node_command *command,
                               const kw_slice *argv, size_t argc, size_t *ret_index);

KW_CHECKED bool acl_selector_show_commands(const acl_selector *s, buffer *out);
KW_CHECKED bool acl_selector_show_keys(const acl_selector *s, buffer *out);
KW_CHECKED bool acl_selector_show_channels(const acl_selector *s, buffer *out);

#endif
