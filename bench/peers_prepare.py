# SPDX-License-Identifier: Apache-2.0
"""Makes a network's int8 forms for the peers, each by its own tools, in a process of its own:

    peers_prepare.py KIND FLOAT.onnx CALIBRATION.npy OUTPUT

    qdq, qoperator   ONNX Runtime's static quantization: activations u8, weights s8 per channel; OUTPUT.onnx
    nncf             OpenVINO's NNCF, post-training quantization; OUTPUT.xml and OUTPUT.bin
    ncnn             peers_ncnn.py; OUTPUT.param and OUTPUT.bin

All are calibrated on the same inputs: CALIBRATION.npy, float32 [N, C, H, W].
"""
import os
import sys

import numpy as np


def items(path):
    """The calibration inputs, each with a batch of 1."""
    return [np.ascontiguousarray(x[None]) for x in np.load(path)]


def input_name(model):
    weights = {w.name for w in model.graph.initializer}
    return next(i.name for i in model.graph.input if i.name not in weights)


def quantize_onnx(kind, source, calibration, output):
    import onnx
    from onnx import version_converter
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process
    model = onnx.load(source)
    name = input_name(model)
    if model.opset_import[0].version < 13:  # scales per channel came with opset 13
        model = version_converter.convert_version(model, 13)
    onnx.save(model, output + ".13")
    quant_pre_process(output + ".13", output + ".pre")

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self.left = iter([{name: x} for x in items(calibration)])

        def get_next(self):
            return next(self.left, None)

    # Probabilities in steps of 1/256 are no use to anyone, and cannot be compared.
    last = [n.name for n in onnx.load(output + ".pre").graph.node if n.op_type == "Softmax"]
    form = quantization.QuantFormat.QDQ if kind == "qdq" else quantization.QuantFormat.QOperator
    quantization.quantize_static(
        output + ".pre", output + ".onnx", Reader(), quant_format=form, per_channel=True,
        activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
        nodes_to_exclude=last)
    for end in (".13", ".pre"):
        os.remove(output + end)


def quantize_nncf(kind, source, calibration, output):
    import nncf
    import openvino
    model = openvino.Core().read_model(source)
    data = items(calibration)
    quantized = nncf.quantize(model, nncf.Dataset(data), subset_size=len(data))
    openvino.save_model(quantized, output + ".xml", compress_to_fp16=False)


def quantize_ncnn(kind, source, calibration, output):
    import onnx
    import onnxruntime
    import peers_ncnn
    model = onnx.load(source)
    wanted, first = peers_ncnn.quantized_inputs(model), input_name(model)
    probe = onnx.load(source)
    probe.graph.output.extend(onnx.ValueInfoProto(name=n) for n in wanted if n != first)
    session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [n for n in wanted if n != first]
    ranges = dict.fromkeys(wanted, 0.0)
    for x in items(calibration):
        for n, value in zip([first] + names, [x] + session.run(names, {first: x})):
            ranges[n] = max(ranges[n], float(np.abs(value).max()))
    peers_ncnn.convert(model, ranges, output)


KINDS = {"qdq": quantize_onnx, "qoperator": quantize_onnx, "nncf": quantize_nncf, "ncnn": quantize_ncnn}

if __name__ == "__main__":
    KINDS[sys.argv[1]](*sys.argv[1:])
