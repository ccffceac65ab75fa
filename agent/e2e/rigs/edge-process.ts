import { readdirSync, readFileSync } from "node:fs";

/** The workerd that this process runs, by the kernel's account of it. */
export function edgeProcess() {
  const id = readdirSync("/proc").find((name) => /^\d+$/.test(name) && isOurs(read(`${name}/status`)));
  if (id === undefined) throw new Error("This process runs no workerd, or there is no /proc here.");
  return {
    megabytes: (): number => Number(/^VmRSS:\s+(\d+) kB$/m.exec(read(`${id}/status`))?.[1]) / 1024,
    /** The kernel counts in hundredths. The name, in brackets, may have spaces in it. */
    processorSeconds(): number {
      const fields = read(`${id}/stat`).replace(/^.*\)/, "").split(" ");
      return (Number(fields[12]) + Number(fields[13])) / 100;
    },
  };
}

const isOurs = (status: string): boolean =>
  /^Name:\s+workerd$/m.test(status) && status.includes(`\nPPid:\t${process.pid}\n`);

function read(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, "utf8");
  } catch {
    // it has ended since
    return "";
  }
}
