# SPDX-License-Identifier: Apache-2.0
"""One process of one peer, started by peers_run.py:

    peers_worker.py SPEC        SPEC: JSON {"peer", "file", "input", "output", "threads", "cores", ...}

It loads the network, runs the input once, writes the first output as a .npy file to "output", and says
{"ready": true} on stdout. Then it answers every line {"warmup": s, "seconds": s} on stdin by {"runs", "seconds",
"p50_ms", "core_share"}: how often the network ran, alone, in so many seconds. Inputs and outputs are float32
arrays that are bound in advance where the runtime can do that.
"""
import json
import os
import statistics
import sys
import time


class Loop:
    """Times of runs one after the other."""

    def repeat(self, seconds):
        run, clock, times = self.run, time.perf_counter, []
        now = clock()
        end = now + seconds
        while now < end:
            run()
            start, now = now, clock()
            times.append(now - start)
        return len(times), sum(times), times


class OnnxRuntime(Loop):
    """All graph optimizations; input and output bound once."""

    def __init__(self, spec, image):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = spec["threads"]
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        session = onnxruntime.InferenceSession(spec["file"], options, providers=["CPUExecutionProvider"])
        name, output = session.get_inputs()[0].name, session.get_outputs()[0].name
        self.output = session.run([output], {name: image})[0]
        self.keep = onnxruntime.OrtValue.ortvalue_from_numpy(image)
        self.result = onnxruntime.OrtValue.ortvalue_from_numpy(self.output)
        binding = session.io_binding()
        binding.bind_ortvalue_input(name, self.keep)
        binding.bind_ortvalue_output(output, self.result)
        self.run = lambda: session.run_with_iobinding(binding)


class OpenVino(Loop):
    """"streams" above 1: so many requests at the same time in this process; else one after the other."""

    def __init__(self, spec, image):
        import openvino
        config = {"INFERENCE_NUM_THREADS": spec["threads"], "NUM_STREAMS": spec.get("streams", 1),
                  "PERFORMANCE_HINT": spec.get("hint", "LATENCY"),
                  "INFERENCE_PRECISION_HINT": spec.get("precision", "f32")}
        compiled = openvino.Core().compile_model(spec["file"], "CPU", config)
        request = compiled.create_infer_request()
        request.set_input_tensor(openvino.Tensor(image, shared_memory=True))
        request.infer()
        self.output = request.get_output_tensor(0).data.copy()
        self.keep = (compiled, request, image)
        self.run = lambda: request.infer(share_outputs=True)
        if spec.get("streams", 1) > 1:
            self.start_queue(openvino, compiled, image, 2 * spec["streams"])

    def start_queue(self, openvino, compiled, image, n_jobs):
        self.queue = openvino.AsyncInferQueue(compiled, n_jobs)
        for request in self.queue:
            request.set_input_tensor(openvino.Tensor(image, shared_memory=True))
        self.repeat = self.repeat_queue

    def repeat_queue(self, seconds):
        """As many as end within the time and the few that are under way then: all that were started count."""
        clock, queue, n = time.perf_counter, self.queue, 0
        start = clock()
        while clock() - start < seconds:
            queue.start_async()
            n += 1
        queue.wait_all()
        return n, clock() - start, []


class Ncnn(Loop):
    def __init__(self, spec, image):
        import ncnn
        import numpy
        net = ncnn.Net()
        net.opt.num_threads = spec["threads"]
        net.opt.use_bf16_storage = spec.get("bf16", False)
        net.opt.use_winograd_convolution = spec.get("winograd", True)
        if net.load_param(spec["file"] + ".param") != 0 or net.load_model(spec["file"] + ".bin") != 0:
            raise RuntimeError("ncnn cannot load " + spec["file"])
        mat = ncnn.Mat(image[0]).clone()

        def run():
            extractor = net.create_extractor()
            extractor.input(spec["input_name"], mat)
            return extractor.extract(spec["output_name"])
        self.keep, self.run = (net, mat, image), run
        status, result = run()
        if status != 0:
            raise RuntimeError("ncnn cannot run %s: status %d" % (spec["file"], status))
        self.output = numpy.array(result)


PEERS = {"onnxruntime": OnnxRuntime, "openvino": OpenVino, "ncnn": Ncnn}


def measure(loop, warmup, seconds):
    loop.repeat(warmup)
    cpu, wall = time.process_time(), time.perf_counter()
    runs, spent, times = loop.repeat(seconds)
    share = (time.process_time() - cpu) / (time.perf_counter() - wall)
    return {"runs": runs, "seconds": spent, "core_share": share,
            "p50_ms": 1e3 * (statistics.median(times) if times else spent / runs)}


def main():
    spec = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a runtime prints is no answer
    os.sched_setaffinity(0, spec["cores"])
    import numpy
    image = numpy.ascontiguousarray(numpy.load(spec["input"]))
    loop = PEERS[spec["peer"]](spec, image)
    numpy.save(spec["output"], numpy.asarray(loop.output, numpy.float32))
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(measure(loop, **json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
