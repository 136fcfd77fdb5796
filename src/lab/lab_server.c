#include "lab/lab_server.h"

#include "lab/lab_connection.h"

#define ACCEPTS_PER_TURN 1000 /* as many as redis-server */
#define FREE_PORT_TRIES 16
#define TOO_MANY "-ERR max number of clients + cluster connections reached\r\n"

static void init_port(lab_port *port, lab_server *s, bool tls) {
    *port = (lab_port){.kind = LAB_OWNER_PORT, .server = s, .tls = tls};
    list_init(&port->in_starved);
}

void lab_server_init(lab_server *s, lab_net *net, uint16_t index) {
    *s = (lab_server){.net = net, .index = index};
    init_port(&s->plain, s, false);
    init_port(&s->tls, s, true);
    list_init(&s->connections);
}

void lab_port_want(lab_port *port, uint16_t number) {
    port->wanted = true;
    port->number = number;
}

static void close_port(lab_port *port) {
    for (size_t i = 0; i < LAB_ADDRESSES; i++) {
        listener_free(port->listeners[i]);
        port->listeners[i] = NULL;
    }
    list_remove(&port->in_starved);
}

/* At all addresses, with one number. */
static kw_status open_listeners(lab_port *port, uint16_t number, kw_error *err) {
    const lab_net *net = port->server->net;
    net_address addresses[LAB_ADDRESSES] = {
        {.family = NET_IPV4, .port = number, .ip = {127, 0, 0, 1}},
        {.family = NET_IPV6, .port = number, .ip = {[15] = 1}},
    };
    kw_status status = KW_OK;
    for (size_t i = 0; status == KW_OK && i < (net->has_ipv6 ? 2u : 1u); i++) {
        addresses[i].port = number;
        status = listener_new(net->loop, net->mem, &addresses[i], port, &port->listeners[i], err);
        number = status == KW_OK ? listener_port(port->listeners[i]) : 0;
    }
    if (status != KW_OK) {
        close_port(port);
        return status;
    }
    port->number = number;
    return KW_OK;
}

/* A number that is free at one address may be taken at the other. */
static kw_status open_port(lab_port *port, kw_error *err) {
    if (!port->wanted) {
        return KW_OK;
    }
    kw_status status = KW_ERR_CONNECTION;
    for (int i = 0; i < FREE_PORT_TRIES && status == KW_ERR_CONNECTION; i++) {
        status = open_listeners(port, port->number, err);
        if (port->number != 0) {
            break;
        }
    }
    return status;
}

bool lab_has_ipv6(const lab_net *net) {
    const net_address address = {.family = NET_IPV6, .ip = {[15] = 1}};
    listener *probe = NULL;
    int nobody = 0;
    bool has = listener_new(net->loop, net->mem, &address, &nobody, &probe, NULL) == KW_OK;
    listener_free(probe);
    return has;
}

kw_status lab_server_listen(lab_server *s, kw_error *err) {
    kw_status status = open_port(&s->plain, err);
    if (status != KW_OK) {
        return status;
    }
    status = open_port(&s->tls, err);
    if (status != KW_OK) {
        close_port(&s->plain);
    }
    return status;
}

void lab_server_shut(lab_server *s) {
    close_port(&s->plain); /* first: whoever is cut off finds nobody there */
    close_port(&s->tls);
    LIST_FOR_EACH(at, after, &s->connections) {
        lab_connection_close(LIST_ENTRY(at, lab_connection, in_server), true);
    }
}

/* --------------------------------------------------------------------------------- accepting */

static uint64_t setting_of(const lab_server *s, node_setting_id id) {
    return (uint64_t)node_settings_number(&fleet_node(s->net->fleet, s->index)->settings, id);
}

/* The links to the other nodes are counted, as by the servers: two for each. */
static bool has_room(const lab_server *s) {
    size_t known = node_view_known_count(fleet_node(s->net->fleet, s->index)->view);
    return s->connection_count + 2 * (known - 1) < setting_of(s, SETTING_MAXCLIENTS);
}

static void take(lab_port *port, int fd, const net_address *peer, uint64_t now_us) {
    if (!has_room(port->server)) {
        listener_refuse(fd, port->tls ? "" : TOO_MANY);
    } else if (!lab_connection_open(port, fd, peer, now_us)) {
        listener_refuse(fd, "");
    }
}

static void want_accept(lab_port *port, bool want) {
    for (size_t i = 0; i < LAB_ADDRESSES; i++) {
        if (port->listeners[i]) {
            listener_want_accept(port->listeners[i], want);
        }
    }
}

/* The loop would tell of those who wait without end. */
static void starve(lab_port *port, int error) {
    lab_net *net = port->server->net;
    node_lab *lab = fleet_lab(net->fleet);
    want_accept(port, false);
    if (!list_linked(&port->in_starved)) {
        list_push_back(&net->starved, &port->in_starved);
    }
    if (port->told) {
        return;
    }
    port->told = true;
    node_events_add(&lab->events, lab->now_us, EVENT_CLIENT_REFUSED, port->server->index,
                    "clients wait for a connection: %s", strerror(error));
}

static void accept_all(lab_port *port, listener *l, uint64_t now_us) {
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        net_address peer = {.family = NET_IPV4};
        int error = 0;
        int fd = listener_accept(l, &peer, &error);
        if (fd < 0 && error) {
            starve(port, error);
        }
        if (fd < 0) {
            return;
        }
        port->told = false;
        take(port, fd, &peer, now_us);
    }
}

void lab_port_accept(lab_port *port, uint64_t now_us) {
    const lab_server *s = port->server;
    if (!fleet_node(s->net->fleet, s->index) || fleet_is_paused(s->net->fleet, s->index)) {
        return;
    }
    for (size_t i = 0; i < LAB_ADDRESSES; i++) {
        if (port->listeners[i]) {
            accept_all(port, port->listeners[i], now_us);
        }
    }
}

void lab_ports_retry(lab_net *net, uint64_t now_us) {
    list retried;
    list_init(&retried);
    list_append_all(&retried, &net->starved);
    LIST_FOR_EACH(at, after, &retried) {
        lab_port *port = LIST_ENTRY(at, lab_port, in_starved);
        list_remove(at);
        if (!fleet_is_paused(net->fleet, port->server->index)) {
            want_accept(port, true);
            lab_port_accept(port, now_us);
        }
    }
}

/* ------------------------------------------------------------------------------------ pausing */

static void pause_port(lab_port *port, bool paused) {
    want_accept(port, !paused);
    list_remove(&port->in_starved);
}

void lab_server_pause(lab_server *s, bool paused, uint64_t now_us) {
    pause_port(&s->plain, paused);
    pause_port(&s->tls, paused);
    LIST_FOR_EACH(at, after, &s->connections) {
        lab_connection *c = LIST_ENTRY(at, lab_connection, in_server);
        if (paused) {
            lab_connection_pause(c);
        } else {
            lab_connection_resume(c, now_us);
        }
    }
}

void lab_server_check_idle(lab_server *s, uint64_t now_us) {
    if (!fleet_node(s->net->fleet, s->index) || fleet_is_paused(s->net->fleet, s->index)) {
        return;
    }
    uint64_t idle_s = setting_of(s, SETTING_TIMEOUT);
    if (idle_s > 0) {
        LIST_FOR_EACH(at, after, &s->connections) {
            lab_connection_check_idle(LIST_ENTRY(at, lab_connection, in_server), idle_s * 1000000,
                                      now_us);
        }
    }
}
