/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export.c: models to files of other programs' formats. The only file of the API that leads to the exporters:
 * a program that does not call this does not link them, nor protobuf-c.
 */
#include <tf2/model.h>

#include "transform/export/export.h"
#include "transform/model/model.h"

enum tf2_status
tf2_model_export_onnx(const struct tf2_model *model, const char *path, struct tf2_error *error)
{
    if (!model || !path)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "export: model or path is NULL");
    enum tf2_status status = tf2__export_onnx(model->graph, model->name, path, error);
    return status == TF2_OK ? TF2_OK : tf2__fail_prefix(error, status, "%s", path);
}
