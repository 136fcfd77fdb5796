#include "unit/support/recorded.h"
#include "unit/support/unit.h"

#include "core/resp.h"
#include "node/node_fleet.h"

#include <dirent.h>
#include <stdlib.h>

enum { FILES_MAX = 64, SESSIONS_MAX = 8, LINE_SIZE = 65536 };

/* ---------------------------------------------------------------------------------- reading */

/* One byte that may be written as an escape; *at moves behind it. */
static char read_byte(const char **at) {
    char byte = *(*at)++;
    if (byte != '\\') {
        return byte;
    }
    char kind = *(*at)++;
    if (kind != 'x') {
        return kind == 'n' ? '\n' : kind == 'r' ? '\r' : kind;
    }
    char digits[3] = {(*at)[0], (*at)[1], '\0'};
    *at += 2;
    return (char)strtol(digits, NULL, 16);
}

static void read_command(recorded_row *row, const char *line) {
    const char *at = line;
    char *to = row->bytes = malloc(strlen(line) + 1);
    assert_non_null(to);
    while (*at) {
        bool quoted = *at == '"';
        char *begin = to;
        at += quoted;
        while (*at && *at != (quoted ? '"' : ' ')) {
            *to++ = quoted ? read_byte(&at) : *at++;
        }
        at += quoted;
        assert_true(row->argc < COUNT_OF(row->argv));
        row->argv[row->argc++] = slice_of(begin, (size_t)(to - begin));
        at += *at == ' ';
    }
    row->reply = slice_of(to, 0);
}

static void read_reply(recorded_row *row, const char *line) {
    size_t used = (size_t)(row->reply.data - row->bytes) + row->reply.len;
    char *bytes = malloc(used + strlen(line) + 1);
    assert_non_null(bytes);
    memcpy(bytes, row->bytes, used);
    char *to = bytes + used;
    while (*line) {
        *to++ = read_byte(&line);
    }
    for (size_t i = 0; i < row->argc; i++) {
        row->argv[i].data = bytes + (row->argv[i].data - row->bytes);
    }
    const char *begin = bytes + (row->reply.data - row->bytes);
    row->reply = slice_of(begin, (size_t)(to - begin));
    free(row->bytes);
    row->bytes = bytes;
}

static recorded_row *add_row(recorded_file *file, unsigned number) {
    file->rows = realloc(file->rows, (file->count + 1) * sizeof *file->rows);
    assert_non_null(file->rows);
    recorded_row *row = &file->rows[file->count++];
    *row = (recorded_row){.number = number};
    return row;
}

static void read_rows(recorded_file *file, FILE *in) {
    static char line[LINE_SIZE];
    for (unsigned number = 1; fgets(line, sizeof line, in); number++) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '\0' || line[0] == '#') {
            continue;
        }
        if (strncmp(line, "    ", 4) == 0) {
            assert_true(file->count > 0);
            read_reply(&file->rows[file->count - 1], line + 4);
            continue;
        }
        recorded_row *row = add_row(file, number);
        const char *command = line;
        if (line[0] == '@') {
            size_t len = strcspn(line, " ");
            assert_true(len < sizeof row->session && line[len] == ' ');
            slice_copy(row->session, sizeof row->session, slice_of(line + 1, len - 1));
            command += len + 1;
        }
        read_command(row, command);
    }
}

static int is_recording(const struct dirent *entry) {
    size_t len = strlen(entry->d_name);
    return len > 4 && strcmp(entry->d_name + len - 4, ".txt") == 0;
}

size_t recorded_read(recorded_file **ret_files) {
    char folder[512];
    char path[1024];
    const char *source = getenv("KEYWAY_SOURCE");
    snprintf(folder, sizeof folder, "%s/test/unit/recorded", source ? source : ".");
    struct dirent **entries;
    int count = scandir(folder, &entries, is_recording, alphasort);
    assert_in_range(count, 1, FILES_MAX);
    recorded_file *files = calloc((size_t)count, sizeof *files);
    assert_non_null(files);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        slice_copy(files[i].name, sizeof files[i].name, slice_text(entries[i]->d_name));
        FILE *in = fopen(path, "r");
        assert_non_null(in);
        read_rows(&files[i], in);
        fclose(in);
        free(entries[i]);
    }
    free(entries);
    *ret_files = files;
    return (size_t)count;
}

void recorded_free(recorded_file *files, size_t count) {
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < files[i].count; j++) {
            free(files[i].rows[j].bytes);
        }
        free(files[i].rows);
    }
    free(files);
}

/* ---------------------------------------------------------------------------------- running */

typedef struct runner {
    node_fleet *fleet;
    node_session *sessions[SESSIONS_MAX];
    const char *names[SESSIONS_MAX];
    buffer in;
    uint64_t now_us;
} runner;

static node_session *session_of(runner *r, const recorded_row *row) {
    size_t i = 0;
    while (i < SESSIONS_MAX && r->names[i] && strcmp(r->names[i], row->session) != 0) {
        i++;
    }
    assert_true(i < SESSIONS_MAX);
    if (!r->names[i]) {
        r->names[i] = row->session;
        r->sessions[i] = node_session_new(fleet_node(r->fleet, 0), "10.0.0.9:1234", r->now_us);
        assert_non_null(r->sessions[i]);
    }
    return r->sessions[i];
}

static void run_row(runner *r, const recorded_row *row, recorded_saw *saw, void *arg) {
    node_session *s = session_of(r, row);
    if (s->flags & SESSION_FAILED) {
        return;
    }
    size_t size = (size_t)resp_command_size(row->argv, row->argc);
    char *to = buffer_reserve(&r->in, size);
    assert_non_null(to);
    resp_command_encode(to, row->argv, row->argc);
    buffer_commit(&r->in, size);
    node_receive(fleet_node(r->fleet, 0), s, &r->in, ++r->now_us, SIZE_MAX);
    saw(arg, row, buffer_slice(&s->out), (s->flags & SESSION_FAILED) != 0);
    buffer_clear(&s->out, SIZE_MAX);
    buffer_clear(&r->in, SIZE_MAX);
    fleet_run_deferred(r->fleet, r->now_us);
}

void recorded_run(const recorded_file *file, const mem *m, void (*ready)(void *arg),
                  recorded_saw *saw, void *arg) {
    static const uint16_t ports[] = {7000};
    const fleet_config config = {
        .mem = m,
        .seed = 42,
        .primary_count = 1,
        .host = "10.0.0.1",
        .ports = ports,
        .full_coverage_required = true,
    };
    runner r = {.now_us = UINT64_C(1700000000000000)};
    buffer_init(&r.in, &mem_default, 0);
    assert_int_equal(fleet_new(&config, r.now_us, &r.fleet), KW_OK);
    for (size_t i = 0; i < file->count; i++) {
        (void)session_of(&r, &file->rows[i]);
    }
    if (ready) {
        ready(arg);
    }
    for (size_t i = 0; i < file->count; i++) {
        run_row(&r, &file->rows[i], saw, arg);
    }
    for (size_t i = 0; i < SESSIONS_MAX && r.sessions[i]; i++) {
        node_session_free(fleet_node(r.fleet, 0), r.sessions[i]);
    }
    fleet_free(r.fleet);
    buffer_done(&r.in);
}
