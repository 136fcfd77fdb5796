#include "tool/json.h"
#include "tool/options.h"
#include "tool/quote.h"
#include "tool/term.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { OPTION_JSON = 256 };

static const option_row rows[] = {
    {OPTION_JSON, "json", NULL, "one line of JSON for each key"},
    {0, NULL, NULL, NULL},
};

static const option_set options = {
    .command = "slot",
    .usage = "[--json] KEY...\n       keyway slot [--json] -",
    .about =
        "Shows the slot of each key, 0 to 16383; with -, of each line of standard input. Of a key\n"
        "with a {hash tag} only the tag counts, so that keys with one tag share a slot. No\n"
        "cluster is asked.",
    .rows = rows,
    .after = "example:\n  keyway slot user:1 '{user:1}:cart' '{user:1}:orders'",
};

/* The bytes that are hashed: the key, or what stands in its first braces. */
static kw_slice hashed_part(kw_slice key) {
    const char *open = memchr(key.data, '{', key.len);
    if (!open) {
        return key;
    }
    size_t rest = key.len - (size_t)(open + 1 - key.data);
    const char *close = memchr(open + 1, '}', rest);
    return close && close > open + 1 ? slice_of(open + 1, (size_t)(close - open - 1)) : key;
}

static bool is_showable(kw_slice key) {
    for (size_t i = 0; i < key.len; i++) {
        if ((unsigned char)key.data[i] < 0x20 || key.data[i] == 0x7f) {
            return false;
        }
    }
    return json_is_utf8(key);
}

/* The key with its tag set off; quoted if a terminal could not show it. */
static void show_bytes(out *o, const term *t, kw_slice key, kw_slice part) {
    if (!is_showable(key)) {
        quote_write(o, key);
    } else if (part.len == key.len) {
        out_bytes(o, key.data, key.len);
    } else {
        out_bytes(o, key.data, (size_t)(part.data - key.data));
        out_text(o, term_style(t, STYLE_TITLE));
        out_bytes(o, part.data, part.len);
        out_text(o, term_style(t, STYLE_RESET));
        out_bytes(o, part.data + part.len, (size_t)(key.data + key.len - part.data) - part.len);
    }
}

static void show_key(out *o, const term *t, bool json, kw_slice key) {
    kw_slice part = hashed_part(key);
    int slot = kw_key_slot(key.data, key.len);
    if (json) {
        out_text(o, "{\"key\":");
        json_bytes(o, key);
        out_printf(o, ",\"slot\":%d,\"tag\":", slot);
        if (part.len == key.len) {
            out_text(o, "null");
        } else {
            json_bytes(o, part);
        }
        out_text(o, "}\n");
        return;
    }
    out_printf(o, "%5d  ", slot);
    show_bytes(o, t, key, part);
    if (part.len != key.len) {
        out_printf(o, "  %s(tag ", term_style(t, STYLE_DIM));
        show_bytes(o, t, part, part);
        out_printf(o, ")%s", term_style(t, STYLE_RESET));
    }
    out_char(o, '\n');
}

static void show_lines(out *o, const term *t, bool json) {
    char *line = NULL;
    size_t capacity = 0;
    ssize_t len;
    while ((len = getline(&line, &capacity, stdin)) > 0) {
        size_t end = (size_t)len;
        if (line[end - 1] == '\n') {
            end--;
        }
        show_key(o, t, json, slice_of(line, end));
    }
    free(line);
}

exit_status cmd_slot(int argc, char **argv) {
    const char *value = NULL;
    bool json = false;
    int id;
    while ((id = option_next(&options, argc, argv, &value)) != OPTION_END) {
        if (id == OPTION_HELP) {
            option_help(&options);
            return STATUS_OK;
        }
        if (id == OPTION_WRONG) {
            return STATUS_USAGE;
        }
        json = true;
    }
    if (optind == argc) {
        return option_usage_error(&options, "the slot of which key?");
    }
    out o;
    term t;
    out_init(&o, STDOUT_FILENO);
    term_probe(&t, STDOUT_FILENO);
    bool from_stdin = argc - optind == 1 && slice_is(slice_text(argv[optind]), "-");
    if (from_stdin) {
        show_lines(&o, &t, json);
    }
    for (int i = optind; i < argc && !from_stdin; i++) {
        show_key(&o, &t, json, slice_text(argv[i]));
    }
    out_done(&o);
    return STATUS_OK;
}
