#include "node/node_auth.h"
#include "node/node_call.h"
#include "node/node_glob.h"
#include "node/node_handlers.h"

/* ------------------------------------------------------------------------------ CONFIG GET */

static bool is_pattern(kw_slice s) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '*' || s.data[i] == '?' || s.data[i] == '[') {
            return true;
        }
    }
    return false;
}

/* One name to be answered, and as it was asked for. */
typedef struct chosen_setting {
    node_setting_id id;
    kw_slice name;
} chosen_setting;

static bool fits(kw_slice pattern, const char *name) {
    char lower[64];
    if (pattern.len >= sizeof lower) {
        return glob_match(pattern, slice_text(name));
    }
    for (size_t i = 0; i < pattern.len; i++) {
        char byte = pattern.data[i];
        lower[i] = (char)(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
    }
    return glob_match(slice_of(lower, pattern.len), slice_text(name));
}

/* Each name once; in whatever case. */
static void choose(chosen_setting *chosen, size_t *count, size_t capacity, node_setting_id id,
                   kw_slice name) {
    for (size_t i = 0; i < *count; i++) {
        if (slice_equal_nocase(chosen[i].name, name)) {
            return;
        }
    }
    if (*count < capacity) {
        chosen[(*count)++] = (chosen_setting){id, name};
    }
}

void serve_config_get(node_call *c) {
    enum { CAPACITY = 2 * SETTING_COUNT };
    chosen_setting chosen[CAPACITY];
    size_t count = 0;
    for (size_t i = 2; i < c->argc; i++) {
        if (!is_pattern(c->argv[i])) {
            node_setting_id id = node_settings_find(c->argv[i]);
            if (id != SETTING_COUNT) {
                choose(chosen, &count, CAPACITY, id, c->argv[i]);
            }
            continue;
        }
        for (int id = 0; id < SETTING_COUNT; id++) {
            const char *name = node_settings_name((node_setting_id)id);
            if (fits(c->argv[i], name)) {
                choose(chosen, &count, CAPACITY, (node_setting_id)id, slice_text(name));
            }
        }
    }
    buffer value;
    buffer_init(&value, c->node->mem, 0);
    call_map(c, count);
    for (size_t i = 0; i < count; i++) {
        buffer_clear(&value, SIZE_MAX);
        if (!node_settings_show(&c->node->settings, chosen[i].id, &value)) {
            c->session->flags |= SESSION_FAILED;
        }
        call_bulk(c, chosen[i].name);
        call_bulk(c, buffer_slice(&value));
    }
    buffer_done(&value);
}

/* ------------------------------------------------------------------------------ CONFIG SET */

static bool is_set(const node_call *c, const char *name) {
    for (size_t i = 2; i < c->argc; i += 2) {
        if (call_argument_is(c, i, name)) {
            return true;
        }
    }
    return false;
}

static void apply(node_call *c) {
    node *n = c->node;
    const char *password = node_settings_text(&n->settings, SETTING_REQUIREPASS);
    bool applied = node_apply_settings(n);
    if (!applied || (is_set(c, "requirepass") && node_auth_require(n, password) != KW_OK)) {
        call_out_of_memory(c);
    } else {
        call_ok(c);
    }
}

void serve_config_set(node_call *c) {
    settings_refusal refusal;
    if (c->argc % 2 == 1) {
        call_syntax_error(c);
        return;
    }
    kw_status status =
        node_settings_change(&c->node->settings, c->argv + 2, (c->argc - 2) / 2, &refusal);
    int shown = refusal.argument.len < 256 ? (int)refusal.argument.len : 256;
    if (status == KW_ERR_NOMEM) {
        call_out_of_memory(c);
    } else if (status != KW_OK && !refusal.text) {
        call_errorf(c, "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'", shown,
                    refusal.argument.data);
    } else if (status != KW_OK) {
        call_errorf(c, "ERR CONFIG SET failed (possibly related to argument '%.*s') - %s", shown,
                    refusal.argument.data, refusal.text);
    } else {
        apply(c);
    }
}

void serve_config_resetstat(node_call *c) {
    c->node->command_count = 0;
    c->node->connection_count = 0;
    node_stats_clear(&c->node->stats);
    call_ok(c);
}

void serve_config_rewrite(node_call *c) {
    call_ok(c); /* as one that has a file to write */
}
