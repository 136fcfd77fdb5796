#include "node/node_refuse.h"
#include "node/node_auth.h"

#include <assert.h>
#include <stdio.h>

void node_refuse_place(node_call *c, redirect_verdict verdict, int slot, uint16_t target) {
    static const char *const texts[] = {
        [REDIRECT_MOVED] = "MOVED",
        [REDIRECT_ASK] = "ASK",
        [REDIRECT_TRYAGAIN] = "TRYAGAIN Multiple keys request during rehashing of slot",
        [REDIRECT_CROSSSLOT] = "CROSSSLOT Keys in request don't hash to the same slot",
        [REDIRECT_UNBOUND] = "CLUSTERDOWN Hash slot not served",
        [REDIRECT_DOWN] = "CLUSTERDOWN The cluster is down",
        [REDIRECT_DOWN_READ_ONLY] =
            "CLUSTERDOWN The cluster is down and only accepts read commands",
    };
    assert(verdict != REDIRECT_SERVE);
    if (verdict == REDIRECT_MOVED || verdict == REDIRECT_ASK) {
        call_redirect(c, texts[verdict], slot, target);
    } else {
        call_error(c, texts[verdict]);
    }
}

static void refuse_unknown_subcommand(node_call *c) {
    char name[129];
    char upper[32];
    slice_copy(name, sizeof name, c->argv[1]);
    size_t len = slice_copy(upper, sizeof upper, slice_text(c->container->name));
    for (size_t i = 0; i < len; i++) {
        upper[i] = (char)(upper[i] - ('a' <= upper[i] && upper[i] <= 'z' ? 'a' - 'A' : 0));
    }
    call_errorf(c, "ERR unknown subcommand '%s'. Try %s HELP.", name, upper);
}

static void refuse_unknown(node_call *c) {
    char name[129];
    char list_of_args[260];
    size_t at = 0;
    slice_copy(name, sizeof name, c->argv[0]);
    list_of_args[0] = '\0';
    for (size_t i = 1; i < c->argc && at < 128; i++) {
        char argument[129];
        slice_copy(argument, sizeof argument, c->argv[i]);
        int written = snprintf(list_of_args + at, sizeof list_of_args - at, "'%.*s' ",
                               (int)(128 - at), argument);
        at += written > 0 ? (size_t)written : 0;
    }
    call_errorf(c, "ERR unknown command '%s', with args beginning with: %s", name, list_of_args);
}

static void spoil(node_session *s) {
    s->flags |= s->flags & SESSION_MULTI ? SESSION_DIRTY : 0;
}

/* Not of unknown commands, nor of those that another node serves. */
static void reject(node_call *c, const char *text) {
    assert(c->command); /* else it is unknown, and refused above */
    if (c->command->flags & NODE_EXEC) {
        const char *message = strncmp(text, "ERR ", 4) == 0 ? text + 4 : text;
        node_discard(c->node, c->session);
        call_errorf(c, "EXECABORT Transaction discarded because of: %s", message);
        return;
    }
    spoil(c->session);
    call_error(c, text);
}

static void refuse_elsewhere(node_call *c) {
    int slot;
    redirect_ruling ruling = node_judge_place(c, &slot);
    node_refuse_place(c, ruling.verdict, slot, ruling.target);
    if (c->command->flags & NODE_EXEC) {
        node_discard(c->node, c->session);
    } else {
        spoil(c->session);
    }
}

static void refuse_by_acl(node_call *c) {
    char text[192];
    size_t index;
    acl_verdict verdict = acl_check(c->session->user, c->command, c->argv, c->argc, &index);
    node_auth_deny(c, verdict, index, text);
    reject(c, text);
}

void node_refuse(node_call *c, objection why) {
    char text[192]; /* our own names fit */
    if (why == OBJECTION_UNKNOWN) {
        spoil(c->session);
        if (c->container) {
            refuse_unknown_subcommand(c);
        } else {
            refuse_unknown(c);
        }
        return;
    }
    node_stats_of(&c->node->stats, c->command)->rejected += why != OBJECTION_NONE;
    switch (why) {
    case OBJECTION_NONE:
    case OBJECTION_UNKNOWN:
        return;
    case OBJECTION_ARITY:
        (void)snprintf(text, sizeof text, "ERR wrong number of arguments for '%s' command",
                       c->command->name);
        reject(c, text);
        return;
    case OBJECTION_AUTH:
        reject(c, "NOAUTH Authentication required.");
        return;
    case OBJECTION_IN_MULTI:
        reject(c, "ERR Command not allowed inside a transaction");
        return;
    case OBJECTION_ACL:
        refuse_by_acl(c);
        return;
    case OBJECTION_ELSEWHERE:
        refuse_elsewhere(c);
        return;
    case OBJECTION_FEW_REPLICAS:
        reject(c, "NOREPLICAS Not enough good replicas to write.");
        return;
    case OBJECTION_READ_ONLY:
        reject(c, "READONLY You can't write against a read only replica.");
        return;
    case OBJECTION_SUBSCRIBED:
        (void)snprintf(text, sizeof text,
                       "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / "
                       "QUIT / RESET are allowed in this context",
                       c->command->name);
        reject(c, text);
        return;
    case OBJECTION_MONITORS:
        reject(c, "ERR Replica can't interact with the keyspace");
        return;
    }
}
