/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_self_test.c: tf2-run --self-test: does every device compute what was computed when the file was made?
 */
#include "run.h"

#include <stdio.h>
#include <string.h>

static json_t *device_json(const struct tf2_device_info *device, bool ok, const struct tf2_error *error)
{
    return json_pack(
        "{s:o, s:o, s:b, s:o}", "device", cli_text_json(device->id), "name", cli_text_json(device->name),
        "ok", ok, "message", cli_text_json(ok ? NULL : error->message));
}

/* True when it passed. */
static bool test_device(
    const struct run_task *task, struct tf2_devices *devices, size_t index, bool text, json_t *results)
{
    struct tf2_device_info device = {.id = "?", .name = "?"};
    struct tf2_error error = {0};
    tf2_devices_info(devices, index, &device);
    cli_progress("self-test on %s", device.id);
    bool ok = tf2_model_self_test(task->model, devices, index, &error) == TF2_OK;
    cli_progress_clear();
    if (!ok)
        cli_fail("%s on %s: %s", task->options->model.path, device.id, error.message);
    else if (text)
        printf("%-6s ok\n", device.id);
    json_array_append_new(results, device_json(&device, ok, &error));
    return ok;
}

int run_self_test(const struct run_task *task)
{
    const struct run_options *o = task->options;
    bool text = !o->json_path || strcmp(o->json_path, "-") != 0;
    struct tf2_devices *devices = NULL;
    struct tf2_error error;
    int result = 0;
    if (!task->info.has_example)
        return cli_fail(
            "%s: no example to test with, wanted a .tf2 file that tf2-convert made without --no-example",
            o->model.path);
    if (tf2_devices_open(o->devices, NULL, &devices, &error) != TF2_OK)
        return cli_fail("%s", error.message);
    json_t *results = json_array();
    for (size_t i = 0; i < tf2_devices_count(devices); i++) {
        if (!test_device(task, devices, i, text, results))
            result = 1;
    }
    tf2_devices_close(&devices);
    if (!o->json_path) {
        json_decref(results);
        return result;
    }
    int written = cli_write_json(
        json_pack("{s:o, s:o}", "model", cli_text_json(o->model.path), "self_test", results), o->json_path);
    return result ? result : written;
}
