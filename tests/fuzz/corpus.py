#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds in corpus/: small files that are all right, for the fuzzer to start from. Findings lie beside them."""
import os
import struct
import zlib

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def write(name, data):
    path = os.path.join(FOLDER, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)


# ---- Protocol Buffers ----


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def chunk(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def floats(values):
    return struct.pack("<%df" % len(values), *values)


# ---- ONNX ----


def tensor(name, dims, values=None):
    """Floats with raw_data; with `values` a list of int64 instead."""
    count = 1
    for dim in dims:
        count *= dim
    out = b"".join(number(1, dim) for dim in dims)
    if values is not None:
        return out + number(2, 7) + b"".join(number(7, v) for v in values) + chunk(8, name)
    return out + number(2, 1) + chunk(8, name) + chunk(9, floats([(i % 7 - 3) / 4 for i in range(count)]))


def attribute(name, value):
    out = chunk(1, name)
    if isinstance(value, int):
        return out + number(3, value) + number(20, 2)
    if isinstance(value, float):
        return out + varint(2 << 3 | 5) + struct.pack("<f", value) + number(20, 1)
    if isinstance(value, str):
        return out + chunk(4, value) + number(20, 3)
    if isinstance(value, bytes):
        return out + chunk(5, value) + number(20, 4)
    return out + b"".join(number(8, v) for v in value) + number(20, 7)


def node(kind, inputs, outputs, **attributes):
    """Names with commas between; an input that is left out is an empty name."""
    out = b"".join(chunk(1, i) for i in inputs.split(",") if inputs) + b"".join(chunk(2, o) for o in outputs.split(","))
    return out + chunk(4, kind) + b"".join(chunk(5, attribute(k, v)) for k, v in attributes.items())


def value_info(name, dims):
    shape = b"".join(chunk(1, chunk(2, d) if isinstance(d, str) else number(1, d)) for d in dims)
    return chunk(1, name) + chunk(2, chunk(1, number(1, 1) + chunk(2, shape)))


def model(nodes, tensors=(), dims=("N", 2, 4, 4), opset=13, output="y"):
    graph = b"".join(chunk(1, n) for n in nodes) + chunk(2, "g") + b"".join(chunk(5, t) for t in tensors)
    graph += chunk(11, value_info("x", dims)) + chunk(12, value_info(output, []))
    return number(1, 7) + chunk(2, "corpus") + chunk(7, graph) + chunk(8, chunk(1, "") + number(2, opset))


def write_onnx():
    stats = [tensor(n, [2]) for n in ("s", "b", "m")] + [
        number(1, 2) + number(2, 1) + chunk(8, "v") + chunk(4, floats([1, 2]))]
    write("onnx/conv.onnx", model([
        node("Conv", "x,w,b", "c", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1], dilations=[1, 1], group=1),
        node("BatchNormalization", "c,s,b,m,v", "n", epsilon=1e-5), node("Relu", "n", "r"),
        node("MaxPool", "r", "p", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        node("GlobalAveragePool", "p", "a"), node("Flatten", "a", "f", axis=1),
        node("Gemm", "f,u", "g", transB=1, alpha=0.5), node("Softmax", "g", "y", axis=-1),
    ], [tensor("w", [2, 2, 3, 3]), tensor("u", [3, 2])] + stats))
    write("onnx/move.onnx", model([
        node("Transpose", "x", "t", perm=[0, 2, 3, 1]), node("Reshape", "t,shape", "r"),
        node("Unsqueeze", "r,one", "u"), node("Squeeze", "u,one", "q"), node("Slice", "q,zero,two,one", "s"),
        node("Concat", "s,q", "y", axis=1),
    ], [tensor("shape", [3], [0, 8, -1]), tensor("one", [1], [1]), tensor("zero", [1], [0]), tensor("two", [1], [2])]))
    write("onnx/split.onnx", model([
        node("Split", "x", "a,b", axis=1), node("Pad", "a,pads", "p", mode="constant"), node("Pad", "b,pads", "q", mode="edge"),
        node("Sub", "p,q", "d"), node("Gather", "d,first", "y", axis=2),
    ], [tensor("pads", [8], [0, 0, 1, 0, 0, 0, 0, 1]), tensor("first", [], [0])]))
    scales = number(1, 4) + number(2, 1) + chunk(8, "scales") + chunk(9, floats([1, 1, 2, 2]))
    write("onnx/resize.onnx", model([
        node("Resize", "x,,scales", "r", mode="linear", coordinate_transformation_mode="half_pixel"),
        node("Resize", "r,,scales", "y", mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    ], [scales]))
    write("onnx/math.onnx", model([
        node("LeakyRelu", "x", "a", alpha=0.1), node("PRelu", "a,slope", "b"), node("Sigmoid", "b", "c"),
        node("Tanh", "c", "d"), node("Clip", "d,low,high", "e"), node("Add", "e,x", "f"), node("Mul", "f,slope", "g"),
        node("LRN", "g", "h", size=3, alpha=0.1, beta=0.75, bias=1.0), node("Exp", "h", "i"), node("Max", "i,x", "j"),
        node("AveragePool", "j", "k", kernel_shape=[2, 2], pads=[1, 1, 0, 0], count_include_pad=1),
        node("ReduceMean", "k", "y", axes=[2, 3], keepdims=0),
    ], [tensor("slope", [2, 1, 1]), tensor("low", []), number(2, 1) + chunk(8, "high") + chunk(9, floats([1]))]))
    write("onnx/shapes.onnx", model([
        node("Shape", "x", "s"), node("Gather", "s,zero", "n", axis=0), node("Unsqueeze", "n,axis", "u"),
        node("Concat", "u,rest", "shape", axis=0), node("Reshape", "x,shape", "r"),
        node("Constant", "", "k", value=tensor("", [32, 2])), node("MatMul", "r,k", "y"),
    ], [tensor("zero", [], [0]), tensor("axis", [1], [0]), tensor("rest", [1], [-1])]))
    write("onnx/old.onnx", model([
        node("Unsqueeze", "x", "u", axes=[0]), node("Squeeze", "u", "q", axes=[0]),
        node("Slice", "q", "s", starts=[1], ends=[9], axes=[3]), node("Dropout", "s", "d"),
        node("Clip", "d", "c", min=-1.0, max=1.0), node("Softmax", "c", "y"),
    ], opset=9))
    write("onnx/volume.onnx", model(
        [node("Conv", "x,w", "c", strides=[1, 1, 2]), node("Identity", "c", "i"), node("MaxPool", "i", "y", kernel_shape=[2, 2, 1])],
        [tensor("w", [1, 2, 2, 2, 2])], dims=(1, 2, 4, 4, 4)))


# ---- Caffe ----


def blob(dims):
    count = 1
    for dim in dims:
        count *= dim
    shape = chunk(1, b"".join(varint(d) for d in dims))
    return chunk(7, chunk(7, shape) + chunk(5, floats([(i + 1) / 2 for i in range(count)])))


def layer(name, kind, *blobs):
    return chunk(100, chunk(1, name) + chunk(2, kind) + b"".join(blob(b) for b in blobs))


def old_layer(name, kind, *blobs):
    """V1LayerParameter: kind is a number, dimensions are num, channels, height, width."""
    out = chunk(4, name) + number(5, kind)
    for dims in blobs:
        count = dims[0] * dims[1] * dims[2] * dims[3]
        out += chunk(6, b"".join(number(i + 1, d) for i, d in enumerate(dims)) + chunk(5, floats([0.5] * count)))
    return chunk(2, out)


def write_caffemodel():
    rest = layer("bn", "BatchNorm", [2], [2], [1]) + layer("scale", "Scale", [2], [2]) + layer("prelu", "PReLU", [2])
    rest += layer("ip", "InnerProduct", [2, 8], [2])
    write("caffemodel/new.caffemodel", chunk(1, "net") + layer("conv", "Convolution", [2, 1, 1, 1], [2]) + rest)
    write("caffemodel/mixed.caffemodel", old_layer("conv", 4, [2, 1, 1, 1], [1, 1, 1, 2]) + rest + layer("more", "ReLU"))
    write("caffemodel/short.caffemodel", layer("conv", "Convolution", [2, 1, 1, 1], [2]))


def write_prototxt():
    write("prototxt/new.prototxt", """name: "net"  # a comment
input: 'data'
input_shape { dim: 1 dim: 1 dim: 4 dim: 4 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 2 kernel_size: 1 stride: 4 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" relu_param { negative_slope: 1e-1 } }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip" inner_product_param { num_output: 1 bias_term: false } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
""")
    write("prototxt/old.prototxt", """input: "data"
input_dim: 1 input_dim: 1 input_dim: 6 input_dim: 6
layers { name: "conv" type: CONVOLUTION bottom: "data" top: "conv" blobs_lr: 1 blobs_lr: 2
  convolution_param { num_output: 2 kernel_size: 1 pad: 0 } }
layers { name: "pool" type: POOLING bottom: "conv" top: "pool" pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
layers { name: "norm" type: LRN bottom: "pool" top: "norm" lrn_param { local_size: 3 alpha: 0.1 beta: 0.75 } }
""")
    write("prototxt/made.prototxt", """layer { name: "in" type: "Input" top: "x" input_param { shape: { dim: 1 dim: 2 dim: 5 dim: 5 } } }
layer { name: "a" type: "Convolution" bottom: "x" top: "a"
  convolution_param { num_output: 2 kernel_h: 3 kernel_w: 1 pad_h: 1 pad_w: 0 dilation: 1 group: 2 } }
layer { name: "bn" type: "BatchNorm" bottom: "a" top: "bn" }
layer { name: "sc" type: "Scale" bottom: "bn" top: "sc" scale_param { bias_term: true } }
layer { name: "pr" type: "PReLU" bottom: "sc" top: "pr" }
layer { name: "sum" type: "Eltwise" bottom: "pr" bottom: "x" top: "sum" eltwise_param { operation: SUM coeff: 1 coeff: -1 } }
layer { name: "sl" type: "Slice" bottom: "sum" top: "s1" top: "s2" slice_param { axis: 1 slice_point: 1 } }
layer { name: "cat" type: "Concat" bottom: "s2" bottom: "s1" top: "cat" concat_param { axis: 1 } }
layer { name: "pow" type: "Power" bottom: "cat" top: "pow" power_param { power: 2 scale: 0.5 shift: 1 } }
layer { name: "pm" type: "Permute" bottom: "pow" top: "pm" permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "rs" type: "Reshape" bottom: "pm" top: "rs" reshape_param { shape { dim: 0 dim: -1 } } }
layer { name: "fl" type: "Flatten" bottom: "rs" top: "fl" }
layer { name: "do" type: "Dropout" bottom: "fl" top: "fl" include { phase: TEST } }
""")


# ---- NumPy, pictures ----


def npy(kind, shape, data, version=1):
    header = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (kind, shape)
    header += " " * (-(len(header) + 11) % 64) + "\n"
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + data


def write_npy():
    write("npy/float.npy", npy("<f4", (1, 2, 3), floats(range(6))))
    write("npy/uint8.npy", npy("|u1", (4,), b"\0\1\2\3"))
    write("npy/int8.npy", npy("|i1", (2, 2), b"\0\1\2\377", 2))
    write("npy/int32.npy", npy("<i4", (1, 1, 1, 1), struct.pack("<i", -5), 3))
    write("npy/int64.npy", npy("<i8", (), struct.pack("<q", 1 << 40)))


def png(width, height, kind, rows, extra=b""):
    def part(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + extra + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b""))


def jpeg():
    """8 x 8 gray: a table of one code for DC and one for AC, a block that is even."""
    def part(marker, data):
        return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data
    one_code = bytes([1]) + bytes(15) + b"\0"
    return (
        b"\xff\xd8" + part(0xDB, b"\0" + b"\1" * 64) + part(0xC0, struct.pack(">BHHB", 8, 8, 8, 1) + b"\1\x11\0")
        + part(0xC4, b"\0" + one_code + b"\x10" + one_code) + part(0xDA, b"\1\1\0\0\x3f\0") + b"\x3f" + b"\xff\xd9")


def write_image():
    palette = struct.pack(">I", 6) + b"PLTE" + b"\0\0\0\377\200\0"
    palette += struct.pack(">I", zlib.crc32(palette[4:]))
    write("image/gray.png", png(3, 2, 0, b"\0\1\2\3" + b"\2\4\5\6"))
    write("image/rgb.png", png(2, 2, 2, b"\1" + bytes(range(6)) + b"\4" + bytes(range(6))))
    write("image/rgba.png", png(1, 1, 6, b"\3\1\2\3\4"))
    write("image/palette.png", png(3, 1, 3, b"\0\0\1\0", palette))
    write("image/gray.jpg", jpeg())
    write("image/rgb.ppm", b"P6 # a comment\n2 1\n255\n" + bytes(range(6)))
    write("image/deep.pgm", b"P5 2 2 1023\n" + bytes(range(8)))
    row = bytes(range(9)) + bytes(3)
    write("image/rgb.bmp", b"BM" + struct.pack("<IIIIiiHHIIiiII", 78, 0, 54, 40, 3, 2, 1, 24, 0, 24, 0, 0, 0, 0) + row * 2)


write_onnx()
write_caffemodel()
write_prototxt()
write_npy()
write_image()
