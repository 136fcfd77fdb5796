/* The files of a benchmark: --hdr and --json. */
#include "tool/bench_report.h"
#include "tool/json.h"

#include <math.h>

void bench_report_hdr(out *o, const bench_histogram *h) {
    bench_percentile at = {0};
    out_printf(o, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
               "1/(1-Percentile)");
    while (bench_histogram_walk(h, &at)) {
        out_printf(o, "%12.3f %2.12f %10llu", (double)at.value_us / 1000, at.share,
                   (unsigned long long)at.count);
        if (at.share < 1) {
            out_printf(o, " %14.2f", 1 / (1 - at.share));
        }
        out_char(o, '\n');
    }
    out_printf(o, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n",
               bench_histogram_mean_us(h) / 1000, bench_histogram_deviation_us(h) / 1000);
    out_printf(o, "#[Max     = %12.3f, Total count    = %12llu]\n", (double)h->max_us / 1000,
               (unsigned long long)h->count);
    out_printf(o, "#[Buckets = %12d, SubBuckets     = %12d]\n", BENCH_BUCKETS / BENCH_STEPS,
               BENCH_STEPS);
}

/* --------------------------------------------------------------------- JSON */

static void number(out *o, const char *name, uint64_t value) {
    out_printf(o, ",\"%s\":%llu", name, (unsigned long long)value);
}

static void real(out *o, const char *name, double value) {
    out_printf(o, ",\"%s\":%.3f", name, isfinite(value) ? value : 0);
}

static void put_times(out *o, const char *name, const bench_histogram *h) {
    static const struct {
        const char *name;
        double share;
    } parts[] = {{"p50", 0.5},     {"p90", 0.9},       {"p95", 0.95}, {"p99", 0.99},
                 {"p99_9", 0.999}, {"p99_99", 0.9999}, {"max", 1}};
    out_printf(o, ",\"%s\":{\"count\":%llu", name, (unsigned long long)h->count);
    real(o, "mean", bench_histogram_mean_us(h) / 1000);
    real(o, "deviation", bench_histogram_deviation_us(h) / 1000);
    real(o, "min", h->count > 0 ? (double)h->min_us / 1000 : 0);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        real(o, parts[i].name, (double)bench_histogram_quantile(h, parts[i].share) / 1000);
    }
    out_char(o, '}');
}

static void put_settings(out *o, const bench_plan *p) {
    out_printf(o, ",\"settings\":{\"clients\":%llu", (unsigned long long)p->clients);
    number(o, "handles", p->handles);
    number(o, "threads", p->threads);
    number(o, "pipeline", p->pipeline);
    number(o, "ops", p->ops);
    real(o, "duration_s", (double)p->duration_us / 1e6);
    real(o, "warmup_s", (double)p->warmup_us / 1e6);
    number(o, "rate", p->rate);
    number(o, "keys", p->keys);
    real(o, "zipf", p->zipf);
    number(o, "size_low", p->size_low);
    number(o, "size_high", p->size_high);
    number(o, "seed", p->seed);
    out_printf(o, ",\"spread\":%s,\"fill\":%s,\"verify\":%s,\"templates\":[",
               p->spread ? "true" : "false", p->fill ? "true" : "false",
               p->verify ? "true" : "false");
    for (int i = 0; i < p->template_count; i++) {
        out_text(o, i > 0 ? ",{\"name\":" : "{\"name\":");
        json_text(o, p->templates[i].name);
        number(o, "weight", p->templates[i].weight);
        out_char(o, '}');
    }
    out_text(o, "]}");
}

static void put_errors(out *o, const bench_tally *t) {
    out_text(o, ",\"errors_by_name\":{");
    for (int i = 0; i < BENCH_ERRORS_MAX && t->errors[i].count > 0; i++) {
        out_text(o, i > 0 ? "," : "");
        json_text(o, t->errors[i].name);
        out_printf(o, ":%llu", (unsigned long long)t->errors[i].count);
    }
    out_char(o, '}');
}

static void put_counters(out *o, const bench_counters *c) {
    out_text(o, ",\"counters\":{");
    bool any = false;
    for (int i = 0; i < KW_COUNTER_COUNT; i++) {
        if (i < KW_COUNT_IN_FLIGHT || i > KW_COUNT_LINKS) { /* levels mean nothing in sum */
            out_printf(o, "%s\"%s\":%llu", any ? "," : "", kw_counter_name((kw_counter)i),
                       (unsigned long long)c->total[i]);
            any = true;
        }
    }
    out_char(o, '}');
}

static void put_nodes(out *o, const bench_result *r) {
    int count = bench_nodes_count(r->nodes);
    bool any = false;
    out_text(o, ",\"nodes\":[");
    for (int i = 0; i < count; i++) {
        const bench_histogram *h = r->tally->nodes[i];
        const bench_node_counters *c = &r->counters->nodes[i];
        if (!h || h->count == 0) {
            continue;
        }
        out_text(o, any ? ",{\"node\":" : "{\"node\":");
        any = true;
        json_text(o, bench_nodes_endpoint(r->nodes, i));
        real(o, "commands_per_s", (double)h->count / r->seconds);
        number(o, "moved", c->moved);
        number(o, "ask", c->ask);
        number(o, "bytes_out", c->bytes_out);
        number(o, "bytes_in", c->bytes_in);
        put_times(o, "response_ms", h);
        out_char(o, '}');
    }
    out_char(o, ']');
}

static void put_commands(out *o, const bench_result *r) {
    out_text(o, ",\"by_command\":[");
    for (int i = 0; i < r->plan->template_count; i++) {
        out_text(o, i > 0 ? ",{\"command\":" : "{\"command\":");
        json_text(o, r->plan->templates[i].name);
        put_times(o, "response_ms", &r->tally->commands[i]);
        out_char(o, '}');
    }
    out_char(o, ']');
}

/* Upper bounds in milliseconds, and how many lie up to them and above the one before. */
static void put_histogram(out *o, const bench_histogram *h) {
    bool any = false;
    out_text(o, ",\"histogram\":[");
    for (uint32_t i = h->first; h->count > 0 && i <= h->last; i++) {
        if (h->buckets[i] > 0) {
            out_printf(o, "%s[%.3f,%llu]", any ? "," : "",
                       (double)bench_histogram_bucket_top(i) / 1000,
                       (unsigned long long)h->buckets[i]);
            any = true;
        }
    }
    out_char(o, ']');
}

static void put_seconds(out *o, const bench_result *r) {
    out_text(o, ",\"seconds\":[");
    for (size_t i = 0; i < r->moment_count; i++) {
        const bench_moment *m = &r->moments[i];
        out_printf(o, "%s{\"at_s\":%.3f,\"warmup\":%s", i > 0 ? "," : "", m->at_s,
                   m->is_warmup ? "true" : "false");
        real(o, "commands_per_s", m->span_s > 0 ? (double)m->done / m->span_s : 0);
        real(o, "p50_ms", (double)m->p50_us / 1000);
        real(o, "p99_ms", (double)m->p99_us / 1000);
        real(o, "p99_9_ms", (double)m->p999_us / 1000);
        real(o, "max_ms", (double)m->max_us / 1000);
        number(o, "errors", m->errors);
        number(o, "moved", m->moved);
        number(o, "ask", m->ask);
        out_char(o, '}');
    }
    out_char(o, ']');
}

static void put_verdict(out *o, const bench_verdict *v) {
    out_printf(o, ",\"verify\":{\"histories\":%llu", (unsigned long long)v->histories);
    number(o, "writes", v->writes);
    number(o, "reads", v->reads);
    number(o, "lost", v->lost);
    number(o, "stale", v->stale);
    number(o, "doubled", v->doubled);
    number(o, "misplaced", v->misplaced);
    number(o, "not_so_refused", v->ghosts);
    number(o, "foreign", v->foreign);
    number(o, "lost_by_failover", v->lost_by_failover);
    number(o, "stale_by_failover", v->stale_by_failover);
    real(o, "oldest_lost_ms", (double)v->oldest_lost_us / 1000);
    number(o, "ambiguous_executed", v->ambiguous_done);
    number(o, "ambiguous_not_executed", v->ambiguous_gone);
    number(o, "not_read_back", v->unread);
    out_text(o, ",\"remarks\":[");
    for (int i = 0; i < v->remark_count; i++) {
        out_text(o, i > 0 ? "," : "");
        json_text(o, v->remarks[i]);
    }
    out_text(o, "]}");
}

void bench_report_json(out *o, const bench_result *r) {
    const bench_tally *t = r->tally;
    out_printf(o, "{\"format\":1,\"version\":\"%s\",\"interrupted\":%s", kw_version(),
               r->was_interrupted ? "true" : "false");
    put_settings(o, r->plan);
    real(o, "elapsed_s", r->seconds);
    number(o, "commands", t->done);
    real(o, "commands_per_s", (double)t->done / r->seconds);
    number(o, "errors", t->error_count);
    number(o, "misses", t->misses);
    number(o, "ambiguous", t->ambiguous);
    number(o, "unsent", t->unsent);
    put_errors(o, t);
    put_counters(o, r->counters);
    put_times(o, "response_ms", &t->response);
    if (r->plan->rate > 0) {
        put_times(o, "service_ms", &t->service);
    }
    put_commands(o, r);
    put_nodes(o, r);
    put_histogram(o, &t->response);
    put_seconds(o, r);
    if (r->verdict) {
        put_verdict(o, r->verdict);
    }
    out_text(o, "}\n");
}
