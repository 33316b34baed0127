#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares libtf2 with ONNX Runtime, OpenVINO and ncnn on this machine, and with the machine's own peak.

    bench/peers.py [--build DIR] [--only NAME] [--precision fp32|int8] [--rounds N] [--seconds S] [--json FILE]

fp32: one core against one core of ONNX Runtime, the same file, the same input, batch 1. First the outputs are
compared: a network that computes something else is not timed. The second core is measured beside: --devices 2
against --devices 1.

int8: images a second on two cores, requests of batch 1, from a float32 input tensor to a float32 output. Every
network is quantized by everybody's own tools on the same calibration inputs: tf2-convert, ONNX Runtime's static
quantization (QDQ and QOperator), NNCF for OpenVINO (which also gets the QDQ file), and for ncnn by
peers_ncnn.py. Each peer gets its best setting, found by short runs: file, precision hint, two processes of one
thread each, one process of two threads, streams. A setting counts only if its results correlate with the
float network's. Then our own int8 on one core, with every dot product that the library has (TF2_DOT), against
our fp32.

What makes it fair: all are pinned to the same physical cores and bind input and output in advance; all get the
same warm-up; rounds alternate, forwards and backwards in turn, so that a drift of the clock hits all. A ratio is
the median of the rounds' own ratios, with the smallest and the largest.

A virtual environment with the peers is made on the first run (--venv); one that cannot be installed is left out,
and said so. The networks are SqueezeNet 1.1 (the trained one when the shared test data is there), GoogLeNet and
ResNet-50, written by onnx_nets.py. On stdout come Markdown tables; --json has every round.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
REQUIREMENTS = ["onnxruntime==1.20.1", "numpy>=1.26,<3", "onnx>=1.16,<2"]
OPTIONAL = ["openvino==2026.4.1", "nncf==3.4.0", "ncnn==1.0.20261020"]
NETS = ["squeezenet", "googlenet", "resnet50"]
PEERS = ["onnxruntime", "openvino", "ncnn"]
DOTS = ["amx", "vnni", "avx2", "generic"]
FP32_256 = "fp32, 256 bits"  # what a processor without AVX-512 has
TOLERANCE = 1e-4  # largest difference of two probabilities, fp32
BUSY = 0.97  # below this share of the core somebody else was running


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    build = os.path.join(ROOT, "build")
    parser.add_argument("--build", default=build, help="build directory with the programs")
    parser.add_argument("--venv", default=os.path.join(build, "peers-venv"), help="where the peers go")
    parser.add_argument("--work", default=os.path.join(build, "peers"), help="where the networks are written")
    parser.add_argument("--only", metavar="NAME", choices=NETS, action="append", help=", ".join(NETS))
    parser.add_argument("--precision", choices=["fp32", "int8"], help="one of the two comparisons")
    parser.add_argument("--peers", metavar="LIST", default=",".join(PEERS), help="for int8")
    parser.add_argument("--cores", type=int, default=2, help="for int8")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one measurement")
    parser.add_argument("--warmup", type=float, default=0.3, help="seconds before each")
    parser.add_argument("--json", metavar="FILE", help="all results; - for stdout, without the tables")
    parser.add_argument("--peer-only", action="store_true", help="time the peers alone")
    parser.add_argument("--thorough", action="store_true", help="try all settings with all")
    options = parser.parse_args()
    options.peers = options.peers.split(",")
    if options.rounds < 1 or options.seconds <= 0 or options.warmup < 0 or options.cores < 1:
        parser.error("--rounds, --seconds and --cores have to be positive")
    if not set(options.peers) <= set(PEERS):
        parser.error("--peers: wanted some of " + ",".join(PEERS))
    return options


def install(python, packages):
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"] + packages
    done = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True)
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["pip failed"])[-1]


def enter_venv(path):
    """Makes the virtual environment if need be, and runs this program again inside it."""
    python, stamp = os.path.join(path, "bin", "python"), os.path.join(path, "requirements.txt")
    if os.path.realpath(sys.prefix) == os.path.realpath(path):
        return
    have = open(stamp).read().splitlines() if os.path.exists(stamp) else []
    if not set(REQUIREMENTS) <= set(have):
        print("peers.py: installing " + " ".join(REQUIREMENTS), file=sys.stderr)
        if subprocess.run([sys.executable, "-m", "venv", "--clear", path], stdout=sys.stderr).returncode != 0:
            sys.exit("peers.py: cannot make the virtual environment " + path)
        reason = install(python, REQUIREMENTS)
        if reason:
            sys.exit("peers.py: " + reason)
        have = list(REQUIREMENTS)
    for package in [p for p in OPTIONAL if p not in have]:
        print("peers.py: installing " + package, file=sys.stderr)
        reason = install(python, [package])
        if reason:
            print("peers.py: skipped: %s cannot be installed: %s" % (package, reason), file=sys.stderr)
        else:
            have.append(package)
    with open(stamp, "w") as file:
        file.write("\n".join(have) + "\n")
    os.execv(python, [python, os.path.abspath(__file__)] + sys.argv[1:])


def version(package):
    from importlib import metadata
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def form_version(kind):
    """What an int8 form depends on besides the network."""
    package = {"nncf": "nncf", "ncnn": "ncnn"}.get(kind, "onnxruntime")
    return "%s %s" % (kind, version(package))


def physical_cores():
    """One logical CPU of every core this process may use; the last first: interrupts favour CPU 0."""
    seen, cores = set(), []
    for cpu in sorted(os.sched_getaffinity(0)):
        path = f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
        siblings = open(path).read().strip() if os.path.exists(path) else str(cpu)
        if siblings not in seen:
            seen.add(siblings)
            cores.append(cpu)
    return cores[::-1]


def cpu_name():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


class Comparison:
    """All measurements of one network."""

    def __init__(self, options, name, cores):
        import peers_models
        import peers_run
        self.options, self.run, self.skip = options, peers_run, peers_models.Skip
        self.one, self.cores = cores[:1], cores[:options.cores]
        self.network = peers_models.Network(name, options.work)
        self.ours = peers_run.Ours(options)
        self.report = {"name": name, "title": self.network.title, "file": os.path.basename(self.network.path),
                       "trained": self.network.trained, "macs_per_image": self.network.macs,
                       "parameters": self.network.parameters}
        setting = {"label": "float", "file": self.network.path, "threads": 1, "processes": [self.one]}
        self.float = self.workers("onnxruntime", setting)

    def workers(self, peer, setting):
        return self.run.Workers(self.network, peer, setting)

    def time(self, workers):
        result = workers.measure(self.options.warmup, self.options.seconds)
        if workers.setting["threads"] == 1 and result["core_share"] < BUSY:
            self.run.note("warning: %s: a core was ours for %.0f %% of a round; is the machine idle?"
                          % (self.network.name, 100 * result["core_share"]))
        return result

    def largest_difference(self):
        import numpy
        ours, theirs = self.ours.output(self.network.path, self.network, self.one), self.float.output
        if ours.size != theirs.size or not numpy.isfinite(ours).all():
            self.run.fail("%s: output has shape %s, wanted %s" % (self.network.path, ours.shape, theirs.shape))
        difference = float(numpy.abs(ours.reshape(theirs.shape) - theirs).max())
        if difference > TOLERANCE:
            self.run.fail("%s: outputs differ by %.2g, wanted %g at most"
                          % (self.network.path, difference, TOLERANCE))
        return difference

    def compare_fp32(self):
        players = {"ONNX Runtime": lambda: self.time(self.float)}
        report = self.report["fp32"] = {}
        if not self.options.peer_only:
            report["max_abs_difference"] = self.largest_difference()
            players = {"libtf2": lambda: self.ours.bench(self.network.path, "fp32", self.one), **players}
            if len(self.cores) > 1:
                players["two devices"] = lambda: self.ours.bench(self.network.path, "fp32", self.cores[:2])
        results = self.run.play_rounds(self.options.rounds, self.network.title + " fp32", players)
        report["peer"] = self.run.summary(results["ONNX Runtime"])
        if self.options.peer_only:
            return
        counted = results["libtf2"][0]["macs_per_image"]
        if counted != self.network.macs:
            self.run.fail("%s: tf2-bench counts %s multiply-accumulates, the file has %d"
                          % (self.network.path, counted, self.network.macs))
        report["ours"] = self.run.summary(results["libtf2"])
        report["ratio"] = self.run.spread(results["libtf2"], results["ONNX Runtime"])
        report.update(self.rate(results["libtf2"], "fma"))
        if "two devices" in results:
            report["scaling"] = self.run.spread(results["two devices"], results["libtf2"])
            report["scaling"]["two_devices"] = self.run.summary(results["two devices"])

    def rate(self, rounds, unit):
        """Multiply-accumulates a second of the median round, beside the peak of one core."""
        gmacs = self.network.macs * statistics.median(r["fps"] for r in rounds) / 1e9
        peaks = [r["peaks_gmacs"].get(unit) for r in rounds if unit in r["peaks_gmacs"]]
        peak = statistics.median(peaks) if peaks and all(peaks) else None
        return {"gmacs": gmacs, "peak_gmacs": peak, "peak_share": gmacs / peak if peak else None}

    def choose_settings(self):
        """The best setting of each peer that works here."""
        chosen = {}
        tried = self.report["tried"] = {}
        for peer in self.options.peers:
            if version(peer) is None:
                continue
            try:
                chosen[peer], tried[peer] = self.run.best_setting(
                    self.network, peer, self.cores, form_version, self.float.output, self.options.thorough)
            except self.skip as reason:
                self.run.note("skipped: %s" % reason)
        return chosen

    def compare_int8(self, path):
        chosen = self.choose_settings()
        workers = {peer: self.workers(peer, best["setting"]) for peer, best in chosen.items()}
        players = {} if path is None else {"libtf2": lambda: self.ours.bench(path, "int8", self.cores)}
        for peer, w in workers.items():
            players[peer] = lambda w=w: self.time(w)
        try:
            results = self.run.play_rounds(self.options.rounds, self.network.title + " int8", players)
        finally:
            for w in workers.values():
                w.close()
        report = self.report["int8"] = {"cores": len(self.cores), "peers": {}}
        if path is not None:
            report["ours"] = self.run.summary(results["libtf2"])
            report["correlation"] = self.run.correlation(
                self.ours.output(path, self.network, self.one), self.float.output)
            report["file_bytes"] = os.path.getsize(path)
        for peer, best in chosen.items():
            row = report["peers"][peer] = self.run.summary(results[peer])
            row.update(setting=best["label"], correlation=best["correlation"])
            if path is not None:
                row["ratio"] = self.run.spread(results["libtf2"], results[peer])

    def working_dots(self, path):
        """Dot products that can be forced here, without the one that is chosen anyway; and that one's name."""
        kernels = {None: self.ours.bench(path, "int8", self.one, None, 0.02, 0)["kernels"]}
        for dot in DOTS:
            try:
                kernels[dot] = self.ours.bench(path, "int8", self.one, dot, 0.02, 0)["kernels"]
            except self.skip as reason:
                self.run.note("skipped: TF2_DOT=%s: %s" % (dot, reason))
        different = {}
        for dot in DOTS[::-1]:  # simplest first: what a processor has not is the best that it has, once more
            if dot in kernels and kernels[dot] not in different.values():
                different[dot] = kernels[dot]
        chosen = next((dot for dot in different if different[dot] == kernels[None]), None)
        return [dot for dot in DOTS if dot in different and dot != chosen], chosen

    def compare_dots(self, path):
        """Our int8 on one core against our fp32: half the time, all are ours. avx2 also against fp32 on vectors as
        long as its own."""
        def player(source, precision, dot=None, width=None):
            return lambda: self.ours.bench(source, precision, self.one, dot, self.options.seconds / 2,
                                           self.options.warmup / 2, width)
        dots, chosen = self.working_dots(path)
        players = {"fp32": player(self.network.path, "fp32"),
                   FP32_256: player(self.network.path, "fp32", None, 8), "chosen": player(path, "int8")}
        players.update((dot, player(path, "int8", dot, 8 if dot == "avx2" else None)) for dot in dots)
        if "avx2" not in [chosen] + dots:
            del players[FP32_256]
        results = self.run.play_rounds(self.options.rounds, self.network.title + " on one core", players)
        report, self.report["chosen_dot"] = self.report.setdefault("dots", {}), chosen
        for name, rounds in results.items():
            unit = {"fp32": "fma", FP32_256: None, "chosen": chosen, "generic": None}.get(name, name)
            row = report[name] = dict(self.run.summary(rounds), **self.rate(rounds, unit))
            row["vnni_share"] = self.rate(rounds, "vnni")["peak_share"] if "fp32" not in name else None
            row["ratio"] = self.run.spread(rounds, results["fp32"])
            if unit == "avx2":
                row["ratio_256"] = self.run.spread(rounds, results[FP32_256])
        first = results["chosen"][0]
        self.report["memory"] = {k: first[k] for k in (
            "weights_bytes", "arena_bytes", "live_bytes", "peak_memory_bytes")}
        self.report["peaks_gmacs"] = first["peaks_gmacs"]

    def compare(self):
        try:
            if self.options.precision != "int8":
                self.compare_fp32()
            if self.options.precision != "fp32":
                path = None if self.options.peer_only else self.ours.convert(self.network, self.one)
                self.compare_int8(path)
                if path is not None:
                    self.compare_dots(path)
        except self.skip as reason:
            self.run.fail(str(reason))
        finally:
            self.float.close()
        return self.report


def describe_machine(options, cores):
    packages = ["onnxruntime", "openvino", "nncf", "ncnn", "numpy"]
    return {"cpu": cpu_name(), "cores": cores[:options.cores], "kernel": platform.release(),
            "load": os.getloadavg()[0], "python": platform.python_version(),
            "versions": {p: version(p) for p in packages}}


def main():
    options = parse_arguments()
    enter_venv(options.venv)
    sys.path.insert(0, HERE)
    import peers_run
    import peers_table
    os.makedirs(options.work, exist_ok=True)
    cores = physical_cores()
    if len(cores) < options.cores:
        peers_run.fail("--cores %d: this process may use %d" % (options.cores, len(cores)))
    for peer in options.peers:
        if version(peer) is None:
            peers_run.note("skipped: %s is not installed" % peer)
    programs = ["tf2-bench", "tf2-run"] + ["tf2-convert"] * (options.precision != "fp32")
    for program in [] if options.peer_only else programs:
        peers_run.Ours(options).find(program)
    result = {"machine": describe_machine(options, cores), "rounds": options.rounds, "seconds": options.seconds,
              "networks": [Comparison(options, name, cores).compare() for name in options.only or NETS]}
    if options.json != "-":
        print(peers_table.render(result))
    if options.json:
        with (sys.stdout if options.json == "-" else open(options.json, "w")) as file:
            json.dump(result, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()
