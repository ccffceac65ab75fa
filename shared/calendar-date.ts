/** The sentence that goes behind a field's name. */
export const noSuchDate = "there is no such date";

/** Whether the calendar has the day `yyyymmdd` or the month `yyyymm`; true of what is neither, which a pattern refuses. */
export function isInCalendar(text: string): boolean {
  const parts = /^(\d{4})(\d{2})(\d{2})?$/.exec(text);
  if (parts === null) return true;
  const [, year, month, day = "01"] = parts;
  const at = Date.parse(`${String(year)}-${String(month)}-${day}T00:00:00Z`);
  // JavaScript makes the first of March of the thirtieth of February
  return !Number.isNaN(at) && new Date(at).getUTCDate() === Number(day);
}
