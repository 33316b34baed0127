/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_only.c: a network built by the program itself, on the host device. It needs no importer, so that a
 * static link must leave the importers and their libraries out (test_install.sh looks).
 */
#include <stdio.h>
#include <string.h>
#include <tf2/tf2.h>

/* y = max(2 x, 0) on two channels of 1 x 2 pixels. */
static enum tf2_status build(struct tf2_graph *graph, struct tf2_error *error)
{
    const struct tf2_shape shape = {4, {1, 2, 1, 2}}, weights_shape = {4, {2, 2, 1, 1}};
    const float weights[4] = {2, 0, 0, 2};
    tf2_tensor_id conv_inputs[2], x, y;
    struct tf2_activation relu;
    enum tf2_status status = tf2_graph_add_input(graph, "x", TF2_DTYPE_F32, &shape, &conv_inputs[0], error);
    memset(&relu, 0, sizeof(relu));
    relu.kind = TF2_ACTIVATION_RELU;
    if (status == TF2_OK)
        status = tf2_graph_add_constant(
            graph, "w", TF2_DTYPE_F32, &weights_shape, weights, &conv_inputs[1], error);
    if (status == TF2_OK)
        status = tf2_graph_add_node(graph, TF2_OP_CONV, "conv", NULL, conv_inputs, 2, &x, error);
    if (status == TF2_OK)
        status = tf2_graph_add_node(graph, TF2_OP_ACTIVATION, "y", &relu, &x, 1, &y, error);
    if (status == TF2_OK)
        status = tf2_graph_add_output(graph, y, NULL, error);
    return status;
}

int main(void)
{
    struct tf2_error error;
    struct tf2_graph *graph = NULL;
    struct tf2_model *model = NULL;
    struct tf2_devices *devices = NULL;
    struct tf2_session *session = NULL;
    const float input[4] = {-1, 2, 3, -4};
    float output[4] = {0, 0, 0, 0};
    const void *inputs[1];
    void *outputs[1];
    enum tf2_status status = tf2_graph_create(NULL, &graph, &error);
    inputs[0] = input;
    outputs[0] = output;
    if (status == TF2_OK)
        status = build(graph, &error);
    if (status == TF2_OK)
        status = tf2_model_from_graph(&graph, "small", NULL, &model, &error);
    if (status == TF2_OK)
        status = tf2_devices_open("host", NULL, &devices, &error);
    if (status == TF2_OK)
        status = tf2_session_create(model, devices, 0, NULL, &session, &error);
    if (status == TF2_OK)
        status = tf2_session_run(session, inputs, outputs, &error);
    if (status != TF2_OK)
        fprintf(stderr, "graph_only: %s\n", error.message);
    else
        printf("%g %g %g %g\n", (double)output[0], (double)output[1], (double)output[2], (double)output[3]);
    tf2_session_destroy(&session);
    tf2_devices_close(&devices);
    tf2_model_destroy(&model);
    tf2_graph_destroy(&graph);
    return status == TF2_OK ? 0 : 1;
}
