# One image for each part: docker build --target etl|operator|api .
# The base is an argument, so that the same file builds where no registry is at hand; it needs
# Python 3.11 or newer with venv. BUILD_IMAGE may hold what only the build needs, as a company's
# certificates; nothing of it reaches the result.
ARG BASE_IMAGE=python:3.12-slim
ARG BUILD_IMAGE=${BASE_IMAGE}

FROM ${BUILD_IMAGE} AS builder
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --quiet --no-cache-dir "uv>=0.8,<1"
ENV PATH=/opt/uv/bin:$PATH \
    UV_PROJECT_ENVIRONMENT=/opt/cryptosource \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON_PREFERENCE=only-system
WORKDIR /src
COPY pyproject.toml uv.lock ./

# Dependencies are layers of their own: they change less often than our code, and are large.
FROM builder AS etl-dependencies
RUN uv sync --quiet --locked --no-dev --no-install-project --extra etl

FROM builder AS operator-dependencies
RUN uv sync --quiet --locked --no-dev --no-install-project --extra operator

FROM builder AS api-dependencies
RUN uv sync --quiet --locked --no-dev --no-install-project --extra api

# Our code, the same for all: it imports a part's dependencies only where that part runs.
FROM builder AS code
RUN uv venv --quiet "$UV_PROJECT_ENVIRONMENT"
COPY . .
# The README is for people; its edits make no new images.
RUN touch README.md && uv pip install --quiet --python "$UV_PROJECT_ENVIRONMENT" --no-deps .

FROM ${BASE_IMAGE} AS runtime
# libpq asks for the user's name; a number alone has none.
RUN echo "cryptosource:x:10001:10001::/tmp:/usr/sbin/nologin" >> /etc/passwd \
    && echo "cryptosource:x:10001:" >> /etc/group
ENV PATH=/opt/cryptosource/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["cryptosource"]

FROM runtime AS operator
COPY --from=operator-dependencies /opt/cryptosource /opt/cryptosource
COPY --from=code /opt/cryptosource /opt/cryptosource
CMD ["operator"]

FROM runtime AS api
COPY --from=api-dependencies /opt/cryptosource /opt/cryptosource
COPY --from=code /opt/cryptosource /opt/cryptosource
CMD ["api"]

# Runs the source of the manifest that is mounted there, once; the operator gives its own arguments.
FROM runtime AS etl
COPY --from=etl-dependencies /opt/cryptosource /opt/cryptosource
COPY --from=code /opt/cryptosource /opt/cryptosource
CMD ["run", "--file", "/etc/cryptosource/source.yaml"]
