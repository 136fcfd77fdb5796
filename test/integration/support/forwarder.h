/* A TCP forwarder on a port that stays while what is behind it changes: the address that a fleet of
 * clients has in its configuration. Runs in a thread of its own. */
#ifndef INTEGRATION_SUPPORT_FORWARDER_H
#define INTEGRATION_SUPPORT_FORWARDER_H

#include <stdint.h>

typedef struct forwarder forwarder;

/* NULL if no port is free. */
forwarder *forwarder_start(uint16_t target_port);
uint16_t forwarder_port(const forwarder *f);
/* When it returns, open connections are cut and new ones go there; 0: they are closed at once. */
void forwarder_set_target(forwarder *f, uint16_t target_port);
void forwarder_stop(forwarder *f);

#endif
