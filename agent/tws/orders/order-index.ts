/** Several values under a key, each once, so that none is searched for. */
export function createIndex<Key, Value>() {
  const sets = new Map<Key, Set<Value>>();
  const nothing: ReadonlySet<Value> = new Set();
  return {
    of: (key: Key): ReadonlySet<Value> => sets.get(key) ?? nothing,
    add(key: Key, value: Value): void {
      const set = sets.get(key);
      if (set === undefined) sets.set(key, new Set([value]));
      else set.add(value);
    },
    remove(key: Key, value: Value): void {
      const set = sets.get(key);
      if (set?.delete(value) === true && set.size === 0) sets.delete(key);
    },
  };
}
