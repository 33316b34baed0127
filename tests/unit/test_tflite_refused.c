/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tflite_refused.c: TensorFlow Lite files that are not supported, wrong or damaged: a status and a message, never
 * a crash.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lite_builder.h"

#define WORDS(...)                                                                                           \
    (const char *const[])                                                                                    \
    {                                                                                                        \
        __VA_ARGS__, NULL                                                                                    \
    }

/* x → RELU → y */
static void small(struct lite_builder *b, int *x, int *y)
{
    lite_open(b);
    *x = lite_tensor(b, "x", LITE_F32, DIMS(1, 2, 2, 2));
    *y = lite_tensor(b, "y", LITE_F32, DIMS(1, 2, 2, 2));
    lite_op(b, 19, IDS(*x), IDS(*y));
}

static void test_unsupported(void **state)
{
    struct lite_builder b;
    int x, y;
    (void)state;
    small(&b, &x, &y);
    const int z = lite_tensor(&b, "z", LITE_F32, DIMS(1)), v = lite_tensor(&b, "v", LITE_F32, DIMS(1));
    const int u = lite_tensor(&b, "u", LITE_F32, DIMS(1)), t = lite_tensor(&b, "t", LITE_F32, DIMS(1));
    lite_op(&b, 16, IDS(x), IDS(z));
    lite_op(&b, 32, IDS(y), IDS(v));
    b.ops[b.n_ops - 1].custom = "TFLite_Detect";
    lite_op(&b, 16, IDS(v), IDS(u));
    lite_op(&b, 5000, IDS(u), IDS(t));
    lite_refused(
        &b, IDS(x), IDS(y, z, t), TF2_ERR_UNSUPPORTED,
        WORDS("test.tflite", "LSTM", "(2: 'z', 'u')", "CUSTOM TFLite_Detect", "number 5000"));
}

/* What the outputs do not need does not matter. */
static void test_unneeded(void **state)
{
    float x[8] = {-1, 2}, y[8] = {0, 2};
    struct lite_builder b;
    int in, out;
    (void)state;
    small(&b, &in, &out);
    const int z = lite_tensor(&b, "z", LITE_F32, DIMS(1));
    lite_op(&b, 16, IDS(in), IDS(z));
    lite_check(&b, IDS(in), IDS(out), x, y, 8, 0);
}

static void test_wiring(void **state)
{
    struct lite_builder b;
    int x, y;
    (void)state;
    small(&b, &x, &y);
    b.ops[0].in[0] = 99;
    lite_refused(&b, IDS(x), IDS(y), TF2_ERR_FORMAT, WORDS("tensor 99"));
    small(&b, &x, &y);
    b.ops[0].in[0] = y;
    lite_refused(&b, IDS(x), IDS(y), TF2_ERR_FORMAT, WORDS("'y' is read before it is computed"));
    small(&b, &x, &y);
    lite_op(&b, 19, IDS(x), IDS(y));
    lite_refused(&b, IDS(x), IDS(y), TF2_ERR_FORMAT, WORDS("computed twice"));
    small(&b, &x, &y);
    b.ops[0].in[0] = lite_tensor(&b, "w", LITE_F32, DIMS(1));
    lite_refused(&b, IDS(x), IDS(y), TF2_ERR_FORMAT, WORDS("'w' is read, but nothing computes it"));
    small(&b, &x, &y);
    lite_refused(&b, IDS(x), IDS(y, y), TF2_ERR_FORMAT, WORDS("an output twice"));
    small(&b, &x, &y);
    lite_refused(&b, IDS(x), NO_DIMS, TF2_ERR_FORMAT, WORDS("no outputs"));
    small(&b, &x, &y);
    b.ops[0].n_in = 0;
    lite_refused(&b, IDS(x), IDS(y), TF2_ERR_FORMAT, WORDS("'y' (RELU)", "0 inputs"));
}

static void conv(struct lite_builder *b, int *x, int *y, const void *w, size_t n_bytes, int w_type)
{
    lite_open(b);
    *x = lite_tensor(b, "x", LITE_F32, DIMS(1, 2, 2, 2));
    *y = lite_tensor(b, "y", LITE_F32, DIMS(1, 2, 2, 1));
    const int id = lite_constant(b, "w", w_type, DIMS(1, 1, 1, 2), w, n_bytes);
    lite_op(b, 3, IDS(*x, id), IDS(*y));
    lite_int(b, 1, 1);
    lite_int(b, 2, 1);
}

static void test_operands(void **state)
{
    static const float w[4] = {1, 2, 3, 4};
    struct lite_builder b;
    int x, y;
    (void)state;
    conv(&b, &x, &y, w, 12, LITE_F32);
    lite_refused(&b, IDS(x), IDS(y), TF2_ERR_FORMAT, WORDS("'w' has 12 bytes", "need 8"));
    conv(&b, &x, &y, w, 2, LITE_U8);
    lite_refused(&b, IDS(x), IDS(y), TF2_ERR_UNSUPPORTED, WORDS("uint8 without a scale"));
    conv(&b, &x, &y, w, 2, LITE_U8);
    lite_quant(&b, 2, -1, 0);
    lite_refused(&b, IDS(x), IDS(y), TF2_ERR_VALUE, WORDS("scale 0 is -1"));
    conv(&b, &x, &y, w, 2, LITE_U8);
    lite_quant(&b, 2, 1, 256);
    lite_refused(&b, IDS(x), IDS(y), TF2_ERR_VALUE, WORDS("zero point 0 is 256"));
    conv(&b, &x, &y, w, 2, LITE_U8);
    lite_quant(&b, 2, 1, 0);
    b.tensors[2].n_scales = 3;
    lite_refused(&b, IDS(x), IDS(y), TF2_ERR_FORMAT, WORDS("3 scales along dimension 0"));
    conv(&b, &x, &y, w, 8, LITE_F32);
    b.tensors[2].dims[0] = b.tensors[2].dims[1] = b.tensors[2].dims[2] = 0x7fffffff;
    lite_refused(&b, IDS(x), IDS(y), TF2_ERR_SHAPE, WORDS("below 2^31"));
    conv(&b, &x, &y, w, 8, LITE_F32);
    lite_int(&b, 1, 0);
    lite_refused(&b, IDS(x), IDS(y), TF2_ERR_VALUE, WORDS("stride 0"));
    conv(&b, &x, &y, w, 8, LITE_F32);
    lite_byte(&b, 3, 5);
    lite_refused(&b, IDS(x), IDS(y), TF2_ERR_UNSUPPORTED, WORDS("fused activation number 5"));
    conv(&b, &x, &y, w, 8, 7);
    lite_refused(&b, IDS(x), IDS(y), TF2_ERR_UNSUPPORTED, WORDS("int16"));
}

/* All problems in one message. */
static void test_two_problems(void **state)
{
    static const float w[2] = {1, 2};
    struct lite_builder b;
    int x, y;
    (void)state;
    conv(&b, &x, &y, w, 8, LITE_F32);
    lite_int(&b, 1, 0);
    const int z = lite_tensor(&b, "z", LITE_F32, DIMS(1));
    lite_op(&b, 16, IDS(x), IDS(z));
    lite_refused(&b, IDS(x), IDS(y, z), TF2_ERR_UNSUPPORTED, WORDS("2 problems", "LSTM", "stride 0"));
}

/* ---- damage ---- */

static enum tf2_status import_copy(const unsigned char *bytes, size_t n_bytes)
{
    unsigned char *copy = malloc(n_bytes + 1);
    struct tf2_model *model = NULL;
    struct tf2_error error = {0};
    memcpy(copy, bytes, n_bytes);
    const enum tf2_status status = tf2_model_import_memory("d", copy, n_bytes, NULL, 0, NULL, &model, &error);
    assert_true(status != TF2_ERR_INTERNAL && status != TF2_ERR_NO_MEMORY);
    assert_true(status == TF2_OK || error.message[0]);
    tf2_model_destroy(&model);
    free(copy);
    return status;
}

/* A quantized network with most of what a file can have. */
static const unsigned char *rich(struct lite_builder *b, size_t *n_bytes)
{
    static const uint8_t w[2 * 4 * 2] = {200, 3, 9, 77};
    static const int32_t bias[2] = {5, -5}, shape[] = {1, 8};
    lite_open(b);
    const int x = lite_tensor(b, "x", LITE_U8, DIMS(1, 3, 3, 2)),
              y = lite_tensor(b, "y", LITE_U8, DIMS(1, 2, 2, 2));
    const int w_id = lite_constant(b, "w", LITE_U8, DIMS(2, 2, 2, 2), w, sizeof(w));
    const int b_id = lite_constant(b, "b", LITE_I32, DIMS(2), bias, sizeof(bias));
    const int s = lite_ints(b, "s", shape, 2), z = lite_tensor(b, "z", LITE_U8, DIMS(1, 8));
    lite_quant(b, x, 1, 128);
    lite_quant(b, y, 2, 100);
    lite_quant(b, z, 2, 100);
    lite_quant(b, w_id, 0.5f, 220);
    lite_quant(b, b_id, 0.5f, 0);
    lite_op(b, 3, IDS(x, w_id, b_id), IDS(y));
    lite_byte(b, 0, 1);
    lite_int(b, 1, 1);
    lite_int(b, 2, 1);
    lite_byte(b, 3, 1);
    lite_op(b, 22, IDS(y, s), IDS(z));
    return lite_pack(b, IDS(x), IDS(z), n_bytes);
}

static void test_truncated(void **state)
{
    struct lite_builder b;
    size_t n_bytes;
    (void)state;
    const unsigned char *bytes = rich(&b, &n_bytes);
    assert_int_equal(import_copy(bytes, n_bytes), TF2_OK);
    /* The last buffers, of tensors that are computed, are empty and not read. */
    for (size_t n = 1; n < n_bytes - 48; n++)
        assert_int_not_equal(import_copy(bytes, n), TF2_OK);
    lite_close(&b);
}

static void test_changed_bytes(void **state)
{
    static const unsigned char values[] = {0, 1, 0x7f, 0x80, 0xff};
    struct lite_builder b;
    size_t n_bytes;
    (void)state;
    unsigned char *bytes = (unsigned char *)(uintptr_t)rich(&b, &n_bytes);
    for (size_t i = 0; i < n_bytes; i++) {
        const unsigned char was = bytes[i];
        for (size_t k = 0; k < sizeof(values); k++) {
            bytes[i] = values[k];
            import_copy(bytes, n_bytes);
        }
        bytes[i] = was;
    }
    lite_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unsupported),   cmocka_unit_test(test_unneeded),
        cmocka_unit_test(test_wiring),        cmocka_unit_test(test_operands),
        cmocka_unit_test(test_two_problems),  cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_changed_bytes),
    };
    return cmocka_run_group_tests_name("tflite refused", tests, NULL, NULL);
}
