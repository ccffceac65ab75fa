import { z } from "zod";

export const startStatus = z.enum(["started", "already_started"]).describe("started or already_started");
export const stopStatus = z.enum(["stopped", "not_started"]).describe("stopped or not_started");
export const topic = z.string().describe("Internal name of the stream");
