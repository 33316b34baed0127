# SPDX-License-Identifier: Apache-2.0
"""The results of peers.py as Markdown tables."""

NAMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "ncnn": "ncnn"}
DASH = "–"


def table(head, rows, n_left=1):
    """The first columns left, the others right. No table without rows."""
    if not rows:
        return ""
    lines = [head, ["---"] * n_left + ["---:"] * (len(head) - n_left)] + rows
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def ratio(r):
    return "%.2f (%.2f … %.2f)" % (r["median"], r["min"], r["max"]) if r else DASH


def speed(r):
    return "%.1f (%.2f)" % (r["fps"], r["ms"]) if r else DASH


def share(value):
    return "%.0f %%" % (100 * value) if value else DASH


def number(value, form):
    return DASH if value is None else form % value


def fp32(networks):
    rows = []
    for n in networks:
        r = n.get("fp32")
        if r:
            rows.append([n["title"], "%.1f" % (n["macs_per_image"] / 1e6), speed(r.get("ours")), speed(r["peer"]),
                         ratio(r.get("ratio")), number(r.get("gmacs"), "%.1f"), share(r.get("peak_share")),
                         ratio(r.get("scaling")), number(r.get("max_abs_difference"), "%.1e")])
    return table(["network", "MMAC", "libtf2 fps (ms)", "ONNX Runtime fps (ms)", "ratio (min … max)", "GMAC/s",
                  "of FMA peak", "two devices (min … max)", "largest difference"], rows)


def int8(networks):
    peers = [p for p in NAMES if any(p in n.get("int8", {}).get("peers", {}) for n in networks)]
    rows = []
    for n in networks:
        r = n.get("int8")
        if r:
            row = [n["title"], number(r.get("ours", {}).get("fps"), "%.1f")]
            for p in peers:
                peer = r["peers"].get(p, {})
                row += [number(peer.get("fps"), "%.1f"), ratio(peer.get("ratio"))]
            rows.append(row)
    head = ["network", "libtf2 fps"]
    for p in peers:
        head += [NAMES[p] + " fps", "ratio (min … max)"]
    return table(head, rows)


def settings(networks):
    rows = []
    for n in networks:
        r = n.get("int8")
        if r and "ours" in r:
            rows.append([n["title"], "libtf2", "%d devices" % r["cores"], "%.4f" % r["correlation"]])
        for p, peer in r["peers"].items() if r else ():
            rows.append([n["title"], NAMES[p], peer["setting"], "%.4f" % peer["correlation"]])
    return table(["network", "program", "best setting", "correlation with float"], rows, 3)


def tried(networks):
    rows = []
    for n in networks:
        for p, choices in n.get("tried", {}).items():
            for c in choices:
                rows.append([n["title"], NAMES[p], c["label"],
                             "%.1f" % c["fps"] if c["fps"] else c.get("reason", DASH)])
    return table(["network", "program", "setting", "fps in a short run"], rows, 3)


def dots(networks):
    rows = []
    for n in networks:
        for name, r in n.get("dots", {}).items():
            title = "chosen: " + n["chosen_dot"] if name == "chosen" and n["chosen_dot"] else name
            rows.append([n["title"], title, speed(r), ratio(r["ratio"]) if name != "fp32" else "1",
                         ratio(r.get("ratio_256")), "%.1f" % r["gmacs"], share(r["peak_share"]),
                         share(r["vnni_share"])])
    return table(["network", "kernels", "fps (ms)", "against fp32 (min … max)", "against fp32 on 256 bits", "GMAC/s",
                  "of own peak", "of VNNI peak"], rows, 2)


def memory(networks):
    rows = []
    for n in networks:
        m = n.get("memory")
        if m:
            mib = ["%.2f" % (m[k] / 2**20) for k in ("weights_bytes", "arena_bytes", "live_bytes")]
            over = "%.2f" % (m["arena_bytes"] / m["live_bytes"]) if m["live_bytes"] else DASH
            rows.append([n["title"], "%.2f" % (n["int8"]["file_bytes"] / 2**20)] + mib + [over])
    return table(["network, MiB", ".tf2 without example", "weights", "tensors", "at least alive",
                  "tensors / alive"], rows)


def peaks(networks):
    values = [n["peaks_gmacs"] for n in networks if "peaks_gmacs" in n]
    units = [("fma", "FMA"), ("avx2", "AVX2 vpmaddwd"), ("vnni", "VNNI"), ("amx", "AMX int8")]
    if not values:
        return ""
    return "Measured peaks of one core, GMAC/s: " + ", ".join(
        "%s %s" % (title, number(values[0].get(key), "%.0f")) for key, title in units) + "."


def describe(result):
    machine = result["machine"]
    versions = ", ".join("%s %s" % (NAMES.get(p, p), v) for p, v in machine["versions"].items() if v)
    return ("%s, cores %s; %s; batch 1, %d rounds of %g s, medians (smallest … largest round)." % (
        machine["cpu"], ", ".join(map(str, machine["cores"])), versions, result["rounds"], result["seconds"]))


def render(result):
    networks = result["networks"]
    n_cores = len(result["machine"]["cores"])
    parts = [("fp32, one core against one core", fp32(networks)),
             ("int8, images a second on %d core%s" % (n_cores, "" if n_cores == 1 else "s"), int8(networks)),
             ("Best setting of each", settings(networks)),
             ("int8 on one core against fp32", dots(networks)),
             ("Memory of an int8 session", memory(networks)),
             ("All settings tried", tried(networks))]
    text = "".join("### %s\n\n%s\n\n" % part for part in parts if part[1])
    return text + "\n\n".join(p for p in (peaks(networks), describe(result)) if p)
