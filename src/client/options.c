#include "client/options.h"

#include "base/suggest.h"
#include "io/io_error.h"

#include <assert.h>
#include <stdio.h>

typedef enum option_kind {
    OPTION_MS,  /* uint64_t, kept in microseconds */
    OPTION_U32, /* uint32_t */
    OPTION_U64, /* uint64_t */
    OPTION_INT, /* int */
    OPTION_BOOL,
    OPTION_UNCOVERED,
    OPTION_TEXT,  /* char *; empty: NULL */
    OPTION_WORD,  /* the same, without spaces */
    OPTION_SECRET /* the same as a text, never shown */
} option_kind;

typedef struct option {
    const char *name;
    const char *initial;
    const char *help;
    uint64_t min;
    uint64_t max;
    size_t offset;
    option_kind kind;
} option;

#define NUMBER(kind, unit, name, field, initial, min, max, help)                                   \
    {                                                                                              \
        name, #initial, help " (" #min ".." #max unit ")", min, max, offsetof(kw_options, field),  \
            kind                                                                                   \
    }
#define MS(name, field, initial, min, max, help)                                                   \
    NUMBER(OPTION_MS, " ms", name, field, initial, min, max, help)
#define COUNT(name, field, initial, min, max, help)                                                \
    NUMBER(OPTION_U32, "", name, field, initial, min, max, help)
#define BYTES(name, field, initial, min, max, help)                                                \
    NUMBER(OPTION_U64, " bytes", name, field, initial, min, max, help)
#define BOOL(name, field, initial, help)                                                           \
    { name, initial, help " (yes, no)", 0, 0, offsetof(kw_options, field), OPTION_BOOL }
#define TEXT(kind, name, field, help)                                                              \
    { name, "", help, 0, 0, offsetof(kw_options, field), kind }

/* In the order of docs/options.md. */
static const option options_table[] = {
    MS("timeout_ms", config.timeout_us, 5000, 1, 86400000,
       "a command's deadline, with all that it waits for: map, connecting, redirects, retries"),
    MS("connect_timeout_ms", config.connect_timeout_us, 1000, 1, 86400000,
       "for one connection, with TLS and login"),
    {"uncovered", "wait",
     "what becomes of a command for a slot that nobody serves: it waits for the slot to be served, "
     "or fails at once (wait, fail)",
     0, 0, offsetof(kw_options, config.uncovered), OPTION_UNCOVERED},
    BOOL("require_full_coverage", config.require_full_coverage, "no",
         "all commands wait until every slot has an owner"),
    BOOL("eager", config.eager, "no", "the slot map is loaded without waiting for a command"),

    TEXT(OPTION_WORD, "user", user, "the ACL user to log in as; empty: the default user"),
    TEXT(OPTION_SECRET, "password", password, "the password; empty: no login"),
    TEXT(OPTION_WORD, "client_name", client_name,
         "the connections' name in CLIENT LIST; empty: none"),
    BOOL("lib_name", lib_name, "yes", "tells the servers this library's name and version"),
    NUMBER(OPTION_INT, "", "resp", config.resp, 3, 2, 3,
           "the protocol to ask for; a server that does not know 3 is talked to in 2"),

    BOOL("tls", tls, "no", "connects by TLS; the schemes rediss and valkeys say yes"),
    BOOL("tls_verify", tls_verify, "yes",
         "the servers' certificates must be trusted and name the host; no: for tests only"),
    TEXT(OPTION_TEXT, "tls_ca_file", tls_ca_file,
         "PEM file of trusted authorities; empty, with tls_ca_dir too: the system's"),
    TEXT(OPTION_TEXT, "tls_ca_dir", tls_ca_dir, "directory of trusted authorities"),
    TEXT(OPTION_TEXT, "tls_cert_file", tls_cert_file, "PEM file of the client's certificate"),
    TEXT(OPTION_TEXT, "tls_key_file", tls_key_file,
         "PEM file of the client's key; empty: it is in tls_cert_file"),
    TEXT(OPTION_WORD, "tls_server_name", tls_server_name,
         "the name to send (SNI) and to verify for every node; empty: the host connected to"),

    MS("refresh_interval_ms", config.refresh_interval_us, 60000, 0, 86400000,
       "the slot map is loaded anew this often, give or take a quarter; 0: only with a reason"),
    MS("refresh_window_ms", config.refresh_window_us, 1000, 1, 600000,
       "refreshes for an ordinary reason are at least this far apart, up to 100 nodes; 10 times as "
       "far at 1000"),
    MS("refresh_urgent_gap_ms", config.refresh_urgent_gap_us, 1000, 1, 600000,
       "refreshes for an urgent reason are at least this far apart"),
    MS("refresh_urgent_jitter_ms", config.refresh_urgent_jitter_us, 100, 0, 60000,
       "an urgent refresh starts within this time, at random"),
    MS("refresh_hedge_ms", config.refresh_hedge_us, 300, 1, 60000,
       "a refresh asks a second node in addition after this time"),
    MS("refresh_timeout_ms", config.refresh_timeout_us, 1000, 1, 600000,
       "a refresh waits this long for each node that it asks"),
    MS("retry_min_ms", config.retry_min_us, 10, 1, 60000,
       "the first wait of a command that was told to come again (TRYAGAIN, CLUSTERDOWN); doubles"),
    MS("retry_max_ms", config.retry_max_us, 1000, 1, 600000, "the longest such wait"),
    COUNT("retry_percent", config.retry_percent, 10, 0, 100,
          "commands that only read are sent again after a lost connection, up to this share of a "
          "node's traffic; 0: never"),
    MS("failover_probe_ms", config.failover_probe_us, 100, 1, 60000,
       "commands of a lost primary ask its replicas this often whether one was promoted"),

    COUNT("connections_per_node", config.connections_per_node, 1, 1, 16,
          "connections to each node"),
    COUNT("blocking_connections_max", config.blocking_connections_max, 64, 1, 1024,
          "most connections to each node, beside these, for commands such as BLPOP, one for each; "
          "more of them wait"),
    MS("reconnect_min_ms", config.reconnect_min_us, 100, 1, 600000,
       "the first pause before a lost connection is tried again; doubles"),
    MS("reconnect_max_ms", config.reconnect_max_us, 10000, 1, 600000, "the longest such pause"),
    MS("idle_ping_ms", config.idle_ping_us, 15000, 0, 86400000,
       "a connection that is idle for so long is probed with PING; 0: never"),
    COUNT("suspect_timeouts", config.suspect_timeouts, 3, 1, 1000,
          "so many timeouts in a row make a node suspect"),
    NUMBER(OPTION_U32, " s", "keepalive_s", keepalive_s, 15, 0, 32767,
           "TCP keepalive's idle time; 0: off"),
    NUMBER(OPTION_U32, " ms", "tcp_user_timeout_ms", tcp_user_timeout_ms, 30000, 0, 86400000,
           "a connection whose bytes are not acknowledged for so long is lost; 0: the system's"),

    BOOL("io_thread", io_thread, "no",
         "the handle starts a thread that does all its work, and may be used by any number of "
         "threads"),
    COUNT("pending_max", pending_max, 65536, 1, 16777216,
          "with io_thread: most commands that are not yet done, of all threads; past it a call "
          "waits for room within its deadline, and kw_submit fails with KW_ERR_BUSY"),
    COUNT("in_flight_max", config.in_flight_max, 16384, 1, 1048576,
          "most commands that are sent to one node and not yet answered"),
    BYTES("in_flight_bytes_max", config.in_flight_bytes_max, 67108864, 65536, 17179869184,
          "most bytes of these"),
    COUNT("waiting_max", config.waiting_max, 131072, 1, 16777216,
          "most commands that wait to be sent, of all nodes"),
    BYTES("waiting_bytes_max", config.waiting_bytes_max, 268435456, 65536, 17179869184,
          "most bytes of these"),
    BYTES("reply_bytes_max", config.reply_bytes_max, 1073741824, 1024, 17179869184,
          "the longest reply; a longer one costs its connection"),
    {"seed", "0",
     "seeds all randomness, so that a run can be repeated; 0: a new one for each handle", 0,
     UINT64_MAX, offsetof(kw_options, seed), OPTION_U64},
};

#define OPTION_COUNT (sizeof options_table / sizeof options_table[0])

static const option *find(kw_slice name) {
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (slice_is(name, options_table[i].name)) {
            return &options_table[i];
        }
    }
    return NULL;
}

static bool is_text(const option *o) {
    return o->kind == OPTION_TEXT || o->kind == OPTION_WORD || o->kind == OPTION_SECRET;
}

static void *field_of(kw_options *options, const option *o) {
    return (char *)options + o->offset;
}

static void free_text(const mem *m, char *text) {
    if (text) {
        explicit_bzero(text, strlen(text)); /* it may be a password */
        mem_free(m, text);
    }
}

/* ----------------------------------------------------------------- one value */

#define SHOWN_BYTES 48

/* What a message may show of a text: its first bytes, printable. */
static const char *shown(kw_slice text, char dst[SHOWN_BYTES + 1]) {
    size_t len = slice_copy(dst, SHOWN_BYTES + 1, text);
    for (size_t i = 0; i < len; i++) {
        if (dst[i] < ' ' || dst[i] > '~') {
            dst[i] = '?';
        }
    }
    return dst;
}

static kw_status bad_value(const option *o, kw_slice value, const char *wanted, kw_error *err) {
    char text[SHOWN_BYTES + 1];
    return io_fail(err, KW_ERR_INVALID, "option %s: \"%s\" is not %s", o->name, shown(value, text),
                   wanted);
}

static kw_status set_number(kw_options *options, const option *o, kw_slice value, kw_error *err) {
    uint64_t number;
    if (!slice_to_u64(value, &number) || number < o->min || number > o->max) {
        char wanted[64];
        (void)snprintf(wanted, sizeof wanted, "a number from %llu to %llu",
                       (unsigned long long)o->min, (unsigned long long)o->max);
        return bad_value(o, value, wanted, err);
    }
    void *field = field_of(options, o);
    switch (o->kind) {
    case OPTION_MS:
        *(uint64_t *)field = number * 1000;
        break;
    case OPTION_U32:
        *(uint32_t *)field = (uint32_t)number;
        break;
    case OPTION_INT:
        *(int *)field = (int)number;
        break;
    default:
        *(uint64_t *)field = number;
        break;
    }
    return KW_OK;
}

static kw_status set_bool(kw_options *options, const option *o, kw_slice value, kw_error *err) {
    static const char *const words[2][4] = {{"no", "off", "false", "0"},
                                            {"yes", "on", "true", "1"}};
    for (size_t truth = 0; truth < 2; truth++) {
        for (size_t i = 0; i < 4; i++) {
            if (slice_is_nocase(value, words[truth][i])) {
                *(bool *)field_of(options, o) = truth == 1;
                return KW_OK;
            }
        }
    }
    return bad_value(o, value, "yes or no", err);
}

static kw_status set_uncovered(kw_options *options, const option *o, kw_slice value,
                               kw_error *err) {
    bool fails = slice_is_nocase(value, "fail");
    if (!fails && !slice_is_nocase(value, "wait")) {
        return bad_value(o, value, "wait or fail", err);
    }
    *(cluster_uncovered *)field_of(options, o) = fails ? UNCOVERED_FAIL : UNCOVERED_WAIT;
    return KW_OK;
}

/* NULL, or what the text must be and is not. */
static const char *text_wanted(const option *o, kw_slice value) {
    if (value.len > OPTION_TEXT_BYTES_MAX) {
        return "at most 4096 bytes long";
    }
    if (memchr(value.data, '\0', value.len)) {
        return "free of zero bytes";
    }
    for (size_t i = 0; o->kind == OPTION_WORD && i < value.len; i++) {
        if (value.data[i] <= ' ' || value.data[i] > '~') {
            return "one word of printable ASCII";
        }
    }
    return NULL;
}

static kw_status set_text(kw_options *options, const option *o, kw_slice value, kw_error *err) {
    const char *wanted = value.len > 0 ? text_wanted(o, value) : NULL;
    if (wanted) {
        return io_fail(err, KW_ERR_INVALID, "option %s: the value is not %s", o->name, wanted);
    }
    char *copy = NULL;
    if (value.len > 0) {
        copy = mem_strndup(&options->own, value.data, value.len);
        if (!copy) {
            return io_fail(err, KW_ERR_NOMEM, "out of memory");
        }
    }
    char **field = field_of(options, o);
    free_text(&options->own, *field);
    *field = copy;
    return KW_OK;
}

static kw_status set_value(kw_options *options, const option *o, kw_slice value, kw_error *err) {
    switch (o->kind) {
    case OPTION_BOOL:
        return set_bool(options, o, value, err);
    case OPTION_UNCOVERED:
        return set_uncovered(options, o, value, err);
    case OPTION_TEXT:
    case OPTION_WORD:
    case OPTION_SECRET:
        return set_text(options, o, value, err);
    default:
        return set_number(options, o, value, err);
    }
}

/* --------------------------------------------------------------- whole objects */

kw_status options_copy(const mem *m, const kw_options *from, kw_options **ret) {
    kw_options *copy = mem_calloc(m, 1, sizeof *copy);
    if (!copy) {
        return KW_ERR_NOMEM;
    }
    if (from) {
        *copy = *from;
    } else {
        copy->memory = mem_default;
    }
    copy->own = *m;
    kw_status status = KW_OK;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const option *o = &options_table[i];
        if (is_text(o)) {
            *(char **)field_of(copy, o) = NULL; /* not the other object's */
        } else if (!from) {
            status = set_value(copy, o, slice_text(o->initial), NULL);
            assert(status == KW_OK);
        }
    }
    for (size_t i = 0; from && status == KW_OK && i < OPTION_COUNT; i++) {
        const option *o = &options_table[i];
        const char *text = is_text(o) ? *(char *const *)((const char *)from + o->offset) : NULL;
        if (text) {
            status = set_text(copy, o, slice_text(text), NULL);
        }
    }
    if (status != KW_OK) {
        kw_options_free(copy);
        return status;
    }
    *ret = copy;
    return KW_OK;
}

kw_status kw_options_new(kw_options **ret) {
    return options_copy(&mem_default, NULL, ret);
}

void kw_options_free(kw_options *options) {
    if (!options) {
        return;
    }
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (is_text(&options_table[i])) {
            free_text(&options->own, *(char **)field_of(options, &options_table[i]));
        }
    }
    mem own = options->own;
    mem_free(&own, options);
}

static kw_status no_such_option(kw_slice name, kw_error *err) {
    const char *names[OPTION_COUNT + 1] = {NULL};
    char text[SHOWN_BYTES + 1];
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        names[i] = options_table[i].name;
    }
    const char *near = suggest(shown(name, text), names);
    return io_fail(err, KW_ERR_INVALID, "there is no option \"%s\"%s%s%s", text,
                   near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

kw_status options_set(kw_options *options, kw_slice name, kw_slice value, kw_error *err) {
    const option *o = find(name);
    if (!o) {
        return no_such_option(name, err);
    }
    return set_value(options, o, value, err);
}

bool options_has(kw_slice name) {
    return find(name) != NULL;
}

kw_status kw_options_set(kw_options *options, const char *name, const char *value, kw_error *err) {
    if (!options || !name || !value) {
        return io_fail(err, KW_ERR_INVALID, "an option needs an object, a name and a value");
    }
    return options_set(options, slice_text(name), slice_text(value), err);
}

const char *kw_options_describe(size_t index, const char **ret_default, const char **ret_help) {
    if (index >= OPTION_COUNT) {
        return NULL;
    }
    const option *o = &options_table[index];
    if (ret_default) {
        *ret_default = o->initial;
    }
    if (ret_help) {
        *ret_help = o->help;
    }
    return o->name;
}

kw_status kw_options_set_allocator(kw_options *options, void *(*alloc)(void *arg, size_t size),
                                   void *(*resize)(void *arg, void *ptr, size_t size),
                                   void (*release)(void *arg, void *ptr), void *arg) {
    if (!options || !alloc || !resize || !release) {
        return KW_ERR_INVALID;
    }
    options->memory = (mem){alloc, resize, release, arg};
    return KW_OK;
}

void kw_options_set_remap(kw_options *options, kw_remap_fn *remap, void *arg) {
    options->config.remap = remap;
    options->config.remap_arg = arg;
}

void kw_options_set_io_thread(kw_options *options, bool io_thread) {
    options->io_thread = io_thread;
}

kw_status options_check(const kw_options *options, kw_error *err) {
    const cluster_config *config = &options->config;
    if (config->retry_min_us > config->retry_max_us) {
        return io_fail(err, KW_ERR_INVALID, "retry_min_ms is above retry_max_ms");
    }
    if (config->reconnect_min_us > config->reconnect_max_us) {
        return io_fail(err, KW_ERR_INVALID, "reconnect_min_ms is above reconnect_max_ms");
    }
    if (options->user && !options->password) {
        return io_fail(err, KW_ERR_INVALID, "a user is given, but no password");
    }
    if (options->tls_key_file && !options->tls_cert_file) {
        return io_fail(err, KW_ERR_INVALID, "tls_key_file is given, but no tls_cert_file");
    }
    if (!options->tls && (options->tls_ca_file || options->tls_ca_dir || options->tls_cert_file)) {
        return io_fail(err, KW_ERR_INVALID,
                       "TLS files are given, but no TLS: use rediss:// or tls=yes");
    }
    return KW_OK;
}

void options_config(const kw_options *options, const endpoint *seeds, size_t seed_count,
                    cluster_config *ret) {
    *ret = options->config;
    ret->seeds = seeds;
    ret->seed_count = seed_count;
    ret->user = options->user;
    ret->password = options->password;
    ret->client_name = options->client_name;
    ret->lib_name = options->lib_name ? "keyway" : NULL;
    ret->lib_version = options->lib_name ? KW_VERSION_STRING : NULL;
}

void options_tls(const kw_options *options, tls_config *ret) {
    *ret = (tls_config){.ca_file = options->tls_ca_file,
                        .ca_dir = options->tls_ca_dir,
                        .cert_file = options->tls_cert_file,
                        .key_file = options->tls_key_file,
                        .server_name = options->tls_server_name,
                        .verify = options->tls_verify};
}

void options_stream(const kw_options *options, stream_options *ret) {
    *ret = (stream_options){.keepalive_s = options->keepalive_s,
                            .user_timeout_ms = options->tcp_user_timeout_ms};
}
