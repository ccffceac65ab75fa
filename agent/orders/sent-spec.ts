import { z } from "zod";
import type { Leg } from "./journal.ts";

/** What is compared of an order that was sent, from the journal. */
const SentSpec = z.object({
  quantity: z.number(),
  limitPrice: z.number().nullable(),
  auxPrice: z.number().nullable(),
});

/** Null for an order that this journal did not send. */
export function sentSpecOf({ spec }: Leg): z.infer<typeof SentSpec> | null {
  return SentSpec.safeParse(JSON.parse(spec)).data ?? null;
}
