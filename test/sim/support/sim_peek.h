/* What the simulation sees of the brain's inside, where its public face does not tell enough. */
#ifndef TEST_SIM_SUPPORT_SIM_PEEK_H
#define TEST_SIM_SUPPORT_SIM_PEEK_H

#include "core/cluster.h"

typedef struct sim_peek {
    uint32_t ask_serial; /* grows with each question for a view */
    uint32_t known_count;
    bool has_epoch;
    uint64_t epoch;
} sim_peek;

sim_peek peek(const cluster *c);
/* The most connections for blocking commands that a node has. */
unsigned peek_blocking_links(const cluster *c);

#endif
