# docker build -t transferkit .
# docker build -t transferkit:gpu --build-arg TENSORFLOW='tensorflow[and-cuda]' .
# docker run --rm -v "$PWD":/work transferkit retrain --data photos/
# docker build -t transferkit:serve --target serve .
# docker run --rm -p 8501:8501 -v "$PWD"/runs/flowers:/model:ro transferkit:serve --name flowers
FROM python:3.12-slim-bookworm AS build
WORKDIR /source
COPY . .
RUN python -m pip install --no-cache-dir build && python -m build --wheel --outdir /wheels

FROM python:3.12-slim-bookworm AS base
ARG TENSORFLOW=tensorflow
RUN useradd --create-home --uid 1000 user
COPY constraints.txt /tmp/constraints.txt
COPY --from=build /wheels /wheels
RUN python -m pip install --no-cache-dir --constraint /tmp/constraints.txt "$TENSORFLOW" /wheels/*.whl \
    && rm -r /wheels /tmp/constraints.txt
USER user
WORKDIR /work
ENV TF_CPP_MIN_LOG_LEVEL=2 TRANSFERKIT_CACHE=/home/user/.cache/transferkit
ENTRYPOINT ["transferkit"]

# The model is mounted at /model: a run's folder, or a version of its export.
FROM base AS serve
USER root
COPY constraints.txt /tmp/constraints.txt
COPY --from=build /wheels /wheels
RUN python -m pip install --no-cache-dir --constraint /tmp/constraints.txt "$(ls /wheels/*.whl)[serve]" \
    && rm -r /wheels /tmp/constraints.txt
USER user
EXPOSE 8501
HEALTHCHECK --start-period=60s CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/healthz', timeout=5)"]
ENTRYPOINT ["transferkit", "serve", "/model", "--host", "0.0.0.0"]

# The default target.
FROM base
CMD ["--help"]
