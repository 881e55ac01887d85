/** What a command gets from `main.ts`, the only place that touches the process. */
export interface CliContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** One line on standard output. */
  print(line: string): void;
}

/** For commands that live until they are told to stop. */
export interface ServiceContext extends CliContext {
  /** Piece of text on standard output, without a line break. */
  write(text: string): void;
  /**
   * Aborted by Ctrl-C, SIGTERM, or the death of the process that started this one; a second Ctrl-C ends at once. Called
   * only by commands that live on: others keep the signals' usual meaning.
   */
  untilStopped(): AbortSignal;
  /** Tells the process that started this one, where there is one, that it is ready. */
  report(facts: object): void;
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  /** Whether a person types and sees the output. */
  readonly isTerminal: boolean;
  setExitCode(code: number): void;
}
