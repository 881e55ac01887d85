/** What a command gets from `main.ts`, the only place that touches the process. */
export interface CliContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** One line on standard output. */
  print(line: string): void;
}
