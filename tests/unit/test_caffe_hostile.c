/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_caffe_hostile.c: damaged files and a machine without memory: any status will do, but no crash, no
 * hang, no leak, and a message of one line.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "../support/caffe.h"
#include "../support/reference_run.h"
#include "common/file.h"

/* An allocator that refuses the n-th call, or more than a limit in one piece or in all. */
struct limited {
    size_t calls, fail_at;
    size_t live, used_bytes, limit_bytes;
};

static void *limited_alloc(void *user, size_t size, size_t alignment)
{
    struct limited *l = user;
    if (++l->calls == l->fail_at ||
        (l->limit_bytes && (size > l->limit_bytes || l->used_bytes > l->limit_bytes)))
        return NULL;
    void *ptr = aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    l->used_bytes += size;
    l->live += ptr != NULL;
    return ptr;
}

static void limited_release(void *user, void *ptr)
{
    ((struct limited *)user)->live--;
    free(ptr);
}

struct bytes {
    unsigned char *data;
    size_t n;
};

/* What comes in and out of one import. */
static enum tf2_status import(struct bytes text, struct bytes weights, struct limited *limited)
{
    struct tf2_env env = {.allocator = {limited_alloc, limited_release, limited}};
    const struct tf2_import_options options = {.env = &env, .random_weights_seed = 1};
    const struct tf2__source source = {
        .name = "text",
        .data = text.data,
        .size_bytes = text.n,
        .weights_name = weights.n ? "weights" : NULL,
        .weights = weights.data,
        .weights_bytes = weights.n};
    struct tf2_graph *graph = NULL;
    struct tf2_error error = {0};
    enum tf2_status status = tf2_graph_create(&env, &graph, &error);
    if (status == TF2_OK) {
        status = tf2__import(&source, &options, graph, &error);
        if (status == TF2_OK)
            assert_int_equal(tf2__graph_verify(graph, &error), TF2_OK);
    }
    if (status != TF2_OK) {
        assert_int_equal(status, error.status);
        assert_true(strlen(error.message) > 4);
        assert_null(strchr(error.message, '\n'));
    }
    tf2_graph_destroy(&graph);
    assert_int_equal(limited->live, 0);
    return status;
}

static enum tf2_status import_limited(struct bytes text, struct bytes weights)
{
    struct limited limited = {.limit_bytes = 64 << 20};
    /* An exact copy of its own, so that reading beyond the end shows. */
    struct bytes t = {malloc(text.n + 1), text.n}, w = {malloc(weights.n + 1), weights.n};
    unsigned char *text_end = realloc(t.data, text.n ? text.n : 1);
    t.data = text_end;
    unsigned char *weights_end = realloc(w.data, weights.n ? weights.n : 1);
    w.data = weights_end;
    if (text.n)
        memcpy(t.data, text.data, text.n);
    if (weights.n)
        memcpy(w.data, weights.data, weights.n);
    const struct bytes none = {0};
    enum tf2_status status = import(t, w.n ? w : none, &limited);
    free(t.data);
    free(w.data);
    return status;
}

/* Most kinds of fields and layers. */
static const char small_text[] =
    "name: \"small\" # comment\ninput: 'data' input_shape { dim: 1 dim: 4 dim: 8 dim: 8 }\n"
    "state { level: 1 stage: 'x' }\n"
    "layer { name: 'c' type: 'Convolution' bottom: 'data' top: 'c' param { lr_mult: 1 } convolution_param { "
    "num_output: 4 "
    "kernel_size: [3, 3] pad: 1 group: 2 weight_filler { type: 'xavier' } } }\n"
    "layer { name: 'b' type: 'BatchNorm' bottom: 'c' top: 'c' batch_norm_param { eps: 1e-4 } }\n"
    "layer { name: 's' type: 'Scale' bottom: 'c' top: 'c' scale_param { bias_term: true } }\n"
    "layer { name: 'p' type: 'PReLU' bottom: 'c' top: 'c' }\n"
    "layer { name: 'q' type: 'Pooling' bottom: 'c' top: 'q' pooling_param { pool: AVE kernel_size: 3 stride: "
    "2 pad: 1 } }\n"
    "layer { name: 'l' type: 'Slice' bottom: 'q' top: 'a' top: 'b' slice_param { axis: 1 slice_point: 1 } }\n"
    "layer { name: 'k' type: 'Concat' bottom: 'a' bottom: 'b' top: 'k' concat_param { axis: -3 } }\n"
    "layer { name: 'e' type: 'Eltwise' bottom: 'k' bottom: 'q' top: 'e' eltwise_param { coeff: 1 coeff: -0.5 "
    "} }\n"
    "layer { name: 'm' type: 'Permute' bottom: 'e' top: 'm' permute_param { order: 0 order: 2 order: 3 "
    "order: 1 } }\n"
    "layer { name: 'r' type: 'Reshape' bottom: 'm' top: 'r' reshape_param { shape { dim: 0 dim: -1 dim: 4 } "
    "} }\n"
    "layer { name: 'f' type: 'InnerProduct' bottom: 'r' top: 'f' inner_product_param { num_output: 3 } }\n"
    "layer { name: 'w' type: 'Power' bottom: 'f' top: 'w' power_param { power: 2 scale: 0.5 shift: 1 } }\n"
    "layer { name: 'prob' type: 'Softmax' bottom: 'w' top: 'prob' include { phase: TEST } }\n"
    "layer { name: 'acc' type: 'Accuracy' bottom: 'prob' bottom: 'data' top: 'acc' }\n";

static const struct caffe_blobs small_layers[] = {
    {"c", 2, {{4, {4, 2, 3, 3}, NULL}, {1, {4}, NULL}}},
    {"b", 3, {{1, {4}, NULL}, {1, {4}, NULL}, {1, {1}, NULL}}},
    {"s", 2, {{1, {4}, NULL}, {1, {4}, NULL}}},
    {"p", 1, {{1, {4}, NULL}}},
    {"f", 2, {{2, {3, 100}, NULL}, {1, {3}, NULL}}},
};

static struct bytes small_weights(enum caffe_weights_form form)
{
    struct bytes weights;
    weights.data = caffe_pack_weights(small_layers, TF2__COUNT(small_layers), form, &weights.n);
    return weights;
}

static struct bytes text_bytes(void)
{
    return (struct bytes){(unsigned char *)(uintptr_t)small_text, sizeof(small_text) - 1};
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (int form = CAFFE_WEIGHTS_NEW; form <= CAFFE_WEIGHTS_LEGACY; form++) {
        struct bytes weights = small_weights((enum caffe_weights_form)form);
        for (size_t n = 1;; n++) {
            struct limited limited = {.fail_at = n};
            enum tf2_status status = import(text_bytes(), weights, &limited);
            if (limited.calls < n) {
                assert_int_equal(status, TF2_OK);
                assert_true(n > 100);
                break;
            }
            assert_int_equal(status, TF2_ERR_NO_MEMORY);
        }
        free(weights.data);
    }
}

static void text_cut_anywhere(void **state)
{
    struct bytes text = text_bytes(), none = {0};
    size_t n_ok = 0;
    (void)state;
    for (text.n = 0; text.n < sizeof(small_text); text.n++)
        n_ok += import_limited(text, none) == TF2_OK;
    assert_true(n_ok > 10); /* between layers */
}

static void weights_cut_anywhere(void **state)
{
    (void)state;
    for (int form = CAFFE_WEIGHTS_NEW; form <= CAFFE_WEIGHTS_DOUBLE; form++) {
        struct bytes weights = small_weights((enum caffe_weights_form)form);
        struct bytes cut = weights;
        assert_int_equal(import_limited(text_bytes(), weights), TF2_OK);
        for (cut.n = 1; cut.n < weights.n; cut.n += cut.n % 16 == 0 ? 5 : 1) {
            assert_int_not_equal(import_limited(text_bytes(), cut), TF2_OK);
            import_limited(cut, (struct bytes){0}); /* given alone */
        }
        free(weights.data);
    }
}

/* Changes a few bytes; sometimes moves, doubles or removes a piece. */
static void mutate(struct bytes *b, uint64_t *random, const char *alphabet)
{
    for (int k = 1 + (int)(reference_random(random) * 4); k > 0 && b->n > 8; k--) {
        size_t at = (size_t)(reference_random(random) * (double)b->n);
        size_t from = (size_t)(reference_random(random) * (double)b->n);
        size_t n = (size_t)(reference_random(random) * 12);
        n = TF2__MIN(n, b->n - TF2__MAX(at, from));
        double what = reference_random(random);
        if (what < 0.3)
            b->data[at] = (unsigned char)(reference_random(random) * 256);
        else if (what < 0.6)
            b->data[at] =
                (unsigned char)alphabet[(size_t)(reference_random(random) * (double)strlen(alphabet))];
        else if (what < 0.7)
            b->data[at] ^= (unsigned char)(1u << (int)(reference_random(random) * 8));
        else if (what < 0.85)
            memmove(b->data + at, b->data + from, n);
        else {
            memmove(b->data + at, b->data + at + n, b->n - at - n);
            b->n -= n;
        }
    }
}

static void mutations(struct bytes text, struct bytes weights, size_t n_rounds, uint64_t seed)
{
    struct bytes t = {malloc(text.n), 0}, w = {malloc(weights.n + 1), 0};
    size_t n_ok = 0;
    for (size_t i = 0; i < n_rounds; i++) {
        memcpy(t.data, text.data, t.n = text.n);
        w.n = weights.n;
        if (weights.n)
            memcpy(w.data, weights.data, weights.n);
        if (!weights.n || i % 2)
            mutate(&t, &seed, "0123456789{}<>[]:;,'\"-.#\\ \ne");
        if (weights.n && i % 4 != 1)
            mutate(&w, &seed, "\x01\x08\x0a\x12\x2a\x3a\x7f\x42\x32\x80");
        n_ok += import_limited(t, w) == TF2_OK;
    }
    print_message("%zu of %zu mutations still import\n", n_ok, n_rounds);
    assert_true(n_ok < n_rounds);
    free(t.data);
    free(w.data);
}

static void mutated_small_files(void **state)
{
    (void)state;
    mutations(text_bytes(), (struct bytes){0}, 4000, 1);
    for (int form = CAFFE_WEIGHTS_NEW; form <= CAFFE_WEIGHTS_DOUBLE; form++) {
        struct bytes weights = small_weights((enum caffe_weights_form)form);
        mutations(text_bytes(), weights, 2000, 2 + (uint64_t)form);
        free(weights.data);
    }
}

static void mutated_published_files(void **state)
{
    static const struct {
        const char *text, *weights;
        size_t n_rounds;
    } cases[] = {
        {"models/mtcnn/caffe/det1.prototxt", "models/mtcnn/caffe/det1.caffemodel", 1000},
        {"models/structure/c3d_sport1m_deploy_v1.0.prototxt", NULL, 500},
        {"models/structure/MobileNetSSD_deploy.prototxt", NULL, 50},
        {"models/structure/lenet_deploy.prototxt", NULL, 300},
    };
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(cases); i++) {
        struct tf2__file text = {0}, weights = {0};
        if (!caffe_shared_file(cases[i].text, &text) ||
            (cases[i].weights && !caffe_shared_file(cases[i].weights, &weights)))
            skip();
        struct bytes t = {(unsigned char *)(uintptr_t)text.data, text.size_bytes};
        struct bytes w = {(unsigned char *)(uintptr_t)weights.data, weights.size_bytes};
        mutations(t, w, cases[i].n_rounds, 10 + i);
        /* and cut at samples of their length */
        for (size_t k = 0; k < 100; k++) {
            struct bytes cut = t;
            cut.n = t.n * k / 100;
            import_limited(cut, w);
            cut = w;
            cut.n = w.n * k / 100;
            if (w.n)
                import_limited(t, cut);
        }
        tf2__file_unmap(&text);
        tf2__file_unmap(&weights);
    }
}

/* Small files that ask for much work or memory. */
static void large_networks_in_small_files(void **state)
{
    static const char *const pieces[] = {
        "layer{name:'a'type:'ReLU'bottom:'data'top:'t%d'}\n",
        "layer{name:'a'type:'T%d'bottom:'data'top:'t%d'}\n",
        "layers{top:'%d'type:X%d}\n",
        "input:'i%d'\n",
        "layer{name:'a'bottom:'q%d'type:'ReLU'top:'t%d'x:1}\n",
    };
    static const size_t counts[] = {19000, 19000, 70000, 60000, 19000};
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(pieces); i++) {
        struct bytes text = {calloc(counts[i] + 2, 80), 0};
        struct limited limited = {.limit_bytes = (size_t)1 << 30};
        text.n = (size_t)sprintf((char *)text.data, "input: 'data' input_shape { dim: 1 dim: 2 }\n");
        if (i == 3)
            text.n = 0;
        for (size_t k = 0; k < counts[i]; k++)
            text.n += (size_t)sprintf((char *)text.data + text.n, pieces[i], (int)k, (int)k);
        enum tf2_status status = import(text, (struct bytes){0}, &limited);
        assert_int_equal(status == TF2_OK, i == 0);
        free(text.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail), cmocka_unit_test(text_cut_anywhere),
        cmocka_unit_test(weights_cut_anywhere),      cmocka_unit_test(mutated_small_files),
        cmocka_unit_test(mutated_published_files),   cmocka_unit_test(large_networks_in_small_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
