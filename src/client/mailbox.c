#include "client/mailbox.h"

#include <stddef.h>
#include <stdint.h>

/* What stands in the word instead of a node; NULL: empty, and the consumer will look again. */
static const mailbox_node asleep_mark;
static const mailbox_node closed_mark;
#define ASLEEP ((mailbox_node *)(uintptr_t)&asleep_mark)
#define CLOSED ((mailbox_node *)(uintptr_t)&closed_mark)

static bool is_node(const mailbox_node *head) {
    return head && head != ASLEEP && head != CLOSED;
}

void mailbox_init(mailbox *q) {
    atomic_init(&q->head, NULL);
}

mailbox_result mailbox_push(mailbox *q, mailbox_node *node) {
    mailbox_node *head = atomic_load_explicit(&q->head, memory_order_relaxed);
    do {
        if (head == CLOSED) {
            return MAILBOX_CLOSED;
        }
        node->next = is_node(head) ? head : NULL;
    } while (!atomic_compare_exchange_weak_explicit(&q->head, &head, node, memory_order_acq_rel,
                                                    memory_order_relaxed));
    return head == ASLEEP ? MAILBOX_TAKEN_ASLEEP : MAILBOX_TAKEN;
}

static mailbox_node *reversed(mailbox_node *head) {
    mailbox_node *first = NULL;
    while (is_node(head)) {
        mailbox_node *next = head->next;
        head->next = first;
        first = head;
        head = next;
    }
    return first;
}

mailbox_node *mailbox_take(mailbox *q) {
    if (!atomic_load_explicit(&q->head, memory_order_relaxed)) {
        return NULL;
    }
    return reversed(atomic_exchange_explicit(&q->head, NULL, memory_order_acquire));
}

bool mailbox_sleep(mailbox *q) {
    mailbox_node *empty = NULL;
    return atomic_compare_exchange_strong_explicit(&q->head, &empty, ASLEEP, memory_order_release,
                                                   memory_order_relaxed);
}

mailbox_node *mailbox_close(mailbox *q) {
    return reversed(atomic_exchange_explicit(&q->head, CLOSED, memory_order_acquire));
}

void mailbox_awake(mailbox *q) {
    mailbox_node *asleep = ASLEEP;
    (void)atomic_compare_exchange_strong_explicit(&q->head, &asleep, NULL, memory_order_relaxed,
                                                  memory_order_relaxed);
}

bool mailbox_is_asleep(const mailbox *q) {
    return atomic_load_explicit(&q->head, memory_order_acquire) == ASLEEP;
}
