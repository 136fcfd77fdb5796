#include "node/node.h"

#include "core/limits.h"
#include "core/resp.h"
#include "node/node_auth.h"
#include "node/node_call.h"
#include "node/node_lab.h"
#include "node/node_refuse.h"

#include <assert.h>
#include <stdio.h>

#define APPLY_KEPT_BYTES 4096 /* of replies that nobody reads */
#define MUTED_KEPT_BYTES 4096
#define EXPIRE_ALL_MAX 16384 /* that many keys are all looked at in each tick */

static node_session *new_session(const node *n, const char *address, uint64_t now_us) {
    node_session *s = mem_calloc(n->mem, 1, sizeof *s);
    if (!s) {
        return NULL;
    }
    s->mem = n->mem;
    buffer_init(&s->out, n->mem, LIMIT_REPLY_BYTES); /* one command may ask for any number */
    node_reader_init(&s->reader, n->mem);
    s->resp = 2;
    s->since_us = now_us;
    s->used_us = now_us;
    s->last_command = "NULL";
    node_auth_begin(n, s);
    s->fd = -1;
    slice_copy(s->address, sizeof s->address, slice_text(address));
    return s;
}

void node_discard(node *n, node_session *s) {
    session_discard(s);
    node_unwatch(n, s);
}

static void free_session(node *n, node_session *s) {
    node_discard(n, s);
    node_push_leave(n, s);
    mem_free(n->mem, s->postponed);
    buffer_done(&s->out);
    node_reader_done(&s->reader);
    mem_free(n->mem, s);
}
/* -------------------------------------------------------------------------- replication */

static void propagate(node *n, const kw_slice *argv, size_t argc) {
    n->offset += resp_command_size(argv, argc);
    n->config.peers.replicate(n->config.peers.arg, n->view->self, argv, argc, n->now_us);
}

void node_propagate(node *n, const kw_slice *argv, size_t argc) {
    const kw_slice multi = SLICE_LITERAL("MULTI");
    if (!node_view_self(n->view)->primary) {
        return;
    }
    if (n->wrap_due) {
        n->wrap_due = false;
        n->wrap_open = true;
        propagate(n, &multi, 1);
    }
    propagate(n, argv, argc);
}

void node_wrap_begin(node *n, bool several) {
    n->wrap_due = several;
}

void node_wrap_end(node *n) {
    const kw_slice exec = SLICE_LITERAL("EXEC");
    bool opened = n->wrap_open;
    n->wrap_due = false;
    n->wrap_open = false;
    if (opened) {
        propagate(n, &exec, 1);
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
    const node_call *outer = node_notify_begin(n, &call);
    call.command->run(&call);
    node_notify_end(n, outer);
    buffer_clear(call.out, APPLY_KEPT_BYTES);
    n->primary_link->flags &= ~(unsigned)SESSION_FAILED;
    node_push_flush(n);
    n->offset += resp_command_size(argv, argc);
}

/* What the keyspace tells of a key that has changed. */
static void note_change(void *arg, const keyspace_entry *e, keyspace_change change) {
    node *n = arg;
    if (change == KEY_EXPIRED) {
        const kw_slice argv[] = {SLICE_LITERAL("DEL"), keyspace_key(e)};
        node_propagate(n, argv, 2);
    }
    if (change == KEY_ADDED) {
        node_block_added(n, e);
    }
    node_watch_changed(n, e, change);
    node_push_changed(n, e);
    node_notify_changed(n, e, change);
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
    acl_log_init(&n->acl_log, n->mem);
    list_init(&n->sessions);
    list_init(&n->own_ready);
    n->ready = config->ready ? config->ready : &n->own_ready;
    list_init(&n->shaped);
    node_blocked_init(&n->blocked, n->mem, prng_next(&n->random));
    node_push_init(&n->push, n->mem, prng_next(&n->random));
    relation_init(&n->watched, n->mem, prng_next(&n->random), WATCHED_MAX, WATCHED_BYTES_MAX);
    buffer_init(&n->muted, n->mem, 0);
    bool ready = node_stats_init(&n->stats, n->mem) && node_auth_init(n) == KW_OK;
    n->primary_link = ready ? new_session(n, "", now_us) : NULL;
    if (!n->primary_link) {
        node_stats_done(&n->stats);
        node_auth_done(n);
        node_settings_done(&n->settings);
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
        node_blocked_done(&n->blocked, n->mem);
        free_session(n, n->primary_link);
        node_push_done(&n->push);
        relation_done(&n->watched);
        buffer_done(&n->muted);
        keyspace_free(n->keys);
        node_view_free(n->view);
        node_settings_done(&n->settings);
        node_stats_done(&n->stats);
        node_auth_done(n);
        mem_free(n->mem, n);
    }
}

void node_replace_keys(node *n, keyspace *keys, uint64_t offset) {
    node_watch_replaced(n, keys);
    node_push_changed(n, NULL);
    keyspace_free(n->keys);
    n->keys = keys;
    keys->listener = (keyspace_listener){n, note_change};
    n->offset = offset;
}

node_session *node_session_new(node *n, const char *address, uint64_t now_us) {
    node_session *s = new_session(n, address, now_us);
    if (s) {
        const node_peer *me = node_view_self(n->view);
        (void)snprintf(s->local_address, sizeof s->local_address, "%s:%u", me->host,
                       me->port); /* fits */
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

node_session *node_find_session(const node *n, uint64_t id) {
    LIST_FOR_EACH(at, after, &n->sessions) {
        node_session *s = LIST_ENTRY(at, node_session, in_node);
        if (s->id == id) {
            return s;
        }
    }
    return NULL;
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

void node_pause(node *n, uint64_t until_us, bool all) {
    bool lasts = n->pause_until_us > until_us;
    n->pauses_all = all || (n->pause_until_us > 0 && n->pauses_all);
    n->pause_until_us = lasts ? n->pause_until_us : until_us;
}

/* What a pause held back may run: each session's user has it read on. */
static void let_go(node *n) {
    LIST_FOR_EACH(at, after, &n->sessions) {
        node_session *s = LIST_ENTRY(at, node_session, in_node);
        if (s->holds & HOLD_PAUSED) {
            s->holds &= ~(unsigned)HOLD_PAUSED;
            node_wake(n, s);
        }
    }
}

void node_resume(node *n) {
    n->pause_until_us = 0;
    n->pauses_all = false;
    let_go(n);
}

void node_tick(node *n, uint64_t now_us) {
    n->now_us = now_us;
    if (n->pause_until_us > 0 && n->pause_until_us <= now_us) {
        node_resume(n);
    }
    if (node_view_self(n->view)->primary && !n->expires_nothing) {
        bool few = keyspace_count(n->keys) <= EXPIRE_ALL_MAX;
        keyspace_expire_some(n->keys, &n->expire_cursor, few ? SLOT_COUNT : SLOT_COUNT / 16,
                             now_us / 1000);
    }
    node_redirect_blocked(n);
    node_expire_blocked(n);
    node_wake_shaped(n);
    node_view_end_handshakes(n->view, now_us);
    if (n->writes_paused_until_us != 0 && n->writes_paused_until_us <= now_us) {
        node_pause_writes(n, 0);
    }
    node_push_flush(n);
}

void node_pause_writes(node *n, uint64_t until_us) {
    n->writes_paused_until_us = until_us;
    if (until_us == 0) {
        let_go(n);
    }
}

/* The text as views hold it, cut to less than `size`. */
static const char *keep_name(node *n, const char *text, size_t size) {
    kw_slice name = slice_text(text);
    name.len = name.len < size ? name.len : size - 1;
    return names_keep(n->config.names, name);
}

bool node_apply_settings(node *n) {
    const node_settings *s = &n->settings;
    node_view *view = n->view;
    node_peer *me = node_view_self(view);
    const char *ip = node_settings_text(s, SETTING_CLUSTER_ANNOUNCE_IP);
    const char *host = keep_name(n, ip[0] ? ip : n->own_host, NODE_HOST_SIZE);
    const char *hostname =
        keep_name(n, node_settings_text(s, SETTING_CLUSTER_ANNOUNCE_HOSTNAME), NODE_HOSTNAME_SIZE);
    if (!host || !hostname) {
        return false;
    }
    n->push.tracking.keys_max = (size_t)node_settings_number(s, SETTING_TRACKING_TABLE_MAX_KEYS);
    int64_t port = node_settings_number(s, SETTING_CLUSTER_ANNOUNCE_PORT);
    int64_t tls_port = node_settings_number(s, SETTING_CLUSTER_ANNOUNCE_TLS_PORT);
    me->host = host;
    me->hostname = hostname;
    me->port = port ? (uint16_t)port : n->own_port;
    me->tls_port = tls_port ? (uint16_t)tls_port : n->own_tls_port;
    me->bus_port = (uint16_t)node_settings_number(s, SETTING_CLUSTER_ANNOUNCE_BUS_PORT);
    me->no_failover = node_settings_flag(s, SETTING_CLUSTER_REPLICA_NO_FAILOVER);
    view->full_coverage_required = node_settings_flag(s, SETTING_CLUSTER_REQUIRE_FULL_COVERAGE);
    view->changed = true;
    return true;
}

uint64_t node_deadline_us(const node *n) {
    const uint64_t others_us[] = {node_shaped_deadline_us(n), n->pause_until_us,
                                  n->writes_paused_until_us};
    uint64_t at_us = node_block_deadline_us(n);
    for (size_t i = 0; i < sizeof others_us / sizeof *others_us; i++) {
        at_us = others_us[i] != 0 && others_us[i] < at_us ? others_us[i] : at_us;
    }
    return at_us;
}

/* ---------------------------------------------------------------------------- execution */

static void queue(node_call *c) {
    if (c->session->flags &
        (SESSION_DIRTY | SESSION_STALE)) { /* EXEC will not run: it is not kept */
        call_status(c, "QUEUED");
        return;
    }
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
        node_refuse(c, OBJECTION_UNKNOWN);
        return;
    }
    s->last_command = c->command->name;
    objection why = node_judge(c);
    if (why != OBJECTION_NONE) {
        node_refuse(c, why);
    } else if ((s->flags & SESSION_MULTI) && !(c->command->flags & NODE_NOT_QUEUED)) {
        queue(c);
    } else {
        call_run(c);
    }
}

/* A pause: what would be refused is refused at once, the rest waits. */
static bool must_wait(const node_call *c) {
    const node *n = c->node;
    if ((n->pause_until_us <= c->now_us && n->writes_paused_until_us <= c->now_us) || !c->command ||
        list_linked(&c->session->in_monitors)) {
        return false;
    }
    bool all = n->pause_until_us > c->now_us && n->pauses_all;
    return (all || (node_judge_effects(c) & (NODE_WRITES | NODE_MAY_REPLICATE))) &&
           node_judge(c) == OBJECTION_NONE;
}

static void hold_back(const node_call *c) {
    uint64_t bytes;
    node_session *s = c->session;
    s->postponed = session_copy_arguments(s->mem, c->argv, c->argc, &bytes);
    s->postponed_count = c->argc;
    if (s->postponed) {
        s->holds |= HOLD_PAUSED;
    } else {
        s->flags |= SESSION_FAILED;
    }
}

/* ASKING, CLIENT CACHING and CLIENT REPLY SKIP hold for the command that follows them; with MULTI
 * the first two hold to the end of its EXEC. */
static void end_once_flags(node_session *s, const kw_slice *argv) {
    if (!(s->flags & SESSION_MULTI)) {
        if (!slice_is_nocase(argv[0], "asking")) {
            s->flags &= ~(unsigned)SESSION_ASKING;
        }
        if (s->tracker && !slice_is_nocase(argv[0], "client")) {
            s->tracker->flags &= ~(unsigned)TRACKING_CACHING;
        }
    }
    bool skips = (s->flags & SESSION_SKIP_NEXT) != 0;
    s->flags &= ~(unsigned)(SESSION_SKIP | SESSION_SKIP_NEXT);
    s->flags |= skips ? SESSION_SKIP : 0;
}

/* Time may have leapt forward while the bytes of this turn were read: LAB TIME ADVANCE. */
static uint64_t time_in_lab(const node *n, uint64_t now_us) {
    node_lab *lab = n->config.lab;
    if (lab && lab->now_us < now_us) {
        lab->now_us = now_us;
    }
    return lab ? lab->now_us : now_us;
}

static void run_one(node *n, node_session *s, const kw_slice *argv, size_t argc, uint64_t now_us) {
    node_call call = {
        .node = n,
        .session = s,
        .argv = argv,
        .argc = argc,
        .now_us = now_us,
        .now_ms = now_us / 1000,
        .out = node_reply_to(n, s),
    };
    call.command = node_command_find(argv, argc, &call.container);
    if (call.command && (call.command->flags & NODE_LAB) && !n->config.peers.control) {
        call.command = NULL;
    }
    if (must_wait(&call)) {
        hold_back(&call);
        return;
    }
    bool outermost = !n->running; /* else MIGRATE came back to its own node */
    n->command_count++;
    s->used_us = now_us;
    if (outermost) {
        node_push_begin(n, s);
    }
    if (n->config.lab) {
        node_lab_run(&call, judge_and_run);
    } else {
        judge_and_run(&call);
    }
    end_once_flags(s, argv);
    if (n->view->changed) {
        n->view->changed = false;
        node_view_judge(n->view);
        n->config.peers.announce(n->config.peers.arg, n->view->self);
    }
    s->write_offset = n->offset;
    node_serve_blocked(n);
    if (outermost) {
        node_push_end(n);
        buffer_clear(&n->muted, MUTED_KEPT_BYTES);
    }
}

static void execute(node *n, node_session *s, const kw_slice *argv, size_t argc, uint64_t now_us) {
    n->now_us = time_in_lab(n, now_us);
    run_one(n, s, argv, argc, n->now_us);
}

void node_execute(node *n, node_session *s, const kw_slice *argv, size_t argc, uint64_t now_us) {
    execute(n, s, argv, argc, now_us);
    node_push_flush(n);
}

/* What a pause has held back, if it is over. */
static void run_postponed(node *n, node_session *s, uint64_t now_us) {
    kw_slice *argv = s->postponed;
    if (argv && !s->holds) {
        s->postponed = NULL;
        execute(n, s, argv, s->postponed_count, now_us);
        mem_free(n->mem, argv);
    }
}

static void refuse_bytes(node *n, node_session *s) {
    node_call call = {.node = n, .session = s, .out = &s->out};
    call_errorf(&call, "ERR %s", s->reader.error);
    s->flags |= SESSION_CLOSING;
}

static void read_commands(node *n, node_session *s, buffer *in, uint64_t now_us, size_t out_max) {
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
            if (s->reader.argc > 0) {
                execute(n, s, s->reader.argv, s->reader.argc, now_us);
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

void node_receive(node *n, node_session *s, buffer *in, uint64_t now_us, size_t out_max) {
    run_postponed(n, s, now_us);
    read_commands(n, s, in, now_us, out_max);
    node_push_flush(n);
}
