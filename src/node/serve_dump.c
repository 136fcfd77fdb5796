#include "core/limits.h"
#include "node/node_block.h"
#include "node/node_call.h"
#include "node/node_dump.h"
#include "node/node_handlers.h"

#include <stdio.h>

static bool dump_entry(buffer *payload, const keyspace_entry *e) {
    return dump_write(payload, &(dump_value){e->kind, e->object, keyspace_value(e)});
}

void serve_dump(node_call *c) {
    const keyspace_entry *e = call_find(c, 1);
    if (!e) {
        call_null(c);
        return;
    }
    buffer payload;
    buffer_init(&payload, c->node->mem, 0);
    if (dump_entry(&payload, e)) {
        call_bulk(c, buffer_slice(&payload));
    } else {
        call_out_of_memory(c);
    }
    buffer_done(&payload);
}

/* -------------------------------------------------------------------------------- RESTORE */

#define IDLE_SECONDS_MAX 16777214 /* what the servers' clock of uses can hold */

typedef struct restore_options {
    bool replace;
    bool absolute_ttl;
    bool idle_time;
    uint64_t idle_ms;
    bool frequency;
} restore_options;

static bool read_restore_options(node_call *c, restore_options *ret) {
    *ret = (restore_options){0};
    for (size_t i = 4; i < c->argc; i++) {
        bool has_value = i + 1 < c->argc;
        int64_t value;
        if (call_argument_is(c, i, "replace")) {
            ret->replace = true;
        } else if (call_argument_is(c, i, "absttl")) {
            ret->absolute_ttl = true;
        } else if (call_argument_is(c, i, "idletime") && has_value && !ret->frequency) {
            if (!call_read_integer(c, ++i, &value)) {
                return false;
            }
            if (value < 0) {
                call_error(c, "ERR Invalid IDLETIME value, must be >= 0");
                return false;
            }
            ret->idle_time = true;
            ret->idle_ms = (uint64_t)(value < IDLE_SECONDS_MAX ? value : IDLE_SECONDS_MAX) * 1000;
        } else if (call_argument_is(c, i, "freq") && has_value && !ret->idle_time) {
            if (!call_read_integer(c, ++i, &value)) {
                return false;
            }
            if (value < 0 || value > 255) {
                call_error(c, "ERR Invalid FREQ value, must be >= 0 and <= 255");
                return false;
            }
            ret->frequency = true;
        } else {
            call_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* An object is taken over. */
static void restore_value(node_call *c, const dump_value *value, uint64_t expire_ms,
                          uint64_t idle_ms) {
    keyspace *ks = c->node->keys;
    /* A sum that is too large is a time long ago to the servers. */
    bool outlived = expire_ms != 0 && (expire_ms <= c->now_ms || expire_ms > INT64_MAX);
    if (outlived) {
        keyspace_entry *old = call_find(c, 1);
        if (old) {
            keyspace_remove(ks, old);
        }
    }
    bool kept = !outlived &&
                (value->kind ? keyspace_put(ks, c->argv[1], value->kind, value->object, expire_ms)
                             : keyspace_set(ks, c->argv[1], value->string, expire_ms));
    if (value->kind && !kept) {
        value->kind->free(c->node->mem, value->object);
    }
    if (kept) {
        keyspace_entry *e = call_find(c, 1);
        e->used_ms = c->now_ms - idle_ms;
        node_block_added(c->node, e);
        keyspace_make_newest(ks, e);
    }
    if (kept || outlived) {
        call_ok(c);
    } else {
        call_out_of_memory(c);
    }
}

void serve_restore(node_call *c) {
    restore_options options;
    int64_t ttl;
    if (!read_restore_options(c, &options)) {
        return;
    }
    if (!options.replace && call_find(c, 1)) {
        call_error(c, "BUSYKEY Target key name already exists.");
        return;
    }
    if (!call_read_integer(c, 2, &ttl)) {
        return;
    }
    if (ttl < 0) {
        call_error(c, "ERR Invalid TTL value, must be >= 0");
        return;
    }
    buffer storage;
    dump_value value;
    buffer_init(&storage, c->node->mem, LIMIT_BULK_BYTES);
    bool relative = ttl > 0 && !options.absolute_ttl;
    uint64_t seed = prng_next(&c->node->random);
    switch (dump_read(c->argv[3], c->node->mem, seed, &storage, &value)) {
    case DUMP_OK:
        restore_value(c, &value, (uint64_t)ttl + (relative ? c->now_ms : 0), options.idle_ms);
        break;
    case DUMP_WRONG_CHECKSUM:
        call_error(c, "ERR DUMP payload version or checksum are wrong");
        break;
    case DUMP_BAD_FORMAT:
        call_error(c, "ERR Bad data format");
        break;
    case DUMP_NO_MEMORY:
        call_out_of_memory(c);
        break;
    }
    buffer_done(&storage);
}

/* -------------------------------------------------------------------------------- MIGRATE */

typedef struct migration {
    kw_slice host;
    uint16_t port;
    bool copy;
    bool replace;
    kw_slice auth[3];
    size_t auth_count;
    size_t first_key;
    size_t key_count;
    char error[512]; /* the first that a key met; empty: none */
} migration;

static bool read_auth(node_call *c, size_t index, size_t count, migration *m) {
    if (index + count >= c->argc) {
        call_syntax_error(c);
        return false;
    }
    m->auth[0] = SLICE_LITERAL("AUTH");
    for (size_t i = 1; i <= count; i++) {
        m->auth[i] = c->argv[index + i];
    }
    m->auth_count = 1 + count;
    return true;
}

static bool read_migration(node_call *c, migration *m) {
    int64_t timeout_ms;
    int64_t database;
    uint64_t port;
    *m = (migration){.host = c->argv[1], .first_key = 3, .key_count = 1};
    for (size_t i = 6; i < c->argc; i++) {
        if (call_argument_is(c, i, "copy")) {
            m->copy = true;
        } else if (call_argument_is(c, i, "replace")) {
            m->replace = true;
        } else if (call_argument_is(c, i, "auth") || call_argument_is(c, i, "auth2")) {
            size_t count = c->argv[i].len == 5 ? 2 : 1;
            if (!read_auth(c, i, count, m)) {
                return false;
            }
            i += count;
        } else if (call_argument_is(c, i, "keys")) {
            if (c->argv[3].len != 0) {
                call_error(c, "ERR When using MIGRATE KEYS option, the key argument must be set to "
                              "the empty string");
                return false;
            }
            m->first_key = i + 1;
            m->key_count = c->argc - 1 - i;
            break;
        } else {
            call_syntax_error(c);
            return false;
        }
    }
    if (!call_read_integer(c, 5, &timeout_ms) || !call_read_integer(c, 4, &database)) {
        return false;
    }
    m->port = slice_to_u64(c->argv[2], &port) && port <= UINT16_MAX ? (uint16_t)port : 0;
    return true;
}

/* Brings one key over; false if the target cannot be reached. */
static bool migrate_key(node_call *c, migration *m, keyspace_entry *e, buffer *payload,
                        buffer *reply) {
    char ttl[24];
    uint64_t ttl_ms = e->expire_ms ? e->expire_ms - c->now_ms : 0;
    (void)snprintf(ttl, sizeof ttl, "%llu", (unsigned long long)ttl_ms);
    buffer_clear(payload, SIZE_MAX);
    buffer_clear(reply, SIZE_MAX);
    if (!dump_entry(payload, e)) {
        (void)snprintf(m->error, sizeof m->error, "out of memory");
        return true;
    }
    kw_slice argv[] = {SLICE_LITERAL("RESTORE-ASKING"), keyspace_key(e), slice_text(ttl),
                       buffer_slice(payload), SLICE_LITERAL("REPLACE")};
    const node_peers *peers = &c->node->config.peers;
    if (!peers->deliver(peers->arg, m->host, m->port, m->auth, m->auth_count, argv,
                        m->replace ? 5 : 4, c->now_us, reply)) {
        return false;
    }
    kw_slice answer = buffer_slice(reply);
    if (slice_starts_with(answer, "+OK")) {
        if (!m->copy) {
            const kw_slice removal[] = {SLICE_LITERAL("DEL"), keyspace_key(e)};
            call_propagate(c, removal, 2);
            keyspace_remove(c->node->keys, e);
        }
    } else if (m->error[0] == '\0' && answer.len > 3) {
        slice_copy(m->error, sizeof m->error, slice_of(answer.data + 1, answer.len - 3));
    }
    return true;
}

/* Nothing looks names up here: an address leads somewhere, and a name that a node goes by. */
static bool is_resolved(const node_call *c, kw_slice host) {
    const node_view *view = c->node->view;
    bool address = host.len > 0;
    for (size_t i = 0; i < host.len; i++) {
        address = address && memchr("0123456789abcdefABCDEF.:", host.data[i], 23);
    }
    for (uint16_t i = 0; i < view->peer_count; i++) {
        const node_peer *peer = &view->peers[i];
        address = address ||
                  (host.len > 0 && (slice_is(host, peer->host) || slice_is(host, peer->hostname)));
    }
    return address || slice_is(host, "localhost");
}

void serve_migrate(node_call *c) {
    migration m;
    if (!read_migration(c, &m)) {
        return;
    }
    buffer payload;
    buffer reply;
    buffer_init(&payload, c->node->mem, 0);
    buffer_init(&reply, c->node->mem, 0);
    const node_peer *me = node_view_self(c->node->view);
    bool found = false;
    bool reached = true;
    bool to_itself = m.port == me->port && slice_is(m.host, me->host);
    for (size_t i = 0; reached && i < m.key_count; i++) {
        keyspace_entry *e = call_find(c, m.first_key + i);
        if (e) {
            found = true;
            reached = !to_itself && migrate_key(c, &m, e, &payload, &reply);
        }
    }
    buffer_done(&payload);
    buffer_done(&reply);
    if (!found) {
        call_status(c, "NOKEY");
    } else if (!is_resolved(c, m.host)) {
        call_error(c, "IOERR error or timeout connecting to the client");
    } else if (!reached) {
        call_error(c, "IOERR error or timeout writing to target instance");
    } else if (m.error[0]) {
        call_errorf(c, "ERR Target instance replied with error: %s", m.error);
    } else {
        call_ok(c);
    }
}
