/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_volume.c: MeshNet, 3-D convolutions with dilation up to 16, on a part of a T1 volume.
 *
 * The logits reach -59, and OpenCV and PyTorch differ from the reference by 1.7e-4 and 1.3e-4.
 */
#include "golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_VOXELS  ((size_t)32 * 40 * 36)
#define N_CLASSES 3
#define TOLERANCE 1e-3

static size_t class_at(const float *logits, size_t voxel)
{
    const float values[N_CLASSES] = {logits[voxel], logits[N_VOXELS + voxel], logits[2 * N_VOXELS + voxel]};
    return golden_argmax(values, N_CLASSES);
}

/* The best logit less the second best. */
static double margin_at(const float *logits, size_t voxel)
{
    size_t best = class_at(logits, voxel);
    double margin = (double)INFINITY;
    for (size_t c = 0; c < N_CLASSES; c++) {
        if (c != best)
            margin =
                fmin(margin, (double)logits[best * N_VOXELS + voxel] - (double)logits[c * N_VOXELS + voxel]);
    }
    return margin;
}

/* Every voxel gets the reference's tissue, but for those where the allowed difference could turn it. */
static void check_tissues(const float *found, const float *wanted)
{
    size_t n_close = 0;
    for (size_t i = 0; i < N_VOXELS; i++) {
        if (margin_at(wanted, i) <= 2 * TOLERANCE)
            n_close++;
        else
            assert_int_equal(class_at(found, i), class_at(wanted, i));
    }
    assert_in_range(n_close, 0, 100);
}

static void run_volume(const char *device)
{
    struct tf2_array input, wanted;
    struct golden_net net;
    const float *found;
    golden_need_shared();
    input =
        golden_npy(golden_shared("reference/meshnet3d/input.npy"), TF2_DTYPE_F32, SHAPE(1, 1, 32, 40, 36));
    wanted =
        golden_npy(golden_shared("reference/meshnet3d/logits.npy"), TF2_DTYPE_F32, SHAPE(1, 3, 32, 40, 36));
    const struct tf2_named_shape named = {"volume", input.shape};
    struct tf2_import_options options;
    tf2_import_options_defaults(&options);
    options.input_shapes = &named;
    options.n_input_shapes = 1;
    golden_import(&net, golden_shared("models/meshnet3d/meshnet_gwm.onnx"), NULL, &options);
    golden_prepare(&net, device, NULL);
    golden_run(&net, input.data);
    found = golden_output(&net, "logits", wanted.shape);
    golden_compare(device, found, wanted.data, N_CLASSES * N_VOXELS, TOLERANCE);
    check_tissues(found, wanted.data);
    golden_finish(&net);
    tf2_array_finish(&input);
    tf2_array_finish(&wanted);
}

static void test_cl(void **state)
{
    (void)state;
    run_volume("cl:0");
}

static void test_host(void **state)
{
    (void)state;
    run_volume("host");
}

/* Two volumes at once, the second one shifted in value: each comes out as it does alone. */
static void test_batch(void **state)
{
    struct tf2_array input;
    struct golden_net net;
    float *pair, *alone;
    (void)state;
    golden_need_shared();
    input =
        golden_npy(golden_shared("reference/meshnet3d/input.npy"), TF2_DTYPE_F32, SHAPE(1, 1, 32, 40, 36));
    const struct tf2_named_shape one = {"volume", input.shape};
    struct tf2_import_options options;
    tf2_import_options_defaults(&options);
    options.input_shapes = &one;
    options.n_input_shapes = 1;
    pair = golden_floats(2 * N_VOXELS);
    alone = golden_floats(2 * N_CLASSES * N_VOXELS);
    for (size_t i = 0; i < N_VOXELS; i++) {
        pair[i] = ((const float *)input.data)[i];
        pair[N_VOXELS + i] = 0.9f * pair[i];
    }
    golden_import(&net, golden_shared("models/meshnet3d/meshnet_gwm.onnx"), NULL, &options);
    golden_prepare_batch(&net, "cl:0", 1);
    golden_run_all(&net, pair, 2, (int64_t)(N_CLASSES * N_VOXELS), alone);
    golden_prepare_batch(&net, "cl:0", 2);
    golden_run(&net, pair);
    golden_compare("batch 2 and batch 1", net.output[0], alone, 2 * N_CLASSES * N_VOXELS, TOLERANCE);
    golden_finish(&net);
    tf2_array_finish(&input);
    free(pair);
    free(alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cl),
        cmocka_unit_test(test_host),
        cmocka_unit_test(test_batch),
    };
    return golden_status(cmocka_run_group_tests_name("golden volume", tests, NULL, NULL));
}
