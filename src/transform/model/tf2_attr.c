/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2_attr.c: attributes of operators as bytes. A table per operator lists the fields of its struct in the
 * order of the file; docs/model-format.md has the same tables.
 *
 * Fields are only ever appended, and zero has to mean what was meant before the field was there: files leave
 * zeros at the end out. Values are checked by the operators, but for flags, which must be 0 or 1 to be a bool
 * at all.
 */
#include "transform/model/tf2_format.h"

enum kind {
    WORD, /* i32, u32 or an enumeration */
    LONG, /* i64 */
    REAL, /* f32 */
    FLAG, /* bool */
};

struct field {
    uint8_t kind;
    uint8_t n; /* elements of an array, else 1 */
    uint16_t offset;
};

struct layout {
    size_t n_fields;
    const struct field *fields;
};

_Static_assert(sizeof(enum tf2_activation_kind) == 4 && sizeof(bool) == 1, "sizes of fields");

#define FIELD(kind, n, type, member)                                                                         \
    {                                                                                                        \
        kind, n, offsetof(struct type, member)                                                               \
    }

#define WINDOW(type, member)                                                                                 \
    FIELD(WORD, TF2_MAX_SPATIAL, type, member.kernel), FIELD(WORD, TF2_MAX_SPATIAL, type, member.stride),    \
        FIELD(WORD, TF2_MAX_SPATIAL, type, member.dilation),                                                 \
        FIELD(WORD, TF2_MAX_SPATIAL, type, member.pad_begin),                                                \
        FIELD(WORD, TF2_MAX_SPATIAL, type, member.pad_end), FIELD(WORD, 1, type, member.auto_pad)

static const struct field conv[] = {WINDOW(tf2_conv_attr, window), FIELD(WORD, 1, tf2_conv_attr, group)};
static const struct field gemm[] = {FIELD(WORD, 1, tf2_gemm_attr, axis)};
static const struct field pool[] = {
    FIELD(WORD, 1, tf2_pool_attr, kind),
    FIELD(WORD, 1, tf2_pool_attr, rounding),
    WINDOW(tf2_pool_attr, window),
    FIELD(FLAG, 1, tf2_pool_attr, global),
    FIELD(FLAG, 1, tf2_pool_attr, count_include_pad),
};
static const struct field activation[] = {
    FIELD(WORD, 1, tf2_activation, kind),
    FIELD(REAL, 1, tf2_activation, alpha),
    FIELD(REAL, 1, tf2_activation, beta),
};
static const struct field batch_norm[] = {FIELD(REAL, 1, tf2_batch_norm_attr, epsilon)};
static const struct field scale[] = {FIELD(WORD, 1, tf2_scale_attr, axis)};
static const struct field lrn[] = {
    FIELD(WORD, 1, tf2_lrn_attr, region), FIELD(WORD, 1, tf2_lrn_attr, size),
    FIELD(REAL, 1, tf2_lrn_attr, alpha),  FIELD(REAL, 1, tf2_lrn_attr, beta),
    FIELD(REAL, 1, tf2_lrn_attr, k),
};
static const struct field eltwise[] = {
    FIELD(WORD, 1, tf2_eltwise_attr, kind),
    FIELD(FLAG, 1, tf2_eltwise_attr, has_coefficients),
    FIELD(REAL, TF2_ELTWISE_MAX_INPUTS, tf2_eltwise_attr, coefficient),
};
static const struct field axis[] = {FIELD(WORD, 1, tf2_axis_attr, axis)};
static const struct field slice[] = {
    FIELD(WORD, 1, tf2_slice_attr, n_dims),
    FIELD(LONG, TF2_MAX_DIMS, tf2_slice_attr, begin),
    FIELD(LONG, TF2_MAX_DIMS, tf2_slice_attr, end),
    FIELD(LONG, TF2_MAX_DIMS, tf2_slice_attr, step),
};
static const struct field softmax[] = {
    FIELD(WORD, 1, tf2_softmax_attr, axis),
    FIELD(FLAG, 1, tf2_softmax_attr, flatten),
    FIELD(FLAG, 1, tf2_softmax_attr, log),
};
static const struct field reshape[] = {
    FIELD(WORD, 1, tf2_reshape_attr, n_dims),
    FIELD(LONG, TF2_MAX_DIMS, tf2_reshape_attr, dim),
};
static const struct field axes[] = {FIELD(WORD, 1, tf2_axes_attr, axes)};
static const struct field transpose[] = {
    FIELD(WORD, 1, tf2_transpose_attr, n_dims),
    FIELD(WORD, TF2_MAX_DIMS, tf2_transpose_attr, perm),
};
static const struct field pad[] = {
    FIELD(WORD, 1, tf2_pad_attr, n_dims),         FIELD(WORD, 1, tf2_pad_attr, mode),
    FIELD(REAL, 1, tf2_pad_attr, value),          FIELD(LONG, TF2_MAX_DIMS, tf2_pad_attr, begin),
    FIELD(LONG, TF2_MAX_DIMS, tf2_pad_attr, end),
};
static const struct field resize[] = {
    FIELD(WORD, 1, tf2_resize_attr, mode),
    FIELD(WORD, 1, tf2_resize_attr, coordinates),
    FIELD(WORD, 1, tf2_resize_attr, nearest),
    FIELD(LONG, TF2_MAX_SPATIAL, tf2_resize_attr, size),
    FIELD(REAL, TF2_MAX_SPATIAL, tf2_resize_attr, scale),
};

static const struct field conv_transpose[] = {
    WINDOW(tf2_conv_transpose_attr, window),
    FIELD(WORD, 1, tf2_conv_transpose_attr, group),
    FIELD(WORD, TF2_MAX_SPATIAL, tf2_conv_transpose_attr, output_pad),
};
static const struct field normalize[] = {
    FIELD(WORD, 1, tf2_normalize_attr, region),
    FIELD(REAL, 1, tf2_normalize_attr, epsilon),
};
static const struct field prior_box[] = {
    FIELD(WORD, 1, tf2_prior_box_attr, n_sizes),
    FIELD(WORD, 1, tf2_prior_box_attr, n_max_sizes),
    FIELD(WORD, 1, tf2_prior_box_attr, n_ratios),
    FIELD(REAL, TF2_PRIOR_BOX_MAX, tf2_prior_box_attr, min_size),
    FIELD(REAL, TF2_PRIOR_BOX_MAX, tf2_prior_box_attr, max_size),
    FIELD(REAL, TF2_PRIOR_BOX_MAX, tf2_prior_box_attr, ratio),
    FIELD(REAL, 4, tf2_prior_box_attr, variance),
    FIELD(FLAG, 1, tf2_prior_box_attr, clip),
    FIELD(WORD, 1, tf2_prior_box_attr, image_height),
    FIELD(WORD, 1, tf2_prior_box_attr, image_width),
    FIELD(REAL, 1, tf2_prior_box_attr, step_height),
    FIELD(REAL, 1, tf2_prior_box_attr, step_width),
    FIELD(REAL, 1, tf2_prior_box_attr, offset),
};
static const struct field detection[] = {
    FIELD(WORD, 1, tf2_detection_attr, n_classes),
    FIELD(WORD, 1, tf2_detection_attr, background),
    FIELD(WORD, 1, tf2_detection_attr, code),
    FIELD(FLAG, 1, tf2_detection_attr, boxes_per_class),
    FIELD(FLAG, 1, tf2_detection_attr, variance_in_offsets),
    FIELD(REAL, 1, tf2_detection_attr, confidence),
    FIELD(REAL, 1, tf2_detection_attr, nms_threshold),
    FIELD(REAL, 1, tf2_detection_attr, nms_eta),
    FIELD(WORD, 1, tf2_detection_attr, top_k),
    FIELD(WORD, 1, tf2_detection_attr, keep_top_k),
};

#define LAYOUT(fields)                                                                                       \
    {                                                                                                        \
        TF2__COUNT(fields), fields                                                                           \
    }

/* Operators that are not listed have no attributes. */
static const struct layout layouts[] = {
    [TF2_OP_CONV] = LAYOUT(conv),
    [TF2_OP_GEMM] = LAYOUT(gemm),
    [TF2_OP_POOL] = LAYOUT(pool),
    [TF2_OP_ACTIVATION] = LAYOUT(activation),
    [TF2_OP_BATCH_NORM] = LAYOUT(batch_norm),
    [TF2_OP_SCALE] = LAYOUT(scale),
    [TF2_OP_LRN] = LAYOUT(lrn),
    [TF2_OP_ELTWISE] = LAYOUT(eltwise),
    [TF2_OP_CONCAT] = LAYOUT(axis),
    [TF2_OP_SLICE] = LAYOUT(slice),
    [TF2_OP_SOFTMAX] = LAYOUT(softmax),
    [TF2_OP_FLATTEN] = LAYOUT(axis),
    [TF2_OP_RESHAPE] = LAYOUT(reshape),
    [TF2_OP_SQUEEZE] = LAYOUT(axes),
    [TF2_OP_UNSQUEEZE] = LAYOUT(axes),
    [TF2_OP_TRANSPOSE] = LAYOUT(transpose),
    [TF2_OP_PAD] = LAYOUT(pad),
    [TF2_OP_RESIZE] = LAYOUT(resize),
    [TF2_OP_CONV_TRANSPOSE] = LAYOUT(conv_transpose),
    [TF2_OP_NORMALIZE] = LAYOUT(normalize),
    [TF2_OP_PRIOR_BOX] = LAYOUT(prior_box),
    [TF2_OP_DETECTION_OUTPUT] = LAYOUT(detection),
};

static struct layout find(enum tf2_op op)
{
    static const struct layout none = {0};
    return (size_t)op < TF2__COUNT(layouts) ? layouts[op] : none;
}

static size_t field_bytes(const struct field *field)
{
    static const uint8_t element_bytes[] = {[WORD] = 4, [LONG] = 8, [REAL] = 4, [FLAG] = 1};
    return (size_t)field->n * element_bytes[field->kind];
}

size_t tf2__attr_encode(enum tf2_op op, const void *attr, unsigned char bytes[TF2__ATTR_MAX_BYTES])
{
    struct layout layout = find(op);
    size_t n = 0;
    for (size_t i = 0; i < layout.n_fields; i++) {
        size_t n_bytes = field_bytes(&layout.fields[i]);
        assert(n + n_bytes <= TF2__ATTR_MAX_BYTES);
        memcpy(bytes + n, (const unsigned char *)attr + layout.fields[i].offset, n_bytes);
        n += n_bytes;
    }
    while (n > 0 && bytes[n - 1] == 0)
        n--;
    return n;
}

enum tf2_status tf2__attr_decode(
    enum tf2_op op, const unsigned char *bytes, size_t n_bytes, void *attr, struct tf2_error *error)
{
    struct layout layout = find(op);
    unsigned char whole[TF2__ATTR_MAX_BYTES] = {0};
    size_t known = 0, at = 0;
    for (size_t i = 0; i < layout.n_fields; i++)
        known += field_bytes(&layout.fields[i]);
    if (n_bytes > known)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%zu bytes of attributes, this version knows %zu", n_bytes, known);
    if (n_bytes)
        memcpy(whole, bytes, n_bytes);
    for (size_t i = 0; i < layout.n_fields; i++) {
        const struct field *field = &layout.fields[i];
        if (field->kind == FLAG && whole[at] > 1)
            return tf2__fail(error, TF2_ERR_FORMAT, "a flag is %u, wanted 0 or 1", whole[at]);
        memcpy((unsigned char *)attr + field->offset, whole + at, field_bytes(field));
        at += field_bytes(field);
    }
    return TF2_OK;
}
