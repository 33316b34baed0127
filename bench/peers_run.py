# SPDX-License-Identifier: Apache-2.0
"""Runs peers and tf2-bench for peers.py: worker processes, the choice of each peer's best setting, rounds."""
import glob
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

import numpy as np

from peers_models import HERE, Skip, digest, is_made, mark_made

NAMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "ncnn": "ncnn"}
AGREES = 0.9  # least correlation with the float network's result for a setting to count
TRY_WARMUP, TRY_SECONDS = 0.2, 0.4


def fail(message):
    sys.exit("peers.py: " + message)


def progress(message):
    if sys.stderr.isatty():
        print("\r\033[K" + message, end="", file=sys.stderr, flush=True)


def note(message):
    progress("")
    print("peers.py: " + message, file=sys.stderr)


def correlation(ours, theirs):
    """Of the logarithms of two arrays of probabilities: of the scores before softmax, but for a constant."""
    a, b = (np.log(np.maximum(np.asarray(x, np.float64).ravel(), 1e-30)) for x in (ours, theirs))
    if a.shape != b.shape or not np.isfinite(a).all():
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


# How a peer spreads over cores: processes, threads of each, and streams of requests inside.
def modes(peer, cores):
    if len(cores) == 1:
        return [{"label": "1 thread", "processes": [cores], "threads": 1}]
    n = len(cores)
    result = [{"label": "%d processes, 1 thread each" % n, "processes": [[c] for c in cores], "threads": 1},
              {"label": "1 process, %d threads" % n, "processes": [cores], "threads": n}]
    if peer == "openvino":
        result.append({"label": "1 process, %d streams" % n, "processes": [cores], "threads": n, "streams": n,
                       "hint": "THROUGHPUT"})
    return result


def variants(peer, network, version):
    """What may be faster: int8 forms and options. Forms that cannot be made are told and left out."""
    options = {"onnxruntime": [{}], "openvino": [{"precision": "f32"}, {"precision": "bf16"}],
               "ncnn": [{"bf16": b, "winograd": w} for b in (False, True) for w in (True, False)]}[peer]
    kinds = {"onnxruntime": ["qdq", "qoperator"], "openvino": ["qdq", "nncf"], "ncnn": ["ncnn"]}[peer]
    result = []
    for kind in kinds:
        try:
            path = network.form(kind, version(kind))
        except Skip as reason:
            note("skipped: %s" % reason)
            continue
        for option in options:
            words = ["%s %s" % (k, v) if isinstance(v, str) else k if v else "no " + k for k, v in option.items()]
            result.append(dict(option, file=path, label=", ".join([kind] + words)))
    return result


class Workers:
    """The processes of one setting, loaded and waiting."""

    def __init__(self, network, peer, setting):
        self.folder = tempfile.TemporaryDirectory()
        self.setting, self.processes = setting, []
        spec = {k: v for k, v in setting.items() if k not in ("processes", "label")}
        spec.update(peer=peer, input=network.input, input_name=network.input_name,
                    output_name=network.output_name)
        for i, cores in enumerate(setting["processes"]):
            out = os.path.join(self.folder.name, "output%d.npy" % i)
            command = [sys.executable, os.path.join(HERE, "peers_worker.py"),
                       json.dumps(dict(spec, cores=cores, output=out))]
            errors = open(os.path.join(self.folder.name, "errors%d" % i), "w+")
            self.processes.append((subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True), errors, out))
        try:
            self.answers()
            self.output = np.load(self.processes[0][2])
        except Skip:
            self.close()
            raise

    def answers(self):
        result = []
        for process, errors, _ in self.processes:
            line = process.stdout.readline()
            if not line:
                process.wait()
                errors.seek(0)
                lines = errors.read().strip().splitlines() or ["it ended without a word"]
                raise Skip("%s: %s" % (self.setting["label"], lines[-1]))
            result.append(json.loads(line))
        return result

    def measure(self, warmup, seconds):
        order = json.dumps({"warmup": warmup, "seconds": seconds}) + "\n"
        for process, _, _ in self.processes:
            process.stdin.write(order)
            process.stdin.flush()
        answers = self.answers()
        return {"fps": sum(a["runs"] / a["seconds"] for a in answers),
                "p50_ms": statistics.median(a["p50_ms"] for a in answers),
                "core_share": min(a["core_share"] for a in answers) / self.setting["threads"]}

    def close(self):
        for process, errors, _ in self.processes:
            process.stdin.close()
        for process, errors, _ in self.processes:
            process.wait()
            process.stdout.close()
            errors.close()
        self.folder.cleanup()


def try_setting(network, peer, setting, reference, tried):
    """Measures a setting briefly; remembers it in `tried`."""
    progress("%s: trying %s, %s" % (network.title, NAMES[peer], setting["label"]))
    row = {"label": setting["label"], "fps": 0.0, "setting": setting}
    tried.append(row)
    try:
        workers = Workers(network, peer, setting)
    except Skip as reason:
        row["reason"] = str(reason)
        note("%s: %s" % (NAMES[peer], reason))
        return row
    try:
        row["correlation"] = correlation(workers.output, reference)
        fps = workers.measure(TRY_WARMUP, TRY_SECONDS)["fps"]
        if row["correlation"] >= AGREES:
            row["fps"] = fps
        else:
            row["reason"] = "its results do not agree: correlation %.3f" % row["correlation"]
            note("%s, %s, %s: %s" % (network.name, NAMES[peer], setting["label"], row["reason"]))
    finally:
        workers.close()
    return row


def join(variant, mode):
    return dict(variant, **dict(mode, label=variant["label"] + "; " + mode["label"]))


def best_setting(network, peer, cores, version, reference, thorough):
    """Every variant in the first mode, then the best of them in the others (thorough: all with all)."""
    tried, choices, ways = [], variants(peer, network, version), modes(peer, cores)
    for variant in choices:
        for mode in ways if thorough else ways[:1]:
            row = try_setting(network, peer, join(variant, mode), reference, tried)
            row["variant"] = variant
    best = max(tried, key=lambda row: row["fps"], default=None)
    if not thorough and best and best["fps"] > 0:
        for mode in ways[1:]:
            try_setting(network, peer, join(best["variant"], mode), reference, tried)
        best = max(tried, key=lambda row: row["fps"])
    for row in tried:
        row.pop("variant", None)
    if not best or best["fps"] == 0:
        raise Skip("%s: no setting works for %s" % (NAMES[peer], network.name))
    return best, tried


class Ours:
    """tf2-bench, tf2-run and tf2-convert of one build directory."""

    def __init__(self, options):
        self.options = options

    def find(self, name):
        for folder in ("bench", "tools", "."):
            path = os.path.join(self.options.build, folder, name)
            if os.access(path, os.X_OK) and os.path.isfile(path):
                return path
        fail("no %s under %s: build it, or name the build directory with --build" % (name, self.options.build))

    @staticmethod
    def run(command, cores, dot=None, width=None, timeout=900):
        environment = dict(os.environ)
        for name, value in (("TF2_DOT", dot), ("TF2_VECTOR_WIDTH", width)):
            environment.pop(name, None)
            if value:
                environment[name] = str(value)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment,
                                  preexec_fn=lambda: os.sched_setaffinity(0, cores))
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Skip("'%s': %s" % (" ".join(command), error))
        if done.returncode != 0:
            raise Skip("'%s' failed with status %d: %s" % (
                " ".join(command), done.returncode, done.stderr.strip()))

    def convert(self, network, cores):
        """The network as an int8 .tf2, calibrated on what the peers are calibrated on. With made-up weights, what
        only makes the results better and not the kernels faster is left out."""
        program, path = self.find("tf2-convert"), os.path.join(network.work, network.name + ".int8.tf2")
        options = ["--precision", "int8", "--calibrate", network.calibration, "--no-example"]
        if not network.trained:
            options += ["--range", "minmax", "--no-equalization", "--no-bias-correction"]
        library = sorted(glob.glob(os.path.join(self.options.build, "src", "libtf2.so.*.*.*")))
        parts = [network.path, network.calibration, program] + [p for p in library if os.path.isfile(p)]
        key = digest(" ".join(options), parts)
        if not is_made(path, key) or not os.path.exists(path):
            progress(network.title + ": quantizing")
            self.run([program, network.path, "-o", path] + options, cores)
            mark_made(path, key)
        return path

    def bench(self, path, precision, cores, dot=None, seconds=None, warmup=None, width=None):
        seconds = self.options.seconds if seconds is None else seconds
        warmup = self.options.warmup if warmup is None else warmup
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "bench.json")
            self.run([self.find("tf2-bench"), path, "--precision", precision, "--devices", str(len(cores)),
                      "--batch", "1", "--duration", str(seconds), "--warmup", str(warmup), "--json", out]
                     + ["--profile"] * (seconds < 0.1), cores, dot, width)
            with open(out) as file:
                result = json.load(file)
        kernels = [layer["kernel"] for layer in result.get("layers", [])]
        return dict({k: result[k] for k in (
            "fps", "gmacs", "macs_per_image", "peaks_gmacs", "weights_bytes", "arena_bytes", "live_bytes",
            "peak_memory_bytes")}, p50_ms=result["latency_ms"]["p50"], kernels=kernels)

    def output(self, path, network, cores):
        """What tf2-run makes of the network's input."""
        with tempfile.TemporaryDirectory() as folder:
            self.run([self.find("tf2-run"), path, network.input, "--npy-out", folder], cores)
            name = re.sub(r"[^A-Za-z0-9._-]", "_", network.output_name)
            found = glob.glob(os.path.join(folder, "*." + name + ".npy"))
            if len(found) != 1:
                raise Skip("tf2-run wrote %d files for '%s' of %s, wanted one" % (
                    len(found), network.output_name, path))
            return np.load(found[0])


def play_rounds(rounds, what, players):
    """Calls every player in each round, forwards and backwards in turn; lists of results by name."""
    results = {name: [] for name in players}
    for i in range(rounds):
        order = list(players) if i % 2 == 0 else list(players)[::-1]
        for name in order:
            progress("%s, round %d of %d: %s" % (what, i + 1, rounds, name))
            results[name].append(players[name]())
    progress("")
    return results


def spread(numerators, denominators):
    ratios = [a["fps"] / b["fps"] for a, b in zip(numerators, denominators)]
    return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}


def summary(rounds):
    fps, p50 = (statistics.median(r[key] for r in rounds) for key in ("fps", "p50_ms"))
    return {"fps": fps, "ms": 1e3 / fps, "p50_ms": p50, "rounds": rounds}
