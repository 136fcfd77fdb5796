/* The other side of a dialogue: connections, commands heard on them, and the model's answers. */
#ifndef TEST_DIALOGUE_SUPPORT_NODES_H
#define TEST_DIALOGUE_SUPPORT_NODES_H

#include "dialogue/support/dialogue.h"

typedef enum heard_state { HEARD, EXPECTED, ANSWERED } heard_state;

struct heard {
    heard *next;
    heard_state state;
    char *text;
    char *answer;
    size_t answer_len;
};

void nodes_init(dialogue *d);
/* Looks at the commands that came, and answers those that the model knows. */
void nodes_hear(dialogue *d, conversation *v);
void nodes_answer(dialogue *d, heard *h, int node, const char *text);
void conversation_clear(conversation *v);
/* The oldest command in this state at the node; NULL: none. *ret_link: its connection. */
heard *nodes_find(dialogue *d, int node, heard_state state);

#endif
