# Two targets: `agent`, the process beside TWS; `local`, edge and agent and simulator in one, for trying it out.

# docker buildx imagetools inspect node:24-slim    shows the digest of the newest
FROM node:24-slim@sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6 AS base
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

# docker build --build-arg SIMULATOR=yes .    keeps the simulator in the image of the agent
FROM base AS agent-source
COPY agent agent
ARG SIMULATOR=no
RUN [ "$SIMULATOR" = yes ] || rm -r agent/simulator

# the last target is what a plain `docker build .` makes
FROM base AS agent
RUN npm ci --omit=dev
COPY shared shared
COPY --from=agent-source /app/agent agent
RUN mkdir .tws-edge && chown node .tws-edge
USER node
CMD ["node", "agent/main.ts", "agent"]
