/* What the parts of the LAB command share: the call, reading its arguments, and the table of
 * subcommands. For control*.c and fleet_control.c only. */
#ifndef NODE_CONTROL_H
#define NODE_CONTROL_H

#include "node/node_call.h"
#include "node/node_fleet.h"

typedef struct control_call {
    node_fleet *fleet;
    node_lab *lab;
    node_call *call; /* holds the arguments and takes the reply */
    uint16_t me;     /* the node that was asked; NODE_NOBODY: none */
    size_t at;       /* the argument to be read next */
    uint64_t now_us;
} control_call;

typedef void control_handler(control_call *c);

typedef struct control_row {
    const char *name;      /* "SLOT BEGIN" */
    const char *arguments; /* as help shows them; NULL: none */
    const char *help;
    control_handler *run;
    size_t least; /* how many arguments */
    size_t most;
} control_row;

#define CONTROL_MANY SIZE_MAX

/* LAB RESET. */
void control_reset(control_call *c);

extern const control_row control_node_rows[];
extern const control_row control_slot_rows[];
extern const control_row control_view_rows[];
extern const control_row control_fault_rows[];
extern const control_row control_log_rows[];
extern const control_row control_time_rows[];

/* An error reply; "ERR " is put before it. */
void control_fail(control_call *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "OK", or what went wrong: the status in words, after `what`. */
void control_answer(control_call *c, kw_status status, const char *what);

static inline bool control_has_more(const control_call *c) {
    return c->at < c->call->argc;
}
static inline kw_slice control_next(control_call *c) {
    return c->call->argv[c->at++];
}
/* Takes the next argument if it is this word. */
bool control_takes(control_call *c, const char *word);

/* Each reads the next argument (there must be one); false: it is not like that, and was answered.
 */

/* By index (3, #3), id or its start (6 digits), host:port, port, `me`, `slot:N` or `key:K` (the
 * owner). */
bool control_read_node(control_call *c, uint16_t *ret);
/* The same that must live. */
bool control_read_living_node(control_call *c, uint16_t *ret);
/* The same, or ALL: NODE_NOBODY. */
bool control_read_nodes(control_call *c, uint16_t *ret);
bool control_read_slot(control_call *c, int *ret);
/* N, N-M, or ALL. */
bool control_read_slots(control_call *c, int *ret_first, int *ret_last);
bool control_read_number(control_call *c, const char *what, uint64_t max, uint64_t *ret);

/* Fields of a map reply. */
void control_text_field(control_call *c, const char *name, const char *text);
void control_number_field(control_call *c, const char *name, uint64_t value);

/* "0-5460 7000": the slots that a view gives to a node, as far as they fit. */
void control_write_slots(const node_view *view, uint16_t owner, char *dst, size_t size);

#endif
