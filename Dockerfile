# The server in an image of its own: no compiler, no root, nothing to write but /tmp.
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.lock ./
# Everything is fetched by hash once; the installs below see only what was fetched.
RUN pip download --no-cache-dir --no-deps --require-hashes --requirement requirements.lock --dest /wheels
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY migrations migrations
COPY gosynq gosynq
COPY gosynq_client gosynq_client
COPY gosynq_server gosynq_server
RUN pip wheel --no-index --find-links /wheels --no-deps --wheel-dir /wheels .
RUN python -m venv /opt/gosynq
RUN /opt/gosynq/bin/pip install --no-index --find-links /wheels gosynq[server]

FROM python:3.13-slim
RUN groupadd --gid 10001 gosynq \
  && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin gosynq
COPY --from=build /opt/gosynq /opt/gosynq
ENV PATH=/opt/gosynq/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 GOSYNQ_HOST=0.0.0.0
USER 10001:10001
WORKDIR /tmp
EXPOSE 50051 8080 9090 50052
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["gosynq", "health", "--target", "127.0.0.1:50052"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["gosynq"]
CMD ["serve"]
