/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig.h: for tests of the engine: an engine on fault devices, small models, items with known results.
 * Include after cmocka.h.
 *
 * TF2_TEST_DEVICE is what the fault devices forward to; the default is "host".
 */
#ifndef TF2_TEST_RIG_H
#define TF2_TEST_RIG_H

#include <tf2/engine.h>

#include "counting_env.h"
#include "fault_device.h"

#define RIG_MAX_DEVICES 4
#define RIG_MAX_VALUES  256
#define MS              ((uint64_t)1000000)

#define MUST(call)                                                                                           \
    do {                                                                                                     \
        struct tf2_error must_error = {0};                                                                   \
        struct tf2_error *e = &must_error;                                                                   \
        if ((call) != TF2_OK)                                                                                \
            fail_msg("%s: %s", #call, must_error.message);                                                   \
    } while (0)

/* The call fails with this status and a message that contains `word`. */
#define REFUSED(wanted, word, call)                                                                          \
    do {                                                                                                     \
        struct tf2_error refused_error = {0};                                                                \
        struct tf2_error *e = &refused_error;                                                                \
        rig_refused((wanted), (word), (call), e, #call);                                                     \
    } while (0)
void rig_refused(
    enum tf2_status wanted, const char *word, enum tf2_status status, const struct tf2_error *error,
    const char *call);

/* --- models: taken over by rig_load --- */

struct tf2_model *model_copy(int64_t n);     /* x [1, n] -> itself; also what an empty network costs */
struct tf2_model *model_conv(void);          /* x [1, 2, 5, 5] -> conv, relu, conv, gemm -> y [1, 4] */
struct tf2_model *model_gemm(void);          /* x [1, 8] -> gemm -> y [1, 3] */
struct tf2_model *model_two(void);           /* a [1, 4], b [1, 6] -> relu(a), gemm(b), a again */
struct tf2_model *model_deep(void);          /* x [1, 6] -> gemm, relu, six times -> y [1, 6] */
struct tf2_model *model_no_batch_axis(void); /* x [1, 6] -> [6, 1] */

/* Items for a model with one input and one output, and their results as a session on the device `spec` gives
 * them. */
struct bank {
    size_t n, n_in, n_out; /* items; values of each */
    float *in, *wanted;
};
void bank_open(struct bank *bank, const struct tf2_model *model, size_t n, uint64_t seed);
void bank_close(struct bank *bank);
bool bank_right(const struct bank *bank, size_t item, const float *out);

/* --- the engine --- */

struct rig {
    struct counting_env env;
    struct fault_control control[RIG_MAX_DEVICES];
    uint32_t n_devices;
    struct tf2_devices *devices;
    struct tf2_engine *engine;
};
/* options NULL: defaults. */
void rig_open(struct rig *rig, uint32_t n_devices, const struct tf2_engine_options *options);
/* Only the devices: no engine. */
void rig_open_devices(struct rig *rig, uint32_t n_devices);
/* Destroys what is left of it; there must be no leak. */
void rig_close(struct rig *rig);
/* Replicas, unless the options say something else than TF2_PLACEMENT_AUTO. */
struct tf2_accelerator *
rig_load(struct rig *rig, struct tf2_model *model, const struct tf2_load_options *options);
struct tf2_client *rig_client(struct rig *rig, const struct tf2_client_options *options);
/* What the fault devices forward to; NULL: as the environment says. For rigs and banks that are opened later.
 * */
void rig_set_device(const char *spec);
const char *rig_device(void);

/* How often `name` is found in the log. */
size_t rig_logged(struct rig *rig, const char *words);
uint32_t rig_state(const struct rig *rig, size_t device);
/* Until the condition holds; ten seconds, then the test fails. */
#define RIG_UNTIL(condition)                                                                                 \
    do {                                                                                                     \
        for (int until_i = 0; !(condition); until_i++) {                                                     \
            if (until_i == 10000)                                                                            \
                fail_msg("not in ten seconds: %s", #condition);                                              \
            rig_sleep(MS);                                                                                   \
        }                                                                                                    \
    } while (0)
void rig_sleep(uint64_t ns);
uint64_t rig_now(void);

/* --- requests --- */

/* One request and what became of it. */
struct call {
    const struct bank *bank;
    size_t item;
    float out[RIG_MAX_VALUES];
    struct tf2_request *request;
    atomic_int n_callbacks;
    enum tf2_status status; /* as the callback had it */
    bool has_error;         /* the callback was given one */
    unsigned order;         /* of its callback among all with this counter */
    atomic_uint *counter;
};

/* With a handle and no callback. options NULL: none. Fails the test when refused. */
void call_submit(
    struct call *call, struct tf2_client *client, struct tf2_accelerator *accelerator,
    const struct bank *bank, size_t item, const struct tf2_request_options *options);
/* The same with a callback that counts; counter NULL: no order. */
void call_submit_counted(
    struct call *call, struct tf2_client *client, struct tf2_accelerator *accelerator,
    const struct bank *bank, size_t item, uint64_t timeout_ns, atomic_uint *counter);
/* Waits, releases, and wants this status; with TF2_OK also the right bits. */
void call_wait(struct call *call, enum tf2_status wanted);
/* Submits n items, waits for all, wants TF2_OK. */
void rig_run_items(
    struct tf2_client *client, struct tf2_accelerator *accelerator, const struct bank *bank, size_t n);

#endif
