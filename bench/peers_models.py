# SPDX-License-Identifier: Apache-2.0
"""The networks of peers.py: float files, inputs, and the peers' int8 forms, kept in the work directory."""
import glob
import hashlib
import os
import subprocess
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
SIDES = {"squeezenet": 227, "googlenet": 224, "resnet50": 224}
TITLES = {"squeezenet": "SqueezeNet 1.1", "googlenet": "GoogLeNet", "resnet50": "ResNet-50"}
ENDINGS = {"qdq": ".onnx", "qoperator": ".onnx", "nncf": ".xml", "ncnn": ""}
N_CALIBRATION = 4
CAFFE_MEAN = (104, 117, 123)  # blue, green, red: what the trained SqueezeNet was trained with


class Skip(Exception):
    """Something that cannot be had here; the reason is told and the rest goes on."""


def shared_path(*parts):
    root = os.environ.get("TF2_SHARED", os.path.join(HERE, "..", "..", "shared"))
    return os.path.abspath(os.path.join(root, *parts))


def read_ppm(path):
    """An 8-bit P6 file as [height, width, 3]."""
    with open(path, "rb") as file:
        data = file.read()
    kind, width, height, top = data.split(maxsplit=4)[:4]
    if kind != b"P6" or top != b"255":
        raise Skip("%s is no 8-bit P6 file" % path)
    return np.frombuffer(data[-3 * int(width) * int(height):], np.uint8).reshape(int(height), int(width), 3)


def photo_input(path):
    bgr = read_ppm(path)[:, :, ::-1].astype(np.float32) - np.float32(CAFFE_MEAN)
    return np.ascontiguousarray(bgr.transpose(2, 0, 1))


def digest(text, paths):
    """One number for a text and the contents of files."""
    key = hashlib.sha256(text.encode())
    for path in paths:
        with open(path, "rb") as file:
            key.update(file.read())
    return key.hexdigest()


def is_made(path, key):
    """Was `path` made from what has this key?"""
    stamp = path + ".stamp"
    return os.path.exists(stamp) and open(stamp).read() == key


def mark_made(path, key):
    with open(path + ".stamp", "w") as file:
        file.write(key)


class Network:
    """One network: `path` its float ONNX file, `input` and `calibration` .npy files of float32 NCHW values."""

    def __init__(self, name, work):
        import onnx
        import onnx_nets
        self.name, self.title, self.work = name, TITLES[name], work
        trained = shared_path("models", "squeezenet_v1.1", "squeezenet_v1.1.onnx")
        self.trained = name == "squeezenet" and os.path.exists(trained)
        self.path = trained if self.trained else os.path.join(work, name + ".onnx")
        if not self.trained:
            onnx.save(onnx_nets.NETS[name](), self.path)
        model = onnx.load(self.path)
        self.macs, self.parameters = onnx_nets.macs(model)
        weights = {w.name for w in model.graph.initializer}
        self.input_name = next(i.name for i in model.graph.input if i.name not in weights)
        self.output_name = model.graph.output[0].name
        self.input = os.path.join(work, name + ".input.npy")
        self.calibration = os.path.join(work, name + ".calibration.npy")
        self.make_inputs()

    def make_inputs(self):
        """Photos for the trained network, noise in -1 ... 1 for made-up weights."""
        side = SIDES[self.name]
        photos = sorted(glob.glob(shared_path("images", "calibration_227", "*.ppm"))) if self.trained else []
        if len(photos) > N_CALIBRATION:
            values = [photo_input(p) for p in photos[:N_CALIBRATION + 1]]
        else:
            random = np.random.default_rng(1)
            values = random.uniform(-1, 1, (N_CALIBRATION + 1, 3, side, side)).astype(np.float32)
        np.save(self.input, np.ascontiguousarray(values[-1])[None])
        np.save(self.calibration, np.stack(values[:-1]))

    def form(self, kind, version):
        """The path of an int8 form (see peers_prepare.py), made if it is not there or of something else."""
        path = os.path.join(self.work, "%s-%s" % (self.name, kind))
        key = digest(version, [self.path, self.calibration, os.path.join(HERE, "peers_prepare.py"),
                               os.path.join(HERE, "peers_ncnn.py")])
        if is_made(path, key):
            return path + ENDINGS[kind]
        command = [sys.executable, os.path.join(HERE, "peers_prepare.py"), kind, self.path, self.calibration, path]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["status %d" % done.returncode]
            raise Skip("%s form of %s cannot be made: %s" % (kind, self.name, lines[-1]))
        mark_made(path, key)
        return path + ENDINGS[kind]
