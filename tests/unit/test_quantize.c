/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_quantize.c: tf2_model_quantize on small networks and the reference device: what comes out is a valid model that
 * computes nearly the same, always the same bytes; what must be refused is.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tf2/device.h>
#include <tf2/quantize.h>
#include <tf2/session.h>

#include "api/quantize.h"
#include "net.h"
#include "reference_run.h"
#include "transform/model/model.h"
#include "transform/quant/scheme.h"

static struct tf2_devices *devices;
static struct tf2_error error;

#define OK(call)                                                                                             \
    do {                                                                                                     \
        if ((call) != TF2_OK)                                                                                \
            fail_msg("%s", error.message);                                                                   \
    } while (0)

static int open_devices(void **state)
{
    (void)state;
    return tf2_devices_open("host", NULL, &devices, &error) == TF2_OK ? 0 : -1;
}

static int close_devices(void **state)
{
    (void)state;
    tf2_devices_close(&devices);
    return 0;
}

/* Samples: random numbers in [low, high), the same for the same number. */
struct source {
    const struct tf2_model *model;
    float low, high;
    size_t bad_sample;  /* this one has a NaN; SIZE_MAX: none */
    size_t fail_sample; /* this one cannot be read */
    float constant;     /* not 0: all values are this */
};

static enum tf2_status read_sample(void *user, size_t sample, float *const *inputs, struct tf2_error *e)
{
    const struct source *s = user;
    (void)e;
    if (sample == s->fail_sample)
        return TF2_ERR_IO;
    for (uint32_t i = 0; i < s->model->graph->n_inputs; i++) {
        size_t n = (size_t)tf2_shape_count(&s->model->graph->tensors[s->model->graph->inputs[i]].shape);
        reference_fill(inputs[i], n, 100 * sample + i, s->low, s->high);
        for (size_t k = 0; k < n; k++) {
            inputs[i][k] = s->constant != 0 ? s->constant : inputs[i][k];
        }
        if (sample == s->bad_sample)
            inputs[i][n / 2] = NAN;
    }
    return TF2_OK;
}

static struct source source_of(const struct tf2_model *model)
{
    return (struct source){
        .model = model, .low = -1, .high = 1, .bad_sample = SIZE_MAX, .fail_sample = SIZE_MAX};
}

/* The net's graph as a model. */
static struct tf2_model *model_of(struct net *net, const struct tf2_import_options *options)
{
    struct tf2_model *model = NULL;
    OK(tf2_model_from_graph(&net->graph, "net", options, &model, &error));
    return model;
}

#define N_SAMPLES 6

struct quantized {
    struct tf2_model *model;
    struct tf2_quantize_report *report;
};

static struct quantized quantize(const struct source *source, const struct tf2_quantize_options *options)
{
    struct quantized q = {0};
    OK(tf2_model_quantize(
        source->model, devices, 0, read_sample, (void *)(uintptr_t)source, N_SAMPLES, options, &q.model,
        &q.report, &error));
    OK(tf2__graph_verify(q.model->graph, &error));
    assert_int_equal(q.model->graph->n_inputs, source->model->graph->n_inputs);
    assert_int_equal(q.model->graph->n_outputs, source->model->graph->n_outputs);
    for (uint32_t i = 0; i < q.model->graph->n_outputs; i++) {
        struct tf2_tensor_info a, b;
        OK(tf2_model_output(source->model, i, &a));
        OK(tf2_model_output(q.model, i, &b));
        assert_string_equal(a.name, b.name);
        assert_int_equal(b.dtype, TF2_DTYPE_F32);
        assert_true(tf2_shape_equal(&a.shape, &b.shape));
    }
    assert_int_equal(q.report->n_int8 + q.report->n_float, q.report->n_layers);
    assert_int_equal(q.report->n_samples, N_SAMPLES);
    return q;
}

static void quantized_free(struct quantized *q)
{
    tf2_model_destroy(&q->model);
    tf2_quantize_report_destroy(&q->report);
}

static const struct tf2_quantize_layer *layer(const struct quantized *q, const char *name)
{
    for (size_t i = 0; i < q->report->n_layers; i++) {
        if (strcmp(q->report->layers[i].name, name) == 0)
            return &q->report->layers[i];
    }
    fail_msg("the report has no '%s'", name);
    return NULL;
}

/* A bit of everything: a residual, a concat, pools, activations that become tables, two outputs, one of them inner. */
static void build_mixed(struct net *net)
{
    net_open(net, 5);
    tf2_tensor_id x = net_input(net, "x", SHAPE(1, 3, 12, 12));
    tf2_tensor_id a = net_activation(net, net_conv(net, x, 8, 3, 1, true), TF2_ACTIVATION_RELU, 0, 0);
    tf2_tensor_id b = net_conv(net, a, 8, 3, 1, true);
    tf2_tensor_id sum =
        net_activation(net, net_eltwise(net, TF2_ELTWISE_SUM, b, a), TF2_ACTIVATION_RELU, 0, 0);
    struct tf2_pool_attr max = {.kind = TF2_POOL_MAX, .window = {.kernel = {2, 2}, .stride = {2, 2}}};
    struct tf2_pool_attr avg = {.kind = TF2_POOL_AVG, .global = true};
    tf2_tensor_id p = net_node(net, TF2_OP_POOL, "max", &max, IN(sum));
    tf2_tensor_id c =
        net_activation(net, net_conv(net, p, 6, 1, 0, true), TF2_ACTIVATION_LEAKY_RELU, 0.2f, 0);
    tf2_tensor_id d = net_activation(net, net_conv(net, p, 4, 3, 1, true), TF2_ACTIVATION_TANH, 0, 0);
    tf2_tensor_id joint = net_node(net, TF2_OP_CONCAT, "joint", &(struct tf2_axis_attr){1}, IN(c, d));
    tf2_tensor_id slope = net_constant(net, SHAPE(10));
    tf2_tensor_id e = net_node(net, TF2_OP_PRELU, "prelu", NULL, IN(joint, slope));
    tf2_tensor_id f = net_node(net, TF2_OP_POOL, "avg", &avg, IN(net_conv(net, e, 10, 1, 0, true)));
    tf2_tensor_id flat = net_node(net, TF2_OP_FLATTEN, "flat", &(struct tf2_axis_attr){1}, IN(f));
    net_output(net, net_node(net, TF2_OP_SOFTMAX, "prob", &(struct tf2_softmax_attr){.axis = 1}, IN(flat)));
    net_output(net, joint);
}

static void test_mixed(void **state)
{
    struct net net;
    (void)state;
    build_mixed(&net);
    struct source source = source_of(model_of(&net, NULL));
    struct quantized q = quantize(&source, NULL);
    if (!(q.report->cosine > 0.995 && q.report->sqnr_db > 25))
        fail_msg("cosine %g, SQNR %g dB", q.report->cosine, q.report->sqnr_db);
    assert_false(layer(&q, "prob")->is_int8);
    assert_false(layer(&q, "flat")->is_int8); /* the average writes floats */
    assert_true(layer(&q, "avg")->is_int8 && layer(&q, "avg")->scale == 0);
    assert_true(layer(&q, "joint")->is_int8 && layer(&q, "prelu")->is_int8);
    double share = 0;
    for (size_t i = 0; i < q.report->n_layers; i++)
        share += q.report->layers[i].share;
    assert_true(fabs(share - 1) < 1e-6);
    quantized_free(&q);
    tf2_model_destroy((struct tf2_model **)&source.model);
    net_close(&net);
}

/* Constants and scales, byte for byte. */
static void assert_same_graph(const struct tf2_graph *a, const struct tf2_graph *b)
{
    assert_int_equal(a->n_tensors, b->n_tensors);
    assert_int_equal(a->n_nodes, b->n_nodes);
    for (uint32_t t = 0; t < a->n_tensors; t++) {
        const struct tf2__tensor *x = &a->tensors[t], *y = &b->tensors[t];
        assert_string_equal(x->name, y->name);
        assert_true(x->quant.scale == y->quant.scale && x->quant.zero_point == y->quant.zero_point);
        size_t n = (size_t)tf2_shape_count(&x->shape);
        if (x->data)
            assert_memory_equal(x->data, y->data, n * tf2_dtype_size_bytes(x->dtype));
        if (x->quant.channel_scale)
            assert_memory_equal(
                x->quant.channel_scale, y->quant.channel_scale, (size_t)x->shape.dim[0] * sizeof(float));
    }
}

static void test_methods_and_determinism(void **state)
{
    struct net net;
    (void)state;
    build_mixed(&net);
    struct source source = source_of(model_of(&net, NULL));
    for (int i = 0; i <= TF2_RANGE_KL + 1; i++) {
        struct tf2_quantize_options options = {
            .range = i > TF2_RANGE_KL ? TF2_RANGE_AUTO : (enum tf2_range)i,
            .rounding = i > TF2_RANGE_KL ? TF2_ROUNDING_GPTQ : TF2_ROUNDING_NEAREST,
            .no_equalization = i == TF2_RANGE_MSE,
            .no_bias_correction = i == TF2_RANGE_KL};
        struct quantized a = quantize(&source, &options), b = quantize(&source, &options);
        assert_same_graph(a.model->graph, b.model->graph);
        if (!(a.report->cosine > 0.99))
            fail_msg("range %d: cosine %g", i, a.report->cosine);
        quantized_free(&a);
        quantized_free(&b);
    }
    tf2_model_destroy((struct tf2_model **)&source.model);
    net_close(&net);
}

static void test_float_nodes(void **state)
{
    struct net net;
    const char *names[] = {"max", "joint"}, *unknown[] = {"max", "nobody", "nothing"};
    struct tf2_quantize_options options = {.float_nodes = names, .n_float_nodes = 2};
    struct tf2_model *none = NULL;
    (void)state;
    build_mixed(&net);
    struct source source = source_of(model_of(&net, NULL));
    struct quantized q = quantize(&source, &options);
    assert_false(layer(&q, "max")->is_int8 || layer(&q, "joint")->is_int8);
    assert_true(q.report->cosine > 0.99);
    const char *split = NULL; /* a name that only the report has */
    for (size_t i = 0; i < q.report->n_layers && !split; i++) {
        const char *end = strstr(q.report->layers[i].name, ".linear");
        split = end ? q.report->layers[i].name : NULL;
        names[0] = split ? split : names[0];
    }
    assert_non_null(split);
    struct quantized again = quantize(&source, &options);
    assert_false(layer(&again, split)->is_int8);
    quantized_free(&again);
    quantized_free(&q);
    options.float_nodes = unknown;
    options.n_float_nodes = 3;
    assert_int_equal(
        tf2_model_quantize(source.model, devices, 0, read_sample, &source, 2, &options, &none, NULL, &error),
        TF2_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "nobody"));
    assert_non_null(strstr(error.message, "nothing"));
    assert_null(none);
    tf2_model_destroy((struct tf2_model **)&source.model);
    net_close(&net);
}

static void test_max_drop(void **state)
{
    struct net net;
    struct tf2_quantize_options options = {.max_drop_percent = 1e-3f};
    (void)state;
    net_open(&net, 6);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 2, 8, 8));
    tf2_tensor_id a = net_activation(&net, net_conv(&net, x, 6, 3, 1, true), TF2_ACTIVATION_RELU, 0, 0);
    net_output(&net, net_conv(&net, a, 3, 3, 1, true)); /* a map: no classes, the squared error counts */
    struct source source = source_of(model_of(&net, NULL));
    struct quantized q = quantize(&source, &options);
    assert_true(q.report->n_fell_back > 0 && q.report->sqnr_db >= 50);
    quantized_free(&q);
    tf2_model_destroy((struct tf2_model **)&source.model);
    net_close(&net);
}

/* What only moves between integer layers moves bytes. */
static void test_moves(void **state)
{
    struct net net;
    (void)state;
    net_open(&net, 9);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 8, 8));
    struct tf2_transpose_attr swap = {.n_dims = 4, .perm = {0, 1, 3, 2}};
    struct tf2_slice_attr slice = {.n_dims = 4, .begin = {0, 1}, .end = {1, 5, INT64_MAX, INT64_MAX}};
    struct tf2_pad_attr pad = {.n_dims = 4, .value = 0.7f, .begin = {0, 0, 1, 0}, .end = {0, 0, 0, 2}};
    struct tf2_pool_attr max = {.kind = TF2_POOL_MAX, .window = {.kernel = {3, 3}, .stride = {1, 1}}};
    tf2_tensor_id a = net_node(&net, TF2_OP_TRANSPOSE, "swap", &swap, IN(x));
    tf2_tensor_id b = net_conv(&net, a, 6, 3, 1, true);
    tf2_tensor_id c = net_node(&net, TF2_OP_SLICE, "slice", &slice, IN(b));
    tf2_tensor_id d = net_node(&net, TF2_OP_PAD, "pad", &pad, IN(c));
    tf2_tensor_id e = net_node(&net, TF2_OP_POOL, "max", &max, IN(d));
    net_output(&net, net_conv(&net, e, 4, 3, 1, true));
    struct source source = source_of(model_of(&net, &(struct tf2_import_options){.no_optimize = true}));
    struct quantized q = quantize(&source, NULL);
    const char *names[] = {"swap", "slice", "pad", "max"};
    for (size_t i = 0; i < 4; i++)
        assert_true(layer(&q, names[i])->is_int8);
    assert_true(layer(&q, "slice")->scale == layer(&q, "max")->scale);
    assert_true(q.report->cosine > 0.999);
    quantized_free(&q);
    tf2_model_destroy((struct tf2_model **)&source.model);
    net_close(&net);
}

/* Cutting off a tenth of the values shifts means; corrected biases make up for a good part. */
/* What reads nothing but sizes takes a map as it is: nothing is made float32 for it. */
static void test_shapes_only(void **state)
{
    const struct tf2_prior_box_attr prior = {.n_sizes = 1, .min_size = {3}};
    struct net net;
    (void)state;
    net_open(&net, 11);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 8, 8));
    tf2_tensor_id map = net_activation(&net, net_conv(&net, x, 6, 3, 1, true), TF2_ACTIVATION_RELU, 0, 0);
    tf2_tensor_id boxes = net_node(&net, TF2_OP_PRIOR_BOX, "boxes", &prior, IN(map, x));
    net_output(&net, net_conv(&net, map, 4, 3, 1, true));
    net_output(&net, boxes);
    struct source source = source_of(model_of(&net, NULL));
    struct quantized q = quantize(&source, NULL);
    for (uint32_t i = 0; i < q.model->graph->n_nodes; i++)
        assert_int_not_equal(q.model->graph->nodes[i].op->id, TF2_OP_DEQUANTIZE);
    const tf2_tensor_id read =
        q.model->graph->nodes[q.model->graph->tensors[tf2__graph_find(q.model->graph, "boxes")].producer]
            .in[0];
    assert_int_equal(q.model->graph->tensors[read].dtype, TF2_DTYPE_U8);
    quantized_free(&q);
    tf2_model_destroy((struct tf2_model **)&source.model);
    net_close(&net);
}

static void test_transposed_convolution(void **state)
{
    const struct tf2_conv_transpose_attr attr = {.window = {.stride = {2, 2}}, .group = 2};
    struct net net;
    (void)state;
    net_open(&net, 12);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 8, 8));
    tf2_tensor_id map = net_activation(&net, net_conv(&net, x, 8, 3, 1, true), TF2_ACTIVATION_RELU, 0, 0);
    tf2_tensor_id weights = net_constant(&net, SHAPE(6, 4, 3, 3));
    tf2_tensor_id up = net_node(&net, TF2_OP_CONV_TRANSPOSE, "up", &attr, IN(map, weights));
    net_output(&net, net_conv(&net, net_activation(&net, up, TF2_ACTIVATION_RELU, 0, 0), 4, 3, 1, true));
    struct source source = source_of(model_of(&net, NULL));
    const struct tf2_graph *graph = source.model->graph;
    const struct tf2__node *node = &graph->nodes[1];
    assert_int_equal(node->op->id, TF2_OP_CONV_TRANSPOSE);
    const struct tf2__weights_extents e = tf2__scheme_extents(graph, node);
    assert_true(e.n_out == 6 && e.n_k == 36 && e.n_groups == 2 && e.n_in == 4 && e.n_taps == 9);
    struct quantized q = quantize(&source, NULL);
    assert_true(layer(&q, node->name)->is_int8);
    assert_true(q.report->cosine > 0.999);
    quantized_free(&q);
    tf2_model_destroy((struct tf2_model **)&source.model);
    net_close(&net);
}

/* A curve where there is one, else a table, which grows with the steepness. */
static void test_normalization(void **state)
{
    static const struct {
        struct tf2_lrn_attr attr;
        int64_t n_factors;
    } cases[] = {
        {{.size = 5, .alpha = 0.02f, .beta = 0.75f, .k = 1}, 13},
        {{.size = 5, .alpha = 1e-3f, .beta = 2, .k = 1}, 1024},
        {{.size = 5, .alpha = 0, .beta = 0.75f, .k = 1}, 1024},
        {{.size = 5, .alpha = 100, .beta = 0.75f, .k = 1}, 65536},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct net net;
        net_open(&net, 12);
        tf2_tensor_id x = net_conv(&net, net_input(&net, "x", SHAPE(1, 3, 8, 8)), 8, 3, 1, true);
        tf2_tensor_id y = net_node(&net, TF2_OP_LRN, "lrn", &cases[i].attr, IN(x));
        net_output(&net, net_conv(&net, y, 4, 3, 1, true));
        struct source source = source_of(model_of(&net, NULL));
        struct quantized q = quantize(&source, NULL);
        const struct tf2_graph *graph = q.model->graph;
        const struct tf2__node *node = &graph->nodes[graph->tensors[tf2__graph_find(graph, "lrn")].producer];
        assert_int_equal(node->op->id, TF2_OP_LRN);
        assert_int_equal(graph->tensors[node->in[1]].shape.dim[0], cases[i].n_factors);
        assert_true(q.report->cosine > 0.999);
        quantized_free(&q);
        tf2_model_destroy((struct tf2_model **)&source.model);
        net_close(&net);
    }
}

static void test_bias_correction(void **state)
{
    struct net net;
    struct tf2_quantize_options options = {
        .range = TF2_RANGE_PERCENTILE, .percentile = 90, .no_bias_correction = true};
    (void)state;
    net_open(&net, 10);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 4, 10, 10));
    tf2_tensor_id a = net_activation(&net, net_conv(&net, x, 12, 3, 1, true), TF2_ACTIVATION_RELU, 0, 0);
    tf2_tensor_id w = net_constant_in(&net, 0.1f, 1, SHAPE(4, 12, 1, 1)); /* what is cut off adds up */
    net_output(&net, net_node(&net, TF2_OP_CONV, "sum", NULL, IN(a, w)));
    struct source source = source_of(model_of(&net, NULL));
    struct quantized q = quantize(&source, &options);
    const double without = q.report->sqnr_db;
    quantized_free(&q);
    options.no_bias_correction = false;
    q = quantize(&source, &options);
    if (!(q.report->sqnr_db > without + 2))
        fail_msg("%g dB with correction, %g dB without", q.report->sqnr_db, without);
    quantized_free(&q);
    tf2_model_destroy((struct tf2_model **)&source.model);
    net_close(&net);
}

static void test_constant_and_dead(void **state)
{
    struct net net;
    (void)state;
    net_open(&net, 8);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 4, 6, 6));
    tf2_tensor_id zero = net_filled(&net, 0, SHAPE(4, 4, 1, 1)), bias = net_filled(&net, 1e6f, SHAPE(4));
    tf2_tensor_id a = net_node(&net, TF2_OP_CONV, "dead", NULL, IN(x, zero, bias));
    tf2_tensor_id b = net_conv(&net, net_activation(&net, a, TF2_ACTIVATION_RELU, 0, 0), 3, 1, 0, false);
    tf2_tensor_id c =
        net_node(&net, TF2_OP_CONV, "silent", NULL, IN(x, net_filled(&net, 0, SHAPE(3, 4, 1, 1))));
    net_output(&net, net_conv(&net, net_eltwise(&net, TF2_ELTWISE_MAX, b, c), 2, 1, 0, true));
    net_output(&net, x); /* an input that goes straight to an output */
    struct source source = source_of(model_of(&net, &(struct tf2_import_options){.no_optimize = true}));
    struct quantized q = quantize(&source, NULL);
    assert_true(q.report->sqnr_db > 20);
    quantized_free(&q);
    source.constant = 3;
    q = quantize(&source, NULL);
    assert_true(isfinite(q.report->sqnr_db));
    quantized_free(&q);
    tf2_model_destroy((struct tf2_model **)&source.model);
    net_close(&net);
}

/* The names that are made for new tensors can be those of the network's own, which come later or are constants. */
static void test_names_in_use(void **state)
{
    static const char *const names[] = {"a.weights",   "a.bias", "x.u8",  "a.float",  "t.table",  "x.offset",
                                        "integer.bias", "a.error", "no.input", "a.linear", "integer.weights"};
    struct tf2_activation tanh = {.kind = TF2_ACTIVATION_TANH};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        for (int constant = 0; constant < 2; constant++) {
            struct net net;
            const float numbers[8] = {1, 2, 3, 4, 5, 6, 7, 8};
            struct tf2_softmax_attr softmax = {.axis = 1};
            struct tf2_eltwise_attr div = {.kind = TF2_ELTWISE_DIV};
            tf2_tensor_id k;
            net_open(&net, 16);
            tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 6, 6));
            tf2_tensor_id w = net_constant(&net, SHAPE(8, 3, 3, 3));
            tf2_tensor_id a = net_node(&net, TF2_OP_CONV, "a", NULL, IN(x, w));
            tf2_tensor_id t = net_node(&net, TF2_OP_ACTIVATION, "t", &tanh, IN(a));
            tf2_tensor_id b = net_conv(&net, t, 8, 1, 0, false);
            tf2_tensor_id s =
                net_node(&net, TF2_OP_SOFTMAX, constant ? "s" : names[i], &softmax, IN(a)); /* float */
            OK(tf2_graph_add_constant(
                net.graph, constant ? names[i] : "k", TF2_DTYPE_F32, &SHAPE(1, 8, 1, 1), numbers, &k, &error));
            tf2_tensor_id d = net_node(&net, TF2_OP_ELTWISE, "d", &div, IN(s, k));
            tf2_tensor_id wc = net_constant(&net, SHAPE(4, 8, 1, 1));
            net_output(&net, net_node(&net, TF2_OP_CONV, "c", NULL, IN(d, wc)));
            net_output(&net, b);
            struct source source = source_of(model_of(&net, &(struct tf2_import_options){.no_optimize = true}));
            struct quantized q = quantize(&source, NULL);
            assert_true(q.report->cosine > 0.98);
            quantized_free(&q);
            tf2_model_destroy((struct tf2_model **)&source.model);
            net_close(&net);
        }
    }
}

/* 0 / 0 where small numbers became 0: a result that is no number is as bad as can be, not perfect. */
static void test_not_a_number(void **state)
{
    struct net net;
    struct tf2_pool_attr avg = {.kind = TF2_POOL_AVG, .global = true};
    (void)state;
    net_open(&net, 15);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 1, 32, 32));
    tf2_tensor_id a = net_node(&net, TF2_OP_CONV, "a", NULL, IN(x, net_filled(&net, 1, SHAPE(2, 1, 1, 1))));
    tf2_tensor_id one = net_eltwise(&net, TF2_ELTWISE_DIV, a, a);
    net_output(&net, net_node(&net, TF2_OP_POOL, "avg", &avg, IN(one)));
    net_output(&net, net_conv(&net, a, 3, 1, 0, true));
    struct source source = source_of(model_of(&net, &(struct tf2_import_options){.no_optimize = true}));
    source.low = 1e-4f;
    struct quantized q = quantize(&source, NULL);
    assert_true(q.report->sqnr_db == -200 && q.report->cosine == -1);
    assert_true(q.report->same_class_percent < 50);
    quantized_free(&q);
    const struct tf2__fidelity nan = {NAN, NAN}, infinite = {1, INFINITY}, exact = {1, 0}, half = {1, 0.5};
    assert_true(tf2__fidelity_db(&nan) == -200 && tf2__fidelity_db(&infinite) == -200);
    assert_true(tf2__fidelity_db(&exact) == 200);
    assert_true(tf2__verdict_drop(&(struct tf2__verdict){.outputs = nan}) == 100);
    assert_true(tf2__verdict_drop(&(struct tf2__verdict){.outputs = half}) == 50);
    tf2_model_destroy((struct tf2_model **)&source.model);
    net_close(&net);
}

static void test_refused(void **state)
{
    struct net net;
    struct tf2_model *none = NULL;
    struct tf2_quantize_options options = {.percentile = 20};
    (void)state;
    build_mixed(&net);
    struct source source = source_of(model_of(&net, NULL));
    assert_int_equal(
        tf2_model_quantize(source.model, devices, 0, read_sample, &source, 0, NULL, &none, NULL, &error),
        TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(
        tf2_model_quantize(source.model, devices, 9, read_sample, &source, 1, NULL, &none, NULL, &error),
        TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(
        tf2_model_quantize(source.model, devices, 0, read_sample, &source, 1, &options, &none, NULL, &error),
        TF2_ERR_INVALID_ARGUMENT);
    source.bad_sample = 2;
    assert_int_equal(
        tf2_model_quantize(source.model, devices, 0, read_sample, &source, 4, NULL, &none, NULL, &error),
        TF2_ERR_VALUE);
    assert_non_null(strstr(error.message, "sample 2"));
    assert_non_null(strstr(error.message, "'x'"));
    source.bad_sample = SIZE_MAX;
    source.fail_sample = 1;
    assert_int_equal(
        tf2_model_quantize(source.model, devices, 0, read_sample, &source, 4, NULL, &none, NULL, &error),
        TF2_ERR_IO);
    assert_non_null(strstr(error.message, "sample 1"));
    source.fail_sample = SIZE_MAX;
    struct quantized q = quantize(&source, NULL);
    struct source again = source_of(q.model);
    assert_int_equal(
        tf2_model_quantize(q.model, devices, 0, read_sample, &again, 1, NULL, &none, NULL, &error),
        TF2_ERR_UNSUPPORTED);
    assert_null(none);
    quantized_free(&q);
    tf2_model_destroy((struct tf2_model **)&source.model);
    net_close(&net);
}

/* Progress starts at 0, never goes back within a stage and ends at its total. */
struct progress {
    char stage[64];
    size_t done, total, n_stages;
    bool wrong;
};

static void note_progress(void *user, const char *stage, size_t done, size_t total)
{
    struct progress *p = user;
    if (strcmp(stage, p->stage) != 0 || done == 0) {
        p->wrong |= p->n_stages > 0 && p->done != p->total;
        snprintf(p->stage, sizeof(p->stage), "%s", stage);
        p->n_stages++;
    } else {
        p->wrong |= done < p->done || total != p->total;
    }
    p->wrong |= done > total;
    p->done = done;
    p->total = total;
}

static void test_progress(void **state)
{
    struct net net;
    struct progress p = {0};
    struct tf2_quantize_options options = {.progress = note_progress, .progress_user = &p};
    (void)state;
    build_mixed(&net);
    struct source source = source_of(model_of(&net, NULL));
    struct quantized q = quantize(&source, &options);
    assert_false(p.wrong);
    assert_true(p.n_stages >= 5 && p.done == p.total);
    quantized_free(&q);
    tf2_model_destroy((struct tf2_model **)&source.model);
    net_close(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mixed),
        cmocka_unit_test(test_methods_and_determinism),
        cmocka_unit_test(test_float_nodes),
        cmocka_unit_test(test_max_drop),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_shapes_only),
        cmocka_unit_test(test_transposed_convolution),
        cmocka_unit_test(test_normalization),
        cmocka_unit_test(test_bias_correction),
        cmocka_unit_test(test_constant_and_dead),
        cmocka_unit_test(test_names_in_use),
        cmocka_unit_test(test_not_a_number),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_progress),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}
