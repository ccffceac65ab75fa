import type { Caller } from "../../shared/caller.ts";

type Row = Readonly<Record<string, unknown>>;

/** The question that a list answers: whichever page is asked for, the same caller is shown the same list. */
interface Question {
  readonly caller: Pick<Caller, "grantId" | "accounts">;
  readonly tool: string;
  readonly input: Row;
}

interface Pinned {
  readonly question: string;
  readonly grantId: string;
  readonly output: Row;
  readonly rows: number;
  usedAt: number;
}

/** A list that nobody has asked for since is forgotten. */
const keptMs = 10 * 60_000;
/** The lists of one grant, and of all: the ones longest unused make room. */
const mostOfGrant = 8;
const mostOfAll = 64;
/** Rows of all lists together; a single list may have more. */
const mostRows = 400_000;

const name = /^list-[0-9a-f-]{36}$/;

/**
 * Lists of which a caller has had a page, as they were then: the next pages are of the same list, so that none of its
 * rows comes twice or is missed while the market moves.
 */
export function createPinnedLists(now: () => number) {
  const lists = new Map<string, Pinned>();

  function forget(): void {
    for (const [id, { usedAt }] of lists) if (now() - usedAt > keptMs) lists.delete(id);
  }

  /** The map is in the order of use. */
  function makeRoom(grantId: string, rows: number): void {
    const own = [...lists].filter(([, list]) => list.grantId === grantId);
    const excess = [
      ...own.slice(0, Math.max(0, own.length - mostOfGrant + 1)),
      ...[...lists].slice(0, Math.max(0, lists.size - mostOfAll + 1)),
    ];
    for (const [id] of excess) lists.delete(id);
    let held = [...lists.values()].reduce((sum, list) => sum + list.rows, rows);
    for (const [id, list] of lists) {
      if (held <= mostRows) return;
      lists.delete(id);
      held -= list.rows;
    }
  }

  return {
    /** Keeps a list, and returns its name for the cursor. */
    pin(question: Question, output: Row): string {
      const { grantId } = question.caller;
      forget();
      const rows = rowsOf(output);
      makeRoom(grantId, rows);
      const id = `list-${crypto.randomUUID()}`;
      lists.set(id, { question: textOf(question), grantId, output, rows, usedAt: now() });
      return id;
    },

    isName: (kept: string | null): kept is string => kept !== null && name.test(kept),

    /** The list of that name, if it answers the question; null for one that is gone, or of another question. */
    get(id: string, question: Question): Row | null {
      forget();
      const list = lists.get(id);
      if (list === undefined || list.question !== textOf(question)) return null;
      list.usedAt = now();
      lists.delete(id);
      lists.set(id, list);
      return list.output;
    },
  };
}

/** How much of the list is asked for, and in what form, is no part of the question. */
function textOf({ caller, tool, input }: Question): string {
  const { limit: _limit, cursor: _cursor, format: _format, ...asked } = input;
  return JSON.stringify([caller.grantId, caller.accounts, tool, asked]);
}

const rowsOf = (output: Row): number =>
  Object.values(output).reduce<number>((sum, value) => sum + (Array.isArray(value) ? value.length : 0), 0);
