# SPDX-License-Identifier: Apache-2.0
"""ONNX files of the networks that tf2-bench builds in (bench/nets.c), for comparison with other runtimes.

The form is what an exporter writes for inference: Conv with bias (batch normalization folded into it),
Relu, MaxPool with ceil_mode, LRN, Add, Concat, GlobalAveragePool, Flatten, Gemm, Softmax. Weights are
drawn exactly as bench/nets.c draws them, in the same order, so a network here and a built-in one of the
same seed are the same function: uniform in +-gain * sqrt(6 / fan_in), that is of variance gain^2 * 2 /
fan_in, by splitmix64 (see Random).

    python3 onnx_nets.py OUTPUT_DIR [NAME ...]      needs numpy and onnx
"""
import math
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SEED = 1
OPSET = 13
IR_VERSION = 8
LAST_GAIN = {"squeezenet": 1.0, "googlenet": 0.4, "resnet50": 0.06}
TAIL_GAIN = 0.5  # the last scale of a residual branch: 16 additions do not grow then
SMALL = 0.05  # biases and means
SPREAD = 0.25  # of variances and scales around their centre
EPSILON = 1e-5


class Random:
    """splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014).

    Output i is a fixed mixing of seed + (i + 1) * gamma, so an array of outputs is one vector expression.
    """

    GAMMA = 0x9E3779B97F4A7C15

    def __init__(self, seed):
        self.state = seed

    def draw(self, n, bound, center=0.0):
        """n floats in center +- bound: top 24 bits as odd multiples of 2^-24, scaled in double precision."""
        steps = np.arange(1, n + 1, dtype=np.uint64)
        z = np.uint64(self.state) + steps * np.uint64(self.GAMMA)
        self.state = (self.state + n * self.GAMMA) % (1 << 64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
        unit = ((z >> np.uint64(40)).astype(np.float64) - (1 << 23) + 0.5) / (1 << 23)
        return (center + bound * unit).astype(np.float32)


class Builder:
    """Nodes and weights of one network. Tensors are (name, channels)."""

    def __init__(self, seed):
        self.random = Random(seed)
        self.nodes = []
        self.weights = []

    def constant(self, name, values):
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype=np.float32), name))
        return name

    def node(self, op, name, inputs, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def relu(self, x, name):
        return self.node("Relu", name, [x[0]]), x[1]

    def draw_weights(self, shape, gain):
        fan_in = math.prod(shape[1:])
        return self.random.draw(math.prod(shape), gain * math.sqrt(6 / fan_in)).reshape(shape)

    def conv_node(self, name, x, weights, bias, stride, pad):
        kernel = weights.shape[2]
        inputs = [x[0], self.constant(name + ".weights", weights), self.constant(name + ".bias", bias)]
        out = self.node("Conv", name, inputs, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)
        return out, weights.shape[0]

    def conv(self, name, x, channels, kernel, stride=1, pad=0, gain=1.0):
        weights = self.draw_weights((channels, x[1], kernel, kernel), gain)
        y = self.conv_node(name, x, weights, self.random.draw(channels, SMALL), stride, pad)
        return self.relu(y, name + "/relu")

    def conv_bn(self, name, x, channels, kernel, stride=1, pad=0, bias=False, gain=1.0):
        """Convolution, batch normalization and scale, folded into one convolution."""
        weights = self.draw_weights((channels, x[1], kernel, kernel), 1.0)
        shift = self.random.draw(channels, SMALL) if bias else np.zeros(channels)
        mean = self.random.draw(channels, SMALL)
        variance = self.random.draw(channels, SPREAD, 1.0)
        scale = self.random.draw(channels, SPREAD * gain, gain)
        offset = self.random.draw(channels, SMALL)
        factor = scale / np.sqrt(variance.astype(np.float64) + EPSILON)
        return self.conv_node(
            name, x, weights * factor[:, None, None, None], (shift - mean) * factor + offset, stride, pad)

    def max_pool(self, name, x, kernel, stride, pad=0):
        attributes = {"ceil_mode": 1} if stride > 1 else {}
        out = self.node("MaxPool", name, [x[0]], kernel_shape=[kernel] * 2, strides=[stride] * 2,
                        pads=[pad] * 4, **attributes)
        return out, x[1]

    def lrn(self, name, x):
        return self.node("LRN", name, [x[0]], size=5, alpha=1e-4, beta=0.75, bias=1.0), x[1]

    def concat(self, name, parts):
        return self.node("Concat", name, [p[0] for p in parts], axis=1), sum(p[1] for p in parts)

    def flatten(self, name, x):
        mean = self.node("GlobalAveragePool", name + "/mean", [x[0]])
        return self.node("Flatten", name, [mean], axis=1), x[1]

    def dense(self, name, x, channels, gain):
        weights = self.constant(name + ".weights", self.draw_weights((channels, x[1]), gain))
        bias = self.constant(name + ".bias", self.random.draw(channels, SMALL))
        return self.node("Gemm", name, [x[0], weights, bias], transB=1), channels

    def finish(self, name, x, side):
        self.node("Softmax", "prob", [x[0]], axis=1)
        data = helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, side, side])
        prob = helper.make_tensor_value_info("prob", TensorProto.FLOAT, [1, x[1]])
        graph = helper.make_graph(self.nodes, name, [data], [prob], self.weights)
        model = helper.make_model(graph, producer_name="tf2-bench", ir_version=IR_VERSION,
                                  opset_imports=[helper.make_opsetid("", OPSET)])
        onnx.checker.check_model(model, full_check=True)
        return model


def squeezenet(seed=SEED):
    """SqueezeNet v1.1."""
    b = Builder(seed)
    x = b.conv("conv1", ("data", 3), 64, 3, stride=2)
    x = b.max_pool("pool1", x, 3, 2)
    for i, squeeze in zip(range(2, 10), [16, 16, 32, 32, 48, 48, 64, 64]):
        fire = f"fire{i}/"
        s = b.conv(fire + "squeeze1x1", x, squeeze, 1)
        e1 = b.conv(fire + "expand1x1", s, 4 * squeeze, 1)
        e3 = b.conv(fire + "expand3x3", s, 4 * squeeze, 3, pad=1)
        x = b.concat(fire + "concat", [e1, e3])
        if i in (3, 5):
            x = b.max_pool(f"pool{i}", x, 3, 2)
    x = b.conv("conv10", x, 1000, 1, gain=LAST_GAIN["squeezenet"])
    return b.finish("squeezenet_v1.1", b.flatten("pool10", x), 227)


INCEPTION = [  # 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection
    ("3a", 64, 96, 128, 16, 32, 32), ("3b", 128, 128, 192, 32, 96, 64),
    ("4a", 192, 96, 208, 16, 48, 64), ("4b", 160, 112, 224, 24, 64, 64), ("4c", 128, 128, 256, 24, 64, 64),
    ("4d", 112, 144, 288, 32, 64, 64), ("4e", 256, 160, 320, 32, 128, 128),
    ("5a", 256, 160, 320, 32, 128, 128), ("5b", 384, 192, 384, 48, 128, 128)]


def googlenet(seed=SEED):
    """GoogLeNet, bvlc_googlenet form."""
    b = Builder(seed)
    x = b.conv("conv1/7x7_s2", ("data", 3), 64, 7, stride=2, pad=3)
    x = b.lrn("pool1/norm1", b.max_pool("pool1/3x3_s2", x, 3, 2))
    x = b.conv("conv2/3x3_reduce", x, 64, 1)
    x = b.lrn("conv2/norm2", b.conv("conv2/3x3", x, 192, 3, pad=1))
    x = b.max_pool("pool2/3x3_s2", x, 3, 2)
    for name, n1, r3, n3, r5, n5, project in INCEPTION:
        module = f"inception_{name}/"
        parts = [b.conv(module + "1x1", x, n1, 1)]
        parts.append(b.conv(module + "3x3", b.conv(module + "3x3_reduce", x, r3, 1), n3, 3, pad=1))
        parts.append(b.conv(module + "5x5", b.conv(module + "5x5_reduce", x, r5, 1), n5, 5, pad=2))
        parts.append(b.conv(module + "pool_proj", b.max_pool(module + "pool", x, 3, 1, pad=1), project, 1))
        x = b.concat(module + "output", parts)
        if name in ("3b", "4e"):
            x = b.max_pool(f"pool{name[0]}/3x3_s2", x, 3, 2)
    x = b.dense("loss3/classifier", b.flatten("pool5/7x7_s1", x), 1000, LAST_GAIN["googlenet"])
    return b.finish("googlenet", x, 224)


def resnet50(seed=SEED):
    """ResNet-50, the authors' Caffe form: strides in the 1x1 convolutions."""
    b = Builder(seed)
    x = b.conv_bn("conv1", ("data", 3), 64, 7, stride=2, pad=3, bias=True)
    x = b.max_pool("pool1", b.relu(x, "conv1/relu"), 3, 2)
    for stage, blocks, width in [(2, 3, 64), (3, 4, 128), (4, 6, 256), (5, 3, 512)]:
        for block in range(blocks):
            name = f"res{stage}{'abcdef'[block]}"
            stride = 2 if block == 0 and stage > 2 else 1
            shortcut = b.conv_bn(name + "_branch1", x, 4 * width, 1, stride) if block == 0 else x
            y = b.relu(b.conv_bn(name + "_branch2a", x, width, 1, stride), name + "_branch2a_relu")
            y = b.relu(b.conv_bn(name + "_branch2b", y, width, 3, pad=1), name + "_branch2b_relu")
            y = b.conv_bn(name + "_branch2c", y, 4 * width, 1, gain=TAIL_GAIN)
            x = b.relu((b.node("Add", name, [shortcut[0], y[0]]), y[1]), name + "_relu")
    x = b.dense("fc1000", b.flatten("pool5", x), 1000, LAST_GAIN["resnet50"])
    return b.finish("resnet50", x, 224)


NETS = {"squeezenet": squeezenet, "googlenet": googlenet, "resnet50": resnet50}


def macs(model):
    """Multiply-accumulates of one run, and parameters, from the file's inferred shapes."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    weights = {w.name: list(w.dims) for w in graph.initializer}
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
              for v in list(graph.value_info) + list(graph.output) + list(graph.input)}
    total = 0
    for node in graph.node:
        if node.op_type == "Conv":
            total += math.prod(shapes[node.output[0]]) * math.prod(weights[node.input[1]][1:])
        elif node.op_type == "Gemm":
            total += math.prod(shapes[node.output[0]][:1]) * math.prod(weights[node.input[1]])
    return total, sum(math.prod(dims) for dims in weights.values())


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    for name in sys.argv[2:] or NETS:
        model = NETS[name]()
        path = os.path.join(sys.argv[1], name + ".onnx")
        onnx.save(model, path)
        print("%s: %d multiply-accumulates, %d parameters" % ((path,) + macs(model)))


if __name__ == "__main__":
    main()
