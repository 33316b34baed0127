#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Modules that torch.onnx exports, run by tf2-run and by PyTorch.

    onnx_torch.py TF2_RUN [NAME]...

Each module has random weights and is exported by both exporters, the newer one with its weights in another file, with an
open batch. tf2-run gets a batch of 3. Outputs have to agree within 1e-4 of the largest number. Needs the Python packages
torch, onnx, onnxscript and numpy. Exit status 0: all agree, 1: not, 77: a package is missing.
"""
import contextlib
import glob
import io
import os
import subprocess
import sys
import tempfile
import warnings

try:
    import numpy
    import onnx  # noqa: F401 (the exporters need it)
    import onnxscript  # noqa: F401
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError as missing:
    print("skipped: %s" % missing)
    sys.exit(77)

TOLERANCE = 1e-4
BATCH = 3
MAP = (1, 8, 12, 16)
EXPORTERS = [("script", {"dynamo": False, "opset_version": 13}), ("script", {"dynamo": False, "opset_version": 17}),
             ("dynamo", {"dynamo": True, "opset_version": 18}), ("dynamo", {"dynamo": True, "opset_version": 20})]


class Wrapped(nn.Module):
    """f(x, modules...)"""

    def __init__(self, function, *modules):
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(modules)

    def forward(self, x):
        return self.function(x, *self.parts)


def conv(n_in=8, n_out=8, kernel=3, **options):
    return nn.Conv2d(n_in, n_out, kernel, padding=kernel // 2, **options)


def behind_conv(*modules):
    return nn.Sequential(conv(), *modules)


def shuffle(x):
    n, c, h, w = x.size()
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


def channel_norm(x):
    mean = x.mean(1, keepdim=True)
    variance = (x - mean).pow(2).mean(1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + 1e-6)


def attention(x, spatial):
    gate = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
    return x * torch.sigmoid(spatial(gate))


def squeeze_excite(x, down, up):
    n, c = x.shape[:2]
    gate = functional.adaptive_avg_pool2d(x, 1).view(n, c)
    return x * torch.sigmoid(up(functional.silu(down(gate)))).view(n, c, 1, 1)


def unet(x, first, second, up, last):
    a = functional.relu(first(x))
    b = up(functional.relu(second(functional.max_pool2d(a, 2))))
    rows, columns = a.size(2) - b.size(2), a.size(3) - b.size(3)
    b = functional.pad(b, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
    return last(torch.cat([a, b], 1))


def heads(x, *parts):
    return torch.cat([part(x).permute(0, 2, 3, 1).contiguous().view(x.size(0), -1, 3) for part in parts], 1)


# Name: how to make the module, and the shape of its input.
MODULES = {
    "view": (lambda: Wrapped(lambda x, f: f(x.view(x.size(0), -1)), nn.Linear(1536, 5)), MAP),
    "flatten": (lambda: nn.Sequential(conv(), nn.Flatten(), nn.Linear(1536, 5), nn.PReLU(5), nn.LogSoftmax(-1)), MAP),
    "pools": (lambda: behind_conv(nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(3, 1, 1), nn.AdaptiveAvgPool2d((3, 2))), MAP),
    "pools_ceil": (lambda: behind_conv(nn.MaxPool2d(3, 2, ceil_mode=True), nn.AvgPool2d(2, 2, ceil_mode=True)), MAP),
    "means": (lambda: Wrapped(lambda x, f: f(x).mean([2, 3]) + x.sum([2, 3]) + x.amin((2, 3)), conv()), MAP),
    "mean_rows": (lambda: Wrapped(lambda x: x.mean(2) + x.mean(3).mean(1)[:, None, :1]), MAP),
    "norms": (lambda: behind_conv(nn.BatchNorm2d(8), nn.InstanceNorm2d(8, affine=True), nn.GroupNorm(2, 8)), MAP),
    "layer_norm": (lambda: Wrapped(
        lambda x, norm: norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), nn.LayerNorm(8)), MAP),
    "layer_norm_all": (lambda: behind_conv(nn.LayerNorm([8, 12, 16])), MAP),
    "channel_norm": (lambda: Wrapped(lambda x, f: channel_norm(f(x)), conv()), MAP),
    "normalize": (lambda: Wrapped(lambda x, f: functional.normalize(f(x).mean([2, 3])), conv()), MAP),
    "clips": (lambda: behind_conv(nn.ReLU6(), conv(), nn.Hardtanh(), conv(), nn.LeakyReLU(0.1), conv(), nn.PReLU(8)), MAP),
    "hard": (lambda: behind_conv(nn.Hardswish(), conv(), nn.Hardsigmoid(), conv(), nn.ELU()), MAP),
    "smooth": (lambda: behind_conv(nn.SiLU(), conv(), nn.GELU(), conv(), nn.Mish(), conv(), nn.Softplus()), MAP),
    "smooth_more": (lambda: behind_conv(
        nn.GELU(approximate="tanh"), conv(), nn.SELU(), conv(), nn.CELU(0.7), conv(), nn.Softsign()), MAP),
    "where": (lambda: Wrapped(lambda x, f: torch.where(f(x) > 0.1, x, x.sign() * (x < 0.2).float()), conv()), MAP),
    "resize": (lambda: behind_conv(
        nn.Upsample(scale_factor=2), nn.UpsamplingBilinear2d(scale_factor=2),
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)), MAP),
    "resize_like": (lambda: Wrapped(lambda x, f: functional.interpolate(
        functional.max_pool2d(f(x), 2), size=x.shape[-2:], mode="bilinear", align_corners=False), conv()), MAP),
    "pads": (lambda: nn.Sequential(
        nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(8, 8, 3, stride=2), nn.ReflectionPad2d(2), nn.ReplicationPad2d(1)), MAP),
    "split": (lambda: Wrapped(lambda x: torch.cat([*x.chunk(2, 1), *x.split([2, 6], 1), x.unbind(1)[3][:, None]], 1)), MAP),
    "slices": (lambda: Wrapped(lambda x: torch.cat([x[..., ::2, ::2], x[..., 1::2, 1::2]], 1)), MAP),
    "channels": (lambda: Wrapped(lambda x, f: f(x[:, [2, 1, 0]]), conv(3, 8)), (1, 3, 12, 16)),
    "shuffle": (lambda: Wrapped(lambda x, f: shuffle(f(x)), conv()), MAP),
    "pixel_shuffle": (lambda: behind_conv(nn.PixelShuffle(2), nn.PixelUnshuffle(4)), MAP),
    "repeat": (lambda: Wrapped(lambda x: torch.cat(
        [x.repeat(1, 2, 1, 1), functional.adaptive_avg_pool2d(x, 1).expand(-1, -1, x.size(2), x.size(3))], 1)), MAP),
    "attention": (lambda: Wrapped(attention, conv(2, 1, 7)), MAP),
    "squeeze_excite": (lambda: Wrapped(squeeze_excite, nn.Linear(8, 2), nn.Linear(2, 8)), MAP),
    "transposed": (lambda: nn.Sequential(
        nn.ConvTranspose2d(8, 6, 4, 2, 1), nn.ConvTranspose2d(6, 6, 3, 2, 1, output_padding=1, groups=6)), MAP),
    "groups": (lambda: nn.Sequential(conv(groups=8), conv(8, 16, 1), conv(16, 16, 5, groups=4, stride=2)), MAP),
    "unet": (lambda: Wrapped(unet, conv(), conv(), nn.ConvTranspose2d(8, 8, 2, 2), conv(16, 4)), MAP),
    "heads": (lambda: Wrapped(heads, conv(8, 6), conv(8, 9)), MAP),
    "volume": (lambda: nn.Sequential(
        nn.Conv3d(3, 8, 3, padding=1), nn.BatchNorm3d(8), nn.ReLU(), nn.MaxPool3d((1, 2, 2)),
        nn.ConvTranspose3d(8, 4, 2, 2), nn.AdaptiveAvgPool3d(1), nn.Flatten()), (1, 3, 4, 12, 12)),
    "signal": (lambda: nn.Sequential(
        nn.Conv1d(4, 8, 5, stride=2, padding=2), nn.BatchNorm1d(8), nn.ReLU(), nn.MaxPool1d(2),
        nn.Conv1d(8, 8, 3, dilation=2), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 3)), (1, 4, 64)),
}


def export(module, shape, exporter, path):
    options = dict(exporter)
    if options["dynamo"]:
        options["dynamic_shapes"] = ({0: torch.export.Dim("n", min=1, max=64)},)
    else:
        options.update(input_names=["x"], dynamic_axes={"x": {0: "n"}})
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (torch.randn(shape),), path, **options)


def check(run, name, exporter):
    make, shape = MODULES[name]
    torch.manual_seed(1)
    module = make().eval()
    x = torch.randn((BATCH,) + shape[1:])
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        wanted = module(x).numpy()
        path, samples = os.path.join(folder, "module.onnx"), os.path.join(folder, "x.npy")
        export(module, shape, exporter, path)
        numpy.save(samples, x.numpy())
        result = subprocess.run([run, path, samples, "--npy-out", folder], capture_output=True, text=True)
        if result.returncode:
            return False, result.stderr.strip()
        found = numpy.load([f for f in glob.glob(os.path.join(folder, "*.npy")) if f != samples][0])
    if found.shape != wanted.shape:
        return False, "shape %s, wanted %s" % (found.shape, wanted.shape)
    difference = abs(found - wanted).max() / max(abs(wanted).max(), 1e-3)
    return bool(difference <= TOLERANCE), "differs by %.1e of the largest" % difference


def main():
    run, names = sys.argv[1], sys.argv[2:] or list(MODULES)
    torch.set_num_threads(1)
    ok = True
    for name in names:
        for kind, exporter in EXPORTERS:
            good, text = check(run, name, exporter)
            print("%s%s, %s, opset %d: %s" % ("" if good else "WRONG: ", name, kind, exporter["opset_version"], text))
            ok = ok and good
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
