# One image for each service: docker build --target webhook-ingress|grants|token-verification|portal|signals|workos-sandbox .
# By digest where builds are to be the same each time: --build-arg NODE_IMAGE=node@sha256:…
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci
COPY . .
RUN npm run build && mkdir -p dist/apps/console

# What runs needs no compiler and no install script.
FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --omit=optional --ignore-scripts

FROM ${NODE_IMAGE} AS service
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080
WORKDIR /app
COPY --from=dependencies /app/package.json ./
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist/libs dist/libs
USER 1000:1000
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/ready`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]

FROM service AS webhook-ingress
COPY --from=build /app/dist/apps/webhook-ingress dist/apps/webhook-ingress
CMD ["node", "--enable-source-maps", "dist/apps/webhook-ingress/src/main.js"]

FROM service AS grants
COPY --from=build /app/dist/apps/grants dist/apps/grants
CMD ["node", "--enable-source-maps", "dist/apps/grants/src/main.js"]

FROM service AS token-verification
COPY --from=build /app/dist/apps/token-verification dist/apps/token-verification
CMD ["node", "--enable-source-maps", "dist/apps/token-verification/src/main.js"]

FROM service AS portal
COPY --from=build /app/dist/apps/portal dist/apps/portal
COPY --from=build /app/dist/apps/console dist/apps/console
CMD ["node", "--enable-source-maps", "dist/apps/portal/src/main.js"]

FROM service AS signals
COPY --from=build /app/dist/apps/signals dist/apps/signals
CMD ["node", "--enable-source-maps", "dist/apps/signals/src/main.js"]

# For demonstration and tests alone.
FROM service AS workos-sandbox
COPY --from=build /app/dist/tools dist/tools
CMD ["node", "--enable-source-maps", "dist/tools/workos-sandbox/src/main.js"]
