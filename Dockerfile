# docker build -t transferkit .
# docker build -t transferkit:gpu --build-arg TENSORFLOW='tensorflow[and-cuda]' .
# docker run --rm -v "$PWD":/work transferkit retrain --data photos/
FROM python:3.12-slim-bookworm AS build
WORKDIR /source
COPY . .
RUN python -m pip install --no-cache-dir build && python -m build --wheel --outdir /wheels

FROM python:3.12-slim-bookworm
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
CMD ["--help"]
