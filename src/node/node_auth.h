/* Who a session is, and what comes of it when it asks for something that it may not do. */
#ifndef NODE_NODE_AUTH_H
#define NODE_NODE_AUTH_H

#include "node/node_call.h"

/* The users that a node begins with: node_config.user and password. */
KW_CHECKED kw_status node_auth_init(node *n);
void node_auth_done(node *n);

/* The session is the default user, logged in if that one needs no password. */
void node_auth_begin(const node *n, node_session *s);
/* The session logs in; false: user or password is wrong, which ACL LOG then tells of. */
bool node_auth_login(node_call *c, kw_slice user, kw_slice password);
/* CONFIG SET requirepass: the default user's password, or with "" none. */
KW_CHECKED kw_status node_auth_require(node *n, const char *password);
/* The session's user is no more. */
void node_auth_end_sessions(node *n, const acl_user *u);

/* Of a command that was queued: its user's rules may have changed since. False: that was answered.
 */
bool node_auth_still_allows(node_call *c);

/* Notes that a command was denied, and words the reply. index: the argument that was denied. */
void node_auth_deny(node_call *c, acl_verdict verdict, size_t index, char ret_text[192]);

#endif
