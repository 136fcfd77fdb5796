#include "tool/mapview.h"
#include "tool/options.h"
#include "tool/target.h"

#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

enum { OPTION_JSON = 256, OPTION_TIMEOUT };
enum { PING_TIMEOUT_MS = 1000 };

static const option_row rows[] = {
    OPTION_ROW_URL,
    {OPTION_JSON, "json", NULL, "one line of JSON"},
    {OPTION_TIMEOUT, "timeout", "MS", "how long to wait for the map, in milliseconds"},
    {0, NULL, NULL, NULL},
};

static const option_set options = {
    .command = "map",
    .usage = "[OPTION...]",
    .about =
        "Draws the cluster's slot map: which node owns which of the 16384 slots, holes, slots in\n"
        "doubt, and a table of the nodes. Each primary is asked whether it answers.",
    .rows = rows,
};

/* Asks each primary for a sign of life, all at once, so that the map can tell their states. What
 * they answer does not matter. */
static void greet_primaries(kw_client *client, const kw_map *map) {
    bool *greeted = mem_calloc(&mem_default, kw_map_node_count(map) + 1, sizeof *greeted);
    kw_call_options *call = NULL;
    if (!greeted || kw_call_options_new(&call) != KW_OK) {
        give_up("out of memory");
    }
    kw_call_options_set_timeout_ms(call, PING_TIMEOUT_MS);
    for (int slot = 0; slot < KW_SLOT_COUNT; slot++) {
        int owner = kw_map_owner(map, slot);
        if (owner < 0 || greeted[owner]) {
            continue;
        }
        greeted[owner] = true;
        kw_call_options_set_slot(call, slot);
        const kw_slice ping = SLICE_LITERAL("PING");
        if (kw_submit(client, &ping, 1, call, NULL, NULL, NULL) != KW_OK) {
            continue; /* its state stays unknown */
        }
    }
    while (kw_pending(client) > 0 && kw_wait(client, -1) == KW_OK) {
    }
    kw_call_options_free(call);
    mem_free(&mem_default, greeted);
}

static kw_map *snapshot(kw_client *client) {
    kw_map *map = NULL;
    if (kw_map_new(client, &map) != KW_OK) {
        give_up("out of memory");
    }
    return map;
}

static exit_status show(kw_client *client, bool json, uint32_t timeout_ms) {
    kw_error err = {.slot = -1};
    if (kw_refresh(client, timeout_ms, &err) != KW_OK) {
        complain_error(NULL, &err);
        return STATUS_NO_REPLY;
    }
    kw_map *map = snapshot(client);
    greet_primaries(client, map);
    kw_map_free(map);
    map = snapshot(client);
    out o;
    out_init(&o, STDOUT_FILENO);
    if (json) {
        mapview_json(&o, map);
    } else {
        term t;
        term_probe(&t, STDOUT_FILENO);
        mapview_picture(&o, &t, map);
    }
    out_done(&o);
    kw_map_free(map);
    return STATUS_OK;
}

exit_status cmd_map(int argc, char **argv) {
    const char *value = NULL;
    const char *url = NULL;
    bool json = false;
    uint64_t timeout_ms = 0;
    int id;
    while ((id = option_next(&options, argc, argv, &value)) != OPTION_END) {
        if (id == OPTION_HELP) {
            option_help(&options);
            return STATUS_OK;
        }
        if (id == OPTION_WRONG ||
            (id == OPTION_TIMEOUT &&
             !option_number(&options, "timeout", value, 1, UINT32_MAX, &timeout_ms))) {
            return STATUS_USAGE;
        }
        if (id == 'u') {
            url = value;
        }
        json = json || id == OPTION_JSON;
    }
    if (optind < argc) {
        return option_usage_error(&options, "map takes no arguments");
    }
    target t;
    exit_status status = target_open(&t, url, 0);
    if (status == STATUS_OK) {
        status = show(t.client, json, (uint32_t)timeout_ms);
        target_close(&t);
    }
    return status;
}
