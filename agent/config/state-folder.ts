/**
 * Where `start` keeps its local state, from the folder it runs in; null where it keeps none. Two edges may not share a
 * folder, or each would show what the other knows. On any free port nothing is kept.
 */
export const stateFolderOf = (port: number): string | null => (port === 0 ? null : `.tws-edge/port-${port}`);
