/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_mtcnn.c: the three networks of MTCNN as Caffe and as ONNX files.
 *
 * The Caffe networks were trained by a column-major program: their spatial axes are (x, y). Inputs, and the
 * maps that PNet makes, are swapped for them.
 */
#include "golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE  1e-4
#define MAX_VALUES ((size_t)4 * 55 * 75) /* of the largest output */

struct output {
    const char *name; /* in reference/mtcnn */
    const char *caffe;
    const char *onnx;
    int64_t channels;
};

static const struct mtcnn {
    const char *name;
    const char *caffe;
    int64_t n, rows, columns;      /* of the input */
    int64_t out_rows, out_columns; /* 0: the outputs are not maps */
    size_t n_outputs;
    struct output outputs[3];
} nets[] = {
    {"pnet", "det1", 1, 120, 160, 55, 75, 2, {{"prob", "prob1", "prob", 2}, {"reg", "conv4-2", "reg", 4}}},
    {"rnet", "det2", 8, 24, 24, 0, 0, 2, {{"prob", "prob1", "prob", 2}, {"reg", "conv5-2", "reg", 4}}},
    {"onet",
     "det3",
     8,
     48,
     48,
     0,
     0,
     3,
     {{"prob", "prob1", "prob", 2}, {"reg", "conv6-2", "reg", 4}, {"points", "conv6-3", "points", 10}}},
};

static struct tf2_shape input_shape(const struct mtcnn *m, bool caffe, int64_t batch)
{
    return caffe ? SHAPE(batch, 3, m->columns, m->rows) : SHAPE(batch, 3, m->rows, m->columns);
}

static struct tf2_shape output_shape(const struct mtcnn *m, const struct output *o, bool caffe, int64_t batch)
{
    if (!m->out_rows)
        return SHAPE(batch, o->channels);
    return caffe ? SHAPE(batch, o->channels, m->out_columns, m->out_rows)
                 : SHAPE(batch, o->channels, m->out_rows, m->out_columns);
}

static struct tf2_array load_input(const struct mtcnn *m, bool caffe)
{
    struct tf2_array input = golden_npy(
        golden_sharedf("reference/mtcnn/%s_input.npy", m->name), TF2_DTYPE_F32,
        SHAPE(m->n, 3, m->rows, m->columns));
    if (caffe) {
        size_t n = (size_t)tf2_shape_count(&input.shape);
        float *swapped = golden_floats(n);
        golden_swap(input.data, (size_t)m->n * 3, (size_t)m->rows, (size_t)m->columns, swapped);
        memcpy(input.data, swapped, n * sizeof(float));
        free(swapped);
    }
    return input;
}

static void import(struct golden_net *net, const struct mtcnn *m, bool caffe, const struct tf2_shape *shape)
{
    const struct tf2_named_shape named = {"", shape ? *shape : (struct tf2_shape){0}};
    struct tf2_import_options options;
    tf2_import_options_defaults(&options);
    options.input_shapes = &named;
    options.n_input_shapes = shape ? 1 : 0;
    if (caffe)
        golden_import(
            net, golden_sharedf("models/mtcnn/caffe/%s.prototxt", m->caffe),
            golden_sharedf("models/mtcnn/caffe/%s.caffemodel", m->caffe), &options);
    else
        golden_import(net, golden_sharedf("models/mtcnn/onnx/%s.onnx", m->name), NULL, &options);
}

/* Puts the outputs of the last run, which began with item `first`, into results[output], in image
 * orientation. */
static void
gather(const struct golden_net *net, const struct mtcnn *m, bool caffe, int64_t first, float *const *results)
{
    const int64_t batch = net->input.shape.dim[0];
    assert_int_equal(net->info.n_outputs, m->n_outputs);
    for (size_t i = 0; i < m->n_outputs; i++) {
        const struct output *o = &m->outputs[i];
        const struct tf2_shape shape = output_shape(m, o, caffe, batch);
        const size_t n = (size_t)tf2_shape_count(&shape);
        const float *found = golden_output(net, caffe ? o->caffe : o->onnx, shape);
        float *to = results[i] + (size_t)first * (n / (size_t)batch);
        if (caffe && m->out_rows)
            golden_swap(
                found, (size_t)(batch * o->channels), (size_t)m->out_columns, (size_t)m->out_rows, to);
        else
            memcpy(to, found, n * sizeof(float));
    }
}

static void check(const struct mtcnn *m, const char *form, float *const *results)
{
    for (size_t i = 0; i < m->n_outputs; i++) {
        const struct output *o = &m->outputs[i];
        struct tf2_array wanted = golden_npy(
            golden_sharedf("reference/mtcnn/%s_%s.npy", m->name, o->name), TF2_DTYPE_F32,
            output_shape(m, o, false, m->n));
        char what[128];
        snprintf(what, sizeof(what), "%s %s, %s", m->name, o->name, form);
        golden_compare(what, results[i], wanted.data, (size_t)tf2_shape_count(&wanted.shape), TOLERANCE);
        tf2_array_finish(&wanted);
    }
}

/* Runs all items, as many at a time as the session's batch, and compares. */
static void run_items(struct golden_net *net, const struct mtcnn *m, bool caffe, const char *device)
{
    static float values[3][MAX_VALUES];
    float *const results[3] = {values[0], values[1], values[2]};
    struct tf2_array input = load_input(m, caffe);
    const int64_t batch = net->input.shape.dim[0];
    const struct tf2_shape shape = input_shape(m, caffe, batch);
    char form[64];
    assert_true(tf2_shape_equal(&net->input.shape, &shape));
    for (int64_t i = 0; i < m->n; i += batch) {
        golden_run(net, (const float *)input.data + (size_t)(i / batch) * net->n_input);
        gather(net, m, caffe, i, results);
    }
    snprintf(form, sizeof(form), "%s, %s, batch %d", caffe ? "Caffe" : "ONNX", device, (int)batch);
    check(m, form, results);
    tf2_array_finish(&input);
}

/* All items at once, and each alone. */
static void run_on(struct golden_net *net, const struct mtcnn *m, bool caffe, const char *device)
{
    golden_prepare_batch(net, device, 1);
    run_items(net, m, caffe, device);
    if (m->n == 1)
        return;
    golden_prepare_batch(net, device, m->n);
    run_items(net, m, caffe, device);
}

static void run_form(bool caffe)
{
    golden_need_shared();
    for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
        const struct tf2_shape shape = input_shape(&nets[i], caffe, 1);
        struct golden_net net;
        /* RNet and ONet have the right size in their files; PNet is made for 12 x 12, or leaves its size
         * open. */
        import(&net, &nets[i], caffe, nets[i].out_rows ? &shape : NULL);
        run_on(&net, &nets[i], caffe, "cl:0");
        run_on(&net, &nets[i], caffe, "host");
        golden_finish(&net);
    }
}

static void test_caffe(void **state)
{
    (void)state;
    run_form(true);
}

static void test_onnx(void **state)
{
    (void)state;
    run_form(false);
}

/* A model of one size, sessions of two others: what a pyramid of photo sizes does. */
static void test_session_shapes(void **state)
{
    const struct mtcnn *m = &nets[0];
    (void)state;
    golden_need_shared();
    for (int caffe = 0; caffe < 2; caffe++) {
        const struct tf2_shape small = SHAPE(1, 3, 12, 12);
        struct tf2_named_shape named = {"", SHAPE(1, 3, 40, 33)};
        struct tf2_session_options options;
        struct golden_net net;
        import(&net, m, caffe, &small);
        tf2_session_options_defaults(&options);
        options.input_shapes = &named;
        options.n_input_shapes = 1;
        golden_prepare(&net, "cl:0", &options);
        golden_output(&net, caffe ? "prob1" : "prob", SHAPE(1, 2, 15, 12));
        named.shape = input_shape(m, caffe, 1);
        golden_prepare(&net, "cl:0", &options);
        run_items(&net, m, caffe, "cl:0");
        golden_finish(&net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_caffe),
        cmocka_unit_test(test_onnx),
        cmocka_unit_test(test_session_shapes),
    };
    return golden_status(cmocka_run_group_tests_name("golden mtcnn", tests, NULL, NULL));
}
