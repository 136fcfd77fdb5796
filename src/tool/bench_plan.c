#include "tool/bench_plan.h"

#include "base/number.h"
#include "base/suggest.h"
#include "tool/options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    OPTION_KEYS = 256,
    OPTION_DIST,
    OPTION_SIZE,
    OPTION_RATIO,
    OPTION_COMMAND,
    OPTION_PREFIX,
    OPTION_FILL,
    OPTION_RATE,
    OPTION_WARMUP,
    OPTION_HANDLES,
    OPTION_SPREAD,
    OPTION_VERIFY,
    OPTION_SEED,
    OPTION_TIMEOUT,
    OPTION_JSON,
    OPTION_HDR,
    OPTION_PLAIN,
    OPTION_NO_COLOR
};

enum { KEYS_DEFAULT = 100000, KEYS_VERIFIED = 1000, DURATION_DEFAULT_US = 10 * 1000 * 1000 };

static const option_row rows[] = {
    OPTION_ROW_URL,
    {'n', "ops", "N", "commands in all"},
    {'d', "duration", "S", "seconds (10, without --ops); with both, what ends first"},
    {'c', "clients", "N", "that send commands and wait for their replies (50)"},
    {OPTION_HANDLES, "handles", "N", "that they share, each with its connections (one a thread)"},
    {'t', "threads", "N", "that share the handles (1)"},
    {'P', "pipeline", "N", "commands of each client in flight (1)"},
    {OPTION_RATIO, "ratio", "G:S", "GETs to SETs (1:1); of more --command, a number for each"},
    {OPTION_COMMAND, "command", "TEXT", "instead of GET and SET; {key} {value} {number}; up to 8"},
    {OPTION_KEYS, "keys", "N", "different keys (100000)"},
    {OPTION_DIST, "dist", "KIND", "how keys are drawn: uniform, or zipf:EXPONENT (uniform)"},
    {OPTION_SIZE, "size", "N|LO-HI", "bytes of a value (32)"},
    {OPTION_PREFIX, "prefix", "TEXT", "before the keys' numbers (key:)"},
    {OPTION_FILL, "fill", NULL, "first set every key once"},
    {OPTION_RATE, "rate", "N", "commands a second; times then count from when they were due"},
    {OPTION_WARMUP, "warmup", "S", "seconds before anything is counted (0)"},
    {OPTION_SPREAD, "spread", NULL, "a pipeline's keys lie on all nodes, not on one at a time"},
    {OPTION_VERIFY, "verify", NULL, "check each key's history: nothing lost, stale or doubled"},
    {OPTION_SEED, "seed", "N", "of all that is left to chance (1)"},
    {OPTION_TIMEOUT, "timeout", "MS", "deadline of each command, in milliseconds (5000)"},
    {OPTION_JSON, "json", "FILE", "write all figures as JSON; - is standard output"},
    {OPTION_HDR, "hdr", "FILE", "write the percentiles as HdrHistogram does"},
    {'q', "quiet", NULL, "only the result, no line a second"},
    {OPTION_PLAIN, "plain", NULL, "lines instead of a picture: the default in a pipe"},
    {OPTION_NO_COLOR, "no-color", NULL, "no colours; NO_COLOR does that too"},
    {0, NULL, NULL, NULL},
};

static const option_set options = {
    .command = "bench",
    .usage = "[OPTION...]",
    .about =
        "Puts a cluster under load and measures it: throughput, response times, errors and\n"
        "redirects, in all and for each node, each second and at the end. It writes to the keys\n"
        "key:000000000000 and following.",
    .rows = rows,
    .after =
        "exit status: 0; 1 a command failed, or --verify found what cannot be; 2 usage; 3 no\n"
        "cluster there; 4 --verify: acknowledged writes lost by a failover, and nothing worse.\n\n"
        "examples:\n"
        "  keyway bench -u redis://127.0.0.1:7000 -d 30 -c 50 -t 2 -P 16 --fill\n"
        "  keyway bench --ratio 9:1 --dist zipf:1.1 --size 100-1000 --rate 20000 --hdr run.hgrm\n"
        "  keyway bench --command 'HSET {key} f{number} {value}' --command 'HGETALL {key}'\n"
        "  keyway bench -d 60 --verify",
};

static bool wrong(const char *what) {
    option_usage_error(&options, what);
    return false;
}

static bool wrong_value(const char *rule, const char *value) {
    char what[240];
    snprintf(what, sizeof what, "%s, not `%.40s`", rule, value);
    return wrong(what);
}

static bool take_number(const char *name, const char *value, uint64_t min, uint64_t max,
                        uint64_t *ret) {
    return option_number(&options, name, value, min, max, ret);
}

/* Seconds, with a fraction. */
static bool take_seconds(const char *name, const char *value, double min, uint64_t *ret_us) {
    double seconds = 0;
    if (!number_parse(slice_text(value), &seconds) || !(seconds >= min && seconds <= 1e6)) {
        char rule[80];
        snprintf(rule, sizeof rule, "option --%s takes seconds, up to 1000000", name);
        return wrong_value(rule, value);
    }
    *ret_us = (uint64_t)(seconds * 1e6);
    return true;
}

static bool take_size(bench_plan *p, const char *value) {
    kw_slice rest = slice_text(value);
    kw_slice low;
    kw_slice high;
    uint64_t most = 64 * 1024 * 1024;
    bool good = slice_split(&rest, '-', &low) && slice_to_u64(low, &p->size_low);
    p->size_high = p->size_low;
    p->has_size = true;
    if (good && slice_split(&rest, '-', &high)) {
        good = slice_to_u64(high, &p->size_high) && rest.data == NULL;
    }
    if (!good || p->size_low > p->size_high || p->size_high > most) {
        return wrong_value("option --size takes bytes, or a range as 10-1000, up to 67108864",
                           value);
    }
    return true;
}

static bool take_dist(bench_plan *p, const char *value) {
    kw_slice text = slice_text(value);
    p->zipf = 0;
    if (slice_is(text, "uniform")) {
        return true;
    }
    if (slice_is(text, "zipf")) {
        p->zipf = 1;
        return true;
    }
    if (!slice_starts_with(text, "zipf:") ||
        !number_parse(slice_text(value + strlen("zipf:")), &p->zipf) ||
        !(p->zipf > 0 && p->zipf <= 10)) {
        return wrong_value("option --dist takes uniform, or zipf:EXPONENT as zipf:1.1, up to 10",
                           value);
    }
    return true;
}

/* What stands in braces is sent as it is, for it may be a hash tag: {user}. */
static void warn_of_misspelt_places(const char *value) {
    static const char *const names[] = {"key", "value", "number", NULL};
    char word[16];
    for (const char *at = strchr(value, '{'); at; at = strchr(at + 1, '{')) {
        size_t len = strcspn(at + 1, "{}");
        if (at[1 + len] != '}' || len >= sizeof word) {
            continue;
        }
        slice_copy(word, sizeof word, slice_of(at + 1, len));
        const char *near = suggest(word, names);
        if (near && !slice_is(slice_text(word), near)) {
            complain("option --command: {%s} is sent as it stands; did you mean {%s}?", word, near);
        }
    }
}

static bool take_command(bench_plan *p, const char *value) {
    const char *why = NULL;
    char what[160];
    warn_of_misspelt_places(value);
    if (p->template_count == BENCH_COMMANDS_MAX) {
        return wrong("option --command may be given 8 times");
    }
    if (!bench_template_parse(&p->templates[p->template_count++], value, &why)) {
        snprintf(what, sizeof what, "option --command `%.60s`: %s", value, why);
        return wrong(what);
    }
    return true;
}

static bool take_prefix(bench_plan *p, const char *value) {
    p->prefix = value;
    return strlen(value) <= BENCH_PREFIX_MAX || wrong("option --prefix takes up to 200 bytes");
}

/* Without --command: one that reads, and one that writes. */
static bool make_own_commands(bench_plan *p) {
    static const char *const plain[] = {"GET {key}", "SET {key} {value}"};
    static const char *const verified[] = {"GETRANGE {key}", "APPEND {key} {value}"};
    const char *const *own = p->verify ? verified : plain;
    const char *why = NULL;
    for (int i = 0; i < 2; i++) {
        if (!bench_template_parse(&p->templates[i], own[i], &why)) {
            return wrong(why);
        }
    }
    p->template_count = 2;
    return true;
}

static bool take_weights(bench_plan *p, const char *value) {
    kw_slice rest = slice_text(value);
    kw_slice part;
    uint64_t sum = 0;
    int count = 0;
    for (; slice_split(&rest, ':', &part); count++) {
        uint64_t weight = 0;
        if (count == p->template_count || !slice_to_u64(part, &weight) || weight > 1000000) {
            return false;
        }
        p->templates[count].weight = (uint32_t)weight;
        sum += weight;
    }
    return count == p->template_count && sum > 0;
}

static bool apply_ratio(bench_plan *p, const char *value) {
    char rule[120];
    if (p->template_count == 0 && !make_own_commands(p)) {
        return false;
    }
    snprintf(rule, sizeof rule,
             "option --ratio takes %d numbers as %s, up to 1000000, not all of them 0",
             p->template_count,
             p->template_count == 1   ? "1"
             : p->template_count == 2 ? "9:1"
                                      : "5:3:1");
    return !value || take_weights(p, value) || wrong_value(rule, value);
}

/* The options that say what the load is; false: it is none of these. */
static bool take_load_option(bench_plan *p, int id, const char *value, bool *ret_good) {
    switch (id) {
    case 'n':
        *ret_good = take_number("ops", value, 1, UINT64_MAX / 2, &p->ops);
        return true;
    case 'd':
        *ret_good = take_seconds("duration", value, 0.001, &p->duration_us);
        return true;
    case 'c':
        *ret_good = take_number("clients", value, 1, BENCH_CLIENTS_MAX, &p->clients);
        return true;
    case 't':
        *ret_good = take_number("threads", value, 1, BENCH_THREADS_MAX, &p->threads);
        return true;
    case 'P':
        *ret_good = take_number("pipeline", value, 1, BENCH_PIPELINE_MAX, &p->pipeline);
        return true;
    case OPTION_HANDLES:
        *ret_good = take_number("handles", value, 1, BENCH_CLIENTS_MAX, &p->handles);
        return true;
    case OPTION_RATE:
        *ret_good = take_number("rate", value, 1, 100000000, &p->rate);
        return true;
    case OPTION_WARMUP:
        *ret_good = take_seconds("warmup", value, 0, &p->warmup_us);
        return true;
    case OPTION_SEED:
        *ret_good = take_number("seed", value, 0, UINT64_MAX, &p->seed);
        return true;
    case OPTION_TIMEOUT:
        *ret_good = take_number("timeout", value, 1, UINT32_MAX, &p->timeout_ms);
        return true;
    default:
        return false;
    }
}

/* Those that say what its commands are. */
static bool take_data_option(bench_plan *p, int id, const char *value, bool *ret_good) {
    switch (id) {
    case OPTION_KEYS:
        *ret_good = take_number("keys", value, 1, 1000000000000, &p->keys);
        return true;
    case OPTION_DIST:
        *ret_good = take_dist(p, value);
        return true;
    case OPTION_SIZE:
        *ret_good = take_size(p, value);
        return true;
    case OPTION_COMMAND:
        *ret_good = take_command(p, value);
        return true;
    case OPTION_PREFIX:
        *ret_good = take_prefix(p, value);
        return true;
    default:
        return take_load_option(p, id, value, ret_good);
    }
}

static bool take_option(bench_plan *p, int id, const char *value) {
    bool good = true;
    switch (id) {
    case 'u':
        p->url = value;
        break;
    case OPTION_FILL:
        p->fill = true;
        break;
    case OPTION_SPREAD:
        p->spread = true;
        break;
    case OPTION_VERIFY:
        p->verify = true;
        break;
    case OPTION_JSON:
        p->json_file = value;
        break;
    case OPTION_HDR:
        p->hdr_file = value;
        break;
    case 'q':
        p->quiet = true;
        break;
    case OPTION_PLAIN:
        p->plain = true;
        break;
    case OPTION_NO_COLOR:
        p->no_colour = true;
        break;
    default:
        return take_data_option(p, id, value, &good) && good;
    }
    return true;
}

bool bench_plan_is_stdout(const char *file) {
    return file && strcmp(file, "-") == 0;
}

static bool check_together(const bench_plan *p, bool has_commands) {
    if (p->threads > p->clients) {
        return wrong("there are more --threads than --clients");
    }
    if (p->handles > p->clients || p->handles < p->threads) {
        return wrong("--handles is at least --threads, and at most --clients");
    }
    if (p->verify && has_commands) {
        return wrong("--verify has commands of its own, and takes no --command");
    }
    if (p->verify && p->fill) {
        return wrong("--verify makes keys of its own, and takes no --fill");
    }
    if (p->verify && (p->has_size || p->spread)) {
        return wrong("--verify writes short tokens, key by key, and takes no --size or --spread");
    }
    if (p->verify && p->keys > BENCH_VERIFY_KEYS_MAX) {
        return wrong("--verify keeps each key's history: --keys is at most 100000");
    }
    if (bench_plan_is_stdout(p->json_file) && bench_plan_is_stdout(p->hdr_file)) {
        return wrong("only one of --json and --hdr goes to standard output");
    }
    if (p->keys < p->threads) {
        return wrong("there are more --threads than --keys");
    }
    return true;
}

static bool finish(bench_plan *p, const char *ratio) {
    bool has_commands = p->template_count > 0;
    if (p->keys == 0) {
        p->keys = p->verify ? KEYS_VERIFIED : KEYS_DEFAULT;
    }
    if (p->handles == 0) {
        p->handles = p->verify ? p->clients : p->threads;
    }
    if (p->ops == 0 && p->duration_us == 0) {
        p->duration_us = DURATION_DEFAULT_US;
    }
    return check_together(p, has_commands) && apply_ratio(p, ratio);
}

exit_status bench_plan_parse(bench_plan *p, int argc, char **argv, bool *ret_done) {
    const char *value = NULL;
    const char *ratio = NULL;
    int id;
    *p = (bench_plan){.clients = 50,
                      .threads = 1,
                      .pipeline = 1,
                      .size_low = 32,
                      .size_high = 32,
                      .seed = 1,
                      .prefix = "key:"};
    while ((id = option_next(&options, argc, argv, &value)) != OPTION_END) {
        if (id == OPTION_HELP) {
            option_help(&options);
            *ret_done = true;
            return STATUS_OK;
        }
        if (id == OPTION_RATIO) {
            ratio = value;
        } else if (id == OPTION_WRONG || !take_option(p, id, value)) {
            return STATUS_USAGE;
        }
    }
    if (optind < argc) {
        return option_usage_error(&options, "bench takes no arguments");
    }
    return finish(p, ratio) ? STATUS_OK : STATUS_USAGE;
}

bool bench_plan_has_flights(const bench_plan *p) {
    bool whole = true;
    for (int i = 0; i < p->template_count; i++) {
        whole = whole && p->templates[i].key_is_whole;
    }
    return whole && p->pipeline > 1 && !p->spread && p->handles == p->clients && !p->verify &&
           p->rate == 0;
}

/* -------------------------------------------------------------- in one line */

typedef struct line {
    char *text;
    size_t size;
    size_t len;
} line;

static void add(line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(line *l, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int len = vsnprintf(l->text + l->len, l->size - l->len, format, args);
    va_end(args);
    l->len += len > 0 ? (size_t)len : 0;
    l->len = l->len < l->size ? l->len : l->size - 1;
}

static void add_count(line *l, uint64_t count, const char *what, const char *after) {
    add(l, "%llu %s%s%s", (unsigned long long)count, what, count == 1 ? "" : "s", after);
}

static void describe_commands(line *l, const bench_plan *p) {
    for (int i = 0; i < p->template_count; i++) {
        add(l, "%s%s", i > 0 ? ":" : "", p->templates[i].name);
    }
    for (int i = 0; p->template_count > 1 && i < p->template_count; i++) {
        add(l, "%s%u", i > 0 ? ":" : " ", p->templates[i].weight);
    }
}

void bench_plan_describe(const bench_plan *p, char *who, size_t who_size, char *what,
                         size_t what_size) {
    line l = {.text = who, .size = who_size};
    add_count(&l, p->clients, "client", " on ");
    add_count(&l, p->handles, "handle", " in ");
    add_count(&l, p->threads, "thread", ", ");
    if (p->rate > 0) {
        add(&l, "%llu commands a second, up to ", (unsigned long long)p->rate);
    }
    add(&l, "%llu in flight of each", (unsigned long long)p->pipeline);
    l = (line){.text = what, .size = what_size};
    describe_commands(&l, p);
    add(&l, ", %llu keys", (unsigned long long)p->keys);
    if (p->zipf > 0) {
        add(&l, " by Zipf %g", p->zipf);
    }
    if (p->verify) {
        add(&l, ", every history checked");
    } else if (p->size_low == p->size_high) {
        add(&l, ", values of %llu bytes", (unsigned long long)p->size_low);
    } else {
        add(&l, ", values of %llu to %llu bytes", (unsigned long long)p->size_low,
            (unsigned long long)p->size_high);
    }
}
