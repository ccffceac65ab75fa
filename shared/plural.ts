/** "1 order", "2 orders": a number with the word for what it counts. */
export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;
