/* The lab's nodes and real ones get the same commands; their replies must be the same bytes. */
#include "integration/support/redis_cluster.h"

#include "core/resp.h"
#include "keyway/lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { NODES = 6, CONNECTIONS = NODES * 27, ARGUMENTS_MAX = 64, LINE_SIZE = 4096 };

typedef struct side {
    const char *name;
    uint16_t ports[NODES];
    char ids[NODES][41];
    int sockets[CONNECTIONS]; /* 0: not open */
    buffer reply;
} side;

/* ------------------------------------------------------------------------------ connections */

static int open_socket(uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const struct timeval patience = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd > 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void send_all(int fd, const char *data, size_t len) {
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        assert_true(sent > 0);
        data += sent;
        len -= (size_t)sent;
    }
}

/* Reads one value, whole, into s->reply. */
static void receive(side *s, int fd, const char *line) {
    resp_scanner scanner;
    resp_scanner_init(&scanner, &resp_limits_default);
    buffer_clear(&s->reply, SIZE_MAX);
    for (;;) {
        kw_slice bytes = buffer_slice(&s->reply);
        if (bytes.len > 0 && resp_scan(&scanner, bytes.data, bytes.len) == RESP_DONE) {
            return;
        }
        char *to = buffer_reserve(&s->reply, 65536);
        assert_non_null(to);
        ssize_t len = recv(fd, to, 65536, 0);
        if (len <= 0) {
            fail_msg("%s: no reply from the %s", line, s->name);
        }
        buffer_commit(&s->reply, (size_t)len);
    }
}

static void run(side *s, int connection, const kw_slice *argv, size_t argc, const char *line) {
    int *fd = &s->sockets[connection];
    if (*fd == 0) {
        *fd = open_socket(s->ports[connection % NODES]);
    }
    size_t size = (size_t)resp_command_size(argv, argc);
    char *command = malloc(size);
    assert_non_null(command);
    resp_command_encode(command, argv, argc);
    send_all(*fd, command, size);
    free(command);
    receive(s, *fd, line);
}

static void close_side(side *s) {
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (s->sockets[i]) {
            close(s->sockets[i]);
        }
    }
    buffer_done(&s->reply);
}

/* ----------------------------------------------------------------------------------- lines */

/* Puts a side's ports and ids in for @P0 and @ID0. */
static void fill_in(const side *s, const char *line, char dst[LINE_SIZE]) {
    size_t at = 0;
    while (*line) {
        assert_true(at + 64 < LINE_SIZE);
        if (line[0] == '@' && line[1] == 'P') {
            at += (size_t)sprintf(dst + at, "%u", s->ports[line[2] - '0']);
            line += 3;
        } else if (strncmp(line, "@ID", 3) == 0) {
            at += (size_t)sprintf(dst + at, "%s", s->ids[line[3] - '0']);
            line += 4;
        } else {
            dst[at++] = *line++;
        }
    }
    dst[at] = '\0';
}

static char unescape(const char **at) {
    if (**at != '\\') {
        return *(*at)++;
    }
    ++*at;
    char kind = *(*at)++;
    if (kind == 'x') {
        const char digits[3] = {(*at)[0], (*at)[1], '\0'};
        *at += 2;
        return (char)strtol(digits, NULL, 16);
    }
    return kind == 'n' ? '\n' : kind == 'r' ? '\r' : kind;
}

static size_t cut(const char *at, kw_slice *argv, char *bytes) {
    size_t argc = 0;
    while (*at) {
        assert_true(argc < ARGUMENTS_MAX);
        char *begin = bytes;
        bool quoted = *at == '"';
        at += quoted;
        while (*at && *at != (quoted ? '"' : ' ')) {
            *bytes++ = quoted ? unescape(&at) : *at++;
        }
        at += quoted;
        argv[argc++] = (kw_slice){begin, (size_t)(bytes - begin)};
        at += strspn(at, " ");
    }
    return argc;
}

static void run_line(side *s, int connection, const char *command, const char *line) {
    char filled[LINE_SIZE];
    char bytes[LINE_SIZE];
    kw_slice argv[ARGUMENTS_MAX];
    fill_in(s, command, filled);
    run(s, connection, argv, cut(filled, argv, bytes), line);
}

/* ------------------------------------------------------------------------------- comparing */

/* Replaces every `from` by `to` (not longer). */
static void replace_all(buffer *b, const char *from, const char *to) {
    char *data = b->data + b->begin;
    size_t len = buffer_len(b);
    size_t from_len = strlen(from);
    size_t to_len = strlen(to);
    char *end = data + len;
    char *write = data;
    for (char *read = data; read < end;) {
        if ((size_t)(end - read) >= from_len && memcmp(read, from, from_len) == 0) {
            memcpy(write, to, to_len);
            write += to_len;
            read += from_len;
        } else {
            *write++ = *read++;
        }
    }
    b->end = b->begin + (size_t)(write - data);
}

static void normalise(side *s) {
    for (int i = 0; i < NODES; i++) {
        char port[8];
        char name[8];
        snprintf(port, sizeof port, "%u", s->ports[i]);
        snprintf(name, sizeof name, "P%d", i);
        replace_all(&s->reply, port, name);
        snprintf(name, sizeof name, "ID%d", i);
        replace_all(&s->reply, s->ids[i], name);
    }
}

/* What is left to live may differ by the time between the two. */
static bool nearly_equal(const side *a, const side *b, const char *command) {
    int64_t x;
    int64_t y;
    kw_slice left = buffer_slice(&a->reply);
    kw_slice right = buffer_slice(&b->reply);
    if (strncmp(command, "TTL ", 4) != 0 || left.len < 4 || right.len < 4 ||
        !slice_to_i64(slice_of(left.data + 1, left.len - 3), &x) ||
        !slice_to_i64(slice_of(right.data + 1, right.len - 3), &y)) {
        return false;
    }
    return x > 0 && y > 0 && x - y < 30 && y - x < 30;
}

static void print_reply(const side *s) {
    printf("    %s: ", s->name);
    kw_slice reply = buffer_slice(&s->reply);
    for (size_t i = 0; i < reply.len && i < 1000; i++) {
        unsigned char byte = (unsigned char)reply.data[i];
        printf(byte >= ' ' && byte < 127 ? "%c" : "\\x%02x", byte);
    }
    printf("\n");
}

/* Runs one line on both sides; true if they agree. */
static bool compare_line(side *real, side *lab, const char *line) {
    bool compared = line[0] != '~';
    const char *at = line + !compared;
    int connection = *at++ - '0';
    if (*at != ' ') {
        connection += NODES * (1 + *at++ - 'a');
    }
    at++;
    assert_in_range(connection, 0, CONNECTIONS - 1);
    run_line(real, connection, at, line);
    run_line(lab, connection, at, line);
    if (strncmp(at, "QUIT", 4) == 0) {
        close(real->sockets[connection]);
        close(lab->sockets[connection]);
        real->sockets[connection] = 0;
        lab->sockets[connection] = 0;
    }
    normalise(real);
    normalise(lab);
    if (!compared || slice_equal(buffer_slice(&real->reply), buffer_slice(&lab->reply)) ||
        nearly_equal(real, lab, at)) {
        return true;
    }
    printf("%s\n", line);
    print_reply(real);
    print_reply(lab);
    return false;
}

/* ---------------------------------------------------------------------------------- sides */

static void describe_real(side *s, const redis_cluster *cluster) {
    s->name = "server";
    buffer_init(&s->reply, &mem_default, 0);
    for (int i = 0; i < NODES; i++) {
        s->ports[i] = cluster->nodes[i].port;
        memcpy(s->ids[i], cluster->nodes[i].id, sizeof s->ids[i]);
    }
}

static void describe_lab(side *s, const kw_lab *lab) {
    s->name = "lab";
    buffer_init(&s->reply, &mem_default, 0);
    for (int i = 0; i < NODES; i++) {
        kw_lab_node node;
        assert_true(kw_lab_node_at(lab, i, &node));
        memcpy(s->ids[i], node.id, sizeof s->ids[i]);
        s->ports[i] = (uint16_t)atoi(strchr(node.endpoint, ':') + 1);
    }
}

/* A real node lists a replica only when it has heard how far that is. */
static void wait_for_replicas(redis_cluster *cluster) {
    for (int tries = 0; tries < 300; tries++) {
        size_t listed = 0;
        for (int i = 0; i < NODES; i++) {
            raw_reply *slots = redis_cluster_ask(cluster, i, "CLUSTER SLOTS");
            for (size_t run = 0; run < slots->count; run++) {
                listed += slots->items[run].count == 4;
            }
            raw_reply_free(slots);
        }
        if (listed == 3 * NODES) {
            return;
        }
        sleep_ms(100);
    }
    fail_msg("the replicas are not listed");
}

static kw_lab *start_lab(void) {
    kw_lab_options *options = NULL;
    kw_lab *lab = NULL;
    kw_error err;
    assert_int_equal(kw_lab_options_new(&options), KW_OK);
    assert_int_equal(kw_lab_options_set_size(options, 3, 1), KW_OK);
    if (kw_lab_start(options, &lab, &err) != KW_OK) {
        fail_msg("%s", err.message);
    }
    kw_lab_options_free(options);
    return lab;
}

static void the_lab_answers_as_redis_server_does(void **state) {
    (void)state;
    const redis_cluster_options options = {.primaries = 3, .replicas = 3};
    redis_cluster *cluster = redis_cluster_start(&options);
    kw_lab *lab = start_lab();
    side real = {0};
    side own = {0};
    describe_real(&real, cluster);
    describe_lab(&own, lab);
    wait_for_replicas(cluster);
    for (int i = 0; i < 3; i++) { /* their halves of a slot are not rounded alike */
        assert_int_equal(
            kw_lab_assign(lab, cluster->nodes[i].first_slot, cluster->nodes[i].last_slot, i),
            KW_OK);
    }

    char path[512];
    const char *source = getenv("KEYWAY_SOURCE");
    snprintf(path, sizeof path, "%s/test/integration/lab_differential.txt", source ? source : ".");
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char line[LINE_SIZE];
    size_t compared = 0;
    size_t different = 0;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '\0' || line[0] == '#') {
            continue;
        }
        compared++;
        different += !compare_line(&real, &own, line);
    }
    fclose(file);
    printf("%zu commands\n", compared);
    close_side(&real);
    close_side(&own);
    kw_lab_stop(lab);
    redis_cluster_stop(cluster);
    assert_true(compared > 500);
    assert_int_equal(different, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lab_answers_as_redis_server_does),
    };
    return cmocka_run_group_tests_name("lab_differential", tests, NULL, NULL);
}
