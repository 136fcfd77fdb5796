#include "node/node_auth.h"
#include "node/node_call.h"
#include "node/node_handlers.h"
#include "node/node_number.h"

#include <stdio.h>

static void answer_shown(node_call *c, const acl_user *u, size_t selector,
                         bool (*show)(const acl_user *, size_t, buffer *)) {
    buffer text;
    buffer_init(&text, c->node->mem, 0);
    if (!show(u, selector, &text)) {
        c->session->flags |= SESSION_FAILED;
    }
    call_bulk(c, buffer_slice(&text));
    buffer_done(&text);
}

/* ----------------------------------------------------------------------------- asking */

void serve_acl_whoami(node_call *c) {
    call_text(c, acl_name(c->session->user));
}

void serve_acl_users(node_call *c) {
    const acl *a = c->node->acl;
    call_array(c, acl_user_count(a));
    for (size_t i = 0; i < acl_user_count(a); i++) {
        call_text(c, acl_name(acl_user_at(a, i)));
    }
}

void serve_acl_list(node_call *c) {
    const acl *a = c->node->acl;
    buffer text;
    buffer_init(&text, c->node->mem, 0);
    call_array(c, acl_user_count(a));
    for (size_t i = 0; i < acl_user_count(a); i++) {
        buffer_clear(&text, SIZE_MAX);
        if (!acl_show_user(acl_user_at(a, i), &text)) {
            c->session->flags |= SESSION_FAILED;
        }
        call_bulk(c, buffer_slice(&text));
    }
    buffer_done(&text);
}

static void answer_selector(node_call *c, const acl_user *u, size_t selector) {
    call_text(c, "commands");
    answer_shown(c, u, selector, acl_show_commands);
    call_text(c, "keys");
    answer_shown(c, u, selector, acl_show_keys);
    call_text(c, "channels");
    answer_shown(c, u, selector, acl_show_channels);
}

void serve_acl_getuser(node_call *c) {
    const acl_user *u = acl_find(c->node->acl, c->argv[2]);
    if (!u) {
        call_null(c);
        return;
    }
    const char *flags[4];
    size_t count = acl_flags(u, flags);
    call_map(c, 6);
    call_text(c, "flags");
    call_set(c, count);
    for (size_t i = 0; i < count; i++) {
        call_text(c, flags[i]);
    }
    call_text(c, "passwords");
    call_array(c, acl_password_count(u));
    for (size_t i = 0; i < acl_password_count(u); i++) {
        call_text(c, acl_password(u, i));
    }
    answer_selector(c, u, 0);
    call_text(c, "selectors");
    call_array(c, acl_selector_count(u) - 1);
    for (size_t i = 1; i < acl_selector_count(u); i++) {
        call_map(c, 3);
        answer_selector(c, u, i);
    }
}

void serve_acl_cat(node_call *c) {
    if (c->argc > 3) {
        call_subcommand_error(c, "ACL");
        return;
    }
    if (c->argc == 2) {
        call_array(c, acl_category_count());
        for (size_t i = 0; i < acl_category_count(); i++) {
            call_text(c, acl_category(i));
        }
        return;
    }
    size_t category = acl_find_category(c->argv[2]);
    if (category == acl_category_count()) {
        call_errorf(c, "ERR Unknown category '%.*s'", call_shown(c, 2), c->argv[2].data);
        return;
    }
    size_t count = 0;
    for (size_t i = 0; i < acl_command_count(); i++) {
        count += acl_in_category(slice_text(acl_command(i)), category);
    }
    call_array(c, count);
    for (size_t i = 0; i < acl_command_count(); i++) {
        if (acl_in_category(slice_text(acl_command(i)), category)) {
            call_text(c, acl_command(i));
        }
    }
}

/* --------------------------------------------------------------------------- changing */

static bool has_space(kw_slice name) {
    for (size_t i = 0; i < name.len; i++) {
        char byte = name.data[i];
        if (byte == '\0' || byte == ' ' || (byte >= '\t' && byte <= '\r')) {
            return true;
        }
    }
    return false;
}

void serve_acl_setuser(node_call *c) {
    acl_refusal refusal = {.reason = NULL};
    if (has_space(c->argv[2])) {
        call_error(c, "ERR Usernames can't contain spaces or null characters");
        return;
    }
    kw_status status = acl_set_user(c->node->acl, c->argv[2], c->argv + 3, c->argc - 3, &refusal);
    if (status == KW_OK) {
        call_ok(c);
    } else if (status != KW_ERR_INVALID) {
        call_out_of_memory(c);
    } else if (refusal.reason) {
        call_errorf(c, "ERR Error in ACL SETUSER modifier '%s': %s", refusal.rule, refusal.reason);
    } else {
        call_errorf(c, "ERR Unmatched parenthesis in acl selector starting at '%s'.", refusal.rule);
    }
}

void serve_acl_deluser(node_call *c) {
    int64_t count = 0;
    for (size_t i = 2; i < c->argc; i++) {
        if (slice_is(c->argv[i], "default")) {
            call_error(c, "ERR The 'default' user cannot be removed");
            return;
        }
    }
    for (size_t i = 2; i < c->argc; i++) {
        acl_user *u = acl_find(c->node->acl, c->argv[i]);
        if (u) {
            node_auth_end_sessions(c->node, u);
            acl_remove_user(c->node->acl, u);
            count++;
        }
    }
    call_integer(c, count);
}

void serve_acl_file(node_call *c) {
    call_error(c, "ERR This Redis instance is not configured to use an ACL file. You may want to "
                  "specify users via the ACL SETUSER command and then issue a CONFIG REWRITE "
                  "(assuming you have a Redis configuration file set) in order to store users in "
                  "the Redis configuration.");
}

void serve_acl_genpass(node_call *c) {
    int64_t bits = 256;
    char password[1025];
    if (c->argc > 3) {
        call_subcommand_error(c, "ACL");
        return;
    }
    if (c->argc == 3 && !call_read_integer(c, 2, &bits)) {
        return;
    }
    if (bits <= 0 || bits > 4096) {
        call_error(c, "ERR ACL GENPASS argument must be the number of bits for the output "
                      "password, a positive number up to 4096");
        return;
    }
    size_t digits = ((size_t)bits + 3) / 4;
    for (size_t i = 0; i < digits; i++) {
        password[i] = "0123456789abcdef"[prng_below(&c->node->random, 16)];
    }
    call_bulk(c, slice_of(password, digits));
}

/* ----------------------------------------------------------------------------- trying */

void serve_acl_dryrun(node_call *c) {
    const acl_user *u = acl_find(c->node->acl, c->argv[2]);
    const kw_slice *argv = c->argv + 3;
    size_t argc = c->argc - 3;
    const node_command *container;
    size_t index;
    if (!u) {
        call_errorf(c, "ERR User '%.*s' not found", call_shown(c, 2), c->argv[2].data);
        return;
    }
    const node_command *command = node_command_find(argv, argc, &container);
    if (!command) {
        call_errorf(c, "ERR Command '%.*s' not found", call_shown(c, 3), argv[0].data);
        return;
    }
    if (!node_command_arity_fits(command, argc)) {
        call_wrong_arity(c, command);
        return;
    }
    char text[512];
    int shown;
    switch (acl_check(u, command, argv, argc, &index)) {
    case ACL_ALLOWED:
        call_ok(c);
        return;
    case ACL_DENIED_COMMAND:
        (void)snprintf(text, sizeof text, "This user has no permissions to run the '%s' command",
                       command->name); /* our own names fit */
        break;
    case ACL_DENIED_KEY:
        shown = call_shown(c, index + 3);
        (void)snprintf(text, sizeof text, "This user has no permissions to access the '%.*s' key",
                       shown, argv[index].data); /* cut short is good enough */
        break;
    default:
        shown = call_shown(c, index + 3);
        (void)snprintf(text, sizeof text,
                       "This user has no permissions to access the '%.*s' channel", shown,
                       argv[index].data); /* cut short is good enough */
        break;
    }
    call_text(c, text);
}

/* -------------------------------------------------------------------------------- LOG */

static void answer_entry(node_call *c, const acl_log_entry *e) {
    static const char *const reasons[] = {
        [ACL_ALLOWED] = "",         [ACL_DENIED_COMMAND] = "command", [ACL_DENIED_KEY] = "key",
        [ACL_DENIED_AUTH] = "auth", [ACL_DENIED_CHANNEL] = "channel",
    };
    call_map(c, 7);
    call_text(c, "count");
    call_integer(c, (int64_t)e->count);
    call_text(c, "reason");
    call_text(c, reasons[e->reason]);
    call_text(c, "context");
    call_text(c, e->in_multi ? "multi" : "toplevel");
    call_text(c, "object");
    call_text(c, e->object);
    call_text(c, "username");
    call_text(c, e->user);
    call_text(c, "age-seconds");
    uint64_t age_ms = (c->now_us - e->at_us) / 1000;
    call_double(c, (double)age_ms / 1000);
    call_text(c, "client-info");
    call_text(c, e->client);
}

void serve_acl_log(node_call *c) {
    const acl_log *log = &c->node->acl_log;
    int64_t most = 10;
    if (c->argc > 3) {
        call_subcommand_error(c, "ACL");
        return;
    }
    if (call_argument_is(c, 2, "reset")) {
        acl_log_clear(&c->node->acl_log);
        call_ok(c);
        return;
    }
    if (c->argc == 3 && !call_read_integer(c, 2, &most)) {
        return;
    }
    most = most < 0 ? 0 : most;
    size_t count = (uint64_t)most < log->count ? (size_t)most : log->count;
    call_array(c, count);
    const list *at = log->entries.next;
    for (size_t i = 0; i < count; i++, at = at->next) {
        answer_entry(c, LIST_ENTRY(at, acl_log_entry, in_log));
    }
}
