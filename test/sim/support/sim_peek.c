#include "sim/support/sim_peek.h"

#include "core/cluster_state.h"

sim_peek peek(const cluster *c) {
    return (sim_peek){
        .ask_serial = c->refresh.serial,
        .known_count = c->slots.known_count,
        .has_epoch = c->fence.has_epoch,
        .epoch = c->fence.epoch_seen,
    };
}

unsigned peek_blocking_links(const cluster *c) {
    unsigned counts[LIMIT_NODES] = {0};
    unsigned most = 0;
    for (uint32_t i = 0; i < c->link_count; i++) {
        const link *l = c->links[i];
        if (l && l->node && l->own && !l->draining && ++counts[l->node->index] > most) {
            most = counts[l->node->index];
        }
    }
    return most;
}
