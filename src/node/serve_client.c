#include "node/node_call.h"
#include "node/node_handlers.h"
#include "node/node_number.h"

#include <stdio.h>

#define FLAGS_SIZE 16
#define PAUSE_MS_MAX (UINT64_MAX / 4000)

void serve_client_id(node_call *c) {
    call_integer(c, (int64_t)c->session->id);
}

void serve_client_getname(node_call *c) {
    if (c->session->name[0]) {
        call_text(c, c->session->name);
    } else {
        call_null(c);
    }
}

void serve_client_setname(node_call *c) {
    if (call_set_client_name(c, c->argv[2])) {
        call_ok(c);
    }
}

void serve_client_setinfo(node_call *c) {
    bool lib_name = call_argument_is(c, 2, "lib-name");
    if (!lib_name && !call_argument_is(c, 2, "lib-ver")) {
        call_errorf(c, "ERR Unrecognized option '%.*s'", call_shown(c, 2), c->argv[2].data);
        return;
    }
    if (!session_name_fits(c->argv[3])) {
        call_errorf(c, "ERR %s cannot contain spaces, newlines or special characters.",
                    lib_name ? "lib-name" : "lib-ver");
        return;
    }
    char *place = lib_name ? c->session->lib_name : c->session->lib_version;
    slice_copy(place, SESSION_NAME_SIZE, c->argv[3]);
    call_ok(c);
}

void serve_client_no_evict(node_call *c) {
    if (call_argument_is(c, 2, "on")) {
        c->session->flags |= SESSION_NO_EVICT;
    } else if (call_argument_is(c, 2, "off")) {
        c->session->flags &= ~(unsigned)SESSION_NO_EVICT;
    } else {
        call_syntax_error(c);
        return;
    }
    call_ok(c);
}

void serve_client_reply(node_call *c) {
    node_session *s = c->session;
    if (call_argument_is(c, 2, "on")) {
        s->flags &= ~(unsigned)(SESSION_REPLY_OFF | SESSION_SKIP);
        c->out = &s->out;
        call_ok(c);
    } else if (call_argument_is(c, 2, "off")) {
        s->flags |= SESSION_REPLY_OFF;
    } else if (call_argument_is(c, 2, "skip")) {
        s->flags |= s->flags & SESSION_REPLY_OFF ? 0 : SESSION_SKIP_NEXT;
    } else {
        call_syntax_error(c);
    }
}

/* ---------------------------------------------------------------------------- describing one */

static void describe_flags(const node_session *s, char dst[FLAGS_SIZE]) {
    const struct {
        char letter;
        bool shown;
    } rows[] = {
        {'O', list_linked(&s->in_monitors)},
        {'P', session_is_subscribed(s)},
        {'x', (s->flags & SESSION_MULTI) != 0},
        {'b', (s->holds & (HOLD_BLOCKED | HOLD_PAUSED)) != 0},
        {'t', tracker_has(s->tracker, TRACKING_ON)},
        {'R', tracker_has(s->tracker, TRACKING_BROKEN)},
        {'B', tracker_has(s->tracker, TRACKING_BCAST)},
        {'d', (s->flags & SESSION_STALE) != 0},
        {'c', (s->flags & SESSION_CLOSING) != 0},
        {'r', (s->flags & SESSION_READONLY) != 0},
        {'e', (s->flags & SESSION_NO_EVICT) != 0},
    };
    size_t at = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].shown) {
            dst[at++] = rows[i].letter;
        }
    }
    if (at == 0) {
        dst[at++] = 'N';
    }
    dst[at] = '\0';
}

bool call_describe_client(const node_call *c, const node_session *s, buffer *out) {
    char flags[FLAGS_SIZE];
    describe_flags(s, flags);
    int multi = s->flags & SESSION_MULTI ? (int)s->queue_count : -1;
    long long redirect =
        tracker_has(s->tracker, TRACKING_ON) ? (long long)s->tracker->redirect : -1;
    return buffer_printf(
        out,
        "id=%llu addr=%s laddr=%s fd=%d name=%s age=%llu idle=%llu flags=%s db=0 sub=%zu psub=%zu "
        "ssub=%zu multi=%d qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=%llu rbs=0 rbp=0 obl=0 oll=0 "
        "omem=0 tot-mem=0 events=r cmd=%s user=%s redir=%lld resp=%d lib-name=%s lib-ver=%s\n",
        (unsigned long long)s->id, s->address, s->local_address, s->fd, s->name,
        (unsigned long long)((c->now_us - s->since_us) / 1000000),
        (unsigned long long)((c->now_us - s->used_us) / 1000000), flags,
        subscriber_count(s->subscriber, CHANNEL_PLAIN),
        subscriber_count(s->subscriber, CHANNEL_PATTERN),
        subscriber_count(s->subscriber, CHANNEL_SHARD), multi, (unsigned long long)s->queue_bytes,
        s->last_command, acl_name(s->user), redirect, s->resp, s->lib_name, s->lib_version);
}

void serve_client_info(node_call *c) {
    buffer text;
    buffer_init(&text, c->node->mem, 0);
    if (call_describe_client(c, c->session, &text)) {
        call_verbatim(c, buffer_slice(&text));
    } else {
        call_out_of_memory(c);
    }
    buffer_done(&text);
}

/* --------------------------------------------------------------------------- choosing several */

typedef enum client_type {
    CLIENT_ANY,
    CLIENT_NORMAL,
    CLIENT_REPLICATION,
    CLIENT_PUBSUB
} client_type;

/* Sessions of replicas and primaries, which are asked for as well, there are none. */
static bool read_type(node_call *c, size_t index, client_type *ret) {
    static const struct {
        const char *name;
        client_type type;
    } names[] = {
        {"normal", CLIENT_NORMAL}, {"slave", CLIENT_REPLICATION},  {"replica", CLIENT_REPLICATION},
        {"pubsub", CLIENT_PUBSUB}, {"master", CLIENT_REPLICATION},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (call_argument_is(c, index, names[i].name)) {
            *ret = names[i].type;
            return true;
        }
    }
    call_errorf(c, "ERR Unknown client type '%.*s'", call_shown(c, index), c->argv[index].data);
    return false;
}

static bool is_of_type(const node_session *s, client_type type) {
    return type == CLIENT_ANY || type == (session_is_subscribed(s) ? CLIENT_PUBSUB : CLIENT_NORMAL);
}

/* One that was killed by this very turn's commands is not there any more. */
static bool is_there(const node_session *s) {
    return !(s->flags & SESSION_FAILED);
}

static bool describe_by_id(node_call *c, buffer *text) {
    int64_t id;
    for (size_t i = 3; i < c->argc; i++) {
        if (!number_read_integer(c->argv[i], &id)) {
            call_error(c, "ERR Invalid client ID");
            return false;
        }
        const node_session *s = id > 0 ? node_find_session(c->node, (uint64_t)id) : NULL;
        if (s && is_there(s) && !call_describe_client(c, s, text)) {
            call_out_of_memory(c);
            return false;
        }
    }
    return true;
}

static bool describe_by_type(node_call *c, client_type type, buffer *text) {
    LIST_FOR_EACH(at, after, &c->node->sessions) {
        const node_session *s = LIST_ENTRY(at, node_session, in_node);
        if (is_there(s) && is_of_type(s, type) && !call_describe_client(c, s, text)) {
            call_out_of_memory(c);
            return false;
        }
    }
    return true;
}

void serve_client_list(node_call *c) {
    client_type type = CLIENT_ANY;
    bool by_type = c->argc == 4 && call_argument_is(c, 2, "type");
    bool by_id = !by_type && c->argc > 3 && call_argument_is(c, 2, "id");
    if (c->argc > 2 && !by_type && !by_id) {
        call_syntax_error(c);
        return;
    }
    if (by_type && !read_type(c, 3, &type)) {
        return;
    }
    buffer text;
    buffer_init(&text, c->node->mem, 0);
    if (by_id ? describe_by_id(c, &text) : describe_by_type(c, type, &text)) {
        call_verbatim(c, buffer_slice(&text));
    }
    buffer_done(&text);
}

/* ------------------------------------------------------------------------------------ killing */

typedef struct kill_filter {
    kw_slice address; /* data NULL: any */
    kw_slice local_address;
    client_type type;
    int64_t id;           /* 0: any */
    const acl_user *user; /* NULL: any */
    bool skip_me;
} kill_filter;

/* One option and its value at argv[i] and argv[i + 1]; false: an error was given. */
static bool read_kill_option(node_call *c, size_t i, kill_filter *filter) {
    bool more = i + 1 < c->argc;
    if (call_argument_is(c, i, "id") && more) {
        if (!number_read_integer(c->argv[i + 1], &filter->id) || filter->id < 1) {
            call_error(c, "ERR client-id should be greater than 0");
            return false;
        }
    } else if (call_argument_is(c, i, "type") && more) {
        return read_type(c, i + 1, &filter->type);
    } else if (call_argument_is(c, i, "addr") && more) {
        filter->address = c->argv[i + 1];
    } else if (call_argument_is(c, i, "laddr") && more) {
        filter->local_address = c->argv[i + 1];
    } else if (call_argument_is(c, i, "user") && more) {
        filter->user = acl_find(c->node->acl, c->argv[i + 1]);
        if (!filter->user) {
            call_errorf(c, "ERR No such user '%.*s'", call_shown(c, i + 1), c->argv[i + 1].data);
            return false;
        }
    } else if (call_argument_is(c, i, "skipme") && call_argument_is(c, i + 1, "yes")) {
        filter->skip_me = true;
    } else if (call_argument_is(c, i, "skipme") && call_argument_is(c, i + 1, "no")) {
        filter->skip_me = false;
    } else {
        call_syntax_error(c);
        return false;
    }
    return true;
}

static bool is_meant(const node_call *c, const node_session *s, const kill_filter *filter) {
    return is_there(s) && (!filter->user || s->user == filter->user) &&
           (!filter->address.data || slice_is(filter->address, s->address)) &&
           (!filter->local_address.data || slice_is(filter->local_address, s->local_address)) &&
           is_of_type(s, filter->type) && (filter->id == 0 || (uint64_t)filter->id == s->id) &&
           !(filter->skip_me && s == c->session);
}

static size_t kill_sessions(node_call *c, const kill_filter *filter) {
    size_t count = 0;
    LIST_FOR_EACH(at, after, &c->node->sessions) {
        node_session *s = LIST_ENTRY(at, node_session, in_node);
        if (!is_meant(c, s, filter)) {
            continue;
        }
        count++;
        if (s != c->session) {
            s->flags |= SESSION_FAILED;
            node_wake(c->node, s);
        }
    }
    return count;
}

void serve_client_kill(node_call *c) {
    kill_filter filter = {.type = CLIENT_ANY, .skip_me = c->argc > 3};
    if (c->argc == 3) {
        filter.address = c->argv[2];
    }
    for (size_t i = 2; c->argc > 3 && i < c->argc; i += 2) {
        if (!read_kill_option(c, i, &filter)) {
            return;
        }
    }
    bool me = is_meant(c, c->session, &filter);
    size_t count = kill_sessions(c, &filter);
    if (c->argc > 3) {
        call_integer(c, (int64_t)count);
    } else if (count > 0) {
        call_ok(c);
    } else {
        call_error(c, "ERR No such client");
    }
    c->session->flags |= me ? SESSION_CLOSING : 0;
}

/* ---------------------------------------------------------------------------- pausing, waiting */

void serve_client_pause(node_call *c) {
    int64_t ms;
    bool all = !call_argument_is(c, 3, "write");
    if (c->argc > 4) {
        call_subcommand_error(c, "CLIENT");
    } else if (c->argc == 4 && all && !call_argument_is(c, 3, "all")) {
        call_error(c, "ERR CLIENT PAUSE mode must be WRITE or ALL");
    } else if (!number_read_integer(c->argv[2], &ms)) {
        call_error(c, "ERR timeout is not an integer or out of range");
    } else if (ms < 0) {
        call_error(c, "ERR timeout is negative");
    } else {
        /* past the end of their clock the servers' sum is negative: no pause */
        bool over = (uint64_t)ms > PAUSE_MS_MAX;
        node_pause(c->node, ms == 0 || over ? 0 : c->now_us + (uint64_t)ms * 1000, all);
        call_ok(c);
    }
}

void serve_client_unpause(node_call *c) {
    node_resume(c->node);
    call_ok(c);
}

void serve_client_unblock(node_call *c) {
    int64_t id;
    bool with_error = call_argument_is(c, 3, "error");
    if (c->argc > 4) {
        call_subcommand_error(c, "CLIENT");
        return;
    }
    if (c->argc == 4 && !with_error && !call_argument_is(c, 3, "timeout")) {
        call_error(c, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
        return;
    }
    if (!call_read_integer(c, 2, &id)) {
        return;
    }
    node_session *s = id > 0 ? node_find_session(c->node, (uint64_t)id) : NULL;
    const char *error = with_error ? "UNBLOCKED client unblocked via CLIENT UNBLOCK" : NULL;
    call_integer(c, s && node_end_waiting(c->node, s, error));
}
