/* Plays a script on a lab: each step at its time, by the real clock; or all of them at once on a
 * lab whose time is its own, to see whether the lab understands them. Owns the script. */
#ifndef TOOL_LAB_PLAY_H
#define TOOL_LAB_PLAY_H

#include "tool/lab_feed.h"
#include "tool/lab_script.h"
#include "tool/tool.h"

#include <keyway/lab.h>

typedef struct lab_player {
    const char *file;
    lab_script *script; /* NULL: there is none to play */
    script_step step;   /* the next, if has_step */
    bool has_step;
    bool told_end;
    uint64_t started_us;
    unsigned failed_count;
} lab_player;

/* Reads a file (`-`: standard input) and parses it; complains of what is wrong. */
exit_status player_open(lab_player *p, const char *file);
void player_close(lab_player *p);

void player_start(lab_player *p, uint64_t now_us);
/* Runs what is due, up to some hundred steps at a time, and tells of it; a step that fails is told,
 * and the next ones follow all the same. */
void player_run(lab_player *p, kw_lab *lab, lab_feed *feed, uint64_t now_us);
/* Milliseconds until there is something to run; -1: never. */
int player_timeout_ms(const lab_player *p, uint64_t now_us);
static inline bool player_is_over(const lab_player *p) {
    return p->script && p->told_end;
}

/* Rehearses the whole script on a lab, whose time goes as fast as the script wants it. Complains of
 * the first step that fails; says how long it is. */
exit_status player_rehearse(lab_player *p, kw_lab *lab);

#endif
