/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2/engine.h: many models, many callers, all devices of the machine.
 *
 *     model ─ tf2_accelerator_load ──────────▶ accelerator ─┐
 *                                                           ├─ tf2_client_submit ─▶ request ─ wait, poll, callback
 *     engine ─ tf2_client_create ────────────▶ client ──────┘
 *
 * An engine has one worker thread for each device, which makes all calls to that device. A model that is loaded into
 * it is an *accelerator*: it is prepared on the devices once, after that any number of threads send requests to it. A
 * request is host buffers in, host buffers out. A *client* (tenant) is on whose account a request runs: device time
 * is shared among clients by their weights, measured, not counted in requests.
 *
 * Threads      All functions may be called from any thread at any time, except that a handle must not be used by one
 *              thread while another destroys that same handle. Callbacks run on worker threads: they must be short,
 *              may submit, cancel and release, and must not wait, load, unload or destroy.
 * Lifetimes    Everything may be destroyed in any order; what is still needed is kept alive inside. After
 *              tf2_engine_destroy all other calls on what the engine made return TF2_ERR_INVALID_STATE, and their
 *              handles still have to be destroyed. The caller's buffers of a request belong to the request until it is
 *              complete.
 * Completion   Each request that was submitted completes exactly once: with TF2_OK, or TF2_ERR_CANCELLED,
 *              TF2_ERR_DEADLINE, TF2_ERR_DEVICE (its devices failed as often as the engine tries),
 *              TF2_ERR_NO_DEVICE (no device that could run it came back in time), or TF2_ERR_BUSY (other clients' leases
 *              left it none for too long).
 *
 * Results are the bits that tf2_session_run gives for the same item, whatever the placement, the batch it was put
 * into, and the number of tries (integer networks; float32 parts: on devices of one kind).
 */
#ifndef TF2_ENGINE_H
#define TF2_ENGINE_H

#include <tf2/common.h>
#include <tf2/device.h>
#include <tf2/model.h>
#include <tf2/session.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tf2_engine;
struct tf2_accelerator;
struct tf2_client;
struct tf2_request;

#define TF2_FOREVER UINT64_MAX /* for all timeouts below */

/* --- memory --- */

/*
 * Memory for inputs and outputs, aligned to pages. On devices that work on host memory, kernels read an input of 16 KiB or
 * more right there: zero-copy, for sessions too (docs/scheduling.md, Data). Other memory works too, with any alignment,
 * and is copied. NULL when out of memory or for size 0. Free it with tf2_free only. Any thread.
 */
TF2_API void *tf2_alloc(size_t size_bytes);
/* NULL allowed. Not before the requests that use it are complete. What a run that was given up still reads stays in
 * memory until that run has ended. */
TF2_API void tf2_free(void *memory);

/* --- engine --- */

struct tf2_engine_options {
    /*
     * Folder of models for tf2_accelerator_open. A name such as "com.inspur.tf2.squeezenet" is looked for as
     * REPOSITORY/com.inspur.tf2.squeezenet.tf2, then as REPOSITORY/com.inspur.tf2.squeezenet/VERSION/model.tf2 with the
     * highest number VERSION; "NAME:VERSION" asks for one. NULL: there is none.
     */
    const char *repository;

    /* What packed weights of all accelerators together may take on each device. An accelerator is loaded with what others have
     * left; what does not fit is streamed (docs/streaming.md). TF2_ERR_NO_MEMORY: too little is left even for that. 0: what the
     * device reports as its memory, no limit where host memory is the device's. */
    size_t weight_budget_bytes;

    /* A run that takes longer is given up: its device is set aside and its requests run elsewhere. 0: 10 s. */
    uint64_t watchdog_ns;
    /* The same for a call to a device while a model is loaded: compiling kernels can take long. The device is set aside, and the
     * model is loaded on the others. 0: 5 min. */
    uint64_t load_watchdog_ns;
    uint32_t max_attempts; /* runs of one request that may fail; 0: 3 */
    /* When a device that was set aside is tried again, at first; doubled each time up to 64 times this. 0: 100 ms. */
    uint64_t probe_ns;
    /* A request that no healthy device could run for this long completes with TF2_ERR_NO_DEVICE. 0: 5 s. */
    uint64_t no_device_ns;
    /* A request that for this long could run nowhere without devices that other clients lease completes with TF2_ERR_BUSY. 0: 60 s.
     * TF2_FOREVER: it waits for the end of leases. */
    uint64_t lease_wait_ns;
    /* How often each device runs its check (a run whose result is known) while it is in use, so that a device that
     * computes wrongly is found. 0: only before it comes back into service. */
    uint64_t check_ns;

    uint32_t max_queued;  /* requests of one client that may wait; more are refused with TF2_ERR_BUSY. 0: 65536 */
    uint64_t starve_ns;   /* a waiting client of a lower priority class gets a turn at least this often; 0: 100 ms */
    uint64_t spin_ns;     /* how long an idle worker looks for work before it sleeps; 0: 20 us */
    size_t n_trace_events; /* kept for tf2_engine_write_trace, the newest ones; 0: none */
};

/* All zero. */
TF2_API void tf2_engine_options_defaults(struct tf2_engine_options *options);

/*
 * Starts the workers. devices NULL: all OpenCL devices, opened by the engine; else they stay open as long as the
 * engine needs them, even if the caller closes them. options NULL: defaults. TF2_ERR_THREAD: a thread cannot be
 * started. On success *engine is owned by the caller.
 */
TF2_API enum tf2_status tf2_engine_create(
    struct tf2_devices *devices, const struct tf2_engine_options *options, struct tf2_engine **engine,
    struct tf2_error *error);

/*
 * Stops: nothing new is accepted, what waits completes with TF2_ERR_CANCELLED, what runs is finished. Clears *engine.
 * TF2_ERR_TIMEOUT: a device did not return within the watchdog's time; its thread is left behind with the memory it
 * uses and ends by itself if the device ever returns. TF2_ERR_INVALID_STATE from a callback. NULL and a cleared
 * handle are allowed.
 */
TF2_API enum tf2_status tf2_engine_destroy(struct tf2_engine **engine);

TF2_API size_t tf2_engine_n_devices(const struct tf2_engine *engine);

/* --- accelerators --- */

/* How requests are spread over devices. */
enum tf2_placement {
    TF2_PLACEMENT_AUTO = 0,      /* measured when loaded, by `objective` */
    TF2_PLACEMENT_REPLICATE = 1, /* each request on one device, all devices at once */
    TF2_PLACEMENT_PIPELINE = 2,  /* layers are cut into stages of equal time, one for each device; weights stay where
                                    their stage is */
    TF2_PLACEMENT_SPLIT = 3,     /* every layer's work is cut over all devices, which have to share memory */
};

/* "auto", "replicate", "pipeline", "split"; "invalid" for a number that is none. */
TF2_API const char *tf2_placement_name(enum tf2_placement placement);
/* The other way; false when the name is none of them. */
TF2_API bool tf2_placement_parse(const char *name, enum tf2_placement *placement);

enum tf2_objective {
    TF2_OBJECTIVE_THROUGHPUT = 0,
    TF2_OBJECTIVE_LATENCY = 1,
};

#define TF2_MAX_BATCH_SIZES 8

struct tf2_load_options {
    const char *name; /* for tf2_accelerator_open and reports; NULL: the model's */
    enum tf2_placement placement;
    enum tf2_objective objective; /* for TF2_PLACEMENT_AUTO */

    /* Numbers of the engine's devices to use, each once. n_devices 0: all. */
    const size_t *devices;
    size_t n_devices;

    /* Shapes of one request's inputs, as in tf2_session_options; with batching dimension 0 has to be 1. */
    int64_t batch; /* extent of dimension 0 of every input; 0: as the model has it */
    const struct tf2_named_shape *input_shapes;
    size_t n_input_shapes;
    bool pixels; /* inputs are 8-bit pixels, as in tf2_session_options */

    /*
     * Dynamic batching: waiting requests run together in batches of these sizes, ascending; 1 is always possible. A
     * request waits at most max_delay_ns for others to fill the largest one; then the largest size that can be filled
     * is taken. n_batch_sizes 0: no batching. TF2_ERR_UNSUPPORTED when an input or output has no batch axis.
     */
    uint32_t batch_sizes[TF2_MAX_BATCH_SIZES];
    size_t n_batch_sizes;
    uint64_t max_delay_ns;

    size_t weight_budget_bytes; /* what its weights may take on each device at most; 0: what others have left */
    bool profile;               /* time every step, see tf2_accelerator_step; costs a little */
};

/* All zero. */
TF2_API void tf2_load_options_defaults(struct tf2_load_options *options);

/*
 * Prepares `model` on the engine's devices while requests to others go on. options NULL: defaults. The model may be
 * destroyed afterwards. Devices that hang are left out; TF2_ERR_TIMEOUT: all of them hung while they were called now,
 * TF2_ERR_NO_DEVICE: before. What could not be made in a call that hung is freed when the device returns. On success *accelerator is
 * owned by the caller.
 */
TF2_API enum tf2_status tf2_accelerator_load(
    struct tf2_engine *engine, const struct tf2_model *model, const struct tf2_load_options *options,
    struct tf2_accelerator **accelerator, struct tf2_error *error);

/*
 * The accelerator of this name: one that is loaded, or the repository's, which is loaded now (options: for that case;
 * its `name` is ignored). Each call gives a handle of its own to the same accelerator. TF2_ERR_NOT_FOUND says where was
 * looked.
 */
TF2_API enum tf2_status tf2_accelerator_open(
    struct tf2_engine *engine, const char *name, const struct tf2_load_options *options,
    struct tf2_accelerator **accelerator, struct tf2_error *error);

/* Gives the handle back and clears it; the last one takes the model off the devices, after the requests that are
 * under way. NULL and a cleared handle are allowed. */
TF2_API void tf2_accelerator_close(struct tf2_accelerator **accelerator);

/* Inputs and outputs of one request. The strings live as long as the accelerator. */
TF2_API enum tf2_status
tf2_accelerator_input(const struct tf2_accelerator *accelerator, size_t index, struct tf2_tensor_info *info);
TF2_API enum tf2_status
tf2_accelerator_output(const struct tf2_accelerator *accelerator, size_t index, struct tf2_tensor_info *info);

/* --- clients --- */

/* Higher classes go first; lower ones still get a turn every tf2_engine_options.starve_ns. */
enum tf2_priority {
    TF2_PRIORITY_NORMAL = 0,
    TF2_PRIORITY_HIGH = 1,
    TF2_PRIORITY_LOW = 2,
};

struct tf2_client_options {
    const char *name; /* for reports; NULL: "" */
    double weight;    /* share of device time among waiting clients of one class; 0: 1. Up to 1e6 */
    enum tf2_priority priority;
    uint32_t max_in_flight; /* its requests on devices at once, the others wait; 0: no limit */
    uint32_t max_queued;    /* 0: the engine's */
    bool ordered; /* its requests complete in the order of submission, those that are done earlier wait */
};

/* All zero. */
TF2_API void tf2_client_options_defaults(struct tf2_client_options *options);

/* options NULL: defaults. On success *client is owned by the caller. */
TF2_API enum tf2_status tf2_client_create(
    struct tf2_engine *engine, const struct tf2_client_options *options, struct tf2_client **client,
    struct tf2_error *error);
/* Its waiting requests are cancelled, what runs is finished, a lease ends. Returns at once. Clears the handle. */
TF2_API void tf2_client_destroy(struct tf2_client **client);

/*
 * Devices for this client alone. Waits up to timeout_ns until n_devices can be had (leases are granted in the order of
 * asking) and what runs on them has ended; 0: now or never. TF2_ERR_BUSY: not granted in time. TF2_ERR_INVALID_ARGUMENT: there are
 * not so many devices. TF2_ERR_INVALID_STATE: the client has a lease, or asks for one. Nobody can hold one and wait
 * for another, so there is no deadlock. While it holds a lease, its requests run on the leased devices wherever their
 * accelerator is there, and nobody else's do; a split or pipeline over more devices than the lease uses the others as shared
 * ones, or its replicas if somebody else leases one of these. tf2_engine_options.lease_wait_ns says how long a request waits
 * where nothing is left.
 */
TF2_API enum tf2_status
tf2_client_lease(struct tf2_client *client, size_t n_devices, uint64_t timeout_ns, struct tf2_error *error);
/* Ends the lease; without one nothing happens. */
TF2_API void tf2_client_unlease(struct tf2_client *client);

/* --- requests --- */

/* Called once, when the request is complete, with its status; error is NULL when it is TF2_OK and lives for the call. */
typedef void (*tf2_request_callback)(
    void *user, struct tf2_request *request, enum tf2_status status, const struct tf2_error *error);

struct tf2_request_options {
    uint64_t timeout_ns; /* from submission; if it has not begun to run by then it completes with TF2_ERR_DEADLINE. 0: none */
    tf2_request_callback callback;
    void *user;
};

/*
 * Hands a request over and returns. inputs[i], outputs[i]: as tf2_accelerator_input and _output say; the arrays are copied, the
 * buffers are used in place until completion. An outputs[i] that is NULL is not wanted. request NULL: nobody waits (the
 * callback tells). On success *request is owned by the caller. TF2_ERR_BUSY: the client's queue is full; nothing
 * happened.
 */
TF2_API enum tf2_status tf2_client_submit(
    struct tf2_client *client, struct tf2_accelerator *accelerator, const void *const *inputs, void *const *outputs,
    const struct tf2_request_options *options, struct tf2_request **request, struct tf2_error *error);

/* Waits for completion, up to timeout_ns. TF2_ERR_TIMEOUT: not complete yet; else the request's own status. */
TF2_API enum tf2_status
tf2_request_wait(struct tf2_request *request, uint64_t timeout_ns, struct tf2_error *error);
/* Whether it is complete. */
TF2_API bool tf2_request_done(const struct tf2_request *request);
/* TF2_OK: it had not begun, and is complete with TF2_ERR_CANCELLED. TF2_ERR_INVALID_STATE: too late, it completes (or has) as
 * usual. */
TF2_API enum tf2_status tf2_request_cancel(struct tf2_request *request);
/* Gives the handle back and clears it. A request that is not complete goes on by itself. NULL and a cleared handle are
 * allowed. */
TF2_API void tf2_request_release(struct tf2_request **request);

/* Submits, waits and releases. */
TF2_API enum tf2_status tf2_client_run(
    struct tf2_client *client, struct tf2_accelerator *accelerator, const void *const *inputs, void *const *outputs,
    struct tf2_error *error);

/* Times of a complete request. */
struct tf2_request_info {
    uint64_t queue_ns; /* from submission until it began to run (the last time) */
    uint64_t run_ns;   /* from then until completion */
    uint32_t device;   /* where; the first one of several */
    uint32_t batch;    /* requests that ran together */
    uint32_t n_attempts;
};
/* TF2_ERR_INVALID_STATE: not complete. */
TF2_API enum tf2_status tf2_request_info(const struct tf2_request *request, struct tf2_request_info *info);

/* --- figures --- */

enum tf2_device_state {
    TF2_DEVICE_HEALTHY = 0,
    TF2_DEVICE_SET_ASIDE = 1, /* failed; is tried again from time to time */
    TF2_DEVICE_HUNG = 2,      /* a call to it has not returned */
};

struct tf2_device_stats {
    const char *id; /* "cl:0"; lives as long as the engine */
    enum tf2_device_state state;
    uint64_t busy_ns;   /* in runs, since the engine was made */
    uint64_t n_runs;    /* batches, pipeline stages, parts of splits */
    uint64_t n_items;   /* requests; in a pipeline and a split each device counts them */
    uint64_t n_failures;
    uint64_t n_set_aside;
    bool leased;
    size_t weights_bytes;       /* what weights of all accelerators take on it */
    size_t weight_budget_bytes; /* what they may take; 0: no limit */
};

/* Durations in classes of about 1.6 %; min, max and mean are exact. All 0 when n is 0. */
struct tf2_latency {
    uint64_t n;
    uint64_t min_ns, mean_ns, p50_ns, p90_ns, p99_ns, max_ns;
};

struct tf2_engine_stats {
    uint64_t elapsed_ns; /* since the engine was made */
    uint64_t n_submitted, n_completed, n_failed, n_cancelled, n_deadline; /* completed: with TF2_OK */
    uint64_t n_retries;
    size_t n_waiting, n_running; /* now */
    struct tf2_latency latency;  /* submission to completion with TF2_OK */
};

struct tf2_client_stats {
    uint64_t n_submitted, n_completed, n_failed, n_cancelled, n_deadline;
    size_t n_waiting, n_running;
    uint64_t device_ns; /* device time it was charged: of a batch its part, of a split all parts */
    struct tf2_latency wait; /* submission until it ran */
    struct tf2_latency latency;
};

struct tf2_accelerator_stats {
    enum tf2_placement placement; /* what AUTO became */
    uint64_t n_completed;
    uint64_t n_runs; /* batches */
    int64_t macs; /* of one request */
    size_t weights_bytes; /* on all devices together; what they share counts once */
    size_t arena_bytes, live_bytes; /* tensors of a run, on the device with the most; the least that is possible */
    uint64_t streamed_bytes, transfer_ns, stall_ns; /* weight streaming: moved, the time that took, waited for it */
    size_t n_stages; /* of a pipeline; else 1 */
};

/* Snapshots. Pointers must not be NULL; TF2_ERR_INVALID_ARGUMENT otherwise or for a device that is not there. */
TF2_API enum tf2_status tf2_engine_stats(const struct tf2_engine *engine, struct tf2_engine_stats *stats);
TF2_API enum tf2_status
tf2_engine_device_stats(const struct tf2_engine *engine, size_t device, struct tf2_device_stats *stats);
TF2_API enum tf2_status tf2_client_stats(const struct tf2_client *client, struct tf2_client_stats *stats);
TF2_API enum tf2_status
tf2_accelerator_stats(const struct tf2_accelerator *accelerator, struct tf2_accelerator_stats *stats);

/*
 * Step number `index` of a run of one request, in order; TF2_ERR_INVALID_ARGUMENT behind the last one. Of a pipeline its
 * stages one after the other, of replicas the first one, of a split the part of its first device. Times are 0
 * without tf2_load_options.profile.
 */
TF2_API enum tf2_status
tf2_accelerator_step(const struct tf2_accelerator *accelerator, size_t index, struct tf2_step_info *info);

/* Gets n bytes of text; false ends the writing. */
typedef bool (*tf2_text_writer)(void *user, const char *text, size_t n_bytes);

/* All figures in the Prometheus text format 0.0.4. TF2_ERR_IO: the writer returned false. */
TF2_API enum tf2_status
tf2_engine_write_metrics(const struct tf2_engine *engine, tf2_text_writer write, void *user, struct tf2_error *error);
/* What ran when on which device, as Trace Event JSON for Perfetto and chrome://tracing. TF2_ERR_INVALID_STATE: the engine keeps no
 * events. */
TF2_API enum tf2_status
tf2_engine_write_trace(const struct tf2_engine *engine, tf2_text_writer write, void *user, struct tf2_error *error);

#ifdef __cplusplus
}
#endif

#endif
