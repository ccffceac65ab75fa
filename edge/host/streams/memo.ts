/** Remembers what was made of a thing under a name, for as long as the thing lives. */
export function createMemo<Made>() {
  const made = new WeakMap<object, Map<string, Made>>();
  return (thing: object, name: string, make: () => Made): Made => {
    let byName = made.get(thing);
    if (byName === undefined) made.set(thing, (byName = new Map()));
    let result = byName.get(name);
    if (result === undefined) byName.set(name, (result = make()));
    return result;
  };
}
