#include "client/mailbox.h"

#include "base/list.h"
#include "unit/support/unit.h"

#include <pthread.h>

typedef struct letter {
    mailbox_node node;
    int producer;
    int number;
} letter;

static void what_was_pushed_comes_in_its_order(void **state) {
    (void)state;
    mailbox q;
    letter letters[3];
    mailbox_init(&q);
    assert_null(mailbox_take(&q));
    for (int i = 0; i < 3; i++) {
        letters[i].number = i;
        assert_int_equal(mailbox_push(&q, &letters[i].node), MAILBOX_TAKEN);
    }
    mailbox_node *node = mailbox_take(&q);
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(node, &letters[i].node);
        node = node->next;
    }
    assert_null(node);
    assert_null(mailbox_take(&q));
}

static void only_the_first_of_many_wakes_the_sleeper(void **state) {
    (void)state;
    mailbox q;
    letter letters[4];
    mailbox_init(&q);
    assert_false(mailbox_is_asleep(&q));
    assert_true(mailbox_sleep(&q));
    assert_true(mailbox_is_asleep(&q));
    assert_int_equal(mailbox_push(&q, &letters[0].node), MAILBOX_TAKEN_ASLEEP);
    assert_int_equal(mailbox_push(&q, &letters[1].node), MAILBOX_TAKEN);
    assert_false(mailbox_is_asleep(&q));
    mailbox_awake(&q); /* takes nothing away */
    mailbox_node *node = mailbox_take(&q);
    assert_ptr_equal(node, &letters[0].node);
    assert_ptr_equal(node->next, &letters[1].node);
    assert_null(node->next->next);

    assert_true(mailbox_sleep(&q));
    mailbox_awake(&q);
    assert_int_equal(mailbox_push(&q, &letters[2].node), MAILBOX_TAKEN);
    assert_false(mailbox_sleep(&q)); /* there is something */
    assert_int_equal(mailbox_push(&q, &letters[3].node), MAILBOX_TAKEN);
    assert_ptr_equal(mailbox_take(&q), &letters[2].node);
}

static void closed_one_gives_the_rest_and_takes_nothing(void **state) {
    (void)state;
    mailbox q;
    letter letters[2];
    mailbox_init(&q);
    assert_int_equal(mailbox_push(&q, &letters[0].node), MAILBOX_TAKEN);
    assert_ptr_equal(mailbox_close(&q), &letters[0].node);
    assert_int_equal(mailbox_push(&q, &letters[1].node), MAILBOX_CLOSED);
    mailbox_init(&q);
    assert_true(mailbox_sleep(&q));
    assert_null(mailbox_close(&q));
}

/* ------------------------------------------------------------------ many threads */

enum { PRODUCERS = 8, LETTERS = 5000 };

typedef struct post {
    mailbox box;
    atomic_int wakes; /* pushes that found the consumer asleep */
    letter letters[PRODUCERS][LETTERS];
} post;

typedef struct producer {
    post *post;
    int index;
} producer;

static void *produce(void *arg) {
    producer *p = arg;
    for (int i = 0; i < LETTERS; i++) {
        letter *l = &p->post->letters[p->index][i];
        l->producer = p->index;
        l->number = i;
        if (mailbox_push(&p->post->box, &l->node) == MAILBOX_TAKEN_ASLEEP) {
            atomic_fetch_add(&p->post->wakes, 1);
        }
    }
    return NULL;
}

static post many; /* too large for a stack */

/* The consumer sleeps whenever it finds nothing, and goes on only when somebody has woken it. */
static void many_producers_lose_nothing_and_wake_each_sleep_once(void **state) {
    (void)state;
    pthread_t threads[PRODUCERS];
    producer producers[PRODUCERS];
    int next[PRODUCERS] = {0};
    int sleeps = 0;
    mailbox_init(&many.box);
    atomic_init(&many.wakes, 0);
    for (int i = 0; i < PRODUCERS; i++) {
        producers[i] = (producer){&many, i};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    bool in_order = true;
    for (int taken = 0; taken < PRODUCERS * LETTERS;) {
        if (mailbox_sleep(&many.box)) {
            sleeps++;
            while (atomic_load(&many.wakes) < sleeps) {
                sched_yield();
            }
        }
        for (mailbox_node *node = mailbox_take(&many.box); node; node = node->next) {
            const letter *l = (const letter *)node;
            in_order = in_order && l->number == next[l->producer]++;
            taken++;
        }
    }
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(in_order);
    assert_int_equal(atomic_load(&many.wakes), sleeps);
    assert_null(mailbox_take(&many.box));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_pushed_comes_in_its_order),
        cmocka_unit_test(only_the_first_of_many_wakes_the_sleeper),
        cmocka_unit_test(closed_one_gives_the_rest_and_takes_nothing),
        cmocka_unit_test(many_producers_lose_nothing_and_wake_each_sleep_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
