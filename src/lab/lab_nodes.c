#include "lab/lab_nodes.h"

#include "io/io_error.h"

#include <assert.h>

/* The ports of more would be most of the descriptors that a process has at first. */
#define IPV6_NODES_MAX 128

/* --------------------------------------------------------------------------------- servers */

lab_server *lab_nodes_server(const lab_net *net, uint16_t index) {
    return index < net->server_count ? net->servers[index] : NULL;
}

/* Room for one more server, which is not opened. NULL if memory is short. */
static lab_server *add_server(lab_net *net) {
    if (net->server_count == net->server_capacity) {
        uint16_t capacity = net->server_capacity ? (uint16_t)(2 * net->server_capacity) : 8;
        lab_server **servers = mem_resize(net->mem, net->servers, capacity, sizeof(lab_server *));
        if (!servers) {
            return NULL;
        }
        net->servers = servers;
        net->server_capacity = capacity;
    }
    lab_server *s = mem_alloc(net->mem, sizeof *s);
    if (s) {
        lab_server_init(s, net, net->server_count);
        net->servers[net->server_count++] = s;
    }
    return s;
}

static void drop_last_server(lab_net *net) {
    lab_server *s = net->servers[--net->server_count];
    lab_server_shut(s);
    mem_free(net->mem, s);
}

/* A server's ports as all nodes have them; 0: free ones. */
static kw_status open_server(lab_server *s, lab_ports ports, kw_error *err) {
    const lab_net *net = s->net;
    if (net->speaks_plain) {
        lab_port_want(&s->plain, ports.plain);
    }
    if (net->tls) {
        lab_port_want(&s->tls, ports.tls);
    }
    return lab_server_listen(s, err);
}

kw_status lab_nodes_open(lab_net *net, uint16_t count, lab_ports first, kw_error *err) {
    if (first.plain + (count - 1) > UINT16_MAX || first.tls + (count - 1) > UINT16_MAX) {
        return io_fail(err, KW_ERR_INVALID, "the nodes' ports would go beyond 65535");
    }
    net->has_ipv6 = count <= IPV6_NODES_MAX && lab_has_ipv6(net);
    for (uint16_t i = 0; i < count; i++) {
        lab_server *s = add_server(net);
        if (!s) {
            return io_fail(err, KW_ERR_NOMEM, "out of memory");
        }
        lab_ports ports = {
            .plain = first.plain ? (uint16_t)(first.plain + i) : 0,
            .tls = first.tls ? (uint16_t)(first.tls + i) : 0,
        };
        kw_status status = open_server(s, ports, err);
        if (status != KW_OK) {
            return status;
        }
    }
    return KW_OK;
}

void lab_nodes_close(lab_net *net) {
    while (net->server_count > 0) {
        drop_last_server(net);
    }
    mem_free(net->mem, net->servers);
    net->servers = NULL;
    net->server_capacity = 0;
}

/* ------------------------------------------------------------------------------------ acts */

static kw_status end_node(lab_net *net, const fleet_act *a, uint64_t now_us) {
    if (!fleet_node(net->fleet, a->node)) {
        return KW_ERR_INVALID;
    }
    lab_server_shut(net->servers[a->node]);
    return fleet_act_alone(net->fleet, a, now_us);
}

static kw_status start_node(lab_net *net, const fleet_act *a, uint64_t now_us) {
    lab_server *s = net->servers[a->node];
    lab_port *port = lab_server_main_port(s);
    uint16_t before = port->number;
    if (fleet_node(net->fleet, a->node)) {
        return KW_ERR_INVALID;
    }
    port->number = a->port ? a->port : before;
    kw_status status = lab_server_listen(s, NULL);
    if (status == KW_OK) {
        status = fleet_act_alone(net->fleet, a, now_us);
    }
    if (status != KW_OK) {
        lab_server_shut(s);
        port->number = before;
    }
    return status;
}

static kw_status restart_node(lab_net *net, const fleet_act *a, uint64_t now_us) {
    fleet_act part = *a;
    part.kind = ACT_KILL;
    kw_status status = fleet_node(net->fleet, a->node) ? end_node(net, &part, now_us) : KW_OK;
    part.kind = ACT_START;
    return status == KW_OK ? start_node(net, &part, now_us) : status;
}

static kw_status pause_node(lab_net *net, const fleet_act *a, uint64_t now_us) {
    bool was_paused = fleet_is_paused(net->fleet, a->node);
    bool paused = a->kind == ACT_PAUSE;
    kw_status status = fleet_act_alone(net->fleet, a, now_us);
    if (status == KW_OK && paused != was_paused) {
        lab_server_pause(net->servers[a->node], paused, now_us);
    }
    return status;
}

static kw_status add_node(lab_net *net, const fleet_act *a, uint64_t now_us) {
    bool tls_only = !net->speaks_plain;
    lab_ports ports = {.plain = tls_only ? 0 : a->port, .tls = tls_only ? a->port : 0};
    lab_server *s = add_server(net);
    if (!s) {
        return KW_ERR_NOMEM;
    }
    kw_status status = open_server(s, ports, NULL);
    uint16_t index = s->index;
    if (status == KW_OK) {
        const fleet_addition addition = {
            .port = lab_port_number(&s->plain),
            .tls_port = lab_port_number(&s->tls),
            .alone = a->alone,
            .primary = a->primary,
        };
        status = fleet_add_node(net->fleet, &addition, now_us, &index);
    }
    if (status != KW_OK) {
        drop_last_server(net);
        return status;
    }
    assert(index == s->index);
    if (a->ret_node) {
        *a->ret_node = index;
    }
    return KW_OK;
}

static kw_status remove_node(lab_net *net, const fleet_act *a, uint64_t now_us) {
    if (fleet_view(net->fleet)->peers[a->node].slot_count > 0) {
        return KW_ERR_INVALID; /* the fleet would refuse it after its end */
    }
    return fleet_node(net->fleet, a->node) ? end_node(net, a, now_us)
                                           : fleet_act_alone(net->fleet, a, now_us);
}

kw_status lab_nodes_act(void *arg, const fleet_act *a, uint64_t now_us) {
    lab_net *net = arg;
    if (a->kind != ACT_ADD && a->node >= net->server_count) {
        return KW_ERR_INVALID;
    }
    switch (a->kind) {
    case ACT_KILL:
    case ACT_STOP:
        return end_node(net, a, now_us);
    case ACT_START:
        return start_node(net, a, now_us);
    case ACT_RESTART:
        return restart_node(net, a, now_us);
    case ACT_PAUSE:
    case ACT_RESUME:
        return pause_node(net, a, now_us);
    case ACT_ADD:
        return add_node(net, a, now_us);
    case ACT_REMOVE:
        return remove_node(net, a, now_us);
    }
    return KW_ERR_INVALID;
}
