#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files that ONNX Runtime's static quantizer writes, run by tf2-run and by ONNX Runtime.

    onnx_quantized.py TF2_RUN DIGITS_FOLDER

The bundled network is quantized in every form (QDQ and QOperator, uint8 and int8, scales per tensor and per channel).
Outputs have to agree within one step of 1/255 on 99 % of the numbers. Needs the Python packages onnxruntime, onnx and
numpy. Exit status 0: all agree, 1: not, 77: a package is missing.
"""
import os
import subprocess
import sys
import tempfile

try:
    import numpy
    import onnx  # noqa: F401 (onnxruntime.quantization needs it)
    import onnxruntime
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
except ImportError as missing:
    print("skipped: %s" % missing)
    sys.exit(77)

N_CALIBRATION = 32
AGREEMENT = 0.99
STEP = 1.001 / 255

FORMS = [(kind, activation, weight, per_channel)
         for kind in (QuantFormat.QDQ, QuantFormat.QOperator)
         for activation, weight, per_channel in (
             (QuantType.QUInt8, QuantType.QInt8, False), (QuantType.QUInt8, QuantType.QInt8, True),
             (QuantType.QUInt8, QuantType.QUInt8, False), (QuantType.QInt8, QuantType.QInt8, True))]


class Samples(CalibrationDataReader):
    def __init__(self, name, images):
        self.samples = iter([{name: image[None]} for image in images])

    def get_next(self):
        return next(self.samples, None)


def reference(path, images):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return numpy.concatenate([session.run(None, {name: image[None]})[0] for image in images])


def check(run, model, form, images, folder):
    kind, activation, weight, per_channel = form
    what = "%s, %s, %s%s" % (kind.name, activation.name, weight.name, ", per channel" if per_channel else "")
    path, samples = os.path.join(folder, "q.onnx"), os.path.join(folder, "x.npy")
    quantize_static(model, path, Samples("image", images[:N_CALIBRATION]), quant_format=kind, activation_type=activation,
                    weight_type=weight, per_channel=per_channel)
    numpy.save(samples, images)
    subprocess.run([run, path, samples, "--npy-out", folder], check=True, stdout=subprocess.DEVNULL)
    found, wanted = numpy.load(os.path.join(folder, "x.prob.npy")), reference(path, images)
    difference = abs(found.reshape(wanted.shape) - wanted)
    agreement = (difference <= STEP).mean()
    print("%s: largest difference %.2g, within a step %.2f %%" % (what, difference.max(), 100 * agreement))
    return agreement >= AGREEMENT


def main():
    run, digits = sys.argv[1:]
    images = numpy.load(os.path.join(digits, "heldout_images.npy")).astype(numpy.float32)[:120]
    ok = True
    for form in FORMS:
        with tempfile.TemporaryDirectory() as folder:
            ok = check(run, os.path.join(digits, "digits.onnx"), form, images, folder) and ok
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
