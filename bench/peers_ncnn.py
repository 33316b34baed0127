# SPDX-License-Identifier: Apache-2.0
"""Writes a float ONNX network as an ncnn int8 one, a .param and a .bin file.

PyPI has ncnn's runtime only, not its tools, so this does for the networks here what ncnn2table and ncnn2int8 do,
by ncnn's documentation (param-and-model-file-structure, operation-param-weight-table, quantized-int8-inference):
convolutions and dense layers get int8 weights with one scale per output channel and one scale for their input
(127 over the largest magnitude seen), 31 instead of 127 for the weights of 3x3 convolutions of stride 1, which
may run as Winograd's; a convolution whose only reader is a convolution hands its output over as int8. All else
is float in ncnn.
"""

import numpy as np
import onnx
from onnx import numpy_helper

MAGIC = 7767517
INT8_TAG = 0x000D4B38
PER_CHANNEL = 2  # int8_scale_term
REQUANTIZE = 100  # added to it: the output is int8 as well


class Unsupported(Exception):
    pass


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def pairs(node, key, default):
    values = attributes(node).get(key, default)
    return list(values)


class Writer:
    """One network on its way. Tensors keep their ONNX names, made one word; `reader` maps name to readers."""

    def __init__(self, model, ranges):
        graph = model.graph
        self.ranges = ranges  # largest magnitude of each tensor that a convolution or dense layer reads
        self.weights = {w.name: numpy_helper.to_array(w) for w in graph.initializer}
        self.inputs = [i for i in graph.input if i.name not in self.weights]
        self.output = graph.output[0].name
        self.nodes = list(graph.node)
        self.readers = {}
        for node in self.nodes:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.same = {}  # tensors that are another one under a second name
        self.lines, self.data = [], []
        self.copies = {}  # names that a Split made, not taken yet
        self.n_blobs = 0

    def only_reader(self, name):
        readers = self.readers.get(name, [])
        return readers[0] if len(readers) == 1 and name != self.output else None

    def layer(self, kind, name, inputs, outputs, *params):
        words = [kind, name, len(inputs), len(outputs)] + inputs + outputs + list(params)
        self.lines.append(" ".join(str(w) for w in words))
        self.n_blobs += len(outputs)

    def take(self, name):
        """The blob to read tensor `name` from: its own copy where it has several readers."""
        name = self.same.get(name, name)
        return self.copies[name].pop(0) if name in self.copies else self.word(name)

    @staticmethod
    def word(name):
        return name.replace(" ", "_")

    def finish_tensor(self, name):
        """After the layer that makes it: copies for its readers."""
        n = len(self.readers.get(name, []))
        if n > 1:
            names = ["%s_copy%d" % (self.word(name), i) for i in range(n)]
            self.layer("Split", "split_" + self.word(name), [self.word(name)], names)
            self.copies[name] = names

    def add_floats(self, values):
        self.data.append(np.asarray(values, "<f4").tobytes())

    def add_int8(self, weights, steps):
        """Weights [channels, ...] as int8; returns nothing, appends tag and data and keeps the scales."""
        flat = weights.reshape(len(weights), -1).astype(np.float64)
        scales = steps / np.maximum(np.abs(flat).max(1), 1e-30)
        q = np.clip(np.rint(flat * scales[:, None]), -127, 127).astype(np.int8).tobytes()
        self.data.append(np.uint32(INT8_TAG).astype("<u4").tobytes() + q + bytes(-len(q) % 4))
        return scales

    def input_scale(self, node):
        return 127 / max(self.ranges[node.input[0]], 1e-30)

    def fused_relu(self, node):
        """The tensor after a ReLU that is the only reader, else the node's own output."""
        reader = self.only_reader(node.output[0])
        if reader is not None and reader.op_type == "Relu":
            return reader, reader.output[0]
        return None, node.output[0]

    def conv(self, node, skipped):
        w, a = self.weights[node.input[1]], attributes(node)
        kernel, stride = list(w.shape[2:]), pairs(node, "strides", [1, 1])
        pads, dilation = pairs(node, "pads", [0] * 4), pairs(node, "dilations", [1, 1])
        if a.get("group", 1) != 1 or len(kernel) != 2 or a.get("auto_pad", b"NOTSET") != b"NOTSET":
            raise Unsupported("%s: groups, automatic padding, or not two axes" % node.name)
        relu, out = self.fused_relu(node)
        if relu is not None:
            skipped.add(relu.output[0])
        reader = self.only_reader(out)
        chained = reader is not None and reader.op_type == "Conv"
        has_bias = len(node.input) > 2
        self.layer(
            "Convolution", self.word(node.name or out), [self.take(node.input[0])], [self.word(out)],
            "0=%d" % len(w), "1=%d" % kernel[1], "11=%d" % kernel[0], "2=%d" % dilation[1], "12=%d" % dilation[0],
            "3=%d" % stride[1], "13=%d" % stride[0], "4=%d" % pads[1], "14=%d" % pads[0], "15=%d" % pads[3],
            "16=%d" % pads[2], "5=%d" % has_bias, "6=%d" % w.size,
            "8=%d" % (PER_CHANNEL + REQUANTIZE * chained), "9=%d" % (relu is not None))
        winograd = kernel == [3, 3] and stride == [1, 1] and dilation == [1, 1]
        scales = self.add_int8(w, 31 if winograd else 127)
        if has_bias:
            self.add_floats(self.weights[node.input[2]])
        self.add_floats(scales)
        self.add_floats([self.input_scale(node)])
        if chained:
            self.add_floats([self.input_scale(reader)])
        self.finish_tensor(out)

    def gemm(self, node):
        a = attributes(node)
        if a.get("alpha", 1) != 1 or a.get("beta", 1) != 1 or a.get("transA", 0):
            raise Unsupported("%s: alpha, beta or transA" % node.name)
        w = self.weights[node.input[1]]
        w = w if a.get("transB", 0) else w.T
        out, has_bias = node.output[0], len(node.input) > 2
        self.layer("InnerProduct", self.word(node.name or out), [self.take(node.input[0])], [self.word(out)],
                   "0=%d" % len(w), "1=%d" % has_bias, "2=%d" % w.size, "8=%d" % PER_CHANNEL)
        scales = self.add_int8(w, 127)
        if has_bias:
            self.add_floats(self.weights[node.input[2]])
        self.add_floats(scales)
        self.add_floats([self.input_scale(node)])
        self.finish_tensor(out)

    def max_pool(self, node):
        a = attributes(node)
        kernel, stride = pairs(node, "kernel_shape", []), pairs(node, "strides", [1, 1])
        pads = pairs(node, "pads", [0] * 4)
        return ["Pooling", "0=0", "1=%d" % kernel[1], "11=%d" % kernel[0], "2=%d" % stride[1],
                "12=%d" % stride[0], "3=%d" % pads[1], "13=%d" % pads[0], "14=%d" % pads[3],
                "15=%d" % pads[2], "5=%d" % (0 if a.get("ceil_mode", 0) else 1)]

    def plain(self, node):
        """Layers without weights: kind and parameters."""
        a = attributes(node)
        if node.op_type == "MaxPool":
            return self.max_pool(node)
        if node.op_type == "LRN":
            return ["LRN", "0=0", "1=%d" % a["size"], "2=%.9g" % a.get("alpha", 1e-4),
                    "3=%.9g" % a.get("beta", 0.75), "4=%.9g" % a.get("bias", 1)]
        kinds = {"GlobalAveragePool": ["Pooling", "0=1", "4=1"], "Concat": ["Concat", "0=0"],
                 "Add": ["BinaryOp", "0=0"], "Relu": ["ReLU"], "Flatten": ["Flatten"],
                 "Softmax": ["Softmax", "0=0", "1=1"]}
        if node.op_type not in kinds:
            raise Unsupported("operator %s of %s" % (node.op_type, node.name))
        return kinds[node.op_type]

    def write(self):
        skipped = set()
        for i in self.inputs:
            shape = [d.dim_value for d in i.type.tensor_type.shape.dim]
            self.layer("Input", self.word(i.name), [], [self.word(i.name)],
                       "0=%d" % shape[3], "1=%d" % shape[2], "2=%d" % shape[1])
            self.finish_tensor(i.name)
        for node in self.nodes:
            out = node.output[0]
            if out in skipped:
                continue
            if node.op_type == "Conv":
                self.conv(node, skipped)
            elif node.op_type == "Gemm":
                self.gemm(node)
            else:
                kind, *params = self.plain(node)
                self.layer(kind, self.word(node.name or out), [self.take(n) for n in node.input], [self.word(out)],
                           *params)
                self.finish_tensor(out)
        head = "%d\n%d %d\n" % (MAGIC, len(self.lines), self.n_blobs)
        return head + "\n".join(self.lines) + "\n", b"".join(self.data)


def convert(model, ranges, path):
    """Writes path.param and path.bin. `ranges`: the largest magnitude seen of each tensor by name."""
    text, data = Writer(model, ranges).write()
    with open(path + ".param", "w") as file:
        file.write(text)
    with open(path + ".bin", "wb") as file:
        file.write(data)


def quantized_inputs(model):
    """Names of the tensors whose range convert() needs."""
    return sorted({n.input[0] for n in model.graph.node if n.op_type in ("Conv", "Gemm")})
