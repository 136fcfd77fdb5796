/* Counters and response times, as their readers see them; and as Prometheus text. */
#include "base/buffer.h"
#include "client/shared_mem.h"
#include "core/watch.h"

#include <inttypes.h>
#include <stdio.h>

/* Levels go up and down (a gauge), sums only up (a counter). */
static const struct counter_entry {
    const char *name;
    const char *help;
    bool is_level;
    bool is_total_only; /* has no meaning for one node */
} COUNTERS[KW_COUNTER_COUNT] = {
    [KW_COUNT_COMMANDS] = {"commands", "Commands submitted; of a node: sent to it", false, false},
    [KW_COUNT_REPLIES] = {"replies", "Replies handed to callers", false, false},
    [KW_COUNT_FAILURES] = {"failures", "Commands that ended without a reply", false, false},
    [KW_COUNT_TIMEOUTS] = {"timeouts", "Commands whose deadline passed", false, false},
    [KW_COUNT_BYTES_OUT] = {"bytes_out", "Bytes written", false, false},
    [KW_COUNT_BYTES_IN] = {"bytes_in", "Bytes read", false, false},
    [KW_COUNT_MOVED] = {"moved", "MOVED answers followed", false, false},
    [KW_COUNT_ASK] = {"ask", "ASK answers followed", false, false},
    [KW_COUNT_TRYAGAIN] = {"tryagain", "TRYAGAIN answers", false, false},
    [KW_COUNT_CLUSTERDOWN] = {"clusterdown", "CLUSTERDOWN, LOADING and MASTERDOWN answers", false,
                              false},
    [KW_COUNT_READONLY] = {"readonly", "READONLY answers", false, false},
    [KW_COUNT_RETRIES] = {"retries", "Commands sent again after a lost connection", false, false},
    [KW_COUNT_PROBES] = {"probes", "Commands sent to a node only to find a slot's owner", false,
                         false},
    [KW_COUNT_SLOTS_HEALED] = {"slots_healed", "Slots without owner that have one again", false,
                               true},
    [KW_COUNT_CONNECTS] = {"connects", "Connections made", false, false},
    [KW_COUNT_CONNECT_FAILURES] = {"connect_failures", "Connections that could not be made", false,
                                   false},
    [KW_COUNT_DISCONNECTS] = {"disconnects", "Connections lost", false, false},
    [KW_COUNT_PUSHES] = {"pushes", "RESP3 pushes received", false, false},
    [KW_COUNT_REFRESH_PERIODIC] = {"refresh_periodic", "Periodic refreshes of the map", false,
                                   true},
    [KW_COUNT_REFRESH_NORMAL] = {"refresh_normal", "Normal refreshes of the map", false, true},
    [KW_COUNT_REFRESH_URGENT] = {"refresh_urgent", "Urgent refreshes of the map", false, true},
    [KW_COUNT_REFRESH_ACCEPTED] = {"refresh_accepted", "Views accepted", false, true},
    [KW_COUNT_REFRESH_FAILED] = {"refresh_failed", "Refreshes that ended without a view", false,
                                 true},
    [KW_COUNT_REFUSED_MALFORMED] = {"refused_malformed", "Views refused as malformed", false, true},
    [KW_COUNT_REFUSED_EPOCH] = {"refused_epoch", "Views refused as older than one seen", false,
                                true},
    [KW_COUNT_REFUSED_COVERAGE] = {"refused_coverage", "Views refused for covering fewer slots",
                                   false, true},
    [KW_COUNT_IN_FLIGHT] = {"in_flight", "Commands sent and not answered", true, false},
    [KW_COUNT_WAITING] = {"waiting", "Commands not yet sent", true, true},
    [KW_COUNT_SLOTS_KNOWN] = {"slots_known", "Slots with an owner", true, true},
    [KW_COUNT_SLOTS_SUSPECT] = {"slots_suspect", "Slots whose owner is doubted", true, true},
    [KW_COUNT_SLOTS_UNKNOWN] = {"slots_unknown", "Slots without owner", true, true},
    [KW_COUNT_LINKS] = {"links", "Connections open", true, false},
    [KW_COUNT_BLOCKED] = {"blocked", "Blocking commands sent and not answered", true, false},
};

/* Upper bounds of the buckets in the text, in microseconds. */
static const uint64_t BUCKETS_US[] = {50,     100,     250,     500,     1000,    2500,
                                      5000,   10000,   25000,   50000,   100000,  250000,
                                      500000, 1000000, 2500000, 5000000, 10000000};

const char *kw_counter_name(kw_counter counter) {
    return (size_t)counter < KW_COUNTER_COUNT ? COUNTERS[counter].name : NULL;
}

void kw_stats_free(kw_stats *stats) {
    if (!stats) {
        return;
    }
    const mem *m = stats->mem;
    mem_free(m, stats->prometheus);
    mem_free(m, stats->nodes);
    mem_free(m, stats);
    shared_mem_unref(m);
}

uint64_t kw_stats_total(const kw_stats *stats, kw_counter counter) {
    return (size_t)counter < KW_COUNTER_COUNT ? stats->counters[counter] : 0;
}

size_t kw_stats_node_count(const kw_stats *stats) {
    return stats->node_count;
}

const char *kw_stats_node_endpoint(const kw_stats *stats, size_t node) {
    return node < stats->node_count ? stats->nodes[node].endpoint : NULL;
}

uint64_t kw_stats_node(const kw_stats *stats, size_t node, kw_counter counter) {
    return node < stats->node_count && (size_t)counter < KW_COUNTER_COUNT
               ? stats->nodes[node].counters[counter]
               : 0;
}

uint64_t kw_stats_latency_us(const kw_stats *stats, int node, double share) {
    if (node < 0) {
        return histogram_quantile(&stats->latency, share);
    }
    return (size_t)node < stats->node_count ? histogram_quantile(&stats->nodes[node].latency, share)
                                            : 0;
}

/* --------------------------------------------------------------- Prometheus */

/* Appends until something fails, then nothing more: looked at once, at the end. */
typedef struct text {
    buffer bytes;
    bool failed;
} text;

#define PUT(t, ...) ((t)->failed = (t)->failed || !buffer_printf(&(t)->bytes, __VA_ARGS__))

/* Label values escape backslash, quote and line feed (the exposition format). */
static void escape_label(const char *value, char *dst, size_t size) {
    size_t len = 0;
    for (; *value && len + 3 < size; value++) {
        if (*value == '\\' || *value == '"' || *value == '\n') {
            dst[len++] = '\\';
        }
        dst[len++] = *value == '\n' ? 'n' : *value;
    }
    dst[len] = '\0';
}

/* Microseconds as seconds, without the locale's decimal comma. */
static void put_seconds(text *t, uint64_t us) {
    PUT(t, "%" PRIu64 ".%06" PRIu64, us / 1000000u, us % 1000000u);
}

static void put_counters(text *t, const kw_stats *stats) {
    for (size_t i = 0; i < KW_COUNTER_COUNT; i++) {
        const struct counter_entry *c = &COUNTERS[i];
        const char *suffix = c->is_level ? "" : "_total";
        const char *type = c->is_level ? "gauge" : "counter";
        PUT(t, "# HELP keyway_%s%s %s.\n# TYPE keyway_%s%s %s\nkeyway_%s%s %" PRIu64 "\n", c->name,
            suffix, c->help, c->name, suffix, type, c->name, suffix, stats->counters[i]);
        if (c->is_total_only || stats->node_count == 0) {
            continue;
        }
        PUT(t, "# HELP keyway_node_%s%s %s, by node.\n# TYPE keyway_node_%s%s %s\n", c->name,
            suffix, c->help, c->name, suffix, type);
        for (size_t n = 0; n < stats->node_count; n++) {
            char label[2 * ENDPOINT_TEXT_BYTES];
            escape_label(stats->nodes[n].endpoint, label, sizeof label);
            PUT(t, "keyway_node_%s%s{node=\"%s\"} %" PRIu64 "\n", c->name, suffix, label,
                stats->nodes[n].counters[i]);
        }
    }
}

/* `node` is an escaped label, or NULL for the whole handle. */
static void put_histogram(text *t, const char *name, const char *node, const histogram *h) {
    char label[2 * ENDPOINT_TEXT_BYTES + 16] = "";
    const char *open = node ? "node=\"" : "";
    const char *shut = node ? "\"," : "";
    for (size_t i = 0; i < sizeof BUCKETS_US / sizeof BUCKETS_US[0]; i++) {
        PUT(t, "%s_bucket{%s%s%sle=\"", name, open, node ? node : "", shut);
        put_seconds(t, BUCKETS_US[i]);
        PUT(t, "\"} %" PRIu64 "\n", histogram_count_below(h, BUCKETS_US[i]));
    }
    PUT(t, "%s_bucket{%s%s%sle=\"+Inf\"} %" PRIu64 "\n", name, open, node ? node : "", shut,
        h->count);
    if (node) {
        snprintf(label, sizeof label, "{node=\"%s\"}", node);
    }
    PUT(t, "%s_sum%s ", name, label);
    put_seconds(t, h->sum_us);
    PUT(t, "\n%s_count%s %" PRIu64 "\n", name, label, h->count);
}

static void put_latencies(text *t, const kw_stats *stats) {
    PUT(t, "# HELP keyway_latency_seconds Response times.\n"
           "# TYPE keyway_latency_seconds histogram\n");
    put_histogram(t, "keyway_latency_seconds", NULL, &stats->latency);
    if (stats->node_count == 0) {
        return;
    }
    PUT(t, "# HELP keyway_node_latency_seconds Response times, by node.\n"
           "# TYPE keyway_node_latency_seconds histogram\n");
    for (size_t n = 0; n < stats->node_count; n++) {
        char label[2 * ENDPOINT_TEXT_BYTES];
        escape_label(stats->nodes[n].endpoint, label, sizeof label);
        put_histogram(t, "keyway_node_latency_seconds", label, &stats->nodes[n].latency);
    }
}

const char *kw_stats_prometheus(kw_stats *stats) {
    if (stats->prometheus) {
        return stats->prometheus;
    }
    text t = {.failed = false};
    buffer_init(&t.bytes, stats->mem, 0);
    put_counters(&t, stats);
    put_latencies(&t, stats);
    if (!t.failed) {
        kw_slice bytes = buffer_slice(&t.bytes);
        stats->prometheus = mem_strndup(stats->mem, bytes.data, bytes.len);
    }
    buffer_done(&t.bytes);
    return stats->prometheus;
}
