/* What ACL LOG tells: who was refused what, the same again within a minute as one entry. Bounded;
 * owns its entries. */
#ifndef NODE_NODE_ACL_LOG_H
#define NODE_NODE_ACL_LOG_H

#include "base/list.h"
#include "node/node_acl.h"

#define ACL_LOG_OBJECT_SIZE 256

typedef struct acl_log_entry {
    list in_log;
    uint64_t count;
    uint64_t at_us; /* the latest */
    acl_verdict reason;
    bool in_multi;
    char object[ACL_LOG_OBJECT_SIZE]; /* the command, key or channel */
    char user[ACL_NAME_SIZE];
    char client[512]; /* as CLIENT INFO tells of it */
} acl_log_entry;

typedef struct acl_log {
    const mem *mem;
    list entries; /* the latest first */
    size_t count;
} acl_log;

void acl_log_init(acl_log *log, const mem *m);
void acl_log_clear(acl_log *log);
/* Takes a copy, with a count of 1; capacity: the oldest beyond it are dropped. If memory is short
 * nothing is noted. */
void acl_log_add(acl_log *log, const acl_log_entry *entry, size_t capacity);

#endif
