#!/bin/sh
# Make the environment of the CPU server: the steps of server.cpu.Dockerfile, as a script that also
# runs without Docker (make cpu-image-steps).
#
#   install_server.sh SOURCE TARGET [PYTHON]
#
# SOURCE is the checkout, TARGET the virtual environment to make. Prints its size in MB.
set -eu

source_dir=$1
target=$2
python=${3:-python3}

"$python" -m venv --without-pip "$target"
# pip from outside: the environment that runs needs none.
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$python" -m venv "$tools/venv"
"$tools/venv/bin/pip" wheel --quiet --no-deps --wheel-dir "$tools/wheels" "$source_dir"
"$tools/venv/bin/pip" --python "$target/bin/python" install --quiet --no-compile --no-cache-dir \
    --constraint "$source_dir/constraints.txt" \
    "$(ls "$tools"/wheels/packshot-*.whl)[server,triton]"

# What pytriton carries beside tritonserver and we never start: stubs of other Pythons, tests.
site=$("$target/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
version=$("$target/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
for stub in "$site"/pytriton/tritonserver/python_backend_stubs/*; do
    [ "$(basename "$stub")" = "$version" ] || rm -rf "$stub"
done
find "$site" -depth -type d \( -name tests -o -name test \) -path '*/numpy/*' -exec rm -rf {} +

# OpenVINO's model converter: nothing here converts, and every model process would import it.
rm -rf "$site/openvino/tools"

# A process of a model that finds no bytecode compiles 400 modules first, each time it starts: its
# root file system is read-only. Unchecked: nothing edits these files.
"$target/bin/python" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$site"

# -a: what hard links share would be counted twice otherwise. Library files of one layer.
echo "Environment: $(du -sm "$target" | cut -f1) MB"
