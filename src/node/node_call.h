/* One command on its way through a node, and how its handler answers. A reply that memory is too
 * short for marks the session FAILED, so handlers need not check. Owns nothing.
 *
 * A write that changed something is propagated to the replicas as it came; a handler whose effect
 * another node could not repeat (SPOP) calls call_propagate with commands that can. */
#ifndef NODE_NODE_CALL_H
#define NODE_NODE_CALL_H

#include "node/node.h"
#include "node/node_command.h"

typedef struct node_call {
    node *node;
    node_session *session;
    const node_command *command;
    const node_command *container; /* the command that argv[0] names, if it has subcommands */
    const kw_slice *argv;
    size_t argc;
    uint64_t now_us;
    uint64_t now_ms;
    buffer *out;        /* the session's */
    bool in_exec;       /* it must not block */
    bool retried;       /* it has waited; calls call_block once more to wait on */
    bool failed;        /* it was answered with an error */
    bool propagated;    /* by call_propagate */
    kw_slice ready_key; /* of a retried command: which of its keys was added */
} node_call;

/* Runs the command that has been judged, and propagates what it did. */
void call_run(node_call *c);
/* In place of the command that runs; may be called several times. */
void call_propagate(node_call *c, const kw_slice *argv, size_t argc);
/* Nothing of the command that runs is to be propagated. */
static inline void call_propagate_nothing(node_call *c) {
    c->propagated = true;
}

void call_ok(node_call *c);
void call_status(node_call *c, const char *text);
/* The text with its code: "ERR syntax error". Line ends in it become spaces. */
void call_error(node_call *c, const char *text);
void call_errorf(node_call *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Where clients are sent to reach a peer, by cluster-preferred-endpoint-type; "": where they asked.
 */
const char *call_endpoint(const node_call *c, const node_peer *peer);
/* The port for this connection: the peer's TLS port if it came over TLS. */
uint16_t call_port(const node_call *c, const node_peer *peer);
/* "MOVED slot host:port", or ASK. */
void call_redirect(node_call *c, const char *code, int slot, uint16_t target);
void call_syntax_error(node_call *c);
/* The command (c's own, or one that it is asked about) does not take so many arguments. */
void call_wrong_arity(node_call *c, const node_command *command);
/* Of a container (upper case): argv[1] with too many arguments. */
void call_subcommand_error(node_call *c, const char *container);
void call_out_of_memory(node_call *c);
void call_integer(node_call *c, int64_t value);
void call_bulk(node_call *c, kw_slice s);
void call_text(node_call *c, const char *text);
void call_verbatim(node_call *c, kw_slice text);
void call_null(node_call *c);
void call_null_array(node_call *c);
void call_array(node_call *c, size_t count);
void call_set(node_call *c, size_t count);
void call_map(node_call *c, size_t pairs);
/* Appends what CLIENT LIST tells of a session; false if memory is short. */
KW_CHECKED bool call_describe_client(const node_call *c, const node_session *s, buffer *out);
void call_double(node_call *c, double value);
/* Bytes as they are. */
void call_raw(node_call *c, kw_slice bytes);
/* Bytes that are RESP3 already, written as RESP2 if the session speaks that: sets and maps become
 * flat arrays. Only for text of our own. */
void call_resp3(node_call *c, const char *resp3);

/* argv[index] as the servers read integers; false (and an error was given) if it is none. */
bool call_read_integer(node_call *c, size_t index, int64_t *ret);
static inline bool call_argument_is(const node_call *c, size_t index, const char *word) {
    return index < c->argc && slice_is_nocase(c->argv[index], word);
}

/* False (and an error was given) if it is none. */
bool call_set_client_name(node_call *c, kw_slice name);

/* How many bytes of argv[index] to show in an error, as "%.*s" wants it. */
static inline int call_shown(const node_call *c, size_t index) {
    return c->argv[index].len < 256 ? (int)c->argv[index].len : 256;
}

/* A key's entry; NULL if it is missing. An expired one is removed, unless a client reads it at a
 * replica: there it goes when the primary says so. */
keyspace_entry *call_find_key(node_call *c, kw_slice key);
keyspace_entry *call_find(node_call *c, size_t index);
/* The same, but the key does not count as used: EXISTS, TTL, OBJECT ... */
keyspace_entry *call_look(node_call *c, size_t index);
/* The same if its value is of that kind (NULL: a string) or it is missing (*ret NULL); else false,
 * and WRONGTYPE was answered. */
KW_CHECKED bool call_find_kind(node_call *c, size_t index, const value_kind *kind,
                               keyspace_entry **ret);
/* The same, and a missing key gets an empty value. */
KW_CHECKED bool call_find_or_make(node_call *c, size_t index, const value_kind *kind,
                                  keyspace_entry **ret);
void call_wrong_type(node_call *c);
/* The entry's object was changed, or that was tried: an empty one is no key. */
void call_settle(node_call *c, keyspace_entry *e);
/* The object, which is taken over, becomes the key's value, or the key goes if it is empty. Answers
 * how much is in it. */
void call_store(node_call *c, kw_slice key, const value_kind *kind, void *object);

#endif
