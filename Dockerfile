# The base needs Python 3.11 to 3.14 with venv; the two stages must have the same one.
ARG BASE_IMAGE=docker.io/library/python:3.13-slim-trixie

FROM ${BASE_IMAGE} AS dependencies
COPY requirements/server.txt /build/requirements/
RUN python3 -m venv /opt/pergamum \
    && /opt/pergamum/bin/pip install --no-cache-dir --disable-pip-version-check --no-compile \
        --require-hashes --requirement /build/requirements/server.txt

FROM dependencies AS build
COPY pyproject.toml README.md LICENSE /build/
COPY src /build/src
# Whole seconds as modification times: an image keeps no finer ones, and numba compares them with its cache's.
RUN /opt/pergamum/bin/pip install --no-cache-dir --disable-pip-version-check --no-compile \
        --no-deps --no-build-isolation /build \
    && find /opt/pergamum -name '*.py' -exec touch --date=2026-01-01T00:00:00Z {} + \
    && /opt/pergamum/bin/python -m compileall -q -j 0 /opt/pergamum/lib \
    && /opt/pergamum/bin/python -m pergamum.index.kernel_cache /opt/pergamum-kernels

FROM ${BASE_IMAGE}
RUN groupadd --gid 10001 pergamum \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin pergamum \
    && install --directory --owner=10001 --group=10001 --mode=0750 /data
COPY --from=build /opt/pergamum /opt/pergamum
# Writable by the server: on a processor unlike the builder's, the kernels are compiled again and kept here.
COPY --from=build --chown=10001:10001 /opt/pergamum-kernels /opt/pergamum-kernels
ENV PATH=/opt/pergamum/bin:/usr/local/bin:/usr/bin:/bin \
    PERGAMUM_HOST=0.0.0.0 \
    PERGAMUM_PORT=8000 \
    PERGAMUM_DATA_DIR=/data \
    PERGAMUM_KERNEL_CACHE=/opt/pergamum-kernels
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["/opt/pergamum/bin/python", "-c", \
    "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PERGAMUM_PORT'] + '/readyz', timeout=4)"]
ENTRYPOINT ["pergamum"]
CMD ["serve"]
