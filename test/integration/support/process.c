#include "integration/support/process.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Below the ports that Linux hands to outgoing connections, so that +10000 is a port too, and above
 * the numbers of slots, which replies hold as well. */
enum { PORT_FIRST = 17000, PORT_COUNT = 15000 };

uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void sleep_ms(int ms) {
    struct timespec t = {ms / 1000, (ms % 1000) * 1000000L};
    nanosleep(&t, NULL);
}

static void become(char *const argv[], const char *output_file, pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(127); /* the parent died before it could be watched */
    }
    int in = open("/dev/null", O_RDONLY);
    int out = open(output_file, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (in < 0 || out < 0) {
        _exit(127);
    }
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execvp(argv[0], argv);
    _exit(127);
}

pid_t process_start(char *const argv[], const char *output_file) {
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        become(argv, output_file, parent);
    }
    return pid;
}

bool process_ended(pid_t pid, int *ret_status) {
    int status = 0;
    if (waitpid(pid, &status, WNOHANG) != pid) {
        return false;
    }
    *ret_status = status;
    return true;
}

void process_kill(pid_t pid) {
    if (pid > 0) {
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
}

static bool can_listen(uint16_t port) {
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage any = {0};
    socklen_t len;
    if (fd >= 0) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&any;
        *in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
        len = sizeof *in6;
    } else { /* a machine without IPv6 */
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in *in = (struct sockaddr_in *)&any;
        *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
        len = sizeof *in;
    }
    if (fd < 0) {
        return false;
    }
    bool ok = bind(fd, (struct sockaddr *)&any, len) == 0 && listen(fd, 1) == 0;
    close(fd);
    return ok;
}

/* An abstract socket named after the port: held until this process ends, however it ends. */
static bool reserve(uint16_t port) {
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int len = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "keyway-test-port-%u", port);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
    if (bind(fd, (struct sockaddr *)&name, size) != 0) {
        close(fd);
        return false;
    }
    return true; /* the descriptor stays open on purpose */
}

uint16_t port_reserve(void) {
    unsigned start = (unsigned)(now_us() ^ ((unsigned)getpid() * 2654435761u));
    for (unsigned i = 0; i < 2000; i++) {
        uint16_t port = (uint16_t)(PORT_FIRST + (start + i * 7919u) % PORT_COUNT);
        if (can_listen(port) && reserve(port)) {
            return port;
        }
    }
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *walk) {
    (void)st;
    (void)kind;
    (void)walk;
    remove(path);
    return 0;
}

static void remove_tree(const char *path) {
    /* Servers that die at this moment may still write: once more after them. */
    for (int i = 0; i < 50 && access(path, F_OK) == 0; i++) {
        nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        if (access(path, F_OK) == 0) {
            sleep_ms(20);
        }
    }
}

static void janitor_run(int alive, const char *path) {
    prctl(PR_SET_NAME, "test-janitor");
    setsid();
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd <= 2; fd++) {
        dup2(null, fd);
    }
    dup2(alive, 3); /* every other descriptor goes: it may keep another janitor waiting */
    alive = 3;
    close_range(4, ~0U, 0);
    char byte;
    while (read(alive, &byte, 1) < 0 && errno == EINTR) {
    }
    remove_tree(path);
    _exit(0);
}

bool temp_dir_make(temp_dir *dir) {
    int ends[2];
    strcpy(dir->path, "/tmp/keyway-test-XXXXXX");
    if (!mkdtemp(dir->path) || pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    dir->alive = ends[1];
    dir->janitor = fork();
    if (dir->janitor == 0) {
        close(ends[1]);
        janitor_run(ends[0], dir->path);
    }
    close(ends[0]);
    return dir->janitor > 0;
}

void temp_dir_remove(temp_dir *dir) {
    if (dir->janitor > 0) {
        close(dir->alive);
        while (waitpid(dir->janitor, NULL, 0) < 0 && errno == EINTR) {
        }
        dir->janitor = 0;
    }
}

bool temp_dir_write(const temp_dir *dir, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir->path, name);
    FILE *file = fopen(path, "w");
    if (!file) {
        return false;
    }
    bool ok = fputs(text, file) >= 0;
    return fclose(file) == 0 && ok;
}
