/** An account of an advisor, live or paper: its clients' accounts are behind it. */
export const isAdvisor = (account: string): boolean => /^D?F/.test(account);
