/* usage: bench-speed PART [ARGUMENTS]: see speed.h */
#include "speed.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

char speed_keys[SPEED_KEYS][SPEED_KEY_BYTES + 1];
unsigned char speed_key_node[SPEED_KEYS];

_Noreturn void speed_die(const char *what) {
    (void)fprintf(stderr, "bench-speed: %s\n", what);
    exit(1);
}

void speed_check(kw_status status, const kw_error *err) {
    if (status != KW_OK) {
        speed_die(err->message);
    }
}

static uint64_t clock_ns(clockid_t clock) {
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t speed_cpu_ns(void) {
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t speed_wall_ns(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

int speed_connect(unsigned port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        speed_die("cannot connect");
    }
    return fd;
}

kw_client *speed_open(char **ports, const char *query) {
    kw_client *c = NULL;
    kw_error err;
    char url[256];
    (void)snprintf(url, sizeof url, "redis://127.0.0.1:%s,127.0.0.1:%s,127.0.0.1:%s?%s", ports[0],
                   ports[1], ports[2], query);
    speed_check(kw_open(url, NULL, &c, &err), &err);
    speed_check(kw_refresh(c, 0, &err), &err);
    return c;
}

void speed_make_keys(void) {
    for (unsigned i = 0; i < SPEED_KEYS; i++) {
        (void)snprintf(speed_keys[i], sizeof speed_keys[i], "key:%012u", i * 2654435761u);
        int slot = kw_key_slot(speed_keys[i], SPEED_KEY_BYTES);
        speed_key_node[i] = (unsigned char)(slot < 5461 ? 0 : slot < 10923 ? 1 : 2);
    }
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        speed_part *run;
    } parts[] = {{"path", speed_path},      {"value", speed_value}, {"reply", speed_reply},
                 {"slot", speed_slot},      {"map", speed_map},     {"load", speed_load},
                 {"refresh", speed_refresh}};
    speed_make_keys();
    for (size_t i = 0; argc > 1 && i < sizeof parts / sizeof *parts; i++) {
        if (strcmp(argv[1], parts[i].name) == 0) {
            parts[i].run(argc - 2, argv + 2);
            return 0;
        }
    }
    speed_die("which part?");
}
