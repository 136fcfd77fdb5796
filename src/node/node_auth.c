#include "node/node_auth.h"

#include <stdio.h>

static kw_status set_user(node *n, const char *name, const kw_slice *rules, size_t count) {
    acl_refusal refusal;
    return acl_set_user(n->acl, slice_text(name), rules, count, &refusal);
}

kw_status node_auth_require(node *n, const char *password) {
    char rule[1026];
    kw_slice rules[] = {SLICE_LITERAL("resetpass"), SLICE_LITERAL("nopass")};
    if (password[0]) {
        (void)snprintf(rule, sizeof rule, ">%s", password); /* cut short as the servers do */
        rules[1] = slice_text(rule);
    }
    return set_user(n, "default", rules, 2);
}

/* A user who may do all. */
static kw_status add_user(node *n, const char *name, const char *password) {
    char rule[1026];
    (void)snprintf(rule, sizeof rule, ">%s", password); /* cut short as above */
    const kw_slice rules[] = {SLICE_LITERAL("on"), slice_text(rule), SLICE_LITERAL("~*"),
                              SLICE_LITERAL("&*"), SLICE_LITERAL("+@all")};
    const kw_slice nobody[] = {SLICE_LITERAL("off"), SLICE_LITERAL("resetpass")};
    kw_status status = set_user(n, name, rules, 5);
    return status == KW_OK ? set_user(n, "default", nobody, 2) : status;
}

kw_status node_auth_init(node *n) {
    const node_config *config = &n->config;
    n->acl = acl_new(n->mem);
    if (!n->acl) {
        return KW_ERR_NOMEM;
    }
    if (!config->password) {
        return KW_OK;
    }
    if (config->user && strcmp(config->user, "default") != 0) {
        return add_user(n, config->user, config->password);
    }
    if (!node_settings_put_text(&n->settings, SETTING_REQUIREPASS, config->password)) {
        return KW_ERR_NOMEM;
    }
    return node_auth_require(n, config->password);
}

void node_auth_done(node *n) {
    acl_log_clear(&n->acl_log);
    acl_free(n->acl);
}

void node_auth_begin(const node *n, node_session *s) {
    s->user = acl_find(n->acl, SLICE_LITERAL("default"));
    bool in = acl_is_on(s->user) && acl_needs_no_password(s->user);
    s->flags &= ~(unsigned)SESSION_AUTHENTICATED;
    s->flags |= in ? SESSION_AUTHENTICATED : 0;
}

void node_auth_end_sessions(node *n, const acl_user *u) {
    LIST_FOR_EACH(at, after, &n->sessions) {
        node_session *s = LIST_ENTRY(at, node_session, in_node);
        if (s->user == u) {
            node_auth_begin(n, s);
            s->flags |= SESSION_CLOSING;
            node_wake(n, s);
        }
    }
}

static void note(node_call *c, acl_verdict reason, kw_slice object, kw_slice user) {
    node *n = c->node;
    buffer client;
    acl_log_entry entry = {
        .at_us = c->now_us,
        .reason = reason,
        .in_multi = (c->session->flags & SESSION_MULTI) != 0,
    };
    slice_copy(entry.object, sizeof entry.object, object);
    slice_copy(entry.user, sizeof entry.user, user);
    buffer_init(&client, n->mem, 0);
    if (call_describe_client(c, c->session, &client)) {
        kw_slice text = buffer_slice(&client);
        text.len -= text.len > 0; /* without its line end */
        slice_copy(entry.client, sizeof entry.client, text);
    }
    buffer_done(&client);
    int64_t capacity = node_settings_number(&n->settings, SETTING_ACLLOG_MAX_LEN);
    acl_log_add(&n->acl_log, &entry, capacity < 0 ? 0 : (size_t)capacity);
}

bool node_auth_login(node_call *c, kw_slice name, kw_slice password) {
    acl_user *u = acl_find(c->node->acl, name);
    if (!u || !acl_authenticate(u, password)) {
        note(c, ACL_DENIED_AUTH, c->argv[0], name);
        return false;
    }
    c->session->user = u;
    c->session->flags |= SESSION_AUTHENTICATED;
    return true;
}

void node_auth_deny(node_call *c, acl_verdict verdict, size_t index, char ret_text[192]) {
    const char *name = c->command->name;
    kw_slice object = verdict == ACL_DENIED_COMMAND ? slice_text(name) : c->argv[index];
    note(c, verdict, object, slice_text(acl_name(c->session->user)));
    switch (verdict) {
    case ACL_DENIED_COMMAND:
        (void)snprintf(ret_text, 192, "NOPERM this user has no permissions to run the '%s' command",
                       name); /* our own names fit */
        break;
    case ACL_DENIED_KEY:
        (void)snprintf(ret_text, 192,
                       "NOPERM this user has no permissions to access one of the "
                       "keys used as arguments");
        break;
    default:
        (void)snprintf(ret_text, 192,
                       "NOPERM this user has no permissions to access one of the "
                       "channels used as arguments");
        break;
    }
}

bool node_auth_still_allows(node_call *c) {
    static const char *const reasons[] = {
        [ACL_ALLOWED] = "",
        [ACL_DENIED_COMMAND] = "no permission to execute the command or subcommand",
        [ACL_DENIED_KEY] = "no permission to touch the specified keys",
        [ACL_DENIED_AUTH] = "no permission",
        [ACL_DENIED_CHANNEL] =
            "no permission to access one of the channels used as arguments to the command",
    };
    size_t index;
    acl_verdict verdict = acl_check(c->session->user, c->command, c->argv, c->argc, &index);
    if (verdict == ACL_ALLOWED) {
        return true;
    }
    bool by_command = verdict == ACL_DENIED_COMMAND;
    note(c, verdict, by_command ? slice_text(c->command->name) : c->argv[index],
         slice_text(acl_name(c->session->user)));
    call_errorf(c,
                "NOPERM ACLs rules changed between the moment the transaction was accumulated and "
                "the EXEC call. This command is no longer allowed for the following reason: %s",
                reasons[verdict]);
    return false;
}
