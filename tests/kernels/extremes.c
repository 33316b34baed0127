/* SPDX-License-Identifier: Apache-2.0 */
/*
 * extremes.c: element-wise functions at the ends of the number range: huge, tiny, infinite, not a number.
 * Compared one by one with the host, not by a norm. A device may flush numbers below the smallest normal one
 * to zero.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>

#include "extremes.h"

static const float numbers[] = {
    0,      -0.0f,  1,       -1,    0.5f,   -0.5f,   2,        9,       -9,       15,       20,        -20,
    60,     88,     -87,     89,    -89,    100,     -100,     120,     -120,     1e10f,    -1e10f,    3e38f,
    -3e38f, 1e-10f, -1e-10f, 3e-5f, -3e-5f, FLT_MIN, -FLT_MIN, FLT_MAX, -FLT_MAX, INFINITY, -INFINITY, NAN};

#define N (sizeof(numbers) / sizeof(numbers[0]))

static bool close_enough(float found, float wanted)
{
    if (isnan(wanted))
        return true; /* what a not-a-number becomes is not promised; that none appears is */
    if (found == wanted)
        return true;
    if (isnan(found) || isinf(found) || isinf(wanted))
        return false;
    return fabs((double)found - wanted) <= fmax(2e-6 * fabs((double)wanted), 2 * (double)FLT_MIN);
}

static void run_on(const struct kdevices *devices, size_t index, const struct tf2_model *model, float *y)
{
    struct tf2_session *session = NULL;
    struct tf2_error error = {0};
    const void *inputs[] = {numbers};
    void *outputs[] = {y};
    if (tf2_session_create(model, devices->devices, index, NULL, &session, &error) != TF2_OK ||
        tf2_session_run(session, inputs, outputs, &error) != TF2_OK)
        fail_msg("%s", error.message);
    tf2_session_destroy(&session);
}

static bool check(const struct kdevices *devices, const struct tf2_activation *attr)
{
    float found[N], wanted[N];
    struct kgraph k;
    struct tf2_model *model = NULL;
    bool good = true;
    kgraph_open(&k, 1);
    tf2_tensor_id x = kinput(&k, KSHAPE(1, (int64_t)N));
    koutput(&k, knode(&k, TF2_OP_ACTIVATION, attr, KIN(x)));
    assert_int_equal(tf2_model_from_graph(&k.graph, "extremes", NULL, &model, NULL), TF2_OK);
    run_on(devices, 0, model, found);
    run_on(devices, 1, model, wanted);
    for (size_t i = 0; i < N; i++) {
        if (close_enough(found[i], wanted[i]))
            continue;
        print_message(
            "  activation %d (alpha %g, beta %g) of %g: %.9g, wanted %.9g\n", (int)attr->kind, attr->alpha,
            attr->beta, numbers[i], found[i], wanted[i]);
        good = false;
    }
    tf2_model_destroy(&model);
    return good;
}

bool extremes_check(const struct kdevices *devices)
{
    static const struct tf2_activation attrs[] = {
        {TF2_ACTIVATION_RELU, 0, 0},        {TF2_ACTIVATION_CLIP, 0, 6},
        {TF2_ACTIVATION_CLIP, -1, 1},       {TF2_ACTIVATION_LEAKY_RELU, 0.1f, 0},
        {TF2_ACTIVATION_LEAKY_RELU, -2, 0}, {TF2_ACTIVATION_SIGMOID, 0, 0},
        {TF2_ACTIVATION_TANH, 0, 0},        {TF2_ACTIVATION_HARD_SIGMOID, 0.2f, 0.5f},
        {TF2_ACTIVATION_HARD_SWISH, 0, 0},  {TF2_ACTIVATION_ELU, 1, 0},
        {TF2_ACTIVATION_ELU, -0.5f, 0},     {TF2_ACTIVATION_ABS, 0, 0},
        {TF2_ACTIVATION_EXP, 0, 0},         {TF2_ACTIVATION_LOG, 0, 0},
        {TF2_ACTIVATION_SQRT, 0, 0},        {TF2_ACTIVATION_AFFINE, 0.5f, -3},
        {TF2_ACTIVATION_AFFINE, 0, 2},      {TF2_ACTIVATION_POW, 2, 0},
        {TF2_ACTIVATION_POW, 3, 0},         {TF2_ACTIVATION_POW, 0.5f, 0},
        {TF2_ACTIVATION_POW, -1, 0},        {TF2_ACTIVATION_POW, 0, 0},
        {TF2_ACTIVATION_POW, 1.5f, 0},      {TF2_ACTIVATION_ERF, 0, 0},
    };
    bool good = true;
    for (size_t i = 0; i < sizeof(attrs) / sizeof(attrs[0]); i++)
        good &= check(devices, &attrs[i]);
    return good;
}
