# stylize in a container, as a user without rights:
#
#   docker build -t stylize .                          # for NVIDIA GPUs; 7 GB, most of it CUDA
#   docker build -t stylize:cpu --target cpu .         # without them; 2 GB
#
#   docker run --rm --gpus all --shm-size 1g -u "$(id -u):$(id -g)" -v "$PWD:/work" stylize run job.yaml
#
# The NVIDIA driver comes from the host, CUDA's libraries with torch's wheels: a plain Python image is enough.
ARG PYTHON=3.11

# What every stage needs: opencv-python links against libgl1 and libglib2.0-0; and a user of our own.
FROM python:${PYTHON}-slim AS base
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home stylize
# Whoever it is run as (-u) has no home of its own in here; Ray and torch's cache want one.
ENV HOME=/tmp PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1

# The wheel, built apart, so that no source is left in the image; its painting is a link into configs.
FROM base AS wheel
WORKDIR /source
COPY pyproject.toml README.md ./
COPY configs configs
COPY pipeline pipeline
RUN pip wheel --no-deps --wheel-dir /wheels .

# torch without CUDA, from its own index; the rest from PyPI.
FROM base AS cpu
RUN pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels pip install /wheels/*.whl
COPY configs /usr/share/stylize/configs
USER stylize
WORKDIR /work
# In a job's container it starts Ray and looks at every device, so not often.
HEALTHCHECK --interval=10m --timeout=2m --start-period=1m CMD ["stylize", "doctor"]
ENTRYPOINT ["stylize"]
CMD ["--help"]

# torch as PyPI has it, with CUDA.
FROM base AS cuda
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels pip install /wheels/*.whl
COPY configs /usr/share/stylize/configs
USER stylize
WORKDIR /work
HEALTHCHECK --interval=10m --timeout=2m --start-period=1m CMD ["stylize", "doctor"]
ENTRYPOINT ["stylize"]
CMD ["--help"]
