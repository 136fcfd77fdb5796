#include "io/fork_mark.h"

#include <sys/mman.h>
#include <unistd.h>

/* The kernel rounds it up to a page. */
enum { MARK_BYTES = sizeof(uint32_t) };

void fork_mark_init(fork_mark *mark) {
    *mark = (fork_mark){.pid = getpid()};
    uint32_t *page =
        mmap(NULL, MARK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return;
    }
    long page_bytes = sysconf(_SC_PAGESIZE);
    if (page_bytes < 0 || madvise(page, (size_t)page_bytes, MADV_WIPEONFORK) != 0) {
        munmap(page, MARK_BYTES);
        return;
    }
    *page = 1;
    mark->page = page;
}

void fork_mark_done(fork_mark *mark) {
    if (mark->page) {
        munmap((void *)(uintptr_t)mark->page, MARK_BYTES);
        mark->page = NULL;
    }
}

bool fork_mark_differs(const fork_mark *mark) {
    return mark->pid != getpid();
}
