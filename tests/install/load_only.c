/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_only.c: runs a .tf2 file with one input and one output on the host device, on zeros. Like graph_only.c
 * it needs no importer, and must not get any from a static library.
 */
#include <stdio.h>
#include <stdlib.h>
#include <tf2/tf2.h>

static enum tf2_status
run(const struct tf2_model *model, struct tf2_session *session, struct tf2_error *error)
{
    struct tf2_tensor_info in, out;
    const void *inputs[1];
    void *outputs[1];
    float *x, *y;
    enum tf2_status status;
    tf2_model_input(model, 0, &in);
    tf2_model_output(model, 0, &out);
    x = (float *)calloc((size_t)tf2_shape_count(&in.shape), sizeof(*x));
    y = (float *)calloc((size_t)tf2_shape_count(&out.shape), sizeof(*y));
    inputs[0] = x;
    outputs[0] = y;
    status = tf2_session_run(session, inputs, outputs, error);
    if (status == TF2_OK)
        printf("%s: %g\n", out.name, (double)y[0]);
    free(x);
    free(y);
    return status;
}

int main(int argc, char **argv)
{
    struct tf2_error error;
    struct tf2_model *model = NULL;
    struct tf2_devices *devices = NULL;
    struct tf2_session *session = NULL;
    enum tf2_status status;
    if (argc != 2)
        return 2;
    status = tf2_model_load(argv[1], NULL, &model, &error);
    if (status == TF2_OK)
        status = tf2_devices_open("host", NULL, &devices, &error);
    if (status == TF2_OK)
        status = tf2_session_create(model, devices, 0, NULL, &session, &error);
    if (status == TF2_OK)
        status = run(model, session, &error);
    if (status != TF2_OK)
        fprintf(stderr, "load_only: %s\n", error.message);
    tf2_session_destroy(&session);
    tf2_devices_close(&devices);
    tf2_model_destroy(&model);
    return status == TF2_OK ? 0 : 1;
}
