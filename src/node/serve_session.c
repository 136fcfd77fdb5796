#include "node/node_args.h"
#include "node/node_auth.h"
#include "node/node_call.h"
#include "node/node_handlers.h"
#include "node/node_number.h"

#include <stdio.h>

void serve_ping(node_call *c) {
    if (c->argc > 2) {
        call_wrong_arity(c, c->command);
    } else if (c->session->resp == 2 && session_is_subscribed(c->session)) {
        call_array(c, 2);
        call_text(c, "pong");
        call_bulk(c, c->argc == 2 ? c->argv[1] : SLICE_LITERAL(""));
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
    if (!args_read_in_range(c, 1, INT32_MIN, INT32_MAX, NULL, &database)) {
        return;
    }
    if (database != 0) {
        call_error(c, "ERR SELECT is not allowed in cluster mode");
    } else {
        call_ok(c);
    }
}

void serve_reset(node_call *c) {
    node_session *s = c->session;
    node_discard(c->node, s);
    node_push_leave(c->node, s);
    s->flags &= ~(unsigned)(SESSION_ASKING | SESSION_READONLY | SESSION_AUTHENTICATED |
                            SESSION_REPLY_OFF | SESSION_SKIP | SESSION_SKIP_NEXT);
    node_auth_begin(c->node, s);
    s->resp = 2;
    s->name[0] = '\0';
    c->out = &s->out;
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
    if (node_auth_login(c, user, password)) {
        return true;
    }
    call_error(c, "WRONGPASS invalid username-password pair or user is disabled.");
    return false;
}

void serve_auth(node_call *c) {
    if (c->argc > 3) {
        call_syntax_error(c);
        return;
    }
    if (c->argc == 2 && acl_needs_no_password(acl_find(c->node->acl, SLICE_LITERAL("default")))) {
        call_error(c, "ERR AUTH <password> called without any password configured for the default "
                      "user. Are you sure your configuration is correct?");
        return;
    }
    kw_slice user = c->argc == 3 ? c->argv[1] : SLICE_LITERAL("default");
    if (authenticate(c, user, c->argv[c->argc - 1])) {
        call_ok(c);
    }
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
            if (!call_set_client_name(c, c->argv[++i])) {
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
                      "otherwise the HELLO AUTH <user> <pass> option can be used to "
                      "authenticate the client and select the RESP protocol version at the same "
                      "time");
        return;
    }
    c->session->resp = (int)version;
    answer_hello(c);
}
