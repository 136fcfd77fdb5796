#include "node/node_call.h"
#include "node/node_handlers.h"
#include "node/node_number.h"

/* A server has one object for each small integer, which all keys share. */
#define SHARED_INTEGERS 10000
#define SHARED_REFERENCES INT32_MAX

/* The key's entry; NULL: null was answered. */
static const keyspace_entry *look_or_null(node_call *c) {
    const keyspace_entry *e = call_look(c, 2);
    if (!e) {
        call_null(c);
    }
    return e;
}

void serve_object_encoding(node_call *c) {
    const keyspace_entry *e = look_or_null(c);
    if (e) {
        call_text(c, keyspace_encoding(e));
    }
}

void serve_object_refcount(node_call *c) {
    const keyspace_entry *e = look_or_null(c);
    if (!e) {
        return;
    }
    int64_t value;
    bool shared = !e->kind && !e->encoding && number_read_integer(keyspace_value(e), &value) &&
                  value >= 0 && value < SHARED_INTEGERS;
    call_integer(c, shared ? SHARED_REFERENCES : 1);
}

void serve_object_idletime(node_call *c) {
    const keyspace_entry *e = look_or_null(c);
    if (e) {
        call_integer(c, e->used_ms < c->now_ms ? (int64_t)((c->now_ms - e->used_ms) / 1000) : 0);
    }
}

void serve_object_freq(node_call *c) {
    if (look_or_null(c)) {
        call_error(c, "ERR An LFU maxmemory policy is not selected, access frequency not tracked. "
                      "Please note that when switching between policies at runtime LRU and LFU "
                      "data will take some time to adjust.");
    }
}
