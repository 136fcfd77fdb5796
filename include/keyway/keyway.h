/* Keyway: a client for Redis and Valkey Cluster.
 *
 * One handle (kw_client) talks to a whole cluster: it knows which node owns the
 * slot of a key, follows MOVED and ASK, and heals its own view while slots move
 * and nodes die. Nothing here blocks except kw_call and its variants, kw_batch_run,
 * kw_wait and kw_refresh; nothing here starts a thread unless it is told to.
 *
 * Threads: a handle is used by one thread at a time, and its caller drives it.
 * A handle opened with an I/O thread (kw_options_set_io_thread) is driven by that
 * thread, and any number of threads may use it at once: their commands share each
 * node's connection, and are written together. Of such a handle
 *  - callbacks and events run on the I/O thread, which must not wait long in them;
 *  - the allocator, if it is replaced, must be thread-safe;
 *  - kw_process, kw_wait, kw_fd and kw_timeout_ms have nothing to do, and say so;
 *  - kw_close may be called while other threads are inside calls: these end with
 *    KW_ERR_CLOSED before it returns. No call may begin after it has returned.
 * What belongs to one caller (batches, call options, traces) is used by one thread
 * at a time all the same. A kept reply is free of its handle: any thread may read
 * and free it, as long as the handle's allocator is thread-safe.
 *
 * Pointers: NULL is allowed where a comment says so, for every `err`, in every function that frees,
 * and in every kw_reply_... that reads: there it is a null reply. Nowhere else.
 *
 * Source of the behaviour: Redis Cluster specification, and docs/ARCHITECTURE.md.
 */
#ifndef KEYWAY_KEYWAY_H
#define KEYWAY_KEYWAY_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KW_VERSION_MAJOR 0
#define KW_VERSION_MINOR 1
#define KW_VERSION_PATCH 0
#define KW_VERSION_STRING "0.1.0"

/** The number of hash slots in a cluster. */
#define KW_SLOT_COUNT 16384

#if defined(__GNUC__)
#define KW_API __attribute__((visibility("default")))
#define KW_CHECKED __attribute__((warn_unused_result))
#else
#define KW_API
#define KW_CHECKED
#endif

/** An opaque handle of one cluster. */
typedef struct kw_client kw_client;
/** Options of a handle; a value object, read once by kw_open. */
typedef struct kw_options kw_options;
/** Options of one command. */
typedef struct kw_call_options kw_call_options;
/** One reply of a server, with all that is nested in it. */
typedef struct kw_reply kw_reply;
/** Many commands that are run together. */
typedef struct kw_batch kw_batch;
/** What one command did on its way: its slot, its hops, their reasons and times. */
typedef struct kw_trace kw_trace;
/** One thing that happened inside a handle. */
typedef struct kw_event kw_event;
/** A snapshot of a handle's counters. */
typedef struct kw_stats kw_stats;
/** A snapshot of a handle's slot map. */
typedef struct kw_map kw_map;

/** Bytes and their number; not terminated, may hold any byte. */
typedef struct kw_slice {
    const char *data;
    size_t len;
} kw_slice;

/* ------------------------------------------------------------------ status */

/** Why no reply came. A server's error reply is no such status: it is a reply. */
typedef enum kw_status {
    KW_OK = 0,
    KW_ERR_NOMEM,       /* an allocation failed; the handle lives on */
    KW_ERR_INVALID,     /* an argument, option or URL is wrong; the message says which */
    KW_ERR_UNSUPPORTED, /* a command that a shared, pipelined connection cannot carry */
    KW_ERR_CROSSSLOT,   /* the command's keys are in different slots */
    KW_ERR_LIMIT,       /* a cap was reached: waiting or in-flight commands, reply size ... */
    KW_ERR_TIMEOUT,     /* the command's deadline passed */
    KW_ERR_CONNECTION,  /* a connection could not be made, or was lost */
    KW_ERR_RESOLVE,     /* a host name has no address */
    KW_ERR_TLS,         /* the TLS handshake failed, or the certificate is not trusted */
    KW_ERR_AUTH,        /* the server refused user or password */
    KW_ERR_PROTOCOL,    /* the peer sent bytes that are no RESP, or no sense */
    KW_ERR_REDIRECTS,   /* more redirects than one command may follow */
    KW_ERR_UNCOVERED,   /* no node serves the slot, and the option `uncovered` is `fail` */
    KW_ERR_CLOSED,      /* the handle was closed before the command was done */
    KW_ERR_FORKED,      /* the handle was made before fork() and belongs to the parent */
    KW_ERR_NOT_CLUSTER, /* the seed answers, but is no cluster node */
    KW_ERR_BUSY         /* as many submitted commands are pending as may be */
} kw_status;

/** What is known of a command that got no reply. */
typedef enum kw_outcome {
    KW_NOT_SENT = 0,  /* not one byte of it left this process: not executed */
    KW_REJECTED,      /* a node refused it: not executed */
    KW_NO_EFFECT,     /* it only reads: executed or not, it changed nothing */
    KW_MAYBE_EXECUTED /* it may write, was sent, and no answer came: look before you repeat it */
} kw_outcome;

/** The capacity of kw_error's texts, with their terminating zero. */
#define KW_ERROR_MESSAGE_SIZE 256
#define KW_ERROR_NODE_SIZE 80

/** What went wrong with a call. Filled on failure only; untouched on success. */
typedef struct kw_error {
    kw_status status;
    kw_outcome outcome;
    int slot;                            /* the command's slot, or -1 */
    char node[KW_ERROR_NODE_SIZE];       /* `host:port` of the last node involved, or empty */
    char message[KW_ERROR_MESSAGE_SIZE]; /* one line for a person */
} kw_error;

/** The name of a status, such as `TIMEOUT`; never NULL. */
KW_API const char *kw_status_name(kw_status status);

/** The name of an outcome, such as `MAYBE_EXECUTED`; never NULL. */
KW_API const char *kw_outcome_name(kw_outcome outcome);

/** True if the command was certainly not executed to any effect, and the same call may
 * succeed later: the caller may repeat it without a second thought. */
KW_API bool kw_error_is_retriable(const kw_error *err);

/** The version of the library that is loaded, such as `0.1.0`. */
KW_API const char *kw_version(void);

/** The slot of a key, 0..16383: CRC16-XMODEM of the key or of its `{hash tag}`, and 16383. */
KW_API int kw_key_slot(const char *key, size_t len);

/* ----------------------------------------------------------------- options */

/** Makes an options object that holds the defaults. Free it with kw_options_free. */
KW_API KW_CHECKED kw_status kw_options_new(kw_options **ret);

/** Frees an options object; NULL is allowed. */
KW_API void kw_options_free(kw_options *options);

/** Sets one option by its name, from text. The same names are query options of a URL
 * (`redis://host:7000?timeout_ms=500`), which win over this object.
 *
 * Names, with their defaults: docs/options.md, or kw_options_describe.
 *
 * Errors: KW_ERR_INVALID for an unknown name, or a value out of range (the message names the
 * allowed ones); KW_ERR_NOMEM. */
KW_API KW_CHECKED kw_status kw_options_set(kw_options *options, const char *name, const char *value,
                                           kw_error *err);

/** The i-th option: its name, default, and one line of help; NULL after the last. */
KW_API const char *kw_options_describe(size_t index, const char **ret_default,
                                       const char **ret_help);

/** Memory of a handle comes from these three, with the meanings of malloc, realloc and free.
 * They must be thread-safe if replies are freed by other threads. The first two may fail.
 * Errors: KW_ERR_INVALID if one of them is NULL. */
KW_API KW_CHECKED kw_status
kw_options_set_allocator(kw_options *options, void *(*alloc)(void *arg, size_t size),
                         void *(*resize)(void *arg, void *ptr, size_t size),
                         void (*release)(void *arg, void *ptr), void *arg);

/** Maps an endpoint that the cluster announced to the one to connect to (NAT, port forwarding,
 * TLS names). Called for every endpoint before it is first connected to. To change it, write the
 * new host (terminated, host_size bytes of room) and port in place; else leave both. Must not call
 * the handle. */
typedef void kw_remap_fn(void *arg, char *host, size_t host_size, uint16_t *port);

/** Sets the hook that remaps endpoints; NULL removes it. */
KW_API void kw_options_set_remap(kw_options *options, kw_remap_fn *remap, void *arg);

/** The handle starts a thread of its own that does all its work (the same as the option
 * `io_thread`); any number of threads may then use it. See *Threads* above. */
KW_API void kw_options_set_io_thread(kw_options *options, bool io_thread);

/* ------------------------------------------------------------------ handle */

/** Opens a handle. No network yet: the slot map is loaded with the first command (or at once
 * with the option `eager`).
 *
 * URL: `redis://`, `rediss://` (TLS), `valkey://`, `valkeys://` (TLS), then
 * `[[user]:password@]host[:port][,host[:port]...][/0][?option=value[&...]]`; the port is 6379 if
 * none is given; an IPv6 address stands in brackets; parts are percent-decoded. Without a colon,
 * what stands before the @ is the password. `unix:///path/to/socket` names one seed by its socket:
 * the nodes that it announces are reached by TCP.
 *
 * options may be NULL, and may be freed after the call.
 * Errors: KW_ERR_INVALID, KW_ERR_NOMEM, KW_ERR_TLS (unusable certificate files). */
KW_API KW_CHECKED kw_status kw_open(const char *url, const kw_options *options, kw_client **ret,
                                    kw_error *err);

/** Closes a handle. Commands still open are completed with KW_ERR_CLOSED before it returns, or,
 * when it is called inside a callback, before the outermost call into the handle returns. NULL is
 * allowed. In the child of a fork it only frees the child's copy (commands end with KW_ERR_FORKED):
 * the parent's connections go on.
 *
 * With an I/O thread: any thread may close the handle while others are inside calls. All that is
 * open ends with KW_ERR_CLOSED, the thread ends, and the last call has left the handle when it
 * returns. Inside a callback it returns at once; the I/O thread then does the same, and frees the
 * handle as its last act. In the child of a fork no callback is called. */
KW_API void kw_close(kw_client *client);

/* -------------------------------------------------------------------- sync */

/** Sends one command and waits for its reply, driving the handle meanwhile: callbacks of other
 * commands may run.
 *
 * The format is split at spaces into arguments. `%s` takes a C string, `%b` a pointer and a size_t
 * (any bytes; NULL with 0), `%d %i %u %ld %lu %lld %llu %zu %zd %f %g` a number, `%%` a percent
 * sign. A value never splits: one `%s` with spaces in it stays inside its argument.
 *
 * On KW_OK *ret is the caller's, to be freed with kw_reply_free; it may be a server's error reply
 * (kw_reply_is_error). Otherwise *ret is untouched, and err (may be NULL) says why. Must not be
 * called inside a callback (KW_ERR_INVALID).
 *
 * A large value is not copied but sent from where it is: it must stay as it is until the call
 * returns, which is to be thought of by callbacks and other threads only.
 *
 * With an I/O thread any number of threads may call at once. Past the option `pending_max` a call
 * waits for room within its deadline, which counts from here. */
KW_API KW_CHECKED kw_status kw_call(kw_client *client, kw_reply **ret, kw_error *err,
                                    const char *format, ...);

/** kw_call with a va_list. */
KW_API KW_CHECKED kw_status kw_vcall(kw_client *client, kw_reply **ret, kw_error *err,
                                     const char *format, va_list args);

/** kw_call with the arguments as slices, and options of this call (may be NULL). */
KW_API KW_CHECKED kw_status kw_call_argv(kw_client *client, const kw_slice *argv, size_t argc,
                                         const kw_call_options *options, kw_reply **ret,
                                         kw_error *err);

/* ------------------------------------------------------------------- async */

/** Is called once for each submitted command, from kw_process, kw_wait, kw_close or a sync call, or
 * on the I/O thread, never from inside kw_submit. With a reply, err is NULL; without one, reply is
 * NULL. Both live until the callback returns: kw_reply_keep makes a reply the caller's. Every
 * function may be called inside it except the blocking ones; kw_close too. */
typedef void kw_reply_fn(kw_client *client, kw_reply *reply, const kw_error *err, void *arg);

/** Submits a command; the arguments are copied. KW_OK means that the callback (may be NULL) will be
 * called exactly once; anything else, that it will not. options may be NULL.
 *
 * Nothing is written yet: the next kw_process, kw_wait or sync call writes all that was submitted,
 * so that many commands share one system call. Until then kw_timeout_ms is 0 and kw_fd is readable,
 * so that an event loop that watches only one of the two comes by as well.
 *
 * With an I/O thread it is the command that wakes the thread, if it sleeps. Errors of a command
 * that is well formed but cannot be sent (KW_ERR_UNSUPPORTED, KW_ERR_CROSSSLOT) are then the
 * callback's.
 *
 * A command that may block (BLPOP, BLMOVE, BZPOPMIN, XREAD BLOCK and their like) goes over a
 * connection of its own, so that it holds nobody back: up to `blocking_connections_max` a node are
 * made as they are needed, used again, and closed when idle; past them commands wait. It has no
 * place in the order of its slot's commands. Its deadline is its own time and the timeout, to be
 * met only if its server is silent. One that blocks for ever (a time of 0) has a deadline only
 * while it is at no server, unless kw_call_options_set_timeout_ms gives it one. At the deadline its
 * connection is closed: a command that takes elements may then have taken one
 * (KW_MAYBE_EXECUTED). When its slot moves meanwhile, it goes on at the new node for the time that
 * is left; XREAD from `$` then misses what is added in between: give it the last id that you have.
 *
 * Refused with KW_ERR_UNSUPPORTED is what changes its connection (MULTI, SUBSCRIBE, SELECT) or is
 * about what that wrote (WAIT, WAITAOF), for others share it.
 *
 * Errors: KW_ERR_INVALID, KW_ERR_UNSUPPORTED, KW_ERR_CROSSSLOT, KW_ERR_LIMIT, KW_ERR_NOMEM,
 * KW_ERR_BUSY (option `pending_max`, with an I/O thread), KW_ERR_FORKED; the outcome is then always
 * KW_NOT_SENT. */
KW_API KW_CHECKED kw_status kw_submit(kw_client *client, const kw_slice *argv, size_t argc,
                                      const kw_call_options *options, kw_reply_fn *on_reply,
                                      void *arg, kw_error *err);

/** kw_submit with the format of kw_call. */
KW_API KW_CHECKED kw_status kw_submitf(kw_client *client, kw_reply_fn *on_reply, void *arg,
                                       kw_error *err, const char *format, ...);

/** The one file descriptor to wait on: readable means that kw_process has work. It stays the same
 * for the life of the handle; watch it level-triggered. -1 with an I/O thread. */
KW_API int kw_fd(const kw_client *client);

/** How long to wait on kw_fd at most before kw_process must be called: milliseconds, 0 = at once,
 * -1 = without limit. Ask again after every call into the handle. Always -1 with an I/O thread. */
KW_API int kw_timeout_ms(const kw_client *client);

/** Does what can be done without waiting: reads, writes, timers, callbacks. Inside a callback it
 * does nothing: the call that runs the callback goes on by itself.
 *
 * Errors: KW_ERR_FORKED; KW_ERR_CLOSED if a callback closed the handle, which is gone then;
 * KW_ERR_INVALID with an I/O thread, which does this itself. */
KW_API KW_CHECKED kw_status kw_process(kw_client *client);

/** Waits at most timeout_ms (-1 = without limit) for something to do, then does it; it may return
 * before a callback was called. For programs with no event loop of their own.
 *
 * Errors: as kw_process; KW_ERR_INVALID also inside a callback. */
KW_API KW_CHECKED kw_status kw_wait(kw_client *client, int timeout_ms);

/** The number of submitted commands whose callback has not been called. With an I/O thread, calls
 * that wait in other threads do not count; once it is 0, what the callbacks did is seen. */
KW_API size_t kw_pending(const kw_client *client);

/* ------------------------------------------------------ options of one call */

/** Makes options of a call that hold the defaults. May be reused for many calls, and freed as soon
 * as the call that took them has returned. */
KW_API KW_CHECKED kw_status kw_call_options_new(kw_call_options **ret);

/** Frees options of a call; NULL is allowed. */
KW_API void kw_call_options_free(kw_call_options *options);

/** The deadline of the call, counted from its submission; 0 = the handle's `timeout_ms`. A command
 * that blocks by itself (BLPOP k 10) has its own time in addition; see kw_submit. */
KW_API void kw_call_options_set_timeout_ms(kw_call_options *options, uint32_t timeout_ms);

/** The caller's word that executing the command twice does no harm: it is then sent again after a
 * lost connection, like a command that only reads. */
KW_API void kw_call_options_set_idempotent(kw_call_options *options, bool idempotent);

/** Sends the command to the owner of this slot, 0..16383, whatever its keys are; -1 = by its keys.
 * It waits while the owner is not known, for any other node would execute it too. With a slot above
 * 16383 the call fails with KW_ERR_INVALID. */
KW_API void kw_call_options_set_slot(kw_call_options *options, int slot);

/** Records the way of the command in a trace, which must live until the command is done; NULL =
 * no record. One trace follows one command at a time: set another before the options are used for
 * a second command that is open meanwhile. */
KW_API void kw_call_options_set_trace(kw_call_options *options, kw_trace *trace);

/* ------------------------------------------------------------------- batch */

/** Makes an empty batch. Free it with kw_batch_free, before its client is closed. */
KW_API KW_CHECKED kw_status kw_batch_new(kw_client *client, kw_batch **ret);

/** Frees a batch with its replies; NULL is allowed. Not while kw_batch_run runs. */
KW_API void kw_batch_free(kw_batch *batch);

/** Adds a command; its arguments are copied. options may be NULL, and may be freed after the call.
 *
 * Errors: KW_ERR_INVALID, KW_ERR_LIMIT, KW_ERR_NOMEM: the command is not added. What else is wrong
 * with it (KW_ERR_CROSSSLOT, KW_ERR_UNSUPPORTED) shows when it is run, in its own status. */
KW_API KW_CHECKED kw_status kw_batch_add(kw_batch *batch, const kw_slice *argv, size_t argc,
                                         const kw_call_options *options, kw_error *err);

/** kw_batch_add with the format of kw_call. */
KW_API KW_CHECKED kw_status kw_batch_addf(kw_batch *batch, kw_error *err, const char *format, ...);

/** Runs all commands that were added since the last run or kw_batch_clear, pipelined over all
 * nodes, and waits until each is done. KW_OK if every one got a reply; else the status of the first
 * that did not, with err filled for it. */
KW_API KW_CHECKED kw_status kw_batch_run(kw_batch *batch, kw_error *err);

/** The number of commands in the batch. */
KW_API size_t kw_batch_count(const kw_batch *batch);

/** The reply of the i-th command in the order added, or NULL if none came. It belongs to the
 * batch until kw_batch_clear or kw_batch_free, unless kw_reply_keep takes it. */
KW_API kw_reply *kw_batch_reply(const kw_batch *batch, size_t index);

/** The status of the i-th command, and its error, NULL with KW_OK, which belongs to the batch
 * (ret_err may be NULL). KW_ERR_INVALID if it was not run yet, or there is none. */
KW_API kw_status kw_batch_status(const kw_batch *batch, size_t index, const kw_error **ret_err);

/** Empties the batch for its next use. */
KW_API void kw_batch_clear(kw_batch *batch);

/* ------------------------------------------------------------------- reply */

/** The type of a reply. RESP2 knows the first six. */
typedef enum kw_type {
    KW_TYPE_STATUS, /* a simple string, such as OK */
    KW_TYPE_ERROR,  /* a server's error */
    KW_TYPE_INTEGER,
    KW_TYPE_STRING, /* a bulk string: any bytes */
    KW_TYPE_ARRAY,
    KW_TYPE_NULL,
    KW_TYPE_DOUBLE,
    KW_TYPE_BOOL,
    KW_TYPE_BIGNUM,   /* decimal digits, read as a string */
    KW_TYPE_VERBATIM, /* a string with a format of three letters */
    KW_TYPE_MAP,
    KW_TYPE_SET,
    KW_TYPE_PUSH
} kw_type;

/** The name of a type, such as `array`; never NULL. */
KW_API const char *kw_type_name(kw_type type);

/** Frees a reply that the caller owns, in one step; NULL is allowed. Not for nested replies. */
KW_API void kw_reply_free(kw_reply *reply);

/** Makes a callback's or a batch's reply the caller's: it then outlives the callback, the batch and
 * the handle, until kw_reply_free. Only for a whole reply, not for a nested one. Keeping it
 * twice changes nothing: it is freed once. */
KW_API kw_reply *kw_reply_keep(kw_reply *reply);

/** The type of a reply. */
KW_API kw_type kw_reply_type(const kw_reply *reply);

/** True if the reply is a server's error, such as `WRONGTYPE ...`. */
KW_API bool kw_reply_is_error(const kw_reply *reply);

/** True if the reply is null: no such key, no such field. */
KW_API bool kw_reply_is_null(const kw_reply *reply);

/** The bytes of a status, error, string, bignum or verbatim reply, or of a double as the server
 * wrote it, terminated by a zero that *ret_len (may be NULL) does not count; NULL for the other
 * types. */
KW_API const char *kw_reply_string(const kw_reply *reply, size_t *ret_len);

/** The format of a verbatim string, such as `txt`; NULL for the other types. */
KW_API const char *kw_reply_format(const kw_reply *reply);

/** The value of an integer or bool reply; a string of decimal digits is read as a number; else 0.
 */
KW_API int64_t kw_reply_integer(const kw_reply *reply);

/** The value of a double or integer reply; a string that is a number is read as one; else 0. */
KW_API double kw_reply_double(const kw_reply *reply);

/** The value of a bool reply; of an integer, whether it is not 0. */
KW_API bool kw_reply_bool(const kw_reply *reply);

/** The number of elements of an array, set or push, of pairs of a map; else 0. */
KW_API size_t kw_reply_count(const kw_reply *reply);

/** The i-th element of an array, set or push, or the i-th value of a map; NULL if there is none. */
KW_API const kw_reply *kw_reply_at(const kw_reply *reply, size_t index);

/** The i-th key of a map; NULL if there is none. */
KW_API const kw_reply *kw_reply_key(const kw_reply *reply, size_t index);

/** The value of a map's text key; also finds it in a flat array of pairs, as RESP2 sends maps.
 * NULL if there is none. */
KW_API const kw_reply *kw_reply_get(const kw_reply *reply, const char *key);

/** The attributes (RESP3 `|`) that came with the reply, as a map; NULL if there were none. */
KW_API const kw_reply *kw_reply_attributes(const kw_reply *reply);

/* --------------------------------------------------------------------- map */

/** Asks the cluster for its slot map now, and waits until one is accepted (timeout_ms; 0 = the
 * handle's). Errors: the reason why no view could be had. Not inside a callback. */
KW_API KW_CHECKED kw_status kw_refresh(kw_client *client, uint32_t timeout_ms, kw_error *err);

/** Takes a snapshot of the slot map as the client uses it now; empty if none is loaded. It may
 * outlive the handle. Errors: KW_ERR_NOMEM; with an I/O thread, whose turn it waits for, also
 * KW_ERR_CLOSED and KW_ERR_FORKED. */
KW_API KW_CHECKED kw_status kw_map_new(const kw_client *client, kw_map **ret);

/** Frees a snapshot; NULL is allowed. */
KW_API void kw_map_free(kw_map *map);

/** The generation: grows by one with every accepted view and every patch. 0 = none loaded. */
KW_API uint64_t kw_map_generation(const kw_map *map);

/** The number of nodes in the map. */
KW_API size_t kw_map_node_count(const kw_map *map);

/** One node of the map. Texts belong to the map. */
typedef struct kw_map_node {
    const char *id;       /* 40 hex digits, or empty if known only from a redirect */
    const char *endpoint; /* host:port */
    bool primary;         /* owns slots, or can */
    int primary_index;    /* of a replica: its primary's index; else -1 */
    const char *state;    /* unknown, connecting, up, suspect, down, draining */
    int slot_count;       /* slots that it owns */
} kw_map_node;

/** Fills *ret with the node at an index; false if there is none. */
KW_API bool kw_map_node_at(const kw_map *map, size_t index, kw_map_node *ret);

/** The index of the node that owns a slot; -1 if the slot is not covered. */
KW_API int kw_map_owner(const kw_map *map, int slot);

/** True if the slot's owner is kept although the newest view did not name one. */
KW_API bool kw_map_is_suspect(const kw_map *map, int slot);

/** Makes a hole in the client's map, as a cluster in trouble would: the slots first..last are
 * forgotten. For tests and demonstrations of the healing. Errors: KW_ERR_INVALID. */
KW_API KW_CHECKED kw_status kw_forget_slots(kw_client *client, int first, int last);

/* ------------------------------------------------------------------ explain */

/** Makes an empty trace. */
KW_API KW_CHECKED kw_status kw_trace_new(kw_trace **ret);

/** Frees a trace; NULL is allowed. Not before its command is done. */
KW_API void kw_trace_free(kw_trace *trace);

/** One hop of a command: a node that it was sent to, and what came of it. */
typedef struct kw_hop {
    const char *node;   /* host:port; belongs to the trace */
    const char *reason; /* why this node: map, overlay, probe, moved, ask, retry, failover ... */
    const char
        *answer;       /* what it answered: reply, error, MOVED, ASK, TRYAGAIN, lost, timeout ... */
    uint64_t start_us; /* given to the link, counted from the submission */
    uint64_t end_us;   /* answered, counted from the submission */
} kw_hop;

/** The slot of the traced command, or -1 if it has no key. */
KW_API int kw_trace_slot(const kw_trace *trace);

/** The generation of the map when the command was first routed. */
KW_API uint64_t kw_trace_generation(const kw_trace *trace);

/** The number of hops recorded; at most 16, the last ones win. */
KW_API size_t kw_trace_hop_count(const kw_trace *trace);

/** Fills *ret with a hop; false if there is none. */
KW_API bool kw_trace_hop_at(const kw_trace *trace, size_t index, kw_hop *ret);

/** Microseconds from the submission to the end of the command. */
KW_API uint64_t kw_trace_total_us(const kw_trace *trace);

/* ------------------------------------------------------------------- events */

/** The kinds of events. */
typedef enum kw_event_type {
    KW_EVENT_MAP_CHANGED, /* a view was accepted and differs */
    KW_EVENT_REDIRECTED,  /* MOVED or ASK was followed */
    KW_EVENT_SLOT_HEALED, /* a slot without owner has one again */
    KW_EVENT_NODE_UP,
    KW_EVENT_NODE_DOWN,
    KW_EVENT_NODE_ADDED,
    KW_EVENT_NODE_REMOVED,
    KW_EVENT_REFRESH_STARTED,
    KW_EVENT_REFRESH_ACCEPTED,
    KW_EVENT_REFRESH_REFUSED, /* a view was not trusted; the text says why */
    KW_EVENT_REFRESH_FAILED,
    KW_EVENT_PUSH,      /* a RESP3 push that belongs to no command */
    KW_EVENT_HELD_BACK, /* TRYAGAIN, CLUSTERDOWN, LOADING ...: the command is tried again */
    KW_EVENT_PROBED,    /* a command was sent to a node only to find its slot's owner */
    KW_EVENT_RETRIED,   /* a connection was lost, and the command is sent again */
    KW_EVENT_FAILED,    /* a command ended without a reply; the text says why */
    KW_EVENT_TYPE_COUNT
} kw_event_type;

/** Gets each event, from the same places as reply callbacks. The event lives until it returns. */
typedef void kw_event_fn(kw_client *client, const kw_event *event, void *arg);

/** Sets the function that gets the events; NULL removes it. */
KW_API void kw_on_event(kw_client *client, kw_event_fn *on_event, void *arg);

/** The kind of an event. */
KW_API kw_event_type kw_event_get_type(const kw_event *event);
/** The name of a kind, such as `slot-healed`; never NULL. */
KW_API const char *kw_event_type_name(kw_event_type type);
/** The slot concerned, or -1. */
KW_API int kw_event_slot(const kw_event *event);
/** The node concerned as host:port, or empty; of a redirect, the node that sent it. */
KW_API const char *kw_event_node(const kw_event *event);
/** Of a redirect or a healing, the slot's node now as host:port; else empty. */
KW_API const char *kw_event_target(const kw_event *event);
/** One line for a person. */
KW_API const char *kw_event_text(const kw_event *event);

/* --------------------------------------------------------------- statistics */

/** What is counted, in total and for each node. */
typedef enum kw_counter {
    KW_COUNT_COMMANDS, /* submitted (total), sent (node) */
    KW_COUNT_REPLIES,  /* handed to callers, server errors among them */
    KW_COUNT_FAILURES, /* commands that ended without a reply */
    KW_COUNT_TIMEOUTS, /* of these, by their deadline */
    KW_COUNT_BYTES_OUT,
    KW_COUNT_BYTES_IN,
    KW_COUNT_MOVED,
    KW_COUNT_ASK,
    KW_COUNT_TRYAGAIN,
    KW_COUNT_CLUSTERDOWN, /* with LOADING and MASTERDOWN */
    KW_COUNT_READONLY,
    KW_COUNT_RETRIES, /* sent again after a lost connection */
    KW_COUNT_PROBES,  /* sent to a node only to find a slot's owner */
    KW_COUNT_SLOTS_HEALED,
    KW_COUNT_CONNECTS,
    KW_COUNT_CONNECT_FAILURES,
    KW_COUNT_DISCONNECTS,
    KW_COUNT_PUSHES,
    KW_COUNT_REFRESH_PERIODIC,
    KW_COUNT_REFRESH_NORMAL,
    KW_COUNT_REFRESH_URGENT,
    KW_COUNT_REFRESH_ACCEPTED,
    KW_COUNT_REFRESH_FAILED,
    KW_COUNT_REFUSED_MALFORMED,
    KW_COUNT_REFUSED_EPOCH,
    KW_COUNT_REFUSED_COVERAGE,
    KW_COUNT_IN_FLIGHT,     /* a level, not a sum: sent and not answered */
    KW_COUNT_WAITING,       /* a level: not yet sent */
    KW_COUNT_SLOTS_KNOWN,   /* a level */
    KW_COUNT_SLOTS_SUSPECT, /* a level */
    KW_COUNT_SLOTS_UNKNOWN, /* a level */
    KW_COUNT_LINKS,         /* a level: connections open */
    KW_COUNT_BLOCKED,       /* a level: of those in flight, the blocking ones */
    KW_COUNTER_COUNT
} kw_counter;

/** The name of a counter, such as `moved`; NULL if there is none. */
KW_API const char *kw_counter_name(kw_counter counter);

/** Takes a snapshot of the counters. It may outlive the handle. Errors: as kw_map_new. */
KW_API KW_CHECKED kw_status kw_stats_new(const kw_client *client, kw_stats **ret);
/** Frees a snapshot; NULL is allowed. */
KW_API void kw_stats_free(kw_stats *stats);
/** A counter's value over all nodes. */
KW_API uint64_t kw_stats_total(const kw_stats *stats, kw_counter counter);
/** The number of nodes in the snapshot. */
KW_API size_t kw_stats_node_count(const kw_stats *stats);
/** A node's endpoint; NULL if there is none. */
KW_API const char *kw_stats_node_endpoint(const kw_stats *stats, size_t node);
/** A counter's value for one node. */
KW_API uint64_t kw_stats_node(const kw_stats *stats, size_t node, kw_counter counter);
/** The response time in microseconds below which this share (0..1) of the replies came; at most
 * 3 % off. node: an index, or -1 for all. 0 if there were none. */
KW_API uint64_t kw_stats_latency_us(const kw_stats *stats, int node, double share);
/** The snapshot as Prometheus text; belongs to the snapshot. NULL if memory is short. */
KW_API const char *kw_stats_prometheus(kw_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
