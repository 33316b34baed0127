/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2/op.h: the operators of a graph, their inputs and attributes.
 *
 * Every node has one output. Inputs are listed as x (data), and constants; [name] is optional. Feature maps
 * are [N, C, spatial...] with up to three spatial dimensions; spatial attributes are in the order of the
 * tensor's spatial dimensions (H, W for images). Axes count from the outermost dimension; negative ones from
 * the end.
 *
 * Operators work on float32. After quantization (tf2/quantize.h) many of them work on uint8 tensors instead;
 * quantize, dequantize and lookup only exist there.
 *
 * Zero-initialize an attribute struct (or take tf2_op_attr_defaults()) and set what differs.
 */
#ifndef TF2_OP_H
#define TF2_OP_H

#include <tf2/common.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TF2_MAX_SPATIAL       3
#define TF2_MAX_NODE_INPUTS   64

/* X(NAME, number, "name", attribute struct). Append only. */
#define TF2_OP_MAP(X)                                                                                        \
    X(IDENTITY, 1, "identity", struct tf2_no_attr)     /* x: a copy */                                       \
    X(DROPOUT, 2, "dropout", struct tf2_no_attr)       /* x: at inference a copy */                          \
    X(CONV, 3, "conv", struct tf2_conv_attr)           /* x, weights [O, I/group, k...], [bias [O]], [add] */ \
    X(GEMM, 4, "gemm", struct tf2_gemm_attr)           /* x, weights [O, K], [bias [O]] */                   \
    X(POOL, 5, "pool", struct tf2_pool_attr)           /* x */                                               \
    X(ACTIVATION, 6, "activation", struct tf2_activation) /* x */                                            \
    X(PRELU, 7, "prelu", struct tf2_no_attr)           /* x, slope [C] or [1] */                             \
    X(BATCH_NORM, 8, "batch_norm", struct tf2_batch_norm_attr) /* x, scale, bias, mean, variance: [C] each */ \
    X(SCALE, 9, "scale", struct tf2_scale_attr)        /* x, scale, [bias] along `axis` */                   \
    X(LRN, 10, "lrn", struct tf2_lrn_attr)             /* x, [table or curve: on uint8 only] */              \
    X(ELTWISE, 11, "eltwise", struct tf2_eltwise_attr) /* two or more, broadcast to one shape */             \
    X(CONCAT, 12, "concat", struct tf2_axis_attr)      /* one or more */                                     \
    X(SLICE, 13, "slice", struct tf2_slice_attr)       /* x */                                               \
    X(SOFTMAX, 14, "softmax", struct tf2_softmax_attr) /* x */                                               \
    X(FLATTEN, 15, "flatten", struct tf2_axis_attr)    /* x: [dims before axis, the others] */               \
    X(RESHAPE, 16, "reshape", struct tf2_reshape_attr) /* x */                                               \
    X(SQUEEZE, 17, "squeeze", struct tf2_axes_attr)    /* x; axes 0: every extent of 1 */                    \
    X(UNSQUEEZE, 18, "unsqueeze", struct tf2_axes_attr) /* x; axes of the output */                          \
    X(TRANSPOSE, 19, "transpose", struct tf2_transpose_attr) /* x */                                         \
    X(PAD, 20, "pad", struct tf2_pad_attr)             /* x */                                               \
    X(RESIZE, 21, "resize", struct tf2_resize_attr)    /* x */                                               \
    X(QUANTIZE, 22, "quantize", struct tf2_no_attr)    /* x float32, [offset [C] subtracted first]: uint8 */ \
    X(DEQUANTIZE, 23, "dequantize", struct tf2_no_attr) /* x uint8: float32 */                               \
    X(LOOKUP, 24, "lookup", struct tf2_no_attr)        /* x uint8, table uint8 [256] or [C, 256] */          \
    X(CONV_TRANSPOSE, 25, "conv_transpose", struct tf2_conv_transpose_attr) /* x, weights [O, I/group, k...], \
                                                                               [bias [O]] */                  \
    X(NORMALIZE, 26, "normalize", struct tf2_normalize_attr) /* x, [scale [C] or [1]] */                      \
    X(PRIOR_BOX, 27, "prior_box", struct tf2_prior_box_attr) /* map, image: only their sizes matter */        \
    X(DETECTION_OUTPUT, 28, "detection_output", struct tf2_detection_attr) /* offsets [N, boxes * 4], scores  \
                                                     [N, boxes * classes], priors [1, 2, boxes * 4] */

enum tf2_op {
#define TF2_OP_ENUM(name, number, text, attr) TF2_OP_##name = number,
    TF2_OP_MAP(TF2_OP_ENUM)
#undef TF2_OP_ENUM
};

struct tf2_no_attr {
    char unused;
};

enum tf2_activation_kind {
    TF2_ACTIVATION_NONE = 0,
    TF2_ACTIVATION_RELU = 1,         /* max(x, 0) */
    TF2_ACTIVATION_CLIP = 2,         /* min(max(x, alpha), beta) */
    TF2_ACTIVATION_LEAKY_RELU = 3,   /* x >= 0 ? x : alpha * x */
    TF2_ACTIVATION_SIGMOID = 4,      /* 1 / (1 + exp(-x)) */
    TF2_ACTIVATION_TANH = 5,
    TF2_ACTIVATION_HARD_SIGMOID = 6, /* max(0, min(1, alpha * x + beta)) */
    TF2_ACTIVATION_HARD_SWISH = 7,   /* x * max(0, min(1, x / 6 + 1 / 2)) */
    TF2_ACTIVATION_ELU = 8,          /* x >= 0 ? x : alpha * (exp(x) - 1) */
    TF2_ACTIVATION_ABS = 9,
    TF2_ACTIVATION_EXP = 10,
    TF2_ACTIVATION_LOG = 11,
    TF2_ACTIVATION_SQRT = 12,
    TF2_ACTIVATION_AFFINE = 13,      /* alpha * x + beta */
    TF2_ACTIVATION_POW = 14,         /* x to the power alpha */
    TF2_ACTIVATION_ERF = 15,         /* the error function */
};

/* An element-wise function, as a node of its own or fused into the node before it. */
struct tf2_activation {
    enum tf2_activation_kind kind;
    float alpha;
    float beta;
};

/* How a window's padding is found. */
enum tf2_auto_pad {
    TF2_AUTO_PAD_EXPLICIT = 0,   /* pad_begin and pad_end as given */
    TF2_AUTO_PAD_SAME_UPPER = 1, /* output = ceil(input / stride); an odd pixel of padding goes to the end */
    TF2_AUTO_PAD_SAME_LOWER = 2, /* the same, an odd pixel goes to the beginning */
    TF2_AUTO_PAD_VALID = 3,      /* none */
};

/*
 * A sliding window over the spatial dimensions. stride and dilation 0 mean 1. Dimensions beyond the tensor's
 * are ignored.
 */
struct tf2_window {
    int32_t kernel[TF2_MAX_SPATIAL]; /* 0: conv: it comes from the weights; pool: the input's whole extent */
    int32_t stride[TF2_MAX_SPATIAL];
    int32_t dilation[TF2_MAX_SPATIAL];
    int32_t pad_begin[TF2_MAX_SPATIAL];
    int32_t pad_end[TF2_MAX_SPATIAL];
    enum tf2_auto_pad auto_pad;
};

/*
 * Cross-correlation, as all frameworks mean by convolution. group: input and output channels are cut into
 * this many independent parts; 0 means 1. Depthwise: group == C. `add` is a residual of the output's shape,
 * added before the activation; graph builders leave it out, the fuse-add pass sets it.
 */
struct tf2_conv_attr {
    struct tf2_window window;
    int32_t group;
};

/* y[m, o] = sum_k x[m, k] * weights[o, k] + bias[o]; x is flattened to rows: dimensions before `axis` make m
 * (they stay as they are in the output), the others k. Caffe's InnerProduct: axis 1. MatMul: axis -1. */
struct tf2_gemm_attr {
    int32_t axis;
};

enum tf2_pool_kind {
    TF2_POOL_MAX = 0,
    TF2_POOL_AVG = 1,
};

/* How many windows fit. */
enum tf2_pool_rounding {
    TF2_POOL_FLOOR = 0, /* ONNX ceil_mode 0 */
    TF2_POOL_CEIL = 1,  /* Caffe, ONNX ceil_mode 1: the last may reach beyond the padding, but must start inside
                           input or leading padding */
};

/* Padding is never the maximum. It has to be smaller than the window, so that each window has a pixel. */
struct tf2_pool_attr {
    enum tf2_pool_kind kind;
    enum tf2_pool_rounding rounding;
    struct tf2_window window;
    bool global;            /* the window is the whole map; `window` is ignored */
    bool count_include_pad; /* average: padding (not what rounding up adds beyond it) counts into the divisor */
};

struct tf2_batch_norm_attr {
    float epsilon;
};

/* scale and bias have the extents of one or more of x's dimensions from `axis` on (Caffe's Scale: [C] along axis 1,
 * or [C, H, W]); a scalar scales everything. */
struct tf2_scale_attr {
    int32_t axis;
};

enum tf2_lrn_region {
    TF2_LRN_ACROSS_CHANNELS = 0,
    TF2_LRN_WITHIN_CHANNEL = 1, /* the window is size x size pixels of the same channel */
};

/* y = x / (k + alpha / n * sum of squares over the window)^beta, n = size, or size^2 within a channel. */
struct tf2_lrn_attr {
    enum tf2_lrn_region region;
    int32_t size; /* odd */
    float alpha;
    float beta;
    float k;
};

enum tf2_eltwise_kind {
    TF2_ELTWISE_SUM = 0, /* sum of coefficient[i] * x[i] when has_coefficients */
    TF2_ELTWISE_PROD = 1,
    TF2_ELTWISE_MAX = 2,
    TF2_ELTWISE_MIN = 3,
    TF2_ELTWISE_SUB = 4, /* two inputs */
    TF2_ELTWISE_DIV = 5, /* two inputs */
    TF2_ELTWISE_SELECT = 6, /* three inputs: x[0] > 0 ? x[1] : x[2] */
};

#define TF2_ELTWISE_MAX_INPUTS 16

/* Inputs broadcast as in NumPy: missing leading dimensions and extents of 1 repeat. */
struct tf2_eltwise_attr {
    enum tf2_eltwise_kind kind;
    bool has_coefficients;
    float coefficient[TF2_ELTWISE_MAX_INPUTS];
};

struct tf2_axis_attr {
    int32_t axis;
};

/* Dimension d runs from begin[d] in steps of step[d] (0 means 1; negative allowed) up to, not including, end[d].
 * Negative begin and end count from the extent's end; out-of-range ones are clamped, as in ONNX: with a
 * negative step begin to the last element or the first, end to before the first (INT64_MIN takes all down to
 * element 0). Only the first n_dims entries count; begin 0, end INT64_MAX takes all. n_dims: the rank of x. */
struct tf2_slice_attr {
    uint32_t n_dims;
    int64_t begin[TF2_MAX_DIMS];
    int64_t end[TF2_MAX_DIMS];
    int64_t step[TF2_MAX_DIMS];
};

struct tf2_softmax_attr {
    int32_t axis;
    bool flatten; /* over all elements from `axis` on, as ONNX before opset 13 */
    bool log;     /* the logarithm of it */
};

/* dim: 0 copies x's extent at this place, -1 (once) takes what is left. */
struct tf2_reshape_attr {
    uint32_t n_dims;
    int64_t dim[TF2_MAX_DIMS];
};

/* A set of axes: bit d is dimension d. */
struct tf2_axes_attr {
    uint32_t axes;
};

/* Output dimension d is input dimension perm[d]. n_dims: the rank of x. */
struct tf2_transpose_attr {
    uint32_t n_dims;
    uint32_t perm[TF2_MAX_DIMS];
};

enum tf2_pad_mode {
    TF2_PAD_CONSTANT = 0,
    TF2_PAD_REFLECT = 1, /* without repeating the edge */
    TF2_PAD_EDGE = 2,
};

/* Elements added before and after each dimension; negative ones remove, at most all (constant mode only). Reflection
 * adds less than the extent. n_dims: rank of x. */
struct tf2_pad_attr {
    uint32_t n_dims;
    enum tf2_pad_mode mode;
    float value;
    int64_t begin[TF2_MAX_DIMS];
    int64_t end[TF2_MAX_DIMS];
};

enum tf2_resize_mode {
    TF2_RESIZE_NEAREST = 0,
    TF2_RESIZE_LINEAR = 1, /* bilinear on images */
};

/* Where output pixel o lies in the input. scale: the one given, or output / input extent where a size is given. */
enum tf2_resize_coordinates {
    TF2_RESIZE_HALF_PIXEL = 0,         /* (o + 0.5) / scale - 0.5 */
    TF2_RESIZE_PYTORCH_HALF_PIXEL = 1, /* the same, 0 when the output extent is 1 */
    TF2_RESIZE_ALIGN_CORNERS = 2,      /* o * (input - 1) / (output - 1) */
    TF2_RESIZE_ASYMMETRIC = 3,         /* o / scale */
    TF2_RESIZE_TF_HALF_PIXEL = 4,      /* (o + 0.5) / scale */
};

enum tf2_resize_nearest {
    TF2_RESIZE_ROUND_PREFER_FLOOR = 0,
    TF2_RESIZE_ROUND_PREFER_CEIL = 1,
    TF2_RESIZE_FLOOR = 2,
    TF2_RESIZE_CEIL = 3,
};

/* Spatial dimensions only (from dimension 2 on). size[d] > 0 gives the extent; otherwise scale[d] > 0 gives
 * floor(input * scale[d]), the product rounded to float. Beyond the edges the outermost pixels repeat. */
struct tf2_resize_attr {
    enum tf2_resize_mode mode;
    enum tf2_resize_coordinates coordinates;
    enum tf2_resize_nearest nearest;
    int64_t size[TF2_MAX_SPATIAL];
    float scale[TF2_MAX_SPATIAL];
};

/*
 * The transposed convolution (Caffe's Deconvolution): each input pixel adds kernel * its value to the output, `stride`
 * pixels further for the next one. The window's padding is cut off the output:
 *     output = (input - 1) * stride + (kernel - 1) * dilation + 1 - pad_begin - pad_end + output_pad
 * SAME_UPPER, SAME_LOWER: output = input * stride, an odd pixel is cut off at the end, at the beginning. group as in
 * tf2_conv_attr; weights have the output channel first, as a convolution's, and are not flipped.
 */
struct tf2_conv_transpose_attr {
    struct tf2_window window;
    int32_t group;
    int32_t output_pad[TF2_MAX_SPATIAL]; /* pixels added at the end, 0 or more */
};

enum tf2_normalize_region {
    TF2_NORMALIZE_CHANNELS = 0, /* the channels of each pixel */
    TF2_NORMALIZE_ALL = 1,      /* all dimensions but the first */
};

/* y = scale * x / sqrt(epsilon + sum of squares over the region); 0 where that root is 0. epsilon: 0 or more. */
struct tf2_normalize_attr {
    enum tf2_normalize_region region;
    float epsilon;
};

#define TF2_PRIOR_BOX_MAX 16

/*
 * The boxes that detectors of SSD's kind start from (Liu et al.: SSD, 2016), as corners x0, y0, x1, y1 relative to the
 * image: [1, 2, H * W * boxes per pixel * 4], row 0 boxes, row 1 variances. At each pixel of the map [N, C, H, W] come for
 * each size s, with m its max_size: s x s, then sqrt(s * m) square, then s * sqrt(r) x s / sqrt(r) for each ratio r.
 */
struct tf2_prior_box_attr {
    uint32_t n_sizes;                     /* 1 or more */
    uint32_t n_max_sizes;                 /* 0 or n_sizes */
    uint32_t n_ratios;                    /* beside 1, which is always there */
    float min_size[TF2_PRIOR_BOX_MAX];    /* pixels of the image */
    float max_size[TF2_PRIOR_BOX_MAX];    /* each larger than its min_size */
    float ratio[TF2_PRIOR_BOX_MAX];       /* width / height */
    float variance[4];                    /* of x0, y0, x1, y1 */
    bool clip;                            /* to 0 ... 1 */
    int32_t image_height, image_width;    /* 0: those of the second input */
    float step_height, step_width;        /* pixels of the image per pixel of the map; 0: the quotient of the sizes */
    float offset;                         /* where in its pixel of the map the centre lies: 0.5 is its middle */
};

/* How the numbers that a detector predicts move its prior boxes. p: prior, v: its variances, t: predicted. */
enum tf2_box_code {
    TF2_BOX_CENTER_SIZE = 0, /* centre + t * v * size, size * exp(t * v) */
    TF2_BOX_CORNER = 1,      /* corner + t * v */
    TF2_BOX_CORNER_SIZE = 2, /* corner + t * v * size */
};

/*
 * What a detector of SSD's kind found: [N, 1, keep_top_k, 7], a row for each box: 0, class, score, x0, y0, x1, y1
 * relative to the image. Rows are ordered by class, then from high to low score; those behind the last box are -1, 0, 0,
 * 0, 0, 0, 0. (Caffe has the image's number in front. Here dimension 0 is the image, so that a result does not depend on
 * what else is in the batch.) Per class boxes with a score above `confidence` are taken, best first, at most top_k; each
 * that overlaps a better one of its class by more than nms_threshold (intersection over union) is dropped; then
 * the keep_top_k best of all classes stay.
 */
struct tf2_detection_attr {
    int32_t n_classes;        /* background included */
    int32_t background;       /* the class that is no object; -1: none */
    enum tf2_box_code code;
    bool boxes_per_class;     /* offsets [N, boxes * classes * 4] */
    bool variance_in_offsets; /* the predicted numbers are multiplied by the variances already */
    float confidence;
    float nms_threshold;
    float nms_eta;            /* after each box kept the threshold is multiplied by this while it is above 0.5; 0: 1 */
    int32_t top_k;            /* 0: all */
    int32_t keep_top_k;       /* 0: all that can be found */
};

/* The operator's name in messages and reports, such as "conv"; "invalid" for a number that is none. */
TF2_API const char *tf2_op_name(enum tf2_op op);

#ifdef __cplusplus
}
#endif

#endif
