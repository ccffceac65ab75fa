import { describe, expect, it } from "vitest";
import { BodiesUnderWay } from "./bodies-under-way.ts";

const bounds = { ofSource: 2, all: 5, bytesOfSource: 100, bytes: 150 };

/** Begins bodies of these sources, each named by its place, and says which had to give way, in their order. */
function begun(sources: readonly (string | null)[]) {
  const bodies = new BodiesUnderWay(bounds);
  const gone: number[] = [];
  const all = sources.map((source, index) => bodies.begin(source, () => gone.push(index)));
  return { gone, all };
}

describe("bodies under way", () => {
  it("give way when their source has too many: the oldest first", () => {
    expect(begun(["a", "a", "b", "a", "a"]).gone).toEqual([0, 1]);
  });

  it("of an unknown source are held to what all may have", () => {
    expect(begun([null, null, null, null, null]).gone).toEqual([]);
    expect(begun([null, null, null, null, null, null]).gone).toEqual([0]);
  });

  it("of whoever has most give way when there are too many in all", () => {
    expect(begun(["a", "b", "b", "c", "d", "e"]).gone).toEqual([1]);
  });

  it("that have ended take no place", () => {
    const bodies = new BodiesUnderWay(bounds);
    const gone: number[] = [];
    for (let index = 0; index < 10; index += 1) bodies.begin("a", () => gone.push(index)).ended();
    expect(gone).toEqual([]);
  });

  it("give way when too much of them has arrived, of one source and in all", () => {
    const { gone, all } = begun(["a", "a", "b", "c"]);
    all[0]?.arrived(60);
    all[1]?.arrived(60);
    expect(gone).toEqual([0]);
    all[2]?.arrived(80);
    all[3]?.arrived(20);
    expect(gone).toEqual([0, 2]);
  });
});
