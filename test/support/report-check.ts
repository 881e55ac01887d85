/** One line of JSON on standard output for each check of a script that `checksOnSwiftshader` runs. */

/** `failure` is null where it passed. */
export async function report(check: string, run: () => Promise<void>): Promise<void> {
  let failure: string | null = null;
  try {
    await run();
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
  }
  process.stdout.write(`${JSON.stringify({ check, failure })}\n`);
}
