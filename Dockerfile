# The image of both workers; `docker-compose.yml` gives each its command, mounts and health check.

# One version for both stages: native modules are compiled for it.
ARG NODE_VERSION=22.23.2
# The lowest that native/Cargo.toml asks for.
ARG RUST_VERSION=1.88.0

# The native part. It is the same for every version of Node.
FROM rust:${RUST_VERSION}-bookworm AS native
WORKDIR /app
COPY native ./
RUN cargo build --release --locked

# Not slim: better-sqlite3 is compiled where its prebuilt binary cannot be had, and this image has Python and a compiler.
FROM node:${NODE_VERSION}-bookworm AS build
WORKDIR /app
# Before the sources, so that a changed source does not install everything again.
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
COPY --from=native /app/target/release/libtapeflow_native.so /native/
RUN node scripts/build.mjs && npm prune --omit=dev \
  && node scripts/build-native.mjs --built /native/libtapeflow_native.so

FROM node:${NODE_VERSION}-bookworm-slim
# attr: getfattr and setfattr, the only way to sync an LTFS index (Node has no such call).
# ca-certificates: Temporal over TLS; the slim image has none.
# Not pinned, because Debian deletes a version from its mirrors when the next one is out.
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install --yes --no-install-recommends attr ca-certificates \
  && rm -rf /var/lib/apt/lists/* \
  && printf '#!/bin/sh\nexec node /app/bin/tapeflow.cjs "$@"\n' > /usr/local/bin/tapeflow \
  && chmod 755 /usr/local/bin/tapeflow
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/bin ./bin
COPY --from=build /app/dist ./dist

# Root, on purpose: a backup must read files of every owner, and a restore must give them back to theirs. A user of the
# image's own would skip every private file. The sources are mounted read-only instead.
# hadolint ignore=DL3002
USER 0:0
ENTRYPOINT ["node", "/app/bin/tapeflow.cjs"]
CMD ["--help"]
