#include "integration/support/raw.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

struct raw {
    int fd;
    size_t start, end;
    char input[65536];
};

static int connect_within(const struct addrinfo *to, int timeout_ms) {
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    /* Linux bounds connect() by the send timeout too. */
    struct timeval limit = {timeout_ms / 1000, (timeout_ms % 1000) * 1000};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); /* best effort */
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit); /* best effort */
    if (connect(fd, to->ai_addr, to->ai_addrlen) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

raw *raw_open(const char *host, uint16_t port, int timeout_ms) {
    char service[8];
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(host, service, &hints, &found) != 0) {
        return NULL;
    }
    int fd = connect_within(found, timeout_ms);
    freeaddrinfo(found);
    if (fd < 0) {
        return NULL;
    }
    raw *r = calloc(1, sizeof *r);
    if (!r) {
        close(fd);
        return NULL;
    }
    r->fd = fd;
    return r;
}

void raw_close(raw *r) {
    if (r) {
        close(r->fd);
        free(r);
    }
}

static bool fill(raw *r) {
    if (r->start == r->end) {
        r->start = r->end = 0;
    }
    ssize_t got = recv(r->fd, r->input + r->end, sizeof r->input - r->end, 0);
    if (got <= 0) {
        return false;
    }
    r->end += (size_t)got;
    return true;
}

static bool read_byte(raw *r, char *ret) {
    if (r->start == r->end && !fill(r)) {
        return false;
    }
    *ret = r->input[r->start++];
    return true;
}

static bool read_line(raw *r, char *line, size_t size) {
    for (size_t len = 0; len < size;) {
        if (!read_byte(r, line + len)) {
            return false;
        }
        if (line[len] == '\r') {
            line[len] = '\0';
            char newline;
            return read_byte(r, &newline) && newline == '\n';
        }
        len++;
    }
    return false;
}

static bool read_bulk(raw *r, raw_reply *reply, long long len) {
    if (len < 0) {
        reply->null = true;
        return true;
    }
    reply->len = (size_t)len;
    reply->text = calloc(1, reply->len + 1);
    if (!reply->text) {
        return false;
    }
    for (size_t i = 0; i < reply->len; i++) {
        if (!read_byte(r, reply->text + i)) {
            return false;
        }
    }
    char crlf;
    return read_byte(r, &crlf) && read_byte(r, &crlf);
}

static bool read_reply(raw *r, raw_reply *reply) {
    char line[4096];
    if (!read_line(r, line, sizeof line) || !line[0]) {
        return false;
    }
    reply->type = line[0];
    reply->integer = strtoll(line + 1, NULL, 10);
    switch (reply->type) {
    case ':':
        return true;
    case '+':
    case '-':
        reply->len = strlen(line + 1);
        reply->text = strdup(line + 1);
        return reply->text != NULL;
    case '$':
        return read_bulk(r, reply, reply->integer);
    case '*':
        if (reply->integer < 0) {
            reply->null = true;
            return true;
        }
        reply->items = calloc((size_t)reply->integer + 1, sizeof *reply->items);
        if (!reply->items) {
            return false;
        }
        for (; reply->count < (size_t)reply->integer; reply->count++) {
            if (!read_reply(r, &reply->items[reply->count])) {
                reply->count++; /* what was read of it is freed too */
                return false;
            }
        }
        return true;
    default:
        return false;
    }
}

static void clear_reply(raw_reply *reply) {
    for (size_t i = 0; i < reply->count; i++) {
        clear_reply(&reply->items[i]);
    }
    free(reply->items);
    free(reply->text);
}

void raw_reply_free(raw_reply *reply) {
    if (reply) {
        clear_reply(reply);
        free(reply);
    }
}

static bool send_words(raw *r, char *words) {
    char *output = NULL;
    size_t size = 0;
    size_t count = 0;
    for (const char *p = words; *p; p += strcspn(p, " ")) {
        p += strspn(p, " ");
        count += *p != '\0';
    }
    FILE *stream = open_memstream(&output, &size);
    if (!stream) {
        return false;
    }
    fprintf(stream, "*%zu\r\n", count);
    char *rest = NULL;
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        fprintf(stream, "$%zu\r\n%s\r\n", strlen(word), word);
    }
    bool sent = fclose(stream) == 0;
    for (size_t done = 0; sent && done < size;) {
        ssize_t n = send(r->fd, output + done, size - done, MSG_NOSIGNAL);
        sent = n > 0;
        done += sent ? (size_t)n : 0;
    }
    free(output);
    return sent;
}

static raw_reply *call_va(raw *r, const char *format, va_list args) {
    char *words = NULL;
    if (!r || vasprintf(&words, format, args) < 0) {
        return NULL;
    }
    raw_reply *reply = calloc(1, sizeof *reply);
    bool ok = reply && send_words(r, words) && read_reply(r, reply);
    free(words);
    if (!ok) {
        raw_reply_free(reply);
        return NULL;
    }
    return reply;
}

raw_reply *raw_call(raw *r, const char *format, ...) {
    va_list args;
    va_start(args, format);
    raw_reply *reply = call_va(r, format, args);
    va_end(args);
    return reply;
}

bool raw_do(raw *r, const char *format, ...) {
    va_list args;
    va_start(args, format);
    raw_reply *reply = call_va(r, format, args);
    va_end(args);
    bool done = reply && reply->type != '-';
    raw_reply_free(reply);
    return done;
}

bool raw_reply_is(const raw_reply *reply, const char *text) {
    return reply && reply->text && strcmp(reply->text, text) == 0;
}
