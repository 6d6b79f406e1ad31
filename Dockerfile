FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY web/page web/page
COPY web/handseg web/handseg
COPY web/engine web/engine
RUN python -m venv /opt/handseg && /opt/handseg/bin/pip install --no-cache-dir ".[serve]"

FROM python:3.12-slim
COPY --from=build /opt/handseg /opt/handseg
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin handseg
ENV PATH=/opt/handseg/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["handseg", "serve", "--host", "0.0.0.0", "--port", "8000", "--access-log"]
