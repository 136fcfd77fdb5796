#include "core/format.h"
#include "core/resp.h"
#include "io/io_error.h"
#include "lab/lab_handle.h"
#include "lab/lab_nodes.h"
#include "lab/lab_text.h"
#include "node/fleet_control.h"
#include "node/node_call.h"

#include <stdio.h>

/* -------------------------------------------------------------------------------- LAB commands */

typedef struct command_request {
    bool wants_text;
    const kw_slice *argv; /* LAB first */
    size_t argc;
    char *text; /* NULL: not wanted, or memory is short */
    int64_t integer;
    char message[KW_ERROR_MESSAGE_SIZE];
} command_request;

static kw_status read_error(command_request *r, kw_slice reply) {
    kw_slice line = slice_of(reply.data + 1, reply.len - 3);
    if (slice_starts_with(line, "ERR ")) {
        line = slice_of(line.data + 4, line.len - 4);
    }
    slice_copy(r->message, sizeof r->message, line);
    return KW_ERR_INVALID;
}

static kw_status read_answer(kw_lab *lab, command_request *r, kw_slice reply) {
    if (reply.len < 3) {
        return KW_ERR_NOMEM;
    }
    if (reply.data[0] == '-') {
        return read_error(r, reply);
    }
    if (reply.data[0] == ':' &&
        !slice_to_i64(slice_of(reply.data + 1, reply.len - 3), &r->integer)) {
        r->integer = 0;
    }
    if (!r->wants_text) {
        return KW_OK;
    }
    buffer text;
    buffer_init(&text, lab->mem, 0);
    bool written = lab_text_write(&text, lab->mem, reply);
    kw_slice bytes = buffer_slice(&text);
    r->text = written ? mem_strndup(lab->mem, bytes.data, bytes.len) : NULL;
    buffer_done(&text);
    return r->text ? KW_OK : KW_ERR_NOMEM;
}

static kw_status run_command(kw_lab *lab, void *arg) {
    command_request *r = arg;
    uint64_t now_us = lab_now_us(lab);
    node_session session = {.mem = lab->mem, .resp = 3, .flags = SESSION_AUTHENTICATED};
    buffer_init(&session.out, lab->mem, 0);
    node_call call = {
        .session = &session,
        .argv = r->argv,
        .argc = r->argc,
        .now_us = now_us,
        .now_ms = now_us / 1000,
        .out = &session.out,
    };
    fleet_control(lab->fleet, &call);
    bool failed = (session.flags & SESSION_FAILED) != 0;
    kw_status status = failed ? KW_ERR_NOMEM : read_answer(lab, r, buffer_slice(&session.out));
    buffer_done(&session.out);
    return status;
}

/* Runs LAB with these arguments. If that fails, r->message may say why. */
static kw_status ask(kw_lab *lab, command_request *r, const kw_slice *argv, size_t argc) {
    kw_slice *line = mem_calloc(lab->mem, argc + 1, sizeof *line);
    if (!line) {
        return KW_ERR_NOMEM;
    }
    line[0] = SLICE_LITERAL("LAB");
    if (argc > 0) {
        memcpy(line + 1, argv, argc * sizeof *line);
    }
    r->argv = line;
    r->argc = argc + 1;
    kw_status status = lab_ask(lab, run_command, r);
    mem_free(lab->mem, line);
    return status;
}

static kw_status ask_formatted(kw_lab *lab, command_request *r, const char *format,
                               va_list values) {
    format_args args;
    const char *why = NULL;
    kw_status status = format_command(lab->mem, format, values, &args, &why);
    if (status != KW_OK) {
        slice_copy(r->message, sizeof r->message, slice_text(why ? why : ""));
        return status;
    }
    status = ask(lab, r, args.argv, args.argc);
    format_args_done(&args);
    return status;
}

static kw_status give_text(const command_request *r, kw_status status, char **ret_text,
                           kw_error *err) {
    if (status != KW_OK) {
        return io_fail(err, status, "%s", r->message[0] ? r->message : "out of memory");
    }
    if (ret_text) {
        *ret_text = r->text;
    }
    return KW_OK;
}

kw_status kw_lab_command_argv(kw_lab *lab, char **ret_text, kw_error *err, const kw_slice *argv,
                              size_t argc) {
    command_request r = {.wants_text = ret_text != NULL};
    kw_status status = ask(lab, &r, argv, argc);
    return give_text(&r, status, ret_text, err);
}

kw_status kw_lab_command(kw_lab *lab, char **ret_text, kw_error *err, const char *format, ...) {
    command_request r = {.wants_text = ret_text != NULL};
    va_list values;
    va_start(values, format);
    kw_status status = ask_formatted(lab, &r, format, values);
    va_end(values);
    return give_text(&r, status, ret_text, err);
}

void kw_lab_free_text(char *text) {
    mem_free(&mem_default, text);
}

/* The same for the functions below; the command may answer an integer. */
static kw_status control(kw_lab *lab, int64_t *ret_integer, const char *format, ...) {
    command_request r = {0};
    va_list values;
    va_start(values, format);
    kw_status status = ask_formatted(lab, &r, format, values);
    va_end(values);
    if (status == KW_OK && ret_integer) {
        *ret_integer = r.integer;
    }
    return status;
}

/* ---------------------------------------------------------------------------------- the state */

static kw_status count_nodes(kw_lab *lab, void *arg) {
    *(int *)arg = lab->net.server_count;
    return KW_OK;
}

int kw_lab_node_count(const kw_lab *lab) {
    int count = 0;
    return lab_ask(lab, count_nodes, &count) == KW_OK ? count : 0;
}

typedef struct node_question {
    int node;
    kw_lab_node *ret;
} node_question;

static kw_status describe_node(kw_lab *lab, void *arg) {
    const node_question *q = arg;
    if (q->node < 0 || q->node >= lab->net.server_count) {
        return KW_ERR_INVALID;
    }
    uint16_t index = (uint16_t)q->node;
    const node *n = fleet_node(lab->fleet, index);
    const node_view *view = n ? n->view : fleet_view(lab->fleet);
    const node_peer *peer = &view->peers[index];
    lab_server *s = lab_nodes_server(&lab->net, index);
    kw_lab_node *ret = q->ret;
    memset(ret, 0, sizeof *ret);
    memcpy(ret->id, peer->id, sizeof ret->id);
    (void)snprintf(ret->endpoint, sizeof ret->endpoint, LAB_HOST ":%u",
                   lab_server_main_port(s)->number); /* fits */
    ret->tls_port = lab_port_number(&s->tls);
    ret->primary = peer->primary;
    ret->primary_index = peer->primary ? -1 : peer->primary_of;
    ret->alive = n != NULL;
    ret->paused = fleet_is_paused(lab->fleet, index);
    ret->stale = fleet_is_frozen(lab->fleet, index);
    ret->slot_count = (int)peer->slot_count;
    ret->key_count = n ? keyspace_count(n->keys) : 0;
    return KW_OK;
}

bool kw_lab_node_at(const kw_lab *lab, int index, kw_lab_node *ret) {
    node_question q = {index, ret};
    return lab_ask(lab, describe_node, &q) == KW_OK;
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

/* ------------------------------------------------------------------------------ life and death */

typedef struct act_request {
    fleet_act act;
    int node;
} act_request;

static kw_status run_act(kw_lab *lab, void *arg) {
    act_request *r = arg;
    if (r->act.kind != ACT_ADD && (r->node < 0 || r->node >= lab->net.server_count)) {
        return KW_ERR_INVALID;
    }
    r->act.node = (uint16_t)r->node;
    return lab_nodes_act(&lab->net, &r->act, lab_now_us(lab));
}

static kw_status act_on(kw_lab *lab, fleet_act_kind kind, int index, uint16_t port) {
    act_request r = {{.kind = kind, .port = port}, index};
    return lab_ask(lab, run_act, &r);
}

kw_status kw_lab_kill(kw_lab *lab, int index) {
    return act_on(lab, ACT_KILL, index, 0);
}

kw_status kw_lab_shutdown(kw_lab *lab, int index) {
    return act_on(lab, ACT_STOP, index, 0);
}

kw_status kw_lab_revive(kw_lab *lab, int index) {
    return act_on(lab, ACT_START, index, 0);
}

kw_status kw_lab_revive_at(kw_lab *lab, int index, uint16_t port) {
    return act_on(lab, ACT_START, index, port);
}

kw_status kw_lab_restart(kw_lab *lab, int index, uint16_t port) {
    return act_on(lab, ACT_RESTART, index, port);
}

kw_status kw_lab_pause(kw_lab *lab, int index, bool paused) {
    return act_on(lab, paused ? ACT_PAUSE : ACT_RESUME, index, 0);
}

kw_status kw_lab_add_node(kw_lab *lab, int primary, uint16_t port, int *ret_node) {
    uint16_t added = NODE_NOBODY;
    act_request r = {{.kind = ACT_ADD, .port = port, .primary = NODE_NOBODY, .ret_node = &added},
                     0};
    if (primary < -1 || primary >= NODE_NOBODY) {
        return KW_ERR_INVALID;
    }
    r.act.primary = primary == -1 ? NODE_NOBODY : (uint16_t)primary;
    kw_status status = lab_ask(lab, run_act, &r);
    if (status == KW_OK) {
        *ret_node = added;
    }
    return status;
}

kw_status kw_lab_remove_node(kw_lab *lab, int index) {
    return control(lab, NULL, "REMOVE #%d", index);
}

kw_status kw_lab_promote(kw_lab *lab, int replica) {
    kw_lab_node state;
    bool is_replica = kw_lab_node_at(lab, replica, &state) && !state.primary;
    return is_replica ? control(lab, NULL, "FAILOVER #%d", replica) : KW_ERR_INVALID;
}

kw_status kw_lab_set_failover_ms(kw_lab *lab, int failover_ms) {
    return failover_ms < 0 ? control(lab, NULL, "FAILOVER-AFTER NEVER")
                           : control(lab, NULL, "FAILOVER-AFTER %d", failover_ms);
}

kw_status kw_lab_set_replication_delay_ms(kw_lab *lab, int delay_ms) {
    return control(lab, NULL, "REPLICATION DELAY %d", delay_ms);
}

kw_status kw_lab_sync(kw_lab *lab) {
    return control(lab, NULL, "SYNC");
}

kw_status kw_lab_reset(kw_lab *lab) {
    return control(lab, NULL, "RESET");
}

kw_status kw_lab_flush(kw_lab *lab) {
    return control(lab, NULL, "FLUSH");
}

/* -------------------------------------------------------------------------- views and endpoints */

kw_status kw_lab_freeze_view(kw_lab *lab, int index, bool frozen) {
    return control(lab, NULL, "VIEW %s #%d", frozen ? "FREEZE" : "THAW", index);
}

kw_status kw_lab_delay_view(kw_lab *lab, int index, int delay_ms) {
    return control(lab, NULL, "VIEW DELAY #%d %d", index, delay_ms);
}

kw_status kw_lab_force_view(kw_lab *lab, int index, int first, int last, int owner) {
    return owner == -1 ? control(lab, NULL, "VIEW FORCE #%d %d-%d NOBODY", index, first, last)
                       : control(lab, NULL, "VIEW FORCE #%d %d-%d #%d", index, first, last, owner);
}

kw_status kw_lab_set_endpoint(kw_lab *lab, int index, kw_lab_endpoint type) {
    static const char *const names[] = {
        [KW_LAB_ENDPOINT_IP] = "IP",
        [KW_LAB_ENDPOINT_HOSTNAME] = "HOSTNAME",
        [KW_LAB_ENDPOINT_UNKNOWN] = "UNKNOWN",
    };
    if ((unsigned)type >= sizeof names / sizeof *names) {
        return KW_ERR_INVALID;
    }
    return index == -1 ? control(lab, NULL, "ENDPOINT ALL %s", names[type])
                       : control(lab, NULL, "ENDPOINT #%d %s", index, names[type]);
}

kw_status kw_lab_set_hostname(kw_lab *lab, int index, const char *hostname) {
    return control(lab, NULL, "HOSTNAME #%d %s", index, hostname ? hostname : "NONE");
}

kw_status kw_lab_set_host(kw_lab *lab, int index, const char *host) {
    return control(lab, NULL, "HOST #%d %s", index, host ? host : "REAL");
}

/* --------------------------------------------------------------------------------------- slots */

kw_status kw_lab_migrate_begin(kw_lab *lab, int slot, int target) {
    return control(lab, NULL, "SLOT BEGIN %d #%d", slot, target);
}

kw_status kw_lab_migrate_keys(kw_lab *lab, int slot, size_t count, size_t *ret_left) {
    int64_t left = 0;
    size_t most = count < INT32_MAX ? count : INT32_MAX;
    kw_status status = control(lab, &left, "SLOT KEYS %d %d", slot, (int)most);
    if (status == KW_OK && ret_left) {
        *ret_left = (size_t)left;
    }
    return status;
}

kw_status kw_lab_migrate_end(kw_lab *lab, int slot) {
    return control(lab, NULL, "SLOT END %d", slot);
}

kw_status kw_lab_migrate_clear(kw_lab *lab, int slot, int index) {
    return index == -1 ? control(lab, NULL, "SLOT STABLE %d", slot)
                       : control(lab, NULL, "SLOT STABLE %d #%d", slot, index);
}

kw_status kw_lab_move(kw_lab *lab, int first, int last, int index) {
    return control(lab, NULL, "SLOT MOVE %d-%d #%d", first, last, index);
}

kw_status kw_lab_assign(kw_lab *lab, int first, int last, int index) {
    return index == -1 ? control(lab, NULL, "SLOT UNASSIGN %d-%d", first, last)
                       : control(lab, NULL, "SLOT ASSIGN %d-%d #%d", first, last, index);
}

/* ---------------------------------------------------------------------------------------- time */

kw_status kw_lab_freeze_time(kw_lab *lab, bool frozen) {
    return control(lab, NULL, "TIME %s", frozen ? "FREEZE" : "RESUME");
}

kw_status kw_lab_advance_time(kw_lab *lab, uint64_t ms) {
    return control(lab, NULL, "TIME ADVANCE %llu", (unsigned long long)ms);
}

static kw_status read_time(kw_lab *lab, void *arg) {
    *(uint64_t *)arg = lab_now_us(lab) / 1000;
    return KW_OK;
}

uint64_t kw_lab_time_ms(const kw_lab *lab) {
    uint64_t ms = 0;
    return lab_ask(lab, read_time, &ms) == KW_OK ? ms : 0;
}

kw_status kw_lab_set_seed(kw_lab *lab, uint64_t seed) {
    return control(lab, NULL, "SEED %llu", (unsigned long long)seed);
}

/* -------------------------------------------------------------------------------------- events */

typedef struct listener_request {
    kw_lab_event_fn *on_event;
    void *arg;
} listener_request;

static kw_status set_listener(kw_lab *lab, void *arg) {
    const listener_request *r = arg;
    lab->on_event = r->on_event;
    lab->event_arg = r->arg;
    lab->told_event = fleet_lab(lab->fleet)->events.last;
    return KW_OK;
}

kw_status kw_lab_on_event(kw_lab *lab, kw_lab_event_fn *on_event, void *arg) {
    listener_request r = {on_event, arg};
    return lab_ask(lab, set_listener, &r);
}
