#include "node/fleet_stream.h"

#include "node/node_session.h"

void inbox_init(stream_inbox *in, const mem *m, uint64_t bytes_max) {
    *in = (stream_inbox){.mem = m, .bytes_max = bytes_max};
    list_init(&in->records);
}

void inbox_clear(stream_inbox *in) {
    stream_record *record;
    while ((record = inbox_take(in))) {
        inbox_done(in, record);
    }
}

bool inbox_push(stream_inbox *in, const kw_slice *argv, size_t argc, uint64_t run_us,
                uint64_t due_us) {
    stream_record *record = mem_alloc(in->mem, sizeof *record);
    uint64_t bytes = 0;
    kw_slice *copy = record ? session_copy_arguments(in->mem, argv, argc, &bytes) : NULL;
    bytes += sizeof *record;
    if (!copy || in->bytes + bytes > in->bytes_max) {
        mem_free(in->mem, copy);
        mem_free(in->mem, record);
        return false;
    }
    *record = (stream_record){
        .run_us = run_us,
        .due_us = due_us,
        .argc = argc,
        .argv = copy,
        .bytes = bytes,
    };
    list_push_back(&in->records, &record->in_inbox);
    in->bytes += bytes;
    return true;
}

uint64_t inbox_due_us(const stream_inbox *in) {
    return list_empty(&in->records) ? STREAM_NEVER
                                    : LIST_ENTRY(in->records.next, stream_record, in_inbox)->due_us;
}

stream_record *inbox_take(stream_inbox *in) {
    list *first = list_pop_front(&in->records);
    return first ? LIST_ENTRY(first, stream_record, in_inbox) : NULL;
}

void inbox_done(stream_inbox *in, stream_record *record) {
    in->bytes -= record->bytes;
    mem_free(in->mem, record->argv);
    mem_free(in->mem, record);
}

void inbox_drop_after(stream_inbox *in, uint64_t now_us) {
    LIST_FOR_EACH(at, after, &in->records) {
        stream_record *record = LIST_ENTRY(at, stream_record, in_inbox);
        if (record->due_us > now_us) {
            list_remove(at);
            inbox_done(in, record);
        }
    }
}
