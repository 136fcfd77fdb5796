#include "node/node_args.h"
#include "node/node_block.h"
#include "node/node_call.h"
#include "node/node_glob.h"
#include "node/node_handlers.h"
#include "node/node_scan.h"

void serve_del(node_call *c) {
    int64_t removed = 0;
    for (size_t i = 1; i < c->argc; i++) {
        keyspace_entry *e = call_find(c, i);
        if (e) {
            keyspace_remove(c->node->keys, e);
            removed++;
        }
    }
    call_integer(c, removed);
}

void serve_exists(node_call *c) {
    int64_t found = 0;
    for (size_t i = 1; i < c->argc; i++) {
        found += call_look(c, i) != NULL;
    }
    call_integer(c, found);
}

void serve_touch(node_call *c) {
    int64_t found = 0;
    for (size_t i = 1; i < c->argc; i++) {
        found += call_find(c, i) != NULL;
    }
    call_integer(c, found);
}

void serve_type(node_call *c) {
    const keyspace_entry *e = call_look(c, 1);
    call_status(c, !e ? "none" : e->kind ? e->kind->name : "string");
}

static void rename_key(node_call *c, bool only_if_free) {
    keyspace_entry *from = call_find(c, 1);
    if (!from) {
        call_error(c, "ERR no such key");
        return;
    }
    bool same = slice_equal(c->argv[1], c->argv[2]);
    if (only_if_free && (same || call_find(c, 2))) {
        call_integer(c, 0);
        return;
    }
    if (!same && !keyspace_rename(c->node->keys, from, c->argv[2])) {
        call_out_of_memory(c);
        return;
    }
    node_block_added(c->node, call_find(c, 2));
    if (only_if_free) {
        call_integer(c, 1);
    } else {
        call_ok(c);
    }
}

void serve_rename(node_call *c) {
    rename_key(c, false);
}

void serve_renamenx(node_call *c) {
    rename_key(c, true);
}

#define DATABASE_COUNT 16

/* The options of COPY; false: an error was given. */
static bool read_copy_options(node_call *c, bool *ret_replace) {
    int64_t database = 0;
    *ret_replace = false;
    for (size_t i = 3; i < c->argc; i++) {
        if (call_argument_is(c, i, "replace")) {
            *ret_replace = true;
        } else if (call_argument_is(c, i, "db") && i + 1 < c->argc) {
            if (!args_read_in_range(c, ++i, INT32_MIN, INT32_MAX, NULL, &database)) {
                return false;
            }
            if (database < 0 || database >= DATABASE_COUNT) {
                call_error(c, "ERR DB index is out of range");
                return false;
            }
        } else {
            call_syntax_error(c);
            return false;
        }
    }
    if (database != 0) {
        call_error(c, "ERR Copying to another database is not allowed in cluster mode");
        return false;
    }
    return true;
}

void serve_copy(node_call *c) {
    bool replace;
    if (!read_copy_options(c, &replace)) {
        return;
    }
    if (slice_equal(c->argv[1], c->argv[2])) {
        call_error(c, "ERR source and destination objects are the same");
        return;
    }
    const keyspace_entry *from = call_find(c, 1);
    if (!from || (!replace && call_find(c, 2))) {
        call_integer(c, 0);
        return;
    }
    if (keyspace_copy(c->node->keys, from, c->argv[2])) {
        node_block_added(c->node, call_find(c, 2));
        keyspace_make_newest(c->node->keys, call_find(c, 2));
        call_integer(c, 1);
    } else {
        call_out_of_memory(c);
    }
}

/* -------------------------------------------------------------------------------- expiry */

enum { EXPIRE_NX = 1u << 0, EXPIRE_XX = 1u << 1, EXPIRE_GT = 1u << 2, EXPIRE_LT = 1u << 3 };

static bool read_expire_options(node_call *c, unsigned *ret_flags) {
    static const char *const words[] = {"nx", "xx", "gt", "lt"};
    unsigned flags = 0;
    for (size_t i = 3; i < c->argc; i++) {
        unsigned flag = 0;
        for (unsigned w = 0; w < 4; w++) {
            flag |= call_argument_is(c, i, words[w]) ? 1u << w : 0;
        }
        if (!flag) {
            call_errorf(c, "ERR Unsupported option %.*s", call_shown(c, i), c->argv[i].data);
            return false;
        }
        flags |= flag;
    }
    if ((flags & EXPIRE_NX) && (flags & ~(unsigned)EXPIRE_NX)) {
        call_error(c, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if ((flags & EXPIRE_GT) && (flags & EXPIRE_LT)) {
        call_error(c, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    *ret_flags = flags;
    return true;
}

static bool expire_refused(unsigned flags, uint64_t current_ms, int64_t when_ms) {
    bool has = current_ms != 0;
    int64_t current = (int64_t)current_ms;
    return ((flags & EXPIRE_NX) && has) || ((flags & EXPIRE_XX) && !has) ||
           ((flags & EXPIRE_GT) && (!has || when_ms <= current)) ||
           ((flags & EXPIRE_LT) && has && when_ms >= current);
}

static void expire(node_call *c, int64_t unit_ms, bool relative) {
    unsigned flags;
    int64_t when;
    if (!read_expire_options(c, &flags) || !call_read_integer(c, 2, &when)) {
        return;
    }
    int64_t base = relative ? (int64_t)c->now_ms : 0;
    if (when > INT64_MAX / unit_ms || when < INT64_MIN / unit_ms ||
        when * unit_ms > INT64_MAX - base) {
        call_errorf(c, "ERR invalid expire time in '%s' command", c->command->name);
        return;
    }
    when = when * unit_ms + base;
    keyspace_entry *e = call_find(c, 1);
    if (!e || expire_refused(flags, e->expire_ms, when)) {
        call_integer(c, 0);
        return;
    }
    if (when <= (int64_t)c->now_ms) {
        keyspace_remove(c->node->keys, e);
    } else {
        keyspace_set_expiry(c->node->keys, e, (uint64_t)when);
    }
    call_integer(c, 1);
}

void serve_expire(node_call *c) {
    expire(c, 1000, true);
}

void serve_pexpire(node_call *c) {
    expire(c, 1, true);
}

void serve_expireat(node_call *c) {
    expire(c, 1000, false);
}

void serve_pexpireat(node_call *c) {
    expire(c, 1, false);
}

static void answer_expiry(node_call *c, uint64_t base_ms, bool seconds) {
    const keyspace_entry *e = call_look(c, 1);
    if (!e || e->expire_ms == 0) {
        call_integer(c, e ? -1 : -2);
        return;
    }
    uint64_t left = e->expire_ms - base_ms;
    call_integer(c, (int64_t)(seconds ? (left + 500) / 1000 : left));
}

void serve_ttl(node_call *c) {
    answer_expiry(c, c->now_ms, true);
}

void serve_pttl(node_call *c) {
    answer_expiry(c, c->now_ms, false);
}

void serve_expiretime(node_call *c) {
    answer_expiry(c, 0, true);
}

void serve_pexpiretime(node_call *c) {
    answer_expiry(c, 0, false);
}

void serve_persist(node_call *c) {
    keyspace_entry *e = call_find(c, 1);
    bool had = e && e->expire_ms != 0;
    if (had) {
        keyspace_set_expiry(c->node->keys, e, 0);
    }
    call_integer(c, had);
}

/* ------------------------------------------------------------------------------ all keys */

void serve_dbsize(node_call *c) {
    call_integer(c, (int64_t)keyspace_count(c->node->keys));
}

void serve_randomkey(node_call *c) {
    const keyspace_entry *e = keyspace_random(c->node->keys, &c->node->random);
    if (e) {
        call_bulk(c, keyspace_key(e));
    } else {
        call_null(c);
    }
}

void serve_flush(node_call *c) {
    bool known =
        c->argc == 1 ||
        (c->argc == 2 && (call_argument_is(c, 1, "sync") || call_argument_is(c, 1, "async")));
    if (!known) {
        call_syntax_error(c);
        return;
    }
    keyspace_clear(c->node->keys);
    call_ok(c);
}

static bool shows(const keyspace_entry *e, kw_slice pattern, uint64_t now_ms) {
    return (e->expire_ms == 0 || e->expire_ms > now_ms) &&
           (slice_is(pattern, "*") || glob_match(pattern, keyspace_key(e)));
}

void serve_keys(node_call *c) {
    const keyspace *ks = c->node->keys;
    size_t count = 0;
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1) {
            call_array(c, count);
        }
        for (int slot = 0; slot < SLOT_COUNT; slot++) {
            for (keyspace_entry *e = keyspace_first(ks, slot); e; e = keyspace_next(ks, slot, e)) {
                if (!shows(e, c->argv[1], c->now_ms)) {
                    continue;
                }
                if (pass == 0) {
                    count++;
                } else {
                    call_bulk(c, keyspace_key(e));
                }
            }
        }
    }
}

static bool scan_shows(const keyspace_entry *e, const scan_options *options, uint64_t now_ms) {
    const char *type = e->kind ? e->kind->name : "string";
    return (options->type.len == 0 || slice_is_nocase(options->type, type)) &&
           shows(e, options->pattern, now_ms);
}

/* The cursor is the slot to go on with: a slot is always given whole, so that a key that stays is
 * given exactly once. */
void serve_scan(node_call *c) {
    uint64_t cursor;
    scan_options options;
    if (!scan_read_cursor(c, 1, &cursor) || !scan_read_options(c, 2, true, &options)) {
        return;
    }
    const keyspace *ks = c->node->keys;
    int first = cursor < SLOT_COUNT ? (int)cursor : SLOT_COUNT;
    int last = first;
    size_t seen = 0;
    size_t shown = 0;
    for (; last < SLOT_COUNT && seen < options.count; last++) {
        for (keyspace_entry *e = keyspace_first(ks, last); e; e = keyspace_next(ks, last, e)) {
            shown += scan_shows(e, &options, c->now_ms);
            seen++;
        }
    }
    while (last < SLOT_COUNT && keyspace_slot_count(ks, last) == 0) {
        last++;
    }
    scan_answer_head(c, (uint64_t)last % SLOT_COUNT, shown);
    for (int slot = first; slot < last && shown > 0; slot++) {
        for (keyspace_entry *e = keyspace_first(ks, slot); e; e = keyspace_next(ks, slot, e)) {
            if (scan_shows(e, &options, c->now_ms)) {
                call_bulk(c, keyspace_key(e));
            }
        }
    }
}
