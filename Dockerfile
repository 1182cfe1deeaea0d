# docker build -t transferkit .
# docker build -t transferkit:gpu --build-arg TENSORFLOW='tensorflow[and-cuda]' .
# docker run --rm -v "$PWD":/work transferkit retrain --data photos/
# docker build -t transferkit:serve --target serve .
# docker run --rm -p 8501:8501 -v "$PWD"/runs/flowers:/model:ro transferkit:serve --name flowers
# Every package has the version of constraints.txt; --build-arg PYTHON=python@sha256:… pins the base's bytes too.
ARG PYTHON=python:3.12-slim-bookworm

FROM ${PYTHON} AS build
WORKDIR /source
COPY . .
ENV PIP_CONSTRAINT=/source/constraints.txt PIP_NO_CACHE_DIR=1
# The version is that of constraints.txt.
# hadolint ignore=DL3013
RUN python -m pip install build && python -m build --wheel --outdir /wheels

FROM ${PYTHON} AS base
ARG TENSORFLOW=tensorflow
RUN useradd --create-home --uid 1000 user
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    --mount=type=bind,source=constraints.txt,target=/constraints.txt \
    python -m pip install --no-cache-dir --constraint /constraints.txt "${TENSORFLOW}" /wheels/*.whl \
    # 430 MB of headers, for those who compile operations of their own.
    && find /usr/local/lib -type d -path '*/tensorflow/include' -prune -exec rm -r {} +
# By its number, so that a cluster that demands a user other than root can tell.
USER 1000
WORKDIR /work
ENV TF_CPP_MIN_LOG_LEVEL=2 TRANSFERKIT_CACHE=/home/user/.cache/transferkit
ENTRYPOINT ["transferkit"]

# The model is mounted at /model: a run's folder, or a version of its export.
FROM base AS serve
USER 0
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    --mount=type=bind,source=constraints.txt,target=/constraints.txt \
    python -m pip install --no-cache-dir --constraint /constraints.txt "$(ls /wheels/*.whl)[serve]"
USER 1000
EXPOSE 8501
HEALTHCHECK --start-period=60s CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/healthz', timeout=5)"]
ENTRYPOINT ["transferkit", "serve", "/model", "--host", "0.0.0.0"]

# The default target.
FROM base
CMD ["--help"]
