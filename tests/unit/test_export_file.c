/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_export_file.c: what is in an exported ONNX file (names, open batches, integers), and exports that
 * fail.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "export_check.h"
#include "transform/export/export.h"
#include "transform/model/model.h"

static void export_fails(const struct net *net, enum tf2_status status, const char *const *words)
{
    struct tf2_error error = {0};
    char path[EXPORT_PATH_MAX];
    export_path(path);
    assert_int_equal(tf2__export_onnx(net->graph, "net", path, &error), status);
    assert_int_equal(error.status, status);
    for (; *words; words++) {
        if (!strstr(error.message, *words))
            fail_msg("'%s' is not in: %s", *words, error.message);
    }
}

#define EXPORT_FAILS(net, status, ...) export_fails(net, status, (const char *const[]){__VA_ARGS__, NULL})

static const Tf2__Onnx__NodeProto *find_node(const Tf2__Onnx__ModelProto *model, const char *name)
{
    for (size_t i = 0; i < model->graph->n_node; i++) {
        if (strcmp(model->graph->node[i]->name, name) == 0)
            return model->graph->node[i];
    }
    fail_msg("no node is called %s", name);
    return NULL;
}

static const Tf2__Onnx__NodeProto *
has_node(const Tf2__Onnx__ModelProto *model, const char *name, const char *type, const char *out)
{
    const Tf2__Onnx__NodeProto *node = find_node(model, name);
    assert_string_equal(node->op_type, type);
    assert_int_equal(node->n_output, 1);
    assert_string_equal(node->output[0], out);
    return node;
}

/* The node that makes input i of a node. */
static const Tf2__Onnx__NodeProto *
producer(const Tf2__Onnx__ModelProto *model, const Tf2__Onnx__NodeProto *node, size_t i)
{
    assert_true(i < node->n_input);
    for (size_t k = 0; k < model->graph->n_node; k++) {
        if (strcmp(model->graph->node[k]->output[0], node->input[i]) == 0)
            return model->graph->node[k];
    }
    fail_msg("nothing makes %s", node->input[i]);
    return NULL;
}

/* The numbers of input i, an initializer of n elements and a type. */
static const void *numbers(
    const Tf2__Onnx__ModelProto *model, const Tf2__Onnx__NodeProto *node, size_t i, int32_t type,
    size_t n_bytes)
{
    assert_true(i < node->n_input);
    for (size_t k = 0; k < model->graph->n_initializer; k++) {
        const Tf2__Onnx__TensorProto *t = model->graph->initializer[k];
        if (strcmp(t->name, node->input[i]) != 0)
            continue;
        assert_int_equal(t->data_type, type);
        assert_int_equal(t->raw_data.len, n_bytes);
        return t->raw_data.data;
    }
    fail_msg("no initializer is called %s", node->input[i]);
    return NULL;
}

static int64_t int_attr(const Tf2__Onnx__NodeProto *node, const char *name, int64_t missing)
{
    for (size_t i = 0; i < node->n_attribute; i++) {
        if (strcmp(node->attribute[i]->name, name) == 0)
            return node->attribute[i]->i;
    }
    return missing;
}

/* ---- names ---- */

static void test_names(void **state)
{
    struct net net;
    struct tf2_error error = {0};
    (void)state;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 2));
    tf2_tensor_id a = net_node(&net, TF2_OP_IDENTITY, "a", NULL, IN(x));
    tf2_tensor_id b = net_node(&net, TF2_OP_DROPOUT, "a/Relu", NULL, IN(a));
    net.graph->nodes[0].activation.kind = TF2_ACTIVATION_RELU;
    net_output(&net, x);
    assert_int_equal(tf2_graph_add_output(net.graph, a, "first", &error), TF2_OK);
    assert_int_equal(tf2_graph_add_output(net.graph, a, "second", &error), TF2_OK);
    assert_int_equal(tf2_graph_add_output(net.graph, b, "a", &error), TF2_OK); /* another tensor's name */
    assert_int_equal(tf2_graph_add_output(net.graph, x, "third", &error), TF2_OK);
    Tf2__Onnx__ModelProto *model = exported(&net);
    assert_string_equal(model->producer_name, "libtf2");
    assert_string_equal(model->graph->name, "net");
    assert_int_equal(model->opset_import[0]->version, 13);
    has_node(model, "a", "Identity", "a/Identity");
    has_node(model, "a/Relu#2", "Relu", "first");
    has_node(model, "second/Identity", "Identity", "second");
    has_node(model, "a/Relu", "Identity", "a");
    has_node(model, "third/Identity", "Identity", "third");
    assert_int_equal(model->graph->n_node, 5);
    tf2__onnx__model_proto__free_unpacked(model, NULL);
    export_check_batch(&net, 0);
    net_close(&net);
}

static void test_clash(void **state)
{
    struct net net;
    struct tf2_error error = {0};
    (void)state;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 2));
    tf2_tensor_id y = net_node(&net, TF2_OP_IDENTITY, "y", NULL, IN(x));
    assert_int_equal(tf2_graph_add_output(net.graph, y, "x", &error), TF2_OK);
    EXPORT_FAILS(&net, TF2_ERR_UNSUPPORTED, "an input and another output are called 'x'");
    net_close(&net);
}

static void test_utf8(void **state)
{
    static const char *const bad[] = {"\xff", "a\xc3", "\xe2\x82", "\xc0\x80", "\x80"};
    struct net net;
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(bad); i++) {
        net_open(&net, 1);
        net_output(
            &net, net_node(&net, TF2_OP_IDENTITY, bad[i], NULL, IN(net_input(&net, "x", SHAPE(1, 2)))));
        EXPORT_FAILS(&net, TF2_ERR_UNSUPPORTED, "is not UTF-8");
        net_close(&net);
    }
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 2));
    net_output(&net, net_node(&net, TF2_OP_IDENTITY, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", NULL, IN(x)));
    tf2__onnx__model_proto__free_unpacked(exported(&net), NULL);
    export_check_batch(&net, 0);
    net_close(&net);
}

/* ---- batches ---- */

static void has_extents(const Tf2__Onnx__ValueInfoProto *info, const char *wanted)
{
    char text[128] = "";
    const Tf2__Onnx__TensorShapeProto *shape = info->type->tensor_type->shape;
    for (size_t d = 0; d < shape->n_dim; d++) {
        size_t used = strlen(text);
        if (shape->dim[d]->has_dim_value)
            snprintf(text + used, sizeof(text) - used, "%s%d", d ? "x" : "", (int)shape->dim[d]->dim_value);
        else
            snprintf(
                text + used, sizeof(text) - used, "%s%s", d ? "x" : "",
                shape->dim[d]->dim_param ? shape->dim[d]->dim_param : "?");
    }
    assert_string_equal(text, wanted);
}

static void test_batch(void **state)
{
    struct net net;
    (void)state;
    net_open(&net, 1); /* open; one output's extent is a multiple of it */
    tf2_tensor_id x = net_input(&net, "x", SHAPE(2, 3, 4));
    net_output(&net, net_node(&net, TF2_OP_FLATTEN, "y", &(struct tf2_axis_attr){.axis = 2}, IN(x)));
    net_output(&net, net_node(&net, TF2_OP_CONCAT, "z", &(struct tf2_axis_attr){.axis = 1}, IN(x, x)));
    Tf2__Onnx__ModelProto *model = exported(&net);
    has_extents(model->graph->input[0], "Nx3x4");
    has_extents(model->graph->output[0], "?x4");
    has_extents(model->graph->output[1], "Nx6x4");
    tf2__onnx__model_proto__free_unpacked(model, NULL);
    net_close(&net);

    net_open(&net, 1); /* fixed by a reshape */
    x = net_input(&net, "x", SHAPE(2, 3, 4));
    const struct tf2_reshape_attr reshape = {.n_dims = 2, .dim = {2, 12}};
    net_output(&net, net_node(&net, TF2_OP_RESHAPE, "y", &reshape, IN(x)));
    model = exported(&net);
    has_extents(model->graph->input[0], "2x3x4");
    has_extents(model->graph->output[0], "2x12");
    tf2__onnx__model_proto__free_unpacked(model, NULL);
    net_close(&net);

    net_open(&net, 1); /* the batch in two places of a shape that has to be told */
    x = net_input(&net, "x", SHAPE(2, 1, 3));
    const struct tf2_transpose_attr transpose = {.n_dims = 3, .perm = {1, 0, 2}};
    tf2_tensor_id turned = net_node(&net, TF2_OP_TRANSPOSE, "t", &transpose, IN(x));
    const struct tf2_lrn_attr lrn = {.size = 3, .alpha = 0.5f, .beta = 0.75f, .k = 2};
    tf2_tensor_id square = net_eltwise(&net, TF2_ELTWISE_SUM, x, turned);
    net_output(&net, net_node(&net, TF2_OP_LRN, "y", &lrn, IN(square)));
    model = exported(&net);
    has_extents(model->graph->input[0], "2x1x3");
    has_extents(model->graph->output[0], "2x2x3");
    tf2__onnx__model_proto__free_unpacked(model, NULL);
    export_check_batch(&net, 0);
    net_close(&net);
}

/* ---- integers ---- */

static tf2_tensor_id adopt(
    struct net *net, const char *name, enum tf2_dtype dtype, struct tf2_shape shape,
    const struct tf2__quant *quant, const void *data)
{
    tf2_tensor_id id;
    struct tf2_error error = {0};
    if (tf2__graph_adopt_quantized(net->graph, name, dtype, &shape, quant, data, &id, &error) != TF2_OK)
        fail_msg("%s", error.message);
    return id;
}

static tf2_tensor_id add_int8(
    struct net *net, enum tf2_op op, const char *name, const void *attr, const tf2_tensor_id *in, size_t n_in,
    const struct tf2_activation *activation, const struct tf2__quant *quant)
{
    tf2_tensor_id id;
    struct tf2_error error = {0};
    if (tf2__graph_add_int8(
            net->graph, op, name, attr, in, n_in, activation, quant ? TF2_DTYPE_U8 : TF2_DTYPE_F32, quant,
            &id, &error) != TF2_OK)
        fail_msg("%s", error.message);
    return id;
}

static const uint8_t zero_points[] = {100, 120};
static const float w_scales[] = {0.25f, 0.5f};
static const int8_t w_data[] = {1, -2, 3, -127};
static const int32_t b_data[] = {1000, -7};
static const struct tf2_activation clip = {TF2_ACTIVATION_CLIP, -3, 5};

/* input - mean → u8 with a zero point per channel → 1x1 convolution → the same again, added → float */
static void build_int8(struct net *net)
{
    const struct tf2__quant in = {.scale = 0.5f, .channel_zero_point = zero_points};
    const struct tf2__quant mid = {.scale = 2, .zero_point = 7}, w = {.channel_scale = w_scales};
    const float offset[] = {0.25f, -1};
    tf2_tensor_id x = net_input(net, "x", SHAPE(1, 2, 3, 3));
    tf2_tensor_id weights = adopt(net, "w", TF2_DTYPE_S8, SHAPE(2, 2, 1, 1), &w, w_data);
    tf2_tensor_id bias = adopt(net, "b", TF2_DTYPE_S32, SHAPE(2), NULL, b_data);
    tf2_tensor_id mean;
    struct tf2_error error = {0};
    const struct tf2_shape two = SHAPE(2);
    assert_int_equal(
        tf2_graph_add_constant(net->graph, "mean", TF2_DTYPE_F32, &two, offset, &mean, &error), TF2_OK);
    tf2_tensor_id q = add_int8(net, TF2_OP_QUANTIZE, "q", NULL, IN(x, mean), NULL, &in);
    tf2_tensor_id c = add_int8(net, TF2_OP_CONV, "c", NULL, IN(q, weights, bias), &clip, &mid);
    tf2_tensor_id d = add_int8(net, TF2_OP_CONV, "d", NULL, IN(c, weights, bias, c), NULL, NULL);
    net_output(net, d);
}

static float float_at(const Tf2__Onnx__ModelProto *model, const Tf2__Onnx__NodeProto *node, size_t i)
{
    float value;
    memcpy(&value, numbers(model, node, i, 1, sizeof(float)), sizeof(value));
    return value;
}

static void check_scales(
    const Tf2__Onnx__ModelProto *model, const Tf2__Onnx__NodeProto *node, float scale, uint8_t zero_point)
{
    assert_true(float_at(model, node, 1) == scale);
    assert_int_equal(*(const uint8_t *)numbers(model, node, 2, 2, 1), zero_point);
}

static void test_int8_conv(void **state)
{
    struct net net;
    float pair[2];
    (void)state;
    net_open(&net, 1);
    build_int8(&net);
    Tf2__Onnx__ModelProto *model = exported(&net);

    /* The input: zero points less means are added, and come off again behind. */
    const Tf2__Onnx__NodeProto *q = has_node(model, "q", "QuantizeLinear", "q");
    check_scales(model, q, 0.5f, 0);
    const Tf2__Onnx__NodeProto *add = producer(model, q, 0);
    assert_string_equal(add->op_type, "Add");
    memcpy(pair, numbers(model, add, 1, 1, sizeof(pair)), sizeof(pair));
    assert_true(pair[0] == 49.75f && pair[1] == 61);
    const Tf2__Onnx__NodeProto *c = has_node(model, "c", "Conv", "c/Conv"), *sub = producer(model, c, 0);
    assert_string_equal(sub->op_type, "Sub");
    memcpy(pair, numbers(model, sub, 1, 1, sizeof(pair)), sizeof(pair));
    assert_true(pair[0] == 50 && pair[1] == 60);
    assert_string_equal(producer(model, sub, 0)->op_type, "DequantizeLinear");

    /* Weights per output channel, biases in steps of input times weights. */
    const Tf2__Onnx__NodeProto *w = producer(model, c, 1), *b = producer(model, c, 2);
    assert_string_equal(w->op_type, "DequantizeLinear");
    assert_int_equal(int_attr(w, "axis", -1), 0);
    assert_memory_equal(numbers(model, w, 0, 3, sizeof(w_data)), w_data, sizeof(w_data));
    assert_memory_equal(numbers(model, w, 1, 1, sizeof(w_scales)), w_scales, sizeof(w_scales));
    assert_memory_equal(numbers(model, b, 0, 6, sizeof(b_data)), b_data, sizeof(b_data));
    memcpy(pair, numbers(model, b, 1, 1, sizeof(pair)), sizeof(pair));
    assert_true(pair[0] == 0.125f && pair[1] == 0.25f);

    /* Activation, then integers. */
    const Tf2__Onnx__NodeProto *out = has_node(model, "c/QuantizeLinear", "QuantizeLinear", "c");
    check_scales(model, out, 2, 7);
    const Tf2__Onnx__NodeProto *limit = producer(model, out, 0);
    assert_string_equal(limit->op_type, "Clip");
    assert_true(float_at(model, limit, 1) == -3 && float_at(model, limit, 2) == 5);

    /* The second one shares the dequantized weights and has a float result; its biases have other steps. */
    const Tf2__Onnx__NodeProto *d = has_node(model, "d", "Conv", "d/Conv"),
                               *sum = has_node(model, "d/Add", "Add", "d");
    assert_string_equal(d->input[1], c->input[1]);
    assert_string_equal(sum->input[1], d->input[0]);
    memcpy(pair, numbers(model, producer(model, d, 2), 1, 1, sizeof(pair)), sizeof(pair));
    assert_true(pair[0] == 0.5f && pair[1] == 1);
    tf2__onnx__model_proto__free_unpacked(model, NULL);
    net_close(&net);
}

static void test_int8_lookup(void **state)
{
    const struct tf2__quant quant = {.scale = 1, .zero_point = 10};
    static uint8_t tables[2][256];
    struct net net;
    (void)state;
    for (int i = 0; i < 256; i++) {
        tables[0][i] = (uint8_t)i;
        tables[1][i] = (uint8_t)(255 - i);
    }
    net_open(&net, 1);
    tf2_tensor_id q =
        add_int8(&net, TF2_OP_QUANTIZE, "q", NULL, IN(net_input(&net, "x", SHAPE(1, 2, 3))), NULL, &quant);
    tf2_tensor_id t = adopt(&net, "t", TF2_DTYPE_U8, SHAPE(2, 256), NULL, tables);
    tf2_tensor_id l = add_int8(&net, TF2_OP_LOOKUP, "l", NULL, IN(q, t), &clip, &quant);
    net_output(&net, add_int8(&net, TF2_OP_DEQUANTIZE, "y", NULL, IN(l), NULL, NULL));
    Tf2__Onnx__ModelProto *model = exported(&net);
    const Tf2__Onnx__NodeProto *gather = has_node(model, "l", "Gather", "l");
    const uint8_t *table = numbers(model, gather, 0, 2, 512); /* clipped to -3 .. 5 in steps of 1 from 10 */
    assert_int_equal(table[0], 7);
    assert_int_equal(table[9], 9);
    assert_int_equal(table[255], 15);
    assert_int_equal(table[256], 15);
    assert_int_equal(table[256 + 243], 12);
    const int32_t *offsets = numbers(model, producer(model, gather, 1), 1, 6, 8);
    assert_int_equal(offsets[1], 256);
    check_scales(model, has_node(model, "y", "DequantizeLinear", "y"), 1, 10);
    tf2__onnx__model_proto__free_unpacked(model, NULL);
    net_close(&net);
}

/* ---- failures ---- */

static void test_unsupported(void **state)
{
    const struct tf2_resize_attr attr = {
        .mode = TF2_RESIZE_LINEAR, .coordinates = TF2_RESIZE_TF_HALF_PIXEL, .scale = {2, 2}};
    const struct tf2_resize_attr mixed = {.mode = TF2_RESIZE_LINEAR, .size = {5, 0}, .scale = {0, 1.3f}};
    struct net net;
    char path[EXPORT_PATH_MAX];
    (void)state;
    export_path(path);
    export_remove();
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 2, 3, 3));
    tf2_tensor_id a = net_node(&net, TF2_OP_RESIZE, "a", &attr, IN(x));
    net_output(&net, net_node(&net, TF2_OP_RESIZE, "b", &mixed, IN(a)));
    EXPORT_FAILS(
        &net, TF2_ERR_UNSUPPORTED, "2 problems", "node 'a' (resize): coordinates tf_half_pixel",
        "node 'b' (resize): a size for one dimension");
    assert_int_not_equal(access(path, F_OK), 0);
    net_close(&net);
}

/* What was there stays, and nothing else is left behind. */
static void test_write_failures(void **state)
{
    struct net net;
    char path[EXPORT_PATH_MAX];
    struct stat info;
    struct tf2_error error = {0};
    (void)state;
    net_open(&net, 1);
    net_output(&net, net_node(&net, TF2_OP_IDENTITY, "y", NULL, IN(net_input(&net, "x", SHAPE(1, 2)))));
    assert_int_equal(tf2__export_onnx(net.graph, "net", "no-such-folder/file.onnx", &error), TF2_ERR_IO);
    assert_non_null(strstr(error.message, "cannot be written: No such file"));
    export_path(path);
    export_remove(); /* in place of a device, which a failing test would destroy */
    assert_int_equal(mkfifo(path, 0600), 0);
    EXPORT_FAILS(&net, TF2_ERR_IO, "exists and is no regular file");
    assert_true(stat(path, &info) == 0 && S_ISFIFO(info.st_mode));
    export_remove();
    assert_int_equal(mkdir(path, 0700), 0);
    EXPORT_FAILS(&net, TF2_ERR_IO, "exists and is no regular file");
    assert_int_equal(rmdir(path), 0);
    tf2__onnx__model_proto__free_unpacked(exported(&net), NULL);
    tf2__onnx__model_proto__free_unpacked(exported(&net), NULL); /* over the first */
    assert_int_equal(tf2_model_export_onnx(NULL, path, &error), TF2_ERR_INVALID_ARGUMENT);
    net_close(&net);
}

static size_t count_files(void)
{
    char path[EXPORT_PATH_MAX], pattern[EXPORT_PATH_MAX + 1];
    glob_t found;
    export_path(path);
    snprintf(pattern, sizeof(pattern), "%s*", path);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    size_t n = found.gl_pathc;
    globfree(&found);
    return n;
}

/* No room: the old file is still whole, and alone. */
static void test_disk_full(void **state)
{
    struct net net;
    struct rlimit limit, small;
    char path[EXPORT_PATH_MAX];
    (void)state;
    export_path(path);
    net_open(&net, 1);
    net_output(&net, net_conv(&net, net_input(&net, "x", SHAPE(1, 8, 4, 4)), 64, 3, 1, true));
    tf2__onnx__model_proto__free_unpacked(exported(&net), NULL);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 1000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct tf2_error error = {0};
    enum tf2_status status = tf2__export_onnx(net.graph, "other", path, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(status, TF2_ERR_IO);
    assert_int_equal(count_files(), 1);
    Tf2__Onnx__ModelProto *model = export_read();
    assert_string_equal(model->graph->name, "net");
    tf2__onnx__model_proto__free_unpacked(model, NULL);
    net_close(&net);
}

struct counter {
    size_t left; /* allocations until the first that fails */
};

static void *count_alloc(void *user, size_t size, size_t alignment)
{
    struct counter *counter = user;
    if (counter->left == 0)
        return NULL;
    counter->left--;
    return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void count_release(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

static void test_no_memory(void **state)
{
    struct counter counter = {.left = SIZE_MAX};
    const struct tf2_env env = {.allocator = {count_alloc, count_release, &counter}};
    struct net net = {.seed = 1};
    struct tf2_error error = {0};
    enum tf2_status status = TF2_ERR_NO_MEMORY;
    char path[EXPORT_PATH_MAX];
    (void)state;
    export_path(path);
    assert_int_equal(tf2_graph_create(&env, &net.graph, &error), TF2_OK);
    build_int8(&net);
    for (int i = 0; i < 400; i++) { /* enough for several blocks of an arena */
        tf2_tensor_id x = net.graph->nodes[net.graph->n_nodes - 1].out;
        net_node(
            &net, TF2_OP_ACTIVATION, NULL, &(struct tf2_activation){.kind = TF2_ACTIVATION_HARD_SWISH},
            IN(x));
    }
    size_t n = 0;
    for (; status != TF2_OK && n < 1000; n++) {
        export_remove();
        counter.left = n;
        status = tf2__export_onnx(net.graph, "net", path, &error);
        if (status != TF2_OK && (status != TF2_ERR_NO_MEMORY || access(path, F_OK) == 0))
            fail_msg("%d allocations: %s", (int)n, error.message);
    }
    counter.left = SIZE_MAX;
    assert_int_equal(status, TF2_OK);
    print_message("%d allocations\n", (int)n - 1);
    assert_true(n > 8);
    tf2_graph_destroy(&net.graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),       cmocka_unit_test(test_clash),
        cmocka_unit_test(test_utf8),        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_int8_conv),   cmocka_unit_test(test_int8_lookup),
        cmocka_unit_test(test_unsupported), cmocka_unit_test(test_write_failures),
        cmocka_unit_test(test_disk_full),   cmocka_unit_test(test_no_memory),
    };
    int failed = cmocka_run_group_tests_name("export_file", tests, NULL, NULL);
    export_remove();
    return failed;
}
