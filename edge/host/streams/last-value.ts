/**
 * What was made of the last value of a topic, an item of it, or its state, under a name: built once however many
 * watch it, and kept for as long as that value is.
 */
export function createLastValueCache<Made>() {
  const made = new WeakMap<object, Map<string, Made>>();
  return (value: object, name: string, make: () => Made): Made => {
    let byName = made.get(value);
    if (byName === undefined) made.set(value, (byName = new Map()));
    let result = byName.get(name);
    if (result === undefined) byName.set(name, (result = make()));
    return result;
  };
}
