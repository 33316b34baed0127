/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kint8.h: random graphs on integers, on top of kcase.h, and the check that their results are equal: the same
 * bytes, the same bits of floats, on both devices, at two batch sizes.
 *
 * Scales are often powers of two, so that there are ties to round; zero points are often 0 or 255; scales of
 * outputs are such that some of the numbers saturate. Include after cmocka.h.
 */
#ifndef TF2_TEST_KINT8_H
#define TF2_TEST_KINT8_H

#include "kcase.h"
#include "transform/ir/graph.h"

/* --- building --- */

/* A quantization with a scale near `about`. */
struct tf2__quant kquant(struct kgraph *k, double about);
/*
 * The same for numbers that come in multiples of `unit`: half of the time the scale is an even number of
 * units, so that many of them lie in the middle of two steps, but for what a factor loses by rounding. What
 * is computed in another order, or with another factor, shows there.
 */
struct tf2__quant kquant_ties(struct kgraph *k, double about, double unit);
/* Another one, or `quant` again. */
struct tf2__quant kquant_like(struct kgraph *k, struct tf2__quant quant);
const struct tf2__quant *kquant_of(const struct kgraph *k, tf2_tensor_id tensor);
bool kis_u8(const struct kgraph *k, tf2_tensor_id tensor);
/* NONE, RELU or CLIP, with bounds of some dozen steps of size `scale`. */
struct tf2_activation kactivation8(struct kgraph *k, double scale);

/* A float input behind a QUANTIZE with a random quantization. */
tf2_tensor_id kinput8(struct kgraph *k, struct tf2_shape shape);
tf2_tensor_id kinput8_as(struct kgraph *k, struct tf2_shape shape, struct tf2__quant quant);
/* A constant of bytes. */
tf2_tensor_id kconstant8(struct kgraph *k, struct tf2_shape shape);
/* Weights [O, ...], s8; extreme: -128 and 127 only. Bias of up to +-limit; anything where limit is 2^31. */
tf2_tensor_id kweights8(struct kgraph *k, struct tf2_shape shape, bool extreme);
tf2_tensor_id kbias8(struct kgraph *k, int64_t n, double limit);
/* Adds a node; quant NULL: float32. activation NULL: none. */
tf2_tensor_id knode8(
    struct kgraph *k, enum tf2_op op, const void *attr, const tf2_tensor_id *inputs, size_t n_inputs,
    const struct tf2_activation *activation, const struct tf2__quant *quant);
/* TF2_NO_TENSOR when the operator does not take it. */
tf2_tensor_id knode8_try(
    struct kgraph *k, enum tf2_op op, const void *attr, const tf2_tensor_id *inputs, size_t n_inputs,
    const struct tf2_activation *activation, const struct tf2__quant *quant);
/* The output's quantization is the input's: what moves bytes. */
tf2_tensor_id kmove8(struct kgraph *k, enum tf2_op op, const void *attr, tf2_tensor_id x);
tf2_tensor_id kmove8_try(struct kgraph *k, enum tf2_op op, const void *attr, tf2_tensor_id x);
/* Behind a DEQUANTIZE when it is u8. */
void koutput8(struct kgraph *k, tf2_tensor_id tensor);

struct kconv8 {
    int64_t n_out, kernel, group; /* kernel: at most, of each spatial dimension */
    struct tf2_window window;
    bool exact_kernel;
    bool residual, f32; /* else by chance */
    bool no_residual, no_f32;
    const tf2_tensor_id *others; /* one of these that has the output's shape is the residual, if any has */
    size_t n_others;
    bool extreme, wrap; /* weights -128 and 127; biases that make sums wrap around */
    bool one_sign;      /* all weights of an output channel are 127, or -128 */
};
/* Tries smaller dilations and kernels until the window fits. */
tf2_tensor_id kconv8(struct kgraph *k, tf2_tensor_id x, const struct kconv8 *conv);
/* Kernel 3 (or what fits), padding 1; kernel 1. u8 output. */
tf2_tensor_id kconv8_same(struct kgraph *k, tf2_tensor_id x, int64_t n_out);
tf2_tensor_id kconv8_1x1(struct kgraph *k, tf2_tensor_id x, int64_t n_out);
tf2_tensor_id kgemm8(struct kgraph *k, tf2_tensor_id x, int32_t axis, int64_t n_out, bool f32, bool extreme);
tf2_tensor_id kconcat8(
    struct kgraph *k, int32_t axis, const tf2_tensor_id *inputs, size_t n_inputs,
    const struct tf2__quant *quant);
/* Sums and the like of inputs, with a quantization that fits. */
tf2_tensor_id keltwise8(
    struct kgraph *k, const struct tf2_eltwise_attr *attr, const tf2_tensor_id *inputs, size_t n_inputs);
/* Pools, u8 or float32; TF2_NO_TENSOR when it does not fit. */
tf2_tensor_id kpool8_try(struct kgraph *k, const struct tf2_pool_attr *attr, tf2_tensor_id x, bool f32);
tf2_tensor_id klookup8(struct kgraph *k, tf2_tensor_id x, bool per_channel);
/* n_table: elements of the table, or TF2__LRN_CURVE for a curve, to which alpha is fitted. */
tf2_tensor_id klrn8(struct kgraph *k, tf2_tensor_id x, const struct tf2_lrn_attr *attr, int64_t n_table);
tf2_tensor_id kslice8(struct kgraph *k, tf2_tensor_id x, uint32_t axis, int64_t begin, int64_t end);
/* Something that computes, with a quantization of its own. */
tf2_tensor_id ksomething8(struct kgraph *k, tf2_tensor_id x);

/* Prints the graph, and of u8 tensors scale and zero point. */
void kprint8(const struct tf2_graph *graph);

/* --- running --- */

/* A session with its inputs and outputs. */
struct krun {
    struct tf2_session *session; /* NULL: `status` and `error` say why */
    uint32_t n_in, n_out;
    struct tf2_tensor_info *in_info, *out_info;
    float **in;
    unsigned char **out;
    enum tf2_status status;
    struct tf2_error error;
};

/* batch 0: the model's. False when there is no session. */
bool krun_open(
    struct krun *run, const struct tf2_model *model, struct tf2_devices *devices, size_t index,
    int64_t batch);
void krun_close(struct krun *run);
/* Numbers for the inputs: in all manners, depending on the seed. special: not-a-numbers, infinities among
 * them. */
void krun_fill(struct krun *run, uint64_t seed, bool special);
/* Item `i` of the other's inputs, which has the larger batch. */
void krun_take_item(struct krun *run, const struct krun *of, size_t i);
bool krun_go(struct krun *run);
size_t krun_out_bytes(const struct krun *run, uint32_t i);
/* Whether the outputs are what the operators' definitions give for the inputs, node by node. */
bool krun_as_defined(const struct krun *run, const struct tf2_graph *graph);
/* Whether all outputs are the same bits; prints the first difference. */
bool krun_equal(const struct krun *found, const struct krun *wanted);
/* Whether dequantized outputs are at most one step apart. */
bool krun_close_to(const struct krun *found, const struct krun *wanted, const struct tf2_model *model);

/* --- checking --- */

enum kcheck8_result {
    KCHECK8_EQUAL = 0,
    KCHECK8_DIFFERENT = 1,
    KCHECK8_REFUSED = 2, /* TF2_ERR_UNSUPPORTED of the tested device, and the family allows for it */
};

struct kfamily8 {
    const char *name;
    kbuild build;
    uint64_t slow;   /* as in struct kfamily */
    bool may_refuse; /* kernels that do not exist yet */
    bool one_step;   /* floats in between: dequantized outputs may differ by a step */
};

/*
 * Whether the graph gives the same bits (a step, where the family says so) after the passes, on device 0, as
 * before them, on device 1. What device 1 refuses before them may be refused or not. Prints what is wrong.
 */
bool krun_passes_keep(
    struct kdevices *devices, const struct kfamily8 *family, const struct tf2_model *as_built, uint64_t seed,
    int64_t batch);

/*
 * A seed, at the graph's batch and at a larger one, device 0 against device 1, and after the passes. Each
 * session runs its numbers, then special ones, then the first again: no trace may remain. Device 1 against the
 * operators' definitions. Prints what is wrong.
 */
enum kcheck8_result kcheck8(struct kdevices *devices, const struct kfamily8 *family, uint64_t seed);

/* Each list ends with a row without a name. */
extern const struct kfamily8 families8_conv[];   /* conv, gemm */
extern const struct kfamily8 families8_map[];    /* eltwise, lookup, quantize, dequantize */
extern const struct kfamily8 families8_move[];   /* concat, slice, transpose, reshape and relatives, pad */
extern const struct kfamily8 families8_window[]; /* pool, lrn, resize */
extern const struct kfamily8 families8_net[];    /* constants, u8 outputs, floats in between */

#endif
