/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caffe_types.c: the table of Caffe's layer types, sorted by name (strcmp's order). Supporting another one: a
 * row here and its function. Types that are not listed are refused.
 */
#include "transform/import/caffe/caffe.h"

#include <stdlib.h>

#define MANY UINT32_MAX

#define COMPUTE(name, min, max, tops, function)                                                              \
    {                                                                                                        \
        name, TF2__CAFFE_COMPUTE, min, max, tops, tf2__caffe_##function                                      \
    }
#define ONE_TO_ONE(name, function) COMPUTE(name, 1, 1, 1, function)
#define OTHER(name, role)                                                                                    \
    {                                                                                                        \
        name, role, 0, MANY, MANY, NULL                                                                      \
    }
#define DATA(name) OTHER(name, TF2__CAFFE_DATA)
#define LOSS(name) OTHER(name, TF2__CAFFE_LOSS)

static const struct tf2__caffe_type types[] = {
    ONE_TO_ONE("AbsVal", absval),
    LOSS("Accuracy"),
    DATA("AnnotatedData"),
    ONE_TO_ONE("BatchNorm", batch_norm),
    COMPUTE("Bias", 1, 2, 1, bias),
    ONE_TO_ONE("Clip", clip),
    COMPUTE("Concat", 1, MANY, 1, concat),
    LOSS("ContrastiveLoss"),
    ONE_TO_ONE("Convolution", convolution),
    ONE_TO_ONE("Convolution3D", convolution3d),
    ONE_TO_ONE("ConvolutionDepthwise", depthwise),
    COMPUTE("Crop", 2, 2, 1, crop),
    DATA("Data"),
    ONE_TO_ONE("Deconvolution", deconvolution),
    ONE_TO_ONE("DepthwiseConvolution", depthwise),
    LOSS("DetectionEvaluate"),
    COMPUTE("DetectionOutput", 3, 3, 1, detection_output),
    ONE_TO_ONE("Dropout", dropout),
    DATA("DummyData"),
    ONE_TO_ONE("ELU", elu),
    COMPUTE("Eltwise", 2, MANY, 1, eltwise),
    LOSS("EuclideanLoss"),
    ONE_TO_ONE("Exp", exp),
    ONE_TO_ONE("Flatten", flatten),
    DATA("HDF5Data"),
    LOSS("HingeLoss"),
    DATA("ImageData"),
    LOSS("InfogainLoss"),
    ONE_TO_ONE("InnerProduct", inner_product),
    OTHER("Input", TF2__CAFFE_INPUT),
    ONE_TO_ONE("LRN", lrn),
    ONE_TO_ONE("Log", log),
    DATA("MemoryData"),
    LOSS("MultiBoxLoss"),
    LOSS("MultinomialLogisticLoss"),
    ONE_TO_ONE("Normalize", normalize),
    ONE_TO_ONE("PReLU", prelu),
    ONE_TO_ONE("Permute", permute),
    ONE_TO_ONE("Pooling", pooling),
    ONE_TO_ONE("Pooling3D", pooling3d),
    ONE_TO_ONE("Power", power),
    COMPUTE("PriorBox", 2, 2, 1, prior_box),
    ONE_TO_ONE("ReLU", relu),
    ONE_TO_ONE("ReLU6", relu6),
    ONE_TO_ONE("Reshape", reshape),
    COMPUTE("Scale", 1, 2, 1, scale),
    ONE_TO_ONE("Sigmoid", sigmoid),
    LOSS("SigmoidCrossEntropyLoss"),
    OTHER("Silence", TF2__CAFFE_SILENCE),
    COMPUTE("Slice", 1, 1, MANY, slice),
    LOSS("SmoothL1Loss"),
    ONE_TO_ONE("Softmax", softmax),
    LOSS("SoftmaxWithLoss"),
    COMPUTE("Split", 1, 1, MANY, split),
    ONE_TO_ONE("Swish", swish),
    ONE_TO_ONE("TanH", tanh),
    OTHER("VideoData", TF2__CAFFE_VIDEO),
    DATA("WindowData"),
};

static int compare(const void *key, const void *row)
{
    return strcmp(key, ((const struct tf2__caffe_type *)row)->name);
}

const struct tf2__caffe_type *tf2__caffe_type_find(const char *name)
{
    return bsearch(name, types, TF2__COUNT(types), sizeof(types[0]), compare);
}
