/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "common/file.h"
#include "export_check.h"
#include "reference_run.h"
#include "transform/export/export.h"
#include "transform/model/model.h"

void export_path(char path[EXPORT_PATH_MAX])
{
    snprintf(path, EXPORT_PATH_MAX, "test_export_%ld.onnx", (long)getpid());
}

void export_remove(void)
{
    char path[EXPORT_PATH_MAX];
    export_path(path);
    remove(path);
}

Tf2__Onnx__ModelProto *export_read(void)
{
    char path[EXPORT_PATH_MAX];
    struct tf2__file file;
    struct tf2_error error = {0};
    export_path(path);
    if (tf2__file_map(path, &file, &error) != TF2_OK)
        fail_msg("%s", error.message);
    Tf2__Onnx__ModelProto *model = tf2__onnx__model_proto__unpack(NULL, file.size_bytes, file.data);
    tf2__file_unmap(&file);
    assert_non_null(model);
    return model;
}

Tf2__Onnx__ModelProto *exported(const struct net *net)
{
    char path[EXPORT_PATH_MAX];
    struct tf2_error error = {0};
    export_path(path);
    if (tf2__export_onnx(net->graph, "net", path, &error) != TF2_OK)
        fail_msg("%s", error.message);
    return export_read();
}

void export_check_batch(const struct net *net, int64_t batch)
{
    struct reference_outputs wanted = {0}, found = {0};
    struct tf2_named_shape named = {.shape = net->graph->tensors[net->graph->inputs[0]].shape};
    struct tf2_import_options options = {.input_shapes = &named, .n_input_shapes = 1, .no_optimize = true};
    struct tf2_model *model = NULL;
    struct tf2_error error = {0};
    char path[EXPORT_PATH_MAX];
    export_path(path);
    if (batch)
        named.shape.dim[0] = batch;
    if (tf2_model_import(path, NULL, &options, &model, &error) != TF2_OK)
        fail_msg("batch %d: %s", (int)batch, error.message);
    assert_int_equal(reference_run_random(net->graph, batch, 3, -2, 2, &wanted, &error), TF2_OK);
    assert_int_equal(reference_run_random(model->graph, batch, 3, -2, 2, &found, &error), TF2_OK);
    double difference = reference_difference(&wanted, &found);
    if (!(difference <= 1e-6))
        fail_msg("batch %d: outputs differ by %g", (int)batch, difference);
    reference_outputs_free(&wanted);
    reference_outputs_free(&found);
    tf2_model_destroy(&model);
}
