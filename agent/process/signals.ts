const patienceMs = 2_000;
/** npm passes on the Ctrl-C that we have had from the terminal already: so soon after, it is the same one. */
const echoMs = 300;

/**
 * On Ctrl-C or a signal to end: closes and exits with 0, soon in any case. A second Ctrl-C exits at once. The signal
 * it returns is aborted when closing begins.
 */
export function closeOnSignal(close: () => Promise<void>): AbortSignal {
  const closing = new AbortController();
  let closingAt = Infinity;
  const end = () => {
    if (performance.now() - closingAt > echoMs) process.exit(1);
    if (closing.signal.aborted) return;
    closingAt = performance.now();
    closing.abort();
    const exit = () => process.exit(0);
    setTimeout(exit, patienceMs);
    close().then(exit, (error: unknown) => {
      process.stderr.write(`Closing failed: ${String(error)}\n`);
      process.exit(1);
    });
  };
  process.on("SIGINT", end);
  process.on("SIGTERM", end);
  // the terminal was closed
  process.on("SIGHUP", end);
  return closing.signal;
}

/**
 * On a signal npm ends the shell between it and us, and not us: without this, `kill` on `npm start` would leave the
 * port taken. Gives ourselves the signal when that shell is gone.
 */
export function endWithNpm(): void {
  const shell = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === shell) return;
    clearInterval(timer);
    process.kill(process.pid, "SIGTERM");
  }, 250);
  timer.unref();
}
