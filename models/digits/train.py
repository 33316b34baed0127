#!/usr/bin/env python3
"""Train the sample digit classifier and write every file of this folder
that is derived from data.

  ./train.py --out DIR      train, export, write all files to DIR
  ./train.py --validate     5-fold cross-validation inside the training part

Needs torch, scikit-learn, numpy and Pillow.  Runs on one CPU thread.
The held-out images are used once, at the end of --out, for measuring.
"""

import argparse
import copy
import json
import os
import platform
import sys
import time

import numpy as np
import PIL
from PIL import Image
import sklearn
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, train_test_split
import torch
from torch import nn
import torch.nn.functional as F

SEED = 20240
HELDOUT = 360
SAMPLES = 12
CLASSES = 10
OPSET = 13
GRAY_STEP = 15              # stored gray value = data set pixel (0..16) * 15
GRAY_MAX = 16 * GRAY_STEP   # 240

EPOCHS = 90
BATCH = 64
PEAK_LR = 4e-3
WEIGHT_DECAY = 1e-2
LABEL_SMOOTHING = 0.05
EMA_DECAY = 0.995


# ---------------------------------------------------------------- network

class ConvBnRelu(nn.Module):
    def __init__(self, cin, cout, k):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, k, padding=k // 2, bias=False)
        self.bn = nn.BatchNorm2d(cout)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class Fire(nn.Module):
    """1x1 squeeze, then a 1x1 and a 3x3 expand side by side."""

    def __init__(self, cin, squeeze, expand):
        super().__init__()
        self.squeeze = ConvBnRelu(cin, squeeze, 1)
        self.expand1 = ConvBnRelu(squeeze, expand, 1)
        self.expand3 = ConvBnRelu(squeeze, expand, 3)

    def forward(self, x):
        x = self.squeeze(x)
        return torch.cat([self.expand1(x), self.expand3(x)], 1)


class DigitNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = ConvBnRelu(1, 32, 3)
        self.fire1 = Fire(32, 16, 32)
        self.fire2 = Fire(64, 16, 32)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.fire3 = Fire(64, 24, 48)
        self.fire4 = Fire(96, 24, 48)
        self.classifier = nn.Conv2d(96, CLASSES, 1)

    def logits(self, x):
        x = self.fire2(self.fire1(self.stem(x)))
        x = self.fire4(self.fire3(self.pool(x)))
        x = F.relu(self.classifier(x))
        return torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)

    def forward(self, x):
        return torch.softmax(self.logits(x), 1)


def folded(net, input_scale):
    """A copy of net without batch normalization, whose first convolution
    has the factor input_scale folded into its weights."""
    net = copy.deepcopy(net).eval()
    for block in net.modules():
        if isinstance(block, ConvBnRelu):
            block.conv = nn.utils.fusion.fuse_conv_bn_eval(block.conv, block.bn)
            block.bn = nn.Identity()
    with torch.no_grad():
        net.stem.conv.weight.mul_(input_scale)
    return net


# ------------------------------------------------------------------- data

def load():
    digits = load_digits()
    pixels = digits.images.astype(np.uint8)
    assert pixels.max() == 16 and np.array_equal(pixels, digits.images)
    labels = digits.target.astype(np.int64)
    train, heldout = train_test_split(
        np.arange(len(labels)), test_size=HELDOUT, stratify=labels,
        random_state=SEED)
    return pixels[:, None], labels, np.sort(train), np.sort(heldout)


def augment(x, gen):
    """Random shift, rotation, scale, shear and smooth warp of each image."""
    n = len(x)

    def uniform(lo, hi):
        return torch.rand(n, generator=gen) * (hi - lo) + lo

    angle = uniform(-0.26, 0.26)
    sx, sy = uniform(0.88, 1.14), uniform(0.88, 1.14)
    shear = uniform(-0.2, 0.2)
    tx, ty = uniform(-0.22, 0.22), uniform(-0.22, 0.22)
    c, s = torch.cos(angle), torch.sin(angle)
    theta = torch.stack([
        torch.stack([c * sx, (shear * c - s) * sy, tx], 1),
        torch.stack([s * sx, (shear * s + c) * sy, ty], 1)], 1)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    warp = torch.randn(n, 2, 4, 4, generator=gen) * 0.06
    warp = F.interpolate(warp, size=x.shape[2:], mode="bicubic",
                         align_corners=True)
    grid = grid + warp.permute(0, 2, 3, 1)
    y = F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros",
                      align_corners=False)
    gain = uniform(0.85, 1.15).view(n, 1, 1, 1)
    keep = (uniform(0.0, 1.0) < 0.15).view(n, 1, 1, 1)
    return torch.where(keep, x, (y * gain).clamp(0.0, 1.0))


# --------------------------------------------------------------- training

def fit(pixels, labels, seed, epochs, log=True):
    """Fixed recipe: no early stopping; the averaged weights are returned."""
    torch.manual_seed(seed)
    gen = torch.Generator().manual_seed(seed)
    x = torch.from_numpy(pixels.astype(np.float32) / 16.0)
    t = torch.from_numpy(labels)
    net = DigitNet()
    average = copy.deepcopy(net)
    steps = (len(x) + BATCH - 1) // BATCH
    decay = [p for p in net.parameters() if p.dim() > 1]
    plain = [p for p in net.parameters() if p.dim() <= 1]
    opt = torch.optim.AdamW(
        [{"params": decay, "weight_decay": WEIGHT_DECAY},
         {"params": plain, "weight_decay": 0.0}], lr=PEAK_LR)
    sched = torch.optim.lr_scheduler.OneCycleLR(
        opt, PEAK_LR, total_steps=epochs * steps, pct_start=0.15)
    for epoch in range(epochs):
        net.train()
        total = 0.0
        order = torch.randperm(len(x), generator=gen)
        for part in order.chunk(steps):
            loss = F.cross_entropy(net.logits(augment(x[part], gen)), t[part],
                                   label_smoothing=LABEL_SMOOTHING)
            opt.zero_grad()
            loss.backward()
            opt.step()
            sched.step()
            total += loss.item() * len(part)
            with torch.no_grad():
                for a, b in zip(average.state_dict().values(),
                                net.state_dict().values()):
                    if a.is_floating_point():
                        a.lerp_(b, 1.0 - EMA_DECAY)
                    else:
                        a.copy_(b)
        if log and (epoch % 10 == 9 or epoch == epochs - 1):
            print("epoch %3d  training loss %.4f" % (epoch + 1, total / len(x)),
                  flush=True)
    return average.eval()


def predict(net, x):
    with torch.no_grad():
        return net(torch.from_numpy(x.astype(np.float32))).numpy()


def cross_validate(args):
    pixels, labels, train, _ = load()
    folds = StratifiedKFold(5, shuffle=True, random_state=SEED)
    right = 0
    for k, (a, b) in enumerate(folds.split(train, labels[train])):
        a, b = train[a], train[b]
        net = fit(pixels[a], labels[a], SEED + 1 + k, args.epochs, log=False)
        p = predict(net, pixels[b] / 16.0)
        n = int((p.argmax(1) == labels[b]).sum())
        right += n
        print("fold %d: %d of %d right" % (k, n, len(b)), flush=True)
    print("cross-validation inside the training part: %d of %d (%.2f %%)"
          % (right, len(train), 100.0 * right / len(train)))


# ----------------------------------------------------------------- export

def count_macs(net, image):
    """Multiply-accumulates of the convolutions for one image."""
    macs = []

    def hook(conv, _, out):
        macs.append(conv.weight.numel() * out.shape[2] * out.shape[3])

    handles = [m.register_forward_hook(hook) for m in net.modules()
               if isinstance(m, nn.Conv2d)]
    predict(net, image)
    for h in handles:
        h.remove()
    return int(sum(macs))


def save_npy(path, array):
    with open(path, "wb") as f:
        np.lib.format.write_array(f, np.ascontiguousarray(array),
                                  version=(1, 0), allow_pickle=False)


def pick_samples(labels):
    """The first image of each class, then the first ones not yet taken."""
    first = [int(np.flatnonzero(labels == c)[0]) for c in range(CLASSES)]
    rest = [i for i in range(len(labels)) if i not in first]
    return sorted(first + rest[:SAMPLES - CLASSES])


def build(args):
    pixels, labels, train, heldout = load()
    os.makedirs(os.path.join(args.out, "samples"), exist_ok=True)

    def path(name):
        return os.path.join(args.out, name)

    start = time.time()
    net = fit(pixels[train], labels[train], SEED, args.epochs)
    print("training took %.0f s" % (time.time() - start))

    images = (pixels[heldout] * GRAY_STEP).astype(np.uint8)
    truth = labels[heldout].astype(np.uint8)
    final = folded(net, 1.0 / GRAY_MAX)
    prob = predict(final, images)
    unfolded = predict(net, pixels[heldout] / 16.0)
    fold_error = float(np.abs(prob - unfolded).max())
    print("folding changed the probabilities by at most %.2g" % fold_error)
    if fold_error > 1e-4:
        sys.exit("folding is wrong")

    torch.onnx.export(
        final, torch.from_numpy(images[:1].astype(np.float32)),
        path("digits.onnx"), opset_version=OPSET, do_constant_folding=True,
        input_names=["image"], output_names=["prob"],
        dynamic_axes={"image": {0: "N"}, "prob": {0: "N"}})

    save_npy(path("heldout_images.npy"), images)
    save_npy(path("heldout_labels.npy"), truth)
    save_npy(path("reference_prob.npy"), prob.astype(np.float32))
    with open(path("labels.txt"), "w") as f:
        f.write("".join("%d\n" % c for c in range(CLASSES)))

    samples = pick_samples(truth)
    names = []
    for n, i in enumerate(samples):
        names.append("sample_%02d_label_%d.png" % (n, truth[i]))
        Image.fromarray(images[i, 0]).save(path("samples/" + names[-1]))

    guess = prob.argmax(1)
    right = int((guess == truth).sum())
    info = {
        "seed": SEED,
        "train_images": len(train),
        "heldout_images": len(heldout),
        "heldout_right": right,
        "heldout_accuracy": round(right / len(heldout), 6),
        "parameters": sum(p.numel() for p in final.parameters()),
        "macs_per_image": count_macs(final, images[:1]),
        "epochs": args.epochs,
        "onnx_opset": OPSET,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "scikit-learn": sklearn.__version__,
            "numpy": np.__version__,
            "pillow": PIL.__version__,
        },
        "heldout_mistakes": [
            {"heldout_position": int(i), "load_digits_index": int(heldout[i]),
             "label": int(truth[i]), "answer": int(guess[i])}
            for i in np.flatnonzero(guess != truth)],
        "samples": [
            {"file": name, "heldout_position": int(i),
             "load_digits_index": int(heldout[i]), "label": int(truth[i])}
            for name, i in zip(names, samples)],
    }
    text = json.dumps(info, indent=2)
    indices = ",\n    ".join(
        ", ".join("%d" % i for i in heldout[k:k + 15])
        for k in range(0, len(heldout), 15))
    text = text[:-2] + ',\n  "heldout_indices": [\n    ' + indices + "\n  ]\n}\n"
    assert json.loads(text)["heldout_indices"] == heldout.tolist()
    with open(path("split.json"), "w") as f:
        f.write(text)
    print("held-out: %d of %d right (%.2f %%)"
          % (right, len(heldout), 100.0 * right / len(heldout)))


def main():
    ap = argparse.ArgumentParser(description="Train the sample digit classifier.")
    what = ap.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", metavar="DIR", help="folder to write to")
    what.add_argument("--validate", action="store_true",
                      help="5-fold cross-validation inside the training part")
    ap.add_argument("--epochs", type=int, default=EPOCHS)
    args = ap.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    if args.validate:
        cross_validate(args)
    else:
        build(args)


if __name__ == "__main__":
    main()
