# Two images: `purser` (worker, api and migrate: one binary) and `producer` (the synthetic shop, which has no
# business in production); that of the history has a file of its own, history/Dockerfile. Plain syntax only:
# docker-compose 1.29 builds with the classic builder.

# The manifests beside empty sources are all that compiling the dependencies needs. As a stage of their own
# they change only when a manifest does, so that an edit of our code does not compile 300 crates again.
FROM rust:1.95-slim-bookworm AS manifests
WORKDIR /all
COPY . .
RUN mkdir /manifests \
 && find . -name Cargo.toml -o -name Cargo.lock | xargs cp --parents -t /manifests \
 && find . -path '*/src/lib.rs' -o -path '*/src/main.rs' -o -name build.rs -o -path '*/benches/*.rs' \
  | while read -r source; do \
      mkdir -p "/manifests/${source%/*}" && echo 'fn main() {}' > "/manifests/$source"; \
    done

# The C compiler that aws-lc-sys and zstd-sys ask for is in this image; nothing else is.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
# Stack traces keep the names of functions without it, and the binaries are half as large.
ENV CARGO_PROFILE_RELEASE_STRIP=debuginfo
COPY --from=manifests /manifests .
RUN cargo build --release --locked --bin purser --bin producer
COPY . .
# cargo goes by the time of change, and a checkout may well be older than the empty sources were.
RUN find . -name '*.rs' -not -path './target/*' -exec touch {} + \
 && cargo build --release --locked --bin purser --bin producer

FROM debian:bookworm-slim AS runtime
# The certificates alone: the package would bring openssl along, which nothing here uses.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY docker/http-ok /usr/local/bin/
# A named volume that is mounted on /blob or /history for the first time takes these folders over, owner included.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir / --shell /usr/sbin/nologin purser \
 && install -d -o purser -g purser /blob /blob/users /blob/articles /blob/shoppers /blob/purchases /blob/dead-letter /history
ENV BLOB_URL=file:///blob
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001

FROM runtime AS producer
COPY --from=build /build/target/release/producer /usr/local/bin/
ENTRYPOINT ["producer"]

# The last stage, so that `docker build .` makes it.
FROM runtime AS purser
COPY --from=build /build/target/release/purser /usr/local/bin/
# In a container, 127.0.0.1 is nobody's but its own.
ENV HTTP_ADDR=0.0.0.0:8080
EXPOSE 8080
ENTRYPOINT ["purser"]
CMD ["serve"]
