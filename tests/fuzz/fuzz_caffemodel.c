/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_caffemodel.c: the input is a Caffe weights file, for a definition that has a layer of each kind with
 * weights.
 */
#include "fuzz.h"

#include <string.h>

static const char definition[] =
    "input: 'data' input_dim: 1 input_dim: 1 input_dim: 2 input_dim: 2\n"
    "layer { name: 'conv' type: 'Convolution' bottom: 'data' top: 'conv'\n"
    "  convolution_param { num_output: 2 kernel_size: 1 } }\n"
    "layer { name: 'bn' type: 'BatchNorm' bottom: 'conv' top: 'bn' }\n"
    "layer { name: 'scale' type: 'Scale' bottom: 'bn' top: 'scale' scale_param { bias_term: true } }\n"
    "layer { name: 'prelu' type: 'PReLU' bottom: 'scale' top: 'prelu' }\n"
    "layer { name: 'norm' type: 'Normalize' bottom: 'prelu' top: 'norm' }\n"
    "layer { name: 'deconv' type: 'Deconvolution' bottom: 'norm' top: 'deconv'\n"
    "  convolution_param { num_output: 2 kernel_size: 1 } }\n"
    "layer { name: 'ip' type: 'InnerProduct' bottom: 'deconv' top: 'ip' inner_product_param { num_output: 2 "
    "} "
    "}\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    fuzz_import(definition, strlen(definition), data, size_bytes, 0);
    return 0;
}
