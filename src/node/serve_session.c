#include "node/node_call.h"
#include "node/node_handlers.h"
#include "node/node_number.h"

#include <stdio.h>

void serve_ping(node_call *c) {
    if (c->argc > 2) {
        call_error(c, "ERR wrong number of arguments for 'ping' command");
    } else if (c->argc == 2) {
        call_bulk(c, c->argv[1]);
    } else {
        call_status(c, "PONG");
    }
}

void serve_echo(node_call *c) {
    call_bulk(c, c->argv[1]);
}

void serve_quit(node_call *c) {
    call_ok(c);
    c->session->flags |= SESSION_CLOSING;
}

void serve_select(node_call *c) {
    int64_t database;
    if (!call_read_integer(c, 1, &database)) {
        return;
    }
    if (database > INT32_MAX || database < INT32_MIN) {
        call_error(c, "ERR value is out of range, value must between -2147483648 and 2147483647");
    } else if (database != 0) {
        call_error(c, "ERR SELECT is not allowed in cluster mode");
    } else {
        call_ok(c);
    }
}

void serve_reset(node_call *c) {
    node_session *s = c->session;
    session_discard(s);
    s->flags &= ~(unsigned)(SESSION_ASKING | SESSION_READONLY | SESSION_AUTHENTICATED);
    s->flags |= c->node->config.password ? 0 : SESSION_AUTHENTICATED;
    s->resp = 2;
    s->name[0] = '\0';
    call_status(c, "RESET");
}

/* -------------------------------------------------------------------------- cluster flags */

void serve_asking(node_call *c) {
    c->session->flags |= SESSION_ASKING;
    call_ok(c);
}

void serve_readonly(node_call *c) {
    c->session->flags |= SESSION_READONLY;
    call_ok(c);
}

void serve_readwrite(node_call *c) {
    c->session->flags &= ~(unsigned)SESSION_READONLY;
    call_ok(c);
}

/* ------------------------------------------------------------------------------- identity */

static bool authenticate(node_call *c, kw_slice user, kw_slice password) {
    const node_config *config = &c->node->config;
    const char *known = config->user ? config->user : "default";
    bool fits = config->password ? slice_is(user, known) && slice_is(password, config->password)
                                 : slice_is(user, "default");
    if (fits) {
        c->session->flags |= SESSION_AUTHENTICATED;
    } else {
        call_error(c, "WRONGPASS invalid username-password pair or user is disabled.");
    }
    return fits;
}

void serve_auth(node_call *c) {
    if (c->argc > 3) {
        call_syntax_error(c);
        return;
    }
    if (c->argc == 2 && !c->node->config.password) {
        call_error(c, "ERR AUTH <password> called without any password configured for the default "
                      "user. Are you sure your configuration is correct?");
        return;
    }
    kw_slice user = c->argc == 3 ? c->argv[1] : SLICE_LITERAL("default");
    if (authenticate(c, user, c->argv[c->argc - 1])) {
        call_ok(c);
    }
}

static bool is_plain_name(kw_slice name) {
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] < '!' || name.data[i] > '~') {
            return false;
        }
    }
    return true;
}

static bool set_client_name(node_call *c, kw_slice name) {
    if (!is_plain_name(name) || name.len >= SESSION_NAME_SIZE) {
        call_error(c, "ERR Client names cannot contain spaces, newlines or special characters.");
        return false;
    }
    slice_copy(c->session->name, SESSION_NAME_SIZE, name);
    return true;
}

static void answer_hello(node_call *c) {
    call_map(c, 7);
    call_text(c, "server");
    call_text(c, "redis");
    call_text(c, "version");
    call_text(c, NODE_IMITATES);
    call_text(c, "proto");
    call_integer(c, c->session->resp);
    call_text(c, "id");
    call_integer(c, (int64_t)c->session->id);
    call_text(c, "mode");
    call_text(c, "cluster");
    call_text(c, "role");
    call_text(c, node_view_self(c->node->view)->primary ? "master" : "replica");
    call_text(c, "modules");
    call_array(c, 0);
}

/* The options of HELLO behind the version, done as they are met; false: an error was given. */
static bool do_hello_options(node_call *c) {
    for (size_t i = 2; i < c->argc; i++) {
        size_t more = c->argc - 1 - i;
        if (call_argument_is(c, i, "auth") && more >= 2) {
            if (!authenticate(c, c->argv[i + 1], c->argv[i + 2])) {
                return false;
            }
            i += 2;
        } else if (call_argument_is(c, i, "setname") && more >= 1) {
            if (!set_client_name(c, c->argv[++i])) {
                return false;
            }
        } else {
            call_errorf(c, "ERR Syntax error in HELLO option '%.*s'", call_shown(c, i),
                        c->argv[i].data);
            return false;
        }
    }
    return true;
}

void serve_hello(node_call *c) {
    int64_t version = c->session->resp;
    if (c->argc > 1) {
        if (!number_read_integer(c->argv[1], &version)) {
            call_error(c, "ERR Protocol version is not an integer or out of range");
            return;
        }
        if (version < 2 || version > 3) {
            call_error(c, "NOPROTO unsupported protocol version");
            return;
        }
    }
    if (!do_hello_options(c)) {
        return;
    }
    if (!(c->session->flags & SESSION_AUTHENTICATED)) {
        call_error(c, "NOAUTH HELLO must be called with the client already authenticated, "
                      "otherwise the HELLO <proto> AUTH <user> <pass> option can be used to "
                      "authenticate the client and select the RESP protocol version at the same "
                      "time");
        return;
    }
    c->session->resp = (int)version;
    answer_hello(c);
}

/* --------------------------------------------------------------------------------- CLIENT */

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
    if (set_client_name(c, c->argv[2])) {
        call_ok(c);
    }
}

void serve_client_setinfo(node_call *c) {
    bool lib_name = call_argument_is(c, 2, "lib-name");
    if (!lib_name && !call_argument_is(c, 2, "lib-ver")) {
        call_errorf(c, "ERR Unrecognized option '%.*s'", call_shown(c, 2), c->argv[2].data);
        return;
    }
    if (!is_plain_name(c->argv[3]) || c->argv[3].len >= SESSION_NAME_SIZE) {
        call_errorf(c, "ERR %s cannot contain spaces, newlines or special characters.",
                    lib_name ? "lib-name" : "lib-ver");
        return;
    }
    char *place = lib_name ? c->session->lib_name : c->session->lib_version;
    slice_copy(place, SESSION_NAME_SIZE, c->argv[3]);
    call_ok(c);
}

void serve_client_no_evict(node_call *c) {
    if (call_argument_is(c, 2, "on") || call_argument_is(c, 2, "off")) {
        call_ok(c);
    } else {
        call_syntax_error(c);
    }
}

void serve_client_reply(node_call *c) {
    if (call_argument_is(c, 2, "on")) {
        call_ok(c);
    } else if (call_argument_is(c, 2, "off") || call_argument_is(c, 2, "skip")) {
        call_error(c, "ERR this node always replies: CLIENT REPLY OFF and SKIP are refused");
    } else {
        call_syntax_error(c);
    }
}

static void describe_flags(const node_session *s, char dst[8]) {
    size_t at = 0;
    if (s->flags & SESSION_MULTI) {
        dst[at++] = 'x';
    }
    if (s->flags & SESSION_READONLY) {
        dst[at++] = 'r';
    }
    if (at == 0) {
        dst[at++] = 'N';
    }
    dst[at] = '\0';
}

static bool describe_client(node_call *c, const node_session *s, buffer *out) {
    const node_peer *me = node_view_self(c->node->view);
    char flags[8];
    describe_flags(s, flags);
    int multi = s->flags & SESSION_MULTI ? (int)s->queue_count : -1;
    return buffer_printf(
        out,
        "id=%llu addr=%s laddr=%s:%u fd=8 name=%s age=%llu idle=%llu flags=%s db=0 sub=0 psub=0 "
        "ssub=0 multi=%d qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=%llu rbs=0 rbp=0 obl=0 oll=0 "
        "omem=0 tot-mem=0 events=r cmd=%s user=%s redir=-1 resp=%d lib-name=%s lib-ver=%s\n",
        (unsigned long long)s->id, s->address, me->host, me->port, s->name,
        (unsigned long long)((c->now_us - s->since_us) / 1000000),
        (unsigned long long)((c->now_us - s->used_us) / 1000000), flags, multi,
        (unsigned long long)s->queue_bytes, s->last_command,
        c->node->config.user ? c->node->config.user : "default", s->resp, s->lib_name,
        s->lib_version);
}

void serve_client_info(node_call *c) {
    buffer text;
    buffer_init(&text, c->node->mem, 0);
    if (describe_client(c, c->session, &text)) {
        call_verbatim(c, buffer_slice(&text));
    } else {
        call_out_of_memory(c);
    }
    buffer_done(&text);
}

/* CLIENT LIST shows all connections, or with TYPE those of one kind (all here are normal), or with
 * ID those asked for. */
static bool read_list_filter(node_call *c, bool *ret_by_id) {
    static const char *const kinds[] = {"normal", "master", "replica", "slave", "pubsub"};
    *ret_by_id = c->argc > 3 && call_argument_is(c, 2, "id");
    if (c->argc == 2) {
        return true;
    }
    if (c->argc == 4 && call_argument_is(c, 2, "type")) {
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            if (call_argument_is(c, 3, kinds[i])) {
                return true;
            }
        }
        call_errorf(c, "ERR Unknown client type '%.*s'", call_shown(c, 3), c->argv[3].data);
        return false;
    }
    int64_t id;
    for (size_t i = 3; *ret_by_id && i < c->argc; i++) {
        if (!number_read_integer(c->argv[i], &id) || id < 1) {
            call_error(c, "ERR Invalid client ID");
            return false;
        }
    }
    if (!*ret_by_id) {
        call_syntax_error(c);
    }
    return *ret_by_id;
}

static bool is_listed(const node_call *c, const node_session *s, bool by_id) {
    if (!by_id) {
        return c->argc == 2 || call_argument_is(c, 3, "normal");
    }
    int64_t id;
    for (size_t i = 3; i < c->argc; i++) {
        if (number_read_integer(c->argv[i], &id) && (uint64_t)id == s->id) {
            return true;
        }
    }
    return false;
}

void serve_client_list(node_call *c) {
    bool by_id;
    if (!read_list_filter(c, &by_id)) {
        return;
    }
    buffer text;
    buffer_init(&text, c->node->mem, 0);
    bool complete = true;
    LIST_FOR_EACH(at, after, &c->node->sessions) {
        const node_session *s = LIST_ENTRY(at, node_session, in_node);
        complete = complete && (!is_listed(c, s, by_id) || describe_client(c, s, &text));
    }
    if (complete) {
        call_verbatim(c, buffer_slice(&text));
    } else {
        call_out_of_memory(c);
    }
    buffer_done(&text);
}
