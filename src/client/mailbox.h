/* What other threads hand to the one that owns a handle: a lock-free queue for many producers and
 * one consumer, linked through what is handed over. Owns nothing.
 *
 * It is a stack in one word, which the consumer takes whole and turns round. When the consumer
 * sleeps, a mark stands in the empty word: of all who push, the one who finds the mark wakes it. */
#ifndef CLIENT_MAILBOX_H
#define CLIENT_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>

typedef struct mailbox_node {
    struct mailbox_node *next;
} mailbox_node;

typedef struct mailbox {
    _Atomic(mailbox_node *) head;
} mailbox;

typedef enum mailbox_result {
    MAILBOX_TAKEN,
    MAILBOX_TAKEN_ASLEEP, /* the consumer sleeps: wake it */
    MAILBOX_CLOSED        /* not taken */
} mailbox_result;

void mailbox_init(mailbox *q);

/* Any thread. */
mailbox_result mailbox_push(mailbox *q, mailbox_node *node);

/* In the child of a fork: did the consumer sleep, and was nothing pushed? */
bool mailbox_is_asleep(const mailbox *q);

/* The rest is the consumer's alone. */

/* All that was pushed, the oldest first; NULL if there is nothing. The consumer is awake. */
mailbox_node *mailbox_take(mailbox *q);

/* The consumer is about to sleep. False: something was pushed meanwhile. */
bool mailbox_sleep(mailbox *q);
/* It slept, and was perhaps woken. */
void mailbox_awake(mailbox *q);

/* As mailbox_take; from here on nothing is taken. */
mailbox_node *mailbox_close(mailbox *q);

#endif
