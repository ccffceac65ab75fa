const format = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** "1,805.00". */
export const amountText = (amount: number): string => format.format(amount);

/** Up to the next cent: a part of one counts whole. */
export const toCents = (amount: number): number => Math.ceil(Number((amount * 100).toFixed(6))) / 100;

/** Whether an amount is above a limit, to the cent: sums of cents are off in their last digits. */
export const isAbove = (amount: number, limit: number): boolean =>
  Math.round(amount * 100) > Math.round(limit * 100);
