# syntax=docker/dockerfile:1
# Two targets: `agent`, the process beside TWS; `local`, edge and agent and simulator in one, for trying it out.

FROM node:24-slim AS base
WORKDIR /app
ENV NODE_ENV=production
COPY package.json package-lock.json ./

FROM base AS local
RUN npm ci --include=dev
COPY tsconfig.json wrangler.toml ./
COPY shared shared
COPY edge edge
COPY agent agent
RUN mkdir .tws-edge && chown node .tws-edge
USER node
CMD ["node", "agent/main.ts", "start"]

# the last target is what a plain `docker build .` makes
FROM base AS agent
RUN npm ci --omit=dev
COPY shared shared
COPY agent agent
RUN mkdir .tws-edge && chown node .tws-edge
USER node
CMD ["node", "agent/main.ts", "agent"]
