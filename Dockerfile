# One image for every process of ours; docker-compose.yml says which one a container runs.
FROM python:3.11-slim

# More packages than the studio needs by itself, e.g. s3fs for STORAGE_URL=s3://...
ARG EXTRA_PACKAGES=""

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

RUN groupadd --gid 10001 atelier \
    && useradd --uid 10001 --gid atelier --home-dir /data --no-create-home atelier \
    && install -d -o atelier -g atelier /data /data/weights /files

WORKDIR /source
COPY pyproject.toml README.md ./
COPY atelier atelier
COPY engines engines
COPY jobs jobs
COPY migrations migrations
COPY webui webui
COPY worker worker
RUN pip install . ${EXTRA_PACKAGES} && rm -rf /source/*

# Volumes that are empty take their owner from these folders, so nothing has to run as root.
WORKDIR /data
ENV ATELIER_DATA=/data
USER atelier
CMD ["atelier", "--help"]
