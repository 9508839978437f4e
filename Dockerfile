FROM python:3.12-slim-bookworm

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1
RUN useradd --create-home --uid 10001 populace && mkdir /work && chown populace /work
WORKDIR /app

# A build argument, so that a GPU image can take the CUDA build of the same version.
ARG TORCH_INDEX=""
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} -c constraints.txt torch

COPY models models
COPY service service
COPY worker worker
COPY populace populace
COPY alembic alembic
RUN pip install -c constraints.txt -e ".[objects]"

USER populace
EXPOSE 8400
CMD ["populace", "serve"]
