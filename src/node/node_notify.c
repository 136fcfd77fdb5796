#include "node/node_notify.h"

#include "node/node_call.h"

#include <assert.h>

/* How a command's event is called, if not as itself. */
typedef struct event_row {
    const char *command;
    const char *event;
    bool generic; /* class g, not its value's */
    bool takes;   /* it takes elements away: a key that is emptied thus is then deleted */
} event_row;

static const event_row event_rows[] = {
    {"blpop", "lpop", false, true},
    {"brpop", "rpop", false, true},
    {"bzpopmax", "zpopmax", false, true},
    {"bzpopmin", "zpopmin", false, true},
    {"copy", "copy_to", true, false},
    {"decr", "incrby", false, false},
    {"decrby", "incrby", false, false},
    {"expire", "expire", true, false},
    {"expireat", "expire", true, false},
    {"getset", "set", false, false},
    {"hdel", "hdel", false, true},
    {"hmset", "hset", false, false},
    {"hsetnx", "hset", false, false},
    {"incr", "incrby", false, false},
    {"lpop", "lpop", false, true},
    {"lpushx", "lpush", false, false},
    {"lrem", "lrem", false, true},
    {"ltrim", "ltrim", false, true},
    {"mset", "set", false, false},
    {"msetnx", "set", false, false},
    {"persist", "persist", true, false},
    {"pexpire", "expire", true, false},
    {"pexpireat", "expire", true, false},
    {"psetex", "set", false, false},
    {"restore", "restore", true, false},
    {"restore-asking", "restore", true, false},
    {"rpop", "rpop", false, true},
    {"rpushx", "rpush", false, false},
    {"setex", "set", false, false},
    {"setnx", "set", false, false},
    {"sort", "sortstore", false, false},
    {"spop", "spop", false, true},
    {"srem", "srem", false, true},
    {"zincrby", "zincr", false, false},
    {"zpopmax", "zpopmax", false, true},
    {"zpopmin", "zpopmin", false, true},
    {"zrem", "zrem", false, true},
    {"zremrangebylex", "zremrangebylex", false, true},
    {"zremrangebyrank", "zremrangebyrank", false, true},
    {"zremrangebyscore", "zremrangebyscore", false, true},
};

static bool is_on(const node *n) {
    return node_settings_text(&n->settings, SETTING_NOTIFY_KEYSPACE_EVENTS)[0] != '\0';
}

/* ------------------------------------------------------------------------------- gathering */

void node_notify_done(node *n) {
    node_notify *notify = &n->notify;
    for (size_t i = 0; i < notify->count; i++) {
        mem_free(n->mem, notify->changes[i].key);
    }
    mem_free(n->mem, notify->changes);
    notify->changes = NULL;
    notify->count = 0;
    notify->capacity = 0;
}

static char kind_of(const keyspace_entry *e) {
    /* "list", "set", "hash", "zset": their first letters are the classes */
    return e->kind ? e->kind->name[0] : '$';
}

/* A place for one more change; NULL: memory is short, or there are too many. */
static notify_change *add_change(node *n, kw_slice key) {
    node_notify *notify = &n->notify;
    if (notify->count == notify->capacity) {
        size_t capacity = notify->capacity ? 2 * notify->capacity : 4;
        notify_change *changes =
            notify->count < NOTIFY_CHANGES_MAX
                ? mem_resize(n->mem, notify->changes, capacity, sizeof *changes)
                : NULL;
        if (!changes) {
            return NULL;
        }
        notify->changes = changes;
        notify->capacity = capacity;
    }
    char *copy = mem_strndup(n->mem, key.data, key.len);
    if (!copy) {
        return NULL;
    }
    assert(notify->changes);
    notify_change *change = &notify->changes[notify->count++];
    *change = (notify_change){.key = copy, .key_len = key.len};
    return change;
}

static kw_slice key_of(const notify_change *change) {
    return slice_of(change->key, change->key_len);
}

/* ---------------------------------------------------------------------------------- telling */

static void publish(node *n, const char *prefix, kw_slice name, kw_slice message) {
    buffer channel;
    buffer_init(&channel, n->mem, 0);
    if (buffer_append_text(&channel, prefix) && buffer_append_slice(&channel, name)) {
        (void)node_publish(n, CHANNEL_PLAIN, buffer_slice(&channel), message); /* how many: n/a */
    }
    buffer_done(&channel);
}

static void tell(node *n, char class_letter, const char *event, kw_slice key) {
    const node_settings *s = &n->settings;
    kw_slice name = slice_text(event);
    if (!node_settings_notifies(s, class_letter)) {
        return;
    }
    if (node_settings_notifies(s, 'K')) {
        publish(n, "__keyspace@0__:", key, name);
    }
    if (node_settings_notifies(s, 'E')) {
        publish(n, "__keyevent@0__:", name, key);
    }
}

static const notify_change *find_change(const node_notify *notify, kw_slice key) {
    for (size_t i = 0; i < notify->count; i++) {
        if (slice_equal(key_of(&notify->changes[i]), key)) {
            return &notify->changes[i];
        }
    }
    return NULL;
}

static bool has(const notify_change *change, keyspace_change what) {
    return change && (change->changes & 1u << what);
}

static void tell_if_new(node *n, const notify_change *change) {
    if (has(change, KEY_ADDED)) {
        tell(n, 'n', "new", key_of(change));
    }
}

static void tell_if_deleted(node *n, const notify_change *change) {
    if (has(change, KEY_REMOVED)) {
        tell(n, 'g', "del", key_of(change));
    }
}

/* RENAME and its like: the new name was free, or made so. */
static void tell_rename(node *n, const node_call *c) {
    if (n->notify.count > 0) {
        tell(n, 'n', "new", c->argv[2]);
        tell(n, 'g', "rename_from", c->argv[1]);
        tell(n, 'g', "rename_to", c->argv[2]);
    }
}

/* LMOVE and its like: what is added goes first. */
static void tell_list_move(node *n, const node_call *c) {
    bool by_word = c->command->name[0] == 'l' || slice_is(slice_text(c->command->name), "blmove");
    bool pops_left = by_word && call_argument_is(c, 3, "left");
    bool pushes_left = !by_word || call_argument_is(c, 4, "left");
    const notify_change *from = find_change(&n->notify, c->argv[1]);
    if (from) {
        tell_if_new(n, slice_equal(c->argv[1], c->argv[2]) ? NULL
                                                           : find_change(&n->notify, c->argv[2]));
        tell(n, 'l', pushes_left ? "lpush" : "rpush", c->argv[2]);
        tell(n, 'l', pops_left ? "lpop" : "rpop", c->argv[1]);
        tell_if_deleted(n, from);
    }
}

static void tell_set_move(node *n, const node_call *c) {
    const notify_change *from = find_change(&n->notify, c->argv[1]);
    const notify_change *to = find_change(&n->notify, c->argv[2]);
    if (from) {
        tell(n, 's', "srem", c->argv[1]);
        tell_if_deleted(n, from);
    }
    if (to) {
        tell_if_new(n, to);
        tell(n, 's', "sadd", c->argv[2]);
    }
}

typedef struct special_row {
    const char *command;
    void (*tell)(node *n, const node_call *c);
} special_row;

static const special_row special_rows[] = {
    {"blmove", tell_list_move}, {"brpoplpush", tell_list_move}, {"lmove", tell_list_move},
    {"rename", tell_rename},    {"renamenx", tell_rename},      {"rpoplpush", tell_list_move},
    {"smove", tell_set_move},
};

/* What depends on the command's words; `row` is what its name says. */
static event_row refine(const node_call *c, const notify_change *change, event_row row) {
    kw_slice name = slice_text(c->command->name);
    node_key_range keys;
    if (slice_is(name, "getex")) {
        return (event_row){row.command, change->expires ? "expire" : "persist", true, false};
    }
    if (slice_is(name, "zadd")) {
        for (size_t i = 2; i < c->argc && i < 8; i++) {
            row.event = call_argument_is(c, i, "incr") ? "zincr" : row.event;
        }
    }
    if ((slice_is(name, "lmpop") || slice_is(name, "blmpop") || slice_is(name, "zmpop") ||
         slice_is(name, "bzmpop")) &&
        node_command_keys(c->command, c->argv, c->argc, &keys)) {
        bool first =
            call_argument_is(c, keys.last + 1, "left") || call_argument_is(c, keys.last + 1, "min");
        bool is_list = change->kind == 'l';
        row.event = is_list ? (first ? "lpop" : "rpop") : (first ? "zpopmin" : "zpopmax");
        row.takes = true;
    }
    return row;
}

static event_row find_row(const node_call *c, const notify_change *change) {
    event_row row = {c->command->name, c->command->name, false, false};
    for (size_t i = 0; i < sizeof event_rows / sizeof *event_rows; i++) {
        if (strcmp(event_rows[i].command, c->command->name) == 0) {
            row = event_rows[i];
        }
    }
    return refine(c, change, row);
}

/* Commands that set a string with the time of its end tell of both. */
static bool sets_expiry(const node_call *c) {
    kw_slice name = slice_text(c->command->name);
    bool keeps = false;
    for (size_t i = 3; i < c->argc; i++) {
        keeps = keeps || call_argument_is(c, i, "keepttl");
    }
    return slice_is(name, "setex") || slice_is(name, "psetex") || (slice_is(name, "set") && !keeps);
}

static void tell_change(node *n, const node_call *c, const notify_change *change) {
    kw_slice key = key_of(change);
    if (has(change, KEY_EXPIRED)) {
        tell(n, 'x', "expired", key);
    }
    bool stays = has(change, KEY_ADDED) || has(change, KEY_CHANGED);
    bool goes = has(change, KEY_REMOVED);
    if (!stays && !goes) {
        return;
    }
    event_row row = find_row(c, change);
    bool made_anew = strncmp(row.event, "restore", 7) == 0 || strcmp(row.event, "copy_to") == 0;
    if (stays && made_anew) {
        tell(n, 'n', "new", key);
    } else {
        tell_if_new(n, change);
    }
    if (!goes || row.takes) {
        tell(n, row.generic ? 'g' : change->kind, row.event, key);
    }
    if (!goes && change->expires && sets_expiry(c)) {
        tell(n, 'g', "expire", key);
    }
    tell_if_deleted(n, change);
}

static void tell_all(node *n, const node_call *c) {
    for (size_t i = 0; i < sizeof special_rows / sizeof *special_rows; i++) {
        if (strcmp(special_rows[i].command, c->command->name) == 0) {
            special_rows[i].tell(n, c);
            return;
        }
    }
    for (size_t i = 0; i < n->notify.count; i++) {
        tell_change(n, c, &n->notify.changes[i]);
    }
}

void node_notify_changed(node *n, const keyspace_entry *e, keyspace_change change) {
    node_notify *notify = &n->notify;
    if (!e || !is_on(n)) {
        return;
    }
    kw_slice key = keyspace_key(e);
    if (!notify->call) {
        if (change == KEY_EXPIRED || change == KEY_REMOVED) {
            bool expired = change == KEY_EXPIRED;
            tell(n, expired ? 'x' : 'g', expired ? "expired" : "del", key);
        }
        return;
    }
    notify_change *last = notify->count > 0 ? &notify->changes[notify->count - 1] : NULL;
    if (!last || !slice_equal(key_of(last), key)) {
        last = add_change(n, key);
    }
    if (last) {
        last->changes |= 1u << change;
        last->kind = kind_of(e);
        last->expires = e->expire_ms != 0;
    }
}

const node_call *node_notify_begin(node *n, const node_call *c) {
    const node_call *outer = n->notify.call;
    n->notify.call = c;
    return outer;
}

void node_notify_end(node *n, const node_call *outer) {
    if (n->notify.changes) {
        tell_all(n, n->notify.call);
        node_notify_done(n);
    }
    n->notify.call = outer;
}
