import { expect, it } from "vitest";
import { admitSession, admitStream, sessionBounds } from "./session-bounds.ts";

const who = (grantId: string) => ({ grantId, expiresAt: "2999-01-01T00:00:00.000Z" });
const refused = expect.objectContaining({ code: "rate_limited" });

it("a grant has a bounded number of event streams, and another has its own", () => {
  const ends = Array.from({ length: sessionBounds.streams }, () => admitStream(who("one")));
  expect(() => admitStream(who("one"))).toThrow(refused);
  admitStream(who("another"))();
  const [end] = ends;
  end?.();
  end?.();
  admitStream(who("one"));
  expect(() => admitStream(who("one"))).toThrow(refused);
});

it("a grant begins a bounded number of sessions, and the owner of local mode as many as they like", () => {
  for (let count = 0; count < sessionBounds.begun.burst; count += 1) admitSession(who("one"));
  expect(() => admitSession(who("one"))).toThrow(refused);
  admitSession(who("another"));
  for (let count = 0; count <= sessionBounds.begun.burst; count += 1) {
    admitSession({ grantId: "local", expiresAt: null });
  }
});
