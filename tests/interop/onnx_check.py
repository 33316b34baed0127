#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs exported ONNX files in ONNX Runtime and compares with what the library computes.

    onnx_check.py DIR           every DIR/X.onnx, with inputs DIR/X.in.INPUT.npy and outputs DIR/X.out.OUTPUT.npy
    onnx_check.py --run TEST    runs the test program, which leaves such files in a temporary folder, and checks them

Needs the Python packages onnxruntime, onnx (which validates the files) and numpy. Exit status 0: all agree, 1: not,
77: a package is missing.

Float networks have to agree within 1e-4 of the largest number. Networks of integers have to agree within one step on
99.9 % of the numbers: one step is the scale of the DequantizeLinear that makes the output, or else 1/255 of the
output's range. ONNX Runtime's optimizations are off unless --optimize is given, see docs/exporting.md.
"""
import argparse
import glob
import os
import re
import subprocess
import sys
import tempfile

try:
    import numpy
    import onnx
    import onnx.numpy_helper
    import onnxruntime
except ImportError as missing:
    print("skipped: %s" % missing)
    sys.exit(77)

FLOAT_TOLERANCE = 1e-4
AGREEMENT = 0.999


def file_name(tensor):
    """As tf2-run writes it."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", tensor)


def load_session(path, optimize):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def output_scales(model):
    """Outputs that DequantizeLinear makes, with their scale; None when the network has no integers."""
    if not any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        return None
    numbers = {tensor.name: tensor for tensor in model.graph.initializer}
    return {node.output[0]: float(onnx.numpy_helper.to_array(numbers[node.input[1]]).max())
            for node in model.graph.node if node.op_type == "DequantizeLinear"}


def compare(name, found, wanted, scales):
    """Whether an output agrees, and how well, in words."""
    if found.shape != wanted.shape:
        return False, "%s: shape %s, wanted %s" % (name, found.shape, wanted.shape)
    difference = numpy.abs(found.astype(numpy.float64) - wanted)
    difference[numpy.isnan(found) & numpy.isnan(wanted)] = 0
    difference[found == wanted] = 0
    if scales is None:
        worst = difference.max() / max(numpy.abs(wanted[numpy.isfinite(wanted)]).max(initial=0), 1e-3)
        return bool(worst <= FLOAT_TOLERANCE), "%s: differs by %.1e of the largest" % (name, worst)
    step = scales.get(name, float(wanted.max(initial=0) - wanted.min(initial=0)) / 255)
    share = float((difference <= 1.01 * step).mean())
    exact = float((difference <= 0.01 * step).mean())
    return share >= AGREEMENT, "%s: %.3f %% within a step of %.3g, %.3f %% equal, worst %.2f steps" % (
        name, 100 * share, step, 100 * exact, difference.max() / max(step, 1e-30))


def check(path, optimize):
    stem = path[:-len(".onnx")]
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    scales = output_scales(model)
    session = load_session(path, optimize)
    inputs = {i.name: numpy.load("%s.in.%s.npy" % (stem, file_name(i.name))) for i in session.get_inputs()}
    names = [o.name for o in session.get_outputs()]
    good = True
    for name, found in zip(names, session.run(names, inputs)):
        agrees, words = compare(name, found, numpy.load("%s.out.%s.npy" % (stem, file_name(name))), scales)
        good &= agrees
        if scales is not None or not agrees:
            print("%s %s: %s" % ("      " if agrees else "WRONG ", os.path.basename(path), words))
    return good


def check_folder(folder, optimize):
    paths = sorted(glob.glob(os.path.join(glob.escape(folder), "*.onnx")))
    bad = 0
    for path in paths:
        try:
            bad += not check(path, optimize)
        except Exception as error:  # pylint: disable=broad-except
            print("WRONG  %s: %s: %s" % (os.path.basename(path), type(error).__name__, error))
            bad += 1
    print("%d files, %d do not agree" % (len(paths), bad))
    return 1 if bad or not paths else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--run", metavar="TEST")
    parser.add_argument("--optimize", action="store_true", help="leave ONNX Runtime's optimizations on")
    args = parser.parse_args()
    if not args.run and not args.folder:
        parser.error("give a folder or --run")
    if not args.run:
        return check_folder(args.folder, args.optimize)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([args.run], env=dict(os.environ, TF2_TEST_EXPORT_DIR=folder), check=True)
        return check_folder(folder, args.optimize)


if __name__ == "__main__":
    sys.exit(main())
