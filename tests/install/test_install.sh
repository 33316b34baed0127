#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The library as others get it: installs into a temporary folder and builds programs against that with pkg-config.
#
#     test_install.sh SOURCE_DIR BUILD_DIR
#
# CC and CXX name the compilers (default cc and c++). Exit status 0 all right, 1 not, 77 skipped.
set -eu
export LC_ALL=C

source_dir=$1
build_dir=$2
cc=${CC:-cc}
cxx=${CXX:-c++}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
failures=0

say() {
    echo "  $*"
}

fail() {
    echo "FAILED: $*" >&2
    failures=$((failures + 1))
}

finish() {
    [ "$failures" = 0 ] || exit 1
    echo "all right"
    exit 0
}

if ! command -v pkg-config >/dev/null; then
    echo "skipped: there is no pkg-config"
    exit 77
fi
if ! command -v "$cxx" >/dev/null; then
    say "no C++ compiler ($cxx): the C++ parts are left out"
    cxx=
fi

meson install -C "$build_dir" --destdir "$root" --no-rebuild --quiet >"$work/install.log" 2>&1 || {
    cat "$work/install.log" >&2
    echo "FAILED: meson install" >&2
    exit 1
}

pc=$(find "$root" -name libtf2.pc)
header=$(find "$root" -path '*/tf2/tf2.h')
archive=$(find "$root" -name libtf2.a)
shared=$(find "$root" -name libtf2.so)
for file in "$pc" "$header" "$archive" "$shared"; do
    if [ ! -f "$file" ]; then
        echo "FAILED: libtf2.pc, tf2/tf2.h, libtf2.a or libtf2.so is not installed" >&2
        exit 1
    fi
done
include_dir=$(dirname "$(dirname "$header")")
lib_dir=$(dirname "$shared")

# The packages that libtf2 requires stay where they are; only its own paths lie under $root.
PKG_CONFIG_PATH="$(dirname "$pc")${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
PKG_CONFIG_SYSROOT_DIR="$root"
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
cflags=$(pkg-config --cflags libtf2)
libs_shared=$(pkg-config --libs libtf2)
# Both libraries lie in one folder and the linker prefers the shared one; -l: asks for the archive by its name.
libs_static=$(pkg-config --libs --static libtf2 | sed 's/-ltf2\b/-l:libtf2.a/')
say "shared: $libs_shared"
say "static: $libs_static"
case $libs_shared in
*protobuf* | *OpenCL*) fail "pkg-config --libs tells private libraries: $libs_shared" ;;
esac
version=$(sed -n 's/^#define TF2_VERSION_STRING "\(.*\)"/\1/p' "$include_dir/tf2/version.h")
[ "$(pkg-config --modversion libtf2)" = "$version" ] || fail "pkg-config and version.h tell different versions"

# ---- every public header alone ----

# alone HEADER: a program that includes nothing else; the typedef is for headers of macros only.
alone() {
    printf '#include <%s>\ntypedef int something;\n' "$1"
}

for path in "$include_dir"/tf2/*.h; do
    name=tf2/$(basename "$path")
    for standard in c99 c11 c17; do
        alone "$name" | "$cc" -x c -std=$standard -pedantic -Wall -Wextra -Wstrict-prototypes -Werror \
            -I"$include_dir" -fsyntax-only - || fail "$name alone as $standard"
    done
    if [ -n "$cxx" ]; then
        for standard in c++11 c++17; do
            alone "$name" | "$cxx" -x c++ -std=$standard -pedantic -Wall -Wextra -Werror \
                -I"$include_dir" -fsyntax-only - || fail "$name alone as $standard"
        done
    fi
    [ -f "$source_dir/include/$name" ] || fail "$name is installed, but not in include/"
done
for path in "$source_dir"/include/tf2/*.h; do
    [ -f "$include_dir/tf2/$(basename "$path")" ] || fail "include/tf2/$(basename "$path") is not installed"
done

# ---- symbols ----

nm -g --defined-only "$archive" 2>/dev/null | awk 'NF == 3 && $3 !~ /^tf2_/ { print $3 }' | sort -u >"$work/foreign"
nm -g --defined-only "$archive" | grep -q ' T tf2_model_import$' || fail "nm finds no symbols in libtf2.a"
[ ! -s "$work/foreign" ] || fail "global symbols of libtf2.a that do not start with tf2_: $(tr '\n' ' ' <"$work/foreign")"

nm -D --defined-only "$shared" | awk 'NF == 3 { print $3 }' | sort -u >"$work/exported"
cat "$include_dir"/tf2/*.h | tr '\n' ' ' | grep -o 'TF2_API [^(;#]*(' | sed 's/($//; s/.*[ *]//' | grep '^tf2_' |
    sort -u >"$work/declared"
[ "$(wc -l <"$work/exported")" -gt 20 ] || fail "libtf2.so exports next to nothing"
cmp -s "$work/exported" "$work/declared" || {
    fail "libtf2.so does not export exactly the TF2_API functions of the headers (< exported, > declared):"
    diff "$work/exported" "$work/declared" >&2 || true
}
cmp -s "$work/exported" "$source_dir/tests/install/symbols.txt" || {
    fail "the exported symbols are not those of tests/install/symbols.txt (< exported, > listed):"
    diff "$work/exported" "$source_dir/tests/install/symbols.txt" >&2 || true
    echo "A new function is an addition to the interface, a missing one breaks programs. When that is meant:" >&2
    echo "    nm -D --defined-only $build_dir/src/libtf2.so | awk 'NF == 3 { print \$3 }' | LC_ALL=C sort -u" \
        ">tests/install/symbols.txt" >&2
}

# ---- programs ----

# compile OUTPUT LIBS COMPILER-AND-OPTIONS...
compile() {
    output=$1
    libs=$2
    shift 2
    # shellcheck disable=SC2086
    "$@" $cflags -o "$output" $libs
}

# says PROGRAM WANTED ARGUMENTS...: what the program writes has to begin with WANTED.
says() {
    program=$1
    wanted=$2
    shift 2
    if ! found=$(LD_LIBRARY_PATH="$lib_dir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" "$work/$program" "$@"); then
        fail "$program $*: exit status not 0"
        return
    fi
    case $found in
    "$wanted"*) ;;
    *) fail "$program $*: wrote \"$found\", wanted \"$wanted...\"" ;;
    esac
}

digits() {
    model=$source_dir/models/digits/digits.onnx
    for file in "$source_dir"/models/digits/samples/*.png; do
        digit=${file##*_label_}
        says "$1" "$2 ${digit%.png}, score 0.9" "$model" "$file"
    done
}

# The example in the opening comment of tf2/tf2.h, as it stands there.
sed -n '/^ \*     #include/,/^ \*     }$/ s/^ \* \{0,5\}//p' "$header" >"$work/example.c"
grep -q 'int main' "$work/example.c" || fail "no example in the opening comment of tf2/tf2.h"

for kind in shared static; do
    eval "libs=\$libs_$kind"
    for standard in c99 c11; do
        if compile "$work/example_${kind}_$standard" "$libs" \
            "$cc" -std=$standard -pedantic -Wall -Wextra -Werror "$work/example.c"; then
            digits "example_${kind}_$standard" "class"
        else
            fail "the example of tf2/tf2.h as $standard, $kind"
        fi
        if compile "$work/classify_${kind}_$standard" "$libs" \
            "$cc" -std=$standard -pedantic -Wall -Wextra -Werror "$source_dir/examples/classify.c"; then
            digits "classify_${kind}_$standard" "1. class"
        else
            fail "examples/classify.c as $standard, $kind"
        fi
    done
    if compile "$work/serve_$kind" "$libs" \
        "$cc" -std=c99 -pedantic -Wall -Wextra -Werror "$source_dir/examples/serve.c"; then
        mkdir -p "$work/repository/com.example.digits/2"
        cp "$source_dir/tests/golden/compat/v1_0_bare.tf2" "$work/repository/com.example.bare.tf2"
        cp "$source_dir/tests/golden/compat/v1_0_bare.tf2" "$work/repository/com.example.digits/2/model.tf2"
        says "serve_$kind" "100 requests done" "$work/repository" com.example.bare
        says "serve_$kind" "100 requests done" "$work/repository" com.example.digits
    else
        fail "examples/serve.c, $kind"
    fi
    [ -n "$cxx" ] || continue
    if compile "$work/classify_${kind}_c++" "$libs" \
        "$cxx" -std=c++11 -pedantic -Wall -Wextra -Werror -x c++ "$source_dir/examples/classify.c" -x none; then
        digits "classify_${kind}_c++" "1. class"
    else
        fail "examples/classify.c as C++, $kind"
    fi
done

# examples/faces, as a program takes it over: the folder, the installed library, threads.
if compile "$work/find_faces" "$libs_shared" \
    "$cc" -std=gnu11 -Wall -Wextra -Werror -pthread "$source_dir"/examples/faces/*.c -lm; then
    if LD_LIBRARY_PATH="$lib_dir" "$work/find_faces" /nonexistent /nonexistent 2>"$work/err"; then
        fail "find_faces works without networks"
    elif ! grep -q "^find_faces: /nonexistent: no det1 or pnet" "$work/err"; then
        fail "find_faces wrote \"$(cat "$work/err")\""
    fi
else
    fail "examples/faces"
fi

# A program that fails says why.
if LD_LIBRARY_PATH="$lib_dir" "$work/classify_shared_c99" "$header" "$header" 2>"$work/err"; then
    fail "classify takes a header for a network"
elif ! grep -q "^classify: .*tf2.h: " "$work/err"; then
    fail "classify wrote \"$(cat "$work/err")\""
fi
if ldd "$work/classify_static_c99" | grep -q libtf2; then
    fail "the static program needs libtf2.so"
fi

# ---- what a static program leaves out ----

# leaves_out PROGRAM: no importers, no exporter and no Protocol Buffers are in it.
leaves_out() {
    nm "$work/$1" | grep -E 'protobuf_c_|tf2__(importer|import|export|onnx|caffe|prototxt)' >"$work/unwanted" || true
    [ ! -s "$work/unwanted" ] || fail "$1 does not import, but contains $(head -5 "$work/unwanted" |
        awk '{ print $NF }' | tr '\n' ' ')..."
}

for program in graph_only load_only; do
    compile "$work/$program" "$libs_static" \
        "$cc" -std=c99 -pedantic -Wall -Wextra -Werror "$source_dir/tests/install/$program.c" ||
        fail "tests/install/$program.c, static"
    leaves_out $program
done
says graph_only "0 4 6 0"
says load_only "n1: 0.5" "$source_dir/tests/golden/compat/v1_0_bare.tf2"
# The same search has to find something in a program that imports.
nm "$work/classify_static_c99" | grep -q protobuf_c_ || fail "classify has no protobuf_c_ symbols: wrong search"
nm "$work/classify_static_c99" | grep -q tf2__onnx || fail "classify has no tf2__onnx symbols: wrong search"
for program in graph_only load_only classify_static_c99; do
    say "static size of $program: $(wc -c <"$work/$program") bytes"
done

finish
