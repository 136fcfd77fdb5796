/* Users and what they may do: the rules of ACL SETUSER, what ACL GETUSER and LIST say of them, and
 * whether a user may run a command. Pure: time and sessions are its caller's. Owns users and log.
 *
 * A user has passwords and selectors; a command is allowed if one selector allows the command, its
 * keys and its channels. Which categories a command is in is the imitated server's own table; a
 * command that it does not know is for those only who may run all. */
#ifndef NODE_NODE_ACL_H
#define NODE_NODE_ACL_H

#include "base/buffer.h"
#include "node/node_sha256.h"

#define ACL_USERS_MAX 1024
#define ACL_RULES_MAX 1024 /* patterns of one selector; selectors and passwords of one user */
#define ACL_NAME_SIZE 256

struct node_command;

enum { KEY_READS = 1u, KEY_WRITES = 2u };

typedef enum acl_verdict {
    ACL_ALLOWED,
    ACL_DENIED_COMMAND,
    ACL_DENIED_KEY,
    ACL_DENIED_AUTH,
    ACL_DENIED_CHANNEL
} acl_verdict;

typedef struct acl_user acl_user;
typedef struct acl acl;

/* With the user `default`, who may do all and needs no password. NULL if memory is short. */
KW_CHECKED acl *acl_new(const mem *m);
void acl_free(acl *a);

/* In the order of their names. */
size_t acl_user_count(const acl *a);
acl_user *acl_user_at(const acl *a, size_t index);
/* NULL: there is none. */
acl_user *acl_find(const acl *a, kw_slice name);
const char *acl_name(const acl_user *u);

/* Why rules were refused: the rule, and the reason. */
typedef struct acl_refusal {
    char rule[256];
    const char *reason; /* NULL: a parenthesis is not closed */
} acl_refusal;

/* Makes the user if there is none, and applies the rules, all or none. Errors: KW_ERR_INVALID with
 * *ret_refusal, KW_ERR_LIMIT, KW_ERR_NOMEM. The user stays where it is in memory. */
KW_CHECKED kw_status acl_set_user(acl *a, kw_slice name, const kw_slice *rules, size_t count,
                                  acl_refusal *ret_refusal);
void acl_remove_user(acl *a, acl_user *u);

bool acl_is_on(const acl_user *u);
bool acl_needs_no_password(const acl_user *u);
/* True if the user may log in with that password. */
bool acl_authenticate(const acl_user *u, kw_slice password);

/* A command on trial. Keys and channels are found by the command itself. ret_index: the argument
 * that is denied. */
acl_verdict acl_check(const acl_user *u, const struct node_command *command, const kw_slice *argv,
                      size_t argc, size_t *ret_index);

/* What ACL LIST and GETUSER show; each appends to out, false if memory is short. */
KW_CHECKED bool acl_show_user(const acl_user *u, buffer *out); /* "user x on ..." */
size_t acl_flags(const acl_user *u, const char *ret_flags[4]);
size_t acl_password_count(const acl_user *u);
const char *acl_password(const acl_user *u, size_t index);
size_t acl_selector_count(const acl_user *u); /* the first is the user's own */
KW_CHECKED bool acl_show_commands(const acl_user *u, size_t selector, buffer *out);
KW_CHECKED bool acl_show_keys(const acl_user *u, size_t selector, buffer *out);
KW_CHECKED bool acl_show_channels(const acl_user *u, size_t selector, buffer *out);

size_t acl_category_count(void);
const char *acl_category(size_t index);
/* acl_category_count: there is none of that name. */
size_t acl_find_category(kw_slice name);
bool acl_in_category(kw_slice command, size_t category);
/* The commands of the table, subcommands as "config|get", in the order of their names. */
size_t acl_command_count(void);
const char *acl_command(size_t index);

#endif
