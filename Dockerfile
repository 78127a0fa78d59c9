# docker build -t inkcast .    docker run --rm -v "$PWD:/comics" inkcast make story.txt --cast "Ann (she)=ann.png" --out ann/
FROM python:3.12-slim
COPY pyproject.toml constraints.txt README.md LICENSE /src/
COPY src /src/src
RUN pip install --no-cache-dir --constraint /src/constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu /src \
    && rm -rf /src \
    && useradd --create-home author
USER author
WORKDIR /comics
ENTRYPOINT ["inkcast"]
CMD ["--help"]
