#include "node/node_clock.h"

void node_clock_init(node_clock *c, uint64_t real_us) {
    *c = (node_clock){.real_us = real_us, .at_us = real_us};
}

uint64_t node_clock_read(node_clock *c, uint64_t real_us) {
    if (real_us > c->real_us) {
        c->at_us += c->frozen ? 0 : real_us - c->real_us;
        c->real_us = real_us;
    }
    return c->at_us;
}

void node_clock_freeze(node_clock *c) {
    c->frozen = true;
}

void node_clock_resume(node_clock *c) {
    c->frozen = false;
}

uint64_t node_clock_advance(node_clock *c, uint64_t us) {
    c->at_us = us < UINT64_MAX / 2 - c->at_us ? c->at_us + us : UINT64_MAX / 2;
    return c->at_us;
}

uint64_t node_clock_until(const node_clock *c, uint64_t at_us) {
    if (at_us <= c->at_us) {
        return 0;
    }
    return c->frozen ? UINT64_MAX : at_us - c->at_us;
}
