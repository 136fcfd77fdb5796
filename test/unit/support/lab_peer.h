/* A client of a lab's node as a plain blocking socket, and the lab's own ports. Waiting is bounded;
 * whatever fails, fails the test. */
#ifndef TEST_UNIT_SUPPORT_LAB_PEER_H
#define TEST_UNIT_SUPPORT_LAB_PEER_H

#include "keyway/lab.h"

#include <stddef.h>

/* So many primaries and replicas of each. */
kw_lab_options *lab_peer_options(int primaries, int replicas);
/* options are freed; NULL: the defaults. */
kw_lab *lab_peer_start(kw_lab_options *options);
kw_lab *lab_peer_start_size(int primaries, int replicas);
kw_lab_node lab_peer_node(const kw_lab *lab, int index);
uint16_t lab_peer_port(const kw_lab *lab, int index);

/* -1 and errno if it is refused. */
int lab_peer_connect(uint16_t port);
void lab_peer_send(int fd, const char *text);
void lab_peer_expect(int fd, const char *reply);
/* Nothing comes for a while. */
void lab_peer_expect_silence(int fd);
/* How long a read waits; 20 s at first. */
void lab_peer_set_patience_ms(int fd, int ms);
/* Reads until the other side ends the connection, in whatever way; returns the number of bytes. */
size_t lab_peer_drain(int fd);
/* One line over a connection of its own. */
void lab_peer_ask(uint16_t port, const char *line, const char *reply);

#endif
