/* Child processes, ports, directories and time for integration tests. Whatever a test starts ends
 * with it, also when it crashes: children die with their parent, and a small janitor process
 * removes the directory. */
#ifndef INTEGRATION_SUPPORT_PROCESS_H
#define INTEGRATION_SUPPORT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The monotonic clock. */
uint64_t now_us(void);
void sleep_ms(int ms);

/* Starts argv[0] (found by PATH) with its output in the file; -1 if that fails. */
pid_t process_start(char *const argv[], const char *output_file);
/* True if the process has ended; its status as waitpid gives it. Then the pid is gone. */
bool process_ended(pid_t pid, int *ret_status);
/* Kills it and waits for its end. */
void process_kill(pid_t pid);

/* A TCP port that is free on loopback and that no other test of this tree will take while this
 * process lives; 0 if there is none. */
uint16_t port_reserve(void);

/* A directory that is removed when it is released, and also when this process dies. */
typedef struct temp_dir {
    char path[64];
    int alive; /* the janitor waits for the end of this pipe */
    pid_t janitor;
} temp_dir;

bool temp_dir_make(temp_dir *dir);
void temp_dir_remove(temp_dir *dir);

/* Writes a file into the directory; false if it cannot. */
bool temp_dir_write(const temp_dir *dir, const char *name, const char *text);

#endif
