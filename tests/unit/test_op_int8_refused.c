/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_op_int8_refused.c: types that the integer forms must not take. A table for each operator: what it takes, then
 * one thing after the other changed to what it does not take. Then what only a graph can see.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/ops_int8.h"
#include "transform/ir/graph.h"

#define MAX_INPUTS 4

struct types_case {
    const char *message; /* part of it; NULL: accepted */
    uint32_t n_in;
    struct tf2__type in[MAX_INPUTS]; /* no dimensions: left out */
    struct tf2__type out;
};

static const uint8_t zero_points[3] = {1, 2, 3};
static const float scales[3] = {0.5f, 1, 2}, zero_scale[3] = {0.5f, 0, 2}, nan_scale[3] = {0.5f, 1, NAN};

#define IMAGE                                                                                                \
    {                                                                                                        \
        .n_dims = 3, .dim = { 3, 3, 4 }                                                                      \
    }
#define VECTOR(n)                                                                                            \
    {                                                                                                        \
        .n_dims = 1, .dim = { n }                                                                            \
    }
#define TYPE(type, ...)                                                                                      \
    {                                                                                                        \
        .dtype = TF2_DTYPE_##type, .shape = IMAGE, .quant = { __VA_ARGS__ }                                  \
    }
#define U8       TYPE(U8, .scale = 0.5f, .zero_point = 7)
#define F32      TYPE(F32, 0)
#define S8       TYPE(S8, .scale = 0.5f)
#define WEIGHTS  TYPE(S8, .channel_scale = scales)
#define CHANNELS TYPE(U8, .scale = 0.5f, .channel_zero_point = zero_points)
#define NO_QUANT TYPE(U8, 0)
#define LEFT_OUT                                                                                             \
    {                                                                                                        \
        0                                                                                                    \
    }
#define BIAS(type)                                                                                           \
    {                                                                                                        \
        .dtype = TF2_DTYPE_##type, .shape = VECTOR(3)                                                        \
    }
#define TABLE(type)                                                                                          \
    {                                                                                                        \
        .dtype = TF2_DTYPE_##type, .shape = VECTOR(256)                                                      \
    }

static void expect_case(enum tf2_op op, const void *attr, const struct types_case *c, size_t number)
{
    const struct tf2__type *in[MAX_INPUTS];
    struct tf2_error error = {0};
    for (uint32_t i = 0; i < c->n_in; i++)
        in[i] = c->in[i].shape.n_dims ? &c->in[i] : NULL;
    enum tf2_status status = tf2__op_find(op)->int8->check(attr, in, c->n_in, &c->out, &error);
    if (!c->message) {
        if (status != TF2_OK)
            fail_msg("%s, case %zu: %s", tf2_op_name(op), number, error.message);
        return;
    }
    if (status != TF2_ERR_UNSUPPORTED || !strstr(error.message, c->message))
        fail_msg(
            "%s, case %zu: %s (%s), wanted %s", tf2_op_name(op), number, tf2_status_name(status),
            error.message, c->message);
}

static void expect_cases(enum tf2_op op, const void *attr, const struct types_case *cases, size_t n_cases)
{
    for (size_t i = 0; i < n_cases; i++)
        expect_case(op, attr, &cases[i], i);
}

#define EXPECT(op, attr, cases) expect_cases(TF2_OP_##op, attr, cases, TF2__COUNT(cases))

/* Weights, bias and output: for convolutions and fully connected layers. */
static void sums(void **unused)
{
    static const struct types_case cases[] = {
        {NULL, 2, {U8, S8}, U8},
        {NULL, 2, {U8, WEIGHTS}, U8},
        {NULL, 2, {U8, WEIGHTS}, F32},
        {NULL, 3, {U8, WEIGHTS, BIAS(S32)}, U8},
        {NULL, 3, {U8, WEIGHTS, LEFT_OUT}, U8},
        {"input 0 of type float32", 2, {F32, WEIGHTS}, U8},
        {"input 0 of type int8", 2, {S8, WEIGHTS}, U8},
        {"input 0 of scale 0", 2, {NO_QUANT, WEIGHTS}, U8},
        {"input 0 of scale -1", 2, {TYPE(U8, .scale = -1), WEIGHTS}, U8},
        {"input 0 of scale nan", 2, {TYPE(U8, .scale = NAN), WEIGHTS}, U8},
        {"input 0 of scale inf", 2, {TYPE(U8, .scale = INFINITY), WEIGHTS}, U8},
        {"zero point 256", 2, {TYPE(U8, .scale = 1, .zero_point = 256), WEIGHTS}, U8},
        {"zero point -1", 2, {TYPE(U8, .scale = 1, .zero_point = -1), WEIGHTS}, U8},
        {"scale per channel", 2, {TYPE(U8, .scale = 1, .channel_scale = scales), WEIGHTS}, U8},
        {"weights of type uint8", 2, {U8, U8}, U8},
        {"weights of type float32", 2, {U8, F32}, U8},
        {"weights of scale 0", 2, {U8, TYPE(S8, 0)}, U8},
        {"weights of scale 0", 2, {U8, TYPE(S8, .channel_scale = zero_scale)}, U8},
        {"weights of scale nan", 2, {U8, TYPE(S8, .channel_scale = nan_scale)}, F32},
        {"weights of zero point 3", 2, {U8, TYPE(S8, .scale = 1, .zero_point = 3)}, U8},
        {"weights of zero point 0 and", 2, {U8, TYPE(S8, .scale = 1, .channel_zero_point = zero_points)}, U8},
        {"bias of type float32", 3, {U8, WEIGHTS, BIAS(F32)}, U8},
        {"bias of type int64", 3, {U8, WEIGHTS, BIAS(S64)}, U8},
        {"output of type int8", 2, {U8, WEIGHTS}, S8},
        {"output of type int32", 2, {U8, WEIGHTS}, BIAS(S32)},
        {"output of scale 0", 2, {U8, WEIGHTS}, NO_QUANT},
        {"output has a zero point per channel", 2, {U8, WEIGHTS}, CHANNELS},
        {"at most 1e+20", 2, {TYPE(U8, .scale = 1e10f), TYPE(S8, .scale = 1e11f)}, F32},
        {"at most 1e+20", 2, {U8, WEIGHTS}, TYPE(U8, .scale = 1e-21f)},
    };
    const struct tf2_conv_attr conv = {0};
    const struct tf2_gemm_attr gemm = {0};
    (void)unused;
    EXPECT(CONV, &conv, cases);
    EXPECT(GEMM, &gemm, cases);
}

/* What the two do not have in common: a zero point per channel, the residual. */
static void conv_and_gemm(void **unused)
{
    static const struct types_case conv_cases[] = {
        {NULL, 2, {CHANNELS, WEIGHTS}, U8},
        {NULL, 4, {U8, WEIGHTS, BIAS(S32), U8}, U8},
        {NULL, 4, {CHANNELS, WEIGHTS, LEFT_OUT, U8}, F32},
        {NULL, 4, {U8, WEIGHTS, BIAS(S32), LEFT_OUT}, U8},
        {"input 0 has zero points for channels, but",
         2,
         {{.dtype = TF2_DTYPE_U8,
           .shape = VECTOR(3),
           .quant = {.scale = 1, .channel_zero_point = zero_points}},
          WEIGHTS},
         U8},
        {"input 3 of type float32", 4, {U8, WEIGHTS, LEFT_OUT, F32}, U8},
        {"input 3 of type float32", 4, {U8, WEIGHTS, LEFT_OUT, F32}, F32},
        {"input 3 of scale 0", 4, {U8, WEIGHTS, LEFT_OUT, NO_QUANT}, U8},
        {"input 3 has a zero point per channel", 4, {U8, WEIGHTS, LEFT_OUT, CHANNELS}, U8},
        {"input 3: steps of 1e+25", 4, {U8, WEIGHTS, LEFT_OUT, TYPE(U8, .scale = 1e25f)}, U8},
    };
    static const struct types_case gemm_cases[] = {
        {"input 0 has a zero point per channel", 2, {CHANNELS, WEIGHTS}, U8},
    };
    const struct tf2_conv_attr conv = {0};
    const struct tf2_gemm_attr gemm = {0};
    (void)unused;
    EXPECT(CONV, &conv, conv_cases);
    EXPECT(GEMM, &gemm, gemm_cases);
}

static void pools(void **unused)
{
    static const struct types_case both[] = {
        {NULL, 1, {U8}, U8},
        {NULL, 1, {U8}, TYPE(U8, .scale = 2, .zero_point = 255)},
        {"input 0 of type float32", 1, {F32}, U8},
        {"input 0 of scale 0", 1, {NO_QUANT}, U8},
        {"input 0 has a zero point per channel", 1, {CHANNELS}, U8},
        {"output of scale 0", 1, {U8}, NO_QUANT},
        {"output of type int8", 1, {U8}, S8},
        {"output has a zero point per channel", 1, {U8}, CHANNELS},
        {"at most 1e+20", 1, {TYPE(U8, .scale = 1e20f)}, U8},
    };
    static const struct types_case average[] = {{NULL, 1, {U8}, F32}};
    static const struct types_case maximum[] = {{"output of type float32, wanted uint8", 1, {U8}, F32}};
    const struct tf2_pool_attr max = {.kind = TF2_POOL_MAX}, avg = {.kind = TF2_POOL_AVG};
    (void)unused;
    EXPECT(POOL, &max, both);
    EXPECT(POOL, &avg, both);
    EXPECT(POOL, &max, maximum);
    EXPECT(POOL, &avg, average);
}

static void eltwise_and_concat(void **unused)
{
    static const struct types_case cases[] = {
        {NULL, 2, {U8, U8}, U8},
        {NULL, 2, {U8, TYPE(U8, .scale = 2)}, TYPE(U8, .scale = 3)},
        {"input 0 of type float32", 2, {F32, U8}, U8},
        {"input 1 of type float32", 2, {U8, F32}, U8},
        {"input 1 of type int8", 2, {U8, S8}, U8},
        {"input 1 of scale 0", 2, {U8, NO_QUANT}, U8},
        {"input 1 has a zero point per channel", 2, {U8, CHANNELS}, U8},
        {"output of type float32", 2, {U8, U8}, F32},
        {"output of scale 0", 2, {U8, U8}, NO_QUANT},
        {"output has a zero point per channel", 2, {U8, U8}, CHANNELS},
        {"at most 1e+20", 2, {U8, TYPE(U8, .scale = 1e25f)}, U8},
    };
    static const struct types_case three[] = {{NULL, 3, {U8, U8, U8}, U8}};
    static const struct types_case refused_three[] = {{"a product of 3 inputs", 3, {U8, U8, U8}, U8}};
    static const struct types_case quotient[] = {{"a quotient", 2, {U8, U8}, U8}};
    static const struct types_case product[] = {
        {"product 0: steps of 1e+24", 2, {TYPE(U8, .scale = 1e12f), TYPE(U8, .scale = 1e12f)}, U8}};
    static const struct types_case small[] = {{NULL, 2, {TYPE(U8, .scale = 1), TYPE(U8, .scale = 1)}, U8}};
    static const struct types_case large[] = {
        {"input 1: steps of -1e+30", 2, {TYPE(U8, .scale = 1), TYPE(U8, .scale = 1)}, U8}};
    struct tf2_eltwise_attr attr = {0};
    const struct tf2_axis_attr axis = {.axis = 1};
    (void)unused;
    EXPECT(CONCAT, &axis, cases);
    EXPECT(CONCAT, &axis, three);
    for (int kind = TF2_ELTWISE_SUM; kind <= TF2_ELTWISE_SUB; kind++) {
        attr.kind = (enum tf2_eltwise_kind)kind;
        EXPECT(ELTWISE, &attr, cases);
        if (kind == TF2_ELTWISE_PROD) {
            EXPECT(ELTWISE, &attr, refused_three);
            EXPECT(ELTWISE, &attr, product);
        } else if (kind != TF2_ELTWISE_SUB) {
            EXPECT(ELTWISE, &attr, three);
        }
    }
    attr.kind = TF2_ELTWISE_DIV;
    EXPECT(ELTWISE, &attr, quotient);
    attr = (struct tf2_eltwise_attr){.has_coefficients = true, .coefficient = {1, 0}};
    EXPECT(ELTWISE, &attr, small);
    attr.coefficient[1] = -1e30f;
    EXPECT(ELTWISE, &attr, large);
}

static void moves(void **unused)
{
    static const struct types_case cases[] = {
        {NULL, 1, {U8}, U8},
        {"input 0 of type float32", 1, {F32}, U8},
        {"input 0 of type int8", 1, {S8}, U8},
        {"input 0 of scale 0", 1, {NO_QUANT}, NO_QUANT},
        {"input 0 has a zero point per channel", 1, {CHANNELS}, CHANNELS},
        {"output of type float32", 1, {U8}, F32},
        {"output has a zero point per channel", 1, {U8}, CHANNELS},
        {"wanted the same", 1, {U8}, TYPE(U8, .scale = 0.5f, .zero_point = 8)},
        {"wanted the same", 1, {U8}, TYPE(U8, .scale = 0.50001f, .zero_point = 7)},
    };
    static const enum tf2_op ops[] = {TF2_OP_IDENTITY, TF2_OP_DROPOUT,   TF2_OP_FLATTEN, TF2_OP_RESHAPE,
                                      TF2_OP_SQUEEZE,  TF2_OP_UNSQUEEZE, TF2_OP_SLICE,   TF2_OP_TRANSPOSE,
                                      TF2_OP_PAD,      TF2_OP_RESIZE};
    static const struct types_case linear[] = {{"wanted the nearest pixel", 1, {U8}, U8}};
    static const union {
        struct tf2_slice_attr slice;
        struct tf2_transpose_attr transpose;
        struct tf2_pad_attr pad;
        struct tf2_resize_attr resize;
        struct tf2_reshape_attr reshape;
    } attr = {{0}};
    const struct tf2_resize_attr resize = {.mode = TF2_RESIZE_LINEAR};
    (void)unused;
    for (size_t i = 0; i < TF2__COUNT(ops); i++)
        expect_cases(ops[i], &attr, cases, TF2__COUNT(cases));
    EXPECT(RESIZE, &resize, linear);
}

static void tables(void **unused)
{
    static const struct types_case lookup[] = {
        {NULL, 2, {U8, TABLE(U8)}, U8},
        {"input 0 of type float32", 2, {F32, TABLE(U8)}, U8},
        {"input 0 of scale 0", 2, {NO_QUANT, TABLE(U8)}, U8},
        {"input 0 has a zero point per channel", 2, {CHANNELS, TABLE(U8)}, U8},
        {"table of type float32", 2, {U8, TABLE(F32)}, U8},
        {"table of type int8", 2, {U8, TABLE(S8)}, U8},
        {"output of type float32", 2, {U8, TABLE(U8)}, F32},
        {"output of scale 0", 2, {U8, TABLE(U8)}, NO_QUANT},
        {"output has a zero point per channel", 2, {U8, TABLE(U8)}, CHANNELS},
    };
    static const struct types_case lrn[] = {
        {NULL, 2, {U8, TABLE(F32)}, U8},
        {"without a table", 1, {U8}, U8},
        {"without a table", 2, {U8, LEFT_OUT}, U8},
        {"table of type uint8", 2, {U8, TABLE(U8)}, U8},
        {"input 0 of type float32", 2, {F32, TABLE(F32)}, U8},
        {"input 0 of scale 0", 2, {NO_QUANT, TABLE(F32)}, U8},
        {"input 0 has a zero point per channel", 2, {CHANNELS, TABLE(F32)}, U8},
        {"output of type float32", 2, {U8, TABLE(F32)}, F32},
        {"output of scale 0", 2, {U8, TABLE(F32)}, NO_QUANT},
        {"output has a zero point per channel", 2, {U8, TABLE(F32)}, CHANNELS},
    };
    static const struct types_case within[] = {{"within channels", 2, {U8, TABLE(F32)}, U8}};
    struct tf2_lrn_attr attr = {.size = 5};
    (void)unused;
    EXPECT(LOOKUP, NULL, lookup);
    EXPECT(LRN, &attr, lrn);
    attr.region = TF2_LRN_WITHIN_CHANNEL;
    EXPECT(LRN, &attr, within);
}

static void conversions(void **unused)
{
    static const struct types_case quantize[] = {
        {NULL, 1, {F32}, U8},
        {NULL, 2, {F32, BIAS(F32)}, U8},
        {NULL, 2, {F32, LEFT_OUT}, CHANNELS},
        {"input 0 of type uint8", 1, {U8}, U8},
        {"offset of type int32", 2, {F32, BIAS(S32)}, U8},
        {"output of type float32", 1, {F32}, F32},
        {"output of type int8", 1, {F32}, S8},
        {"output of scale 0", 1, {F32}, NO_QUANT},
        {"output has zero points for channels, but",
         1,
         {F32},
         {.dtype = TF2_DTYPE_U8,
          .shape = VECTOR(3),
          .quant = {.scale = 1, .channel_zero_point = zero_points}}},
    };
    static const struct types_case dequantize[] = {
        {NULL, 1, {U8}, F32},
        {"input 0 of type float32", 1, {F32}, F32},
        {"input 0 of scale 0", 1, {NO_QUANT}, F32},
        {"input 0 has a zero point per channel", 1, {CHANNELS}, F32},
        {"output of type uint8", 1, {U8}, U8},
    };
    (void)unused;
    EXPECT(QUANTIZE, NULL, quantize);
    EXPECT(DEQUANTIZE, NULL, dequantize);
}

static void table_shapes(void **unused)
{
    static const struct {
        struct tf2_shape table;
        enum tf2_status status;
    } cases[] = {
        {VECTOR(256), TF2_OK},
        {VECTOR(65536), TF2_OK},
        {VECTOR(13), TF2_OK},
        {VECTOR(12), TF2_ERR_SHAPE},
        {VECTOR(14), TF2_ERR_SHAPE},
        {VECTOR(128), TF2_ERR_SHAPE},
        {VECTOR(131072), TF2_ERR_SHAPE},
        {VECTOR(1000), TF2_ERR_SHAPE},
        {VECTOR(1), TF2_ERR_SHAPE},
        {{.n_dims = 2, .dim = {1, 256}}, TF2_ERR_SHAPE},
        {{.n_dims = 0}, TF2_ERR_SHAPE},
    };
    const struct tf2_lrn_attr attr = {.size = 5};
    (void)unused;
    for (size_t i = 0; i < TF2__COUNT(cases); i++) {
        const struct tf2_shape in[] = {IMAGE, cases[i].table};
        ops_expect_status(TF2_OP_LRN, &attr, in, 2, cases[i].status, "table of a normalization");
    }
}

/* Elements that could make a factor infinite, or no number. */
static void curves(void **unused)
{
    static const struct {
        uint32_t at;
        float value;
        const char *message; /* NULL: taken */
    } cases[] = {
        {0, 1, NULL},
        {0, 9e19f, NULL},
        {0, 0.999f, "offset 0.999 of a curve, wanted 1 to 1e+20"},
        {0, -1024, "offset -1024"},
        {0, 1e30f, "offset 1e+30"},
        {0, NAN, "offset nan"},
        {1, -1e6f, NULL},
        {4, 1.1e6f, "element 4 of a curve is 1.1e+06, wanted at most 1e+06"},
        {2, -3e38f, "element 2"},
        {3, NAN, "element 3"},
        {5, -9e19f, NULL},
        {12, 1.1e20f, "element 12 of a curve is 1.1e+20, wanted at most 1e+20"},
        {12, -INFINITY, "element 12"},
        {8, NAN, "element 8"},
    };
    const struct tf2__type x = U8, out = U8;
    struct tf2_lrn_attr attr = {.size = 5};
    float curve[13] = {1024};
    struct tf2__type type = {.dtype = TF2_DTYPE_F32, .shape = VECTOR(13), .data = curve};
    const struct tf2__type *in[2] = {&x, &type};
    const struct tf2__op_int8 *op = tf2__op_find(TF2_OP_LRN)->int8;
    struct tf2_error error = {0};
    (void)unused;
    for (size_t i = 0; i < TF2__COUNT(cases); i++) {
        const float before = curve[cases[i].at];
        curve[cases[i].at] = cases[i].value;
        const enum tf2_status status = op->check(&attr, in, 2, &out, &error);
        if (status != (cases[i].message ? TF2_ERR_VALUE : TF2_OK) ||
            (cases[i].message && !strstr(error.message, cases[i].message)))
            fail_msg("case %zu: %s (%s)", i, tf2_status_name(status), error.message);
        curve[cases[i].at] = before;
    }
    attr.size = INT32_MAX; /* a float does not hold sums of so many squares */
    assert_int_equal(op->check(&attr, in, 2, &out, &error), TF2_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "wanted at most 16777216"));
}

/* A graph with a float32 input, its u8 form, and constants. */
struct net {
    struct tf2_graph *graph;
    tf2_tensor_id x, q, table;
};

static const struct tf2__quant plain = {.scale = 0.5f, .zero_point = 3};
static const float table_data[256];

static struct net make_net(void)
{
    const struct tf2_shape image = IMAGE, vector = VECTOR(256);
    struct net net;
    assert_int_equal(tf2_graph_create(NULL, &net.graph, NULL), TF2_OK);
    assert_int_equal(tf2_graph_add_input(net.graph, "x", TF2_DTYPE_F32, &image, &net.x, NULL), TF2_OK);
    assert_int_equal(
        tf2_graph_add_constant(net.graph, "table", TF2_DTYPE_F32, &vector, table_data, &net.table, NULL),
        TF2_OK);
    assert_int_equal(
        tf2__graph_add_int8(
            net.graph, TF2_OP_QUANTIZE, "q", NULL, &net.x, 1, NULL, TF2_DTYPE_U8, &plain, &net.q, NULL),
        TF2_OK);
    return net;
}

static void expect_node(
    struct net *net, enum tf2_op op, const void *attr, const tf2_tensor_id *in, size_t n_in,
    enum tf2_activation_kind kind, bool is_u8, const char *message)
{
    const struct tf2_activation activation = {.kind = kind, .beta = 1};
    struct tf2_error error = {0};
    tf2_tensor_id out;
    enum tf2_status status = tf2__graph_add_int8(
        net->graph, op, "node", attr, in, n_in, &activation, is_u8 ? TF2_DTYPE_U8 : TF2_DTYPE_F32,
        is_u8 ? &plain : NULL, &out, &error);
    if (status != (message ? TF2_ERR_UNSUPPORTED : TF2_OK) || (message && !strstr(error.message, message)))
        fail_msg("%s: %s (%s)", tf2_op_name(op), tf2_status_name(status), error.message);
    tf2_graph_destroy(&net->graph);
    *net = make_net();
}

static void graphs(void **unused)
{
    const struct tf2_lrn_attr lrn = {.size = 5, .k = 1};
    const struct tf2_eltwise_attr sum = {.kind = TF2_ELTWISE_SUM};
    const struct tf2_softmax_attr softmax = {.axis = 1};
    const struct tf2_no_attr none = {0};
    struct net net = make_net();
    const tf2_tensor_id on_float[] = {net.x, net.table}, on_u8[] = {net.q, net.table};
    const tf2_tensor_id mixed[] = {net.q, net.x}, left_out[] = {net.x, TF2_NO_TENSOR};
    const enum tf2_activation_kind plain_kind = TF2_ACTIVATION_NONE;
    (void)unused;
    /* The table of a normalization is for integers; the float form must not ignore it. */
    expect_node(&net, TF2_OP_LRN, &lrn, on_u8, 2, plain_kind, true, NULL);
    expect_node(&net, TF2_OP_LRN, &lrn, on_float, 1, plain_kind, false, NULL);
    expect_node(&net, TF2_OP_LRN, &lrn, left_out, 2, plain_kind, false, NULL);
    expect_node(&net, TF2_OP_LRN, &lrn, on_float, 2, plain_kind, false, "on integers only");
    expect_node(&net, TF2_OP_LRN, &lrn, on_u8, 1, plain_kind, true, "without a table");
    expect_node(&net, TF2_OP_ELTWISE, &sum, mixed, 2, plain_kind, true, "input 1 of type float32");
    expect_node(&net, TF2_OP_SOFTMAX, &softmax, on_u8, 1, plain_kind, true, "only on float32");
    /* Plans make views of what only moves data: nothing would apply an activation. */
    for (int kind = TF2_ACTIVATION_RELU; kind <= TF2_ACTIVATION_POW; kind++)
        expect_node(
            &net, TF2_OP_IDENTITY, &none, on_u8, 1, (enum tf2_activation_kind)kind, true, "wanted none");
    expect_node(&net, TF2_OP_LRN, &lrn, on_u8, 2, TF2_ACTIVATION_RELU, true, NULL);
    expect_node(&net, TF2_OP_LRN, &lrn, on_u8, 2, TF2_ACTIVATION_CLIP, true, NULL);
    for (int kind = TF2_ACTIVATION_LEAKY_RELU; kind <= TF2_ACTIVATION_POW; kind++)
        expect_node(&net, TF2_OP_LRN, &lrn, on_u8, 2, (enum tf2_activation_kind)kind, true, "on integers");
    tf2_graph_destroy(&net.graph);
}

/* Graphs hand the elements of constants to the check. */
static void curve_of_graph(void **unused)
{
    static const float bad[13] = {1, 0, 0, 0, 0, 1e30f};
    const struct tf2_lrn_attr attr = {.size = 5, .k = 1};
    const struct tf2_shape vector = VECTOR(13);
    struct tf2_error error = {0};
    struct net net = make_net();
    tf2_tensor_id in[2] = {net.q, TF2_NO_TENSOR}, out;
    (void)unused;
    assert_int_equal(
        tf2_graph_add_constant(net.graph, "curve", TF2_DTYPE_F32, &vector, bad, &in[1], NULL), TF2_OK);
    assert_int_equal(
        tf2__graph_add_int8(
            net.graph, TF2_OP_LRN, "node", &attr, in, 2, NULL, TF2_DTYPE_U8, &plain, &out, &error),
        TF2_ERR_VALUE);
    assert_non_null(strstr(error.message, "node"));
    assert_non_null(strstr(error.message, "element 5 of a curve is 1e+30"));
    tf2_graph_destroy(&net.graph);
}

/* Operators have an integer form or none, as the documentation says. */
static void forms(void **unused)
{
    static const enum tf2_op none[] = {TF2_OP_ACTIVATION,      TF2_OP_PRELU,   TF2_OP_BATCH_NORM,
                                       TF2_OP_SCALE,           TF2_OP_SOFTMAX, TF2_OP_NORMALIZE,
                                       TF2_OP_DETECTION_OUTPUT};
    (void)unused;
    for (int op = TF2_OP_IDENTITY; tf2__op_find((enum tf2_op)op); op++) {
        bool wanted = true;
        for (size_t i = 0; i < TF2__COUNT(none); i++)
            wanted = wanted && none[i] != (enum tf2_op)op;
        assert_int_equal(tf2__op_find((enum tf2_op)op)->int8 != NULL, wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums),        cmocka_unit_test(conv_and_gemm),
        cmocka_unit_test(pools),       cmocka_unit_test(moves),
        cmocka_unit_test(tables),      cmocka_unit_test(eltwise_and_concat),
        cmocka_unit_test(conversions), cmocka_unit_test(table_shapes),
        cmocka_unit_test(curves),      cmocka_unit_test(curve_of_graph),
        cmocka_unit_test(graphs),      cmocka_unit_test(forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
