#include "tool/view.h"

#include "tool/grouped.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    FRAME_US = 100 * 1000,
    STATUS_US = 2 * 1000 * 1000,
    GRID_ROWS = 4,
    SPARK_MAX = 100,
    LABEL_WIDTH = 12,
    LINES_BESIDE_LOG = 20,
    LOG_MIN = 3,
    LOG_MAX = 10,
    BAR_WIDE = 16,
    BAR_NARROW = 8,
    WIDE = 92 /* columns from which the wide bars fit */
};

static const char *style_of(const view *v, style s) {
    return term_style(&v->look, s);
}

static void end_line(view *v) {
    out_text(&v->screen, "\033[K\n");
    v->lines++;
}

/* ----------------------------------------------------------------- numbers */

static void sample(view *v, uint64_t now_us) {
    uint64_t count = 0;
    uint64_t slowest_us = 0;
    double seconds = (double)(now_us - v->sampled_us) / 1e6;
    traffic_tick(v->traffic, &count, &slowest_us);
    v->rate[v->samples % VIEW_SAMPLES] = seconds > 0 ? (double)count / seconds : 0;
    v->slowest_ms[v->samples % VIEW_SAMPLES] = (double)slowest_us / 1000;
    v->samples++;
    v->sampled_us = now_us;
}

/* The mean rate of the last second. */
static double rate_now(const view *v) {
    size_t count = v->samples < 10 ? v->samples : 10;
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += v->rate[(v->samples - 1 - i) % VIEW_SAMPLES];
    }
    return count > 0 ? sum / (double)count : 0;
}

static double slowest_now(const view *v) {
    size_t count = v->samples < 10 ? v->samples : 10;
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        double ms = v->slowest_ms[(v->samples - 1 - i) % VIEW_SAMPLES];
        most = ms > most ? ms : most;
    }
    return most;
}

/* ----------------------------------------------------------------- picture */

static void draw_headline(view *v, uint64_t now_us) {
    out_printf(&v->screen,
               "%skeyway demo%s  %sone client, an embedded cluster of %d nodes%s  %5.1f s",
               style_of(v, STYLE_TITLE), style_of(v, STYLE_RESET), style_of(v, STYLE_DIM),
               kw_lab_node_count(v->plan->lab), style_of(v, STYLE_RESET),
               (double)(now_us - v->plan->started_us) / 1e6);
    end_line(v);
    end_line(v);
}

static void draw_phases(view *v, uint64_t now_us) {
    for (phase ph = PHASE_MOVE; ph < PHASE_DONE; ph++) {
        const char *name = plan_phase_name(ph);
        if (ph < v->plan->phase) {
            out_printf(&v->screen, "%s%s %s%s", style_of(v, STYLE_GOOD),
                       term_glyph(&v->look, "✔", "+"), name, style_of(v, STYLE_RESET));
        } else if (ph == v->plan->phase) {
            double done = plan_progress(v->plan, now_us);
            out_printf(&v->screen, "%s%s %s%s", style_of(v, STYLE_BOLD),
                       term_glyph(&v->look, "▸", ">"), name, style_of(v, STYLE_RESET));
            if (v->look.width >= 100) {
                out_printf(&v->screen, " %2.0f %%", (done < 1 ? done : 1) * 100);
            }
        } else {
            out_printf(&v->screen, "%s%s %s%s", style_of(v, STYLE_DIM),
                       term_glyph(&v->look, "·", "."), name, style_of(v, STYLE_RESET));
        }
        out_text(&v->screen, "  ");
    }
    end_line(v);
    end_line(v);
}

/* The map as the client has it, in the colours of the shards; a slot where it differs from the
 * truth, or that is on the move, is marked. */
static void fill_grid(view *v) {
    kw_map *map = NULL;
    int shard[256];
    if (kw_map_new(v->plan->client, &map) != KW_OK) {
        return; /* the last picture stays */
    }
    kw_map_node node;
    for (size_t i = 0; i < 256 && kw_map_node_at(map, i, &node); i++) {
        shard[i] = plan_shard_of(v->plan, node.endpoint);
    }
    for (int slot = 0; slot < KW_SLOT_COUNT; slot++) {
        int owner = kw_map_owner(map, slot);
        v->grid.owner[slot] = (int16_t)(owner < 0 || owner >= 256 ? -1 : shard[owner]);
        bool marked = slot == v->plan->open_slot ||
                      (owner >= 0 && v->grid.owner[slot] != v->plan->shard[slot]);
        v->grid.flags[slot] = (uint8_t)((marked ? SLOT_MARKED : 0) |
                                        (kw_map_is_suspect(map, slot) ? SLOT_IN_DOUBT : 0));
    }
    kw_map_free(map);
}

static void draw_bar(view *v, int shard, int slots, int most) {
    int width = v->look.width >= WIDE ? BAR_WIDE : BAR_NARROW;
    int full = most > 0 ? slots * width / most : 0;
    term_ink(&v->screen, &v->look, (colour){shard, false});
    out_fill(&v->screen, term_glyph(&v->look, "█", "#"), (size_t)full);
    out_text(&v->screen, style_of(v, STYLE_RESET));
    out_fill(&v->screen, " ", (size_t)(width - full));
}

static void draw_node_state(view *v, int node) {
    kw_lab_node info;
    if (!kw_lab_node_at(v->plan->lab, node, &info)) {
        return;
    }
    const char *state = !info.alive ? "dead" : info.stale ? "stale" : "up";
    style s = !info.alive ? STYLE_BAD : info.stale ? STYLE_WARN : STYLE_GOOD;
    out_printf(&v->screen, "%s%-5s%s", style_of(v, s), state, style_of(v, STYLE_RESET));
}

static void draw_nodes(view *v) {
    int slots[PLAN_SHARDS] = {0};
    int most = 0;
    for (int slot = 0; slot < KW_SLOT_COUNT; slot++) {
        int shard = v->plan->shard[slot];
        slots[shard]++;
        most = slots[shard] > most ? slots[shard] : most;
    }
    for (int shard = 0; shard < PLAN_SHARDS; shard++) {
        kw_lab_node info;
        int primary = v->plan->primary[shard];
        int other = primary < PLAN_SHARDS ? primary + PLAN_SHARDS : shard;
        out_text(&v->screen, "  ");
        term_ink(&v->screen, &v->look, (colour){shard, false});
        if (v->look.colours > 0) {
            out_text(&v->screen, term_glyph(&v->look, "■", "#"));
        } else {
            out_char(&v->screen, term_letter(shard));
        }
        out_printf(&v->screen, "%s %-16s ", style_of(v, STYLE_RESET),
                   kw_lab_node_at(v->plan->lab, primary, &info) ? info.endpoint : "?");
        draw_node_state(v, primary);
        out_printf(&v->screen, " %5d slots  ", slots[shard]);
        draw_bar(v, shard, slots[shard], most);
        out_printf(&v->screen, "  %sreplica %s%s ", style_of(v, STYLE_DIM),
                   kw_lab_node_at(v->plan->lab, other, &info) ? info.endpoint : "?",
                   style_of(v, STYLE_RESET));
        draw_node_state(v, other);
        end_line(v);
    }
    end_line(v);
}

/* Eight heights of the values from low to high (on a logarithmic scale if it spans much). */
static int height_of(double value, double low, double high) {
    if (value <= low || high <= low) {
        return 0;
    }
    double share = (value - low) / (high - low);
    int height = (int)(share * 8);
    return height > 7 ? 7 : height;
}

/* log2 in steps, exact enough for eight heights. */
static double steps_of(double ms) {
    double limit = 0.125;
    int steps = 0;
    while (limit < ms && steps < 32) {
        limit *= 2;
        steps++;
    }
    return steps;
}

static void draw_spark(view *v, const double *values, bool logarithmic, double high) {
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char plain[] = "_.-=+*%#";
    int width = v->look.width - LABEL_WIDTH - 16;
    width = width > SPARK_MAX ? SPARK_MAX : width;
    size_t count = width > 0 && v->samples > (size_t)width ? (size_t)width : v->samples;
    count = width > 0 ? count : 0;
    for (size_t i = v->samples - count; i < v->samples; i++) {
        double value = values[i % VIEW_SAMPLES];
        int height =
            logarithmic ? height_of(steps_of(value), 0, steps_of(high)) : height_of(value, 0, high);
        if (v->look.utf8) {
            out_text(&v->screen, blocks[height]);
        } else {
            out_char(&v->screen, plain[height]);
        }
    }
}

static void draw_gauges(view *v) {
    double high = 1;
    double slowest_ms = 1000;
    char number[GROUPED_BYTES];
    size_t count = v->samples < VIEW_SAMPLES ? v->samples : VIEW_SAMPLES;
    for (size_t i = 0; i < count; i++) {
        high = v->rate[i] > high ? v->rate[i] : high;
    }
    /* The first second writes all keys at full speed: the scale is that of the steady traffic. */
    double steady = (double)v->traffic->rate * 1.25;
    out_printf(&v->screen, "  %-*s%9s  %s", LABEL_WIDTH, "commands/s",
               grouped((uint64_t)rate_now(v), number), style_of(v, STYLE_GOOD));
    draw_spark(v, v->rate, false, high > steady ? steady : high);
    out_text(&v->screen, style_of(v, STYLE_RESET));
    end_line(v);
    out_printf(&v->screen, "  %-*s%6.1f ms  %s", LABEL_WIDTH, "slowest", slowest_now(v),
               style_of(v, STYLE_WARN));
    draw_spark(v, v->slowest_ms, true, slowest_ms);
    out_text(&v->screen, style_of(v, STYLE_RESET));
    end_line(v);
}

static void counter(view *v, const char *name, uint64_t value, style s) {
    char number[GROUPED_BYTES];
    out_printf(&v->screen, "  %s%s%s %s%s%s", style_of(v, STYLE_DIM), name,
               style_of(v, STYLE_RESET), style_of(v, s), grouped(value, number),
               style_of(v, STYLE_RESET));
}

static void draw_counters(view *v) {
    kw_stats *stats = NULL;
    if (kw_stats_new(v->plan->client, &stats) != KW_OK) {
        give_up("out of memory");
    }
    char number[GROUPED_BYTES];
    out_printf(&v->screen, "  %-*s%s%9s%s", LABEL_WIDTH, "commands", style_of(v, STYLE_BOLD),
               grouped(v->traffic->commands, number), style_of(v, STYLE_RESET));
    counter(v, "failed", v->traffic->failed, v->traffic->failed ? STYLE_BAD : STYLE_GOOD);
    counter(v, "lost", v->traffic->lost, v->traffic->lost ? STYLE_BAD : STYLE_GOOD);
    end_line(v);
    out_printf(&v->screen, "  %-*s", LABEL_WIDTH - 2, "redirects");
    counter(v, "MOVED", kw_stats_total(stats, KW_COUNT_MOVED), STYLE_RESET);
    counter(v, "ASK", kw_stats_total(stats, KW_COUNT_ASK), STYLE_RESET);
    counter(v, "TRYAGAIN", kw_stats_total(stats, KW_COUNT_TRYAGAIN), STYLE_RESET);
    counter(v, "healed", kw_stats_total(stats, KW_COUNT_SLOTS_HEALED), STYLE_RESET);
    kw_stats_free(stats);
    end_line(v);
    end_line(v);
}

static void draw_log(view *v) {
    int room = v->look.height - LINES_BESIDE_LOG;
    room = room > LOG_MAX ? LOG_MAX : room < LOG_MIN ? LOG_MIN : room;
    int first = v->plan->log_count > room ? v->plan->log_count - room : 0;
    for (int i = first; i < first + room; i++) {
        if (i < v->plan->log_count) {
            const plan_line *line = &v->plan->log[i % PLAN_LOG_LINES];
            out_printf(&v->screen, "  %s%5.1f s%s  %s%s%s", style_of(v, STYLE_DIM),
                       (double)line->at_us / 1e6, style_of(v, STYLE_RESET),
                       style_of(v, line->style), line->text, style_of(v, STYLE_RESET));
        }
        end_line(v);
    }
}

static void draw(view *v, uint64_t now_us) {
    int before = v->lines;
    term_resize(&v->look, STDOUT_FILENO);
    /* One update for terminals that know it; no wrapping; no cursor. */
    out_text(&v->screen, "\033[?2026h\033[?25l\033[?7l");
    if (v->width != 0 && v->width != v->look.width) {
        out_text(&v->screen, "\033[H\033[2J"); /* the old picture was wrapped anew: start afresh */
    } else if (before > 0) {
        out_printf(&v->screen, "\033[%dA\r", before);
    }
    v->width = v->look.width;
    v->lines = 0;
    draw_headline(v, now_us);
    draw_phases(v, now_us);
    fill_grid(v);
    slotgrid_draw(&v->screen, &v->look, &v->grid, slotgrid_columns(&v->look), GRID_ROWS,
                  "\033[K\n");
    v->lines += GRID_ROWS;
    end_line(v);
    draw_nodes(v);
    draw_gauges(v);
    draw_counters(v);
    draw_log(v);
    out_text(&v->screen, "\033[J\033[?7h\033[?2026l");
    out_flush(&v->screen);
}

/* ------------------------------------------------------------- plain lines */

static void tell(view *v, uint64_t now_us) {
    for (; v->told_lines < v->plan->log_count; v->told_lines++) {
        const plan_line *line = &v->plan->log[v->told_lines % PLAN_LOG_LINES];
        out_printf(&v->screen, "%6.1f s  %s\n", (double)line->at_us / 1e6, line->text);
    }
    if (now_us - v->told_us >= STATUS_US) {
        v->told_us = now_us;
        out_printf(&v->screen,
                   "%6.1f s  %.0f commands/s, slowest %.1f ms, %llu failed, %llu lost\n",
                   (double)(now_us - v->plan->started_us) / 1e6, rate_now(v), slowest_now(v),
                   (unsigned long long)v->traffic->failed, (unsigned long long)v->traffic->lost);
    }
    out_flush(&v->screen);
}

void view_step(view *v, uint64_t now_us) {
    if (now_us - v->sampled_us >= FRAME_US) {
        sample(v, now_us);
    }
    if (!v->live) {
        tell(v, now_us);
    } else if (now_us - v->drawn_us >= FRAME_US) {
        draw(v, now_us);
        v->drawn_us = now_us;
    }
}

void view_end(view *v, uint64_t now_us) {
    if (v->live) {
        draw(v, now_us);
        out_text(&v->screen, "\033[?25h");
    } else {
        tell(v, now_us);
    }
    out_flush(&v->screen);
}

/* ------------------------------------------------------------------- table */

static void row(view *v, const char *name, uint64_t value, const char *remark) {
    char number[GROUPED_BYTES];
    out_printf(&v->screen, "  %-28s %12s  %s%s%s\n", name, grouped(value, number),
               style_of(v, STYLE_DIM), remark, style_of(v, STYLE_RESET));
}

static void row_ms(view *v, const char *name, double ms, const char *remark) {
    out_printf(&v->screen, "  %-28s %9.2f ms  %s%s%s\n", name, ms, style_of(v, STYLE_DIM), remark,
               style_of(v, STYLE_RESET));
}

static void counted_rows(view *v, const kw_stats *stats) {
    static const struct {
        kw_counter counter;
        const char *name;
        const char *remark;
    } rows[] = {
        {KW_COUNT_MOVED, "redirected by MOVED", "the slot has another owner"},
        {KW_COUNT_ASK, "redirected by ASK", "the key has left already"},
        {KW_COUNT_TRYAGAIN, "held back by TRYAGAIN", "one key here, one there"},
        {KW_COUNT_CLUSTERDOWN, "held back by CLUSTERDOWN", "no living owner: again later"},
        {KW_COUNT_RETRIES, "sent again, connection lost", "reads, and repeatable writes"},
        {KW_COUNT_PROBES, "probes for a slot's owner", "sent to any node, to learn it"},
        {KW_COUNT_SLOTS_HEALED, "slots healed", "unknown to the client, then known"},
        {KW_COUNT_REFRESH_ACCEPTED, "views of the map taken", ""},
        {KW_COUNT_REFUSED_EPOCH, "views refused as stale", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        row(v, rows[i].name, kw_stats_total(stats, rows[i].counter), rows[i].remark);
    }
}

void view_summary(view *v, bool interrupted) {
    const traffic *t = v->traffic;
    kw_stats *stats = NULL;
    char remark[96];
    if (kw_stats_new(v->plan->client, &stats) != KW_OK) {
        give_up("out of memory");
    }
    out_char(&v->screen, '\n');
    row(v, "commands", t->commands, "");
    row(v, "failed", t->failed, t->first_failure);
    snprintf(remark, sizeof remark, "%llu of %d keys read back", (unsigned long long)t->read_back,
             TRAFFIC_KEYS);
    row(v, "lost", t->lost, remark);
    row(v, "slots moved", v->plan->slots_moved, "one by one, with their keys");
    counted_rows(v, stats);
    kw_stats_free(stats);
    remark[0] = '\0';
    if (v->plan->outage_us > 0) {
        snprintf(remark, sizeof remark, "a primary was dead for %.0f ms of it",
                 (double)v->plan->outage_us / 1000);
    }
    row_ms(v, "longest stall of a command", (double)t->latency.max_us / 1000, remark);
    row_ms(v, "response time p50", (double)histogram_quantile(&t->latency, 0.5) / 1000, "");
    row_ms(v, "response time p99", (double)histogram_quantile(&t->latency, 0.99) / 1000, "");
    bool good = t->failed == 0 && t->lost == 0 && !interrupted;
    out_printf(&v->screen, "\n%s%llu commands, %llu failed, %llu lost%s\n",
               style_of(v, good ? STYLE_GOOD : STYLE_BAD), (unsigned long long)t->commands,
               (unsigned long long)t->failed, (unsigned long long)t->lost,
               style_of(v, STYLE_RESET));
    out_flush(&v->screen);
}

void view_init(view *v, const plan *p, traffic *t, bool plain) {
    memset(v, 0, sizeof *v);
    term_probe(&v->look, STDOUT_FILENO);
    out_init(&v->screen, STDOUT_FILENO);
    const char *name = getenv("TERM");
    bool can_move = name && *name && strcmp(name, "dumb") != 0;
    v->live = v->look.is_tty && can_move && !plain && v->look.width >= 60 &&
              v->look.height >= LINES_BESIDE_LOG + LOG_MIN;
    v->plan = p;
    v->traffic = t;
    v->sampled_us = p->started_us;
    v->told_us = p->started_us;
    for (int slot = 0; slot < KW_SLOT_COUNT; slot++) {
        v->grid.owner[slot] = p->shard[slot];
    }
}
