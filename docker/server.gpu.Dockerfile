# syntax=docker/dockerfile:1
# The GPU server: NVIDIA's Triton image, with packshot in the Python of its Python backend.
#
#   docker build -f docker/server.gpu.Dockerfile -t packshot-server:gpu .
#   docker run --gpus all --shm-size 1g --read-only --tmpfs /tmp -v plans:/models ...
#
# Plans are built on the GPU that serves them, with the export image; they are not in here.
# Checked by hadolint; not built where this was written.
ARG NGC_RELEASE=24.12

FROM nvcr.io/nvidia/tritonserver:${NGC_RELEASE}-py3 AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
COPY client client
COPY export export
COPY loadtest loadtest
# Into a folder that the final stage copies, not into the image's own packages. The constraints
# are those of the CPU wheel, except what the image's Python itself pins. The converter and the
# bytecode: see install_server.sh.
RUN python3 -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
 && python3 -m pip install --no-cache-dir --no-compile --target /opt/packshot/lib \
      --constraint constraints.txt "$(ls /wheels/packshot-*.whl)[server]" \
 && rm -rf /opt/packshot/lib/openvino/tools \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/packshot/lib

FROM nvcr.io/nvidia/tritonserver:${NGC_RELEASE}-py3
ARG NGC_RELEASE=24.12
ARG NGC_TRITON_VERSION=2.53.0
ARG NGC_TENSORRT_VERSION=10.7.0.23
ARG NGC_CUDA_VERSION=12.6.3
ARG PACKSHOT_VERSION=0.1.0
LABEL org.opencontainers.image.title="packshot-server" \
      org.opencontainers.image.description="Photo quality models on NVIDIA Triton, TensorRT" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${PACKSHOT_VERSION}" \
      io.packshot.ngc="${NGC_RELEASE}" \
      io.packshot.triton="${NGC_TRITON_VERSION}" \
      io.packshot.tensorrt="${NGC_TENSORRT_VERSION}" \
      io.packshot.cuda="${NGC_CUDA_VERSION}"
COPY --from=build /opt/packshot /opt/packshot
COPY --chmod=755 docker/scripts/health.py /opt/packshot/lib/bin/packshot-health
COPY model_repository /models
RUN useradd --system --uid 10001 --home-dir /nonexistent packshot
ENV PATH=/opt/packshot/lib/bin:$PATH \
    PYTHONPATH=/opt/packshot/lib \
    XDG_CACHE_HOME=/tmp/cache \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8001 8002 8003
VOLUME /tmp
HEALTHCHECK --interval=5s --timeout=3s --start-period=120s --retries=3 CMD ["packshot-health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["packshot-serve", "--supervise", "--host=0.0.0.0", "--http-host=127.0.0.1", "--model-repository=/models", "--model-config-name=tensorrt", "--drain-delay=6"]
