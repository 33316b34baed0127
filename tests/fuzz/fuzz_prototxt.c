/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_prototxt.c: the input is a Caffe definition. It is read with weights for the layers "conv" and "ip"
 * (as in corpus.py), and with made-up weights.
 */
#include "fuzz.h"

/* layer { name type blobs { shape { dim } data } }: conv 2x1x1x1, its bias of 2, and ip 1x2 */
static const uint8_t weights[] = "\xa2\x06\x38"
                                 "\x0a\x04"
                                 "conv"
                                 "\x12\x0b"
                                 "Convolution"
                                 "\x3a\x12"
                                 "\x3a\x06\x0a\x04\x02\x01\x01\x01"
                                 "\x2a\x08\0\0\x80\x3f\0\0\0\x40"
                                 "\x3a\x0f"
                                 "\x3a\x03\x0a\x01\x02"
                                 "\x2a\x08\0\0\0\0\0\0\x80\xbf"
                                 "\xa2\x06\x24"
                                 "\x0a\x02"
                                 "ip"
                                 "\x12\x0c"
                                 "InnerProduct"
                                 "\x3a\x10"
                                 "\x3a\x04\x0a\x02\x01\x02"
                                 "\x2a\x08\0\0\x80\x3f\0\0\0\x40";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    fuzz_import(data, size_bytes, weights, sizeof(weights) - 1, 0);
    fuzz_import(data, size_bytes, NULL, 0, 1);
    return 0;
}
