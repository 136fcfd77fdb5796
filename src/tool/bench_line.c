#include "tool/bench_line.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    LABEL_WIDTH = 12,
    SPARK_MAX = 100,
    LINES_BESIDE_NODES = 9,
    NODE_BAR = 20,
    BAR_ROOM = 84,
    PICTURE_WIDTH = 60
};

static const char *style_of(const bench_line *l, style s) {
    return term_style(&l->look, s);
}

static double per_second(const bench_second *s, uint64_t count) {
    return s->span_s > 0 ? (double)count / s->span_s : 0;
}

static uint64_t grown(const bench_second *s, kw_counter c) {
    return bench_grown(s->now->total[c], s->before->total[c]);
}

/* -------------------------------------------------------------- plain lines */

static void tell_narrow(bench_line *l, const bench_second *s) {
    out_printf(&l->screen, "%5.0f s %8.0f/s  p99 %.3f  errors %llu\n", s->at_s,
               per_second(s, s->tally->done),
               (double)bench_histogram_quantile(&s->tally->response, 0.99) / 1000,
               (unsigned long long)s->tally->error_count);
    out_flush(&l->screen);
}

static void tell(bench_line *l, bench_nodes *nodes, const bench_second *s) {
    const bench_histogram *h = &s->tally->response;
    out_printf(&l->screen,
               "%7.1f s  %9.0f/s  p50 %.3f  p99 %.3f  p99.9 %.3f  max %.3f ms  errors %llu  "
               "MOVED %.0f/s  ASK %.0f/s",
               s->at_s, per_second(s, s->tally->done),
               (double)bench_histogram_quantile(h, 0.5) / 1000,
               (double)bench_histogram_quantile(h, 0.99) / 1000,
               (double)bench_histogram_quantile(h, 0.999) / 1000, (double)h->max_us / 1000,
               (unsigned long long)s->tally->error_count, per_second(s, grown(s, KW_COUNT_MOVED)),
               per_second(s, grown(s, KW_COUNT_ASK)));
    int count = bench_nodes_count(nodes);
    for (int i = 0; i < count; i++) {
        const bench_histogram *node = s->tally->nodes[i];
        if (node && node->count > 0) {
            out_printf(&l->screen, "  %s %.0f/s", bench_nodes_endpoint(nodes, i),
                       per_second(s, node->count));
        }
    }
    out_text(&l->screen, s->is_warmup ? "  (warm-up)\n" : "\n");
    out_flush(&l->screen);
}

/* ------------------------------------------------------------------ picture */

static void end_line(bench_line *l) {
    out_text(&l->screen, "\033[K\n");
    l->lines++;
}

static void label(bench_line *l, const char *text) {
    out_printf(&l->screen, "  %s%-*s%s", style_of(l, STYLE_DIM), LABEL_WIDTH, text,
               style_of(l, STYLE_RESET));
}

static void draw_time(bench_line *l, const bench_second *s) {
    label(l, s->is_warmup ? "warm-up" : "time");
    if (s->total_s > 0) {
        double share = s->at_s / s->total_s;
        out_printf(&l->screen, "%5.0f of %.0f s  ", s->at_s, s->total_s);
        out_text(&l->screen, style_of(l, STYLE_DIM));
        bench_bar(&l->screen, &l->look, share < 1 ? share : 1, 30);
        out_text(&l->screen, style_of(l, STYLE_RESET));
    } else {
        out_printf(&l->screen, "%5.0f s", s->at_s);
    }
    end_line(l);
}

static void draw_spark(bench_line *l) {
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char plain[] = "_.-=+*%#";
    int width = l->look.width - LABEL_WIDTH - 16;
    width = width > SPARK_MAX ? SPARK_MAX : width;
    size_t count = width > 0 && l->samples > (size_t)width ? (size_t)width : l->samples;
    count = width > 0 ? count : 0;
    double high = 1;
    for (size_t i = l->samples - count; i < l->samples; i++) {
        double rate = l->rate[i % BENCH_SPARKS];
        high = rate > high ? rate : high;
    }
    for (size_t i = l->samples - count; i < l->samples; i++) {
        int height = (int)(l->rate[i % BENCH_SPARKS] / high * 7.99);
        if (l->look.utf8) {
            out_text(&l->screen, blocks[height]);
        } else {
            out_char(&l->screen, plain[height]);
        }
    }
}

static void draw_rate(bench_line *l, const bench_second *s) {
    char number[BENCH_TEXT_BYTES];
    double rate = per_second(s, s->tally->done);
    l->rate[l->samples++ % BENCH_SPARKS] = rate;
    label(l, "commands/s");
    out_printf(&l->screen, "%s%11s%s  %s", style_of(l, STYLE_BOLD),
               grouped((uint64_t)(rate + 0.5), number), style_of(l, STYLE_RESET),
               style_of(l, STYLE_GOOD));
    draw_spark(l);
    out_text(&l->screen, style_of(l, STYLE_RESET));
    end_line(l);
}

static void draw_latency(bench_line *l, const bench_histogram *h) {
    static const struct {
        const char *name;
        double share;
    } parts[] = {{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};
    char number[BENCH_TEXT_BYTES];
    label(l, "response ms");
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        out_printf(&l->screen, "%s%s%s%s %-7s ", i > 0 ? " " : "     ", style_of(l, STYLE_DIM),
                   parts[i].name, style_of(l, STYLE_RESET),
                   bench_ms(bench_histogram_quantile(h, parts[i].share), number));
    }
    end_line(l);
}

static void counted(bench_line *l, const char *name, double value, const char *unit, style s) {
    char number[BENCH_TEXT_BYTES];
    out_printf(&l->screen, "%s%s%s %s%s%s%s   ", style_of(l, STYLE_DIM), name,
               style_of(l, STYLE_RESET), value > 0 ? style_of(l, s) : "",
               grouped((uint64_t)(value + 0.5), number), unit, style_of(l, STYLE_RESET));
}

static void draw_counters(bench_line *l, const bench_second *s) {
    label(l, "this second");
    out_text(&l->screen, "     ");
    counted(l, "errors", (double)s->tally->error_count, "", STYLE_BAD);
    counted(l, "MOVED", per_second(s, grown(s, KW_COUNT_MOVED)), "/s", STYLE_WARN);
    counted(l, "ASK", per_second(s, grown(s, KW_COUNT_ASK)), "/s", STYLE_WARN);
    end_line(l);
    end_line(l);
}

static void draw_node(bench_line *l, const bench_nodes *nodes, const bench_second *s, int node,
                      uint64_t most) {
    const bench_histogram *h = s->tally->nodes[node];
    uint64_t moved = bench_grown(s->now->nodes[node].moved, s->before->nodes[node].moved);
    char number[BENCH_TEXT_BYTES];
    char p99[BENCH_TEXT_BYTES];
    uint64_t count = h ? h->count : 0;
    out_text(&l->screen, "  ");
    term_ink(&l->screen, &l->look, (colour){node, false});
    if (l->look.colours > 0) {
        out_text(&l->screen, term_glyph(&l->look, "■", "#"));
    } else {
        out_char(&l->screen, term_letter(node));
    }
    out_printf(&l->screen, "%s %-21s %9s/s  p99 %-7s ", style_of(l, STYLE_RESET),
               bench_nodes_endpoint(nodes, node),
               grouped((uint64_t)(per_second(s, count) + 0.5), number),
               h ? bench_ms(bench_histogram_quantile(h, 0.99), p99) : "-");
    if (l->look.width >= BAR_ROOM) {
        term_ink(&l->screen, &l->look, (colour){node, false});
        bench_bar(&l->screen, &l->look, most > 0 ? (double)count / (double)most : 0, NODE_BAR);
        out_text(&l->screen, style_of(l, STYLE_RESET));
    }
    if (moved > 0) {
        out_printf(&l->screen, " %sMOVED %s/s%s", style_of(l, STYLE_WARN),
                   grouped((uint64_t)per_second(s, moved), number), style_of(l, STYLE_RESET));
    }
    end_line(l);
}

static void draw_nodes(bench_line *l, bench_nodes *nodes, const bench_second *s) {
    int count = bench_nodes_count(nodes);
    int room = l->look.height - LINES_BESIDE_NODES;
    int shown = 0;
    uint64_t most = 0;
    for (int i = 0; i < count; i++) {
        const bench_histogram *h = s->tally->nodes[i];
        most = h && h->count > most ? h->count : most;
    }
    for (int i = 0; i < count && shown < room; i++, shown++) {
        draw_node(l, nodes, s, i, most);
    }
    if (shown < count) {
        out_printf(&l->screen, "  and %d more nodes", count - shown);
        end_line(l);
    }
}

static void draw(bench_line *l, bench_nodes *nodes, const bench_second *s) {
    int before = l->lines;
    term_resize(&l->look, STDOUT_FILENO);
    /* One update for terminals that know it; no wrapping; no cursor. */
    out_text(&l->screen, "\033[?2026h\033[?25l\033[?7l");
    if (l->width != 0 && l->width != l->look.width) {
        out_text(&l->screen, "\033[H\033[2J"); /* the old picture was wrapped anew: start afresh */
    } else if (before > 0) {
        out_printf(&l->screen, "\033[%dA\r", before);
    }
    l->width = l->look.width;
    l->lines = 0;
    draw_time(l, s);
    draw_rate(l, s);
    draw_latency(l, &s->tally->response);
    draw_counters(l, s);
    draw_nodes(l, nodes, s);
    out_text(&l->screen, "\033[J\033[?7h\033[?25h\033[?2026l");
    out_flush(&l->screen);
}

void bench_line_init(bench_line *l, bool plain, bool no_colour) {
    *l = (bench_line){0};
    term_probe(&l->look, STDOUT_FILENO);
    out_init(&l->screen, STDOUT_FILENO);
    const char *name = getenv("TERM");
    bool can_move = name && *name && strcmp(name, "dumb") != 0;
    l->look.colours = no_colour ? 0 : l->look.colours;
    l->is_live = l->look.is_tty && can_move && !plain && l->look.width >= PICTURE_WIDTH &&
                 l->look.height >= LINES_BESIDE_NODES + 3;
}

void bench_line_show(bench_line *l, bench_nodes *nodes, const bench_second *s) {
    if (l->is_live) {
        draw(l, nodes, s);
    } else if (l->look.is_tty && l->look.width < PICTURE_WIDTH) {
        tell_narrow(l, s);
    } else {
        tell(l, nodes, s);
    }
}

void bench_line_done(bench_line *l) {
    out_done(&l->screen);
}
