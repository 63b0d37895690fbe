# The hub as an image. It runs on an existing PostgreSQL (DATABASE_URL); docker-compose.yml brings one, and Kafka.
# The operator's commands are in it too: node dist/commands/keys.js status (docs/commands.md).
FROM node:22-bookworm-slim AS build
WORKDIR /hub
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json nest-cli.json .swcrc ./
COPY src ./src
RUN npm run build && npm prune --omit=dev

FROM node:22-bookworm-slim
# Threads for looking names up: see scripts/threads.cjs.
ENV NODE_ENV=production UV_THREADPOOL_SIZE=64
WORKDIR /hub
COPY --from=build /hub/package.json ./
COPY --from=build /hub/node_modules ./node_modules
COPY --from=build /hub/dist ./dist
# What the hub keeps outside of the database: the key and the signed heads of its audit trail. Mount a volume there.
RUN mkdir .hub && chown node:node .hub
USER node
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.PORT || 3000) + '/health/ready').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Directly, so that SIGTERM reaches the hub and it can finish what is under way.
# As `npm start`: room for what lives as long as a webhook under way, so that it is not copied as if it stayed.
CMD ["node", "--max-semi-space-size=32", "dist/main.js"]
