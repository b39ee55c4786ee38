# The image: the interpreter, cache-sidecar and what it depends on, and nothing else. `make image`
# builds it; docs/kubernetes.md describes what is in it and how large that is, under "The image".
ARG BASE=python:3.13-slim-trixie

# ---- what builds the package
FROM ${BASE} AS tools
COPY requirements-build.lock /src/
RUN python3 -m venv --without-pip /tools \
    && python3 -m pip --python /tools/bin/python install --no-cache-dir --require-hashes \
        --only-binary=:all: --requirement /src/requirements-build.lock

# ---- the package, as a wheel
FROM tools AS wheel
WORKDIR /src
COPY pyproject.toml README.md ./
COPY sidecar sidecar
RUN /tools/bin/hatchling build --target wheel

# ---- what the package depends on, in a virtual environment
FROM ${BASE} AS dependencies
# hadolint ignore=DL3008  # Debian's archive has no other version than the newest.
RUN command -v strip > /dev/null \
    || (apt-get update && apt-get install --yes --no-install-recommends binutils \
        && rm -rf /var/lib/apt/lists/*)
COPY requirements.lock /src/
# Left out again: what is for the command line of CEL, for Markdown and source code in terminals, and
# for the synchronous half of the Kubernetes client; nothing of it is ever imported. Stripped: symbols
# for debuggers are half of what the wheels weigh.
RUN python3 -m venv --without-pip /opt/cache-sidecar \
    && python3 -m pip --python /opt/cache-sidecar/bin/python install --no-cache-dir --no-compile \
        --require-hashes --only-binary=:all: --requirement /src/requirements.lock \
    && python3 -m pip --python /opt/cache-sidecar/bin/python uninstall --quiet --yes \
        annotated-doc prompt-toolkit shellingham typer wcwidth markdown-it-py mdurl pygments \
        certifi charset-normalizer durationpy oauthlib requests requests-oauthlib urllib3 \
        websocket-client \
    && find /opt/cache-sidecar -name '*.so*' -exec strip --strip-unneeded {} +

# ---- all that runs, gathered below one folder
FROM dependencies AS gathered
COPY --from=wheel /src/dist/ /src/dist/
COPY image/rootfs.py /src/
# Byte code is written once, and not compared with its source when it is loaded: neither changes.
RUN python3 -m pip --python /opt/cache-sidecar/bin/python install --no-cache-dir --no-compile \
        --no-index --no-deps /src/dist/*.whl \
    && python3 /src/rootfs.py /opt/cache-sidecar /rootfs \
    && python3 -m compileall -q -j 0 -s /rootfs -p / --invalidation-mode unchecked-hash /rootfs \
    && mkdir /empty

# ---- the image
FROM scratch
COPY --from=gathered /rootfs/ /
COPY --from=gathered --chown=65532:65532 /empty/ /etc/cache-sidecar/
COPY --from=gathered --chown=65532:65532 /empty/ /var/lib/cache-sidecar/
# glibc's allocator, which the process tunes: docs/kubernetes.md has the figures, made by
# tests/bench/allocator.py. By default it takes up to eight arenas for each processor of the node.
ENV MALLOC_ARENA_MAX=2 \
    PATH=/opt/cache-sidecar/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
ARG REVISION=unknown
LABEL org.opencontainers.image.title="cache-sidecar" \
    org.opencontainers.image.description="A three-tier cache that runs beside an application in its pod and is reached over localhost." \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.revision="${REVISION}"
USER 65532:65532
EXPOSE 7071
ENTRYPOINT ["cache-sidecar"]
CMD ["serve"]
