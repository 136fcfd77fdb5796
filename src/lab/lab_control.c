#include "lab/lab_handle.h"
#include "lab/lab_nodes.h"
#include "lab/lab_server.h"

#include <stdio.h>

/* -------------------------------------------------------------------------------------- asking */

static kw_status count_nodes(kw_lab *lab, void *arg) {
    *(int *)arg = fleet_count(lab->fleet);
    return KW_OK;
}

int kw_lab_node_count(const kw_lab *lab) {
    int count = 0;
    kw_status status = lab_ask(lab, count_nodes, &count);
    (void)status; /* it is always there */
    return count;
}

typedef struct node_question {
    uint16_t node;
    kw_lab_node *ret;
} node_question;

static kw_status describe_node(kw_lab *lab, void *arg) {
    const node_question *q = arg;
    if (q->node >= fleet_count(lab->fleet)) {
        return KW_ERR_INVALID;
    }
    const node *n = fleet_node(lab->fleet, q->node);
    const node_view *view = n ? n->view : fleet_view(lab->fleet);
    const node_peer *peer = &view->peers[q->node];
    kw_lab_node *ret = q->ret;
    memset(ret, 0, sizeof *ret);
    memcpy(ret->id, peer->id, sizeof ret->id);
    lab_server *s = lab_nodes_server(&lab->net, q->node);
    (void)snprintf(ret->endpoint, sizeof ret->endpoint, LAB_HOST ":%u",
                   lab_server_main_port(s)->number); /* fits */
    ret->tls_port = lab_port_number(&s->tls);
    ret->primary = peer->primary;
    ret->primary_index = peer->primary ? -1 : peer->primary_of;
    ret->alive = n != NULL;
    ret->paused = fleet_is_paused(lab->fleet, q->node);
    ret->stale = fleet_is_frozen(lab->fleet, q->node);
    ret->slot_count = (int)peer->slot_count;
    ret->key_count = n ? keyspace_count(n->keys) : 0;
    return KW_OK;
}

/* It might be a node's; whether there is one is for the lab's thread to say. */
static bool is_index(int index) {
    return index >= 0 && index < NODE_NOBODY;
}

bool kw_lab_node_at(const kw_lab *lab, int index, kw_lab_node *ret) {
    node_question q = {(uint16_t)index, ret};
    return is_index(index) && lab_ask(lab, describe_node, &q) == KW_OK;
}

typedef struct slot_question {
    int slot;
    int owner;
} slot_question;

static kw_status find_owner(kw_lab *lab, void *arg) {
    slot_question *q = arg;
    uint16_t owner = fleet_view(lab->fleet)->owner[q->slot];
    q->owner = owner == NODE_NOBODY ? -1 : owner;
    return KW_OK;
}

int kw_lab_owner(const kw_lab *lab, int slot) {
    slot_question q = {slot, -1};
    if (slot < 0 || slot >= SLOT_COUNT || lab_ask(lab, find_owner, &q) != KW_OK) {
        return -1;
    }
    return q.owner;
}

/* ------------------------------------------------------------------------------------- control */

/* The arguments of any control function. */
typedef struct control {
    uint16_t node;
    bool on;
    int slot;
    int last;
    size_t count;
    size_t *ret_left;
} control;

static kw_status do_act(kw_lab *lab, void *arg) {
    return lab_nodes_act(&lab->net, arg, lab_now_us(lab));
}

static kw_status do_promote(kw_lab *lab, void *arg) {
    const control *c = arg;
    return fleet_promote(lab->fleet, c->node);
}

static kw_status do_freeze(kw_lab *lab, void *arg) {
    const control *c = arg;
    return fleet_freeze(lab->fleet, c->node, c->on);
}

static kw_status do_migrate_begin(kw_lab *lab, void *arg) {
    const control *c = arg;
    return fleet_migrate_begin(lab->fleet, c->slot, c->node);
}

static kw_status do_migrate_keys(kw_lab *lab, void *arg) {
    const control *c = arg;
    return fleet_migrate_keys(lab->fleet, c->slot, c->count, c->ret_left);
}

static kw_status do_migrate_end(kw_lab *lab, void *arg) {
    const control *c = arg;
    return fleet_migrate_end(lab->fleet, c->slot);
}

static kw_status do_assign(kw_lab *lab, void *arg) {
    const control *c = arg;
    return fleet_assign(lab->fleet, c->slot, c->last, c->node);
}

static kw_status control_node(kw_lab *lab, kw_status (*run)(kw_lab *, void *), int index, bool on) {
    control c = {.node = (uint16_t)index, .on = on};
    return is_index(index) ? lab_ask(lab, run, &c) : KW_ERR_INVALID;
}

static kw_status act_on(kw_lab *lab, fleet_act_kind kind, int index) {
    fleet_act a = {.kind = kind, .node = (uint16_t)index};
    return is_index(index) ? lab_ask(lab, do_act, &a) : KW_ERR_INVALID;
}

kw_status kw_lab_kill(kw_lab *lab, int index) {
    return act_on(lab, ACT_KILL, index);
}

kw_status kw_lab_revive(kw_lab *lab, int index) {
    return act_on(lab, ACT_START, index);
}

kw_status kw_lab_promote(kw_lab *lab, int replica) {
    return control_node(lab, do_promote, replica, false);
}

kw_status kw_lab_pause(kw_lab *lab, int index, bool paused) {
    return act_on(lab, paused ? ACT_PAUSE : ACT_RESUME, index);
}

kw_status kw_lab_freeze_view(kw_lab *lab, int index, bool frozen) {
    return control_node(lab, do_freeze, index, frozen);
}

kw_status kw_lab_migrate_begin(kw_lab *lab, int slot, int target) {
    control c = {.slot = slot, .node = (uint16_t)target};
    return is_index(target) ? lab_ask(lab, do_migrate_begin, &c) : KW_ERR_INVALID;
}

kw_status kw_lab_migrate_keys(kw_lab *lab, int slot, size_t count, size_t *ret_left) {
    control c = {.slot = slot, .count = count, .ret_left = ret_left};
    return lab_ask(lab, do_migrate_keys, &c);
}

kw_status kw_lab_migrate_end(kw_lab *lab, int slot) {
    control c = {.slot = slot};
    return lab_ask(lab, do_migrate_end, &c);
}

kw_status kw_lab_assign(kw_lab *lab, int first, int last, int index) {
    control c = {.slot = first, .last = last, .node = index < 0 ? NODE_NOBODY : (uint16_t)index};
    return index == -1 || is_index(index) ? lab_ask(lab, do_assign, &c) : KW_ERR_INVALID;
}
