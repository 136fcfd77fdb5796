#include "node/node_call.h"

#include "core/resp.h"
#include "node/node_number.h"

#include <stdarg.h>
#include <stdio.h>

static void note(node_call *c, bool written) {
    if (!written) {
        c->session->flags |= SESSION_FAILED;
    }
}

void call_ok(node_call *c) {
    call_status(c, "OK");
}

void call_status(node_call *c, const char *text) {
    note(c, resp_write_status(c->out, text));
}

void call_error(node_call *c, const char *text) {
    c->failed = true;
    if (c->node) {
        node_stats_error(&c->node->stats, text);
    }
    note(c, resp_write_error(c->out, text));
}

void call_errorf(node_call *c, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args); /* cut short is good enough */
    va_end(args);
    for (char *at = text; *at; at++) {
        if (*at == '\r' || *at == '\n') {
            *at = ' ';
        }
    }
    call_error(c, text);
}

const char *call_endpoint(const node_call *c, const node_peer *peer) {
    switch (node_settings_number(&c->node->settings, SETTING_CLUSTER_PREFERRED_ENDPOINT_TYPE)) {
    case ENDPOINT_IP:
        return peer->host;
    case ENDPOINT_HOSTNAME:
        return peer->hostname[0] ? peer->hostname : "?";
    default:
        return "";
    }
}

uint16_t call_port(const node_call *c, const node_peer *peer) {
    return (c->session->flags & SESSION_TLS) && peer->tls_port ? peer->tls_port : peer->port;
}

void call_redirect(node_call *c, const char *code, int slot, uint16_t target) {
    const node_peer *peer = &c->node->view->peers[target];
    call_errorf(c, "%s %d %s:%u", code, slot, call_endpoint(c, peer), call_port(c, peer));
}

void call_double(node_call *c, double value) {
    note(c, resp_write_double(c->out, c->session->resp, value));
}

void call_raw(node_call *c, kw_slice bytes) {
    note(c, buffer_append_slice(c->out, bytes));
}

void call_syntax_error(node_call *c) {
    call_error(c, "ERR syntax error");
}

void call_wrong_arity(node_call *c, const node_command *command) {
    call_errorf(c, "ERR wrong number of arguments for '%s' command", command->name);
}

void call_subcommand_error(node_call *c, const char *container) {
    call_errorf(c, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
                call_shown(c, 1), c->argv[1].data, container);
}

void call_out_of_memory(node_call *c) {
    call_error(c, "OOM command not allowed when used memory > 'maxmemory'.");
}

void call_integer(node_call *c, int64_t value) {
    note(c, resp_write_integer(c->out, value));
}

void call_bulk(node_call *c, kw_slice s) {
    note(c, resp_write_bulk(c->out, s));
}

void call_text(node_call *c, const char *text) {
    call_bulk(c, slice_text(text));
}

void call_verbatim(node_call *c, kw_slice text) {
    note(c, resp_write_verbatim(c->out, c->session->resp, text));
}

void call_null(node_call *c) {
    note(c, resp_write_null(c->out, c->session->resp));
}

void call_null_array(node_call *c) {
    note(c, resp_write_null_array(c->out, c->session->resp));
}

void call_array(node_call *c, size_t count) {
    note(c, resp_write_array(c->out, count));
}

void call_set(node_call *c, size_t count) {
    note(c, resp_write_set(c->out, c->session->resp, count));
}

void call_map(node_call *c, size_t pairs) {
    note(c, resp_write_map(c->out, c->session->resp, pairs));
}

void call_resp3(node_call *c, const char *resp3) {
    if (c->session->resp == 3) {
        note(c, buffer_append_text(c->out, resp3));
        return;
    }
    for (const char *at = resp3; *at;) {
        const char *line_end = strchr(at, '\n') + 1;
        size_t count = 0;
        for (const char *digit = at + 1; '0' <= *digit && *digit <= '9'; digit++) {
            count = count * 10 + (size_t)(*digit - '0');
        }
        const char *end = *at == '$' ? line_end + count + 2 : line_end;
        if (*at == '~' || *at == '%') {
            note(c, resp_write_array(c->out, *at == '%' ? 2 * count : count));
        } else if (*at == '_') {
            call_null(c);
        } else {
            note(c, buffer_append(c->out, at, (size_t)(end - at)));
        }
        at = end;
    }
}

bool call_read_integer(node_call *c, size_t index, int64_t *ret) {
    if (index < c->argc && number_read_integer(c->argv[index], ret)) {
        return true;
    }
    call_error(c, "ERR value is not an integer or out of range");
    return false;
}

bool call_set_client_name(node_call *c, kw_slice name) {
    if (!session_name_fits(name)) {
        call_error(c, "ERR Client names cannot contain spaces, newlines or special characters.");
        return false;
    }
    slice_copy(c->session->name, SESSION_NAME_SIZE, name);
    return true;
}

static keyspace_entry *look(node_call *c, kw_slice key) {
    bool own = node_view_self(c->node->view)->primary || c->session == c->node->primary_link;
    return own ? keyspace_find(c->node->keys, key, c->now_ms)
               : keyspace_peek(c->node->keys, key, c->now_ms);
}

keyspace_entry *call_find_key(node_call *c, kw_slice key) {
    keyspace_entry *e = look(c, key);
    if (c->command && (c->command->flags & NODE_READS)) {
        c->node->stats.key_hits += e != NULL;
        c->node->stats.key_misses += e == NULL;
    }
    if (e) {
        e->used_ms = c->now_ms;
    }
    return e;
}

keyspace_entry *call_find(node_call *c, size_t index) {
    return call_find_key(c, c->argv[index]);
}

keyspace_entry *call_look(node_call *c, size_t index) {
    return look(c, c->argv[index]);
}

void call_wrong_type(node_call *c) {
    call_error(c, "WRONGTYPE Operation against a key holding the wrong kind of value");
}

bool call_find_kind(node_call *c, size_t index, const value_kind *kind, keyspace_entry **ret) {
    *ret = call_find(c, index);
    if (*ret && (*ret)->kind != kind) {
        call_wrong_type(c);
        return false;
    }
    return true;
}

bool call_find_or_make(node_call *c, size_t index, const value_kind *kind, keyspace_entry **ret) {
    if (!call_find_kind(c, index, kind, ret)) {
        return false;
    }
    if (*ret) {
        return true;
    }
    void *object = kind->make(c->node->mem, prng_next(&c->node->random));
    if (!object || !keyspace_put(c->node->keys, c->argv[index], kind, object, 0)) {
        kind->free(c->node->mem, object);
        call_out_of_memory(c);
        return false;
    }
    *ret = call_find(c, index);
    return true;
}

void call_settle(node_call *c, keyspace_entry *e) {
    if (e->kind->count(e->object) == 0) {
        keyspace_remove(c->node->keys, e);
    } else {
        keyspace_touch(c->node->keys, e);
    }
}

void call_store(node_call *c, kw_slice key, const value_kind *kind, void *object) {
    size_t count = kind->count(object);
    if (count == 0) {
        keyspace_entry *old = call_find_key(c, key);
        kind->free(c->node->mem, object);
        if (old) {
            keyspace_remove(c->node->keys, old);
        }
    } else if (!keyspace_put(c->node->keys, key, kind, object, 0)) {
        kind->free(c->node->mem, object);
        call_out_of_memory(c);
        return;
    }
    call_integer(c, (int64_t)count);
}

void call_propagate(node_call *c, const kw_slice *argv, size_t argc) {
    c->propagated = true;
    node_propagate(c->node, argv, argc);
}

void call_run(node_call *c) {
    uint64_t version = c->node->keys->version;
    c->propagated = false;
    c->node->keys->now_ms = c->now_ms;
    c->failed = false;
    const node_call *outer = node_notify_begin(c->node, c);
    c->command->run(c);
    node_notify_end(c->node, outer);
    command_stats *stats = node_stats_of(&c->node->stats, c->command);
    stats->calls++;
    stats->failed += c->failed;
    node_push_called(c);
    if ((c->command->flags & NODE_WRITES) && !c->propagated && c->node->keys->version != version) {
        node_propagate(c->node, c->argv, c->argc);
    }
}
