#include "tool/explain.h"

#include "tool/json.h"

#include <stdio.h>

enum { BAR_WIDTH = 24 };

/* Widths of the table's columns. */
typedef struct columns {
    int node;
    int reason;
    int answer;
    int time;
} columns;

static void widen(int *width, const char *text) {
    int len = (int)strlen(text);
    if (len > *width) {
        *width = len;
    }
}

static const char *answer_of(const kw_hop *hop) {
    return hop->answer && hop->answer[0] ? hop->answer : "-"; /* none yet */
}

static uint64_t took_us(const kw_hop *hop) {
    return hop->end_us > hop->start_us ? hop->end_us - hop->start_us : 0;
}

static columns measure(const kw_trace *trace) {
    columns c = {4, 6, 6, 5};
    kw_hop hop;
    for (size_t i = 0; kw_trace_hop_at(trace, i, &hop); i++) {
        char time[24];
        snprintf(time, sizeof time, "%llu", (unsigned long long)hop.end_us);
        widen(&c.node, hop.node);
        widen(&c.reason, hop.reason);
        widen(&c.answer, answer_of(&hop));
        widen(&c.time, time);
    }
    return c;
}

/* Where in the whole time the hop lay. */
static void bar(out *o, const term *t, const kw_hop *hop, uint64_t total_us) {
    uint64_t total = total_us > 0 ? total_us : 1;
    uint64_t first = hop->start_us * BAR_WIDTH / total;
    uint64_t last = hop->end_us * BAR_WIDTH / total;
    first = first < BAR_WIDTH ? first : BAR_WIDTH - 1;
    last = last < BAR_WIDTH ? last : BAR_WIDTH - 1;
    last = last < first ? first : last;
    out_text(o, term_style(t, STYLE_DIM));
    out_fill(o, term_glyph(t, "·", "."), first);
    out_text(o, term_style(t, STYLE_TITLE));
    out_fill(o, term_glyph(t, "━", "="), last - first + 1);
    out_text(o, term_style(t, STYLE_RESET));
    out_text(o, term_style(t, STYLE_DIM));
    out_fill(o, term_glyph(t, "·", "."), BAR_WIDTH - 1 - last);
    out_text(o, term_style(t, STYLE_RESET));
}

void explain_table(out *o, const term *t, const kw_trace *trace) {
    columns c = measure(trace);
    const char *dim = term_style(t, STYLE_DIM);
    const char *reset = term_style(t, STYLE_RESET);
    const char *dot = term_glyph(t, "·", "|");
    size_t hops = kw_trace_hop_count(trace);
    if (kw_trace_slot(trace) >= 0) {
        out_printf(o, "%sslot %d%s", term_style(t, STYLE_BOLD), kw_trace_slot(trace), reset);
    } else {
        out_printf(o, "%sno key%s", term_style(t, STYLE_BOLD), reset);
    }
    if (kw_trace_generation(trace) > 0) {
        out_printf(o, " %s map generation %llu", dot,
                   (unsigned long long)kw_trace_generation(trace));
    } else {
        out_printf(o, " %s map loaded for it", dot);
    }
    out_printf(o, " %s %zu hop%s %s %llu us\n", dot, hops, hops == 1 ? "" : "s", dot,
               (unsigned long long)kw_trace_total_us(trace));
    if (hops == 0) {
        return;
    }
    out_printf(o, "%s  #  %-*s  %-*s  %-*s  %*s  %*s%s\n", dim, c.node, "node", c.reason, "reason",
               c.answer, "answer", c.time, "at us", c.time, "us", reset);
    kw_hop hop;
    for (size_t i = 0; kw_trace_hop_at(trace, i, &hop); i++) {
        out_printf(o, " %2zu  %-*s  %-*s  %-*s  %*llu  %*llu  ", i + 1, c.node, hop.node, c.reason,
                   hop.reason, c.answer, answer_of(&hop), c.time, (unsigned long long)hop.start_us,
                   c.time, (unsigned long long)took_us(&hop));
        bar(o, t, &hop, kw_trace_total_us(trace));
        out_char(o, '\n');
    }
}

void explain_json(out *o, const kw_trace *trace) {
    if (kw_trace_slot(trace) >= 0) {
        out_printf(o, "{\"slot\":%d", kw_trace_slot(trace));
    } else {
        out_text(o, "{\"slot\":null");
    }
    out_printf(o, ",\"generation\":%llu,\"total_us\":%llu,\"hops\":[",
               (unsigned long long)kw_trace_generation(trace),
               (unsigned long long)kw_trace_total_us(trace));
    kw_hop hop;
    for (size_t i = 0; kw_trace_hop_at(trace, i, &hop); i++) {
        out_text(o, i > 0 ? ",{\"node\":" : "{\"node\":");
        json_text(o, hop.node);
        out_text(o, ",\"reason\":");
        json_text(o, hop.reason);
        out_text(o, ",\"answer\":");
        json_text(o, answer_of(&hop));
        out_printf(o, ",\"start_us\":%llu,\"end_us\":%llu}", (unsigned long long)hop.start_us,
                   (unsigned long long)hop.end_us);
    }
    out_text(o, "]}");
}

/* How many hops from the i-th on went to the same node with the same answer. */
static size_t same_hops(const kw_trace *trace, size_t i) {
    kw_hop first;
    kw_hop next;
    size_t count = 1;
    if (!kw_trace_hop_at(trace, i, &first)) {
        return 0;
    }
    while (kw_trace_hop_at(trace, i + count, &next) && strcmp(next.node, first.node) == 0 &&
           strcmp(answer_of(&next), answer_of(&first)) == 0) {
        count++;
    }
    return count;
}

void explain_line(out *o, const term *t, const kw_trace *trace) {
    const char *arrow = term_glyph(t, "→", "->");
    const char *warn = term_style(t, STYLE_WARN);
    const char *dim = term_style(t, STYLE_DIM);
    out_text(o, dim);
    if (kw_trace_slot(trace) >= 0) {
        out_printf(o, "slot %d ", kw_trace_slot(trace));
    } else {
        out_text(o, "no key ");
    }
    kw_hop hop;
    size_t hops = kw_trace_hop_count(trace);
    for (size_t i = 0; kw_trace_hop_at(trace, i, &hop);) {
        size_t times = same_hops(trace, i);
        i += times;
        out_printf(o, "%s %s ", arrow, hop.node);
        bool plain = strcmp(answer_of(&hop), "reply") == 0 || strcmp(answer_of(&hop), "error") == 0;
        if (i == hops && plain) {
            break;
        }
        out_printf(o, "%s%s%s", term_style(t, STYLE_RESET), warn, answer_of(&hop));
        if (times > 1) {
            out_printf(o, " %s%zu", term_glyph(t, "×", "x"), times);
        }
        out_printf(o, "%s%s ", term_style(t, STYLE_RESET), dim);
    }
    double ms = (double)kw_trace_total_us(trace) / 1000.0;
    out_printf(o, " %.2f ms%s\n", ms, term_style(t, STYLE_RESET));
}
