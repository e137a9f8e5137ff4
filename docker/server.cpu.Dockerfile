# syntax=docker/dockerfile:1
# The CPU server: slim Python with the tritonserver of the PyPI wheel nvidia-pytriton.
#
#   make export                      # builds model_repository/*/1
#   docker build -f docker/server.cpu.Dockerfile -t packshot-server:cpu .
#
# Versions: docker/versions.env. The steps are docker/scripts/install_server.sh, which has been run
# without Docker; the image itself has not been built where this was written.
ARG CPU_PYTHON_VERSION=3.11

FROM docker.io/library/python:${CPU_PYTHON_VERSION}-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
COPY client client
COPY export export
COPY loadtest loadtest
COPY docker/scripts/install_server.sh docker/scripts/install_server.sh
RUN sh docker/scripts/install_server.sh /source /opt/packshot python3

FROM docker.io/library/python:${CPU_PYTHON_VERSION}-slim-bookworm
ARG CPU_PYTRITON_VERSION=0.7.0
ARG CPU_TRITON_VERSION=2.51.0
ARG PACKSHOT_VERSION=0.1.0
LABEL org.opencontainers.image.title="packshot-server" \
      org.opencontainers.image.description="Photo quality models on NVIDIA Triton, CPU" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${PACKSHOT_VERSION}" \
      io.packshot.triton="${CPU_TRITON_VERSION}" \
      io.packshot.pytriton="${CPU_PYTRITON_VERSION}"
# The base image's pip is the only installer left; a server needs none. And it comes without the
# bytecode of Python's own library, which could never be written later.
RUN pip uninstall --yes setuptools wheel pip \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash \
      "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
 && useradd --system --uid 10001 --home-dir /nonexistent packshot
COPY --from=build /opt/packshot /opt/packshot
COPY --chmod=755 docker/scripts/health.py /opt/packshot/bin/packshot-health
COPY model_repository /models
# The root file system may be read-only: what is written goes to /tmp, a tmpfs.
ENV PATH=/opt/packshot/bin:$PATH \
    XDG_CACHE_HOME=/tmp/cache \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8001 8002 8003
VOLUME /tmp
# PyPI's Triton takes a second or two to load the models, more on a busy machine.
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 CMD ["packshot-health"]
STOPSIGNAL SIGTERM
# Never tritonserver itself: on SIGTERM it would drop what an ensemble has accepted.
ENTRYPOINT ["packshot-serve", "--supervise", "--host=0.0.0.0", "--http-host=127.0.0.1", "--model-repository=/models", "--drain-delay=6"]
