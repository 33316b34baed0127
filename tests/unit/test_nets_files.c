/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_nets_files.c: built-in networks of tf2-bench against the published definitions as the importer reads them: the
 * same nodes in the same order, of the same operators, shapes and inputs; detectors' and windows' attributes too.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "../../bench/nets.h"
#include "common/file.h"
#include "transform/import/import.h"
#include "transform/ir/graph.h"

static const struct {
    const char *name, *prototxt;
} nets[] = {
    {"squeezenet", "squeezenet_v1.1/deploy.prototxt"},
    {"squeezenet1.0", "structure/squeezenet_v1.0_deploy.prototxt"},
    {"googlenet", "structure/bvlc_googlenet_deploy.prototxt"},
    {"resnet50", "structure/ResNet-50-deploy.prototxt"},
    {"vgg16", "structure/VGG16_deploy.prototxt"},
    {"alexnet", "structure/bvlc_alexnet_deploy.prototxt"},
    {"mobilenet_v1", "structure/mobilenet_v1_deploy.prototxt"},
    {"mobilenet_v2", "structure/mobilenet_v2_deploy.prototxt"},
    {"ssd_vgg", "structure/SSD_VGG_300x300_deploy.prototxt"},
    {"c3d", "structure/c3d_sport1m_deploy_v1.0.prototxt"},
};

/* NULL where the file is not there. */
static struct tf2_graph *import_shared(const char *path)
{
    const struct tf2_import_options options = {.random_weights_seed = 1};
    const char *shared = getenv("TF2_SHARED"), *root = getenv("TF2_SOURCE_ROOT");
    struct tf2_graph *graph = NULL;
    struct tf2_error error = {0};
    struct tf2__file file;
    char full[1024];
    if (shared)
        snprintf(full, sizeof(full), "%s/models/%s", shared, path);
    else
        snprintf(full, sizeof(full), "%s/../shared/models/%s", root ? root : ".", path);
    if (tf2__file_map(full, &file, &error) != TF2_OK) {
        print_message("skipped: no %s\n", full);
        return NULL;
    }
    const struct tf2__source source = {.name = path, .data = file.data, .size_bytes = file.size_bytes};
    assert_int_equal(tf2_graph_create(NULL, &graph, &error), TF2_OK);
    if (tf2__import(&source, &options, graph, &error) != TF2_OK)
        fail_msg("%s", error.message);
    tf2__file_unmap(&file);
    return graph;
}

/* What is said by leaving it out is the same as what is said. */
static void check_window(const struct tf2_window *found, const struct tf2_window *wanted, uint32_t n_spatial)
{
    for (uint32_t d = 0; d < n_spatial; d++) {
        assert_int_equal(TF2__MAX(found->stride[d], 1), TF2__MAX(wanted->stride[d], 1));
        assert_int_equal(TF2__MAX(found->dilation[d], 1), TF2__MAX(wanted->dilation[d], 1));
        assert_int_equal(found->pad_begin[d], wanted->pad_begin[d]);
        assert_int_equal(found->pad_end[d], wanted->pad_end[d]);
    }
}

static void check_attributes(const struct tf2__node *found, const struct tf2__node *wanted, uint32_t n_dims)
{
    const struct tf2_conv_attr *conv[2] = {found->attr, wanted->attr};
    const struct tf2_pool_attr *pool[2] = {found->attr, wanted->attr};
    switch (found->op->id) {
    case TF2_OP_CONV:
        check_window(&conv[0]->window, &conv[1]->window, n_dims - 2);
        assert_int_equal(TF2__MAX(conv[0]->group, 1), TF2__MAX(conv[1]->group, 1));
        break;
    case TF2_OP_POOL:
        assert_int_equal(pool[0]->kind, pool[1]->kind);
        assert_int_equal(pool[0]->rounding, pool[1]->rounding);
        assert_int_equal(pool[0]->global, pool[1]->global);
        if (!pool[0]->global)
            check_window(&pool[0]->window, &pool[1]->window, n_dims - 2);
        break;
    default:
        assert_memory_equal(found->attr, wanted->attr, found->op->attr_bytes);
    }
}

static void check_node(
    const struct tf2_graph *built, const struct tf2__node *found, const struct tf2_graph *file,
    const struct tf2__node *wanted)
{
    assert_string_equal(found->name, wanted->name);
    assert_int_equal(found->op->id, wanted->op->id);
    assert_int_equal(found->n_in, wanted->n_in);
    for (uint32_t k = 0; k < found->n_in; k++) {
        const struct tf2__tensor *a = &built->tensors[found->in[k]], *b = &file->tensors[wanted->in[k]];
        assert_true(tf2_shape_equal(&a->shape, &b->shape));
        if (!a->data)
            assert_string_equal(a->name, b->name);
    }
    assert_true(tf2_shape_equal(&built->tensors[found->out].shape, &file->tensors[wanted->out].shape));
    check_attributes(found, wanted, built->tensors[found->in[0]].shape.n_dims);
}

static void networks_are_the_published_ones(void **state)
{
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(nets); i++) {
        struct tf2_graph *file = import_shared(nets[i].prototxt), *built = NULL;
        struct tf2_error error = {0};
        if (!file)
            skip();
        print_message("  %s\n", nets[i].name);
        assert_int_equal(bench_net_build(nets[i].name, 1, &built, &error), TF2_OK);
        assert_int_equal(built->n_nodes, file->n_nodes);
        for (uint32_t j = 0; j < built->n_nodes; j++)
            check_node(built, &built->nodes[j], file, &file->nodes[j]);
        tf2_graph_destroy(&built);
        tf2_graph_destroy(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(networks_are_the_published_ones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
