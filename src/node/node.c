#include "node/node.h"

#include "core/limits.h"
#include "core/resp.h"
#include "node/node_call.h"
#include "node/node_lab.h"
#include "node/node_redirect.h"

#include <assert.h>
#include <stdio.h>

#define APPLY_KEPT_BYTES 4096 /* of replies that nobody reads */

static node_session *new_session(const node *n, const char *address, uint64_t now_us) {
    node_session *s = mem_calloc(n->mem, 1, sizeof *s);
    if (!s) {
        return NULL;
    }
    s->mem = n->mem;
    buffer_init(&s->out, n->mem, 0);
    node_reader_init(&s->reader, n->mem);
    s->resp = 2;
    s->since_us = now_us;
    s->used_us = now_us;
    s->last_command = "NULL";
    s->flags = n->config.password ? 0 : SESSION_AUTHENTICATED;
    slice_copy(s->address, sizeof s->address, slice_text(address));
    return s;
}

static void free_session(node *n, node_session *s) {
    session_discard(s);
    buffer_done(&s->out);
    node_reader_done(&s->reader);
    mem_free(n->mem, s);
}
/* -------------------------------------------------------------------------- replication */

void node_propagate(node *n, const kw_slice *argv, size_t argc) {
    if (node_view_self(n->view)->primary) {
        n->offset += resp_command_size(argv, argc);
        n->config.peers.replicate(n->config.peers.arg, n->view->self, argv, argc, n->now_us);
    }
}

void node_apply(node *n, const kw_slice *argv, size_t argc, uint64_t now_us) {
    const node_command *container;
    node_call call = {
        .node = n,
        .session = n->primary_link,
        .command = node_command_find(argv, argc, &container),
        .argv = argv,
        .argc = argc,
        .now_us = now_us,
        .now_ms = now_us / 1000,
        .out = &n->primary_link->out,
        .in_exec = true,
    };
    assert(call.command && call.command->run); /* it ran at the primary */
    call.command->run(&call);
    buffer_clear(call.out, APPLY_KEPT_BYTES);
    n->primary_link->flags &= ~(unsigned)SESSION_FAILED;
    n->offset += resp_command_size(argv, argc);
}

/* What the keyspace tells of a key that has changed. */
static void note_change(void *arg, const keyspace_entry *e, keyspace_change change) {
    node *n = arg;
    if (change == KEY_EXPIRED) {
        const kw_slice argv[] = {SLICE_LITERAL("DEL"), keyspace_key(e)};
        node_propagate(n, argv, 2);
    }
    if (change != KEY_REMOVED && change != KEY_EXPIRED) {
        node_block_touch(n);
    }
}

/* ----------------------------------------------------------------------------- life */

kw_status node_new(const node_config *config, node_view *view, keyspace *keys, uint64_t now_us,
                   node **ret) {
    node *n = mem_calloc(config->mem, 1, sizeof *n);
    if (!n) {
        return KW_ERR_NOMEM;
    }
    n->mem = config->mem;
    n->config = *config;
    prng_init(&n->random, config->seed);
    node_settings_init(&n->settings, n->mem);
    list_init(&n->sessions);
    list_init(&n->own_ready);
    n->ready = config->ready ? config->ready : &n->own_ready;
    list_init(&n->shaped);
    node_blocked_init(&n->blocked);
    n->primary_link = new_session(n, "", now_us);
    if (!n->primary_link) {
        mem_free(n->mem, n);
        return KW_ERR_NOMEM;
    }
    n->primary_link->flags |= SESSION_AUTHENTICATED;
    n->view = view;
    const node_peer *me = node_view_self(view);
    slice_copy(n->own_host, sizeof n->own_host, slice_text(me->host));
    n->own_port = me->port;
    n->own_tls_port = me->tls_port;
    n->keys = keys;
    keys->listener = (keyspace_listener){n, note_change};
    n->started_us = now_us;
    n->now_us = now_us;
    n->next_session_id = 3; /* a fresh server's first client gets 3 */
    for (size_t i = 0; i + 1 < sizeof n->run_id; i++) {
        n->run_id[i] = "0123456789abcdef"[prng_below(&n->random, 16)];
    }
    *ret = n;
    return KW_OK;
}

void node_free(node *n) {
    if (n) {
        assert(list_empty(&n->sessions));
        free_session(n, n->primary_link);
        keyspace_free(n->keys);
        node_view_free(n->view);
        node_settings_done(&n->settings);
        mem_free(n->mem, n);
    }
}

void node_replace_keys(node *n, keyspace *keys, uint64_t offset) {
    keyspace_free(n->keys);
    n->keys = keys;
    keys->listener = (keyspace_listener){n, note_change};
    n->offset = offset;
}
node_session *node_session_new(node *n, const char *address, uint64_t now_us) {
    node_session *s = new_session(n, address, now_us);
    if (s) {
        s->id = n->next_session_id++;
        list_push_back(&n->sessions, &s->in_node);
        n->connection_count++;
    }
    return s;
}

void node_session_free(node *n, node_session *s) {
    if (s) {
        node_unblock(n, s);
        session_shape_end(s);
        list_remove(&s->in_node);
        if (list_linked(&s->in_ready)) {
            list_remove(&s->in_ready);
        }
        free_session(n, s);
    }
}

void node_wake(node *n, node_session *s) {
    if (!list_linked(&s->in_ready)) {
        list_push_back(n->ready, &s->in_ready);
    }
}

node_session *node_next_ready(list *ready) {
    list *first = list_pop_front(ready);
    return first ? LIST_ENTRY(first, node_session, in_ready) : NULL;
}

void node_tick(node *n, uint64_t now_us) {
    n->now_us = now_us;
    if (node_view_self(n->view)->primary) {
        keyspace_expire_some(n->keys, &n->expire_cursor, SLOT_COUNT / 16, now_us / 1000);
    }
    node_expire_blocked(n);
    node_wake_shaped(n);
    node_view_end_handshakes(n->view, now_us);
    if (n->writes_paused_until_us != 0 && n->writes_paused_until_us <= now_us) {
        node_pause_writes(n, 0);
    }
}

void node_pause_writes(node *n, uint64_t until_us) {
    n->writes_paused_until_us = until_us;
    LIST_FOR_EACH(at, after, &n->sessions) {
        node_session *s = LIST_ENTRY(at, node_session, in_node);
        if (until_us == 0 && (s->holds & HOLD_PAUSED)) {
            s->holds &= ~(unsigned)HOLD_PAUSED;
            node_wake(n, s);
        }
    }
}

/* True if the command has to wait since writes are paused: it would write, or may (EXEC). */
static bool is_paused(const node *n, const kw_slice *argv, size_t argc, uint64_t now_us) {
    const node_command *container;
    if (n->writes_paused_until_us <= now_us) {
        return false;
    }
    const node_command *command = node_command_find(argv, argc, &container);
    return command && (command->flags & (NODE_WRITES | NODE_EXEC));
}

void node_apply_settings(node *n) {
    const node_settings *s = &n->settings;
    node_view *view = n->view;
    node_peer *me = node_view_self(view);
    const char *ip = node_settings_text(s, SETTING_CLUSTER_ANNOUNCE_IP);
    const char *hostname = node_settings_text(s, SETTING_CLUSTER_ANNOUNCE_HOSTNAME);
    int64_t port = node_settings_number(s, SETTING_CLUSTER_ANNOUNCE_PORT);
    int64_t tls_port = node_settings_number(s, SETTING_CLUSTER_ANNOUNCE_TLS_PORT);
    slice_copy(me->host, sizeof me->host, slice_text(ip[0] ? ip : n->own_host));
    slice_copy(me->hostname, sizeof me->hostname, slice_text(hostname));
    me->port = port ? (uint16_t)port : n->own_port;
    me->tls_port = tls_port ? (uint16_t)tls_port : n->own_tls_port;
    me->bus_port = (uint16_t)node_settings_number(s, SETTING_CLUSTER_ANNOUNCE_BUS_PORT);
    me->no_failover = node_settings_flag(s, SETTING_CLUSTER_REPLICA_NO_FAILOVER);
    view->full_coverage_required = node_settings_flag(s, SETTING_CLUSTER_REQUIRE_FULL_COVERAGE);
    view->changed = true;
}

uint64_t node_deadline_us(const node *n) {
    uint64_t blocked_us = node_block_deadline_us(n);
    uint64_t shaped_us = node_shaped_deadline_us(n);
    uint64_t at_us = blocked_us < shaped_us ? blocked_us : shaped_us;
    uint64_t paused_us = n->writes_paused_until_us;
    return paused_us != 0 && paused_us < at_us ? paused_us : at_us;
}

/* -------------------------------------------------------------------------- redirection */

static void take_keys(const node *n, const node_command *command, const kw_slice *argv, size_t argc,
                      uint64_t now_ms, kw_slice *first_key, redirect_facts *facts) {
    node_key_range range;
    facts->writes = facts->writes || (command->flags & NODE_WRITES) != 0;
    if (!node_command_keys(command, argv, argc, &range)) {
        return;
    }
    const node_view *view = n->view;
    for (size_t i = 0; i < node_key_count(&range); i++) {
        kw_slice key = argv[node_key_at(&range, i)];
        int slot = slot_of_key(key);
        if (!facts->has_keys) {
            facts->has_keys = true;
            *first_key = key;
            facts->owner = view->owner[slot];
            facts->migrating_to = view->migrating_to[slot];
            facts->importing_from = view->importing_from[slot];
        } else if (slot != slot_of_key(*first_key)) {
            facts->same_slot = false;
            return;
        } else {
            facts->several_keys = facts->several_keys || !slice_equal(key, *first_key);
        }
        if (facts->migrating_to != NODE_NOBODY || facts->importing_from != NODE_NOBODY) {
            bool here = keyspace_peek(n->keys, key, now_ms) != NULL;
            facts->existing_count += here;
            facts->missing_count += !here;
        }
    }
}

static void answer_redirect(node_call *c, redirect_verdict verdict, int slot, uint16_t target) {
    switch (verdict) {
    case REDIRECT_SERVE:
        return;
    case REDIRECT_MOVED:
        call_redirect(c, "MOVED", slot, target);
        return;
    case REDIRECT_ASK:
        call_redirect(c, "ASK", slot, target);
        return;
    case REDIRECT_TRYAGAIN:
        call_error(c, "TRYAGAIN Multiple keys request during rehashing of slot");
        return;
    case REDIRECT_CROSSSLOT:
        call_error(c, "CROSSSLOT Keys in request don't hash to the same slot");
        return;
    case REDIRECT_UNBOUND:
        call_error(c, "CLUSTERDOWN Hash slot not served");
        return;
    case REDIRECT_DOWN:
        call_error(c, "CLUSTERDOWN The cluster is down");
        return;
    case REDIRECT_DOWN_READ_ONLY:
        call_error(c, "CLUSTERDOWN The cluster is down and only accepts read commands");
        return;
    }
}

bool call_is_served_here(node_call *c) {
    const node *n = c->node;
    const node_session *s = c->session;
    bool exec = (c->command->flags & NODE_EXEC) != 0;
    redirect_facts facts = {
        .same_slot = true,
        .is_migrate = (c->command->flags & NODE_MIGRATE) != 0,
        .brings_asking = (c->command->flags & NODE_ASKING) != 0,
        .asking = (s->flags & SESSION_ASKING) != 0,
        .readonly = (s->flags & SESSION_READONLY) != 0,
        .self = n->view->self,
        .shard = node_view_self(n->view)->primary_of,
        .owner = NODE_NOBODY,
        .migrating_to = NODE_NOBODY,
        .importing_from = NODE_NOBODY,
        .up = n->view->up,
        .reads_when_down = node_settings_flag(&n->settings, SETTING_CLUSTER_ALLOW_READS_WHEN_DOWN),
        .channels_when_down =
            node_settings_flag(&n->settings, SETTING_CLUSTER_ALLOW_PUBSUBSHARD_WHEN_DOWN),
    };
    kw_slice first_key = SLICE_LITERAL("");
    for (size_t i = 0; exec && i < s->queue_count && facts.same_slot; i++) {
        const session_queued *q = &s->queue[i];
        take_keys(n, q->command, q->argv, q->argc, c->now_ms, &first_key, &facts);
    }
    if (!exec) {
        take_keys(n, c->command, c->argv, c->argc, c->now_ms, &first_key, &facts);
    }
    uint16_t target = NODE_NOBODY;
    redirect_verdict verdict = node_redirect_decide(&facts, &target);
    if (verdict == REDIRECT_SERVE) {
        return true;
    }
    answer_redirect(c, verdict, slot_of_key(first_key), target);
    return false;
}

/* ---------------------------------------------------------------------------- execution */

static void reject_unknown(node_call *c) {
    const node_command *container = c->container;
    char name[129];
    slice_copy(name, sizeof name, c->argv[container ? 1 : 0]);
    if (container) {
        char upper[32];
        size_t len = slice_copy(upper, sizeof upper, slice_text(container->name));
        for (size_t i = 0; i < len; i++) {
            upper[i] = (char)(upper[i] - ('a' <= upper[i] && upper[i] <= 'z' ? 'a' - 'A' : 0));
        }
        call_errorf(c, "ERR unknown subcommand '%s'. Try %s HELP.", name, upper);
        return;
    }
    char list_of_args[260];
    size_t at = 0;
    list_of_args[0] = '\0';
    for (size_t i = 1; i < c->argc && at < 128; i++) {
        char argument[129];
        slice_copy(argument, sizeof argument, c->argv[i]);
        int written = snprintf(list_of_args + at, sizeof list_of_args - at, "'%.*s' ",
                               (int)(128 - at), argument);
        at += written > 0 ? (size_t)written : 0;
    }
    call_errorf(c, "ERR unknown command '%s', with args beginning with: %s", name, list_of_args);
}

/* A command refused before it ran: inside MULTI it spoils the transaction. */
static void reject(node_call *c, const char *text) {
    if (c->command && (c->command->flags & NODE_EXEC)) {
        const char *message = strncmp(text, "ERR ", 4) == 0 ? text + 4 : text;
        session_discard(c->session);
        call_errorf(c, "EXECABORT Transaction discarded because of: %s", message);
        return;
    }
    if (c->session->flags & SESSION_MULTI) {
        c->session->flags |= SESSION_DIRTY;
    }
    call_error(c, text);
}

static void queue(node_call *c) {
    if (c->session->queue_bytes > LIMIT_COMMAND_BYTES ||
        !session_queue(c->session, c->command, c->argv, c->argc)) {
        c->session->flags |= SESSION_DIRTY;
        call_out_of_memory(c);
        return;
    }
    call_status(c, "QUEUED");
}

/* A browser led here by a hostile page: its requests must not be taken for commands. */
static bool is_http(const node_call *c) {
    return slice_is_nocase(c->argv[0], "post") || slice_is_nocase(c->argv[0], "host:");
}

static void judge_and_run(node_call *c) {
    node_session *s = c->session;
    if (is_http(c)) {
        s->flags |= SESSION_CLOSING;
        return;
    }
    if (!c->command) {
        if (s->flags & SESSION_MULTI) {
            s->flags |= SESSION_DIRTY;
        }
        reject_unknown(c);
        return;
    }
    s->last_command = c->command->name;
    if (!node_command_arity_fits(c->command, c->argc)) {
        char text[128];
        (void)snprintf(text, sizeof text, "ERR wrong number of arguments for '%s' command",
                       c->command->name); /* our own names fit */
        reject(c, text);
        return;
    }
    if (!(s->flags & SESSION_AUTHENTICATED) && !(c->command->flags & NODE_NO_AUTH)) {
        reject(c, "NOAUTH Authentication required.");
        return;
    }
    bool judged = !(c->command->flags & NODE_EXEC) || (s->flags & SESSION_MULTI);
    if (judged && !call_is_served_here(c)) {
        if (c->command->flags & NODE_EXEC) {
            session_discard(s);
        } else if (s->flags & SESSION_MULTI) {
            s->flags |= SESSION_DIRTY;
        }
        return;
    }
    if ((c->command->flags & NODE_WRITES) && !node_view_self(c->node->view)->primary) {
        reject(c, "READONLY You can't write against a read only replica.");
        return;
    }
    if ((s->flags & SESSION_MULTI) && !(c->command->flags & NODE_NOT_QUEUED)) {
        queue(c);
        return;
    }
    call_run(c);
}

static bool is_asking(const kw_slice *argv) {
    return slice_is_nocase(argv[0], "asking");
}

/* Time may have leapt forward while the bytes of this turn were read: LAB TIME ADVANCE. */
static uint64_t time_in_lab(const node *n, uint64_t now_us) {
    node_lab *lab = n->config.lab;
    if (lab && lab->now_us < now_us) {
        lab->now_us = now_us;
    }
    return lab ? lab->now_us : now_us;
}

void node_execute(node *n, node_session *s, const kw_slice *argv, size_t argc, uint64_t now_us) {
    now_us = time_in_lab(n, now_us);
    node_call call = {
        .node = n,
        .session = s,
        .argv = argv,
        .argc = argc,
        .now_us = now_us,
        .now_ms = now_us / 1000,
        .out = &s->out,
    };
    call.command = node_command_find(argv, argc, &call.container);
    if (call.command && (call.command->flags & NODE_LAB) && !n->config.peers.control) {
        call.command = NULL;
    }
    n->now_us = now_us;
    n->command_count++;
    s->used_us = now_us;
    if (n->config.lab) {
        node_lab_run(&call, judge_and_run);
    } else {
        judge_and_run(&call);
    }
    if ((s->flags & SESSION_ASKING) && !(s->flags & SESSION_MULTI) && !is_asking(argv)) {
        s->flags &= ~(unsigned)SESSION_ASKING;
    }
    if (n->view->changed) {
        n->view->changed = false;
        node_view_judge(n->view);
        n->config.peers.announce(n->config.peers.arg, n->view->self);
    }
    node_serve_blocked(n);
}

static void refuse_bytes(node *n, node_session *s) {
    node_call call = {.node = n, .session = s, .out = &s->out};
    call_errorf(&call, "ERR %s", s->reader.error);
    s->flags |= SESSION_CLOSING;
}

void node_receive(node *n, node_session *s, buffer *in, uint64_t now_us, size_t out_max) {
    while (buffer_len(in) > 0 && buffer_len(&s->out) < out_max && !s->holds &&
           !(s->flags & (SESSION_CLOSING | SESSION_FAILED))) {
        const reader_limits limits = {
            .bulk_bytes = (uint64_t)node_settings_number(&n->settings, SETTING_PROTO_MAX_BULK_LEN),
            .short_only = !(s->flags & SESSION_AUTHENTICATED),
        };
        size_t len = 0;
        switch (node_reader_next(&s->reader, &limits, buffer_bytes(in), buffer_len(in), &len)) {
        case READER_MORE:
            return;
        case READER_COMMAND:
            if (s->reader.argc > 0 && is_paused(n, s->reader.argv, s->reader.argc, now_us)) {
                s->holds |= HOLD_PAUSED;
                return;
            }
            if (s->reader.argc > 0) {
                node_execute(n, s, s->reader.argv, s->reader.argc, now_us);
            }
            buffer_consume(in, len);
            break;
        case READER_REFUSED:
            refuse_bytes(n, s);
            break;
        case READER_NO_MEMORY:
            s->flags |= SESSION_FAILED;
            break;
        }
    }
}
