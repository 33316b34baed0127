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


def integers(name, kind, dims, values):
    """uint8 (2), int8 (3) or int32 (6) in raw_data."""
    raw = struct.pack("<%d%s" % (len(values), {2: "B", 3: "b", 6: "i"}[kind]), *values)
    return b"".join(number(1, dim) for dim in dims) + number(2, kind) + chunk(8, name) + chunk(9, raw)


def scalar(name, value):
    return number(2, 1) + chunk(8, name) + chunk(9, floats([value]))


def quantized_constants():
    return [scalar("xs", 0.5), integers("xz", 3, [], [-3]), scalar("ys", 2), integers("yz", 3, [], [7]),
            integers("w", 3, [2, 2, 1, 1], [1, -2, 3, 127]), tensor("ws", [2]), integers("wz", 3, [2], [0, 0]),
            integers("b", 6, [2], [100, -100]), number(1, 2) + number(2, 1) + chunk(8, "bs") + chunk(9, floats([1, 2])),
            integers("table", 2, [256], list(range(256))), integers("uz", 2, [], [0])]


def write_quantized_onnx():
    write("onnx/qdq.onnx", model([
        node("QuantizeLinear", "x,xs,xz", "q"), node("DequantizeLinear", "q,xs,xz", "d"),
        node("DequantizeLinear", "w,bs,wz", "wd", axis=0), node("DequantizeLinear", "b,bs", "bd", axis=0),
        node("Conv", "d,wd,bd", "c"), node("Relu", "c", "r"), node("QuantizeLinear", "r,ys,uz", "p"),
        node("MaxPool", "p", "m", kernel_shape=[1, 1]), node("Cast", "m", "i", to=6), node("Gather", "table,i", "g"),
        node("DequantizeLinear", "g,ys,uz", "y"),
    ], quantized_constants()))
    write("onnx/qlinear.onnx", model([
        node("QuantizeLinear", "x,xs,xz", "q"), node("QLinearConv", "q,xs,xz,w,bs,wz,ys,yz,b", "c"),
        node("DequantizeLinear", "c,ys,yz", "y"),
    ], quantized_constants()))


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
    write("onnx/parts.onnx", model([
        node("LayerNormalization", "x,row,row", "l", axis=3, epsilon=1e-5),
        node("InstanceNormalization", "l,pair,pair", "i"), node("GroupNormalization", "i,pair,pair", "g", num_groups=2),
        node("ReduceSum", "g,one", "s", keepdims=1), node("ReduceL2", "g,two", "n", keepdims=1), node("Div", "g,n", "d"),
        node("Mul", "d,s", "m"), node("Gelu", "m", "e", approximate="tanh"), node("Mish", "e", "f"),
        node("SpaceToDepth", "f", "h", blocksize=2), node("DepthToSpace", "h", "j", blocksize=2, mode="CRD"),
        node("Greater", "j,x", "t"), node("Where", "t,j,x", "w"), node("Tile", "w,twice", "k"),
        node("Gather", "k,rows", "o", axis=2), node("Expand", "s,wide", "p"), node("Mul", "o,p", "y"),
    ], [tensor("row", [4]), tensor("pair", [2]), tensor("one", [2], [1, 3]), tensor("two", [2], [1, 3]),
        tensor("twice", [4], [1, 1, 1, 2]), tensor("rows", [4], [0, 3, 3, 1]), tensor("wide", [4], [1, 2, 4, 8])], opset=20))
    place = b"".join(chunk(13, chunk(1, key) + chunk(2, value)) for key, value in (
        ("location", "conv.onnx"), ("offset", "8"), ("length", "24")))
    outside = number(1, 2) + number(1, 3) + number(2, 1) + chunk(8, "w") + place + number(14, 1)
    write("onnx/external.onnx", model([node("MatMul", "x,w", "y")], [outside], dims=("N", 2)))


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


# ---- TensorFlow Lite ----

F32, F16, I32, U8, I8 = 0, 1, 2, 3, 9


class FlatBuffer:
    """Writes forwards: references are filled in when what they lead to is written. A table is a list of fields: None,
    an integer, a float, or something to refer to: a table, bytes (a string), ("i" or "f" or "q", numbers) or
    ("t", tables)."""

    def __init__(self, identifier, root):
        self.data = bytearray(4) + identifier
        self.put(root, 0)

    def refer(self, slot, extra=0):
        self.data += bytes(-len(self.data) % 8)
        self.data[slot:slot + 4] = struct.pack("<I", len(self.data) + extra - slot)

    def put(self, value, slot):
        if isinstance(value, list):
            self.put_table(value, slot)
            return
        self.refer(slot)
        if isinstance(value, bytes):
            self.data += struct.pack("<I", len(value)) + value
        elif value[0] == "t":
            self.data += struct.pack("<I", len(value[1])) + bytes(4 * len(value[1]))
            first = len(self.data) - 4 * len(value[1])
            for i, item in enumerate(value[1]):
                self.put(item, first + 4 * i)
        else:
            self.data += struct.pack("<I%d%s" % (len(value[1]), value[0]), len(value[1]), *value[1])

    def put_table(self, fields, slot):
        places = [0 if field is None else 4 + 4 * i for i, field in enumerate(fields)]
        vtable = struct.pack("<%dH" % (2 + len(fields)), 4 + 2 * len(fields), 4 + 4 * len(fields), *places)
        self.refer(slot, len(vtable))
        self.data += vtable + struct.pack("<i", len(vtable))
        first = len(self.data)
        for field in fields:
            plain = isinstance(field, (int, float))
            self.data += struct.pack("<f" if isinstance(field, float) else "<i", field if plain else 0)
        for i, field in enumerate(fields):
            if field is not None and not isinstance(field, (int, float)):
                self.put(field, first + 4 * i)


class Lite:
    """A network: tensors and operators by the order in which they are added."""

    def __init__(self):
        self.tensors, self.buffers, self.ops, self.codes = [], [[]], [], []

    def tensor(self, name, kind, dims, data=None, scale=None, zero_point=0):
        self.buffers.append([data] if data is not None else [])
        quant = [None, None, ("f", [scale]), ("q", [zero_point])] if scale else None
        self.tensors.append([("i", dims), kind, len(self.buffers) - 1 if data is not None else 0, name.encode(), quant])
        return len(self.tensors) - 1

    def ints(self, name, values):
        return self.tensor(name, I32, [len(values)], struct.pack("<%di" % len(values), *values))

    def op(self, code, inputs, output, options=()):
        self.codes.append([min(code, 127), None, 1, code])
        self.ops.append([len(self.codes) - 1, ("i", inputs), ("i", [output]), None, list(options)])

    def file(self, inputs, outputs):
        graph = [("t", self.tensors), ("i", inputs), ("i", outputs), ("t", self.ops)]
        return bytes(FlatBuffer(b"TFL3", [3, ("t", self.codes), ("t", [graph]), None, ("t", self.buffers)]).data)


def lite_float():
    net = Lite()
    x = net.tensor("x", F32, [1, 4, 4, 2])
    w = net.tensor("w", F16, [3, 3, 3, 2], struct.pack("<54e", *[(i % 7 - 3) / 4 for i in range(54)]))
    half = net.tensor("half", F32, [3, 3, 3, 2])
    conv = net.tensor("conv", F32, [1, 2, 2, 3])
    bias = net.tensor("bias", F32, [3], floats([1, 2, 3]))
    total = net.tensor("sum", F32, [1, 2, 2, 3])
    axes = net.ints("axes", [1, 2])
    mean, soft = net.tensor("mean", F32, [1, 3]), net.tensor("soft", F32, [1, 3])
    net.op(6, [w], half)
    net.op(3, [x, half], conv, [0, 2, 2, 3])
    net.op(0, [conv, bias], total, [1])
    net.op(40, [total, axes], mean)
    net.op(25, [mean], soft, [1.0])
    return net.file([x], [soft])


def lite_quantized():
    net = Lite()
    x = net.tensor("x", U8, [1, 3, 3, 2], scale=1, zero_point=128)
    w = net.tensor("w", U8, [1, 2, 2, 2], bytes([200, 3, 9, 77, 255, 0, 1, 2]), 0.5, 220)
    bias = net.tensor("bias", I32, [2], struct.pack("<2i", 5, -5), 0.5)
    conv = net.tensor("conv", U8, [1, 2, 2, 2], scale=2, zero_point=100)
    fc_w = net.tensor("fc", I8, [2, 8], bytes(range(16)), 0.25)
    fc, out = net.tensor("dense", U8, [1, 2], scale=4), net.tensor("y", I8, [1, 2], scale=1 / 256, zero_point=-128)
    net.op(4, [x, w, bias], conv, [1, 1, 1, 1])
    net.op(9, [conv, fc_w, -1], fc, [1])
    net.op(14, [fc], out)
    return net.file([x], [out])


def lite_shapes():
    net = Lite()
    x = net.tensor("x", F32, [1, 2, 3, 2])
    shape, begin, end, one = net.tensor("shape", I32, [4]), net.ints("b", [0]), net.ints("e", [1]), net.ints("o", [1])
    batch, rest = net.tensor("batch", I32, []), net.tensor("rest", I32, [], struct.pack("<i", -1))
    wanted, flat = net.tensor("wanted", I32, [2]), net.tensor("flat", F32, [1, 12])
    pads, padded = net.ints("pads", [0, 0, 1, 2]), net.tensor("padded", F32, [1, 15])
    size, slice_ = net.ints("size", [-1, 4]), net.tensor("slice", F32, [1, 4])
    from_, joined = net.ints("from", [0, 3]), net.tensor("joined", F32, [1, 8])
    net.tensors[pads][0] = ("i", [2, 2])
    net.op(77, [x], shape)
    net.op(45, [shape, begin, end, one], batch, [0, 0, 0, 0, 1])
    net.op(83, [batch, rest], wanted)
    net.op(22, [x, wanted], flat)
    net.op(34, [flat, pads], padded)
    net.op(65, [padded, from_, size], slice_)
    net.op(2, [slice_, slice_], joined, [1])
    return net.file([x], [joined])


def lite_dilated():
    net = Lite()
    x = net.tensor("x", F32, [1, 4, 4, 1])
    w = net.tensor("w", F32, [2, 2, 2, 1], floats(range(8)))
    block, pads, crops = net.ints("block", [2, 2]), net.ints("pads", [0, 0, 0, 0]), net.ints("crops", [0, 0, 0, 0])
    spread, conv = net.tensor("spread", F32, [4, 2, 2, 1]), net.tensor("conv", F32, [4, 1, 1, 2])
    out, size, wide = net.tensor("y", F32, [1, 2, 2, 2]), net.ints("size", [4, 3]), net.tensor("wide", F32, [1, 4, 3, 2])
    net.tensors[pads][0] = net.tensors[crops][0] = ("i", [2, 2])
    net.op(38, [x, block, pads], spread)
    net.op(3, [spread, w], conv, [1, 1, 1])
    net.op(37, [conv, block, crops], out)
    net.op(23, [out, size], wide, [None, None, 1])
    return net.file([x], [wide])


def write_tflite():
    write("tflite/float.tflite", lite_float())
    write("tflite/quantized.tflite", lite_quantized())
    write("tflite/shapes.tflite", lite_shapes())
    write("tflite/dilated.tflite", lite_dilated())


write_onnx()
write_quantized_onnx()
write_tflite()
write_caffemodel()
write_prototxt()
write_npy()
write_image()
