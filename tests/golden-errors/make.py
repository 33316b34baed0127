#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the damaged and hostile binary files of this folder; the .prototxt files without a mark are written by hand.

    make.py            writes the files
    make.py --check    exit status 1 when a file differs from what would be written

ONNX, Caffe and TensorFlow files are Protocol Buffers, packed here field by field, so that no package is needed and every
kind of damage is possible. Field numbers are those of onnx.proto, caffe.proto and TensorFlow's public definitions.
"""
import os
import struct
import sys
import zlib

FOLDER = os.path.dirname(os.path.abspath(__file__))

# ---- Protocol Buffers ----


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value)


def text(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def real(field, value):
    return varint(field << 3 | 5) + struct.pack("<f", value)


def floats(values):
    return struct.pack("<%df" % len(values), *values)


# ---- ONNX ----


def tensor(name, dims, raw=None, kind=1, extra=b""):
    """TensorProto; raw None: as many numbers as dims say, all 0.5."""
    if raw is None:
        n = 1
        for d in dims:
            n *= d
        raw = floats([0.5] * n)
    return b"".join(number(1, d) for d in dims) + number(2, kind) + text(8, name) + text(9, raw) + extra


def attr_int(name, value):
    return text(1, name) + number(3, value) + number(20, 2)


def attr_ints(name, values):
    return text(1, name) + b"".join(number(8, v) for v in values) + number(20, 7)


def node(kind, inputs, outputs, *attributes, name=None, domain=None):
    out = b"".join(text(1, i) for i in inputs) + b"".join(text(2, o) for o in outputs)
    out += text(3, name if name is not None else "node_" + outputs[0]) + text(4, kind)
    out += b"".join(text(5, a) for a in attributes)
    return out + (text(7, domain) if domain else b"")


def value_info(name, dims, kind=1):
    shape = b"".join(text(1, number(1, d)) for d in dims)
    return text(1, name) + text(2, text(1, number(1, kind) + text(2, shape)))


def graph(nodes, initializers=(), inputs=None, outputs=("y",)):
    inputs = [value_info("x", [1, 4, 8, 8])] if inputs is None else inputs
    out = b"".join(text(1, n) for n in nodes) + text(2, "g") + b"".join(text(5, t) for t in initializers)
    out += b"".join(text(11, i) for i in inputs)
    return out + b"".join(text(12, value_info(o, [])) if isinstance(o, str) else text(12, o) for o in outputs)


def model(graph_bytes, opset=13, extra=b""):
    return number(1, 8) + text(7, graph_bytes) + text(8, text(1, "") + number(2, opset)) + extra


def relu(**changes):
    """y = relu(x)"""
    return graph([node("Relu", ["x"], ["y"])], **changes)


def conv(*attributes, weights=None, dims=(4, 4, 3, 3)):
    weights = tensor("w", list(dims)) if weights is None else weights
    return model(graph([node("Conv", ["x", "w"], ["y"], *attributes)], [weights]))


def pool(*attributes):
    return model(graph([node("MaxPool", ["x"], ["y"], *attributes)]))


def deep_graph(levels):
    """An If in the branch of an If in the branch of an If ..."""
    inner = graph([node("Relu", ["x"], ["y"])], inputs=[])
    for _ in range(levels):
        branch = text(1, "then_branch") + text(6, inner) + number(20, 5)
        inner = text(1, text(2, "y") + text(4, "If") + text(5, branch))
    return model(inner + text(12, value_info("y", [])))


def onnx_files():
    whole = conv(attr_ints("strides", [1, 1]))
    quarter = floats([0.5] * 36)
    nan, inf = floats([0.5] * 143 + [float("nan")]), floats([0.5] * 143 + [float("-inf")])
    external = text(13, text(1, "location") + text(2, "../../secret.bin")) + number(14, 1)
    long_name = "long" * 200
    return {
        "empty.onnx": b"",
        "garbage.onnx": b"this is not a network\n" * 4,
        "zeros.onnx": bytes(64),
        "truncated.onnx": whole[: len(whole) * 2 // 3],
        "truncated_by_one.onnx": whole[:-1],
        "huge_length.onnx": number(1, 8) + varint(7 << 3 | 2) + varint(1 << 40) + relu()[:100],
        "endless_varint.onnx": number(1, 8) + b"\x3a" + b"\xff" * 32,
        "no_graph.onnx": number(1, 8) + text(2, "producer") + text(8, number(2, 13)),
        "no_outputs.onnx": model(relu(outputs=[])),
        "no_opset.onnx": number(1, 8) + text(7, relu()),
        "opset_99.onnx": model(relu(), opset=99),
        "opset_0.onnx": model(relu(), opset=0),
        "deep_nesting.onnx": deep_graph(120),
        # initializers
        "raw_too_short.onnx": conv(weights=tensor("w", [4, 4, 3, 3], quarter)),
        "raw_too_long.onnx": conv(weights=tensor("w", [4, 1, 3, 3], floats([0.5] * 144))),
        "negative_dim.onnx": conv(weights=tensor("w", [4, -4, 3, 3], quarter)),
        "zero_dim.onnx": conv(weights=tensor("w", [4, 0, 3, 3], b"")),
        "overflow_dims.onnx": conv(weights=tensor("w", [1 << 32, 1 << 32, 3, 3], quarter)),
        "huge_dims.onnx": conv(weights=tensor("w", [1 << 20, 1 << 10, 3, 3], quarter)),
        "many_dims.onnx": conv(weights=tensor("w", [1] * 40, floats([0.5]))),
        "nan_weights.onnx": conv(weights=tensor("w", [4, 4, 3, 3], nan)),
        "infinite_weights.onnx": conv(weights=tensor("w", [4, 4, 3, 3], inf)),
        "external_data.onnx": conv(weights=tensor("w", [4, 4, 3, 3], b"", extra=external)),
        "string_tensor.onnx": conv(weights=tensor("w", [4, 4, 3, 3], kind=8)),
        "unknown_type.onnx": conv(weights=tensor("w", [4, 4, 3, 3], kind=77)),
        "segment.onnx": conv(weights=tensor("w", [4, 4, 3, 3], extra=text(3, number(1, 0) + number(2, 9)))),
        # the graph
        "cycle.onnx": model(graph([node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]),
                                   node("Relu", ["b"], ["y"])])),
        "self_cycle.onnx": model(graph([node("Add", ["x", "y"], ["y"])])),
        "missing_tensor.onnx": model(graph([node("Add", ["x", "ghost"], ["y"])])),
        "missing_output.onnx": model(relu(outputs=["ghost"])),
        "duplicate_tensor.onnx": model(graph([node("Relu", ["x"], ["y"]), node("Sigmoid", ["x"], ["y"])])),
        "duplicate_initializer.onnx": model(graph([node("Conv", ["x", "w"], ["y"])],
                                                  [tensor("w", [4, 4, 3, 3]), tensor("w", [4, 4, 1, 1])])),
        "duplicate_input.onnx": model(relu(inputs=[value_info("x", [1, 4, 8, 8]), value_info("x", [1, 9, 8, 8])])),
        "unknown_ops.onnx": model(graph([
            node("Relu", ["x"], ["a"]), node("LSTM", ["a"], ["b"]), node("NonMaxSuppression", ["b"], ["c"]),
            node("Frobnicate", ["c"], ["d"]), node("LSTM", ["d"], ["y"])])),
        "foreign_domain.onnx": model(graph([node("Relu", ["x"], ["y"], domain="com.example")]),
                                     extra=text(8, text(1, "com.example") + number(2, 1))),
        "input_negative.onnx": model(relu(inputs=[value_info("x", [1, -4, 8, 8])])),
        "input_overflow.onnx": model(relu(inputs=[value_info("x", [1 << 31, 1 << 31, 8, 8])])),
        "input_rank_9.onnx": model(relu(inputs=[value_info("x", [1] * 9)])),
        "input_int64.onnx": model(relu(inputs=[value_info("x", [1, 4, 8, 8], 7)])),
        "input_untyped.onnx": model(relu(inputs=[text(1, "x")])),
        "input_open.onnx": model(graph([node("Relu", ["x"], ["y"])],
                                       inputs=[text(1, "x") + text(2, text(1, number(1, 1) + text(2, b"".join(
                                           text(1, text(2, d)) for d in "nchw"))))])),
        # attributes and shapes
        "stride_zero.onnx": conv(attr_ints("strides", [0, 1])),
        "stride_negative.onnx": conv(attr_ints("strides", [1, -2])),
        "stride_overflow.onnx": conv(attr_ints("strides", [1 << 32 | 1, 1])),
        "dilation_zero.onnx": conv(attr_ints("dilations", [0, 0])),
        "dilation_overflow.onnx": conv(attr_ints("dilations", [0x7fffffff, 0x7fffffff])),
        "pads_negative.onnx": conv(attr_ints("pads", [-1, -1, -1, -1])),
        "pads_overflow.onnx": conv(attr_ints("pads", [0x7fffffff] * 4)),
        "pads_count.onnx": conv(attr_ints("pads", [1, 1, 1])),
        "group_zero.onnx": conv(attr_int("group", 0)),
        "group_negative.onnx": conv(attr_int("group", -1)),
        "group_three.onnx": conv(attr_int("group", 3)),
        "group_huge.onnx": conv(attr_int("group", 0x7fffffffffffffff)),
        "kernel_differs.onnx": conv(attr_ints("kernel_shape", [5, 5])),
        "kernel_huge.onnx": pool(attr_ints("kernel_shape", [10**9, 10**9])),
        "kernel_zero.onnx": pool(attr_ints("kernel_shape", [0, 2])),
        "kernel_missing.onnx": pool(),
        "kernel_too_large.onnx": pool(attr_ints("kernel_shape", [9, 9])),
        "pad_over_kernel.onnx": pool(attr_ints("kernel_shape", [2, 2]), attr_ints("pads", [2, 2, 2, 2])),
        "channels_differ.onnx": conv(dims=(4, 5, 3, 3)),
        "attribute_type.onnx": conv(text(1, "group") + real(2, 1.0) + number(20, 1)),
        "attribute_twice.onnx": conv(attr_int("group", 1), attr_int("group", 2)),
        "attribute_unknown.onnx": conv(attr_int("frobnicate", 1)),
        "axis_out_of_range.onnx": model(graph([node("Softmax", ["x"], ["y"], attr_int("axis", 4))])),
        "reshape_count.onnx": model(graph([node("Reshape", ["x", "s"], ["y"])],
                                          [tensor("s", [2], struct.pack("<2q", 1, 255), 7)])),
        "reshape_overflow.onnx": model(graph([node("Reshape", ["x", "s"], ["y"])],
                                             [tensor("s", [2], struct.pack("<2q", 1 << 62, 8), 7)])),
        "broadcast.onnx": model(graph([node("Add", ["x", "b"], ["y"])], [tensor("b", [5])])),
        "too_many_inputs.onnx": model(graph([node("Relu", ["x", "x"], ["y"])])),
        "too_few_inputs.onnx": model(graph([node("Conv", ["x"], ["y"])])),
        # names that try to break messages
        "name_newline.onnx": model(graph([node("Bad\nOp", ["x"], ["y"], name="line one\nline two")])),
        "name_escape.onnx": model(graph([node("Bad\x1b[2JOp\r\x07", ["x"], ["y"], name="\x1b[31m")])),
        "name_invalid_utf8.onnx": model(graph([node(b"Bad\xff\xfeOp", ["x"], ["y"])])),
        "name_percent.onnx": model(graph([node("%s%n%1000d", ["x"], ["y"], name="%s%s%s%n")])),
        "name_long.onnx": model(graph([node("Frobnicate" + long_name, ["x"], ["y"], name=long_name)])),
    }


# ---- Caffe weights for net.prototxt: conv1, 2 channels of 3x3 from 1, and a bias ----


def blob(dims, values=None, field=5):
    n = 1
    for d in dims:
        n *= d
    values = floats([0.5] * n) if values is None else values
    return text(7, text(1, b"".join(varint(d) for d in dims))) + text(field, values)


def caffe_layer(name, *blobs):
    return text(100, text(1, name) + text(2, "Convolution") + b"".join(text(7, b) for b in blobs))


def caffemodel_files():
    weights, bias = blob([2, 1, 3, 3]), blob([2])
    whole = text(1, "net") + caffe_layer("conv1", weights, bias)
    return {
        "weights_empty.caffemodel": b"",
        "weights_garbage.caffemodel": b"\xff\xfenot weights at all" * 8,
        "weights_truncated.caffemodel": whole[: len(whole) * 2 // 3],
        "weights_huge_length.caffemodel": text(1, "net") + varint(100 << 3 | 2) + varint(1 << 50) + whole,
        "weights_no_layer.caffemodel": text(1, "net") + caffe_layer("another", weights, bias),
        "weights_no_bias.caffemodel": text(1, "net") + caffe_layer("conv1", weights),
        "weights_three_blobs.caffemodel": text(1, "net") + caffe_layer("conv1", weights, bias, bias),
        "weights_shape.caffemodel": text(1, "net") + caffe_layer("conv1", blob([2, 1, 5, 5]), bias),
        "weights_short.caffemodel": text(1, "net") + caffe_layer("conv1", blob([2, 1, 3, 3], floats([1] * 17)), bias),
        "weights_nan.caffemodel": text(1, "net") + caffe_layer(
            "conv1", blob([2, 1, 3, 3], floats([1] * 17 + [float("nan")])), bias),
        "weights_double_overflow.caffemodel": text(1, "net") + caffe_layer(
            "conv1", blob([2, 1, 3, 3], struct.pack("<18d", *[1e300] * 18), 8), bias),
        "weights_negative_dim.caffemodel": text(1, "net") + caffe_layer(
            "conv1", blob([2, -1, 3, 3], floats([1] * 18)), bias),
        "weights_overflow_dims.caffemodel": text(1, "net") + caffe_layer(
            "conv1", blob([1 << 40, 1 << 40, 3, 3], floats([1] * 18)), bias),
        "weights_twice.caffemodel": whole + caffe_layer("conv1", blob([2, 1, 3, 3], floats([2] * 18)), bias),
        "duplicate_layer.caffemodel": caffe_layer("c", blob([2, 4, 3, 3]), bias),
        "deep_nesting.prototxt": b"layer { " * 200 + b"} " * 200,
        "long_token.prototxt": b"name: \"" + b"x" * 2100,
        "nul_bytes.prototxt": b"name: \"net\"\n\0\0\0layer { }\n",
    }


# ---- TensorFlow: GraphDef, SavedModel ----

FLOAT, INT32, BOOL, STRING = 1, 3, 10, 7


def tf_shape(dims):
    return b"".join(text(2, number(1, d)) for d in dims)


def tf_attr(key, value):
    return text(5, text(1, key) + text(2, value))


def tf_node(name, op, inputs=(), *attrs):
    return text(1, name) + text(2, op) + b"".join(text(3, i) for i in inputs) + b"".join(attrs)


def tf_type(key, kind):
    return tf_attr(key, number(6, kind))


def tf_list(key, values):
    return tf_attr(key, text(1, b"".join(number(3, v) for v in values)))


def tf_placeholder(dims=(1, 4, 4, 2), kind=FLOAT, shape=None):
    return tf_node("x", "Placeholder", (), tf_type("dtype", kind),
                   tf_attr("shape", text(7, tf_shape(dims) if shape is None else shape)))


def tf_const(name, dims, content=None, kind=FLOAT):
    n = 1
    for d in dims:
        n *= d
    content = floats([0.5] * n) if content is None else content
    return tf_node(name, "Const", (), tf_type("dtype", kind), tf_attr(
        "value", text(8, number(1, kind) + text(2, tf_shape(dims)) + text(4, content))))


def tf_graph(*nodes, library=b""):
    return b"".join(text(1, n) for n in nodes) + library


def tf_conv(*attrs, weights=None, padding="SAME", strides=(1, 1, 1, 1)):
    weights = tf_const("w", [3, 3, 2, 2]) if weights is None else weights
    return tf_graph(tf_placeholder(), weights, tf_node(
        "y", "Conv2D", ["x", "w"], tf_list("strides", strides), tf_attr("padding", text(2, padding)), *attrs))


def tf_saved(graph_bytes, signature="serving_default", output="y:0", tags=("serve",)):
    info = text(2, text(1, "out") + text(2, text(1, output)))
    meta = text(1, b"".join(text(4, t) for t in tags)) + text(2, graph_bytes)
    return number(1, 1) + text(2, meta + text(5, text(1, signature) + text(2, info)))


def tf_function(name, nodes, result):
    signature = text(1, name) + text(2, text(1, "a") + number(3, FLOAT)) + text(3, text(1, "r") + number(3, FLOAT))
    return text(1, text(1, signature) + b"".join(text(3, n) for n in nodes) + text(4, text(1, "r") + text(2, result)))


def tensorflow_files():
    whole = tf_conv()
    relu_node = tf_node("y", "Relu", ["x"])
    variable = tf_graph(tf_placeholder(), tf_node("v", "VarHandleOp"), tf_node("w", "ReadVariableOp", ["v"]),
                        tf_node("y", "AddV2", ["x", "w"]))
    recursive = tf_function("f", [tf_node("again", "f", ["a"])], "again:r:0")
    nan = floats([0.5] * 35 + [float("nan")])
    return {
        "empty.pb": b"",
        "garbage.pb": b"this is not a network\n" * 4,
        "truncated.pb": whole[: len(whole) * 2 // 3],
        "truncated_by_one.pb": whole[:-1],
        "huge_length.pb": text(1, tf_placeholder()) + varint(1 << 3 | 2) + varint(1 << 40) + whole,
        "no_nodes.pb": tf_saved(b""),
        "duplicate_node.pb": tf_graph(tf_placeholder(), relu_node, relu_node),
        "node_no_name.pb": tf_graph(tf_placeholder(), tf_node("", "Relu", ["x"]), relu_node),
        "missing_input.pb": tf_graph(tf_placeholder(), tf_node("y", "AddV2", ["x", "ghost"])),
        "self_cycle.pb": tf_graph(tf_placeholder(), tf_node("a", "AddV2", ["x", "a"]), tf_node("y", "Relu", ["a"])),
        "output_index.pb": tf_graph(tf_placeholder(), tf_node("y", "Relu", ["x:7"])),
        "unknown_ops.pb": tf_graph(tf_placeholder(), tf_node("a", "Frobnicate", ["x"]), tf_node("b", "LSTMBlockCell", ["a"]),
                                   tf_node("y", "Frobnicate", ["b"])),
        "control_flow.pb": tf_graph(tf_placeholder(), tf_node("y", "Switch", ["x", "x"])),
        "variable.pb": variable,
        "variable_saved.pb": tf_saved(variable),
        "recursion.pb": tf_graph(tf_placeholder(), tf_node("y", "f", ["x"]), library=text(2, recursive)),
        "signature_output.pb": tf_saved(tf_graph(tf_placeholder(), relu_node), output="ghost:0"),
        "input_int32.pb": tf_graph(tf_placeholder(kind=INT32), relu_node),
        "input_open.pb": tf_graph(tf_placeholder((-1, -1, -1, 2)), relu_node),
        "input_unknown_rank.pb": tf_graph(tf_placeholder(shape=number(3, 1)), relu_node),
        "input_overflow.pb": tf_graph(tf_placeholder((1 << 31, 1 << 31, 4, 2)), relu_node),
        "input_rank_9.pb": tf_graph(tf_placeholder([1] * 9), relu_node),
        "weights_short.pb": tf_conv(weights=tf_const("w", [3, 3, 2, 2], floats([1] * 35))),
        "weights_nan.pb": tf_conv(weights=tf_const("w", [3, 3, 2, 2], nan)),
        "weights_negative_dim.pb": tf_conv(weights=tf_const("w", [3, 3, -2, 2], floats([1] * 36))),
        "weights_overflow_dims.pb": tf_conv(weights=tf_const("w", [1 << 40, 1 << 40, 2, 2], floats([1] * 36))),
        "weights_string.pb": tf_conv(weights=tf_const("w", [3, 3, 2, 2], floats([1] * 36), STRING)),
        "weights_channels.pb": tf_conv(weights=tf_const("w", [3, 3, 5, 2])),
        "weights_computed.pb": tf_graph(tf_placeholder(), tf_node(
            "y", "Conv2D", ["x", "x"], tf_list("strides", [1, 1, 1, 1]), tf_attr("padding", text(2, "SAME")))),
        "stride_zero.pb": tf_conv(strides=[1, 0, 1, 1]),
        "stride_count.pb": tf_conv(strides=[1, 1]),
        "stride_overflow.pb": tf_conv(strides=[1, 1 << 40, 1, 1]),
        "padding_word.pb": tf_conv(padding="SOME"),
        "data_format.pb": tf_conv(tf_attr("data_format", text(2, "CHWN"))),
        "reshape_count.pb": tf_graph(tf_placeholder(), tf_const("s", [2], struct.pack("<2i", 1, 31), INT32),
                                     tf_node("y", "Reshape", ["x", "s"])),
        "broadcast.pb": tf_graph(tf_placeholder(), tf_const("b", [5]), tf_node("y", "AddV2", ["x", "b"])),
        "constant_output.pb": tf_graph(tf_const("w", [2]), tf_node("y", "Relu", ["w"])),
        "name_newline.pb": tf_graph(tf_placeholder(), tf_node("new\nline", "Bad\nOp", ["x"])),
        "name_percent.pb": tf_graph(tf_placeholder(), tf_node("%s%n", "%s%n%1000d", ["x"])),
    }


# ---- images and arrays ----


def chunk(kind, data, crc=None):
    crc = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def png(width, height, rows, crc=None):
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header, crc) + chunk(b"IDAT", zlib.compress(rows, 9))
            + chunk(b"IEND", b""))


def bmp(width, height):
    pixels = bytes(48)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(pixels), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54) + header + pixels


def npy(header, data=b"", magic=b"\x93NUMPY\x01\x00", length=None):
    body = header.encode().ljust(117) + b"\n"
    return magic + struct.pack("<H", len(body) if length is None else length) + body + data


def npy_header(descr="<f4", fortran=False, shape="(1, 1, 8, 8)"):
    return "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }" % (descr, fortran, shape)


def data_files():
    whole = png(8, 8, bytes(72))
    values = bytes(256)
    return {
        "empty.png": b"",
        "truncated.png": whole[:-20],
        "truncated_header.png": whole[:20],
        "wrong_magic.png": b"\x89PNX" + whole[4:],
        "absurd_size.png": png(0x7fffffff, 0x7fffffff, bytes(72)),
        "zero_size.png": png(0, 8, bytes(72)),
        "too_few_rows.png": png(8, 8, bytes(9)),
        "bad_checksum.png": png(8, 8, bytes(72), crc=1),
        "truncated.jpg": bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffdb0043"),
        "absurd_size.jpg": bytes.fromhex("ffd8ffc00011 08 ffff ffff 03 012200 021101 031101 ffd9".replace(" ", "")),
        "absurd_size.bmp": bmp(0x7fffffff, 0x7fffffff),
        "negative_width.bmp": bmp(-4, 4),
        "absurd_size.ppm": b"P6\n2000000000 2000000000\n255\n" + bytes(48),
        "overflow_size.ppm": b"P6\n99999999999999999999 1\n255\n" + bytes(48),
        "zero_size.ppm": b"P6\n0 4\n255\n",
        "truncated.ppm": b"P6\n4 4\n255\n" + bytes(47),
        "maximum_zero.ppm": b"P6\n4 4\n0\n" + bytes(48),
        "ascii.ppm": b"P3\n1 1\n255\n1 2 3\n",
        "wrong_magic.npy": npy(npy_header(), values, magic=b"\x93NUMPX\x01\x00"),
        "version_9.npy": npy(npy_header(), values, magic=b"\x93NUMPY\x09\x00"),
        "truncated_header.npy": npy(npy_header())[:60],
        "long_header.npy": npy(npy_header(), values, length=65535),
        "truncated.npy": npy(npy_header(), values[:-1]),
        "too_long.npy": npy(npy_header(), values + b"x"),
        "fortran.npy": npy(npy_header(fortran=True), values),
        "big_endian.npy": npy(npy_header(descr=">f4"), values),
        "float64.npy": npy(npy_header(descr="<f8"), values * 2),
        "object.npy": npy(npy_header(descr="|O"), values),
        "negative_dim.npy": npy(npy_header(shape="(1, -1, 8, 8)"), values),
        "overflow_dims.npy": npy(npy_header(shape="(4294967296, 4294967296, 8, 8)"), values),
        "zero_dim.npy": npy(npy_header(shape="(0, 1, 8, 8)")),
        "many_dims.npy": npy(npy_header(shape="(" + "1, " * 9 + ")"), values[:4]),
        "garbage_header.npy": npy("import os; os.system('true')", values),
    }


def main():
    files = {**onnx_files(), **caffemodel_files(), **tensorflow_files(), **data_files()}
    check = sys.argv[1:] == ["--check"]
    failed = False
    for name, data in files.items():
        path = os.path.join(FOLDER, name)
        if not check:
            with open(path, "wb") as file:
                file.write(data)
            continue
        try:
            with open(path, "rb") as file:
                same = file.read() == data
        except OSError:
            same = False
        if not same:
            print("make.py: %s is not what make.py writes: run tests/golden-errors/make.py" % name, file=sys.stderr)
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
