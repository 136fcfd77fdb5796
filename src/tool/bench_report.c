#include "tool/bench_report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define FIRST_ROW_SHARE 0.002

enum { NAME_WIDTH = 20, ROWS_MAX = 20, BAR_MIN = 4, BAR_MAX = 50, BESIDE_BAR = 38 };

typedef struct writer {
    out *o;
    const term *t;
    const bench_result *r;
} writer;

static const char *style_of(const writer *w, style s) {
    return term_style(w->t, s);
}

/* ------------------------------------------------------------------- totals */

static void row(const writer *w, const char *name, const char *value, style s) {
    out_printf(w->o, "  %-18s %s%s%s\n", name, style_of(w, s), value, style_of(w, STYLE_RESET));
}

static void row_commands(const writer *w) {
    char count[BENCH_TEXT_BYTES];
    char rate[BENCH_TEXT_BYTES];
    char text[160];
    const bench_result *r = w->r;
    double each_s = r->seconds > 0 ? (double)r->tally->done / r->seconds : 0;
    snprintf(text, sizeof text, "%s in %.2f s, %s a second", grouped(r->tally->done, count),
             r->seconds, grouped((uint64_t)(each_s + 0.5), rate));
    row(w, "commands", text, STYLE_BOLD);
    if (r->plan->rate > 0) {
        snprintf(text, sizeof text, "%s a second wanted; %s were due and never sent",
                 grouped(r->plan->rate, rate), grouped(r->tally->unsent, count));
        row(w, "rate", text, r->tally->unsent > 0 ? STYLE_WARN : STYLE_RESET);
    }
}

static void row_errors(const writer *w) {
    const bench_tally *tally = w->r->tally;
    char number[BENCH_TEXT_BYTES];
    char text[160];
    int width = (int)strlen(grouped(tally->error_count, number));
    row(w, "errors", number, tally->error_count > 0 ? STYLE_BAD : STYLE_GOOD);
    for (int i = 0; i < BENCH_ERRORS_MAX && tally->errors[i].count > 0; i++) {
        snprintf(text, sizeof text, "%*s  %s", width, grouped(tally->errors[i].count, number),
                 tally->errors[i].name);
        row(w, "", text, STYLE_BAD);
    }
}

static void row_counted(const writer *w, const char *name, kw_counter c, bool always) {
    char number[BENCH_TEXT_BYTES];
    uint64_t count = w->r->counters->total[c];
    if (count > 0 || always) {
        row(w, name, grouped(count, number), STYLE_RESET);
    }
}

static void write_totals(const writer *w) {
    const bench_result *r = w->r;
    char number[BENCH_TEXT_BYTES];
    char other[BENCH_TEXT_BYTES];
    char text[160];
    double out_bytes_s = (double)r->counters->total[KW_COUNT_BYTES_OUT] / r->seconds;
    double in_bytes_s = (double)r->counters->total[KW_COUNT_BYTES_IN] / r->seconds;
    row_commands(w);
    row_errors(w);
    if (r->tally->misses > 0) {
        row(w, "keys not there", grouped(r->tally->misses, number), STYLE_RESET);
    }
    snprintf(text, sizeof text, "MOVED %s, ASK %s",
             grouped(r->counters->total[KW_COUNT_MOVED], number),
             grouped(r->counters->total[KW_COUNT_ASK], other));
    row(w, "redirects", text, STYLE_RESET);
    row_counted(w, "TRYAGAIN", KW_COUNT_TRYAGAIN, false);
    row_counted(w, "CLUSTERDOWN", KW_COUNT_CLUSTERDOWN, false);
    row_counted(w, "sent again", KW_COUNT_RETRIES, false);
    row_counted(w, "connections lost", KW_COUNT_DISCONNECTS, false);
    snprintf(text, sizeof text, "%s/s sent, %s/s received",
             bench_bytes(r->seconds > 0 ? out_bytes_s : 0, number),
             bench_bytes(r->seconds > 0 ? in_bytes_s : 0, other));
    row(w, "bytes", text, STYLE_RESET);
}

/* -------------------------------------------------------------------- table */

static const struct column {
    const char *name;
    int width;
    double share;    /* of a percentile; 0: another figure */
    int least_width; /* of a terminal that has room for it */
} columns[] = {
    {"a second", 9, 0, 56}, {"mean", 7, 0, 78},      {"p50", 7, 0.5, 0}, {"p90", 7, 0.9, 78},
    {"p99", 7, 0.99, 0},    {"p99.9", 7, 0.999, 78}, {"max", 7, 1, 56},
};
enum { COLUMN_RATE, COLUMN_MEAN, COLUMNS = sizeof columns / sizeof columns[0] };

static bool has_room(const writer *w, const struct column *c) {
    return !w->t->is_tty || w->t->width >= c->least_width;
}

static void table_head(const writer *w) {
    out_printf(w->o, "\n  %s%-*s", style_of(w, STYLE_DIM), NAME_WIDTH, "response time, ms");
    for (size_t i = 0; i < COLUMNS; i++) {
        if (has_room(w, &columns[i])) {
            out_printf(w->o, " %*s", columns[i].width, columns[i].name);
        }
    }
    out_printf(w->o, "%s\n", style_of(w, STYLE_RESET));
}

static const char *cell(const writer *w, const bench_histogram *h, size_t column,
                        char ret[BENCH_TEXT_BYTES]) {
    switch (column) {
    case COLUMN_RATE: {
        double each_s = w->r->seconds > 0 ? (double)h->count / w->r->seconds : 0;
        return grouped((uint64_t)(each_s + 0.5), ret);
    }
    case COLUMN_MEAN:
        return bench_ms((uint64_t)(bench_histogram_mean_us(h) + 0.5), ret);
    default:
        return bench_ms(bench_histogram_quantile(h, columns[column].share), ret);
    }
}

static void table_row(const writer *w, const char *name, const bench_histogram *h, int node) {
    char number[BENCH_TEXT_BYTES];
    out_text(w->o, "  ");
    if (node >= 0) {
        term_ink(w->o, w->t, (colour){node, false});
    }
    out_printf(w->o, "%-*s%s", NAME_WIDTH, name, node >= 0 ? style_of(w, STYLE_RESET) : "");
    for (size_t i = 0; i < COLUMNS; i++) {
        if (has_room(w, &columns[i])) {
            out_printf(w->o, " %*s", columns[i].width, cell(w, h, i, number));
        }
    }
    out_char(w->o, '\n');
}

static void write_table(const writer *w) {
    const bench_result *r = w->r;
    int count = bench_nodes_count(r->nodes);
    table_head(w);
    for (int i = 0; i < r->plan->template_count; i++) {
        table_row(w, r->plan->templates[i].name, &r->tally->commands[i], BENCH_NODE_NONE);
    }
    for (int i = 0; i < count; i++) {
        if (r->tally->nodes[i] && r->tally->nodes[i]->count > 0) {
            table_row(w, bench_nodes_endpoint(r->nodes, i), r->tally->nodes[i], i);
        }
    }
    out_text(w->o, style_of(w, STYLE_BOLD));
    table_row(w, r->plan->rate > 0 ? "all, since due" : "all", &r->tally->response,
              BENCH_NODE_NONE);
    out_text(w->o, style_of(w, STYLE_RESET));
    if (r->plan->rate > 0) {
        table_row(w, "all, since sent", &r->tally->service, BENCH_NODE_NONE);
    }
}

/* ---------------------------------------------------------------- histogram */

/* The least factor from one row to the next by which all values fit on so many rows. */
static double row_factor(const bench_histogram *h, double low_us) {
    static const double factors[] = {1.1, 1.25, 1.5, 2, 4, 10};
    size_t i = 0;
    while (i + 1 < sizeof factors / sizeof factors[0] &&
           low_us * pow(factors[i], ROWS_MAX) < (double)h->max_us) {
        i++;
    }
    return factors[i];
}

static void mark(const writer *w, const bench_histogram *h, uint64_t from, uint64_t to) {
    static const struct {
        const char *name;
        double share;
    } marks[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        double rank = ceil(marks[i].share * (double)h->count);
        if (rank > (double)from && rank <= (double)to) {
            out_printf(w->o, " %s%s%s", style_of(w, STYLE_WARN), marks[i].name,
                       style_of(w, STYLE_RESET));
        }
    }
}

static void write_histogram(const writer *w) {
    const bench_histogram *h = &w->r->tally->response;
    uint64_t first_us = bench_histogram_quantile(h, FIRST_ROW_SHARE);
    double low_us = first_us > 10 ? (double)first_us : 10; /* the first row is all below it */
    double factor = row_factor(h, low_us);
    uint64_t counts[ROWS_MAX * 2];
    uint64_t tops_us[ROWS_MAX * 2];
    uint64_t most = 0;
    uint64_t seen = 0;
    int rows = 0;
    while (rows < ROWS_MAX * 2 && seen < h->count) {
        tops_us[rows] = (uint64_t)(low_us * pow(factor, rows));
        uint64_t up_to = bench_histogram_at_most(h, tops_us[rows]);
        counts[rows] = up_to - seen;
        most = counts[rows] > most ? counts[rows] : most;
        seen = up_to;
        rows++;
    }
    int bar = w->t->width - BESIDE_BAR;
    bar = bar > BAR_MAX ? BAR_MAX : bar < BAR_MIN ? BAR_MIN : bar;
    seen = 0;
    for (int i = 0; i < rows; i++) {
        char number[BENCH_TEXT_BYTES];
        out_printf(w->o, "  %s %8s ms %s", term_glyph(w->t, "≤", "<="),
                   bench_ms(tops_us[i], number), style_of(w, STYLE_GOOD));
        bench_bar(w->o, w->t, (double)counts[i] / (double)most, bar);
        out_printf(w->o, "%s %7.3f %%", style_of(w, STYLE_RESET),
                   100 * (double)counts[i] / (double)h->count);
        mark(w, h, seen, seen + counts[i]);
        seen += counts[i];
        out_char(w->o, '\n');
    }
}

/* ------------------------------------------------------------------ verdict */

static void verdict_row(const writer *w, const char *name, uint64_t count, style s,
                        const char *remark) {
    char number[BENCH_TEXT_BYTES];
    out_printf(w->o, "  %-18s %s%12s%s  %s%s%s\n", name, count > 0 ? style_of(w, s) : "",
               grouped(count, number), count > 0 ? style_of(w, STYLE_RESET) : "",
               style_of(w, STYLE_DIM), remark, style_of(w, STYLE_RESET));
}

static void write_verdict(const writer *w) {
    const bench_verdict *v = w->r->verdict;
    char remark[120];
    char number[BENCH_TEXT_BYTES];
    out_char(w->o, '\n');
    verdict_row(w, "histories", v->histories, STYLE_RESET, "of keys, read back and checked");
    verdict_row(w, "writes", v->writes, STYLE_RESET, "acknowledged");
    verdict_row(w, "reads", v->reads, STYLE_RESET, "answered");
    verdict_row(w, "lost", v->lost, STYLE_BAD, "acknowledged, and gone");
    verdict_row(w, "stale", v->stale, STYLE_BAD, "replies that showed less than was there");
    verdict_row(w, "doubled", v->doubled, STYLE_BAD, "executed twice");
    verdict_row(w, "misplaced", v->misplaced, STYLE_BAD, "in another order than they were made");
    verdict_row(w, "not so refused", v->ghosts, STYLE_BAD, "reported as not executed, and there");
    verdict_row(w, "foreign", v->foreign, STYLE_BAD, "written by nobody");
    snprintf(remark, sizeof remark, "acknowledged up to %s ms before their node failed",
             bench_ms(v->oldest_lost_us, number));
    verdict_row(w, "lost by failover", v->lost_by_failover, STYLE_WARN,
                v->lost_by_failover > 0 ? remark : "by asynchronous replication");
    if (v->stale_by_failover > 0) {
        verdict_row(w, "stale by failover", v->stale_by_failover, STYLE_WARN,
                    "of a node that had been replaced");
    }
    snprintf(remark, sizeof remark, "MAYBE_EXECUTED: %llu were, %llu were not",
             (unsigned long long)v->ambiguous_done, (unsigned long long)v->ambiguous_gone);
    verdict_row(w, "ambiguous", v->ambiguous_done + v->ambiguous_gone, STYLE_WARN, remark);
    if (v->unread > 0) {
        verdict_row(w, "not read back", v->unread, STYLE_WARN, "keys that nobody answered for");
    }
    for (int i = 0; i < v->remark_count; i++) {
        out_printf(w->o, "  %s%s%s\n", style_of(w, STYLE_BAD), v->remarks[i],
                   style_of(w, STYLE_RESET));
    }
}

void bench_report_write(out *o, const term *t, const bench_result *r) {
    writer w = {.o = o, .t = t, .r = r};
    out_char(o, '\n');
    write_totals(&w);
    if (r->tally->done > 0) {
        write_table(&w);
        out_char(o, '\n');
        write_histogram(&w);
    }
    if (r->verdict) {
        write_verdict(&w);
    }
}
