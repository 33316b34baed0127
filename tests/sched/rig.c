/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "net.h"
#include "reference_run.h"
#include "rig.h"

void rig_refused(
    enum tf2_status wanted, const char *word, enum tf2_status status, const struct tf2_error *error,
    const char *call)
{
    if (status != wanted)
        fail_msg(
            "%s: %s (%s), wanted %s", call, tf2_status_name(status), error->message, tf2_status_name(wanted));
    if (!strstr(error->message, word))
        fail_msg("%s: '%s' is not in '%s'", call, word, error->message);
    assert_int_equal(error->status, wanted);
}

/* --- models --- */

static struct tf2_model *make(struct net *net, const char *name)
{
    struct tf2_model *model = NULL;
    MUST(tf2_model_from_graph(&net->graph, name, NULL, &model, e));
    net_close(net);
    return model;
}

struct tf2_model *model_copy(int64_t n)
{
    struct net net;
    net_open(&net, 1);
    net_output(&net, net_node(&net, TF2_OP_IDENTITY, "y", NULL, IN(net_input(&net, "x", SHAPE(1, n)))));
    return make(&net, "copy");
}

struct tf2_model *model_conv(void)
{
    struct net net;
    net_open(&net, 2);
    tf2_tensor_id x = net_conv(&net, net_input(&net, "x", SHAPE(1, 2, 5, 5)), 3, 3, 1, true);
    x = net_activation(&net, x, TF2_ACTIVATION_RELU, 0, 0);
    net_output(&net, net_gemm(&net, net_conv(&net, x, 2, 3, 0, true), 4, 1, true));
    return make(&net, "conv");
}

struct tf2_model *model_gemm(void)
{
    struct net net;
    net_open(&net, 3);
    net_output(&net, net_gemm(&net, net_input(&net, "x", SHAPE(1, 8)), 3, 1, true));
    return make(&net, "gemm");
}

struct tf2_model *model_deep(void)
{
    struct net net;
    net_open(&net, 6);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 6));
    for (int i = 0; i < 6; i++)
        x = net_activation(&net, net_gemm(&net, x, 6, 1, true), TF2_ACTIVATION_RELU, 0, 0);
    net_output(&net, x);
    return make(&net, "deep");
}

struct tf2_model *model_two(void)
{
    struct net net;
    net_open(&net, 4);
    tf2_tensor_id a = net_input(&net, "a", SHAPE(1, 4)), b = net_input(&net, "b", SHAPE(1, 6));
    net_output(&net, net_activation(&net, a, TF2_ACTIVATION_RELU, 0, 0));
    net_output(&net, net_gemm(&net, b, 2, 1, true));
    net_output(&net, net_node(&net, TF2_OP_IDENTITY, "a.copy", NULL, IN(a)));
    return make(&net, "two");
}

struct tf2_model *model_no_batch_axis(void)
{
    struct net net;
    const struct tf2_transpose_attr turn = {.n_dims = 2, .perm = {1, 0}};
    net_open(&net, 5);
    net_output(&net, net_node(&net, TF2_OP_TRANSPOSE, "y", &turn, IN(net_input(&net, "x", SHAPE(1, 6)))));
    return make(&net, "turn");
}

/* --- items --- */

void bank_open(struct bank *bank, const struct tf2_model *model, size_t n, uint64_t seed)
{
    struct tf2_devices *devices = NULL;
    struct tf2_session *session = NULL;
    struct tf2_tensor_info in, out;
    MUST(tf2_devices_open(rig_device(), NULL, &devices, e));
    MUST(tf2_session_create(model, devices, 0, NULL, &session, e));
    assert_int_equal(tf2_session_input(session, 0, &in), TF2_OK);
    assert_int_equal(tf2_session_output(session, 0, &out), TF2_OK);
    *bank = (struct bank){
        .n = n, .n_in = (size_t)tf2_shape_count(&in.shape), .n_out = (size_t)tf2_shape_count(&out.shape)};
    assert_true(bank->n_out <= RIG_MAX_VALUES);
    bank->in = malloc(n * bank->n_in * sizeof(float));
    bank->wanted = malloc(n * bank->n_out * sizeof(float));
    reference_fill(bank->in, n * bank->n_in, seed, -1, 1);
    for (size_t i = 0; i < n; i++) {
        const void *inputs[] = {bank->in + i * bank->n_in};
        void *outputs[] = {bank->wanted + i * bank->n_out};
        MUST(tf2_session_run(session, inputs, outputs, e));
    }
    tf2_session_destroy(&session);
    tf2_devices_close(&devices);
}

void bank_close(struct bank *bank)
{
    free(bank->in);
    free(bank->wanted);
}

bool bank_right(const struct bank *bank, size_t item, const float *out)
{
    return memcmp(out, bank->wanted + item * bank->n_out, bank->n_out * sizeof(float)) == 0;
}

/* --- the engine --- */

static const char *set_device;

void rig_set_device(const char *spec)
{
    set_device = spec;
}

const char *rig_device(void)
{
    const char *spec = set_device ? set_device : getenv("TF2_TEST_DEVICE");
    return spec ? spec : "host";
}

void rig_open_devices(struct rig *rig, uint32_t n_devices)
{
    static const char *const ids[RIG_MAX_DEVICES] = {"fault:0", "fault:1", "fault:2", "fault:3"};
    memset(rig, 0, sizeof(*rig));
    counting_env_init(&rig->env);
    rig->n_devices = n_devices;
    MUST(tf2__devices_create(&rig->env.env, &rig->devices, e));
    for (uint32_t i = 0; i < n_devices; i++) {
        fault_control_init(&rig->control[i], i);
        fault_device_add(rig->devices, rig_device(), ids[i], &rig->control[i]);
    }
}

void rig_open(struct rig *rig, uint32_t n_devices, const struct tf2_engine_options *options)
{
    rig_open_devices(rig, n_devices);
    MUST(tf2_engine_create(rig->devices, options, &rig->engine, e));
    assert_int_equal(tf2_engine_n_devices(rig->engine), n_devices);
}

void rig_close(struct rig *rig)
{
    assert_int_equal(tf2_engine_destroy(&rig->engine), TF2_OK);
    tf2_devices_close(&rig->devices);
    assert_int_equal(atomic_load(&rig->env.n_live), 0);
    for (uint32_t i = 0; i < rig->n_devices; i++) {
        assert_int_equal(atomic_load(&rig->control[i].n_states), 0);
        fault_control_finish(&rig->control[i]);
    }
}

struct tf2_accelerator *
rig_load(struct rig *rig, struct tf2_model *model, const struct tf2_load_options *options)
{
    struct tf2_accelerator *accelerator = NULL;
    struct tf2_load_options placed = {0};
    if (options)
        placed = *options;
    if (placed.placement == TF2_PLACEMENT_AUTO)
        placed.placement = TF2_PLACEMENT_REPLICATE;
    MUST(tf2_accelerator_load(rig->engine, model, &placed, &accelerator, e));
    tf2_model_destroy(&model);
    return accelerator;
}

struct tf2_client *rig_client(struct rig *rig, const struct tf2_client_options *options)
{
    struct tf2_client *client = NULL;
    MUST(tf2_client_create(rig->engine, options, &client, e));
    return client;
}

size_t rig_logged(struct rig *rig, const char *words)
{
    size_t n = 0;
    pthread_mutex_lock(&rig->env.log_lock);
    for (const char *at = rig->env.log; (at = strstr(at, words)); at++)
        n++;
    pthread_mutex_unlock(&rig->env.log_lock);
    return n;
}

uint32_t rig_state(const struct rig *rig, size_t device)
{
    struct tf2_device_stats stats;
    assert_int_equal(tf2_engine_device_stats(rig->engine, device, &stats), TF2_OK);
    return stats.state;
}

void rig_sleep(uint64_t ns)
{
    nanosleep(
        &(struct timespec){.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)}, NULL);
}

uint64_t rig_now(void)
{
    return tf2__clock_ns();
}

/* --- requests --- */

void call_submit(
    struct call *call, struct tf2_client *client, struct tf2_accelerator *accelerator,
    const struct bank *bank, size_t item, const struct tf2_request_options *options)
{
    memset(call, 0, sizeof(*call));
    call->bank = bank;
    call->item = item;
    const void *inputs[] = {bank->in + item * bank->n_in};
    void *outputs[] = {call->out};
    MUST(tf2_client_submit(client, accelerator, inputs, outputs, options, &call->request, e));
}

static void
count_call(void *user, struct tf2_request *request, enum tf2_status status, const struct tf2_error *error)
{
    struct call *call = user;
    (void)request;
    call->status = status;
    call->has_error = error && error->status == status && error->message[0];
    if (call->counter)
        call->order = atomic_fetch_add(call->counter, 1);
    atomic_fetch_add(&call->n_callbacks, 1);
}

void call_submit_counted(
    struct call *call, struct tf2_client *client, struct tf2_accelerator *accelerator,
    const struct bank *bank, size_t item, uint64_t timeout_ns, atomic_uint *counter)
{
    const struct tf2_request_options options = {
        .timeout_ns = timeout_ns, .callback = count_call, .user = call};
    *call = (struct call){.bank = bank, .item = item, .counter = counter};
    const void *inputs[] = {bank->in + item * bank->n_in};
    void *outputs[] = {call->out};
    MUST(tf2_client_submit(client, accelerator, inputs, outputs, &options, NULL, e));
}

void call_wait(struct call *call, enum tf2_status wanted)
{
    struct tf2_error error = {0};
    enum tf2_status status = tf2_request_wait(call->request, 60000 * MS, &error);
    if (status != wanted)
        fail_msg("%s (%s), wanted %s", tf2_status_name(status), error.message, tf2_status_name(wanted));
    if (status == TF2_OK)
        assert_true(bank_right(call->bank, call->item, call->out));
    else
        assert_true(error.status == status && error.message[0]);
    tf2_request_release(&call->request);
}

void rig_run_items(
    struct tf2_client *client, struct tf2_accelerator *accelerator, const struct bank *bank, size_t n)
{
    struct call *calls = calloc(n, sizeof(*calls));
    for (size_t i = 0; i < n; i++)
        call_submit(&calls[i], client, accelerator, bank, i % bank->n, NULL);
    for (size_t i = 0; i < n; i++)
        call_wait(&calls[i], TF2_OK);
    free(calls);
}
