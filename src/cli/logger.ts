/** The real logger: JSON lines on standard error, so that standard output stays for people. */
import { pino } from 'pino';
import type { Logger } from '../base/logger.ts';
import type { Settings } from './config.ts';

export function createLogger(level: Settings['logLevel'], name: string): Logger {
  const log = pino(
    { level, name, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: true }),
  );
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => log.error(fields, message),
  };
}
