import { existsSync } from "node:fs";
import { join } from "node:path";

/** The empty files that Docker and Podman leave at the root of what they run. */
const marks = [".dockerenv", "run/.containerenv"] as const;

/** Whether this process runs in a container, by the root of its file system. */
export const isInContainer = (root = "/"): boolean => marks.some((mark) => existsSync(join(root, mark)));
