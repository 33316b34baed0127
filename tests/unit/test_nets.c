/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_nets.c: the built-in networks of tf2-bench against the published definitions: layer by layer
 * (operator, inputs, kernel, stride, padding) with the Caffe text files, and (output shape, parameters,
 * multiply-accumulates) with shapes.json of the shared test data.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "../../bench/nets.h"
#include "transform/ir/graph.h"

/* parameters: as Caffe counts them, see parameters_of. */
struct known {
    const char *name;
    const char *prototxt; /* under the shared folder's models, where check_definition can read it; or NULL */
    const char *shapes;   /* key in shapes.json, or NULL */
    int64_t parameters, macs;
};

static const struct known nets[] = {
    {"squeezenet", "squeezenet_v1.1/deploy.prototxt", NULL, 1235496, 387747520},
    {"squeezenet1.0", "structure/squeezenet_v1.0_deploy.prototxt", "squeezenet_v1.0_deploy.prototxt", 1248424,
     861339936},
    {"googlenet", "structure/bvlc_googlenet_deploy.prototxt", "bvlc_googlenet_deploy.prototxt", 6998552,
     1582671872},
    {"resnet18", NULL, NULL, 11699132, 1814073344}, /* torchvision's numbers, BatchNorm counted as here */
    {"resnet50", "structure/ResNet-50-deploy.prototxt", "ResNet-50-deploy.prototxt", 25610269, 3857973248},
    {"vgg16", "structure/VGG16_deploy.prototxt", "VGG16_deploy.prototxt", 138357544, 15470264320},
    {"alexnet", "structure/bvlc_alexnet_deploy.prototxt", "bvlc_alexnet_deploy.prototxt", 60965224,
     724406816},
    {"mobilenet_v1", "structure/mobilenet_v1_deploy.prototxt", "mobilenet_v1_deploy.prototxt", 4253891,
     568740352},
    {"mobilenet_v2", "structure/mobilenet_v2_deploy.prototxt", "mobilenet_v2_deploy.prototxt", 3540189,
     429111936},
    {"ssd_vgg", NULL, "SSD_VGG_300x300_deploy.prototxt", 26285486, 31373537792},
    {"c3d", NULL, NULL, 79991015, 38548959232},
    {"mtcnn_pnet", "mtcnn/caffe/det1.prototxt", NULL, 6632, 192639000},
    {"mtcnn_rnet", "mtcnn/caffe/det2.prototxt", NULL, 100178, 1530768},
    {"mtcnn_onet", "mtcnn/caffe/det3.prototxt", NULL, 389040, 12909952},
};

static const struct {
    const char *type;
    enum tf2_op op;
} caffe_types[] = {
    {"Convolution", TF2_OP_CONV},    {"InnerProduct", TF2_OP_GEMM},
    {"Pooling", TF2_OP_POOL},        {"ReLU", TF2_OP_ACTIVATION},
    {"PReLU", TF2_OP_PRELU},         {"BatchNorm", TF2_OP_BATCH_NORM},
    {"Scale", TF2_OP_SCALE},         {"LRN", TF2_OP_LRN},
    {"Eltwise", TF2_OP_ELTWISE},     {"Concat", TF2_OP_CONCAT},
    {"Dropout", TF2_OP_DROPOUT},     {"Softmax", TF2_OP_SOFTMAX},
    {"Permute", TF2_OP_TRANSPOSE},   {"Flatten", TF2_OP_FLATTEN},
    {"Reshape", TF2_OP_RESHAPE},     {"PriorBox", TF2_OP_PRIOR_BOX},
    {"Normalize", TF2_OP_NORMALIZE}, {"DetectionOutput", TF2_OP_DETECTION_OUTPUT},
};

static struct tf2_graph *build(const char *name, uint64_t seed)
{
    struct tf2_graph *graph = NULL;
    struct tf2_error error = {0};
    if (bench_net_build(name, seed, &graph, &error) != TF2_OK)
        fail_msg("%s: %s", name, error.message);
    assert_int_equal(tf2__graph_verify(graph, &error), TF2_OK);
    return graph;
}

static enum tf2_op op_of(const char *type)
{
    for (size_t i = 0; i < TF2__COUNT(caffe_types); i++) {
        if (strcmp(caffe_types[i].type, type) == 0)
            return caffe_types[i].op;
    }
    fail_msg("layer type '%s' is not in the table", type);
    return TF2_OP_IDENTITY;
}

/* As Caffe counts: its BatchNorm has no scale and bias (here ones and zeros), but a factor for its
 * statistics. */
static int64_t parameters_of(const struct tf2_graph *graph, const struct tf2__node *node)
{
    bool norm = node->op->id == TF2_OP_BATCH_NORM;
    int64_t n = norm ? 1 : 0;
    for (uint32_t i = norm ? 3 : 1; i < node->n_in; i++) {
        if (graph->tensors[node->in[i]].data)
            n += tf2_shape_count(&graph->tensors[node->in[i]].shape);
    }
    return n;
}

static int64_t macs_of(const struct tf2_graph *graph, const struct tf2__node *node)
{
    struct tf2_shape *shapes = calloc(graph->n_tensors, sizeof(*shapes));
    int64_t macs;
    assert_non_null(shapes);
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        shapes[i] = graph->tensors[i].shape;
    macs = tf2__node_macs(node, shapes);
    free(shapes);
    return macs;
}

static void test_totals(void **state)
{
    size_t n_names;
    const char *const *names = bench_net_names(&n_names);
    (void)state;
    assert_int_equal(n_names, TF2__COUNT(nets));
    for (size_t i = 0; i < n_names; i++) {
        struct tf2_graph *graph = build(names[i], 1);
        int64_t parameters = 0, macs = 0;
        assert_string_equal(names[i], nets[i].name);
        for (uint32_t j = 0; j < graph->n_nodes; j++) {
            parameters += parameters_of(graph, &graph->nodes[j]);
            macs += macs_of(graph, &graph->nodes[j]);
        }
        assert_int_equal(parameters, nets[i].parameters);
        assert_int_equal(macs, nets[i].macs);
        tf2_graph_destroy(&graph);
        assert_null(graph);
    }
}

static FILE *open_shared(const char *file)
{
    char path[1024];
    const char *shared = getenv("TF2_SHARED");
    const char *root = getenv("TF2_SOURCE_ROOT");
    FILE *stream;
    if (shared)
        snprintf(path, sizeof(path), "%s/models/%s", shared, file);
    else
        snprintf(path, sizeof(path), "%s/../shared/models/%s", root ? root : ".", file);
    stream = fopen(path, "rb");
    if (!stream)
        print_message("skipped: no %s\n", path);
    return stream;
}

static void
check_layer(const struct tf2_graph *graph, const struct tf2__node *node, json_t *layer, const char *name)
{
    const struct tf2_shape *shape = tf2_graph_shape(graph, node->out);
    json_t *output = json_object_get(layer, "output");
    assert_string_equal(node->name, name);
    assert_int_equal(node->op->id, op_of(json_string_value(json_object_get(layer, "type"))));
    /* The files have a batch of their own, dimension 0; a flattening layer may leave out extents of 1. */
    for (uint32_t d = 1; d < shape->n_dims; d++) {
        const json_int_t extent = json_integer_value(json_array_get(output, d));
        if (extent != -1) /* as many rows as detections: here as many as there may be */
            assert_int_equal(shape->dim[d], extent);
    }
    assert_int_equal(shape->n_dims, json_array_size(output));
    assert_int_equal(parameters_of(graph, node), json_integer_value(json_object_get(layer, "parameters")));
    assert_int_equal(macs_of(graph, node), json_integer_value(json_object_get(layer, "macs_per_image")));
}

static void check_shapes(const struct known *net, json_t *wanted)
{
    struct tf2_graph *graph = build(net->name, 1);
    json_t *layers = json_object_get(wanted, "layers");
    uint32_t n = 0;
    for (size_t i = 0; i < json_array_size(layers); i++) {
        json_t *layer = json_array_get(layers, i);
        if (strcmp(json_string_value(json_object_get(layer, "type")), "Input") == 0)
            continue;
        assert_in_range(n, 0, graph->n_nodes - 1);
        check_layer(graph, &graph->nodes[n++], layer, json_string_value(json_object_get(layer, "name")));
    }
    assert_int_equal(n, graph->n_nodes);
    tf2_graph_destroy(&graph);
}

static void test_shapes(void **state)
{
    FILE *file = open_shared("structure/shapes.json");
    json_t *all;
    (void)state;
    if (!file)
        skip();
    all = json_loadf(file, 0, NULL);
    fclose(file);
    assert_non_null(all);
    for (size_t i = 0; i < TF2__COUNT(nets); i++) {
        if (nets[i].shapes)
            check_shapes(&nets[i], json_object_get(all, nets[i].shapes));
    }
    json_decref(all);
}

/* One layer of a Caffe definition, as far as it matters here. */
struct layer {
    char name[64], type[64], bottom[4][64], top[64], pool[64];
    int n_bottoms;
    int num_output, kernel, stride, pad, size;
    double alpha, beta;
    bool no_bias, global;
};

/* The next word, quoted string, '{' or '}' ("" at the end); ':' and comments are passed over. */
static void token(FILE *file, char *text, size_t size)
{
    size_t n = 0;
    bool quoted;
    int c = fgetc(file);
    while (c == '#' || c == ':' || isspace(c)) {
        while (c == '#' && (c = fgetc(file)) != '\n' && c != EOF)
            c = '#';
        c = fgetc(file);
    }
    quoted = c == '"';
    if (quoted)
        c = fgetc(file);
    if (!quoted && (c == '{' || c == '}')) {
        text[n++] = (char)c;
    } else {
        for (; c != EOF && (quoted ? c != '"' : !isspace(c) && !strchr("{}:#", c)); c = fgetc(file)) {
            if (n + 1 < size)
                text[n++] = (char)c;
        }
        if (!quoted && c != EOF)
            ungetc(c, file);
    }
    text[n] = '\0';
}

static void set_name(struct layer *layer, const char *key, const char *value)
{
    if (strcmp(key, "name") == 0)
        snprintf(layer->name, sizeof(layer->name), "%s", value);
    else if (strcmp(key, "type") == 0)
        snprintf(layer->type, sizeof(layer->type), "%s", value);
    else if (strcmp(key, "top") == 0)
        snprintf(layer->top, sizeof(layer->top), "%s", value);
    else if (strcmp(key, "bottom") == 0 && layer->n_bottoms < 4)
        snprintf(layer->bottom[layer->n_bottoms++], sizeof(layer->bottom[0]), "%s", value);
}

static void set_parameter(struct layer *layer, const char *key, const char *value)
{
    const struct {
        const char *key;
        int *value;
    } numbers[] = {
        {"num_output", &layer->num_output}, {"kernel_size", &layer->kernel},
        {"stride", &layer->stride},         {"pad", &layer->pad},
        {"local_size", &layer->size},
    };
    for (size_t i = 0; i < TF2__COUNT(numbers); i++) {
        if (strcmp(key, numbers[i].key) == 0)
            *numbers[i].value = atoi(value);
    }
    if (strcmp(key, "pool") == 0)
        snprintf(layer->pool, sizeof(layer->pool), "%s", value);
    else if (strcmp(key, "alpha") == 0)
        layer->alpha = atof(value);
    else if (strcmp(key, "beta") == 0)
        layer->beta = atof(value);
    else if (strcmp(key, "bias_term") == 0)
        layer->no_bias = strcmp(value, "false") == 0;
    else if (strcmp(key, "global_pooling") == 0)
        layer->global = strcmp(value, "true") == 0;
}

/* Reads the next "layer { ... }"; false at the end of the file. */
static bool read_layer(FILE *file, struct layer *layer)
{
    char key[64] = "", value[64];
    int depth = 0;
    memset(layer, 0, sizeof(*layer));
    layer->stride = 1;
    while (strcmp(key, "layer") != 0) {
        token(file, key, sizeof(key));
        if (key[0] == '\0')
            return false;
    }
    do {
        token(file, value, sizeof(value));
        if (value[0] == '{' || value[0] == '}') {
            depth += value[0] == '{' ? 1 : -1;
            continue;
        }
        snprintf(key, sizeof(key), "%s", value);
        token(file, value, sizeof(value));
        if (value[0] == '{')
            depth++;
        else if (depth == 1)
            set_name(layer, key, value);
        else
            set_parameter(layer, key, value);
    } while (depth > 0 && !feof(file));
    return true;
}

static void check_window(const struct tf2_window *window, const struct layer *layer)
{
    for (int d = 0; d < 2; d++) {
        assert_int_equal(TF2__MAX(window->stride[d], 1), layer->stride);
        assert_int_equal(TF2__MAX(window->dilation[d], 1), 1);
        assert_int_equal(window->pad_begin[d], layer->pad);
        assert_int_equal(window->pad_end[d], layer->pad);
    }
    assert_int_equal(window->auto_pad, TF2_AUTO_PAD_EXPLICIT);
}

static void check_conv(const struct tf2_graph *graph, const struct tf2__node *node, const struct layer *layer)
{
    const struct tf2_conv_attr *attr = node->attr;
    const struct tf2_shape *weights = tf2_graph_shape(graph, node->in[1]);
    check_window(&attr->window, layer);
    assert_int_equal(weights->dim[0], layer->num_output);
    assert_int_equal(weights->dim[2], layer->kernel);
    assert_int_equal(weights->dim[3], layer->kernel);
    assert_int_equal(node->n_in, layer->no_bias ? 2 : 3);
}

static void check_pool(const struct tf2__node *node, const struct layer *layer)
{
    const struct tf2_pool_attr *attr = node->attr;
    assert_int_equal(attr->kind, strcmp(layer->pool, "AVE") == 0 ? TF2_POOL_AVG : TF2_POOL_MAX);
    assert_int_equal(attr->rounding, TF2_POOL_CEIL);
    assert_int_equal(attr->global, layer->global);
    if (layer->global)
        return;
    check_window(&attr->window, layer);
    assert_int_equal(attr->window.kernel[0], layer->kernel);
    assert_int_equal(attr->window.kernel[1], layer->kernel);
}

static void check_lrn(const struct tf2__node *node, const struct layer *layer)
{
    const struct tf2_lrn_attr *attr = node->attr;
    assert_int_equal(attr->region, TF2_LRN_ACROSS_CHANNELS);
    assert_int_equal(attr->size, layer->size);
    assert_true(attr->alpha == (float)layer->alpha && attr->beta == (float)layer->beta && attr->k == 1);
}

static void
check_attributes(const struct tf2_graph *graph, const struct tf2__node *node, const struct layer *layer)
{
    assert_int_equal(node->op->id, op_of(layer->type));
    if (node->op->id == TF2_OP_CONV)
        check_conv(graph, node, layer);
    else if (node->op->id == TF2_OP_POOL)
        check_pool(node, layer);
    else if (node->op->id == TF2_OP_LRN)
        check_lrn(node, layer);
    else if (node->op->id == TF2_OP_GEMM)
        assert_int_equal(tf2_graph_shape(graph, node->in[1])->dim[0], layer->num_output);
    else if (node->op->id == TF2_OP_ACTIVATION)
        assert_int_equal(((const struct tf2_activation *)node->attr)->kind, TF2_ACTIVATION_RELU);
}

/* Which layer wrote a Caffe blob last (layers may write in place), "data" when none did. */
static const char *writer_of(const struct layer *layers, uint32_t n, const char *blob)
{
    while (n-- > 0) {
        if (strcmp(layers[n].top, blob) == 0)
            return layers[n].name;
    }
    assert_string_equal(blob, "data");
    return blob;
}

static void check_definition(FILE *file, const struct tf2_graph *graph)
{
    struct layer *layers = calloc(graph->n_nodes + 1, sizeof(*layers));
    uint32_t n = 0;
    assert_non_null(layers);
    while (n <= graph->n_nodes && read_layer(file, &layers[n])) {
        const struct tf2__node *node = &graph->nodes[n];
        if (strcmp(layers[n].type, "Input") == 0)
            continue;
        assert_in_range(n, 0, graph->n_nodes - 1);
        assert_string_equal(node->name, layers[n].name);
        check_attributes(graph, node, &layers[n]);
        for (int i = 0; i < layers[n].n_bottoms; i++)
            assert_string_equal(graph->tensors[node->in[i]].name, writer_of(layers, n, layers[n].bottom[i]));
        n++;
    }
    assert_int_equal(n, graph->n_nodes);
    free(layers);
}

static void test_definitions(void **state)
{
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(nets); i++) {
        FILE *file = nets[i].prototxt ? open_shared(nets[i].prototxt) : NULL;
        struct tf2_graph *graph;
        if (!nets[i].prototxt)
            continue;
        if (!file)
            skip();
        graph = build(nets[i].name, 1);
        check_definition(file, graph);
        tf2_graph_destroy(&graph);
        fclose(file);
    }
}

static const float *weights_of(const struct tf2_graph *graph, const char *name, int64_t *n)
{
    tf2_tensor_id id = tf2__graph_find(graph, name);
    assert_int_not_equal(id, TF2_NO_TENSOR);
    *n = tf2_shape_count(&graph->tensors[id].shape);
    return graph->tensors[id].data;
}

/* The first outputs of splitmix64 for seed 1234567, from the reference implementation's published test
 * vector. */
static void test_generator(void **state)
{
    static const uint64_t wanted[] = {
        UINT64_C(6457827717110365317), UINT64_C(3203168211198807973), UINT64_C(9817491932198370423),
        UINT64_C(4593380528125082431)};
    struct tf2_graph *graph = build("mtcnn_rnet", 1234567);
    int64_t n;
    const float *w = weights_of(graph, "conv1.weights", &n);
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(wanted); i++) {
        double unit = ((double)(wanted[i] >> 40) + 0.5) / (1 << 23) - 1;
        assert_true(fabs(w[i] - unit * sqrt(6.0 / 27)) < 1e-7);
    }
    tf2_graph_destroy(&graph);
}

static void test_seeds(void **state)
{
    struct tf2_graph *a = build("squeezenet", 1), *b = build("squeezenet", 1), *c = build("squeezenet", 2);
    int64_t n;
    const float *w = weights_of(a, "fire9/expand3x3.weights", &n);
    double sum = 0, squares = 0;
    (void)state;
    assert_memory_equal(w, weights_of(b, "fire9/expand3x3.weights", &n), (size_t)n * sizeof(*w));
    assert_memory_not_equal(w, weights_of(c, "fire9/expand3x3.weights", &n), (size_t)n * sizeof(*w));
    for (int64_t i = 0; i < n; i++) {
        sum += w[i];
        squares += (double)w[i] * w[i];
    }
    assert_true(fabs(sum / (double)n) < 1e-3);
    assert_true(fabs(squares / (double)n / (2.0 / (64 * 9)) - 1) < 0.02);
    tf2_graph_destroy(&a);
    tf2_graph_destroy(&b);
    tf2_graph_destroy(&c);
}

static void
make_view(const struct tf2_graph *graph, tf2_tensor_id id, float *const *data, struct tf2__view *view)
{
    const struct tf2__tensor *tensor = &graph->tensors[id];
    const void *values = tensor->data ? tensor->data : data[id];
    tf2__view_dense(view, values, TF2_DTYPE_F32, &tensor->shape);
}

static void eval_node(const struct tf2_graph *graph, const struct tf2__node *node, float *const *data)
{
    struct tf2__view in[8], out;
    assert_in_range(node->n_in, 1, TF2__COUNT(in));
    for (uint32_t i = 0; i < node->n_in; i++)
        make_view(graph, node->in[i], data, &in[i]);
    make_view(graph, node->out, data, &out);
    node->op->eval(node->attr, in, node->n_in, &out);
}

/* Runs a small network by the operators' definitions and checks that its outputs are numbers one can compare.
 */
static void check_values(const char *name)
{
    struct tf2_graph *graph = build(name, 1);
    float **data = calloc(graph->n_tensors, sizeof(*data));
    const struct tf2__tensor *prob = &graph->tensors[graph->outputs[graph->n_outputs - 1].tensor];
    const float *p;
    assert_non_null(data);
    for (uint32_t i = 0; i < graph->n_tensors; i++) {
        data[i] = calloc((size_t)tf2_shape_count(&graph->tensors[i].shape), sizeof(float));
        assert_non_null(data[i]);
    }
    for (int64_t i = 0; i < tf2_shape_count(&graph->tensors[graph->inputs[0]].shape); i++)
        data[graph->inputs[0]][i] = (float)(i * 37 % 256) / 127.5f - 1;
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        eval_node(graph, &graph->nodes[i], data);
    assert_string_equal(prob->name, "prob1");
    p = data[graph->outputs[graph->n_outputs - 1].tensor];
    assert_true(fabs(p[0] + p[1] - 1) < 1e-6 && p[0] > 0.01 && p[0] < 0.99);
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        free(data[i]);
    free(data);
    tf2_graph_destroy(&graph);
}

static void test_values(void **state)
{
    (void)state;
    check_values("mtcnn_rnet");
    check_values("mtcnn_onet");
}

static void test_unknown(void **state)
{
    struct tf2_graph *graph = NULL;
    struct tf2_error error;
    (void)state;
    assert_int_equal(bench_net_build("squeezenet2", 1, &graph, &error), TF2_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "'squeezenet2'"));
    assert_non_null(strstr(error.message, "mtcnn_onet"));
    assert_int_equal(bench_net_build("", 1, &graph, NULL), TF2_ERR_NOT_FOUND);
    assert_null(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_totals),    cmocka_unit_test(test_shapes), cmocka_unit_test(test_definitions),
        cmocka_unit_test(test_generator), cmocka_unit_test(test_seeds),  cmocka_unit_test(test_values),
        cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
