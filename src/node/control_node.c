#include "node/control.h"

#include <stdio.h>

#define SLOTS_TEXT_SIZE 1024

/* -------------------------------------------------------------------------------- the fleet */

static const char *state_of(const control_call *c, uint16_t index) {
    if (!fleet_node(c->fleet, index)) {
        return fleet_view(c->fleet)->peers[index].known ? "dead" : "removed";
    }
    return fleet_is_paused(c->fleet, index) ? "paused" : "alive";
}

static size_t session_count(const node *n) {
    size_t count = 0;
    LIST_FOR_EACH(at, after, &n->sessions) {
        count++;
    }
    return count;
}

typedef struct node_field {
    const char *name;
    const char *text; /* NULL: it is the number */
    uint64_t number;
} node_field;

enum { NODE_FIELDS = 10 };

/* Many fields of many nodes: RESP2 would make one long list of them, so they are a line for a
 * person there. */
static void write_line(control_call *c, const node_field fields[NODE_FIELDS]) {
    char line[SLOTS_TEXT_SIZE + 512]; /* all fits: a host has up to 63 bytes */
    size_t len = 0;
    for (size_t i = 0; i < NODE_FIELDS && len < sizeof line; i++) {
        const node_field *f = &fields[i];
        const char *space = i > 0 ? " " : "";
        char number[24];
        (void)snprintf(number, sizeof number, "%llu", (unsigned long long)f->number); /* fits */
        const char *value = !f->text ? number : f->text[0] ? f->text : "-";
        int more = snprintf(line + len, sizeof line - len, "%s%s=", space, f->name);
        len += more > 0 ? (size_t)more : 0;
        for (; *value && len + 1 < sizeof line; value++) {
            line[len++] = *value == ' ' ? ',' : *value;
        }
    }
    call_bulk(c->call, slice_of(line, len));
}

static void write_map(control_call *c, const node_field fields[NODE_FIELDS]) {
    call_map(c->call, NODE_FIELDS);
    for (size_t i = 0; i < NODE_FIELDS; i++) {
        if (fields[i].text) {
            control_text_field(c, fields[i].name, fields[i].text);
        } else {
            control_number_field(c, fields[i].name, fields[i].number);
        }
    }
}

static void write_node(control_call *c, uint16_t index) {
    const node *n = fleet_node(c->fleet, index);
    const node_view *view = n ? n->view : fleet_view(c->fleet);
    const node_peer *peer = &view->peers[index];
    char endpoint[NODE_HOST_SIZE + 8];
    char slots[SLOTS_TEXT_SIZE];
    uint16_t port = peer->port ? peer->port : peer->tls_port;
    (void)snprintf(endpoint, sizeof endpoint, "%s:%u", peer->host, port); /* fits */
    control_write_slots(view, index, slots, sizeof slots);
    const node_field fields[NODE_FIELDS] = {
        {"node", NULL, index},
        {"endpoint", endpoint, 0},
        {"role", peer->primary ? "primary" : "replica", 0},
        {"primary", NULL, peer->primary_of},
        {"state", state_of(c, index), 0},
        {"view", fleet_is_frozen(c->fleet, index) ? "frozen" : "current", 0},
        {"slots", slots, 0},
        {"keys", NULL, n ? keyspace_count(n->keys) : 0},
        {"clients", NULL, n ? session_count(n) : 0},
        {"id", peer->id, 0},
    };
    if (c->call->session->resp == 2) {
        write_line(c, fields);
    } else {
        write_map(c, fields);
    }
}

static void run_nodes(control_call *c) {
    uint16_t count = fleet_count(c->fleet);
    call_array(c->call, count);
    for (uint16_t i = 0; i < count; i++) {
        write_node(c, i);
    }
}

static void run_info(control_call *c) {
    const node_view *view = fleet_view(c->fleet);
    uint16_t alive = 0;
    for (uint16_t i = 0; i < fleet_count(c->fleet); i++) {
        if (fleet_node(c->fleet, i)) {
            alive++;
        }
    }
    call_map(c->call, 10);
    if (c->me == NODE_NOBODY) {
        control_text_field(c, "me", "none");
    } else {
        control_number_field(c, "me", c->me);
    }
    control_number_field(c, "nodes", fleet_count(c->fleet));
    control_number_field(c, "alive", alive);
    control_text_field(c, "state", view->up ? "ok" : "fail");
    control_number_field(c, "epoch", view->current_epoch);
    control_number_field(c, "time-ms", c->lab->now_us / 1000);
    control_text_field(c, "time", c->lab->clock.frozen ? "frozen" : "goes");
    control_number_field(c, "rules", c->lab->faults.count);
    control_number_field(c, "logged", c->lab->log.last);
    control_number_field(c, "events", c->lab->events.last);
}

static void run_sync(control_call *c) {
    fleet_sync(c->fleet, c->now_us);
    call_ok(c->call);
}

static void run_flush(control_call *c) {
    fleet_sync(c->fleet, c->now_us); /* nothing arrives afterwards */
    for (uint16_t i = 0; i < fleet_count(c->fleet); i++) {
        node *n = fleet_node(c->fleet, i);
        if (n) {
            keyspace_clear(n->keys);
        }
    }
    call_ok(c->call);
}

/* ------------------------------------------------------------------------------ life and death */

static void act(control_call *c, fleet_act_kind kind, uint16_t index, uint16_t port,
                const char *what) {
    const fleet_act a = {.kind = kind, .node = index, .port = port};
    control_answer(c, fleet_act_do(c->fleet, c->me, &a, c->now_us), what);
}

static void end_node(control_call *c, fleet_act_kind kind) {
    uint16_t index;
    if (control_read_living_node(c, &index)) {
        act(c, kind, index, 0, "the node does not end");
    }
}

static void run_kill(control_call *c) {
    end_node(c, ACT_KILL);
}

static void run_stop(control_call *c) {
    end_node(c, ACT_STOP);
}

/* node [PORT port] */
static bool read_place(control_call *c, uint16_t *ret_node, uint16_t *ret_port) {
    uint64_t port = 0;
    if (!control_read_node(c, ret_node)) {
        return false;
    }
    if (control_has_more(c)) {
        if (!control_takes(c, "port") || !control_has_more(c)) {
            control_fail(c, "after the node comes PORT port, or nothing");
            return false;
        }
        if (!control_read_number(c, "a port", UINT16_MAX, &port)) {
            return false;
        }
    }
    *ret_port = (uint16_t)port;
    return true;
}

static void run_start(control_call *c) {
    uint16_t index;
    uint16_t port;
    if (!read_place(c, &index, &port)) {
        return;
    }
    if (fleet_node(c->fleet, index)) {
        control_fail(c, "node %u lives already; LAB RESTART %u restarts it", index, index);
        return;
    }
    act(c, ACT_START, index, port, "the node does not start");
}

static void run_restart(control_call *c) {
    uint16_t index;
    uint16_t port;
    if (read_place(c, &index, &port)) {
        act(c, ACT_RESTART, index, port, "the node does not start again");
    }
}

static void run_pause(control_call *c) {
    uint16_t index;
    if (control_read_living_node(c, &index)) {
        act(c, ACT_PAUSE, index, 0, "the node does not pause");
    }
}

static void run_resume(control_call *c) {
    uint16_t index;
    if (control_read_living_node(c, &index)) {
        act(c, ACT_RESUME, index, 0, "the node does not go on");
    }
}

/* [REPLICA-OF node] [PORT port] [ALONE] */
static bool read_addition(control_call *c, fleet_act *a) {
    uint64_t port = 0;
    while (control_has_more(c)) {
        bool last = c->at + 1 == c->call->argc;
        if (control_takes(c, "alone")) {
            a->alone = true;
        } else if (!last && control_takes(c, "replica-of")) {
            if (!control_read_living_node(c, &a->primary)) {
                return false;
            }
        } else if (!last && control_takes(c, "port")) {
            if (!control_read_number(c, "a port", UINT16_MAX, &port)) {
                return false;
            }
        } else {
            control_fail(c, "LAB ADD takes REPLICA-OF node, PORT port, ALONE");
            return false;
        }
    }
    a->port = (uint16_t)port;
    return true;
}

static void run_add(control_call *c) {
    uint16_t added = NODE_NOBODY;
    fleet_act a = {.kind = ACT_ADD, .primary = NODE_NOBODY, .ret_node = &added};
    if (!read_addition(c, &a)) {
        return;
    }
    kw_status status = fleet_act_do(c->fleet, c->me, &a, c->now_us);
    if (status == KW_OK) {
        call_integer(c->call, added);
    } else {
        control_answer(c, status, "no node is added: a replica's primary must be one");
    }
}

/* The replica meant: itself, or a primary's first that lives. */
static uint16_t replica_for(const control_call *c, uint16_t index) {
    const node_view *view = fleet_view(c->fleet);
    if (!view->peers[index].primary) {
        return index;
    }
    for (uint16_t i = 0; i < fleet_count(c->fleet); i++) {
        bool lives = fleet_node(c->fleet, i) && !fleet_is_paused(c->fleet, i);
        if (lives && !view->peers[i].primary && view->peers[i].primary_of == index) {
            return i;
        }
    }
    return NODE_NOBODY;
}

static void run_remove(control_call *c) {
    uint16_t index;
    if (!control_read_node(c, &index)) {
        return;
    }
    if (fleet_view(c->fleet)->peers[index].slot_count > 0) {
        control_fail(c, "node %u owns slots: LAB SLOT MOVE them first", index);
        return;
    }
    if (fleet_view(c->fleet)->peers[index].primary && replica_for(c, index) != NODE_NOBODY) {
        control_fail(c, "node %u has replicas: LAB REMOVE them first", index);
        return;
    }
    act(c, ACT_REMOVE, index, 0, "the node stays");
}

/* --------------------------------------------------------------------------------- failover */

static void run_failover(control_call *c) {
    uint16_t index;
    if (!control_read_node(c, &index)) {
        return;
    }
    uint16_t replica = replica_for(c, index);
    if (replica == NODE_NOBODY) {
        control_fail(c, "node %u has no replica that lives", index);
        return;
    }
    control_answer(c, fleet_promote(c->fleet, replica), "no failover");
}

static void run_failover_after(control_call *c) {
    uint64_t ms;
    if (control_takes(c, "never")) {
        fleet_set_failover_ms(c->fleet, -1);
    } else if (control_read_number(c, "the time in ms", INT32_MAX, &ms)) {
        fleet_set_failover_ms(c->fleet, (int)ms);
    } else {
        return;
    }
    call_ok(c->call);
}

static void run_node_timeout(control_call *c) {
    uint64_t ms;
    if (control_read_number(c, "the time in ms", INT32_MAX, &ms)) {
        fleet_set_node_timeout(c->fleet, ms);
        call_ok(c->call);
    }
}

static void run_elections(control_call *c) {
    bool strict = control_takes(c, "strict");
    if (!strict && !control_takes(c, "lenient")) {
        control_fail(c, "elections are STRICT or LENIENT");
        return;
    }
    fleet_set_strict_elections(c->fleet, strict);
    call_ok(c->call);
}

static void run_paused_are(control_call *c) {
    bool dead = control_takes(c, "dead");
    if (!dead && !control_takes(c, "slow")) {
        control_fail(c, "paused nodes are DEAD or SLOW for the others");
        return;
    }
    fleet_set_pause_is_failure(c->fleet, dead);
    call_ok(c->call);
}

static void run_replication_delay(control_call *c) {
    uint64_t ms;
    if (control_read_number(c, "the delay in ms", UINT32_MAX, &ms)) {
        fleet_set_replication_delay(c->fleet, ms * 1000);
        call_ok(c->call);
    }
}

const control_row control_node_rows[] = {
    {"NODES", NULL, "each node with endpoint, role, state, slots, keys, clients", run_nodes, 0, 0},
    {"INFO", NULL, "the lab as a whole: who I am, time, rules, log", run_info, 0, 0},
    {"KILL", "node", "ends a node as kill -9 does; its connections are reset, its data is gone",
     run_kill, 1, 1},
    {"STOP", "node", "ends a node as SHUTDOWN does: its replicas have all it had", run_stop, 1, 1},
    {"START", "node [PORT port]", "starts a dead node, on its own port or another", run_start, 1,
     3},
    {"RESTART", "node [PORT port]", "kills a node and starts it again", run_restart, 1, 3},
    {"PAUSE", "node", "as SIGSTOP: it accepts connections, and answers nothing", run_pause, 1, 1},
    {"RESUME", "node", "as SIGCONT", run_resume, 1, 1},
    {"ADD", "[REPLICA-OF node] [PORT port] [ALONE]",
     "adds a node, a primary without slots or a replica; ALONE: it is yet to be met; its index",
     run_add, 0, 5},
    {"REMOVE", "node", "a node without slots ends, and all others forget it", run_remove, 1, 1},
    {"FAILOVER", "node", "a replica (a primary's first one) takes over now", run_failover, 1, 1},
    {"FAILOVER-AFTER", "ms|NEVER", "how long after a primary's end its replica takes over",
     run_failover_after, 1, 1},
    {"NODE-TIMEOUT", "ms", "as cluster-node-timeout of all nodes", run_node_timeout, 1, 1},
    {"ELECTIONS", "STRICT|LENIENT",
     "whether a majority is needed; LENIENT (at first): tests of few nodes see failovers, too",
     run_elections, 1, 1},
    {"PAUSED", "DEAD|SLOW", "what paused nodes are for the others; SLOW at first", run_paused_are,
     1, 1},
    {"REPLICATION DELAY", "ms", "how late writes reach the replicas", run_replication_delay, 1, 1},
    {"SYNC", NULL, "all that is on its way arrives now: writes at replicas, news at views",
     run_sync, 0, 0},
    {"RESET", NULL,
     "as at the start: no rules, log, keys, dead or misled nodes; slots and roles as they were",
     control_reset, 0, 0},
    {"FLUSH", NULL, "no node holds a key any more", run_flush, 0, 0},
    {0},
};
