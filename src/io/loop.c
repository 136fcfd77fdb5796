#include "io/loop.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { LOOP_BATCH = 64 };
static const size_t FIRST_CAPACITY = 16;

/* The token of the loop's own wake-up: its index is never given to a watch. */
#define WAKE_TOKEN UINT64_C(0xffffffff)

typedef struct watch {
    void *owner;
    int fd; /* -1: free */
    uint32_t generation;
    uint32_t next_free; /* index + 1 of the next free watch, 0 at the end */
    unsigned interest;
} watch;

struct loop {
    const mem *mem;
    int epoll_fd;
    int wake_fd; /* an eventfd: always writable, reported once for each loop_wake */
    bool abandoned;
    bool is_polled; /* somebody asked for the descriptor */
    watch *watches;
    uint32_t capacity;
    uint32_t first_free;
};

static loop_token token_make(uint32_t generation, uint32_t index) {
    return (uint64_t)generation << 32 | index;
}

static watch *watch_of(const loop *l, loop_token token) {
    uint32_t index = (uint32_t)token;
    if (token == 0 || index >= l->capacity) {
        return NULL;
    }
    watch *w = &l->watches[index];
    return w->fd >= 0 && w->generation == (uint32_t)(token >> 32) ? w : NULL;
}

static uint32_t epoll_interest(unsigned interest) {
    return (interest & LOOP_READ ? (uint32_t)EPOLLIN : 0u) |
           (interest & LOOP_WRITE ? (uint32_t)EPOLLOUT : 0u);
}

kw_status loop_new(const mem *m, loop **ret) {
    loop *l = mem_calloc(m, 1, sizeof *l);
    if (!l) {
        return KW_ERR_NOMEM;
    }
    l->mem = m;
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLONESHOT, .data.u64 = WAKE_TOKEN};
    if (l->epoll_fd < 0 || l->wake_fd < 0 ||
        epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->wake_fd, &event) != 0) {
        loop_free(l);
        return KW_ERR_LIMIT;
    }
    *ret = l;
    return KW_OK;
}

void loop_free(loop *l) {
    if (!l) {
        return;
    }
    if (l->wake_fd >= 0) {
        close(l->wake_fd);
    }
    if (l->epoll_fd >= 0) {
        close(l->epoll_fd);
    }
    mem_free(l->mem, l->watches);
    mem_free(l->mem, l);
}

int loop_fd(loop *l) {
    l->is_polled = true;
    return l->epoll_fd;
}

void loop_abandon(loop *l) {
    l->abandoned = true;
}

bool loop_is_abandoned(const loop *l) {
    return l->abandoned;
}

static bool grow(loop *l) {
    size_t capacity = l->capacity ? (size_t)l->capacity * 2 : FIRST_CAPACITY;
    if (capacity >= WAKE_TOKEN) {
        return false;
    }
    watch *watches = mem_resize(l->mem, l->watches, capacity, sizeof *watches);
    if (!watches) {
        return false;
    }
    l->watches = watches;
    for (size_t i = capacity; i > l->capacity; i--) {
        watches[i - 1] = (watch){.fd = -1, .generation = 1, .next_free = l->first_free};
        l->first_free = (uint32_t)i;
    }
    l->capacity = (uint32_t)capacity;
    return true;
}

loop_token loop_add(loop *l, int fd, unsigned interest, void *owner, int *ret_errno) {
    assert(fd >= 0);
    if (!l->first_free && !grow(l)) {
        *ret_errno = ENOMEM;
        return 0;
    }
    uint32_t index = l->first_free - 1;
    watch *w = &l->watches[index];
    loop_token token = token_make(w->generation, index);
    struct epoll_event event = {.events = epoll_interest(interest), .data.u64 = token};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        *ret_errno = errno;
        return 0;
    }
    l->first_free = w->next_free;
    w->fd = fd;
    w->owner = owner;
    w->interest = interest;
    return token;
}

void loop_change(loop *l, loop_token token, unsigned interest) {
    watch *w = watch_of(l, token);
    if (!w || w->interest == interest || l->abandoned) {
        return;
    }
    struct epoll_event event = {.events = epoll_interest(interest), .data.u64 = token};
    int failed = epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, w->fd, &event);
    assert(!failed);
    (void)failed; /* MOD of a watched descriptor allocates nothing and cannot fail */
    w->interest = interest;
}

void loop_remove(loop *l, loop_token token) {
    watch *w = watch_of(l, token);
    if (!w) {
        return;
    }
    if (!l->abandoned) {
        epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    }
    w->fd = -1;
    w->owner = NULL;
    /* 0 is skipped so that no token is ever 0 */
    w->generation = w->generation == UINT32_MAX ? 1 : w->generation + 1;
    w->next_free = l->first_free;
    l->first_free = (uint32_t)token + 1;
}

bool loop_alive(const loop *l, loop_token token) {
    return watch_of(l, token) != NULL;
}

void loop_wake(loop *l) {
    if (l->abandoned) {
        return;
    }
    struct epoll_event event = {.events = EPOLLOUT | EPOLLONESHOT, .data.u64 = WAKE_TOKEN};
    int failed = epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, l->wake_fd, &event);
    assert(!failed);
    (void)failed; /* as in loop_change */
}

void loop_wake_poller(loop *l) {
    if (l->is_polled) {
        loop_wake(l);
    }
}

size_t loop_poll(const loop *l, loop_event *events, size_t max, int timeout_ms) {
    if (l->abandoned) {
        return 0;
    }
    struct epoll_event ready[LOOP_BATCH];
    int limit = max < LOOP_BATCH ? (int)max : (int)LOOP_BATCH;
    int count = epoll_wait(l->epoll_fd, ready, limit, timeout_ms);
    for (int i = 0; i < count; i++) {
        uint32_t bits = ready[i].events;
        events[i] = (loop_event){
            .token = ready[i].data.u64,
            .ready = (bits & EPOLLIN ? LOOP_READ : 0u) | (bits & EPOLLOUT ? LOOP_WRITE : 0u) |
                     (bits & (EPOLLERR | EPOLLHUP) ? LOOP_HANGUP : 0u),
        };
    }
    return count > 0 ? (size_t)count : 0;
}

size_t loop_find_owners(const loop *l, loop_event *events, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const watch *w = watch_of(l, events[i].token);
        if (w) { /* not the wake-up: that epoll_wait returned is all it is for */
            events[kept] = events[i];
            events[kept++].owner = w->owner;
        }
    }
    return kept;
}

size_t loop_wait(loop *l, loop_event *events, size_t max, int timeout_ms) {
    return loop_find_owners(l, events, loop_poll(l, events, max, timeout_ms));
}

uint64_t loop_now_us(void) {
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint64_t loop_random_seed(void) {
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed) {
        struct timespec now = {0};
        clock_gettime(CLOCK_REALTIME, &now);
        seed =
            (uint64_t)now.tv_sec * 1000000007u ^ (uint64_t)now.tv_nsec << 20 ^ (uint64_t)getpid();
    }
    return seed;
}
