/* SPDX-License-Identifier: Apache-2.0 */
/*
 * make_compat.c: writes the .tf2 files of a new version of the format, and what their networks compute:
 *
 *     ninja -C build tests/golden/make_compat
 *     build/tests/golden/make_compat tests/golden/compat v1_0_
 *
 * One file per set of features; *.npy has all outputs one after the other, as the host device computes them.
 * Files of released versions are never written again: that they can still be read is what test_compat.c is
 * about. The names of the files and their contents are listed there.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include <tf2/image.h>

#include "net.h"
#include "tf2_file.h"
#include "transform/model/model.h"

/* Nothing but what every file has. */
static struct tf2_model *small_model(const char *name, struct tf2_shape shape)
{
    struct net net;
    struct tf2_model *model = NULL;
    net_open(&net, 1);
    net_output(&net, net_activation(&net, net_input(&net, "x", shape), TF2_ACTIVATION_SIGMOID, 0, 0));
    if (tf2_model_from_graph(&net.graph, name, NULL, &model, NULL) != TF2_OK)
        exit(1);
    return model;
}

static void write_outputs(const struct tf2_model *model, const char *path)
{
    struct tf2_file_example example = tf2_file_example(model);
    float *all = NULL;
    size_t n_all = 0;
    struct tf2_error error;
    for (uint32_t i = 0; i < model->graph->n_outputs; i++) {
        const struct tf2_shape *shape = &model->graph->tensors[model->graph->outputs[i].tensor].shape;
        size_t n = (size_t)tf2_shape_count(shape);
        all = realloc(all, (n_all + n) * sizeof(*all));
        memcpy(all + n_all, example.outputs[i], n * sizeof(*all));
        n_all += n;
    }
    if (tf2_npy_save(path, TF2_DTYPE_F32, &SHAPE((int64_t)n_all), all, &error) != TF2_OK) {
        fprintf(stderr, "make_compat: %s\n", error.message);
        exit(1);
    }
    free(all);
    tf2_file_example_free(&example);
}

/* Takes the model over. */
static void
write_model(const char *folder, const char *prefix, const char *name, bool full, struct tf2_model *model)
{
    char path[1024];
    struct tf2_file_bytes bytes = full ? tf2_file_save_full(model) : tf2_file_save(model, NULL);
    snprintf(path, sizeof(path), "%s/%s%s.tf2", folder, prefix, name);
    tf2_file_write(path, bytes.data, bytes.n);
    snprintf(path, sizeof(path), "%s/%s%s.npy", folder, prefix, name);
    write_outputs(model, path);
    free(bytes.data);
    tf2_model_destroy(&model);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: make_compat FOLDER PREFIX\n");
        return 2;
    }
    write_model(argv[1], argv[2], "bare", false, small_model("bare", SHAPE(2, 3)));
    write_model(
        argv[1], argv[2], "gray", true, small_model("gray", SHAPE(1, 1, 6, 6))); /* bytes as an example */
    write_model(argv[1], argv[2], "float", true, tf2_file_float_model(false));
    write_model(argv[1], argv[2], "fused", true, tf2_file_float_model(true));
    write_model(argv[1], argv[2], "int8", true, tf2_file_int8_model());
    return 0;
}
