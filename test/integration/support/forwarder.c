#include "integration/support/forwarder.h"

#include "integration/support/process.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAIRS_MAX = 64, POLL_MS = 10 };

struct forwarder {
    pthread_t thread;
    int listener;
    uint16_t port;
    atomic_uint target;
    atomic_uint cuts; /* how often all connections were cut */
    atomic_bool stop;
    atomic_uint cuts_done;
    int pairs[PAIRS_MAX][2];
    int pair_count;
};

static int connect_to(uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void drop(forwarder *f, int index) {
    close(f->pairs[index][0]);
    close(f->pairs[index][1]);
    f->pair_count--;
    memcpy(f->pairs[index], f->pairs[f->pair_count], sizeof f->pairs[0]);
}

static void take(forwarder *f) {
    int client = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) {
        return;
    }
    unsigned target = atomic_load(&f->target);
    int server = target ? connect_to((uint16_t)target) : -1;
    if (server < 0 || f->pair_count == PAIRS_MAX) {
        close(client);
        if (server >= 0) {
            close(server);
        }
        return;
    }
    f->pairs[f->pair_count][0] = client;
    f->pairs[f->pair_count][1] = server;
    f->pair_count++;
}

static bool copy(int from, int to) {
    char bytes[16384];
    ssize_t got = recv(from, bytes, sizeof bytes, 0);
    for (ssize_t done = 0; done < got;) {
        ssize_t n = send(to, bytes + done, (size_t)(got - done), MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        done += n;
    }
    return got > 0;
}

static void turn(forwarder *f) {
    struct pollfd fds[1 + 2 * PAIRS_MAX] = {{.fd = f->listener, .events = POLLIN}};
    int pairs = f->pair_count;
    for (int i = 0; i < 2 * pairs; i++) {
        fds[1 + i] = (struct pollfd){.fd = f->pairs[i / 2][i % 2], .events = POLLIN};
    }
    if (poll(fds, (nfds_t)(1 + 2 * pairs), POLL_MS) <= 0) {
        return;
    }
    /* From the last to the first: a pair that is dropped is replaced by one already served. */
    for (int i = pairs - 1; i >= 0; i--) {
        bool ok = true;
        for (int side = 0; ok && side < 2; side++) {
            ok = !fds[1 + 2 * i + side].revents || copy(f->pairs[i][side], f->pairs[i][!side]);
        }
        if (!ok) {
            drop(f, i);
        }
    }
    if (fds[0].revents) {
        take(f);
    }
}

static void *run(void *arg) {
    forwarder *f = arg;
    while (!atomic_load(&f->stop)) {
        unsigned cuts = atomic_load(&f->cuts);
        if (atomic_load(&f->cuts_done) != cuts) {
            while (f->pair_count > 0) {
                drop(f, 0);
            }
            atomic_store(&f->cuts_done, cuts);
        }
        turn(f);
    }
    while (f->pair_count > 0) {
        drop(f, 0);
    }
    return NULL;
}

forwarder *forwarder_start(uint16_t target_port) {
    forwarder *f = calloc(1, sizeof *f);
    if (!f) {
        return NULL;
    }
    atomic_store(&f->target, target_port);
    f->port = port_reserve();
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(f->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (f->listener < 0 || bind(f->listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(f->listener, 16) != 0 || pthread_create(&f->thread, NULL, run, f) != 0) {
        close(f->listener);
        free(f);
        return NULL;
    }
    return f;
}

uint16_t forwarder_port(const forwarder *f) {
    return f->port;
}

void forwarder_set_target(forwarder *f, uint16_t target_port) {
    atomic_store(&f->target, target_port);
    unsigned cuts = atomic_fetch_add(&f->cuts, 1) + 1;
    while (atomic_load(&f->cuts_done) != cuts) {
        sleep_ms(1);
    }
}

void forwarder_stop(forwarder *f) {
    if (f) {
        atomic_store(&f->stop, true);
        pthread_join(f->thread, NULL);
        close(f->listener);
        free(f);
    }
}
