ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS builder
WORKDIR /build
RUN python -m venv --without-pip /venv
COPY requirements.lock .
# an optional secret: the CA bundle of a network that inspects TLS
RUN --mount=type=secret,id=ca-bundle --mount=type=cache,target=/root/.cache/pip \
    if [ -s /run/secrets/ca-bundle ]; then export PIP_CERT=/run/secrets/ca-bundle; fi \
    && python -m pip --python /venv/bin/python install --disable-pip-version-check --require-hashes -r requirements.lock
COPY app app
# whatever the umask of the checkout: the user they run as may read them, nobody may write
RUN chmod -R u=rwX,go=rX app && python -m compileall -q --invalidation-mode unchecked-hash app

FROM ${PYTHON_IMAGE}
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
RUN python -m pip uninstall --yes --quiet --root-user-action ignore pip && rm -rf /usr/local/lib/python3*/ensurepip
WORKDIR /app
COPY --from=builder /venv /venv
COPY --from=builder /build/app app
USER 65532:65532
EXPOSE 8000
ENTRYPOINT ["python", "-m", "app"]
CMD ["agent"]
