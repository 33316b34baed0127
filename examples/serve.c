/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve.c: one hundred requests at once to the accelerator that a name stands for, on all devices of the machine.
 *
 *     cc serve.c $(pkg-config --cflags --libs libtf2) -o serve
 *     ./serve models com.example.digits          models/com.example.digits.tf2 is there
 */
#include <stdio.h>
#include <tf2/tf2.h>

int main(int argc, char **argv)
{
    static struct tf2_request *requests[100];
    struct tf2_engine_options options = {0};
    struct tf2_engine *engine = NULL;
    struct tf2_accelerator *accelerator = NULL;
    struct tf2_client *client = NULL;
    struct tf2_tensor_info in, out;
    struct tf2_error error = {TF2_OK, "wanted REPOSITORY NAME"};
    float *x = NULL, *y = NULL;
    size_t i, n_in, n_out, n_done = 0;

    options.repository = argc == 3 ? argv[1] : NULL;
    if (argc != 3 || tf2_engine_create(NULL, &options, &engine, &error) ||
        tf2_accelerator_open(engine, argv[2], NULL, &accelerator, &error) ||
        tf2_client_create(engine, NULL, &client, &error))
        goto end;
    tf2_accelerator_input(accelerator, 0, &in);
    tf2_accelerator_output(accelerator, 0, &out);
    n_in = (size_t)tf2_shape_count(&in.shape), n_out = (size_t)tf2_shape_count(&out.shape);
    x = (float *)tf2_alloc(n_in * sizeof(float));
    y = (float *)tf2_alloc(100 * n_out * sizeof(float));
    for (i = 0; x && i < n_in; i++)
        x[i] = (float)(i % 17); /* your data: it stays as it is until the requests are complete */
    for (i = 0; x && y && i < 100; i++) {
        const void *inputs[1] = {x};
        void *outputs[1] = {y + i * n_out};
        if (tf2_client_submit(client, accelerator, inputs, outputs, NULL, &requests[i], &error))
            goto end;
    }
    for (i = 0; x && y && i < 100; i++)
        n_done += tf2_request_wait(requests[i], TF2_FOREVER, &error) == TF2_OK;
    printf("%d requests done\n", (int)n_done);
end:
    if (n_done < 100)
        fprintf(stderr, "%s\n", error.message);
    tf2_client_destroy(&client); /* cancels what still waits */
    tf2_accelerator_close(&accelerator);
    tf2_engine_destroy(&engine); /* returns when nothing uses x and y any more */
    for (i = 0; i < 100; i++)
        tf2_request_release(&requests[i]);
    tf2_free(x);
    tf2_free(y);
    return n_done < 100;
}
