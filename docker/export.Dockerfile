# syntax=docker/dockerfile:1
# Builds TensorRT plans for the GPU it runs on, with the same TensorRT as the serving image: both
# start from the same release (docker/versions.env).
#
#   docker build -f docker/export.Dockerfile -t packshot-export .
#   docker run --gpus all -v plans:/plans packshot-export /plans/cache /plans/served quality
#
# Checked by hadolint; not built where this was written.
ARG NGC_RELEASE=24.12

FROM nvcr.io/nvidia/tensorrt:${NGC_RELEASE}-py3
ARG NGC_RELEASE=24.12
ARG NGC_TENSORRT_VERSION=10.7.0.23
ARG PACKSHOT_VERSION=0.1.0
LABEL org.opencontainers.image.title="packshot-export" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${PACKSHOT_VERSION}" \
      io.packshot.ngc="${NGC_RELEASE}" \
      io.packshot.tensorrt="${NGC_TENSORRT_VERSION}"
WORKDIR /opt/packshot
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
COPY client client
COPY export export
COPY loadtest loadtest
COPY weights weights
COPY model_repository model_repository
# A venv that sees the image's own tensorrt, which must be the server's: never PyPI's.
RUN python3 -m venv --system-site-packages .venv \
 && .venv/bin/pip install --no-cache-dir --no-compile --constraint constraints.txt ".[export]" \
 && useradd --system --uid 10001 --home-dir /nonexistent packshot \
 && install -d -o 10001 -g 10001 /plans
COPY --chmod=755 docker/scripts/build_plans.sh /usr/local/bin/build-plans
ENV PATH=/opt/packshot/.venv/bin:$PATH \
    XDG_CACHE_HOME=/tmp/cache \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
VOLUME /tmp
# A job, not a service: whether it works shows in its exit status.
HEALTHCHECK NONE
ENTRYPOINT ["build-plans"]
