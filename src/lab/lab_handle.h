/* A lab's handle, for the functions of lab.h: the thread that runs the nodes, and how others have
 * it do things. Belongs to the lab's thread, but for what the mutex guards and what never changes.
 */
#ifndef LAB_LAB_HANDLE_H
#define LAB_LAB_HANDLE_H

#include "lab/lab_net.h"
#include "lab/lab_options.h"

#include <pthread.h>

typedef struct lab_waker {
    lab_owner_kind kind;
    int fd;
    loop_token token;
} lab_waker;

struct kw_lab {
    const mem *mem;
    kw_lab_options options;
    loop *loop;
    node_fleet *fleet;
    lab_net net;
    tls_context *tls;  /* NULL: no node speaks it */
    char *url;         /* NULL if all speak only TLS */
    char *tls_url;     /* NULL without TLS */
    uint64_t epoch_us; /* the Unix time at which the monotonic clock was 0 */
    lab_waker waker;
    pthread_t thread;
    pid_t pid;
    bool started;
    bool stopping;
    bool frees_itself;     /* a listener stopped it: nobody waits for the thread */
    pthread_mutex_t mutex; /* guards queue and the requests' done */
    pthread_cond_t answered;
    list queue;
    kw_lab_event_fn *on_event; /* NULL: nobody wants to hear */
    void *event_arg;
    uint64_t told_event; /* number of the last one told of, or that nobody wants */
};

/* By the lab's clock, which may stand still. */
uint64_t lab_now_us(const kw_lab *lab);

/* Has the lab's thread run something, and waits for it; returns what it returns. In the lab's
 * thread itself: at once. KW_ERR_FORKED in the child of a fork. */
kw_status lab_ask(const kw_lab *asked, kw_status (*run)(kw_lab *lab, void *arg), void *arg);

#endif
