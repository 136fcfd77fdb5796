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
