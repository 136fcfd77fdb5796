#include "tool/lab_play.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum { STEPS_PER_TURN = 256 };

/* -------------------------------------------------------------------------------------- reading */

/* The whole file, as far as a script may be long. False: errno says why not. */
static bool read_file(const char *file, out *to) {
    FILE *from = strcmp(file, "-") == 0 ? stdin : fopen(file, "r");
    if (!from) {
        return false;
    }
    char chunk[16 * 1024];
    size_t len;
    errno = 0;
    while ((len = fread(chunk, 1, sizeof chunk, from)) > 0 &&
           out_slice(to).len <= SCRIPT_BYTES_MAX) {
        out_bytes(to, chunk, len);
    }
    int error = ferror(from) ? (errno ? errno : EIO) : 0;
    if (from != stdin) {
        fclose(from);
    }
    errno = error;
    return error == 0;
}

exit_status player_open(lab_player *p, const char *file) {
    const char *name = strcmp(file, "-") == 0 ? "standard input" : file;
    *p = (lab_player){.file = name};
    out text;
    out_init(&text, -1);
    exit_status status = STATUS_OK;
    if (!read_file(file, &text)) {
        complain("cannot read the script %s: %s", name, strerror(errno));
        status = STATUS_USAGE;
    } else {
        script_error error;
        p->script = script_parse(out_slice(&text), &error);
        if (!p->script) {
            complain("%s:%u:%u: %s", name, error.line, error.column, error.message);
            status = STATUS_USAGE;
        }
    }
    out_done(&text);
    return status;
}

void player_close(lab_player *p) {
    script_free(p->script);
    p->script = NULL;
}

/* -------------------------------------------------------------------------------------- playing */

/* The step as one would type it. */
static void write_step(out *o, const script_step *step) {
    for (size_t i = 0; i < step->argc; i++) {
        kw_slice word = step->argv[i];
        bool plain = word.len > 0;
        for (size_t c = 0; c < word.len; c++) {
            plain = plain && word.data[c] > ' ' && word.data[c] < 0x7f &&
                    !strchr("\"'\\#", word.data[c]);
        }
        out_text(o, i > 0 ? " " : "");
        if (plain) {
            out_bytes(o, word.data, word.len);
        } else {
            quote_write(o, word);
        }
    }
    out_char(o, '\0');
}

static bool run_step(const lab_player *p, kw_lab *lab, kw_error *err) {
    return kw_lab_command_argv(lab, NULL, err, p->step.argv + 1, p->step.argc - 1) == KW_OK;
}

static void tell_step(const lab_player *p, lab_feed *feed, uint64_t now_us) {
    out text;
    out_init(&text, -1);
    write_step(&text, &p->step);
    feed_event(feed, now_us, FEED_SCRIPT, "script-step", out_slice(&text).data);
    out_done(&text);
}

static void tell_failure(const lab_player *p, lab_feed *feed, const kw_error *err,
                         uint64_t now_us) {
    char text[320];
    snprintf(text, sizeof text, "line %u fails: %s", p->step.line, err->message);
    feed_event(feed, now_us, FEED_SCRIPT, "script-error", text);
    complain("%s:%u: %s", p->file, p->step.line, err->message);
}

void player_start(lab_player *p, uint64_t now_us) {
    p->started_us = now_us;
    p->has_step = p->script && script_next(p->script, &p->step);
}

static void tell_end(lab_player *p, lab_feed *feed, uint64_t now_us) {
    char text[80];
    snprintf(text, sizeof text, "is over, %u of %llu steps failed", p->failed_count,
             (unsigned long long)script_step_count(p->script));
    feed_event(feed, now_us, FEED_SCRIPT, "script-end", text);
    p->told_end = true;
}

void player_run(lab_player *p, kw_lab *lab, lab_feed *feed, uint64_t now_us) {
    if (!p->script || p->told_end) {
        return;
    }
    uint64_t played_us = now_us - p->started_us;
    for (int i = 0; i < STEPS_PER_TURN && p->has_step && p->step.at_us <= played_us; i++) {
        kw_error err = {.slot = -1};
        tell_step(p, feed, now_us);
        if (!run_step(p, lab, &err)) {
            p->failed_count++;
            tell_failure(p, feed, &err, now_us);
        }
        p->has_step = script_next(p->script, &p->step);
    }
    if (!p->has_step && played_us >= script_end_us(p->script)) {
        tell_end(p, feed, now_us);
    }
}

int player_timeout_ms(const lab_player *p, uint64_t now_us) {
    if (!p->script || p->told_end) {
        return -1;
    }
    uint64_t due_us = p->started_us + (p->has_step ? p->step.at_us : script_end_us(p->script));
    if (due_us <= now_us) {
        return 0;
    }
    uint64_t ms = (due_us - now_us + 999) / 1000;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* ------------------------------------------------------------------------------------ rehearsal */

exit_status player_rehearse(lab_player *p, kw_lab *lab) {
    uint64_t now_us = 0;
    kw_error err = {.slot = -1};
    if (kw_lab_freeze_time(lab, true) != KW_OK) {
        give_up("out of memory");
    }
    while (script_next(p->script, &p->step)) {
        uint64_t ms = (p->step.at_us - now_us) / 1000;
        if (ms > 0 && kw_lab_advance_time(lab, ms) != KW_OK) {
            give_up("out of memory");
        }
        now_us += ms * 1000;
        if (!run_step(p, lab, &err)) {
            complain("%s:%u: %s", p->file, p->step.line, err.message);
            return STATUS_USAGE;
        }
    }
    out o;
    out_init(&o, STDOUT_FILENO);
    out_printf(&o, "%s: %llu steps in %g s\n", p->file,
               (unsigned long long)script_step_count(p->script),
               (double)script_end_us(p->script) / 1e6);
    out_done(&o);
    return STATUS_OK;
}
