# stylize on a GPU machine:
#   docker build -t stylize .
#   docker run --rm --gpus all --shm-size 1g -v "$PWD:/work" stylize run job.yaml
# The NVIDIA driver comes from the host, CUDA's libraries with torch's wheels; so a plain Python image is enough.
FROM python:3.11-slim

# libgl1 and libglib2.0-0 are what opencv-python links against.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/stylize
COPY pyproject.toml README.md ./
COPY pipeline pipeline
COPY configs configs
RUN pip install --no-cache-dir .

RUN useradd --create-home stylize
USER stylize
WORKDIR /work
ENTRYPOINT ["stylize"]
CMD ["--help"]
