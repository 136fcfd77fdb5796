/* `keyway bench`: the stages of a benchmark, what is shown meanwhile, and its end. */
#include "base/mem.h"
#include "tool/bench_line.h"
#include "tool/bench_report.h"
#include "tool/bench_run.h"
#include "tool/interrupt.h"
#include "tool/target.h"
#include "tool/traffic.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    SECOND_US = 1000 * 1000,
    LAST_REPLIES_US = 1000 * 1000,
    LAST_PIECE_US = 100 * 1000,
    PATIENCE_US = 500 * 1000
};

typedef struct bench {
    bench_plan plan;
    target target;
    bench_run run;
    bench_line line;
    bench_tally *warmup;   /* since the last line */
    bench_tally *measured; /* the same */
    bench_tally *total;
    bench_counters now;
    bench_counters before;
    bench_moment *moments;
    size_t moment_count;
    size_t moment_capacity;
    uint64_t shown_us;
    int signal; /* that ends it; 0: none */
    uint64_t stopped_us;
} bench;

/* -------------------------------------------------------------- each second */

static void remember(bench *b, const bench_second *s) {
    const bench_histogram *h = &s->tally->response;
    if (b->moment_count == b->moment_capacity) {
        size_t capacity = b->moment_capacity > 0 ? 2 * b->moment_capacity : 64;
        bench_moment *grown = mem_resize(&mem_default, b->moments, capacity, sizeof *grown);
        if (!grown) {
            give_up("out of memory");
        }
        b->moments = grown;
        b->moment_capacity = capacity;
    }
    b->moments[b->moment_count++] = (bench_moment){
        .at_s = s->at_s,
        .span_s = s->span_s,
        .is_warmup = s->is_warmup,
        .done = s->tally->done,
        .errors = s->tally->error_count,
        .moved = bench_grown(s->now->total[KW_COUNT_MOVED], s->before->total[KW_COUNT_MOVED]),
        .ask = bench_grown(s->now->total[KW_COUNT_ASK], s->before->total[KW_COUNT_ASK]),
        .p50_us = bench_histogram_quantile(h, 0.5),
        .p99_us = bench_histogram_quantile(h, 0.99),
        .p999_us = bench_histogram_quantile(h, 0.999),
        .max_us = h->max_us,
    };
}

/* What came since the last time, up to now or to the end of the warm-up. */
static void show_second(bench *b, uint64_t now_us) {
    const bench_run *r = &b->run;
    bool is_warmup = b->shown_us < r->measure_us;
    uint64_t until_us = is_warmup && now_us > r->measure_us ? r->measure_us : now_us;
    b->before = b->now;
    bench_run_collect(&b->run, b->warmup, b->measured, &b->now);
    bench_second s = {
        .at_s = (double)(until_us - r->begin_us) / 1e6,
        .span_s = (double)(until_us - b->shown_us) / 1e6,
        .total_s = r->end_us != UINT64_MAX ? (double)(r->end_us - r->begin_us) / 1e6 : 0,
        .is_warmup = is_warmup,
        .tally = is_warmup ? b->warmup : b->measured,
        .now = &b->now,
        .before = &b->before,
    };
    bool is_ending = b->signal != 0 || now_us > r->end_us; /* histories are read back */
    if (s.tally->done > 0 || (!is_ending && until_us - b->shown_us >= LAST_PIECE_US)) {
        bool is_rest = b->moment_count > 0 && until_us - b->shown_us < LAST_PIECE_US;
        remember(b, &s);
        if (!b->plan.quiet && !is_rest) { /* a rate of some milliseconds says nothing */
            bench_line_show(&b->line, &b->run.nodes, &s);
        }
    }
    bench_tally_clear(b->warmup);
    if (!is_warmup) {
        bench_tally_merge(b->total, b->measured);
        bench_tally_clear(b->measured);
    }
    b->shown_us = until_us;
}

/* When that is to be. The last second waits a little for the last replies: they belong to it. */
static uint64_t next_second_us(const bench *b) {
    uint64_t next_us = b->shown_us + SECOND_US;
    uint64_t measure_us = b->run.measure_us;
    uint64_t end_us = b->run.end_us;
    if (b->shown_us < measure_us) {
        return next_us > measure_us ? measure_us : next_us;
    }
    return b->shown_us < end_us && next_us + LAST_PIECE_US > end_us ? end_us + PATIENCE_US
                                                                    : next_us;
}

/* ------------------------------------------------------------------- stages */

/* The first signal ends the load and waits a moment for what is under way; the second does not. */
static void take_signals(bench *b, uint64_t now_us) {
    int number = interrupt_take();
    if (number != 0) {
        atomic_store(&b->run.stop, true);
        if (b->signal != 0 || b->run.stage != BENCH_MEASURE) {
            atomic_store(&b->run.abandon, true);
        }
        b->signal = number;
        b->stopped_us = now_us;
    }
    if (b->signal != 0 && !b->plan.verify && now_us - b->stopped_us > LAST_REPLIES_US) {
        atomic_store(&b->run.abandon, true);
    }
}

static int until_next(const bench *b, uint64_t now_us) {
    uint64_t next_us = next_second_us(b);
    uint64_t wait_us = next_us > now_us ? next_us - now_us : 0;
    if (b->signal != 0 && wait_us > LAST_PIECE_US) {
        wait_us = LAST_PIECE_US;
    }
    return (int)(wait_us / 1000) + 1;
}

static void run_stage(bench *b, bench_stage stage) {
    bench_run_start(&b->run, stage);
    b->shown_us = b->run.begin_us;
    while (!bench_run_is_over(&b->run)) {
        struct pollfd fds[] = {{.fd = b->run.done_fd, .events = POLLIN},
                               {.fd = interrupt_fd(), .events = POLLIN}};
        (void)poll(fds, 2, until_next(b, clock_us())); /* woken by a signal: seen below */
        uint64_t now_us = clock_us();
        take_signals(b, now_us);
        if (stage == BENCH_MEASURE && now_us >= next_second_us(b)) {
            show_second(b, now_us);
        }
    }
    if (stage == BENCH_MEASURE && b->shown_us < b->run.measure_us) {
        show_second(b, clock_us());
    }
    if (stage == BENCH_MEASURE) {
        show_second(b, clock_us());
    }
}

static void introduce(const bench *b) {
    char who[160];
    char what[300];
    out o;
    bench_plan_describe(&b->plan, who, sizeof who, what, sizeof what);
    out_init(&o, STDOUT_FILENO);
    out_printf(&o, "%skeyway bench%s  %s\n", term_style(&b->line.look, STYLE_TITLE),
               term_style(&b->line.look, STYLE_RESET), who);
    out_printf(&o, "%s\n%d primar%s, the first of them %s\n\n", what, b->run.primary_count,
               b->run.primary_count == 1 ? "y" : "ies", bench_nodes_endpoint(&b->run.nodes, 0));
    out_done(&o);
}

/* ---------------------------------------------------------------------- end */

static bool open_file(const char *file, out *ret) {
    int fd = bench_plan_is_stdout(file)
                 ? STDOUT_FILENO
                 : open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        complain("cannot write `%s`: %s", file, strerror(errno));
        return false;
    }
    out_init(ret, fd);
    return true;
}

static void close_file(out *o) {
    int fd = o->fd;
    out_done(o);
    if (fd != STDOUT_FILENO) {
        close(fd);
    }
}

static bool write_files(const bench *b, const bench_result *r) {
    out o;
    bool good = true;
    if (b->plan.json_file && (good = open_file(b->plan.json_file, &o))) {
        bench_report_json(&o, r);
        close_file(&o);
    }
    if (good && b->plan.hdr_file && (good = open_file(b->plan.hdr_file, &o))) {
        bench_report_hdr(&o, &r->tally->response);
        close_file(&o);
    }
    return good;
}

static exit_status judge(const bench *b, const bench_verdict *v) {
    if (b->run.has_trouble) {
        complain_error("the benchmark ended", &b->run.trouble);
        return STATUS_NO_REPLY;
    }
    if (b->total->error_count > 0 && !v) {
        return STATUS_SERVER_ERROR;
    }
    if (v && bench_verdict_wrong(v) > 0) {
        return STATUS_SERVER_ERROR;
    }
    if (v && v->unread > 0) {
        return STATUS_NO_REPLY;
    }
    return v && v->lost_by_failover > 0 ? STATUS_LOST_BY_FAILOVER : STATUS_OK;
}

static exit_status finish(bench *b) {
    bench_verdict verdict;
    bench_result result = {
        .plan = &b->plan,
        .nodes = &b->run.nodes,
        .tally = b->total,
        .counters = &b->now,
        .seconds = (double)(bench_run_last_us(&b->run) - b->run.measure_us) / 1e6,
        .was_interrupted = b->signal != 0,
        .moments = b->moments,
        .moment_count = b->moment_count,
    };
    if (b->plan.verify) {
        bench_run_verdict(&b->run, &verdict);
        result.verdict = &verdict;
    }
    if (!bench_plan_is_stdout(b->plan.json_file) && !bench_plan_is_stdout(b->plan.hdr_file)) {
        out o;
        out_init(&o, STDOUT_FILENO);
        bench_report_write(&o, &b->line.look, &result);
        out_done(&o);
    }
    bool written = write_files(b, &result);
    exit_status status = judge(b, result.verdict);
    if (b->signal != 0) {
        complain("interrupted");
        bool is_wrong = b->plan.verify && status == STATUS_SERVER_ERROR;
        return is_wrong ? status : (exit_status)(128 + b->signal);
    }
    return written ? status : STATUS_NO_REPLY;
}

/* -------------------------------------------------------------------- begin */

static const char *url_of(const bench *b) {
    const char *url = b->plan.url && *b->plan.url ? b->plan.url : getenv("KEYWAY_URL");
    return b->target.lab ? kw_lab_url(b->target.lab) : url;
}

/* The files are tried before the load, not after it. */
static bool files_can_be_written(const bench_plan *p) {
    const char *files[] = {p->json_file, p->hdr_file};
    for (size_t i = 0; i < 2; i++) {
        int fd = -1;
        if (files[i] && !bench_plan_is_stdout(files[i])) {
            fd = open(files[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
            if (fd < 0) {
                complain("cannot write `%s`: %s", files[i], strerror(errno));
                return false;
            }
            close(fd);
        }
    }
    return true;
}

static exit_status open_all(bench *b) {
    kw_error err = {.slot = -1};
    exit_status status = target_open(&b->target, b->plan.url, 0);
    if (status != STATUS_OK) {
        return status;
    }
    if (kw_refresh(b->target.client, (uint32_t)b->plan.timeout_ms, &err) != KW_OK) {
        complain_error(NULL, &err);
        target_close(&b->target);
        return STATUS_NO_REPLY;
    }
    status = bench_run_open(&b->run, &b->plan, url_of(b), b->target.lab != NULL, b->target.client);
    if (status != STATUS_OK) {
        bench_run_close(&b->run);
        target_close(&b->target);
    }
    return status;
}

static exit_status run(bench *b) {
    b->warmup = bench_tally_new();
    b->measured = bench_tally_new();
    b->total = bench_tally_new();
    bool silent = bench_plan_is_stdout(b->plan.json_file) || bench_plan_is_stdout(b->plan.hdr_file);
    b->plan.quiet = b->plan.quiet || silent;
    bench_line_init(&b->line, b->plan.plain, b->plan.no_colour);
    if (!silent) {
        introduce(b);
    }
    run_stage(b, BENCH_CONNECT);
    if (b->plan.fill && b->signal == 0) {
        run_stage(b, BENCH_FILL);
    }
    if (b->signal == 0) {
        run_stage(b, BENCH_MEASURE);
    }
    exit_status status = finish(b);
    bench_line_done(&b->line);
    bench_tally_free(b->warmup);
    bench_tally_free(b->measured);
    bench_tally_free(b->total);
    mem_free(&mem_default, b->moments);
    return status;
}

exit_status cmd_bench(int argc, char **argv) {
    bool done = false;
    bench *b = mem_calloc(&mem_default, 1, sizeof *b);
    if (!b) {
        give_up("out of memory");
    }
    exit_status status = bench_plan_parse(&b->plan, argc, argv, &done);
    if (status == STATUS_OK && !done && !files_can_be_written(&b->plan)) {
        status = STATUS_USAGE;
    }
    if (status == STATUS_OK && !done) {
        interrupt_catch(true);
        status = open_all(b);
        if (status == STATUS_OK) {
            status = run(b);
            bench_run_close(&b->run);
            target_close(&b->target);
        }
    }
    mem_free(&mem_default, b);
    return status;
}
