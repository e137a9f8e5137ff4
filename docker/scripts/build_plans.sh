#!/bin/sh
# Build the plans of this node's GPU once, and keep them by GPU, driver and TensorRT.
#
#   build-plans CACHE TARGET NETWORK...
#
# CACHE is a volume that outlives the pod; TARGET gets a model repository ready to be served.
set -eu

cache=$1
target=$2
shift 2

facts=$(nvidia-smi --query-gpu=name,compute_cap,driver_version --format=csv,noheader | head -n 1)
tensorrt=$(python3 -c 'import tensorrt; print(tensorrt.__version__)')
key=$(printf '%s-trt%s' "$facts" "$tensorrt" | tr -c 'A-Za-z0-9.\n' '_')
ready=$cache/$key/repository

echo "GPU: $facts; TensorRT $tensorrt; cache: $ready"
for network in "$@"; do
    if [ -f "$ready/${network}_net/1/model.plan" ]; then
        echo "$network: already built"
        continue
    fi
    mkdir -p "$ready"
    cp -R -n /opt/packshot/model_repository/. "$ready/" || true
    # Staged and renamed by packshot-export itself: a pod killed here leaves nothing half-made.
    packshot-export build "$network" --target tensorrt --version 1 --repository "$ready"
done
mkdir -p "$target"
cp -R "$ready/." "$target/"
