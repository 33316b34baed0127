/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_caffe_files.c: published Caffe networks: shapes of every layer, numbers of the MTCNN networks against
 * OpenCV's.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../support/caffe.h"
#include "../support/reference_run.h"
#include "common/file.h"

/* Imports shared/models/`path` with made-up weights; false when the file is absent. */
static bool import_shared(
    const char *path, const char *weights_path, const struct tf2_shape *shape, struct caffe_net *net)
{
    char full[256];
    struct tf2__file file = {0}, weights = {0};
    const struct tf2_named_shape named = {.shape = shape ? *shape : (struct tf2_shape){0}};
    const struct tf2_import_options options = {
        .random_weights_seed = weights_path ? 0 : 1, .input_shapes = &named, .n_input_shapes = shape != NULL};
    memset(net, 0, sizeof(*net));
    snprintf(full, sizeof(full), "models/%s", path);
    if (!caffe_shared_file(full, &file))
        return false;
    snprintf(full, sizeof(full), "models/%s", weights_path ? weights_path : "");
    if (weights_path && !caffe_shared_file(full, &weights))
        return false;
    const struct tf2__source source = {
        .name = path,
        .data = file.data,
        .size_bytes = file.size_bytes,
        .weights_name = weights_path,
        .weights = weights.data,
        .weights_bytes = weights.size_bytes};
    assert_int_equal(tf2_graph_create(NULL, &net->graph, &net->error), TF2_OK);
    net->status = tf2__import(&source, &options, net->graph, &net->error);
    tf2__file_unmap(&file);
    tf2__file_unmap(&weights);
    return true;
}

/* --- shapes.json: {"file": {..., "layers": [{"name": "x", "type": "T", "output": [1, 2], ...}, ...]}, ...}
 * --- */

/* The string behind `key` from `at` on. */
static const char *read_string(const char *at, const char *key, char *text, size_t size)
{
    at = strstr(at, key);
    assert_non_null(at);
    at = strchr(at + strlen(key), '"') + 1;
    const char *end = strchr(at, '"');
    assert_true((size_t)(end - at) < size);
    memcpy(text, at, (size_t)(end - at));
    text[end - at] = '\0';
    return end;
}

static struct tf2_shape read_shape(const char *at)
{
    struct tf2_shape shape = {0};
    char *end;
    at = strchr(strstr(at, "\"output\""), '[') + 1;
    for (;; at = end + 1) {
        assert_true(shape.n_dims < TF2_MAX_DIMS);
        shape.dim[shape.n_dims++] = strtol(at, &end, 10);
        end += strspn(end, " \n");
        if (*end == ']')
            return shape;
    }
}

/*
 * Compares the layers of one file that the graph has (all of them when `all`), and their
 * multiply-accumulates; returns how many.
 */
static int check_layers(const struct caffe_net *net, const char *json, const char *file, bool all)
{
    char key[128];
    int n = 0;
    snprintf(key, sizeof(key), "\"%s\"", file);
    const char *at = strstr(json, key);
    assert_non_null(at);
    at = strchr(strstr(at, "\"layers\""), '[') + 1;
    for (at += strspn(at, ", \n"); *at != ']'; at += strspn(at, ", \n")) {
        char name[128], type[64], wanted_text[128], text[128];
        read_string(at, "\"name\":", name, sizeof(name));
        read_string(at, "\"type\":", type, sizeof(type));
        struct tf2_shape wanted = read_shape(at);
        wanted.dim[0] = 1; /* the file's batch is only a suggestion */
        bool any_rows =
            wanted.n_dims == 4 && wanted.dim[2] == -1; /* as many as are found: here all there may be */
        int64_t macs = strtoll(strchr(strstr(at, "\"macs_per_image\""), ':') + 1, NULL, 10);
        tf2_tensor_id id = tf2__graph_find(net->graph, name);
        at = strchr(at, '}') + 1;
        if (id == TF2_NO_TENSOR && !all)
            continue;
        if (id == TF2_NO_TENSOR)
            fail_msg("%s: no tensor '%s' (%s)", file, name, type);
        const struct tf2__tensor *tensor = &net->graph->tensors[id];
        if (any_rows)
            wanted.dim[2] = tensor->shape.dim[2];
        if (!tf2_shape_equal(&tensor->shape, &wanted))
            fail_msg(
                "%s: %s is %s instead of %s", file, name,
                tf2_shape_format(&tensor->shape, text, sizeof(text)),
                tf2_shape_format(&wanted, wanted_text, sizeof(wanted_text)));
        struct tf2_shape *shapes = calloc(net->graph->n_tensors, sizeof(*shapes));
        for (uint32_t i = 0; i < net->graph->n_tensors; i++)
            shapes[i] = net->graph->tensors[i].shape;
        if (macs)
            assert_int_equal(tf2__node_macs(&net->graph->nodes[tensor->producer], shapes), macs);
        free(shapes);
        n++;
    }
    return n;
}

/* shared/models/structure/shapes.json as text; free it. NULL: absent. */
static char *read_shapes_json(void)
{
    struct tf2__file json;
    if (!caffe_shared_file("models/structure/shapes.json", &json))
        return NULL;
    char *text = calloc(json.size_bytes + 1, 1);
    memcpy(text, json.data, json.size_bytes);
    tf2__file_unmap(&json);
    return text;
}

static void shapes_of_published_networks(void **state)
{
    static const struct {
        const char *file;
        int n_layers;
    } cases[] = {
        {"MobileNetSSD_deploy.prototxt", 119},
        {"ResNet-50-deploy.prototxt", 228},
        {"SSD_VGG_300x300_deploy.prototxt", 101},
        {"VGG16_deploy.prototxt", 39},
        {"bvlc_alexnet_deploy.prototxt", 24},
        {"bvlc_googlenet_deploy.prototxt", 143},
        {"bvlc_reference_caffenet_deploy.prototxt", 24},
        {"lenet_deploy.prototxt", 9},
        {"mobilenet_v1_deploy.prototxt", 111},
        {"mobilenet_v2_deploy.prototxt", 208},
        {"squeezenet_v1.0_deploy.prototxt", 66},
    };
    char *json = read_shapes_json();
    (void)state;
    if (!json)
        skip();
    for (size_t i = 0; i < TF2__COUNT(cases); i++) {
        char path[128];
        struct caffe_net net;
        snprintf(path, sizeof(path), "structure/%s", cases[i].file);
        assert_true(import_shared(path, NULL, NULL, &net));
        if (net.status != TF2_OK)
            fail_msg("%s", net.error.message);
        assert_int_equal(check_layers(&net, json, cases[i].file, true), cases[i].n_layers);
        caffe_net_free(&net);
    }
    free(json);
}

/* The backbone of a detector can be had by naming blobs inside. */
static void part_of_a_network(void **state)
{
    const char *outputs[] = {"mbox_loc", "mbox_conf_flatten"};
    const struct tf2_import_options options = {.random_weights_seed = 1, .outputs = outputs, .n_outputs = 2};
    struct tf2__file file;
    struct caffe_net net = {0};
    char text[128];
    char *json = read_shapes_json();
    (void)state;
    if (!json || !caffe_shared_file("models/structure/MobileNetSSD_deploy.prototxt", &file))
        skip();
    const struct tf2__source source = {.name = "ssd", .data = file.data, .size_bytes = file.size_bytes};
    assert_int_equal(tf2_graph_create(NULL, &net.graph, &net.error), TF2_OK);
    if (tf2__import(&source, &options, net.graph, &net.error) != TF2_OK)
        fail_msg("%s", net.error.message);
    assert_string_equal(caffe_net_shape(&net, "mbox_loc", text), "1x7668");
    assert_string_equal(caffe_net_shape(&net, "mbox_conf_flatten", text), "1x40257");
    /* 119 without 6 PriorBox, their Concat, and DetectionOutput */
    assert_int_equal(check_layers(&net, json, "MobileNetSSD_deploy.prototxt", false), 111);
    free(json);
    caffe_net_free(&net);
    tf2__file_unmap(&file);
}

/* What the definitions' authors publish of them: C3D's Table of features, and fc6 of 8192 inputs. */
static void shapes_of_videos(void **state)
{
    static const struct {
        const char *file, *tensor, *shape;
    } cases[] = {
        {"c3d_sport1m_deploy_v1.0", "data", "1x3x16x112x112"},
        {"c3d_sport1m_deploy_v1.0", "pool1", "1x64x16x56x56"},
        {"c3d_sport1m_deploy_v1.0", "pool2", "1x128x8x28x28"},
        {"c3d_sport1m_deploy_v1.0", "pool5", "1x512x1x4x4"},
        {"c3d_sport1m_deploy_v1.0", "fc6-1.weights", "4096x8192"},
        {"c3d_sport1m_deploy_v1.0", "prob", "1x487"},
        {"c3d_resnet18_ucf101_deploy_v1.1", "data", "1x3x8x112x112"},
        {"c3d_resnet18_ucf101_deploy_v1.1", "conv1", "1x64x8x56x56"},
        {"c3d_resnet18_ucf101_deploy_v1.1", "pool5", "1x512x1x1x1"},
        {"c3d_resnet18_ucf101_deploy_v1.1", "prob", "1x487"},
    };
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(cases); i++) {
        char path[128], text[128];
        struct caffe_net net;
        snprintf(path, sizeof(path), "structure/%s.prototxt", cases[i].file);
        if (!import_shared(path, NULL, NULL, &net))
            skip();
        if (net.status != TF2_OK)
            fail_msg("%s", net.error.message);
        assert_string_equal(caffe_net_shape(&net, cases[i].tensor, text), cases[i].shape);
        caffe_net_free(&net);
    }
}

static void squeezenet_has_its_weights(void **state)
{
    struct caffe_net net;
    int64_t n_weights = 0;
    char text[128];
    (void)state;
    if (!import_shared(
            "squeezenet_v1.1/deploy.prototxt", "squeezenet_v1.1/squeezenet_v1.1.caffemodel", NULL, &net))
        skip();
    if (net.status != TF2_OK)
        fail_msg("%s", net.error.message);
    for (uint32_t i = 0; i < net.graph->n_tensors; i++)
        n_weights += net.graph->tensors[i].data ? tf2_shape_count(&net.graph->tensors[i].shape) : 0;
    assert_int_equal(n_weights, 1235496); /* the published number of parameters */
    assert_string_equal(caffe_net_shape(&net, "data", text), "1x3x227x227");
    assert_string_equal(caffe_net_shape(&net, "pool10", text), "1x1000x1x1");
    assert_string_equal(net.graph->outputs[0].name, "prob");
    caffe_net_free(&net);
}

/* --- numbers --- */

/* A float array of shared/reference/mtcnn; free it. The header is 10 bytes and what it says. */
static float *read_npy(const char *name, size_t n_wanted)
{
    char path[128];
    struct tf2__file file;
    snprintf(path, sizeof(path), "reference/mtcnn/%s.npy", name);
    if (!caffe_shared_file(path, &file))
        return NULL;
    size_t header = 10 + file.data[8] + 256u * file.data[9];
    assert_int_equal(file.size_bytes - header, n_wanted * sizeof(float));
    float *data = malloc(n_wanted * sizeof(float));
    memcpy(data, file.data + header, n_wanted * sizeof(float));
    tf2__file_unmap(&file);
    return data;
}

/* In place: the Caffe networks were trained with the image's axes swapped. */
static void swap_axes(float *data, size_t n_planes, size_t rows, size_t columns)
{
    float *plane = malloc(rows * columns * sizeof(float));
    for (size_t p = 0; p < n_planes; p++, data += rows * columns) {
        for (size_t r = 0; r < rows; r++) {
            for (size_t c = 0; c < columns; c++)
                plane[c * rows + r] = data[r * columns + c];
        }
        memcpy(data, plane, rows * columns * sizeof(float));
    }
    free(plane);
}

struct mtcnn_case {
    const char *net, *file;
    int64_t batch, rows, columns;
    size_t n_outputs;
    struct {
        const char *blob, *reference;
        size_t channels, rows, columns;
    } outputs[3];
};

static const struct mtcnn_case mtcnn_cases[] = {
    {"pnet", "det1", 1, 120, 160, 2, {{"conv4-2", "pnet_reg", 4, 55, 75}, {"prob1", "pnet_prob", 2, 55, 75}}},
    {"rnet", "det2", 8, 24, 24, 2, {{"conv5-2", "rnet_reg", 4, 1, 1}, {"prob1", "rnet_prob", 2, 1, 1}}},
    {"onet",
     "det3",
     8,
     48,
     48,
     3,
     {{"conv6-2", "onet_reg", 4, 1, 1},
      {"conv6-3", "onet_points", 10, 1, 1},
      {"prob1", "onet_prob", 2, 1, 1}}},
};

static void check_output(
    const struct mtcnn_case *c, size_t i, const struct caffe_net *net,
    const struct reference_outputs *outputs)
{
    size_t n = (size_t)c->batch * c->outputs[i].channels * c->outputs[i].rows * c->outputs[i].columns;
    float *wanted = read_npy(c->outputs[i].reference, n);
    double largest = 0;
    assert_non_null(wanted);
    assert_string_equal(net->graph->outputs[i].name, c->outputs[i].blob);
    assert_int_equal(tf2_shape_count(&outputs->shape[i]), n);
    swap_axes(wanted, (size_t)c->batch * c->outputs[i].channels, c->outputs[i].rows, c->outputs[i].columns);
    for (size_t k = 0; k < n; k++)
        largest = fmax(largest, fabs(outputs->data[i][k] - wanted[k]));
    print_message("%s.%s: largest difference %g\n", c->net, c->outputs[i].blob, largest);
    assert_true(largest < 5e-6);
    free(wanted);
}

static void mtcnn_gives_the_reference_numbers(void **state)
{
    (void)state;
    for (size_t k = 0; k < TF2__COUNT(mtcnn_cases); k++) {
        const struct mtcnn_case *c = &mtcnn_cases[k];
        const struct tf2_shape shape = {4, {c->batch, 3, c->columns, c->rows}};
        struct reference_outputs outputs = {0};
        struct tf2_error error;
        struct caffe_net net;
        char definition[64], weights[64], input[64];
        snprintf(definition, sizeof(definition), "mtcnn/caffe/%s.prototxt", c->file);
        snprintf(weights, sizeof(weights), "mtcnn/caffe/%s.caffemodel", c->file);
        snprintf(input, sizeof(input), "%s_input", c->net);
        float *x = read_npy(input, (size_t)tf2_shape_count(&shape));
        if (!x || !import_shared(definition, weights, &shape, &net))
            skip();
        if (net.status != TF2_OK)
            fail_msg("%s", net.error.message);
        swap_axes(x, (size_t)c->batch * 3, (size_t)c->rows, (size_t)c->columns);
        assert_int_equal(reference_run(net.graph, NULL, (const float *const *)&x, &outputs, &error), TF2_OK);
        assert_int_equal(net.graph->n_outputs, c->n_outputs);
        for (size_t i = 0; i < c->n_outputs; i++)
            check_output(c, i, &net, &outputs);
        reference_outputs_free(&outputs);
        caffe_net_free(&net);
        free(x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_of_published_networks),
        cmocka_unit_test(shapes_of_videos),
        cmocka_unit_test(part_of_a_network),
        cmocka_unit_test(squeezenet_has_its_weights),
        cmocka_unit_test(mtcnn_gives_the_reference_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
