#include "lab/lab_net.h"

#include "core/limits.h"
#include "lab/lab_connection.h"
#include "lab/lab_server.h"

#define INPUT_BYTES (64 * 1024)
#define CHECK_EVERY_US 100000
#define IDLE_EVERY_US 1000000

const lab_output_limits lab_output_limits_default = {
    .full_bytes = (size_t)64 * 1024 * 1024,
    .hard_bytes = LIMIT_REPLY_BYTES,
    .stall_us = 60 * UINT64_C(1000000),
};

bool lab_net_init(lab_net *net, const mem *m, loop *l, const lab_output_limits *limits) {
    *net = (lab_net){.mem = m, .loop = l, .speaks_plain = true, .limits = *limits};
    list_init(&net->waiting);
    list_init(&net->starved);
    buffer_init(&net->input, m, INPUT_BYTES);
    return buffer_reserve(&net->input, INPUT_BYTES) != NULL;
}

void lab_net_done(lab_net *net) {
    buffer_done(&net->input);
}

void lab_net_check(lab_net *net, uint64_t now_us) {
    uint64_t at_us = loop_now_us();
    if (at_us >= net->idle_at_us) {
        net->idle_at_us = at_us + IDLE_EVERY_US;
        for (uint16_t i = 0; i < net->server_count; i++) {
            lab_server_check_idle(net->servers[i], now_us);
        }
    }
    if (at_us < net->check_at_us) {
        return;
    }
    net->check_at_us = at_us + CHECK_EVERY_US;
    LIST_FOR_EACH(at, after, &net->waiting) {
        lab_connection_check(LIST_ENTRY(at, lab_connection, in_waiting), at_us);
    }
    lab_ports_retry(net, now_us);
}

uint64_t lab_net_wait_us(const lab_net *net) {
    if (list_empty(&net->waiting) && list_empty(&net->starved)) {
        return LAB_NEVER;
    }
    uint64_t at_us = loop_now_us();
    return net->check_at_us > at_us ? net->check_at_us - at_us : 0;
}
