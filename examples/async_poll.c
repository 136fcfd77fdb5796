/* Many commands at once, driven by poll(2): the way into any event loop of one's own.
 *
 *     cc async_poll.c $(pkg-config --cflags --libs keyway) -o async_poll
 *     ./async_poll redis://127.0.0.1:7000
 *
 * A handle shows the loop one descriptor and one timeout, whatever the number of nodes behind it.
 */
#include <keyway/keyway.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>

enum { VISITORS = 20 };

typedef struct tally {
    int answered;
    int failed;
} tally;

/* Is called once for each command, from inside kw_process. */
static void on_reply(kw_client *client, kw_reply *reply, const kw_error *err, void *arg) {
    tally *sum = arg;
    (void)client;
    if (!reply) {
        fprintf(stderr, "async_poll: %s (%s)\n", err->message, kw_outcome_name(err->outcome));
        sum->failed++;
    } else if (kw_reply_is_error(reply)) {
        fprintf(stderr, "async_poll: the server says %s\n", kw_reply_string(reply, NULL));
        sum->failed++;
    } else {
        sum->answered++;
    }
}

int main(int argc, char **argv) {
    const char *url = argc > 1 ? argv[1] : "redis://127.0.0.1:7000";
    kw_client *client = NULL;
    kw_error err;
    tally sum = {0, 0};

    if (kw_open(url, NULL, &client, &err) != KW_OK) {
        fprintf(stderr, "async_poll: %s\n", err.message);
        return 1;
    }
    for (int i = 0; i < VISITORS; i++) {
        if (kw_submitf(client, on_reply, &sum, &err, "INCR visitor:%d", i) != KW_OK) {
            fprintf(stderr, "async_poll: %s\n", err.message);
            sum.failed++;
        }
    }
    while (kw_pending(client) > 0) {
        /* Both are asked anew in each round: what was called since may have changed the timeout. */
        struct pollfd watched = {.fd = kw_fd(client), .events = POLLIN};
        if (poll(&watched, 1, kw_timeout_ms(client)) < 0 && errno != EINTR) {
            perror("async_poll: poll");
            break;
        }
        /* Whether readable or timed out: kw_process finds out what is to be done. */
        if (kw_process(client) != KW_OK) {
            fprintf(stderr, "async_poll: the handle cannot go on\n");
            break;
        }
    }
    kw_close(client);
    printf("%d answered, %d failed\n", sum.answered, sum.failed);
    return sum.answered == VISITORS ? 0 : 1;
}
