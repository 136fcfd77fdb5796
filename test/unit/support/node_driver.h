/* Nodes for a test: a fleet on made-up ports 7000, 7001 ... of 10.0.0.1, a clock that the test
 * moves, and sessions that send lines and give the bytes that came back. */
#ifndef UNIT_SUPPORT_NODE_DRIVER_H
#define UNIT_SUPPORT_NODE_DRIVER_H

#include "node/node_fleet.h"

#define DRIVER_START_US 1700000000000000u

typedef struct node_driver {
    node_fleet *fleet;
    uint64_t now_us;
    buffer in;
    node_session *sessions[16]; /* one of each node, opened when needed */
    char text[65536];
} node_driver;

void driver_start(node_driver *d, uint16_t primaries, uint16_t replicas);
/* The same with a user and a password. */
void driver_start_locked(node_driver *d, const char *user, const char *password);
void driver_stop(node_driver *d);

/* Sends a line as redis-cli would take it ("..." with \xNN, \r, \n may quote a word) over the
 * node's standing session; the reply as terminated text, valid until the next call. */
const char *driver_ask(node_driver *d, uint16_t index, const char *line);
/* The same over a session of the test's own. */
const char *driver_ask_on(node_driver *d, uint16_t index, node_session *s, const char *line);

/* The test fails if the reply is another. */
void driver_expect(node_driver *d, uint16_t index, const char *line, const char *reply);

/* Another session with the node; the test frees it with driver_close. */
node_session *driver_open(node_driver *d, uint16_t index);
void driver_close(node_driver *d, uint16_t index, node_session *s);
void driver_expect_on(node_driver *d, uint16_t index, node_session *s, const char *line,
                      const char *reply);
/* What it was sent without asking, or since it was held, up to now. */
void driver_expect_pushed(node_driver *d, uint16_t index, node_session *s, const char *bytes);

/* Ends the node's standing session: before it is killed, or to begin afresh. */
void driver_hang_up(node_driver *d, uint16_t index);

/* Time goes by, and the fleet's timers run. */
void driver_wait_ms(node_driver *d, uint64_t ms);

/* Lines and their replies, in order, on one node; the test fails at the first that differs. */
typedef struct driver_row {
    const char *line;
    const char *reply;
} driver_row;
void driver_expect_rows(node_driver *d, uint16_t index, const driver_row *rows, size_t count);

#endif
