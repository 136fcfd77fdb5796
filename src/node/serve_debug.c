#include "base/number.h"
#include "node/node_call.h"
#include "node/node_dump.h"
#include "node/node_handlers.h"
#include "node/node_number.h"

/* ----------------------------------------------------------------------------------- DEBUG */

#define SLEEP_SECONDS_MAX 1000000.0

/* The whole node does nothing until then, as one that is busy: its clients wait. */
static void sleep_for(node_call *c) {
    double seconds;
    if (!number_parse(c->argv[2], &seconds) || !(seconds > 0)) {
        call_ok(c);
        return;
    }
    seconds = seconds < SLEEP_SECONDS_MAX ? seconds : SLEEP_SECONDS_MAX;
    uint64_t until_us = c->now_us + (uint64_t)(seconds * 1e6);
    node_pause(c->node, until_us, true);
    if (c->in_exec) {
        call_ok(c);
    } else {
        call_block(c, BLOCK_FOR_TIME, 0, 0, until_us, call_ok);
    }
}

static void set_active_expire(node_call *c) {
    int64_t on;
    c->node->expires_nothing = number_read_integer(c->argv[2], &on) && on == 0;
    call_ok(c);
}

static void describe_object(node_call *c) {
    const keyspace_entry *e = keyspace_peek(c->node->keys, c->argv[2], c->now_ms);
    if (!e) {
        call_error(c, "ERR no such key");
        return;
    }
    buffer payload;
    buffer text;
    buffer_init(&payload, c->node->mem, 0);
    buffer_init(&text, c->node->mem, 0);
    const dump_value value = {e->kind, e->object, keyspace_value(e)};
    unsigned long long idle_ms = c->now_ms - e->used_ms;
    if (dump_write(&payload, &value) &&
        buffer_printf(&text,
                      "Value at:0x%012llx refcount:1 encoding:%s serializedlength:%zu lru:%llu "
                      "lru_seconds_idle:%llu",
                      0x7f0000000000ull + (e->version & 0xffffffff) * 16, keyspace_encoding(e),
                      buffer_len(&payload) > 11 ? buffer_len(&payload) - 11 : 0,
                      (unsigned long long)(e->used_ms / 1000 & 0xffffff), idle_ms / 1000) &&
        buffer_append(&text, "", 1)) {
        call_status(c, buffer_slice(&text).data);
    } else {
        call_out_of_memory(c);
    }
    buffer_done(&payload);
    buffer_done(&text);
}

/* Fewer than a server has. */
static void help(node_call *c) {
    static const char *const lines[] = {
        "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "OBJECT <key>",
        "    Show low level info about `key` and associated value.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Setting it to 0 disables expiring keys in background when they are not",
        "    accessed (otherwise the Redis behavior). Setting it to 1 reenables back the",
        "    default.",
        "SLEEP <seconds>",
        "    Stop the server for <seconds>. Decimals allowed.",
        "HELP",
        "    Prints this help.",
    };
    size_t count = sizeof lines / sizeof *lines;
    call_array(c, count);
    for (size_t i = 0; i < count; i++) {
        call_status(c, lines[i]);
    }
}

void serve_debug(node_call *c) {
    static const char *const refusal =
        "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", "
        "you can run it from a local connection, otherwise you need to set this option in the "
        "configuration file, and then restart the server.";
    if (strcmp(node_settings_text(&c->node->settings, SETTING_ENABLE_DEBUG_COMMAND), "no") == 0) {
        call_error(c, refusal);
    } else if (call_argument_is(c, 1, "help")) {
        help(c);
    } else if (c->argc == 3 && call_argument_is(c, 1, "sleep")) {
        sleep_for(c);
    } else if (c->argc == 3 && call_argument_is(c, 1, "set-active-expire")) {
        set_active_expire(c);
    } else if (c->argc == 3 && call_argument_is(c, 1, "object")) {
        describe_object(c);
    } else {
        call_subcommand_error(c, "DEBUG");
    }
}

/* -------------------------------------------------------------------------- LATENCY, SLOWLOG */

/* By the lab's clock a command takes no time, so none is ever slow. */

void serve_latency_empty(node_call *c) {
    call_array(c, 0);
}

void serve_latency_histogram(node_call *c) {
    call_map(c, 0);
}

void serve_latency_reset(node_call *c) {
    call_integer(c, 0);
}

void serve_latency_graph(node_call *c) {
    call_errorf(c, "ERR No samples available for event '%.*s'", call_shown(c, 2), c->argv[2].data);
}

void serve_slowlog_get(node_call *c) {
    int64_t count;
    if (c->argc > 3) {
        call_subcommand_error(c, "SLOWLOG");
        return;
    }
    if (c->argc == 3 && (!number_read_integer(c->argv[2], &count) || count < -1)) {
        call_error(c, "ERR count should be greater than or equal to -1");
        return;
    }
    call_array(c, 0);
}

void serve_slowlog_len(node_call *c) {
    call_integer(c, 0);
}

void serve_slowlog_reset(node_call *c) {
    call_ok(c);
}

/* ---------------------------------------------------------------------------------- MEMORY */

#define DICT_ENTRY_BYTES 40 /* of a clustered server */
#define OBJECT_BYTES 16
#define EMBEDDED_MAX_BYTES 44

/* The allocator's size for so many bytes. */
static size_t allocated(size_t bytes) {
    size_t step = 8;
    if (bytes <= 8) {
        return 8;
    }
    while (bytes > step * 8 && step < SIZE_MAX / 16) {
        step *= 2;
    }
    step = step < 16 ? 16 : step;
    return (bytes + step - 1) / step * step;
}

static size_t string_bytes(size_t len) {
    return allocated(len + 1 + (len < 32 ? 1u : len < 256 ? 3u : len < 65536 ? 5u : 9u));
}

static size_t value_bytes(const keyspace_entry *e) {
    if (strcmp(keyspace_encoding(e), "int") == 0) {
        return OBJECT_BYTES;
    }
    if (e->value_len <= EMBEDDED_MAX_BYTES) {
        return allocated(OBJECT_BYTES + 4 + e->value_len);
    }
    return OBJECT_BYTES + string_bytes(e->value_len);
}

void serve_memory_usage(node_call *c) {
    int64_t samples;
    const keyspace_entry *e = keyspace_peek(c->node->keys, c->argv[2], c->now_ms);
    for (size_t i = 3; i < c->argc; i += 2) {
        if (!call_argument_is(c, i, "samples") || i + 1 >= c->argc) {
            call_syntax_error(c);
            return;
        }
        if (!call_read_integer(c, i + 1, &samples)) {
            return;
        }
        if (samples < 0) {
            call_syntax_error(c);
            return;
        }
    }
    if (!e) {
        call_null(c);
        return;
    }
    size_t bytes = string_bytes(e->key_len) + DICT_ENTRY_BYTES;
    if (!e->kind) {
        call_integer(c, (int64_t)(bytes + value_bytes(e)));
        return;
    }
    /* of an object: about what it takes when it is written down */
    buffer payload;
    buffer_init(&payload, c->node->mem, 0);
    const dump_value value = {e->kind, e->object, keyspace_value(e)};
    if (dump_write(&payload, &value)) {
        call_integer(c, (int64_t)(bytes + OBJECT_BYTES + allocated(buffer_len(&payload))));
    } else {
        call_out_of_memory(c);
    }
    buffer_done(&payload);
}

void serve_memory_purge(node_call *c) {
    call_ok(c);
}
