/* A client of a lab's node as a plain blocking socket, and the lab's own ports. Waiting is bounded;
 * whatever fails, fails the test. */
#ifndef TEST_UNIT_SUPPORT_LAB_PEER_H
#define TEST_UNIT_SUPPORT_LAB_PEER_H

#include "keyway/lab.h"

#include <stddef.h>

/* options are freed; NULL: the defaults. */
kw_lab *lab_peer_start(kw_lab_options *options);
/* So many primaries and replicas of each. */
kw_lab *lab_peer_start_size(int primaries, int replicas);
uint16_t lab_peer_port(const kw_lab *lab, int node);

/* -1 and errno if it is refused. */
int lab_peer_connect(uint16_t port);
void lab_peer_send(int fd, const char *text);
void lab_peer_expect(int fd, const char *reply);
/* Reads until the other side ends the connection, in whatever way; returns the number of bytes. */
size_t lab_peer_drain(int fd);
/* One line over a connection of its own. */
void lab_peer_ask(uint16_t port, const char *line, const char *reply);

#endif
