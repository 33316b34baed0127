#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares tf2-bench with ONNX Runtime on this machine: the same network file, the same input, fp32, batch
1, one core against one core.

    bench/peers.py [--build DIR] [--only NAME] [--rounds N] [--seconds S] [--json FILE]

What makes it fair: both run pinned to the same physical core, ONNX Runtime with one thread, sequential
execution, all graph optimizations and its input and output bound in advance; both get the same warm-up.
First the outputs are compared: a network that computes something else is not timed. Then rounds
alternate, and which one goes first is swapped from round to round, so that a drift of the clock hits
both. The ratio is the median of the rounds' own ratios, with the smallest and the largest. The second
core is measured the same way: --devices 2 against --devices 1, both allowed on both cores.

A virtual environment with ONNX Runtime is made on the first run (--venv). The networks are SqueezeNet 1.1
(the trained one when the shared test data is there), GoogLeNet and ResNet-50, written by onnx_nets.py. On
stdout comes a Markdown table; --json has every round.
"""
import argparse
import glob
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
REQUIREMENTS = ["onnxruntime==1.20.1", "numpy>=1.26,<3", "onnx>=1.16,<2"]
NETS = ["squeezenet", "googlenet", "resnet50"]
TITLES = {"squeezenet": "SqueezeNet 1.1", "googlenet": "GoogLeNet", "resnet50": "ResNet-50"}
TOLERANCE = 1e-4  # largest difference of two probabilities
BUSY = 0.97  # below this share of the core somebody else was running


def fail(message):
    sys.exit("peers.py: " + message)


def progress(message):
    if sys.stderr.isatty():
        print("\r\033[K" + message, end="", file=sys.stderr, flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    build = os.path.join(ROOT, "build")
    parser.add_argument("--build", default=build, help="build directory with tf2-bench and tf2-run")
    parser.add_argument("--venv", default=os.path.join(build, "peers-venv"), help="where ONNX Runtime goes")
    parser.add_argument("--work", default=os.path.join(build, "peers"), help="where the networks are written")
    parser.add_argument("--only", metavar="NAME", choices=NETS, action="append", help=", ".join(NETS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one measurement")
    parser.add_argument("--warmup", type=float, default=0.5, help="seconds before each")
    parser.add_argument("--json", metavar="FILE", help="all results; - for stdout, without the table")
    parser.add_argument("--peer-only", action="store_true", help="time ONNX Runtime alone")
    options = parser.parse_args()
    if options.rounds < 1 or options.seconds <= 0 or options.warmup < 0:
        parser.error("--rounds and --seconds have to be positive")
    return options


def enter_venv(path):
    """Makes the virtual environment if need be, and runs this program again inside it."""
    python = os.path.join(path, "bin", "python")
    stamp = os.path.join(path, "requirements.txt")
    if os.path.realpath(sys.prefix) == os.path.realpath(path):
        return
    wanted = "\n".join(REQUIREMENTS) + "\n"
    if not os.path.exists(stamp) or open(stamp).read() != wanted:
        progress("installing " + " ".join(REQUIREMENTS))
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"] + REQUIREMENTS
        for command in ([sys.executable, "-m", "venv", "--clear", path], install):
            if subprocess.run(command, stdout=sys.stderr).returncode != 0:
                fail("cannot make the virtual environment: '%s' failed" % " ".join(command))
        with open(stamp, "w") as file:
            file.write(wanted)
    os.execv(python, [python, os.path.abspath(__file__)] + sys.argv[1:])


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


def network_file(name, work):
    """Path of a network, and whether its weights are trained."""
    import onnx
    import onnx_nets
    shared = os.environ.get("TF2_SHARED", os.path.join(ROOT, "..", "shared"))
    trained = os.path.join(shared, "models", "squeezenet_v1.1", "squeezenet_v1.1.onnx")
    if name == "squeezenet" and os.path.exists(trained):
        return os.path.abspath(trained), True
    path = os.path.join(work, name + ".onnx")
    onnx.save(onnx_nets.NETS[name](), path)
    return path, False


class Peer:
    """ONNX Runtime on one thread, input and output bound once."""

    def __init__(self, path, image):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.output_name = self.session.get_outputs()[0].name
        first = self.session.run(None, {self.session.get_inputs()[0].name: image})[0]
        self.result = onnxruntime.OrtValue.ortvalue_from_numpy(first)
        self.input = onnxruntime.OrtValue.ortvalue_from_numpy(image)
        self.binding = self.session.io_binding()
        self.binding.bind_ortvalue_input(self.session.get_inputs()[0].name, self.input)
        self.binding.bind_ortvalue_output(self.output_name, self.result)
        self.output = first

    def repeat(self, seconds):
        """Times of runs, in seconds, until `seconds` are over."""
        run, binding, clock, times = self.session.run_with_iobinding, self.binding, time.perf_counter, []
        now = clock()
        end = now + seconds
        while now < end:
            run(binding)
            start, now = now, clock()
            times.append(now - start)
        return times

    def measure(self, options):
        self.repeat(options.warmup)
        cpu, wall = time.process_time(), time.perf_counter()
        times = self.repeat(options.seconds)
        share = (time.process_time() - cpu) / (time.perf_counter() - wall)
        return {"fps": len(times) / sum(times), "p50_ms": 1e3 * statistics.median(times), "core_share": share}


def run_program(command, cores, timeout):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout,
                              preexec_fn=lambda: os.sched_setaffinity(0, cores))
    except (OSError, subprocess.TimeoutExpired) as error:
        fail("'%s': %s" % (" ".join(command), error))
    if done.returncode != 0:
        fail("'%s' failed with status %d: %s" % (" ".join(command), done.returncode, done.stderr.strip()))


def find_program(options, name):
    for folder in ("bench", "tools", "."):
        path = os.path.join(options.build, folder, name)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    fail("no %s under %s: build it, or name the build directory with --build" % (name, options.build))


def measure_ours(options, path, devices, cores):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "bench.json")
        command = [find_program(options, "tf2-bench"), path, "--precision", "fp32", "--devices", str(devices),
                   "--batch", "1", "--duration", str(options.seconds), "--warmup", str(options.warmup),
                   "--json", out]
        run_program(command, cores, 600 + 2 * options.seconds)
        with open(out) as file:
            result = json.load(file)
    if isinstance(result, list):
        result = result[0]
    return {"fps": result["fps"], "p50_ms": result["latency_ms"]["p50"], "gmacs": result["gmacs"],
            "macs_per_image": result["macs_per_image"], "peak_gmacs": result.get("peak_gmacs")}


def largest_difference(options, path, image, peer, cores):
    """Runs the input through tf2-run and compares with what ONNX Runtime gave."""
    import numpy
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "input.npy")
        numpy.save(source, image)
        run_program([find_program(options, "tf2-run"), path, source, "--npy-out", folder], cores, 600)
        name = re.sub(r"[^A-Za-z0-9._-]", "_", peer.output_name)
        found = glob.glob(os.path.join(folder, "input*." + name + ".npy"))
        if len(found) != 1:
            fail("tf2-run wrote %d files for '%s' of %s, wanted one" % (len(found), peer.output_name, path))
        ours = numpy.load(found[0])
    if ours.size != peer.output.size or not numpy.isfinite(ours).all():
        fail("%s: output has shape %s, wanted %s" % (path, ours.shape, peer.output.shape))
    difference = float(numpy.abs(ours.reshape(peer.output.shape) - peer.output).max())
    if difference > TOLERANCE:
        fail("%s: outputs differ by %.2g, wanted %g at most" % (path, difference, TOLERANCE))
    return difference


def alternate(rounds, what, first, second):
    """Calls both `rounds` times, the order swapped every round; results as two lists."""
    results = ([], [])
    for i in range(rounds):
        progress("%s, round %d of %d" % (what, i + 1, rounds))
        for side in (0, 1) if i % 2 == 0 else (1, 0):
            results[side].append((first, second)[side]())
    progress("")
    return results


def spread(numerators, denominators):
    ratios = [a["fps"] / b["fps"] for a, b in zip(numerators, denominators)]
    return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}


def summary(rounds):
    fps, p50 = (statistics.median(r[key] for r in rounds) for key in ("fps", "p50_ms"))
    return {"fps": fps, "ms": 1e3 / fps, "p50_ms": p50, "rounds": rounds}


def compare_ours(options, report, path, image, peer, cores):
    one, many = cores[:1], cores[:2]
    macs = report["macs_per_image"]
    report["max_abs_difference"] = largest_difference(options, path, image, peer, one)
    ours, theirs = alternate(options.rounds, report["name"] + " against ONNX Runtime",
                             lambda: measure_ours(options, path, 1, one), lambda: peer.measure(options))
    counted = ours[0]["macs_per_image"]
    if counted != macs:
        fail("%s: tf2-bench counts %s multiply-accumulates, the file has %d" % (path, counted, macs))
    report.update(ours=summary(ours), peer=summary(theirs), ratio=spread(ours, theirs))
    peaks = [r["peak_gmacs"] for r in ours if r["peak_gmacs"]]
    report["gmacs"] = macs * report["ours"]["fps"] / 1e9
    report["peak_gmacs"] = statistics.median(peaks) if peaks else None
    report["peak_share"] = report["gmacs"] / report["peak_gmacs"] if peaks else None
    if len(many) == 2:
        two, single = alternate(options.rounds, report["name"] + " on two devices",
                                lambda: measure_ours(options, path, 2, many),
                                lambda: measure_ours(options, path, 1, many))
        report["scaling"] = spread(two, single)
        report["scaling"].update(two_devices=summary(two), one_device=summary(single))


def compare(options, name, cores):
    import numpy
    import onnx
    import onnx_nets
    path, trained = network_file(name, options.work)
    macs, parameters = onnx_nets.macs(onnx.load(path))
    side = 227 if name == "squeezenet" else 224
    image = numpy.random.default_rng(1).uniform(-1, 1, (1, 3, side, side)).astype(numpy.float32)
    peer = Peer(path, image)
    report = {"name": name, "file": os.path.basename(path), "trained": trained, "macs_per_image": macs,
              "parameters": parameters}
    if options.peer_only:
        rounds = [peer.measure(options) for _ in range(options.rounds)]
        report["peer"] = summary(rounds)
    else:
        compare_ours(options, report, path, image, peer, cores)
    report["peer"]["gmacs"] = macs * report["peer"]["fps"] / 1e9
    share = min(r["core_share"] for r in report["peer"]["rounds"])
    if share < BUSY:
        print("peers.py: warning: %s: the core was ours for %.0f %% of a round; is the machine idle?"
              % (name, 100 * share), file=sys.stderr)
    return report


def table(reports):
    def range_of(r):
        return "%.2f (%.2f … %.2f)" % (r["median"], r["min"], r["max"]) if r else "–"

    def speed(r):
        return "%.1f (%.2f)" % (r["fps"], r["ms"]) if r else "–"

    rows = ["| network | MMAC | libtf2 fps (ms) | ONNX Runtime fps (ms) | ratio (min … max) | GMAC/s "
            "| of FMA peak | two devices (min … max) | largest difference |",
            "| --- " + "| ---: " * 8 + "|"]
    for r in reports:
        rows.append("| %s | %.1f | %s | %s | %s | %s | %s | %s | %s |" % (
            TITLES[r["name"]], r["macs_per_image"] / 1e6, speed(r.get("ours")), speed(r["peer"]),
            range_of(r.get("ratio")), "%.1f" % r["gmacs"] if "gmacs" in r else "–",
            "%.0f %%" % (100 * r["peak_share"]) if r.get("peak_share") else "–", range_of(r.get("scaling")),
            "%.1e" % r["max_abs_difference"] if "max_abs_difference" in r else "–"))
    return "\n".join(rows)


def describe(machine, options):
    return ("%s, core %d; ONNX Runtime %s, one thread; fp32, batch 1, %d rounds of %g s, medians."
            % (machine["cpu"], machine["cores"][0], machine["onnxruntime"], options.rounds, options.seconds))


def main():
    options = parse_arguments()
    enter_venv(options.venv)
    import numpy
    import onnxruntime
    os.makedirs(options.work, exist_ok=True)
    sys.path.insert(0, HERE)
    cores = physical_cores()
    if not options.peer_only:
        for program in ("tf2-bench", "tf2-run"):
            find_program(options, program)
    os.sched_setaffinity(0, cores[:1])  # ONNX Runtime runs in this process
    machine = {"cpu": cpu_name(), "cores": cores[:2], "kernel": platform.release(),
               "load": os.getloadavg()[0],
               "python": platform.python_version(), "numpy": numpy.__version__,
               "onnxruntime": onnxruntime.__version__}
    reports = [compare(options, name, cores) for name in options.only or NETS]
    result = {"machine": machine, "rounds": options.rounds, "seconds": options.seconds, "networks": reports}
    if options.json != "-":
        print(table(reports) + "\n\n" + describe(machine, options))
    if options.json:
        with (sys.stdout if options.json == "-" else open(options.json, "w")) as file:
            json.dump(result, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()
