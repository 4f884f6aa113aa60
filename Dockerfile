# One image for the web server, the worker and beat: they differ only in their command.

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /app

# The libraries come first: they change less often than the code, so their layer is reused.
# The venv has no pip of its own, for nothing is ever installed into a running container.
COPY requirements.txt ./
RUN python -m venv --without-pip /venv && \
    pip --python /venv/bin/python install --require-hashes --only-binary :all: -r requirements.txt

COPY manage.py ./
COPY config config
COPY otp otp
COPY sms sms
# Bytecode is compiled here, because a container that runs cannot write any.
RUN python -m compileall -q manage.py config otp sms


FROM python:3.13-slim
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
# A fixed number, so that the permissions of whatever is mounted stay right from one image to the next.
RUN groupadd --system --gid 10001 otpost && \
    useradd --system --uid 10001 --gid otpost --no-create-home --home-dir /nonexistent otpost
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app
USER 10001:10001

EXPOSE 8000
# On SIGTERM granian takes no new connection and finishes the requests it holds; celery ends warmly too.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
# Its options are in config/web.py. The access log stays off: the proxy in front keeps one.
CMD ["python", "-m", "config.web", "--host", "0.0.0.0", "--port", "8000"]
