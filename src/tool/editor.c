#include "tool/editor.h"

#include "core/command.h"
#include "tool/interrupt.h"
#include "tool/tool.h"

#include <ctype.h>
#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

enum { HISTORY_LINES = 1000, PATH_BYTES = 4096, NAME_MAX_BYTES = 64 };

struct editor {
    EditLine *line;
    History *history;
    kw_client *client;
    const term *look;
    char path[PATH_BYTES]; /* of the history; empty: it is kept nowhere */
    char prompt[64];
    char *copy; /* the line without its end */
    bool reading;
    bool told; /* a line was printed over the one being edited */
    bool dropped;
};

/* ----------------------------------------------------------------- history */

/* $XDG_STATE_HOME/keyway/history, or below ~/.local/state (XDG Base Directory Specification). */
static void find_history(editor *e) {
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    char folder[PATH_BYTES - 16];
    int len = -1;
    if (state && state[0] == '/') {
        len = snprintf(folder, sizeof folder, "%s/keyway", state);
    } else if (home && home[0] == '/') {
        len = snprintf(folder, sizeof folder, "%s/.local/state/keyway", home);
    }
    if (len < 0 || (size_t)len >= sizeof folder) {
        return;
    }
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(folder, 0700); /* what matters is whether the last one is there */
        *slash = '/';
    }
    if (mkdir(folder, 0700) == 0 || errno == EEXIST) {
        snprintf(e->path, sizeof e->path, "%s/history", folder);
    }
}

void editor_remember(editor *e, const char *line, size_t len) {
    char *text = mem_strndup(&mem_default, line, len);
    HistEvent event;
    if (!text) {
        return;
    }
    history(e->history, &event, H_ENTER, text);
    if (e->path[0]) {
        mode_t before = umask(077); /* the file is for its owner only */
        history(e->history, &event, H_SAVE, e->path);
        umask(before);
    }
    mem_free(&mem_default, text);
}

/* -------------------------------------------------------------- completion */

typedef struct candidates {
    char common[NAME_MAX_BYTES]; /* the longest beginning of all */
    size_t count;
} candidates;

static bool starts_nocase(const char *name, const char *typed, size_t len) {
    return strlen(name) >= len && slice_equal_nocase(slice_of(name, len), slice_of(typed, len));
}

static void collect(candidates *c, const char *typed, size_t len) {
    for (size_t i = 0; i < command_count(); i++) {
        const char *name = command_at(i)->name;
        if (!starts_nocase(name, typed, len) || strlen(name) >= NAME_MAX_BYTES) {
            continue;
        }
        if (c->count++ == 0) {
            snprintf(c->common, sizeof c->common, "%s", name);
        }
        size_t same = 0;
        while (c->common[same] && c->common[same] == name[same]) {
            same++;
        }
        c->common[same] = '\0';
    }
}

/* The candidates in columns; those that begin with another one and a space are left to later. */
static void list_candidates(const editor *e, const char *typed, size_t len) {
    int column = 0;
    int columns = e->look->width / 22 > 0 ? e->look->width / 22 : 1;
    bool in_subcommand = memchr(typed, ' ', len) != NULL;
    printf("\n%s", term_style(e->look, STYLE_DIM));
    for (size_t i = 0; i < command_count(); i++) {
        const char *name = command_at(i)->name;
        if (starts_nocase(name, typed, len) && (in_subcommand || !strchr(name, ' '))) {
            printf("%-22s", name);
            column = (column + 1) % columns;
            if (column == 0) {
                printf("\n");
            }
        }
    }
    printf("%s%s", term_style(e->look, STYLE_RESET), column > 0 ? "\n" : "");
    fflush(stdout);
}

static unsigned char complete(EditLine *line, int key) {
    (void)key;
    editor *e = NULL;
    el_get(line, EL_CLIENTDATA, &e);
    const LineInfo *info = el_line(line);
    size_t len = (size_t)(info->cursor - info->buffer);
    candidates found = {0};
    if (len == 0 || len >= NAME_MAX_BYTES) {
        return CC_REFRESH_BEEP;
    }
    collect(&found, info->buffer, len);
    if (found.count == 0) {
        return CC_REFRESH_BEEP;
    }
    size_t common = strlen(found.common);
    bool lower = islower((unsigned char)info->buffer[0]) != 0;
    if (common > len) {
        char rest[NAME_MAX_BYTES + 2];
        snprintf(rest, sizeof rest, "%s%s", found.common + len, found.count == 1 ? " " : "");
        for (char *c = rest; lower && *c; c++) {
            *c = (char)tolower((unsigned char)*c);
        }
        el_insertstr(line, rest);
        return CC_REFRESH;
    }
    if (found.count == 1) {
        el_insertstr(line, " ");
        return CC_REFRESH;
    }
    list_candidates(e, info->buffer, len);
    return CC_REDISPLAY;
}

/* -------------------------------------------------------------------- keys */

static char *prompt_of(EditLine *line) {
    editor *e = NULL;
    el_get(line, EL_CLIENTDATA, &e);
    return e->prompt;
}

/* Waits until a key is there; the handle is driven meanwhile. False: Ctrl-C, or no more keys. */
static bool wait_for_key(editor *e) {
    for (;;) {
        struct pollfd fds[3] = {{.fd = STDIN_FILENO, .events = POLLIN},
                                {.fd = kw_fd(e->client), .events = POLLIN},
                                {.fd = interrupt_fd(), .events = POLLIN}};
        int ready = poll(fds, 3, kw_timeout_ms(e->client));
        if (interrupt_take() != 0) {
            e->dropped = true;
            return false;
        }
        if (kw_process(e->client) == KW_ERR_NOMEM) {
            give_up("out of memory");
        }
        if (e->told) {
            e->told = false;
            el_set(e->line, EL_REFRESH);
        }
        if (ready > 0 && fds[0].revents != 0) {
            return true;
        }
    }
}

/* One character, however many bytes it has. */
static int get_key(EditLine *line, wchar_t *ret) {
    editor *e = NULL;
    el_get(line, EL_CLIENTDATA, &e);
    mbstate_t state = {0};
    for (;;) {
        char byte;
        if (!wait_for_key(e)) {
            return -1;
        }
        ssize_t got = read(STDIN_FILENO, &byte, 1);
        if (got <= 0) {
            return (int)got;
        }
        size_t used = mbrtowc(ret, &byte, 1, &state);
        if (used != (size_t)-2) {
            if (used == (size_t)-1) {
                *ret = L'?'; /* no character of this locale */
            }
            return 1;
        }
    }
}

void editor_tell(editor *e, const char *text) {
    if (e->reading) {
        printf("\r\033[K%s\n", text);
        e->told = true;
    } else {
        printf("%s\n", text);
    }
    fflush(stdout);
}

editor_result editor_read(editor *e, const char **ret_line, size_t *ret_len) {
    int count = 0;
    e->reading = true;
    e->dropped = false;
    el_set(e->line, EL_PREP_TERM, 1); /* before the prompt is shown: Ctrl-D may come at once */
    const char *line = el_gets(e->line, &count);
    e->reading = false;
    e->told = false;
    if (e->dropped) {
        printf("%s^C%s\n", term_style(e->look, STYLE_DIM), term_style(e->look, STYLE_RESET));
        fflush(stdout);
        el_reset(e->line);
        return EDITOR_DROPPED;
    }
    if (!line || count <= 0) {
        return EDITOR_END;
    }
    size_t len = (size_t)count;
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r')) {
        len--;
    }
    mem_free(&mem_default, e->copy);
    e->copy = mem_strndup(&mem_default, line, len);
    if (!e->copy) {
        give_up("out of memory");
    }
    *ret_line = e->copy;
    *ret_len = len;
    return EDITOR_LINE;
}

/* ------------------------------------------------------------ beginning, end */

void editor_set_client(editor *e, kw_client *client) {
    e->client = client;
}

editor *editor_new(kw_client *client, const term *t) {
    editor *e = mem_calloc(&mem_default, 1, sizeof *e);
    if (!e) {
        give_up("out of memory");
    }
    HistEvent event;
    e->client = client;
    e->look = t;
    e->line = el_init("keyway", stdin, stdout, stderr);
    e->history = history_init();
    if (!e->line || !e->history) {
        editor_free(e);
        return NULL;
    }
    /* \1 on each side hides the colours from the width of the prompt. */
    if (t->colours > 0) {
        snprintf(e->prompt, sizeof e->prompt, "\1%s\1keyway>\1%s\1 ", term_style(t, STYLE_TITLE),
                 term_style(t, STYLE_RESET));
    } else {
        snprintf(e->prompt, sizeof e->prompt, "keyway> ");
    }
    find_history(e);
    history(e->history, &event, H_SETSIZE, HISTORY_LINES);
    history(e->history, &event, H_SETUNIQUE, 1);
    if (e->path[0]) {
        history(e->history, &event, H_LOAD, e->path);
    }
    el_set(e->line, EL_CLIENTDATA, e);
    el_set(e->line, EL_PROMPT_ESC, prompt_of, '\1');
    el_set(e->line, EL_EDITOR, "emacs");
    el_set(e->line, EL_HIST, history, e->history);
    el_set(e->line, EL_GETCFN, get_key);
    /* The wide form: the narrow one of libedit never frees its copies of the texts. */
    el_wset(e->line, EL_ADDFN, L"complete-command", L"completes the name of a command", complete);
    el_set(e->line, EL_BIND, "^I", "complete-command", NULL);
    el_set(e->line, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(e->line, NULL);
    return e;
}

void editor_free(editor *e) {
    if (!e) {
        return;
    }
    if (e->line) {
        el_end(e->line);
    }
    if (e->history) {
        history_end(e->history);
    }
    mem_free(&mem_default, e->copy);
    mem_free(&mem_default, e);
}
