/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tf2_file_nets.c: the built-in networks as .tf2 files: the same network comes back, its weights lie in
 * the mapping, and the file is hardly larger than they are.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../bench/nets.h"
#include "tf2_file.h"
#include "transform/model/model.h"

static void check_mapped(const struct tf2_model *model)
{
    for (uint32_t i = 0; i < model->graph->n_tensors; i++) {
        const unsigned char *data = model->graph->tensors[i].data;
        assert_true(
            !data || (data >= model->file.data && data < model->file.data + model->file.size_bytes &&
                      (uintptr_t)data % 64 == 0));
    }
}

static void check_net(const char *name, const char *path)
{
    struct tf2_graph *graph = NULL;
    struct tf2_model *model = NULL, *loaded = NULL;
    struct tf2_error error;
    enum tf2_status status = bench_net_build(name, 1, &graph, &error);
    if (status == TF2_OK)
        status = tf2_model_from_graph(&graph, name, NULL, &model, &error);
    if (status == TF2_OK)
        status = tf2_model_save(model, path, NULL, &error);
    if (status == TF2_OK)
        status = tf2_model_load(path, NULL, &loaded, &error);
    if (status != TF2_OK)
        fail_msg("%s: %s", name, error.message);
    tf2_file_check_same(model, loaded);
    check_mapped(loaded);
    size_t overhead = loaded->file.size_bytes - model->weights_bytes;
    print_message("%s: %zu bytes, %zu of them not weights\n", name, loaded->file.size_bytes, overhead);
    assert_true(overhead < 250 * (size_t)model->graph->n_nodes + 1000);
    tf2_model_destroy(&loaded);
    tf2_model_destroy(&model);
}

static void test_nets(void **state)
{
    (void)state;
    char path[256];
    size_t n;
    const char *const *names = bench_net_names(&n);
    tf2_file_path(path);
    for (size_t i = 0; i < n; i++)
        check_net(names[i], path);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
