#include "integration/support/diff_rows.h"

#include "node/node_redirect.h"

#include <stdatomic.h>
#include <stdio.h>

typedef const redirect_facts facts;
typedef const redirect_ruling ruling;

static bool on_primary(facts *f) {
    return f->self == f->shard;
}

static bool exec_alone(facts *f, ruling *r) {
    (void)f;
    return r->step == STEP_LONE_EXEC;
}

static bool exec_of_queue(facts *f, ruling *r) {
    (void)r;
    return f->exec && !f->lone_exec && f->has_keys;
}

static bool no_keys(facts *f, ruling *r) {
    (void)f;
    return r->step == STEP_NO_KEYS;
}

static bool unbound(facts *f, ruling *r) {
    (void)f;
    return r->step == STEP_UNBOUND;
}

static bool migrating(facts *f, ruling *r) {
    (void)r;
    return on_primary(f) && f->owner == f->shard && f->migrating_to != NODE_NOBODY;
}

static bool importing(facts *f, ruling *r) {
    (void)r;
    return on_primary(f) && f->owner != f->shard && f->importing_from != NODE_NOBODY;
}

static bool open_and_readonly(facts *f, ruling *r) {
    (void)r;
    return !on_primary(f) && f->readonly && f->has_keys;
}

static bool crossslot(facts *f, ruling *r) {
    (void)f;
    return r->step == STEP_CROSSSLOT;
}

static bool crossslot_while_down(facts *f, ruling *r) {
    return r->step == STEP_CROSSSLOT && !f->up;
}

static bool counted(facts *f, ruling *r) {
    (void)r;
    return f->missing_count + f->existing_count > 0;
}

static bool down(facts *f, ruling *r) {
    return r->step == STEP_DOWN && !f->shard_channel;
}

static bool down_before_moved(facts *f, ruling *r) {
    return r->step == STEP_DOWN && f->owner != f->shard;
}

static bool down_write(facts *f, ruling *r) {
    (void)f;
    return r->step == STEP_DOWN_WRITE;
}

static bool down_read(facts *f, ruling *r) {
    return !f->up && f->reads_when_down && !f->writes && !f->shard_channel && f->has_keys &&
           r->verdict == REDIRECT_SERVE;
}

static bool down_channel(facts *f, ruling *r) {
    return !f->up && f->shard_channel && f->has_keys && r->verdict == REDIRECT_SERVE;
}

static bool down_channel_refused(facts *f, ruling *r) {
    return r->step == STEP_DOWN && f->shard_channel;
}

static bool migrate(facts *f, ruling *r) {
    (void)f;
    return r->step == STEP_MIGRATE;
}

static bool migrating_part(facts *f, ruling *r) {
    (void)f;
    return r->step == STEP_MIGRATING_PART;
}

static bool migrating_gone(facts *f, ruling *r) {
    return r->step == STEP_MIGRATING_GONE && !f->several_keys;
}

static bool migrating_gone_all(facts *f, ruling *r) {
    return r->step == STEP_MIGRATING_GONE && f->several_keys;
}

static bool importing_part(facts *f, ruling *r) {
    (void)f;
    return r->step == STEP_IMPORTING_PART;
}

static bool importing_asked(facts *f, ruling *r) {
    return r->step == STEP_IMPORTING && f->asking;
}

static bool importing_restore(facts *f, ruling *r) {
    return r->step == STEP_IMPORTING && f->brings_asking && !f->asking;
}

static bool importing_same_key(facts *f, ruling *r) {
    return r->step == STEP_IMPORTING && !f->several_keys && f->missing_count > 1;
}

static bool replica_read(facts *f, ruling *r) {
    return r->step == STEP_REPLICA && !f->shard_channel;
}

static bool replica_channel(facts *f, ruling *r) {
    return r->step == STEP_REPLICA && f->shard_channel;
}

static bool replica_write(facts *f, ruling *r) {
    return r->step == STEP_FOREIGN && !on_primary(f) && f->readonly && f->writes &&
           f->owner == f->shard;
}

static bool foreign(facts *f, ruling *r) {
    (void)f;
    return r->step == STEP_FOREIGN;
}

static bool own(facts *f, ruling *r) {
    (void)f;
    return r->step == STEP_OWN;
}

typedef struct row {
    const char *text;
    bool (*met)(facts *f, ruling *r);
} row;

/* In the order of the rules: the number before the text is that of the step in docs. */
static const row rows[] = {
    {" 1 EXEC without MULTI: served here", exec_alone},
    {" 1 EXEC: judged by what is queued", exec_of_queue},
    {" 2 no keys: served", no_keys},
    {" 3 the slot has no owner: CLUSTERDOWN", unbound},
    {" 4 own slot marked migrating", migrating},
    {" 4 foreign slot marked importing", importing},
    {" 4 a replica, with READONLY", open_and_readonly},
    {" 5 keys of two slots: CROSSSLOT", crossslot},
    {" 5 ... before the cluster being down", crossslot_while_down},
    {" 6 open slot: keys counted", counted},
    {" 7 down: CLUSTERDOWN", down},
    {" 7 down: before MOVED", down_before_moved},
    {" 7 down, reads allowed: a write refused", down_write},
    {" 7 down, reads allowed: a read served", down_read},
    {" 7 down: shard channel served", down_channel},
    {" 7 down: shard channel refused, as set", down_channel_refused},
    {" 8 MIGRATE in an open slot: served", migrate},
    {" 9 migrating, some keys gone: TRYAGAIN", migrating_part},
    {" 9 migrating, the key gone: ASK", migrating_gone},
    {" 9 migrating, all of several keys gone: ASK", migrating_gone_all},
    {"10 importing, asked, some keys missing: TRYAGAIN", importing_part},
    {"10 importing, asked: served", importing_asked},
    {"10 importing, RESTORE-ASKING: served", importing_restore},
    {"10 importing, asked, one key twice, missing: served", importing_same_key},
    {"11 replica, READONLY: a read served", replica_read},
    {"11 replica: shard channel served", replica_channel},
    {"11 replica, READONLY: a write gets MOVED", replica_write},
    {"12 another's slot: MOVED", foreign},
    {"12 own slot: served", own},
};

enum { ROW_COUNT = sizeof rows / sizeof *rows };

static atomic_size_t hits[ROW_COUNT]; /* counted in the lab's thread */

/* The names that the linker gives them. */
redirect_ruling __real_node_redirect_decide(const redirect_facts *f);
redirect_ruling __wrap_node_redirect_decide(const redirect_facts *f);

redirect_ruling __wrap_node_redirect_decide(const redirect_facts *f) {
    redirect_ruling r = __real_node_redirect_decide(f);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].met(f, &r)) {
            atomic_fetch_add(&hits[i], 1);
        }
    }
    return r;
}

size_t diff_rows_report(void) {
    size_t never = 0;
    printf("rules of redirection, and how often each was met:\n");
    for (size_t i = 0; i < ROW_COUNT; i++) {
        size_t count = atomic_load(&hits[i]);
        printf("  %7zu  %s\n", count, rows[i].text);
        never += count == 0;
    }
    return never;
}
