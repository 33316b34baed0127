/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_caffe_refused.c: layers with parameters that make no sense, or are not supported, are refused with the
 * reason.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "../support/caffe.h"

struct refused_case {
    const char *input;
    const char *layer;
    const char *words; /* in the message */
};

static const struct refused_case refused_cases[] = {
    {"dim: 1 dim: 2 dim: 4 dim: 4", "type: 'Pooling' pooling_param { pool: STOCHASTIC kernel_size: 2 }",
     "stochastic"},
    {"dim: 1 dim: 2 dim: 4 dim: 4", "type: 'Pooling' pooling_param { pool: MEDIAN }",
     "pool cannot be 'MEDIAN'"},
    {"dim: 1 dim: 2 dim: 4 dim: 4", "type: 'Pooling'", "kernel_size is 0"},
    {"dim: 1 dim: 2 dim: 4 dim: 4",
     "type: 'Pooling' pooling_param { kernel_size: 2 kernel_h: 2 kernel_w: 2 }", "both kernel_size"},
    {"dim: 1 dim: 2 dim: 4 dim: 4", "type: 'Pooling' pooling_param { kernel_size: 2 stride: 0 }",
     "stride is 0"},
    {"dim: 1 dim: 2 dim: 4 dim: 4", "type: 'Pooling' pooling_param { kernel_h: 2 }", "kernel_size is 0"},
    {"dim: 1 dim: 2 dim: 4 dim: 4", "type: 'Pooling' pooling_param { kernel_size: 4294967295 }",
     "4294967295"},
    {"dim: 1 dim: 2 dim: 4 dim: 4", "type: 'Pooling' pooling_param { kernel_size: 2 pad: 2 }", "padding 2"},
    {"dim: 1 dim: 2 dim: 4 dim: 4", "type: 'Pooling' pooling_param { kernel_size: 1 stride: 2 }",
     "starts behind"},
    {"dim: 1 dim: 2 dim: 4 dim: 4", "type: 'Pooling' pooling_param { global_pooling: true kernel_size: 4 }",
     "both global_pooling"},
    {"dim: 1 dim: 2 dim: 4 dim: 4", "type: 'Pooling' pooling_param { global_pooling: true pad: 1 }", "pad 1"},
    {"dim: 1 dim: 2 dim: 4", "type: 'Pooling' pooling_param { kernel_size: 2 }", "3 dimensions"},
    {"dim: 1 dim: 2 dim: 4 dim: 4", "top: 'mask' type: 'Pooling' pooling_param { kernel_size: 2 }", "2 tops"},
    {"dim: 1 dim: 2 dim: 4 dim: 4", "type: 'Convolution'", "kernel_size is 0"},
    {"dim: 1 dim: 2 dim: 4 dim: 4", "type: 'Convolution' convolution_param { kernel_size: 1 }",
     "num_output is 0"},
    {"dim: 1 dim: 2 dim: 4 dim: 4",
     "type: 'Convolution' convolution_param { num_output: 4 kernel_size: 1 group: 3 }", "group 3"},
    {"dim: 1 dim: 2 dim: 4 dim: 4",
     "type: 'Convolution' convolution_param { num_output: 4 kernel_size: 1 group: 0 }", "group 0"},
    {"dim: 1 dim: 2 dim: 4 dim: 4",
     "type: 'Convolution' convolution_param { num_output: 4 kernel_size: [1, 1, 1] }",
     "3 values of kernel_size"},
    {"dim: 1 dim: 2 dim: 4 dim: 4",
     "type: 'Convolution' convolution_param { num_output: 4 kernel_size: 1 axis: 2 }", "axis 2"},
    {"dim: 1 dim: 2 dim: 4 dim: 4",
     "type: 'Convolution' convolution_param { num_output: 4 kernel_size: 1 axis: -7 }", "axis -7"},
    {"dim: 1 dim: 2 dim: 4 dim: 4", "type: 'Convolution' convolution_param { num_output: 4 kernel_size: 9 }",
     "larger than the input"},
    {"dim: 1 dim: 2 dim: 4 dim: 4",
     "type: 'Convolution' convolution_param { num_output: 2147483647 kernel_size: 2 }", "product below 2^31"},
    {"dim: 1 dim: 2 dim: 4 dim: 4",
     "type: 'Convolution' convolution_param { num_output: 200000000 kernel_size: 2 }", "not made up"},
    {"dim: 1 dim: 2 dim: 4",
     "type: 'Convolution' convolution_param { num_output: 4 kernel_h: 1 kernel_w: 1 }", "1 spatial"},
    {"dim: 1 dim: 2", "type: 'Convolution' convolution_param { num_output: 4 kernel_size: 1 }",
     "2 dimensions"},
    {"dim: 1 dim: 2", "type: 'Convolution' bottom: 'x' convolution_param { num_output: 4 kernel_size: 1 }",
     "2 bottoms"},
    {"dim: 1 dim: 2", "type: 'InnerProduct'", "num_output is 0"},
    {"dim: 1 dim: 2", "type: 'InnerProduct' inner_product_param { num_output: 2 axis: 2 }", "axis 2"},
    {"dim: 1 dim: 2", "type: 'BatchNorm' batch_norm_param { use_global_stats: false }", "use_global_stats"},
    {"dim: 2", "type: 'BatchNorm'", "1 dimensions"},
    {"dim: 1 dim: 2", "type: 'BatchNorm' batch_norm_param { eps: nan }", "variance of channel 0"},
    {"dim: 1 dim: 2", "type: 'Scale' scale_param { axis: 1 num_axes: 2 }", "num_axes is 2"},
    {"dim: 1 dim: 2", "type: 'Scale' scale_param { num_axes: -2 }", "num_axes is -2"},
    {"dim: 1 dim: 2", "type: 'Scale' bottom: 'x'", "wanted the second to be a part"},
    {"dim: 1 dim: 2", "type: 'Eltwise'", "1 bottoms, wanted at least 2"},
    {"dim: 1 dim: 2", "type: 'Eltwise' bottom: 'x' eltwise_param { coeff: 1 }", "1 coefficients"},
    {"dim: 1 dim: 2", "type: 'Eltwise' bottom: 'x' eltwise_param { operation: PROD coeff: 1 coeff: 1 }",
     "not for a sum"},
    {"dim: 1 dim: 2", "type: 'Eltwise' bottom: 'x' eltwise_param { coeff: 1 coeff: inf }",
     "coefficient is inf"},
    {"dim: 1 dim: 2",
     "type: 'Flatten' } layer { name: 's' type: 'Slice' bottom: 'y' top: 'a' top: 'b' } layer { name: 'e' "
     "type: 'Eltwise' bottom: 'y' bottom: 'a' top: 'c'",
     "bottom 1 is 1x1"},
    {"dim: 1 dim: 3", "type: 'Slice' top: 'z'", "not cut into 2"},
    {"dim: 1 dim: 3", "type: 'Slice' top: 'z' slice_param { slice_point: [1, 2] }", "2 slice points"},
    {"dim: 1 dim: 3", "type: 'Slice' top: 'z' slice_param { slice_point: 3 }", "part 1 is 3 to 3"},
    {"dim: 1 dim: 3", "type: 'Slice' top: 'z' top: 'w' slice_param { slice_point: [2, 1] }",
     "part 1 is 2 to 1"},
    {"dim: 1 dim: 3", "type: 'Slice' top: 'z' slice_param { axis: 1 slice_dim: 1 }", "both as axis"},
    {"dim: 1 dim: 3", "type: 'Concat' bottom: 'x' concat_param { axis: 3 }", "axis 3"},
    {"dim: 1 dim: 3", "type: 'Concat' bottom: 'x' concat_param { concat_dim: 4000000000 }",
     "axis 4000000000"},
    {"dim: 1 dim: 3", "type: 'Flatten' flatten_param { axis: 1 end_axis: 0 }", "lies behind"},
    {"dim: 1 dim: 3", "type: 'Reshape' reshape_param { shape { dim: 0 dim: 2 } }", "does not reshape"},
    {"dim: 1 dim: 3", "type: 'Reshape' reshape_param { shape { dim: 0 dim: -1 dim: 0 } }", "lacks"},
    {"dim: 1 dim: 3", "type: 'Reshape' reshape_param { shape { dim: -1 } axis: 3 }", "axis 3"},
    {"dim: 1 dim: 3", "type: 'Reshape' reshape_param { shape { dim: -1 } axis: 1 num_axes: 2 }",
     "num_axes 2"},
    {"dim: 1 dim: 3", "type: 'Reshape' reshape_param { shape { dim: [1, 1, 1, 1, 1, 1, 1, 1, 3] } }",
     "more than 8"},
    {"dim: 1 dim: 3", "type: 'Permute' permute_param { order: 1 order: 1 }", "order 1"},
    {"dim: 1 dim: 3", "type: 'Permute' permute_param { order: 2 }", "order 2"},
    {"dim: 1 dim: 3", "type: 'Crop' bottom: 'x' crop_param { axis: 1 offset: 1 }", "reach over"},
    {"dim: 1 dim: 3", "type: 'Crop' bottom: 'x' crop_param { axis: 1 offset: 1 offset: 2 }", "2 offsets"},
    {"dim: 1 dim: 3", "type: 'Clip' clip_param { min: 1 }", "both min and max"},
    {"dim: 1 dim: 3", "type: 'Clip' clip_param { min: 1 max: 0 }", "minimum <= maximum"},
    {"dim: 1 dim: 3", "type: 'ELU' elu_param { alpha: nan }", "parameter is"},
    {"dim: 1 dim: 3", "type: 'Power' power_param { scale: inf }", "parameter is inf"},
    {"dim: 1 dim: 3", "type: 'Exp' exp_param { base: 0 }", "base is 0"},
    {"dim: 1 dim: 3", "type: 'Log' log_param { base: 1 }", "base 1"},
    {"dim: 1 dim: 3", "type: 'LRN' lrn_param { local_size: 4 }", "odd"},
    {"dim: 1 dim: 3", "type: 'LRN' lrn_param { local_size: 4000000000 }", "4000000000"},
    {"dim: 1 dim: 3", "type: 'Softmax' softmax_param { axis: 2 }", "axis 2"},
    {"dim: 1 dim: 3", "type: 'PReLU' prelu_param { channel_shraed: true }",
     "unknown field 'channel_shraed' in layer 'layer' (PReLU)"},
    {"dim: 1 dim: 3", "type: 'Dropout' dropout_param { scale_train: false }", "unknown field 'scale_train'"},
};

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(refused_cases); i++) {
        const struct refused_case *c = &refused_cases[i];
        const struct tf2_import_options options = {.random_weights_seed = 1};
        struct caffe_net net;
        char text[1024];
        snprintf(
            text, sizeof(text),
            "input: 'x' input_shape { %s } layer { name: 'layer' bottom: 'x' top: 'y' %s }", c->input,
            c->layer);
        caffe_net_import(&net, text, NULL, 0, &options);
        if (net.status == TF2_OK || !strstr(net.error.message, c->words) ||
            strstr(net.error.message, "problems"))
            fail_msg("%s\n%s: %s", text, tf2_status_name(net.status), net.error.message);
        caffe_net_free(&net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
