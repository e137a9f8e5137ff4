# syntax=docker/dockerfile:1
# Locust users and reports against a running packshot.
#
#   docker build -f docker/loadtest.Dockerfile -t packshot-loadtest .
#
# Checked by hadolint; not built where this was written.
ARG CPU_PYTHON_VERSION=3.11

FROM docker.io/library/python:${CPU_PYTHON_VERSION}-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
COPY client client
COPY export export
COPY loadtest loadtest
RUN python3 -m venv --without-pip /opt/packshot \
 && pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
 && pip --python /opt/packshot/bin/python install --no-cache-dir --no-compile \
      --constraint constraints.txt "$(ls /wheels/packshot-*.whl)[loadtest]"

FROM docker.io/library/python:${CPU_PYTHON_VERSION}-slim-bookworm
ARG PACKSHOT_VERSION=0.1.0
LABEL org.opencontainers.image.title="packshot-loadtest" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${PACKSHOT_VERSION}"
RUN pip uninstall --yes setuptools wheel pip \
 && useradd --system --uid 10001 --home-dir /nonexistent packshot \
 && install -d -o 10001 -g 10001 /reports
COPY --from=build /opt/packshot /opt/packshot
ENV PATH=/opt/packshot/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /tmp
VOLUME /tmp
EXPOSE 5557
HEALTHCHECK NONE
ENTRYPOINT ["packshot-loadtest"]
